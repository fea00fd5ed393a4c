//! Every wait for a client has an end.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use resus_receive::{ClosedFor, Encoding, Limits, Outcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Call, Way, read_to_close};
use crate::door::{Door, within};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const HEAD: &str = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\n";

fn short() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(1200),
        body_grace: Duration::from_millis(300),
        min_body_rate: 1000,
        idle_timeout: Duration::from_millis(800),
        ..Limits::STANDARD
    }
}

async fn connect(door: &Door) -> TcpStream {
    TcpStream::connect(door.address()).await.expect("connects")
}

/// Reads to the close and says what came and how long that took.
async fn closing(stream: &mut TcpStream) -> (String, Duration) {
    let begun = Instant::now();
    (read_to_close(stream).await, begun.elapsed())
}

fn near(took: Duration, expected: u64) {
    let expected = Duration::from_millis(expected);
    assert!(took + Duration::from_millis(30) > expected, "{took:?} is before {expected:?}");
    assert!(took < expected + Duration::from_secs(2), "{took:?} is long after {expected:?}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_not_enough_is_closed() {
    let door = within(&short());
    let openings: [&[u8]; 5] =
        [b"", &PREFACE[..3], &PREFACE[..20], b"POST /v1/traces HTTP/1.1\r\nhost:", PREFACE];
    for opening in openings {
        let mut stream = connect(&door).await;
        stream.write_all(opening).await.expect("writes");
        near(closing(&mut stream).await.1, 300);
    }
    door.until("counted", |door| door.closed(ClosedFor::HeaderTimeout) == 5).await;
    assert_eq!(door.meter.read().connections_open, 0);
}

#[tokio::test]
async fn a_handshake_of_http2_without_a_request_is_closed() {
    let door = within(&short());
    let mut stream = connect(&door).await;
    stream.write_all(PREFACE).await.expect("writes");
    stream.write_all(SETTINGS).await.expect("writes");
    let (_, took) = closing(&mut stream).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    door.until("counted", |door| door.closed(ClosedFor::HeaderTimeout) == 1).await;
}

#[tokio::test]
async fn a_tls_handshake_that_never_ends_is_closed() {
    let papers = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("papers");
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, papers.cert.pem()).expect("writes");
    std::fs::write(&key, papers.signing_key.serialize_pem()).expect("writes");
    let tls = resus_receive::TlsConfig { certificate, key, client_ca: None };
    let door =
        Door::new(vec![crate::door::with_tls(tls)], &short(), |_| unreachable!("no request"));
    for opening in [b"".as_slice(), b"\x16\x03\x01\x02\x00"] {
        let mut stream = connect(&door).await;
        stream.write_all(opening).await.expect("writes");
        near(closing(&mut stream).await.1, 300);
    }
    door.until("counted", |door| door.closed(ClosedFor::HeaderTimeout) == 2).await;
}

#[tokio::test]
async fn a_head_that_trickles_is_closed_also_on_a_used_connection() {
    let door = within(&short());
    for used in [false, true] {
        let mut stream = connect(&door).await;
        if used {
            let request = format!("{HEAD}content-length: 2\r\n\r\n{{}}");
            stream.write_all(request.as_bytes()).await.expect("writes");
            let mut answer = [0; 15];
            stream.read_exact(&mut answer).await.expect("reads");
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
        }
        let (mut read, mut write) = stream.into_split();
        let dribble = tokio::spawn(async move {
            for byte in HEAD.bytes().chain(std::iter::repeat(b'x')) {
                if write.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let begun = Instant::now();
        read_to_close(&mut read).await;
        near(begun.elapsed(), 300);
        dribble.abort();
    }
    door.until("counted", |door| door.closed(ClosedFor::HeaderTimeout) == 2).await;
}

#[tokio::test]
async fn an_idle_connection_lives_longer_than_a_head_may_take() {
    let door = within(&short());
    let mut stream = connect(&door).await;
    let request = format!("{HEAD}content-length: 2\r\n\r\n{{}}");
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = vec![0; 1024];
        let n = stream.read(&mut answer).await.expect("reads");
        assert!(answer[..n].starts_with(b"HTTP/1.1 200 OK"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    near(closing(&mut stream).await.1, 300);
    door.until("counted", |door| door.closed(ClosedFor::Idle) == 1).await;
}

#[tokio::test]
async fn a_body_that_stalls_or_trickles_ends_in_a_retryable_refusal() {
    let door = within(&short());
    // Nothing, a little, and bytes that keep coming, at half the rate and at the rate but without end.
    for (sent, pause, piece, expected) in
        [(0, 0, 0, 300), (100, 0, 0, 400), (0, 100, 50, 600), (0, 50, 100, 1200)]
    {
        let stream = connect(&door).await;
        let (mut read, mut write) = stream.into_split();
        let head = format!("{HEAD}content-length: 90000\r\n\r\n{}", "x".repeat(sent));
        write.write_all(head.as_bytes()).await.expect("writes");
        let begun = Instant::now();
        let dribble = tokio::spawn(async move {
            while piece > 0 && write.write_all(&vec![b'x'; piece]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            write
        });
        let mut answer = [0; 12];
        read.read_exact(&mut answer).await.expect("reads");
        assert_eq!(&answer, b"HTTP/1.1 503");
        near(begun.elapsed(), expected);
        dribble.abort();
    }
    assert_eq!(door.counted(Outcome::TimedOut), 4);
    assert_eq!(door.meter.read().in_flight_bytes, 0);
    assert_eq!(
        Call::spans(Way::Http1(Encoding::Json), b"").verdict(door.address()).await.status,
        200
    );
}

/// A body of one piece that never ends.
struct Endless(Option<Bytes>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
    }
}

#[tokio::test]
async fn a_message_of_grpc_that_stalls_exceeds_its_time() {
    let door = within(&short());
    let io = TokioIo::new(connect(&door).await);
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), io).await.expect("shakes hands");
    tokio::spawn(connection);
    let request = Request::post(format!("http://door{}", Call::spans(Way::Grpc, b"").path))
        .header("content-type", "application/grpc")
        .body(Endless(Some(Bytes::from_static(&[0, 0, 0, 1, 0, b'x']))))
        .expect("a request");
    let begun = Instant::now();
    let reply = send.send_request(request).await.expect("an answer");
    assert_eq!(reply.headers()["grpc-status"], "4");
    near(begun.elapsed(), 300);
}
