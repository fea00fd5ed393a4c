//! Texts that have broken other programs, in every place where a sender can put one.
//!
//! Such texts are data: they are stored and shown as they came, and act nowhere. What is no text at all is
//! refused, and nothing of it is kept.

mod bodies;
mod client;
mod texts;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use serde_json::Value;

use self::bodies::{Place, Span, dump, gauges, in_json, protobuf};
use self::client::{Grpc, Http, TRACES};
use self::texts::{NO_TEXTS, texts};
use super::{Collector, block_on};
use crate::cli::{HEALTHY, SUSPECTS, resus};

/// When recordings begin, nanoseconds: 2026-01-01.
const DAY: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const BEARER: &str = "Authorization: Bearer a-token-of-the-tests\r\n";
const GAUGE: &str = "process.memory.usage";
/// Texts in a request.
const TOGETHER: usize = 24;

/// Everything happens soon, and names stay as they are.
fn settings(folder: &Path) -> String {
    format!(
        "[receive]\ngrpc = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n\
         tokens = [\"a-token-of-the-tests\"]\n\
         [api]\nlisten = \"127.0.0.1:0\"\ntokens = [\"a-token-of-the-tests\"]\n\
         [store]\nfolder = \"{}\"\nsync = \"1ms\"\nsegment_age = \"1s\"\nseal_after = \"10ms\"\n\
         [rules]\nverbatim_operations = true\n\
         [metrics]\ngauges = [\"{GAUGE}\"]\n\
         [watch]\npane = \"1s\"\nevery = \"100ms\"\nlookback = \"1h\"\n\
         [assemble]\nidle = \"200ms\"\nsettle = \"10ms\"\nmax_age = \"1s\"\n",
        folder.join("data").display()
    )
}

/// A collector with the clients that talk to it.
struct Talk {
    collector: Collector,
    receiver: Http,
    api: Http,
    /// A client that sends nothing odd.
    good: Http,
    /// Spans that were taken.
    taken: u64,
    start: u64,
}

impl Talk {
    fn begin(folder: &Path) -> Self {
        let collector = Collector::start(folder, &settings(folder));
        let (receiver, good) = (Http::new(collector.http), Http::new(collector.http));
        let mut api = Http::new(collector.api);
        let status = api.send("GET", b"/api/v1/status", BEARER.as_bytes(), b"").json();
        let start = status["started_unix_nano"].as_str().and_then(|at| at.parse().ok());
        Self { collector, receiver, api, good, taken: 0, start: start.expect("an instant") }
    }

    /// An answer of the API that is JSON.
    #[track_caller]
    fn get(&mut self, path: &str) -> Value {
        let answer = self.api.send("GET", path.as_bytes(), BEARER.as_bytes(), b"");
        assert_eq!(answer.status, 200, "{path}");
        answer.json()
    }

    /// Asks until the answer is as wanted.
    #[track_caller]
    fn until(&mut self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let answer = self.get(path);
            if wanted(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{answer:#}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Sends a body; gives the answer.
    #[track_caller]
    fn post(&mut self, content_type: &str, body: &[u8]) -> client::Answer {
        let headers = format!("{BEARER}Content-Type: {content_type}\r\n");
        self.receiver.send("POST", b"/v1/traces", headers.as_bytes(), body)
    }

    /// Somebody else sends a span meanwhile, and is served.
    #[track_caller]
    fn good(&mut self) {
        self.taken += 1;
        let headers = format!("{BEARER}Content-Type: {PROTOBUF}\r\n");
        let body = self.plain();
        let answer = self.good.send("POST", b"/v1/traces", headers.as_bytes(), &body);
        assert_eq!((answer.status, answer.body), (200, Vec::new()));
    }

    /// A request with a span like any other.
    fn plain(&self) -> Vec<u8> {
        let (trace, id, start) = (u128::from(self.taken) << 64 | 1, 1, self.start);
        protobuf(&[Span { trace, id, start, text: |_| &b"plain"[..] }])
    }
}

/// The trace in which the texts of a request stand, by the way they came.
const fn trace_of(way: usize, request: usize) -> u128 {
    ((way as u128 + 1) << 96) + request as u128 + 1
}

fn spans_of(
    way: usize,
    request: usize,
    texts: &[String],
    start: u64,
) -> Vec<Span<impl Fn(Place) -> &[u8]>> {
    let span = |(n, text): (usize, _)| {
        let text: &String = text;
        let (trace, id) = (trace_of(way, request), n as u64 + 1);
        Span { trace, id, start: start + id, text: move |_| text.as_bytes() }
    };
    texts.iter().enumerate().map(span).collect()
}

/// Sends every text over every transport and in every encoding.
fn send_texts(talk: &mut Talk, texts: &[String]) {
    for (request, texts) in texts.chunks(TOGETHER).enumerate() {
        let body = protobuf(&spans_of(0, request, texts, talk.start));
        let answer = talk.post(PROTOBUF, &body);
        assert_eq!((answer.status, answer.body), (200, Vec::new()), "{texts:?}");
        talk.good();
        let body = in_json(&spans_of(1, request, texts, talk.start)).to_string();
        let answer = talk.post(JSON, body.as_bytes());
        assert_eq!((answer.status, answer.body), (200, b"{}".to_vec()), "{texts:?}");
        talk.good();
        talk.taken += 2 * texts.len() as u64;
    }
    let metrics = gauges(GAUGE, texts, talk.start).to_string();
    let headers = format!("{BEARER}Content-Type: {JSON}\r\n");
    let answer = talk.receiver.send("POST", b"/v1/metrics", headers.as_bytes(), metrics.as_bytes());
    assert_eq!((answer.status, answer.body), (200, b"{}".to_vec()));
    let start = talk.start;
    block_on(async {
        let mut grpc = Grpc::open(talk.collector.grpc).await;
        for (request, texts) in texts.chunks(TOGETHER).enumerate() {
            let body = protobuf(&spans_of(2, request, texts, start));
            let reply = grpc.call(TRACES, &[bearer("a-token-of-the-tests")], &body).await;
            assert_eq!(reply.code, 0, "{texts:?}: {reply:?}");
        }
    });
    talk.taken += texts.len() as u64;
}

fn bearer(token: &str) -> (&'static str, HeaderValue) {
    ("authorization", format!("Bearer {token}").parse().expect("a token is a header's value"))
}

/// What is no text is refused wherever it stands, also beside a span that is as it should be.
fn send_no_texts(talk: &mut Talk) {
    let start = talk.start;
    let body = |place: Place, bytes: &'static [u8]| {
        let text = move |bad: bool| move |at| if bad && at == place { bytes } else { &b"kept"[..] };
        let span = |id, bad| Span { trace: 7, id, start, text: text(bad) };
        protobuf(&[span(1, false), span(2, true)])
    };
    for bytes in NO_TEXTS {
        for place in Place::ALL {
            let answer = talk.post(PROTOBUF, &body(place, bytes));
            assert_eq!(answer.status, 400, "{bytes:?} as {place:?}");
            assert!(answer.is_status(PROTOBUF, 3), "{bytes:?} as {place:?}: {answer:?}");
        }
        talk.good();
        // In JSON, as bytes and as escapes.
        let text = in_json(&[Span { trace: 7, id: 1, start, text: |_| &b"here"[..] }]).to_string();
        let (before, after) = text.split_once("here").expect("it is there");
        for bad in [bytes, b"\\ud800", b"\\udfff\\ud800", b"\\u12", b"\\x41", b"\0", b"a\nb"] {
            let answer = talk.post(JSON, &[before.as_bytes(), bad, after.as_bytes()].concat());
            assert_eq!(answer.status, 400, "{bad:?}");
            assert!(answer.is_status(JSON, 3), "{bad:?}: {answer:?}");
        }
    }
    block_on(async {
        let mut grpc = Grpc::open(talk.collector.grpc).await;
        for bytes in NO_TEXTS {
            for place in Place::ALL {
                let token = [bearer("a-token-of-the-tests")];
                let reply = grpc.call(TRACES, &token, &body(place, bytes)).await;
                assert_eq!(reply.code, 3, "{bytes:?} as {place:?}");
                assert!(reply.is_told(), "{bytes:?} as {place:?}: {reply:?}");
            }
        }
    });
    talk.good();
}

/// In headers: nobody looks at most of them, and as tokens they are wrong.
fn send_as_headers(talk: &mut Talk, texts: &[String]) {
    for text in texts {
        let body = talk.plain();
        let headers = format!(
            "{BEARER}Content-Type: {PROTOBUF}\r\nUser-Agent: {text}\r\ntracestate: {text}\r\n"
        );
        let answer = talk.receiver.send("POST", b"/v1/traces", headers.as_bytes(), &body);
        assert!([200, 400].contains(&answer.status), "{text:?}: {answer:?}");
        talk.taken += u64::from(answer.status == 200);
        let token = format!("Authorization: Bearer {text}\r\nContent-Type: {PROTOBUF}\r\n");
        let answer = talk.receiver.send("POST", b"/v1/traces", token.as_bytes(), &body);
        let told = answer.status == 401 && answer.is_status(PROTOBUF, 16);
        assert!(told || is_no_http(&answer), "{text:?}: {answer:?}");
        let answer = talk.api.send("GET", b"/api/v1/status", token.as_bytes(), b"");
        assert!(answer.status == 401 || is_no_http(&answer), "{text:?}: {answer:?}");
    }
    talk.good();
    let body = talk.plain();
    block_on(async {
        let mut grpc = Grpc::open(talk.collector.grpc).await;
        for text in texts {
            // Clients cannot send others.
            let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else { continue };
            let headers = [bearer("a-token-of-the-tests"), ("user-agent", value.clone())];
            let reply = grpc.call(TRACES, &headers, &body).await;
            assert_eq!(reply.code, 0, "{text:?}: {reply:?}");
            talk.taken += 1;
            let reply = grpc.call(TRACES, &[("authorization", value)], &body).await;
            assert_eq!(reply.code, 16, "{text:?}: {reply:?}");
        }
    });
}

/// Whether this answers what is no HTTP.
fn is_no_http(answer: &client::Answer) -> bool {
    answer.status == 400 && answer.content_type.is_empty()
}

/// In paths and queries, as they are and escaped.
fn send_in_urls(talk: &mut Talk, texts: &[String]) {
    let types = format!("{BEARER}Content-Type: {JSON}\r\n");
    let headers = types.as_bytes();
    for text in texts {
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for text in [text, &escaped] {
            for path in ["/v1/traces", "/v1/traces/", "/v1/traces?level="] {
                let target = format!("{path}{text}");
                let answer = talk.receiver.send("POST", target.as_bytes(), headers, b"{}");
                let told = match answer.status {
                    200 => answer.body == b"{}",
                    404 => answer.is_status(JSON, 12),
                    _ => is_no_http(&answer),
                };
                assert!(told, "{target:?}: {answer:?}");
            }
            for path in ["traces/", "diagnosis?level=", "classes?limit=", "gauges?"] {
                let target = format!("/api/v1/{path}{text}");
                let answer = talk.api.send("GET", target.as_bytes(), headers, b"");
                let told = match answer.status {
                    200 => answer.json().is_object(),
                    400 | 404 if !is_no_http(&answer) => answer.json()["error"].is_string(),
                    _ => is_no_http(&answer),
                };
                assert!(told, "{target:?}: {answer:?}");
            }
        }
    }
    talk.good();
}

/// Everything that was sent is given back as it was.
fn read_texts(talk: &mut Talk, texts: &[String]) {
    for way in 0..3 {
        for (request, texts) in texts.chunks(TOGETHER).enumerate() {
            let answer = talk.get(&format!("/api/v1/traces/{:032x}", trace_of(way, request)));
            let spans = answer["spans"].as_array().expect("spans are a list");
            assert_eq!(spans.len(), texts.len());
            for (span, text) in spans.iter().zip(texts) {
                for key in ["namespace", "instance", "scope", "status_message", "error_type"] {
                    assert_eq!(span[key], *text, "{key} of {span:#}");
                }
                if !text.is_empty() {
                    // Without a name they are called by what is known.
                    assert_eq!(span["service"], *text, "{span:#}");
                    assert_eq!(span["operation"], *text, "{span:#}");
                }
                assert_eq!(span["attributes"][text], *text, "{span:#}");
                assert_eq!(span["events"][0]["name"], *text, "{span:#}");
                assert_eq!(span["events"][0]["attributes"][text], *text, "{span:#}");
            }
        }
    }
    let answer = talk.get("/api/v1/gauges");
    let series = answer["series"].as_array().expect("series are a list");
    let known = |key: &str| -> BTreeSet<&str> {
        series.iter().map(|one| one[key].as_str().expect("it is a text")).collect()
    };
    let sent: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(known("instance"), sent);
    for one in series {
        let instance = one["instance"].as_str().expect("it is a text");
        assert_eq!(one["attributes"][instance], instance, "{one:#}");
    }
}

/// The live half knows all services by their names.
fn read_classes(talk: &mut Talk, texts: &[String]) {
    let named = |text: &str| {
        let name = format!("{text} {text}");
        move |class: &Value| {
            let operations = class["operations"].as_array().expect("operations are a list");
            operations.iter().any(|operation| *operation == name)
        }
    };
    let classes = talk.until("/api/v1/classes?limit=10000", |answer| {
        let classes = answer["classes"].as_array().expect("classes are a list");
        texts.iter().filter(|text| !text.is_empty()).all(|text| classes.iter().any(named(text)))
    });
    assert!(classes["total"].as_u64() > Some(0));
    for path in ["windows", "diagnosis", "quality", "status", "openapi.json"] {
        assert!(talk.get(&format!("/api/v1/{path}")).is_object(), "{path}");
    }
}

/// Each line is a comment or a sample, as Prometheus writes them.
fn read_metrics(talk: &mut Talk) {
    let answer = talk.api.send("GET", b"/metrics", BEARER.as_bytes(), b"");
    assert_eq!(answer.status, 200);
    let scraped = String::from_utf8(answer.body).expect("samples are text");
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    for line in scraped.lines().filter(|line| !line.starts_with("# ")) {
        let (series, value) = line.rsplit_once(' ').expect("a value ends the line");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(name.starts_with("resus_") && is_name(name), "{line}");
        let labels = labels.strip_suffix('}').expect("a brace ends the labels");
        for label in labels.split_terminator(',') {
            let (key, value) = label.split_once('=').expect("a label has a value");
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            assert!(is_name(key) && value.is_some_and(is_name), "{line}");
        }
    }
}

/// Paths of all files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("the folder can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(folder).expect("it is below").to_str();
                found.push(path.expect("its name is text").to_owned());
            }
        }
    }
    found
}

/// Whether the collector gives its files such names.
fn is_usual(path: &str) -> bool {
    let numbered = |name: &str, ends: &[&str]| {
        let ended = name.split_once('.').filter(|(_, end)| ends.contains(end));
        ended.is_some_and(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()))
    };
    match path.split('/').collect::<Vec<_>>()[..] {
        ["resus.toml"] | ["data", "baseline.arrow"] => true,
        ["data", "log", name] => ["lock", "released"].contains(&name) || numbered(name, &["log"]),
        ["data", "spans", name] => {
            ["lock", "manifest"].contains(&name) || numbered(name, &["parquet", "tmp"])
        }
        _ => false,
    }
}

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
    let t = Instant::now();
    send_texts(&mut talk, &texts);
    eprintln!("sent {:?}", t.elapsed());
    send_no_texts(&mut talk);
    eprintln!("no texts {:?}", t.elapsed());
    send_as_headers(&mut talk, &texts);
    eprintln!("headers {:?}", t.elapsed());
    send_in_urls(&mut talk, &texts);
    eprintln!("urls {:?}", t.elapsed());
    read_classes(&mut talk, &texts);
    eprintln!("classes {:?}", t.elapsed());
    // A service whose name is all texts at once, in a recording that ends as a segment.
    let name = texts.concat();
    let recorded = dump(&name, 400, SECOND);
    talk.taken += 600;
    for lines in recorded.chunks(100) {
        let spans: Vec<Value> = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).expect("lines are JSON"))
            .flat_map(|line| line["resourceSpans"].as_array().expect("a list").clone())
            .collect();
        let body = serde_json::json!({"resourceSpans": spans}).to_string();
        assert_eq!(talk.post(JSON, body.as_bytes()).status, 200);
    }
    eprintln!("dump {:?}", t.elapsed());
    let taken = talk.taken;
    let status =
        talk.until("/api/v1/status", |status| status["sealed"]["spans"].as_u64() >= Some(taken));
    eprintln!("sealed {:?}", t.elapsed());
    assert_eq!(status["spans"].as_u64(), Some(taken), "{status:#}");
    assert_eq!(status["sealed"]["spans"].as_u64(), Some(taken), "{status:#}");
    read_texts(&mut talk, &texts);
    eprintln!("read {:?}", t.elapsed());
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
    eprintln!("end {:?}", t.elapsed());
}

/// Analyses a recording of [`dump`] in every form; its suspect is shown under its name, and as no more than
/// a name. Gives the page.
fn shows(recorded: &[&str], name: &str, folder: &Path) -> String {
    let page = folder.join("page.html").display().to_string();
    let run = |format: &str| {
        let from = DAY / SECOND;
        let window = format!("{}..{}", from + 200, from + 400);
        let [one, other] =
            [(0, 100), (100, 200)].map(|(a, b)| format!("{}..{}", from + a, from + b));
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
    assert!(suspect == name, "{suspect:#}\n{name:?}");
    let target = &analysis["plan"]["targets"][0]["suspects"][0]["service"];
    assert!(target == name, "{:#}", analysis["plan"]);
    let table = run("table");
    assert!(is_calm(&table), "{name:?}: {table:?}");
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
        "<img src=x onerror=alert(1)>",
        "a\"} 1\nresus_evil{b=\"",
        "\u{1b}[2J\u{1b}]8;;http://x\u{7}y",
        "\u{7f}\u{85}\u{9b}31m",
        "\u{202e}tfel ot thgir",
        "$(reboot)",
        "__overflow__",
    ] {
        std::fs::write(&file, dump(name, 400, SECOND).join("\n")).expect("the folder is writable");
        let page = shows(&[&file], name, folder.path());
        if name == "plain" {
            plain = tags(&page);
        }
        assert!(is_calm(&page), "{name:?}");
        let more: Vec<_> = tags(&page).difference(&plain).cloned().collect();
        assert!(more.is_empty(), "{name:?}: {more:?}");

        // The same live, in virtual time.
        std::fs::write(&file, dump(name, 900, SECOND / 10).join("\n")).expect("it is writable");
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
        assert!(suspect == name, "{suspect:#}\n{name:?}");
        let told = play("text");
        assert!(is_calm(&told) && told.contains("suspects: "), "{name:?}: {told:?}");
    }
    let _ = HEALTHY;
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
