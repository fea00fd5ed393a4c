//! What is known of a segment without opening it, and how that is written down.

use std::{ffi::OsStr, fmt::Write as _, path::PathBuf};

use crate::log::Position;

/// What a file is called that holds spans.
const ENDING: &str = ".parquet";

/// A sealed file of spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number. Later ones have greater numbers; none is given twice.
    pub number: u64,
    /// Spans in it.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// CRC-32 of the whole file.
    pub crc: u32,
    /// Offset of all that comes after the spans: filters, page index, footer.
    pub tail_from: u64,
    /// CRC-32 of all that comes after the spans.
    pub tail_crc: u32,
    /// First and last start and arrival of its spans.
    pub times: Times,
    /// Spans that come before this in the log are in this segment or an earlier one.
    pub sealed_up_to: Position,
}

/// First and last times of some spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// First start, nanoseconds since the Unix epoch.
    pub min_start: u64,
    /// Last start.
    pub max_start: u64,
    /// First known arrival, nanoseconds since the Unix epoch; 0 where none is known.
    pub min_received: u64,
    /// Last known arrival; 0 where none is known.
    pub max_received: u64,
}

impl Times {
    /// Of no span.
    pub(super) const NONE: Self =
        Self { min_start: u64::MAX, max_start: 0, min_received: 0, max_received: 0 };

    /// Takes more spans in.
    pub(super) fn extend(&mut self, starts: &[u64], arrivals: &[u64]) {
        for &start in starts {
            self.min_start = self.min_start.min(start);
            self.max_start = self.max_start.max(start);
        }
        for &arrival in arrivals.iter().filter(|&&arrival| arrival != 0) {
            let first = if self.min_received == 0 { arrival } else { self.min_received };
            self.min_received = first.min(arrival);
            self.max_received = self.max_received.max(arrival);
        }
    }

    /// What age is counted from: the last arrival, or the last start where none is known.
    pub(super) fn newest(&self) -> u64 {
        if self.max_received == 0 { self.max_start } else { self.max_received }
    }

    /// Numbers, for a line of the manifest and for the metadata of a file.
    fn numbers(self) -> [u64; 4] {
        let Self { min_start, max_start, min_received, max_received } = self;
        [min_start, max_start, min_received, max_received]
    }
}

impl Segment {
    /// The name of its file: the number, and what it takes to check the end of the file without
    /// the manifest.
    #[must_use]
    pub fn file_name(&self) -> PathBuf {
        let Self { number, tail_from, tail_crc, .. } = self;
        PathBuf::from(format!("{number:020}-{tail_from:x}-{tail_crc:08x}{ENDING}"))
    }

    /// All of it as text: numbers with a space between them.
    pub(super) fn to_line(&self) -> String {
        let Self { number, rows, bytes, crc, tail_from, tail_crc, times, sealed_up_to } = self;
        let footer = footer_text(*times, *sealed_up_to);
        format!("{number} {rows} {bytes} {crc} {tail_from} {tail_crc} {footer}")
    }

    /// Reads [`Segment::to_line`].
    pub(super) fn from_line(line: &str) -> Option<Self> {
        let (numbers, rest) = numbers::<6>(line)?;
        let (times, sealed_up_to) = from_footer_text(rest)?;
        let [number, rows, bytes, crc, tail_from, tail_crc] = numbers;
        let (crc, tail_crc) = (u32::try_from(crc).ok()?, u32::try_from(tail_crc).ok()?);
        Some(Self { number, rows, bytes, crc, tail_from, tail_crc, times, sealed_up_to })
    }
}

/// What a segment says of itself in its footer, should the manifest be lost.
pub(super) fn footer_text(times: Times, sealed_up_to: Position) -> String {
    let mut text = String::new();
    for number in times.numbers() {
        write!(text, "{number} ").expect("writing to a String can't fail");
    }
    let Position { segment, offset } = sealed_up_to;
    text + &format!("{segment} {offset}")
}

/// Reads [`footer_text`].
pub(super) fn from_footer_text(text: &str) -> Option<(Times, Position)> {
    let ([min_start, max_start, min_received, max_received, segment, offset], rest) =
        numbers::<6>(text)?;
    let times = Times { min_start, max_start, min_received, max_received };
    rest.is_empty().then_some((times, Position { segment, offset }))
}

/// So many numbers with a space between them, and what comes after the next space.
pub(super) fn numbers<const N: usize>(text: &str) -> Option<([u64; N], &str)> {
    let mut found = [0; N];
    let mut rest = text;
    for number in &mut found {
        let (digits, after) = rest.split_once(' ').unwrap_or((rest, ""));
        *number = digits.parse().ok()?;
        rest = after;
    }
    Some((found, rest))
}

/// What the name of a segment's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) number: u64,
    pub(super) tail_from: u64,
    pub(super) tail_crc: u32,
}

/// Reads [`Segment::file_name`].
pub(super) fn read_name(name: &OsStr) -> Option<Named> {
    let mut parts = name.to_str()?.strip_suffix(ENDING)?.split('-');
    let number = parts.next()?.parse().ok()?;
    let tail_from = u64::from_str_radix(parts.next()?, 16).ok()?;
    let tail_crc = u32::from_str_radix(parts.next()?, 16).ok()?;
    let plain = format!("{number:020}-{tail_from:x}-{tail_crc:08x}{ENDING}");
    (OsStr::new(&plain) == name).then_some(Named { number, tail_from, tail_crc })
}

/// The number of a segment by the name of its file.
pub(super) fn number_of(name: &OsStr) -> Option<u64> {
    read_name(name).map(|named| named.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_names_read_back() {
        let segment = Segment {
            number: 7,
            rows: 3,
            bytes: u64::MAX,
            crc: u32::MAX,
            tail_from: 5,
            tail_crc: 0,
            times: Times { min_start: 1, max_start: 2, min_received: 0, max_received: 9 },
            sealed_up_to: Position { segment: 4, offset: 8 },
        };
        assert_eq!(Segment::from_line(&segment.to_line()), Some(segment.clone()));
        assert_eq!(Segment::from_line(&(segment.to_line() + " 1")), None, "nothing may follow");
        assert_eq!(number_of(segment.file_name().as_os_str()), Some(7));
        let (number, tail_from, tail_crc) = (7, 5, 0);
        let named = Some(Named { number, tail_from, tail_crc });
        assert_eq!(read_name(segment.file_name().as_os_str()), named);
        let short = "00000000000000000007-5-0.parquet";
        for other in ["7.parquet", "manifest", short, "00000000000000000007-5-00000000.parquet.1"] {
            assert_eq!(number_of(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn unknown_arrivals_are_passed_over() {
        let mut times = Times::NONE;
        times.extend(&[5, 3], &[0, 0]);
        assert_eq!((times.min_start, times.max_start, times.newest()), (3, 5, 5));
        times.extend(&[4], &[9]);
        times.extend(&[4], &[7]);
        assert_eq!((times.min_received, times.max_received, times.newest()), (7, 9, 9));
    }
}
