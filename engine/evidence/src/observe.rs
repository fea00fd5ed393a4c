//! All gathered spans → one Evidence a window.

use rayon::prelude::*;
use resus_model::{Evidence, Quality};
use resus_paths::Gathered;

use crate::canonical::{Limits, Parts, canonicalise};
use crate::export::export;
use crate::observer::{Observer, WindowCounts};
use crate::windows::Windows;

/// Counts every gathered request into the window in which it started; one Evidence a window, in
/// the order of windows, also where nothing started. The counters of data quality of the whole
/// reading stand in the first.
///
/// Partitions are shared out over the threads of the current pool. How many there are has no
/// influence on the result, but each share has tables of its own, so more of them cost memory.
#[must_use]
pub fn observe(gathered: &Gathered, windows: &Windows, limits: Limits) -> Vec<Evidence> {
    let shares = gathered.partitions().min(rayon::current_num_threads().max(1));
    let per_share = gathered.partitions().div_ceil(shares);
    let mut counted: Vec<(Observer, Quality)> = (0..shares)
        .into_par_iter()
        .map(|share| {
            let from = share * per_share;
            let to = (from + per_share).min(gathered.partitions());
            observe_share(gathered, windows, from..to)
        })
        .collect();

    let mut quality = gathered.quality().clone();
    counted.iter().for_each(|(_, q)| quality.merge(q));
    let mut by_window: Vec<Vec<WindowCounts>> = windows.list().iter().map(|_| Vec::new()).collect();
    for (observer, _) in &mut counted {
        for (window, counts) in by_window.iter_mut().zip(std::mem::take(&mut observer.windows)) {
            window.push(counts);
        }
    }
    let mut evidences: Vec<Evidence> = by_window
        .into_par_iter()
        .zip(windows.list())
        .map(|(counts, &(window, role))| {
            let shares = counted.iter().zip(counts);
            let parts =
                shares.map(|((observer, _), c)| export(gathered.vocabulary(), observer, &c));
            let mut parts = parts.reduce(join).expect("there is at least one share");
            parts.rules = gathered.rules().fingerprint();
            parts.window = window;
            parts.role = role;
            canonicalise(parts, limits)
        })
        .collect();
    if let Some(first) = evidences.first_mut() {
        first.quality = quality;
    }
    evidences
}

fn observe_share(
    gathered: &Gathered,
    windows: &Windows,
    partitions: std::ops::Range<usize>,
) -> (Observer, Quality) {
    let mut observer = Observer::new(windows.list().len());
    let mut quality = Quality::default();
    for partition in partitions {
        gathered.each_path(partition, &mut quality, &mut |path, quality| match windows
            .find(path.start_unix_nano)
        {
            Some(window) => observer.count(path, window),
            None => quality.outside += 1,
        });
    }
    (observer, quality)
}

/// Puts the tables of two shares together. Both number texts and operations as the vocabulary does;
/// shapes and classes are numbered by each share for itself.
fn join<'a>(mut into: Parts<'a>, from: Parts<'a>) -> Parts<'a> {
    let shift = |n: usize| u32::try_from(n).expect("tables hold fewer than 2^32 rows");
    let (shapes, classes) = (shift(into.shapes.len()), shift(into.classes.len()));
    into.shapes.extend(from.shapes);
    into.classes.extend(from.classes.into_iter().map(|mut class| {
        class.key.shape = class.key.shape.map(|s| s + shapes);
        class
    }));
    into.marginals.extend(from.marginals.into_iter().map(|mut marginal| {
        marginal.key.class += classes;
        marginal
    }));
    into.places.extend(from.places);
    into.operation_stats.extend(from.operation_stats);
    into.edges.extend(from.edges);
    into.productions.extend(from.productions);
    into.peers.extend(from.peers);
    into.attributes.extend(from.attributes.into_iter().map(|mut value| {
        value.class += classes;
        value
    }));
    into.attribute_rows.extend(from.attribute_rows.into_iter().map(|mut row| {
        row.class += classes;
        row
    }));
    into
}
