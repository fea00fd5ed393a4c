//! Do spans call the children that they used to call?
//!
//! A fault that returns early, skips a step or takes another branch shows in the tree of calls, not
//! in times. Two things are measured of every operation: calls a span of each child, and the share
//! of spans with a set of children that the other healthy windows hardly ever show. The productions
//! of the path grammar say how much calls vary from span to span (a cart of ten items makes ten
//! calls), which tells a change from luck.

use std::ops::Range;

use resus_model::Production;

use super::calls::Calls;
use super::item::Item;
use super::sums::{Collected, Key, Sums};
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
            into.push((Key::of(Item::Children(parent, child), entry), spans));
        }
    }
    for edge in &evidence.edges {
        let Some(parent) = edge.key.parent.map(global) else { continue };
        let item = Item::Children(parent, global(edge.key.child));
        let made = Sums { sum: real(edge.calls), ..Sums::default() };
        into.push((Key::of(item, calls.entry(view, edge.key.entry)), made));
    }
    // Productions of one entry and operation lie together: their squares are added up first.
    let mut squares: Vec<(u32, f64)> = Vec::new();
    for same in evidence.productions.chunk_by(same_operation) {
        squares.clear();
        for production in same {
            let spans = real(production.spans);
            let of = |&(child, times): &(u32, u32)| (child, spans * f64::from(times).powi(2));
            squares.extend(production.key.children.iter().map(of));
        }
        squares.sort_by_key(|&(child, _)| child);
        let parent = global(same[0].key.operation);
        let entry = calls.entry(view, same[0].key.entry);
        for child in squares.chunk_by(|a, b| a.0 == b.0) {
            let squares = child.iter().map(|(_, squares)| squares).sum();
            let item = Item::Children(parent, global(child[0].0));
            into.push((Key::of(item, entry), Sums { squares, ..Sums::default() }));
        }
    }
}

fn same_operation(a: &Production, b: &Production) -> bool {
    (a.key.entry, a.key.operation) == (b.key.entry, b.key.operation)
}

/// Which productions of each window have a set of children that the other healthy windows hardly ever
/// show; the window to be explained comes first.
pub(crate) struct Sets<'a> {
    service_of: &'a [u32],
    /// By window, then by production; `None` where too little is known of the operation.
    new: Vec<Vec<Option<bool>>>,
}

/// A production of a window, by what is compared.
struct Entry {
    operation: u32,
    /// Of its set: most comparisons end here.
    hash: u64,
    /// Where its set lies among all sets.
    set: Range<usize>,
    window: usize,
    place: usize,
    spans: u64,
}

/// The same for the same set; seldom for others.
fn hash(set: &[u32]) -> u64 {
    set.iter().fold(0, |hash: u64, &child| {
        (hash.rotate_left(23) ^ u64::from(child)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

impl<'a> Sets<'a> {
    /// Compares all windows.
    pub(crate) fn of(aligned: &'a Aligned<'_>) -> Self {
        let views: Vec<&View<'_>> =
            std::iter::once(&aligned.now).chain(&aligned.baselines).collect();
        let (mut entries, mut sets) = (Vec::new(), Vec::new());
        let mut totals = vec![vec![0_u64; views.len()]; aligned.operations.len()];
        for (window, view) in views.iter().enumerate() {
            let global = |o: u32| view.operations[o as usize];
            for (place, production) in view.evidence.productions.iter().enumerate() {
                let operation = global(production.key.operation);
                let from = sets.len();
                sets.extend(production.key.children.iter().map(|&(child, _)| global(child)));
                let set = from..sets.len();
                let (spans, hash) = (production.spans, hash(&sets[set.clone()]));
                totals[operation as usize][window] += spans;
                entries.push(Entry { operation, hash, set, window, place, spans });
            }
        }
        let set = |entry: &Entry| &sets[entry.set.clone()];
        entries.sort_unstable_by(|a, b| {
            let by_hash = (a.operation, a.hash).cmp(&(b.operation, b.hash));
            by_hash.then_with(|| set(a).cmp(set(b)))
        });
        let mut new: Vec<Vec<Option<bool>>> =
            views.iter().map(|v| vec![None; v.evidence.productions.len()]).collect();
        let mut seen = vec![0_u64; views.len()];
        let equal = |a: &Entry, b: &Entry| {
            (a.operation, a.hash) == (b.operation, b.hash) && set(a) == set(b)
        };
        for same in entries.chunk_by(equal) {
            seen.iter_mut().for_each(|n| *n = 0);
            same.iter().for_each(|entry| seen[entry.window] += entry.spans);
            for entry in same {
                let all = others(&totals[entry.operation as usize], entry.window);
                if all >= LEAST_SPANS {
                    let rare = others(&seen, entry.window) * 1000 <= all * RARE_THOUSANDTHS;
                    new[entry.window][entry.place] = Some(rare);
                }
            }
        }
        Self { service_of: &aligned.service_of, new }
    }

    /// Spans of window `w` (0 is the one to be explained) with new sets of children.
    pub(crate) fn collect(&self, w: usize, view: &View<'_>, calls: &Calls, into: &mut Collected) {
        let mut place = 0;
        for same in view.evidence.productions.chunk_by(same_operation) {
            let mut sums = Sums::default();
            for production in same {
                if let Some(new) = self.new[w][place] {
                    let n = real(production.spans);
                    sums.add(Sums::of_count(n, if new { n } else { 0.0 }));
                }
                place += 1;
            }
            if sums.n > 0.0 {
                let operation = view.operations[same[0].key.operation as usize];
                let entry = calls.entry(view, same[0].key.entry);
                into.push((Key::of(Item::NewChildren(operation), entry), sums));
                let service = self.service_of[operation as usize];
                into.push((Key::of(Item::NewInService(service), entry), sums));
            }
        }
    }
}

/// What healthy windows other than `w` show; a lone one is held against itself: then what is rare in
/// it counts as new.
fn others(counts: &[u64], w: usize) -> u64 {
    let all: u64 = counts[1..].iter().sum();
    if w == 0 || counts.len() == 2 { all } else { all - counts[w] }
}
