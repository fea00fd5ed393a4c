//! What became of requests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use hyper::StatusCode;

use crate::clock;

/// Counters since the start, and how things are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that the endpoint took.
    pub sent: u64,
    /// Bytes of their bodies, as sent.
    pub sent_bytes: u64,
    /// Attempts after a request's first.
    pub retried: u64,
    /// Requests that the endpoint refused for good, by status, in its order. They are lost.
    pub refused: Vec<(u16, u64)>,
    /// Requests that the endpoint took but for some records.
    pub partial: u64,
    /// These records. They are lost.
    pub rejected_records: u64,
    /// Requests that were dropped because more waited than may. They are lost.
    pub dropped: u64,
    /// Requests that were given up: time and again there was no answer to them, while others were
    /// taken. They are lost.
    pub given_up: u64,
    /// Requests whose body was not what its compression says. They are lost.
    pub unsendable: u64,
    /// Times that the source could not be read.
    pub source_failures: u64,
    /// Requests that are under way, or wait for another attempt.
    pub in_flight: u64,
    /// Bytes that waited in the source when it was last asked.
    pub backlog_bytes: u64,
    /// What went wrong last.
    pub last_failure: Option<Failure>,
    /// When the endpoint last took a request, nanoseconds since the Unix epoch.
    pub last_success_unix_nano: Option<u64>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What: fits after "failed to". Holds no secrets, and nothing that the endpoint wrote but a status.
    pub message: String,
    /// When, nanoseconds since the Unix epoch.
    pub unix_nano: u64,
}

/// Reads the counters of a [`crate::Forwarder`], also after its end.
#[derive(Clone, Default)]
pub struct Meter(Arc<Counters>);

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    retried: AtomicU64,
    partial: AtomicU64,
    rejected_records: AtomicU64,
    dropped: AtomicU64,
    given_up: AtomicU64,
    unsendable: AtomicU64,
    source_failures: AtomicU64,
    in_flight: AtomicU64,
    backlog_bytes: AtomicU64,
    /// 0: never.
    last_success: AtomicU64,
    refused: Mutex<BTreeMap<u16, u64>>,
    last_failure: Mutex<Option<Failure>>,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.read()).finish()
    }
}

impl Meter {
    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Stats {
        let counters = &*self.0;
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let refused = counters.refused.lock().expect("nothing panics under this lock");
        let last_failure = counters.last_failure.lock().expect("nothing panics under this lock");
        Stats {
            sent: load(&counters.sent),
            sent_bytes: load(&counters.sent_bytes),
            retried: load(&counters.retried),
            refused: refused.iter().map(|(&status, &count)| (status, count)).collect(),
            partial: load(&counters.partial),
            rejected_records: load(&counters.rejected_records),
            dropped: load(&counters.dropped),
            given_up: load(&counters.given_up),
            unsendable: load(&counters.unsendable),
            source_failures: load(&counters.source_failures),
            in_flight: load(&counters.in_flight),
            backlog_bytes: load(&counters.backlog_bytes),
            last_failure: last_failure.clone(),
            last_success_unix_nano: Some(load(&counters.last_success)).filter(|&time| time > 0),
        }
    }

    pub(crate) fn taken(&self, bytes: u64, rejected: u64) {
        self.0.sent.fetch_add(1, Relaxed);
        self.0.sent_bytes.fetch_add(bytes, Relaxed);
        self.0.last_success.store(clock::unix_nano(clock::now()), Relaxed);
        if rejected > 0 {
            self.0.partial.fetch_add(1, Relaxed);
            self.0.rejected_records.fetch_add(rejected, Relaxed);
        }
    }

    pub(crate) fn refused(&self, status: StatusCode) {
        let mut refused = self.0.refused.lock().expect("nothing panics under this lock");
        *refused.entry(status.as_u16()).or_default() += 1;
        drop(refused);
        self.failed(format!("forward a request: it was refused for good with {status}"));
    }

    pub(crate) fn retried(&self) {
        self.0.retried.fetch_add(1, Relaxed);
    }

    pub(crate) fn dropped(&self, requests: u64) {
        self.0.dropped.fetch_add(requests, Relaxed);
    }

    pub(crate) fn given_up(&self) {
        self.0.given_up.fetch_add(1, Relaxed);
    }

    pub(crate) fn unsendable(&self, message: String) {
        self.0.unsendable.fetch_add(1, Relaxed);
        self.failed(message);
    }

    pub(crate) fn source_failed(&self, message: String) {
        self.0.source_failures.fetch_add(1, Relaxed);
        self.failed(message);
    }

    pub(crate) fn in_flight(&self, requests: usize) {
        self.0.in_flight.store(requests as u64, Relaxed);
    }

    pub(crate) fn backlog(&self, bytes: u64) {
        self.0.backlog_bytes.store(bytes, Relaxed);
    }

    pub(crate) fn failed(&self, message: String) {
        let failure = Failure { message, unix_nano: clock::unix_nano(clock::now()) };
        *self.0.last_failure.lock().expect("nothing panics under this lock") = Some(failure);
    }
}
