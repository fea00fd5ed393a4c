//! Texts that have broken other programs, in every place where a sender can put one.
//!
//! Such texts are data: they are stored and shown as they came, and act nowhere. What is no text at all is
//! refused.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Collector, ask};

/// Of each kind some: for shells, paths, URLs, markup, metrics, terminals, scripts of other directions,
/// numbers that are none.
const TEXTS: [&str; 46] = [
    "",
    " ",
    "undefined",
    "null",
    "NaN",
    "1e400",
    "-1",
    "0x10",
    "__overflow__",
    "__proto__",
    "-rf",
    "--config=/etc/passwd",
    "; rm -rf / #",
    "$(reboot)",
    "`reboot`",
    "${env:HOME}",
    "%s%n%x",
    "../../../../etc/passwd",
    "/dev/null",
    "C:\\CON\\..\\x",
    "a/b?c=d#e&f",
    "%00%0a%2e%2e",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "' OR 1=1; DROP TABLE spans; --",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<![CDATA[x]]>&lt;&#x3c;",
    "a\"} 1\nresus_evil{b=\"",
    "two\r\nlines",
    "tab\tand nul \0 end",
    "\u{1b}[2J\u{1b}]8;;http://x\u{7}y",
    "\u{7f}\u{85}\u{9b}31m",
    "\u{202e}tfel ot thgir",
    "\u{2066}isolated",
    "\u{feff}mark",
    "zero\u{200b}width\u{200d}",
    "Z\u{351}\u{36b}\u{343}\u{36a}\u{302}a",
    "\u{ffff}\u{fffe}\u{fdd0}",
    "\u{e000}\u{10fffd}",
    "👩\u{200d}👩\u{200d}👧🏳\u{fe0f}\u{200d}🌈",
    "田中さん ﷽ ЁЂЃ",
    "ＡＢＣ ﬃ ß İ",
    "ns/pod-0.service@1",
    "a=b,c=d",
    "{\"a\":[1,{\"b\":null}]}",
];

/// A field of protobuf with a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

fn attribute(key: &[u8], value: &[u8]) -> Vec<u8> {
    [field(1, key), field(2, &field(1, value))].concat()
}

/// A request of one span in protobuf, with a text wherever there can be one.
fn protobuf(trace: u128, text: &[u8]) -> Vec<u8> {
    let time = |number: u8, nanos: u64| [&[number << 3 | 1][..], &nanos.to_le_bytes()].concat();
    let event = [time(1, 5), field(2, text), field(3, &attribute(b"k", text))].concat();
    let span = [
        field(1, &trace.to_be_bytes()),
        field(2, &7_u64.to_be_bytes()),
        field(3, text),
        field(5, text),
        vec![6 << 3, 2],
        time(7, 1_767_225_600_000_000_000),
        time(8, 1_767_225_600_001_000_000),
        field(9, &attribute(text, text)),
        field(9, &attribute(b"error.type", text)),
        field(11, &event),
        field(15, &[field(2, text), vec![3 << 3, 2]].concat()),
    ]
    .concat();
    let resource = [
        field(1, &attribute(b"service.name", text)),
        field(1, &attribute(b"service.namespace", text)),
        field(1, &attribute(b"service.instance.id", text)),
    ]
    .concat();
    let scoped = [field(1, &field(1, text)), field(2, &span)].concat();
    field(1, &[field(1, &resource), field(2, &scoped)].concat())
}

/// The same in JSON.
fn in_json(trace: u128, text: &str) -> Value {
    let attribute = |key: &str| json!({"key": key, "value": {"stringValue": text}});
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            attribute("service.name"),
            attribute("service.namespace"),
            attribute("service.instance.id"),
        ]},
        "scopeSpans": [{
            "scope": {"name": text},
            "spans": [{
                "traceId": format!("{trace:032x}"),
                "spanId": "0000000000000007",
                "traceState": text,
                "name": text,
                "kind": 2,
                "startTimeUnixNano": "1767225600000000000",
                "endTimeUnixNano": "1767225600001000000",
                "attributes": [attribute(text), attribute("error.type")],
                "events": [{"timeUnixNano": "5", "name": text, "attributes": [attribute("k")]}],
                "status": {"code": 2, "message": text},
            }],
        }],
    }]})
}

/// Sends a body over a connection of its own; gives the status.
fn post(at: SocketAddr, content_type: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(at).expect("somebody listens");
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).expect("the request is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer comes");
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

const EXTRA: &str = "[rules]\nverbatim_operations = true\n";

#[test]
fn texts_are_data_wherever_they_stand() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let collector = Collector::start(folder.path(), EXTRA);
    for (n, text) in TEXTS.iter().enumerate() {
        let trace = 1 + 2 * n as u128;
        let sent =
            post(collector.http, "application/x-protobuf", &protobuf(trace, text.as_bytes()));
        assert_eq!(sent, 200, "{text:?}");
        let body = in_json(trace + 1, text).to_string();
        assert_eq!(post(collector.http, "application/json", body.as_bytes()), 200, "{text:?}");
    }
    // What is no UTF-8 is no text: refused, and not stored.
    for (n, bytes) in
        [&b"\xff"[..], b"a\xc0\xafb", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"].into_iter().enumerate()
    {
        let trace = 1000 + n as u128;
        let sent = post(collector.http, "application/x-protobuf", &protobuf(trace, bytes));
        assert_eq!(sent, 400, "{bytes:?}");
        let (status, _) = collector.get(&format!("/api/v1/traces/{trace:032x}"));
        assert_eq!(status, 404, "{bytes:?}");
    }
    for (n, &text) in TEXTS.iter().enumerate() {
        for trace in [1 + 2 * n, 2 + 2 * n] {
            let answer = collector.json(&format!("/api/v1/traces/{trace:032x}"));
            let span = &answer["spans"][0];
            for key in ["namespace", "instance", "scope", "status_message", "error_type"] {
                assert_eq!(span[key], text, "{key} of {text:?}: {span:#}");
            }
            if !text.is_empty() {
                // Without a name they are called by what is known.
                assert_eq!(span["service"], text, "{span:#}");
                assert_eq!(span["operation"], text, "{span:#}");
            }
            assert_eq!(span["attributes"][text], text, "{span:#}");
            assert_eq!(span["events"][0]["name"], text, "{span:#}");
            assert_eq!(span["events"][0]["attributes"]["k"], text, "{span:#}");
        }
        // In a path and behind it, too.
        for path in ["traces/", "diagnosis?level=", "classes?limit=", "gauges?"] {
            let (status, body) = collector.get(&format!("/api/v1/{path}{}", percent(text)));
            assert!([200, 400, 404].contains(&status), "{path} {text:?}: {status}");
            assert!(serde_json::from_str::<Value>(&body).is_ok(), "{path} {text:?}: {body}");
        }
    }
    let (_, scraped) = collector.get("/metrics");
    for line in scraped.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().expect("a value ends the line");
        assert!(line.starts_with("resus_") && value.parse::<f64>().is_ok(), "{line}");
        assert!(!line.contains("evil"), "{line}");
    }
    assert_eq!(ask(collector.api, "GET", "/healthz", "").0, 200);
    let (ended, said) = collector.end();
    assert!(ended.success(), "{said}");
    assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).expect("the folder can be read");
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(folder.path()), BTreeSet::from(["data", "resus.toml"].map(str::to_owned)));
    for name in names(&folder.path().join("data")) {
        let usual = name.chars().all(|c| c.is_ascii_lowercase() || ".-_".contains(c));
        assert!(usual, "{name:?} in the folder of the data");
    }
}

/// A dump in which one service of such a name fails, and another calls it.
fn dump(name: &str) -> String {
    let mut lines = String::new();
    for n in 0..400_u64 {
        let failing = n >= 200;
        let with = n % 2 == 0;
        let at = 1_767_225_600_000_000_000 + n * 1_000_000_000;
        let status = if failing && with { json!({"code": 2, "message": name}) } else { json!({}) };
        let of = |service: &str, span: u64, parent: &str, kind: u8| {
            json!({
                "resource": {"attributes": [
                    {"key": "service.name", "value": {"stringValue": service}},
                ]},
                "scopeSpans": [{"spans": [{
                    "traceId": format!("{:032x}", n + 1),
                    "spanId": format!("{span:016x}"),
                    "parentSpanId": parent,
                    "name": service,
                    "kind": kind,
                    "startTimeUnixNano": at.to_string(),
                    "endTimeUnixNano": (at + 1_000_000).to_string(),
                    "status": status,
                }]}],
            })
        };
        let mut spans = vec![of("front", 1, "", 2)];
        if with {
            spans.push(of(name, 2, "0000000000000001", 2));
        }
        lines.push_str(&json!({"resourceSpans": spans}).to_string());
        lines.push('\n');
    }
    lines
}

#[test]
fn suspects_of_such_names_are_shown_and_break_nothing() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for name in [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a\"} 1\nresus_evil{b=\"",
        "\u{1b}[2J\u{1b}]8;;http://x\u{7}y",
        "\u{7f}\u{85}\u{9b}31m",
        "\u{202e}tfel ot thgir",
        "$(reboot)",
    ] {
        let file = folder.path().join("dump.jsonl");
        std::fs::write(&file, dump(name)).expect("the folder is writable");
        let page = folder.path().join("page.html");
        let run = |format: &str| {
            let output = Command::new(env!("CARGO_BIN_EXE_resus"))
                .arg("analyze")
                .arg(&file)
                .args(["--window", "1767225800..1767226000"])
                .args(["--baseline", "1767225600..1767225700"])
                .args(["--baseline", "1767225700..1767225800"])
                .args(["--verbatim-operations", "--format", format, "--html"])
                .arg(&page)
                .output()
                .expect("the program starts");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{name:?}: {errors}");
            String::from_utf8(output.stdout).expect("the output is UTF-8")
        };
        let analysis: Value = serde_json::from_str(&run("json")).expect("the output is JSON");
        assert_eq!(analysis["suspects"][0]["component"]["service"], name, "{analysis:#}");
        let table = run("table");
        assert!(!table.contains(|c: char| c.is_control() && c != '\n'), "{name:?}: {table:?}");
        assert!(!table.contains('\u{202e}'), "{name:?}: {table:?}");
        let html = std::fs::read_to_string(&page).expect("the page is written");
        for markup in ["<script>alert", "</script><script", "<img src=x"] {
            assert!(!html.contains(markup), "{markup} of {name:?} is in the page");
        }
    }
}
