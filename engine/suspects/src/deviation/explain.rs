//! What of a difference do other components account for?
//!
//! - The gaps of calls from one service to all of its callees grow together when the caller itself is
//!   short of time: what they have in common is the caller's, and is taken off the callees.
//! - An operation that fails does not get to its later calls: calls that were not made are accounted
//!   for by failures.
//! - Error events bubble up: what callees complain of, their callers log too.
//!
//! Healthy windows are treated in the same way as the window to be explained, so that their spread
//! is the spread of what is judged.

use std::collections::BTreeMap;

use super::calls::Calls;
use super::contrast::{Difference, Wander};
use super::item::Item;

/// All windows of a table: the one to be explained is 0, healthy ones follow.
pub(crate) struct Explainer<'a> {
    /// Items, ascending.
    pub items: &'a mut Vec<Item>,
    /// How each of them wanders.
    pub wanders: &'a mut Vec<Wander>,
}

impl Explainer<'_> {
    fn at(&self, item: usize, window: usize) -> Option<&Difference> {
        let wander = &self.wanders[item];
        if window == 0 { wander.now.as_ref() } else { wander.healthy[window - 1].as_ref() }
    }

    fn at_mut(&mut self, item: usize, window: usize) -> Option<&mut Difference> {
        let wander = &mut self.wanders[item];
        if window == 0 { wander.now.as_mut() } else { wander.healthy[window - 1].as_mut() }
    }

    fn find(&self, item: Item, window: usize) -> Option<&Difference> {
        self.at(self.items.binary_search(&item).ok()?, window)
    }

    fn windows(&self) -> usize {
        self.wanders.first().map_or(1, |w| w.healthy.len() + 1)
    }

    /// Takes the common part of a caller's gaps off its callees, and gives it to the caller.
    pub(crate) fn gaps(&mut self, service_of: &[u32]) {
        let mut of_caller: BTreeMap<u32, Vec<(u32, usize)>> = BTreeMap::new();
        for (i, item) in self.items.iter().enumerate() {
            if let Item::Gap(caller, callee) = *item {
                let service = |o: u32| service_of[o as usize];
                of_caller.entry(service(caller)).or_default().push((service(callee), i));
            }
        }
        let windows = self.windows();
        for (caller, gaps) in of_caller {
            let mut common = Wander {
                healthy: vec![None; windows - 1],
                aside: vec![false; windows - 1],
                ..Wander::default()
            };
            for window in 0..windows {
                let out = self.common_gap(&gaps, window);
                if window == 0 { common.now = out } else { common.healthy[window - 1] = out }
            }
            if common.now.is_some() {
                self.items.push(Item::GapsOut(caller));
                self.wanders.push(common);
            }
        }
        self.sort();
    }

    /// The lower median over callees of their mean gap difference, in one window; each callee's own
    /// gaps are relieved of what the other callees show.
    fn common_gap(&mut self, gaps: &[(u32, usize)], window: usize) -> Option<Difference> {
        let mut callees: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
        for &(callee, item) in gaps {
            let Some(d) = self.at(item, window) else { continue };
            let weight = 1.0 / d.sampling.max(1e-6);
            let sums = callees.entry(callee).or_default();
            sums.0 += weight * d.effect();
            sums.1 += weight;
        }
        if callees.len() < 2 {
            return None;
        }
        let means: Vec<(u32, f64)> = callees.iter().map(|(&c, (sum, w))| (c, sum / w)).collect();
        let middle = |without: Option<u32>| {
            let mut values: Vec<f64> =
                means.iter().filter(|(c, _)| Some(*c) != without).map(|(_, m)| *m).collect();
            values.sort_by(f64::total_cmp);
            values[(values.len() - 1) / 2]
        };
        let others: BTreeMap<u32, f64> =
            means.iter().map(|&(c, _)| (c, middle(Some(c)).max(0.0))).collect();
        let all = middle(None);
        let (mut n, mut baseline_n) = (0.0, 0.0);
        for &(callee, item) in gaps {
            if let Some(d) = self.at_mut(item, window) {
                d.explained = others[&callee];
                n += d.n;
                baseline_n += d.baseline_n;
            }
        }
        let sampling = callees.values().map(|(_, w)| 1.0 / w).fold(0.0, f64::max);
        Some(Difference { n, sum: n * all, baseline_n, sampling, ..Difference::default() })
    }

    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        order.sort_by_key(|&i| self.items[i]);
        *self.items = order.iter().map(|&i| self.items[i]).collect();
        let mut wanders: Vec<Option<Wander>> = self.wanders.drain(..).map(Some).collect();
        let taken = order.iter().map(|&i| wanders[i].take().expect("each is taken once"));
        *self.wanders = taken.collect();
    }

    /// Calls that were not made because their caller failed.
    pub(crate) fn structure(&mut self) {
        for window in 0..self.windows() {
            for i in 0..self.items.len() {
                let (Item::Children(parent, _) | Item::NewChildren(parent)) = self.items[i] else {
                    continue;
                };
                let failing = self.find(Item::Failing(parent), window);
                let more = failing.map_or(0.0, |d| d.effect().max(0.0));
                let new = matches!(self.items[i], Item::NewChildren(_));
                let Some(d) = self.at_mut(i, window) else { continue };
                if new {
                    d.explained = more.min(d.effect().max(0.0));
                } else {
                    let lost = more * d.baseline.max(0.0);
                    d.explained = -lost.min((-d.effect()).max(0.0));
                }
            }
        }
    }

    /// Error events that callees account for.
    pub(crate) fn error_events(&mut self, calls: &Calls) {
        for window in 0..self.windows() {
            let size = calls.children.len();
            let mut own = vec![0.0_f64; size];
            for (i, item) in self.items.iter().enumerate() {
                if let (Item::ErrorEvents(o), Some(d)) = (item, self.at(i, window)) {
                    own[*o as usize] = d.effect().max(0.0);
                }
            }
            if own.iter().all(|&e| e <= 0.0) {
                continue;
            }
            let mut carried = Carried { marks: vec![Mark::New; size], below: vec![0.0; size] };
            for i in 0..self.items.len() {
                if let Item::ErrorEvents(o) = self.items[i] {
                    let below = carried.below(o, DEEPEST, &own, calls, self, window);
                    if let Some(d) = self.at_mut(i, window) {
                        d.explained = below.min(d.effect().max(0.0));
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

/// So many operations below each other are followed: deeper ones, if any, account for nothing.
const DEEPEST: u32 = 128;

/// By operation: how many more of its spans have a callee with more error events, at least.
struct Carried {
    marks: Vec<Mark>,
    below: Vec<f64>,
}

impl Carried {
    fn below(
        &mut self,
        operation: u32,
        depth: u32,
        own: &[f64],
        calls: &Calls,
        windows: &Explainer<'_>,
        window: usize,
    ) -> f64 {
        let o = operation as usize;
        match self.marks[o] {
            Mark::Done => return self.below[o],
            // A cycle of operations accounts for nothing.
            Mark::Open => return 0.0,
            Mark::New if depth == 0 => return 0.0,
            Mark::New => self.marks[o] = Mark::Open,
        }
        let mut most = 0.0_f64;
        for &child in &calls.children[o] {
            let below = self.below(child, depth - 1, own, calls, windows, window);
            let events = own[child as usize].max(below);
            if events > most {
                let rate = windows.find(Item::Children(operation, child), window);
                most = most.max(rate.map_or(0.0, Difference::mean).min(1.0) * events);
            }
        }
        self.marks[o] = Mark::Done;
        self.below[o] = most;
        most
    }
}
