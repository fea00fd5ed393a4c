//! What was sent, and what did the collector say to it?
//!
//! The file is text: a line that names the run, then one line a request, appended when its answer is
//! in. It is not synced: it outlives the collector, not the machine. A request of which a file has several
//! lines counts by the last; a torn last line counts as none.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::ids::Ids;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// 200 or OK, and nothing rejected: every span of it must be kept.
    Acknowledged,
    /// 200 or OK, with some spans rejected: nothing is known of the others by name.
    Partial,
    /// Refused. Its spans need not be kept.
    Refused,
    /// Sent in part or whole without an answer: its spans may be kept or not.
    Unanswered,
}

/// One request's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What became of it in the end.
    pub fate: Fate,
    /// How many times it was sent: each of them may have been kept.
    pub sends: u32,
}

/// The requests of a run by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    ids: Ids,
    entries: BTreeMap<u64, Entry>,
}

/// Why a ledger's file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened, read or written.
    #[error("use ledger {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what was written.
    #[error("read ledger {path}, line {line}: found {found:?}, expected {expected}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// The line.
        found: String,
        /// What stands there in a ledger.
        expected: &'static str,
    },
    /// The file is another run's.
    #[error(
        "append to ledger {path}: it belongs to another run ({found}, this one is {expected}); name a new file"
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// Its first line.
        found: String,
        /// The first line of this run.
        expected: String,
    },
}

impl Ledger {
    /// An empty ledger of a run with these ids.
    #[must_use]
    pub const fn new(ids: Ids) -> Self {
        Self { ids, entries: BTreeMap::new() }
    }

    /// The ids of the run.
    #[must_use]
    pub const fn ids(&self) -> Ids {
        self.ids
    }

    /// The entry of a request; `None` where it was not sent.
    #[must_use]
    pub fn get(&self, request: u64) -> Option<Entry> {
        self.entries.get(&request).copied()
    }

    /// All entries in the order of the requests' numbers.
    pub fn entries(&self) -> impl Iterator<Item = (u64, Entry)> + '_ {
        self.entries.iter().map(|(request, entry)| (*request, *entry))
    }

    /// The first number that no request has had.
    #[must_use]
    pub fn next_request(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(last, _)| last + 1)
    }

    /// Notes what became of a request; a later note replaces an earlier one, its sends are added.
    pub fn note(&mut self, request: u64, entry: Entry) {
        let sends = self.get(request).map_or(0, |before| before.sends);
        self.entries.insert(request, Entry { sends: sends + entry.sends, ..entry });
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is no ledger.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        let io = |source| LedgerError::Io { path: path.to_owned(), source };
        let mut reader = BufReader::new(File::open(path).map_err(io)?);
        let mut text = String::new();
        reader.read_line(&mut text).map_err(io)?;
        let wrong = |line, found: &str, expected| LedgerError::Line {
            path: path.to_owned(),
            line,
            found: found.trim_end().to_owned(),
            expected,
        };
        let ids = ids_of(&text).ok_or_else(|| wrong(1, &text, "the head of a ledger"))?;
        let mut ledger = Self::new(ids);
        for number in 2.. {
            text.clear();
            if reader.read_line(&mut text).map_err(io)? == 0 || !text.ends_with('\n') {
                break;
            }
            let (request, entry) = entry_of(&text)
                .ok_or_else(|| wrong(number, &text, "a letter of A P R U, a request, its sends"))?;
            ledger.note(request, entry);
        }
        Ok(ledger)
    }
}

fn head(ids: &Ids) -> String {
    format!(
        "resus-load ledger 1 seed {} spans {} split {}\n",
        ids.seed(),
        ids.spans(),
        ids.split_traces()
    )
}

fn ids_of(head: &str) -> Option<Ids> {
    let words: Vec<&str> = head.strip_suffix('\n')?.split(' ').collect();
    let ["resus-load", "ledger", "1", "seed", seed, "spans", spans, "split", split] = words[..]
    else {
        return None;
    };
    Some(Ids::new(seed.parse().ok()?, spans.parse().ok()?, split.parse().ok()?))
}

fn line(request: u64, entry: Entry) -> String {
    let letter = match entry.fate {
        Fate::Acknowledged => 'A',
        Fate::Partial => 'P',
        Fate::Refused => 'R',
        Fate::Unanswered => 'U',
    };
    format!("{letter} {request} {}\n", entry.sends)
}

fn entry_of(line: &str) -> Option<(u64, Entry)> {
    let words: Vec<&str> = line.strip_suffix('\n')?.split(' ').collect();
    let [letter, request, sends] = words[..] else {
        return None;
    };
    let fate = match letter {
        "A" => Fate::Acknowledged,
        "P" => Fate::Partial,
        "R" => Fate::Refused,
        "U" => Fate::Unanswered,
        _ => return None,
    };
    Some((request.parse().ok()?, Entry { fate, sends: sends.parse().ok()? }))
}

/// A ledger that is being written, in memory and, if so wished, in a file.
#[derive(Debug)]
pub(crate) struct Writer {
    ledger: Ledger,
    file: Option<(PathBuf, BufWriter<File>)>,
}

impl Writer {
    pub(crate) const fn in_memory(ids: Ids) -> Self {
        Self { ledger: Ledger::new(ids), file: None }
    }

    /// Opens a file, or goes on with one of the same run; what it holds is part of the ledger.
    pub(crate) fn to_file(path: &Path, ids: Ids) -> Result<Self, LedgerError> {
        let io = |source| LedgerError::Io { path: path.to_owned(), source };
        let known = std::fs::metadata(path).is_ok_and(|data| data.len() > 0);
        let ledger = if known { Ledger::read(path)? } else { Ledger::new(ids) };
        if ledger.ids != ids {
            return Err(LedgerError::OtherRun {
                path: path.to_owned(),
                found: head(&ledger.ids).trim_end().to_owned(),
                expected: head(&ids).trim_end().to_owned(),
            });
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(io)?;
        if !known {
            file.write_all(head(&ids).as_bytes()).map_err(io)?;
        }
        Ok(Self { ledger, file: Some((path.to_owned(), BufWriter::new(file))) })
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn note(&mut self, request: u64, entry: Entry) -> Result<(), LedgerError> {
        self.ledger.note(request, entry);
        match &mut self.file {
            Some((path, file)) => file
                .write_all(line(request, entry).as_bytes())
                .map_err(|source| LedgerError::Io { path: path.clone(), source }),
            None => Ok(()),
        }
    }

    /// Writes what is not written yet and hands the ledger over.
    pub(crate) fn finish(mut self) -> Result<Ledger, LedgerError> {
        if let Some((path, file)) = &mut self.file {
            file.flush().map_err(|source| LedgerError::Io { path: path.clone(), source })?;
        }
        Ok(self.ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: Ids = Ids::new(9, 100, 2);

    fn entry(fate: Fate, sends: u32) -> Entry {
        Entry { fate, sends }
    }

    #[test]
    fn what_is_written_is_read_back_and_a_second_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut writer = Writer::to_file(&path, IDS).unwrap();
        writer.note(0, entry(Fate::Acknowledged, 1)).unwrap();
        writer.note(1, entry(Fate::Unanswered, 2)).unwrap();
        let first = writer.finish().unwrap();
        assert_eq!(Ledger::read(&path).unwrap(), first);
        let mut writer = Writer::to_file(&path, IDS).unwrap();
        assert_eq!(writer.ledger().next_request(), 2);
        writer.note(1, entry(Fate::Acknowledged, 1)).unwrap();
        writer.note(2, entry(Fate::Refused, 1)).unwrap();
        writer.note(3, entry(Fate::Partial, 1)).unwrap();
        let both = writer.finish().unwrap();
        assert_eq!(both.get(1), Some(entry(Fate::Acknowledged, 3)));
        assert_eq!(both.entries().count(), 4);
        assert_eq!(Ledger::read(&path).unwrap(), both);
    }

    #[test]
    fn a_torn_last_line_is_none_and_a_broken_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        std::fs::write(&path, head(&IDS) + "A 0 1\nA 12").unwrap();
        assert_eq!(Ledger::read(&path).unwrap().next_request(), 1);
        std::fs::write(&path, head(&IDS) + "A 0 1\nB 1 1\n").unwrap();
        let error = Ledger::read(&path).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "line 3: found \"B 1 1\", expected a letter of A P R U, a request, its sends"
            ),
            "{error}"
        );
        std::fs::write(&path, "something else\n").unwrap();
        assert!(matches!(Ledger::read(&path).unwrap_err(), LedgerError::Line { line: 1, .. }));
    }

    #[test]
    fn another_runs_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        Writer::to_file(&path, IDS).unwrap().finish().unwrap();
        let error = Writer::to_file(&path, Ids::new(10, 100, 2)).unwrap_err();
        assert!(matches!(error, LedgerError::OtherRun { .. }));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), head(&IDS));
    }
}
