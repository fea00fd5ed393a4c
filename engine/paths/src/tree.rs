//! The spans of one trace → one tree, with entry, outcome and origins.

use std::cmp::Ordering;

use resus_model::{Kind, Outcome, Quality, Rules, SpanId, Tally, TraceId};

use crate::identity::{Mark, OperationId, Resource, Vocabulary};
use crate::outcome::entry_outcome;
use crate::record::Record;
use crate::timing;

/// No parent in the path.
pub(crate) const NO_PARENT: u32 = u32::MAX;

/// One request: its spans as a tree.
#[derive(Debug)]
pub struct Path<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// Spans in pre-order; siblings (and roots) by start, then span id, then kind.
    pub nodes: &'a [Node],
    /// Index of the entry span: the earliest root; where every parent is missing, the earliest
    /// SERVER or CONSUMER span without its parent.
    pub entry: Option<usize>,
    /// What became of the request.
    pub outcome: Outcome,
    /// For how many requests it stands, times 2^16: by the entry span's `tracestate`.
    pub weight: u64,
    /// Earliest start of its spans, nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// What numbers stand for.
    pub vocabulary: &'a Vocabulary,
}

/// A span in a [`Path`].
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// The span.
    pub span_id: SpanId,
    /// Index of its parent in the path; `u32::MAX` for none.
    pub parent: u32,
    /// Index after its last descendant.
    pub subtree_end: u32,
    /// Distance from its root.
    pub depth: u32,
    /// Component.
    pub operation: OperationId,
    /// Index into [`Vocabulary::resources`].
    pub resource: u32,
    /// Index into [`Vocabulary::marks`].
    pub mark: u32,
    /// Start, nanoseconds since the Unix epoch, as the source says.
    pub start_unix_nano: u64,
    /// Duration in nanoseconds, as the source says.
    pub duration_ns: i64,
    /// Duration less what children cover, nanoseconds.
    pub self_time_ns: u64,
    /// Where the parent is this span's client span: how much longer it took, nanoseconds.
    pub gap_ns: Option<u64>,
    /// Events of level ERROR.
    pub error_events: u16,
    /// Exception events.
    pub exception_events: u16,
    /// Role in a call.
    pub kind: Kind,
    /// It names a parent that is not there.
    pub orphan: bool,
    /// It failed.
    pub failed: bool,
    /// It failed, no child of it did, and its parent (if it has one) failed too.
    pub origin: bool,
    /// It failed and its parent did not.
    pub masked: bool,
}

impl Path<'_> {
    /// The entry span.
    #[must_use]
    pub fn entry_node(&self) -> Option<&Node> {
        self.entry.map(|i| &self.nodes[i])
    }

    /// Where a node ran.
    #[must_use]
    pub fn resource(&self, node: &Node) -> Resource {
        self.vocabulary.resources[node.resource as usize]
    }

    /// What few spans have.
    #[must_use]
    pub fn mark(&self, node: &Node) -> Mark {
        self.vocabulary.marks[node.mark as usize]
    }
}

/// Buffers that live from trace to trace.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    parents: Vec<u32>,
    orphans: Vec<bool>,
    outcomes: Vec<Outcome>,
    order: Vec<u32>,
    child_from: Vec<u32>,
    stack: Vec<(u32, u32)>,
    place: Vec<u32>,
    nodes: Vec<Node>,
}

impl Workspace {
    /// Makes the path of one trace's spans, of which there is at least one: sorted by (id, kind) and
    /// distinct in that, as [`collapse_duplicates`] leaves them.
    pub(crate) fn build(
        &mut self,
        trace_id: TraceId,
        spans: &[Record],
        vocabulary: &Vocabulary,
        rules: &Rules,
        quality: &mut Quality,
        visit: &mut dyn FnMut(&Path<'_>, &mut Quality),
    ) {
        self.judge(spans, vocabulary, rules);
        self.find_parents(spans, quality);
        self.lay_out(spans, quality);
        mark_failures(&mut self.nodes);
        timing::fill(&mut self.nodes, vocabulary);
        self.count(vocabulary, quality);

        let entry = find_entry(&self.nodes);
        let (outcome, weight) = match entry {
            Some(i) => {
                let node = &self.nodes[i];
                let outcome = self.outcomes[self.place[i] as usize];
                (outcome, vocabulary.weights[node.mark as usize])
            }
            None => (Outcome::Unknown, Tally::ONE),
        };
        let start = self.nodes.iter().map(|n| n.start_unix_nano).min().unwrap_or(0);
        count_outcome(outcome, weight, quality);
        let path = Path {
            trace_id,
            nodes: &self.nodes,
            entry,
            outcome,
            weight,
            start_unix_nano: start,
            vocabulary,
        };
        visit(&path, quality);
    }

    /// Tells each span's own outcome.
    fn judge(&mut self, spans: &[Record], vocabulary: &Vocabulary, rules: &Rules) {
        self.outcomes.clear();
        self.outcomes.extend(spans.iter().map(|s| {
            let has_error_type = !vocabulary.marks[s.mark as usize].error_type.is_none();
            entry_outcome(s.kind, s.status, s.http_status, s.rpc_status, has_error_type, rules)
        }));
    }

    /// Finds each span's parent.
    fn find_parents(&mut self, spans: &[Record], quality: &mut Quality) {
        let Self { parents, orphans, .. } = self;
        parents.clear();
        orphans.clear();
        for (i, span) in spans.iter().enumerate() {
            // A server half under the same id as its client half (Zipkin's shared spans) is its child.
            if span.kind == Kind::Server
                && let Some(client) = find_half(spans, span.span_id, Kind::Client)
            {
                parents.push(client);
                orphans.push(false);
                continue;
            }
            if span.parent_span_id.is_none() {
                parents.push(NO_PARENT);
                orphans.push(false);
                continue;
            }
            let found = find_parent(spans, span.parent_span_id, i);
            // A span that names itself is the shortest cycle there is.
            quality.cyclic += u64::from(found == NO_PARENT && span.parent_span_id == span.span_id);
            parents.push(found);
            orphans.push(found == NO_PARENT);
        }
    }

    /// Lays the tree out in pre-order; cuts parent cycles open.
    fn lay_out(&mut self, spans: &[Record], quality: &mut Quality) {
        self.arrange(spans);
        if self.nodes.len() < spans.len() {
            // What no root reaches hangs on a cycle.
            self.cut_cycles(spans, quality);
            self.arrange(spans);
        }
    }

    /// Appends all that hangs on roots in pre-order, roots and siblings by start.
    fn arrange(&mut self, spans: &[Record]) {
        let n = spans.len();
        // Children grouped by parent, each group by start; roots (no parent) sort last.
        self.order.clear();
        self.order.extend(0..u32::try_from(n).expect("a trace holds fewer than 2^32 spans"));
        let parents = &self.parents;
        self.order.sort_unstable_by_key(|&i| (parents[i as usize], start_key(&spans[i as usize])));
        self.child_from.clear();
        self.child_from.resize(n + 1, 0);
        let mut at = 0;
        for p in 0..n {
            while at < n && (parents[self.order[at] as usize] as usize) < p {
                at += 1;
            }
            self.child_from[p] = at as u32;
        }
        let roots = self.order.partition_point(|&i| parents[i as usize] != NO_PARENT);
        self.child_from[n] = roots as u32;

        self.nodes.clear();
        self.place.clear();
        for r in roots..n {
            let root = self.order[r];
            self.grow(spans, root);
        }
    }

    /// Opens each parent cycle at its earliest span, whose parent then counts as missing.
    fn cut_cycles(&mut self, spans: &[Record], quality: &mut Quality) {
        // Spans below a root are in no cycle; from any other, the walk up ends in one.
        let mut seen = vec![false; spans.len()];
        for &i in &self.place {
            seen[i as usize] = true;
        }
        let mut walk = Vec::new();
        for from in 0..spans.len() {
            walk.clear();
            let mut i = from;
            while !seen[i] {
                seen[i] = true;
                walk.push(i);
                i = self.parents[i] as usize;
            }
            // Ending at a span of an earlier walk, this one is the tail of a cycle cut already.
            let Some(first) = walk.iter().position(|&w| w == i) else { continue };
            let cycle = walk[first..].iter().copied();
            let earliest = cycle.min_by_key(|&w| start_key(&spans[w])).unwrap_or(i);
            quality.cyclic += 1;
            self.parents[earliest] = NO_PARENT;
            self.orphans[earliest] = true;
        }
    }

    /// Appends a root and all below it in pre-order.
    fn grow(&mut self, spans: &[Record], root: u32) {
        self.stack.clear();
        self.stack.push((root, NO_PARENT));
        while let Some((i, parent)) = self.stack.pop() {
            let here = u32::try_from(self.nodes.len()).expect("fewer than 2^32 spans");
            let depth = if parent == NO_PARENT { 0 } else { self.nodes[parent as usize].depth + 1 };
            let span = &spans[i as usize];
            self.place.push(i);
            self.nodes.push(Node {
                span_id: span.span_id,
                parent,
                subtree_end: here + 1,
                depth,
                operation: span.operation,
                resource: span.resource,
                mark: span.mark,
                start_unix_nano: span.start_unix_nano,
                duration_ns: span.duration_ns,
                self_time_ns: 0,
                gap_ns: None,
                error_events: span.error_events,
                exception_events: span.exception_events,
                kind: span.kind,
                orphan: self.orphans[i as usize],
                failed: self.outcomes[i as usize] == Outcome::Failed,
                origin: false,
                masked: false,
            });
            let from = self.child_from[i as usize] as usize;
            let to = self.child_from[i as usize + 1] as usize;
            self.stack.extend(self.order[from..to].iter().rev().map(|&child| (child, here)));
        }
        let from = self.nodes.len()
            - self.nodes.iter().rev().take_while(|n| n.parent != NO_PARENT).count()
            - 1;
        for i in (from..self.nodes.len()).rev() {
            let (parent, end) = (self.nodes[i].parent, self.nodes[i].subtree_end);
            if parent != NO_PARENT {
                let parent = &mut self.nodes[parent as usize];
                parent.subtree_end = parent.subtree_end.max(end);
            }
        }
    }

    fn count(&self, vocabulary: &Vocabulary, quality: &mut Quality) {
        quality.traces += 1;
        let mut roots = 0_u64;
        for node in &self.nodes {
            quality.orphans += u64::from(node.orphan);
            quality.negative_durations += u64::from(node.duration_ns < 0);
            quality.zero_durations += u64::from(node.duration_ns == 0);
            quality.unknown_services += u64::from(vocabulary.unnamed[node.operation.index()]);
            quality.linked += u64::from(vocabulary.marks[node.mark as usize].links > 0);
            if node.parent == NO_PARENT {
                roots += u64::from(!node.orphan);
                continue;
            }
            let parent = &self.nodes[node.parent as usize];
            if node.start_unix_nano < parent.start_unix_nano {
                quality.before_parent += 1;
                let host = vocabulary.resources[node.resource as usize].host;
                let same = host == vocabulary.resources[parent.resource as usize].host;
                quality.before_parent_same_host += u64::from(same && !host.is_none());
            }
        }
        quality.rootless += u64::from(roots == 0);
        quality.many_roots += u64::from(roots > 1);
    }
}

/// Sorts spans by (id, kind) and keeps one of each: of differing ones the greatest by content.
pub(crate) fn collapse_duplicates(
    spans: &mut Vec<Record>,
    vocabulary: &Vocabulary,
    quality: &mut Quality,
) {
    let same = |a: &Record, b: &Record| a.key() == b.key();
    spans.sort_unstable_by_key(Record::key);
    if !spans.windows(2).any(|pair| same(&pair[0], &pair[1])) {
        return;
    }
    let all = std::mem::take(spans);
    for copies in all.chunk_by(same) {
        let greatest = copies.iter().max_by(|a, b| a.compare(b, vocabulary));
        let kept = greatest.expect("a chunk has a member");
        let differs = |s: &&Record| s.compare(kept, vocabulary) != Ordering::Equal;
        quality.duplicates += copies.len() as u64 - 1;
        quality.conflicting += copies.iter().filter(differs).count() as u64;
        spans.push(*kept);
    }
}

/// By which siblings, roots and the spans of a cycle are ordered.
const fn start_key(span: &Record) -> (u64, SpanId, Kind) {
    (span.start_unix_nano, span.span_id, span.kind)
}

fn first_of(spans: &[Record], id: SpanId) -> usize {
    spans.partition_point(|s| s.span_id < id)
}

fn find_half(spans: &[Record], id: SpanId, kind: Kind) -> Option<u32> {
    let from = first_of(spans, id);
    let halves = spans[from..].iter().take_while(|s| s.span_id == id);
    let at = halves.enumerate().find(|(_, s)| s.kind == kind)?.0;
    u32::try_from(from + at).ok()
}

/// The parent of span `child`: of two halves under one id the server's, which did the calling.
fn find_parent(spans: &[Record], id: SpanId, child: usize) -> u32 {
    let from = first_of(spans, id);
    let mut found = NO_PARENT;
    for (at, s) in spans[from..].iter().enumerate().take_while(|(_, s)| s.span_id == id) {
        if from + at == child {
            continue;
        }
        let better = found == NO_PARENT || matches!(s.kind, Kind::Server | Kind::Consumer);
        if better {
            found = u32::try_from(from + at).expect("fewer than 2^32 spans");
        }
    }
    found
}

fn find_entry(nodes: &[Node]) -> Option<usize> {
    let earliest = |wanted: &dyn Fn(&Node) -> bool| {
        let candidates =
            nodes.iter().enumerate().filter(|(_, n)| n.parent == NO_PARENT && wanted(n));
        candidates.min_by_key(|(_, n)| (n.start_unix_nano, n.span_id, n.kind)).map(|(i, _)| i)
    };
    earliest(&|n| !n.orphan)
        .or_else(|| earliest(&|n| matches!(n.kind, Kind::Server | Kind::Consumer)))
}

/// Fills `origin` and `masked`.
fn mark_failures(nodes: &mut [Node]) {
    if !nodes.iter().any(|n| n.failed) {
        return;
    }
    for i in 0..nodes.len() {
        if !nodes[i].failed {
            continue;
        }
        let parent = nodes[i].parent;
        nodes[i].masked = parent != NO_PARENT && !nodes[parent as usize].failed;
        let (mut child, end) = (i + 1, nodes[i].subtree_end as usize);
        let mut failing_child = false;
        while child < end {
            failing_child |= nodes[child].failed;
            child = nodes[child].subtree_end as usize;
        }
        nodes[i].origin = !failing_child && !nodes[i].masked;
    }
}

fn count_outcome(outcome: Outcome, weight: u64, quality: &mut Quality) {
    match outcome {
        Outcome::Passed => {}
        Outcome::Failed => quality.failed += 1,
        Outcome::Cancelled => quality.cancelled += 1,
        Outcome::Unlabelled => quality.unlabelled += 1,
        Outcome::Unknown => quality.unknown_outcomes += 1,
    }
    quality.weighted += u64::from(weight != Tally::ONE);
}

#[cfg(test)]
mod tests;
