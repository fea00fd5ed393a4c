//! A window over a stream: the bytes that are not used up yet, in one piece.

use std::io::{self, Read};

/// How much is asked of the stream at once: large enough that calls do not count, small enough to
/// stay in the processor's cache until it is decoded.
const CHUNK: usize = 256 << 10;

pub(crate) struct Buffer<'r> {
    source: Box<dyn Read + 'r>,
    bytes: Vec<u8>,
    from: usize,
    filled: usize,
    /// Offset in the stream of the first byte that is not used up.
    offset: u64,
    ended: bool,
}

impl<'r> Buffer<'r> {
    pub(crate) fn new(source: Box<dyn Read + 'r>) -> Self {
        Self { source, bytes: Vec::new(), from: 0, filled: 0, offset: 0, ended: false }
    }

    /// The bytes at hand.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.from..self.filled]
    }

    /// Where in the stream the bytes at hand begin.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// True when the stream has no more bytes than those at hand.
    pub(crate) const fn ended(&self) -> bool {
        self.ended
    }

    /// Uses up the first bytes at hand.
    pub(crate) const fn consume(&mut self, n: usize) {
        self.from += n;
        self.offset += n as u64;
    }

    /// Gets more bytes; false when there are none.
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.bytes.copy_within(self.from..self.filled, 0);
        self.filled -= self.from;
        self.from = 0;
        if self.bytes.len() < self.filled + CHUNK {
            self.bytes.resize(self.filled + CHUNK, 0);
        }
        loop {
            match self.source.read(&mut self.bytes[self.filled..]) {
                Ok(n) => {
                    self.filled += n;
                    self.ended = n == 0;
                    return Ok(n > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gets more bytes until so many are at hand; false when the stream ends before.
    pub(crate) fn at_least(&mut self, n: usize) -> io::Result<bool> {
        while self.bytes().len() < n {
            if !self.more()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rest as a stream again, from the first byte at hand.
    pub(crate) fn into_source(self) -> Box<dyn Read + 'r> {
        let head = io::Cursor::new(self.bytes);
        let mut head = head.take(self.filled as u64);
        head.get_mut().set_position(self.from as u64);
        head.set_limit((self.filled - self.from) as u64);
        Box::new(head.chain(self.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some((&first, rest)) = self.0.split_first() else { return Ok(0) };
            into[0] = first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn bytes_come_in_one_piece_and_can_be_given_back() {
        let mut buffer = Buffer::new(Box::new(Slow(b"0123456789")));
        assert!(buffer.at_least(4).expect("no fault"));
        assert_eq!(buffer.bytes(), b"0123");
        buffer.consume(3);
        assert_eq!(buffer.offset(), 3);
        assert!(buffer.at_least(3).expect("no fault"));
        assert_eq!(buffer.bytes(), b"345");
        let mut rest = String::new();
        buffer.into_source().read_to_string(&mut rest).expect("no fault");
        assert_eq!(rest, "3456789");
        let mut short = Buffer::new(Box::new(Slow(b"ab")));
        assert!(!short.at_least(3).expect("no fault"));
        assert!(short.ended());
        assert_eq!(short.bytes(), b"ab");
    }
}
