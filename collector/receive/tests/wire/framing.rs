//! Framing: of gRPC's messages and deadlines, and of HTTP/1.1 on a connection that is used again.

use std::time::Duration;

use bytes::Bytes;
use resus_receive::{Answer, Compression, Encoding, Limits, Outcome, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Call, Way, framed, statuses, talk};
use crate::compression::gzip;
use crate::door::{Door, config, open};

async fn code(door: &Door, body: impl Into<Bytes>, encoding: Option<&str>) -> u64 {
    let mut call = Call::spans(Way::Grpc, b"");
    call.body = body.into();
    if let Some(encoding) = encoding {
        call = call.header("grpc-encoding", encoding);
    }
    call.verdict(door.address()).await.code
}

#[tokio::test]
async fn a_call_has_exactly_one_message() {
    let door = open();
    let one = framed(0, b"spans");
    assert_eq!(code(&door, one.clone(), None).await, 0);
    assert_eq!(code(&door, Bytes::new(), None).await, 12, "none");
    assert_eq!(code(&door, [&one[..], &one[..]].concat(), None).await, 12, "two");
    assert_eq!(code(&door, [&one[..], b"x"].concat(), None).await, 12, "more");
    assert_eq!(code(&door, one.slice(..3), None).await, 13, "cut off in the prefix");
    assert_eq!(code(&door, one.slice(..8), None).await, 13, "cut off in the message");
    assert_eq!(door.seen().len(), 1);
    assert_eq!(door.counted(Outcome::BadData), 5);
}

#[tokio::test]
async fn the_compressed_flag_and_the_encoding_have_to_agree() {
    let door = open();
    let packed = gzip(b"spans");
    assert_eq!(code(&door, framed(1, &packed), Some("gzip")).await, 0);
    assert_eq!(code(&door, framed(0, b"spans"), Some("gzip")).await, 0, "a message may stay plain");
    for seen in door.seen() {
        assert_eq!(seen.body, b"spans".as_slice());
    }
    assert_eq!(door.seen()[1].compression, Compression::None);
    assert_eq!(code(&door, framed(1, &packed), None).await, 13);
    assert_eq!(code(&door, framed(1, &packed), Some("identity")).await, 13);
    assert_eq!(code(&door, framed(2, b"spans"), None).await, 13);
}

#[tokio::test]
async fn a_deadline_that_passes_is_exceeded_and_the_work_dropped() {
    let door = Door::new(vec![config()], &Limits::STANDARD, |incoming| {
        Box::pin(async move {
            let _held = incoming;
            std::future::pending().await
        })
    });
    let call = Call::spans(Way::Grpc, b"spans").header("grpc-timeout", "50m");
    assert_eq!(call.verdict(door.address()).await.code, 4);
    door.until("memory is back", |door| door.meter.read().in_flight_bytes == 0).await;
    assert_eq!(door.counted(Outcome::TimedOut), 1);
    let door = open();
    let call = Call::spans(Way::Grpc, b"spans");
    assert_eq!(call.clone().header("grpc-timeout", "10S").verdict(door.address()).await.code, 0);
    assert_eq!(call.header("grpc-timeout", "soon").verdict(door.address()).await.code, 3);
}

fn post(body: &str, more: &str) -> String {
    format!(
        "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_connection_is_used_again_and_requests_may_be_sent_ahead() {
    let door = open();
    let text = post("one", "") + &post("two", "") + &post("three", "connection: close\r\n");
    let answers = talk(door.address(), &text).await;
    assert_eq!(statuses(&answers), [200, 200, 200]);
    let bodies: Vec<_> = door.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, ["one", "two", "three"]);
    assert_eq!(door.meter.read().connections_accepted, 1);
}

#[tokio::test]
async fn a_short_refused_body_does_not_end_the_connection() {
    let door = open();
    let text =
        post("one", "").replace("/v1/traces", "/elsewhere") + &post("two", "connection: close\r\n");
    let answers = talk(door.address(), &text).await;
    assert_eq!(statuses(&answers), [404, 200]);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_or_refused() {
    let door = open();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\n\
                content-length: 5\r\nconnection: close\r\nexpect: 100-continue\r\n\r\n";
    let mut stream = TcpStream::connect(door.address()).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.expect("reads");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"spans").await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let answer = talk(door.address(), &head.replace("length: 5", "length: 99999999")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn what_is_not_http_is_closed() {
    let door = open();
    for text in [
        "\x16\x03\x01\x02\x00 a hello of TLS\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "GET\r\n\r\n",
    ] {
        let answer = talk(door.address(), text).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let long = format!("POST /v1/traces HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(40_000));
    let answer = talk(door.address(), &long).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(Call::spans(Way::Grpc, b"").verdict(door.address()).await.code, 0);
}

#[tokio::test]
async fn one_connection_carries_many_calls_at_a_time() {
    let door = Door::new(vec![config()], &Limits::STANDARD, |_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Answer::Accepted
        })
    });
    let address = door.address();
    let calls: Vec<_> = (0..64)
        .map(|i| {
            let way = [Way::Grpc, Way::Http1(Encoding::Json)][i % 2];
            let body = vec![b'x'; 100_000];
            tokio::spawn(async move {
                Call::new(way, Signal::Metrics, Compression::None, &body)
                    .verdict(address)
                    .await
                    .code
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), 0);
    }
    assert!(door.seen().iter().all(|seen| seen.body.len() == 100_000));
}
