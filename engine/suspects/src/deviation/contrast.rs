//! By how much does an item differ from healthy windows, in units of how much it wanders?
//!
//! The effect is the mean now less the mean of healthy windows, entry operation by entry operation,
//! weighted by what there is now (direct standardisation). Its variance has two parts: sampling
//! (Welch's, so that one straggler among few spans is not taken for a shift), and how much healthy
//! windows differ from each other beyond sampling, by the method of moments over windows that are
//! left out one at a time (DerSimonian and Laird 1986). A healthy window that stands out from all
//! others for an item is not used for it: part of an incident was taken for health.

use super::item::{Item, SORTS};
use super::sums::{Sums, Table};

/// Of fewer healthy observations nothing is compared.
const LEAST_HEALTHY: f64 = 5.0;

/// A healthy window stands out when it lies so many standard errors from the others.
const STANDS_OUT: f64 = 4.0;

/// At most one healthy window in so many is set aside for an item.
const ONE_IN: usize = 4;

/// Degrees of freedom that the floor of the spread is worth: it comes of all items of its kind.
pub(crate) const FLOOR_FREEDOM: f64 = 4.0;

/// The floor of the spread where a lone healthy window says nothing of it, as a multiple.
const UNKNOWN_SPREAD: f64 = 2.0;

/// A mean against another.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Difference {
    /// Observations now that could be compared.
    pub n: f64,
    /// Their sum.
    pub sum: f64,
    /// Mean of healthy ones at the same entries.
    pub baseline: f64,
    /// Healthy observations at the same entries.
    pub baseline_n: f64,
    /// Their sum.
    pub baseline_sum: f64,
    /// Variance of an observation now.
    pub variance: f64,
    /// Variance of a healthy observation.
    pub baseline_variance: f64,
    /// Variance of the difference by sampling.
    pub sampling: f64,
    /// What of the difference other items account for; of the sign of the effect.
    pub explained: f64,
}

impl Difference {
    /// Mean now.
    pub(crate) const fn mean(&self) -> f64 {
        self.sum / self.n
    }

    /// Mean now less mean before.
    pub(crate) const fn effect(&self) -> f64 {
        self.mean() - self.baseline
    }

    /// What is left of it when what others account for is taken off.
    pub(crate) const fn rest(&self) -> f64 {
        self.effect() - self.explained
    }
}

/// How an item wanders between healthy windows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Wander {
    /// Its difference now; `None` where nothing can be compared.
    pub now: Option<Difference>,
    /// Differences of each healthy window from the others.
    pub healthy: Vec<Option<Difference>>,
    /// Healthy windows that were set aside.
    pub aside: Vec<bool>,
    /// Variance between healthy windows beyond sampling; `None` with fewer than two, and before
    /// [`Wander::settle`].
    pub between: Option<f64>,
}

/// An item with its verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contrast {
    /// What now differs by.
    pub difference: Difference,
    /// Standard deviation between healthy windows, with its floor.
    pub spread: f64,
    /// Healthy windows that were used.
    pub windows: u32,
    /// Degrees of freedom behind the spread.
    pub freedom: f64,
}

impl Contrast {
    /// Standard error of the effect.
    pub(crate) fn error(&self) -> f64 {
        (self.spread * self.spread + self.difference.sampling).sqrt()
    }

    /// Effect less what is explained, in standard errors.
    pub(crate) fn z(&self, item: Item) -> f64 {
        let rest = self.difference.rest();
        if item.two_sided() { rest.abs() / self.error() } else { rest / self.error() }
    }
}

/// Compares one window with the sum of others.
pub(crate) fn compare(item: Item, now: &[Sums], others: &[Sums]) -> Option<Difference> {
    let times = item.least_variance() > 0.0;
    let mut d = Difference::default();
    let (mut scatter, mut baseline_scatter, mut lever) = (0.0, 0.0, 0.0);
    for (a, b) in now.iter().zip(others) {
        if a.n <= 0.0 || b.n <= 0.5 {
            continue;
        }
        d.n += a.n;
        d.sum += a.sum;
        d.baseline += a.n * (b.sum / b.n);
        d.baseline_n += b.n;
        d.baseline_sum += b.sum;
        lever += a.n * a.n / b.n;
        scatter += a.scatter();
        baseline_scatter += b.scatter();
    }
    if d.n <= 0.0 || d.baseline_n < LEAST_HEALTHY {
        return None;
    }
    d.baseline /= d.n;
    if times {
        let effect = d.effect();
        d.baseline_variance = (baseline_scatter / d.baseline_n).max(item.least_variance());
        // Of a single observation the scatter is not known: as if another had shown nothing.
        let own = if d.n > 1.5 { scatter / (d.n - 1.0) } else { effect * effect / 4.0 };
        d.variance = own.max(d.baseline_variance);
    } else {
        // As if half an observation more had gone either way (Jeffreys), for counts of 0 and of all.
        let smooth = |n: f64, scatter: f64| (scatter + 0.5) / (n + 1.0);
        d.baseline_variance = smooth(d.baseline_n, baseline_scatter);
        d.variance = smooth(d.n, scatter).max(d.baseline_variance);
    }
    d.sampling = d.variance / d.n + d.baseline_variance * lever / (d.n * d.n);
    Some(d)
}

/// Compares the window to be explained, and each healthy one, with (other) healthy ones.
pub(crate) fn wander(table: &Table, at: usize) -> Wander {
    let item = table.items[at].0;
    let cells = table.cells(at);
    let rows: Vec<&[Sums]> = table.healthy.iter().map(|w| &w[cells.clone()]).collect();
    let mut aside = vec![false; rows.len()];
    let present = |row: &[Sums]| row.iter().any(|s| s.n > 0.0);
    let mut spare = rows.iter().filter(|r| present(r)).count() / ONE_IN;
    loop {
        let mut pool = vec![Sums::default(); cells.len()];
        for (row, _) in rows.iter().zip(&aside).filter(|(_, aside)| !**aside) {
            pool.iter_mut().zip(*row).for_each(|(sum, s)| sum.add(*s));
        }
        let healthy: Vec<Option<Difference>> = rows
            .iter()
            .zip(&aside)
            .map(|(row, &aside)| {
                let mut others = pool.clone();
                if !aside {
                    others.iter_mut().zip(*row).for_each(|(sum, s)| sum.take(*s));
                }
                compare(item, row, &others)
            })
            .collect();
        let used: Vec<(usize, Difference)> =
            (0..rows.len()).filter(|&w| !aside[w]).filter_map(|w| Some((w, healthy[w]?))).collect();
        if spare > 0 && used.len() >= ONE_IN {
            let outlier = outlier(item, &used);
            if let Some(w) = outlier {
                aside[w] = true;
                spare -= 1;
                continue;
            }
        }
        let now = compare(item, &table.now[cells], &pool);
        return Wander { now, healthy, aside, between: None };
    }
}

/// Variance of differences beyond sampling, at least 0; one of them may be left out.
fn between(used: &[(usize, Difference)], without: Option<usize>) -> f64 {
    let (mut n, mut sum) = (0.0, 0.0);
    for (_, d) in used.iter().filter(|(w, _)| Some(*w) != without) {
        n += 1.0;
        sum += d.rest() * d.rest() - d.sampling;
    }
    if n > 0.0 { (sum / n).max(0.0) } else { 0.0 }
}

/// The window that stands out most from the others, if one does.
fn outlier(item: Item, used: &[(usize, Difference)]) -> Option<usize> {
    let floor = item.least_spread();
    let distance = |w: usize, d: &Difference| {
        d.effect().abs() / (between(used, Some(w)) + floor * floor + d.sampling).sqrt()
    };
    let most = used
        .iter()
        .map(|(w, d)| (distance(*w, d), *w))
        .reduce(|most, one| if one.0 > most.0 { one } else { most });
    most.filter(|(distance, _)| *distance > STANDS_OUT).map(|(_, w)| w)
}

/// Floors of the spread by sort of item: the median over items of the sort, at least what is believed.
pub(crate) fn floors(items: &[Item], wanders: &[Wander]) -> [f64; SORTS] {
    let mut spreads: [Vec<f64>; SORTS] = Default::default();
    let mut floors = [0.0_f64; SORTS];
    for (item, wander) in items.iter().zip(wanders) {
        floors[item.sort()] = item.least_spread();
        if let Some(between) = wander.between {
            spreads[item.sort()].push(between.sqrt());
        }
    }
    for (floor, spreads) in floors.iter_mut().zip(&mut spreads) {
        *floor = floor.max(median(spreads));
    }
    floors
}

/// The upper median; 0 of none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

impl Wander {
    /// Works out the variance between healthy windows, once it is known what others account for.
    pub(crate) fn settle(&mut self) {
        let used: Vec<(usize, Difference)> = (0..self.healthy.len())
            .filter(|&w| !self.aside[w])
            .filter_map(|w| Some((w, self.healthy[w]?)))
            .collect();
        let enough = self.healthy.len() >= 2 && !used.is_empty();
        self.between = enough.then(|| between(&used, None));
    }

    /// Judges a difference by how the item wanders.
    pub(crate) fn judge(&self, difference: Difference, floor: f64) -> Contrast {
        let windows = self.healthy.iter().zip(&self.aside).filter(|(d, a)| d.is_some() && !**a);
        let windows = windows.count();
        let (spread, freedom) = match self.between {
            Some(between) => ((between + floor * floor).sqrt(), windows as f64 - 1.0),
            None => (UNKNOWN_SPREAD * floor, 0.0),
        };
        Contrast {
            difference,
            spread,
            windows: u32::try_from(windows).expect("few windows"),
            freedom: freedom.max(0.0) + FLOOR_FREEDOM,
        }
    }
}
