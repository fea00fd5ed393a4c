//! Files of every layout, written by another Parquet library and read back.

mod broken;
mod clickhouse;
mod layouts;

use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use resus_model::{Quality, SpanBatch, SpanId, SpanRow, TraceId};
use tempfile::NamedTempFile;

use crate::{Mapping, ParquetFile, ReadError, open};

type Columns = Vec<(&'static str, ArrayRef)>;

/// Columns are optional in the file only where they hold nulls, so both kinds occur.
fn record_batch(columns: Columns) -> RecordBatch {
    let nullable = |column: &ArrayRef| column.logical_null_count() > 0;
    let columns = columns.into_iter().map(|(name, column)| {
        let nullable = nullable(&column);
        (name, column, nullable)
    });
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of equal length")
}

/// Writes a file of these columns, `rows` rows to a row group.
fn write_groups(columns: Columns, compression: Compression, rows: usize) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    let batch = record_batch(columns);
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(rows))
        .build();
    let target = file.reopen().expect("a second handle");
    let mut writer =
        ArrowWriter::try_new(target, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("columns can be written");
    writer.close().expect("the footer can be written");
    file
}

fn write(columns: Columns) -> NamedTempFile {
    write_groups(columns, Compression::SNAPPY, 1 << 20)
}

fn texts<const N: usize>(texts: [&str; N]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn numbers<const N: usize>(numbers: [i64; N]) -> ArrayRef {
    Arc::new(Int64Array::from(numbers.to_vec()))
}

const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const SPAN: &str = "eee19b7ec3c1b174";

/// The required columns of two spans.
fn required() -> Columns {
    vec![
        ("trace_id", texts([TRACE, TRACE])),
        ("span_id", texts([SPAN, "eee19b7ec3c1b175"])),
        ("service", texts(["cart", "a service with a long name"])),
        ("operation", texts(["GET /cart", "GET /cart"])),
        ("start_unix_nano", numbers([1_700_000_000_000_000_000, 1_700_000_000_000_000_001])),
        ("duration_ns", numbers([5, -3])),
    ]
}

/// Puts a column in the place of the one of the same name, or at the end.
fn with(mut columns: Columns, name: &'static str, column: ArrayRef) -> Columns {
    match columns.iter_mut().find(|(n, _)| *n == name) {
        Some(place) => place.1 = column,
        None => columns.push((name, column)),
    }
    columns
}

fn without(mut columns: Columns, name: &str) -> Columns {
    columns.retain(|(n, _)| *n != name);
    columns
}

fn opened(path: &Path) -> ParquetFile {
    open(path, &Mapping::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// All parts of a file, one batch each.
fn read_all(file: &ParquetFile) -> Result<(Vec<SpanBatch>, Quality), ReadError> {
    let mut quality = Quality::default();
    let read = (0..file.parts()).map(|part| file.read(part, &mut quality));
    let batches: Result<Vec<SpanBatch>, ReadError> = read.collect();
    batches.map(|batches| (batches, quality))
}

/// The only batch of a file of these columns.
#[track_caller]
fn read(columns: Columns) -> (SpanBatch, Quality) {
    let file = write(columns);
    let (mut batches, quality) = read_all(&opened(file.path())).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(batches.len(), 1, "one row group, one part");
    (batches.remove(0), quality)
}

/// What a file of these columns is refused with.
#[track_caller]
fn refused(columns: Columns, mapping: &[&str]) -> String {
    let file = write(columns);
    let mapping = Mapping::parse(mapping.iter().copied()).expect("a good mapping");
    let error = open(file.path(), &mapping).expect_err("refused").to_string();
    error.replace(&file.path().display().to_string(), "FILE")
}

/// A row with its names spelled out, so that rows of different batches can be compared.
fn spelled(batch: &SpanBatch, row: usize) -> (SpanRow, Vec<String>) {
    let mut span = batch.row(row);
    let mut names = Vec::new();
    for name in [
        &mut span.trace_state,
        &mut span.service,
        &mut span.namespace,
        &mut span.instance,
        &mut span.version,
        &mut span.host,
        &mut span.operation,
        &mut span.error_type,
        &mut span.peer,
    ] {
        names.push(batch.names.text(std::mem::take(name)).to_owned());
    }
    (span, names)
}

fn trace(text: &str) -> TraceId {
    TraceId::from_hex(text.as_bytes()).expect("32 digits")
}

fn span(text: &str) -> SpanId {
    SpanId::from_hex(text.as_bytes()).expect("16 digits")
}
