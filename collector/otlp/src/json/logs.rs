//! From `resourceLogs` down to log records.

use resus_model::LogBatch;
use serde::de::MapAccess;

use super::Decoder;
use super::attributes::KeyValue;
use super::object::{Field, List, Object, field};
use super::scalar::{Enum, Stamp, StampSeed, Text, span_id, trace_id};
use super::texts::Owner;
use crate::logs::{Record, is_error, is_exception};

/// What is read of logs.
#[derive(Debug, Default)]
pub(super) struct Logs {
    pub(super) batch: LogBatch,
    /// Log records in all.
    pub(super) records: usize,
    /// The record being read.
    pub(super) record: Record,
    /// An attribute of it says that it records an exception.
    pub(super) exception_attribute: bool,
}

/// A request of logs.
#[derive(Debug)]
pub(super) struct LogsData;

impl Object for LogsData {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("resourceLogs", "resource_logs", ())];

    const EXPECTED: &'static str = "an object with resourceLogs";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        map.next_value_seed(List(ResourceLogs, decoder))
    }
}

#[derive(Debug, Clone, Copy)]
struct ResourceLogs;

impl Object for ResourceLogs {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("scopeLogs", "scope_logs", ())];

    const EXPECTED: &'static str = "an object with resource and scopeLogs";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        map.next_value_seed(List(ScopeLogs, decoder))
    }
}

#[derive(Debug, Clone, Copy)]
struct ScopeLogs;

impl Object for ScopeLogs {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("logRecords", "log_records", ())];

    const EXPECTED: &'static str = "an object with scope and logRecords";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        map.next_value_seed(List(LogRecord::default(), decoder))
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct LogRecord {
    begun: bool,
}

#[derive(Debug, Clone, Copy)]
enum LogRecordKey {
    Time,
    ObservedTime,
    SeverityNumber,
    SeverityText,
    EventName,
    Attributes,
    TraceId,
    SpanId,
}

impl Object for LogRecord {
    type Key = LogRecordKey;

    const FIELDS: &'static [Field<LogRecordKey>] = &[
        field("timeUnixNano", "time_unix_nano", LogRecordKey::Time),
        field("observedTimeUnixNano", "observed_time_unix_nano", LogRecordKey::ObservedTime),
        field("severityNumber", "severity_number", LogRecordKey::SeverityNumber),
        field("severityText", "severity_text", LogRecordKey::SeverityText),
        field("attributes", "", LogRecordKey::Attributes),
        field("traceId", "trace_id", LogRecordKey::TraceId),
        field("spanId", "span_id", LogRecordKey::SpanId),
        field("eventName", "event_name", LogRecordKey::EventName),
    ];

    const EXPECTED: &'static str = "a log record";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: LogRecordKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        self.begin(decoder);
        let Decoder { logs: Logs { record, .. }, tally, .. } = decoder;
        match key {
            LogRecordKey::Time => record.unix_nano = nanos(map.next_value_seed(StampSeed)?),
            LogRecordKey::ObservedTime => {
                record.observed_unix_nano = nanos(map.next_value_seed(StampSeed)?);
            }
            LogRecordKey::SeverityNumber => {
                let seed = Enum { tally, number: Some, name: severity };
                record.severity = map.next_value_seed(seed)?;
            }
            LogRecordKey::SeverityText => {
                record.error_text = map.next_value_seed(Text(is_error))?.unwrap_or(false);
            }
            LogRecordKey::EventName => {
                record.exception = map.next_value_seed(Text(is_exception))?.unwrap_or(false);
            }
            LogRecordKey::Attributes => {
                map.next_value_seed(List(KeyValue::of(Owner::Log), decoder))?;
            }
            LogRecordKey::TraceId => record.trace_id = map.next_value_seed(trace_id(tally))?,
            LogRecordKey::SpanId => record.span_id = map.next_value_seed(span_id(tally))?,
        }
        Ok(())
    }

    fn end(mut self, decoder: &mut Decoder<'_>) {
        self.begin(decoder);
        let Logs { batch, records, record, exception_attribute } = &mut decoder.logs;
        *records += 1;
        record.exception |= *exception_attribute;
        record.push(batch);
    }
}

impl LogRecord {
    /// Clears the record, once a record.
    fn begin(&mut self, decoder: &mut Decoder<'_>) {
        if !self.begun {
            self.begun = true;
            decoder.logs.record = Record::default();
            decoder.logs.exception_attribute = false;
        }
    }
}

const fn nanos(stamp: Stamp) -> u64 {
    if let Stamp::At(nanos) = stamp { nanos } else { 0 }
}

/// OTLP's number of a level by its name: `SEVERITY_NUMBER_ERROR2` is 18.
fn severity(name: &str) -> Option<i64> {
    const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let name = name.strip_prefix("SEVERITY_NUMBER_")?;
    if name == "UNSPECIFIED" {
        return Some(0);
    }
    LEVELS.iter().zip((1..).step_by(4)).find_map(|(level, first)| {
        let step = match name.strip_prefix(level)? {
            "" => 0,
            "2" => 1,
            "3" => 2,
            "4" => 3,
            _ => return None,
        };
        Some(first + step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_their_numbers() {
        for (name, number) in [
            ("SEVERITY_NUMBER_UNSPECIFIED", Some(0)),
            ("SEVERITY_NUMBER_TRACE", Some(1)),
            ("SEVERITY_NUMBER_WARN4", Some(16)),
            ("SEVERITY_NUMBER_ERROR", Some(17)),
            ("SEVERITY_NUMBER_FATAL4", Some(24)),
            ("SEVERITY_NUMBER_FATAL5", None),
            ("ERROR", None),
        ] {
            assert_eq!(severity(name), number, "{name}");
        }
    }
}
