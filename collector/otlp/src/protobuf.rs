//! OTLP protobuf: a request in, columns out.
//!
//! One walk in place over the bytes; nothing is built of them. What is refused is what prost refuses,
//! so that a sender is told the same as by any other OTLP server of this language.

mod fault;
mod logs;
mod metrics;
mod names;
mod roles;
mod schema;
mod spans;
mod utf8;
mod value;
mod wire;

use resus_model::{LogBatch, SpanBatch};

pub use self::fault::{ProtobufError, ProtobufErrorKind};
use crate::Keep;
use crate::metrics::Gauge;
use crate::tally::Tally;

/// Reads a request of traces (`ExportTraceServiceRequest`, which is the same as `TracesData`) and
/// appends its spans to a batch. After an error the batch is as it was, but for names that no span uses.
pub(crate) fn decode_traces(
    body: &[u8],
    keep: Keep,
    batch: &mut SpanBatch,
    tally: &mut Tally,
) -> Result<(), ProtobufError> {
    let (rows, links) = (batch.len(), batch.links.len());
    spans::traces(body, keep, batch, tally).map_err(|fault| {
        batch.truncate(rows, links);
        fault.in_body(body, &schema::TRACES)
    })
}

/// Reads a request of logs (`ExportLogsServiceRequest`); gives the records that tell of errors of
/// spans, and how many there were in all.
pub(crate) fn decode_logs(
    body: &[u8],
    tally: &mut Tally,
) -> Result<(LogBatch, usize), ProtobufError> {
    logs::logs(body, tally).map_err(|fault| fault.in_body(body, &schema::LOGS))
}

/// Reads a request of metrics (`ExportMetricsServiceRequest`); gives the points of the wanted ones,
/// and how many there were in all.
pub(crate) fn decode_metrics(
    body: &[u8],
    wanted: &[&str],
) -> Result<(Vec<Gauge>, u64), ProtobufError> {
    metrics::metrics(body, wanted).map_err(|fault| fault.in_body(body, &schema::METRICS))
}
