//! How long do spans take themselves, and how long do calls take beyond the work of the callee?
//!
//! Times are compared by the mean of their logarithm, so that a fault is a factor and a single
//! straggler is one of many. The gap between a client span and its server span is time on the wire
//! and in the callee's queue: the callee answers for it. A client span's own time is that very gap,
//! so operations that mostly cross to another service are measured by their gaps alone.

use resus_model::{Bucket, Evidence, Histogram};

use super::calls::Calls;
use super::item::Item;
use super::sums::{Collected, Key, Sums};
use crate::align::{Aligned, View};
use crate::coefficient::real;

/// Times below this share of a typical request do not matter to anybody: it is added to every time
/// before the logarithm is taken, so that a change of them weighs little.
const MATTERS: f64 = 0.01;

/// ... and at least so much, microseconds: the resolution of many clocks.
const LEAST_US: f64 = 50.0;

/// What is added to times before the logarithm, microseconds: [`MATTERS`] of the geometric mean of
/// the durations of healthy requests; of those now where there are no healthy ones.
pub(crate) fn offset(aligned: &Aligned<'_>) -> f64 {
    let logarithms: Vec<f64> =
        (0..).map_while(Bucket::from_index).map(|b| middle(b).max(1.0).ln()).collect();
    let mean = |views: &[&View<'_>]| {
        let (mut n, mut sum) = (0.0, 0.0);
        for class in views.iter().flat_map(|v| &v.evidence.classes) {
            for &(bucket, count) in class.durations.counts() {
                n += real(count);
                sum += real(count) * logarithms[usize::from(bucket.index())];
            }
        }
        (n > 0.0).then(|| (sum / n).exp() / 1000.0)
    };
    let healthy: Vec<&View<'_>> = aligned.baselines.iter().collect();
    let typical = mean(&healthy).or_else(|| mean(&[&aligned.now])).unwrap_or(0.0);
    (MATTERS * typical).max(LEAST_US)
}

/// Middle of a bucket, nanoseconds.
const fn middle(bucket: Bucket) -> f64 {
    f64::midpoint(real(bucket.lower()), real(bucket.upper()))
}

/// `ln(t + offset)`, `t` in microseconds, for the middle of every bucket.
pub(crate) struct Logarithms(Vec<f64>);

impl Logarithms {
    /// Works them out once.
    pub(crate) fn of(offset: f64) -> Self {
        let buckets = (0..).map_while(Bucket::from_index);
        Self(buckets.map(|b| (middle(b) / 1000.0 + offset).ln()).collect())
    }

    pub(crate) fn sums(&self, times: &Histogram) -> Sums {
        let mut sums = Sums::default();
        for &(bucket, count) in times.counts() {
            let log = self.0[usize::from(bucket.index())];
            let n = real(count);
            sums.add(Sums { n, sum: n * log, squares: n * log * log });
        }
        sums
    }
}

/// Self-times and gaps of a window.
pub(crate) fn collect(
    view: &View<'_>,
    calls: &Calls,
    logarithms: &Logarithms,
    into: &mut Collected,
) {
    let evidence: &Evidence = view.evidence;
    for stats in &evidence.operation_stats {
        let operation = view.operations[stats.operation as usize];
        if !calls.crosses(operation) {
            let entry = calls.entry(view, stats.entry);
            into.push((
                Key::of(Item::SelfTime(operation), entry),
                logarithms.sums(&stats.self_times),
            ));
        }
    }
    for edge in evidence.edges.iter().filter(|e| e.crossings > 0) {
        let Some(parent) = edge.key.parent else { continue };
        let global = |o: u32| view.operations[o as usize];
        let item = Item::Gap(global(parent), global(edge.key.child));
        into.push((Key::of(item, calls.entry(view, edge.key.entry)), logarithms.sums(&edge.gaps)));
    }
}
