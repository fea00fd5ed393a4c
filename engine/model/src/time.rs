//! Time: nanoseconds since the Unix epoch, and windows of it. Nobody here knows what time it is.

use std::fmt;

/// A half-open stretch of time, `from <= t < to`, in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// First nanosecond inside.
    pub from: u64,
    /// First nanosecond after.
    pub to: u64,
}

impl Window {
    /// All time.
    pub const ALL: Self = Self { from: 0, to: u64::MAX };

    /// True when the instant lies inside.
    #[must_use]
    pub const fn contains(self, unix_nano: u64) -> bool {
        self.from <= unix_nano && unix_nano < self.to
    }

    /// The smallest window that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }

    /// Its length in nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

impl fmt::Display for Window {
    /// Writes `FROM..TO` in Unix seconds, with nanoseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |f: &mut fmt::Formatter<'_>, n: u64| {
            let (s, rest) = (n / 1_000_000_000, n % 1_000_000_000);
            if rest == 0 { write!(f, "{s}") } else { write!(f, "{s}.{rest:09}") }
        };
        one(f, self.from)?;
        f.write_str("..")?;
        one(f, self.to)
    }
}
