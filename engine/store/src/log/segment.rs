//! The beginning of a segment file, and its name.
//!
//! A segment begins with a block of 4096 bytes that holds two copies of the same 64, at 0 and at
//! 2048: magic, format version, number, where the previous segment ended, when it was made, CRC-32.
//! The time serves as the salt of the frames: whoever sends records can't know it to the nanosecond.
//! Where the previous segment ended is what tells its acknowledged records from the leftovers of a
//! write that failed.

use std::{ffi::OsStr, path::PathBuf};

use super::{Position, frame::Seal};

/// Where the first frame of a segment begins.
pub(super) const FIRST_FRAME: u64 = 4096;
/// The same, to measure arrays with.
pub(super) const BLOCK: usize = 4096;
/// Where the second copy of the header begins.
const SECOND: usize = 2048;
const COPY: usize = 64;
const MAGIC: [u8; 8] = *b"RESUSLOG";
const VERSION: u32 = 1;
/// Bytes of the fields before the checksum.
const FIELDS: usize = 44;
/// Behind the number in a segment's name.
const ENDING: &str = ".log";
/// Numbers from here on are no segment's.
const NUMBERS_END: u64 = u64::MAX / 2;
/// Whoever opens a log may ask for no number above it: as many again are left for what follows.
pub(super) const HIGHEST_FIRST: u64 = NUMBERS_END / 2;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Its number; a later segment has a higher one.
    pub(super) number: u64,
    /// Where the acknowledged records of the segment before it end; `None` for the first one.
    pub(super) previous: Option<Position>,
    /// When it was made, in nanoseconds since 1970.
    pub(super) created_unix_nano: u64,
}

/// Why a header says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Written by a later format version.
    Future(u32),
    /// No copy of the header is whole.
    Unreadable,
}

impl Header {
    /// What binds the segment's frames to it.
    pub(super) fn seal(self) -> Seal {
        Seal { salt: self.created_unix_nano, segment: self.number }
    }

    /// The block at the beginning of its file.
    pub(super) fn encode(self) -> [u8; BLOCK] {
        let mut copy = [0; COPY];
        let previous = self.previous.unwrap_or(Position { segment: 0, offset: 0 });
        copy[..8].copy_from_slice(&MAGIC);
        copy[8..12].copy_from_slice(&VERSION.to_le_bytes());
        copy[12..20].copy_from_slice(&self.number.to_le_bytes());
        copy[20..28].copy_from_slice(&previous.segment.to_le_bytes());
        copy[28..36].copy_from_slice(&previous.offset.to_le_bytes());
        copy[36..FIELDS].copy_from_slice(&self.created_unix_nano.to_le_bytes());
        let crc = crc32fast::hash(&copy[..FIELDS]);
        copy[FIELDS..FIELDS + 4].copy_from_slice(&crc.to_le_bytes());
        let mut block = [0; BLOCK];
        block[..COPY].copy_from_slice(&copy);
        block[SECOND..SECOND + COPY].copy_from_slice(&copy);
        block
    }

    /// Reads the block, or as much as there is of it.
    pub(super) fn decode(block: &[u8]) -> Result<Self, HeaderFault> {
        let copies = [block.get(..COPY), block.get(SECOND..SECOND + COPY)];
        let copies = copies.map(|copy| decode_copy(copy.unwrap_or_default()));
        let whole = copies.iter().find_map(|copy| copy.ok());
        whole.map_or_else(
            || {
                let future = |copy: &Result<Self, HeaderFault>| match copy {
                    Err(HeaderFault::Future(version)) => Some(*version),
                    _ => None,
                };
                Err(copies
                    .iter()
                    .find_map(future)
                    .map_or(HeaderFault::Unreadable, HeaderFault::Future))
            },
            Ok,
        )
    }
}

fn decode_copy(copy: &[u8]) -> Result<Header, HeaderFault> {
    if copy.len() < COPY || copy[..8] != MAGIC {
        return Err(HeaderFault::Unreadable);
    }
    let word = |at: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&copy[at..at + 4]);
        u32::from_le_bytes(word)
    };
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    // The version is looked at first: a later format may keep its checksum elsewhere.
    let version = word(8);
    if version > VERSION {
        return Err(HeaderFault::Future(version));
    }
    if version != VERSION || word(FIELDS) != crc32fast::hash(&copy[..FIELDS]) {
        return Err(HeaderFault::Unreadable);
    }
    let previous = Position { segment: long(20), offset: long(28) };
    Ok(Header {
        number: long(12),
        previous: (previous.segment != 0).then_some(previous),
        created_unix_nano: long(36),
    })
}

/// The name of a segment's file: twenty digits, so that names sort as numbers do.
pub(super) fn file_name(number: u64) -> PathBuf {
    PathBuf::from(format!("{number:020}{ENDING}"))
}

/// The number in a segment's name. Numbers that no log reaches are no segment's: the next one
/// would have no number.
pub(super) fn number_of(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(ENDING)?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    let number = if all_digits { digits.parse().ok()? } else { return None };
    (1..NUMBERS_END).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            number: 9,
            previous: Some(Position { segment: 8, offset: 5000 }),
            created_unix_nano: 1_700_000_000_123_456_789,
        }
    }

    #[test]
    fn a_header_survives_the_loss_of_one_copy() {
        let block = header().encode();
        assert_eq!(Header::decode(&block), Ok(header()));
        for at in 0..BLOCK {
            let mut flipped = block;
            flipped[at] ^= 0x55;
            assert_eq!(Header::decode(&flipped), Ok(header()), "byte {at}");
        }
        let mut lost = block;
        lost[..SECOND].fill(0);
        assert_eq!(Header::decode(&lost), Ok(header()));
        lost.fill(0);
        assert_eq!(Header::decode(&lost), Err(HeaderFault::Unreadable));
        assert_eq!(Header::decode(&block[..COPY]), Ok(header()));
        assert_eq!(Header::decode(&block[..COPY - 1]), Err(HeaderFault::Unreadable));
        assert_eq!(Header::decode(&[]), Err(HeaderFault::Unreadable));
    }

    #[test]
    fn a_first_segment_has_none_before_it() {
        let first = Header { previous: None, ..header() };
        assert_eq!(Header::decode(&first.encode()), Ok(first));
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut block = header().encode();
        block[8] = 2;
        block[SECOND + 8] = 2;
        assert_eq!(Header::decode(&block), Err(HeaderFault::Future(2)));
    }

    #[test]
    fn names_are_numbers_of_twenty_digits() {
        assert_eq!(number_of(file_name(42).as_os_str()), Some(42));
        for other in ["42.log", "lock", "00000000000000000042.log.tmp", "18446744073709551615.log"]
        {
            assert_eq!(number_of(OsStr::new(other)), None, "{other}");
        }
        assert_eq!(number_of(file_name(0).as_os_str()), None);
        assert!(file_name(9) < file_name(10));
    }
}
