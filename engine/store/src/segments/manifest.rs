//! Which segments there are: a text file to which a line is appended for each change.
//!
//! ```text
//! 5f1c9a3e resus-segments 1
//! 0b7d2210 sealed 3 4711
//! 91f0c2aa add 12 262144 17563648 ...
//! 77aa01b3 remove 9 00000000000000000009-1043f0-91f0c2aa.parquet
//!
//! 3d1a77c0 mark
//! ```
//!
//! Each line begins with the CRC-32 of what follows the space behind it, in hex digits, and ends
//! with a line feed:
//!
//! - `resus-segments`: the version of the format, in the first line;
//! - `sealed`: a position in the log before which all spans are in segments that were removed since;
//! - `add`: a segment, as [`Segment::to_line`] writes it;
//! - `remove`: number and file of a segment that does not count any more; the file may be there
//!   still;
//! - `mark`: all before it was durable when it was written, a sync later. Whoever appends reports
//!   success only then.
//!
//! Lines at the end that are not whole are a torn write, of which nobody was told that it succeeded.
//! One before a line that is whole is corruption. The empty line before a mark says nothing; it keeps
//! a damaged line feed from hiding the mark.

use std::{collections::BTreeMap, ffi::OsStr, fmt::Write as _, path::PathBuf};

use super::segment::{Segment, number_of, numbers};
use crate::log::Position;

/// The file's name.
pub(super) const FILE: &str = "manifest";
const FORMAT: &str = "resus-segments";
const VERSION: u64 = 1;

/// Which segments there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// By number.
    pub(super) segments: BTreeMap<u64, Segment>,
    /// Removed segments whose files may be there still.
    pub(super) removed: BTreeMap<u64, PathBuf>,
    /// Spans that come before this in the log were in segments that are removed.
    pub(super) base: Option<Position>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Sealed(Position),
    Add(Segment),
    Remove(u64, PathBuf),
    Mark,
}

impl State {
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Sealed(position) => self.base = self.base.max(Some(position)),
            Change::Add(segment) => {
                self.segments.insert(segment.number, segment);
            }
            Change::Remove(number, file) => {
                let removed = self.segments.remove(&number);
                self.base = self.base.max(removed.map(|segment| segment.sealed_up_to));
                self.removed.insert(number, file);
            }
            Change::Mark => {}
        }
    }

    /// Spans that come before this in the log are or were in a segment.
    pub(super) fn sealed_up_to(&self) -> Option<Position> {
        let last = self.segments.values().map(|segment| segment.sealed_up_to).max();
        self.base.max(last)
    }

    /// Lines that a manifest of this state has.
    pub(super) fn lines(&self) -> usize {
        2 + usize::from(self.base.is_some()) + self.segments.len() + self.removed.len()
    }

    /// A manifest of this state.
    pub(super) fn to_text(&self) -> String {
        let Self { segments, removed, base } = self;
        let mut text = line(&format!("{FORMAT} {VERSION}"));
        if let Some(position) = *base {
            text += &Change::Sealed(position).to_line();
        }
        for segment in segments.values() {
            text += &Change::Add(segment.clone()).to_line();
        }
        for (&number, file) in removed {
            text += &Change::Remove(number, file.clone()).to_line();
        }
        text + &Change::Mark.to_line()
    }
}

impl Change {
    pub(super) fn to_line(&self) -> String {
        match self {
            Self::Sealed(Position { segment, offset }) => {
                line(&format!("sealed {segment} {offset}"))
            }
            Self::Add(segment) => line(&format!("add {}", segment.to_line())),
            Self::Remove(number, file) => line(&format!("remove {number} {}", file.display())),
            Self::Mark => format!("\n{}", line("mark")),
        }
    }

    fn from_body(body: &str) -> Option<Self> {
        let (word, rest) = body.split_once(' ').unwrap_or((body, ""));
        match word {
            "sealed" => {
                let ([segment, offset], after) = numbers(rest)?;
                after.is_empty().then_some(Self::Sealed(Position { segment, offset }))
            }
            "add" => Segment::from_line(rest).map(Self::Add),
            "remove" => {
                let ([number], file) = numbers(rest)?;
                let named = number_of(OsStr::new(file)) == Some(number);
                named.then(|| Self::Remove(number, PathBuf::from(file)))
            }
            "mark" => rest.is_empty().then_some(Self::Mark),
            _ => None,
        }
    }
}

fn line(body: &str) -> String {
    let mut line = String::with_capacity(body.len() + 10);
    let crc = crc32fast::hash(body.as_bytes());
    writeln!(line, "{crc:08x} {body}").expect("writing to a String can't fail");
    line
}

/// The body of a line without its line feed, if it is whole.
fn body(line: &[u8]) -> Option<&str> {
    let (crc, body) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let whole = crc == format!("{:08x}", crc32fast::hash(body.as_bytes()));
    whole.then_some(body)
}

/// In which state a manifest was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Every line is whole.
    Whole,
    /// The last so many bytes are a torn write.
    Torn(usize),
    /// A line is damaged that whole ones follow, or the first is.
    Damaged,
    /// It is of a version that a later release wrote.
    Future(u64),
}

/// Reads a manifest: what its whole lines say, and whether there are others.
pub(super) fn read(bytes: &[u8]) -> (State, Condition) {
    let mut state = State::default();
    let mut condition = Condition::Damaged;
    let mut at = 0;
    // Where the first line begins that is not whole.
    let mut torn = None;
    for (n, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let from = at;
        at += line.len();
        if n > 0 && line == b"\n" {
            continue;
        }
        let body = line.strip_suffix(b"\n").and_then(body);
        if n == 0 {
            let version = body.and_then(|body| body.strip_prefix(FORMAT)?.strip_prefix(' '));
            match version.and_then(|version| version.parse().ok()) {
                Some(VERSION) => condition = Condition::Whole,
                Some(version) => return (state, Condition::Future(version)),
                None => {}
            }
            continue;
        }
        match (body.and_then(Change::from_body), torn) {
            (None, None) => torn = Some(from),
            (None, Some(_)) => {}
            (Some(change), torn) => {
                if torn.is_some() {
                    condition = Condition::Damaged;
                }
                state.apply(change);
            }
        }
    }
    if let (Condition::Whole, Some(from)) = (condition, torn) {
        condition = Condition::Torn(bytes.len() - from);
    }
    (state, condition)
}

#[cfg(test)]
mod tests;
