//! How a log is doing.

use std::sync::Arc;

use resus_model::Histogram;

use super::Position;

/// How a log is doing, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// No record before it is kept.
    pub oldest: Position,
    /// The last record that was acknowledged ends here.
    pub end: Position,
    /// The last record that is durable ends here. Readers come this far.
    pub synced: Position,
    /// Why no record is taken at the moment; `None` when all is well.
    pub failing: Option<String>,
    /// What happened since the log was opened.
    pub figures: LogFigures,
    /// Records that were given and neither acknowledged nor refused yet.
    pub queued_records: u64,
    /// Bytes of these.
    pub queued_bytes: u64,
}

/// What happened since a log was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFigures {
    /// Records acknowledged.
    pub appends: u64,
    /// Bytes of these, header and payload.
    pub append_bytes: u64,
    /// Records refused, for whatever reason.
    pub refused: u64,
    /// Syncs of segments that succeeded.
    pub syncs: u64,
    /// How long they took, in nanoseconds.
    pub sync_nanos: Histogram,
    /// Writes, syncs and making of segments that failed.
    pub failures: u64,
    /// Callbacks that panicked; their records were treated like the others.
    pub panics: u64,
}

/// What the log's thread tells of itself.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) failing: Option<Arc<str>>,
    pub(super) figures: LogFigures,
}
