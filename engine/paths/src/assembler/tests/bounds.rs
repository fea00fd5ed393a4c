//! Memory, and what an endless stream of new texts does to it.

use std::num::NonZeroUsize;

use resus_model::{Rules, SpanBatch, SpanId, SpanRow, TraceId};

use super::{LIMITS, draw, logs, span, spans, told, until};
use crate::assembler::{Assembler, AssemblerLimits, Change};

fn bounded(max_bytes: usize) -> Assembler {
    let max_bytes = NonZeroUsize::new(max_bytes).expect("not zero");
    Assembler::new(Rules::STANDARD, AssemblerLimits { max_bytes, ..LIMITS })
}

#[test]
fn lingering_traces_go_first_then_open_ones_are_completed_early() {
    let mut assembler = bounded(1 << 20);
    let fill = |assembler: &mut Assembler, traces: std::ops::Range<u128>, now: u64| {
        for trace in traces {
            assembler.push(&spans(trace, &[(1, 0), (2, 1), (3, 1), (4, 9)]), now);
        }
    };
    fill(&mut assembler, 1..1_001, 100);
    assert!(assembler.pressure() < 0.5);
    assert_eq!(until(&mut assembler, 110).len(), 1_000);
    fill(&mut assembler, 1_001..3_501, 111);
    let stats = assembler.stats();
    assert!(assembler.pressure() <= 1.0, "{stats:?}");
    assert!(stats.evicted > 0 && stats.early == 0 && stats.open_traces == 2_500, "{stats:?}");
    // Those that were complete first went first: the last one is still there for late spans.
    assembler.push(&spans(1_000, &[(1, 0)]), 112);
    fill(&mut assembler, 3_501..6_001, 112);
    assert!(assembler.pressure() > 1.0, "whoever can should have waited");
    let seen = until(&mut assembler, 112);
    let stats = assembler.stats();
    assert!(assembler.pressure() <= 1.0);
    assert_eq!((seen.len() as u64, stats.lingering_traces), (stats.early, 0));
    assert!(seen[0].starts_with("+1001 "), "the earliest deadline: {}", seen[0]);
    assert_eq!(stats.open_traces + stats.early, 5_000 + 1);
    assert!(stats.completed - 1_000 == stats.early, "nothing is lost: {stats:?}");
}

#[test]
fn bytes_are_those_of_what_is_held() {
    let mut assembler = bounded(1 << 30);
    let empty = assembler.stats().bytes;
    for trace in 1..=10_000 {
        assembler.push(&spans(trace, &[(1, 0), (2, 1), (3, 1), (4, 3), (5, 3), (6, 5)]), 100);
    }
    let stats = assembler.stats();
    let each = (stats.bytes - empty) as f64 / stats.entries as f64;
    assert!((64.0..90.0).contains(&each), "{each} bytes a span");
    assert_eq!(until(&mut assembler, 104).len(), 10_000);
    until(&mut assembler, 300);
    let left = assembler.stats();
    assert_eq!((left.entries, left.lingering_traces, left.open_traces), (0, 0, 0));
    assert!(left.bytes < stats.bytes / 4, "the index keeps its room: {left:?}");
}

#[test]
fn spans_beyond_the_limit_of_a_trace_are_left_out_and_counted() {
    let limits = AssemblerLimits { max_spans_per_trace: 3, ..LIMITS };
    let mut assembler = Assembler::new(Rules::STANDARD, limits);
    assembler.push(&spans(7, &[(1, 0), (2, 1), (3, 1), (4, 1), (5, 1)]), 100);
    assert_eq!(until(&mut assembler, 104), ["+7 0:op1 1:op2 1:op3"]);
    assembler.push(&spans(7, &[(4, 1)]), 110);
    assert_eq!(until(&mut assembler, 130), [""; 0]);
    assert_eq!(assembler.stats().left_out, 3);
}

#[test]
fn services_and_operations_beyond_the_limits_count_as_overflow() {
    let limits = AssemblerLimits { max_services: 2, max_operations_per_service: 2, ..LIMITS };
    let mut assembler = Assembler::new(Rules::STANDARD, limits);
    let mut batch = SpanBatch::new();
    let names =
        [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x"), ("c", "x"), ("a", "y"), ("d", "w")];
    for (id, (service, operation)) in (1..).zip(names) {
        let row = SpanRow {
            trace_id: TraceId::from_u128(7),
            span_id: SpanId::from_u64(id),
            service: batch.names.intern(service),
            operation: batch.names.intern(operation),
            start_unix_nano: id,
            ..SpanRow::new()
        };
        batch.push(&row);
    }
    assembler.push(&batch, 100);
    let names_of = |assembler: &mut Assembler, now: u64| {
        let mut seen = Vec::new();
        assembler.advance(now, &mut |change| {
            let Change::Complete(path) = change else { return true };
            let name = |node: &crate::Node| {
                let name = path.vocabulary.operation(node.operation);
                let text = |name| path.vocabulary.names.text(name);
                format!("{}/{}", text(name.service), text(name.operation))
            };
            seen.extend(path.nodes.iter().map(name));
            true
        });
        seen
    };
    let other = "__overflow__/__overflow__";
    let expect = ["a/x", "a/y", "a/__overflow__", "b/x", other, "a/y", other];
    // Compacting keeps what there is, the full ones among it.
    assembler.compact();
    assert_eq!(names_of(&mut assembler, 104), expect);
    assert_eq!(assembler.stats().overflowed, 3);
    let texts: Vec<&str> = assembler.vocabulary().names.iter().map(|(_, text)| text).collect();
    assert!(!texts.contains(&"z") && !texts.contains(&"w"), "{texts:?}");
    // Nobody holds these any more, so there is room again.
    until(&mut assembler, 300);
    assembler.compact();
    assembler.push(&batch, 300);
    assert_eq!(names_of(&mut assembler, 304), expect);
}

#[test]
fn compacting_keeps_open_traces_and_freezes_complete_ones() {
    let mut assembler = new_with_texts();
    let before = assembler.stats().bytes;
    // 1 is complete, 2 complete and reopened, 3 open with a log record.
    assembler.push(&spans(1, &[(1, 0)]), 200);
    assembler.push(&spans(2, &[(1, 0)]), 200);
    assert_eq!(until(&mut assembler, 204).len(), 2);
    assembler.push(&spans(2, &[(2, 1), (3, 1)]), 205);
    assembler.push(&spans(3, &[(1, 0), (2, 1)]), 205);
    assembler.push_logs(&logs(3, &[(2, true)]), 205);
    assembler.compact();
    let stats = assembler.stats();
    assert_eq!((stats.open_traces, stats.lingering_traces, stats.late_dropped), (1, 2, 2));
    assert!(stats.bytes < before, "texts that nobody speaks of are gone");
    assert_eq!(assembler.vocabulary().operations.len(), 2);

    assembler.push(&spans(1, &[(2, 1), (1, 0)]), 206);
    assembler.push_logs(&logs(2, &[(1, true)]), 206);
    assert_eq!(until(&mut assembler, 230), ["+3 0:op1 1:op2[1,1]"]);
    assert_eq!(assembler.stats().late_dropped, 5);
    // What is complete since can be reopened; what was frozen is forgotten in time.
    assembler.push(&spans(3, &[(3, 1)]), 230);
    assert_eq!(until(&mut assembler, 234).len(), 2);
    until(&mut assembler, 400);
    assert_eq!(assembler.stats().lingering_traces, 0);
    assembler.push(&spans(1, &[(1, 0)]), 400);
    assert_eq!(until(&mut assembler, 404), ["+1 0:op1"]);
}

/// One that has met many texts of traces that are gone.
fn new_with_texts() -> Assembler {
    let mut assembler = bounded(1 << 20);
    for trace in 1..2_000_u128 {
        let mut batch = spans(trace, &[(1, 0)]);
        let instance = batch.names.intern(&format!("a pod with a long name, number {trace}"));
        batch.instance[0] = instance;
        assembler.push(&batch, 50);
    }
    assert!(assembler.compact_due());
    assembler.drain(60, &mut |_| true);
    until(&mut assembler, 199);
    assembler
}

#[test]
fn the_vocabulary_is_compacted_no_sooner_than_it_doubles() {
    let mut assembler = new_with_texts();
    assembler.compact();
    assert!(!assembler.compact_due());
    assert_eq!(assembler.stats().compactions, 1);
}

#[test]
fn texts_that_no_rule_asks_for_are_not_kept() {
    let mut assembler = bounded(1 << 20);
    let mut batch = spans(7, &[(1, 0)]);
    batch.names.intern("{\"resource\":\"attributes\"}");
    let state = batch.names.intern("ot=th:8;rv:0123456789abcd,vendor=x");
    batch.trace_state[0] = state;
    let operation = batch.names.intern("GET /items/4711");
    batch.operation[0] = operation;
    assembler.push(&batch, 100);
    let texts: Vec<&str> = assembler.vocabulary().names.iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["", "web", "GET /items/{}", "8"]);
}

#[test]
fn traces_of_one_batch_may_be_interleaved() {
    let mut assembler = bounded(1 << 20);
    let mut batch = SpanBatch::new();
    for id in 1..4 {
        for trace in [7, 8, 7 << 64] {
            span(&mut batch, trace, id, id - 1);
        }
    }
    assembler.push(&batch, 100);
    let mut seen = Vec::new();
    assembler.drain(100, &mut |change| {
        if let Change::Complete(path) = &change {
            seen.push(draw(path).split_once(' ').expect("an id").1.to_owned());
        }
        !told(&change).is_empty()
    });
    assert_eq!(seen, ["0:op1 1:op2 2:op3"; 3]);
}
