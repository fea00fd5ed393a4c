//! Which requests failed?
//!
//! Two answers, never mixed in one diagnosis. *Error*: the entry span says so. *Slow or unseen*: the
//! request took longer than the p99 of healthy requests of the same entry and pattern, or its
//! pattern was never seen at that entry. Thresholds are bucket edges of the merged baseline's
//! histograms, so a class splits exactly into failed and passed by its own histogram; its sampling
//! weight is split in proportion, since weights are not kept by bucket.

use resus_model::{Bucket, FailureKind, Histogram, Outcome, PathClass, Tally};

use crate::align::{Aligned, View};

/// Healthy requests of a pattern below which its own p99 is not used: of fewer than 100 values the
/// p99 is the maximum, that is a single request. The p99 of all of the entry's requests stands in.
/// Raising it trades sensitivity for rare patterns against steadiness.
const PATTERN_SUPPORT: u64 = 100;

/// Healthy requests of an entry below which its requests cannot be told slow from normal, for the
/// same reason. They are then left out of both sides and counted.
const ENTRY_SUPPORT: u64 = 100;

/// Healthy requests of an entry below which "never seen" means nothing. By the rule of three
/// (Hanley and Lippman-Hand, JAMA 1983) a pattern absent from 300 requests has, with 95 %
/// confidence, a share below 1 %: as rare as a request beyond the p99.
const UNSEEN_SUPPORT: u64 = 300;

/// Thousandths of healthy requests that are not slow.
const SLOW_QUANTILE: u64 = 990;

/// What became of the requests of a class, in one kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// They take part.
    Counted(Split),
    /// They stand on neither side.
    LeftOut(Why, u64),
}

/// Why requests stand on neither side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The caller cancelled them.
    Cancelled,
    /// There is no entry span.
    Unknown,
    /// They failed by their status, where slow ones are looked for.
    Erred,
    /// The baseline has too few requests of their entry to tell slow from normal.
    Unjudged,
}

/// Requests of a class by failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Split {
    /// Failed ones.
    pub failed: Tally,
    /// Passed ones.
    pub passed: Tally,
}

impl Split {
    fn all(failed: bool, tally: Tally) -> Self {
        let none = Tally::default();
        if failed {
            Self { failed: tally, passed: none }
        } else {
            Self { failed: none, passed: tally }
        }
    }

    /// Adds another split.
    pub(crate) const fn merge(&mut self, other: Self) {
        self.failed.merge(other.failed);
        self.passed.merge(other.passed);
    }

    /// Splits a tally of which `failed` requests failed; weights in proportion, rounded down for
    /// the failed part.
    fn part(tally: Tally, failed: u64) -> Self {
        let n = u128::from(tally.n.max(1));
        let share =
            |whole: u128| whole / n * u128::from(failed) + whole % n * u128::from(failed) / n;
        let weight = u64::try_from(share(u128::from(tally.weight))).unwrap_or(u64::MAX);
        let failed = Tally { n: failed, weight, weight_squared: share(tally.weight_squared) };
        let passed = Tally {
            n: tally.n - failed.n,
            weight: tally.weight - failed.weight,
            weight_squared: tally.weight_squared - failed.weight_squared,
        };
        Self { failed, passed }
    }
}

/// By what a kind of failure is told.
pub(crate) enum Rule {
    /// By the outcome of the entry span.
    Error,
    /// By duration and pattern.
    SlowOrUnseen(Norms),
}

impl Rule {
    pub(crate) const fn kind(&self) -> FailureKind {
        match self {
            Self::Error => FailureKind::Error,
            Self::SlowOrUnseen(_) => FailureKind::SlowOrUnseen,
        }
    }

    /// True where requests count as failed because healthy ones never showed their pattern.
    pub(crate) fn is_unseen(&self, cell: u32) -> bool {
        match self {
            Self::Error => false,
            Self::SlowOrUnseen(norms) => matches!(norms.0[cell as usize], Norm::Unseen),
        }
    }

    /// Labels the requests of a class.
    pub(crate) fn label(&self, class: &PathClass, cell: Option<u32>) -> Label {
        self.label_part(class, cell, class.tally, &class.durations)
    }

    /// Labels some of the requests of a class, of which tally and durations are given.
    pub(crate) fn label_part(
        &self,
        class: &PathClass,
        cell: Option<u32>,
        tally: Tally,
        durations: &Histogram,
    ) -> Label {
        let Some(cell) = cell else { return Label::LeftOut(Why::Unknown, tally.n) };
        match (class.key.outcome, self) {
            (Outcome::Cancelled, _) => Label::LeftOut(Why::Cancelled, tally.n),
            (Outcome::Unknown, _) => Label::LeftOut(Why::Unknown, tally.n),
            (Outcome::Failed, Self::Error) => Label::Counted(Split::all(true, tally)),
            (Outcome::Failed, Self::SlowOrUnseen(_)) => Label::LeftOut(Why::Erred, tally.n),
            (Outcome::Passed | Outcome::Unlabelled, Self::Error) => {
                Label::Counted(Split::all(false, tally))
            }
            (Outcome::Passed | Outcome::Unlabelled, Self::SlowOrUnseen(norms)) => {
                match norms.0[cell as usize] {
                    Norm::Unjudged => Label::LeftOut(Why::Unjudged, tally.n),
                    Norm::Unseen => Label::Counted(Split::all(true, tally)),
                    Norm::UpTo(edge) => {
                        let slow = durations.above(edge).min(tally.n);
                        Label::Counted(Split::part(tally, slow))
                    }
                }
            }
        }
    }

    /// Whether one request with this outcome and entry duration failed; `None` where neither.
    pub(crate) fn judges(&self, outcome: Outcome, cell: u32, duration_ns: u64) -> Option<bool> {
        match (outcome, self) {
            (Outcome::Cancelled | Outcome::Unknown, _) => None,
            (_, Self::Error) => Some(outcome == Outcome::Failed),
            (Outcome::Failed, Self::SlowOrUnseen(_)) => None,
            (Outcome::Passed | Outcome::Unlabelled, Self::SlowOrUnseen(norms)) => {
                match norms.0[cell as usize] {
                    Norm::Unjudged => None,
                    Norm::Unseen => Some(true),
                    Norm::UpTo(edge) => Some(Bucket::of(duration_ns) > edge),
                }
            }
        }
    }
}

/// What is normal, cell by cell.
pub(crate) struct Norms(Vec<Norm>);

impl Norms {
    /// Takes what is normal class by class, where each class is a cell of its own.
    pub(crate) const fn by_class(norms: Vec<Norm>) -> Self {
        Self(norms)
    }
}

/// What is normal for requests of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Norm {
    /// Nobody knows.
    Unjudged,
    /// Nothing: it was never seen.
    Unseen,
    /// Durations up to and including this bucket.
    UpTo(Bucket),
}

/// Durations of healthy requests: merged over all windows, by cell and by entry.
pub(crate) struct Healthy {
    cells: Vec<Histogram>,
    entries: Vec<Histogram>,
}

impl Healthy {
    /// Collects the durations of requests of one window that did not fail by their status.
    pub(crate) fn of(aligned: &Aligned<'_>, view: &View<'_>) -> Self {
        let mut cells = vec![Histogram::new(); aligned.cells.len()];
        for (class, cell) in view.classes() {
            let Some(cell) = cell else { continue };
            if matches!(class.key.outcome, Outcome::Passed | Outcome::Unlabelled) {
                cells[cell as usize].merge(&class.durations);
            }
        }
        Self::by_entry(aligned, cells)
    }

    /// Collects the durations of several windows.
    pub(crate) fn all(aligned: &Aligned<'_>, windows: &[Self]) -> Self {
        let cells = (0..aligned.cells.len())
            .map(|i| sum(windows.iter().map(|window| &window.cells[i])))
            .collect();
        Self::by_entry(aligned, cells)
    }

    /// Cells are sorted by entry, so those of an entry lie side by side.
    fn by_entry(aligned: &Aligned<'_>, cells: Vec<Histogram>) -> Self {
        let mut entries = vec![Histogram::new(); aligned.entries.len()];
        let mut rest = cells.as_slice();
        for same in aligned.cells.chunk_by(|a, b| a.entry == b.entry) {
            let (own, others) = rest.split_at(same.len());
            entries[same[0].entry as usize] = sum(own.iter());
            rest = others;
        }
        Self { cells, entries }
    }

    /// What is normal by all windows together.
    pub(crate) fn norms(&self, aligned: &Aligned<'_>) -> Norms {
        let entries: Vec<_> = self.entries.iter().map(summary).collect();
        let of = |(cell, durations): (&crate::align::Cell, &Histogram)| {
            norm(summary(durations), entries[cell.entry as usize])
        };
        Norms(aligned.cells.iter().zip(&self.cells).map(of).collect())
    }

    /// What is normal by all windows but one. Cells that the one does not touch are not judged:
    /// nobody asks for them.
    pub(crate) fn norms_without(&self, aligned: &Aligned<'_>, one: &Self) -> Norms {
        let entries: Vec<_> = self
            .entries
            .iter()
            .zip(&one.entries)
            .map(|(all, own)| summary_without(all, own))
            .collect();
        let of = |(i, cell): (usize, &crate::align::Cell)| {
            let own = &one.cells[i];
            if own.counts().is_empty() {
                return Norm::Unjudged;
            }
            norm(summary_without(&self.cells[i], own), entries[cell.entry as usize])
        };
        Norms(aligned.cells.iter().enumerate().map(of).collect())
    }

    /// Requests of each entry whose pattern no other request of the entry shows. Each would be
    /// *never seen* if it alone were left out, so their share estimates how often a healthy request
    /// shows a new pattern (Good 1953).
    pub(crate) fn singletons(&self, aligned: &Aligned<'_>) -> Vec<u64> {
        let mut singletons = vec![0; aligned.entries.len()];
        for (cell, durations) in aligned.cells.iter().zip(&self.cells) {
            let entry = cell.entry as usize;
            if durations.total() == 1 && self.entries[entry].total() >= UNSEEN_SUPPORT {
                singletons[entry] += 1;
            }
        }
        singletons
    }
}

/// The sum of histograms: by a dense table of counts, in time that grows with what they hold.
pub(crate) fn sum<'h>(histograms: impl Iterator<Item = &'h Histogram>) -> Histogram {
    let mut full = histograms.filter(|h| !h.counts().is_empty());
    let Some(first) = full.next() else { return Histogram::new() };
    let Some(second) = full.next() else { return first.clone() };
    let mut dense = vec![0_u64; usize::from(Bucket::of(u64::MAX).index()) + 1];
    for histogram in [first, second].into_iter().chain(full) {
        for &(bucket, n) in histogram.counts() {
            dense[usize::from(bucket.index())] += n;
        }
    }
    let counts = (0..).zip(dense).filter(|&(_, n)| n > 0);
    Histogram::from_counts(counts.filter_map(|(i, n)| Some((Bucket::from_index(i)?, n))))
}

/// How many values, and the bucket of their p99.
pub(crate) fn summary(durations: &Histogram) -> (u64, Option<Bucket>) {
    (durations.total(), durations.quantile(SLOW_QUANTILE))
}

pub(crate) fn norm(
    (n, p99): (u64, Option<Bucket>),
    (entry_n, entry_p99): (u64, Option<Bucket>),
) -> Norm {
    if entry_n < ENTRY_SUPPORT {
        return Norm::Unjudged;
    }
    if n == 0 && entry_n >= UNSEEN_SUPPORT {
        return Norm::Unseen;
    }
    let edge = if n < PATTERN_SUPPORT { entry_p99 } else { p99 };
    edge.map_or(Norm::Unjudged, Norm::UpTo)
}

/// The same of a histogram without the counts of a part of it.
fn summary_without(all: &Histogram, part: &Histogram) -> (u64, Option<Bucket>) {
    let left = all.total() - part.total();
    let need = (u128::from(left) * u128::from(SLOW_QUANTILE)).div_ceil(1000).max(1);
    let mut part = part.counts().iter().copied().peekable();
    let mut seen = 0_u128;
    for &(bucket, n) in all.counts() {
        let own = part.next_if(|&(b, _)| b == bucket).map_or(0, |(_, own)| own);
        seen += u128::from(n - own);
        if seen >= need {
            return (left, Some(bucket));
        }
    }
    (left, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::align;
    use crate::notation::evidence;

    /// Failed and passed requests of the first class of `now` against one healthy window.
    #[track_caller]
    fn check(now: &str, past: &str, expect: Result<(u64, u64), Why>) {
        let (now, past) = (evidence(now), evidence(past));
        let aligned = align(&now, std::slice::from_ref(&past));
        let norms = Healthy::of(&aligned, &aligned.baselines[0]).norms(&aligned);
        let got = Rule::SlowOrUnseen(norms).label(&now.classes[0], aligned.now.cells[0]);
        let got = match got {
            Label::Counted(split) => Ok((split.failed.n, split.passed.n)),
            Label::LeftOut(why, _) => Err(why),
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn slower_than_the_p99_of_the_same_shape_is_slow() {
        let past = "GET /: web>cart x990 dur=10ms\nGET /: web>cart x10 dur=90ms\n\
                    GET /: web>ad x500 dur=200ms";
        check("GET /: web>cart x5 dur=100ms\nGET /: web>cart x7 dur=10ms", past, Ok((5, 7)));
        check("GET /: web>ad x7 dur=100ms", past, Ok((0, 7)));
        // The edge itself is normal; so is what falls into its bucket.
        check("GET /: web>cart x5 dur=10ms", past, Ok((0, 5)));
    }

    #[test]
    fn a_shape_with_little_support_is_held_against_all_of_its_entry() {
        let past = "GET /: web>cart x400 dur=10ms\nGET /: web>ad x99 dur=1ms";
        check("GET /: web>ad x5 dur=9ms", past, Ok((0, 5)));
        check("GET /: web>ad x5 dur=20ms", past, Ok((5, 0)));
        let past = "GET /: web>cart x400 dur=10ms\nGET /: web>ad x100 dur=1ms";
        check("GET /: web>ad x5 dur=9ms", past, Ok((5, 0)));
    }

    #[test]
    fn a_shape_never_seen_fails_only_where_enough_was_seen() {
        check("GET /: web>new x5 dur=1ms", "GET /: web>cart x300 dur=10ms", Ok((5, 0)));
        check("GET /: web>new x5 dur=1ms", "GET /: web>cart x299 dur=10ms", Ok((0, 5)));
        check("GET /: web>new x5 dur=1ms", "GET /: web>cart x99 dur=10ms", Err(Why::Unjudged));
        check("GET /n: web>new x5 dur=1ms", "GET /: web>cart x999", Err(Why::Unjudged));
    }

    #[test]
    fn neither_passed_nor_failed_stands_on_neither_side() {
        let past = "GET /: web>cart x300 dur=10ms";
        check("GET /: web>cart x5 cancel", past, Err(Why::Cancelled));
        check("GET /: web>cart x5 unknown", past, Err(Why::Unknown));
        check("GET /: web>cart x5 fail", past, Err(Why::Erred));
        check("GET /: web>cart x5 unlabelled dur=10ms", past, Ok((0, 5)));
    }

    #[test]
    fn a_window_is_judged_by_the_others_when_it_is_left_out() {
        let now = evidence("GET /: web>cart x5 dur=10ms");
        let past = [
            evidence("GET /: web>cart x300 dur=10ms"),
            evidence("GET /: web>cart x300 dur=80ms\nGET /: web>own x4 dur=1ms"),
        ];
        let aligned = align(&now, &past);
        let windows = [0, 1].map(|w| Healthy::of(&aligned, &aligned.baselines[w]));
        let all = Healthy::all(&aligned, &windows);
        let rule = Rule::SlowOrUnseen(all.norms_without(&aligned, &windows[1]));
        for (class, cell) in aligned.baselines[1].classes() {
            let Label::Counted(split) = rule.label(class, cell) else { panic!("all are counted") };
            assert_eq!((split.failed.n, split.passed.n), (class.tally.n, 0));
        }
        assert_eq!(all.singletons(&aligned), [0]);
    }

    #[test]
    fn a_sum_is_what_merging_gives() {
        let mut parts = vec![Histogram::new(); 4];
        for i in 0..2000_u64 {
            parts[(i % 3) as usize].record(i.pow(5) << (i % 7));
        }
        parts[1].record(u64::MAX);
        for n in 0..=parts.len() {
            let mut merged = Histogram::new();
            parts[..n].iter().for_each(|h| merged.merge(h));
            assert_eq!(sum(parts[..n].iter()), merged);
        }
    }

    #[test]
    fn a_summary_without_a_part_is_that_of_the_rest() {
        let histogram = |values: &[u64]| {
            let mut h = Histogram::new();
            values.iter().for_each(|&v| h.record(v));
            h
        };
        let rest: Vec<u64> = (1..300).map(|i| i * i).collect();
        for part in [vec![], vec![9], vec![1_000_000; 7], (1..200).map(|i| i * 3).collect()] {
            let all = histogram(&[rest.clone(), part.clone()].concat());
            assert_eq!(summary_without(&all, &histogram(&part)), summary(&histogram(&rest)));
            assert_eq!(summary_without(&all, &all), (0, None));
        }
    }

    #[test]
    fn parts_of_a_tally_add_up() {
        let tally = Tally { n: 7, weight: 1_000_003, weight_squared: u128::from(u64::MAX) * 3 };
        for failed in 0..=7 {
            let Split { failed: mut sum, passed } = Split::part(tally, failed);
            assert_eq!(sum.n, failed);
            sum.merge(passed);
            assert_eq!(sum, tally);
        }
    }
}
