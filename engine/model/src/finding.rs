//! What one kind of evidence says about one component, and why a restart may not help.

use crate::{Component, Counts, Histogram};

/// A way in which traces tell of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceKind {
    /// Failed requests are those that the component took part in (Pinpoint, DSN 2002).
    Presence,
    /// Failures began at its spans: they failed, and no child of theirs did.
    Origin,
    /// Log records or events of level ERROR on its spans.
    ErrorEvents,
    /// Its spans take longer, less what their children cover.
    SelfTime,
    /// Calls to it take longer than it works on them: network, queue, start-up.
    Gap,
    /// Its spans call other children than they did, or others less often.
    Structure,
    /// Its share of the calls of its neighbours has changed (component interaction).
    Interaction,
    /// More of its spans run at a time than the load explains.
    Saturation,
}

impl EvidenceKind {
    /// As it is written in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Origin => "origin",
            Self::ErrorEvents => "error_events",
            Self::SelfTime => "self_time",
            Self::Gap => "gap",
            Self::Structure => "structure",
            Self::Interaction => "interaction",
            Self::Saturation => "saturation",
        }
    }
}

/// What is measured of an item on one side.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Spans (calls, requests) that were looked at.
    pub n: u64,
    /// Those of them that show what is counted; for times, 0.
    pub count: u64,
    /// Shares: `count / n`. Times: mean of `ln(t + 50 µs)`, `t` in µs. Structure: calls a span.
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
    /// In all healthy windows together.
    pub baseline: Sample,
    /// `now.mean - baseline.mean`.
    pub effect: f64,
    /// What of the effect other components account for; taken off before it is judged.
    pub explained: f64,
    /// Standard deviation of the effect between healthy windows, beyond sampling; includes the floor.
    pub spread: f64,
    /// Healthy windows in which the item occurs.
    pub windows: u32,
    /// Standard error of the effect: `sqrt(spread² + variances / n)`.
    pub error: f64,
    /// 95 % interval of `effect - explained`.
    pub interval: (f64, f64),
    /// `(effect - explained) / error`.
    pub z: f64,
    /// One-sided p-value of `z`, Student's t with `freedom` degrees.
    pub p_value: f64,
    /// Degrees of freedom behind `error`.
    pub freedom: f64,
    /// Comparable between kinds: how far `z` lies beyond what the kind shows in healthy windows.
    pub strength: f64,
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
    /// One-sided p-value of the table (Fisher), corrected for how many were looked at.
    pub p_value: f64,
    /// What to do instead, and the figures, in a sentence.
    pub sentence: String,
}
