//! The few file operations that durable storage is made of, as a trait.
//!
//! Storage code goes through [`Vfs`] so that tests can cut the power between any two operations,
//! tear what was not synced, and let any call fail. [`Disk`] is the real one.

use std::{
    ffi::OsString,
    fmt,
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, IoSlice, Read as _, Seek as _, SeekFrom, Write as _},
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use rustix::fs::Advice;

#[cfg(test)]
pub(crate) mod simulated;

/// Keeps others out of a folder as long as it lives.
pub type Lock = Box<dyn fmt::Debug + Send + Sync>;

/// A file system, with a power cut in mind: bytes survive one after [`VfsFile::sync_data`], names
/// (of files made, renamed or removed) after [`Vfs::sync_folder`].
pub trait Vfs: fmt::Debug + Send + Sync {
    /// Makes a folder and those above it, durably; one that is there already is fine.
    ///
    /// # Errors
    /// When the system says no.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// The names in a folder, in any order.
    ///
    /// # Errors
    /// When the system says no.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// Makes a file to append to and to read; there must be none of that name.
    ///
    /// # Errors
    /// When the system says no.
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;

    /// Opens a file to read it.
    ///
    /// # Errors
    /// When the system says no.
    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;

    /// Cuts a file off after `size` bytes. Not durable before the file is synced.
    ///
    /// # Errors
    /// When the system says no.
    fn truncate(&self, path: &Path, size: u64) -> io::Result<()>;

    /// Gives a file another name; a file that has it is replaced in one step.
    ///
    /// # Errors
    /// When the system says no.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When the system says no.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// When the system says no: the names may or may not survive.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Locks a file, made if need be, against every other holder in any process; `None` when
    /// another holds it. A lock ends with its process.
    ///
    /// # Errors
    /// When the system says no.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;
}

/// An open file.
pub trait VfsFile: fmt::Debug + Send {
    /// Its size in bytes.
    ///
    /// # Errors
    /// When the system says no.
    fn size(&self) -> io::Result<u64>;

    /// Reads from an offset on, as much as one call gives; 0 at the end of the file.
    ///
    /// # Errors
    /// When the system says no.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Appends the first bytes of what is given and says how many; see [`append_all`].
    ///
    /// # Errors
    /// When the system says no; some bytes may have been written.
    fn append(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Makes the file's bytes and its size durable.
    ///
    /// # Errors
    /// When the system says no. What was not durable before may be lost for good, and a second
    /// call that succeeds proves nothing: the system may have forgotten what it could not write.
    fn sync_data(&mut self) -> io::Result<()>;

    /// A hint: nobody reads these bytes soon, which are durable. The system need not hold them in
    /// memory, where they would take the place of something that is used.
    fn cool(&self, from: u64, to: u64) {
        let _ = (from, to);
    }
}

/// Appends all bytes.
///
/// # Errors
/// When the system says no; some bytes may have been written.
pub fn append_all(file: &mut dyn VfsFile, mut bytes: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut bytes, 0);
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut bytes, n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads from an offset on until the buffer is full or the file ends, and says how many bytes.
///
/// # Errors
/// When the system says no.
pub(super) fn read_up_to(
    file: &mut dyn VfsFile,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Makes a small file whole or not at all: written under the same name with `.tmp` behind it,
/// synced, renamed, and the folder synced. A file of that name is replaced, and so is a leftover
/// with `.tmp`. Returns the file, to append to.
///
/// # Errors
/// When one of the steps fails. The file of that name is then the old or the new one, whole; what
/// is left of a `.tmp` is removed if that is possible.
pub fn write_whole(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> io::Result<Box<dyn VfsFile>> {
    let temporary = temporary(path);
    let written = write_temporary(vfs, &temporary, bytes).and_then(|file| {
        vfs.rename(&temporary, path)?;
        Ok(file)
    });
    let Ok(file) = written else {
        // The first failure is the one to report; whoever opens the folder removes leftovers.
        let _ = vfs.remove(&temporary);
        return written;
    };
    if let Some(folder) = path.parent() {
        vfs.sync_folder(folder)?;
    }
    Ok(file)
}

fn write_temporary(vfs: &dyn Vfs, temporary: &Path, bytes: &[u8]) -> io::Result<Box<dyn VfsFile>> {
    let mut file = match vfs.create(temporary) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            vfs.remove(temporary)?;
            vfs.create(temporary)?
        }
        made => made?,
    };
    append_all(&mut *file, &mut [IoSlice::new(bytes)])?;
    file.sync_data()?;
    Ok(file)
}

/// The name under which a file is written before it gets its own.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disk;

impl Vfs for Disk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.as_os_str().is_empty() || folder.is_dir() {
            return Ok(());
        }
        let Some(parent) = folder.parent() else { return Ok(()) };
        self.create_folder(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            Err(error) => Err(error),
            Ok(()) if parent.as_os_str().is_empty() => self.sync_folder(Path::new(".")),
            Ok(()) => self.sync_folder(parent),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|e| e.file_name())).collect()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let file = File::options().read(true).append(true).create_new(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(DiskFile(File::open(path)?)))
    }

    fn truncate(&self, path: &Path, size: u64) -> io::Result<()> {
        File::options().write(true).open(path)?.set_len(size)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file = File::options().read(true).append(true).create(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl VfsFile for DiskFile {
    fn size(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.read(buffer)
    }

    fn append(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn cool(&self, from: u64, to: u64) {
        if let Some(length) = NonZeroU64::new(to.saturating_sub(from)) {
            // It is a hint: where the system doesn't take it, nothing is lost.
            let _ = rustix::fs::fadvise(&self.0, from, Some(length), Advice::DontNeed);
        }
    }
}
