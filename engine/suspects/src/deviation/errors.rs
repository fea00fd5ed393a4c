//! Do spans carry more error events, do more of them fail by themselves?
//!
//! A span fails *by itself* when none of its children failed under it. Failures that a caller handles
//! count too: the request passed, but the component is as broken. A client span that fails by itself
//! is its callee's failure: it was refused, or waited in vain.

use std::collections::BTreeMap;

use resus_model::EntryOperation;

use super::calls::Calls;
use super::item::Item;
use super::sums::{Collected, Key, Sums};
use crate::align::View;
use crate::coefficient::real;

/// Error events and failures of a window.
pub(crate) fn collect(view: &View<'_>, calls: &Calls, into: &mut Collected) {
    let evidence = view.evidence;
    // By parent: spans of it with a failed child below, at least (retries are one span's).
    let mut below: BTreeMap<(EntryOperation, u32), u64> = BTreeMap::new();
    for edge in &evidence.edges {
        let Some(parent) = edge.key.parent else { continue };
        let failed = edge.failed.saturating_sub(edge.masked).saturating_sub(edge.retries);
        if failed == 0 {
            continue;
        }
        let most = below.entry((edge.key.entry, parent)).or_default();
        *most = (*most).max(failed);
    }
    for stats in &evidence.operation_stats {
        let operation = view.operations[stats.operation as usize];
        let entry = calls.entry(view, stats.entry);
        let n = real(stats.spans);
        if calls.complains[operation as usize] {
            let events = Sums::of_count(n, real(stats.spans_with_error_events));
            into.push((Key::of(Item::ErrorEvents(operation), entry), events));
        }
        if !calls.fails[operation as usize] {
            continue;
        }
        let below = below.get(&(stats.entry, stats.operation)).copied().unwrap_or(0);
        let by_itself = stats.failed.saturating_sub(below).max(stats.origins).min(stats.failed);
        into.push((Key::of(Item::Origins(operation), entry), Sums::of_count(n, real(by_itself))));
        into.push((
            Key::of(Item::Failing(operation), entry),
            Sums::of_count(n, real(stats.failed)),
        ));
    }
}
