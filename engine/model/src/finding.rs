//! What one kind of evidence says about one component, and why a restart may not help.

use crate::{Component, Counts, Histogram};

/// A way in which traces tell of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceKind {
    /// Requests that it takes part in fail at its spans.
    Throws,
    /// Requests that it takes part in fail at spans of its callers, which stumble over its answers.
    Misleads,
    /// Requests fail at another component mostly when this one takes part, too.
    Meets,
    /// Failures began at its spans: they failed, and no child of theirs did.
    Origin,
    /// Log records or events of level ERROR on its spans.
    ErrorEvents,
    /// Its spans take longer, less what their children cover.
    SelfTime,
    /// Calls to it take longer than it works on them: network, queue, start-up.
    Gap,
    /// Its spans call a child more often or less often than they did.
    Calls,
    /// Its spans call sets of children that they did not.
    Children,
    /// More spans of a replica fail by themselves than of its peers: the baseline is its peers now.
    ReplicaErrors,
    /// Spans of a replica take longer than those of its peers now.
    ReplicaTimes,
}

impl EvidenceKind {
    /// As it is written in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throws => "throws",
            Self::Misleads => "misleads",
            Self::Meets => "meets",
            Self::Origin => "origin",
            Self::ErrorEvents => "error_events",
            Self::SelfTime => "self_time",
            Self::Gap => "gap",
            Self::Calls => "calls",
            Self::Children => "children",
            Self::ReplicaErrors => "replica_errors",
            Self::ReplicaTimes => "replica_times",
        }
    }

    /// True of the kinds that count requests, not spans, and judge them by likelihood.
    #[must_use]
    pub const fn counts_requests(self) -> bool {
        matches!(self, Self::Throws | Self::Misleads | Self::Meets)
    }

    /// True of the kinds that measure times.
    #[must_use]
    pub const fn measures_times(self) -> bool {
        matches!(self, Self::SelfTime | Self::Gap | Self::ReplicaTimes)
    }
}

/// What is measured of an item on one side.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Spans (calls, requests) that were looked at.
    pub n: u64,
    /// Those of them that show what is counted; for times, 0.
    pub count: u64,
    /// Shares: `count / n`; [`EvidenceKind::Calls`]: calls a span; of the baseline, weighted as the
    /// entry operations are now. Times: mean of `ln(t + offset)` of [`Finding::offset_us`].
    pub mean: f64,
    /// Variance of a single observation.
    pub variance: f64,
}

/// One item of a component (an operation, an edge, a child) held against healthy windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which way of telling.
    pub kind: EvidenceKind,
    /// What it is about: an operation, or `caller → callee`.
    pub subject: String,
    /// In the window to be explained.
    pub now: Sample,
    /// In all healthy windows together; of a replica, its peers now.
    pub baseline: Sample,
    /// `now.mean - baseline.mean`.
    pub effect: f64,
    /// What of the effect other components account for, or what is usual for a replica; taken off before
    /// it is judged.
    pub explained: f64,
    /// Standard deviation of the effect between healthy windows, beyond sampling; includes the floor.
    pub spread: f64,
    /// Healthy windows in which the item occurs.
    pub windows: u32,
    /// Variance of the effect by sampling: that of the mean now and that of the weighted baseline.
    pub sampling: f64,
    /// Standard error of the effect: `sqrt(spread² + sampling)`.
    pub error: f64,
    /// 95 % interval of `effect - explained`: of Student's t; where requests are counted, Newcombe's of
    /// two shares (Statistics in Medicine 1998, method 10).
    pub interval: (f64, f64),
    /// `(effect - explained) / error`, its size where fewer is as odd as more. Where requests are
    /// counted, the root of twice what the log-likelihood ratio exceeds [`Finding::penalty`] by (Wilks
    /// 1938).
    pub z: f64,
    /// Nats taken off the log-likelihood ratio where requests are counted: what the kind starts behind,
    /// and the logarithm of how many operations it was picked from.
    pub penalty: f64,
    /// p-value of `z`, Student's t with `freedom` degrees: one-sided, two-sided where fewer is as odd as
    /// more.
    pub p_value: f64,
    /// Degrees of freedom behind `error`; infinite for the normal distribution.
    pub freedom: f64,
    /// Comparable between kinds: how far `z` lies beyond what the kind shows in healthy windows.
    pub strength: f64,
    /// What is added to times before the logarithm is taken, microseconds; `None` for other kinds.
    pub offset_us: Option<f64>,
    /// Histograms now and before, nanoseconds, where times are compared.
    pub times: Option<Box<(Histogram, Histogram)>>,
}

/// Why a restart would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObstacleKind {
    /// The fault follows one version: roll it back.
    Version,
    /// The fault follows a tenant, an input, a route: quarantine it.
    Attribute,
    /// The fault lies in a callee that sends no spans: not ours to restart.
    Peer,
    /// Many components suffer from one dependency: leave the victims alone.
    SharedDependency,
    /// There is more load than the system bears: a restart makes it worse.
    Overload,
}

impl ObstacleKind {
    /// As it is written in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Attribute => "attribute",
            Self::Peer => "peer",
            Self::SharedDependency => "shared_dependency",
            Self::Overload => "overload",
        }
    }
}

/// Proof that a restart would not help. It blocks one.
#[derive(Debug, Clone, PartialEq)]
pub struct Obstacle {
    /// What kind of cause.
    pub kind: ObstacleKind,
    /// What the fault follows: `cart version 1.3`, `tenant=t07`, the peer's name.
    pub subject: String,
    /// Components that a restart would be tried on in vain, ascending; empty for all.
    pub victims: Vec<Component>,
    /// Failed and passed requests with and without it; of overload, all zero.
    pub counts: Counts,
    /// Failing share with it less that without, in points of share; of overload, the load now over
    /// that of healthy windows.
    pub effect: f64,
    /// The table of the p-value: `counts`, but calls to a peer are held against healthy windows in
    /// independent calls, as in [`crate::EntryFinding::tested`]; all zero for overload.
    pub tested: Counts,
    /// Tables that were looked at.
    pub tables: u64,
    /// One-sided p-value (Fisher) of `tested`, times `tables`, at most 1 (Bonferroni). Of overload, that
    /// of the rate now among those of healthy windows (prediction interval, Student's t).
    pub p_value: f64,
    /// Of overload: requests a second and requests counted, now and then of each healthy window.
    pub load: Vec<(f64, u64)>,
    /// What to do instead, and the figures, in a sentence.
    pub sentence: String,
}
