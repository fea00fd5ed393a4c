//! How much longer do requests take than in healthy windows, and where is that time spent?
//!
//! Everything is held against the same entry operation, weighted by how often it is asked for now, or
//! a change of mix would look like growth.

use crate::align::{Aligned, View};
use crate::coefficient::{ratio, real};

/// Growth of mean times, nanoseconds a request.
pub(super) struct Growth {
    /// Of the whole request.
    pub request: f64,
    /// What a request took in healthy windows.
    pub before: f64,
    /// Of self-times, by operation (global number); a client span's is what its callee does not
    /// account for.
    pub operations: Vec<f64>,
}

/// Requests of one entry operation: number, time, and self-time by operation.
struct Means {
    requests: Vec<f64>,
    durations: Vec<f64>,
    /// (entry, operation, self-time).
    self_times: Vec<(u32, u32, f64)>,
}

impl Growth {
    /// Over the entry operations that deviate; over all where none does.
    pub(super) fn of(aligned: &Aligned<'_>, deviating: &[bool]) -> Self {
        let any = deviating.iter().any(|&d| d);
        let entries = aligned.entries.len();
        let mut before = Means::none(entries);
        aligned.baselines.iter().for_each(|view| before.add(aligned, view));
        let mut now = Means::none(entries);
        now.add(aligned, &aligned.now);
        let counts =
            |e: usize| (deviating[e] || !any) && now.requests[e] > 0.0 && before.requests[e] > 0.0;
        let all: f64 = (0..entries).filter(|&e| counts(e)).map(|e| now.requests[e]).sum();
        let share = |e: usize| if counts(e) { now.requests[e] / all } else { 0.0 };
        let mut growth =
            Self { request: 0.0, before: 0.0, operations: vec![0.0; aligned.operations.len()] };
        for e in 0..entries {
            let mean = |means: &Means| ratio(means.durations[e], means.requests[e]);
            growth.request += share(e) * (mean(&now) - mean(&before));
            growth.before += share(e) * mean(&before);
        }
        for (means, sign) in [(&now, 1.0), (&before, -1.0)] {
            for &(e, operation, sum) in &means.self_times {
                let mean = ratio(sum, means.requests[e as usize]);
                growth.operations[operation as usize] += sign * share(e as usize) * mean;
            }
        }
        growth
    }

    /// The part of the growth of requests that some operations account for; 0 where requests do not
    /// take longer.
    pub(super) fn part(&self, operations: impl Iterator<Item = u32>) -> f64 {
        let sum: f64 = operations.map(|o| self.operations[o as usize]).sum();
        if self.request > 0.0 { sum / self.request } else { 0.0 }
    }
}

impl Means {
    fn none(entries: usize) -> Self {
        Self { requests: vec![0.0; entries], durations: vec![0.0; entries], self_times: Vec::new() }
    }

    fn add(&mut self, aligned: &Aligned<'_>, view: &View<'_>) {
        for (class, cell) in view.classes() {
            let Some(cell) = cell else { continue };
            let e = aligned.entry_of(cell);
            self.requests[e] += real(class.tally.n);
            self.durations[e] += real(class.duration_sum);
        }
        for stats in &view.evidence.operation_stats {
            let Some(entry) = stats.entry.map(|o| view.operations[o as usize]) else { continue };
            // An entry of stats without a class has no request.
            let Ok(e) = aligned.entries.binary_search(&entry) else { continue };
            let e = u32::try_from(e).expect("fewer than 2^32 entries");
            let operation = view.operations[stats.operation as usize];
            self.self_times.push((e, operation, real(stats.self_time_sum)));
        }
    }
}
