//! How long things take: distributions in whole nanoseconds, computed in integers alone.
//!
//! Logarithm and power of two come from tables in fixed point, so the same draw gives the same
//! nanosecond on every machine, whatever its libm. Errors of interpolation are below 2 parts in
//! a million.

use crate::random::Stream;

/// A distribution of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Always the same, nanoseconds.
    Constant(u64),
    /// Exponential.
    Exponential {
        /// Nanoseconds.
        mean_ns: u64,
    },
    /// Log-normal: what service times look like.
    LogNormal {
        /// Half of the values lie below, nanoseconds.
        median_ns: u64,
        /// Standard deviation of the natural logarithm, thousandths; at most 3,000.
        sigma_thousandths: u32,
    },
}

impl Latency {
    /// None at all.
    pub const ZERO: Self = Self::Constant(0);

    /// Log-normal with a median in microseconds and the spread of an ordinary service (the 99th
    /// percentile is 2.5 times the median).
    #[must_use]
    pub const fn micros(median: u64) -> Self {
        Self::LogNormal { median_ns: median * 1000, sigma_thousandths: 400 }
    }

    /// Draws one, nanoseconds.
    pub(crate) fn draw(self, stream: &mut Stream) -> u64 {
        match self {
            Self::Constant(ns) => ns,
            Self::Exponential { mean_ns } => scale(mean_ns, standard_exponential(stream.next())),
            Self::LogNormal { median_ns, sigma_thousandths } => {
                let sigma = i64::from(sigma_thousandths.min(3000));
                // z has 16 fractional bits, 94,548 = 2^16 / ln 2.
                scale(median_ns, power_of_two(standard_normal(stream) * sigma * 94_548 / 1000))
            }
        }
    }
}

/// Bits after the point in tables and results.
const POINT: u32 = 32;

/// ln 2.
const LN_2: u64 = 2_977_044_472;

/// ln(1 + i/256), with [`POINT`] fractional bits.
const LN: [u64; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i <= 256 {
        // ln x = 2 atanh y = 2 (y + y^3/3 + y^5/5 ...) with y = (x - 1) / (x + 1), at most 1/3.
        let y = ((i as u128) << 60) / (512 + i as u128);
        let (mut power, mut sum, mut k) = (y, 0, 1);
        while k < 60 {
            sum += power / k;
            power = (((power * y) >> 60) * y) >> 60;
            k += 2;
        }
        table[i] = (sum >> (60 - 1 - POINT)) as u64;
        i += 1;
    }
    table
};

/// 2^(i/256), with [`POINT`] fractional bits.
const EXP_2: [u64; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i <= 256 {
        // e^t = 1 + t + t^2/2! ..., with t = ln 2 * i/256 in 60 fractional bits.
        let t = (i as u128 * 799_144_290_325_165_979) / 256;
        let (mut term, mut sum, mut k) = (1_u128 << 60, 0, 1);
        while term > 0 {
            sum += term;
            term = ((term * t) >> 60) / k;
            k += 1;
        }
        table[i] = (sum >> (60 - POINT)) as u64;
        i += 1;
    }
    table
};

/// Between entries of a table: `fraction` has [`POINT`] bits, the top 8 choose the entry.
fn interpolate(table: &[u64; 257], fraction: u64) -> u64 {
    let i = (fraction >> (POINT - 8)) as usize;
    let rest = fraction & ((1 << (POINT - 8)) - 1);
    table[i] + (((table[i + 1] - table[i]) * rest) >> (POINT - 8))
}

/// -ln u for u = bits / 2^64, with [`POINT`] fractional bits; at most 44.4.
fn standard_exponential(bits: u64) -> u64 {
    let bits = bits | 1;
    let halvings = bits.leading_zeros();
    // u = 2^-(halvings + 1) * m with m in [1, 2).
    let mantissa = (bits << halvings) << 1;
    (u64::from(halvings) + 1) * LN_2 - interpolate(&LN, mantissa >> (64 - POINT))
}

/// A standard normal value with 16 fractional bits, by the sum of 12 uniform ones less 6 (Irwin and
/// Hall): within 6 standard deviations, tails a little light.
fn standard_normal(stream: &mut Stream) -> i64 {
    let mut sum = 0;
    for _ in 0..3 {
        let bits = stream.next();
        sum += (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
    }
    sum.cast_signed() - 6 * 65_535
}

/// 2^x for x with [`POINT`] fractional bits, with as many; between 2^-31 and 2^31.
fn power_of_two(x: i64) -> u64 {
    let whole = (x >> POINT).clamp(-31, 30);
    let fraction = (x & ((1 << POINT) - 1)).cast_unsigned();
    let value = interpolate(&EXP_2, fraction);
    if whole >= 0 { value << whole } else { value >> -whole }
}

/// The product, rounded down; saturates.
fn scale(ns: u64, factor: u64) -> u64 {
    u64::try_from((u128::from(ns) * u128::from(factor)) >> POINT).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    const ONE: f64 = (1_u64 << POINT) as f64;

    #[test]
    fn logarithm_and_power_agree_with_the_real_ones() {
        let mut stream = Stream::new(1, Purpose::Arrivals);
        for _ in 0..10_000 {
            let bits = stream.next();
            let expected = -(bits as f64 / 2_f64.powi(64)).ln();
            let got = standard_exponential(bits) as f64 / ONE;
            assert!((got - expected).abs() < 3e-6, "{got} {expected}");
            let x = (bits >> 29).cast_signed() - (1 << 34);
            let (got, expected) = (power_of_two(x) as f64 / ONE, (x as f64 / ONE).exp2());
            assert!((got / expected - 1.0).abs() < 3e-6, "{got} {expected}");
        }
    }

    #[test]
    fn means_and_quantiles_are_those_asked_for() {
        let mut stream = Stream::new(2, Purpose::Arrivals);
        let n = 100_000;
        let mut draw = |latency: Latency| {
            let mut values: Vec<u64> = (0..n).map(|_| latency.draw(&mut stream)).collect();
            values.sort_unstable();
            values
        };
        let exponential = draw(Latency::Exponential { mean_ns: 1_000_000 });
        let mean = exponential.iter().sum::<u64>() / n;
        assert!((980_000..1_020_000).contains(&mean), "{mean}");
        let log_normal = draw(Latency::micros(1000));
        let (p50, p99) = (log_normal[50_000], log_normal[99_000]);
        assert!((985_000..1_015_000).contains(&p50), "{p50}");
        // e^(0.4 * 2.326) = 2.536.
        assert!((2_450_000..2_620_000).contains(&p99), "{p99}");
        assert_eq!(draw(Latency::Constant(7))[0], 7);
    }
}
