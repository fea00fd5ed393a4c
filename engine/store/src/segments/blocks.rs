//! Checksums of a segment's bytes, block by block.
//!
//! Parquet has a place for a checksum in each page, but its writer leaves it empty. So a segment
//! carries a table in its footer: the CRC-32 of each block of 64 KiB up to the end of its spans. All
//! that comes after them, the table included, has a checksum in the manifest. Whoever reads a page
//! reads the blocks that it lies in, and no decoder sees a byte that was not written.

use std::{
    fmt::Write as _,
    io::{self, IoSlice, Write},
    ops::Range,
};

use crc32fast::Hasher;

use crate::log::vfs::{VfsFile, append_all};

/// Bytes of a block.
pub(super) const BLOCK: u64 = 64 << 10;

/// The checksums of a segment's blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocks {
    /// One a block.
    pub(super) crcs: Vec<u32>,
    /// Where the last block ends.
    pub(super) end: u64,
}

impl Blocks {
    /// As it stands in the metadata of a file: 8 hex digits a block.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.crcs.len() * 8);
        for crc in &self.crcs {
            write!(text, "{crc:08x}").expect("writing to a String can't fail");
        }
        text
    }

    /// Reads [`Blocks::to_text`].
    pub(super) fn from_text(text: &str, end: u64) -> Option<Self> {
        let digits = text.as_bytes().chunks(8);
        let crcs: Option<Vec<u32>> = digits
            .map(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
            .collect();
        let crcs = crcs?;
        (crcs.len() as u64 == end.div_ceil(BLOCK)).then_some(Self { crcs, end })
    }

    /// The blocks that bytes lie in, and where they lie.
    pub(super) fn around(&self, bytes: Range<u64>) -> Range<u64> {
        bytes.start / BLOCK * BLOCK..bytes.end.next_multiple_of(BLOCK).min(self.end)
    }

    /// The first block that is not what was written. `bytes` are whole blocks from `from` on.
    pub(super) fn damaged(&self, from: u64, bytes: &[u8]) -> Option<u64> {
        let first = from / BLOCK;
        let found = bytes.chunks(BLOCK_BYTES).map(crc32fast::hash);
        let mut numbered = (first..).zip(found);
        numbered.find(|&(n, found)| self.crc(n) != Some(found)).map(|(n, _)| n * BLOCK)
    }

    fn crc(&self, block: u64) -> Option<u32> {
        usize::try_from(block).ok().and_then(|block| self.crcs.get(block).copied())
    }
}

/// The same, to cut arrays with.
const BLOCK_BYTES: usize = 64 << 10;
/// Bytes that gather for one write.
const GATHERED: usize = 256 << 10;

/// Takes the bytes of a segment on their way to the file and sums them up.
#[derive(Debug)]
pub(super) struct Sink {
    file: Box<dyn VfsFile>,
    gathered: Vec<u8>,
    /// Bytes taken.
    taken: u64,
    whole: Hasher,
    block: Hasher,
    crcs: Vec<u32>,
    /// Set when all spans are written: where what comes after them begins.
    tail_from: Option<u64>,
}

/// What a sink took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) bytes: u64,
    pub(super) crc: u32,
    pub(super) tail_from: u64,
    pub(super) tail_crc: u32,
}

impl Sink {
    pub(super) fn new(file: Box<dyn VfsFile>) -> Self {
        Self {
            file,
            gathered: Vec::with_capacity(GATHERED),
            taken: 0,
            whole: Hasher::new(),
            block: Hasher::new(),
            crcs: Vec::new(),
            tail_from: None,
        }
    }

    /// All spans are written: the checksums of their blocks.
    pub(super) fn end_blocks(&mut self) -> Blocks {
        if !self.taken.is_multiple_of(BLOCK) {
            self.end_block();
        }
        self.tail_from = Some(self.taken);
        Blocks { crcs: self.crcs.clone(), end: self.taken }
    }

    /// Writes what is left and makes all of it durable.
    pub(super) fn sync(&mut self) -> io::Result<Sums> {
        self.write_out()?;
        self.file.sync_data()?;
        let tail_crc = self.block.clone().finalize();
        let mut whole = self.whole.clone();
        whole.combine(&self.block);
        let tail_from = self.tail_from.unwrap_or(self.taken);
        Ok(Sums { bytes: self.taken, crc: whole.finalize(), tail_from, tail_crc })
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.whole.combine(&block);
        self.crcs.push(block.finalize());
    }

    fn write_out(&mut self) -> io::Result<()> {
        append_all(&mut *self.file, &mut [IoSlice::new(&self.gathered)])?;
        self.gathered.clear();
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let of_block = match self.tail_from {
                Some(_) => rest.len(),
                None => rest.len().min(BLOCK_BYTES - place_in_block(self.taken)),
            };
            let (now, later) = rest.split_at(of_block);
            self.block.update(now);
            self.taken += now.len() as u64;
            if self.tail_from.is_none() && self.taken.is_multiple_of(BLOCK) {
                self.end_block();
            }
            rest = later;
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHERED {
            self.write_out()?;
        }
        Ok(bytes.len())
    }

    /// Does nothing: bytes are written when enough of them have gathered, and by [`Sink::sync`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn place_in_block(offset: u64) -> usize {
    (offset % BLOCK) as usize
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::log::vfs::{Vfs as _, simulated::Simulated};

    fn written(pieces: &[&[u8]], tail: &[u8]) -> (Blocks, Sums, Vec<u8>) {
        let vfs = Simulated::default();
        let path = Path::new("/file");
        let mut sink = Sink::new(vfs.create(path).expect("a new file"));
        for piece in pieces {
            sink.write_all(piece).expect("room");
        }
        let blocks = sink.end_blocks();
        sink.write_all(tail).expect("room");
        let sums = sink.sync().expect("room");
        (blocks, sums, vfs.bytes(path))
    }

    #[test]
    fn sums_are_those_of_the_file_however_it_was_written() {
        let all: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        for end in [0, 1, 65_535, 65_536, 65_537, 131_072, 299_999] {
            let (spans, tail) = all.split_at(end);
            let (blocks, sums, file) = written(&[spans], tail);
            assert_eq!(file, all);
            assert_eq!((sums.bytes, sums.tail_from), (300_000, end as u64));
            assert_eq!(sums.crc, crc32fast::hash(&all));
            assert_eq!(sums.tail_crc, crc32fast::hash(tail));
            assert_eq!(blocks.damaged(0, spans), None);
            assert_eq!(Blocks::from_text(&blocks.to_text(), end as u64), Some(blocks.clone()));
            assert_eq!(Blocks::from_text(&blocks.to_text(), end as u64 + 65_536), None);

            let pieces: Vec<&[u8]> = spans.chunks(777).collect();
            assert_eq!(written(&pieces, tail), (blocks, sums, all.clone()));
        }
    }

    #[test]
    fn a_flipped_bit_is_found_in_its_block() {
        let mut all = vec![7; 200_000];
        let (blocks, ..) = written(&[&all], b"");
        assert_eq!(blocks.around(65_537..131_072), 65_536..131_072);
        assert_eq!(blocks.around(131_071..131_073), 65_536..196_608);
        assert_eq!(blocks.around(199_000..199_001), 196_608..200_000);
        all[140_000] ^= 1;
        assert_eq!(blocks.damaged(65_536, &all[65_536..]), Some(131_072));
        assert_eq!(blocks.damaged(196_608, &all[196_608..]), None);
    }
}
