//! The end, and what comes after it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::endpoint::{Endpoint, Reply};
use crate::queue::{Queue, Running, forward, options};

#[tokio::test]
async fn what_is_not_done_at_the_end_is_sent_after_it() {
    let mut endpoint =
        Endpoint::new(
            |_, request| {
                if request.body == "5" { Reply::Stall } else { Reply::status(200) }
            },
        )
        .await;
    let queue = Queue::numbered(50);
    let running = Running::new(&options(&endpoint.url()), &queue);
    queue.wait_for(5).await;
    endpoint.wait_for(50).await;
    let begun = Instant::now();
    let stats = running.stop().await;
    let took = begun.elapsed();
    assert!((1900..4000).contains(&took.as_millis()), "{took:?}");
    assert_eq!((stats.sent, stats.in_flight, queue.done()), (49, 0, 5));

    let healthy = Endpoint::new(|_, _| Reply::status(200)).await;
    forward(&options(&healthy.url()), &queue.again(), 50).await;
    let bodies: BTreeSet<Bytes> = healthy.received().into_iter().map(|r| r.body).collect();
    assert_eq!(bodies.len(), 45);
    assert!(bodies.contains(&b"5"[..]));
}

#[tokio::test]
async fn attempts_under_way_may_end_and_nothing_new_is_begun() {
    let (door, opened) = tokio::sync::watch::channel(false);
    let mut endpoint = Endpoint::new(move |_, _| Reply::Wait(opened.clone())).await;
    let queue = Queue::numbered(50);
    let running = Running::new(&options(&endpoint.url()), &queue);
    endpoint.wait_for(4).await;
    let stopping = tokio::spawn(running.stop());
    tokio::task::yield_now().await;
    door.send_replace(true);
    let stats = stopping.await.expect("no panic");
    assert_eq!((stats.sent, queue.done(), endpoint.received().len()), (4, 4, 4));
}

#[tokio::test]
async fn requests_that_wait_for_another_attempt_do_not_hold_up_the_end() {
    let mut endpoint = Endpoint::new(|_, _| Reply::status(503)).await;
    let queue = Queue::numbered(50);
    let mut options = options(&endpoint.url());
    options.backoff.first = Duration::from_mins(1);
    options.backoff.most = Duration::from_mins(1);
    let running = Running::new(&options, &queue);
    endpoint.wait_for(4).await;
    let begun = Instant::now();
    let stats = running.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!((stats.sent, queue.done(), endpoint.received().len()), (0, 0, 4));
}
