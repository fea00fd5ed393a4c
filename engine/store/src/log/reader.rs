//! Reads records while others are appended.

use std::{
    io::{self, ErrorKind},
    ops::Bound::{Excluded, Unbounded},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;

use super::{
    Position,
    scan::{Scan, Step},
    segment::FIRST_FRAME,
    shared::{Entry, Shared, lock},
};

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadLogError {
    /// Bytes of the log are damaged. The reader goes on after them.
    #[error(
        "read {} from offset {from} to {to}: the bytes there are no record; what was there is lost",
        file.display()
    )]
    Damaged {
        /// The segment's file.
        file: PathBuf,
        /// Where the damage begins.
        from: u64,
        /// Where the next record begins, or the segment ends.
        to: u64,
    },
    /// The disk failed. The reader stays where it is; see [`Reader::skip_segment`].
    #[error("read {} at offset {offset}", file.display())]
    Io {
        /// The segment's file.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads records in their order, up to the last one that is durable. It may outlive the log's
/// handles; it then comes as far as the log did.
pub struct Reader {
    shared: Arc<Shared>,
    at: Position,
    open: Option<(u64, Scan)>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, from: Position) -> Self {
        Self { shared, at: from, open: None }
    }

    /// Where the reader looks next. Behind the last record that it gave, so what
    /// [`super::Log::release`] may be told once all of them are kept elsewhere.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at
    }

    /// The next record, header and payload in one; `None` when there is none for now. Segments
    /// that were released meanwhile are passed over.
    ///
    /// # Errors
    /// When the disk fails, or bytes are damaged; the next call goes on after these.
    #[expect(clippy::should_implement_trait, reason = "there may be more after there was none")]
    pub fn next(&mut self) -> Result<Option<(Position, Bytes)>, ReadLogError> {
        while let Some(entry) = self.entry() {
            let at = self.at;
            let step = match self.step(entry) {
                // Released in between.
                Err(error) if error.kind() == ErrorKind::NotFound && self.is_gone(at.segment) => {
                    continue;
                }
                step => step.map_err(|source| ReadLogError::Io {
                    file: self.shared.path(at.segment),
                    offset: at.offset,
                    source,
                })?,
            };
            match step {
                // More may have come, or the next segment.
                Step::End => continue,
                Step::Mark { to } => self.at.offset = to,
                Step::Record { to } => {
                    self.at.offset = to;
                    let body = self.open.as_ref().map_or(&[][..], |(_, scan)| scan.body());
                    return Ok(Some((at, Bytes::copy_from_slice(body))));
                }
                Step::Damage { to } => {
                    self.at.offset = to;
                    let file = self.shared.path(at.segment);
                    return Err(ReadLogError::Damaged { file, from: at.offset, to });
                }
            }
        }
        Ok(None)
    }

    /// Gives up what is left of the segment that the reader is in, when the disk can't read it.
    /// Returns `false`, and stays, when records are still appended to that segment.
    pub fn skip_segment(&mut self) -> bool {
        self.open = None;
        let segments = lock(&self.shared.segments);
        let mut later = segments.entries.range((Excluded(self.at.segment), Unbounded));
        let Some((&number, _)) = later.next() else {
            return false;
        };
        self.at = Position { segment: number, offset: FIRST_FRAME };
        true
    }

    /// The segment with the next bytes to read, if there are any; moves to the segment after the
    /// last one where that has come to its end.
    fn entry(&mut self) -> Option<Entry> {
        let segments = lock(&self.shared.segments);
        loop {
            let (&number, &entry) = segments.entries.range(self.at.segment..).next()?;
            if number != self.at.segment {
                self.at = Position { segment: number, offset: FIRST_FRAME };
            }
            self.at.offset = self.at.offset.max(FIRST_FRAME);
            if self.at.offset < entry.end {
                return Some(entry);
            }
            let (&later, _) = segments.entries.range((Excluded(number), Unbounded)).next()?;
            self.at = Position { segment: later, offset: FIRST_FRAME };
        }
    }

    fn is_gone(&self, segment: u64) -> bool {
        !lock(&self.shared.segments).entries.contains_key(&segment)
    }

    fn step(&mut self, entry: Entry) -> io::Result<Step> {
        let segment = self.at.segment;
        let scan = match &mut self.open {
            Some((number, scan)) if *number == segment => scan,
            open => {
                let buffer = open.take().map_or_else(Vec::new, |(_, scan)| scan.into_buffer());
                let file = self.shared.vfs.open(&self.shared.path(segment))?;
                &mut open.insert((segment, Scan::new(file, entry.seal, buffer))).1
            }
        };
        scan.step(self.at.offset, entry.end)
    }
}
