//! Evidence: everything that diagnosis needs to know about a set of requests, as a mergeable summary.
//!
//! An [`Evidence`] is canonical: every list in it is sorted by its key and holds no key twice, every
//! index points into a sorted table, and nothing in it is a float. Two Evidences that say the same
//! are equal, byte for byte, whatever the order in which their requests were seen. Building and
//! merging are done by the `evidence` crate; this module only says what is in one.
//!
//! Texts are spoken of by their index in [`Evidence::names`], operations by their index in
//! [`Evidence::operations`], shapes by their index in [`Evidence::shapes`], classes by their index
//! in [`Evidence::classes`].

use crate::{Fingerprint, Histogram, Kind, Quality, TraceId, Window};

/// A mergeable summary of the requests that started in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The label and identity rules under which it was made. Others do not merge with it.
    pub rules: Fingerprint,
    /// What the window is: the incident, a healthy stretch, or not yet told.
    pub role: Role,
    /// The window; requests belong to it by their earliest span start.
    pub window: Window,
    /// Whether the memory guard has coarsened it.
    pub exactness: Exactness,
    /// All texts, ascending, each once.
    pub names: NameTable,
    /// All operations, ascending, each once.
    pub operations: Vec<OperationKey>,
    /// All path shapes, ascending, each once.
    pub shapes: Vec<Shape>,
    /// Path classes, ascending by key.
    pub classes: Vec<PathClass>,
    /// Which instance, version or host took part in the paths of a class.
    pub marginals: Vec<Marginal>,
    /// What each service did in each place where it ran, over all requests.
    pub places: Vec<Place>,
    /// Per entry operation: what each operation did in its requests.
    pub operation_stats: Vec<OperationStats>,
    /// Per entry operation: who called whom.
    pub edges: Vec<Edge>,
    /// Per entry operation: which children an operation called (the path grammar).
    pub productions: Vec<Production>,
    /// Per entry operation: callees that were named by a caller and sent no span of their own.
    pub peers: Vec<Peer>,
    /// Attribute values of entry spans by class.
    pub attributes: Vec<AttributeValue>,
    /// A sample of whole attribute rows by class: those of smallest hash.
    pub attribute_rows: Vec<AttributeRow>,
    /// Counters of data quality of what was read for it.
    pub quality: Quality,
}

/// What a window stands for in a diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The stretch to be explained.
    Now,
    /// A healthy stretch.
    Baseline,
    /// One of many equal stretches that nobody has sorted yet.
    Pane,
}

/// How much of the class key was kept. Coarser wins when two are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exactness {
    /// Everything.
    Exact,
    /// Shapes were dropped; sets of operations are kept.
    ShapesDropped,
    /// Shapes and sets of operations were dropped; totals by entry operation are kept.
    OperationsDropped,
}

/// All texts, ascending, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameTable(Vec<String>);

impl NameTable {
    /// Sorts texts and drops repeats.
    #[must_use]
    pub fn of(mut texts: Vec<String>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        Self(texts)
    }

    /// The text of an index.
    ///
    /// # Panics
    /// When the index comes from a larger table.
    #[must_use]
    pub fn text(&self, index: u32) -> &str {
        &self.0[index as usize]
    }

    /// The index of a text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        self.0
            .binary_search_by(|t| t.as_str().cmp(text))
            .ok()
            .map(|i| u32::try_from(i).expect("tables hold fewer than 2^32 texts"))
    }

    /// The texts in order.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.0
    }
}

/// An operation of a service; each part an index into [`Evidence::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationKey {
    /// `service.name`.
    pub service: u32,
    /// `service.namespace`; the empty text where there is none.
    pub namespace: u32,
    /// Span name, templated by the rules.
    pub operation: u32,
}

/// The tree of operations of a request, equal siblings collapsed and their order ignored.
///
/// Nodes in pre-order; siblings ascending. A request in pieces (parents missing) has several nodes
/// of depth 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Shape(pub Box<[ShapeNode]>);

/// A node of a [`Shape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShapeNode {
    /// Distance from the root.
    pub depth: u32,
    /// Index into [`Evidence::operations`].
    pub operation: u32,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// The entry span says that it went well.
    Passed = 0,
    /// The entry span says that it failed.
    Failed = 1,
    /// The caller gave up by itself (HTTP 499, gRPC CANCELLED): neither passed nor failed.
    Cancelled = 2,
    /// The entry span carries no status and no code: only its duration and shape can tell.
    Unlabelled = 3,
    /// There is no entry span: neither passed nor failed.
    Unknown = 4,
}

impl Outcome {
    /// Reads its number back.
    #[must_use]
    pub const fn from_number(n: u8) -> Option<Self> {
        Some(match n {
            0 => Self::Passed,
            1 => Self::Failed,
            2 => Self::Cancelled,
            3 => Self::Unlabelled,
            4 => Self::Unknown,
            _ => return None,
        })
    }
}

/// Stands for *no entry operation* in keys (requests without an entry span).
pub type EntryOperation = Option<u32>;

/// What makes two requests members of one class. Fields are compared in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassKey {
    /// The operation of the entry span.
    pub entry: EntryOperation,
    /// The shape; `None` when shapes were dropped.
    pub shape: Option<u32>,
    /// All operations that took part, ascending; empty when they were dropped.
    pub operations: Box<[u32]>,
    /// What became of the request.
    pub outcome: Outcome,
    /// Operations of failing spans without a failing child, ascending.
    pub origins: Box<[u32]>,
}

/// How many requests, raw and weighted by sampling.
///
/// Weights are fixed point with 16 fractional bits, each request's weight rounded to the nearest
/// (ties up). Raw counts are for tests and minimum support, weighted ones for rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tally {
    /// Requests seen.
    pub n: u64,
    /// Sum of weights, times 2^16.
    pub weight: u64,
    /// Sum of squared weights, times 2^32.
    pub weight_squared: u128,
}

impl Tally {
    /// The weight of one request that stands for itself alone.
    pub const ONE: u64 = 1 << 16;

    /// Counts a request of the given weight (times 2^16).
    pub fn add(&mut self, weight: u64) {
        self.n += 1;
        self.weight = self.weight.saturating_add(weight);
        let square = u128::from(weight) * u128::from(weight);
        self.weight_squared = self.weight_squared.saturating_add(square);
    }

    /// Adds another tally.
    pub const fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.weight = self.weight.saturating_add(other.weight);
        self.weight_squared = self.weight_squared.saturating_add(other.weight_squared);
    }
}

/// Requests of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathClass {
    /// What they have in common.
    pub key: ClassKey,
    /// How many.
    pub tally: Tally,
    /// Sum of the durations of entry spans, nanoseconds (negative ones count as 0).
    pub duration_sum: u64,
    /// Durations of entry spans, nanoseconds.
    pub durations: Histogram,
    /// Counts by second of start, ascending.
    pub seconds: Vec<Second>,
    /// The few requests of smallest hash, ascending by hash.
    pub exemplars: Vec<Exemplar>,
}

/// Requests of a class that started in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Second {
    /// Seconds since the Unix epoch.
    pub second: u64,
    /// How many.
    pub tally: Tally,
}

/// One request, compact, but enough to draw a waterfall of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exemplar {
    /// [`TraceId::mix`] of the trace.
    pub hash: u64,
    /// Its trace.
    pub trace_id: TraceId,
    /// Start of its earliest span, nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// Its spans, parents before children, siblings by start; at most a fixed number.
    pub spans: Vec<ExemplarSpan>,
    /// How many spans it had beyond that number.
    pub spans_left_out: u32,
}

/// A span of an [`Exemplar`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExemplarSpan {
    /// Distance from its root.
    pub depth: u32,
    /// Index into [`Evidence::operations`].
    pub operation: u32,
    /// Index into [`Evidence::names`].
    pub instance: u32,
    /// Role in a call.
    pub kind: Kind,
    /// Start after the start of the request, nanoseconds.
    pub offset_ns: u64,
    /// Duration, nanoseconds, negative where the source says so.
    pub duration_ns: i64,
    /// The span failed.
    pub failed: bool,
    /// The span failed, none of its children did, and its parent (if any) failed too.
    pub origin: bool,
}

/// Which attribute of identity a marginal speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MarginalKind {
    /// `service.instance.id` or what stands for it.
    Instance = 0,
    /// `service.version`.
    Version = 1,
    /// `host.name` or node.
    Host = 2,
    /// Slot of the restart tree, where the reader knows it.
    Slot = 3,
}

impl MarginalKind {
    /// Reads its number back.
    #[must_use]
    pub const fn from_number(n: u8) -> Option<Self> {
        Some(match n {
            0 => Self::Instance,
            1 => Self::Version,
            2 => Self::Host,
            3 => Self::Slot,
            _ => return None,
        })
    }
}

/// A class and a component value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarginalKey {
    /// Index into [`Evidence::classes`].
    pub class: u32,
    /// Which attribute.
    pub kind: MarginalKind,
    /// `service.name` (index into names).
    pub service: u32,
    /// `service.namespace` (index into names).
    pub namespace: u32,
    /// The value (index into names).
    pub value: u32,
}

/// Requests of a class in which a component value took part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marginal {
    /// Class and component value.
    pub key: MarginalKey,
    /// How many requests.
    pub tally: Tally,
    /// Durations of their entry spans, nanoseconds.
    pub durations: Histogram,
}

/// A service where it ran: on which instance, in which version, on which host, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceKey {
    /// `service.name` (index into names).
    pub service: u32,
    /// `service.namespace` (index into names).
    pub namespace: u32,
    /// `service.instance.id` or what stands for it; the empty text where there is none.
    pub instance: u32,
    /// `service.version`; the empty text where there is none.
    pub version: u32,
    /// `host.name` or node; the empty text where there is none.
    pub host: u32,
}

/// What a service did in one place. Places of one service share its load, so they can be held
/// against each other within one window, span by span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which service, where.
    pub key: PlaceKey,
    /// Its spans.
    pub spans: u64,
    /// Spans that failed while none of their children did, whether or not their parent failed too.
    pub began: u64,
    /// Sum of self-times, nanoseconds.
    pub self_time_sum: u64,
    /// Self-times, nanoseconds.
    pub self_times: Histogram,
}

/// What one operation did in the requests of one entry operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationStats {
    /// The entry operation of the requests.
    pub entry: EntryOperation,
    /// The operation.
    pub operation: u32,
    /// Its spans.
    pub spans: u64,
    /// Spans that failed.
    pub failed: u64,
    /// Spans that failed, none of whose children did, and whose parent (if any) failed too.
    pub origins: u64,
    /// Spans that failed under a parent that did not.
    pub masked: u64,
    /// Events of level ERROR on its spans.
    pub error_events: u64,
    /// Spans with at least one of these.
    pub spans_with_error_events: u64,
    /// Exception events on its spans.
    pub exception_events: u64,
    /// Links from its spans to other traces.
    pub links: u64,
    /// `error.type` of its failed spans: (name, count), ascending.
    pub error_types: Vec<(u32, u64)>,
    /// Sum of durations, nanoseconds.
    pub duration_sum: u64,
    /// Durations, nanoseconds.
    pub durations: Histogram,
    /// Sum of self-times (duration less what children cover), nanoseconds.
    pub self_time_sum: u64,
    /// Self-times, nanoseconds.
    pub self_times: Histogram,
}

/// A caller and a callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    /// The entry operation of the requests.
    pub entry: EntryOperation,
    /// The calling operation; `None` where the parent span is missing.
    pub parent: Option<u32>,
    /// The called operation.
    pub child: u32,
}

/// Calls from one operation to another in the requests of one entry operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Who called whom.
    pub key: EdgeKey,
    /// Child spans.
    pub calls: u64,
    /// Child spans that failed.
    pub failed: u64,
    /// Child spans that failed under a parent that did not.
    pub masked: u64,
    /// Child spans that repeat a failed call of the same parent to the same operation.
    pub retries: u64,
    /// Child spans that cross from a service to another and have a gap.
    pub crossings: u64,
    /// Sum of gaps (duration of the client span less that of its server span), nanoseconds.
    pub gap_sum: u64,
    /// Gaps, nanoseconds; negative ones count as 0.
    pub gaps: Histogram,
}

/// An operation and the multiset of its children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductionKey {
    /// The entry operation of the requests.
    pub entry: EntryOperation,
    /// The operation.
    pub operation: u32,
    /// Called operations with how often, ascending; counts above 2 are rounded up to a power of two.
    pub children: Box<[(u32, u32)]>,
}

/// How often an operation called exactly these children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Production {
    /// The operation and its children.
    pub key: ProductionKey,
    /// How often.
    pub spans: u64,
}

/// A caller and a callee that sends no spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    /// The entry operation of the requests.
    pub entry: EntryOperation,
    /// The calling operation.
    pub operation: u32,
    /// The callee's name as the caller knows it (index into names).
    pub peer: u32,
}

/// Calls to a callee that sends no spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who called whom.
    pub key: PeerKey,
    /// Calls.
    pub calls: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Durations, nanoseconds.
    pub durations: Histogram,
}

/// Requests of a class whose entry span carries an attribute value: those of
/// [`crate::attributes::ENTRY_ATTRIBUTES`], exactly, unless an attribute has more values than there
/// is room for. Then all of them are [`OVERFLOW_VALUE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeValue {
    /// Index into [`Evidence::classes`].
    pub class: u32,
    /// Attribute (index into names).
    pub attribute: u32,
    /// Value (index into names).
    pub value: u32,
    /// How many requests.
    pub tally: Tally,
    /// Durations of their entry spans, nanoseconds.
    pub durations: Histogram,
}

/// Stands for every value of an attribute that has too many to tell apart.
pub const OVERFLOW_VALUE: &str = "__overflow__";

/// The attributes of one request's entry span.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttributeRow {
    /// Index into [`Evidence::classes`].
    pub class: u32,
    /// [`TraceId::mix`] of the trace.
    pub hash: u64,
    /// (attribute, value), both indexes into names, ascending.
    pub values: Vec<(u32, u32)>,
}

impl Evidence {
    /// Requests in all classes.
    #[must_use]
    pub fn paths(&self) -> u64 {
        self.classes.iter().map(|c| c.tally.n).sum()
    }

    /// Spans in all requests.
    #[must_use]
    pub fn spans(&self) -> u64 {
        self.operation_stats.iter().map(|s| s.spans).sum()
    }

    /// Service and operation of an operation's index, as texts.
    #[must_use]
    pub fn operation_texts(&self, operation: u32) -> (&str, &str) {
        let key = self.operations[operation as usize];
        (self.names.text(key.service), self.names.text(key.operation))
    }
}
