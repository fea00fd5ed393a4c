//! A disk in memory, as simple as can be.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use resus_store::log::vfs::{Lock, Vfs, VfsFile};

type Contents = Arc<Mutex<Vec<u8>>>;

/// Files by name; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<BTreeMap<PathBuf, Contents>>>);

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Contents>> {
        self.0.lock().expect("nobody panics with this lock held")
    }

    pub(super) fn names(&self) -> Vec<PathBuf> {
        self.files().keys().cloned().collect()
    }

    pub(super) fn read(&self, path: &Path) -> Vec<u8> {
        self.files()[path].lock().expect("nobody panics with this lock held").clone()
    }

    pub(super) fn write(&self, path: &Path, bytes: Vec<u8>) {
        *self.files()[path].lock().expect("nobody panics with this lock held") = bytes;
    }

    pub(super) fn forget(&self, path: &Path) {
        self.files().remove(path);
    }

    fn find(&self, path: &Path) -> io::Result<Contents> {
        self.files().get(path).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Vfs for Memory {
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let files = self.files();
        let here = files.keys().filter(|path| path.parent() == Some(folder));
        Ok(here.filter_map(|path| path.file_name()).map(OsString::from).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let mut files = self.files();
        if files.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let contents = Contents::default();
        files.insert(path.to_owned(), Arc::clone(&contents));
        Ok(Box::new(MemoryFile(contents)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(MemoryFile(self.find(path)?)))
    }

    fn truncate(&self, path: &Path, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(|_| ErrorKind::InvalidInput)?;
        let file = self.find(path)?;
        file.lock().expect("nobody panics with this lock held").resize(size, 0);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files();
        let file = files.remove(from).ok_or(ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files().remove(path).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Lock>> {
        Ok(Some(Box::new(())))
    }
}

#[derive(Debug)]
struct MemoryFile(Contents);

impl MemoryFile {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().expect("nobody panics with this lock held")
    }
}

impl VfsFile for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.bytes();
        let from = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
        let n = buffer.len().min(bytes.len() - from);
        buffer[..n].copy_from_slice(&bytes[from..from + n]);
        Ok(n)
    }

    fn append(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = self.bytes();
        pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        Ok(pieces.iter().map(|piece| piece.len()).sum())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}
