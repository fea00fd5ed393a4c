//! What was found when a log was opened.

use std::path::PathBuf;

/// What was found when a log was opened, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Segments that hold records.
    pub segments: u64,
    /// Records replayed.
    pub records: u64,
    /// Bytes of these, header and payload.
    pub bytes: u64,
    /// What was cut off the last segment: the rest of a write that a crash interrupted. Nothing in
    /// it had been acknowledged as durable.
    pub truncated_tail: Option<TruncatedTail>,
    /// Bytes that had been acknowledged and are no records any more, or can't be read.
    pub quarantined: Vec<Quarantined>,
    /// All else that a person may want to know, a line each.
    pub notes: Vec<String>,
}

/// What was cut off the end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncatedTail {
    /// The segment's number.
    pub segment: u64,
    /// Where it ends now.
    pub offset: u64,
    /// Bytes cut off.
    pub bytes: u64,
    /// Where these bytes are kept, if there were whole records among them: a torn write that lost
    /// its first part.
    pub kept: Option<PathBuf>,
}

/// Damage in the middle of the log. What is before and after it was replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The segment's number.
    pub segment: u64,
    /// Where the damage begins.
    pub from: u64,
    /// Where the next record begins, or the segment ends as far as is known.
    pub to: u64,
    /// Where the bytes are. A segment with good records stays in its place until it is released,
    /// and goes to the folder `quarantine` then, and so does one that the disk could not read: it is
    /// replayed should the log be opened again before that. One without a header is there already.
    pub file: PathBuf,
}
