//! What a span tells about a piece of work, and which pieces get one.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use opentelemetry::trace::{SpanBuilder, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use crate::carries_own;

/// Names of gRPC's status codes by number (`status.proto`).
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Codes with which a server's span is an error; the others are the client's affair (semantic conventions
/// for gRPC).
const GRPC_ERRORS: [&str; 6] =
    ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// A piece of work under way. It ends when dropped. Attributes are those of the semantic conventions 1.44.
///
/// Most are not sampled: then it is nothing, and its methods do nothing.
#[must_use = "a span lasts until it is dropped"]
#[derive(Debug)]
pub struct Span(Option<Box<Open>>);

/// A sampled one. It becomes a span of OpenTelemetry's at its end, so that it can still be forgotten.
#[derive(Debug)]
struct Open {
    tracer: SdkTracer,
    name: Cow<'static, str>,
    kind: SpanKind,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Span {
    /// One that is not sampled.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn open(
        tracer: &SdkTracer,
        name: Cow<'static, str>,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
    ) -> Self {
        let (tracer, began, status) = (tracer.clone(), now(), Status::Unset);
        Self(Some(Box::new(Open { tracer, name, kind, began, attributes, status })))
    }

    /// True where the span is sampled and not forgotten.
    #[must_use]
    pub const fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Forgets the span when the message that it is about carries what a collector of this kind tells
    /// about itself: else that would be told in turn, and come back in a circle.
    ///
    /// `body` is the whole message, inflated. It is searched only where the span is sampled.
    pub fn forget_own(&mut self, body: &[u8]) {
        if self.is_recording() && carries_own(body) {
            self.0 = None;
        }
    }

    /// Sets an attribute to a text, which is made only where the span is sampled.
    pub fn text(&mut self, key: &'static str, value: impl Display) {
        if let Some(open) = &mut self.0 {
            open.attributes.push(KeyValue::new(key, value.to_string()));
        }
    }

    /// Sets an attribute to a number; one beyond `i64` becomes the greatest there is.
    pub fn number(&mut self, key: &'static str, value: u64) {
        if let Some(open) = &mut self.0 {
            open.attributes.push(KeyValue::new(key, i64::try_from(value).unwrap_or(i64::MAX)));
        }
    }

    /// What an HTTP request was answered with. 5xx is an error; 4xx is the client's.
    pub fn http_status(&mut self, code: u16) {
        self.number("http.response.status_code", code.into());
        if code >= 500 {
            self.error(code, String::new());
        }
    }

    /// What a gRPC request was answered with, by the code's number.
    pub fn grpc_status(&mut self, code: u8) {
        let Some(name) = GRPC.get(usize::from(code)) else {
            self.text("rpc.response.status_code", code);
            return self.error(code, String::new());
        };
        self.text("rpc.response.status_code", name);
        if GRPC_ERRORS.contains(name) {
            self.error(name, String::new());
        }
    }

    /// The work failed: `class` is one of few words (`error.type`), `message` says more.
    pub fn error(&mut self, class: impl Display, message: impl Into<Cow<'static, str>>) {
        self.text("error.type", class);
        if let Some(open) = &mut self.0 {
            open.status = Status::error(message);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open { tracer, name, kind, began, attributes, status } = *open;
        let builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(began)
            .with_attributes(attributes);
        // A root, whatever the thread is in the middle of.
        let mut span = tracer.build_with_context(builder, &Context::new());
        opentelemetry::trace::Span::set_status(&mut span, status);
        opentelemetry::trace::Span::end_with_timestamp(&mut span, now());
    }
}

/// The time as spans tell it.
#[expect(clippy::disallowed_methods, reason = "the one place where spans read the clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Decides which spans are kept, one by one, for the price of an addition.
#[derive(Debug)]
pub(crate) struct Lot {
    /// A number below it wins.
    threshold: u64,
    drawn: AtomicU64,
}

impl Lot {
    /// A lot that wins with this probability: always from 1 on, never up to 0.
    pub(crate) fn new(probability: f64) -> Self {
        // `as` saturates: 1 becomes the greatest number, which always wins.
        Self { threshold: (probability * 2f64.powi(64)) as u64, drawn: AtomicU64::new(0) }
    }

    /// Draws.
    pub(crate) fn wins(&self) -> bool {
        if self.threshold == 0 || self.threshold == u64::MAX {
            return self.threshold != 0;
        }
        // SplitMix64 (Steele, Lea and Flood, 2014).
        let mut z = self.drawn.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) < self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_win_as_often_as_asked() {
        for (probability, least, most) in
            [(0.0, 0, 0), (0.01, 900, 1_100), (0.5, 49_500, 50_500), (1.0, 100_000, 100_000)]
        {
            let lot = Lot::new(probability);
            let wins = (0..100_000).filter(|_| lot.wins()).count();
            assert!((least..=most).contains(&wins), "{wins} at {probability}");
        }
    }

    #[test]
    fn what_is_not_sampled_makes_no_text() {
        struct Never;
        impl Display for Never {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("made a text")
            }
        }
        let mut span = Span::NONE;
        span.text("key", Never);
        span.error(Never, "");
        assert!(!span.is_recording());
    }
}
