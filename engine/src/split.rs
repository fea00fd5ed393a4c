//! No windows were given: which stretch of the dump is the incident?
//!
//! The dump is cut into at most [`PANES`] equal panes on the grid of the epoch. For every run of
//! panes the likelihood ratio of "requests fail more often inside than outside" against "equally
//! often everywhere" is computed (a scan statistic over binomial counts, Kulldorff 1997), and the
//! run where it is largest is the incident. Failed means the outcome; where no run stands out by
//! outcomes, slower than nineteen in twenty requests of the same shape. The rest, without the panes
//! beside the run, is the baseline. Since the data chose the window, p-values that follow are
//! conditional on that choice.

use std::collections::BTreeMap;

use resus_evidence::{Limits, MergeError, coarsen_panes, merge};
use resus_model::{Bucket, Evidence, Histogram, Outcome, Quality, Role, Window};

/// At most so many panes: fine enough to cut two minutes out of an hour, coarse enough that a pane
/// holds requests and that counting by pane costs little more than counting once.
pub const PANES: u64 = 32;

/// Baseline windows made of the panes outside: enough to see how much a share wanders.
const BASELINE_WINDOWS: usize = 8;

/// Log-likelihood ratio from which a run stands out. With 32 panes there are about 500 runs; at 12 a
/// run appears by chance in less than one dump in a hundred (exp(-12) * 500).
const STANDS_OUT: f64 = 12.0;

const SECOND: u64 = 1_000_000_000;

/// The length of panes for a range: the smallest power of two seconds with at most [`PANES`] panes.
/// Powers of two nest, so parts of a dump summarised apart fit together.
#[must_use]
pub fn pane_length(range: Window) -> u64 {
    let mut length = SECOND;
    while range.to / length - range.from / length >= PANES {
        length = length.saturating_mul(2);
    }
    length
}

/// Equal windows of what lies before a window, or after it where nothing does.
pub(crate) fn around(now: Window, range: Window) -> Vec<Window> {
    let before = Window { from: range.from, to: now.from.min(range.to + 1) };
    let after = Window { from: now.to.max(range.from), to: range.to + 1 };
    let rest = if before.nanos() >= SECOND { before } else { after };
    if rest.nanos() < SECOND {
        return Vec::new();
    }
    let count = (rest.nanos() / SECOND).clamp(1, BASELINE_WINDOWS as u64);
    let edge = |i: u64| {
        let part = u128::from(rest.nanos()) * u128::from(i) / u128::from(count);
        rest.from + u64::try_from(part).expect("a part is no longer than the whole")
    };
    (0..count).map(|i| Window { from: edge(i), to: edge(i + 1) }).collect()
}

pub(crate) struct Split {
    pub(crate) now: Evidence,
    pub(crate) baseline: Vec<Evidence>,
    pub(crate) how: String,
}

/// Sorts panes into the incident and its baseline.
pub(crate) fn split(panes: &[Evidence]) -> Result<Split, MergeError> {
    // The hull of what was really seen, so that empty panes at the rim do not matter.
    let range = panes
        .iter()
        .filter(|p| p.paths() > 0)
        .map(|p| Window { from: p.window.from, to: p.window.to - 1 })
        .reduce(Window::hull)
        .unwrap_or(Window { from: 0, to: 0 });
    let longest = panes.iter().map(|p| p.window.nanos()).max().unwrap_or(SECOND);
    let length = pane_length(range).max(longest);
    let mut panes = coarsen_panes(panes, length, Limits::STANDARD)?;
    if panes.iter().any(|p| p.paths() > 0) {
        panes.retain(|p| p.paths() > 0);
    }
    let by_outcome: Vec<(u64, u64)> = panes.iter().map(failures).collect();
    let (run, ratio, what) = match best_run(&by_outcome) {
        Some((run, ratio)) if ratio >= STANDS_OUT => (run, ratio, "fail"),
        _ => match best_run(&slow_counts(&panes)) {
            Some((run, ratio)) if ratio >= STANDS_OUT => (run, ratio, "are slow"),
            _ => return quiet(&panes, length),
        },
    };
    let inside: Vec<&Evidence> = panes[run.0..run.1].iter().collect();
    let mut now = merge(&inside, Limits::STANDARD)?;
    now.role = Role::Now;
    now.quality = Quality::default();
    let outside: Vec<&Evidence> = outside_of(&panes, run);
    let how = format!(
        "chosen from the data: of {} panes of {} s, requests {what} most unusually often in {} (log-likelihood ratio {ratio:.0}); the baseline is the rest; p-values are conditional on this choice",
        panes.len(),
        length / SECOND,
        now.window,
    );
    Ok(Split { now, baseline: baseline_of(&outside)?, how })
}

/// Nothing stands out: the last third is held against the rest.
fn quiet(panes: &[Evidence], length: u64) -> Result<Split, MergeError> {
    let from = panes.len() - panes.len().div_ceil(3);
    let inside: Vec<&Evidence> = panes[from..].iter().collect();
    let mut now = merge(&inside, Limits::STANDARD)?;
    now.role = Role::Now;
    now.quality = Quality::default();
    let how = format!(
        "no stretch of the {} panes of {} s stands out; the last third is held against the rest",
        panes.len(),
        length / SECOND,
    );
    let outside: Vec<&Evidence> = panes[..from].iter().collect();
    Ok(Split { now, baseline: baseline_of(&outside)?, how })
}

/// The panes outside of a run, without its neighbours where there are plenty.
fn outside_of(panes: &[Evidence], run: (usize, usize)) -> Vec<&Evidence> {
    let rest = panes.len() - (run.1 - run.0);
    let guard = usize::from(rest >= 6);
    let outside =
        panes.iter().enumerate().filter(|(i, _)| i + guard < run.0 || *i >= run.1 + guard);
    outside.map(|(_, p)| p).collect()
}

fn baseline_of(panes: &[&Evidence]) -> Result<Vec<Evidence>, MergeError> {
    if panes.is_empty() {
        return Ok(Vec::new());
    }
    let windows = BASELINE_WINDOWS.min(panes.len());
    let edge = |i: usize| panes.len() * i / windows;
    (0..windows)
        .map(|i| {
            let mut one = merge(&panes[edge(i)..edge(i + 1)], Limits::STANDARD)?;
            one.role = Role::Baseline;
            one.quality = Quality::default();
            Ok(one)
        })
        .collect()
}

/// Failed requests, and all that passed or failed.
fn failures(pane: &Evidence) -> (u64, u64) {
    let (mut failed, mut all) = (0, 0);
    for class in &pane.classes {
        match class.key.outcome {
            Outcome::Failed => {
                failed += class.tally.n;
                all += class.tally.n;
            }
            Outcome::Passed | Outcome::Unlabelled => all += class.tally.n,
            Outcome::Cancelled | Outcome::Unknown => {}
        }
    }
    (failed, all)
}

/// Requests slower than nineteen in twenty of the same shape, and all; pane by pane.
fn slow_counts(panes: &[Evidence]) -> Vec<(u64, u64)> {
    type Key = Vec<(u32, String, String)>;
    let key = |pane: &Evidence, class: &resus_model::PathClass| -> Key {
        let Some(shape) = class.key.shape else { return Key::new() };
        let nodes = pane.shapes[shape as usize].0.iter();
        nodes
            .map(|n| {
                let (service, operation) = pane.operation_texts(n.operation);
                (n.depth, service.to_owned(), operation.to_owned())
            })
            .collect()
    };
    let mut all: BTreeMap<Key, Histogram> = BTreeMap::new();
    for pane in panes {
        for class in &pane.classes {
            all.entry(key(pane, class)).or_default().merge(&class.durations);
        }
    }
    let limits: BTreeMap<Key, Bucket> =
        all.into_iter().filter_map(|(key, h)| Some((key, h.quantile(950)?))).collect();
    let count = |pane: &Evidence| {
        let (mut slow, mut total) = (0, 0);
        for class in &pane.classes {
            let Some(&limit) = limits.get(&key(pane, class)) else { continue };
            slow += class.durations.above(limit);
            total += class.durations.total();
        }
        (slow, total)
    };
    panes.iter().map(count).collect()
}

/// The run of panes (from, to) with the largest log-likelihood ratio of a raised share, at most two
/// thirds of all panes long.
fn best_run(counts: &[(u64, u64)]) -> Option<((usize, usize), f64)> {
    let failed: u64 = counts.iter().map(|c| c.0).sum();
    let all: u64 = counts.iter().map(|c| c.1).sum();
    let longest = counts.len() * 2 / 3;
    let mut best: Option<((usize, usize), f64)> = None;
    for from in 0..counts.len() {
        let (mut k, mut n) = (0, 0);
        for (to, count) in counts.iter().enumerate().skip(from).take(longest) {
            k += count.0;
            n += count.1;
            let ratio = ratio(k, n, failed - k, all - n);
            if ratio > best.map_or(0.0, |(_, r)| r) {
                best = Some(((from, to + 1), ratio));
            }
        }
    }
    best
}

/// Log-likelihood ratio of two binomial shares against one, where the first is the larger; else 0.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn ratio(k1: u64, n1: u64, k2: u64, n2: u64) -> f64 {
    if n1 == 0 || n2 == 0 || u128::from(k1) * u128::from(n2) <= u128::from(k2) * u128::from(n1) {
        return 0.0;
    }
    let log = |k: u64, n: u64| {
        let (k, n) = (k as f64, n as f64);
        let part = |x: f64| if x > 0.0 { x * (x / n).ln() } else { 0.0 };
        part(k) + part(n - k)
    };
    log(k1, n1) + log(k2, n2) - log(k1 + k2, n1 + n2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_where_the_share_is_raised_is_found() {
        let mut counts = vec![(1, 100); 20];
        for c in &mut counts[12..16] {
            c.0 = 30;
        }
        let (run, ratio) = best_run(&counts).expect("a raised share");
        assert_eq!(run, (12, 16));
        assert!(ratio > STANDS_OUT);
        let (_, flat) = best_run(&[(1, 100); 20]).unwrap_or(((0, 0), 0.0));
        assert!(flat < STANDS_OUT);
    }

    #[test]
    fn panes_are_few_and_nest() {
        let range = |s: u64| Window { from: 1_000_000 * SECOND, to: (1_000_000 + s) * SECOND };
        assert_eq!(pane_length(range(30)), SECOND);
        assert_eq!(pane_length(range(900)), 32 * SECOND);
        let day = pane_length(range(86_400));
        assert!(day.is_power_of_two() || (day / SECOND).is_power_of_two());
        assert!(86_400 * SECOND / day <= PANES);
    }

    #[test]
    fn what_lies_before_a_window_is_its_baseline() {
        let s = SECOND;
        let range = Window { from: 0, to: 100 * s };
        let before = around(Window { from: 80 * s, to: 90 * s }, range);
        assert_eq!(before.len(), BASELINE_WINDOWS);
        assert_eq!((before[0].from, before[7].to), (0, 80 * s));
        let after = around(Window { from: 0, to: 10 * s }, range);
        assert_eq!(after[0].from, 10 * s);
    }
}
