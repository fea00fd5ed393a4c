//! What is kept: sealed segments and the log behind them, to be asked for a trace.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use resus_model::{LogBatch, Quality, SpanBatch, TraceId};
use resus_otlp::Keep;
use resus_receive::Signal;
use resus_store::log::{Log, Position};
use resus_store::segments::{Segments, SegmentsStatus};

use super::ingest::encoding;
use super::record::Header;

/// Most spans of a trace that are looked for.
const LIMIT: usize = 100_000;

/// Sealed segments, where there are any, and the log behind them.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) log: Log,
    pub(crate) segments: Option<Arc<Mutex<Segments>>>,
}

impl Kept {
    /// All kept spans of a trace, sealed or not; and what could not be looked into.
    pub(crate) fn find_trace(&self, trace_id: TraceId) -> (SpanBatch, Vec<String>) {
        let (mut spans, mut unreadable, mut from) = (SpanBatch::new(), Vec::new(), Position::START);
        if let Some(segments) = &self.segments {
            let (sealed, up_to) = {
                let segments = segments.lock().expect("nobody panics with this lock held");
                (segments.spans(), segments.sealed_up_to())
            };
            from = up_to.unwrap_or(Position::START);
            let found = sealed.find_trace(trace_id, None, LIMIT);
            spans = found.spans;
            let faults = found.unreadable.iter();
            unreadable.extend(faults.map(|(number, fault)| format!("segment {number}: {fault}")));
        }
        let mut reader = self.log.reader(from);
        loop {
            let record = match reader.next() {
                Ok(Some((_, record))) => record,
                Ok(None) => break,
                Err(error) => {
                    unreadable.push(error.to_string());
                    if reader.skip_segment() {
                        continue;
                    }
                    break;
                }
            };
            let mut batch = SpanBatch::new();
            if let Err(error) = spans_of(&record, &mut batch) {
                unreadable.push(error);
            }
            for i in (0..batch.len()).filter(|&i| batch.trace_id[i] == trace_id) {
                spans.append_row(&batch, i);
            }
        }
        (spans, unreadable)
    }

    /// How much is sealed.
    pub(crate) fn sealed(&self) -> SegmentsStatus {
        self.segments.as_ref().map_or_else(SegmentsStatus::default, |segments| {
            segments.lock().expect("nobody panics with this lock held").status()
        })
    }
}

/// Appends the spans of a record of the log, in full; a record of something else has none.
pub(crate) fn spans_of(record: &Bytes, batch: &mut SpanBatch) -> Result<(), String> {
    let (header, body) = Header::split(record).map_err(|e| e.to_string())?;
    if header.signal != Some(Signal::Traces) {
        return Ok(());
    }
    let body = resus_receive::inflate(header.compression, &record.slice_ref(body), usize::MAX)
        .map_err(|e| e.to_string())?;
    let first = batch.len();
    let encoding = encoding(header.encoding);
    resus_otlp::decode_traces(&body, encoding, Keep::Everything, batch, &mut Quality::default())
        .map_err(|e| e.to_string())?;
    batch.received_unix_nano[first..].fill(header.received_unix_nano);
    Ok(())
}

/// Appends the error records of a record of the log.
pub(crate) fn logs_of(header: &Header, body: &Bytes, batch: &mut LogBatch) -> Result<(), String> {
    let body =
        resus_receive::inflate(header.compression, body, usize::MAX).map_err(|e| e.to_string())?;
    let encoding = encoding(header.encoding);
    resus_otlp::decode_logs(&body, encoding, batch, &mut Quality::default())
        .map_err(|e| e.to_string())?;
    Ok(())
}
