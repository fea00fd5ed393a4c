//! Who calls whom, over several windows together?

use std::collections::BTreeMap;

use resus_model::EntryOperation;

use crate::align::{Aligned, View};

/// Facts about operations that do not change from window to window.
#[derive(Debug)]
pub(crate) struct Calls {
    /// Operations that are entries, ascending.
    entries: Vec<u32>,
    /// The operation that most calls of a client operation cross to; `None` for one that does not
    /// mostly cross.
    callee: Vec<Option<u32>>,
    /// Operations that each operation calls.
    pub children: Vec<Vec<u32>>,
    /// Operations of which some span failed.
    pub fails: Vec<bool>,
    /// Operations of which some span has an error event.
    pub complains: Vec<bool>,
}

impl Calls {
    /// Looks at all windows.
    pub(crate) fn of(aligned: &Aligned<'_>) -> Self {
        Self::over(aligned, std::iter::once(&aligned.now).chain(&aligned.baselines))
    }

    /// Looks at some windows.
    pub(crate) fn over<'v, 'a: 'v>(
        aligned: &Aligned<'a>,
        views: impl Iterator<Item = &'v View<'a>>,
    ) -> Self {
        let size = aligned.operations.len();
        let mut spans = vec![0_u64; size];
        let (mut fails, mut complains) = (vec![false; size], vec![false; size]);
        let mut crossings: Vec<BTreeMap<u32, u64>> = vec![BTreeMap::new(); size];
        let mut children = vec![Vec::new(); size];
        for view in views {
            let global = |o: u32| view.operations[o as usize];
            for stats in &view.evidence.operation_stats {
                let operation = global(stats.operation) as usize;
                spans[operation] += stats.spans;
                fails[operation] |= stats.failed > 0;
                complains[operation] |= stats.spans_with_error_events > 0;
            }
            for edge in &view.evidence.edges {
                let Some(parent) = edge.key.parent.map(global) else { continue };
                let child = global(edge.key.child);
                children[parent as usize].push(child);
                if edge.crossings > 0 {
                    *crossings[parent as usize].entry(child).or_default() += edge.crossings;
                }
            }
        }
        for called in &mut children {
            called.sort_unstable();
            called.dedup();
        }
        let callee = crossings.iter().zip(&spans).map(|(to, &spans)| {
            let all: u64 = to.values().sum();
            let most = to.iter().max_by_key(|&(&o, &n)| (n, std::cmp::Reverse(o)));
            most.filter(|_| all * 2 > spans).map(|(&o, _)| o)
        });
        Self {
            entries: aligned.entries.clone(),
            callee: callee.collect(),
            children,
            fails,
            complains,
        }
    }

    /// True where nobody is seen to call anybody: then who is below whom is not known.
    pub(crate) fn unknown(&self) -> bool {
        self.children.iter().all(Vec::is_empty)
    }

    /// True for client operations: most of their spans have a server span in another service.
    pub(crate) fn crosses(&self, operation: u32) -> bool {
        self.callee[operation as usize].is_some()
    }

    /// Who answers for what a client operation meets: the operation that it mostly calls. Others
    /// answer for themselves.
    pub(crate) fn answers(&self, operation: u32) -> u32 {
        self.callee[operation as usize].unwrap_or(operation)
    }

    /// The entry of a row as an index into the aligned entries; their number for none.
    pub(crate) fn entry(&self, view: &View<'_>, entry: EntryOperation) -> u32 {
        let at = entry.and_then(|e| self.entries.binary_search(&view.operations[e as usize]).ok());
        u32::try_from(at.unwrap_or(self.entries.len())).expect("fewer than 2^32 entries")
    }
}
