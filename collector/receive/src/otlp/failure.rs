//! Why a request was not taken, in the words of both transports.

use std::borrow::Cow;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, ALLOW, HeaderName, WWW_AUTHENTICATE};

use super::wire::Detail;
use crate::body::BodyError;
use crate::inflate::InflateFault;
use crate::meter::Outcome;

/// Codes of gRPC and of `google.rpc.Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// A refusal.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) code: Code,
    /// The status of OTLP/HTTP.
    pub(super) http: StatusCode,
    pub(super) message: Cow<'static, str>,
    pub(super) detail: Detail,
    /// A header that OTLP/HTTP sends along.
    pub(super) header: Option<(HeaderName, &'static str)>,
}

impl Failure {
    fn new(
        outcome: Outcome,
        code: Code,
        http: StatusCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { outcome, code, http, message: message.into(), detail: Detail::None, header: None }
    }

    fn with_header(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(
            Outcome::Unauthenticated,
            Code::Unauthenticated,
            StatusCode::UNAUTHORIZED,
            "expected a valid token in the header `authorization: Bearer TOKEN`",
        )
        .with_header(WWW_AUTHENTICATE, "Bearer")
    }

    pub(super) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Outcome::NotFound, Code::Unimplemented, StatusCode::NOT_FOUND, message)
    }

    pub(super) fn method() -> Self {
        Self::new(
            Outcome::Unsupported,
            Code::Unimplemented,
            StatusCode::METHOD_NOT_ALLOWED,
            "expected the method POST",
        )
        .with_header(ALLOW, "POST")
    }

    pub(super) fn media_type(message: &'static str) -> Self {
        Self::new(
            Outcome::Unsupported,
            Code::InvalidArgument,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message,
        )
    }

    pub(super) fn compression() -> Self {
        Self::new(
            Outcome::Unsupported,
            Code::Unimplemented,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "found a compression that is not supported, expected gzip, zstd or none",
        )
        .with_header(ACCEPT_ENCODING, "gzip, zstd")
    }

    pub(super) fn unspoken(message: &'static str) -> Self {
        Self::new(
            Outcome::Unsupported,
            Code::Unimplemented,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message,
        )
    }

    pub(super) fn bad_data(message: impl Into<Cow<'static, str>>) -> Self {
        let failure =
            Self::new(Outcome::BadData, Code::InvalidArgument, StatusCode::BAD_REQUEST, message);
        Self { detail: Detail::BadRequest, ..failure }
    }

    /// The framing of gRPC is wrong.
    pub(super) fn framing(code: Code, message: &'static str) -> Self {
        Self::new(Outcome::BadData, code, StatusCode::BAD_REQUEST, message)
    }

    /// Never with `RetryInfo`: that would make the client send the same again.
    pub(super) fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            Outcome::TooLarge,
            Code::ResourceExhausted,
            StatusCode::PAYLOAD_TOO_LARGE,
            message,
        )
    }

    pub(super) fn over(limit: usize) -> Self {
        Self::too_large(format!(
            "the body exceeds {limit} bytes after decompression; send less at a time"
        ))
    }

    fn retry(
        outcome: Outcome,
        retry_after: Duration,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let failure =
            Self::new(outcome, Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE, message);
        Self { detail: Detail::Retry(retry_after), ..failure }
    }

    pub(super) fn busy(retry_after: Duration, message: impl Into<Cow<'static, str>>) -> Self {
        Self::retry(Outcome::Busy, retry_after, message)
    }

    pub(super) fn unavailable(
        retry_after: Duration,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::retry(Outcome::Unavailable, retry_after, message)
    }

    /// The memory for bodies is used up.
    pub(super) fn no_memory() -> Self {
        const RETRY_AFTER: Duration = Duration::from_secs(1);
        Self::busy(RETRY_AFTER, "the memory for requests is used up; send it again later")
    }

    pub(super) fn internal() -> Self {
        Self::new(
            Outcome::Internal,
            Code::Internal,
            StatusCode::INTERNAL_SERVER_ERROR,
            "the receiver failed",
        )
    }

    /// Over HTTP a 503: OTLP allows no retry of a 408, and a slow network is no reason to drop a batch.
    pub(super) fn deadline(message: &'static str) -> Self {
        Self::new(
            Outcome::TimedOut,
            Code::DeadlineExceeded,
            StatusCode::SERVICE_UNAVAILABLE,
            message,
        )
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooSlow => Self::deadline("the body came too slowly"),
            BodyError::Broken(_) => Self::new(
                Outcome::Aborted,
                Code::InvalidArgument,
                StatusCode::BAD_REQUEST,
                "the body broke off or is framed wrongly",
            ),
        }
    }
}

impl From<InflateFault> for Failure {
    fn from(fault: InflateFault) -> Self {
        match fault {
            InflateFault::Corrupt(what) => {
                Self::bad_data(format!("the body does not decompress: {what}"))
            }
            InflateFault::TooLarge(limit) => Self::over(limit),
            InflateFault::Exhausted => Self::no_memory(),
        }
    }
}
