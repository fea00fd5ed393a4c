//! How good was the data? Counters that come with every analysis; odd spans are data, not errors.

use std::collections::BTreeMap;

use crate::Window;

/// Why a record was not taken as a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// The trace id is missing, of the wrong form, or all zeroes.
    TraceId,
    /// The span id is missing, of the wrong form, or all zeroes.
    SpanId,
    /// The service is missing.
    Service,
    /// The operation is missing.
    Operation,
    /// The start is missing, not a number, or outside what nanoseconds can say.
    Start,
    /// The duration or end is missing or not a number.
    Duration,
}

impl SkipReason {
    /// The field that was wrong, as the span schema names it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::TraceId => "trace_id",
            Self::SpanId => "span_id",
            Self::Service => "service",
            Self::Operation => "operation",
            Self::Start => "start_unix_nano",
            Self::Duration => "duration_ns",
        }
    }

    /// All reasons, in the order of the schema.
    pub const ALL: [Self; 6] =
        [Self::TraceId, Self::SpanId, Self::Service, Self::Operation, Self::Start, Self::Duration];
}

/// Counters of data quality over one reading. All add up under [`Quality::merge`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quality {
    /// Spans taken, duplicates included.
    pub spans: u64,
    /// Records left out, by reason, with an example of each (file and place, the first in order of text).
    pub skipped: BTreeMap<SkipReason, (u64, String)>,
    /// Leniencies applied while reading (base64 ids, snake_case keys ...), with how often.
    pub lenient: BTreeMap<String, u64>,
    /// Traces seen.
    pub traces: u64,
    /// Spans whose parent is named but missing.
    pub orphans: u64,
    /// Traces without a root span (no span without a parent).
    pub rootless: u64,
    /// Traces with more than one root span.
    pub many_roots: u64,
    /// Spans left out as duplicates of the same (trace, span, kind).
    pub duplicates: u64,
    /// Of these, how many differed in content.
    pub conflicting: u64,
    /// Parent cycles, each cut open at its earliest span.
    pub cyclic: u64,
    /// Spans with a negative duration.
    pub negative_durations: u64,
    /// Spans with a duration of zero.
    pub zero_durations: u64,
    /// Spans that start before their parent, same host or not.
    pub before_parent: u64,
    /// Spans that start before their parent and name the same host: no skew can explain these.
    pub before_parent_same_host: u64,
    /// Requests whose outcome is unknown (no entry span).
    pub unknown_outcomes: u64,
    /// Requests whose entry span carries no status and no code at all.
    pub unlabelled: u64,
    /// Requests that the caller cancelled.
    pub cancelled: u64,
    /// Requests with a sampling weight other than 1.
    pub weighted: u64,
    /// Requests outside every window.
    pub outside: u64,
    /// Requests that failed (in any window).
    pub failed: u64,
    /// Services named `unknown_service...`: an SDK without a configured name.
    pub unknown_services: u64,
    /// Spans with links to other traces.
    pub linked: u64,
    /// First start to last start, if there was a span.
    pub range: Option<Window>,
}

impl Quality {
    /// Adds the counters of another reading.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            spans,
            skipped,
            lenient,
            traces,
            orphans,
            rootless,
            many_roots,
            duplicates,
            conflicting,
            cyclic,
            negative_durations,
            zero_durations,
            before_parent,
            before_parent_same_host,
            unknown_outcomes,
            unlabelled,
            cancelled,
            weighted,
            outside,
            failed,
            unknown_services,
            linked,
            range,
        } = other;
        self.spans += spans;
        for (&reason, (n, example)) in skipped {
            self.skip_many(reason, *n, example);
        }
        for (what, n) in lenient {
            *self.lenient.entry(what.clone()).or_default() += n;
        }
        self.traces += traces;
        self.orphans += orphans;
        self.rootless += rootless;
        self.many_roots += many_roots;
        self.duplicates += duplicates;
        self.conflicting += conflicting;
        self.cyclic += cyclic;
        self.negative_durations += negative_durations;
        self.zero_durations += zero_durations;
        self.before_parent += before_parent;
        self.before_parent_same_host += before_parent_same_host;
        self.unknown_outcomes += unknown_outcomes;
        self.unlabelled += unlabelled;
        self.cancelled += cancelled;
        self.weighted += weighted;
        self.outside += outside;
        self.failed += failed;
        self.unknown_services += unknown_services;
        self.linked += linked;
        self.range = match (self.range, *range) {
            (Some(a), Some(b)) => Some(a.hull(b)),
            (a, b) => a.or(b),
        };
    }

    /// Counts a record that was left out.
    pub fn skip(&mut self, reason: SkipReason, example: impl FnOnce() -> String) {
        match self.skipped.get_mut(&reason) {
            Some((n, _)) => *n += 1,
            None => {
                self.skipped.insert(reason, (1, example()));
            }
        }
    }

    fn skip_many(&mut self, reason: SkipReason, n: u64, example: &str) {
        let slot = self.skipped.entry(reason).or_insert_with(|| (0, example.to_owned()));
        slot.0 += n;
        if example < slot.1.as_str() {
            example.clone_into(&mut slot.1);
        }
    }

    /// Records left out, whatever the reason.
    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().map(|(n, _)| n).sum()
    }
}
