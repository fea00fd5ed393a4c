//! What the collector shows and keeps of what was sent.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bodies::protobuf;
use super::talk::{Talk, spans_of, trace_of};
use super::{BEARER, CUT, CUT_TRACE, PROTOBUF, TOGETHER};

/// Fields of a span in the API that hold a text as it was sent, empty or not.
const NAMED: [&str; 6] =
    ["namespace", "instance", "scope", "trace_state", "status_message", "error_type"];

pub(super) fn read_cut_texts(talk: &mut Talk) {
    let answer = talk.get(&format!("/api/v1/traces/{CUT_TRACE:032x}"));
    let spans = answer["spans"].as_array().expect("spans are a list");
    assert_eq!(spans.len(), CUT.len());
    for span in spans {
        let service = span["service"].as_str().expect("a text");
        let rest = service.strip_prefix('a').expect("what was whole is there");
        assert!(!rest.is_empty() && rest.chars().all(|c| c == '\u{fffd}'), "{service:?}");
        for key in NAMED {
            assert_eq!(span[key], service, "{key} of {span:#}");
        }
        assert_eq!(span["attributes"][service], service, "{span:#}");
        assert_eq!(span["events"][0]["attributes"][service], service, "{span:#}");
    }
}

/// Everything that was sent is given back as it was.
pub(super) fn read_texts(talk: &mut Talk, texts: &[String]) {
    for way in 0..3 {
        for (request, texts) in texts.chunks(TOGETHER).enumerate() {
            let answer = talk.get(&format!("/api/v1/traces/{:032x}", trace_of(way, request)));
            let spans = answer["spans"].as_array().expect("spans are a list");
            assert_eq!(spans.len(), texts.len());
            for (span, text) in spans.iter().zip(texts) {
                for key in NAMED {
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
pub(super) fn read_classes(talk: &mut Talk, texts: &[String]) {
    let all = |answer: &Value| {
        let classes = answer["classes"].as_array().expect("classes are a list");
        let operations = classes.iter().flat_map(|class| class["operations"].as_array());
        let known: BTreeSet<&str> = operations.flatten().filter_map(Value::as_str).collect();
        let mut named = texts.iter().filter(|text| !text.is_empty());
        named.all(|text| known.contains(format!("{text} {text}").as_str()))
    };
    let begin = Instant::now();
    // The window judged last is a few seconds long, so that what is to be in it must be new.
    let classes = (3..).find_map(|way| {
        assert!(begin.elapsed() < Duration::from_secs(20), "they are in no window");
        let at = talk.get("/api/v1/diagnosis")["at_unix_nano"].clone();
        let at = at.as_str().and_then(|at| at.parse().ok()).expect("an instant");
        let requests = texts.chunks(TOGETHER).enumerate();
        let body = requests.map(|(n, texts)| protobuf(&spans_of(way, n, texts, at)));
        let answer = talk.post(PROTOBUF, &body.collect::<Vec<_>>().concat());
        assert_eq!(answer.status, 200);
        talk.taken += texts.len() as u64;
        std::thread::park_timeout(Duration::from_millis(200));
        Some(talk.get("/api/v1/classes?limit=10000")).filter(all)
    });
    let classes = classes.expect("it looks until they are there");
    assert!(classes["total"].as_u64() > Some(0));
    for path in ["windows", "diagnosis", "quality", "status", "openapi.json"] {
        assert!(talk.get(&format!("/api/v1/{path}")).is_object(), "{path}");
    }
}

/// Each line is a comment or a sample, as Prometheus writes them.
pub(super) fn read_metrics(talk: &mut Talk) {
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
            // The collector's own words, its version among them.
            let plain = value.is_some_and(|value| is_name(&value.replace(['.', '-'], "_")));
            assert!(is_name(key) && plain, "{line}");
        }
    }
}

/// Paths of all files below a folder.
pub(super) fn files(folder: &Path) -> Vec<String> {
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
pub(super) fn is_usual(path: &str) -> bool {
    let numbered = |name: &str, ends: &[&str]| {
        let ended = name.split_once('.').filter(|(_, end)| ends.contains(end));
        ended.is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
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
