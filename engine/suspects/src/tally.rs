//! How many requests of each entry operation failed in a window, and in how many seconds?
//!
//! The counts that detection rests on, without its judgement: whoever judges many short windows adds
//! counts up instead of merging Evidences.

use std::collections::{BTreeMap, BTreeSet};

use resus_model::{Component, Evidence, Outcome};

use crate::label::{Label, Norms, Rule};
use crate::normal::Normal;
use crate::share::Share;

/// Requests of one entry operation in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryTally {
    /// The entry operation.
    pub entry: Component,
    /// All of its requests, whatever became of them.
    pub requests: u64,
    /// Those that failed by their outcome, of all that passed or failed.
    pub errors: Share,
    /// Those that are slow or of an unseen pattern, of all that can be judged by that; nothing
    /// without healthy requests to compare with.
    pub slow: Share,
    /// In how many distinct seconds requests started that failed by their outcome.
    pub failing_seconds: u32,
}

/// Counts the requests of a window by entry operation, ascending.
///
/// What is slow or unseen is told by healthy windows; the window itself should not be among them.
#[must_use]
pub fn tally_entries(window: &Evidence, healthy: Option<&Normal>) -> Vec<EntryTally> {
    #[derive(Default)]
    struct Counts {
        requests: u64,
        errors: Share,
        slow: Share,
        seconds: BTreeSet<u64>,
    }
    let slow = healthy.map(|normal| Rule::SlowOrUnseen(Norms::by_class(normal.norms(window))));
    let mut by_entry: BTreeMap<u32, Counts> = BTreeMap::new();
    for (cell, class) in (0..).zip(&window.classes) {
        let Some(entry) = class.key.entry else { continue };
        let counts = by_entry.entry(entry).or_default();
        counts.requests += class.tally.n;
        if let Label::Counted(split) = Rule::Error.label(class, Some(cell)) {
            counts.errors.add(split);
        }
        if let Some(Label::Counted(split)) = slow.as_ref().map(|r| r.label(class, Some(cell))) {
            counts.slow.add(split);
        }
        if class.key.outcome == Outcome::Failed {
            counts.seconds.extend(class.seconds.iter().map(|s| s.second));
        }
    }
    // Operations ascend as their texts do, and so do components.
    let tallies = by_entry.into_iter().map(|(entry, counts)| EntryTally {
        entry: component(window, entry),
        requests: counts.requests,
        errors: counts.errors,
        slow: counts.slow,
        failing_seconds: u32::try_from(counts.seconds.len()).unwrap_or(u32::MAX),
    });
    tallies.collect()
}

fn component(window: &Evidence, operation: u32) -> Component {
    let key = window.operations[operation as usize];
    let text = |i: u32| window.names.text(i).to_owned();
    Component {
        service: text(key.service),
        namespace: text(key.namespace),
        operation: Some(text(key.operation)),
        instance: None,
        version: None,
        host: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use resus_model::Exactness;

    use super::*;
    use crate::align::align;
    use crate::detect::shares;
    use crate::label::Healthy;
    use crate::notation::evidence;

    /// Lines of random requests of a small system.
    fn lines(requests: std::ops::Range<u32>) -> impl Strategy<Value = String> {
        let line = (0..2_usize, 0..4_usize, 0..4_usize, requests, 1..40_u32);
        let line = line.prop_map(|(entry, path, outcome, n, dur)| {
            let entry = ["GET /a", "GET /b"][entry];
            let path = ["web>cart", "web>cart>store", "web>ad", "web>cart+ad"][path];
            let outcome = ["", "fail", "cancel", "unlabelled"][outcome];
            format!("{entry}: {path} x{n} {outcome} dur={dur}ms")
        });
        proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
    }

    fn coarse(mut evidence: Evidence, exactness: Exactness) -> Evidence {
        evidence.exactness = exactness;
        evidence
    }

    proptest! {
        /// What is prepared once says the same as what is aligned for every window.
        #[test]
        fn counts_are_those_of_detection(
            now in lines(1..30),
            past in proptest::collection::vec(lines(1..400), 1..4),
            levels in (0..3_usize, 0..3_usize),
        ) {
            let of = |i: usize| {
                [Exactness::Exact, Exactness::ShapesDropped, Exactness::OperationsDropped][i]
            };
            let now = coarse(evidence(&now), of(levels.0));
            let past: Vec<Evidence> =
                past.iter().map(|p| coarse(evidence(p), of(levels.1))).collect();
            let aligned = align(&now, &past);
            let own: Vec<Healthy> = aligned.baselines.iter().map(|v| Healthy::of(&aligned, v)).collect();
            let norms = Healthy::all(&aligned, &own).norms(&aligned);
            let errors = shares(&aligned, &aligned.now, &Rule::Error);
            let slow = shares(&aligned, &aligned.now, &Rule::SlowOrUnseen(norms));
            let tallies = tally_entries(&now, Some(&Normal::of(&past, now.exactness)));
            for (i, &entry) in aligned.entries.iter().enumerate() {
                let component = aligned.operation(entry);
                let tally = tallies.iter().find(|t| t.entry == component);
                let of = |f: fn(&EntryTally) -> Share| tally.map(f).unwrap_or_default();
                prop_assert_eq!(of(|t| t.errors), errors[i]);
                prop_assert_eq!(of(|t| t.slow), slow[i]);
            }
            prop_assert!(tallies.is_sorted_by(|a, b| a.entry < b.entry));
            let all: u64 = now.classes.iter().map(|c| c.tally.n).sum();
            prop_assert_eq!(tallies.iter().map(|t| t.requests).sum::<u64>(), all);
        }
    }

    #[test]
    fn seconds_count_once_and_without_healthy_windows_nothing_is_slow() {
        let mut window = evidence("GET /: web>cart x3 fail dur=1ms\nGET /: web>ad x2 fail dur=1ms");
        for class in &mut window.classes {
            let tally = class.tally;
            class.seconds = [4, 5].map(|second| resus_model::Second { second, tally }).into();
        }
        let tallies = tally_entries(&window, None);
        assert_eq!((tallies.len(), tallies[0].failing_seconds), (1, 2));
        assert_eq!((tallies[0].errors.failed.n, tallies[0].slow), (5, Share::default()));
    }
}
