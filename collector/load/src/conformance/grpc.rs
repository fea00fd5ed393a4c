//! What gRPC over HTTP/2 asks of whoever speaks it: methods, frames, streams, deadlines.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::Weight::{Must, Robust, Should};
use super::cases::alive;
use super::judge::{Want, grpc_in_words};
use super::payload::{good, metrics};
use super::suite::{Suite, judge_grpc, within};
use crate::grpc::{Reply, TRACES, frame};
use crate::http1::Connection;
use crate::status::grpc;

pub(crate) async fn run(suite: &mut Suite<'_>) {
    if suite.target.grpc.is_none() {
        return suite.skip("grpc".to_owned(), Must, "the target has no gRPC address");
    }
    methods(suite).await;
    frames(suite).await;
    deadlines(suite).await;
    streams(suite).await;
    resets(suite).await;
    http1(suite).await;
    alive(suite, "grpc").await;
}

async fn methods(suite: &mut Suite<'_>) {
    for (name, path) in [
        ("unknown-method", "/opentelemetry.proto.collector.trace.v1.TraceService/Import"),
        ("unknown-service", "/opentelemetry.proto.collector.trace.v9.TraceService/Export"),
    ] {
        let want = Want::Refused(&[], &[grpc::UNIMPLEMENTED]);
        let reply = suite.grpc_framed(path, &[], frame(false, &good())).await;
        let found = judge_grpc(reply, want);
        suite.note((format!("grpc/{name}"), Must), path, &want.in_words(true), found);
    }
    let kinds = ["application/grpc+proto", "application/grpc;charset=utf-8"];
    for (number, kind) in kinds.into_iter().enumerate() {
        let headers: &[(&'static str, &'static str)] = &[("content-type", kind)];
        let id = (format!("grpc/type-{number}"), Should);
        let sent = format!("a good call, content-type: {kind}");
        suite.check_framed(id, &sent, (headers, frame(false, &good())), Want::Success).await;
    }
    let headers = &[("content-type", "text/plain")];
    let reply = suite.grpc_framed(TRACES, headers, frame(false, &good())).await;
    let found = reply.and_then(|reply| {
        let words = format!("HTTP {}, {}", reply.http_status, grpc_in_words(&reply));
        let refused = reply.http_status == 415 || reply.code().is_some_and(|code| code != grpc::OK);
        if refused { Ok(words) } else { Err(words) }
    });
    let expected = "HTTP 415 (gRPC over HTTP/2, Requests), or an error of gRPC's";
    suite.note(("grpc/type-text".to_owned(), Should), "content-type: text/plain", expected, found);
}

/// Any refusal that tells the client not to send it again.
const NOT_AGAIN: Want =
    Want::Refused(&[], &[2, grpc::INVALID_ARGUMENT, grpc::INTERNAL, grpc::UNIMPLEMENTED]);

async fn frames(suite: &mut Suite<'_>) {
    let whole = frame(false, &good());
    let two = Bytes::from([whole.as_ref(), whole.as_ref()].concat());
    let mut flagged = whole.to_vec();
    flagged[0] = 7;
    for (name, sent, framed) in [
        ("no-frame", "a call that ends without a message", Bytes::new()),
        ("half-prefix", "three of the five bytes before a message", whole.slice(..3)),
        ("half-message", "a message that ends before its length", whole.slice(..whole.len() - 5)),
        ("unknown-flag", "a message whose flag is 7", Bytes::from(flagged)),
    ] {
        suite.check_framed((format!("grpc/{name}"), Must), sent, (&[], framed), NOT_AGAIN).await;
    }
    let sent = "two messages in a call that takes one";
    suite.check_framed(("grpc/two-messages".to_owned(), Should), sent, (&[], two), NOT_AGAIN).await;
    let sent = "a good request less its last three bytes";
    let cut = &good()[..good().len() - 3];
    let want = Want::Refused(&[], &[grpc::INVALID_ARGUMENT]);
    suite.check_grpc(("grpc/bad-data-code".to_owned(), Should), sent, cut, want).await;
    let sent = "metrics to the method that takes traces";
    // Their fields have the same numbers and other types, or the same by chance.
    let want = Want::Either(&Want::Accepted, &NOT_AGAIN);
    suite
        .check_grpc(("grpc/other-signal".to_owned(), Robust), sent, &metrics("conformance"), want)
        .await;
}

async fn deadlines(suite: &mut Suite<'_>) {
    let headers = &[("grpc-timeout", "10S")];
    let id = ("grpc/deadline-far".to_owned(), Must);
    let framed = frame(false, &good());
    suite.check_framed(id, "a good call with 10 s of time", (headers, framed), Want::Success).await;
    let since = Instant::now();
    let call = async {
        let channel = suite.channel().await?;
        let mut head = suite.head(&channel, TRACES);
        head.headers_mut().insert("grpc-timeout", http::HeaderValue::from_static("500m"));
        let begun = frame(false, &good()).slice(..20);
        let call = channel.stalled_call(head, begun, Duration::from_secs(60), false);
        Ok::<_, String>(within(Duration::from_secs(5), call).await)
    };
    let found = match call.await {
        Ok(Ok(reply))
            if matches!(reply.code(), Some(grpc::DEADLINE_EXCEEDED | grpc::CANCELLED)) =>
        {
            Ok(grpc_in_words(&reply))
        }
        Ok(Ok(reply)) => Err(grpc_in_words(&reply)),
        Ok(Err(error)) if since.elapsed() < Duration::from_secs(4) => Ok(error),
        Ok(Err(error)) | Err(error) => Err(error),
    };
    let sent = "half a message, and no more, with 0.5 s of time";
    let expected = "DEADLINE_EXCEEDED, CANCELLED or a reset within 4 s";
    suite.note(("grpc/deadline-passed".to_owned(), Robust), sent, expected, found);
}

/// Many calls at once over one connection.
async fn streams(suite: &mut Suite<'_>) {
    let work = async {
        let channel = std::sync::Arc::new(suite.channel().await?);
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            let (channel, head) = (std::sync::Arc::clone(&channel), suite.head(&channel, TRACES));
            let patience = suite.target.patience;
            calls.spawn(async move {
                within(patience, channel.call(head, frame(false, &good()))).await
            });
        }
        let replies: Vec<Result<Reply, String>> = calls.join_all().await;
        let mut bad = replies.into_iter().map(|reply| judge_grpc(reply, Want::Success));
        bad.find_map(Result::err).map_or_else(|| Ok("100 times OK".to_owned()), Err)
    };
    let found = work.await;
    let sent = "100 good calls at once over one connection";
    suite.note(("grpc/100-streams".to_owned(), Must), sent, "100 times OK", found);
}

/// Calls that are opened and reset at once (CVE-2023-44487). The connection may be closed for it.
async fn resets(suite: &mut Suite<'_>) {
    let opened = match suite.channel().await {
        Ok(channel) => {
            let mut opened = 0;
            for _ in 0..1000 {
                let reset = channel.reset(suite.head(&channel, TRACES));
                if within(Duration::from_secs(2), reset).await.is_err() {
                    break;
                }
                opened += 1;
            }
            opened
        }
        Err(_) => 0,
    };
    let since = Instant::now();
    let found = judge_grpc(suite.grpc(&good()).await, Want::Success);
    let found = super::suite::in_time(found, since, Duration::from_secs(2));
    suite.note(
        ("grpc/rapid-reset".to_owned(), Robust),
        &format!("{opened} calls opened and reset at once, then a good one on a new connection"),
        "OK within 2 s",
        found,
    );
}

/// A client of the wrong protocol must hear or see something.
async fn http1(suite: &mut Suite<'_>) {
    let Some(address) = suite.target.grpc else { return };
    let work = async {
        let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
        let request = b"GET / HTTP/1.1\r\nHost: collector\r\nConnection: close\r\n\r\n";
        connection.send(request).await.map_err(|error| error.to_string())?;
        match within(suite.target.patience, connection.bytes()).await {
            Ok(bytes) if bytes.is_empty() => Ok("closed".to_owned()),
            Ok(bytes) => Ok(format!("{} bytes", bytes.len())),
            Err(error) if error.starts_with("no answer") => Err(error),
            Err(error) => Ok(error),
        }
    };
    let found = work.await;
    let sent = "a request in HTTP/1.1";
    suite.note(
        ("grpc/http1".to_owned(), Robust),
        sent,
        "an answer, or the connection closed",
        found,
    );
}
