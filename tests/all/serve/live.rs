//! A fault that begins while the collector watches, and one that it sleeps through.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use resus_datasets::presets::sample;
use resus_datasets::{Generator, Scenario, generate};
use resus_load::export;
use serde_json::Value;

use super::Collector;

const SECOND: u64 = 1_000_000_000;

/// A watch that learns in seconds what it would take minutes for.
const FAST: &str = "[watch]\npane = \"1s\"\nevery = \"500ms\"\nbaseline_window = \"3s\"\n\
                    quarantine = \"3s\"\nlookback = \"30s\"\nsilence_after = \"10s\"\n\
                    [assemble]\nidle = \"2s\"\nsettle = \"500ms\"\nmax_age = \"20s\"\n";

/// The auction house in real time, from now on, at 150 requests a second; `payments` begins to fail.
fn auction(fails_after: u64) -> Generator {
    let scenario = sample(5);
    let mut scenario = Scenario { start_unix_nano: now(), ..scenario };
    scenario.load.mean_gap_ns = SECOND / 150;
    scenario.load.requests = u64::MAX;
    scenario.load.until = 3600 * SECOND;
    scenario.faults[0].from = fails_after;
    scenario.faults[0].until = 3600 * SECOND;
    generate(&scenario).expect("the scenario is good")
}

#[expect(clippy::disallowed_methods, reason = "spans of the present are sent")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_nanos()).expect("it is before 2554")
}

/// Sends what has ended so far, as often as a client with a short batch timer would.
fn post(stream: &mut TcpStream, at: SocketAddr, body: &[u8]) {
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/x-protobuf\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the head is sent");
    stream.write_all(body).expect("the body is sent");
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let n = stream.read(&mut piece).expect("an answer comes");
        assert!(n > 0, "the collector hung up");
        answer.extend_from_slice(&piece[..n]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_component_that_begins_to_fail_is_the_first_suspect_within_fifteen_seconds() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let collector = Collector::start(folder.path(), FAST);
    let fails_after = 25 * SECOND;
    let mut auction = auction(fails_after);
    let mut stream = TcpStream::connect(collector.http).expect("somebody listens");
    let begin = Instant::now();
    let mut healthy_before = false;
    loop {
        let elapsed = u64::try_from(begin.elapsed().as_nanos()).expect("a short test");
        post(&mut stream, collector.http, &export(&auction.run_until(elapsed)));
        let live = collector.json("/api/v1/diagnosis");
        if elapsed < fails_after {
            assert_ne!(live["state"], "suspects", "{live:#}");
            healthy_before |= live["state"] == "healthy";
        } else if live["state"] == "suspects" {
            assert!(healthy_before);
            let analysis = &live["analysis"];
            assert_eq!(first_suspect(analysis), Some("payments"), "{analysis:#}");
            assert!(analysis["plan"].is_object(), "{analysis:#}");
            assert_eq!(collector.get("/report").0, 200);
            return;
        }
        assert!(elapsed < fails_after + 15 * SECOND, "no suspect after 15 s: {live:#}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

#[test]
fn what_is_healthy_is_known_after_a_crash() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let baseline = folder.path().join("data/baseline.arrow");
    let fails_after = 60 * SECOND;
    let mut auction = auction(fails_after);
    let begin = Instant::now();
    let elapsed = || u64::try_from(begin.elapsed().as_nanos()).expect("a short test");
    // What is in the log is replayed, and learned again; so each run starts without one.
    let forget_spans = || {
        for part in ["data/log", "data/spans"] {
            std::fs::remove_dir_all(folder.path().join(part)).expect("the folder is there");
        }
    };
    let mut feed = |collector: &Collector| {
        let mut stream = TcpStream::connect(collector.http).expect("somebody listens");
        post(&mut stream, collector.http, &export(&auction.run_until(elapsed())));
        std::thread::park_timeout(Duration::from_millis(200));
        collector.json("/api/v1/diagnosis")
    };
    let collector = Collector::start(folder.path(), FAST);
    while feed(&collector)["state"] != "healthy" || !baseline.exists() {
        assert!(elapsed() < fails_after / 2, "it learns for ever");
    }
    // What is learned is written beside the work: by now all of it is.
    let written = elapsed() + 6 * SECOND;
    while elapsed() < written {
        feed(&collector);
    }
    collector.kill();
    forget_spans();

    // Told to forget, it learns anew and leaves the file alone.
    let kept = std::fs::read(&baseline).expect("the baseline is there");
    let forgetful = FAST.replace("[watch]", "[watch]\nkeep_baseline = false");
    let collector = Collector::start(folder.path(), &forgetful);
    assert_eq!(feed(&collector)["state"], "learning");
    collector.kill();
    forget_spans();
    assert_eq!(std::fs::read(&baseline).expect("the baseline is there"), kept);

    // Asked to remember, it knows at its first look.
    let collector = Collector::start(folder.path(), FAST);
    loop {
        let live = feed(&collector);
        // Before the first look there is nothing to say.
        assert!(live["state"] != "learning" || live["at_unix_nano"] == "0", "{live:#}");
        if live["state"] == "healthy" {
            break;
        }
    }
    collector.kill();
    forget_spans();

    // A file that is none is put aside, and nobody refuses to start.
    std::fs::write(&baseline, "no baseline").expect("the folder is writable");
    let collector = Collector::start(folder.path(), FAST);
    assert_eq!(feed(&collector)["state"], "learning");
    let (ended, _) = collector.end();
    assert!(ended.success());
    assert!(folder.path().join("data/baseline.arrow.quarantined").exists());
}

fn first_suspect(analysis: &Value) -> Option<&str> {
    analysis["suspects"][0]["component"]["service"].as_str()
}
