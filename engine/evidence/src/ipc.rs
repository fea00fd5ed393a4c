//! Evidence as an Arrow IPC file, to bytes and back.
//!
//! The file format of Arrow IPC (magic `ARROW1`), uncompressed, one row an Evidence, in one record
//! batch. Its schema carries the metadata `resus.evidence` = [`FORMAT_VERSION`]. The columns are
//! the fields of [`Evidence`](resus_model::Evidence) by name: a table is a list of structs whose
//! fields have the names of the fields of its rows, keys spread out. What differs, or is not plain:
//!
//! | column | type | meaning |
//! | --- | --- | --- |
//! | `rules` | text | fingerprint of the rules |
//! | `role` | text | `now`, `baseline` or `pane` |
//! | `from_unix_nano`, `to_unix_nano` | u64 | the window |
//! | `exactness` | text | `exact`, `shapes_dropped` or `operations_dropped` |
//! | `names` | list of text | row number is the index by which tables speak of a text |
//! | `shapes` | list of lists of (`depth`, `operation`) | nodes in pre-order |
//! | `n`, `weight`, `weight_squared` | u64, u64, decimal(38, 0) | a tally: weights times 2^16, squares times 2^32 |
//! | histograms (`durations`, `self_times`, `gaps`) | list of (`bucket`, `n`) | buckets by number, as in `Bucket` |
//! | `outcome`, `kind` | u8 | numbers of `Outcome`, of `Kind` in spans, of `MarginalKind` in marginals |
//! | `exemplars.trace_id` | 16 bytes | big-endian; the hash of an exemplar follows from it and is not kept |
//! | `quality` | struct | counters; `skipped` by the field that was wrong, `lenient` by name, `range` null where nothing was read |
//!
//! `entry`, `shape` and `parent` may be null where the model says `None`; nothing else may be null.

mod columns;
mod envelope;
mod read;
mod schema;
mod table;
mod words;
mod write;

use arrow_schema::ArrowError;
use resus_model::Evidence;

/// The version of the file format. Another one is refused: summarise the spans again.
pub const FORMAT_VERSION: u32 = 2;

/// The key of the schema's metadata under which the version stands.
const VERSION_KEY: &str = "resus.evidence";

/// Why Evidences cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ToIpcError {
    /// A list of the format can hold 2^31 - 1 items over all Evidences of a file.
    #[error(
        "write evidence: column {column} has more than 2147483647 items over all windows: write fewer windows a file"
    )]
    TooManyItems {
        /// The column that holds too many.
        column: &'static str,
    },
    /// A sum of squared weights has more than 38 decimal digits.
    #[error("write evidence: {value} in column {column} has more than 38 decimal digits")]
    TooHeavy {
        /// The column that holds it.
        column: &'static str,
        /// The sum.
        value: u128,
    },
    /// The writer of Arrow IPC refuses.
    #[error("write evidence as arrow ipc: {0}")]
    Arrow(#[from] ArrowError),
}

/// Why bytes are no Evidence.
#[derive(Debug, thiserror::Error)]
pub enum FromIpcError {
    /// There are no bytes.
    #[error("read evidence: the file is empty; write it again with `resus summarise`")]
    Empty,
    /// The bytes are something else.
    #[error(
        "read evidence: expected an arrow ipc file (`ARROW1` at offset 0), found {found}; evidence files come from `resus summarise`"
    )]
    NotArrow {
        /// The first bytes, escaped.
        found: String,
    },
    /// The end is missing, or bytes in between are.
    #[error(
        "read evidence: the file is cut short or damaged at offset {offset}: expected {expected}; copy or write it again"
    )]
    Damaged {
        /// Offset in bytes from the start.
        offset: usize,
        /// What should be there.
        expected: String,
    },
    /// Its buffers are compressed.
    #[error("read evidence: the file is compressed; write it again without compression")]
    Compressed,
    /// An Arrow file, but no Evidence.
    #[error(
        "read evidence: an arrow file without `resus.evidence` in its schema's metadata; evidence files come from `resus summarise`"
    )]
    NotEvidence,
    /// Evidence of another format.
    #[error(
        "read evidence of format version {found}: this program reads version {FORMAT_VERSION}; summarise the spans again with it"
    )]
    Version {
        /// The version that the file states.
        found: String,
    },
    /// A column is missing, unknown, or of the wrong type.
    #[error("read evidence: column {column}: expected {expected}, found {found}")]
    Column {
        /// The column, with the tables that hold it.
        column: String,
        /// The type that it should have.
        expected: String,
        /// What there is.
        found: String,
    },
    /// A value is not what its column may hold.
    #[error(
        "read evidence: evidence {evidence}{}, column {column}, row {row}: expected {expected}, found {found}",
        in_table(table)
    )]
    Value {
        /// Zero-based number of the Evidence in its file.
        evidence: usize,
        /// The table, with the tables that hold it; empty for the Evidence itself.
        table: String,
        /// The column.
        column: String,
        /// Zero-based row of that table in this Evidence.
        row: usize,
        /// What the column may hold.
        expected: String,
        /// What there is.
        found: String,
    },
    /// The reader of Arrow IPC refuses.
    #[error("read evidence as arrow ipc: {0}")]
    Arrow(#[from] ArrowError),
}

fn in_table(table: &str) -> String {
    if table.is_empty() { String::new() } else { format!(", table {table}") }
}

/// Writes Evidences as the bytes of an Arrow IPC file. Equal Evidences give equal bytes.
///
/// # Errors
/// When there is more than the format can hold.
pub fn to_ipc(evidences: &[Evidence]) -> Result<Vec<u8>, ToIpcError> {
    envelope::seal(&write::batch(evidences)?)
}

/// Reads Evidences back. What comes out is canonical whatever came in, and no memory guard is
/// applied here: [`merge`](crate::merge) does that.
///
/// # Errors
/// When the bytes are no such file, are damaged, or hold what no Evidence can: the message names
/// the table, the column, the row, and what was expected.
pub fn from_ipc(bytes: &[u8]) -> Result<Vec<Evidence>, FromIpcError> {
    let mut evidences = Vec::new();
    for batch in envelope::open(bytes)? {
        for row in 0..batch.num_rows() {
            let row = table::Table::of_evidence(evidences.len(), batch.slice(row, 1));
            evidences.push(read::evidence(&row)?);
        }
    }
    Ok(evidences)
}

#[cfg(test)]
mod tests;
