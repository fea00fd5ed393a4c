//! Log records. All of a request is checked first; then only those fields are looked at that tell
//! errors of spans.

use resus_model::LogBatch;

use super::schema;
use super::utf8::Utf8;
use super::value::text_of_key;
use super::wire::{DEPTH, FIXED64, Fields, LENGTH, Reader, VARINT, key};
use crate::ids;
use crate::logs::{Record, is_error, is_exception, tells_exception};
use crate::tally::Tally;

/// Reads a request of logs; gives the records that tell of errors, and how many there were in all.
pub(super) fn logs(
    body: &[u8],
    tally: &mut Tally,
) -> Result<(LogBatch, usize), super::fault::Fault> {
    const RESOURCE_LOGS: u32 = key(1, LENGTH);
    const SCOPE_LOGS: u32 = key(2, LENGTH);
    const LOG_RECORDS: u32 = key(2, LENGTH);
    schema::LOGS.check(body, DEPTH, &mut Utf8::of(body))?;
    let (mut batch, mut records) = (LogBatch::default(), 0);
    let known = Fields::of(body);
    for resource_logs in known.messages(RESOURCE_LOGS) {
        for scope_logs in Fields::of(resource_logs).messages(SCOPE_LOGS) {
            for log_record in Fields::of(scope_logs).messages(LOG_RECORDS) {
                records += 1;
                record(log_record, tally).push(&mut batch);
            }
        }
    }
    Ok((batch, records))
}

fn record(bytes: &[u8], tally: &mut Tally) -> Record {
    const TIME: u32 = key(1, FIXED64);
    const SEVERITY_NUMBER: u32 = key(2, VARINT);
    const SEVERITY_TEXT: u32 = key(3, LENGTH);
    const ATTRIBUTES: u32 = key(6, LENGTH);
    const TRACE_ID: u32 = key(9, LENGTH);
    const SPAN_ID: u32 = key(10, LENGTH);
    const OBSERVED_TIME: u32 = key(11, FIXED64);
    const EVENT_NAME: u32 = key(12, LENGTH);
    let mut record = Record::default();
    let (mut event, mut attribute) = (false, false);
    let mut trace: &[u8] = &[];
    for (key, mut field) in Fields::of(bytes) {
        match key {
            TIME => record.unix_nano = field.fixed64().unwrap_or_default(),
            OBSERVED_TIME => record.observed_unix_nano = field.fixed64().unwrap_or_default(),
            SEVERITY_NUMBER => record.severity = number(field),
            SEVERITY_TEXT => record.error_text = is_error(text(field)),
            EVENT_NAME => event = is_exception(text(field)),
            ATTRIBUTES => attribute |= tells_exception(text_of_key(text(field))),
            TRACE_ID => trace = text(field),
            SPAN_ID => record.span_id = Some(ids::span_id_of_bytes(text(field))),
            _ => {}
        }
    }
    record.exception = event || attribute;
    record.trace_id = Some(ids::trace_id_of_bytes(trace, tally));
    record
}

fn text<'a>(mut field: Reader<'a>) -> &'a [u8] {
    field.bytes().unwrap_or_default()
}

/// An enumeration's value. Its varint holds 32 bits, whatever stands above them.
#[expect(clippy::cast_possible_truncation, reason = "protobuf says so")]
fn number(mut field: Reader<'_>) -> i64 {
    i64::from(field.varint().unwrap_or_default() as i32)
}
