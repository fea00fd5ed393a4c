//! Opening a file: footer, parts, columns.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use polars::io::SerReader;
use polars::io::parquet::read::{FileMetadata, ParquetReader, infer_schema};
use polars::prelude::ArrowSchema;
use resus_model::{Quality, SpanBatch, schema};

use crate::decode::{Decoder, Part, byte_range, guard, open_file};
use crate::layout::{self, Layout};
use crate::{Mapping, ReadError, rows};

/// A part has at most so many rows: a batch of that many spans takes about 120 MB, and the largest
/// column of it that polars decodes beside it about as much. Row groups of the usual writers (up to
/// 2^20 rows) stay whole, so that no page is decoded twice.
const MAX_ROWS: usize = 1 << 20;

/// A Parquet file of spans whose footer was read and whose columns were found.
///
/// It holds no open file. Parts can be read in any order and from several threads at once.
pub struct ParquetFile {
    path: PathBuf,
    footer: FileMetadata,
    layout: Layout,
    /// Columns that are read, in the order of the file.
    columns: Vec<String>,
    parts: Vec<Part>,
}

/// Opens a file and finds its columns: those named in the mapping, else those of the span schema,
/// else those of ClickHouse's `otel_traces`.
///
/// # Errors
/// When the file is no complete Parquet file, was written under a later version of the span schema,
/// or its columns do not make spans; then all that is wrong with its columns is told at once.
pub fn open(path: &Path, mapping: &Mapping) -> Result<ParquetFile, ReadError> {
    open_cut(path, mapping, MAX_ROWS)
}

/// Opens a file whose parts have at most `max` rows.
pub(crate) fn open_cut(
    path: &Path,
    mapping: &Mapping,
    max: usize,
) -> Result<ParquetFile, ReadError> {
    let Footer { footer, schema, ends } = Footer::read(path)?;
    check_version(path, &footer)?;
    let layout = layout::resolve(path, &schema, mapping)?;
    let read = layout.columns();
    let in_order = schema.iter_names().map(|name| name.as_str());
    let columns: Vec<String> =
        in_order.filter(|name| read.contains(name)).map(str::to_owned).collect();
    check_bytes(path, &footer, &columns, ends)?;
    let parts = parts(&footer, max);
    Ok(ParquetFile { path: path.to_owned(), footer, layout, columns, parts })
}

/// Merely reads columns with polars, part by part as [`ParquetFile::read`] does, drops them, and
/// says how many rows there were: what the reading of spans is measured against.
///
/// # Errors
/// When the file is no complete Parquet file, has no such column, or cannot be decoded.
pub fn read_columns_only(path: &Path, columns: &[String]) -> Result<u64, ReadError> {
    let Footer { footer, .. } = Footer::read(path)?;
    let mut rows = 0;
    for part in parts(&footer, MAX_ROWS) {
        let frame = Decoder::new(path, &footer, part)?.columns(columns)?;
        rows += frame.height() as u64;
    }
    Ok(rows)
}

impl ParquetFile {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many parts there are: row groups, the longest of them cut.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// How many rows there are in all parts.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows as u64).sum()
    }

    /// The columns that [`ParquetFile::read`] reads, in the order of the file.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Reads one part. Rows without a usable id, service, operation, start or duration are left out
    /// and counted in `quality` by reason, with an example (rows are counted from 0); so are
    /// leniencies. The number of spans is not counted there.
    ///
    /// # Errors
    /// When the file is gone or its bytes cannot be decoded.
    ///
    /// # Panics
    /// When there is no such part.
    pub fn read(&self, part: usize, quality: &mut Quality) -> Result<SpanBatch, ReadError> {
        let part = self.parts[part];
        let decoder = Decoder::new(&self.path, &self.footer, part)?;
        rows::read(&self.path, &self.layout, &decoder, part, quality)
    }
}

impl fmt::Debug for ParquetFile {
    /// Leaves out the footer, which would fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, footer: _, layout, columns: _, parts } = self;
        let mut shown = f.debug_struct("ParquetFile");
        shown.field("path", path).field("layout", layout).field("parts", &parts.len()).finish()
    }
}

/// A footer with what it says.
struct Footer {
    footer: FileMetadata,
    schema: ArrowSchema,
    ends: Ends,
}

/// Where things lie in a file.
#[derive(Clone, Copy)]
struct Ends {
    /// Length of the file.
    bytes: u64,
    /// Where its footer begins: all columns lie before.
    footer: u64,
}

impl Footer {
    fn read(path: &Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { path: path.to_owned(), source };
        let mut file = open_file(path)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(std::io::ErrorKind::IsADirectory.into()));
        }
        let ends = check_magic(path, &mut file)?;
        let read = guard(|| {
            let mut reader = ParquetReader::new(&mut file);
            let footer = FileMetadata::clone(reader.get_metadata()?);
            let schema = infer_schema(&footer)?;
            Ok((footer, schema))
        });
        match read {
            Ok((footer, schema)) => Ok(Self { footer, schema, ends }),
            Err(what) => Err(ReadError::Footer { path: path.to_owned(), bytes: ends.bytes, what }),
        }
    }
}

/// A Parquet file begins and ends with these bytes.
const MAGIC: &[u8; 4] = b"PAR1";

/// Looks at both ends of the file.
fn check_magic(path: &Path, file: &mut File) -> Result<Ends, ReadError> {
    let io = |source| ReadError::Io { path: path.to_owned(), source };
    let bytes = file.seek(SeekFrom::End(0)).map_err(io)?;
    if bytes == 0 {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    file.rewind().map_err(io)?;
    let mut first = Vec::new();
    file.by_ref().take(4).read_to_end(&mut first).map_err(io)?;
    if first != MAGIC {
        let found = format!("`{}`", first.escape_ascii());
        return Err(ReadError::NotParquet { path: path.to_owned(), found });
    }
    // The file ends with the length of the footer before it, and the same four bytes again.
    let mut last = [0; 8];
    if bytes >= 12 {
        file.seek(SeekFrom::End(-8)).map_err(io)?;
        file.read_exact(&mut last).map_err(io)?;
    }
    let [length @ .., m, a, g, c] = last;
    if [m, a, g, c] != *MAGIC {
        return Err(ReadError::CutOff { path: path.to_owned(), bytes });
    }
    let length = u64::from(u32::from_le_bytes(length));
    let footer = (bytes - 8).checked_sub(length).filter(|at| *at >= 4);
    let footer = footer.ok_or_else(|| ReadError::Footer {
        path: path.to_owned(),
        bytes,
        what: format!("it is said to be {length} bytes long"),
    })?;
    file.rewind().map_err(io)?;
    Ok(Ends { bytes, footer })
}

/// Refuses a file that was written under a later version of the span schema.
fn check_version(path: &Path, footer: &FileMetadata) -> Result<(), ReadError> {
    let pairs = footer.key_value_metadata.iter().flatten();
    let found = pairs.filter(|pair| pair.key == schema::VERSION_KEY).find_map(|p| p.value.as_ref());
    match found {
        Some(text) if text.parse::<u32>().is_ok_and(|version| version <= schema::VERSION) => Ok(()),
        Some(text) => Err(ReadError::Version {
            path: path.to_owned(),
            found: text.chars().take(20).collect(),
        }),
        None => Ok(()),
    }
}

/// Refuses a footer that speaks of bytes behind its own beginning.
fn check_bytes(
    path: &Path,
    footer: &FileMetadata,
    columns: &[String],
    ends: Ends,
) -> Result<(), ReadError> {
    let broken = |what| ReadError::Footer { path: path.to_owned(), bytes: ends.bytes, what };
    for row_group in 0..footer.row_groups.len() {
        for column in columns {
            let range = guard(|| Ok(byte_range(footer, row_group, column))).map_err(broken)?;
            let Some((from, to)) = range else { continue };
            if from > to || to > ends.footer {
                return Err(broken(format!(
                    "column `{column}` of row group {row_group} is said to lie in bytes {from} to {to}"
                )));
            }
        }
    }
    Ok(())
}

/// Cuts row groups into parts of at most `max` rows.
fn parts(footer: &FileMetadata, max: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut first_row = 0;
    for (row_group, group) in footer.row_groups.iter().enumerate() {
        let pieces = group.num_rows().div_ceil(max);
        for piece in 0..pieces {
            // Pieces of nearly equal length: none is so short that it is not worth its decoding.
            let from = group.num_rows() * piece / pieces;
            let rows = group.num_rows() * (piece + 1) / pieces - from;
            parts.push(Part { row_group, from, rows, first_row });
            first_row += rows as u64;
        }
    }
    parts
}
