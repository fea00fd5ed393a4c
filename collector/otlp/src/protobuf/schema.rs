//! The messages of OTLP 1.11 as tables, and a walk over any of them that reads nothing and checks all.
//!
//! The tables say of each field what prost checks: its wire type, and whether it is text. Messages on
//! the hot path have a walk of their own beside; the tables then name the fields in error messages.

use super::fault::{Fault, ProtobufErrorKind};
use super::utf8::Utf8;
use super::wire::{FIXED32, FIXED64, LENGTH, Reader, VARINT};

/// A kind of message.
#[derive(Debug)]
pub(super) struct Message(&'static [Field]);

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) tag: u32,
    /// As OTLP JSON writes it.
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) repeated: bool,
}

/// How the value of a field is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Text,
    Bytes,
    Varint,
    Fixed32,
    Fixed64,
    /// A list of varints, packed into one length or not.
    Varints,
    /// A list of 64-bit numbers, packed into one length or not.
    Fixed64s,
    Message(&'static Message),
}

impl Message {
    /// The field of a number.
    pub(super) fn field(&self, tag: u32) -> Option<&'static Field> {
        self.0.iter().find(|field| field.tag == tag)
    }

    /// Checks the field whose key was read last and passes over it: one that this table knows, or one
    /// that it does not know.
    ///
    /// The message may hold `depth` more levels.
    pub(super) fn check_field<'a>(
        &self,
        key: u32,
        reader: &mut Reader<'a>,
        depth: u32,
        utf8: &mut Utf8<'a>,
    ) -> Result<(), Fault> {
        let Some(field) = self.field(key >> 3) else { return reader.skip(key, depth) };
        reader.known_wire_type(key)?;
        let at = reader.rest();
        match (field.form, key & 7) {
            (Form::Text, LENGTH) => valid(reader.bytes()?, utf8).map(drop),
            (Form::Bytes, LENGTH) => reader.bytes().map(drop),
            (Form::Message(message), LENGTH) => {
                let depth = enter(depth, at)?;
                message.check(reader.bytes()?, depth, utf8)
            }
            (Form::Fixed64s, LENGTH) => {
                let packed = reader.bytes()?;
                if packed.len() % 8 == 0 {
                    return Ok(());
                }
                Err(Fault::at(packed, ProtobufErrorKind::Truncated))
            }
            (Form::Varints, LENGTH) => {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.rest().is_empty() {
                    packed.varint()?;
                }
                Ok(())
            }
            (Form::Varint | Form::Varints, VARINT) => reader.varint().map(drop),
            (Form::Fixed32, FIXED32) => reader.fixed32().map(drop),
            (Form::Fixed64 | Form::Fixed64s, FIXED64) => reader.fixed64().map(drop),
            _ => Err(Fault::at(at, ProtobufErrorKind::WireType)),
        }
    }

    /// Checks all of a message, which may hold `depth` more levels.
    pub(super) fn check<'a>(
        &self,
        bytes: &'a [u8],
        depth: u32,
        utf8: &mut Utf8<'a>,
    ) -> Result<(), Fault> {
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            self.check_field(key, &mut reader, depth, utf8)?;
        }
        Ok(())
    }
}

/// The levels that a message may hold which stands in one that may hold `depth`.
#[inline]
pub(super) fn enter(depth: u32, place: &[u8]) -> Result<u32, Fault> {
    depth.checked_sub(1).ok_or_else(|| Fault::at(place, ProtobufErrorKind::Depth))
}

/// The text itself if it is UTF-8.
#[inline]
pub(super) fn valid<'t>(text: &'t [u8], utf8: &mut Utf8<'_>) -> Result<&'t [u8], Fault> {
    if utf8.is_valid(text) { Ok(text) } else { Err(Fault::at(text, ProtobufErrorKind::Text)) }
}

const fn one(tag: u32, name: &'static str, form: Form) -> Field {
    Field { tag, name, form, repeated: false }
}

const fn list(tag: u32, name: &'static str, form: Form) -> Field {
    Field { tag, name, form, repeated: true }
}

pub(super) static ANY_VALUE: Message = Message(&[
    one(1, "stringValue", Form::Text),
    one(2, "boolValue", Form::Varint),
    one(3, "intValue", Form::Varint),
    one(4, "doubleValue", Form::Fixed64),
    one(5, "arrayValue", Form::Message(&ARRAY_VALUE)),
    one(6, "kvlistValue", Form::Message(&KEY_VALUE_LIST)),
    one(7, "bytesValue", Form::Bytes),
    one(8, "stringValueStrindex", Form::Varint),
]);

pub(super) static ARRAY_VALUE: Message = Message(&[list(1, "values", Form::Message(&ANY_VALUE))]);

pub(super) static KEY_VALUE_LIST: Message =
    Message(&[list(1, "values", Form::Message(&KEY_VALUE))]);

pub(super) static KEY_VALUE: Message = Message(&[
    one(1, "key", Form::Text),
    one(2, "value", Form::Message(&ANY_VALUE)),
    one(3, "keyStrindex", Form::Varint),
]);

pub(super) static SCOPE: Message = Message(&[
    one(1, "name", Form::Text),
    one(2, "version", Form::Text),
    list(3, "attributes", Form::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", Form::Varint),
]);

pub(super) static ENTITY_REF: Message = Message(&[
    one(1, "schemaUrl", Form::Text),
    one(2, "type", Form::Text),
    list(3, "idKeys", Form::Text),
    list(4, "descriptionKeys", Form::Text),
]);

pub(super) static RESOURCE: Message = Message(&[
    list(1, "attributes", Form::Message(&KEY_VALUE)),
    one(2, "droppedAttributesCount", Form::Varint),
    list(3, "entityRefs", Form::Message(&ENTITY_REF)),
]);

pub(super) static TRACES: Message =
    Message(&[list(1, "resourceSpans", Form::Message(&RESOURCE_SPANS))]);

pub(super) static RESOURCE_SPANS: Message = Message(&[
    one(1, "resource", Form::Message(&RESOURCE)),
    list(2, "scopeSpans", Form::Message(&SCOPE_SPANS)),
    one(3, "schemaUrl", Form::Text),
]);

pub(super) static SCOPE_SPANS: Message = Message(&[
    one(1, "scope", Form::Message(&SCOPE)),
    list(2, "spans", Form::Message(&SPAN)),
    one(3, "schemaUrl", Form::Text),
]);

pub(super) static SPAN: Message = Message(&[
    one(1, "traceId", Form::Bytes),
    one(2, "spanId", Form::Bytes),
    one(3, "traceState", Form::Text),
    one(4, "parentSpanId", Form::Bytes),
    one(16, "flags", Form::Fixed32),
    one(5, "name", Form::Text),
    one(6, "kind", Form::Varint),
    one(7, "startTimeUnixNano", Form::Fixed64),
    one(8, "endTimeUnixNano", Form::Fixed64),
    list(9, "attributes", Form::Message(&KEY_VALUE)),
    one(10, "droppedAttributesCount", Form::Varint),
    list(11, "events", Form::Message(&EVENT)),
    one(12, "droppedEventsCount", Form::Varint),
    list(13, "links", Form::Message(&LINK)),
    one(14, "droppedLinksCount", Form::Varint),
    one(15, "status", Form::Message(&STATUS)),
]);

pub(super) static EVENT: Message = Message(&[
    one(1, "timeUnixNano", Form::Fixed64),
    one(2, "name", Form::Text),
    list(3, "attributes", Form::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", Form::Varint),
]);

pub(super) static LINK: Message = Message(&[
    one(1, "traceId", Form::Bytes),
    one(2, "spanId", Form::Bytes),
    one(3, "traceState", Form::Text),
    list(4, "attributes", Form::Message(&KEY_VALUE)),
    one(5, "droppedAttributesCount", Form::Varint),
    one(6, "flags", Form::Fixed32),
]);

pub(super) static STATUS: Message =
    Message(&[one(2, "message", Form::Text), one(3, "code", Form::Varint)]);

pub(super) static LOGS: Message =
    Message(&[list(1, "resourceLogs", Form::Message(&RESOURCE_LOGS))]);

pub(super) static RESOURCE_LOGS: Message = Message(&[
    one(1, "resource", Form::Message(&RESOURCE)),
    list(2, "scopeLogs", Form::Message(&SCOPE_LOGS)),
    one(3, "schemaUrl", Form::Text),
]);

pub(super) static SCOPE_LOGS: Message = Message(&[
    one(1, "scope", Form::Message(&SCOPE)),
    list(2, "logRecords", Form::Message(&LOG_RECORD)),
    one(3, "schemaUrl", Form::Text),
]);

pub(super) static LOG_RECORD: Message = Message(&[
    one(1, "timeUnixNano", Form::Fixed64),
    one(11, "observedTimeUnixNano", Form::Fixed64),
    one(2, "severityNumber", Form::Varint),
    one(3, "severityText", Form::Text),
    one(5, "body", Form::Message(&ANY_VALUE)),
    list(6, "attributes", Form::Message(&KEY_VALUE)),
    one(7, "droppedAttributesCount", Form::Varint),
    one(8, "flags", Form::Fixed32),
    one(9, "traceId", Form::Bytes),
    one(10, "spanId", Form::Bytes),
    one(12, "eventName", Form::Text),
]);

pub(super) static METRICS: Message =
    Message(&[list(1, "resourceMetrics", Form::Message(&RESOURCE_METRICS))]);

pub(super) static RESOURCE_METRICS: Message = Message(&[
    one(1, "resource", Form::Message(&RESOURCE)),
    list(2, "scopeMetrics", Form::Message(&SCOPE_METRICS)),
    one(3, "schemaUrl", Form::Text),
]);

pub(super) static SCOPE_METRICS: Message = Message(&[
    one(1, "scope", Form::Message(&SCOPE)),
    list(2, "metrics", Form::Message(&METRIC)),
    one(3, "schemaUrl", Form::Text),
]);

pub(super) static METRIC: Message = Message(&[
    one(1, "name", Form::Text),
    one(2, "description", Form::Text),
    one(3, "unit", Form::Text),
    one(5, "gauge", Form::Message(&GAUGE)),
    one(7, "sum", Form::Message(&SUM)),
    one(9, "histogram", Form::Message(&HISTOGRAM)),
    one(10, "exponentialHistogram", Form::Message(&EXPONENTIAL_HISTOGRAM)),
    one(11, "summary", Form::Message(&SUMMARY)),
    list(12, "metadata", Form::Message(&KEY_VALUE)),
]);

pub(super) static GAUGE: Message = Message(&[list(1, "dataPoints", Form::Message(&NUMBER_POINT))]);

pub(super) static SUM: Message = Message(&[
    list(1, "dataPoints", Form::Message(&NUMBER_POINT)),
    one(2, "aggregationTemporality", Form::Varint),
    one(3, "isMonotonic", Form::Varint),
]);

pub(super) static HISTOGRAM: Message = Message(&[
    list(1, "dataPoints", Form::Message(&HISTOGRAM_POINT)),
    one(2, "aggregationTemporality", Form::Varint),
]);

pub(super) static EXPONENTIAL_HISTOGRAM: Message = Message(&[
    list(1, "dataPoints", Form::Message(&EXPONENTIAL_HISTOGRAM_POINT)),
    one(2, "aggregationTemporality", Form::Varint),
]);

pub(super) static SUMMARY: Message =
    Message(&[list(1, "dataPoints", Form::Message(&SUMMARY_POINT))]);

pub(super) static NUMBER_POINT: Message = Message(&[
    list(7, "attributes", Form::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Form::Fixed64),
    one(3, "timeUnixNano", Form::Fixed64),
    one(4, "asDouble", Form::Fixed64),
    one(6, "asInt", Form::Fixed64),
    list(5, "exemplars", Form::Message(&EXEMPLAR)),
    one(8, "flags", Form::Varint),
]);

pub(super) static HISTOGRAM_POINT: Message = Message(&[
    list(9, "attributes", Form::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Form::Fixed64),
    one(3, "timeUnixNano", Form::Fixed64),
    one(4, "count", Form::Fixed64),
    one(5, "sum", Form::Fixed64),
    one(6, "bucketCounts", Form::Fixed64s),
    one(7, "explicitBounds", Form::Fixed64s),
    list(8, "exemplars", Form::Message(&EXEMPLAR)),
    one(10, "flags", Form::Varint),
    one(11, "min", Form::Fixed64),
    one(12, "max", Form::Fixed64),
]);

pub(super) static EXPONENTIAL_HISTOGRAM_POINT: Message = Message(&[
    list(1, "attributes", Form::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Form::Fixed64),
    one(3, "timeUnixNano", Form::Fixed64),
    one(4, "count", Form::Fixed64),
    one(5, "sum", Form::Fixed64),
    one(6, "scale", Form::Varint),
    one(7, "zeroCount", Form::Fixed64),
    one(8, "positive", Form::Message(&BUCKETS)),
    one(9, "negative", Form::Message(&BUCKETS)),
    one(10, "flags", Form::Varint),
    list(11, "exemplars", Form::Message(&EXEMPLAR)),
    one(12, "min", Form::Fixed64),
    one(13, "max", Form::Fixed64),
    one(14, "zeroThreshold", Form::Fixed64),
]);

pub(super) static BUCKETS: Message =
    Message(&[one(1, "offset", Form::Varint), one(2, "bucketCounts", Form::Varints)]);

pub(super) static SUMMARY_POINT: Message = Message(&[
    list(7, "attributes", Form::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", Form::Fixed64),
    one(3, "timeUnixNano", Form::Fixed64),
    one(4, "count", Form::Fixed64),
    one(5, "sum", Form::Fixed64),
    list(6, "quantileValues", Form::Message(&QUANTILE)),
    one(8, "flags", Form::Varint),
]);

pub(super) static QUANTILE: Message =
    Message(&[one(1, "quantile", Form::Fixed64), one(2, "value", Form::Fixed64)]);

pub(super) static EXEMPLAR: Message = Message(&[
    list(7, "filteredAttributes", Form::Message(&KEY_VALUE)),
    one(2, "timeUnixNano", Form::Fixed64),
    one(3, "asDouble", Form::Fixed64),
    one(6, "asInt", Form::Fixed64),
    one(4, "spanId", Form::Bytes),
    one(5, "traceId", Form::Bytes),
]);
