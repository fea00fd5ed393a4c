//! Writes span files.

use std::{
    fmt,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    file::{
        metadata::KeyValue,
        properties::{BloomFilterPosition, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::SchemaDescriptor,
};
use resus_model::{Interner, SpanBatch};

mod chunk;
mod columns;
mod delta;
mod dictionary;
mod hybrid;
mod ids;
mod links;
mod names;
mod numbers;
mod schema;
mod texts;

pub use self::schema::IdEncoding;
use self::{
    columns::{Column, Shared, columns},
    schema::parquet_schema,
};

/// Rows that are encoded column by column at once: few enough that their texts stay in the cache.
const SLICE_ROWS: usize = 1024;
/// A row group ends early when it holds more bytes of memory than this.
const ROW_GROUP_MEMORY: usize = 64 << 20;

/// How a span file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterOptions {
    /// Rows of a row group, the unit in which readers work in parallel; at least 1.
    pub row_group_rows: usize,
    /// How identifiers are written.
    pub ids: IdEncoding,
}

impl WriterOptions {
    /// What suits whoever has no reason for something else.
    ///
    /// Readers take a row group a thread, and the writer keeps one in memory (about 60 bytes a
    /// span): 262,144 rows give a million spans to four threads and stay under 20 MB.
    pub const STANDARD: Self = Self { row_group_rows: 262_144, ids: IdEncoding::Bytes };
}

/// Why spans could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteSpansError {
    /// The file can't be made.
    #[error("create {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row group has to have a row.
    #[error("write {}: row groups of 0 rows were asked for, at least 1 is needed", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// The columns of a batch do not belong together.
    #[error(
        "write {}: column {column} has {found} values in a batch of {expected} spans",
        path.display()
    )]
    Uneven {
        /// The file.
        path: PathBuf,
        /// The column, as the schema names it.
        column: &'static str,
        /// Values in it.
        found: usize,
        /// Spans in the batch.
        expected: usize,
    },
    /// Links have to be in the order of the rows that they belong to, and belong to one.
    #[error("write {}: link {link} is out of order or of no span of its batch", path.display())]
    StrayLink {
        /// The file.
        path: PathBuf,
        /// Zero-based place of the link.
        link: usize,
    },
    /// Texts of spans lie back to back, so their ends have to be in order and within the whole.
    #[error(
        "write {}: the text of span {row} in column {column} does not lie where its end says",
        path.display()
    )]
    StrayText {
        /// The file.
        path: PathBuf,
        /// The column, as the schema names it.
        column: &'static str,
        /// Zero-based row of the span in its batch.
        row: usize,
    },
    /// Encoding failed, or the disk did.
    #[error("write {}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: parquet::errors::ParquetError,
    },
}

/// Writes span batches to one Parquet file. Without [`SpanWriter::finish`] the file is no Parquet.
#[derive(Debug)]
pub struct SpanWriter(SpanEncoder<BufWriter<File>>);

impl SpanWriter {
    /// Makes the file; one of the same name is overwritten.
    ///
    /// # Errors
    /// When the file can't be made, or the options ask for row groups without rows.
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, WriteSpansError> {
        check_options(path, options)?;
        let file = File::create(path)
            .map_err(|source| WriteSpansError::Create { path: path.to_owned(), source })?;
        SpanEncoder::new(path, BufWriter::with_capacity(1 << 20, file), options).map(Self)
    }

    /// Appends the spans of a batch, in their order.
    ///
    /// # Errors
    /// When the batch's columns do not belong together, or encoding or the disk fails.
    pub fn write(&mut self, batch: &SpanBatch) -> Result<(), WriteSpansError> {
        self.0.write(batch)
    }

    /// Writes what is left and the footer.
    ///
    /// # Errors
    /// When encoding or the disk fails.
    pub fn finish(self) -> Result<(), WriteSpansError> {
        let mut encoder = self.0;
        encoder.finish(Vec::new())
    }
}

fn check_options(path: &Path, options: WriterOptions) -> Result<(), WriteSpansError> {
    if options.row_group_rows == 0 {
        return Err(WriteSpansError::NoRows { path: path.to_owned() });
    }
    Ok(())
}

/// Encodes span batches as Parquet into whatever takes bytes.
///
/// The pages are made here ([`mod@columns`]), the rest of the file by the parquet crate. Its own encoders
/// take any Arrow array, which costs them more than the compressor does: of a span with 500 bytes of
/// attributes about 600 ns, where these take 200.
pub(crate) struct SpanEncoder<W: Write + Send> {
    /// The file, to name it in messages.
    path: PathBuf,
    options: WriterOptions,
    schema: SchemaDescriptor,
    writer: SerializedFileWriter<W>,
    /// The row group in the making.
    columns: Vec<Box<dyn Column>>,
    shared: Shared,
    rows: usize,
}

impl<W: Write + Send> fmt::Debug for SpanEncoder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, options, rows, .. } = self;
        f.debug_struct("SpanEncoder")
            .field("path", path)
            .field("options", options)
            .field("rows", rows)
            .finish_non_exhaustive()
    }
}

impl<W: Write + Send> SpanEncoder<W> {
    pub(crate) fn new(
        path: &Path,
        sink: W,
        options: WriterOptions,
    ) -> Result<Self, WriteSpansError> {
        check_options(path, options)?;
        let begin = || {
            let schema = parquet_schema(options.ids)?;
            let properties = Arc::new(properties());
            let writer = SerializedFileWriter::new(sink, schema.root_schema_ptr(), properties)?;
            let columns = columns(&schema, options.ids, options.row_group_rows)?;
            let (path, shared) = (path.to_owned(), Shared::new()?);
            Ok(Self { path, options, schema, writer, columns, shared, rows: 0 })
        };
        begin().map_err(|source| WriteSpansError::Encode { path: path.to_owned(), source })
    }

    /// Appends the spans of a batch, in their order.
    pub(crate) fn write(&mut self, batch: &SpanBatch) -> Result<(), WriteSpansError> {
        self.check(batch)?;
        self.put(batch)
            .map_err(|source| WriteSpansError::Encode { path: self.path.clone(), source })
    }

    fn put(&mut self, batch: &SpanBatch) -> parquet::errors::Result<()> {
        self.shared.begin_batch(batch);
        let mut from = 0;
        while from < batch.len() {
            let room = self.options.row_group_rows - self.rows;
            let rows = from..batch.len().min(from + room.min(SLICE_ROWS));
            from = rows.end;
            self.rows += rows.len();
            for column in &mut self.columns {
                column.put(batch, rows.clone(), &mut self.shared)?;
            }
            if self.rows == self.options.row_group_rows || self.memory() > ROW_GROUP_MEMORY {
                self.end_row_group()?;
                self.shared.begin_batch(batch);
            }
        }
        Ok(())
    }

    fn end_row_group(&mut self) -> parquet::errors::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let fresh = columns(&self.schema, self.options.ids, self.options.row_group_rows)?;
        let mut group = self.writer.next_row_group()?;
        for column in std::mem::replace(&mut self.columns, fresh) {
            let (bytes, closed) = column.close(&mut self.shared)?;
            group.append_column(&bytes, closed)?;
        }
        group.close()?;
        self.shared.texts = Interner::new();
        self.rows = 0;
        Ok(())
    }

    /// Bytes that went into the sink, and those of the pages that will when the row group is
    /// complete.
    pub(crate) fn bytes(&self) -> u64 {
        let encoded: usize = self.columns.iter().map(|column| column.bytes()).sum();
        (self.writer.bytes_written() + encoded) as u64
    }

    /// Bytes of memory that the row group in the making holds.
    pub(crate) fn memory(&self) -> usize {
        self.columns.iter().map(|column| column.memory()).sum()
    }

    /// Hands the bytes of all rows so far to the sink: the row group ends here.
    pub(crate) fn end_rows(&mut self) -> Result<(), WriteSpansError> {
        self.end_row_group()
            .and_then(|()| Ok(self.writer.flush()?))
            .map_err(|source| WriteSpansError::Encode { path: self.path.clone(), source })
    }

    /// Writes what is left and the footer, with more pairs in its metadata.
    pub(crate) fn finish(&mut self, pairs: Vec<KeyValue>) -> Result<(), WriteSpansError> {
        self.end_rows()?;
        for pair in pairs {
            self.writer.append_key_value_metadata(pair);
        }
        let finished = self.writer.finish().map(drop);
        finished.map_err(|source| WriteSpansError::Encode { path: self.path.clone(), source })
    }

    /// What takes the bytes.
    pub(crate) fn sink(&mut self) -> &mut W {
        self.writer.inner_mut()
    }

    fn check(&self, batch: &SpanBatch) -> Result<(), WriteSpansError> {
        let expected = batch.len();
        let uneven = |column, found| {
            Err(WriteSpansError::Uneven { path: self.path.clone(), column, found, expected })
        };
        for (column, found) in lengths(batch) {
            if found != expected {
                return uneven(column, found);
            }
        }
        for (column, found) in kept_lengths(batch) {
            if found != 0 && found != expected {
                return uneven(column, found);
            }
        }
        for (column, text, ends) in [
            ("attributes", &batch.attributes, &batch.attribute_ends),
            ("events", &batch.events, &batch.event_ends),
        ] {
            if let Some(row) = stray_text(text, ends) {
                return Err(WriteSpansError::StrayText { path: self.path.clone(), column, row });
            }
        }
        let mut previous = 0;
        for (link, row) in batch.links.iter().map(|link| link.row).enumerate() {
            if row < previous || row as usize >= expected {
                return Err(WriteSpansError::StrayLink { path: self.path.clone(), link });
            }
            previous = row;
        }
        Ok(())
    }
}

/// The first row whose text does not lie where its end says.
fn stray_text(text: &str, ends: &[u64]) -> Option<usize> {
    let mut from = 0;
    ends.iter().position(|&end| {
        let stray = end < from || !usize::try_from(end).is_ok_and(|end| text.is_char_boundary(end));
        from = end;
        stray
    })
}

/// Values in each column that is either kept for all spans of a batch or for none.
fn kept_lengths(batch: &SpanBatch) -> [(&'static str, usize); 5] {
    [
        ("attributes", batch.attribute_ends.len()),
        ("events", batch.event_ends.len()),
        ("resource_attributes", batch.resource_attributes.len()),
        ("scope", batch.scope.len()),
        ("status_message", batch.status_message.len()),
    ]
}

/// Values in each of the other columns but ids of traces and links.
fn lengths(batch: &SpanBatch) -> [(&'static str, usize); 21] {
    [
        ("span_id", batch.span_id.len()),
        ("parent_span_id", batch.parent_span_id.len()),
        ("trace_state", batch.trace_state.len()),
        ("flags", batch.flags.len()),
        ("service", batch.service.len()),
        ("namespace", batch.namespace.len()),
        ("instance", batch.instance.len()),
        ("version", batch.version.len()),
        ("host", batch.host.len()),
        ("operation", batch.operation.len()),
        ("kind", batch.kind.len()),
        ("status", batch.status.len()),
        ("start_unix_nano", batch.start_unix_nano.len()),
        ("duration_ns", batch.duration_ns.len()),
        ("received_unix_nano", batch.received_unix_nano.len()),
        ("http_status", batch.http_status.len()),
        ("rpc_status", batch.rpc_status.len()),
        ("error_type", batch.error_type.len()),
        ("peer", batch.peer.len()),
        ("error_event_count", batch.error_event_count.len()),
        ("exception_event_count", batch.exception_event_count.len()),
    ]
}

fn properties() -> WriterProperties {
    let version = KeyValue::new(
        resus_model::schema::VERSION_KEY.to_owned(),
        resus_model::schema::VERSION.to_string(),
    );
    WriterProperties::builder()
        .set_key_value_metadata(Some(vec![version]))
        .set_bloom_filter_position(BloomFilterPosition::End)
        .build()
}

#[cfg(test)]
mod tests;
