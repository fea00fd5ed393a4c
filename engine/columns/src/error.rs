//! What can go wrong with a file. Each message says where, what was expected, and what to do.

use std::fmt;
use std::path::PathBuf;

/// Why a file, or a part of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refuses.
    #[error("read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file has no bytes.
    #[error("read {}: the file is empty (0 bytes); export it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file does not begin as Parquet does.
    #[error("read {}: not a Parquet file: it begins with {found}, expected `PAR1`; \
             check what wrote it", path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// Its first bytes, readably.
        found: String,
    },
    /// The file begins as Parquet does but does not end so.
    #[error("read {}: the file is cut off: its {bytes} bytes begin with `PAR1` but do not end \
             with it, so the footer is missing; copy or export it again", path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// The footer cannot be understood, or speaks of bytes that are not there.
    #[error("read {}: the Parquet footer at the end of its {bytes} bytes is broken: {what}; \
             copy or export the file again", path.display())]
    Footer {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// What is wrong.
        what: String,
    },
    /// The file was written under a later version of the span schema.
    #[error("read {}: it says `{}` = `{found}`, and this program reads up to {}; \
             use a newer program", path.display(), resus_model::schema::VERSION_KEY,
             resus_model::schema::VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it carries.
        found: String,
    },
    /// Columns are missing or hold the wrong thing.
    #[error(transparent)]
    Columns(Box<ColumnsError>),
    /// A part of the file cannot be decoded.
    #[error("read {}: column `{column}` of row group {row_group} (rows {from} to {to}, bytes \
             {byte_from} to {byte_to}) cannot be decoded: {what}; copy or export the file again",
             path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// The row group, counted from 0.
        row_group: usize,
        /// The column.
        column: String,
        /// The first row of the part, counted from 0 in the file.
        from: u64,
        /// The row after its last.
        to: u64,
        /// Where the column's bytes begin in the file.
        byte_from: u64,
        /// The byte after its last.
        byte_to: u64,
        /// What is wrong.
        what: String,
    },
}

/// All that is wrong with the columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnsError {
    /// The file.
    pub path: PathBuf,
    /// Required fields for which there is no column.
    pub missing: Vec<&'static str>,
    /// Columns named in the mapping that the file does not have, with their field.
    pub unmapped: Vec<(String, &'static str)>,
    /// Columns of the wrong type.
    pub wrong: Vec<WrongType>,
    /// The columns that the file has, in its order.
    pub columns: Vec<String>,
}

/// A column that does not hold what its field does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongType {
    /// The column.
    pub column: String,
    /// What it is read as.
    pub field: &'static str,
    /// What it holds.
    pub found: String,
    /// What it should hold.
    pub expected: &'static str,
}

/// So many columns of a file are named in a message: more would not fit on a screen.
const COLUMNS_SHOWN: usize = 60;

impl fmt::Display for ColumnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, missing, unmapped, wrong, columns } = self;
        write!(f, "read {}: its columns do not make spans", path.display())?;
        for (column, field) in unmapped {
            write!(f, "\n  no column `{column}`, which the mapping names for `{field}`")?;
        }
        for name in missing {
            let meaning = resus_model::schema::find(name).map_or("", |field| field.meaning);
            write!(f, "\n  no column for `{name}` ({meaning})")?;
        }
        for WrongType { column, field, found, expected } in wrong {
            write!(f, "\n  column `{column}` (as `{field}`) holds {found}, expected {expected}")?;
        }
        let shown: Vec<&str> = columns.iter().take(COLUMNS_SHOWN).map(String::as_str).collect();
        write!(f, "\n  the file has: {}", shown.join(", "))?;
        if columns.len() > COLUMNS_SHOWN {
            write!(f, " and {} more", columns.len() - COLUMNS_SHOWN)?;
        }
        if !missing.is_empty() || !unmapped.is_empty() {
            write!(f, "\n  if one of these is meant, say so: --map column=field")?;
        }
        if !wrong.is_empty() {
            write!(
                f,
                "\n  name another column for a field by --map column=field, or cast it on export"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for ColumnsError {}
