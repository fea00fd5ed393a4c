//! What deviates from healthy windows, component by component, whether requests fail or not?
//!
//! Every kind of evidence measures items of components (times of an operation, gaps of an edge, calls
//! of a child, error events, failures) in the window to be explained and in each healthy one. An
//! item's *z* is its difference over how much it wanders between healthy windows. What makes kinds
//! comparable is what healthy windows show of them: the *strength* of an item is its z over the
//! median, over healthy windows, of the largest z of any item of its family. No weight is given to
//! a kind by name: one that cries wolf in healthy windows counts for less.

mod calls;
mod contrast;
mod errors;
mod explain;
mod item;
mod replica;
mod structure;
mod sums;
mod times;

use contrast::{Contrast, Wander, floors, median, wander};
use explain::Explainer;
use item::{FAMILIES, HELPERS, SORTS};
use sums::{Collected, Table, settle};

use crate::align::{Aligned, View};

pub(crate) use calls::Calls;
pub(crate) use item::Item;
pub(crate) use replica::{Odd, replicas};

/// The least that is believed of the largest z in a healthy window.
const LEAST_TYPICAL: f64 = 1.0;

/// What the largest z is taken for where fewer than two healthy windows tell.
const UNKNOWN_TYPICAL: f64 = 2.0;

/// Spans that show what is counted, as many as failed requests are asked for.
const SUPPORT: f64 = 5.0;

/// An item that deviates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Deviation {
    /// What was measured.
    pub item: Item,
    /// The service (aligned) that answers for it.
    pub service: u32,
    /// The operation (aligned) that answers for it; `None` where it is the service as a whole.
    pub operation: Option<u32>,
    /// How it differs.
    pub contrast: Contrast,
    /// What was added to times before the logarithm, microseconds; `None` of counts.
    pub offset_us: Option<f64>,
    /// How many standard errors.
    pub z: f64,
    /// `z` over what its family shows in healthy windows.
    pub strength: f64,
}

impl Deviation {
    /// Whether enough was seen to suspect anybody: in small systems a handful of odd spans is odd by
    /// chance somewhere. Fewer calls than usual are none to count, and of times each span tells.
    pub(crate) fn is_supported(&self) -> bool {
        let seen = self.contrast.difference;
        match self.item {
            Item::Children(..) => seen.n >= SUPPORT,
            item => !item.is_count() || seen.sum >= SUPPORT,
        }
    }
}

/// All items that are larger than in healthy windows, strongest first.
#[derive(Debug, Default)]
pub(crate) struct Deviations {
    /// Those with a z above 0.
    pub found: Vec<Deviation>,
    /// Healthy windows that were set aside for some item, by place.
    pub aside: Vec<bool>,
}

/// Measures everything. Empty without a healthy window.
pub(crate) fn deviations(aligned: &Aligned<'_>, calls: &Calls) -> Deviations {
    if aligned.baselines.is_empty() {
        return Deviations::default();
    }
    let offset_us = times::offset(aligned);
    let table = table(aligned, calls, offset_us);
    let mut items: Vec<Item> = table.items.iter().map(|(item, _)| *item).collect();
    let mut wanders: Vec<Wander> = (0..items.len()).map(|i| wander(&table, i)).collect();
    drop(table);
    let mut explainer = Explainer { items: &mut items, wanders: &mut wanders };
    explainer.gaps(&aligned.service_of);
    explainer.structure();
    explainer.error_events(calls);
    wanders.iter_mut().for_each(Wander::settle);
    let floors = floors(&items, &wanders);
    let typical = typical(&items, &wanders, &floors);

    let mut found = Vec::new();
    let mut aside = vec![false; aligned.baselines.len()];
    for (&item, wander) in items.iter().zip(&wanders) {
        let family = item.family();
        if family == HELPERS {
            continue;
        }
        aside.iter_mut().zip(&wander.aside).for_each(|(any, one)| *any |= one);
        let Some(now) = wander.now else { continue };
        let contrast = wander.judge(now, floors[item.sort()]);
        let z = contrast.z(item);
        if z > 0.0 {
            let (service, operation) = owner(item, aligned, calls);
            let strength = z / typical[family];
            let offset_us = (!item.is_count()).then_some(offset_us);
            found.push(Deviation { item, service, operation, contrast, offset_us, z, strength });
        }
    }
    found.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.item.cmp(&b.item)));
    Deviations { found, aside }
}

fn table(aligned: &Aligned<'_>, calls: &Calls, offset_us: f64) -> Table {
    let logarithms = times::Logarithms::of(offset_us);
    let sets = structure::Sets::of(aligned);
    let collect = |w: usize, view: &View<'_>| {
        let mut collected = Collected::new();
        times::collect(view, calls, &logarithms, &mut collected);
        structure::collect_calls(view, calls, &mut collected);
        sets.collect(w, view, calls, &mut collected);
        errors::collect(view, calls, &mut collected);
        settle(&mut collected);
        collected
    };
    let now = collect(0, &aligned.now);
    let healthy: Vec<Collected> =
        aligned.baselines.iter().enumerate().map(|(w, view)| collect(w + 1, view)).collect();
    Table::of(&now, &healthy)
}

/// By family: the median over healthy windows of the largest z.
fn typical(items: &[Item], wanders: &[Wander], floors: &[f64; SORTS]) -> [f64; FAMILIES] {
    let windows = wanders.first().map_or(0, |w| w.healthy.len());
    let mut largest = vec![vec![0.0_f64; windows]; FAMILIES];
    for (item, wander) in items.iter().zip(wanders) {
        let family = item.family();
        for (largest, healthy) in largest[family].iter_mut().zip(&wander.healthy) {
            if let Some(difference) = healthy {
                *largest = largest.max(wander.judge(*difference, floors[item.sort()]).z(*item));
            }
        }
    }
    let mut typical = [UNKNOWN_TYPICAL; FAMILIES];
    if windows >= 2 {
        for (typical, largest) in typical.iter_mut().zip(&mut largest) {
            *typical = median(largest).max(LEAST_TYPICAL);
        }
    }
    typical
}

/// Who answers for an item.
fn owner(item: Item, aligned: &Aligned<'_>, calls: &Calls) -> (u32, Option<u32>) {
    let operation = match item {
        Item::GapsOut(service) | Item::NewInService(service) => return (service, None),
        Item::SelfTime(o) | Item::ErrorEvents(o) | Item::NewChildren(o) => o,
        Item::Gap(_, callee) => callee,
        // Of a client operation, the call is the crossing: its callee was not reached.
        Item::Children(parent, _) => calls.answers(parent),
        Item::Origins(o) | Item::Failing(o) => calls.answers(o),
    };
    (aligned.service_of[operation as usize], Some(operation))
}
