//! Every option has an effect.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{ERROR, HEALTHY, NO_VERDICT, SUSPECTS, Sample, analyze_json, resus, run, text_of};

/// OTLP JSON lines: a request a second from 1,700,000,000 on, `web GET /item/N` calling
/// `stock fetch` in every second request; `http_status` is what the web answers.
fn otlp(requests: u64, http_status: impl Fn(u64) -> u64) -> String {
    let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
    let resource = |service: &str, version: &str| {
        json!({"attributes": [
            attribute("service.name", json!({"stringValue": service})),
            attribute("service.version", json!({"stringValue": version})),
            attribute("service.instance.id", json!({"stringValue": format!("{service}-1")})),
        ]})
    };
    let mut text = String::new();
    for i in 0..requests {
        let (start, ms) = ((1_700_000_000 + i) * 1_000_000_000, 1_000_000);
        let trace = format!("{:032x}", u128::from(i) * 0x9e37_79b9_7f4a_7c15 + 1);
        let status = http_status(i);
        let root = json!({
            "traceId": trace, "spanId": "00000000000000a1", "name": format!("GET /item/{}", 1000 + i),
            "kind": 2, "startTimeUnixNano": start.to_string(),
            "endTimeUnixNano": (start + 20 * ms).to_string(),
            "attributes": [attribute("http.response.status_code", json!({"intValue": status.to_string()}))],
        });
        let mut resources = vec![json!({
            "resource": resource("web", "1"), "scopeSpans": [{"spans": [root]}],
        })];
        if i % 2 == 0 {
            let child = json!({
                "traceId": trace, "spanId": "00000000000000b2", "parentSpanId": "00000000000000a1",
                "name": "fetch", "kind": 2, "startTimeUnixNano": (start + ms).to_string(),
                "endTimeUnixNano": (start + 9 * ms).to_string(),
            });
            let scope = json!([{"spans": [child]}]);
            resources.push(json!({"resource": resource("stock", "7"), "scopeSpans": scope}));
        }
        writeln!(text, "{}", json!({"resourceSpans": resources})).expect("text grows");
    }
    text
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path: PathBuf = folder.join(name);
    fs::write(&path, text).expect("a writable folder");
    path.display().to_string()
}

/// In the last third of 900 requests, every request with `stock` is answered with this status.
fn incident(status: u64) -> String {
    otlp(900, |i| if i >= 600 && i % 2 == 0 { status } else { 200 })
}

const WINDOWS: [&str; 6] = [
    "--window=1700000600..1700000900",
    "--baseline=1700000000..1700000150",
    "--baseline=1700000150..1700000300",
    "--baseline=1700000300..1700000450",
    "--baseline=2023-11-14T22:20:50Z..2023-11-14T22:23:20Z",
    "--level=service",
];

#[test]
fn what_a_4xx_means_is_for_the_operator_to_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let dump = file(folder.path(), "dump.jsonl", &incident(404));
    let json = analyze_json(&dump, &WINDOWS).code(HEALTHY).json();
    assert_eq!(json["verdict"], "healthy");
    let mut strict = WINDOWS.to_vec();
    strict.push("--http-4xx=fail");
    let json = analyze_json(&dump, &strict).code(SUSPECTS).json();
    assert_eq!(json["suspects"][0]["component"]["service"], "stock");
    assert_eq!(json["suspects"][0]["counts"]["failed_with"], 150);
    assert_eq!(json["suspects"][0]["counts"]["failed_without"], 0);
}

#[test]
fn identifiers_in_names_are_templated_unless_told_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let dump = file(folder.path(), "dump.jsonl", &incident(500));
    let json = analyze_json(&dump, &WINDOWS).code(SUSPECTS).json();
    let entries = json["entries"].as_array().expect("a list");
    assert!(entries.iter().all(|e| e["entry"]["operation"] == "GET /item/{}"), "{entries:?}");
    let mut verbatim = WINDOWS.to_vec();
    verbatim.push("--verbatim-operations");
    // Every request has an entry operation of its own: too few of each to say anything.
    analyze_json(&dump, &verbatim).code(NO_VERDICT);
}

#[test]
fn a_window_alone_is_held_against_what_came_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let dump = file(folder.path(), "dump.jsonl", &incident(500));
    let json = analyze_json(&dump, &["--window=1700000600..1700000900"]).code(SUSPECTS).json();
    assert_eq!(json["suspects"][0]["component"]["service"], "stock");
    assert_eq!(json["windows_chosen"], true);
    assert!(json["baseline_windows"].as_array().is_some_and(|w| w.len() > 1));
}

#[test]
fn coefficient_linkage_and_cut_change_the_answer() {
    let sample = Sample::get();
    let by_presence = |more: &[&str]| {
        let options: Vec<&str> = ["--method", "presence"].iter().chain(more).copied().collect();
        analyze_json(&sample.spans(), &options)
    };
    let plain = by_presence(&[]).code(SUSPECTS).json();
    let score = |more: &[&str]| {
        let json = by_presence(more).code(SUSPECTS).json();
        (json["suspects"][0]["coefficient"].clone(), json["suspects"][0]["score"].clone())
    };
    assert_ne!(score(&[]), score(&["--coefficient", "jaccard"]));
    let linkage = |name| {
        let json = by_presence(&["--linkage", name]).json();
        json["dendrogram"].clone()
    };
    assert_eq!(linkage("average"), plain["dendrogram"]);
    assert_ne!(linkage("single")["merges"], linkage("complete")["merges"]);
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    let none = analyze_json(&sample.spans(), &["--cut", "0", "--level", "instance"]);
    let none = none.code(NO_VERDICT).json();
    assert_eq!(count(&none["suspects"]), 0);
    assert!(count(&none["considered"]) > 0, "weaker candidates stand");
    let narrow = by_presence(&["--cut", "0.1"]).code(SUSPECTS).json();
    assert!(count(&narrow["suspects"]) < count(&plain["suspects"]), "a lower cut leaves more out");
}

#[test]
fn all_kinds_of_evidence_are_surer_than_presence_alone() {
    let sample = Sample::get();
    let fused = analyze_json(&sample.spans(), &[]).code(SUSPECTS).json();
    let presence = analyze_json(&sample.spans(), &["--method", "presence"]).code(SUSPECTS).json();
    let count = |json: &Value| json["suspects"].as_array().map_or(0, Vec::len);
    assert_eq!(fused["suspects"][0]["component"], presence["suspects"][0]["component"]);
    assert!(count(&fused) < count(&presence), "who is better accounted for by others is left out");
}

#[test]
fn columns_of_other_names_are_mapped() {
    let sample = Sample::get();
    // Exchange two columns of text, and see them exchanged.
    let swap = ["--map", "service=namespace", "--map", "namespace=service", "--level", "operation"];
    let json = analyze_json(&sample.spans(), &swap).code(SUSPECTS).json();
    let first = &json["suspects"][0]["component"];
    assert_eq!((&first["namespace"], &first["service"]), (&json!("payments"), &json!("auction")));
    let ran = analyze_json(&sample.spans(), &["--map", "nobody=service"]).code(ERROR);
    assert!(ran.stderr().contains("nobody"), "{}", ran.stderr());
}

#[test]
fn output_goes_where_it_was_told_to() {
    let sample = Sample::get();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("answer.json");
    let out_text = out.display().to_string();
    let ran = analyze_json(&sample.spans(), &["--out", &out_text]).code(SUSPECTS);
    assert!(ran.stdout().is_empty());
    let written: Value = serde_json::from_str(&text_of(&out)).expect("JSON");
    assert_eq!(written, analyze_json(&sample.spans(), &[]).json());
    let page = resus(&["analyze", &sample.spans(), "--format", "html"]).code(SUSPECTS).stdout();
    assert!(page.starts_with("<!DOCTYPE html>"), "{}", &page[..40]);
}

#[test]
fn colour_comes_when_asked_for_and_not_else() {
    let sample = Sample::get().spans();
    let escape = '\u{1b}';
    let table = |color: &str, variables: &[(&str, &str)]| {
        run(&["analyze", &sample, "--color", color], variables).code(SUSPECTS).stdout()
    };
    assert!(table("always", &[]).contains(escape));
    assert!(table("always", &[("NO_COLOR", "1")]).contains(escape), "what was typed wins");
    assert!(!table("never", &[]).contains(escape));
    assert!(!table("auto", &[("NO_COLOR", "1")]).contains(escape));
    assert!(table("auto", &[("CLICOLOR_FORCE", "1")]).contains(escape));
}

#[test]
fn compressed_json_and_standard_input_are_read() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let text = incident(500);
    let mut child = Command::new(env!("CARGO_BIN_EXE_resus"))
        .args(["analyze", "-", "--format", "json"])
        .args(WINDOWS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was asked for");
    stdin.write_all(text.as_bytes()).expect("it is read");
    drop(stdin);
    let piped = super::Ran(child.wait_with_output().expect("it ends")).code(SUSPECTS);
    let folder = tempfile::tempdir().expect("a folder");
    let dump = file(folder.path(), "dump.jsonl", &text);
    assert_eq!(piped.answer(), analyze_json(&dump, &WINDOWS).answer());
}

#[test]
fn generated_data_obeys_its_options() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let make = |name: &str, more: &[&str]| {
        let out = path(name);
        let mut words = vec!["generate", "sample", "--requests", "300", "--out", &out];
        words.extend(more);
        resus(&words).code(HEALTHY);
        fs::read(&out).expect("it was written")
    };
    let plain = make("a.parquet", &[]);
    assert_eq!(plain, make("b.parquet", &[]), "the same seed, the same bytes");
    assert_ne!(plain, make("c.parquet", &["--seed", "2"]));
    assert_ne!(plain, make("d.parquet", &["--hex-ids"]));
    let answer = |name: &str| analyze_json(&path(name), &[]).answer();
    assert_eq!(answer("a.parquet"), answer("d.parquet"), "ids as text or bytes");
}

#[test]
fn schemas_are_printed() {
    for format in ["analysis", "plan", "tree"] {
        let json = resus(&["schema", format]).code(HEALTHY).json();
        assert!(json["$schema"].is_string(), "{format}");
    }
}
