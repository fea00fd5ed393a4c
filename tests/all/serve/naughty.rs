//! Texts that have broken other programs, in every place where a sender can put one.
//!
//! Such texts are data: they are stored and shown as they came, and act nowhere. What is no text at all is
//! refused, and nothing of it is kept.

mod bodies;
mod client;
mod reading;
mod sending;
mod talk;
mod texts;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use self::bodies::dump;
use self::reading::{files, is_usual, read_classes, read_cut_texts, read_metrics, read_texts};
use self::sending::{send_as_headers, send_cut_texts, send_in_urls, send_no_texts, send_texts};
use self::talk::Talk;
use self::texts::texts;
use crate::cli::{ERROR, SUSPECTS, resus};

/// When recordings begin, nanoseconds: 2026-01-01.
const DAY: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const BEARER: &str = "Authorization: Bearer a-token-of-the-tests\r\n";
const GAUGE: &str = "process.memory.usage";
/// Texts in a request.
const TOGETHER: usize = 24;
/// Texts in JSON that end within a character, as writers leave behind that shorten them: what is left of the
/// character becomes U+FFFD.
const CUT: [&[u8]; 7] = [
    b"a\\ud83d",
    b"a\\ude00",
    b"a\\ude00\\ud83d",
    b"a\xff",
    b"a\xc0\xaf",
    b"a\xed\xa0\x80",
    b"a\xf0\x9f\x98",
];
const CUT_TRACE: u128 = 8 << 120;
/// The trace of requests that are refused.
const REFUSED_TRACE: u128 = 7 << 120;

/// Whether a text holds nothing that steers a terminal, or turns the direction of what is read.
fn is_calm(text: &str) -> bool {
    let steers = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    !text.contains(steers) && !text.contains(['\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}'])
}

#[test]
fn texts_are_data_wherever_they_stand() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let texts = texts();
    let mut talk = Talk::begin(folder.path());
    send_texts(&mut talk, &texts);
    send_no_texts(&mut talk);
    send_cut_texts(&mut talk);
    send_as_headers(&mut talk, &texts);
    send_in_urls(&mut talk, &texts);
    read_classes(&mut talk, &texts);
    // A service whose name is all texts at once, in a recording that ends as a segment.
    let name = texts.concat();
    let recorded = dump(&name, 200, SECOND);
    talk.taken += 300;
    for lines in recorded.chunks(50) {
        let spans: Vec<Value> = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).expect("lines are JSON"))
            .flat_map(|line| line["resourceSpans"].as_array().expect("a list").clone())
            .collect();
        let body = json!({"resourceSpans": spans}).to_string();
        assert_eq!(talk.post(JSON, body.as_bytes()).status, 200);
    }
    let taken = talk.taken;
    let status =
        talk.until("/api/v1/status", |status| status["sealed"]["spans"].as_u64() >= Some(taken));
    assert_eq!(status["spans"].as_u64(), Some(taken), "{status:#}");
    assert_eq!(status["sealed"]["spans"].as_u64(), Some(taken), "{status:#}");
    read_texts(&mut talk, &texts);
    read_cut_texts(&mut talk);
    let refused = format!("/api/v1/traces/{REFUSED_TRACE:032x}");
    let answer = talk.api.send("GET", refused.as_bytes(), BEARER.as_bytes(), b"");
    assert_eq!(answer.status, 404, "{answer:?}");
    read_metrics(&mut talk);
    let (ended, said) = talk.collector.end();
    assert!(ended.success() && is_calm(&said), "{said:?}");
    let files = files(folder.path());
    for file in &files {
        assert!(is_usual(file), "{file:?}");
    }
    // What some of the texts would make, run by a shell.
    for made in ["/tmp/blns.fail", "/tmp/blns.shellshock1.fail", "/tmp/blns.shellshock2.fail"] {
        assert!(!Path::new(made).exists(), "{made}");
    }
    let segments: Vec<String> = files
        .iter()
        .filter(|file| file.ends_with(".parquet"))
        .map(|file| folder.path().join(file).display().to_string())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    shows(&segments, &name, folder.path());
}

/// Analyses a recording of [`dump`] in every form; its suspect is shown under its name, and as no more than
/// a name. Gives the page.
fn shows(recorded: &[&str], name: &str, folder: &Path) -> String {
    let page = folder.join("page.html").display().to_string();
    let run = |format: &str| {
        let from = DAY / SECOND;
        let window = format!("{}..{}", from + 100, from + 200);
        let [one, other] = [(0, 50), (50, 100)].map(|(a, b)| format!("{}..{}", from + a, from + b));
        let mut arguments = vec!["analyze"];
        arguments.extend(recorded);
        arguments.extend(["--window", &window, "--baseline", &one, "--baseline", &other]);
        arguments.extend(["--verbatim-operations", "--format", format, "--html", &page]);
        let ran = resus(&arguments).code(SUSPECTS);
        assert!(is_calm(&ran.stderr()), "{:?}", ran.stderr());
        ran.stdout()
    };
    let analysis: Value = serde_json::from_str(&run("json")).expect("the output is JSON");
    let suspect = &analysis["suspects"][0]["component"]["service"];
    assert!(suspect == name, "{suspect:.300?}\n{name:.300?}");
    let target = &analysis["plan"]["targets"][0]["suspects"][0]["service"];
    assert!(target == name, "{:.300?}", analysis["plan"]);
    let table = run("table");
    assert!(is_calm(&table), "{table:.300?}");
    std::fs::read_to_string(&page).expect("the page is written")
}

#[test]
fn suspects_of_such_names_are_shown_and_break_nothing() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, config) = (path("dump.jsonl"), path("resus.toml"));
    let fast = "[rules]\nverbatim_operations = true\n[watch]\npane = \"1s\"\n\
                baseline_window = \"10s\"\nquarantine = \"5s\"\nlookback = \"60s\"\n";
    std::fs::write(&config, fast).expect("the folder is writable");
    let mut plain = BTreeSet::new();
    for name in [
        "plain",
        &texts().concat(),
        "</script><script>alert(1)</script>",
        "\"'><img src=x onerror=alert(1)>",
        "\u{1b}[2J\u{7}\u{9b}31m\u{202e}tfel\n\u{2066}",
        "__overflow__",
    ] {
        std::fs::write(&file, dump(name, 200, SECOND).join("\n")).expect("the folder is writable");
        let page = shows(&[&file], name, folder.path());
        if name == "plain" {
            plain = tags(&page);
        }
        assert!(is_calm(&page), "{name:.300?}");
        let more: Vec<_> = tags(&page).difference(&plain).cloned().collect();
        assert!(more.is_empty(), "{name:.300?}: {more:?}");

        // The same live, in virtual time.
        std::fs::write(&file, dump(name, 450, SECOND / 5).join("\n")).expect("it is writable");
        let play = |format: &str| {
            let words = ["replay", &file, "--config", &config, "--format", format];
            resus(&words).code(SUSPECTS).stdout()
        };
        let judgements = play("json");
        let mut judgements = judgements
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
        let live = judgements.find(|live| live["state"] == "suspects").expect("there are suspects");
        let suspect = &live["analysis"]["suspects"][0]["component"]["service"];
        assert!(suspect == name, "{suspect:.300?}\n{name:.300?}");
        let told = play("text");
        assert!(told.contains("suspects: "), "{told:.300?}");
        assert!(is_calm(&told) && told.lines().all(|line| line.len() < 1000), "{told:.300?}");
    }
}

#[test]
fn errors_show_such_texts_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("dump.jsonl").display().to_string();
    for text in texts().into_iter().filter(|text| !is_calm(text) || text.contains('\n')) {
        std::fs::write(&file, json!({text: 1}).to_string()).expect("the folder is writable");
        let said = resus(&["analyze", &file]).code(ERROR).stderr();
        assert!(is_calm(&said) && said.lines().count() == 1, "{said:.300?}");
    }
}

/// The elements of a page, each with the names of its attributes.
fn tags(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in page.split('<').skip(1) {
        let (mut tag, mut quoted) = (String::new(), false);
        for c in part.chars() {
            match c {
                '"' => quoted = !quoted,
                '>' if !quoted => break,
                c if !quoted => tag.push(c),
                _ => {}
            }
        }
        found.insert(tag);
    }
    found
}
