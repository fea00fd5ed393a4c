//! Is an answer one of those that a rule allows?

use std::fmt::Write as _;

use crate::grpc::Reply;
use crate::http1::Answer;
use crate::status::{Partial, Status, grpc, grpc_is_retryable, http_is_retryable};

/// How a body is encoded over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub(crate) const BOTH: [Self; 2] = [Self::Protobuf, Self::Json];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
        }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// What a rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Success, `partial_success` unset.
    Success,
    /// Success, partial or not.
    Accepted,
    /// Success with so many rejected records and a message.
    Rejected(u64),
    /// One of these statuses, not to be sent again. Over HTTP with a `google.rpc.Status` in the
    /// request's encoding, which is a check of its own.
    Refused(&'static [u16], &'static [u32]),
    /// The same without regard to the body: for requests whose encoding is not known.
    RefusedBare(&'static [u16]),
    /// One or the other.
    Either(&'static Self, &'static Self),
}

/// Bad data. gRPC has a better code for it than INTERNAL; a check of its own asks for that.
pub(crate) const BAD: Want = Want::Refused(&[400], &[grpc::INVALID_ARGUMENT, grpc::INTERNAL]);
/// Bad data, or too much of it.
pub(crate) const BAD_OR_LARGE: Want =
    Want::Refused(&[400, 413], &[grpc::INVALID_ARGUMENT, grpc::INTERNAL, grpc::RESOURCE_EXHAUSTED]);
/// Too much data.
pub(crate) const TOO_LARGE: Want = Want::Refused(&[413], &[grpc::RESOURCE_EXHAUSTED]);
/// Whatever it is, but neither a failure of the server nor a wish to see it again.
pub(crate) const ACCEPTED_OR_BAD: Want = Want::Either(&Want::Accepted, &BAD_OR_LARGE);

impl Want {
    /// In words, for HTTP or gRPC.
    pub(crate) fn in_words(self, over_grpc: bool) -> String {
        match self {
            Self::Success if over_grpc => "OK, partial_success unset".to_owned(),
            Self::Success => "200 in the request's content type, partial_success unset".to_owned(),
            Self::Accepted => "success, partial or not".to_owned(),
            Self::Rejected(count) => format!("success with {count} rejected and a message"),
            Self::Refused(_, codes) if over_grpc => {
                let names: Vec<&str> = codes.iter().map(|code| grpc::name(*code)).collect();
                format!("{} without RetryInfo", names.join(" or "))
            }
            Self::Refused(statuses, _) => list(statuses),
            Self::RefusedBare(statuses) => list(statuses),
            Self::Either(one, other) => {
                format!("{}; or {}", one.in_words(over_grpc), other.in_words(over_grpc))
            }
        }
    }

    /// Whether the answer to a request in that encoding is allowed.
    pub(crate) fn allows_http(self, answer: &Answer, encoding: Encoding) -> bool {
        match self {
            Self::Success | Self::Accepted | Self::Rejected(_) => {
                answer.status == 200
                    && in_type(answer, encoding)
                    && partial(answer, encoding)
                        .is_some_and(|partial| self.allows(partial.as_ref()))
            }
            Self::Refused(statuses, _) | Self::RefusedBare(statuses) => {
                statuses.contains(&answer.status) && !http_is_retryable(answer.status)
            }
            Self::Either(one, other) => {
                one.allows_http(answer, encoding) || other.allows_http(answer, encoding)
            }
        }
    }

    /// The same for gRPC.
    pub(crate) fn allows_grpc(self, reply: &Reply) -> bool {
        let Some(code) = reply.code() else { return false };
        match self {
            Self::Success | Self::Accepted | Self::Rejected(_) => {
                let partial = reply.message().map(Partial::from_protobuf);
                code == grpc::OK
                    && matches!(partial, Some(Ok(partial)) if self.allows(partial.as_ref()))
            }
            Self::Refused(_, codes) => {
                let again = reply.status().is_some_and(|status| status.has_retry_info);
                codes.contains(&code) && !grpc_is_retryable(code, again)
            }
            Self::RefusedBare(_) => false,
            Self::Either(one, other) => one.allows_grpc(reply) || other.allows_grpc(reply),
        }
    }

    const fn allows(self, partial: Option<&Partial>) -> bool {
        match (self, partial) {
            (Self::Accepted, _) | (Self::Success, None) => true,
            (Self::Rejected(count), Some(partial)) => {
                partial.rejected == count && !partial.message.is_empty()
            }
            _ => false,
        }
    }
}

/// Whether the answer is an error that tells about itself as OTLP wants it.
pub(crate) fn error_is_told(answer: &Answer, encoding: Encoding) -> bool {
    in_type(answer, encoding) && status(answer, encoding).is_some()
}

fn list(statuses: &[u16]) -> String {
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    statuses.join(" or ")
}

fn in_type(answer: &Answer, encoding: Encoding) -> bool {
    let value = answer.header("content-type").unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case(encoding.content_type())
}

fn partial(answer: &Answer, encoding: Encoding) -> Option<Option<Partial>> {
    match encoding {
        Encoding::Protobuf => Partial::from_protobuf(&answer.body),
        Encoding::Json => Partial::from_json(&answer.body),
    }
    .ok()
}

fn status(answer: &Answer, encoding: Encoding) -> Option<Status> {
    match encoding {
        Encoding::Protobuf => Status::from_protobuf(&answer.body),
        Encoding::Json => Status::from_json(&answer.body),
    }
}

/// An answer over HTTP in words.
pub(crate) fn http_in_words(answer: &Answer, encoding: Encoding) -> String {
    let mut words = answer.status.to_string();
    let kind = answer.header("content-type").unwrap_or("no content type");
    let _ = write!(words, ", {kind}");
    if (200..300).contains(&answer.status) {
        words += &match partial(answer, encoding) {
            Some(partial) => partial_in_words(partial.as_ref()),
            None => format!(", a body that is no response: {}", excerpt(&answer.body)),
        };
    } else {
        words += &match status(answer, encoding) {
            Some(status) => {
                format!(", status {}: {}", status.code, excerpt(status.message.as_bytes()))
            }
            None => format!(", a body that is no google.rpc.Status: {}", excerpt(&answer.body)),
        };
    }
    words
}

/// A reply over gRPC in words.
pub(crate) fn grpc_in_words(reply: &Reply) -> String {
    match reply.code() {
        Some(grpc::OK) => match reply.message().map(Partial::from_protobuf) {
            Some(Ok(partial)) => format!("OK{}", partial_in_words(partial.as_ref())),
            _ => format!("OK, a message that is no response: {}", excerpt(&reply.body)),
        },
        Some(code) => {
            let message = unescaped(reply.header("grpc-message").unwrap_or_default());
            let again =
                if reply.status().is_some_and(|s| s.has_retry_info) { ", RetryInfo" } else { "" };
            format!("{}{again}: {}", grpc::name(code), excerpt(&message))
        }
        None => format!("HTTP {} without grpc-status", reply.http_status),
    }
}

fn partial_in_words(partial: Option<&Partial>) -> String {
    match partial {
        None => ", partial_success unset".to_owned(),
        Some(partial) => {
            format!(", {} rejected: {}", partial.rejected, excerpt(partial.message.as_bytes()))
        }
    }
}

/// gRPC escapes messages with percent signs.
fn unescaped(message: &str) -> Vec<u8> {
    let mut parts = message.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => bytes.extend(part.as_bytes()),
        }
    }
    bytes
}

/// The beginning of a text, with what is no text escaped.
fn excerpt(bytes: &[u8]) -> String {
    let more = if bytes.len() > 80 { "…" } else { "" };
    format!("\"{}\"{more}", bytes[..bytes.len().min(80)].escape_ascii())
}
