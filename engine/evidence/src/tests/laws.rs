//! Order, dealing and merging change nothing.

use std::sync::OnceLock;

use proptest::prelude::*;
use resus_model::{Evidence, Quality, Window};

use super::spans::{
    Manner, SECOND, SECONDS, TestSpan, all_time, bare, deal, gather, seen, sets, shuffled,
    two_windows,
};
use crate::{Limits, MergeError, Windows, coarsen_panes, from_ipc, merge, observe, to_ipc};

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads")
}

fn merged(list: &[&Evidence], limits: Limits) -> Evidence {
    merge(list, limits).expect("made under the same rules")
}

/// Merges the evidences of each window over all parts.
fn merge_parts(parts: &[Vec<Evidence>], limits: Limits) -> Vec<Evidence> {
    let windows = parts[0].len();
    let window = |w: usize| merged(&parts.iter().map(|p| &p[w]).collect::<Vec<_>>(), limits);
    (0..windows).map(window).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_repeats_chunks_and_threads_change_nothing(
        spans in sets(24, Manner::Wild),
        seed in any::<u64>(),
        rows in 1..9_usize,
        cap in 1..40_usize,
    ) {
        static ONE: OnceLock<rayon::ThreadPool> = OnceLock::new();
        static TWO: OnceLock<rayon::ThreadPool> = OnceLock::new();
        let limits = Limits { classes: cap };
        let windows = two_windows();
        let plain = seen(&spans, &windows, limits);
        let mut repeated = spans.clone();
        repeated.extend(spans.iter().step_by(3).cloned());
        let other = gather(&shuffled(&repeated, seed), rows);
        prop_assert_eq!(bare(observe(&other, &windows, limits)), bare(plain.clone()));

        let gathered = gather(&spans, usize::MAX);
        let one = ONE.get_or_init(|| pool(1)).install(|| observe(&gathered, &windows, limits));
        let two = TWO.get_or_init(|| pool(2)).install(|| observe(&gathered, &windows, limits));
        prop_assert_eq!(&one, &plain);
        prop_assert_eq!(&two, &plain);
    }

    #[test]
    fn parts_dealt_by_trace_merge_to_the_whole(
        spans in sets(24, Manner::Wild),
        parts in 1..8_usize,
        cap in 1..40_usize,
    ) {
        let limits = Limits { classes: cap };
        let windows = two_windows();
        let whole = bare(seen(&spans, &windows, limits));
        let dealt = deal(&spans, parts);
        let parts: Vec<_> =
            dealt.iter().map(|part| seen(part, &windows, limits)).collect();
        let together = bare(merge_parts(&parts, limits));
        prop_assert_eq!(to_ipc(&together).expect("small"), to_ipc(&whole).expect("small"));
        prop_assert_eq!(together, whole);
    }

    #[test]
    fn merging_is_associative_commutative_and_has_an_identity(
        spans in sets(30, Manner::Wild),
        cap in 1..30_usize,
    ) {
        let limits = Limits { classes: cap };
        let parts: Vec<Evidence> = deal(&spans, 4)
            .iter()
            .map(|part| seen(part, &all_time(), limits).remove(0))
            .collect();
        let [a, b, c, d] = parts.as_slice() else { unreachable!("four parts") };
        let all = merged(&[a, b, c, d], limits);
        let left = merged(&[&merged(&[&merged(&[a, b], limits), c], limits), d], limits);
        let right = merged(&[a, &merged(&[b, &merged(&[c, d], limits)], limits)], limits);
        let pairs = merged(&[&merged(&[d, b], limits), &merged(&[c, a], limits)], limits);
        prop_assert_eq!(&left, &all);
        prop_assert_eq!(&right, &all);
        prop_assert_eq!(&pairs, &all);

        let nothing = seen(&[], &all_time(), limits).remove(0);
        prop_assert_eq!(&merged(&[&all, &nothing], limits), &all);
        prop_assert_eq!(&merged(&[&nothing, a], limits), a);
        prop_assert_eq!(&merged(&[a], limits), a);
    }

    #[test]
    fn evidence_reads_back_as_it_was_written(
        spans in sets(24, Manner::Wild),
        cap in 1..40_usize,
    ) {
        let evidences = seen(&spans, &two_windows(), Limits { classes: cap });
        let bytes = to_ipc(&evidences).expect("small");
        prop_assert_eq!(&to_ipc(&evidences).expect("small"), &bytes, "same list, same bytes");
        prop_assert_eq!(from_ipc(&bytes).expect("written a moment ago"), evidences);
    }

    #[test]
    fn fine_panes_merge_to_coarse_ones(spans in sets(24, Manner::Wild), cap in 1..40_usize) {
        let limits = Limits { classes: cap };
        let range = Window { from: 3 * SECOND, to: (SECONDS - 4) * SECOND };
        let fine = seen(&spans, &Windows::panes(range, SECOND), limits);
        let coarse = Windows::panes(range, 4 * SECOND);
        // Fine panes reach less far at both ends.
        let inside: Vec<TestSpan> = {
            let starts = |trace| spans.iter().filter(move |s| s.trace == trace).map(|s| s.start);
            let inside = |s: &&TestSpan| {
                let start = starts(s.trace).min().unwrap_or(0);
                (range.from..range.to + SECOND).contains(&start)
            };
            spans.iter().filter(inside).cloned().collect()
        };
        let expect = seen(&inside, &coarse, limits);
        let found = coarsen_panes(&shuffled(&fine, 5), 4 * SECOND, limits).expect("same rules");
        prop_assert_eq!(bare(found), bare(expect));
    }

    #[test]
    fn sums_agree_with_the_counters_of_quality(spans in sets(30, Manner::Wild)) {
        let evidence = seen(&spans, &all_time(), Limits::STANDARD).remove(0);
        let quality = &evidence.quality;
        prop_assert_eq!(evidence.paths(), quality.traces);
        prop_assert_eq!(evidence.spans(), quality.spans - quality.duplicates);
        prop_assert_eq!(quality.outside, 0);
        let outcomes = |wanted: u8| {
            let classes = evidence.classes.iter().filter(|c| c.key.outcome as u8 == wanted);
            classes.map(|c| c.tally.n).sum::<u64>()
        };
        let counted =
            [quality.failed, quality.cancelled, quality.unlabelled, quality.unknown_outcomes];
        prop_assert_eq!([1, 2, 3, 4].map(outcomes), counted);
        for class in &evidence.classes {
            prop_assert_eq!(class.seconds.iter().map(|s| s.tally.n).sum::<u64>(), class.tally.n);
            let weight: u64 = class.seconds.iter().map(|s| s.tally.weight).sum();
            prop_assert_eq!(weight, class.tally.weight);
            let timed = if class.key.entry.is_some() { class.tally.n } else { 0 };
            prop_assert_eq!(class.durations.total(), timed);
        }
        for stats in &evidence.operation_stats {
            prop_assert_eq!(stats.durations.total(), stats.spans);
            prop_assert_eq!(stats.self_times.total(), stats.spans);
        }
        let windows = two_windows();
        let two = seen(&spans, &windows, Limits::STANDARD);
        let inside: u64 = two.iter().map(Evidence::paths).sum();
        prop_assert_eq!(inside + two[0].quality.outside, two[0].quality.traces);
        prop_assert_eq!(&two[1].quality, &Quality::default());
    }
}

#[test]
fn other_rules_and_nothing_do_not_merge() {
    let one = seen(&[], &all_time(), Limits::STANDARD).remove(0);
    let mut other = one.clone();
    other.rules = resus_model::Fingerprint::from_text("other".to_owned());
    assert!(matches!(merge(&[&one, &other], Limits::STANDARD), Err(MergeError::Rules(..))));
    assert_eq!(
        merge(&[&other, &one], Limits::STANDARD),
        merge(&[&one, &other], Limits::STANDARD),
        "the message does not depend on order"
    );
    assert_eq!(merge(&[], Limits::STANDARD), Err(MergeError::Nothing));
}
