//! Two sides of a thing, and the words in which they are told.

use resus_model::Counts;

use crate::coefficient::{ratio, real};
use crate::statistics::fisher_greater;

/// How many of something, and how many of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Side {
    pub failed: u64,
    pub all: u64,
}

impl Side {
    pub(super) const fn add(&mut self, other: Self) {
        self.failed += other.failed;
        self.all += other.all;
    }

    pub(super) const fn less(self, other: Self) -> Self {
        Self {
            failed: self.failed.saturating_sub(other.failed),
            all: self.all.saturating_sub(other.all),
        }
    }

    /// Failing share, 0 to 1; 0 of none.
    pub(super) fn share(self) -> f64 {
        ratio(real(self.failed), real(self.all))
    }

    pub(super) const fn passed(self) -> u64 {
        self.all.saturating_sub(self.failed)
    }
}

/// With something, and without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contrast {
    pub with: Side,
    pub without: Side,
}

impl Contrast {
    pub(super) fn effect(self) -> f64 {
        self.with.share() - self.without.share()
    }

    pub(super) const fn counts(self) -> Counts {
        Counts {
            failed_with: self.with.failed,
            failed_without: self.without.failed,
            passed_with: self.with.passed(),
            passed_without: self.without.passed(),
        }
    }

    /// One-sided p-value (Fisher), times the number of tables that were looked at, at most 1.
    pub(super) fn p_value(self, tables: usize) -> f64 {
        self.chance(tables).p_value
    }

    /// The same with what it comes of.
    pub(super) fn chance(self, tables: usize) -> Chance {
        Chance::of(self.counts(), tables)
    }
}

/// How likely a table is by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chance {
    /// What was tested.
    pub tested: Counts,
    /// Tables that were looked at.
    pub tables: u64,
    /// One-sided p-value (Fisher), times the tables, at most 1 (Bonferroni).
    pub p_value: f64,
}

impl Chance {
    pub(super) fn of(tested: Counts, tables: usize) -> Self {
        let tables = tables as u64;
        Self { tested, tables, p_value: (fisher_greater(&tested) * real(tables)).min(1.0) }
    }
}

/// A share for people: `42 %`, `0.1 %`, `no`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 10.0 {
        format!("{percent:.0} %")
    } else if percent >= 0.95 {
        format!("{percent:.1} %")
    } else if percent > 0.0 {
        format!("{percent:.2} %")
    } else {
        "0 %".to_owned()
    }
}

/// Names in a row: `a`, `a and b`, `a, b and 3 more`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [a] => a.clone(),
        [a, b] => format!("{a} and {b}"),
        [a, b, rest @ ..] => format!("{a}, {b} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_lists_are_told_in_few_words() {
        for (share, text) in
            [(0.42, "42 %"), (1.0, "100 %"), (0.0123, "1.2 %"), (0.001, "0.10 %"), (0.0, "0 %")]
        {
            assert_eq!(percent(share), text);
        }
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let told: Vec<String> = (0..=4).map(|n| list(&names[..n])).collect();
        assert_eq!(told, ["", "a", "a and b", "a, b and 1 more", "a, b and 2 more"]);
    }
}
