//! How long did answers take?

use std::time::Duration;

/// Steps in each doubling: a bucket is at most 1/32 wide, so a quantile is at most 3.2 % too high.
const STEPS: u64 = 32;
const BUCKETS: usize = 60 * STEPS as usize;

/// A histogram of durations in logarithmic buckets of microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    buckets: Vec<u64>,
    count: u64,
    longest: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, longest: Duration::ZERO }
    }
}

impl Latency {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros).min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.longest = self.longest.max(duration);
    }

    /// Adds what another histogram counted.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *ours += theirs;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// How many durations were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest duration, exactly.
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.longest
    }

    /// The duration that a share `q` (0 to 1) of all do not exceed, rounded up to its bucket's end: at
    /// most 3.2 % or 1 µs too long. Zero where nothing was counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = ((self.count as f64 * q).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (number, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(end(number)).min(self.longest);
            }
        }
        self.longest
    }
}

/// The bucket of a number of microseconds: below 32 each has its own.
const fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let doubling = micros.ilog2() - STEPS.ilog2();
    ((doubling as u64 + 1) * STEPS + (micros >> doubling) - STEPS) as usize
}

/// The first number of microseconds past a bucket.
const fn end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket + 1;
    }
    let doubling = bucket / STEPS - 1;
    (bucket % STEPS + STEPS + 1) << doubling
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_never_too_short_and_hardly_too_long(mut micros in prop::collection::vec(0u64..1 << 40, 1..200), q in 0.0..=1.0f64) {
            let mut latency = Latency::default();
            micros.iter().for_each(|m| latency.record(Duration::from_micros(*m)));
            micros.sort_unstable();
            let rank = ((micros.len() as f64 * q).ceil() as usize).clamp(1, micros.len());
            let exact = micros[rank - 1];
            let found = latency.quantile(q).as_micros() as u64;
            prop_assert!(found >= exact && found <= exact + exact / 31 + 1, "{} for {}", found, exact);
        }
    }

    #[test]
    fn merging_is_counting_together() {
        let (mut one, mut other, mut both) =
            (Latency::default(), Latency::default(), Latency::default());
        for ms in 0..100 {
            let duration = Duration::from_millis(ms * ms);
            if ms % 3 == 0 { &mut one } else { &mut other }.record(duration);
            both.record(duration);
        }
        one.merge(&other);
        assert_eq!(one, both);
        assert_eq!(both.max(), Duration::from_millis(99 * 99));
        assert_eq!(Latency::default().quantile(0.5), Duration::ZERO);
    }
}
