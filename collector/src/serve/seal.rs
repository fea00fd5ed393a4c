//! From the log to Parquet segments: one thread that follows the log at a distance.
//!
//! The distance is there for log records: SDKs send them on a timer of their own, so an error that was
//! logged on a span may arrive after it. They come here as soon as they are in the log, and the spans
//! follow when most of their log records must have come.
//!
//! The log is released only when a segment is on disk and in the manifest, so a crash at any moment
//! loses nothing and seals nothing twice.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use resus_model::{LogBatch, SpanBatch};
use resus_store::log::{Position, ReadLogError, Reader};
use resus_store::segments::{SegmentWriter, Segments, add_logs};

use super::clock;
use super::counters::Counters;
use super::keep::spans_of;
use super::onward::Release;
use super::record::Header;
use super::settings::nanos;
use crate::config::Store;
use crate::output;

/// Log records wait so long for their span, and at most so many do.
const PATIENCE: Duration = Duration::from_secs(60);
const WAITING: usize = 100_000;

/// Spans that are handed over together: enough that a batch costs little beside its spans.
const TOGETHER: usize = 4096;

/// How long to wait when nothing is due, and after a failure.
const NOTHING_DUE: Duration = Duration::from_millis(200);
const FAILED: Duration = Duration::from_secs(5);

/// Seals what the log holds.
pub(crate) struct Sealer {
    pub(crate) release: Release,
    pub(crate) segments: Arc<Mutex<Segments>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) segment_spans: u64,
    pub(crate) segment_age: Duration,
    pub(crate) seal_after: Duration,
    /// Error records of spans, as soon as they are in the log.
    pub(crate) logs: Receiver<LogBatch>,
    pub(crate) stop: Arc<AtomicBool>,
}

/// A segment under way.
struct Open {
    writer: SegmentWriter,
    since: Instant,
}

/// Where the sealer is.
struct Place {
    reader: Reader,
    /// A record that was read and is not due yet, and where it stands.
    ahead: Option<(Position, Bytes)>,
    open: Option<Open>,
    batch: SpanBatch,
}

impl Sealer {
    pub(crate) fn of(
        store: &Store,
        release: Release,
        segments: Arc<Mutex<Segments>>,
        counters: Arc<Counters>,
        logs: Receiver<LogBatch>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let Store { segment_spans, segment_age, seal_after, .. } = *store;
        Self { release, segments, counters, segment_spans, segment_age, seal_after, logs, stop }
    }

    /// Runs until it is told to stop. What is not sealed then is in the log.
    pub(crate) fn run(self) {
        let mut waiting = LogBatch::default();
        while !self.stop.load(Relaxed) {
            let mut place = self.begin();
            let failed = loop {
                if self.stop.load(Relaxed) {
                    return;
                }
                match self.step(&mut place, &mut waiting) {
                    Ok(true) => {}
                    Ok(false) => thread::park_timeout(NOTHING_DUE),
                    Err(error) => break error,
                }
            };
            self.counters.seal_failures.fetch_add(1, Relaxed);
            output::say(&format!(
                "resus: failed to {failed}; its spans are in the log, and it is tried again"
            ));
            thread::park_timeout(FAILED);
        }
    }

    /// At the end of what is sealed.
    fn begin(&self) -> Place {
        let sealed =
            self.segments.lock().expect("nobody panics with this lock held").sealed_up_to();
        let reader = self.release.log().reader(sealed.unwrap_or(Position::START));
        Place { reader, ahead: None, open: None, batch: SpanBatch::new() }
    }

    /// Reads a record, if one is due, and seals the segment if it is; false when nothing was.
    fn step(&self, place: &mut Place, waiting: &mut LogBatch) -> Result<bool, String> {
        let due = clock::now().saturating_sub(nanos(self.seal_after));
        let mut read = false;
        if place.ahead.is_none() {
            place.ahead = self.next(&mut place.reader)?;
        }
        if let Some((_, record)) = &place.ahead
            && Header::split(record).map_or(true, |(header, _)| header.received_unix_nano <= due)
        {
            if let Err(error) = spans_of(record, &mut place.batch) {
                self.counters.unsealable.fetch_add(1, Relaxed);
                output::say(&format!("resus: failed to {error}; the record is passed over"));
            }
            place.ahead = None;
            read = true;
        }
        if place.batch.len() >= TOGETHER || (!read && !place.batch.is_empty()) {
            self.write(place, waiting, due)?;
        }
        let is_due = place.open.as_ref().is_some_and(|open| {
            open.writer.rows() >= self.segment_spans || open.since.elapsed() >= self.segment_age
        });
        if is_due && place.batch.is_empty() {
            self.seal(place)?;
        }
        Ok(read)
    }

    /// The next record; damage is told and passed over.
    fn next(&self, reader: &mut Reader) -> Result<Option<(Position, Bytes)>, String> {
        loop {
            match reader.next() {
                Ok(next) => return Ok(next),
                Err(error @ ReadLogError::Damaged { .. }) => {
                    output::say(&format!("resus: failed to {error}"));
                }
                Err(error @ ReadLogError::Io { .. }) => return Err(error.to_string()),
            }
        }
    }

    /// Hands the batch to the segment under way.
    fn write(&self, place: &mut Place, waiting: &mut LogBatch, due: u64) -> Result<(), String> {
        for logs in self.logs.try_iter() {
            append(waiting, &logs);
        }
        *waiting = add_logs(&mut place.batch, waiting);
        let old = due.saturating_sub(nanos(PATIENCE));
        let gone = forget(waiting, old);
        self.counters.unmatched_logs.fetch_add(gone, Relaxed);
        let open = match &mut place.open {
            Some(open) => open,
            none => {
                let mut segments = self.segments.lock().expect("nobody panics with this lock held");
                let writer = segments.writer().map_err(|e| e.to_string())?;
                none.insert(Open { writer, since: Instant::now() })
            }
        };
        open.writer.write(&place.batch).map_err(|e| e.to_string())?;
        place.batch = SpanBatch::new();
        Ok(())
    }

    /// Makes the segment under way count, releases the log, and removes what is too old.
    fn seal(&self, place: &mut Place) -> Result<(), String> {
        let Some(Open { writer, .. }) = place.open.take() else { return Ok(()) };
        let ahead = place.ahead.as_ref().map(|(position, _)| *position);
        let up_to = ahead.unwrap_or_else(|| place.reader.position());
        let rows = writer.rows();
        let finished = writer.finish(up_to).map_err(|e| e.to_string())?;
        let mut segments = self.segments.lock().expect("nobody panics with this lock held");
        segments.seal(finished).map_err(|e| e.to_string())?;
        self.counters.sealed_spans.fetch_add(rows, Relaxed);
        let retained = segments.retain(clock::now());
        drop(segments);
        match retained {
            Ok(retained) => {
                let removed = retained.removed.len() as u64;
                self.counters.removed_segments.fetch_add(removed, Relaxed);
            }
            Err(error) => output::say(&format!("resus: failed to {error}; it is tried again")),
        }
        // What is sealed and still in the log is not read again.
        if let Err(error) = self.release.kept(up_to) {
            output::say(&format!("resus: failed to {error}; it is tried again"));
        }
        Ok(())
    }
}

/// Puts log records behind others.
pub(crate) fn append(to: &mut LogBatch, from: &LogBatch) {
    to.trace_id.extend_from_slice(&from.trace_id);
    to.span_id.extend_from_slice(&from.span_id);
    to.unix_nano.extend_from_slice(&from.unix_nano);
    to.error.extend_from_slice(&from.error);
    to.exception.extend_from_slice(&from.exception);
}

/// Drops log records from before a time, and the oldest beyond what may wait; gives how many.
fn forget(waiting: &mut LogBatch, before: u64) -> u64 {
    let surplus = waiting.len().saturating_sub(WAITING);
    let stays = |i: usize| i >= surplus && waiting.unix_nano[i] >= before;
    let kept: Vec<usize> = (0..waiting.len()).filter(|&i| stays(i)).collect();
    let gone = waiting.len() - kept.len();
    if gone > 0 {
        let mut left = LogBatch::default();
        for i in kept {
            left.trace_id.push(waiting.trace_id[i]);
            left.span_id.push(waiting.span_id[i]);
            left.unix_nano.push(waiting.unix_nano[i]);
            left.error.push(waiting.error[i]);
            left.exception.push(waiting.exception[i]);
        }
        *waiting = left;
    }
    gone as u64
}

#[cfg(test)]
mod tests {
    use resus_model::{SpanId, TraceId};

    use super::*;

    #[test]
    fn log_records_wait_for_their_span_and_not_for_ever() {
        let mut waiting = LogBatch::default();
        for time in [5, 20, 30] {
            let one = LogBatch {
                trace_id: vec![TraceId::from_u128(1)],
                span_id: vec![SpanId::from_u64(2)],
                unix_nano: vec![time],
                error: vec![true],
                exception: vec![time == 20],
            };
            append(&mut waiting, &one);
        }
        assert_eq!(forget(&mut waiting, 20), 1);
        assert_eq!(
            (waiting.unix_nano.as_slice(), waiting.exception.as_slice()),
            (&[20, 30][..], &[true, false][..])
        );
        assert_eq!(forget(&mut waiting, 0), 0);
    }
}
