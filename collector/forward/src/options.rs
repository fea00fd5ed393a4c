//! Where to, how, and what can be wrong with that.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use resus_receive::Signal;

use crate::tls::TlsError;

/// How bodies are sent (RFC 9110, section 8.4.1). OTLP asks endpoints to take these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentCoding {
    /// As they are if they came as gzip; else compressed by gzip where that makes them smaller.
    Gzip,
    /// Not compressed.
    Identity,
}

/// How long to wait after failures: each wait is half as long again as the one before, and up to a half of it
/// is left out at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
}

impl Backoff {
    /// As OpenTelemetry's exporters do: 5 s to 30 s.
    pub const STANDARD: Self =
        Self { first: Duration::from_secs(5), most: Duration::from_secs(30) };
}

/// How requests are forwarded.
#[derive(Clone, PartialEq, Eq)]
pub struct ForwardOptions {
    /// What comes before `/v1/traces` and its like: `https://example.com/otlp`.
    pub endpoint: String,
    /// Header fields of each request, names and values. Values are secrets.
    pub headers: Vec<(String, String)>,
    /// How bodies are compressed.
    pub compression: ContentCoding,
    /// How long one attempt may take, from looking up the name to the end of the answer. Not 0.
    pub timeout: Duration,
    /// Bytes that may wait in the source. Beyond them the oldest requests are dropped, and counted.
    pub max_backlog: u64,
    /// What goes on; other requests are passed over.
    pub signals: Vec<Signal>,
    /// PEM file with the certificates by which the endpoint's must be signed. `None`: those of the
    /// system. Without use for `http`.
    pub ca: Option<PathBuf>,
    /// Attempts under way at a time, each on a connection of its own.
    pub concurrency: NonZeroUsize,
    /// Waits between attempts. The endpoint's `Retry-After` comes first.
    pub backoff: Backoff,
    /// Where the randomness of the waits comes from: two collectors should not have the same.
    pub seed: u64,
}

impl fmt::Debug for ForwardOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoint: _,
            headers,
            compression,
            timeout,
            max_backlog,
            signals,
            ca,
            concurrency,
            backoff,
            seed,
        } = self;
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ForwardOptions")
            .field("endpoint", &self.shown_endpoint())
            .field("headers", &names)
            .field("compression", compression)
            .field("timeout", timeout)
            .field("max_backlog", max_backlog)
            .field("signals", signals)
            .field("ca", ca)
            .field("concurrency", concurrency)
            .field("backoff", backoff)
            .field("seed", seed)
            .finish()
    }
}

impl ForwardOptions {
    /// The endpoint, unless it has a place for a password.
    fn shown_endpoint(&self) -> &str {
        if self.endpoint.contains('@') { "***" } else { &self.endpoint }
    }
}

/// Why nothing can be forwarded at all. An endpoint that does not answer is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The endpoint is no URL that can be asked.
    #[error(
        "use the endpoint to forward to: expected http:// or https://, a host and perhaps a path, \
         without user, password and query"
    )]
    Endpoint,
    /// A header field cannot be sent, or is one of those that are written for each request.
    #[error(
        "use the header field {name:?}: expected a name and a value as in RFC 9110, other than \
         host, connection and those that describe the body"
    )]
    Header {
        /// Its name.
        name: String,
    },
    /// Nothing to check the endpoint's certificate against.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let mut options = ForwardOptions {
            endpoint: "https://example.com".to_owned(),
            headers: vec![("x-key".to_owned(), "canary".to_owned())],
            compression: ContentCoding::Gzip,
            timeout: Duration::from_secs(10),
            max_backlog: 1,
            signals: vec![Signal::Traces],
            ca: None,
            concurrency: NonZeroUsize::MIN,
            backoff: Backoff::STANDARD,
            seed: 0,
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("x-key") && shown.contains("example.com"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
        options.endpoint = "https://me:canary@example.com".to_owned();
        assert!(!format!("{options:?}").contains("canary"));
    }
}
