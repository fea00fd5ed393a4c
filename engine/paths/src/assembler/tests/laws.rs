//! What was completed less what was retracted is what gathering gives.

use std::collections::BTreeMap;

use proptest::prelude::*;
use resus_model::{Kind, LogBatch, Quality, Rules, SpanBatch, SpanId, SpanRow, Status, TraceId};

use super::{Assembler, AssemblerLimits, Change, LIMITS};
use crate::{Gather, Path};

/// A span, or a repeat of one with other content, as random numbers.
#[derive(Debug, Clone, Copy)]
struct Dice {
    trace: u8,
    id: u8,
    parent: u8,
    kind: u8,
    start: u8,
    duration: u8,
    status: u8,
    texts: u8,
    events: u8,
}

/// Something that arrives some time after what arrived before.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    gap: u8,
    /// Time passes before it arrives.
    advance: bool,
    span: Dice,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let dice = any::<[u8; 9]>().prop_map(|d| Dice {
        trace: d[0] % 5,
        id: d[1] % 6 + 1,
        parent: d[2] % 9,
        kind: d[3] % 12,
        start: d[4],
        duration: d[5],
        status: d[6] % 6,
        texts: d[7],
        events: d[8] % 4,
    });
    let gap = prop_oneof![3 => Just(0), 3 => 0..5_u8, 1 => 0..30_u8];
    let arrival = (gap, any::<bool>(), dice);
    let arrival = arrival.prop_map(|(gap, advance, span)| Arrival { gap, advance, span });
    proptest::collection::vec(arrival, 0..60)
}

fn push(batch: &mut SpanBatch, dice: Dice) {
    let pick = |list: &[&'static str], n: u8| list[usize::from(n) % list.len()];
    let mut name = |text| batch.names.intern(text);
    let kind = [Kind::Client, Kind::Internal, Kind::Consumer];
    let row = SpanRow {
        // Two traces share their low half.
        trace_id: TraceId::from_u128(u128::from(dice.trace) << (8 * (dice.trace % 2)) | 1 << 70),
        span_id: SpanId::from_u64(u64::from(dice.id)),
        parent_span_id: SpanId::from_u64(u64::from(dice.parent)),
        flags: u32::from(dice.texts % 2),
        trace_state: name(pick(&["", "ot=th:8;rv:1", "ot=th:c"], dice.texts)),
        service: name(pick(&["a", "b"], dice.texts)),
        operation: name(pick(&["x", "get /items/7", "get /items/8"], dice.texts / 2)),
        instance: name(pick(&["", "one", "two"], dice.texts / 3)),
        error_type: name(pick(&["", "", "Timeout"], dice.texts / 5)),
        kind: kind.get(usize::from(dice.kind)).copied().unwrap_or(Kind::Server),
        status: [Status::Unset, Status::Error, Status::Ok][usize::from(dice.status) % 3],
        start_unix_nano: u64::from(dice.start),
        duration_ns: i64::from(dice.duration) - 9,
        error_event_count: u32::from(dice.events / 2),
        exception_event_count: u32::from(dice.events % 2),
        ..SpanRow::new()
    };
    batch.push(&row);
}

fn batch(spans: &[Dice]) -> SpanBatch {
    let mut batch = SpanBatch::new();
    spans.iter().for_each(|&dice| push(&mut batch, dice));
    batch
}

/// All that a path says, by texts.
fn content(path: &Path<'_>) -> String {
    let text = |name| path.vocabulary.names.text(name);
    let nodes = path.nodes.iter().map(|node| {
        let (operation, resource, mark) =
            (path.vocabulary.operation(node.operation), path.resource(node), path.mark(node));
        let texts = [
            operation.service,
            operation.operation,
            resource.instance,
            mark.threshold,
            mark.error_type,
        ];
        let plain = crate::Node { operation: crate::OperationId(0), resource: 0, mark: 0, ..*node };
        format!("{plain:?} {:?} {}", texts.map(text), mark.flags)
    });
    let nodes: Vec<String> = nodes.collect();
    let Path { trace_id, entry, outcome, weight, start_unix_nano, .. } = path;
    format!("{trace_id} {entry:?} {outcome:?} {weight} {start_unix_nano} {nodes:#?}")
}

/// Paths with how often they stand.
type Standing = BTreeMap<String, i64>;

fn gathered(batches: &[SpanBatch]) -> (Standing, Quality) {
    let mut gather = Gather::new(Rules::STANDARD);
    batches.iter().for_each(|batch| gather.push(batch));
    let gathered = gather.seal();
    let mut quality = gathered.quality().clone();
    let mut standing = Standing::new();
    for partition in 0..gathered.partitions() {
        gathered.each_path(partition, &mut quality, &mut |path, _| {
            *standing.entry(content(path)).or_default() += 1;
        });
    }
    (standing, quality)
}

/// Adds a change up; what is retracted must stand.
fn note(standing: &mut Standing, change: &Change<'_>) {
    match change {
        Change::Complete(path) => *standing.entry(content(path)).or_default() += 1,
        Change::Retract { path, taken } => {
            assert!(*taken);
            let times = standing.get_mut(&content(path)).expect("it was completed");
            *times -= 1;
        }
    }
    standing.retain(|_, times| *times != 0);
}

const PATIENT: AssemblerLimits = AssemblerLimits { linger_ns: 1 << 40, ..LIMITS };

/// Feeds all arrivals and completes everything at the end.
fn assembled(arrivals: &[Arrival]) -> (Standing, Assembler) {
    let mut assembler = Assembler::new(Rules::STANDARD, PATIENT);
    let (mut standing, mut now) = (Standing::new(), 1_000);
    let mut waiting = Vec::new();
    for arrival in arrivals {
        if arrival.gap > 0 || arrival.advance {
            assembler.push(&batch(&waiting), now);
            waiting.clear();
        }
        now += u64::from(arrival.gap);
        if arrival.advance {
            assembler.advance(now, &mut |change| {
                note(&mut standing, &change);
                true
            });
        }
        waiting.push(arrival.span);
    }
    assembler.push(&batch(&waiting), now);
    assembler.drain(now, &mut |change| {
        note(&mut standing, &change);
        true
    });
    (standing, assembler)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_sum_of_all_changes_is_what_gathering_gives(arrivals in arrivals()) {
        let spans: Vec<Dice> = arrivals.iter().map(|a| a.span).collect();
        let (expect, quality) = gathered(&[batch(&spans)]);
        let (standing, mut assembler) = assembled(&arrivals);
        prop_assert_eq!(standing, expect);
        // Which copies count as conflicting depends on when they were collapsed.
        let counted = Quality { conflicting: quality.conflicting, ..assembler.quality().clone() };
        prop_assert_eq!(counted, quality);
    }

    #[test]
    fn within_the_settle_time_nothing_is_told_twice(mut arrivals in arrivals()) {
        arrivals.iter_mut().for_each(|a| a.gap = 0);
        let spans: Vec<Dice> = arrivals.iter().map(|a| a.span).collect();
        let (standing, assembler) = assembled(&arrivals);
        prop_assert_eq!(standing, gathered(&[batch(&spans)]).0);
        prop_assert_eq!(assembler.stats().reopened, 0);
        let traces: std::collections::BTreeSet<u8> = spans.iter().map(|s| s.trace).collect();
        prop_assert_eq!(assembler.stats().completed, traces.len() as u64);
    }

    #[test]
    fn compacting_changes_nothing_for_traces_that_are_open(
        arrivals in arrivals(),
        at in any::<prop::sample::Index>(),
    ) {
        let spans: Vec<Dice> = arrivals.iter().map(|a| a.span).collect();
        let at = at.index(spans.len() + 1);
        let mut assembler = Assembler::new(Rules::STANDARD, PATIENT);
        assembler.push(&batch(&spans[..at]), 100);
        assembler.compact();
        assembler.push(&batch(&spans[at..]), 101);
        let mut standing = Standing::new();
        assembler.drain(101, &mut |change| {
            note(&mut standing, &change);
            true
        });
        prop_assert_eq!(standing, gathered(&[batch(&spans)]).0);
        prop_assert_eq!(assembler.stats().late_dropped, 0);
    }

    #[test]
    fn events_count_the_same_in_a_span_and_as_log_records(
        arrivals in arrivals(),
        order in any::<u64>(),
    ) {
        // Each id once, so that it is clear whose events they are.
        let mut spans: Vec<Dice> = arrivals.iter().map(|a| a.span).collect();
        spans.sort_by_key(|s| (s.trace, s.id));
        spans.dedup_by_key(|s| (s.trace, s.id));
        let expect = gathered(&[batch(&spans)]).0;
        let mut assembler = Assembler::new(Rules::STANDARD, PATIENT);
        let mut standing = Standing::new();
        let mut now = 1_000;
        for (i, span) in spans.iter().enumerate() {
            let bare = batch(&[Dice { events: 0, ..*span }]);
            let mut logs = LogBatch::default();
            for (n, exception) in [(span.events / 2, false), (span.events % 2, true)] {
                for _ in 0..n {
                    logs.trace_id.push(bare.trace_id[0]);
                    logs.span_id.push(bare.span_id[0]);
                    logs.unix_nano.push(0);
                    logs.error.push(!exception);
                    logs.exception.push(exception);
                }
            }
            let bit = |n: usize| order >> (n % 64) & 1 == 1;
            if bit(i) {
                assembler.push_logs(&logs, now);
            }
            now += if bit(i + 7) { 25 } else { 1 };
            assembler.push(&bare, now);
            now += if bit(i + 13) { 25 } else { 1 };
            assembler.advance(now, &mut |change| {
                note(&mut standing, &change);
                true
            });
            if !bit(i) {
                assembler.push_logs(&logs, now);
            }
        }
        assembler.drain(now, &mut |change| {
            note(&mut standing, &change);
            true
        });
        prop_assert_eq!(standing, expect);
    }
}
