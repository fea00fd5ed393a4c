//! Assembling step by step. Times are small numbers: a settle time of 4, an idle time of 10, an age
//! of 40, 100 for late spans.

mod bounds;
mod laws;

use std::num::NonZeroUsize;

use resus_model::{Kind, LogBatch, Rules, SpanBatch, SpanId, SpanRow, Status, TraceId};

use super::{Assembler, AssemblerLimits, Change};
use crate::Path;

const LIMITS: AssemblerLimits = AssemblerLimits {
    idle_ns: 10,
    settle_ns: 4,
    max_age_ns: 40,
    linger_ns: 100,
    max_bytes: NonZeroUsize::new(1 << 30).expect("not zero"),
    max_spans_per_trace: 1_000,
    max_services: 100,
    max_operations_per_service: 100,
};

/// A span of a trace below a parent (0: none), named after its id.
fn span(batch: &mut SpanBatch, trace: u128, id: u64, parent: u64) {
    let row = SpanRow {
        trace_id: TraceId::from_u128(trace),
        span_id: SpanId::from_u64(id),
        parent_span_id: SpanId::from_u64(parent),
        service: batch.names.intern("web"),
        operation: batch.names.intern(&format!("op{id}")),
        kind: Kind::Server,
        status: Status::Unset,
        start_unix_nano: id,
        duration_ns: 5,
        ..SpanRow::new()
    };
    batch.push(&row);
}

/// Spans of one trace as (id, parent).
fn spans(trace: u128, list: &[(u64, u64)]) -> SpanBatch {
    let mut batch = SpanBatch::new();
    list.iter().for_each(|&(id, parent)| span(&mut batch, trace, id, parent));
    batch
}

/// Log records of one trace as (span, is an exception), all of level ERROR.
fn logs(trace: u128, list: &[(u64, bool)]) -> LogBatch {
    LogBatch {
        trace_id: vec![TraceId::from_u128(trace); list.len()],
        span_id: list.iter().map(|&(id, _)| SpanId::from_u64(id)).collect(),
        unix_nano: vec![0; list.len()],
        error: vec![true; list.len()],
        exception: list.iter().map(|&(_, exception)| exception).collect(),
    }
}

/// A path as operations by depth, orphans behind `~`, error and exception events in brackets.
fn draw(path: &Path<'_>) -> String {
    let nodes = path.nodes.iter().map(|node| {
        let operation = path.vocabulary.operation(node.operation);
        let text = path.vocabulary.names.text(operation.operation);
        let events = match (node.error_events, node.exception_events) {
            (0, 0) => String::new(),
            (errors, exceptions) => format!("[{errors},{exceptions}]"),
        };
        format!("{}{}{text}{events}", node.depth, if node.orphan { "~" } else { ":" })
    });
    format!("{} {}", path.trace_id.as_u128(), nodes.collect::<Vec<_>>().join(" "))
}

fn told(change: &Change<'_>) -> String {
    match change {
        Change::Complete(path) => format!("+{}", draw(path)),
        Change::Retract { path, taken } => {
            format!("-{}{}", draw(path), if *taken { "" } else { " (not taken)" })
        }
    }
}

/// What an assembler tells until a time.
fn until(assembler: &mut Assembler, now: u64) -> Vec<String> {
    let mut seen = Vec::new();
    assembler.advance(now, &mut |change| {
        seen.push(told(&change));
        true
    });
    seen
}

fn new() -> Assembler {
    Assembler::new(Rules::STANDARD, LIMITS)
}

#[test]
fn a_trace_that_looks_whole_is_complete_when_it_settles() {
    let mut assembler = new();
    assembler.push(&spans(7, &[(2, 1)]), 100);
    assembler.push(&spans(7, &[(1, 0)]), 103);
    assert_eq!(until(&mut assembler, 106), [""; 0]);
    assert_eq!(until(&mut assembler, 107), ["+7 0:op1 1:op2"]);
    assert_eq!(until(&mut assembler, 1_000), [""; 0]);
}

#[test]
fn one_that_does_not_is_complete_after_the_idle_time() {
    let mut assembler = new();
    assembler.push(&spans(7, &[(1, 0), (3, 2)]), 100);
    assert_eq!(until(&mut assembler, 109), [""; 0]);
    assert_eq!(until(&mut assembler, 110), ["+7 0:op1 0~op3"]);
    // Once it is whole after all, it need not wait so long.
    assembler.push(&spans(8, &[(1, 0), (3, 2)]), 200);
    assert_eq!(until(&mut assembler, 206), [""; 0]);
    assembler.push(&spans(8, &[(2, 1)]), 206);
    assert_eq!(until(&mut assembler, 209), [""; 0]);
    assert_eq!(until(&mut assembler, 210), ["+8 0:op1 1:op2 2:op3"]);
}

#[test]
fn one_that_never_comes_to_rest_is_complete_when_it_is_old() {
    let mut assembler = new();
    for i in 0..13 {
        assembler.push(&spans(7, &[(i + 1, 0)]), 100 + 3 * i);
        assert_eq!(until(&mut assembler, 101 + 3 * i), [""; 0]);
    }
    assert_eq!(until(&mut assembler, 140).len(), 1);
    assert_eq!(assembler.stats().open_traces, 0);
}

#[test]
fn a_late_span_retracts_the_path_as_it_was() {
    let mut assembler = new();
    assembler.push(&spans(7, &[(1, 0)]), 100);
    assert_eq!(until(&mut assembler, 120), ["+7 0:op1"]);
    assembler.push(&spans(7, &[(2, 1), (1, 0)]), 150);
    assert_eq!(until(&mut assembler, 153), [""; 0]);
    assert_eq!(until(&mut assembler, 154), ["-7 0:op1", "+7 0:op1 1:op2"]);
    let stats = assembler.stats();
    assert_eq!((stats.completed, stats.reopened, stats.entries), (2, 1, 2));
    let quality = assembler.quality();
    assert_eq!((quality.traces, quality.spans, quality.duplicates), (1, 3, 1));
}

#[test]
fn a_late_repeat_changes_nothing_and_leaves_nothing() {
    let mut assembler = new();
    assembler.push(&spans(7, &[(1, 0), (2, 1)]), 100);
    assert_eq!(until(&mut assembler, 120).len(), 1);
    for now in [130, 150] {
        assembler.push(&spans(7, &[(2, 1), (1, 0)]), now);
        assert_eq!(until(&mut assembler, now + 12), [""; 0]);
    }
    assert_eq!(assembler.stats().entries, 2);
    assert_eq!(assembler.quality().duplicates, 4);
    assert_eq!(assembler.quality().traces, 1);
}

#[test]
fn what_comes_later_than_a_trace_lingers_is_a_trace_of_its_own() {
    let mut assembler = new();
    assembler.push(&spans(7, &[(1, 0)]), 100);
    assert_eq!(until(&mut assembler, 104).len(), 1);
    assert_eq!(until(&mut assembler, 204), [""; 0]);
    assert_eq!(
        assembler.stats(),
        super::AssemblerStats {
            bytes: assembler.stats().bytes,
            completed: 1,
            ..super::AssemblerStats::default()
        }
    );
    assembler.push(&spans(7, &[(2, 1)]), 204);
    assert_eq!(until(&mut assembler, 214), ["+7 0~op2"]);
}

#[test]
fn a_path_that_was_not_taken_is_retracted_as_such() {
    let mut assembler = new();
    assembler.push(&spans(7, &[(1, 0)]), 100);
    assembler.advance(110, &mut |_| false);
    assembler.push(&spans(7, &[(2, 1)]), 120);
    assert_eq!(until(&mut assembler, 130), ["-7 0:op1 (not taken)", "+7 0:op1 1:op2"]);
    assembler.push(&spans(7, &[(3, 1)]), 140);
    assert_eq!(until(&mut assembler, 150)[0], "-7 0:op1 1:op2");
}

#[test]
fn log_records_add_events_to_their_span_whichever_comes_first() {
    let mut assembler = new();
    assembler.push_logs(&logs(7, &[(1, true), (1, false), (2, false), (9, true)]), 100);
    assert_eq!(until(&mut assembler, 130), [""; 0], "their span may be a long one");
    assembler.push(&spans(7, &[(1, 0), (2, 1)]), 130);
    assembler.push_logs(&logs(7, &[(2, true)]), 131);
    assert_eq!(until(&mut assembler, 135), ["+7 0:op1[2,1] 1:op2[2,1]"]);
    assembler.push_logs(&logs(7, &[(1, false)]), 140);
    let again = ["-7 0:op1[2,1] 1:op2[2,1]", "+7 0:op1[3,1] 1:op2[2,1]"];
    assert_eq!(until(&mut assembler, 144), again);
    // Of a span that is not there, they change nothing until it is.
    assembler.push_logs(&logs(7, &[(3, false)]), 150);
    assert_eq!(until(&mut assembler, 160), [""; 0]);
    assembler.push(&spans(7, &[(3, 1)]), 160);
    assert_eq!(until(&mut assembler, 164)[1], "+7 0:op1[3,1] 1:op2[2,1] 1:op3[1,0]");
}

#[test]
fn log_records_of_spans_that_never_come_expire() {
    let mut assembler = new();
    assembler.push_logs(&logs(7, &[(1, true), (2, true)]), 100);
    let quiet = LogBatch { error: vec![false], exception: vec![false], ..logs(8, &[(1, false)]) };
    assembler.push_logs(&quiet, 100);
    assert_eq!(until(&mut assembler, 139), [""; 0]);
    assert_eq!((assembler.stats().open_traces, assembler.stats().logs_expired), (1, 0));
    assert_eq!(until(&mut assembler, 140), [""; 0]);
    assert_eq!((assembler.stats().open_traces, assembler.stats().logs_expired), (0, 2));
}

#[test]
fn draining_completes_all_and_deadlines_lead_to_the_end() {
    let mut assembler = new();
    assert_eq!(assembler.next_deadline(), None);
    assembler.push(&spans(7, &[(1, 0)]), 100);
    assembler.push(&spans(8, &[(2, 1)]), 101);
    assembler.push_logs(&logs(9, &[(1, true)]), 101);
    let mut deadlines = Vec::new();
    let mut seen = Vec::new();
    while let Some(deadline) = assembler.next_deadline() {
        seen.extend(until(&mut assembler, deadline));
        deadlines.push(deadline);
    }
    assert_eq!(seen, ["+7 0:op1", "+8 0~op2"]);
    assert_eq!(deadlines, [104, 105, 111, 141, 204, 211]);

    let mut assembler = new();
    assembler.push(&spans(7, &[(1, 0)]), 100);
    assembler.push(&spans(8, &[(2, 1)]), 100);
    let mut seen = Vec::new();
    assembler.drain(100, &mut |change| {
        seen.push(told(&change));
        true
    });
    assert_eq!(seen, ["+7 0:op1", "+8 0~op2"]);
    assert_eq!(assembler.stats().open_traces, 0);
}

#[test]
fn time_never_goes_back() {
    let mut assembler = new();
    assembler.push(&spans(7, &[(1, 0)]), 100);
    assembler.push(&spans(8, &[(1, 0)]), 50);
    assert_eq!(until(&mut assembler, 54), [""; 0]);
    assert_eq!(until(&mut assembler, 104).len(), 2);
}
