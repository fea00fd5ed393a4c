//! Pseudo-random numbers that depend on a seed alone.
//!
//! Every purpose has its own stream and every request its own streams below that, found by hashing
//! and not by drawing. So one thing more that draws (a fault, a lost span, a service) leaves what
//! all others draw as it was, and two scenarios that differ in a fault are the same requests with
//! and without it.

/// What random numbers are for: the name of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    Topology = 1,
    Arrivals = 2,
    Request = 3,
    TraceId = 4,
    Hit = 5,
    Loss = 6,
    Duplicate = 7,
    Skew = 8,
    Instance = 9,
    Trigger = 10,
    Presence = 11,
    Peers = 12,
}

/// A SplitMix64 generator (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// OOPSLA 2014): 64 bits of state, every seed as good as any other, and made to be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream(u64);

/// 2^64 divided by the golden ratio, made odd: the step of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Stream {
    /// The stream of a purpose.
    pub(crate) const fn new(seed: u64, purpose: Purpose) -> Self {
        Self(mix(seed ^ GOLDEN)).child(purpose as u64)
    }

    /// The stream below this one that has the given number. It depends on this stream's state and
    /// on nothing drawn from other children.
    pub(crate) const fn child(self, number: u64) -> Self {
        Self(mix(self.0 ^ mix(number.wrapping_add(1).wrapping_mul(GOLDEN))))
    }

    /// The next 64 bits.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `n`, by Lemire's multiplication (its bias is below n / 2^64).
    ///
    /// # Panics
    /// When `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// An index into something of the given length.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("an index fits usize")
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, share: Share) -> bool {
        match share {
            Share::ZERO => false,
            Share::ONE => true,
            Share(millionths) => self.below(1_000_000) < u64::from(millionths),
        }
    }
}

/// A probability in millionths, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// Never.
    pub const ZERO: Self = Self(0);
    /// Always.
    pub const ONE: Self = Self(1_000_000);

    /// So many of a million; more than a million counts as always.
    #[must_use]
    pub const fn millionths(n: u32) -> Self {
        if n > 1_000_000 { Self::ONE } else { Self(n) }
    }

    /// So many of a hundred; more than a hundred counts as always.
    #[must_use]
    pub const fn percent(n: u32) -> Self {
        if n > 100 { Self::ONE } else { Self(n * 10_000) }
    }

    /// Millionths.
    #[must_use]
    pub const fn as_millionths(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // First outputs for seed 1234567, as published with the reference implementation.
        let mut stream = Stream(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| stream.next()).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn children_do_not_depend_on_each_other() {
        let parent = Stream::new(1, Purpose::Request);
        let mut first = parent.child(0);
        first.next();
        assert_eq!(parent.child(1), Stream::new(1, Purpose::Request).child(1));
        assert_ne!(parent.child(0), parent.child(1));
        assert_ne!(Stream::new(1, Purpose::Request), Stream::new(1, Purpose::Hit));
        assert_ne!(Stream::new(1, Purpose::Request), Stream::new(2, Purpose::Request));
    }

    #[test]
    fn chances_come_true_as_often_as_they_say() {
        let mut stream = Stream::new(3, Purpose::Hit);
        let hits = (0..100_000).filter(|_| stream.chance(Share::percent(30))).count();
        assert!((29_400..30_600).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| stream.chance(Share::ONE)));
        assert!(!(0..1000).any(|_| stream.chance(Share::ZERO)));
    }
}
