//! Where files go that can't be used and should not be lost.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::segment::number_of;
use crate::log::vfs::Vfs;

/// The folder's name.
pub(super) const FOLDER: &str = "quarantine";

/// Moves a file there, durably, under its own name or, where that is taken, one with a number
/// behind it. Returns where it is now.
pub(super) fn put_aside(vfs: &dyn Vfs, folder: &Path, name: &OsStr) -> io::Result<PathBuf> {
    let quarantine = folder.join(FOLDER);
    vfs.create_folder(&quarantine)?;
    let taken: BTreeSet<_> = vfs.list(&quarantine)?.into_iter().collect();
    let mut free = name.to_owned();
    for n in 1_u64.. {
        if !taken.contains(&free) {
            break;
        }
        free = name.to_owned();
        free.push(format!(".{n}"));
    }
    let aside = quarantine.join(free);
    vfs.rename(&folder.join(name), &aside)?;
    vfs.sync_folder(&quarantine)?;
    vfs.sync_folder(folder)?;
    Ok(aside)
}

/// The greatest number of a segment in there.
///
/// # Errors
/// When the folder is there and can't be listed.
pub(super) fn greatest(vfs: &dyn Vfs, folder: &Path) -> io::Result<Option<u64>> {
    match vfs.list(&folder.join(FOLDER)) {
        Ok(names) => Ok(names.iter().filter_map(|name| number_of(name)).max()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
