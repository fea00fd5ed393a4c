//! One column of one stretch of rows, decoded by polars, with panics on broken bytes turned into errors.

use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use polars::io::SerReader;
use polars::io::parquet::read::{FileMetadata, ParallelStrategy, ParquetReader};
use polars::prelude::{DataFrame, PolarsResult, Series};

use crate::ReadError;

/// A stretch of rows within one row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The row group, counted from 0.
    pub(crate) row_group: usize,
    /// The first row, counted from the beginning of the row group.
    pub(crate) from: usize,
    /// How many rows.
    pub(crate) rows: usize,
    /// The first row, counted from the beginning of the file.
    pub(crate) first_row: u64,
}

/// Decodes the columns of one part, one after the other.
pub(crate) struct Decoder<'a> {
    path: &'a Path,
    file: File,
    part: Part,
    /// The footer with this part's row group alone, so that the reader looks at no other.
    footer: Arc<FileMetadata>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(
        path: &'a Path,
        footer: &FileMetadata,
        part: Part,
    ) -> Result<Self, ReadError> {
        let file = open_file(path)?;
        let row_group = footer.row_groups[part.row_group].clone();
        let footer = FileMetadata {
            version: footer.version,
            num_rows: row_group.num_rows(),
            max_row_group_height: row_group.num_rows(),
            created_by: None,
            row_groups: vec![row_group],
            key_value_metadata: footer.key_value_metadata.clone(),
            schema_descr: footer.schema_descr.clone(),
            column_orders: footer.column_orders.clone(),
            footer_buf: footer.footer_buf.clone(),
        };
        Ok(Self { path, file, part, footer: Arc::new(footer) })
    }

    /// The named column of the part, of exactly its number of rows.
    pub(crate) fn column(&self, name: &str) -> Result<Series, ReadError> {
        let frame = self.frame(vec![name.to_owned()]).map_err(|what| self.error(name, what))?;
        let column = frame.into_columns().into_iter().next();
        let series = column.map(polars::prelude::Column::take_materialized_series);
        match series.filter(|s| s.len() == self.part.rows) {
            Some(series) => Ok(series),
            None => {
                Err(self.error(name, "it does not have as many rows as the footer says".into()))
            }
        }
    }

    /// The named columns of the part at once.
    pub(crate) fn columns(&self, names: &[String]) -> Result<DataFrame, ReadError> {
        self.frame(names.to_vec()).map_err(|what| self.error(&names.join("`, `"), what))
    }

    fn frame(&self, names: Vec<String>) -> Result<DataFrame, String> {
        guard(|| {
            // Unbuffered: the reader maps the file and reads nothing through this.
            let mut reader = ParquetReader::new(BufReader::with_capacity(0, &self.file));
            reader.set_metadata(self.footer.clone());
            reader
                .with_columns(Some(names))
                .with_slice(Some((self.part.from, self.part.rows)))
                .read_parallel(ParallelStrategy::None)
                .finish()
        })
    }

    /// What went wrong with a column of this part.
    pub(crate) fn error(&self, column: &str, what: String) -> ReadError {
        let Part { row_group, rows, first_row, .. } = self.part;
        let bytes = guard(|| Ok(byte_range(&self.footer, 0, column))).ok().flatten();
        let (byte_from, byte_to) = bytes.unwrap_or_default();
        ReadError::Decode {
            path: self.path.to_owned(),
            row_group,
            column: column.to_owned(),
            from: first_row,
            to: first_row + rows as u64,
            byte_from,
            byte_to,
            what,
        }
    }
}

/// Opens a file for reading.
pub(crate) fn open_file(path: &Path) -> Result<File, ReadError> {
    File::open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })
}

/// Where the bytes of a column of a row group lie in the file.
pub(crate) fn byte_range(
    footer: &FileMetadata,
    row_group: usize,
    column: &str,
) -> Option<(u64, u64)> {
    let leaves = footer.row_groups[row_group].columns_under_root_iter(column)?;
    leaves.map(|leaf| leaf.byte_range()).fold(None, |all: Option<(u64, u64)>, range| {
        let (from, to) = all.unwrap_or((range.start, range.end));
        Some((from.min(range.start), to.max(range.end)))
    })
}

/// Runs polars code on bytes that may be broken. A panic in it is an error like any other: it holds
/// no lock and shares no state, so nothing is left half done.
pub(crate) fn guard<T>(f: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(one_line(&error.to_string())),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Err(one_line(text.unwrap_or("its bytes make no sense")))
        }
    }
}

/// The first line of a message, at most 200 characters of it.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::PolarsError;

    use super::*;

    #[test]
    fn errors_and_panics_of_polars_are_told_in_one_line() {
        assert_eq!(guard(|| Ok(1)), Ok(1));
        let error = || Err::<(), _>(PolarsError::ComputeError("bad\nworse".into()));
        assert_eq!(guard(error), Err("bad".to_owned()));
        let index = std::hint::black_box(3);
        let panics = || Ok([1, 2][index]);
        let told = guard(panics).expect_err("out of bounds");
        assert!(told.contains("index out of bounds"), "{told}");
    }
}
