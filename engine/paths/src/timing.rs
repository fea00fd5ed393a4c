//! Self-times and gaps: how long a span worked itself, and what lies between caller and callee.

use resus_model::Kind;

use crate::identity::Vocabulary;
use crate::tree::{NO_PARENT, Node};

/// Fills self-time and gap of every node.
///
/// The self-time of a span is its duration less what its children cover of it. Siblings share their
/// caller's clock, so their union is cut to the caller's own interval. A lone child in another
/// service is different: its clock may disagree, so the difference of the two durations counts, and
/// that difference is the gap between client and server span (network, queue, a busy or dead callee).
pub(crate) fn fill(nodes: &mut [Node], vocabulary: &Vocabulary) {
    for i in 0..nodes.len() {
        let duration = length(nodes[i].duration_ns);
        let first = i + 1;
        let end = nodes[i].subtree_end as usize;
        if first >= end {
            nodes[i].self_time_ns = duration;
            continue;
        }
        let only_child = nodes[first].subtree_end as usize == end;
        if only_child && crosses(&nodes[i], &nodes[first], vocabulary) {
            let gap = duration.saturating_sub(length(nodes[first].duration_ns));
            nodes[first].gap_ns = Some(gap);
            nodes[i].self_time_ns = gap;
            continue;
        }
        nodes[i].self_time_ns = duration - covered(nodes, i).min(duration);
    }
}

/// How much of a node's interval its children cover together.
fn covered(nodes: &[Node], i: usize) -> u64 {
    let from = nodes[i].start_unix_nano;
    let to = from.saturating_add(length(nodes[i].duration_ns));
    let (mut covered, mut reached) = (0, from);
    let mut child = i + 1;
    // Children come by start, so one sweep forms the union.
    while child < nodes[i].subtree_end as usize {
        let begin = nodes[child].start_unix_nano.clamp(reached, to);
        let end = nodes[child].start_unix_nano.saturating_add(length(nodes[child].duration_ns));
        let end = end.clamp(begin, to);
        covered += end - begin;
        reached = reached.max(end);
        child = nodes[child].subtree_end as usize;
    }
    covered
}

/// True when the pair is a call seen from both sides: client span here, server span there.
fn crosses(parent: &Node, child: &Node, vocabulary: &Vocabulary) -> bool {
    let caller = matches!(parent.kind, Kind::Client | Kind::Producer | Kind::Unspecified);
    let callee = matches!(child.kind, Kind::Server | Kind::Consumer | Kind::Unspecified);
    if !caller || !callee {
        return false;
    }
    let (a, b) = (vocabulary.operation(parent.operation), vocabulary.operation(child.operation));
    (a.service, a.namespace) != (b.service, b.namespace)
}

/// A duration as a length: negative ones have none.
pub(crate) const fn length(duration_ns: i64) -> u64 {
    if duration_ns < 0 { 0 } else { duration_ns.unsigned_abs() }
}

impl Node {
    /// Duration in nanoseconds, 0 where the source says it is negative.
    #[must_use]
    pub const fn length_ns(&self) -> u64 {
        length(self.duration_ns)
    }

    /// True when the node has no parent in its path.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.parent == NO_PARENT
    }
}
