//! Endpoints that refuse, hang, are busy or do not exist; and options that cannot be.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use resus_receive::{Answer, Secret};
use resus_telemetry::{StartError, Stats, Telemetry, TelemetryOptions};

use crate::receiver::{Receiver, options};

const TOKEN: &str = "a-token-of-some-length";

/// Lines told.
type Lines = Arc<Mutex<Vec<String>>>;

fn start(options: &TelemetryOptions) -> (Telemetry, Lines) {
    let lines = Lines::default();
    let told = Arc::clone(&lines);
    let tell = move |line: &str| told.lock().expect("not poisoned").push(line.to_owned());
    (Telemetry::start(options, &[], Vec::new, tell).expect("starts"), lines)
}

#[tokio::test]
async fn an_endpoint_that_refuses_or_hangs_holds_up_neither_start_nor_spans_nor_shutdown() {
    let refusing =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    // Connections to it wait in the kernel for ever.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hanging = silent.local_addr().expect("an address");
    for (endpoint, hangs) in [(refusing, false), (hanging, true)] {
        let began = Instant::now();
        let (telemetry, lines) = start(&options(&format!("http://{endpoint}")));
        for _ in 0..5_000 {
            telemetry.http_request("http", "/v1/traces").http_status(200);
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        let stopped = Instant::now();
        telemetry.shutdown(Duration::from_millis(1_500)).await;
        assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
        let Stats { exports, dropped_spans, failed_exports } = telemetry.stats();
        assert_eq!(exports, 0);
        assert!(dropped_spans >= 5_000 - 2_048 - 2 * 512, "{dropped_spans}");
        let lines = lines.lock().expect("not poisoned");
        if hangs {
            assert_eq!(*lines, Vec::<String>::new());
        } else {
            assert!(failed_exports >= 1);
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains("no connection: Connection refused"), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_process_that_goes_without_a_word_is_not_held_up() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (telemetry, _) =
        start(&options(&format!("http://{}", silent.local_addr().expect("an address"))));
    let mut ended = telemetry.internal("tick");
    let began = Instant::now();
    drop(telemetry);
    ended.number("rows", 1);
    drop(ended);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn header_fields_are_sent_and_shown_nowhere() {
    let receiver = Receiver::scripted(vec![Secret::new(TOKEN.to_owned())], |_| Answer::Accepted);
    for (token, stats) in [
        (TOKEN, Stats { exports: 1, ..Stats::default() }),
        ("another-token", Stats { failed_exports: 1, ..Stats::default() }),
    ] {
        let mut options = options(&receiver.endpoint);
        options.headers = vec![("Authorization".to_owned(), format!("Bearer {token}"))];
        let shown = format!("{options:?}");
        assert!(shown.contains("Authorization") && !shown.contains(token), "{shown}");
        let (telemetry, lines) = start(&options);
        drop(telemetry.internal("tick"));
        telemetry.shutdown(Duration::from_secs(2)).await;
        let told = format!("{:?} {telemetry:?}", lines.lock().expect("not poisoned"));
        // Where there is no sample, no metrics are sent.
        assert_eq!(telemetry.stats(), stats, "{told}");
        assert!(!told.contains(token), "{told}");
        assert_eq!(told.contains("answered 401"), stats.failed_exports > 0, "{told}");
    }
    assert_eq!(receiver.spans().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_busy_is_asked_again() {
    let asked = AtomicU64::new(0);
    let receiver = Receiver::scripted(Vec::new(), move |_| {
        if asked.fetch_add(1, Ordering::Relaxed) > 0 {
            return Answer::Accepted;
        }
        Answer::Busy { retry_after: Duration::from_secs(1), message: "later".to_owned() }
    });
    let (telemetry, lines) = start(&options(&receiver.endpoint));
    drop(telemetry.internal("tick"));
    let began = Instant::now();
    telemetry.shutdown(Duration::from_secs(10)).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(telemetry.stats(), Stats { exports: 1, ..Stats::default() });
    assert_eq!(receiver.spans().len(), 1);
    assert!(lines.lock().expect("not poisoned").is_empty());
}

#[test]
fn options_that_cannot_be_are_refused_without_showing_secrets() {
    let refused = |options: &TelemetryOptions| {
        Telemetry::start(options, &[], Vec::new, |_| {}).expect_err("refused")
    };
    for endpoint in [
        "",
        "localhost:4318",
        "ftp://a",
        "http://",
        "/v1",
        "http://user:secret@a",
        "http://a/?secret=1",
        "unix:/secret",
    ] {
        let error = refused(&options(endpoint));
        assert!(matches!(error, StartError::Endpoint), "{endpoint}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    let mut hasty = options("http://localhost");
    hasty.interval = Duration::ZERO;
    assert!(matches!(refused(&hasty), StartError::Interval));
    for (name, value) in [("a b", "secret"), ("", "secret"), ("key", "secret\n")] {
        let mut options = options("http://localhost");
        options.headers = vec![(name.to_owned(), value.to_owned())];
        let error = refused(&options);
        assert!(matches!(error, StartError::Header { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
