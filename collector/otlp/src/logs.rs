//! Which log records tell of an error or an exception on a span?

use resus_model::attributes::{EXCEPTION_EVENT, is_error_level};
use resus_model::{LogBatch, SpanId, TraceId};

use crate::ids::Id;

/// OTLP's number of the level ERROR; all above are worse.
const ERROR: i64 = 17;

/// The attributes of a log record that records an exception, one of which it must have (semantic
/// conventions 1.44, "Exceptions in logs").
const EXCEPTION_KEYS: [&[u8]; 2] = [b"exception.type", b"exception.message"];

/// A log record being read, as far as it matters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record {
    pub(crate) trace_id: Option<Id<TraceId>>,
    pub(crate) span_id: Option<Id<SpanId>>,
    pub(crate) unix_nano: u64,
    pub(crate) observed_unix_nano: u64,
    /// OTLP's number of the level; 0 where it is not said.
    pub(crate) severity: i64,
    /// The text of the level is that of ERROR or above.
    pub(crate) error_text: bool,
    pub(crate) exception: bool,
}

/// True for the text of a level of ERROR or above.
pub(crate) fn is_error(severity_text: &[u8]) -> bool {
    std::str::from_utf8(severity_text).is_ok_and(is_error_level)
}

/// True for the name of an event that records an exception.
pub(crate) fn is_exception(event_name: &[u8]) -> bool {
    event_name == EXCEPTION_EVENT.as_bytes()
}

/// True for the key of an attribute that only records of exceptions have.
pub(crate) fn tells_exception(key: &[u8]) -> bool {
    EXCEPTION_KEYS.contains(&key)
}

impl Record {
    /// Appends it to a batch, if it tells of an error or exception and of which span.
    pub(crate) fn push(self, batch: &mut LogBatch) {
        // The text counts where there is no number: loggers have texts of their own.
        let error = self.severity >= ERROR || (self.severity == 0 && self.error_text);
        let trace = self.trace_id.and_then(Id::present);
        let span = self.span_id.and_then(Id::present);
        if let (Some(trace_id), Some(span_id)) = (trace, span)
            && (error || self.exception)
        {
            let said = self.unix_nano != 0;
            batch.trace_id.push(trace_id);
            batch.span_id.push(span_id);
            batch.unix_nano.push(if said { self.unix_nano } else { self.observed_unix_nano });
            batch.error.push(true);
            batch.exception.push(self.exception);
        }
    }
}

/// Appends the records of one batch to another.
pub(crate) fn append(to: &mut LogBatch, from: LogBatch) {
    let LogBatch { trace_id, span_id, unix_nano, error, exception } = from;
    to.trace_id.extend(trace_id);
    to.span_id.extend(span_id);
    to.unix_nano.extend(unix_nano);
    to.error.extend(error);
    to.exception.extend(exception);
}
