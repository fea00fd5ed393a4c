//! What became of a run.

use std::time::Duration;

use crate::latency::Latency;
use crate::ledger::Ledger;

/// What became of a run. Each request is counted under exactly one of `acknowledged`, `partial`,
/// `refused_retryable`, `refused_other` and `failed`, by what its last attempt met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "an outcome that nobody reads is a run for nothing"]
pub struct Outcome {
    /// Requests begun.
    pub requests: u64,
    /// Answered 200 or OK, nothing rejected.
    pub acknowledged: u64,
    /// Answered 200 or OK with rejected spans.
    pub partial: u64,
    /// Refused with a status that allows sending again.
    pub refused_retryable: u64,
    /// Refused with any other status.
    pub refused_other: u64,
    /// Without an answer: no connection, a broken one, or none within the target's patience.
    pub failed: u64,
    /// Attempts beyond the first of each request.
    pub resent: u64,
    /// Retryable refusals of single attempts, the last ones included.
    pub refusals: u64,
    /// Spans in acknowledged requests.
    pub spans: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// How long acknowledged requests took, from when they were sent or, with a rate, were due; waits
    /// before they were sent again included.
    pub latency: Latency,
    /// How long single attempts took that were refused.
    pub refusal_latency: Latency,
    /// The statuses of refusals and the errors of connections, each with how often it came; at most 32.
    pub reasons: Vec<(String, u64)>,
    /// The first number that no request of this run has had.
    pub next_request: u64,
    /// What became of each request, where that was to be kept.
    pub ledger: Option<Ledger>,
}

impl Outcome {
    /// Acknowledged spans a second.
    #[must_use]
    pub fn spans_per_second(&self) -> f64 {
        self.spans as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.acknowledged += other.acknowledged;
        self.partial += other.partial;
        self.refused_retryable += other.refused_retryable;
        self.refused_other += other.refused_other;
        self.failed += other.failed;
        self.resent += other.resent;
        self.refusals += other.refusals;
        self.next_request = self.next_request.max(other.next_request);
        self.latency.merge(&other.latency);
        self.refusal_latency.merge(&other.refusal_latency);
        for (reason, times) in &other.reasons {
            self.reason(reason, *times);
        }
    }

    /// Counts a reason for not being acknowledged.
    pub(super) fn reason(&mut self, reason: &str, times: u64) {
        if let Some((_, count)) = self.reasons.iter_mut().find(|(known, _)| known == reason) {
            *count += times;
        } else if self.reasons.len() < 32 {
            self.reasons.push((reason.to_owned(), times));
        }
    }
}
