//! Panes hold what observing everything at once gives, to the byte.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use resus_model::{Evidence, Rules, SpanId, TraceId, Window};
use resus_paths::AssemblerLimits;

use super::{FUTURE_NS, Live, LiveOptions};
use crate::tests::spans::{Manner, SECOND, SECONDS, TestSpan, bare, batch, seen, sets, shuffled};
use crate::{Limits, Windows, merge, to_ipc};

/// 2 s, so that the 24 s of the test spans are 12 panes.
const PANE: u64 = 2 * SECOND;
const HOUR: u64 = 3_600 * SECOND;

fn options(limits: Limits) -> LiveOptions {
    let assembler = AssemblerLimits {
        linger_ns: HOUR,
        max_bytes: NonZeroUsize::new(1 << 30).expect("not zero"),
        ..AssemblerLimits::STANDARD
    };
    LiveOptions {
        pane_ns: PANE,
        limits: assembler,
        horizon_ns: HOUR,
        evidence: limits,
        ..LiveOptions::STANDARD
    }
}

/// What observing all spans at once gives of the panes in which something started.
fn observed(spans: &[TestSpan], limits: Limits) -> Vec<Evidence> {
    let range = Window { from: 0, to: (SECONDS + 1) * SECOND };
    let panes = bare(seen(spans, &Windows::panes(range, PANE), limits));
    panes.into_iter().filter(|e| e.paths() > 0).collect()
}

/// The latest state of each pane in which something stands.
fn latest(states: Vec<Evidence>) -> Vec<Evidence> {
    let by_window: std::collections::BTreeMap<Window, Evidence> =
        states.into_iter().map(|e| (e.window, e)).collect();
    by_window.into_values().filter(|e| e.paths() > 0).collect()
}

/// Without exemplars and samples of attributes, of which a retraction may leave fewer.
fn without_exemplars(evidences: &[Evidence], limits: Limits) -> Vec<Evidence> {
    let strip = |evidence: &Evidence| {
        let mut stripped = evidence.clone();
        stripped.classes.iter_mut().for_each(|c| c.exemplars.clear());
        stripped.attribute_rows.clear();
        // Merging drops the texts that only exemplars spoke of.
        let mut nothing =
            seen(&[], &Windows::panes(Window { from: 0, to: 0 }, 1), limits).remove(0);
        (nothing.window, nothing.role) = (stripped.window, stripped.role);
        merge(&[&stripped, &nothing], limits).expect("same rules")
    };
    evidences.iter().map(strip).collect()
}

fn count_of(evidence: &Evidence) -> usize {
    let exemplars: usize = evidence.classes.iter().map(|c| c.exemplars.len()).sum();
    exemplars + evidence.attribute_rows.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn panes_are_those_of_observing_everything_at_once(
        spans in sets(24, Manner::Wild),
        seed in any::<u64>(),
        rows in 1..9_usize,
        cap in 1..40_usize,
    ) {
        let limits = Limits { classes: cap };
        let expect = observed(&spans, limits);
        let mut repeated = spans.clone();
        repeated.extend(spans.iter().step_by(3).cloned());
        let mut live = Live::new(options(limits));
        let mut states = Vec::new();
        for chunk in shuffled(&repeated, seed).chunks(rows) {
            live.push(&batch(chunk), 30 * SECOND);
            live.advance(30 * SECOND + 1);
            states.extend(live.changed());
        }
        live.drain(31 * SECOND);
        states.extend(live.changed());
        // Again, too late to be new: nothing changes.
        live.push(&batch(&repeated), 40 * SECOND);
        live.drain(60 * SECOND);
        prop_assert_eq!(live.changed(), []);
        let found = latest(states);
        prop_assert_eq!(to_ipc(&found).expect("small"), to_ipc(&expect).expect("small"));
        prop_assert_eq!(found, expect);
        prop_assert_eq!(live.stats().assembler.reopened, 0);
        prop_assert_eq!(live.quality().outside, 0);
    }

    #[test]
    fn late_spans_move_requests_exactly(
        spans in sets(24, Manner::Wild),
        seed in any::<u64>(),
        rows in 1..9_usize,
        cap in 1..40_usize,
    ) {
        let limits = Limits { classes: cap };
        let expect = observed(&spans, limits);
        let mut live = Live::new(options(limits));
        let (mut states, mut now) = (Vec::new(), 30 * SECOND);
        for (i, chunk) in shuffled(&spans, seed).chunks(rows).enumerate() {
            now += seed.rotate_left(u32::try_from(i % 64).expect("small")) % 6 * SECOND;
            live.advance(now);
            live.push(&batch(chunk), now);
            states.extend(live.changed());
        }
        live.drain(now);
        states.extend(live.changed());
        let found = latest(states);
        if live.stats().assembler.reopened == 0 {
            prop_assert_eq!(&found, &expect);
        }
        for (found, expect) in found.iter().zip(&expect) {
            prop_assert!(count_of(found) <= count_of(expect));
        }
        let (found, expect) =
            (without_exemplars(&found, limits), without_exemplars(&expect, limits));
        prop_assert_eq!(to_ipc(&found).expect("small"), to_ipc(&expect).expect("small"));
        prop_assert_eq!(found, expect);
        prop_assert_eq!(live.quality().outside, 0);
    }

    #[test]
    fn starting_with_empty_tables_changes_nothing(
        spans in sets(24, Manner::Wild),
        seed in any::<u64>(),
        rows in 1..20_usize,
        groups in 1..4_u128,
        cap in 1..40_usize,
    ) {
        let limits = Limits { classes: cap };
        let expect = observed(&spans, limits);
        let mut live = Live::new(options(limits));
        let (mut states, mut now) = (Vec::new(), 30 * SECOND);
        // A trace comes within its settle time, so that none is reopened.
        for group in 0..groups {
            let members: Vec<TestSpan> =
                spans.iter().filter(|s| s.trace % groups == group).cloned().collect();
            for (i, chunk) in shuffled(&members, seed).chunks(rows).enumerate() {
                live.push(&batch(chunk), now);
                if seed >> (i % 64) & 1 == 1 {
                    live.compact();
                    states.extend(live.changed());
                }
            }
            now += 10 * SECOND;
            live.advance(now);
            states.extend(live.changed());
        }
        live.compact();
        prop_assert_eq!(live.changed(), []);
        let found = latest(states);
        prop_assert_eq!(to_ipc(&found).expect("small"), to_ipc(&expect).expect("small"));
        prop_assert_eq!(found, expect);
        prop_assert_eq!(live.stats().assembler.late_dropped, 0);
    }
}

/// A span of `web` that starts at a time.
fn at(trace: u128, id: u64, start: u64) -> TestSpan {
    TestSpan {
        trace,
        id,
        parent: id - 1,
        operation: 2,
        kind: resus_model::Kind::Server,
        status: resus_model::Status::Unset,
        start,
        duration: 5,
        http: 0,
        rpc: resus_model::SpanRow::NO_RPC,
        error_type: "",
        peer: "",
        instance: "a",
        version: "",
        host: "",
        trace_state: "",
        error_events: 0,
        exception_events: 0,
        links: 0,
        attributes: "",
    }
}

fn standard() -> Live {
    Live::new(LiveOptions { pane_ns: PANE, ..LiveOptions::STANDARD })
}

fn windows(evidences: &[Evidence]) -> Vec<(u64, u64)> {
    evidences.iter().map(|e| (e.window.from / SECOND, e.paths())).collect()
}

#[test]
fn only_panes_that_changed_are_told_and_each_whole() {
    let mut live = standard();
    let now = 1_000 * SECOND;
    live.push(&batch(&[at(1, 1, now), at(2, 1, now + 1), at(3, 1, now - PANE)]), now);
    live.advance(now + 5 * SECOND);
    assert_eq!(windows(&live.changed()), [(998, 1), (1000, 2)]);
    assert_eq!(live.changed(), []);
    live.push(&batch(&[at(4, 1, now + 2)]), now + 5 * SECOND);
    live.advance(now + 10 * SECOND);
    assert_eq!(windows(&live.changed()), [(1000, 3)]);
    // An earlier span moves a request into the pane before, and the one it leaves is told too.
    let earlier = TestSpan { parent: 0, ..at(4, 9, now - 1) };
    live.push(&batch(&[earlier]), now + 10 * SECOND);
    live.advance(now + 20 * SECOND);
    assert_eq!(windows(&live.changed()), [(998, 2), (1000, 2)]);
    assert_eq!(live.quality().traces, 4);
}

#[test]
fn requests_of_the_distant_past_or_future_have_no_pane() {
    let mut live = standard();
    let now = 1_000 * SECOND;
    let horizon = LiveOptions::STANDARD.horizon_ns;
    let spans = [
        at(1, 1, now - horizon - 2 * PANE),
        at(2, 1, now + FUTURE_NS + 100 * SECOND),
        at(3, 1, u64::MAX - 10),
        at(4, 1, 0),
        at(5, 1, now),
    ];
    live.push(&batch(&spans), now);
    live.advance(now + 3 * SECOND);
    assert_eq!(windows(&live.changed()), [(1000, 1)]);
    assert_eq!((live.quality().outside, live.stats().panes), (4, 1));
    // What was not counted is not taken back, even when its pane has come within reach since.
    live.push(&batch(&[at(2, 2, now + FUTURE_NS + 100 * SECOND)]), now + 20 * SECOND);
    live.push(&batch(&[at(6, 1, now + FUTURE_NS)]), now + 20 * SECOND);
    live.advance(now + 24 * SECOND);
    assert_eq!(windows(&live.changed()), [(1300, 1)]);
    assert_eq!((live.quality().outside, live.stats().panes), (4, 2));
}

#[test]
fn panes_are_forgotten_beyond_the_horizon_and_their_requests_with_them() {
    let limits = AssemblerLimits { linger_ns: HOUR, ..AssemblerLimits::STANDARD };
    let mut live = Live::new(LiveOptions { pane_ns: PANE, limits, ..LiveOptions::STANDARD });
    let now = 1_000 * SECOND;
    live.push(&batch(&[at(1, 1, now)]), now);
    live.advance(now + 3 * SECOND);
    assert_eq!(windows(&live.changed()), [(1000, 1)]);
    let later = now + PANE + LiveOptions::STANDARD.horizon_ns;
    live.advance(later - 1);
    assert_eq!(live.stats().panes, 1);
    live.advance(later);
    assert_eq!(live.stats().panes, 0);
    live.push(&batch(&[at(1, 2, now + 1), at(2, 1, later)]), later);
    live.advance(later + 10 * SECOND);
    assert_eq!(windows(&live.changed()), [(1152, 1)], "a window is used again, empty");
    assert_eq!(live.quality().outside, 1);
}

#[test]
fn what_comes_late_after_the_tables_were_emptied_is_dropped_and_counted() {
    let mut live = standard();
    let now = 1_000 * SECOND;
    live.push(&batch(&[at(1, 1, now)]), now);
    live.advance(now + 3 * SECOND);
    let before = live.changed();
    live.compact();
    live.push(&batch(&[at(1, 2, now + 1), at(2, 1, now + 2)]), now + 3 * SECOND);
    live.advance(now + 10 * SECOND);
    let after = live.changed();
    assert_eq!((windows(&before), windows(&after)), (vec![(1000, 1)], vec![(1000, 2)]));
    let stats = live.stats().assembler;
    assert_eq!((stats.late_dropped, stats.reopened, stats.compactions), (1, 0, 1));
}

#[test]
fn new_texts_without_end_empty_the_tables_by_themselves() {
    let max_bytes = NonZeroUsize::new(1 << 20).expect("not zero");
    let limits = AssemblerLimits { max_bytes, linger_ns: 0, ..AssemblerLimits::STANDARD };
    let mut live = Live::new(LiveOptions { pane_ns: PANE, limits, ..LiveOptions::STANDARD });
    let mut highest = 0;
    for second in 1_000..1_100_u64 {
        let mut spans = batch(&(0..50).map(|i| at(i, 1, second * SECOND)).collect::<Vec<_>>());
        for row in 0..spans.len() {
            let n = second * 1_000 + row as u64;
            spans.trace_id[row] = TraceId::from_u128(n.into());
            spans.span_id[row] = SpanId::from_u64(n);
            spans.instance[row] = spans.names.intern(&format!("{n} {}", "long ".repeat(20)));
        }
        live.push(&spans, second * SECOND);
        live.advance(second * SECOND);
        highest = highest.max(live.stats().assembler.bytes);
    }
    live.drain(1_100 * SECOND);
    let stats = live.stats().assembler;
    assert!(stats.compactions > 2 && stats.early == 0, "{stats:?}");
    assert!(highest < 1 << 19, "{highest}");
    assert_eq!(live.changed().iter().map(Evidence::paths).sum::<u64>(), 5_000);
}

#[test]
#[should_panic(expected = "a pane has a length")]
fn a_pane_without_length_is_refused() {
    drop(Live::new(LiveOptions { rules: Rules::STANDARD, pane_ns: 0, ..LiveOptions::STANDARD }));
}
