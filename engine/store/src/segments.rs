//! Sealed spans: a folder of Parquet files, which of them count, and what is in them.
//!
//! The log keeps spans safe until they are sealed here; then its records may go:
//!
//! 1. a [`SegmentWriter`] writes a temporary file;
//! 2. [`SegmentWriter::finish`] writes the footer and syncs the file;
//! 3. [`Segments::seal`] gives it its name, syncs the folder, appends a line to the manifest and
//!    syncs that. A segment counts from here on, and only now the log may be released up to
//!    [`Segments::sealed_up_to`].
//!
//! Wherever that ends early, each span is sealed exactly once: a file without a line in the manifest
//! does not count, and its spans are in the log still. Whoever starts again reads the log from
//! [`Segments::sealed_up_to`] on. See [`Opened`] for what is done about damage.
//!
//! Removing goes the other way round: the manifest first, then the file.

use std::{
    io::{self, ErrorKind, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

mod blocks;
mod decode;
mod find;
mod logs;
mod manifest;
mod open;
mod quarantine;
mod segment;
mod source;
#[cfg(test)]
mod tests;
mod writer;

pub use find::{FoundTrace, SealedSpans};
pub use logs::add_logs;
pub use open::{OpenSegmentsError, Opened};
pub use segment::{Segment, Times};
pub use source::SegmentFault;
pub use writer::{FinishedSegment, SegmentWriter, WriteSegmentError};

use self::{
    manifest::{Change, State},
    open::Recovered,
};
use crate::{
    WriterOptions,
    log::{
        Position,
        vfs::{Lock, Vfs, VfsFile, append_all, write_whole},
    },
};

/// A manifest with more lines than twice those that it needs and these is written anew.
const SLACK: usize = 256;

/// How segments are written and how long they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentsOptions {
    /// Segments go when their last span arrived longer ago than this.
    pub retain_age: Duration,
    /// The oldest segments go when all together have more bytes than this.
    pub retain_bytes: u64,
    /// How files are laid out. A writer keeps a row group in memory, some 70 to 100 bytes a span.
    pub writer: WriterOptions,
}

/// A segment that was written could not be made to count. Its spans are still in the log.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It could not be given its name.
    #[error("give {} its name", path.display())]
    Name {
        /// The name that it should get.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest could not be written.
    #[error("add {} to the manifest", path.display())]
    Manifest {
        /// The segment.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Old segments could not be removed: all are still there.
#[derive(Debug, thiserror::Error)]
#[error("take {segments} segments out of the manifest in {}", folder.display())]
pub struct RetainError {
    /// How many should go.
    pub segments: usize,
    /// The folder.
    pub folder: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// A damaged segment could not be put aside.
#[derive(Debug, thiserror::Error)]
#[error("put {} aside", path.display())]
pub struct PutAsideError {
    /// Its file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// What retention did.
#[derive(Debug, Default)]
pub struct Retained {
    /// The segments that went, oldest first.
    pub removed: Vec<Segment>,
    /// Files that should go and are still there: they do not count any more, and the next opening
    /// tries again.
    pub left: Vec<(PathBuf, io::Error)>,
}

/// How much is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentsStatus {
    /// Segments.
    pub segments: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Spans.
    pub rows: u64,
    /// First start of a span, nanoseconds since the Unix epoch.
    pub oldest: Option<u64>,
    /// Last start of a span.
    pub newest: Option<u64>,
    /// Spans that come before this in the log are sealed.
    pub sealed_up_to: Option<Position>,
}

/// An open folder of segments. No other process can open it meanwhile.
#[derive(Debug)]
pub struct Segments {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    options: SegmentsOptions,
    state: State,
    /// To append to; `None` when the last write failed: it is written anew before the next change.
    manifest: Option<Box<dyn VfsFile>>,
    /// Lines in the manifest.
    lines: usize,
    /// The number of the next segment.
    next: u64,
    _held: Lock,
}

impl Segments {
    /// Opens the segments in a folder, which is made if need be.
    ///
    /// # Errors
    /// When another has them open, the folder can't be made, listed or locked, the manifest not be
    /// read, or a later release wrote it. Damage is no error: see [`Opened`]. Neither is a disk that
    /// can't be written to.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        folder: &Path,
        options: SegmentsOptions,
    ) -> Result<(Self, Opened), OpenSegmentsError> {
        let fault = |doing| {
            move |source| OpenSegmentsError::Folder { folder: folder.to_owned(), doing, source }
        };
        vfs.create_folder(folder).map_err(fault("make it"))?;
        let held = vfs.lock(&folder.join(open::LOCK)).map_err(fault("lock it"))?;
        let held = held.ok_or_else(|| OpenSegmentsError::InUse { folder: folder.to_owned() })?;
        let Recovered { state, next, mut opened } = open::recover(&*vfs, folder)?;
        let folder = folder.to_owned();
        let mut segments =
            Self { vfs, folder, options, state, manifest: None, lines: 0, next, _held: held };
        if let Err(error) = segments.rewrite() {
            opened.notes.push(format!("the manifest can't be written: {error}"));
        }
        Ok((segments, opened))
    }

    /// Begins a segment. Any number may be written at a time; they are sealed in the order of the
    /// log.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn writer(&mut self) -> Result<SegmentWriter, WriteSegmentError> {
        let number = self.next;
        // A number is used once, even if nothing comes of it.
        self.next += 1;
        SegmentWriter::create(&self.vfs, &self.folder, number, self.options.writer)
    }

    /// Makes a segment count. When this returns, its spans may go from the log. One without spans
    /// leaves no file, only its position counts: `None`.
    ///
    /// Blocks for three syncs.
    ///
    /// # Errors
    /// When its name or the manifest could not be made durable. It does not count then; the next
    /// attempt is a new segment with the same spans, from the log.
    pub fn seal(&mut self, finished: FinishedSegment) -> Result<Option<Segment>, SealError> {
        let FinishedSegment { segment, mut file } = finished;
        let path = self.folder.join(segment.file_name());
        let unrecorded = |path| move |source| SealError::Manifest { path, source };
        if segment.rows == 0 {
            let sealed = Change::Sealed(segment.sealed_up_to);
            return self.record(vec![sealed]).map(|()| None).map_err(unrecorded(path));
        }
        let named = self.vfs.rename(&file.path, &path);
        file.there = named.is_err();
        if let Err(source) = named.and_then(|()| self.vfs.sync_folder(&self.folder)) {
            if !file.there {
                self.give_up(&segment);
            }
            return Err(SealError::Name { path, source });
        }
        if let Err(source) = self.record(vec![Change::Add(segment.clone())]) {
            // The line may be in the manifest all the same. So the file stays until a manifest
            // without it is written.
            self.state.removed.insert(segment.number, segment.file_name());
            return Err(SealError::Manifest { path, source });
        }
        Ok(Some(segment))
    }

    /// Spans that come before this in the log are sealed: after a start the log is read from here.
    #[must_use]
    pub fn sealed_up_to(&self) -> Option<Position> {
        self.state.sealed_up_to()
    }

    /// Removes what is too old or too much, oldest first, at a time in nanoseconds since the Unix
    /// epoch. Whoever reads a segment can read it to the end.
    ///
    /// # Errors
    /// When the manifest can't be written.
    pub fn retain(&mut self, now_unix_nano: u64) -> Result<Retained, RetainError> {
        let SegmentsOptions { retain_age, retain_bytes, .. } = self.options;
        let age = u64::try_from(retain_age.as_nanos()).unwrap_or(u64::MAX);
        let mut bytes: u64 = self.state.segments.values().map(|segment| segment.bytes).sum();
        let mut retained = Retained::default();
        for segment in self.state.segments.values() {
            let old = now_unix_nano.saturating_sub(segment.times.newest()) > age;
            if old || bytes > retain_bytes {
                bytes -= segment.bytes;
                retained.removed.push(segment.clone());
            }
        }
        if retained.removed.is_empty() {
            return Ok(retained);
        }
        let changes = retained.removed.iter();
        let changes = changes.map(|segment| Change::Remove(segment.number, segment.file_name()));
        self.record(changes.collect()).map_err(|source| RetainError {
            segments: retained.removed.len(),
            folder: self.folder.clone(),
            source,
        })?;
        for segment in &retained.removed {
            if let Err(error) = self.unlink(segment.number) {
                retained.left.push((self.folder.join(segment.file_name()), error));
            }
        }
        Ok(retained)
    }

    /// Moves a damaged segment to the quarantine: it does not count any more. Says where it is now;
    /// `None` when there is no segment of that number.
    ///
    /// # Errors
    /// When it can't be moved, or the manifest not be written.
    pub fn put_aside(&mut self, number: u64) -> Result<Option<PathBuf>, PutAsideError> {
        let Some(segment) = self.state.segments.get(&number) else { return Ok(None) };
        let name = segment.file_name();
        let failed = |source| PutAsideError { path: self.folder.join(&name), source };
        let aside = quarantine::put_aside(&*self.vfs, &self.folder, name.as_os_str());
        let aside = aside.map_err(failed)?;
        let recorded = self.record(vec![Change::Remove(number, name.clone())]);
        recorded.map_err(|source| PutAsideError { path: self.folder.join(&name), source })?;
        self.state.removed.remove(&number);
        Ok(Some(aside))
    }

    /// The segments as they are now, to read from any thread.
    #[must_use]
    pub fn spans(&self) -> SealedSpans {
        let segments = self.state.segments.values().cloned().collect();
        SealedSpans::new(Arc::clone(&self.vfs), self.folder.clone(), segments)
    }

    /// How much is sealed.
    #[must_use]
    pub fn status(&self) -> SegmentsStatus {
        let segments = self.state.segments.values();
        SegmentsStatus {
            segments: segments.len(),
            bytes: segments.clone().map(|segment| segment.bytes).sum(),
            rows: segments.clone().map(|segment| segment.rows).sum(),
            oldest: segments.clone().map(|segment| segment.times.min_start).min(),
            newest: segments.map(|segment| segment.times.max_start).max(),
            sealed_up_to: self.sealed_up_to(),
        }
    }

    /// Makes changes durable, then takes them over.
    fn record(&mut self, changes: Vec<Change>) -> io::Result<()> {
        if self.manifest.is_none() {
            self.rewrite()?;
        }
        // What a failed write left is unknown, so nothing is ever appended behind it.
        let mut file = self.manifest.take().ok_or(ErrorKind::NotFound)?;
        let text: String = changes.iter().map(Change::to_line).collect();
        append_all(&mut *file, &mut [IoSlice::new(text.as_bytes())])?;
        file.sync_data()?;
        // From here on the changes are durable. Without its mark the manifest is written anew before
        // the next ones, and so it is when what follows fails.
        let mark = Change::Mark.to_line();
        let marked = append_all(&mut *file, &mut [IoSlice::new(mark.as_bytes())]);
        self.manifest = marked.and_then(|()| file.sync_data()).is_ok().then_some(file);
        self.lines += changes.len() + 1;
        changes.into_iter().for_each(|change| self.state.apply(change));
        if self.lines > 2 * self.state.lines() + SLACK {
            let _ = self.rewrite();
        }
        Ok(())
    }

    /// Writes the manifest anew. Then no manifest speaks of what is removed, so that files that
    /// should be gone can go.
    fn rewrite(&mut self) -> io::Result<()> {
        self.manifest = None;
        let path = self.folder.join(manifest::FILE);
        let text = self.state.to_text();
        self.manifest = Some(write_whole(&*self.vfs, &path, text.as_bytes())?);
        self.lines = self.state.lines();
        let removed: Vec<u64> = self.state.removed.keys().copied().collect();
        for number in removed {
            // What can't be removed keeps its line, and the next opening tries again.
            let _ = self.unlink(number);
        }
        Ok(())
    }

    /// Removes the file of a removed segment.
    fn unlink(&mut self, number: u64) -> io::Result<()> {
        let Some(file) = self.state.removed.get(&number) else { return Ok(()) };
        match self.vfs.remove(&self.folder.join(file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => {
                self.state.removed.remove(&number);
                Ok(())
            }
        }
    }

    /// Drops a file of which no manifest speaks.
    fn give_up(&mut self, segment: &Segment) {
        self.state.removed.insert(segment.number, segment.file_name());
        if self.unlink(segment.number).is_err() {
            // Before the next change the manifest is written anew, with a line about it.
            self.manifest = None;
        }
    }
}
