//! What an answer means, by OTLP 1.11, section OTLP/HTTP Response.

use std::io;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use prost::Message as _;
use serde::Deserialize;

use crate::retry_after;

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The endpoint has it, all but so many of its records.
    Taken { rejected: u64 },
    /// The endpoint will never take it.
    Refused(StatusCode),
    /// Another attempt may do better.
    Failed {
        fault: Fault,
        /// When the endpoint wants to be asked again.
        after: Option<Duration>,
    },
}

/// Why an attempt did not come to an end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Slow(Duration),
    #[error("not now: answered {0}")]
    NotNow(StatusCode),
}

impl Fault {
    /// The endpoint answered, if only to put it off.
    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self, Self::NotNow(_))
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self::Failed { fault, after: None }
    }
}

/// Judges by the status. The body is only looked at for what was rejected of a request that was taken;
/// `None` where it was too long or did not come.
pub(crate) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&[u8]>,
    now: SystemTime,
) -> Outcome {
    if status.is_success() {
        let is_json = headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
        let rejected = body.map_or(0, |body| rejected(body, is_json));
        return Outcome::Taken { rejected };
    }
    // Exactly these; all others must not be tried again.
    if !matches!(status.as_u16(), 429 | 502 | 503 | 504) {
        return Outcome::Refused(status);
    }
    let after = headers.get(RETRY_AFTER).and_then(|v| retry_after::wait(v.as_bytes(), now));
    Outcome::Failed { fault: Fault::NotNow(status), after }
}

/// `ExportTraceServiceResponse`; those of the other signals have the same fields under the same numbers.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Export {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<Partial>,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
struct Partial {
    #[prost(int64, tag = "1")]
    #[serde(
        alias = "rejectedSpans",
        alias = "rejectedLogRecords",
        alias = "rejectedDataPoints",
        deserialize_with = "integer"
    )]
    rejected: i64,
}

/// 64-bit integers of JSON are texts, or numbers.
fn integer<'de, D: serde::Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Text(String),
    }
    match Written::deserialize(from)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// What is no such message rejects nothing: the status said that it was taken.
fn rejected(body: &[u8], is_json: bool) -> u64 {
    let export = if is_json {
        serde_json::from_slice(body).unwrap_or_default()
    } else {
        Export::decode(body).unwrap_or_default()
    };
    let count = export.partial_success.map_or(0, |partial| partial.rejected);
    u64::try_from(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, fields: &[(&'static str, &str)], body: Option<&[u8]>) -> Outcome {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().expect("a value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        judge(status, &headers, body, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn four_statuses_are_tried_again_and_all_others_are_for_good() {
        for status in 100..1000 {
            let outcome = judged(status, &[("retry-after", "7")], None);
            let fits = match outcome {
                Outcome::Taken { rejected } => (200..300).contains(&status) && rejected == 0,
                Outcome::Failed { after, ref fault } => {
                    [429, 502, 503, 504].contains(&status)
                        && after == Some(Duration::from_secs(7))
                        && fault.is_answer()
                }
                Outcome::Refused(found) => {
                    found == status
                        && !(200..300).contains(&status)
                        && ![429, 502, 503, 504].contains(&status)
                }
            };
            assert!(fits, "{status}: {outcome:?}");
        }
    }

    #[test]
    fn what_was_rejected_is_read_from_either_encoding() {
        let json = [("content-type", "application/json; charset=utf-8")];
        let protobuf = [("content-type", "application/x-protobuf")];
        for (fields, body, expected) in [
            (&protobuf[..], &b""[..], 0),
            (&protobuf, b"\x0a\x00", 0),
            (&protobuf, b"\x0a\x06\x08\x05\x12\x02no", 5),
            // -1, which is nonsense; a message cut off; another field first.
            (&protobuf, b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0),
            (&protobuf, b"\x0a\x06\x08", 0),
            (&protobuf, b"\x12\x01x\x0a\x02\x08\x03", 3),
            (&[], b"\x0a\x02\x08\x03", 3),
            (&json, b"{}", 0),
            (&json, b"", 0),
            (&json, b"{\"partialSuccess\":{}}", 0),
            (&json, b"{\"partialSuccess\":null}", 0),
            (&json, b"{\"partialSuccess\":{\"rejectedSpans\":\"5\",\"errorMessage\":\"no\"}}", 5),
            (&json, b"{\"x\":[],\"partialSuccess\":{\"rejectedLogRecords\":6}}", 6),
            (&json, b"{\"partialSuccess\":{\"rejectedDataPoints\":\"7\"}}", 7),
            (&json, b"{\"partialSuccess\":{\"rejectedSpans\":\"-5\"}}", 0),
            (&json, b"{\"partialSuccess\":{\"rejectedSpans\":\"many\"}}", 0),
        ] {
            let outcome = judged(200, fields, Some(body));
            assert!(
                matches!(outcome, Outcome::Taken { rejected } if rejected == expected),
                "{outcome:?}, {expected} expected of {:?}",
                String::from_utf8_lossy(body),
            );
        }
    }
}
