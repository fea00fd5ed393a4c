//! Lengths of time and budgets as an operator writes them: `500ms`, `8s`, `1h30m`, `3/1h`.

use std::fmt;

/// A length of time in whole milliseconds, at most [`Millis::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(u64);

/// At most so many restarts in so long, sliding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Budget {
    /// How many; at least 1.
    pub restarts: u32,
    /// In how long; not zero.
    pub per: Millis,
}

/// Units, longest first: milliseconds in one, and its name.
const UNITS: [(u64, &str); 5] =
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];

impl Millis {
    /// 365 days. A longer time in a restart tree is a slip of the pen, and sums of several stay far
    /// below 2^53, where JSON numbers begin to lose digits.
    pub const MAX: Self = Self(365 * 86_400_000);

    /// So many milliseconds, at most [`Millis::MAX`].
    #[must_use]
    pub const fn new(ms: u64) -> Self {
        if ms < Self::MAX.0 { Self(ms) } else { Self::MAX }
    }

    /// So many seconds, at most [`Millis::MAX`].
    #[must_use]
    pub const fn seconds(s: u64) -> Self {
        Self::new(s.saturating_mul(1_000))
    }

    /// The number of milliseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads `500ms`, `8s`, `10m`, `1h`, `2d`, or several from long to short, `1h30m`. `None` when
    /// the text is not of that form or too long a time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut total = 0_u64;
        let mut units = UNITS.as_slice();
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let at = units.iter().position(|(_, name)| *name == &rest[..letters])?;
            total = total.checked_add(number.checked_mul(units[at].0)?)?;
            units = &units[at + 1..];
            rest = &rest[letters..];
        }
        (!text.is_empty() && total <= Self::MAX.0).then_some(Self(total))
    }
}

impl fmt::Display for Millis {
    /// The shortest text that [`Millis::parse`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut text = String::new();
        for (size, name) in UNITS {
            if rest >= size {
                text.push_str(&format!("{}{name}", rest / size));
                rest %= size;
            }
        }
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

impl Budget {
    /// Reads `3/1h`. `None` when the text is not of that form, or a part is zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (restarts, per) = text.split_once('/')?;
        let restarts: u32 = restarts.trim().parse().ok()?;
        let per = Millis::parse(per.trim())?;
        (restarts > 0 && per.get() > 0).then_some(Self { restarts, per })
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.restarts, self.per)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_as_written() {
        for (text, ms) in [
            ("500ms", 500),
            ("8s", 8_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1d1h1m1s1ms", 90_061_001),
            ("0s", 0),
            ("90s", 90_000),
        ] {
            assert_eq!(Millis::parse(text), Some(Millis(ms)), "{text}");
        }
        for text in ["", "8", "s", "8 s", "-1s", "1.5s", "30m1h", "1s1s", "8sec", "99999d", "é"] {
            assert_eq!(Millis::parse(text), None, "{text}");
        }
    }

    #[test]
    fn budgets_as_written() {
        let hour = Millis::seconds(3600);
        assert_eq!(Budget::parse("3/1h"), Some(Budget { restarts: 3, per: hour }));
        for text in ["0/1h", "3/0s", "3", "3/h", "/1h", "-1/1h"] {
            assert_eq!(Budget::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_reads_back(ms in 0..=Millis::MAX.0) {
            prop_assert_eq!(Millis::parse(&Millis(ms).to_string()), Some(Millis(ms)));
        }
    }
}
