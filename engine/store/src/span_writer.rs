//! Writes span files: which encodings, and why.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use arrow_schema::SchemaRef;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use resus_model::{SpanBatch, schema};

use crate::record_batch::{IdEncoding, arrow_schema, record_batch};

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
    /// Encoding failed, or the disk did.
    #[error("write {}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: parquet::errors::ParquetError,
    },
    /// The last bytes could not be written.
    #[error("write the end of {}", path.display())]
    Flush {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Writes span batches to one Parquet file. Without [`SpanWriter::finish`] the file is no Parquet.
#[derive(Debug)]
pub struct SpanWriter {
    path: PathBuf,
    ids: IdEncoding,
    schema: SchemaRef,
    writer: ArrowWriter<BufWriter<File>>,
}

impl SpanWriter {
    /// Makes the file; one of the same name is overwritten.
    ///
    /// # Errors
    /// When the file can't be made, or the options ask for row groups without rows.
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, WriteSpansError> {
        let WriterOptions { row_group_rows, ids } = options;
        if row_group_rows == 0 {
            return Err(WriteSpansError::NoRows { path: path.to_owned() });
        }
        let file = File::create(path)
            .map_err(|source| WriteSpansError::Create { path: path.to_owned(), source })?;
        let schema = arrow_schema(ids);
        // Without Arrow's own copy of the schema in the metadata text columns are plain Parquet
        // strings to every reader, not categoricals to some.
        let options = ArrowWriterOptions::new()
            .with_properties(properties(row_group_rows, ids))
            .with_skip_arrow_metadata(true)
            .with_schema_root("spans".to_owned());
        let writer = ArrowWriter::try_new_with_options(
            BufWriter::with_capacity(1 << 20, file),
            SchemaRef::clone(&schema),
            options,
        )
        .map_err(|source| WriteSpansError::Encode { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), ids, schema, writer })
    }

    /// Appends the spans of a batch, in their order.
    ///
    /// # Errors
    /// When the batch's columns do not belong together, or encoding or the disk fails.
    pub fn write(&mut self, batch: &SpanBatch) -> Result<(), WriteSpansError> {
        self.check(batch)?;
        record_batch(&self.schema, self.ids, batch)
            .map_err(Into::into)
            .and_then(|batch| self.writer.write(&batch))
            .map_err(|source| WriteSpansError::Encode { path: self.path.clone(), source })
    }

    /// Writes what is left and the footer.
    ///
    /// # Errors
    /// When encoding or the disk fails.
    pub fn finish(self) -> Result<(), WriteSpansError> {
        let Self { path, writer, .. } = self;
        let mut file = match writer.into_inner() {
            Ok(file) => file,
            Err(source) => return Err(WriteSpansError::Encode { path, source }),
        };
        file.flush().map_err(|source| WriteSpansError::Flush { path, source })
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
        let ends = batch.attribute_ends.len();
        if ends != 0 && ends != expected {
            return uneven("attributes", ends);
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

/// Values in each column but ids of traces, links and attributes.
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
/// Statistics are kept for what a reader cuts windows by, and not page by page.
fn properties(row_group_rows: usize, ids: IdEncoding) -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("zstd has a level 1"));
    let version = KeyValue::new(schema::VERSION_KEY.to_owned(), schema::VERSION.to_string());
    let mut properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_key_value_metadata(Some(vec![version]))
        .set_compression(zstd)
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::None);
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
    properties.build()
}

#[cfg(test)]
mod tests;
