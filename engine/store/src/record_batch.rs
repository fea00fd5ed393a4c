//! Spans as columns of ours → the same columns as Arrow arrays, in the order of the span schema.
//!
//! Names become dictionary arrays whose values are the batch's interner, so no text is copied a
//! span. Absence is null everywhere: no parent, [`Name::NONE`], [`Status::Absent`], no code, no
//! link, no attribute, no event, an unknown arrival. A column that the batch does not keep is all
//! null.

use std::{fmt::Write as _, ops::Range, sync::Arc};

use arrow_array::{
    ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int64Array, LargeStringArray,
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
        schema::Type::Text => names_type(),
        schema::Type::Integer => match field.name {
            "kind" | "status" | "rpc_status" => DataType::UInt8,
            "http_status" => DataType::UInt16,
            "start_unix_nano" | "received_unix_nano" => DataType::UInt64,
            "duration_ns" => DataType::Int64,
            _ => DataType::UInt32,
        },
        schema::Type::Links => DataType::List(link_field(ids)),
        // A batch's spans are of few resources, so their attributes are names in it.
        schema::Type::Json if field.name == "resource_attributes" => names_type(),
        schema::Type::Json => DataType::LargeUtf8,
    }
}

fn names_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::LargeUtf8))
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

/// Rows that are turned into Arrow arrays at once. Few enough that their texts stay in the cache
/// between here and the encoder: at 2048 rows a span costs a tenth less than at 8192.
const SLICE_ROWS: usize = 2048;

/// A batch as record batches of few rows, in order.
///
/// The columns of the batch must be of equal length, its links in the order of their rows, the ends
/// of its texts in order and within them.
pub(crate) struct Slices<'a> {
    schema: &'a SchemaRef,
    ids: IdEncoding,
    batch: &'a SpanBatch,
    texts: ArrayRef,
    next: usize,
}

impl<'a> Slices<'a> {
    pub(crate) fn new(schema: &'a SchemaRef, ids: IdEncoding, batch: &'a SpanBatch) -> Self {
        let texts = batch.names.iter().map(|(name, text)| (!name.is_none()).then_some(text));
        let texts = Arc::new(LargeStringArray::from_iter(texts));
        Self { schema, ids, batch, texts, next: 0 }
    }
}

impl Iterator for Slices<'_> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.next..self.batch.len().min(self.next + SLICE_ROWS);
        self.next = rows.end;
        (!rows.is_empty())
            .then(|| record_batch(self.schema, self.ids, self.batch, &self.texts, rows))
    }
}

/// All columns of some rows, in the order of the schema.
fn record_batch(
    schema: &SchemaRef,
    ids: IdEncoding,
    batch: &SpanBatch,
    texts: &ArrayRef,
    rows: Range<usize>,
) -> Result<RecordBatch, ArrowError> {
    let of = |column: &[Name]| names(texts, column);
    let kept = |column: &[Name]| match column.get(rows.clone()) {
        Some(column) => of(column),
        None => of(&vec![Name::NONE; rows.len()]),
    };
    let status = &batch.status[rows.clone()];
    let received = &batch.received_unix_nano[rows.clone()];
    let http_status = &batch.http_status[rows.clone()];
    let rpc_status = &batch.rpc_status[rows.clone()];
    let columns: Vec<ArrayRef> = vec![
        trace_ids(batch.trace_id[rows.clone()].iter().copied(), ids)?,
        span_ids(batch.span_id[rows.clone()].iter().copied(), ids)?,
        parent_ids(&batch.parent_span_id[rows.clone()], ids)?,
        of(&batch.trace_state[rows.clone()])?,
        Arc::new(UInt32Array::from(batch.flags[rows.clone()].to_vec())),
        of(&batch.service[rows.clone()])?,
        of(&batch.namespace[rows.clone()])?,
        of(&batch.instance[rows.clone()])?,
        of(&batch.version[rows.clone()])?,
        of(&batch.host[rows.clone()])?,
        of(&batch.operation[rows.clone()])?,
        Arc::new(UInt8Array::from_iter_values(
            batch.kind[rows.clone()].iter().map(|&kind| kind as u8),
        )),
        Arc::new(UInt8Array::new(
            status.iter().map(|&s| if s == Status::Absent { 0 } else { s as u8 }).collect(),
            nulls(status, |&s| s != Status::Absent),
        )),
        Arc::new(UInt64Array::from(batch.start_unix_nano[rows.clone()].to_vec())),
        Arc::new(Int64Array::from(batch.duration_ns[rows.clone()].to_vec())),
        Arc::new(UInt64Array::new(received.to_vec().into(), nulls(received, |&at| at != 0))),
        Arc::new(UInt16Array::new(
            http_status.to_vec().into(),
            nulls(http_status, |&code| code != 0),
        )),
        Arc::new(UInt8Array::new(
            rpc_status.to_vec().into(),
            nulls(rpc_status, |&code| code != SpanRow::NO_RPC),
        )),
        of(&batch.error_type[rows.clone()])?,
        of(&batch.peer[rows.clone()])?,
        Arc::new(UInt32Array::from(batch.error_event_count[rows.clone()].to_vec())),
        Arc::new(UInt32Array::from(batch.exception_event_count[rows.clone()].to_vec())),
        links(batch, rows.clone(), ids)?,
        json(&batch.attributes, &batch.attribute_ends, rows.clone())?,
        json(&batch.events, &batch.event_ends, rows.clone())?,
        kept(&batch.resource_attributes)?,
        kept(&batch.scope)?,
        kept(&batch.status_message)?,
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
fn links(batch: &SpanBatch, rows: Range<usize>, ids: IdEncoding) -> Result<ArrayRef, ArrowError> {
    let before = |row: usize| batch.links.partition_point(|link| (link.row as usize) < row);
    let found = &batch.links[before(rows.start)..before(rows.end)];
    let mut lengths = vec![0_usize; rows.len()];
    for link in found {
        lengths[link.row as usize - rows.start] += 1;
    }
    let nulls = nulls(&lengths, |&n| n > 0);
    let targets = StructArray::try_new_with_length(
        link_fields(ids),
        vec![
            trace_ids(found.iter().map(|link| link.trace_id), ids)?,
            span_ids(found.iter().map(|link| link.span_id), ids)?,
        ],
        None,
        found.len(),
    )?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(link_field(ids), offsets, Arc::new(targets), nulls)?))
}

/// Texts that lie back to back, with where each ends; null where one is empty, and all over where
/// none were kept.
#[expect(clippy::cast_possible_truncation, reason = "ends lie within a String's length")]
fn json(text: &str, ends: &[u64], rows: Range<usize>) -> Result<ArrayRef, ArrowError> {
    if ends.is_empty() {
        return Ok(Arc::new(LargeStringArray::new_null(rows.len())));
    }
    let from = if rows.start == 0 { 0 } else { ends[rows.start - 1] };
    let ends = &ends[rows];
    let to = ends.last().copied().unwrap_or(from);
    let places: ScalarBuffer<i64> = std::iter::once(from)
        .chain(ends.iter().copied())
        .map(|end| i64::try_from(end - from).expect("no String is longer than isize::MAX"))
        .collect();
    let valid = BooleanBuffer::collect_bool(ends.len(), |row| places[row] < places[row + 1]);
    let nulls = (valid.count_set_bits() < ends.len()).then(|| NullBuffer::new(valid));
    let texts = Buffer::from_vec(text.as_bytes()[from as usize..to as usize].to_vec());
    Ok(Arc::new(LargeStringArray::try_new(OffsetBuffer::new(places), texts, nulls)?))
}
