//! Log records that speak of spans → the counts of those spans.

use std::collections::BTreeMap;

use resus_model::{LogBatch, SpanBatch, SpanId, TraceId};

/// Adds error and exception records to the counts of the spans that they speak of: what OTLP sends
/// as a log record counts like an event on the span. Every copy of a span gets them, so that copies
/// stay equal.
///
/// Returns the records whose span is not in the batch, in their order, for another batch.
pub fn add_logs(spans: &mut SpanBatch, logs: &LogBatch) -> LogBatch {
    if logs.is_empty() {
        return LogBatch::default();
    }
    /// What the records of a span add up to.
    #[derive(Default)]
    struct Counts {
        errors: u32,
        exceptions: u32,
        met: bool,
    }
    let mut counts: BTreeMap<(TraceId, SpanId), Counts> = BTreeMap::new();
    for i in 0..logs.len() {
        let of_span = counts.entry((logs.trace_id[i], logs.span_id[i])).or_default();
        of_span.errors = of_span.errors.saturating_add(u32::from(logs.error[i]));
        of_span.exceptions = of_span.exceptions.saturating_add(u32::from(logs.exception[i]));
    }
    let SpanBatch { trace_id, span_id, error_event_count, exception_event_count, .. } = spans;
    let ids = trace_id.iter().zip(span_id.iter());
    let events = error_event_count.iter_mut().zip(exception_event_count.iter_mut());
    for ((&trace, &span), (errors, exceptions)) in ids.zip(events) {
        if let Some(found) = counts.get_mut(&(trace, span)) {
            *errors = errors.saturating_add(found.errors);
            *exceptions = exceptions.saturating_add(found.exceptions);
            found.met = true;
        }
    }
    let mut left = LogBatch::default();
    for i in 0..logs.len() {
        let id = (logs.trace_id[i], logs.span_id[i]);
        if counts.get(&id).is_some_and(|found| !found.met) {
            left.trace_id.push(id.0);
            left.span_id.push(id.1);
            left.unix_nano.push(logs.unix_nano[i]);
            left.error.push(logs.error[i]);
            left.exception.push(logs.exception[i]);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use resus_model::SpanRow;

    use super::*;

    fn logs(records: &[(u128, u64, bool, bool)]) -> LogBatch {
        let mut logs = LogBatch::default();
        for (at, &(trace, span, error, exception)) in records.iter().enumerate() {
            logs.trace_id.push(TraceId::from_u128(trace));
            logs.span_id.push(SpanId::from_u64(span));
            logs.unix_nano.push(at as u64);
            logs.error.push(error);
            logs.exception.push(exception);
        }
        logs
    }

    #[test]
    fn records_count_at_every_copy_of_their_span_and_the_others_are_handed_back() {
        let mut spans = SpanBatch::new();
        for (trace, span) in [(1, 1), (1, 2), (2, 1), (1, 1)] {
            let (trace_id, span_id) = (TraceId::from_u128(trace), SpanId::from_u64(span));
            spans.push(&SpanRow { trace_id, span_id, error_event_count: 1, ..SpanRow::new() });
        }
        let left = add_logs(
            &mut spans,
            &logs(&[
                (1, 1, true, true),
                (3, 1, true, false),
                (1, 1, true, false),
                (2, 1, false, false),
                (2, 2, true, true),
            ]),
        );
        assert_eq!(spans.error_event_count, [3, 1, 1, 3]);
        assert_eq!(spans.exception_event_count, [1, 0, 0, 1]);
        assert_eq!(left.unix_nano, [1, 4]);
        assert_eq!(left.error, [true, true]);
        assert_eq!(left.exception, [false, true]);
        assert!(add_logs(&mut spans, &LogBatch::default()).is_empty());
    }
}
