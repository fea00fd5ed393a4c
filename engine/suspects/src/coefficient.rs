//! How closely does a component go with failure? Similarity coefficients of the 2×2 table.
//!
//! Write `ef`, `nf`, `ep`, `np` for failed with, failed without, passed with and passed without the
//! component, `F = ef + nf`, `P = ep + np`, `N = F + P`. All are defined for every table, finite,
//! and larger for a closer companion of failure. A ratio whose denominator is zero is 0 (no evidence
//! either way) unless said otherwise. One more passing request with the component never raises one,
//! one more failed request with it never lowers one.

use std::fmt;
use std::str::FromStr;

use resus_model::Counts;

/// A similarity coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coefficient {
    /// `ef / (ef + nf + ep)`, 0 to 1 (Jaccard 1901; Pinpoint, DSN 2002).
    Jaccard,
    /// `ef / sqrt((ef + nf)(ef + ep))`, 0 to 1 (Ochiai 1957; Abreu et al., PRDC 2006).
    Ochiai,
    /// `(ef / F) / (ef / F + ep / P)`, 0 to 1 (Jones and Harrold, ASE 2005).
    Tarantula,
    /// `ef² / (ep + nf)`, 0 and up (Wong et al., IEEE Trans. Reliability 2014, star = 2). A zero
    /// denominator counts as one half, so that a perfect companion outranks one that errs once.
    DStar,
    /// `ef - ep / (P + 1)`, above -1 (Naish et al., TOSEM 2011).
    Op2,
    /// `(ef + np) / N`, 0 to 1 (Sokal and Michener 1958).
    SimpleMatching,
    /// Yule's Q, `(ef np - ep nf) / (ef np + ep nf)`, -1 to 1 (Yule 1900).
    Yule,
    /// `((ef + np) - (ep + nf)) / N`, -1 to 1 (Hamann 1961).
    Hamann,
    /// `2 ef / (2 ef + nf + ep)`, 0 to 1 (Dice 1945, Sørensen 1948).
    Dice,
}

/// No coefficient has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read coefficient `{0}`: expected one of {list}", list = Coefficient::names().join(", "))]
pub struct UnknownCoefficient(pub String);

impl Coefficient {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Jaccard,
        Self::Ochiai,
        Self::Tarantula,
        Self::DStar,
        Self::Op2,
        Self::SimpleMatching,
        Self::Yule,
        Self::Hamann,
        Self::Dice,
    ];

    /// Its name, as in configuration and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jaccard => "jaccard",
            Self::Ochiai => "ochiai",
            Self::Tarantula => "tarantula",
            Self::DStar => "dstar",
            Self::Op2 => "op2",
            Self::SimpleMatching => "simple-matching",
            Self::Yule => "yule",
            Self::Hamann => "hamann",
            Self::Dice => "dice",
        }
    }

    fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|c| c.name()).collect()
    }

    /// Its value for a table.
    #[must_use]
    pub fn of(self, counts: &Counts) -> f64 {
        let (ef, nf) = (real(counts.failed_with), real(counts.failed_without));
        let (ep, np) = (real(counts.passed_with), real(counts.passed_without));
        let (failed, passed) = (ef + nf, ep + np);
        let all = failed + passed;
        match self {
            Self::Jaccard => ratio(ef, ef + nf + ep),
            Self::Ochiai => ratio(ef, (failed * (ef + ep)).sqrt()),
            Self::Tarantula => {
                let (f, p) = (ratio(ef, failed), ratio(ep, passed));
                ratio(f, f + p)
            }
            Self::DStar => ef * ef / (ep + nf).max(0.5),
            Self::Op2 => ef - ep / (passed + 1.0),
            Self::SimpleMatching => ratio(ef + np, all),
            Self::Yule => ratio(ef * np - ep * nf, ef * np + ep * nf),
            Self::Hamann => ratio((ef + np) - (ep + nf), all),
            Self::Dice => ratio(2.0 * ef, 2.0 * ef + nf + ep),
        }
    }
}

impl fmt::Display for Coefficient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Coefficient {
    type Err = UnknownCoefficient;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|c| c.name() == text)
            .ok_or_else(|| UnknownCoefficient(text.to_owned()))
    }
}

/// A count as a real number; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of requests stay far below 2^53")]
pub(crate) const fn real(n: u64) -> f64 {
    n as f64
}

/// A ratio, 0 where the denominator is 0.
pub(crate) fn ratio(over: f64, under: f64) -> f64 {
    if under == 0.0 { 0.0 } else { over / under }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(ef: u64, nf: u64, ep: u64, np: u64) -> Counts {
        Counts { failed_with: ef, failed_without: nf, passed_with: ep, passed_without: np }
    }

    #[track_caller]
    fn check(counts: Counts, expect: [f64; 9]) {
        for (coefficient, expect) in Coefficient::ALL.into_iter().zip(expect) {
            let got = coefficient.of(&counts);
            assert!((got - expect).abs() < 1e-12, "{coefficient}: {got}, expected {expect}");
        }
    }

    #[test]
    fn values_are_those_worked_out_by_hand() {
        // F = 4, P = 16; Tarantula (3/4) / (3/4 + 1/16) = 12/13; Yule (45 - 1) / (45 + 1).
        check(
            table(3, 1, 1, 15),
            [3.0 / 5.0, 0.75, 12.0 / 13.0, 4.5, 3.0 - 1.0 / 17.0, 0.9, 44.0 / 46.0, 0.8, 0.75],
        );
        // A perfect companion.
        check(table(5, 0, 0, 7), [1.0, 1.0, 1.0, 50.0, 5.0, 1.0, 1.0, 1.0, 1.0]);
        // Present everywhere: Tarantula and Yule know nothing.
        check(
            table(2, 0, 6, 0),
            [0.25, 0.5, 0.5, 4.0 / 6.0, 2.0 - 6.0 / 7.0, 0.25, 0.0, -0.5, 0.4],
        );
        // Never with a failure.
        check(table(0, 4, 4, 0), [0.0, 0.0, 0.0, 0.0, -0.8, 0.0, -1.0, -1.0, 0.0]);
        check(table(0, 0, 0, 0), [0.0; 9]);
    }

    #[test]
    fn names_read_back_and_others_are_refused() {
        for c in Coefficient::ALL {
            assert_eq!(c.name().parse(), Ok(c));
        }
        let error = "jacard".parse::<Coefficient>().expect_err("no such coefficient");
        assert!(
            error.to_string().starts_with("read coefficient `jacard`: expected one of jaccard, ")
        );
    }

    proptest! {
        #[test]
        fn passing_with_it_never_raises_and_failing_with_it_never_lowers(
            ef in 0_u64..300, nf in 0_u64..300, ep in 0_u64..300, np in 0_u64..300,
        ) {
            for c in Coefficient::ALL {
                let here = c.of(&table(ef, nf, ep, np));
                prop_assert!(here.is_finite());
                let pass = c.of(&table(ef, nf, ep + 1, np));
                prop_assert!(pass <= here + 1e-12, "{} {} {}", c, here, pass);
                let fail = c.of(&table(ef + 1, nf, ep, np));
                prop_assert!(fail >= here - 1e-12, "{} {} {}", c, here, fail);
            }
        }
    }
}
