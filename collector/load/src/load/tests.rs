use super::*;
use crate::reference::{Fault, Reference};
use crate::verdict::check;
use crate::{Fate, Ledger};

const LIMIT: u64 = 4 << 20;

async fn reference(fault: Fault) -> Reference {
    Reference::start(fault, LIMIT, None, Duration::from_secs(60)).await
}

fn load(server: &Reference, transport: Transport, requests: u64) -> Load {
    Load {
        target: Target::new(Some(server.address), Some(server.address)),
        transport,
        compression: Compression::None,
        connections: 3,
        shape: Shape { split: 0.3, ..Shape::typical(50) },
        rate: None,
        length: Length::Requests(requests),
        seed: 11,
        first_request: 0,
        keep: Keep::Memory,
        retry: None,
    }
}

const BOTH: [Transport; 2] = [Transport::Http, Transport::Grpc];

#[tokio::test]
async fn what_is_acknowledged_is_stored_over_each_transport_and_coding() {
    for transport in BOTH {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let server = reference(Fault::None).await;
            let load = Load { compression, ..load(&server, transport, 20) };
            let outcome = run(load).await.unwrap();
            assert_eq!((outcome.requests, outcome.acknowledged), (20, 20), "{outcome:?}");
            assert_eq!((outcome.spans, outcome.next_request), (1000, 20));
            assert_eq!(outcome.latency.count(), 20);
            let verdict = check(&outcome.ledger.unwrap(), server.stored());
            assert!(verdict.holds(), "{verdict:?}");
            assert_eq!((verdict.acknowledged, verdict.stored), (1000, 1000));
        }
    }
}

#[tokio::test]
async fn a_lost_span_is_found() {
    for transport in BOTH {
        let server = reference(Fault::LosesSpans).await;
        let outcome = run(load(&server, transport, 9)).await.unwrap();
        let verdict = check(&outcome.ledger.unwrap(), server.stored());
        assert_eq!((verdict.missing, verdict.holds()), (150, false));
    }
}

#[tokio::test]
async fn refusals_are_counted_by_kind_and_sent_again_if_wished() {
    let retry = Retry {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(10),
        give_up_after: Duration::from_secs(20),
    };
    for transport in BOTH {
        let server = reference(Fault::Busy).await;
        let once = run(load(&server, transport, 9)).await.unwrap();
        assert_eq!((once.acknowledged, once.refused_retryable, once.refused_other), (6, 3, 0));
        assert_eq!((once.resent, once.refusals, once.failed), (0, 3, 0));
        assert!(check(&once.ledger.unwrap(), server.stored()).holds());
        let server = reference(Fault::Busy).await;
        let again = Load { retry: Some(retry), ..load(&server, transport, 9) };
        let again = run(again).await.unwrap();
        assert_eq!((again.acknowledged, again.refused_retryable), (9, 0));
        assert_eq!(again.resent, again.refusals);
        assert!(again.refusals >= 4, "{again:?}");
        assert!(check(&again.ledger.unwrap(), server.stored()).holds());
    }
    let server = Reference::start(Fault::None, 1000, None, Duration::from_secs(60)).await;
    for (transport, reason) in BOTH.into_iter().zip(["HTTP 413", "gRPC RESOURCE_EXHAUSTED"]) {
        let load = Load { retry: Some(retry), ..load(&server, transport, 2) };
        let outcome = run(load).await.unwrap();
        assert_eq!((outcome.refused_other, outcome.resent), (2, 0));
        assert_eq!(outcome.reasons, [(reason.to_owned(), 2)]);
    }
}

#[tokio::test]
async fn a_request_without_an_answer_may_be_stored_or_not() {
    for transport in BOTH {
        let server = reference(Fault::LosesAnswers).await;
        let outcome = run(load(&server, transport, 9)).await.unwrap();
        assert!(outcome.failed >= 3, "{outcome:?}");
        let ledger = outcome.ledger.unwrap();
        let verdict = check(&ledger, server.stored());
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.uncertain_stored, outcome.failed * 50);
        // Sent again, the lost ones are there twice, which is what at-least-once means.
        let retry = Retry {
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(5),
            give_up_after: Duration::from_secs(20),
        };
        let server = reference(Fault::LosesAnswers).await;
        let outcome =
            run(Load { retry: Some(retry), ..load(&server, transport, 9) }).await.unwrap();
        assert_eq!(outcome.acknowledged, 9, "{outcome:?}");
        let verdict = check(&outcome.ledger.unwrap(), server.stored());
        assert!(verdict.holds() && verdict.duplicates > 0, "{verdict:?}");
        assert!(verdict.duplicates <= verdict.resent);
    }
}

#[tokio::test]
async fn a_second_run_goes_on_where_the_first_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let server = reference(Fault::None).await;
    let once = Load { keep: Keep::File(path.clone()), ..load(&server, Transport::Http, 4) };
    assert_eq!(run(once.clone()).await.unwrap().next_request, 4);
    let second = run(once).await.unwrap();
    assert_eq!((second.requests, second.next_request), (4, 8));
    let ledger = Ledger::read(&path).unwrap();
    assert_eq!(second.ledger.as_ref(), Some(&ledger));
    let verdict = check(&ledger, server.stored());
    assert!(verdict.holds() && verdict.acknowledged == 400, "{verdict:?}");
}

#[tokio::test]
async fn an_absent_collector_is_a_failure_of_requests_not_of_the_run() {
    for transport in BOTH {
        let server = reference(Fault::None).await;
        let load = load(&server, transport, 3);
        drop(server);
        tokio::task::yield_now().await;
        let outcome = run(load).await.unwrap();
        assert_eq!((outcome.requests, outcome.failed), (3, 3), "{outcome:?}");
        let ledger = outcome.ledger.unwrap();
        assert!(ledger.entries().all(|(_, e)| e.fate == Fate::Unanswered && e.sends == 0));
    }
}

#[tokio::test]
async fn a_rate_is_kept_and_a_stop_ends_the_run() {
    let server = reference(Fault::None).await;
    let slow = Load { rate: Some(1000.0), ..load(&server, Transport::Http, 5) };
    let outcome = run(slow).await.unwrap();
    // Five requests of 50 spans: the last is due after four twentieths of a second.
    assert!(outcome.elapsed >= Duration::from_millis(200), "{:?}", outcome.elapsed);
    let endless = Load { rate: Some(100.0), ..load(&server, Transport::Http, u64::MAX) };
    let stop = tokio::time::sleep(Duration::from_millis(100));
    let outcome = run_until(endless, stop).await.unwrap();
    assert!((1..5).contains(&outcome.requests), "{outcome:?}");
    let timed = Load {
        rate: Some(1000.0),
        length: Length::Time(Duration::from_millis(120)),
        ..load(&server, Transport::Grpc, 0)
    };
    assert_eq!(run(timed).await.unwrap().requests, 3);
}

#[tokio::test]
async fn a_pool_repeats_its_bodies() {
    let server = reference(Fault::None).await;
    let load = Load {
        keep: Keep::Nothing { pool: 2 },
        compression: Compression::Gzip,
        ..load(&server, Transport::Http, 6)
    };
    let outcome = run(load).await.unwrap();
    assert_eq!((outcome.acknowledged, outcome.ledger), (6, None));
    let mut stored = server.stored();
    assert_eq!(stored.len(), 300);
    stored.sort_unstable();
    stored.dedup();
    assert_eq!(stored.len(), 100);
}

#[tokio::test]
async fn what_cannot_be_sent_is_an_error() {
    let server = reference(Fault::None).await;
    let good = load(&server, Transport::Grpc, 1);
    let no_address = Load { target: Target::new(Some(server.address), None), ..good.clone() };
    let error = run(no_address).await.unwrap_err();
    assert_eq!(error.to_string(), "send over Grpc: the target has no address for it");
    let error = run(Load { rate: Some(-1.0), ..good.clone() }).await.unwrap_err();
    assert!(matches!(error, LoadError::Rate(_)));
    let error = run(Load { shape: Shape::typical(0), ..good }).await.unwrap_err();
    assert_eq!(error.to_string(), "build request bodies: shape.spans is 0, expected 1 to 100000");
}
