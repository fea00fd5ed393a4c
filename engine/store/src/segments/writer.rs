//! Writes one segment.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::file::metadata::KeyValue;
use resus_model::SpanBatch;

use super::{
    blocks::{Sink, Sums},
    segment::{Segment, Times, footer_text},
};
use crate::{
    WriteSpansError, WriterOptions,
    log::{Position, vfs::Vfs},
    span_writer::SpanEncoder,
};

/// The metadata key of [`footer_text`].
pub(super) const SEGMENT_KEY: &str = "resus.segment";
/// The metadata key of the checksums of blocks.
pub(super) const BLOCKS_KEY: &str = "resus.blocks";
/// What a file is called, behind its number, before it is whole.
pub(super) const TEMPORARY: &str = ".tmp";

/// A segment could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteSegmentError {
    /// The file can't be made.
    #[error("make {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A batch makes no sense, or encoding or the disk failed.
    #[error(transparent)]
    Spans(#[from] WriteSpansError),
    /// The file could not be made durable.
    #[error("write and sync {}", path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes the spans of one segment into a temporary file. When it is dropped the file goes.
pub struct SegmentWriter {
    number: u64,
    rows: u64,
    times: Times,
    encoder: SpanEncoder<Sink>,
    file: Temporary,
}

/// A segment that is whole and durable, but under a temporary name: [`super::Segments::seal`] makes
/// it count. When it is dropped before, its file goes.
#[derive(Debug)]
#[must_use = "it does not count before it is sealed"]
pub struct FinishedSegment {
    /// What it will be known by.
    pub(super) segment: Segment,
    pub(super) file: Temporary,
}

/// A temporary file.
pub(super) struct Temporary {
    vfs: Arc<dyn Vfs>,
    pub(super) path: PathBuf,
    /// False when it has another name by now.
    pub(super) there: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.there {
            // Whoever opens the folder next removes what could not be removed now.
            let _ = self.vfs.remove(&self.path);
        }
    }
}

impl fmt::Debug for Temporary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Temporary").field(&self.path).finish()
    }
}

impl fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, rows, file, .. } = self;
        f.debug_struct("SegmentWriter")
            .field("number", number)
            .field("rows", rows)
            .field("file", file)
            .finish_non_exhaustive()
    }
}

impl SegmentWriter {
    pub(super) fn create(
        vfs: &Arc<dyn Vfs>,
        folder: &Path,
        number: u64,
        options: WriterOptions,
    ) -> Result<Self, WriteSegmentError> {
        let path = folder.join(format!("{number:020}{TEMPORARY}"));
        let made = vfs
            .create(&path)
            .map_err(|source| WriteSegmentError::Create { path: path.clone(), source })?;
        let file = Temporary { vfs: Arc::clone(vfs), path, there: true };
        let encoder = SpanEncoder::new(&file.path, Sink::new(made), options)?;
        Ok(Self { number, rows: 0, times: Times::NONE, encoder, file })
    }

    /// Appends the spans of a batch, in their order.
    ///
    /// # Errors
    /// When the batch's columns do not belong together (nothing of it is written then, and the
    /// writer can go on), or encoding or the disk fails (the writer is of no use any more).
    pub fn write(&mut self, batch: &SpanBatch) -> Result<(), WriteSegmentError> {
        self.encoder.write(batch)?;
        self.rows += batch.len() as u64;
        self.times.extend(&batch.start_unix_nano, &batch.received_unix_nano);
        Ok(())
    }

    /// Spans written so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// About how many bytes the file will have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.encoder.bytes()
    }

    /// Bytes of memory that the writer holds: the row group that is not complete yet.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.encoder.memory()
    }

    /// Writes what is left and makes the file durable, which takes as long as the disk needs for
    /// it. `sealed_up_to`: the spans that come before this in the log are in this segment or in an
    /// earlier one.
    ///
    /// # Errors
    /// When encoding or the disk fails. The file is gone then; its spans are still in the log.
    pub fn finish(self, sealed_up_to: Position) -> Result<FinishedSegment, WriteSegmentError> {
        let Self { number, rows, times, mut encoder, file } = self;
        encoder.end_rows()?;
        let blocks = encoder.sink().end_blocks().to_text();
        encoder.finish(vec![
            KeyValue::new(SEGMENT_KEY.to_owned(), footer_text(times, sealed_up_to)),
            KeyValue::new(BLOCKS_KEY.to_owned(), blocks),
        ])?;
        let Sums { bytes, crc, tail_from, tail_crc } = encoder
            .sink()
            .sync()
            .map_err(|source| WriteSegmentError::Sync { path: file.path.clone(), source })?;
        let segment =
            Segment { number, rows, bytes, crc, tail_from, tail_crc, times, sealed_up_to };
        Ok(FinishedSegment { segment, file })
    }
}
