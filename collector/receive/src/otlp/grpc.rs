//! OTLP/gRPC: unary calls, straight on HTTP/2 as gRPC's `PROTOCOL-HTTP2.md` has it.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use tokio::time::{Instant, timeout_at};

use super::failure::{Code, Failure};
use super::gather::Gathering;
use super::take::{Received, outcome, take};
use super::wire::{self, Detail, Success};
use super::{Desk, media_type};
use crate::answer::Handler;
use crate::body::{ReplyBody, RequestBody};
use crate::config::Protocols;
use crate::request::{Compression, Encoding, Peer, Signal, Transport};

/// Before each message: a flag that says whether it is compressed, and its length (big-endian).
const PREFIX: usize = 5;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Answers one call.
pub(super) async fn answer<H: Handler>(
    desk: &Desk<H>,
    protocols: Protocols,
    head: &Parts,
    body: RequestBody,
) -> Response<ReplyBody> {
    let signal = signal(head.uri.path()).filter(|_| protocols.grpc);
    let result = match check(head, protocols, signal) {
        Err(failure) => Err(failure),
        Ok((signal, compression, deadline)) => {
            let work = read_and_take(desk, head, body, signal, compression);
            match deadline {
                None => work.await,
                Some(deadline) => timeout_at(deadline, work)
                    .await
                    .unwrap_or_else(|_| Err(Failure::deadline("the call's grpc-timeout passed"))),
            }
        }
    };
    desk.meter.request(signal, Transport::Grpc, outcome(&result));
    match (result, signal) {
        (Ok(success), Some(signal)) => succeeded(&success, signal),
        (Ok(_), None) => failed(&Failure::internal()),
        (Err(failure), _) => failed(&failure),
    }
}

fn signal(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        _ => None,
    }
}

/// Everything that can be known before the message is read.
fn check(
    head: &Parts,
    protocols: Protocols,
    signal: Option<Signal>,
) -> Result<(Signal, Compression, Option<Instant>), Failure> {
    if !protocols.grpc {
        return Err(Failure::unspoken(
            "this port speaks OTLP/HTTP; send OTLP/gRPC to the port for it, 4317 as a rule",
        ));
    }
    let Some(signal) = signal else {
        return Err(Failure::not_found(
            "expected the method Export of OTLP's TraceService, LogsService or MetricsService",
        ));
    };
    if head.method != Method::POST {
        return Err(Failure::method());
    }
    let media = media_type(&head.headers).unwrap_or_default();
    if !matches!(media.as_str(), "application/grpc" | "application/grpc+proto") {
        return Err(Failure::unspoken("expected the content-type application/grpc+proto"));
    }
    let compression = compression(&head.headers)?;
    let deadline = match head.headers.get("grpc-timeout") {
        None => None,
        Some(value) => {
            let wait = timeout(value).ok_or_else(|| {
                Failure::framing(Code::InvalidArgument, "the grpc-timeout is malformed")
            })?;
            // One that no clock can show is none.
            Instant::now().checked_add(wait)
        }
    };
    Ok((signal, compression, deadline))
}

fn compression(headers: &HeaderMap) -> Result<Compression, Failure> {
    match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(Compression::None),
        Some(b"gzip") => Ok(Compression::Gzip),
        Some(b"zstd") => Ok(Compression::Zstd),
        Some(_) => Err(Failure::compression()),
    }
}

/// A `grpc-timeout`: up to eight digits and a unit.
fn timeout(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value.to_str().ok()?.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

async fn read_and_take<H: Handler>(
    desk: &Desk<H>,
    head: &Parts,
    mut body: RequestBody,
    signal: Signal,
    declared: Compression,
) -> Result<Success, Failure> {
    let mut permit = desk.budget.permit();
    let limit = desk.limits.max_body;
    let (raw, compressed) = message(&mut body, &mut permit, limit).await?;
    let compression = match (compressed, declared) {
        (false, _) => Compression::None,
        (true, Compression::None) => {
            return Err(Failure::framing(
                Code::Internal,
                "the message is flagged as compressed, but there is no grpc-encoding",
            ));
        }
        (true, declared) => declared,
    };
    let peer = head.extensions.get::<Peer>().expect("the gate names the peer").clone();
    let (encoding, transport) = (Encoding::Protobuf, Transport::Grpc);
    take(desk, Received { signal, encoding, compression, transport, peer, raw, permit }).await
}

/// Reads the one message of a call, and whether it is flagged as compressed.
async fn message(
    body: &mut RequestBody,
    permit: &mut crate::budget::Permit,
    limit: usize,
) -> Result<(Bytes, bool), Failure> {
    let mut gathering = Gathering::new(body, permit, limit.saturating_add(PREFIX));
    let (flag, length) = loop {
        if let Some(&[flag, a, b, c, d]) = gathering.bytes().first_chunk::<PREFIX>() {
            break (flag, u32::from_be_bytes([a, b, c, d]) as usize);
        }
        if !gathering.more().await? {
            return Err(if gathering.bytes().is_empty() {
                Failure::framing(Code::Unimplemented, "expected one message, found none")
            } else {
                Failure::framing(Code::Internal, "the call ends within a message's prefix")
            });
        }
    };
    if flag > 1 {
        return Err(Failure::framing(Code::Internal, "a message's flag is neither 0 nor 1"));
    }
    if length > limit {
        return Err(Failure::over(limit));
    }
    gathering.expect(PREFIX + length)?;
    loop {
        if gathering.bytes().len() > PREFIX + length {
            return Err(Failure::framing(Code::Unimplemented, "expected one message, found more"));
        }
        if !gathering.more().await? {
            break;
        }
    }
    if gathering.bytes().len() < PREFIX + length {
        return Err(Failure::framing(Code::Internal, "the call ends within its message"));
    }
    Ok((gathering.finish().slice(PREFIX..), flag == 1))
}

fn succeeded(success: &Success, signal: Signal) -> Response<ReplyBody> {
    let message = success.write(signal, Encoding::Protobuf);
    let length = u32::try_from(message.len()).expect("its text is capped");
    let mut data = BytesMut::with_capacity(PREFIX + message.len());
    data.put_u8(0);
    data.put_u32(length);
    data.put_slice(&message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    reply(ReplyBody::with_trailers(data.freeze(), trailers))
}

/// The answer to a call that was not taken: trailers only.
pub(super) fn failed(failure: &Failure) -> Response<ReplyBody> {
    let mut reply = reply(ReplyBody::default());
    let headers = reply.headers_mut();
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(failure.code as u8)));
    headers.insert(GRPC_MESSAGE, percent_encoded(&failure.message));
    if failure.detail != Detail::None {
        let status =
            wire::status(failure.code as u8, &failure.message, failure.detail, Encoding::Protobuf);
        let text = STANDARD_NO_PAD.encode(status);
        headers.insert(GRPC_DETAILS, HeaderValue::try_from(text).expect("base64 is ASCII"));
    }
    headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip,zstd"));
    reply
}

fn reply(body: ReplyBody) -> Response<ReplyBody> {
    let mut reply = Response::new(body);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    reply
}

/// A `grpc-message`: printable ASCII stands for itself, but for the percent sign.
fn percent_encoded(text: &str) -> HeaderValue {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b' '..=b'~' if b != b'%' => out.push(char::from(b)),
            b => write!(out, "%{b:02X}").expect("a String takes whatever is written"),
        }
    }
    HeaderValue::try_from(out).expect("printable ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_digits_and_a_unit() {
        let read = |text: &'static str| timeout(&HeaderValue::from_static(text));
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("10m"), Some(Duration::from_millis(10)));
        assert_eq!(read("10u"), Some(Duration::from_micros(10)));
        assert_eq!(read("10n"), Some(Duration::from_nanos(10)));
        for bad in ["", "S", "10", "10s", "-1S", "+1S", "1.5S", "100000000S", " 1S"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn messages_survive_as_headers() {
        assert_eq!(percent_encoded("50 % off\nä"), "50 %25 off%0A%C3%A4");
    }
}
