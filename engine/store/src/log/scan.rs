//! Walks over the frames of a segment with one buffer, and finds the way again after damage.

use std::{
    io::{self, ErrorKind},
    ops::Range,
};

use super::{
    frame::{HEAD, Head, Kind, Seal},
    vfs::VfsFile,
};

/// Bytes read at a time; a longer frame is read whole.
const CHUNK: u64 = 1 << 20;

/// What lies at an offset of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A whole record, up to that offset; [`Scan::body`] has it until the next step.
    Record { to: u64 },
    /// A mark, up to that offset.
    Mark { to: u64 },
    /// Nothing that can be read, up to that offset, where a frame begins or the end is.
    Damage { to: u64 },
    /// The end.
    End,
}

/// A segment that is being read.
#[derive(Debug)]
pub(super) struct Scan {
    file: Box<dyn VfsFile>,
    seal: Seal,
    /// Bytes of the file from `start` on, `filled` of them.
    buffer: Vec<u8>,
    start: u64,
    filled: usize,
    /// The body of the last record.
    body: Range<usize>,
}

impl Scan {
    /// Reads a file; the buffer may come from the one before.
    pub(super) fn new(file: Box<dyn VfsFile>, seal: Seal, buffer: Vec<u8>) -> Self {
        Self { file, seal, buffer, start: 0, filled: 0, body: 0..0 }
    }

    /// Gives the buffer back.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Looks at what lies at an offset. Nothing at or after `end` is read: the bytes there may
    /// still change.
    pub(super) fn step(&mut self, at: u64, end: u64) -> io::Result<Step> {
        if at >= end {
            return Ok(Step::End);
        }
        let seal = self.seal;
        let window = self.window(at, HEAD, end)?;
        let Some(head) = Head::decode(window, seal, at) else {
            return Ok(Step::Damage { to: self.next_head(at + 1, end)? });
        };
        let to = at + head.frame_bytes();
        if to > end {
            return Ok(Step::Damage { to: end });
        }
        let bytes = in_memory(head.frame_bytes())?;
        if self.window(at, head.frame_bytes(), end)?.len() < bytes {
            return Ok(Step::Damage { to });
        }
        let place = self.place(at);
        self.body = place + HEAD as usize..place + bytes;
        if crc32fast::hash(self.body()) != head.body_crc {
            return Ok(Step::Damage { to });
        }
        Ok(match head.kind {
            Kind::Record => Step::Record { to },
            Kind::Mark => Step::Mark { to },
        })
    }

    /// The body of the record that the last step found.
    pub(super) fn body(&self) -> &[u8] {
        &self.buffer[self.body.clone()]
    }

    /// The bytes from an offset on, at least one unless the file is shorter than `end`.
    pub(super) fn bytes(&mut self, at: u64, end: u64) -> io::Result<&[u8]> {
        self.window(at, 1, end)
    }

    /// Where the next head is that can be read, at or after an offset; `end` when there is none.
    fn next_head(&mut self, from: u64, end: u64) -> io::Result<u64> {
        let seal = self.seal;
        let mut at = from;
        while at + HEAD <= end {
            let window = self.window(at, HEAD, end)?;
            if (window.len() as u64) < HEAD {
                break;
            }
            let found = (at..)
                .zip(window.windows(HEAD as usize))
                .find(|&(offset, bytes)| Head::decode(bytes, seal, offset).is_some());
            if let Some((offset, _)) = found {
                return Ok(offset);
            }
            at += window.len() as u64 - HEAD + 1;
        }
        Ok(end)
    }

    /// What the buffer has from an offset on, having read at least `length` bytes there unless the
    /// file or `end` comes sooner.
    fn window(&mut self, at: u64, length: u64, end: u64) -> io::Result<&[u8]> {
        let wanted = length.min(end - at);
        let buffered = self.start..self.start + self.filled as u64;
        if !(buffered.contains(&at) && at + wanted <= buffered.end) {
            self.fill(at, wanted, end)?;
        }
        Ok(&self.buffer[self.place(at)..self.filled])
    }

    fn fill(&mut self, at: u64, wanted: u64, end: u64) -> io::Result<()> {
        let buffered = self.start..self.start + self.filled as u64;
        if buffered.contains(&at) {
            let from = self.place(at);
            self.buffer.copy_within(from..self.filled, 0);
            self.filled -= from;
        } else {
            self.filled = 0;
        }
        self.start = at;
        self.body = 0..0;
        let (wanted, capacity) = (in_memory(wanted)?, in_memory(wanted.max(CHUNK).min(end - at))?);
        if self.buffer.len() < capacity {
            self.buffer.resize(capacity, 0);
        }
        while self.filled < wanted {
            let offset = at + self.filled as u64;
            match self.file.read_at(offset, &mut self.buffer[self.filled..capacity]) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where in the buffer an offset of the file is.
    fn place(&self, at: u64) -> usize {
        // An offset inside the buffer, whose length is a usize.
        (at - self.start) as usize
    }
}

fn in_memory(bytes: u64) -> io::Result<usize> {
    usize::try_from(bytes).map_err(|_| ErrorKind::OutOfMemory.into())
}
