//! What the log's thread, its handles and its readers share.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    AppendError, LogOptions, LogStatus, Position, Record,
    frame::Seal,
    segment::{FIRST_FRAME, file_name},
    status::Health,
    vfs::Vfs,
};

/// Called when a record is durable, or refused.
pub(super) type Done = Box<dyn FnOnce(Result<Position, AppendError>) + Send>;

/// A record that waits.
pub(super) struct Pending {
    pub(super) record: Record,
    pub(super) body_crc: u32,
    pub(super) done: Done,
}

/// Records that wait for the log's thread.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Pending>,
    /// Bytes of these.
    pub(super) bytes: u64,
    /// No more records are taken.
    pub(super) closing: bool,
}

/// A segment that can be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) seal: Seal,
    /// Readers stop here.
    pub(super) end: u64,
    /// Bytes of its file.
    pub(super) bytes: u64,
    /// Records are appended to it.
    pub(super) live: bool,
    /// It holds bytes that could not be read: it is put aside rather than removed.
    pub(super) put_aside: bool,
}

/// The segments that can be read, by number.
#[derive(Debug)]
pub(super) struct Segments {
    pub(super) entries: BTreeMap<u64, Entry>,
    /// Records before it are not needed any more.
    pub(super) released: Position,
    /// Where the last record that was acknowledged ends.
    pub(super) end: Position,
    /// Where the last record that is durable ends.
    pub(super) synced: Position,
}

impl Segments {
    /// Bytes of all.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.values().map(|entry| entry.bytes).sum()
    }

    /// No record before it is kept.
    pub(super) fn oldest(&self) -> Position {
        let first = self.entries.keys().next();
        let first = first.map_or(self.end, |&segment| Position { segment, offset: FIRST_FRAME });
        first.max(self.released)
    }
}

pub(super) struct Shared {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) folder: PathBuf,
    pub(super) options: LogOptions,
    pub(super) segments: Mutex<Segments>,
    pub(super) queue: Mutex<Queue>,
    /// There is work for the log's thread.
    pub(super) arrived: Condvar,
    pub(super) health: Mutex<Health>,
    /// Held while segments are released.
    pub(super) releasing: Mutex<()>,
    pub(super) queued_records: AtomicU64,
    pub(super) queued_bytes: AtomicU64,
}

impl Shared {
    /// The file of a segment.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.folder.join(file_name(number))
    }

    pub(super) fn status(&self) -> LogStatus {
        let (failing, figures) = {
            let health = lock(&self.health);
            (health.failing.as_deref().map(str::to_owned), health.figures.clone())
        };
        let segments = lock(&self.segments);
        LogStatus {
            bytes: segments.bytes(),
            segments: segments.entries.len() as u64,
            oldest: segments.oldest(),
            end: segments.end,
            synced: segments.synced,
            failing,
            figures,
            queued_records: self.queued_records.load(Ordering::Relaxed),
            queued_bytes: self.queued_bytes.load(Ordering::Relaxed),
        }
    }
}

/// Locks. No code panics while it holds one of the log's locks; should one do it after all, what
/// they guard is whole between any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
