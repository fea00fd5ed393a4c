//! What a handler says about a request, in words that fit every transport.

use std::future::Future;
use std::time::Duration;

use crate::request::Incoming;

/// What became of a request. Each variant says what the client makes of it under OTLP 1.11.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All of it was taken: 200 or OK, `partial_success` unset.
    Accepted,
    /// All of it was taken, and the sender should know something: a partial success that rejects nothing.
    Warning {
        /// What the sender should know.
        message: String,
    },
    /// A part was taken. The client does not send the rest again.
    Partial {
        /// Spans, log records or data points that were not taken.
        rejected: u64,
        /// Why.
        message: String,
    },
    /// The message cannot be read: 400 or `INVALID_ARGUMENT` with a `BadRequest`. The client drops it.
    BadData {
        /// What is wrong, and where.
        message: String,
    },
    /// It exceeds a limit of the handler: 413 or `RESOURCE_EXHAUSTED`, without `RetryInfo`. The client
    /// drops it.
    TooLarge {
        /// Which limit.
        message: String,
    },
    /// Too much is under way: 503 with `Retry-After`, or `UNAVAILABLE` with `RetryInfo`. The client sends
    /// it again.
    Busy {
        /// How long the client should wait. HTTP says it in whole seconds, rounded up. Spread it, or all
        /// clients come back at once.
        retry_after: Duration,
        /// What there is too much of.
        message: String,
    },
    /// It cannot be kept at the moment (a full disk, say). On the wire the same as [`Answer::Busy`],
    /// counted apart.
    Unavailable {
        /// How long the client should wait.
        retry_after: Duration,
        /// What is missing.
        message: String,
    },
    /// A fault of ours: 500 or `INTERNAL`. The client drops it.
    Internal,
}

/// Takes requests whose bodies have arrived in full.
pub trait Handler: Send + Sync + 'static {
    /// Decides about one request.
    ///
    /// The future is dropped half-way when the client goes away, when the client's own deadline
    /// (`grpc-timeout`) passes, and when a shutdown runs out of time. A panic is answered with
    /// [`Answer::Internal`] and harms nobody else. How long it may take is the handler's own affair:
    /// clients give up after 10 s unless configured otherwise.
    fn handle(&self, incoming: Incoming) -> impl Future<Output = Answer> + Send;
}
