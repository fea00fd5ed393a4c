//! Spans as columns of ours → the same columns as Arrow arrays, in the order of the span schema.
//!
//! Names become dictionary arrays whose values are the batch's interner, so no text is copied a
//! span. Absence is null everywhere: no parent, [`Name::NONE`], [`Status::Absent`], no code, no
//! link, no attribute, an unknown arrival.

use std::{fmt::Write as _, sync::Arc};

use arrow_array::{
    Array, ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int64Array, LargeStringArray,
    ListArray, RecordBatch, StringArray, StructArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array, types::UInt32Type,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use resus_model::{Name, SpanBatch, SpanId, SpanRow, Status, TraceId, schema};

/// How identifiers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdEncoding {
    /// 16 and 8 bytes, big-endian: half the size and the quicker to read.
    Bytes,
    /// Lower-case hex digits, for tools in which a person reads identifiers.
    Hex,
}

/// The Arrow schema of span files: [`schema::FIELDS`], by name and in order.
pub(crate) fn arrow_schema(ids: IdEncoding) -> SchemaRef {
    let fields: Vec<Field> = schema::FIELDS
        .iter()
        .map(|f| Field::new(f.name, data_type(f, ids), !f.required && !is_total(f.name)))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Optional columns that have a value in every span all the same.
fn is_total(name: &str) -> bool {
    matches!(name, "flags" | "kind" | "error_event_count" | "exception_event_count")
}

fn data_type(field: &schema::Field, ids: IdEncoding) -> DataType {
    match field.holds {
        schema::Type::Id(bytes) => id_type(bytes, ids),
        schema::Type::Text => {
            DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::LargeUtf8))
        }
        schema::Type::Integer => match field.name {
            "kind" | "status" | "rpc_status" => DataType::UInt8,
            "http_status" => DataType::UInt16,
            "start_unix_nano" | "received_unix_nano" => DataType::UInt64,
            "duration_ns" => DataType::Int64,
            _ => DataType::UInt32,
        },
        schema::Type::Links => DataType::List(link_field(ids)),
        schema::Type::Json => DataType::LargeUtf8,
    }
}

fn id_type(bytes: usize, ids: IdEncoding) -> DataType {
    match ids {
        IdEncoding::Bytes => {
            DataType::FixedSizeBinary(i32::try_from(bytes).expect("identifiers are 8 or 16 bytes"))
        }
        IdEncoding::Hex => DataType::Utf8,
    }
}

fn link_field(ids: IdEncoding) -> FieldRef {
    Arc::new(Field::new("element", DataType::Struct(link_fields(ids)), false))
}

fn link_fields(ids: IdEncoding) -> Fields {
    Fields::from(vec![
        Field::new("trace_id", id_type(16, ids), false),
        Field::new("span_id", id_type(8, ids), false),
    ])
}

/// All columns of a batch, in the order of the schema.
///
/// The columns of the batch must be of equal length, its links in the order of their rows.
pub(crate) fn record_batch(
    schema: &SchemaRef,
    ids: IdEncoding,
    batch: &SpanBatch,
) -> Result<RecordBatch, ArrowError> {
    let texts: ArrayRef = Arc::new(LargeStringArray::from_iter(
        batch.names.iter().map(|(name, text)| (!name.is_none()).then_some(text)),
    ));
    let names = |column: &[Name]| names(&texts, column);
    let columns: Vec<ArrayRef> = vec![
        trace_ids(batch.trace_id.iter().copied(), ids)?,
        span_ids(batch.span_id.iter().copied(), ids)?,
        parent_ids(&batch.parent_span_id, ids)?,
        names(&batch.trace_state)?,
        Arc::new(UInt32Array::from(batch.flags.clone())),
        names(&batch.service)?,
        names(&batch.namespace)?,
        names(&batch.instance)?,
        names(&batch.version)?,
        names(&batch.host)?,
        names(&batch.operation)?,
        Arc::new(UInt8Array::from_iter_values(batch.kind.iter().map(|&kind| kind as u8))),
        Arc::new(UInt8Array::new(
            batch.status.iter().map(|&s| if s == Status::Absent { 0 } else { s as u8 }).collect(),
            nulls(&batch.status, |&s| s != Status::Absent),
        )),
        Arc::new(UInt64Array::from(batch.start_unix_nano.clone())),
        Arc::new(Int64Array::from(batch.duration_ns.clone())),
        Arc::new(UInt64Array::new(
            batch.received_unix_nano.clone().into(),
            nulls(&batch.received_unix_nano, |&at| at != 0),
        )),
        Arc::new(UInt16Array::new(
            batch.http_status.clone().into(),
            nulls(&batch.http_status, |&code| code != 0),
        )),
        Arc::new(UInt8Array::new(
            batch.rpc_status.clone().into(),
            nulls(&batch.rpc_status, |&code| code != SpanRow::NO_RPC),
        )),
        names(&batch.error_type)?,
        names(&batch.peer)?,
        Arc::new(UInt32Array::from(batch.error_event_count.clone())),
        Arc::new(UInt32Array::from(batch.exception_event_count.clone())),
        links(batch, ids)?,
        attributes(batch),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}

/// Which rows have a value; `None` when all do.
fn nulls<T>(column: &[T], has_value: impl Fn(&T) -> bool) -> Option<NullBuffer> {
    let valid = BooleanBuffer::collect_bool(column.len(), |i| has_value(&column[i]));
    (valid.count_set_bits() < column.len()).then(|| NullBuffer::new(valid))
}

fn names(texts: &ArrayRef, column: &[Name]) -> Result<ArrayRef, ArrowError> {
    let keys: ScalarBuffer<u32> = column
        .iter()
        .map(|name| u32::try_from(name.index()).expect("names are numbered by u32"))
        .collect();
    let keys = UInt32Array::new(keys, nulls(column, |name| !name.is_none()));
    Ok(Arc::new(DictionaryArray::<UInt32Type>::try_new(keys, Arc::clone(texts))?))
}

fn trace_ids(
    column: impl ExactSizeIterator<Item = TraceId>,
    ids: IdEncoding,
) -> Result<ArrayRef, ArrowError> {
    match ids {
        IdEncoding::Bytes => {
            let bytes = column.flat_map(|id| id.as_u128().to_be_bytes()).collect::<Vec<u8>>();
            fixed(16, bytes, None)
        }
        IdEncoding::Hex => Ok(hex(32, column, None)),
    }
}

fn span_ids(
    column: impl ExactSizeIterator<Item = SpanId>,
    ids: IdEncoding,
) -> Result<ArrayRef, ArrowError> {
    identifiers(column, ids, None)
}

fn parent_ids(column: &[SpanId], ids: IdEncoding) -> Result<ArrayRef, ArrowError> {
    identifiers(column.iter().copied(), ids, nulls(column, |id| !id.is_none()))
}

fn identifiers(
    column: impl ExactSizeIterator<Item = SpanId>,
    ids: IdEncoding,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    match ids {
        IdEncoding::Bytes => {
            let bytes = column.flat_map(|id| id.as_u64().to_be_bytes()).collect::<Vec<u8>>();
            fixed(8, bytes, nulls)
        }
        IdEncoding::Hex => Ok(hex(16, column, nulls)),
    }
}

fn fixed(width: i32, bytes: Vec<u8>, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(FixedSizeBinaryArray::try_new(width, Buffer::from_vec(bytes), nulls)?))
}

fn hex(
    digits: usize,
    column: impl ExactSizeIterator<Item = impl std::fmt::Display>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let rows = column.len();
    let mut text = String::with_capacity(rows * digits);
    for id in column {
        write!(text, "{id}").expect("writing to a String can't fail");
    }
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(digits, rows));
    Arc::new(StringArray::new(offsets, Buffer::from_vec(text.into_bytes()), nulls))
}

/// A list a span, null where there is no link.
fn links(batch: &SpanBatch, ids: IdEncoding) -> Result<ArrayRef, ArrowError> {
    let mut lengths = vec![0_usize; batch.len()];
    for link in &batch.links {
        lengths[link.row as usize] += 1;
    }
    let nulls = nulls(&lengths, |&n| n > 0);
    let targets = StructArray::try_new_with_length(
        link_fields(ids),
        vec![
            trace_ids(batch.links.iter().map(|link| link.trace_id), ids)?,
            span_ids(batch.links.iter().map(|link| link.span_id), ids)?,
        ],
        None,
        batch.links.len(),
    )?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(link_field(ids), offsets, Arc::new(targets), nulls)?))
}

fn attributes(batch: &SpanBatch) -> ArrayRef {
    if batch.attribute_ends.is_empty() {
        return Arc::new(LargeStringArray::new_null(batch.len()));
    }
    let texts = (0..batch.len()).map(|row| {
        let json = batch.attributes_of(row);
        (!json.is_empty()).then_some(json)
    });
    let texts: LargeStringArray = texts.collect();
    debug_assert_eq!(texts.len(), batch.len());
    Arc::new(texts)
}
