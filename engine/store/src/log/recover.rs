//! Opens the folder of a log after whatever happened to it.
//!
//! No state of a segment keeps the log from opening, and no damage is passed over in silence.
//!
//! - A segment whose successor says where it ends is read up to there. What cannot be read is
//!   corruption; what comes after was never acknowledged.
//! - The last segment that can be read has no successor that can be asked. Damage that a mark
//!   follows is corruption. Damage that no mark follows is a torn write: the segment is cut off
//!   there, so that what is replayed is a prefix of what was appended.
//! - A segment that can't be read now may be readable later. It stays until it is released, and goes
//!   to the quarantine then, like one with damage.
//! - New records always go to a new segment, never behind what was recovered.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io::{self, ErrorKind, IoSlice},
    ops::Range,
    path::Path,
    sync::Arc,
};

use super::{
    LogOptions, OpenLogError, Position, Quarantined, Recovery, TruncatedTail,
    frame::{HEAD, Seal},
    released::{self, Mark},
    scan::{Scan, Step},
    segment::{BLOCK, FIRST_FRAME, Header, HeaderFault, file_name, number_of},
    shared::{Entry, Segments},
    vfs::{self, Vfs, VfsFile},
};

/// The folder for what should not be lost and can't be read.
pub(super) const QUARANTINE: &str = "quarantine";
/// The file that is locked.
pub(super) const LOCK: &str = "lock";
const TEMPORARY: &str = ".tmp";

/// Called for each record.
pub(super) type Replay<'a> = &'a mut dyn FnMut(Position, &[u8]);

/// A log that can go on.
pub(super) struct Recovered {
    pub(super) segments: Segments,
    /// The number of the next segment.
    pub(super) next_number: u64,
    /// Where the last segment ends.
    pub(super) previous: Option<Position>,
    pub(super) recovery: Recovery,
}

/// A segment whose header was read.
struct Found {
    header: Header,
    file: Box<dyn VfsFile>,
    size: u64,
}

/// What a segment's file turned out to be.
enum Opened {
    /// A segment.
    Whole(Found),
    /// A file of so many bytes that is none.
    Faulty(u64, HeaderFault),
    /// A file of so many bytes, as far as is known, that the disk could not read.
    Unread(u64, io::Error),
}

/// How far a segment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// As its successor says.
    Known(u64),
    /// It has no successor that can be read: a write may have been torn.
    Last,
    /// It has one, but not the next.
    Unknown,
}

/// Reads all there is, replays it in order, and tidies up.
pub(super) fn recover(
    vfs: &Arc<dyn Vfs>,
    folder: &Path,
    options: &LogOptions,
    replay: Replay<'_>,
) -> Result<Recovered, OpenLogError> {
    let mut work = Work {
        vfs: &**vfs,
        folder,
        recovery: Recovery::default(),
        quarantined: BTreeSet::new(),
        unread: BTreeMap::new(),
        buffer: Vec::new(),
    };
    let numbers = work.list()?;
    work.list_quarantine()?;
    let released = work.released()?;
    let found: BTreeMap<u64, Found> = numbers
        .iter()
        .filter_map(|&number| Some((number, work.header(number, released)?)))
        .collect();
    work.report_missing(&numbers, &found, released);
    let ends: BTreeMap<u64, u64> = found
        .values()
        .filter_map(|segment| segment.header.previous)
        .map(|previous| (previous.segment, previous.offset))
        .collect();

    let last = found.last_key_value().map(|(&number, _)| number);
    let mut entries = BTreeMap::new();
    for (number, segment) in found {
        if number < released.segment {
            drop(segment);
            work.remove(number);
            continue;
        }
        let ending = match ends.get(&number) {
            Some(&end) => Ending::Known(end),
            None if Some(number) == last => Ending::Last,
            None => Ending::Unknown,
        };
        if let Some(entry) = work.scan(segment, ending, released, replay) {
            entries.insert(number, entry);
        }
    }
    if let Err(error) = vfs.sync_folder(folder) {
        work.note(format!("the folder can't be synced: {error}"));
    }

    let highest = numbers.last().max(work.quarantined.last()).copied().unwrap_or(0);
    let previous = entries.last_key_value();
    let previous = previous.map(|(&segment, entry)| Position { segment, offset: entry.end });
    // Nobody says where one of these ends: the next time it may be readable.
    entries.append(&mut work.unread);
    let end = previous.unwrap_or(Position::START).max(released);
    Ok(Recovered {
        next_number: (highest.max(released.segment) + 1).max(options.first_segment),
        segments: Segments { entries, released, end, synced: end },
        previous,
        recovery: work.recovery,
    })
}

struct Work<'a> {
    vfs: &'a dyn Vfs,
    folder: &'a Path,
    recovery: Recovery,
    /// Numbers of segments in quarantine.
    quarantined: BTreeSet<u64>,
    /// Segments that the disk could not read.
    unread: BTreeMap<u64, Entry>,
    buffer: Vec<u8>,
}

impl Work<'_> {
    fn note(&mut self, note: String) {
        self.recovery.notes.push(note);
    }

    /// The numbers of the segments; leftovers are removed.
    fn list(&mut self) -> Result<BTreeSet<u64>, OpenLogError> {
        let listed = self.vfs.list(self.folder);
        let mut names = listed.map_err(|source| OpenLogError::Folder {
            folder: self.folder.to_owned(),
            doing: "list it",
            source,
        })?;
        names.sort_unstable();
        let mut numbers = BTreeSet::new();
        for name in names {
            if let Some(number) = number_of(&name) {
                numbers.insert(number);
            } else if is_temporary(&name) {
                self.remove_leftover(&self.folder.join(&name));
            } else if ![LOCK, QUARANTINE, released::FILE].map(OsStr::new).contains(&&*name) {
                self.note(format!("{} is no file of the log: left alone", name.display()));
            }
        }
        Ok(numbers)
    }

    fn list_quarantine(&mut self) -> Result<(), OpenLogError> {
        let folder = self.folder.join(QUARANTINE);
        let names = match self.vfs.list(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            // Without it a number could be given a second time.
            Err(source) => {
                return Err(OpenLogError::Folder { folder, doing: "list it", source });
            }
        };
        for name in names {
            if is_temporary(&name) {
                self.remove_leftover(&folder.join(&name));
            }
            self.quarantined.extend(number_of(&name));
        }
        Ok(())
    }

    fn remove_leftover(&mut self, path: &Path) {
        let file = path.display();
        let note = match self.vfs.remove(path) {
            Ok(()) => format!("{file} was left by a crash before it was whole: removed"),
            Err(error) => format!("{file} was left by a crash and can't be removed: {error}"),
        };
        self.note(note);
    }

    fn released(&mut self) -> Result<Position, OpenLogError> {
        let mark = released::load(self.vfs, self.folder);
        let mark = mark.map_err(|source| OpenLogError::Mark {
            file: self.folder.join(released::FILE),
            source,
        })?;
        Ok(match mark {
            Mark::Before(position) => position,
            Mark::Missing => Position::START,
            Mark::Damaged => {
                self.note(format!(
                    "the file {} can't be read, so released records are replayed again: not 28 \
                     bytes with a good checksum",
                    released::FILE
                ));
                Position::START
            }
        })
    }

    /// Opens a segment and reads its header. One that says nothing is put aside.
    fn header(&mut self, number: u64, released: Position) -> Option<Found> {
        let name = file_name(number);
        let name = name.display();
        match self.open_segment(number) {
            Opened::Whole(found) if found.header.number == number => return Some(found),
            Opened::Whole(Found { header, file, size }) => {
                drop(file);
                self.put_aside(number, size, &format!("says that it is segment {}", header.number));
            }
            Opened::Unread(size, error) => {
                self.note(format!("{name} can't be read and is left alone: {error}"));
                if number < released.segment {
                    return None;
                }
                self.quarantine(number, 0, size);
                let seal = Seal { salt: 0, segment: number };
                let (live, put_aside) = (false, true);
                let entry = Entry { seal, end: FIRST_FRAME, bytes: size, live, put_aside };
                self.unread.insert(number, entry);
            }
            Opened::Faulty(0, _) => {
                self.note(format!("{name} is empty: removed"));
                self.remove(number);
            }
            Opened::Faulty(_, HeaderFault::Future(version)) => self.note(format!(
                "{name} is of format version {version}, written by a later release: left alone; \
                 its records are read by that release"
            )),
            Opened::Faulty(size, HeaderFault::Unreadable) => {
                self.put_aside(number, size, "has no readable header");
            }
        }
        None
    }

    fn open_segment(&self, number: u64) -> Opened {
        let opened = self.vfs.open(&self.folder.join(file_name(number)));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => return Opened::Unread(0, error),
        };
        let size = match file.size() {
            Ok(size) => size,
            Err(error) => return Opened::Unread(0, error),
        };
        let mut block = [0; BLOCK];
        match vfs::read_up_to(&mut *file, 0, &mut block).map(|n| Header::decode(&block[..n])) {
            Ok(Ok(header)) => Opened::Whole(Found { header, file, size }),
            Ok(Err(fault)) => Opened::Faulty(size, fault),
            Err(error) => Opened::Unread(size, error),
        }
    }

    /// Moves a segment that says nothing to the quarantine.
    fn put_aside(&mut self, number: u64, size: u64, why: &str) {
        let name = file_name(number);
        let aside = self.folder.join(QUARANTINE).join(&name);
        let moved = move_to_quarantine(self.vfs, self.folder, number);
        let file = if moved.is_ok() { aside } else { self.folder.join(&name) };
        let done = match moved {
            Ok(()) => sync_quarantine(self.vfs, self.folder).map_or_else(
                |error| format!("moved to {QUARANTINE}, which can't be synced: {error}"),
                |()| format!("moved to {QUARANTINE}"),
            ),
            Err(error) => format!("left alone, since it can't be moved to {QUARANTINE}: {error}"),
        };
        self.note(format!("{} {why}: {done}", name.display()));
        self.quarantined.insert(number);
        self.recovery.quarantined.push(Quarantined { segment: number, from: 0, to: size, file });
    }

    fn remove(&mut self, number: u64) {
        let name = file_name(number);
        if let Err(error) = self.vfs.remove(&self.folder.join(&name)) {
            self.note(format!("{} can't be removed: {error}", name.display()));
        }
    }

    /// Says which segments should be there and are not.
    fn report_missing(
        &mut self,
        numbers: &BTreeSet<u64>,
        found: &BTreeMap<u64, Found>,
        released: Position,
    ) {
        for (number, segment) in found {
            let Some(previous) = segment.header.previous else { continue };
            let there = numbers.contains(&previous.segment);
            if there || previous <= released || *number <= released.segment {
                continue;
            }
            let before = numbers.range(..number).next_back().copied().unwrap_or(0);
            let first = (before + 1).max(released.segment).min(previous.segment);
            let which = if first == previous.segment {
                format!("segment {first} is missing")
            } else {
                format!("segments {first} to {} are missing", previous.segment)
            };
            let hint = if self.quarantined.contains(&previous.segment) {
                format!("; the folder {QUARANTINE} holds the last of them")
            } else {
                String::new()
            };
            self.note(format!("{which}: segment {number} came after it{hint}"));
        }
    }

    /// Replays a segment. `None` when it is gone, having held no record. One that says where the
    /// segment before it ends, and that its successor knows of, stays all the same.
    fn scan(
        &mut self,
        found: Found,
        ending: Ending,
        released: Position,
        replay: Replay<'_>,
    ) -> Option<Entry> {
        let Found { header, file, size } = found;
        let (number, seal) = (header.number, header.seal());
        let limit = if let Ending::Known(end) = ending { end } else { size };
        let mut scan = Scan::new(file, seal, std::mem::take(&mut self.buffer));
        let mut entry = Entry { seal, end: limit, bytes: size, live: false, put_aside: false };
        let mut records = 0_u64;
        // Damage before it is corruption: a mark follows.
        let mut proven = 0;
        let mut torn = None;
        let mut at = FIRST_FRAME;
        // As for a segment that is appended to, the mark at the end does not count.
        let mut end = at;
        loop {
            match scan.step(at, limit) {
                Ok(Step::End) => {
                    entry.end = end;
                    break;
                }
                Ok(Step::Mark { to }) => at = to,
                Ok(Step::Record { to }) => {
                    records += 1;
                    let position = Position { segment: number, offset: at };
                    if position >= released {
                        self.recovery.records += 1;
                        self.recovery.bytes += to - at - HEAD;
                        replay(position, scan.body());
                    }
                    (at, end) = (to, to);
                }
                Ok(Step::Damage { to }) => {
                    if ending == Ending::Last && at >= proven {
                        let after = after_damage(&mut scan, to, limit);
                        if after.mark.is_none() {
                            torn = Some((at, after.records));
                            break;
                        }
                        proven = after.mark.unwrap_or(proven);
                    }
                    self.quarantine(number, at, to);
                    entry.put_aside = true;
                    (at, end) = (to, to);
                }
                Err(error) => {
                    self.note(format!("{} at offset {at}: {error}", file_name(number).display()));
                    self.quarantine(number, at, limit);
                    entry.put_aside = true;
                    break;
                }
            }
        }
        if let Some((offset, whole)) = torn {
            entry.end = offset;
            entry.bytes = self.cut(number, &mut scan, offset..size, whole > 0);
        }
        self.buffer = scan.into_buffer();
        let known = matches!(ending, Ending::Known(_));
        if !known {
            self.sync(number);
        }
        if records == 0 && !entry.put_aside && !known {
            self.remove(number);
            return None;
        }
        self.recovery.segments += u64::from(records > 0);
        Some(entry)
    }

    fn quarantine(&mut self, segment: u64, from: u64, to: u64) {
        // Damage that goes on is one piece of damage.
        if let Some(last) = self.recovery.quarantined.last_mut()
            && (last.segment, last.to) == (segment, from)
        {
            last.to = to;
            return;
        }
        let file = self.folder.join(file_name(segment));
        self.recovery.quarantined.push(Quarantined { segment, from, to, file });
    }

    /// Cuts a torn write off and returns the size of the file. Whole records in it are kept.
    fn cut(&mut self, segment: u64, scan: &mut Scan, tail: Range<u64>, keep: bool) -> u64 {
        let mut kept = None;
        if keep {
            let name = format!("{segment:020}-{}.tail", tail.start);
            let path = self.folder.join(QUARANTINE).join(name);
            if let Err(error) = self.keep_tail(scan, tail.clone(), &path) {
                self.note(format!(
                    "the end of {} can't be kept as {}, so it is not cut off: {error}",
                    file_name(segment).display(),
                    path.display()
                ));
                return tail.end;
            }
            kept = Some(path);
        }
        let bytes = tail.end - tail.start;
        let cut = self.vfs.truncate(&self.folder.join(file_name(segment)), tail.start);
        self.recovery.truncated_tail =
            Some(TruncatedTail { segment, offset: tail.start, bytes, kept });
        match cut {
            Ok(()) => tail.start,
            Err(error) => {
                let name = file_name(segment);
                self.note(format!("the end of {} can't be cut off: {error}", name.display()));
                tail.end
            }
        }
    }

    fn keep_tail(&self, scan: &mut Scan, tail: Range<u64>, path: &Path) -> io::Result<()> {
        let folder = self.folder.join(QUARANTINE);
        self.vfs.create_folder(&folder)?;
        let temporary = vfs::temporary(path);
        let mut file = self.vfs.create(&temporary)?;
        let mut at = tail.start;
        while at < tail.end {
            let bytes = scan.bytes(at, tail.end)?;
            if bytes.is_empty() {
                break;
            }
            vfs::append_all(&mut *file, &mut [IoSlice::new(bytes)])?;
            at += bytes.len() as u64;
        }
        file.sync_data()?;
        self.vfs.rename(&temporary, path)?;
        self.vfs.sync_folder(&folder)
    }

    /// What was replayed counts as acknowledged from now on, so it has to be durable. (Not even this
    /// helps records that were refused since their sync failed and that a killed process left
    /// behind: the system may show them and never write them. If they vanish in a power cut they
    /// are reported as damage.)
    fn sync(&mut self, number: u64) {
        let path = self.folder.join(file_name(number));
        let synced = self.vfs.open(&path).and_then(|mut file| file.sync_data());
        if let Err(error) = synced {
            self.note(format!("{} can't be synced: {error}", file_name(number).display()));
        }
    }
}

/// What follows damage.
#[derive(Debug, Default)]
struct After {
    /// The first mark.
    mark: Option<u64>,
    /// Whole records before it, or before the end.
    records: u64,
}

fn after_damage(scan: &mut Scan, from: u64, end: u64) -> After {
    let mut after = After::default();
    let mut at = from;
    loop {
        match scan.step(at, end) {
            Ok(Step::Mark { .. }) => {
                after.mark = Some(at);
                return after;
            }
            Ok(Step::Record { to }) => {
                after.records += 1;
                at = to;
            }
            Ok(Step::Damage { to }) => at = to,
            // What can't be read is no reason to cut anything off: it is taken for corruption.
            Err(_) => {
                after.mark = Some(at);
                return after;
            }
            Ok(Step::End) => return after,
        }
    }
}

/// Moves a segment to the quarantine. Durable after [`sync_quarantine`].
pub(super) fn move_to_quarantine(vfs: &dyn Vfs, folder: &Path, number: u64) -> io::Result<()> {
    let quarantine = folder.join(QUARANTINE);
    vfs.create_folder(&quarantine)?;
    let name = file_name(number);
    vfs.rename(&folder.join(&name), &quarantine.join(&name))
}

/// Makes it durable that segments are in quarantine. In this order, a power cut in between leaves
/// a segment in two places rather than in none.
pub(super) fn sync_quarantine(vfs: &dyn Vfs, folder: &Path) -> io::Result<()> {
    vfs.sync_folder(&folder.join(QUARANTINE))?;
    vfs.sync_folder(folder)
}

fn is_temporary(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == &TEMPORARY[1..])
}
