//! Recorded spans, in the order of their arrival, into the live half.

use resus_engine::Monitor;
use resus_model::{Quality, SpanBatch};

/// Spans that arrive within so long are handed over together, nanoseconds.
const SLICE: u64 = 100_000_000;

/// What was recorded, as it was read.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// The spans.
    pub(crate) batches: Vec<SpanBatch>,
    /// What was odd about them.
    pub(crate) quality: Quality,
}

/// Plays a recording. `see` is called at every judgement.
pub(crate) fn run(
    monitor: &mut Monitor,
    recording: &Recording,
    delay_ns: u64,
    see: &mut dyn FnMut(&Monitor),
) {
    let mut order: Vec<(u64, u32, u32)> = Vec::new();
    for (b, batch) in (0..).zip(&recording.batches) {
        order.extend(
            (0..).zip(0..batch.len()).map(|(row, i)| (arrival(batch, i, delay_ns), b, row)),
        );
    }
    // Arrivals that are equal go by content, so that the order of files changes nothing.
    order.sort_by_cached_key(|&(at, b, row)| {
        let batch = &recording.batches[b as usize];
        let i = row as usize;
        (at, batch.trace_id[i], batch.span_id[i], batch.start_unix_nano[i], batch.kind[i], b, row)
    });
    let mut quality = Some(&recording.quality);
    let none = Quality::default();
    for slice in order.chunk_by(|a, b| a.0 / SLICE == b.0 / SLICE) {
        let at = slice.last().map_or(0, |&(at, ..)| at);
        let batch = collect(&recording.batches, slice);
        monitor.run_until(at, see);
        monitor.push(&batch, quality.take().unwrap_or(&none), at);
    }
    if let Some(&(last, ..)) = order.last() {
        // Until the last trace is complete and its pane judged.
        monitor.run_until(last.saturating_add(monitor.settling_ns()), see);
    }
}

/// When a span arrived: as recorded, else so long after its end.
fn arrival(batch: &SpanBatch, i: usize, delay_ns: u64) -> u64 {
    match batch.received_unix_nano[i] {
        0 => batch.start_unix_nano[i]
            .saturating_add_signed(batch.duration_ns[i].max(0))
            .saturating_add(delay_ns),
        at => at,
    }
}

/// Rows of many batches as one.
fn collect(batches: &[SpanBatch], rows: &[(u64, u32, u32)]) -> SpanBatch {
    let mut out = SpanBatch::new();
    for &(at, b, row) in rows {
        out.append_row(&batches[b as usize], row as usize);
        if let Some(received) = out.received_unix_nano.last_mut() {
            *received = at;
        }
    }
    out
}
