//! Opens the folder of segments after whatever happened to it.
//!
//! No file in it keeps it from opening, and nothing that went wrong is passed over in silence:
//!
//! - what a crash left half written goes: temporary files, and a file that got its name but no line
//!   in the manifest. Its spans are in the log still, and are sealed again;
//! - a file that is not what was written goes to the quarantine. Here the size is compared, and the
//!   checksum of all that comes after the spans; the spans themselves are checked when they are read
//!   ([`super::blocks`]) and by [`super::SealedSpans::verify`], since all of them may be many
//!   gigabytes;
//! - a torn line at the end of the manifest is cut off. A manifest that is damaged before its end,
//!   or lost, goes to the quarantine, and what its whole lines do not tell is told by the files.
//!
//! If the last segments are gone, [`super::Segments::sealed_up_to`] falls back to where those before
//! end: what the log still has of them is sealed again.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{
    SegmentFault,
    manifest::{self, Condition, State},
    quarantine,
    segment::{Segment, read_name},
    source::{self, read_exact},
    writer::TEMPORARY,
};
use crate::log::vfs::Vfs;

/// The file that is locked.
pub(super) const LOCK: &str = "lock";

/// What was found when a folder of segments was opened. Empty when all was well.
#[derive(Debug, Default)]
#[must_use = "what was lost or put aside should be told"]
pub struct Opened {
    /// Files that are not what was written, where they are now, and what is wrong with them.
    pub quarantined: Vec<(PathBuf, SegmentFault)>,
    /// Numbers of segments whose files are gone.
    pub missing: Vec<u64>,
    /// Files that a crash left and that were removed.
    pub removed: Vec<PathBuf>,
    /// All else that is worth telling, a sentence each.
    pub notes: Vec<String>,
}

/// A folder of segments could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenSegmentsError {
    /// Another process has it open.
    #[error(
        "open the segments in {}: another process has them open; stop it or choose another folder",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder can't be used.
    #[error("open the segments in {}: {doing}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A later release wrote the manifest.
    #[error(
        "open the segments in {}: the manifest is of version {found}, this program reads version 1; \
         use the later release that wrote it",
        folder.display()
    )]
    Future {
        /// The folder.
        folder: PathBuf,
        /// Its version.
        found: u64,
    },
}

/// What a folder holds that can be used.
pub(super) struct Recovered {
    pub(super) state: State,
    /// The number of the next segment.
    pub(super) next: u64,
    pub(super) opened: Opened,
}

/// Finds out what a folder holds. The manifest is not written yet.
pub(super) fn recover(vfs: &dyn Vfs, folder: &Path) -> Result<Recovered, OpenSegmentsError> {
    let mut work = Work { vfs, folder, opened: Opened::default() };
    let mut files = work.list()?;
    let (mut state, condition) = work.manifest(files.is_empty())?;
    let in_quarantine = quarantine::greatest(vfs, folder).unwrap_or_else(|error| {
        work.note(format!("the folder {} can't be listed: {error}", quarantine::FOLDER));
        None
    });
    let known = state.segments.keys().chain(state.removed.keys()).chain(files.keys());
    let next = known.copied().max().max(in_quarantine).map_or(1, |greatest| greatest + 1);

    state.removed.retain(|number, _| match files.remove(number) {
        None => false,
        Some(name) => !work.remove(&name),
    });
    work.check_segments(&mut state, &mut files);
    for name in files.into_values() {
        work.adopt_or_drop(&mut state, &name, condition);
    }
    Ok(Recovered { state, next, opened: work.opened })
}

struct Work<'a> {
    vfs: &'a dyn Vfs,
    folder: &'a Path,
    opened: Opened,
}

impl Work<'_> {
    fn note(&mut self, note: String) {
        self.opened.notes.push(note);
    }

    fn fault(&self, doing: &'static str) -> impl FnOnce(io::Error) -> OpenSegmentsError {
        let folder = self.folder.to_owned();
        move |source| OpenSegmentsError::Folder { folder, doing, source }
    }

    /// The files of segments by number; temporary ones go.
    fn list(&mut self) -> Result<BTreeMap<u64, OsString>, OpenSegmentsError> {
        let mut names = self.vfs.list(self.folder).map_err(self.fault("list it"))?;
        names.sort_unstable();
        let mut files = BTreeMap::new();
        for name in names {
            if let Some(named) = read_name(&name) {
                files.insert(named.number, name);
            } else if name.to_str().is_some_and(|name| name.ends_with(TEMPORARY)) {
                self.remove(&name);
            } else if ![LOCK, manifest::FILE, quarantine::FOLDER].map(OsStr::new).contains(&&*name)
            {
                self.note(format!("{} is no file of the store: left alone", name.display()));
            }
        }
        Ok(files)
    }

    fn manifest(&mut self, empty: bool) -> Result<(State, Condition), OpenSegmentsError> {
        let found = match self.read_manifest() {
            Err(error) if error.kind() == ErrorKind::NotFound && empty => {
                return Ok((State::default(), Condition::Whole));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.note("the manifest is gone: what the files say of themselves counts".into());
                return Ok((State::default(), Condition::Damaged));
            }
            found => found.map_err(self.fault("read its manifest"))?,
        };
        let (state, condition) = manifest::read(&found);
        match condition {
            Condition::Whole => {}
            Condition::Future(found) => {
                return Err(OpenSegmentsError::Future { folder: self.folder.to_owned(), found });
            }
            Condition::Torn(bytes) => self.note(format!(
                "the last {bytes} bytes of the manifest were left by a crash before they were \
                 whole: cut off"
            )),
            Condition::Damaged => {
                let fault = SegmentFault::Form("a line does not match its checksum".to_owned());
                self.put_aside(OsStr::new(manifest::FILE), fault);
            }
        }
        Ok((state, condition))
    }

    fn read_manifest(&self) -> io::Result<Vec<u8>> {
        let mut file = self.vfs.open(&self.folder.join(manifest::FILE))?;
        let size = usize::try_from(file.size()?).map_err(io::Error::other)?;
        let mut bytes = vec![0; size];
        read_exact(&mut *file, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Compares what the manifest says with the files, and takes those files out of the list.
    fn check_segments(&mut self, state: &mut State, files: &mut BTreeMap<u64, OsString>) {
        let mut gone = Vec::new();
        for segment in state.segments.values() {
            let Some(name) = files.remove(&segment.number) else {
                self.opened.missing.push(segment.number);
                gone.push(segment.number);
                continue;
            };
            match source::tail(self.vfs, &self.folder.join(&name), segment) {
                Ok(_) => {}
                // It may be readable next time.
                Err(fault @ SegmentFault::Unreadable(_)) => {
                    self.note(format!("{}: {fault}: left alone", name.display()));
                }
                Err(fault) => {
                    self.put_aside(&name, fault);
                    gone.push(segment.number);
                }
            }
        }
        for number in gone {
            state.segments.remove(&number);
        }
    }

    /// A file that the manifest does not tell of.
    fn adopt_or_drop(&mut self, state: &mut State, name: &OsStr, condition: Condition) {
        let Some(named) = read_name(name) else { return };
        let said = match source::examine(self.vfs, self.folder, Path::new(name), named) {
            Ok(said) => said,
            Err(fault @ SegmentFault::Unreadable(_)) => {
                return self.note(format!("{}: {fault}: left alone", name.display()));
            }
            Err(fault) => return self.put_aside(name, fault),
        };
        if condition == Condition::Damaged {
            self.adopt(state, said);
        } else if Some(said.sealed_up_to) > state.sealed_up_to() {
            // It got its name, and then came the crash: the log was not released yet.
            self.remove(name);
        } else {
            let fault = SegmentFault::Form("the manifest does not tell of it".to_owned());
            self.put_aside(name, fault);
        }
    }

    fn adopt(&mut self, state: &mut State, segment: Segment) {
        self.note(format!(
            "{} is taken back: what it says of itself fits its bytes",
            segment.file_name().display()
        ));
        state.segments.insert(segment.number, segment);
    }

    fn put_aside(&mut self, name: &OsStr, fault: SegmentFault) {
        let path = quarantine::put_aside(self.vfs, self.folder, name).unwrap_or_else(|error| {
            self.note(format!(
                "{} can't be moved to {}: {error}",
                name.display(),
                quarantine::FOLDER
            ));
            self.folder.join(name)
        });
        self.opened.quarantined.push((path, fault));
    }

    /// Removes what a crash left, and says whether it is gone.
    fn remove(&mut self, name: &OsStr) -> bool {
        let path = self.folder.join(name);
        match self.vfs.remove(&path) {
            Ok(()) => {
                self.opened.removed.push(path);
                true
            }
            Err(error) => {
                self.note(format!("{} can't be removed: {error}", path.display()));
                false
            }
        }
    }
}
