//! Requests that go on to another collector.

use std::time::Duration;

use resus_load::{Compression, Keep, Length, Load, Shape, Transport, check};

use super::{Collector, block_on, stored};

#[test]
fn what_one_collector_took_another_one_has_too_also_after_a_kill() {
    let (near, far) = (tempfile::tempdir(), tempfile::tempdir());
    let (near, far) = (near.expect("a folder can be made"), far.expect("a folder can be made"));
    let behind = Collector::start(far.path(), "");
    let extra = format!("[forward]\nendpoint = \"http://{}\"\n", behind.http);
    let mut ledger = None;
    let mut next_request = 0;
    for round in 0..3 {
        let collector = Collector::start(near.path(), &extra);
        let outcome = block_on(resus_load::run(Load {
            target: collector.target(),
            transport: if round == 1 { Transport::Grpc } else { Transport::Http },
            compression: if round == 0 { Compression::Zstd } else { Compression::Gzip },
            connections: 2,
            shape: Shape::typical(100),
            rate: None,
            length: Length::Requests(next_request + 20),
            seed: 9,
            first_request: next_request,
            keep: Keep::File(near.path().join("ledger")),
            retry: None,
        }))
        .expect("the load runs");
        next_request = outcome.next_request;
        ledger = outcome.ledger;
        if round < 2 {
            collector.kill();
            continue;
        }
        let begin = std::time::Instant::now();
        let sent = |collector: &Collector| {
            let (_, scraped) = collector.get("/metrics");
            let none = |gauge: &str| scraped.contains(&format!("{gauge} 0\n"));
            let all = behind.json("/api/v1/status")["spans"].as_u64() >= Some(next_request * 100);
            none("resus_forward_backlog_bytes") && none("resus_forward_in_flight") && all
        };
        // What waits is looked at now and then, so it has to be nothing for a while; a canary of the log
        // comes between every two seconds.
        let mut quiet = 0;
        while quiet < 8 {
            quiet = if sent(&collector) { quiet + 1 } else { 0 };
            assert!(begin.elapsed() < Duration::from_secs(30), "{}", collector.get("/metrics").1);
            std::thread::park_timeout(Duration::from_millis(100));
        }
        let (status, said) = collector.end();
        assert!(status.success(), "{said}");
    }
    let (status, said) = behind.end();
    assert!(status.success(), "{said}");
    let ledger = ledger.expect("it was kept");
    let ids = stored::ids(&far.path().join("data")).expect("the store can be read");
    let verdict = check(&ledger, ids);
    // What was under way at a kill may come twice.
    assert!(verdict.missing == 0 && verdict.phantom == 0, "{verdict:#?}");
    assert_eq!(verdict.acknowledged, next_request * 100);
}

#[test]
fn an_endpoint_that_is_away_is_told_once_and_taken_up_again() {
    let (near, far) = (tempfile::tempdir(), tempfile::tempdir());
    let (near, far) = (near.expect("a folder can be made"), far.expect("a folder can be made"));
    // Where somebody will listen later.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = free.local_addr().expect("it has an address");
    drop(free);
    let extra = format!("[forward]\nendpoint = \"http://{address}\"\n");
    let collector = Collector::start(near.path(), &extra);
    let forward = || collector.json("/api/v1/status")["forward"].clone();
    assert!(forward()["last_failure"].is_null());
    let outcome = block_on(resus_load::run(Load {
        target: collector.target(),
        transport: Transport::Http,
        compression: Compression::None,
        connections: 1,
        shape: Shape::typical(100),
        rate: None,
        length: Length::Requests(5),
        seed: 9,
        first_request: 0,
        keep: Keep::Memory,
        retry: None,
    }));
    assert_eq!(outcome.expect("the load runs").acknowledged, 5);
    let status = collector
        .until("/api/v1/status", 20, |status| status["forward"]["last_failure"].is_object());
    let message = status["forward"]["last_failure"]["message"].as_str().expect("a message");
    assert!(message.starts_with("failed to "), "{message}");
    // Two looks, so that telling twice would show.
    std::thread::park_timeout(Duration::from_secs(3));
    let receive = format!("[receive]\ngrpc = \"127.0.0.1:0\"\nhttp = \"{address}\"\n");
    let behind = Collector::start(far.path(), &receive);
    collector.until("/api/v1/status", 30, |status| status["forward"]["sent"] == 5);
    std::thread::park_timeout(Duration::from_secs(2));
    let (ended, said) = collector.end();
    assert!(ended.success(), "{said}");
    assert_eq!(said.matches("resus: forward: failed to ").count(), 1, "{said}");
    assert_eq!(
        said.matches("resus: forward: the endpoint takes requests again").count(),
        1,
        "{said}"
    );
    drop(behind);
}
