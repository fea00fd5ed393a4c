//! OTLP/HTTP: protobuf and JSON over HTTP/1.1 and HTTP/2.

use bytes::Bytes;
use hyper::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode, Version};

use super::failure::Failure;
use super::gather::Gathering;
use super::take::{Received, outcome, take};
use super::wire::{self, Detail, Success};
use super::{Desk, declared, encoding};
use crate::answer::Handler;
use crate::body::{ReplyBody, RequestBody};
use crate::config::Protocols;
use crate::request::{Compression, Encoding, Peer, Signal, Transport};

/// A body of up to this size that is refused is read nevertheless, so that the connection can go on.
const SHORT: u64 = 64 << 10;

/// Answers one request.
pub(super) async fn answer<H: Handler>(
    desk: &Desk<H>,
    protocols: Protocols,
    head: &Parts,
    mut body: RequestBody,
) -> Response<ReplyBody> {
    let found = encoding(&head.headers);
    let encoding = found.unwrap_or(Encoding::Json);
    let signal = signal(head.uri.path()).filter(|_| protocols.http);
    let checked = check(head, protocols, signal, found);
    let result = match checked {
        Ok((signal, compression)) => {
            read_and_take(desk, head, &mut body, signal, encoding, compression).await
        }
        Err(failure) => Err(failure),
    };
    desk.meter.request(signal, Transport::Http, outcome(&result));
    match (result, signal) {
        (Ok(success), Some(signal)) => succeeded(&success, signal, encoding),
        (Ok(_), None) => failed(&Failure::internal(), encoding),
        (Err(failure), _) => {
            let mut reply = failed(&failure, encoding);
            close_unless_short(&mut reply, head.version, &body);
            reply
        }
    }
}

fn signal(path: &str) -> Option<Signal> {
    match path {
        "/v1/traces" => Some(Signal::Traces),
        "/v1/logs" => Some(Signal::Logs),
        "/v1/metrics" => Some(Signal::Metrics),
        _ => None,
    }
}

/// Everything that can be known before the body is read.
fn check(
    head: &Parts,
    protocols: Protocols,
    signal: Option<Signal>,
    encoding: Option<Encoding>,
) -> Result<(Signal, Compression), Failure> {
    if !protocols.http {
        return Err(Failure::unspoken(
            "this port speaks OTLP/gRPC; send OTLP/HTTP to the port for it, 4318 as a rule",
        ));
    }
    let Some(signal) = signal else {
        return Err(Failure::not_found("expected the path /v1/traces, /v1/logs or /v1/metrics"));
    };
    if head.method != Method::POST {
        return Err(Failure::method());
    }
    if encoding.is_none() {
        return Err(Failure::media_type(
            "expected the content-type application/x-protobuf or application/json",
        ));
    }
    Ok((signal, compression(&head.headers)?))
}

fn compression(headers: &HeaderMap) -> Result<Compression, Failure> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(Compression::None) };
    let value = value.as_bytes().trim_ascii();
    let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
    match values.next() {
        None if is("gzip") || is("x-gzip") => Ok(Compression::Gzip),
        None if is("zstd") => Ok(Compression::Zstd),
        None if is("identity") || is("") => Ok(Compression::None),
        _ => Err(Failure::compression()),
    }
}

async fn read_and_take<H: Handler>(
    desk: &Desk<H>,
    head: &Parts,
    body: &mut RequestBody,
    signal: Signal,
    encoding: Encoding,
    compression: Compression,
) -> Result<Success, Failure> {
    let mut permit = desk.budget.permit();
    let length = declared(body);
    let mut gathering = Gathering::new(body, &mut permit, desk.limits.max_body);
    if let Some(length) = length {
        gathering.expect(usize::try_from(length).unwrap_or(usize::MAX))?;
    }
    let raw = gathering.rest().await?;
    let peer = head.extensions.get::<Peer>().expect("the gate names the peer").clone();
    let transport = Transport::Http;
    take(desk, Received { signal, encoding, compression, transport, peer, raw, permit }).await
}

fn succeeded(success: &Success, signal: Signal, encoding: Encoding) -> Response<ReplyBody> {
    reply(StatusCode::OK, encoding, success.write(signal, encoding))
}

/// The answer to a request that was not taken.
pub(super) fn failed(failure: &Failure, encoding: Encoding) -> Response<ReplyBody> {
    let body = wire::status(failure.code as u8, &failure.message, failure.detail, encoding);
    let mut reply = reply(failure.http, encoding, body);
    if let Some((name, value)) = &failure.header {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Detail::Retry(delay) = failure.detail {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    reply
}

/// Tells an HTTP/1 client that the connection ends with this answer, if what it still sends is long.
pub(super) fn close_unless_short(
    reply: &mut Response<ReplyBody>,
    version: Version,
    body: &RequestBody,
) {
    let is_read = hyper::body::Body::is_end_stream(body);
    let short = declared(body).is_some_and(|length| length <= SHORT);
    if version < Version::HTTP_2 && !is_read && !short {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

fn reply(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response<ReplyBody> {
    let content_type = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    let mut reply = Response::new(ReplyBody::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
