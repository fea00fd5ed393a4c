//! How long to wait after a failure.

use std::time::Duration;

use crate::options::Backoff;

/// A wait is longer than the one before by this factor, as in OpenTelemetry's own exporters.
const GROWTH: f64 = 1.5;

/// Waits, drawn at random from a seed.
#[derive(Debug)]
pub(crate) struct Waits {
    backoff: Backoff,
    state: u64,
}

impl Waits {
    pub(crate) const fn new(backoff: Backoff, seed: u64) -> Self {
        Self { backoff, state: seed }
    }

    /// After so many failures in a row, at least 1. Between half of the interval and the whole, so that
    /// those who failed together do not come back together.
    pub(crate) fn after(&mut self, failures: u32) -> Duration {
        let Backoff { first, most } = self.backoff;
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let whole = first.as_secs_f64() * GROWTH.powi(exponent);
        let whole = whole.min(most.as_secs_f64());
        Duration::from_secs_f64(whole * (0.5 + self.fraction() / 2.0))
    }

    /// From 0 to 1, by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // 32 bits are plenty, and fit a float as they are.
        f64::from((z >> 32) as u32) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_differ() {
        for seed in 0..100 {
            let mut waits = Waits::new(Backoff::STANDARD, seed);
            for (failures, whole) in [(1, 5.0), (2, 7.5), (3, 11.25), (6, 30.0), (u32::MAX, 30.0)] {
                let wait = waits.after(failures).as_secs_f64();
                assert!((whole / 2.0..=whole).contains(&wait), "{failures}: {wait} of {whole}");
            }
        }
        let mut one = Waits::new(Backoff::STANDARD, 1);
        let mut other = Waits::new(Backoff::STANDARD, 2);
        assert_ne!(one.after(1), one.after(1));
        assert_ne!(one.after(1), other.after(1));
        let again = |seed| Waits::new(Backoff::STANDARD, seed).after(1);
        assert_eq!(again(7), again(7));
    }
}
