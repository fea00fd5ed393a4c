//! How a record lies in a segment: a head of 20 bytes, then its body.
//!
//! | bytes | what | |
//! | --- | --- | --- |
//! | 0..4 | magic | where a frame may begin, for the search after damage |
//! | 4..8 | kind | 1 record, 2 mark |
//! | 8..12 | length | of the body, in bytes; 0 is a record like any other |
//! | 12..16 | CRC-32 | of the body |
//! | 16..20 | CRC-32 | of salt, segment, offset, kind, length and the body's CRC |
//!
//! Numbers are little-endian; the CRC is that of IEEE 802.3. Zeros are no frame. Since the head has
//! a CRC of its own, a damaged body does not hide where the next frame begins. Since that covers
//! the place and the segment's salt, bytes in a body that look like a frame are not taken for one
//! when a damaged head makes the search go through them.
//!
//! A *mark* has no body. It is written right after a sync and says that all before it was durable:
//! damage before a mark is corruption, damage after the last one may be a torn write.

/// Bytes of a head.
pub(super) const HEAD: u64 = 20;
/// The same, to measure arrays with.
const HEAD_BYTES: usize = 20;
/// No text and no protobuf of everyday has these.
const MAGIC: [u8; 4] = [0xFF, b'R', b'S', 0xFA];

/// An encoded head.
pub(super) type HeadBytes = [u8; HEAD_BYTES];

/// What binds frames to their segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    /// A number that whoever sends records can't know.
    pub(super) salt: u64,
    /// The segment's number.
    pub(super) segment: u64,
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A record of whoever uses the log.
    Record = 1,
    /// All before it was durable when it was written.
    Mark = 2,
}

/// What a frame says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// What it is for.
    pub(super) kind: Kind,
    /// Bytes of the body.
    pub(super) length: u32,
    /// Checksum of the body.
    pub(super) body_crc: u32,
}

impl Head {
    /// The head of a mark.
    pub(super) const MARK: Self = Self { kind: Kind::Mark, length: 0, body_crc: 0 };

    /// As it lies in a segment, at that offset.
    pub(super) fn encode(self, seal: Seal, offset: u64) -> HeadBytes {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = head_crc(&bytes, seal, offset);
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The head at the beginning of the bytes, if they are one for that place.
    pub(super) fn decode(bytes: &[u8], seal: Seal, offset: u64) -> Option<Self> {
        let bytes: &HeadBytes = bytes.first_chunk()?;
        if bytes[..4] != MAGIC {
            return None;
        }
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(word)
        };
        let kind = match word(4) {
            1 => Kind::Record,
            2 => Kind::Mark,
            _ => return None,
        };
        (word(16) == head_crc(bytes, seal, offset)).then(|| Self {
            kind,
            length: word(8),
            body_crc: word(12),
        })
    }

    /// Bytes of head and body.
    pub(super) fn frame_bytes(self) -> u64 {
        HEAD + u64::from(self.length)
    }
}

/// The checksum of a body that is in two pieces.
pub(super) fn body_crc(first: &[u8], second: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(first);
    hasher.update(second);
    hasher.finalize()
}

fn head_crc(head: &HeadBytes, seal: Seal, offset: u64) -> u32 {
    let mut covered = [0; 36];
    covered[..8].copy_from_slice(&seal.salt.to_le_bytes());
    covered[8..16].copy_from_slice(&seal.segment.to_le_bytes());
    covered[16..24].copy_from_slice(&offset.to_le_bytes());
    covered[24..].copy_from_slice(&head[4..16]);
    crc32fast::hash(&covered)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = Seal { salt: 0x1234_5678_9ABC_DEF0, segment: 7 };

    #[test]
    fn a_head_is_read_back_in_its_place_alone() {
        let head = Head { kind: Kind::Record, length: 290_000, body_crc: 0xDEAD_BEEF };
        let bytes = head.encode(SEAL, 4096);
        assert_eq!(Head::decode(&bytes, SEAL, 4096), Some(head));
        assert_eq!(Head::decode(&bytes, SEAL, 4097), None, "another offset");
        assert_eq!(Head::decode(&bytes, Seal { segment: 8, ..SEAL }, 4096), None);
        assert_eq!(Head::decode(&bytes, Seal { salt: 0, ..SEAL }, 4096), None);
        assert_eq!(Head::decode(&bytes[..19], SEAL, 4096), None, "too short");
        assert_eq!(Head::decode(&[0; 64], SEAL, 4096), None, "zeros are no frame");
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let bytes = Head { kind: Kind::Record, length: 0, body_crc: 0 }.encode(SEAL, 4096);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&flipped, SEAL, 4096), None, "bit {bit}");
        }
    }

    #[test]
    fn the_checksum_does_not_see_where_a_body_is_cut() {
        let body = b"the quick brown fox";
        for cut in 0..=body.len() {
            assert_eq!(body_crc(&body[..cut], &body[cut..]), crc32fast::hash(body));
        }
    }
}
