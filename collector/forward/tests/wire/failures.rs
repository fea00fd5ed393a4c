//! Endpoints that are broken, and sources that are.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use resus_forward::{ForwardOptions, Forwarder, Outgoing, Source};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::endpoint::{Endpoint, Reply};
use crate::queue::{Queue, Running, forward, options, spans};

const SOON: Duration = Duration::from_millis(700);

#[tokio::test]
async fn a_connection_that_is_closed_without_an_answer_is_a_failure() {
    let endpoint =
        Endpoint::new(|n, _| if n < 3 { Reply::Close } else { Reply::status(200) }).await;
    let stats = forward(&options(&endpoint.url()), &Queue::numbered(1), 1).await;
    assert_eq!((stats.sent, stats.retried), (1, 3));
    let message = stats.last_failure.expect("a failure").message;
    assert!(message.starts_with("forward a request: no answer: "), "{message}");
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_in_time_is_tried_again() {
    let endpoint =
        Endpoint::new(|n, _| if n < 2 { Reply::Stall } else { Reply::status(200) }).await;
    let options = ForwardOptions { timeout: SOON, ..options(&endpoint.url()) };
    let stats = forward(&options, &Queue::numbered(1), 1).await;
    assert_eq!((stats.sent, stats.retried), (1, 2));
    let message = stats.last_failure.expect("a failure").message;
    assert_eq!(message, "forward a request: no answer within 700 ms");
}

#[tokio::test]
async fn the_head_of_an_answer_counts_whatever_its_body_does() {
    let endpoint = Endpoint::new(|n, _| match n {
        0 => Reply::HeadOnly(200),
        1 => Reply::Answer { status: 200, fields: Vec::new(), body: vec![b'x'; 30 << 20] },
        2 => Reply::HeadOnly(400),
        3 => Reply::HeadOnly(503),
        4 => Reply::Answer { status: 504, fields: Vec::new(), body: vec![b'x'; 30 << 20] },
        _ => Reply::status(200),
    })
    .await;
    let options = ForwardOptions {
        timeout: SOON,
        concurrency: NonZeroUsize::MIN,
        ..options(&endpoint.url())
    };
    let stats = forward(&options, &Queue::numbered(5), 5).await;
    assert_eq!((stats.sent, stats.retried), (4, 2));
    assert_eq!(stats.refused, [(400, 1)]);
    let bodies: Vec<_> = endpoint.received().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, ["0", "1", "2", "3", "3", "3", "4"]);
}

/// Reads a request, as far as its head goes, from a raw connection; false when there is none.
async fn read_head(stream: &mut tokio::net::TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// Answers each connection with the next of these texts, and closes it.
async fn raw_endpoint(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        for answer in answers {
            loop {
                let (mut stream, _) = listener.accept().await.expect("accepts");
                if read_head(&mut stream).await {
                    // The client may have closed it halfway through.
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                    // Until it has read: a reset could overtake the answer.
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                    break;
                }
            }
        }
    });
    url
}

#[tokio::test]
async fn nonsense_in_place_of_an_answer_is_a_failure() {
    let mut long = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
    long.resize(1 << 20, b'x');
    let url = raw_endpoint(vec![
        b"hello\r\n\r\n".to_vec(),
        b"HTTP/1.1 2".to_vec(),
        long,
        b"HTTP/1.1 999999 no\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
    ])
    .await;
    let options = ForwardOptions { timeout: Duration::from_secs(5), ..options(&url) };
    let stats = forward(&options, &Queue::numbered(1), 1).await;
    assert_eq!((stats.sent, stats.retried), (1, 4));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_rested_costs_nothing() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let url = raw_endpoint(vec![answer; 20]).await;
    let options = ForwardOptions { concurrency: NonZeroUsize::MIN, ..options(&url) };
    let stats = forward(&options, &Queue::numbered(20), 20).await;
    assert_eq!((stats.sent, stats.retried, stats.last_failure), (20, 0, None));
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_has_gone_counts() {
    let answer = b"HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n".to_vec();
    let url = raw_endpoint(vec![answer]).await;
    let large = Outgoing { body: vec![b'x'; 16 << 20].into(), ..spans("") };
    let stats = forward(&options(&url), &Queue::new(vec![large]), 1).await;
    assert_eq!((stats.sent, stats.retried, stats.refused), (0, 0, vec![(413, 1)]));
}

#[tokio::test]
async fn nobody_at_home_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let queue = Queue::numbered(9);
    let running = Running::new(&options(&url), &queue);
    while running.meter.read().retried < 8 {
        tokio::task::yield_now().await;
    }
    let stats = running.stop().await;
    assert_eq!((stats.sent, queue.done()), (0, 0));
    let message = stats.last_failure.expect("a failure").message;
    assert!(message.starts_with("forward a request: no connection: "), "{message}");
}

#[tokio::test]
async fn when_more_waits_than_may_the_oldest_go_and_the_rest_arrives() {
    let (open, opened) = tokio::sync::watch::channel(false);
    let endpoint =
        Endpoint::new(move |_, _| Reply::status(if *opened.borrow() { 200 } else { 503 })).await;
    let queue = Queue::new(Vec::new());
    let options = ForwardOptions { max_backlog: 1000, ..options(&endpoint.url()) };
    let running = Running::new(&options, &queue);
    for n in 0..500 {
        queue.push(spans(&format!("{n:010}")));
    }
    while running.meter.read().dropped < 300 {
        tokio::task::yield_now().await;
    }
    open.send_replace(true);
    queue.wait_for(500).await;
    let stats = running.stop().await;
    assert_eq!(stats.sent + stats.dropped, 500, "{stats:?}");
    // 100 waited in the source, and at most eight were held.
    assert!((100..=108).contains(&stats.sent), "{stats:?}");
    let taken = &endpoint.received()[endpoint.received().len() - 100..];
    let late = taken.iter().filter(|request| request.body >= b"0000000390"[..]).count();
    assert_eq!(late, 100, "the newest are kept");
}

#[tokio::test]
async fn a_request_that_is_never_answered_is_given_up_while_others_pass() {
    let endpoint =
        Endpoint::new(
            |_, request| {
                if request.body == "poison" { Reply::Close } else { Reply::status(200) }
            },
        )
        .await;
    let queue = Queue::new(vec![spans("poison")]);
    let running = Running::new(&options(&endpoint.url()), &queue);
    let mut pushed = 1;
    while running.meter.read().given_up == 0 {
        queue.push(spans("good"));
        while running.meter.read().sent < pushed {
            tokio::task::yield_now().await;
        }
        pushed += 1;
    }
    queue.wait_for(usize::try_from(pushed).expect("few")).await;
    let stats = running.stop().await;
    assert_eq!((stats.given_up, stats.sent), (1, pushed - 1));
    assert!(stats.retried >= 9, "{stats:?}");
}

#[tokio::test]
async fn a_source_that_fails_is_asked_again() {
    let endpoint = Endpoint::new(|_, _| Reply::status(200)).await;
    let mut queue = Queue::numbered(2);
    queue.faults = 1;
    let begun = Instant::now();
    let stats = forward(&options(&endpoint.url()), &queue, 2).await;
    assert_eq!((stats.sent, stats.source_failures), (2, 1));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(stats.last_failure.expect("a failure").message, "read the disk: it is on fire");
}

#[tokio::test]
async fn a_panic_of_the_source_is_not_hidden() {
    struct Broken;

    impl Source for Broken {
        type Position = ();
        type Error = std::io::Error;

        fn next(&mut self) -> std::io::Result<Option<((), Outgoing)>> {
            panic!("the source panics on purpose");
        }

        fn done(&mut self, (): ()) {}

        fn backlog(&self) -> u64 {
            0
        }
    }

    let forwarder = Forwarder::new(&options("http://127.0.0.1:9"), Broken).expect("fine");
    let ended = tokio::spawn(forwarder.run(std::future::pending())).await;
    assert!(ended.expect_err("it does not end by itself").is_panic());
}
