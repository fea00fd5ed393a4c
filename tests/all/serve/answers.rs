//! What the API answers.

use std::collections::BTreeSet;
use std::time::Duration;

use resus_load::{Compression, Keep, Length, Load, Shape, Transport};

use super::{Collector, ask, block_on};

/// Sends a few requests; gives how many spans were acknowledged.
fn send(collector: &Collector, transport: Transport, requests: u64) -> u64 {
    let outcome = block_on(resus_load::run(Load {
        target: collector.target(),
        transport,
        compression: Compression::Gzip,
        connections: 2,
        shape: Shape::typical(100),
        rate: None,
        length: Length::Requests(requests),
        seed: 3,
        first_request: 0,
        keep: Keep::Memory,
        retry: None,
    }))
    .expect("the load runs");
    assert_eq!(outcome.acknowledged, requests, "{outcome:?}");
    outcome.spans
}

#[test]
fn every_path_of_the_openapi_document_answers_as_it_says() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let collector = Collector::start(folder.path(), "");
    let spans = send(&collector, Transport::Http, 5) + send(&collector, Transport::Grpc, 5);
    collector.until("/api/v1/status", 20, |status| status["open_traces"].as_u64() > Some(0));
    let document = collector.json("/api/v1/openapi.json");
    let paths = document["paths"].as_object().expect("paths are an object");
    assert!(paths.len() >= 12);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods are an object") {
            let asked = path.replace("{trace_id}", "00000000000000000000000000000001");
            let (status, body) = ask(collector.api, &method.to_uppercase(), &asked, "");
            let documented = operation["responses"][status.to_string()].is_object()
                || operation["responses"]["default"].is_object();
            assert!(documented, "{method} {path}: {status}");
            if status != 200 {
                // Nothing deviates, so there is no report; nobody sent that trace.
                assert!(
                    ["/report", "/api/v1/traces/{trace_id}"].contains(&path.as_str()),
                    "{path}: {body}"
                );
                assert!(body.contains("\"error\""), "{path}: {body}");
            }
        }
    }
    let status = collector.json("/api/v1/status");
    assert_eq!(status["spans"].as_u64(), Some(spans));
    assert_eq!(ask(collector.api, "GET", "/nothing", "").0, 404);
    assert_eq!(ask(collector.api, "DELETE", "/api/v1/status", "").0, 405);
    assert_eq!(ask(collector.api, "GET", "/api/v1/classes?limit=x", "").0, 400);
}

#[test]
fn metrics_are_those_that_the_documentation_names() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let collector = Collector::start(folder.path(), "");
    send(&collector, Transport::Http, 3);
    collector.until("/api/v1/diagnosis", 20, |live| live["at_unix_nano"] != "0");
    let (status, scraped) = collector.get("/metrics");
    assert_eq!(status, 200);
    let found: BTreeSet<&str> = scraped
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let document = std::fs::read_to_string("../docs/telemetry.md").expect("it is documented");
    let documented: BTreeSet<&str> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(found, documented);
    assert!(scraped.contains("resus_spans_total{result=\"taken\"} 300"), "{scraped}");
}

#[test]
fn a_trace_is_found_by_its_id_with_all_that_was_sent_of_it() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let collector = Collector::start(folder.path(), "");
    send(&collector, Transport::Http, 2);
    let shape = Shape::typical(100);
    let ids = shape.ids(3).expect("the shape is good");
    let trace: String = ids.trace(0, 0).iter().map(|byte| format!("{byte:02x}")).collect();
    let found = collector.json(&format!("/api/v1/traces/{trace}"));
    let spans = found["spans"].as_array().expect("spans are a list");
    assert!(!spans.is_empty());
    assert!(spans.iter().all(|span| span["attributes"].as_object().is_some_and(|a| a.len() == 12)));
    assert!(spans.iter().all(|span| span["received_unix_nano"] != "0"));
}

#[test]
fn readiness_follows_a_canary_and_the_end_comes_within_ten_seconds() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let collector = Collector::start(folder.path(), "");
    assert_eq!(collector.get("/healthz"), (200, "ok\n".to_owned()));
    collector.until("/readyz", 10, |ready| ready["ready"] == true);
    send(&collector, Transport::Grpc, 5);
    let begin = std::time::Instant::now();
    let (status, said) = collector.end();
    assert!(status.success(), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{said}");
}

#[test]
fn the_api_asks_for_its_token() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let extra = "[api]\nlisten = \"127.0.0.1:0\"\ntokens = [\"a-token-of-the-tests\"]\n";
    let collector = Collector::start(folder.path(), extra);
    for path in ["/api/v1/status", "/metrics", "/healthz", "/nothing"] {
        assert_eq!(collector.get(path).0, 401, "{path}");
        let wrong = "Authorization: Bearer b-token-of-the-tests\r\n";
        assert_eq!(ask(collector.api, "GET", path, wrong).0, 401, "{path}");
    }
    let right = "Authorization: Bearer a-token-of-the-tests\r\n";
    assert_eq!(ask(collector.api, "GET", "/api/v1/status", right).0, 200);
}
