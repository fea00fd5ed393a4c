//! Writes span files: which encodings, and why.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use arrow_schema::SchemaRef;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{BloomFilterPosition, EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use resus_model::{SpanBatch, schema};

use crate::record_batch::{IdEncoding, Slices, arrow_schema};

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
#[derive(Debug)]
pub(crate) struct SpanEncoder<W: Write + Send> {
    /// The file, to name it in messages.
    path: PathBuf,
    ids: IdEncoding,
    schema: SchemaRef,
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> SpanEncoder<W> {
    pub(crate) fn new(
        path: &Path,
        sink: W,
        options: WriterOptions,
    ) -> Result<Self, WriteSpansError> {
        check_options(path, options)?;
        let WriterOptions { row_group_rows, ids } = options;
        let schema = arrow_schema(ids);
        // Without Arrow's own copy of the schema in the metadata text columns are plain Parquet
        // strings to every reader, not categoricals to some.
        let options = ArrowWriterOptions::new()
            .with_properties(properties(row_group_rows, ids))
            .with_skip_arrow_metadata(true)
            .with_schema_root("spans".to_owned());
        let writer = ArrowWriter::try_new_with_options(sink, SchemaRef::clone(&schema), options)
            .map_err(|source| WriteSpansError::Encode { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), ids, schema, writer })
    }

    /// Appends the spans of a batch, in their order.
    pub(crate) fn write(&mut self, batch: &SpanBatch) -> Result<(), WriteSpansError> {
        self.check(batch)?;
        for slice in Slices::new(&self.schema, self.ids, batch) {
            slice
                .map_err(Into::into)
                .and_then(|slice| self.writer.write(&slice))
                .map_err(|source| WriteSpansError::Encode { path: self.path.clone(), source })?;
        }
        Ok(())
    }

    /// Bytes that went into the sink or will when the row group in memory is complete.
    pub(crate) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.writer.memory_size()
    }

    /// Hands the bytes of all rows so far to the sink: the row group ends here.
    pub(crate) fn end_rows(&mut self) -> Result<(), WriteSpansError> {
        let ended = self.writer.flush().and_then(|()| Ok(self.writer.sync()?));
        ended.map_err(|source| WriteSpansError::Encode { path: self.path.clone(), source })
    }

    /// Writes what is left and the footer, with more pairs in its metadata.
    pub(crate) fn finish(&mut self, pairs: Vec<KeyValue>) -> Result<(), WriteSpansError> {
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

/// Bytes of a page before compression. Pages of the usual 1 MiB leave the processor's cache on their
/// way from the encoder to the compressor, which costs a tenth of all; they also make whoever looks
/// for one trace decompress more. In exchange files grow by 3 %.
const PAGE_BYTES: usize = 128 << 10;

/// Bytes of a dictionary for texts of one span each. Where they are few, as in generated dumps, they
/// fit; where there is one a span, this is soon full, and the rest is written without.
const TEXT_DICTIONARY_BYTES: usize = 16 << 10;

/// Share of row groups that are searched in vain for a trace: at 1 % the filter takes 1.3 bytes a
/// trace.
const FALSE_POSITIVES: f64 = 0.01;

/// Encodings by what polars reads fastest, size second (15 million spans, CPU seconds to read one
/// column with two threads):
/// - `trace_id` repeats: dictionary and zstd 0.15 s at 36 MB, plain and zstd 0.23 s at 26 MB, plain
///   0.17 s at 234 MB. Past a dictionary of 1 MiB the rest of a row group is plain;
/// - other identifiers hardly repeat and do not shrink: plain 0.11 s at 117 MB, a dictionary makes
///   them larger. As hex text they shrink to half;
/// - times: delta packing 0.07 s at 49 MB, plain and zstd 0.12 s at 54 MB; zstd after delta packing
///   saves nothing;
/// - everything else has few values: dictionary and zstd.
///
/// Statistics are kept for what a reader cuts windows by, and not page by page. A Bloom filter says
/// in which row groups a trace is.
fn properties(row_group_rows: usize, ids: IdEncoding) -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("zstd has a level 1"));
    let version = KeyValue::new(schema::VERSION_KEY.to_owned(), schema::VERSION.to_string());
    let mut properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_key_value_metadata(Some(vec![version]))
        .set_compression(zstd)
        .set_dictionary_enabled(true)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_bloom_filter_position(BloomFilterPosition::End)
        .set_column_bloom_filter_fpp(ColumnPath::from("trace_id"), FALSE_POSITIVES)
        .set_column_bloom_filter_max_ndv(ColumnPath::from("trace_id"), row_group_rows as u64);
    for id in ["span_id", "parent_span_id"].map(ColumnPath::from) {
        properties = properties.set_column_dictionary_enabled(id.clone(), false);
        if ids == IdEncoding::Bytes {
            properties = properties.set_column_compression(id, Compression::UNCOMPRESSED);
        }
    }
    for time in ["start_unix_nano", "duration_ns"].map(ColumnPath::from) {
        properties = properties
            .set_column_dictionary_enabled(time.clone(), false)
            .set_column_encoding(time.clone(), Encoding::DELTA_BINARY_PACKED)
            .set_column_compression(time.clone(), Compression::UNCOMPRESSED)
            .set_column_statistics_enabled(time, EnabledStatistics::Chunk);
    }
    for text in ["attributes", "events"].map(ColumnPath::from) {
        properties = properties.set_column_dictionary_page_size_limit(text, TEXT_DICTIONARY_BYTES);
    }
    properties.build()
}

#[cfg(test)]
mod tests;
