//! A crash-safe log of records: append, sync, acknowledge; read; release.
//!
//! Records are appended to segment files, each with a checksum. A thread of the log's own takes all
//! that waits, writes it in one go, syncs once a window, and only then calls back. Opening replays
//! what is there, whatever happened to it meanwhile; see [`Recovery`]. The files are described in
//! `frame.rs` and `segment.rs`.
//!
//! What a setting can lose:
//!
//! | `window` | end of the process | power cut |
//! | --- | --- | --- |
//! | `Some` | nothing | nothing |
//! | `None` | nothing | what was acknowledged since the last sync, by default half a second |
//!
//! Without a window, a sync that fails can cost what was acknowledged since the one before it; the
//! status says that it failed, and opening says what is missing.
//!
//! A record that was refused, or not answered for when the process ended, may turn up in a replay
//! all the same: senders repeat, and whoever reads has to expect a record twice.

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, Condvar, Mutex, atomic::AtomicU64},
    thread::{self, JoinHandle, ThreadId},
};

mod clock;
mod commit;
mod frame;
mod options;
mod reader;
mod recover;
mod recovery;
mod release;
mod released;
mod scan;
mod segment;
mod shared;
mod status;
#[cfg(test)]
mod tests;
pub mod vfs;
mod writer;

pub use options::{AppendError, LogOptions, OpenLogError, Position, Record};
pub use reader::{ReadLogError, Reader};
pub use recovery::{Quarantined, Recovery, TruncatedTail};
pub use release::ReleaseLogError;
pub use status::{LogFigures, LogStatus};

use self::{
    commit::Committer,
    recover::Recovered,
    shared::{Pending, Queue, Shared, lock},
    status::Health,
    vfs::Vfs,
};

/// A handle to an open log; clones are handles to the same one. When the last one is dropped the
/// log is closed.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    /// Of the log's thread.
    id: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("folder", &self.0.shared.folder).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log in a folder, which is made if need be, and replays what it holds: `replay` is
    /// called for each record that is kept and not released, in order, with header and payload in
    /// one. One record at a time is in memory, and a buffer of 1 MiB.
    ///
    /// # Errors
    /// When another has the log open, or the folder can't be made, listed or locked, or the disk
    /// can't read up to where records are released, or options make no sense. Damage is no error:
    /// see [`Recovery`]. Neither is a disk that can't be written to: see [`LogStatus::failing`].
    pub fn open(
        vfs: Arc<dyn Vfs>,
        folder: &Path,
        options: LogOptions,
        replay: &mut dyn FnMut(Position, &[u8]),
    ) -> Result<(Self, Recovery), OpenLogError> {
        let Prepared { shared, committer, held, recovery } = prepare(vfs, folder, options, replay)?;
        let thread = writer::start(Arc::clone(&shared), committer, held)
            .map_err(|source| OpenLogError::Thread { folder: folder.to_owned(), source })?;
        let id = thread.thread().id();
        Ok((Self(Arc::new(Handle { shared, id, thread: Mutex::new(Some(thread)) })), recovery))
    }

    /// Appends a record. `done` is called exactly once: when the record is as safe as the options
    /// say, with its position, or when it was refused. That happens in the order of appending, on
    /// the log's own thread, which does nothing else meanwhile: `done` should hand on and return.
    /// Only when the log is closed already does it happen here.
    ///
    /// How much waits is for the caller to bound; [`LogStatus::queued_bytes`] says how much does.
    pub fn append(
        &self,
        record: Record,
        done: Box<dyn FnOnce(Result<Position, AppendError>) + Send>,
    ) {
        // Here, where the bytes are in the cache, and on as many threads as there are callers.
        let body_crc = frame::body_crc(&record.header, &record.payload);
        if let Err(refused) = writer::enqueue(&self.0.shared, Pending { record, body_crc, done }) {
            (refused.done)(Err(AppendError::Closed));
        }
    }

    /// Reads the durable records from a position on, and follows the log: the position of a record,
    /// the end of one ([`Reader::position`]), or [`Position::START`].
    #[must_use]
    pub fn reader(&self, from: Position) -> Reader {
        Reader::new(Arc::clone(&self.0.shared), from)
    }

    /// Says that records before a position are not needed any more: they are not replayed again,
    /// and segments that hold no others are removed; the one that is appended to is when a record
    /// finds the log full. A position beyond the last durable record counts as the end of that.
    ///
    /// Blocks for a few syncs.
    ///
    /// # Errors
    /// When a segment can't be removed, or the mark not be made durable: records before the
    /// position may then be replayed again. Repeat it later, with the same position or another.
    pub fn release(&self, before: Position) -> Result<(), ReleaseLogError> {
        release::release(&self.0.shared, before)
    }

    /// How the log is doing.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        self.0.shared.status()
    }

    /// Takes no more records, answers for those that wait, syncs, and ends the thread; other
    /// handles find the log closed. Returns how it ended: [`LogStatus::failing`] says whether
    /// something could not be made durable. On the log's own thread (in a `done`) it does not wait
    /// for the end.
    pub fn close(self) -> LogStatus {
        self.0.stop();
        self.0.shared.status()
    }
}

/// A log that only lacks its thread.
struct Prepared {
    shared: Arc<Shared>,
    committer: Committer,
    held: vfs::Lock,
    recovery: Recovery,
}

fn prepare(
    vfs: Arc<dyn Vfs>,
    folder: &Path,
    options: LogOptions,
    replay: &mut dyn FnMut(Position, &[u8]),
) -> Result<Prepared, OpenLogError> {
    options.check()?;
    let fault = |doing| {
        move |source: io::Error| OpenLogError::Folder { folder: folder.to_owned(), doing, source }
    };
    vfs.create_folder(folder).map_err(fault("make it"))?;
    let held = vfs.lock(&folder.join(recover::LOCK)).map_err(fault("lock it"))?;
    let held = held.ok_or_else(|| OpenLogError::InUse { folder: folder.to_owned() })?;

    let recovered = recover::recover(&vfs, folder, &options, replay)?;
    let Recovered { segments, next_number, previous, recovery } = recovered;
    let shared = Arc::new(Shared {
        vfs,
        folder: folder.to_owned(),
        options,
        segments: Mutex::new(segments),
        queue: Mutex::new(Queue::default()),
        arrived: Condvar::new(),
        health: Mutex::new(Health::default()),
        releasing: Mutex::new(()),
        queued_records: AtomicU64::new(0),
        queued_bytes: AtomicU64::new(0),
    });
    let mut committer = Committer::new(Arc::clone(&shared), next_number, previous);
    // Here, so that the status says from the beginning whether records can be taken.
    committer.tick(clock::now());
    Ok(Prepared { shared, committer, held, recovery })
}

impl Handle {
    fn stop(&self) {
        lock(&self.shared.queue).closing = true;
        self.shared.arrived.notify_one();
        if thread::current().id() == self.id {
            return;
        }
        // Held until the thread has ended, so that whoever else closes the log waits for that too.
        let mut thread = lock(&self.thread);
        if let Some(thread) = thread.take() {
            // Its panics were caught and reported in the status.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}
