//! What does an answer mean: done, send again, or give up?
//!
//! OTLP 1.11, "OTLP/gRPC Response", "OTLP/HTTP Response", "Retryable Response Codes".

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::wire::{Fields, Value, bytes_of, varint_of};

/// A `google.rpc.Status` as an error's body holds it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Status {
    pub(crate) code: u64,
    pub(crate) message: String,
    /// What `RetryInfo` among the details asks to wait.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) has_retry_info: bool,
}

impl Status {
    /// Reads the protobuf form; `None` where the bytes are no such message.
    pub(crate) fn from_protobuf(bytes: &[u8]) -> Option<Self> {
        let mut status = Self::default();
        let mut read = 0;
        for (number, value) in Fields::new(bytes) {
            match (number, value) {
                (1, Value::Varint(code)) => status.code = code,
                (2, Value::Bytes(from, to)) => {
                    status.message = std::str::from_utf8(&bytes[from..to]).ok()?.to_owned();
                }
                (3, Value::Bytes(from, to)) => status.detail(&bytes[from..to]),
                _ => return None,
            }
            read += 1;
        }
        // Fields end at the first thing that is none: text would yield some and stop.
        (Fields::new(bytes).count() == read && whole(bytes)).then_some(status)
    }

    /// Reads the JSON form; `None` where the text is no object with the fields of the message.
    pub(crate) fn from_json(text: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(text).ok()?;
        let object = value.as_object()?;
        if object.keys().any(|key| !["code", "message", "details"].contains(&key.as_str())) {
            return None;
        }
        Some(Self {
            code: object.get("code").map_or(Some(0), serde_json::Value::as_u64)?,
            message: object.get("message").map_or(Some(""), |m| m.as_str())?.to_owned(),
            ..Self::default()
        })
    }

    /// Reads the value of gRPC's `grpc-status-details-bin`.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        // Binary metadata may come with padding or without.
        let config =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = GeneralPurpose::new(&STANDARD, config).decode(text).ok()?;
        Self::from_protobuf(&bytes)
    }

    fn detail(&mut self, any: &[u8]) {
        let name = bytes_of(any, 1).unwrap_or_default();
        if !name.ends_with(b"/google.rpc.RetryInfo") {
            return;
        }
        self.has_retry_info = true;
        let delay = bytes_of(any, 2).and_then(|info| bytes_of(info, 1)).unwrap_or_default();
        let nanos = u32::try_from(varint_of(delay, 2)).unwrap_or_default();
        self.retry_after =
            Some(Duration::from_secs(varint_of(delay, 1)) + Duration::from_nanos(nanos.into()));
    }
}

/// Whether the fields of a message reach to its end.
fn whole(bytes: &[u8]) -> bool {
    let mut fields = Fields::new(bytes);
    fields.by_ref().for_each(drop);
    fields.at_end()
}

/// The `partial_success` of an answer: rejected records and the message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Partial {
    pub(crate) rejected: u64,
    pub(crate) message: String,
}

impl Partial {
    /// Reads the protobuf form of `Export…ServiceResponse`. `Err` where it is none, `Ok(None)` where
    /// `partial_success` is unset.
    pub(crate) fn from_protobuf(bytes: &[u8]) -> Result<Option<Self>, NotAResponse> {
        if !whole(bytes) {
            return Err(NotAResponse);
        }
        let Some(partial) = bytes_of(bytes, 1) else {
            return Ok(None);
        };
        let message = std::str::from_utf8(bytes_of(partial, 2).unwrap_or_default());
        Ok(Some(Self {
            rejected: varint_of(partial, 1),
            message: message.map_err(|_| NotAResponse)?.to_owned(),
        }))
    }

    /// Reads the JSON form, whatever the signal.
    pub(crate) fn from_json(text: &[u8]) -> Result<Option<Self>, NotAResponse> {
        let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| NotAResponse)?;
        let object = value.as_object().ok_or(NotAResponse)?;
        let Some(partial) = object.get("partialSuccess").filter(|p| !p.is_null()) else {
            return Ok(None);
        };
        let partial = partial.as_object().ok_or(NotAResponse)?;
        let mut found = Self::default();
        for (key, value) in partial {
            match key.as_str() {
                "errorMessage" => {
                    value.as_str().ok_or(NotAResponse)?.clone_into(&mut found.message)
                }
                "rejectedSpans" | "rejectedDataPoints" | "rejectedLogRecords" => {
                    let number = value.as_str().map_or_else(|| value.as_u64(), |t| t.parse().ok());
                    found.rejected = number.ok_or(NotAResponse)?;
                }
                _ => {}
            }
        }
        Ok(Some(found))
    }
}

/// The bytes are no `Export…ServiceResponse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAResponse;

/// HTTP statuses that a client may answer by sending again; all others it must not.
pub(crate) const fn http_is_retryable(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// The same for gRPC's status codes.
pub(crate) const fn grpc_is_retryable(code: u32, has_retry_info: bool) -> bool {
    match code {
        grpc::CANCELLED
        | grpc::DEADLINE_EXCEEDED
        | grpc::ABORTED
        | grpc::OUT_OF_RANGE
        | grpc::UNAVAILABLE
        | grpc::DATA_LOSS => true,
        grpc::RESOURCE_EXHAUSTED => has_retry_info,
        _ => false,
    }
}

/// gRPC's status codes.
pub(crate) mod grpc {
    pub(crate) const OK: u32 = 0;
    pub(crate) const CANCELLED: u32 = 1;
    pub(crate) const INVALID_ARGUMENT: u32 = 3;
    pub(crate) const DEADLINE_EXCEEDED: u32 = 4;
    pub(crate) const PERMISSION_DENIED: u32 = 7;
    pub(crate) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(crate) const ABORTED: u32 = 10;
    pub(crate) const OUT_OF_RANGE: u32 = 11;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
    pub(crate) const INTERNAL: u32 = 13;
    pub(crate) const UNAVAILABLE: u32 = 14;
    pub(crate) const DATA_LOSS: u32 = 15;
    pub(crate) const UNAUTHENTICATED: u32 = 16;

    /// The name of a code as gRPC writes it.
    pub(crate) const fn name(code: u32) -> &'static str {
        const NAMES: [&str; 17] = [
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
        if (code as usize) < NAMES.len() {
            NAMES[code as usize]
        } else {
            "a code that gRPC does not have"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Writer;

    fn exhausted(seconds: u64) -> Vec<u8> {
        let delay = Writer::default().varint(1, seconds).varint(2, 500_000_000);
        let info = Writer::default().message(1, delay);
        let any = Writer::default()
            .bytes(1, b"type.googleapis.com/google.rpc.RetryInfo")
            .message(2, info);
        Writer::default().varint(1, 8).bytes(2, b"busy").message(3, any).done()
    }

    #[test]
    fn a_status_is_read_with_its_retry_info() {
        let status = Status::from_protobuf(&exhausted(2)).unwrap();
        assert_eq!((status.code, status.message.as_str()), (8, "busy"));
        assert_eq!(status.retry_after, Some(Duration::from_millis(2500)));
        let text = base64::engine::general_purpose::STANDARD.encode(exhausted(2));
        assert_eq!(Status::from_base64(&text).unwrap(), status);
        assert_eq!(Status::from_base64(text.trim_end_matches('=')).unwrap(), status);
    }

    #[test]
    fn text_is_no_protobuf_status_and_other_objects_are_no_json_status() {
        assert_eq!(Status::from_protobuf(b"Bad Request"), None);
        assert_eq!(Status::from_protobuf(b"{\"code\":3}"), None);
        assert_eq!(Status::from_json(b"bad request"), None);
        assert_eq!(Status::from_json(b"{\"error\":\"x\"}"), None);
        assert_eq!(Status::from_json(b"{\"code\":3,\"message\":\"x\"}").unwrap().code, 3);
    }

    #[test]
    fn partial_success_is_told_from_success_in_both_forms() {
        assert_eq!(Partial::from_protobuf(b""), Ok(None));
        let inner = Writer::default().varint(1, 3).bytes(2, b"why");
        let body = Writer::default().message(1, inner).done();
        let expected = Some(Partial { rejected: 3, message: "why".to_owned() });
        assert_eq!(Partial::from_protobuf(&body), Ok(expected.clone()));
        assert_eq!(Partial::from_json(b"{}"), Ok(None));
        let json = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"why"}}"#;
        assert_eq!(Partial::from_json(json), Ok(expected));
        assert_eq!(Partial::from_json(b"[]"), Err(NotAResponse));
        assert_eq!(Partial::from_protobuf(b"\x0a\x05a"), Err(NotAResponse));
    }

    #[test]
    fn retryable_is_what_the_protocol_lists() {
        let http: Vec<u16> = (100..600).filter(|s| http_is_retryable(*s)).collect();
        assert_eq!(http, [429, 502, 503, 504]);
        let codes = |info| (0..20).filter(|c| grpc_is_retryable(*c, info)).collect::<Vec<_>>();
        assert_eq!(codes(false), [1, 4, 10, 11, 14, 15]);
        assert_eq!(codes(true), [1, 4, 8, 10, 11, 14, 15]);
    }
}
