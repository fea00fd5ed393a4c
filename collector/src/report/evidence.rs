//! What each kind of evidence says, as JSON.

use resus_model as model;
use schemars::JsonSchema;
use serde::Serialize;

use super::json::finite;
use super::wire::{Component, Counts};

/// What is measured of an item on one side.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Sample {
    /// Spans, calls or requests that were looked at.
    pub(super) n: u64,
    /// Those that show what is counted, or calls made; 0 for times.
    pub(super) count: u64,
    /// Shares and calls a span: `count / n`, for the baseline weighted as the entry operations are now.
    /// Times: mean of `ln(t + offset_us)`, `t` in microseconds.
    pub(super) mean: f64,
    /// Variance of a single observation.
    pub(super) variance: f64,
}

/// One item of a component held against healthy windows.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Finding {
    /// Requests: `throws` (they fail at its spans), `misleads` (at its callers), `meets` (at another when
    /// it takes part). Spans: `origin` (they fail, no child does), `error_events`, `children` (sets of
    /// children not seen otherwise), `calls` (calls a span). Times: `self_time`, `gap`.
    /// A replica beside its peers now: `replica_errors` (spans), `replica_times`.
    pub(super) kind: String,
    /// What it is about: an operation, or caller and callee.
    pub(super) subject: String,
    /// In the window to be explained.
    pub(super) now: Sample,
    /// In all healthy windows together; of a replica, its peers now.
    pub(super) baseline: Sample,
    /// `now.mean - baseline.mean`; of times, its exponential is the factor.
    pub(super) effect: f64,
    /// What of the effect other components account for, or what is usual for a replica.
    pub(super) explained: f64,
    /// Standard deviation of the effect between healthy windows beyond sampling, with its floor.
    pub(super) spread: f64,
    /// Healthy windows in which the item occurs.
    pub(super) windows: u32,
    /// Variance of the effect by sampling: that of the mean now and that of the weighted baseline.
    pub(super) sampling: f64,
    /// Standard error of the effect: `sqrt(spread² + sampling)`.
    pub(super) error: f64,
    /// 95 % interval of `effect - explained`: of Student's t; where requests are counted, Newcombe's of
    /// two shares.
    pub(super) interval: [f64; 2],
    /// `(effect - explained) / error`, its size for `calls`. Where requests are counted, the root of twice
    /// what their log-likelihood ratio exceeds `penalty` by: `k ln(s / b) + (n - k) ln((1 - s) / (1 - b))`
    /// of `k` of `n` now, `s = k / n`, and `b` the larger of 0.001 and `(k + 0.5) / (n + 1)` of the
    /// baseline.
    pub(super) z: f64,
    /// Nats taken off the log-likelihood ratio where requests are counted, 0 otherwise: what the kind
    /// starts behind, and the logarithm of how many operations it was picked from.
    pub(super) penalty: f64,
    /// One-sided p-value of `z`; two-sided for `calls`.
    pub(super) p_value: f64,
    /// Degrees of freedom of Student's t; null for the normal distribution.
    pub(super) freedom: Option<f64>,
    /// `z` over what its family shows at most in a healthy window, half of the time.
    pub(super) strength: f64,
    /// What is added to times before the logarithm, microseconds; null for other kinds.
    pub(super) offset_us: Option<f64>,
    /// Times now: lower and upper edge of a bucket, nanoseconds, and count; empty for other kinds.
    pub(super) times_now: Vec<[u64; 3]>,
    /// Times in all healthy windows.
    pub(super) times_baseline: Vec<[u64; 3]>,
}

/// A part of a suspect that accounts for it alone.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Narrower {
    /// The part.
    pub(super) component: Component,
    /// By what it differs from its peers.
    pub(super) finding: Finding,
}

impl Narrower {
    pub(super) fn of(narrower: &model::Narrower) -> Self {
        let model::Narrower { component, finding } = narrower;
        Self { component: Component::of(component), finding: Finding::of(finding) }
    }
}

/// Why a restart would not help.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Obstacle {
    /// `version`, `attribute`, `peer`, `shared_dependency`, `overload`.
    pub(super) kind: String,
    /// What the fault follows.
    pub(super) subject: String,
    /// Components that a restart would be tried on in vain; empty for all.
    pub(super) victims: Vec<Component>,
    /// What failed and passed with and without it; all 0 for overload.
    pub(super) counts: Counts,
    /// Failing share with it less that without; of overload, load now over that of healthy windows.
    pub(super) effect: f64,
    /// The table of the p-value: `counts`; of calls to a peer, now against healthy windows in independent
    /// calls; all 0 for overload.
    pub(super) tested: Counts,
    /// Tables that were looked at.
    pub(super) tables: u64,
    /// One-sided p-value of Fisher's exact test of `tested`, times `tables`, at most 1. Of overload, that
    /// of the first of `load` among the others: Student's t of a further observation, whose standard
    /// deviation is at least the mean rate over the root of the mean number of requests.
    pub(super) p_value: f64,
    /// Of overload: requests a second and requests counted, now and then of each healthy window.
    pub(super) load: Vec<(f64, u64)>,
    /// What to do instead, for people.
    pub(super) sentence: String,
}

impl Sample {
    fn of(sample: &model::Sample) -> Self {
        let model::Sample { n, count, mean, variance } = *sample;
        Self { n, count, mean: finite(mean), variance: finite(variance) }
    }
}

impl Finding {
    pub(super) fn of(finding: &model::Finding) -> Self {
        let buckets = |times: &model::Histogram| {
            times.counts().iter().map(|&(b, n)| [b.lower(), b.upper(), n]).collect()
        };
        let times = finding.times.as_deref();
        Self {
            kind: finding.kind.name().to_owned(),
            subject: finding.subject.clone(),
            now: Sample::of(&finding.now),
            baseline: Sample::of(&finding.baseline),
            effect: finite(finding.effect),
            explained: finite(finding.explained),
            spread: finite(finding.spread),
            windows: finding.windows,
            sampling: finite(finding.sampling),
            error: finite(finding.error),
            interval: [finite(finding.interval.0), finite(finding.interval.1)],
            z: finite(finding.z),
            penalty: finite(finding.penalty),
            p_value: finite(finding.p_value),
            freedom: Some(finding.freedom).filter(|f| f.is_finite()),
            strength: finite(finding.strength),
            offset_us: finding.offset_us,
            times_now: times.map(|(now, _)| buckets(now)).unwrap_or_default(),
            times_baseline: times.map(|(_, before)| buckets(before)).unwrap_or_default(),
        }
    }
}

impl Obstacle {
    pub(super) fn of(obstacle: &model::Obstacle) -> Self {
        Self {
            kind: obstacle.kind.name().to_owned(),
            subject: obstacle.subject.clone(),
            victims: obstacle.victims.iter().map(Component::of).collect(),
            counts: Counts::of(obstacle.counts),
            effect: finite(obstacle.effect),
            tested: Counts::of(obstacle.tested),
            tables: obstacle.tables,
            p_value: finite(obstacle.p_value),
            load: obstacle.load.clone(),
            sentence: obstacle.sentence.clone(),
        }
    }
}
