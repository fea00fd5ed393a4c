//! Counters of what came in and what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::budget::Budget;
use crate::request::{Signal, Transport};
use crate::roster::Roster;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Taken in full, with or without a warning.
    Accepted,
    /// Taken in part.
    Partial,
    /// The message or its framing or compression cannot be read.
    BadData,
    /// Over a limit of size.
    TooLarge,
    /// Refused for now, since too much is under way.
    Busy,
    /// Refused for now, since it cannot be kept.
    Unavailable,
    /// A fault of ours.
    Internal,
    /// No token, or a wrong one.
    Unauthenticated,
    /// No such path, service or method.
    NotFound,
    /// A method, content type or compression that is not spoken here.
    Unsupported,
    /// The body came too slowly, or the client's deadline passed.
    TimedOut,
    /// The body broke off, or its HTTP framing is wrong.
    Aborted,
}

impl Outcome {
    /// All outcomes, in the order of their variants.
    pub const ALL: [Self; 12] = [
        Self::Accepted,
        Self::Partial,
        Self::BadData,
        Self::TooLarge,
        Self::Busy,
        Self::Unavailable,
        Self::Internal,
        Self::Unauthenticated,
        Self::NotFound,
        Self::Unsupported,
        Self::TimedOut,
        Self::Aborted,
    ];

    /// The name used in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Partial => "partial",
            Self::BadData => "bad_data",
            Self::TooLarge => "too_large",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::Unauthenticated => "unauthenticated",
            Self::NotFound => "not_found",
            Self::Unsupported => "unsupported",
            Self::TimedOut => "timed_out",
            Self::Aborted => "aborted",
        }
    }
}

/// Why a connection was closed by us other than at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClosedFor {
    /// There were too many connections, and none to close in its place.
    TooMany,
    /// There were too many from its address, and none to close in its place.
    TooManyFromAddress,
    /// It had not sent a request yet when its place was needed.
    Evicted,
    /// The TLS handshake failed, or its client certificate was missing or wrong.
    Handshake,
    /// A handshake or the head of a request was not complete in time.
    HeaderTimeout,
    /// It had no request for too long.
    Idle,
    /// What came was not HTTP.
    Protocol,
}

impl ClosedFor {
    /// All reasons, in the order of their variants.
    pub const ALL: [Self; 7] = [
        Self::TooMany,
        Self::TooManyFromAddress,
        Self::Evicted,
        Self::Handshake,
        Self::HeaderTimeout,
        Self::Idle,
        Self::Protocol,
    ];

    /// The name used in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooMany => "too_many",
            Self::TooManyFromAddress => "too_many_from_address",
            Self::Evicted => "evicted",
            Self::Handshake => "handshake",
            Self::HeaderTimeout => "header_timeout",
            Self::Idle => "idle",
            Self::Protocol => "protocol",
        }
    }
}

/// How many requests ended in a certain way. One whose client went away before its answer, and whose work
/// was dropped with it, has no outcome and is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// What they held; `None` where the path names no signal, or was not looked at for want of a token.
    pub signal: Option<Signal>,
    /// Over which protocol they came.
    pub transport: Transport,
    /// What became of them.
    pub outcome: Outcome,
    /// How many.
    pub count: u64,
}

/// The counters at one moment. All but `connections_open` and `in_flight_bytes` only ever grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Connections open now.
    pub connections_open: usize,
    /// Connections accepted, those included that were closed at once.
    pub connections_accepted: u64,
    /// Connections that were closed by us, by reason, in the order of [`ClosedFor::ALL`].
    pub connections_closed: Vec<(ClosedFor, u64)>,
    /// Requests by what became of them, in a fixed order, without those that never occurred.
    /// [`crate::serve_http`] counts none.
    pub requests: Vec<RequestCount>,
    /// Bytes of complete bodies as received.
    pub received_bytes: u64,
    /// The same after decompression.
    pub inflated_bytes: u64,
    /// Memory held for bodies now.
    pub in_flight_bytes: usize,
}

const SIGNALS: usize = Signal::ALL.len() + 1;

#[derive(Default)]
struct Counters {
    accepted: AtomicU64,
    closed: [AtomicU64; ClosedFor::ALL.len()],
    requests: [[[AtomicU64; Outcome::ALL.len()]; Transport::ALL.len()]; SIGNALS],
    received: AtomicU64,
    inflated: AtomicU64,
}

/// Reads the counters of a server or listener, also while it runs. Cheap to clone.
#[derive(Clone)]
pub struct Meter {
    counters: Arc<Counters>,
    roster: Arc<Roster>,
    budget: Arc<Budget>,
}

impl Meter {
    pub(crate) fn new(roster: Arc<Roster>, budget: Arc<Budget>) -> Self {
        Self { counters: Arc::default(), roster, budget }
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Stats {
        let counters = &*self.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut requests = Vec::new();
        for (i, by_transport) in counters.requests.iter().enumerate() {
            for (transport, by_outcome) in Transport::ALL.into_iter().zip(by_transport) {
                for (outcome, counter) in Outcome::ALL.into_iter().zip(by_outcome) {
                    let count = load(counter);
                    if count > 0 {
                        let signal = Signal::ALL.get(i).copied();
                        requests.push(RequestCount { signal, transport, outcome, count });
                    }
                }
            }
        }
        Stats {
            connections_open: self.roster.open(),
            connections_accepted: load(&counters.accepted),
            connections_closed: ClosedFor::ALL
                .into_iter()
                .zip(&counters.closed)
                .map(|(reason, counter)| (reason, load(counter)))
                .collect(),
            requests,
            received_bytes: load(&counters.received),
            inflated_bytes: load(&counters.inflated),
            in_flight_bytes: self.budget.used(),
        }
    }

    pub(crate) fn accepted(&self) {
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, reason: ClosedFor) {
        self.counters.closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request(&self, signal: Option<Signal>, transport: Transport, outcome: Outcome) {
        let signal = signal.map_or(SIGNALS - 1, |s| s as usize);
        let counter = &self.counters.requests[signal][transport as usize][outcome as usize];
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self, received: usize, inflated: usize) {
        self.counters.received.fetch_add(received as u64, Ordering::Relaxed);
        self.counters.inflated.fetch_add(inflated as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_all_are_in_the_order_of_the_variants() {
        for (i, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, i);
        }
        for (i, reason) in ClosedFor::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
        }
        for (i, signal) in Signal::ALL.into_iter().enumerate() {
            assert_eq!(signal as usize, i);
        }
        for (i, transport) in Transport::ALL.into_iter().enumerate() {
            assert_eq!(transport as usize, i);
        }
    }
}
