//! How likely is a 2×2 table by chance? Exact tails, for any counts.

use resus_model::Counts;

use crate::coefficient::real;

/// One-sided Fisher exact p-value: the chance that, with the margins as they are, at least as many
/// failed requests have the component (R. A. Fisher 1934).
///
/// Terms are summed from the observed table outwards until they no longer count, so the cost is a
/// few standard deviations of terms whatever the counts.
pub(crate) fn fisher_greater(counts: &Counts) -> f64 {
    let Counts { failed_with, failed_without, passed_with, passed_without } = *counts;
    let with = failed_with + passed_with;
    let without = failed_without + passed_without;
    let failed = failed_with + failed_without;
    let table = Hypergeometric { with, without, failed };
    // From a table above the mode, sum upwards; from one below, sum downwards and take the rest.
    // Both ways terms fall from the first on.
    let mode = (u128::from(failed) + 1) * (u128::from(with) + 1)
        / (u128::from(with) + u128::from(without) + 2);
    if u128::from(failed_with) >= mode {
        table.sum_up(failed_with).min(1.0)
    } else {
        failed_with.checked_sub(1).map_or(1.0, |k| (1.0 - table.sum_down(k)).clamp(0.0, 1.0))
    }
}

/// Draws of `failed` requests out of `with + without`: how many have the component?
struct Hypergeometric {
    with: u64,
    without: u64,
    failed: u64,
}

impl Hypergeometric {
    /// Chance of exactly `k` by Loader's saddle-point expansion, which keeps full relative accuracy
    /// for large counts where differences of log-factorials lose it (C. Loader, "Fast and accurate
    /// computation of binomial probabilities", 2000).
    fn mass(&self, k: u64) -> f64 {
        let all = self.with + self.without;
        if self.failed == 0 || self.failed == all {
            return if k == self.failed.min(self.with) { 1.0 } else { 0.0 };
        }
        let p = real(self.failed) / real(all);
        let q = real(all - self.failed) / real(all);
        let ln = ln_binomial(k, self.with, p, q) + ln_binomial(self.failed - k, self.without, p, q)
            - ln_binomial(self.failed, all, p, q);
        ln.exp()
    }

    fn sum_up(&self, from: u64) -> f64 {
        let last = self.failed.min(self.with);
        let (mut k, mut term) = (from, self.mass(from));
        let mut sum = term;
        while k < last && term > sum * f64::EPSILON / 8.0 {
            term *= real(self.with - k) / real(k + 1) * real(self.failed - k)
                / (real(self.without) - real(self.failed) + real(k + 1));
            k += 1;
            sum += term;
        }
        sum
    }

    fn sum_down(&self, from: u64) -> f64 {
        let first = self.failed.saturating_sub(self.without);
        if from < first {
            return 0.0;
        }
        let (mut k, mut term) = (from, self.mass(from));
        let mut sum = term;
        while k > first && term > sum * f64::EPSILON / 8.0 {
            term *= real(k) / real(self.with - k + 1)
                * (real(self.without) - real(self.failed) + real(k))
                / real(self.failed - k + 1);
            k -= 1;
            sum += term;
        }
        sum
    }
}

/// Logarithm of the binomial chance of `k` out of `n`, by Loader.
fn ln_binomial(k: u64, n: u64, p: f64, q: f64) -> f64 {
    let (x, m) = (real(k), real(n));
    if k == 0 {
        // ln(q^n), from the nearer of q and p so that no digits are lost.
        return if p < 0.1 { m * (-p).ln_1p() } else { m * q.ln() };
    }
    if k == n {
        return if q < 0.1 { m * (-q).ln_1p() } else { m * p.ln() };
    }
    let y = m - x;
    stirling_error(n)
        - stirling_error(k)
        - stirling_error(n - k)
        - deviance(x, m * p)
        - deviance(y, m * q)
        + 0.5 * (m / (std::f64::consts::TAU * x * y)).ln()
}

/// `ln(n!)` less Stirling's formula `n ln n - n + ln(2πn) / 2`, for `n >= 1`.
fn stirling_error(n: u64) -> f64 {
    let x = real(n);
    if n <= 15 {
        let factorial: u64 = (1..=n).product();
        return real(factorial).ln() - (x * x.ln() - x + 0.5 * (std::f64::consts::TAU * x).ln());
    }
    // Bernoulli numbers over 2k (2k - 1): 1/12, 1/360, 1/1260, 1/1680, 1/1188, 691/360360.
    let i = 1.0 / (x * x);
    let tail = 1.0 / 1680.0 - i * (1.0 / 1188.0 - i * (691.0 / 360_360.0));
    (1.0 / 12.0 - i * (1.0 / 360.0 - i * (1.0 / 1260.0 - i * tail))) / x
}

/// `x ln(x / m) + m - x` without cancellation where `x` is near `m`.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut power = 2.0 * x * v;
    let mut odd = 1.0;
    loop {
        power *= v * v;
        odd += 2.0;
        let next = sum + power / odd;
        // Also ends on NaN, which never equals itself.
        if next == sum || next.is_nan() {
            return next;
        }
        sum = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables and p-values as `scipy.stats.fisher_exact(table, "greater")` and, where that loses
    /// digits, exact integer arithmetic gives them: header of the file.
    const CASES: &str = include_str!("statistics/fisher_cases.txt");

    #[test]
    fn p_values_equal_recorded_ones() {
        let mut n = 0;
        for line in CASES.lines().filter(|l| !l.starts_with('#')) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let count = |i: usize| fields[i].parse::<u64>().expect("a count");
            let counts = Counts {
                failed_with: count(0),
                failed_without: count(1),
                passed_with: count(2),
                passed_without: count(3),
            };
            let expect: f64 = fields[4].parse().expect("a p-value");
            let got = fisher_greater(&counts);
            let off = (got - expect).abs() / expect.max(f64::MIN_POSITIVE);
            assert!(off < 1e-9, "{line}: {got}, off by {off}");
            n += 1;
        }
        assert!(n >= 100, "only {n} cases were read");
    }

    #[test]
    fn tables_without_two_sides_are_certain() {
        for (ef, nf, ep, np) in
            [(0, 0, 0, 0), (3, 0, 9, 0), (0, 3, 0, 9), (0, 0, 5, 5), (4, 4, 0, 0)]
        {
            let counts =
                Counts { failed_with: ef, failed_without: nf, passed_with: ep, passed_without: np };
            assert_eq!(fisher_greater(&counts), 1.0, "{counts:?}");
        }
    }
}
