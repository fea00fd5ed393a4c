//! The mark up to which records are not needed any more, in a small file beside the segments.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use super::{
    Position,
    vfs::{self, Vfs},
};

/// The file's name.
pub(super) const FILE: &str = "released";
const MAGIC: [u8; 8] = *b"RESUSRE1";
const BYTES: usize = 28;

/// Writes the mark, whole or not at all.
pub(super) fn save(vfs: &dyn Vfs, folder: &Path, before: Position) -> io::Result<()> {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&before.segment.to_le_bytes());
    bytes[16..24].copy_from_slice(&before.offset.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..24]);
    bytes[24..].copy_from_slice(&crc.to_le_bytes());
    vfs::write_whole(vfs, &folder.join(FILE), &bytes).map(drop)
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// There is none yet.
    Missing,
    /// It is not what [`save`] wrote, and never will be again.
    Damaged,
    /// Records before it are released.
    Before(Position),
}

/// Reads the mark.
///
/// # Errors
/// When the disk can't say what the file holds.
pub(super) fn load(vfs: &dyn Vfs, folder: &Path) -> io::Result<Mark> {
    let mut file = match vfs.open(&folder.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Mark::Missing),
        opened => opened?,
    };
    let mut bytes = [0; BYTES + 1];
    let filled = vfs::read_up_to(&mut *file, 0, &mut bytes)?;
    let long = |at: usize| {
        let mut long = [0; 8];
        long.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(long)
    };
    let whole = filled == BYTES
        && bytes[..8] == MAGIC
        && bytes[24..BYTES] == crc32fast::hash(&bytes[..24]).to_le_bytes();
    if !whole {
        return Ok(Mark::Damaged);
    }
    Ok(Mark::Before(Position { segment: long(8), offset: long(16) }))
}
