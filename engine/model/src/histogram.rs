//! Durations in fixed global log-linear buckets: exact to merge, the same on every machine.
//!
//! A value below 16 has a bucket of its own. Above, each power of two is cut into 16 equal buckets,
//! so a bucket is at most 1/16 (6.25 %) wider than its lower edge. Edges never depend on data.

/// Sub-buckets of one power of two, as a power of two.
const SUB_BITS: u32 = 4;
const SUB: u64 = 1 << SUB_BITS;

/// The number of a bucket; buckets are ordered as the values they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket that holds a value (nanoseconds, by custom).
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most 60 * 16 + 16 buckets exist")]
    pub const fn of(value: u64) -> Self {
        if value < SUB {
            return Self(value as u16);
        }
        let shift = 63 - value.leading_zeros() - SUB_BITS;
        Self((shift as u16) * (SUB as u16) + (value >> shift) as u16)
    }

    /// The smallest value inside.
    #[must_use]
    pub const fn lower(self) -> u64 {
        let n = self.0 as u64;
        if n < 2 * SUB {
            return n;
        }
        let shift = n / SUB - 1;
        (SUB + n % SUB) << shift
    }

    /// The smallest value above; `u64::MAX` for the last bucket.
    #[must_use]
    pub const fn upper(self) -> u64 {
        let n = self.0 as u64 + 1;
        if n < 2 * SUB {
            return n;
        }
        let shift = n / SUB - 1;
        if shift >= 60 {
            return u64::MAX;
        }
        (SUB + n % SUB) << shift
    }

    /// Its number.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0
    }

    /// The bucket of a number, if there is one.
    #[must_use]
    pub const fn from_index(index: u16) -> Option<Self> {
        if index < 61 * SUB as u16 { Some(Self(index)) } else { None }
    }
}

/// Counts by bucket; only buckets that hold something are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// Buckets with their counts, ascending, no count zero.
    counts: Vec<(Bucket, u64)>,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: Vec::new() }
    }

    /// Makes one of buckets and counts in any order; zero counts vanish, equal buckets add up.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = (Bucket, u64)>) -> Self {
        let mut histogram = Self::new();
        for (bucket, n) in counts {
            histogram.add(bucket, n);
        }
        histogram
    }

    /// Counts one value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.add(Bucket::of(value), 1);
    }

    /// Counts `n` values of a bucket.
    #[inline]
    pub fn add(&mut self, bucket: Bucket, n: u64) {
        if n == 0 {
            return;
        }
        match self.counts.binary_search_by_key(&bucket, |&(b, _)| b) {
            Ok(i) => self.counts[i].1 += n,
            Err(i) => self.counts.insert(i, (bucket, n)),
        }
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
            return;
        }
        for &(bucket, n) in &other.counts {
            self.add(bucket, n);
        }
    }

    /// Buckets with their counts, ascending, no count zero.
    #[must_use]
    pub fn counts(&self) -> &[(Bucket, u64)] {
        &self.counts
    }

    /// How many values were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|&(_, n)| n).sum()
    }

    /// How many values lie in buckets after the given one.
    #[must_use]
    pub fn above(&self, bucket: Bucket) -> u64 {
        let from = self.counts.partition_point(|&(b, _)| b <= bucket);
        self.counts[from..].iter().map(|&(_, n)| n).sum()
    }

    /// The first bucket at or below which at least the given share (`0 < share <= 1`, in
    /// thousandths) of values lies; `None` when empty.
    #[must_use]
    pub fn quantile(&self, thousandths: u64) -> Option<Bucket> {
        let need = (u128::from(self.total()) * u128::from(thousandths)).div_ceil(1000).max(1);
        let mut seen = 0_u128;
        for &(bucket, n) in &self.counts {
            seen += u128::from(n);
            if seen >= need {
                return Some(bucket);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_between_the_edges_of_its_bucket() {
        let mut values: Vec<u64> = (0..4096).collect();
        for shift in 0..64 {
            let v = 1_u64 << shift;
            values.extend([v - 1, v, v.saturating_add(1), v | (v >> 1), v | (v >> 5)]);
        }
        values.push(u64::MAX);
        values.sort_unstable();
        let mut last = Bucket::of(0);
        for v in values {
            let b = Bucket::of(v);
            assert!(b.lower() <= v, "{v}");
            assert!(v < b.upper() || b.upper() == u64::MAX, "{v} {b:?}");
            assert!(b >= last, "order of buckets is order of values");
            assert_eq!(Bucket::from_index(b.index()), Some(b));
            last = b;
        }
    }

    #[test]
    fn neighbouring_buckets_touch_and_are_narrow() {
        for i in 0..975 {
            let b = Bucket(i);
            assert_eq!(b.upper(), Bucket(i + 1).lower(), "bucket {i}");
            assert!(b.upper() - b.lower() <= (b.lower() / 16).max(1), "bucket {i}");
        }
    }

    #[test]
    fn quantiles_and_tails_count_whole_buckets() {
        let mut h = Histogram::new();
        for v in 1..=100 {
            h.record(v * 1000);
        }
        let p99 = h.quantile(990).expect("not empty");
        assert_eq!(p99, Bucket::of(99_000));
        assert_eq!(h.above(Bucket::of(100_000)), 0);
        assert_eq!(h.above(Bucket::of(0)), 100);
        assert_eq!(Histogram::new().quantile(990), None);
        let mut twice = h.clone();
        twice.merge(&h);
        assert_eq!(twice.total(), 200);
    }
}
