//! The plan as a document: what stands in `resus.plan/1`, field by field.
//!
//! A plan is read by people, by executors in any language, and by later versions of Resus, so the
//! words here are a contract. No field is a float: shares are integers in millionths, times are
//! integers in milliseconds or nanoseconds since the Unix epoch as decimal text (JSON numbers lose
//! digits above 2^53), scores are decimal text with six digits after the point.

use std::collections::BTreeSet;
use std::ops::Deref;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::executor::Executor;
use crate::names::{CellId, ContentHash, PlanId, RungName, UnixNano};

/// A plan as it is written, not yet known to be whole. [`Plan`] is one that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    /// Always `resus.plan/1`.
    pub schema: PlanSchema,
    /// SHA-256 over the canonical JSON (RFC 8785) of this document without this field.
    pub id: PlanId,
    /// What the plan was made from.
    pub made_from: MadeFrom,
    /// The plan's *now*: up to which start time the requests behind it were seen.
    pub watermark_unix_nano: UnixNano,
    /// From then on nobody may begin to execute it; it has to be made anew.
    pub expires_unix_nano: UnixNano,
    /// How far the operator lets Resus go with it: the weakest mode of all cells it touches.
    pub mode: Mode,
    /// Why, in one sentence.
    pub reason: String,
    /// The smallest cells that cover the suspects, most suspect first.
    pub targets: Vec<Target>,
    /// What to do, strictly one after the other.
    pub steps: Vec<Step>,
    /// What to do when a step fails or the deadline passes.
    pub on_failure: OnFailure,
    /// From the beginning of the first step to the end of the last, milliseconds; later means failure.
    pub deadline_ms: u64,
    /// How to tell that it worked.
    pub verify: Verify,
    /// Where to go when it did not work.
    pub next_rung: NextRung,
    /// The proof, suspect by suspect, most suspect first.
    pub evidence: Vec<SuspectEvidence>,
    /// What was not planned, and why.
    pub withheld: Vec<Withheld>,
}

/// The version of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlanSchema {
    /// The first and only version.
    #[serde(rename = "resus.plan/1")]
    V1,
}

/// Hashes of everything that went into a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MadeFrom {
    /// The restart tree's meaning.
    pub tree: ContentHash,
    /// The evidence.
    pub evidence: ContentHash,
    /// The policy.
    pub policy: ContentHash,
}

/// How far Resus may go with a cell. Weaker ones come first.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Say what is wrong; the plan is made, and nothing is done with it.
    #[default]
    Observe,
    /// Go through every gate and say what would have been done.
    Shadow,
    /// Act when a person has approved this very plan.
    Approve,
    /// Act.
    Auto,
}

/// A cell that was chosen to be restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The cell.
    pub cell: CellId,
    /// Its rung.
    pub rung: RungName,
    /// The suspects it covers, most suspect first.
    pub suspects: Vec<PlanComponent>,
}

/// A component in a plan.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct PlanComponent {
    /// `service.namespace`; left out where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `service.name`; empty at level host.
    pub service: String,
    /// The operation, at that level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The instance, at that level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The version, at that level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The host, at that level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its place, from 1 on; a step begins when the one before it has succeeded.
    pub order: u32,
    /// What to do.
    pub action: Action,
    /// To which cell.
    pub cell: CellId,
    /// The cell's rung.
    pub rung: RungName,
    /// By which executor, on which target of the operator's tree.
    pub executor: Executor,
    /// Empty: the whole target. Otherwise only these instances of it, as the traces name them: each
    /// has to equal an entry of the executor's own inventory, and only the inventory's bytes are
    /// ever sent. No equal entry is a failure, never a reason to restart the whole target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
    /// Why this step is there.
    pub because: Because,
    /// How long to let requests in flight end before the stop, milliseconds; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
    /// How long a restart is expected to take until it is ready, milliseconds.
    pub restart_time_ms: u64,
    /// How long after that its requests do not count for or against it, milliseconds.
    pub grace_ms: u64,
    /// Limits that this step is counted against, the cell's own and those of the cells above it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<StepBudget>,
}

/// What a step does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Stop it; a later step of the plan starts it again.
    Stop,
    /// Start what an earlier step stopped, and wait until it is ready.
    Start,
    /// Stop it, start it, and wait until it is ready.
    Restart,
}

/// Why a step is in a plan.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Its cell covers suspects.
    Suspect,
    /// Its cell is a part of this one, which covers suspects and has no executor of its own.
    PartOf(CellId),
    /// The tree says that restarting this cell obliges it (`requires`, or the strategy of the cell
    /// above both).
    Obliged(CellId),
}

/// At most so many restarts of a cell in so long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepBudget {
    /// Whose budget.
    pub cell: CellId,
    /// How many restarts.
    pub restarts: u32,
    /// In how long, milliseconds, sliding.
    pub per_ms: u64,
}

/// What an executor does when a step fails or the deadline passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Begin no further `stop` or `restart`; carry out the `start` of every cell stopped so far, in
    /// the plan's order; then report failure.
    StartStopped,
}

/// How to tell that a plan worked. Only requests that started after the last step's end and the
/// settling time count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Cured means that every one of these holds.
    pub entries: Vec<VerifyEntry>,
    /// Fewer requests than this at one of them is inconclusive.
    pub min_requests: u64,
    /// After the last step, milliseconds: requests that start earlier do not count.
    pub settle_ms: u64,
    /// For how long requests are watched after that, milliseconds.
    pub window_ms: u64,
}

/// The share of failed requests that an entry operation has to come down to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEntry {
    /// The entry operation.
    pub entry: PlanComponent,
    /// What counts as failed.
    pub failure: Failure,
    /// The share when the plan was made, in millionths.
    pub share_before_ppm: u32,
    /// The share that it must not exceed, in millionths.
    pub share_at_most_ppm: u32,
}

/// What makes a request count as failed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The outcome of its entry span.
    Error,
    /// Slower than the baseline's p99 of the same shape, or of a shape that the baseline never
    /// showed.
    SlowOrUnseen,
}

/// Where to go when a restart did not cure.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NextRung {
    /// Restart this cell.
    Cell(CellId),
    /// Call a person: nothing is left to restart.
    Human,
}

/// The proof against a suspect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspectEvidence {
    /// The suspect.
    pub component: PlanComponent,
    /// Members of one group have identical presence and cannot be told apart.
    pub group: u32,
    /// The 2×2 table over raw counts.
    pub counts: TableOfFour,
    /// Name of the coefficient of presence.
    pub coefficient: String,
    /// Larger is more suspect: the probability that it is a cause, or the coefficient where presence
    /// alone has decided. Decimal text, six digits after the point.
    pub score: String,
    /// Failing share with the component less that without it, decimal text, six digits.
    pub effect: String,
    /// One-sided Fisher exact p-value, in the form `1.234e-5`.
    pub p_value: String,
    /// Failed requests whose failure began at this component.
    pub origins: u64,
    /// The part of it that goes with the failures most closely; at levels that have parts, the
    /// coefficient is the mean of that of the whole and that of this part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closest: Option<ClosestEvidence>,
    /// By which history knows this failure again.
    pub signature: PlanSignature,
    /// Trace ids of failing requests with the component, 32 hex digits.
    pub failing_traces: Vec<String>,
    /// Trace id of a passing request of the nearest passing class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passing_trace: Option<String>,
}

/// The part of a suspect that goes with the failures most closely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClosestEvidence {
    /// The operation; absent for the set of failed requests whose failure began at the suspect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Its 2×2 table over raw counts.
    pub counts: TableOfFour,
    /// Failing share with the part less that without it, decimal text, six digits.
    pub effect: String,
    /// One-sided p-value, corrected for the number of parts, in the form `1.234e-5`.
    pub p_value: String,
}

/// Requests by failure and by presence of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableOfFour {
    /// Failed, component present.
    pub failed_with: u64,
    /// Failed, component absent.
    pub failed_without: u64,
    /// Passed, component present.
    pub passed_with: u64,
    /// Passed, component absent.
    pub passed_without: u64,
}

/// A stable name of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanSignature {
    /// Entry operations that deviate, ascending.
    pub entries: Vec<String>,
    /// The operation where most errors began; empty where none is known.
    pub origin: String,
    /// The most frequent error type there; empty where none is known.
    pub error_type: String,
    /// Kind of evidence.
    pub evidence: String,
}

/// A suspect for which nothing was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// The suspect.
    pub component: PlanComponent,
    /// Its cell, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<CellId>,
    /// Why, for machines.
    pub reason: WithheldReason,
    /// Why, for people: one sentence.
    pub detail: String,
    /// The nearest cell above that could be restarted instead; only where the cell itself cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rung: Option<NextRung>,
}

/// Why nothing was planned for a suspect.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum WithheldReason {
    /// No cell of the tree matches it.
    Unmatched,
    /// Several cells match it that do not lie on one line from the root.
    Ambiguous,
    /// Its score is too far below the best.
    BelowMargin,
    /// Its cell cannot be restarted by itself.
    NotRestartable,
    /// Its cell, or a cell that would be restarted with it, is protected.
    Protected,
    /// Its cell holds several slots, and the traces do not tell which one this instance is in.
    SlotUnknown,
    /// A better suspect was withheld for one of the reasons above: to restart a weaker one instead
    /// would be a guess.
    AfterBetter,
    /// More cells are suspected than the policy lets one plan restart.
    OverMaxCells,
    /// No entry operation deviates by which one could tell whether a restart worked.
    NotVerifiable,
}

/// A whole plan: its id is the hash of its content, its steps make sense. Cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
#[must_use = "a plan says what was withheld as well as what to do"]
pub struct Plan(PlanDocument);

/// What `propose` comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[must_use = "doing nothing is a proposal too, and it says why"]
pub enum Proposal {
    /// Restart something.
    Plan(Box<Plan>),
    /// Do nothing.
    Nothing(Nothing),
}

/// Do nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nothing {
    /// Why.
    pub reason: NothingReason,
    /// The suspects, each with why nothing was planned for it.
    pub withheld: Vec<Withheld>,
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NothingReason {
    /// Nothing is wrong.
    Healthy,
    /// It cannot be told what is wrong.
    NoVerdict,
    /// There are suspects, and every one was withheld: `withheld` says why.
    AllWithheld,
}

/// A plan on its way to an executor. The two numbers belong to the sending, not to the plan, and
/// lie outside its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// What to do.
    pub plan: Plan,
    /// Grows with every change of leader; an executor refuses one below the highest it has seen.
    pub fence: u64,
    /// The same key twice is the same request: it has at most one effect.
    pub idempotency_key: String,
}

/// Why a text is not a plan that may be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It is not JSON, or not the JSON of a plan.
    #[error("read the plan: {0}; a plan is written by `resus analyze` and must not be edited")]
    Form(#[source] serde_json::Error),
    /// It is a plan of another version.
    #[error(
        "read the plan: its schema is {found:?}, and this program knows `resus.plan/1`; make the plan anew with this version, or execute it with the one that made it"
    )]
    Version {
        /// What its `schema` says.
        found: String,
    },
    /// Its content is not what its id was made of.
    #[error(
        "accept the plan: its content hashes to {computed} but it says {claimed}; it was changed after it was made, so make it anew"
    )]
    Tampered {
        /// The id it carries.
        claimed: PlanId,
        /// The id of its content.
        computed: PlanId,
    },
    /// Its content is whole and makes no sense.
    #[error("accept the plan: {0}; make it anew")]
    Senseless(String),
}

impl Proposal {
    /// The plan, if there is one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Plan(plan) => Some(plan),
            Self::Nothing(_) => None,
        }
    }

    /// Suspects for which nothing was planned.
    #[must_use]
    pub fn withheld(&self) -> &[Withheld] {
        match self {
            Self::Plan(plan) => &plan.withheld,
            Self::Nothing(nothing) => &nothing.withheld,
        }
    }
}

impl Deref for Plan {
    type Target = PlanDocument;

    fn deref(&self) -> &PlanDocument {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = PlanDocument::deserialize(deserializer)?;
        Self::admit(document).map_err(serde::de::Error::custom)
    }
}

impl Plan {
    /// Reads a plan, and refuses one that is of another version, was changed after it was made, or
    /// makes no sense. Whether it has expired, and whether the tree still says the same, is for
    /// whoever executes it to ask.
    ///
    /// # Errors
    /// Says which of these it is.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let head: Head = serde_json::from_str(text).map_err(PlanError::Form)?;
        if head.schema != "resus.plan/1" {
            return Err(PlanError::Version { found: head.schema });
        }
        Self::admit(serde_json::from_str(text).map_err(PlanError::Form)?)
    }

    /// The document as indented JSON, ending in a newline.
    ///
    /// # Panics
    /// Never: every part of a plan has a JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.0).expect("a plan has only JSON types");
        text.push('\n');
        text
    }

    /// Gives a document its id.
    pub(crate) fn seal(mut document: PlanDocument) -> Self {
        document.id = content_id(&document);
        debug_assert_eq!(sense(&document), Ok(()));
        Self(document)
    }

    fn admit(document: PlanDocument) -> Result<Self, PlanError> {
        let computed = content_id(&document);
        if document.id != computed {
            return Err(PlanError::Tampered { claimed: document.id, computed });
        }
        sense(&document).map_err(PlanError::Senseless)?;
        Ok(Self(document))
    }
}

pub(crate) fn content_id(document: &PlanDocument) -> PlanId {
    let mut value = serde_json::to_value(document).expect("a plan has only JSON types");
    if let Some(object) = value.as_object_mut() {
        object.remove("id");
    }
    PlanId::new(ContentHash::of(canonical::json(&value).as_bytes()))
}

/// The rules that every plan keeps, whoever made it.
fn sense(plan: &PlanDocument) -> Result<(), String> {
    if plan.steps.is_empty() {
        return Err("it has no steps".to_owned());
    }
    if plan.targets.is_empty() {
        return Err("it has no targets".to_owned());
    }
    if plan.expires_unix_nano <= plan.watermark_unix_nano {
        return Err("it expires before it was made".to_owned());
    }
    let mut done: BTreeSet<&CellId> = BTreeSet::new();
    let mut stopped: BTreeSet<&CellId> = BTreeSet::new();
    for (step, order) in plan.steps.iter().zip(1_u32..) {
        let Step { order: found, action, cell, executor, .. } = step;
        if *found != order {
            return Err(format!("step {order} says that it is step {found}"));
        }
        executor.check().map_err(|e| format!("step {order} has a bad target: {e}"))?;
        let fits = match action {
            Action::Stop => !done.contains(cell) && stopped.insert(cell),
            Action::Start => stopped.remove(cell) && done.insert(cell),
            Action::Restart => !stopped.contains(cell) && done.insert(cell),
        };
        if !fits {
            return Err(format!("step {order} does not fit what earlier steps did to `{cell}`"));
        }
    }
    if plan.verify.entries.is_empty() {
        return Err("it watches no entry operation, so nobody could tell that it worked".to_owned());
    }
    match stopped.first() {
        Some(cell) => Err(format!("it stops `{cell}` and never starts it again")),
        None => Ok(()),
    }
}
