//! The form of `resus.analysis/1`, field by field.
//!
//! The types here stand apart from the model's, so that the model can change and the form cannot by
//! accident. Instants are decimal text in nanoseconds since the Unix epoch (JSON numbers lose
//! digits above 2^53) beside RFC 3339; hashes and ids are hex text; no number is NaN or infinite.

use super::evidence::{Finding, Narrower, Obstacle};
use std::collections::BTreeMap;

use resus_plan::{NothingReason, PlanDocument, UnixNano, Withheld};
use schemars::JsonSchema;
use serde::Serialize;

/// The form's name and version.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) enum Format {
    /// The first and only version.
    #[serde(rename = "resus.analysis/1")]
    V1,
}

/// An analysis of traces: what goes with the failures, how sure that is, and what to restart.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "resus.analysis/1")]
pub(crate) struct AnalysisJson {
    /// Always `resus.analysis/1`.
    pub(super) format: Format,
    /// Version of the program that wrote it.
    pub(super) resus: String,
    /// The answer.
    pub(super) verdict: Verdict,
    /// The answer in a sentence, for people.
    pub(super) summary: String,
    /// At which grain components were suspected.
    pub(super) level: Level,
    /// What goes with the failures, most suspect first; empty unless the verdict is `suspects`.
    pub(super) suspects: Vec<Suspect>,
    /// What is missing for a verdict; empty unless the verdict is `no_verdict`.
    pub(super) no_verdict: Vec<Reason>,
    /// What detection found, entry operation by entry operation, largest effect first.
    pub(super) entries: Vec<Entry>,
    /// Weaker candidates, most suspect first, each with why it is not a suspect.
    pub(super) considered: Vec<Considered>,
    /// Components on every path, passing or failing: presence cannot tell about these.
    pub(super) on_every_path: Vec<Component>,
    /// What has decided who is suspect: `presence` in failed requests, or `evidence` of all kinds.
    pub(super) decided_by: String,
    /// Single replicas of suspected services that differ from their peers: there the contrast is sharper than
    /// at `level`. Empty at other levels than `service`.
    pub(super) narrower: Vec<Narrower>,
    /// Why a restart would not help, surest first; empty where nothing speaks against one.
    pub(super) obstacles: Vec<Obstacle>,
    /// The clustering of components with the failure vector, where there was one.
    pub(super) dendrogram: Option<Dendrogram>,
    /// The two simple methods that diagnosis is held against.
    pub(super) baselines: Baselines,
    /// Requests counted.
    pub(super) requests: Requests,
    /// The window explained.
    pub(super) window: Window,
    /// The healthy windows it was held against.
    pub(super) baseline_windows: Vec<Window>,
    /// True when the tool chose the windows from the data: p-values are conditional on that.
    pub(super) windows_chosen: bool,
    /// How the windows were chosen, for people.
    pub(super) windows_how: String,
    /// Facts that a reader must know to judge the answer.
    pub(super) notes: Vec<String>,
    /// What to restart, as a document of `resus.plan/1`; null without anything to do or a tree.
    pub(super) plan: Option<PlanDocument>,
    /// Why there is no plan; null where there is one, or no tree to plan with.
    pub(super) no_plan: Option<NothingReason>,
    /// Suspects for which nothing was planned, and why.
    pub(super) withheld: Vec<Withheld>,
    /// How good the data was. The only part that may differ for shuffled or repeated input.
    pub(super) quality: Quality,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the form's own word")]
pub(super) enum Verdict {
    /// Nothing deviates from the baseline.
    Healthy,
    /// Something may be wrong, but it cannot be told what.
    NoVerdict,
    /// Something goes with the failures.
    Suspects,
}

/// At which grain components are suspected.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// Services.
    Service,
    /// Instances of services.
    Instance,
    /// Operations of services.
    Operation,
    /// Versions of services.
    Version,
    /// Hosts with all that runs on them.
    Host,
}

/// Something that can be suspected.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Component {
    /// `service.name`.
    pub(super) service: String,
    /// `service.namespace`; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    /// The operation, at that level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<String>,
    /// The instance, at that level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
    /// The version, at that level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// The host, at that level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
}

/// Requests by failure and by presence of a component.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Counts {
    /// Failed, component present.
    pub(super) failed_with: u64,
    /// Failed, component absent.
    pub(super) failed_without: u64,
    /// Passed, component present.
    pub(super) passed_with: u64,
    /// Passed, component absent.
    pub(super) passed_without: u64,
}

/// A part of a component.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ClosestPart {
    /// The operation; null for the failed requests whose failure began at the component.
    pub(super) operation: Option<String>,
    /// The 2×2 table over requests as they were seen.
    pub(super) counts: Counts,
    /// Failing share with the part less that without it, -1 to 1.
    pub(super) effect: f64,
    /// One-sided p-value of Fisher's exact test of `counts`, times the number of parts looked at.
    pub(super) p_value: f64,
}

/// Component, score and proof.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Proof {
    /// The component.
    pub(super) component: Component,
    /// Larger is more suspect; comparable within one analysis: the probability, or the coefficient
    /// where presence alone has decided. A score without bound (DStar with
    /// nothing against the component) is written as the largest finite number.
    pub(super) score: f64,
    /// Name of the coefficient of presence. Where presence alone has decided, `score` is the mean of that
    /// of `counts` and that of the closest part's; that of `counts` alone where there is no part.
    pub(super) coefficient: String,
    /// Members of one group have identical presence and cannot be told apart.
    pub(super) group: u32,
    /// The 2×2 table over requests as they were seen.
    pub(super) counts: Counts,
    /// The same weighted by sampling, rounded to whole requests.
    pub(super) weighted: Counts,
    /// Distance to the failures, 0 to 1: the smaller of that in the dendrogram and the Jaccard
    /// distance of the closest part; at a level without a dendrogram that of the component itself.
    pub(super) distance: Option<f64>,
    /// Failing share with the component less that without it, -1 to 1.
    pub(super) effect: f64,
    /// One-sided p-value of Fisher's exact test of `counts`. Requests of one incident are not
    /// independent: read it beside the effect.
    pub(super) p_value: f64,
    /// Failed requests whose failure began at the component.
    pub(super) origins: u64,
    /// The part of it that goes with the failures most closely; null at levels without parts.
    pub(super) closest: Option<ClosestPart>,
    /// Distinct entry operations among the failed requests with the component.
    pub(super) failing_entries: u64,
    /// Probability that it is a cause, 0 to 1.
    pub(super) probability: f64,
    /// What each kind of evidence says, strongest first.
    pub(super) findings: Vec<Finding>,
    /// The proof in a sentence, for people.
    pub(super) sentence: String,
}

/// A component that goes with the failures.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Suspect {
    #[serde(flatten)]
    pub(super) proof: Proof,
    /// By which the failure is known again.
    pub(super) signature: Signature,
    /// Failing requests to look at; where none failed, the oddest one.
    pub(super) failing: Vec<Request>,
    /// A passing request of the nearest passing class of paths, if there is one.
    pub(super) nearest_passing: Option<Request>,
}

/// A candidate that is not among the suspects.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Considered {
    #[serde(flatten)]
    pub(super) proof: Proof,
    /// Why it is not a suspect.
    pub(super) rejected: String,
}

/// A stable name of a failure.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Signature {
    /// The whole name.
    pub(super) text: String,
    /// Entry operations that deviate, ascending.
    pub(super) entries: Vec<String>,
    /// The operation where most errors began; empty where none is known.
    pub(super) origin: String,
    /// The most frequent error type there; empty where none is known.
    pub(super) error_type: String,
    /// Kind of evidence.
    pub(super) evidence: String,
}

/// One request, enough to draw a waterfall of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Request {
    /// Its trace, 32 hex digits.
    pub(super) trace_id: String,
    /// The hash by which it was chosen among its class, 16 hex digits.
    pub(super) hash: String,
    /// What became of it.
    pub(super) outcome: RequestOutcome,
    /// Start of its earliest span, nanoseconds since the Unix epoch.
    pub(super) start_unix_nano: UnixNano,
    /// Its spans, parents before children.
    pub(super) spans: Vec<Span>,
    /// How many spans it had beyond these.
    pub(super) spans_left_out: u32,
}

/// What became of a request.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RequestOutcome {
    /// The entry span says that it went well.
    Passed,
    /// The entry span says that it failed.
    Failed,
    /// The caller gave up by itself.
    Cancelled,
    /// The entry span carries no status: only its duration and shape can tell.
    Unlabelled,
    /// There is no entry span.
    Unknown,
}

/// A span of a request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Span {
    /// Distance from its root.
    pub(super) depth: u32,
    /// `service.name`.
    pub(super) service: String,
    /// The operation.
    pub(super) operation: String,
    /// The instance; left out where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) instance: String,
    /// Role in a call.
    pub(super) kind: SpanKind,
    /// Start after the start of the request, nanoseconds.
    pub(super) offset_ns: u64,
    /// Duration, nanoseconds; negative where the source says so.
    pub(super) duration_ns: i64,
    /// It failed.
    pub(super) failed: bool,
    /// It failed, and none of its children did.
    pub(super) origin: bool,
}

/// The role of a span in a call.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SpanKind {
    /// The source does not say.
    Unspecified,
    /// Work inside a service.
    Internal,
    /// Handles a call from outside.
    Server,
    /// Makes a call.
    Client,
    /// Puts a message into a queue.
    Producer,
    /// Takes a message from a queue.
    Consumer,
}

/// Why there is no verdict.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reason {
    /// Which reason.
    pub(super) kind: ReasonKind,
    /// What there is, where it is a matter of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) have: Option<u64>,
    /// What it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) need: Option<u64>,
    /// Distance of the nearest component, where none is close enough, in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nearest_thousandths: Option<u32>,
    /// The distance that is close enough, in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cut_thousandths: Option<u32>,
    /// The reason, for people.
    pub(super) sentence: String,
    /// What to do about it.
    pub(super) what_to_do: String,
}

/// Which reason there is for no verdict.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReasonKind {
    /// No request in the window to be explained.
    NoRequests,
    /// No entry operation has enough requests.
    TooFewRequests,
    /// Something deviates, but too few requests failed.
    TooFewFailures,
    /// Something deviates, but too few requests passed to compare with.
    TooFewPasses,
    /// Failing and passing requests use the same components.
    NoContrast,
    /// No component goes with the failures closely enough.
    NothingClose,
    /// Requests are slow or take new paths, but no component differs enough from healthy windows.
    NothingStandsOut,
    /// The requests carry no status, and there is no baseline to tell slow from normal.
    NoBaseline,
    /// The memory guard dropped what this level needs.
    Coarsened,
    /// The level asked for is not in the data.
    LevelAbsent,
}

/// What detection found at one entry operation.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    /// The entry operation.
    pub(super) entry: Component,
    /// What counts as failed.
    pub(super) kind: FailureKind,
    /// Requests now, counted towards the share.
    pub(super) requests: u64,
    /// Failed ones among them.
    pub(super) failed: u64,
    /// Share now, 0 to 1, by sampling weight.
    pub(super) share: f64,
    /// Mean share over baseline windows; null without a baseline.
    pub(super) baseline_share: Option<f64>,
    /// Standard deviation of the share over baseline windows; null with fewer than two.
    pub(super) baseline_spread: Option<f64>,
    /// Share now less baseline share.
    pub(super) effect: f64,
    /// The table of the p-value, now (`with`) against healthy windows (`without`), in independent requests:
    /// divided by how much shares wander more than chance, and by what sampling weights cost; null without
    /// a baseline.
    pub(super) tested: Option<Counts>,
    /// One-sided p-value of Fisher's exact test of `tested`.
    pub(super) p_value: Option<f64>,
    /// What follows.
    pub(super) state: EntryState,
}

/// What makes a request count as failed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FailureKind {
    /// The outcome of its entry span.
    Error,
    /// Slower than the baseline's p99 of the same shape, or of a shape that it never showed.
    SlowOrUnseen,
}

/// What follows from what detection found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EntryState {
    /// The excess is beyond spread and minimum effect: looked into.
    Deviates,
    /// Within what healthy windows show.
    Within,
    /// Too few requests to say.
    TooFew,
}

/// The clustering of components with the failure vector.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Dendrogram {
    /// `average` (UPGMA), `single` or `complete`.
    pub(super) linkage: String,
    /// Distance at which the tree is cut.
    pub(super) cut: f64,
    /// What was clustered, numbered from 0.
    pub(super) leaves: Vec<Leaf>,
    /// Merges as scipy's `linkage` writes them: two cluster numbers (leaves first, then merges in
    /// order), distance, leaves in the new cluster.
    pub(super) merges: Vec<(u32, u32, f64, u32)>,
}

/// A leaf of the dendrogram.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Leaf {
    /// True for the failure vector itself.
    pub(super) failure: bool,
    /// Components with this very presence; empty for the failure vector.
    pub(super) components: Vec<Component>,
}

/// The simple methods that Pinpoint was held against.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Baselines {
    /// Components where errors showed first.
    pub(super) detection: Vec<Component>,
    /// Components on failed paths.
    pub(super) dependency: Vec<Component>,
}

/// Requests counted, as they were seen.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Requests {
    /// Failed ones.
    pub(super) failed: u64,
    /// Passed ones.
    pub(super) passed: u64,
}

/// A half-open stretch of time.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Window {
    /// First nanosecond inside, since the Unix epoch.
    pub(super) from_unix_nano: UnixNano,
    /// First nanosecond after.
    pub(super) to_unix_nano: UnixNano,
    /// The same in RFC 3339, UTC.
    pub(super) from: Option<String>,
    /// The same in RFC 3339, UTC; null where the window is open.
    pub(super) to: Option<String>,
}

/// How good the data was.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Quality {
    /// Spans taken, duplicates included.
    pub(super) spans: u64,
    /// Records left out.
    pub(super) skipped: u64,
    /// Records left out, by reason.
    pub(super) skipped_by: Vec<Skipped>,
    /// Leniencies applied while reading, with how often.
    pub(super) lenient: BTreeMap<String, u64>,
    /// Traces seen.
    pub(super) traces: u64,
    /// Spans whose parent is named but missing.
    pub(super) orphans: u64,
    /// Traces without a root span.
    pub(super) rootless: u64,
    /// Traces with more than one root span.
    pub(super) many_roots: u64,
    /// Spans left out as duplicates.
    pub(super) duplicates: u64,
    /// Of these, how many differed in content.
    pub(super) conflicting: u64,
    /// Spans in a parent cycle, cut open.
    pub(super) cyclic: u64,
    /// Spans with a negative duration.
    pub(super) negative_durations: u64,
    /// Spans with a duration of zero.
    pub(super) zero_durations: u64,
    /// Spans that start before their parent.
    pub(super) before_parent: u64,
    /// Spans that start before their parent on the same host.
    pub(super) before_parent_same_host: u64,
    /// Requests whose outcome is unknown.
    pub(super) unknown_outcomes: u64,
    /// Requests whose entry span carries no status at all.
    pub(super) unlabelled: u64,
    /// Requests that the caller cancelled.
    pub(super) cancelled: u64,
    /// Requests with a sampling weight other than 1.
    pub(super) weighted: u64,
    /// True when the sample looks biased towards failures: no weights, and most requests failed.
    pub(super) biased: bool,
    /// Requests outside every window.
    pub(super) outside: u64,
    /// Requests that failed, in any window.
    pub(super) failed: u64,
    /// Services named `unknown_service...`.
    pub(super) unknown_services: u64,
    /// Spans with links to other traces.
    pub(super) linked: u64,
    /// First start to last start.
    pub(super) range: Option<Window>,
}

/// Records left out for one reason.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Skipped {
    /// The field that was wrong.
    pub(super) field: String,
    /// How many.
    pub(super) count: u64,
    /// Where one of them is.
    pub(super) example: String,
}
