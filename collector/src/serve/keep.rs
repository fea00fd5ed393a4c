//! What is kept for long: the log's spans are sealed into Parquet segments, and old segments go.
//!
//! One thread follows the log. What it has read waits in memory until a segment is full or old
//! enough; the log is released only when the segment is on disk and in the manifest, so that a crash at
//! any moment loses nothing and seals nothing twice.

use bytes::Bytes;
use resus_model::{Quality, SpanBatch, TraceId};
use resus_otlp::Keep;
use resus_receive::Signal;
use resus_store::log::{Log, Position};

use super::ingest::encoding;
use super::record::Header;

/// The log.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) log: Log,
}

impl Kept {
    /// All kept spans of a trace, sealed or not, by start.
    pub(crate) fn find_trace(&self, trace_id: TraceId) -> Result<SpanBatch, String> {
        let mut found = SpanBatch::new();
        let mut reader = self.log.reader(Position::START);
        // What cannot be read there is told by the thread that seals.
        while let Ok(Some((_, record))) = reader.next() {
            if let Ok(Some(batch)) = spans_of(&record) {
                for i in (0..batch.len()).filter(|&i| batch.trace_id[i] == trace_id) {
                    found.append_row(&batch, i);
                }
            }
        }
        Ok(found)
    }
}

/// The spans of a record of the log, in full; `None` where it holds none.
pub(crate) fn spans_of(record: &Bytes) -> Result<Option<SpanBatch>, String> {
    let (header, body) = Header::split(record).map_err(|e| e.to_string())?;
    if header.signal != Some(Signal::Traces) {
        return Ok(None);
    }
    let body = record.slice_ref(body);
    let body =
        resus_receive::inflate(header.compression, &body, usize::MAX).map_err(|e| e.to_string())?;
    let mut batch = SpanBatch::new();
    let mut quality = Quality::default();
    resus_otlp::decode_traces(
        &body,
        encoding(header.encoding),
        Keep::Everything,
        &mut batch,
        &mut quality,
    )
    .map_err(|e| e.to_string())?;
    batch.received_unix_nano.fill(header.received_unix_nano);
    Ok(Some(batch))
}
