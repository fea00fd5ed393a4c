//! Are the texts of a body UTF-8? Nearly all are ASCII, and much of what stands between them is too,
//! so that one scan answers for many texts.

/// How far ahead one scan looks for a byte that is not ASCII: as many as several spans take, so that
/// the start of a scan costs nothing, and few enough to stay in the first cache.
const AHEAD: usize = 4096;

/// The texts of one body, in the order of the body.
#[derive(Debug)]
pub(super) struct Utf8<'a> {
    body: &'a [u8],
    /// Address of the body's first byte: where a text stands is the difference.
    base: usize,
    /// All bytes of `body[from..until]` are ASCII.
    from: usize,
    until: usize,
}

impl<'a> Utf8<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { body, base: body.as_ptr().addr(), from: 0, until: 0 }
    }

    /// True when a part of the body is known to be ASCII, all of it.
    #[inline]
    pub(super) fn is_ascii(&mut self, part: &[u8]) -> bool {
        let start = part.as_ptr().addr().wrapping_sub(self.base);
        let end = start.wrapping_add(part.len());
        if start >= self.until {
            self.scan(start);
        }
        start >= self.from && end <= self.until
    }

    /// True when the text, a part of the body, is UTF-8.
    #[inline]
    pub(super) fn is_valid(&mut self, text: &[u8]) -> bool {
        // Texts come in the order of the body, so the first comparison is for safety alone.
        let start = text.as_ptr().addr().wrapping_sub(self.base);
        let end = start.wrapping_add(text.len());
        (start >= self.from && end <= self.until) || self.look(start, end, text)
    }

    /// The same, where the last scan ended before the text's end.
    #[inline(never)]
    fn look(&mut self, start: usize, end: usize, text: &[u8]) -> bool {
        if start >= self.until {
            self.scan(start);
        }
        (start >= self.from && end <= self.until) || std::str::from_utf8(text).is_ok()
    }

    /// Looks how far the body is ASCII from a place on.
    #[inline(never)]
    fn scan(&mut self, start: usize) {
        if let Some(ahead) = self.body.get(start..) {
            self.from = start;
            self.until = start + ascii_prefix(&ahead[..ahead.len().min(AHEAD)]);
        }
    }
}

/// How many bytes at the beginning are ASCII.
fn ascii_prefix(bytes: &[u8]) -> usize {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (blocks, tail) = bytes.as_chunks::<32>();
    let mut clean = 0;
    for block in blocks {
        // One comparison a block: the compiler makes vector instructions of it.
        if block.iter().fold(0, |all, &byte| all | byte) >= 0x80 {
            let (words, _) = block.as_chunks::<8>();
            for word in words {
                let high = u64::from_le_bytes(*word) & HIGH;
                if high != 0 {
                    return clean + high.trailing_zeros() as usize / 8;
                }
                clean += 8;
            }
        }
        clean += 32;
    }
    clean + tail.iter().position(|&byte| byte >= 0x80).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_high_byte_is_found_wherever_it_stands() {
        for length in 0..100 {
            let mut bytes = vec![b'a'; length];
            assert_eq!(ascii_prefix(&bytes), length);
            for at in (0..length).rev() {
                bytes[at] = 0xc3;
                assert_eq!(ascii_prefix(&bytes), at, "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn texts_in_any_order_are_judged_as_by_the_standard_library(
            body in vec(prop_oneof![9 => 0x20..0x7f_u8, 1 => any::<u8>()], 0..200),
            parts in vec((0..200_usize, 0..60_usize), 0..20),
        ) {
            let mut utf8 = Utf8::of(&body);
            for (start, length) in parts {
                let start = start.min(body.len());
                let text = &body[start..(start + length).min(body.len())];
                prop_assert_eq!(utf8.is_valid(text), std::str::from_utf8(text).is_ok());
            }
        }
    }
}
