//! How many connections there may be, and who goes when there are too many.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use resus_receive::{Answer, ClosedFor, Encoding, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::client::{Call, Way, read_to_close};
use crate::door::{Door, with_token, within};

const WAY: Way = Way::Http1(Encoding::Json);

/// A connection that has sent a request, and stays.
async fn proven(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let request = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.expect("reads");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stream
}

#[tokio::test]
async fn a_full_house_closes_the_newcomer_and_lets_in_the_next() {
    let door = within(&Limits { max_connections: 3, ..Limits::STANDARD });
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(proven(door.address()).await);
    }
    let mut fourth = TcpStream::connect(door.address()).await.expect("connects");
    assert_eq!(read_to_close(&mut fourth).await, "");
    assert_eq!(door.closed(ClosedFor::TooMany), 1);
    assert_eq!(door.meter.read().connections_open, 3);
    inside.pop();
    door.until("room", |door| door.meter.read().connections_open == 2).await;
    proven(door.address()).await;
}

#[tokio::test]
async fn one_address_does_not_take_the_places_of_others() {
    let door = within(&Limits { max_connections_per_address: 2, ..Limits::STANDARD });
    let _inside = [proven(door.address()).await, proven(door.address()).await];
    let mut third = TcpStream::connect(door.address()).await.expect("connects");
    assert_eq!(read_to_close(&mut third).await, "");
    assert_eq!(door.closed(ClosedFor::TooManyFromAddress), 1);
    let other = TcpSocket::new_v4().expect("a socket");
    other.bind(SocketAddr::from(([127, 0, 0, 2], 0))).expect("all of 127/8 is ours");
    let other = other.connect(door.address()).await.expect("connects");
    assert_eq!(Call::spans(WAY, b"").send_over(other).await.status, 200);
}

#[tokio::test]
async fn two_thousand_half_open_connections_keep_nobody_out() {
    let door = within(&Limits {
        max_connections: 64,
        max_connections_per_address: 64,
        ..Limits::STANDARD
    });
    let address = door.address();
    let _regular = proven(address).await;
    let mut half_open = Vec::new();
    let mut slowest = Duration::ZERO;
    for i in 0..2_000 {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let opening: &[u8] = [b"".as_slice(), b"POST /v1/tr", b"PRI * HTTP/2.0"][i % 3];
        let _ = stream.write_all(opening).await;
        half_open.push(stream);
        if i % 50 == 49 {
            let begun = Instant::now();
            let way = Way::ALL[i / 50 % Way::ALL.len()];
            assert_eq!(Call::spans(way, b"").verdict(address).await.code, 0, "{way:?}");
            slowest = slowest.max(begun.elapsed());
        }
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(door.closed(ClosedFor::Evicted) >= 1_900);
    assert_eq!(door.closed(ClosedFor::TooMany), 0);
    assert!(door.meter.read().connections_open <= 64);
}

#[tokio::test]
async fn a_request_without_a_token_proves_nothing() {
    let limits = Limits { max_connections: 1, ..Limits::STANDARD };
    let door =
        Door::new(vec![with_token("token")], &limits, |_| Box::pin(async { Answer::Accepted }));
    let mut stranger = TcpStream::connect(door.address()).await.expect("connects");
    let request = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-length: 2\r\n\r\n{}";
    stranger.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = [0; 12];
    stranger.read_exact(&mut answer).await.expect("reads");
    assert_eq!(&answer, b"HTTP/1.1 401");
    let call = Call::spans(WAY, b"").header("authorization", "Bearer token");
    assert_eq!(call.verdict(door.address()).await.status, 200);
    read_to_close(&mut stranger).await;
    assert_eq!(door.closed(ClosedFor::Evicted), 1);
}
