//! What arrives when all is well.

use std::collections::BTreeSet;

use bytes::Bytes;
use resus_forward::{ContentCoding, ForwardOptions, Outgoing};
use resus_receive::{Compression, Encoding, Signal, inflate};

use crate::endpoint::{Endpoint, Reply};
use crate::queue::{Queue, Running, forward, options, spans};

#[tokio::test]
async fn each_signal_encoding_and_compression_arrives_as_itself() {
    let text = b"telemetry ".repeat(100);
    let mut all = Vec::new();
    for signal in Signal::ALL {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            for (compression, body) in [
                (Compression::None, text.clone()),
                (Compression::Zstd, zstd::encode_all(&text[..], 1).expect("compresses")),
            ] {
                all.push(Outgoing { signal, encoding, compression, body: body.into() });
            }
        }
    }
    for coding in [ContentCoding::Gzip, ContentCoding::Identity] {
        let endpoint = Endpoint::new(|_, _| Reply::status(200)).await;
        let base = format!("{}/base/", endpoint.url());
        let headers = vec![("X-Key".to_owned(), "s3cret".to_owned())];
        let options = ForwardOptions { compression: coding, headers, ..options(&base) };
        let stats = forward(&options, &Queue::new(all.clone()), all.len()).await;
        let received = endpoint.received();
        assert_eq!((stats.sent, received.len()), (12, 12));
        let bytes: usize = received.iter().map(|request| request.body.len()).sum();
        assert_eq!(stats.sent_bytes, bytes as u64);
        assert!(stats.last_success_unix_nano.is_some() && stats.last_failure.is_none());
        let mut kinds = BTreeSet::new();
        for request in received {
            let field = |name| request.headers.get(name).map(|v| v.to_str().expect("text"));
            let is_gzip = coding == ContentCoding::Gzip;
            assert_eq!(field("content-encoding"), is_gzip.then_some("gzip"));
            let compression = if is_gzip { Compression::Gzip } else { Compression::None };
            assert_eq!(inflate(compression, &request.body, 1 << 20).expect("sound"), text);
            assert_eq!(field("x-key"), Some("s3cret"));
            assert_eq!(field("host"), Some(endpoint.address.to_string().as_str()));
            kinds.insert((request.path, field("content-type").map(str::to_owned)));
        }
        assert_eq!(kinds.len(), 6, "{kinds:?}");
        let of = |path: &str, kind: &str| (path.to_owned(), Some(format!("application/{kind}")));
        assert!(kinds.contains(&of("/base/v1/metrics", "json")), "{kinds:?}");
        assert!(kinds.contains(&of("/base/v1/traces", "x-protobuf")), "{kinds:?}");
    }
}

#[tokio::test]
async fn connections_are_kept_and_what_comes_later_is_sent_too() {
    let endpoint = Endpoint::new(|_, _| Reply::status(200)).await;
    let queue = Queue::numbered(100);
    let running = Running::new(&options(&endpoint.url()), &queue);
    queue.wait_for(100).await;
    for n in 100..110 {
        queue.push(spans(&n.to_string()));
        queue.wait_for(n + 1).await;
    }
    let stats = running.stop().await;
    assert_eq!((stats.sent, stats.retried, stats.in_flight, stats.backlog_bytes), (110, 0, 0, 0));
    let received = endpoint.received();
    let connections: BTreeSet<usize> = received.iter().map(|request| request.connection).collect();
    assert!(connections.len() <= 4, "{connections:?}");
    let bodies: BTreeSet<Bytes> = received.into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), 110);
}

#[tokio::test]
async fn one_at_a_time_all_come_in_order() {
    let endpoint = Endpoint::new(|n, _| Reply::status([200, 503, 400][n % 3])).await;
    let options =
        ForwardOptions { concurrency: std::num::NonZeroUsize::MIN, ..options(&endpoint.url()) };
    forward(&options, &Queue::numbered(30), 30).await;
    let mut came: Vec<u32> = endpoint
        .received()
        .iter()
        .map(|request| str::from_utf8(&request.body).expect("digits").parse().expect("a number"))
        .collect();
    came.dedup();
    assert_eq!(came, (0..30).collect::<Vec<u32>>());
}

#[tokio::test]
async fn what_is_not_wanted_or_broken_is_passed_over() {
    let endpoint = Endpoint::new(|_, _| Reply::status(200)).await;
    let broken = Outgoing { compression: Compression::Zstd, ..spans("no frame") };
    let metrics = Outgoing { signal: Signal::Metrics, ..spans("metrics") };
    let queue = Queue::new(vec![metrics.clone(), broken, spans("good"), metrics]);
    let options = ForwardOptions { signals: vec![Signal::Traces], ..options(&endpoint.url()) };
    let stats = forward(&options, &queue, 4).await;
    assert_eq!((stats.sent, stats.unsendable, stats.dropped), (1, 1, 0));
    assert_eq!(endpoint.received().len(), 1);
    let message = stats.last_failure.expect("the broken one").message;
    assert!(message.starts_with("inflate a body: "), "{message}");
}
