//! Trace and span identifiers as OpenTelemetry defines them (16 and 8 bytes, shown as lower-case hex).

use std::fmt;

/// Identifies a trace: 16 bytes, read big-endian so that order of numbers is order of hex text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TraceId {
    high: u64,
    low: u64,
}

/// Identifies a span within its trace: 8 bytes, read big-endian. Zero means *no span*.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanId(u64);

/// Why some text or bytes are not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// The text or bytes have another length than the identifier.
    #[error("expected {expected} hex digits or {} bytes, found {found} characters", expected / 2)]
    Length {
        /// Hex digits expected.
        expected: usize,
        /// Characters found.
        found: usize,
    },
    /// A character is no hex digit.
    #[error("character {at} is not a hex digit")]
    Digit {
        /// Zero-based place of the character.
        at: usize,
    },
}

impl TraceId {
    /// Makes an identifier of its 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let n = u128::from_be_bytes(bytes);
        Self::from_u128(n)
    }

    /// Makes an identifier of a number whose big-endian bytes are the identifier.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are wanted")]
    pub const fn from_u128(n: u128) -> Self {
        Self { high: (n >> 64) as u64, low: n as u64 }
    }

    /// The identifier as a number.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        (u128::from(self.high) << 64) | u128::from(self.low)
    }

    /// The last 8 bytes as a number: the random part by W3C Trace Context level 2.
    #[must_use]
    pub const fn low(self) -> u64 {
        self.low
    }

    /// Reads 32 hex digits, either case.
    ///
    /// # Errors
    /// Says which length or character is wrong.
    pub fn from_hex(text: &[u8]) -> Result<Self, ParseIdError> {
        if text.len() != 32 {
            return Err(ParseIdError::Length { expected: 32, found: text.len() });
        }
        let high = hex_u64(&text[..16], 0)?;
        let low = hex_u64(&text[16..], 16)?;
        Ok(Self { high, low })
    }

    /// True for the all-zero identifier, which OpenTelemetry calls invalid.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// A well-mixed 64-bit number that depends on the identifier alone: the same on every machine.
    ///
    /// It chooses partitions and samples (the k of smallest hash), so its value is part of the
    /// Evidence format: changing it changes which exemplars are kept.
    #[must_use]
    pub const fn mix(self) -> u64 {
        // The finaliser of SplitMix64 (Steele, Lea, Flood: OOPSLA 2014) over both halves.
        let mut z = self.high ^ self.low.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^= self.low;
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl SpanId {
    /// *No span*: the parent of a root.
    pub const NONE: Self = Self(0);

    /// Makes an identifier of its 8 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Makes an identifier of a number whose big-endian bytes are the identifier.
    #[must_use]
    pub const fn from_u64(n: u64) -> Self {
        Self(n)
    }

    /// The identifier as a number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Reads 16 hex digits, either case.
    ///
    /// # Errors
    /// Says which length or character is wrong.
    pub fn from_hex(text: &[u8]) -> Result<Self, ParseIdError> {
        if text.len() != 16 {
            return Err(ParseIdError::Length { expected: 16, found: text.len() });
        }
        hex_u64(text, 0).map(Self)
    }

    /// True for *no span*.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

/// The value of each byte as a hex digit; 0xff where it is none.
const HEX: [u8; 256] = {
    let mut table = [0xff_u8; 256];
    let mut i = 0_u8;
    while i < 10 {
        table[(b'0' + i) as usize] = i;
        i += 1;
    }
    let mut i = 0_u8;
    while i < 6 {
        table[(b'a' + i) as usize] = 10 + i;
        table[(b'A' + i) as usize] = 10 + i;
        i += 1;
    }
    table
};

fn hex_u64(digits: &[u8], offset: usize) -> Result<u64, ParseIdError> {
    let mut n = 0_u64;
    let mut seen = 0_u8;
    for &d in digits {
        let v = HEX[d as usize];
        seen |= v;
        n = (n << 4) | u64::from(v & 0xf);
    }
    if seen & 0xf0 == 0 {
        return Ok(n);
    }
    let at = digits.iter().position(|&d| HEX[d as usize] == 0xff).unwrap_or(0);
    Err(ParseIdError::Digit { at: offset + at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_of_either_case_reads_back_as_lower_case() {
        let id = TraceId::from_hex(b"5B8EFFF798038103D269B633813FC60C").expect("32 digits");
        assert_eq!(id.to_string(), "5b8efff798038103d269b633813fc60c");
        assert_eq!(TraceId::from_u128(id.as_u128()), id);
        let span = SpanId::from_hex(b"EEE19B7EC3C1B174").expect("16 digits");
        assert_eq!(span.to_string(), "eee19b7ec3c1b174");
    }

    #[test]
    fn wrong_text_says_what_is_wrong() {
        assert_eq!(TraceId::from_hex(b"5b"), Err(ParseIdError::Length { expected: 32, found: 2 }));
        assert_eq!(
            TraceId::from_hex(b"5b8efff798038103d269b633813fc60g"),
            Err(ParseIdError::Digit { at: 31 })
        );
        assert_eq!(SpanId::from_hex(b"x000000000000000"), Err(ParseIdError::Digit { at: 0 }));
    }
}
