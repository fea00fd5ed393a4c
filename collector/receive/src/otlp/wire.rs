//! The few messages that answers consist of, in protobuf and in JSON.
//!
//! `Export*ServiceResponse` of OTLP 1.11; `google.rpc.Status`, `RetryInfo` and `BadRequest` of
//! googleapis. All are a handful of fields, written here by hand.

use std::fmt::Write as _;
use std::time::Duration;

use crate::request::{Encoding, Signal};

/// How long a message to a client may be. Two copies of it, one of them in base64, have to fit into the
/// 8 KiB of headers that gRPC clients take.
const MAX_MESSAGE: usize = 1024;

/// What was taken, for an `Export*ServiceResponse`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Success {
    pub(super) rejected: u64,
    pub(super) message: String,
}

/// What a `google.rpc.Status` says beyond its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    None,
    /// `BadRequest` with one violation: the message again.
    BadRequest,
    /// `RetryInfo`.
    Retry(Duration),
}

/// Shortens a message to what a client is told at most.
pub(super) fn capped(message: &str) -> String {
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let mark = "...";
    let end = message.floor_char_boundary(MAX_MESSAGE - mark.len());
    format!("{}{mark}", &message[..end])
}

impl Success {
    /// Writes the response. Nothing rejected and nothing to say leaves `partial_success` unset.
    pub(super) fn write(&self, signal: Signal, encoding: Encoding) -> Vec<u8> {
        let empty = self.rejected == 0 && self.message.is_empty();
        match encoding {
            Encoding::Protobuf if empty => Vec::new(),
            Encoding::Json if empty => b"{}".to_vec(),
            Encoding::Protobuf => {
                let mut partial = Vec::new();
                put_number(&mut partial, 1, self.rejected.min(i64::MAX as u64));
                put_bytes(&mut partial, 2, self.message.as_bytes());
                let mut response = Vec::new();
                put_message(&mut response, 1, &partial);
                response
            }
            Encoding::Json => {
                let name = match signal {
                    Signal::Traces => "rejectedSpans",
                    Signal::Logs => "rejectedLogRecords",
                    Signal::Metrics => "rejectedDataPoints",
                };
                let mut fields = Vec::new();
                if self.rejected > 0 {
                    fields.push(format!("\"{name}\":\"{}\"", self.rejected.min(i64::MAX as u64)));
                }
                if !self.message.is_empty() {
                    fields.push(format!("\"errorMessage\":{}", quoted(&self.message)));
                }
                format!("{{\"partialSuccess\":{{{}}}}}", fields.join(",")).into_bytes()
            }
        }
    }
}

/// Writes a `google.rpc.Status`.
pub(super) fn status(code: u8, message: &str, detail: Detail, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => {
            let mut status = Vec::new();
            put_number(&mut status, 1, u64::from(code));
            put_bytes(&mut status, 2, message.as_bytes());
            if let Some((name, value)) = detail_message(message, detail) {
                let mut any = Vec::new();
                put_bytes(&mut any, 1, format!("type.googleapis.com/{name}").as_bytes());
                put_bytes(&mut any, 2, &value);
                put_message(&mut status, 3, &any);
            }
            status
        }
        Encoding::Json => {
            let detail = match detail {
                Detail::None => String::new(),
                Detail::BadRequest => format!(
                    ",\"details\":[{{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\
                     \"fieldViolations\":[{{\"description\":{}}}]}}]",
                    quoted(message)
                ),
                Detail::Retry(delay) => format!(
                    ",\"details\":[{{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\
                     \"retryDelay\":\"{}.{:09}s\"}}]",
                    delay.as_secs(),
                    delay.subsec_nanos()
                ),
            };
            format!("{{\"code\":{code},\"message\":{}{detail}}}", quoted(message)).into_bytes()
        }
    }
}

fn detail_message(message: &str, detail: Detail) -> Option<(&'static str, Vec<u8>)> {
    let mut value = Vec::new();
    let mut inner = Vec::new();
    let name = match detail {
        Detail::None => return None,
        Detail::BadRequest => {
            put_bytes(&mut inner, 2, message.as_bytes());
            "google.rpc.BadRequest"
        }
        Detail::Retry(delay) => {
            put_number(&mut inner, 1, delay.as_secs());
            put_number(&mut inner, 2, u64::from(delay.subsec_nanos()));
            "google.rpc.RetryInfo"
        }
    };
    put_message(&mut value, 1, &inner);
    Some((name, value))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A number; left out if it is zero, as proto3 does.
fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    if value != 0 {
        put_varint(out, field << 3);
        put_varint(out, value);
    }
}

/// Text or bytes; left out if empty, as proto3 does.
fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_message(out, field, bytes);
    }
}

/// A message, there even if empty.
fn put_message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes whatever is written");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn success_is_empty_unless_there_is_something_to_say() {
        let none = Success::default();
        assert_eq!(none.write(Signal::Traces, Encoding::Protobuf), b"");
        assert_eq!(none.write(Signal::Traces, Encoding::Json), b"{}");
        let warning = Success { rejected: 0, message: "no".into() };
        assert_eq!(warning.write(Signal::Logs, Encoding::Protobuf), b"\x0a\x04\x12\x02no");
        let partial = Success { rejected: 300, message: String::new() };
        assert_eq!(partial.write(Signal::Logs, Encoding::Protobuf), b"\x0a\x03\x08\xac\x02");
        assert_eq!(
            partial.write(Signal::Metrics, Encoding::Json),
            b"{\"partialSuccess\":{\"rejectedDataPoints\":\"300\"}}"
        );
    }

    #[test]
    fn a_negative_count_is_not_written() {
        let all = Success { rejected: u64::MAX, message: String::new() };
        let json = String::from_utf8(all.write(Signal::Logs, Encoding::Json)).expect("UTF-8");
        assert!(json.contains("\"9223372036854775807\""), "{json}");
    }

    #[test]
    fn status_holds_what_the_client_acts_on() {
        let delay = Detail::Retry(Duration::from_millis(1500));
        assert_eq!(
            String::from_utf8(status(14, "full \"now\"\n", delay, Encoding::Json)).expect("UTF-8"),
            "{\"code\":14,\"message\":\"full \\\"now\\\"\\u000a\",\"details\":[{\"@type\":\
             \"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1.500000000s\"}]}"
        );
        assert_eq!(status(3, "x", Detail::None, Encoding::Protobuf), b"\x08\x03\x12\x01x");
        let retry = status(14, "x", delay, Encoding::Protobuf);
        let value = b"\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01";
        assert!(retry.ends_with(&value[..]), "{retry:x?}");
    }

    proptest! {
        #[test]
        fn messages_are_cut_between_characters(text in "\\PC{0,700}") {
            let short = capped(&text);
            prop_assert!(short.len() <= MAX_MESSAGE);
            if text.len() <= MAX_MESSAGE {
                prop_assert_eq!(short, text);
            } else {
                prop_assert!(text.starts_with(short.strip_suffix("...").expect("marked")));
                prop_assert!(short.len() > MAX_MESSAGE - 8);
            }
        }
    }
}
