//! A shutdown finishes what is under way, and does not wait for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use resus_receive::{Answer, Encoding, Limits};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::client::{Call, Verdict, Way, read_to_close};
use crate::door::{Door, config};

#[tokio::test]
async fn what_is_under_way_is_answered_and_idle_connections_are_closed() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let mut door = Door::new(vec![config(), config()], &Limits::STANDARD, move |_| {
        let gate = Arc::clone(&opened);
        Box::pin(async move {
            gate.acquire().await.expect("open").forget();
            Answer::Accepted
        })
    });
    let addresses = door.addresses.clone();
    let mut calls = Vec::new();
    for address in addresses.clone() {
        for way in Way::ALL {
            calls.push(tokio::spawn(Call::spans(way, b"spans").verdict(address)));
        }
    }
    door.until("all under way", |door| door.seen().len() == 10).await;
    let mut silent = TcpStream::connect(addresses[0]).await.expect("connects");
    door.until("it is inside", |door| door.meter.read().connections_open == 11).await;
    door.stop();
    read_to_close(&mut silent).await;
    for address in addresses {
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(5), refused).await.expect("no longer listens");
    }
    gate.add_permits(10);
    for call in calls {
        assert_eq!(call.await.expect("no panic"), Verdict { status: 200, ..Verdict::default() });
    }
    door.ended().await;
}

#[tokio::test]
async fn what_does_not_end_is_cut_off() {
    let limits = Limits { drain_timeout: Duration::from_millis(300), ..Limits::STANDARD };
    let mut door = Door::new(vec![config()], &limits, |_| Box::pin(std::future::pending()));
    let address = door.address();
    let calls = [Way::Grpc, Way::Http1(Encoding::Json)].map(|way| {
        tokio::spawn(async move {
            let stream = TcpStream::connect(address).await.expect("connects");
            Call::spans(way, b"spans").try_over(stream).await
        })
    });
    door.until("both under way", |door| door.seen().len() == 2).await;
    let begun = Instant::now();
    door.stop();
    door.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for call in calls {
        assert!(call.await.expect("no panic").is_err());
    }
}

#[tokio::test]
async fn an_idle_server_stops_at_once() {
    let mut door =
        Door::new(vec![config()], &Limits::STANDARD, |_| Box::pin(async { Answer::Accepted }));
    for way in Way::ALL {
        assert_eq!(Call::spans(way, b"").verdict(door.address()).await.code, 0);
    }
    let begun = Instant::now();
    door.stop();
    door.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
