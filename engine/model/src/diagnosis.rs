//! What is concluded from Evidence: healthy, no verdict, or suspects with their proof.

use std::fmt;

use crate::{Exemplar, Finding, Obstacle, Outcome, Window};

/// What can be suspected, at which grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A service.
    Service,
    /// An instance of a service.
    Instance,
    /// An operation of a service.
    Operation,
    /// A version of a service.
    Version,
    /// A host, with all that runs on it.
    Host,
}

/// Something that can be suspected. Texts, so that it stands alone; ordered as its texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Component {
    /// `service.name`; empty at level host.
    pub service: String,
    /// `service.namespace`; empty where there is none.
    pub namespace: String,
    /// The operation, at that level.
    pub operation: Option<String>,
    /// The instance, at that level.
    pub instance: Option<String>,
    /// `service.version`, at that level.
    pub version: Option<String>,
    /// The host, at that level.
    pub host: Option<String>,
}

impl fmt::Display for Component {
    /// `namespace/service` (the namespace only where there is one), then ` operation`, `@instance` or
    /// ` version V`; `host H` for a host.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, namespace, operation, instance, version, host } = self;
        if let Some(host) = host {
            return write!(f, "host {host}");
        }
        if !namespace.is_empty() {
            write!(f, "{namespace}/")?;
        }
        f.write_str(service)?;
        if let Some(operation) = operation {
            write!(f, " {operation}")?;
        }
        if let Some(instance) = instance {
            write!(f, "@{instance}")?;
        }
        if let Some(version) = version {
            write!(f, " version {version}")?;
        }
        Ok(())
    }
}

/// Requests by failure and by presence of a component, the 2×2 table of spectrum-based fault
/// localisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Failed, component present.
    pub failed_with: u64,
    /// Failed, component absent.
    pub failed_without: u64,
    /// Passed, component present.
    pub passed_with: u64,
    /// Passed, component absent.
    pub passed_without: u64,
}

/// What made a request count as failed in this diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The outcome of its entry span.
    Error,
    /// Slower than the baseline's p99 of the same shape (at a bucket edge), or of a shape that the
    /// baseline never showed.
    SlowOrUnseen,
}

/// What detection found at one entry operation.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryFinding {
    /// The entry operation.
    pub entry: Component,
    /// Which share is meant.
    pub kind: FailureKind,
    /// Requests now, counted towards the share.
    pub requests: u64,
    /// Failed ones among them.
    pub failed: u64,
    /// Share now, 0 to 1, by sampling weight.
    pub share: f64,
    /// Mean share over baseline windows, 0 to 1; `None` without a baseline.
    pub baseline_share: Option<f64>,
    /// Standard deviation of the share over baseline windows; `None` with fewer than two.
    pub baseline_spread: Option<f64>,
    /// Share now less baseline share (an effect, in points of share).
    pub effect: f64,
    /// The table of the p-value, now (*with*) against healthy windows (*without*), in independent
    /// requests: numbers are divided by how much shares wander more than chance, and by what sampling
    /// weights cost.
    pub tested: Option<Counts>,
    /// One-sided p-value (Fisher) of `tested`; conditional on the windows where the tool chose them.
    pub p_value: Option<f64>,
    /// What follows.
    pub state: EntryState,
}

/// What follows from an [`EntryFinding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryState {
    /// The excess is beyond spread and minimum effect: looked into.
    Deviates,
    /// Within what healthy windows show.
    Within,
    /// Too few requests to say.
    TooFew,
}

/// How a suspect goes with the failures, the Pinpoint way.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// The 2×2 table over raw counts.
    pub counts: Counts,
    /// The same weighted by sampling, rounded to whole requests.
    pub weighted: Counts,
    /// Name of the coefficient, which `score` is of where presence alone has decided.
    pub coefficient: &'static str,
    /// Distance to the failures, 0 to 1: the smaller of the cophenetic distance to the failure vector
    /// in the dendrogram and the Jaccard distance of the closest part. At a level without a
    /// dendrogram the Jaccard distance of the component itself; `None` where it was not clustered.
    pub distance: Option<f64>,
    /// Failing share with the component less that without it, in points of share.
    pub effect: f64,
    /// One-sided Fisher exact p-value of the table; requests of one incident are not independent,
    /// so read it beside the effect.
    pub p_value: f64,
    /// Distinct entry operations among the failed requests with the component.
    pub failing_entries: u64,
    /// Failed requests whose failure began at this component: its spans failed and none of their
    /// children did, or they called a set of children that healthy requests never showed.
    pub origins: u64,
    /// The part that goes with the failures most closely; `score` is the mean of the coefficient of
    /// the whole and that of this part. `None` at levels that have no parts.
    pub closest: Option<ClosestPart>,
}

/// A part of a component that goes with the failures.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosestPart {
    /// The operation; `None` for the set of failed requests whose failure began at the component.
    pub operation: Option<String>,
    /// Its 2×2 table over raw counts.
    pub counts: Counts,
    /// Failing share with the part less that without it, in points of share.
    pub effect: f64,
    /// One-sided Fisher exact p-value of its table, times the number of parts that it is the closest
    /// of (Bonferroni), at most 1.
    pub p_value: f64,
}

/// A part of a suspect that accounts for it alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Narrower {
    /// The part.
    pub component: Component,
    /// By what it differs from its peers.
    pub finding: Finding,
}

/// What has decided who is suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecidedBy {
    /// Presence in failed requests: scores are coefficients.
    #[default]
    Presence,
    /// The strongest evidence of any kind: scores are probabilities.
    Evidence,
}

impl DecidedBy {
    /// As it is written in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Evidence => "evidence",
        }
    }
}

/// A component that may be to blame.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The component.
    pub component: Component,
    /// Larger is more suspect; comparable within one diagnosis.
    pub score: f64,
    /// Members of one group have identical presence and equal strength, and cannot be told apart.
    pub group: u32,
    /// The proof.
    pub presence: Presence,
    /// Probability that it is a cause, 0 to 1, calibrated on generated faults; those of one diagnosis
    /// and that of *none of them* add up to 1. Where presence alone has decided it is a rough share of
    /// how often that is right, and not calibrated.
    pub probability: f64,
    /// What each kind of evidence says about it, strongest first.
    pub findings: Vec<Finding>,
    /// Why it is not among the suspects; empty for suspects.
    pub rejected: String,
}

/// A candidate that is among the suspects.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspect {
    /// Component, score and proof.
    pub candidate: Candidate,
    /// By which history knows this failure again.
    pub signature: Signature,
    /// Failing requests to look at: trace and its class's nearest passing one.
    pub failing: Vec<ExemplarText>,
    /// A passing request of the nearest passing class, if there is one.
    pub nearest_passing: Option<ExemplarText>,
}

/// An exemplar with its texts, so that it stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExemplarText {
    /// What became of it.
    pub outcome: Outcome,
    /// The request; indexes in its spans point into `operations` and `instances` below.
    pub exemplar: Exemplar,
    /// (service, operation) of each operation index used, ascending.
    pub operations: Vec<(String, String)>,
    /// Instance texts used, ascending.
    pub instances: Vec<String>,
}

/// A stable name of a failure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// Entry operations that deviate, ascending.
    pub entries: Vec<String>,
    /// The operation where most errors began; empty where none is known.
    pub origin: String,
    /// The most frequent error type there; empty where none is known.
    pub error_type: String,
    /// Kind of evidence (`presence-error`, `presence-slow`).
    pub evidence: String,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, origin, error_type, evidence } = self;
        write!(f, "{evidence}|{origin}|{error_type}|{}", entries.join(","))
    }
}

/// One merge of a dendrogram, numbered as scipy does: leaves 0 to n-1, then merges in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    /// The smaller cluster number.
    pub left: u32,
    /// The larger cluster number.
    pub right: u32,
    /// Distance at which they merge.
    pub distance: f64,
    /// Leaves in the new cluster.
    pub size: u32,
}

/// The whole clustering of components with the failure vector.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dendrogram {
    /// `average` (UPGMA), `single`, or `complete`.
    pub linkage: &'static str,
    /// Distance at which the tree is cut.
    pub cut: f64,
    /// Leaves: each a set of components with identical presence; an empty set is the failure vector.
    pub leaves: Vec<Vec<Component>>,
    /// Merges, nearest first; one fewer than leaves.
    pub merges: Vec<Merge>,
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNoVerdict {
    /// No request in the window to be explained.
    NoRequests,
    /// No entry operation has enough requests.
    TooFewRequests {
        /// What the best one has.
        have: u64,
        /// What it takes.
        need: u64,
    },
    /// Something deviates, but too few requests failed.
    TooFewFailures {
        /// What there is.
        have: u64,
        /// What it takes.
        need: u64,
    },
    /// Something deviates, but too few requests passed to compare with.
    TooFewPasses {
        /// What there is.
        have: u64,
        /// What it takes.
        need: u64,
    },
    /// Failing and passing requests use the same components.
    NoContrast,
    /// No component goes with the failures closely enough.
    NothingClose {
        /// Distance of the closest, in thousandths.
        nearest_thousandths: u32,
        /// The cut, in thousandths.
        cut_thousandths: u32,
    },
    /// Requests are slow or take new paths, but no component differs enough from healthy windows.
    NothingStandsOut {
        /// Strength of the strongest evidence, in thousandths of what a healthy window shows at most.
        strongest_thousandths: u32,
        /// What it takes.
        threshold_thousandths: u32,
    },
    /// The requests carry no status, and there is no baseline to tell slow from normal.
    NoBaseline,
    /// The memory guard dropped what this level needs.
    Coarsened,
    /// The level asked for is not in the data (no instance on any span).
    LevelAbsent,
}

/// Exactly one of three answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing deviates from the baseline.
    Healthy,
    /// Something may be wrong, but it cannot be told what.
    NoVerdict(Vec<WhyNoVerdict>),
    /// Ranked, most suspect first; never empty.
    Suspects(Vec<Suspect>),
}

/// The result of a diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// The answer.
    pub verdict: Verdict,
    /// At which grain.
    pub level: Level,
    /// The window explained.
    pub window: Window,
    /// The healthy windows it was held against.
    pub baselines: Vec<Window>,
    /// True when the tool chose the windows from the data: p-values are conditional on that.
    pub windows_chosen: bool,
    /// What detection found, entry operation by entry operation, largest effect first.
    pub entries: Vec<EntryFinding>,
    /// Weaker candidates, most suspect first, each with why it is not a suspect.
    pub considered: Vec<Candidate>,
    /// Components on every path, passing or failing: presence cannot tell about these.
    pub on_every_path: Vec<Component>,
    /// The clustering, where there was one.
    pub dendrogram: Option<Dendrogram>,
    /// The paper's baseline "detection": components where errors showed first.
    pub detection: Vec<Component>,
    /// The paper's baseline "dependency": components on failed paths.
    pub dependency: Vec<Component>,
    /// Requests counted: failed and passed, raw.
    pub failed: u64,
    /// See `failed`.
    pub passed: u64,
    /// What has decided who is suspect.
    pub decided_by: DecidedBy,
    /// Single replicas of suspected services that differ from their peers: there the contrast is sharper
    /// than at the level of the diagnosis. Empty at other levels.
    pub narrower: Vec<Narrower>,
    /// Why a restart would not help, surest first; empty where nothing speaks against one.
    pub obstacles: Vec<Obstacle>,
    /// Facts that a reader must know to judge the answer.
    pub notes: Vec<String>,
}

impl Diagnosis {
    /// The suspects; empty unless the verdict is [`Verdict::Suspects`].
    #[must_use]
    pub fn suspects(&self) -> &[Suspect] {
        match &self.verdict {
            Verdict::Suspects(suspects) => suspects,
            Verdict::Healthy | Verdict::NoVerdict(_) => &[],
        }
    }
}
