//! How large a body may be, and what happens when the memory for bodies is used up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use resus_receive::{Answer, Compression, Encoding, Limits, Outcome, Signal};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::client::{Call, Verdict, Way, read_to_close, talk};
use crate::compression::{gzip, zstd};
use crate::door::{Door, config, within};

fn small() -> Limits {
    Limits { max_body: 100_000, max_in_flight_bytes: 300_000, ..Limits::STANDARD }
}

#[tokio::test]
async fn the_limit_counts_bytes_after_decompression() {
    let door = within(&small());
    for way in Way::ALL {
        for (size, fits) in [(100_000, true), (100_001, false), (2_000_000, false)] {
            let body = vec![b'x'; size];
            for (compression, raw) in [
                (Compression::None, body.clone()),
                (Compression::Gzip, gzip(&body)),
                (Compression::Zstd, zstd(&body)),
            ] {
                let call = Call::new(way, Signal::Traces, compression, &raw);
                let verdict = call.verdict(door.address()).await;
                let expected = match (fits, way) {
                    (true, _) => (200, 0),
                    (false, Way::Grpc) => (200, 8),
                    (false, _) => (413, 8),
                };
                assert_eq!(
                    (verdict.status, verdict.code),
                    expected,
                    "{way:?} {compression:?} {size}"
                );
                assert_eq!((verdict.retry, verdict.retry_after), (None, None));
            }
        }
    }
    assert_eq!(door.counted(Outcome::TooLarge), 30);
    assert_eq!(door.meter.read().in_flight_bytes, 0);
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_before_a_byte_of_it() {
    let door = within(&small());
    let head = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\n";
    for length in ["100001", "9000000000000000000"] {
        let answer = talk(door.address(), &format!("{head}content-length: {length}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(
            answer.contains("connection: close\r\n") && answer.contains("\"code\":8"),
            "{answer}"
        );
    }
    // gRPC declares it in the message's prefix.
    let mut call = Call::spans(Way::Grpc, b"");
    call.body = vec![0, 0, 1, 0x86, 0xa1].into();
    assert_eq!(call.verdict(door.address()).await.code, 8);
}

#[tokio::test]
async fn a_client_that_sends_on_reads_its_refusal_nevertheless() {
    let door = within(&small());
    let mut stream = TcpStream::connect(door.address()).await.expect("connects");
    let head = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\ncontent-length: 5000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("writes");
    // Only when all is written does it look for the answer, as simple clients do.
    stream.write_all(&vec![b'x'; 5_000_000]).await.expect("is not reset while it writes");
    let answer = read_to_close(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn bodies_without_a_length_are_counted_as_they_come() {
    let door = within(&small());
    let head = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    let good = format!("{head}{}0\r\n\r\n", chunk.repeat(10));
    let answer = talk(door.address(), &good).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(door.seen().pop().expect("handed over").body.len(), 100_000);
    let bad = format!("{head}{}", chunk.repeat(11));
    let answer = talk(door.address(), &bad).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn without_memory_a_request_is_told_at_once_to_come_back() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let door = Door::new(vec![config()], &small(), move |incoming| {
        let gate = Arc::clone(&opened);
        Box::pin(async move {
            let _held = incoming;
            gate.acquire().await.expect("open").forget();
            Answer::Accepted
        })
    });
    let body = vec![b'x'; 90_000];
    let address = door.address();
    let holding: Vec<_> = (0..3)
        .map(|_| {
            let call = Call::spans(Way::Grpc, &body);
            tokio::spawn(async move { call.verdict(address).await })
        })
        .collect();
    door.until("three held", |door| door.meter.read().in_flight_bytes >= 270_000).await;
    let packed =
        gzip(&(0..90_000u32).flat_map(|i| i.to_le_bytes()).take(90_000).collect::<Vec<_>>());
    for way in Way::ALL {
        for (compression, body) in [(Compression::None, &body), (Compression::Gzip, &packed)] {
            let before = Instant::now();
            let call = Call::new(way, Signal::Traces, compression, body);
            let verdict = call.verdict(address).await;
            let took = before.elapsed();
            assert!(took < Duration::from_millis(100), "{way:?} {took:?}");
            let status = if way == Way::Grpc { 200 } else { 503 };
            assert_eq!((verdict.status, verdict.code), (status, 14), "{way:?}");
            assert_eq!(verdict.retry, Some(Duration::from_secs(1)), "{way:?}");
            assert_eq!(verdict.retry_after, (way != Way::Grpc).then_some(1), "{way:?}");
        }
    }
    assert!(door.meter.read().in_flight_bytes <= 300_000);
    gate.add_permits(3);
    for held in holding {
        assert_eq!(held.await.expect("no panic"), Verdict { status: 200, ..Verdict::default() });
    }
    door.until("memory is back", |door| door.meter.read().in_flight_bytes == 0).await;
    gate.add_permits(1);
    assert_eq!(Call::spans(Way::Http1(Encoding::Json), &body).verdict(address).await.status, 200);
}

#[tokio::test]
async fn an_announced_length_sets_no_more_aside_than_a_mebibyte() {
    let door = within(&Limits::STANDARD);
    let head = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\ncontent-length: 60000000\r\n\r\nx";
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(door.address()).await.expect("connects");
        stream.write_all(head.as_bytes()).await.expect("writes");
        streams.push(stream);
    }
    door.until("all begun", |door| door.meter.read().in_flight_bytes >= 20 << 20).await;
    assert_eq!(door.meter.read().in_flight_bytes, 20 << 20);
    let body = vec![b'x'; 10 << 20];
    assert_eq!(
        Call::spans(Way::Http1(Encoding::Json), &body).verdict(door.address()).await.status,
        200
    );
}
