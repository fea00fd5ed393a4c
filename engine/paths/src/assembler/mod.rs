//! Spans as they arrive → paths as they are complete: the live counterpart of [`Gather`](crate::Gather).
//!
//! A trace arrives in pieces, one a process, and nothing says which piece is the last. So a trace is
//! complete when it was quiet for a while, and a span that comes later reopens it: the path is
//! retracted as it was and completed anew. Time is an argument; nothing here knows what time it is.

mod compact;
mod complete;
mod limits;
mod slab;
mod traces;
mod wheel;

use resus_model::{LogBatch, Quality, Rules, SpanBatch, TraceId};

use crate::gather::widen;
use crate::identity::{Caps, Vocabulary};
use crate::record::Record;
use crate::translate::Translate;
use crate::tree::{Path, Workspace};

pub use limits::{AssemblerLimits, AssemblerStats};

use slab::{Content, LogEntry, NONE, Slots};
use traces::{State, Traces};
use wheel::{TICKS, Wheel};

/// The list of traces that are complete, by when they became so.
const LINGERING: u16 = TICKS;
/// The vocabulary may take this share of all memory before it is compacted.
const VOCABULARY_SHARE: usize = 8;

/// What became of a trace.
#[derive(Debug)]
pub enum Change<'a> {
    /// Its path is complete.
    Complete(&'a Path<'a>),
    /// Late spans or records change its path: this is the path as it was completed, and
    /// [`Change::Complete`] follows with all spans.
    Retract {
        /// The path, equal in every field to the one that was completed.
        path: &'a Path<'a>,
        /// What the visitor answered when it was.
        taken: bool,
    },
}

/// Takes spans and log records as they arrive and gives paths when they are complete.
///
/// What comes out is a function of the calls and their arguments alone. The order of what arrives
/// between two completions of a trace changes nothing. Where no span comes later than traces linger,
/// and no limit of size is reached, what was completed less what was retracted is exactly what
/// [`Gather`](crate::Gather) gives for the same spans.
#[derive(Debug)]
pub struct Assembler {
    rules: Rules,
    limits: AssemblerLimits,
    vocabulary: Vocabulary,
    /// Bytes of the vocabulary from which on compacting it is due.
    compact_at: usize,
    translate: Translate,
    slots: Slots,
    traces: Traces,
    wheel: Wheel,
    /// The latest time that was told.
    now: u64,
    quality: Quality,
    stats: AssemblerStats,
    buffers: Buffers,
}

/// Buffers that live from trace to trace.
#[derive(Debug, Default)]
struct Buffers {
    workspace: Workspace,
    spans: Vec<Record>,
    logs: Vec<LogEntry>,
    before: Vec<Record>,
}

// === impl Assembler ===

impl Assembler {
    /// Starts with no span.
    #[must_use]
    pub fn new(rules: Rules, limits: AssemblerLimits) -> Self {
        Self {
            rules,
            limits,
            vocabulary: Vocabulary::capped(caps(&limits)),
            compact_at: limits.max_bytes.get() / VOCABULARY_SHARE,
            translate: Translate::default(),
            slots: Slots::new(),
            traces: Traces::new(usize::from(TICKS) + 1),
            wheel: Wheel::reaching(limits.idle_ns),
            now: 0,
            quality: Quality::default(),
            stats: AssemblerStats::default(),
            buffers: Buffers::default(),
        }
    }

    /// Takes the spans of a batch that arrived at `now` (nanoseconds since the Unix epoch; a time
    /// before the latest one told counts as that).
    pub fn push(&mut self, batch: &SpanBatch, now: u64) {
        let now = self.tell(now);
        self.translate.begin(batch);
        let mut last = None;
        for (row, &id) in batch.trace_id.iter().enumerate() {
            let at = match last {
                Some((same, at)) if same == id => at,
                _ => self.find_or_open(id, now),
            };
            last = Some((id, at));
            let Self { translate, vocabulary, rules, .. } = self;
            let record = translate.record(batch, row, vocabulary, rules);
            self.stats.overflowed +=
                u64::from(self.vocabulary.overflowed[record.operation.index()]);
            widen(&mut self.quality.range, record.start_unix_nano);
            self.append(at, Content::Span(record), now);
        }
        self.quality.spans += batch.len() as u64;
        self.evict_lingering();
    }

    /// Takes the log records of a batch that arrived at `now`. Records of errors and exceptions add
    /// to the error and exception events of their span, whichever comes first; of two halves of a
    /// call under one id, to the callee's. Others are left aside. A record that is sent twice counts
    /// twice: nothing identifies it.
    pub fn push_logs(&mut self, logs: &LogBatch, now: u64) {
        let now = self.tell(now);
        for row in 0..logs.len() {
            let (error, exception) = (logs.error[row], logs.exception[row]);
            if !error && !exception {
                continue;
            }
            let at = self.find_or_open(logs.trace_id[row], now);
            let entry = LogEntry {
                span_id: logs.span_id[row],
                errors: u16::from(error),
                exceptions: u16::from(exception),
            };
            if !self.add_to_newest(at, entry) {
                self.append(at, Content::Log(entry), now);
            }
        }
        self.evict_lingering();
    }

    /// Counters of data quality of everything that arrived and of the paths that stand: the reader
    /// adds what it left out.
    pub const fn quality(&mut self) -> &mut Quality {
        &mut self.quality
    }

    /// What is held and was done.
    #[must_use]
    pub fn stats(&self) -> AssemblerStats {
        let lingering = self.stats.lingering_traces;
        AssemblerStats {
            open_traces: self.traces.len() as u64 - lingering,
            entries: u64::from(self.slots.used()),
            bytes: self.bytes() as u64,
            ..self.stats
        }
    }

    /// Bytes held for open traces as a share of the bound; lingering traces make room without loss
    /// and do not count. Above 1, traces are about to be completed before their time: whoever can
    /// should make senders wait before that. Open and lingering traces are taken to be of the same
    /// size.
    #[must_use]
    pub fn pressure(&self) -> f64 {
        let traces = self.traces.len().max(1) as f64;
        let open = traces - self.stats.lingering_traces as f64;
        self.bytes() as f64 / self.limits.max_bytes.get() as f64 * (open / traces)
    }

    /// When [`Assembler::advance`] next has something to do, if nothing arrives until then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let open = self.wheel.all().find(|&(list, _)| self.traces.first(list).is_some());
        let lingering = self.traces.first(LINGERING).map(|at| {
            let until = self.traces.get(at).last_ns.saturating_add(self.limits.linger_ns);
            self.wheel.round_up(until)
        });
        match (open.map(|(_, passed)| passed), lingering) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Moves on to a time, never back. Half of all time leaves room to add to it.
    fn tell(&mut self, now: u64) -> u64 {
        self.now = self.now.max(now.min(u64::MAX / 2));
        if self.traces.len() as u64 == self.stats.lingering_traces {
            self.wheel.skip_to(self.now);
        }
        self.now
    }

    fn find_or_open(&mut self, id: TraceId, now: u64) -> u32 {
        let (at, new) = self.traces.find_or_open(id, now);
        if new {
            self.schedule(at, now.saturating_add(self.limits.settle_ns.min(self.limits.idle_ns)));
        }
        at
    }

    /// Adds an entry to a trace, which it reopens if need be.
    fn append(&mut self, at: u32, content: Content, now: u64) {
        let settle = self.limits.settle_ns.min(self.limits.idle_ns);
        let trace = self.traces.get_mut(at);
        if trace.state == State::Frozen {
            self.stats.late_dropped += 1;
            return;
        }
        if trace.entries >= self.limits.max_spans_per_trace {
            self.stats.left_out += 1;
            return;
        }
        trace.last_ns = now;
        trace.head = self.slots.push(content, trace.head);
        if trace.tail == NONE {
            trace.tail = trace.head;
        }
        trace.entries += 1;
        if !trace.has_span && matches!(content, Content::Span(_)) {
            trace.has_span = true;
            trace.since_ns = now;
        }
        let state = std::mem::replace(&mut trace.state, State::Open);
        if state == State::Open {
            return;
        }
        if state == State::Lingering {
            trace.since_ns = now;
            self.stats.lingering_traces -= 1;
        }
        self.traces.unlink(at);
        self.schedule(at, now.saturating_add(settle));
    }

    /// Adds a log record to the trace's newest entry, if that is of the same span and not counted.
    fn add_to_newest(&mut self, at: u32, entry: LogEntry) -> bool {
        let trace = self.traces.get(at);
        if trace.head == NONE || trace.head == trace.counted {
            return false;
        }
        match &mut self.slots.get_mut(trace.head).content {
            Content::Log(newest) if newest.span_id == entry.span_id => {
                newest.errors = newest.errors.saturating_add(entry.errors);
                newest.exceptions = newest.exceptions.saturating_add(entry.exceptions);
                true
            }
            _ => false,
        }
    }

    /// Has a trace looked at when a time has come.
    fn schedule(&mut self, at: u32, due_ns: u64) {
        self.traces.link(at, self.wheel.list_of(due_ns));
    }

    fn bytes(&self) -> usize {
        self.slots.bytes() + self.traces.bytes() + self.vocabulary.bytes()
    }

    fn is_over(&self) -> bool {
        self.bytes() > self.limits.max_bytes.get()
    }

    /// Forgets lingering traces, those that were complete first, while too much memory is taken.
    fn evict_lingering(&mut self) {
        while self.is_over()
            && let Some(at) = self.traces.first(LINGERING)
        {
            self.stats.evicted += 1;
            self.forget_lingering(at);
        }
    }

    fn forget_lingering(&mut self, at: u32) {
        self.stats.lingering_traces -= 1;
        self.traces.unlink(at);
        self.forget(at);
    }

    /// Forgets a trace that is in no list, and its entries.
    fn forget(&mut self, at: u32) {
        self.drop_entries(at);
        self.traces.forget(at);
    }

    fn drop_entries(&mut self, at: u32) {
        let trace = self.traces.get_mut(at);
        self.slots.free(trace.head, trace.tail, trace.entries);
        (trace.head, trace.tail, trace.entries) = (NONE, NONE, 0);
    }
}

const fn caps(limits: &AssemblerLimits) -> Caps {
    Caps {
        services: limits.max_services,
        operations_per_service: limits.max_operations_per_service,
    }
}

#[cfg(test)]
mod tests;
