//! Requests as they come over the network, in either encoding.

use std::fmt::Write as _;

use resus_model::{LogBatch, Quality, SpanBatch};

use crate::json::{self, JsonError};
use crate::logs;
use crate::metrics::{self, Gauge, MetricCount};
use crate::protobuf::{self, ProtobufError};
use crate::tally::Tally;

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`, and what gRPC carries.
    Protobuf,
    /// `application/json`.
    Json,
}

/// What of a span is kept beside what the rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: the columns of [`resus_model::SpanRow`] and the links.
    Rules,
    /// All attributes of span, events and resource as JSON, the scope, and the message of the status.
    Everything,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Records appended.
    pub records: usize,
    /// Records left out, each counted in [`Quality::skipped`].
    pub rejected: u64,
    /// Why records were left out, with the place of the first for each reason: the text for OTLP's
    /// `partial_success.error_message`. `None` where none was.
    pub message: Option<String>,
}

/// Why a request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not OTLP protobuf.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// It is not OTLP JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
}

/// Decodes a request of traces (`ExportTraceServiceRequest`) and appends its spans to a batch.
///
/// JSON is read as the specification says: ids in hex of either case, keys in lowerCamelCase (others
/// are unknown and ignored), one object. Both encodings give the same row for the same span. Spans without an id, a start or an end are left
/// out and counted in [`Quality::skipped`], leniencies in [`Quality::lenient`]; nothing else of
/// `quality` is touched. A span without a name is called `unknown`, a service without one
/// `unknown_service`. The arrival time is left 0. One batch is to be filled with one `keep` alone.
///
/// # Errors
/// When the body is not what its encoding says; protobuf is refused exactly where prost, with
/// opentelemetry-proto's messages, refuses it. The batch is then as it was, but for names that no span
/// uses, and so is `quality`.
pub fn decode_traces(
    body: &[u8],
    encoding: Encoding,
    keep: Keep,
    batch: &mut SpanBatch,
    quality: &mut Quality,
) -> Result<Decoded, DecodeError> {
    let before = batch.len();
    let mut tally = Tally::strict();
    match encoding {
        Encoding::Protobuf => protobuf::decode_traces(body, keep, batch, &mut tally)?,
        Encoding::Json => json::decode_traces(body, keep, batch, &mut tally)?,
    }
    let decoded = Decoded {
        records: batch.len() - before,
        rejected: tally.skipped().map(|(_, n, _)| n).sum(),
        message: message(&tally),
    };
    tally.drain_into(quality);
    Ok(decoded)
}

/// Decodes a request of logs (`ExportLogsServiceRequest`) and appends to a batch those records that
/// tell of an error or exception on a span.
///
/// A record is of level ERROR or above by its number, or by its text where it has no number; it
/// records an exception if its event is named `exception` or it has an attribute `exception.type` or
/// `exception.message`. All others, and those that name no span, are passed over: that is no rejection.
/// [`Decoded::records`] is how many log records there were in all. Leniencies are counted in
/// [`Quality::lenient`]; nothing else of `quality` is touched.
///
/// # Errors
/// As [`decode_traces`]; batch and `quality` are then as they were.
pub fn decode_logs(
    body: &[u8],
    encoding: Encoding,
    batch: &mut LogBatch,
    quality: &mut Quality,
) -> Result<Decoded, DecodeError> {
    let mut tally = Tally::strict();
    let (found, records) = match encoding {
        Encoding::Protobuf => protobuf::decode_logs(body, &mut tally)?,
        Encoding::Json => json::decode_logs(body, &mut tally)?,
    };
    logs::append(batch, found);
    tally.drain_into(quality);
    Ok(Decoded { records, rejected: 0, message: None })
}

/// Decodes a request of metrics (`ExportMetricsServiceRequest`), counts its data points, and appends
/// the last number point of each series of the metrics named in `wanted`, ordered by series. What
/// counts as such says [`Gauge`].
///
/// # Errors
/// As [`decode_traces`]; `gauges` is then as it was.
pub fn decode_metrics(
    body: &[u8],
    encoding: Encoding,
    wanted: &[&str],
    gauges: &mut Vec<Gauge>,
) -> Result<MetricCount, DecodeError> {
    let (mut found, points) = match encoding {
        Encoding::Protobuf => protobuf::decode_metrics(body, wanted)?,
        Encoding::Json => json::decode_metrics(body, wanted)?,
    };
    metrics::last_points(&mut found);
    gauges.append(&mut found);
    Ok(MetricCount { points })
}

/// Says which spans were left out.
fn message(tally: &Tally) -> Option<String> {
    let mut text = String::new();
    for (reason, n, place) in tally.skipped() {
        let (between, s) = (if text.is_empty() { "" } else { "; " }, if n == 1 { "" } else { "s" });
        let field = reason.field();
        write!(text, "{between}left out {n} span{s} without a valid {field}, the first at {place}")
            .expect("a String takes all that is written");
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
