//! What the endpoint says, and what follows from it.

use std::time::Duration;

use resus_forward::ForwardOptions;

use crate::endpoint::{Endpoint, Reply};
use crate::queue::{Queue, Running, forward, options};

#[tokio::test]
async fn four_statuses_are_tried_again_until_it_is_taken() {
    let endpoint = Endpoint::new(|n, _| Reply::status([429, 502, 503, 504, 200][n.min(4)])).await;
    let stats = forward(&options(&endpoint.url()), &Queue::numbered(1), 1).await;
    assert_eq!((stats.sent, stats.retried, stats.refused.len()), (1, 4, 0));
    assert_eq!(endpoint.received().len(), 5);
    let message = stats.last_failure.expect("the last refusal").message;
    assert_eq!(message, "forward a request: not now: answered 504 Gateway Timeout");
}

#[tokio::test]
async fn other_refusals_are_for_good_and_hold_up_nothing() {
    let statuses = [400, 401, 403, 404, 408, 413, 415, 500, 501, 505];
    let endpoint = Endpoint::new(move |_, request| {
        let n: usize = str::from_utf8(&request.body).expect("digits").parse().expect("a number");
        Reply::status(*statuses.get(n).unwrap_or(&200))
    })
    .await;
    let stats = forward(&options(&endpoint.url()), &Queue::numbered(20), 20).await;
    assert_eq!((stats.sent, stats.retried, stats.dropped), (10, 0, 0));
    assert_eq!(stats.refused, statuses.map(|status| (status, 1)));
    assert_eq!(endpoint.received().len(), 20);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Endpoint::new(|_, _| Reply::status(200)).await;
    let location = format!("{}/v1/traces", elsewhere.url());
    let endpoint = Endpoint::new(move |n, _| Reply::Answer {
        status: [301, 302, 307, 308][n],
        fields: vec![("location", location.clone())],
        body: Vec::new(),
    })
    .await;
    let stats = forward(&options(&endpoint.url()), &Queue::numbered(4), 4).await;
    assert_eq!(stats.refused, [(301, 1), (302, 1), (307, 1), (308, 1)]);
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_asks_for_time_gets_it() {
    let endpoint = Endpoint::new(|n, _| match n {
        0 => Reply::Answer {
            status: 429,
            fields: vec![("retry-after", "1".to_owned())],
            body: Vec::new(),
        },
        _ => Reply::status(200),
    })
    .await;
    let mut options = options(&endpoint.url());
    options.concurrency = std::num::NonZeroUsize::MIN;
    let stats = forward(&options, &Queue::numbered(3), 3).await;
    assert_eq!((stats.sent, stats.retried), (3, 1));
    let received = endpoint.received();
    let waited = received[1].at - received[0].at;
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn partial_success_is_counted_and_not_sent_again() {
    let endpoint = Endpoint::new(|n, _| Reply::Answer {
        status: 200,
        fields: vec![("content-type", "application/x-protobuf".to_owned())],
        body: if n == 0 { b"\x0a\x06\x08\x05\x12\x02no".to_vec() } else { Vec::new() },
    })
    .await;
    let stats = forward(&options(&endpoint.url()), &Queue::numbered(2), 2).await;
    assert_eq!((stats.sent, stats.partial, stats.rejected_records, stats.retried), (2, 1, 5, 0));
    assert_eq!(endpoint.received().len(), 2);
}

#[tokio::test]
async fn what_the_endpoint_writes_is_not_repeated() {
    let endpoint = Endpoint::new(|_, request| {
        let echo = request.headers["authorization"].to_str().expect("text").to_owned();
        Reply::Answer { status: 503, fields: vec![("x-echo", echo.clone())], body: echo.into() }
    })
    .await;
    let headers = vec![("authorization".to_owned(), "Bearer canary".to_owned())];
    let options = ForwardOptions { headers, ..options(&endpoint.url()) };
    let running = Running::new(&options, &Queue::numbered(1));
    let mut waiting = endpoint;
    waiting.wait_for(2).await;
    let shown = format!("{:?} {options:?}", running.meter);
    running.stop().await;
    assert!(shown.contains("503") && !shown.contains("canary"), "{shown}");
}
