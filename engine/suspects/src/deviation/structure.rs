//! Do spans call the children that they used to call?
//!
//! A fault that returns early, skips a step or takes another branch shows in the tree of calls, not
//! in times. Two things are measured of every operation: calls a span of each child, and the share
//! of spans with a set of children that the other healthy windows hardly ever show. The productions
//! of the path grammar say how much calls vary from span to span (a cart of ten items makes ten
//! calls), which tells a change from luck.

use std::collections::BTreeMap;

use super::calls::Calls;
use super::item::Item;
use super::sums::{Collected, Sums};
use crate::align::{Aligned, View};
use crate::coefficient::real;

/// A set of children that at most so many of a thousand healthy spans show is new.
const RARE_THOUSANDTHS: u64 = 2;

/// Of fewer healthy spans nothing is said about what is new.
const LEAST_SPANS: u64 = 20;

/// Calls a span of a window. `known` are children that an operation has in any window, so that none
/// at all is counted too.
pub(crate) fn collect_calls(view: &View<'_>, calls: &Calls, into: &mut Collected) {
    let evidence = view.evidence;
    let global = |o: u32| view.operations[o as usize];
    for stats in &evidence.operation_stats {
        let parent = global(stats.operation);
        let entry = calls.entry(view, stats.entry);
        let spans = Sums { n: real(stats.spans), ..Sums::default() };
        for &child in &calls.children[parent as usize] {
            into.push(((Item::Children(parent, child), entry), spans));
        }
    }
    for edge in &evidence.edges {
        let Some(parent) = edge.key.parent.map(global) else { continue };
        let item = Item::Children(parent, global(edge.key.child));
        let made = Sums { sum: real(edge.calls), ..Sums::default() };
        into.push(((item, calls.entry(view, edge.key.entry)), made));
    }
    for production in &evidence.productions {
        let parent = global(production.key.operation);
        let entry = calls.entry(view, production.key.entry);
        for &(child, times) in &production.key.children {
            let squares = real(production.spans) * f64::from(times) * f64::from(times);
            let item = Item::Children(parent, global(child));
            into.push(((item, entry), Sums { squares, ..Sums::default() }));
        }
    }
}

/// Spans by operation, set of children and window: the window to be explained first.
pub(crate) struct Sets<'a> {
    windows: usize,
    service_of: &'a [u32],
    /// Per operation and set: spans in each window.
    counts: BTreeMap<(u32, Vec<u32>), Vec<u64>>,
    /// Per operation: spans in each window.
    totals: BTreeMap<u32, Vec<u64>>,
}

impl<'a> Sets<'a> {
    /// Counts the sets of all windows.
    pub(crate) fn of(aligned: &'a Aligned<'_>) -> Self {
        let windows = aligned.baselines.len() + 1;
        let service_of = &aligned.service_of;
        let mut sets =
            Self { windows, service_of, counts: BTreeMap::new(), totals: BTreeMap::new() };
        for (w, view) in std::iter::once(&aligned.now).chain(&aligned.baselines).enumerate() {
            for production in &view.evidence.productions {
                let (operation, set) = set_of(view, production);
                let spans = production.spans;
                sets.counts.entry((operation, set)).or_insert_with(|| vec![0; windows])[w] += spans;
                sets.totals.entry(operation).or_insert_with(|| vec![0; windows])[w] += spans;
            }
        }
        sets
    }

    /// Spans of window `w` (0 is the one to be explained) with sets that the other healthy windows
    /// hardly ever show.
    pub(crate) fn collect(&self, w: usize, view: &View<'_>, calls: &Calls, into: &mut Collected) {
        for production in &view.evidence.productions {
            let (operation, set) = set_of(view, production);
            let others = |counts: &[u64]| -> u64 {
                let all: u64 = counts[1..].iter().sum();
                // A lone healthy window is held against itself: then rare sets count as new.
                if w == 0 || self.windows == 2 { all } else { all - counts[w] }
            };
            let all = others(&self.totals[&operation]);
            if all < LEAST_SPANS {
                continue;
            }
            let seen = others(&self.counts[&(operation, set)]);
            let new = seen * 1000 <= all * RARE_THOUSANDTHS;
            let n = real(production.spans);
            let sums = Sums::of_count(n, if new { n } else { 0.0 });
            let entry = calls.entry(view, production.key.entry);
            into.push(((Item::NewChildren(operation), entry), sums));
            let service = self.service_of[operation as usize];
            into.push(((Item::NewInService(service), entry), sums));
        }
    }
}

/// The operation of a production and the set of its children.
fn set_of(view: &View<'_>, production: &resus_model::Production) -> (u32, Vec<u32>) {
    let global = |o: u32| view.operations[o as usize];
    let children = production.key.children.iter().map(|&(child, _)| global(child));
    (global(production.key.operation), children.collect())
}
