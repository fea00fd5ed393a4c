//! Lets go of records that are not needed any more.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
};

use super::{
    Position, recover, released,
    segment::file_name,
    shared::{Shared, lock},
};

/// Why records could not be let go of.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseLogError {
    /// The mark could not be made durable. Segments that are not needed were removed.
    #[error("write {}: records that were released may be replayed again", file.display())]
    Mark {
        /// The file with the mark.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A segment could not be removed. It is tried again with the next release.
    #[error("remove {}", file.display())]
    Remove {
        /// The segment's file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A segment with damage could not be kept in the folder `quarantine`. It is tried again with
    /// the next release, unless it was only that the folder can't be synced.
    #[error("move {} to quarantine", file.display())]
    PutAside {
        /// The segment's file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

pub(super) fn release(shared: &Shared, before: Position) -> Result<(), ReleaseLogError> {
    let _one_at_a_time = lock(&shared.releasing);
    let (before, unneeded) = unneeded(shared, before);
    // Damaged ones first: with the mark, opening would remove them.
    for &(number, put_aside) in &unneeded {
        if put_aside {
            keep_aside(shared, number)?;
        }
    }
    // A full disk has no place for the mark until segments are removed; without the mark a crash
    // in between costs no more than that records are replayed again.
    let mut marked = released::save(&*shared.vfs, &shared.folder, before);
    for &(number, put_aside) in &unneeded {
        if !put_aside {
            remove(shared, number)?;
        }
    }
    if marked.is_err() {
        marked = released::save(&*shared.vfs, &shared.folder, before);
    }
    marked.map_err(|source| ReleaseLogError::Mark {
        file: shared.folder.join(released::FILE),
        source,
    })
}

/// Removes segments that were released and are still there, since records were appended to them at
/// that time or they could not be removed. Those that still can't be wait for the next release, which
/// says why.
pub(super) fn remove_released(shared: &Shared) {
    if unneeded(shared, Position::START).1.is_empty() {
        return;
    }
    let _one_at_a_time = lock(&shared.releasing);
    for (number, put_aside) in unneeded(shared, Position::START).1 {
        let _ = if put_aside { keep_aside(shared, number) } else { remove(shared, number) };
    }
}

/// The position up to which all is released, and the segments that end before it; whether they are
/// to be put aside.
fn unneeded(shared: &Shared, before: Position) -> (Position, Vec<(u64, bool)>) {
    let mut segments = lock(&shared.segments);
    // A mark beyond the end would release records that are yet to come.
    let before = before.min(segments.synced);
    segments.released = segments.released.max(before);
    let before = segments.released;
    let unneeded = segments
        .entries
        .iter()
        .filter(|&(&segment, entry)| {
            !entry.live && Position { segment, offset: entry.end } <= before
        })
        .map(|(&segment, entry)| (segment, entry.put_aside))
        .collect();
    (before, unneeded)
}

fn keep_aside(shared: &Shared, number: u64) -> Result<(), ReleaseLogError> {
    let (vfs, folder) = (&*shared.vfs, &shared.folder);
    let fault = |source| ReleaseLogError::PutAside { file: file_name(number), source };
    take_out(shared, number, || recover::move_to_quarantine(vfs, folder, number)).map_err(fault)?;
    recover::sync_quarantine(vfs, folder).map_err(fault)
}

fn remove(shared: &Shared, number: u64) -> Result<(), ReleaseLogError> {
    take_out(shared, number, || shared.vfs.remove(&shared.path(number)))
        .map_err(|source| ReleaseLogError::Remove { file: file_name(number), source })
}

/// Forgets a segment, and then lets its file go: a reader that misses the file knows why. One that
/// someone else removed is gone as well.
fn take_out(
    shared: &Shared,
    number: u64,
    let_go: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let entry = lock(&shared.segments).entries.remove(&number);
    match let_go() {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            lock(&shared.segments).entries.extend(entry.map(|entry| (number, entry)));
            Err(error)
        }
        _ => Ok(()),
    }
}
