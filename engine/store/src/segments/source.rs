//! An open segment: every byte that comes out of it has been checked.

use std::{
    io::{self, Read},
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf as _, Bytes};
use parquet::{
    errors::ParquetError,
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader},
        reader::{ChunkReader, Length},
    },
};

use super::{
    blocks::{BLOCK, Blocks},
    segment::{Named, Segment, Times, from_footer_text},
    writer::{BLOCKS_KEY, SEGMENT_KEY},
};
use crate::log::{
    Position,
    vfs::{Vfs, VfsFile},
};

/// What is wrong with a segment's file.
#[derive(Debug, thiserror::Error)]
pub enum SegmentFault {
    /// The system does not hand it out.
    #[error("it can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is shorter or longer than what was written.
    #[error("it has {found} bytes, {expected} were written")]
    Size {
        /// Its size in bytes.
        found: u64,
        /// The size that was written.
        expected: u64,
    },
    /// What lies from an offset on is not what was written.
    #[error("the bytes from offset {offset} on are not those that were written")]
    Damaged {
        /// In bytes, from the beginning of the file.
        offset: u64,
    },
    /// It makes no sense as a file of spans.
    #[error("it is no file of spans: {0}")]
    Form(String),
}

impl From<ParquetError> for SegmentFault {
    fn from(error: ParquetError) -> Self {
        Self::Form(error.to_string())
    }
}

/// An open segment; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Mutex<Box<dyn VfsFile>>,
    tail: Tail,
    blocks: Blocks,
    /// The first fault that was met: decoders keep no more of it than its text.
    fault: Mutex<Option<SegmentFault>>,
}

/// All that comes after the spans, in memory.
#[derive(Debug, Clone)]
struct Tail {
    from: u64,
    bytes: Bytes,
}

impl Source {
    /// Opens a segment and checks all that comes after its spans.
    pub(super) fn open(
        vfs: &dyn Vfs,
        folder: &Path,
        segment: &Segment,
    ) -> Result<(Self, ParquetMetaData), SegmentFault> {
        let (file, bytes) = tail(vfs, &folder.join(segment.file_name()), segment)?;
        let tail = Tail { from: segment.tail_from, bytes };
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&tail)?;
        let blocks = pair(&metadata, BLOCKS_KEY)
            .and_then(|text| Blocks::from_text(text, segment.tail_from))
            .ok_or_else(|| SegmentFault::Form(format!("its {BLOCKS_KEY} are not readable")))?;
        let inner = Inner { file: Mutex::new(file), tail, blocks, fault: Mutex::new(None) };
        Ok((Self(Arc::new(inner)), metadata))
    }

    /// What a decoder failed of: the fault of the file that it met, or what it says.
    pub(super) fn explain(&self, said: SegmentFault) -> SegmentFault {
        lock(&self.0.fault).take().unwrap_or(said)
    }

    /// Keeps a fault, and returns what to tell the decoder.
    fn keep(&self, fault: SegmentFault) -> String {
        let text = fault.to_string();
        lock(&self.0.fault).get_or_insert(fault);
        text
    }

    /// Bytes, from whole blocks that were checked.
    fn checked(&self, range: Range<u64>) -> Result<Bytes, SegmentFault> {
        let Inner { file, tail, blocks, fault: _ } = &*self.0;
        if range.start >= tail.from {
            return Ok(tail.part(range)?);
        }
        if range.end > tail.from {
            return Err(SegmentFault::Form(format!("its pages overlap offset {}", tail.from)));
        }
        let around = blocks.around(range.clone());
        let mut bytes = vec![0; to_usize(around.end - around.start)];
        read_exact(&mut **lock(file), around.start, &mut bytes)?;
        if let Some(offset) = blocks.damaged(around.start, &bytes) {
            return Err(SegmentFault::Damaged { offset });
        }
        let from = to_usize(range.start - around.start);
        Ok(Bytes::from(bytes).slice(from..from + to_usize(range.end - range.start)))
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.0.tail.len()
    }
}

impl ChunkReader for Source {
    type T = Checked;

    fn get_read(&self, start: u64) -> Result<Checked, ParquetError> {
        Ok(Checked { source: self.clone(), at: start, ahead: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|&end| end <= self.len());
        let end = end.ok_or_else(|| beyond(start, length))?;
        self.checked(start..end).map_err(|fault| ParquetError::General(self.keep(fault)))
    }
}

impl Length for Tail {
    fn len(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }
}

impl ChunkReader for Tail {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.part(start..self.len())?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).ok_or_else(|| beyond(start, length))?;
        self.part(start..end)
    }
}

impl Tail {
    fn part(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let inside = range.start >= self.from && range.end <= self.len();
        if !inside || range.start > range.end {
            return Err(beyond(range.start, to_usize(range.end.saturating_sub(range.start))));
        }
        let from = to_usize(range.start - self.from);
        Ok(self.bytes.slice(from..from + to_usize(range.end - range.start)))
    }
}

fn beyond(start: u64, length: usize) -> ParquetError {
    ParquetError::EOF(format!("{length} bytes at offset {start} are not all in the file"))
}

/// Reads on from an offset, block by block.
#[derive(Debug)]
pub(super) struct Checked {
    source: Source,
    at: u64,
    ahead: Bytes,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            let end = (self.at / BLOCK + 1) * BLOCK;
            let tail = &self.source.0.tail;
            let end = end.min(if self.at < tail.from { tail.from } else { tail.len() });
            if self.at >= end {
                return Ok(0);
            }
            let checked = self.source.checked(self.at..end);
            self.ahead = checked.map_err(|fault| io::Error::other(self.source.keep(fault)))?;
            self.at = end;
        }
        let n = buffer.len().min(self.ahead.len());
        self.ahead.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}

/// Opens a segment and checks its size and all that comes after its spans, which it returns.
pub(super) fn tail(
    vfs: &dyn Vfs,
    path: &Path,
    segment: &Segment,
) -> Result<(Box<dyn VfsFile>, Bytes), SegmentFault> {
    let mut file = vfs.open(path)?;
    let (found, expected) = (file.size()?, segment.bytes);
    if found != expected {
        return Err(SegmentFault::Size { found, expected });
    }
    let from = segment.tail_from;
    let length = expected.checked_sub(from).ok_or(SegmentFault::Damaged { offset: from })?;
    let mut bytes = vec![0; to_usize(length)];
    read_exact(&mut *file, from, &mut bytes)?;
    if crc32fast::hash(&bytes) != segment.tail_crc {
        return Err(SegmentFault::Damaged { offset: from });
    }
    Ok((file, Bytes::from(bytes)))
}

/// Reads a whole segment and compares its checksum.
pub(super) fn verify(vfs: &dyn Vfs, folder: &Path, segment: &Segment) -> Result<(), SegmentFault> {
    let (mut file, _) = tail(vfs, &folder.join(segment.file_name()), segment)?;
    let crc = whole_crc(&mut *file, segment.bytes, |_, _| ())?;
    if crc != segment.crc {
        // Where the damage is, the blocks know.
        let (source, _) = Source::open(vfs, folder, segment)?;
        let mut at = 0;
        while at < segment.tail_from {
            let end = (at + BLOCK).min(segment.tail_from);
            source.checked(at..end)?;
            at = end;
        }
        return Err(SegmentFault::Form("its checksum in the manifest is another".to_owned()));
    }
    Ok(())
}

/// The checksum of a whole file; each block is shown on the way.
fn whole_crc(
    file: &mut dyn VfsFile,
    size: u64,
    mut show: impl FnMut(u64, &[u8]),
) -> io::Result<u32> {
    let mut whole = crc32fast::Hasher::new();
    let mut buffer = vec![0; to_usize(16 * BLOCK)];
    let mut at = 0;
    while at < size {
        let n = to_usize((size - at).min(buffer.len() as u64));
        read_exact(file, at, &mut buffer[..n])?;
        whole.update(&buffer[..n]);
        show(at, &buffer[..n]);
        at += n as u64;
    }
    Ok(whole.finalize())
}

/// Finds out what a file is that the manifest does not tell of, from its name and its own footer.
/// Every byte is compared with a checksum.
pub(super) fn examine(
    vfs: &dyn Vfs,
    folder: &Path,
    name: &Path,
    named: Named,
) -> Result<Segment, SegmentFault> {
    let path = folder.join(name);
    let mut file = vfs.open(&path)?;
    let bytes = file.size()?;
    let Named { number, tail_from, tail_crc } = named;
    let mut segment = Segment {
        number,
        rows: 0,
        bytes,
        crc: 0,
        tail_from,
        tail_crc,
        times: Times::NONE,
        sealed_up_to: Position::START,
    };
    let (source, metadata) = Source::open(vfs, folder, &segment)?;
    let mut damaged = None;
    segment.crc = whole_crc(&mut *file, bytes, |at, bytes| {
        let spans = to_usize(tail_from.saturating_sub(at)).min(bytes.len());
        damaged = damaged.or_else(|| source.0.blocks.damaged(at, &bytes[..spans]));
    })?;
    if let Some(offset) = damaged {
        return Err(SegmentFault::Damaged { offset });
    }
    let about = pair(&metadata, SEGMENT_KEY).and_then(from_footer_text);
    (segment.times, segment.sealed_up_to) = about
        .ok_or_else(|| SegmentFault::Form(format!("its {SEGMENT_KEY} is missing or unreadable")))?;
    segment.rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
    Ok(segment)
}

/// A pair of a file's metadata.
fn pair<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
}

/// Fills a buffer with what lies at an offset.
pub(super) fn read_exact(file: &mut dyn VfsFile, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whoever panicked with it left nothing half done: each read says where it begins.
fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lengths are of what is in memory, or soon will be.
fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
