//! A histogram for counting fast: buckets in a row, from the lowest to the highest seen.

use resus_model::{Bucket, Histogram};

#[derive(Debug, Clone, Default)]
pub(crate) struct Dense {
    base: u16,
    counts: Vec<u32>,
    /// What no longer fits 32 bits.
    carried: Vec<u16>,
}

impl Dense {
    #[inline]
    fn record(&mut self, value: u64) {
        let bucket = Bucket::of(value).index();
        let at = usize::from(bucket.wrapping_sub(self.base));
        if bucket >= self.base && at < self.counts.len() {
            self.count(at, bucket);
        } else {
            self.grow(bucket);
        }
    }

    /// Counts a value, or takes it back.
    #[inline]
    pub(crate) fn shift<const ADD: bool>(&mut self, value: u64) {
        if ADD {
            self.record(value);
        } else {
            self.take_back(value);
        }
    }

    fn take_back(&mut self, value: u64) {
        let bucket = Bucket::of(value).index();
        let at = usize::from(bucket.wrapping_sub(self.base));
        let Some(n) = self.counts.get_mut(at).filter(|_| bucket >= self.base) else { return };
        if *n > 0 {
            *n -= 1;
        } else if let Some(carried) = self.carried.iter().position(|&b| b == bucket) {
            self.carried.swap_remove(carried);
            *n = u32::MAX;
        }
    }

    #[inline]
    fn count(&mut self, at: usize, bucket: u16) {
        let n = &mut self.counts[at];
        *n = n.wrapping_add(1);
        if *n == 0 {
            self.carried.push(bucket);
        }
    }

    #[cold]
    fn grow(&mut self, bucket: u16) {
        if self.counts.is_empty() {
            self.base = bucket;
            self.counts.push(1);
        } else if bucket < self.base {
            let missing = usize::from(self.base - bucket);
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.base = bucket;
            self.counts[0] += 1;
        } else {
            let at = usize::from(bucket - self.base);
            self.counts.resize(at + 1, 0);
            self.counts[at] += 1;
        }
    }

    pub(crate) fn to_histogram(&self) -> Histogram {
        let base = self.base;
        let counts = self.counts.iter().zip(base..).map(|(&n, i)| (i, u64::from(n)));
        let carried = self.carried.iter().map(|&i| (i, 1_u64 << 32));
        Histogram::from_counts(counts.chain(carried).filter_map(|(i, n)| {
            let bucket = Bucket::from_index(i)?;
            Some((bucket, n))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_fast_counts_the_same() {
        let values = [5_u64, 900, 17, 900, 0, 1 << 40, 3, 900];
        let (mut dense, mut plain) = (Dense::default(), Histogram::new());
        for v in values {
            dense.record(v);
            plain.record(v);
        }
        assert_eq!(dense.to_histogram(), plain);
    }

    #[test]
    fn what_is_taken_back_was_never_counted() {
        let (mut dense, mut plain) = (Dense::default(), Histogram::new());
        for v in [5_u64, 900, 17, 900] {
            dense.record(v);
        }
        for v in [900, 5, 1 << 50, 0] {
            dense.take_back(v);
        }
        plain.record(17);
        plain.record(900);
        assert_eq!(dense.to_histogram(), plain);
    }

    #[test]
    fn counts_beyond_32_bits_carry_both_ways() {
        let mut dense = Dense::default();
        dense.record(7);
        dense.counts[0] = u32::MAX;
        dense.record(7);
        let total = |dense: &Dense| dense.to_histogram().total();
        assert_eq!(total(&dense), 1 << 32);
        dense.take_back(7);
        assert_eq!(total(&dense), (1 << 32) - 1);
    }
}
