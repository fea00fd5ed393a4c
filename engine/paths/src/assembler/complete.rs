//! Time passes: traces that were quiet for long enough become paths.

use resus_model::{Kind, Quality, SpanId};

use super::slab::{Content, LogEntry, NONE};
use super::traces::State;
use super::{Assembler, Buffers, Change, LINGERING};
use crate::record::Record;
use crate::tree::collapse_duplicates;

/// Told of each change; answers whether it takes the path, which [`Change::Retract`] repeats.
type Visit<'a> = &'a mut dyn FnMut(Change<'_>) -> bool;

impl Assembler {
    /// Lets time pass until `now` (nanoseconds since the Unix epoch) and tells of every trace that
    /// is complete by then. The visitor answers whether it takes a completed path; its answer to a
    /// retraction means nothing.
    ///
    /// A trace is told of up to 1/256 of the idle time after its deadline, never before. Beyond the
    /// bound of memory, lingering traces are forgotten first, then open ones are completed, those
    /// first whose deadline comes first.
    pub fn advance(&mut self, now: u64, visit: &mut dyn FnMut(Change<'_>) -> bool) {
        let now = self.tell(now);
        while let Some(at) = self.traces.first(LINGERING)
            && self.traces.get(at).last_ns.saturating_add(self.limits.linger_ns) <= now
        {
            self.forget_lingering(at);
        }
        for list in self.wheel.pass(now) {
            self.each_of(list, |this, at| this.look_at(at, now, visit));
        }
        self.evict_lingering();
        while self.is_over()
            && let Some(at) = self.wheel.all().find_map(|(list, _)| self.traces.first(list))
        {
            self.stats.early += 1;
            self.traces.unlink(at);
            self.finish(at, now, visit);
            self.evict_lingering();
        }
    }

    /// Completes all open traces, as at the end of the input or of the program.
    pub fn drain(&mut self, now: u64, visit: &mut dyn FnMut(Change<'_>) -> bool) {
        self.advance(now, visit);
        let now = self.now;
        for (list, _) in self.wheel.all() {
            self.each_of(list, |this, at| {
                this.traces.unlink(at);
                this.finish(at, now, visit);
            });
        }
    }

    /// Visits the traces that a list holds now; each may leave it or be appended to any.
    pub(super) fn each_of(&mut self, list: u16, mut visit: impl FnMut(&mut Self, u32)) {
        let last = self.traces.last(list);
        let mut next = self.traces.first(list);
        while let Some(at) = next {
            next = if Some(at) == last { None } else { self.traces.after(at) };
            visit(self, at);
        }
    }

    /// Completes a trace if its time has come, or says when to look again.
    fn look_at(&mut self, at: u32, now: u64, visit: Visit<'_>) {
        self.traces.unlink(at);
        let trace = *self.traces.get(at);
        let limits = &self.limits;
        let end = trace.since_ns.saturating_add(limits.max_age_ns);
        let idle = trace.last_ns.saturating_add(limits.idle_ns).min(end);
        let settled = trace.last_ns.saturating_add(limits.settle_ns).min(idle);
        if !trace.has_span && end > now {
            // Log records alone: their span may be a long one.
            self.traces.get_mut(at).state = State::Partial;
            self.schedule(at, end);
        } else if settled > now {
            self.schedule(at, settled);
        } else if idle > now && !self.looks_whole(at) {
            self.traces.get_mut(at).state = State::Partial;
            self.schedule(at, idle);
        } else {
            self.finish(at, now, visit);
        }
    }

    /// Whether a trace has a root and each span its parent.
    fn looks_whole(&mut self, at: u32) -> bool {
        self.collect(at);
        let spans = &mut self.buffers.spans;
        spans.sort_unstable_by_key(Record::key);
        let is_there = |id: SpanId| {
            let at = spans.partition_point(|s| s.span_id < id);
            spans.get(at).is_some_and(|s| s.span_id == id)
        };
        let mut rooted = false;
        for span in &*spans {
            if span.parent_span_id.is_none() {
                rooted = true;
            } else if !is_there(span.parent_span_id) {
                return false;
            }
        }
        rooted
    }

    /// Completes a trace that is in no list.
    fn finish(&mut self, at: u32, now: u64, visit: Visit<'_>) {
        let trace = *self.traces.get(at);
        if !trace.has_span {
            self.stats.logs_expired += u64::from(trace.entries);
            self.forget(at);
            return;
        }
        let fresh = self.collect(at);
        let again = trace.counted != NONE;
        let Buffers { spans, logs, before, .. } = &mut self.buffers;
        before.clear();
        if again {
            before.extend_from_slice(&spans[fresh.spans..]);
            before.sort_unstable_by_key(Record::key);
            add_events(before, &logs[fresh.logs..]);
        }
        let arrived = spans.len();
        collapse_duplicates(spans, &self.vocabulary, &mut self.quality);
        if spans.len() < arrived {
            self.put_back(at);
        }
        let Buffers { workspace, spans, logs, before } = &mut self.buffers;
        add_events(spans, logs);
        if !again || before != spans {
            let (vocabulary, rules) = (&self.vocabulary, &self.rules);
            if again {
                self.stats.reopened += 1;
                let mut counted = Quality::default();
                workspace.build(
                    trace.id,
                    before,
                    vocabulary,
                    rules,
                    &mut counted,
                    &mut |path, _| {
                        visit(Change::Retract { path, taken: trace.taken });
                    },
                );
                take_back(&mut self.quality, &mut counted);
            }
            self.stats.completed += 1;
            let (quality, mut taken) = (&mut self.quality, false);
            workspace.build(trace.id, spans, vocabulary, rules, quality, &mut |path, _| {
                taken = visit(Change::Complete(path));
            });
            self.traces.get_mut(at).taken = taken;
        }
        self.linger(at, now);
    }

    /// Keeps a trace that is complete for late spans.
    fn linger(&mut self, at: u32, now: u64) {
        let trace = self.traces.get_mut(at);
        trace.counted = trace.head;
        trace.last_ns = now;
        trace.state = State::Lingering;
        self.traces.link(at, LINGERING);
        self.stats.lingering_traces += 1;
    }

    /// Reads a trace's entries into the buffers, newest first; says how many are not counted yet.
    fn collect(&mut self, at: u32) -> Fresh {
        let Buffers { spans, logs, .. } = &mut self.buffers;
        spans.clear();
        logs.clear();
        let trace = self.traces.get(at);
        let mut fresh = None;
        let mut next = trace.head;
        while next != NONE {
            if next == trace.counted {
                fresh = Some(Fresh { spans: spans.len(), logs: logs.len() });
            }
            let slot = self.slots.get(next);
            match slot.content {
                Content::Span(record) => spans.push(record),
                Content::Log(entry) => logs.push(entry),
            }
            next = slot.next;
        }
        fresh.unwrap_or(Fresh { spans: spans.len(), logs: logs.len() })
    }

    /// Replaces a trace's entries by those in the buffers, without the repeats.
    fn put_back(&mut self, at: u32) {
        self.drop_entries(at);
        let Buffers { spans, logs, .. } = &self.buffers;
        let trace = self.traces.get_mut(at);
        let spans = spans.iter().copied().map(Content::Span);
        for content in spans.chain(logs.iter().copied().map(Content::Log)) {
            trace.head = self.slots.push(content, trace.head);
            if trace.tail == NONE {
                trace.tail = trace.head;
            }
            trace.entries += 1;
        }
    }
}

/// How many entries came after the last completion.
struct Fresh {
    spans: usize,
    logs: usize,
}

/// Adds what log records tell to spans that are sorted by (id, kind).
fn add_events(spans: &mut [Record], logs: &[LogEntry]) {
    for log in logs {
        if let Some(at) = half_of(spans, log.span_id) {
            let span = &mut spans[at];
            span.error_events = span.error_events.saturating_add(log.errors);
            span.exception_events = span.exception_events.saturating_add(log.exceptions);
        }
    }
}

/// Whose half of a call under one id log records speak of: the callee's, else the first.
fn half_of(spans: &[Record], id: SpanId) -> Option<usize> {
    let from = spans.partition_point(|s| s.span_id < id);
    let halves = spans[from..].iter().take_while(|s| s.span_id == id);
    let callee = |s: &Record| matches!(s.kind, Kind::Server | Kind::Consumer);
    let mut found = None;
    for (i, half) in halves.enumerate() {
        if found.is_none() || callee(half) {
            found = Some(from + i);
        }
    }
    found
}

/// Takes back what building a path has counted.
fn take_back(quality: &mut Quality, counted: &mut Quality) {
    for (count, n) in counts_of_paths(quality).into_iter().zip(counts_of_paths(counted)) {
        *count = count.saturating_sub(*n);
    }
}

/// The counters that building a path adds to.
const fn counts_of_paths(quality: &mut Quality) -> [&mut u64; 18] {
    let Quality {
        spans: _,
        skipped: _,
        lenient: _,
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
        outside: _,
        failed,
        unknown_services,
        linked,
        range: _,
    } = quality;
    [
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
        failed,
        unknown_services,
        linked,
    ]
}
