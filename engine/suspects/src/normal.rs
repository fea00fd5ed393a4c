//! What is normal at each entry operation? Prepared once, to be asked about many windows.
//!
//! The same answers as [`Healthy`](crate::label::Healthy) gives for windows that are aligned with
//! each other (a test holds the two together), without aligning all healthy windows anew for each
//! window that is judged.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use resus_model::{Bucket, Evidence, Exactness, Histogram, Outcome, PathClass};

use crate::align::{OperationText, texts};
use crate::label::{Norm, norm, sum, summary};

/// Depth that stands for a path whose shape is not known.
const SHAPELESS: u32 = u32::MAX;

/// How long healthy requests take, by entry operation and pattern of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normal {
    /// Service, namespace, operation; ascending.
    operations: Vec<(String, String, String)>,
    /// At how much of the class key paths are compared.
    level: Exactness,
    cells: BTreeMap<Cell, Summary>,
    /// By entry operation.
    entries: BTreeMap<u32, Summary>,
}

/// An entry operation and a pattern; operations as indexes into [`Normal::operations`].
type Cell = (u32, Box<[(u32, u32)]>);

/// How many requests, and the bucket of their p99.
type Summary = (u64, Option<Bucket>);

impl Normal {
    /// Summarises the requests of healthy windows that did not fail by their status, for windows
    /// that have kept as much of the class key as `asked`.
    #[must_use]
    pub fn of<B: Borrow<Evidence>>(windows: &[B], asked: Exactness) -> Self {
        let windows: Vec<&Evidence> = windows.iter().map(B::borrow).collect();
        let level = windows.iter().map(|w| w.exactness).max().map_or(asked, |l| l.max(asked));
        let mut operations: Vec<OperationText<'_>> =
            windows.iter().flat_map(|w| texts(w)).collect();
        operations.sort_unstable();
        operations.dedup();

        let mut cells: BTreeMap<Cell, Vec<&Histogram>> = BTreeMap::new();
        let mut entries: BTreeMap<u32, Vec<&Histogram>> = BTreeMap::new();
        for window in windows {
            let numbers = numbers(window, &operations);
            for class in &window.classes {
                let Some(entry) = class.key.entry.and_then(|e| numbers[e as usize]) else {
                    continue;
                };
                if !matches!(class.key.outcome, Outcome::Passed | Outcome::Unlabelled) {
                    continue;
                }
                entries.entry(entry).or_default().push(&class.durations);
                let pattern = pattern(window, class, &numbers, level)
                    .expect("the operations of all windows were put in");
                cells.entry((entry, pattern)).or_default().push(&class.durations);
            }
        }
        let of = |durations: &[&Histogram]| summary(&sum(durations.iter().copied()));
        let owned =
            |(s, n, o): &OperationText<'_>| ((*s).to_owned(), (*n).to_owned(), (*o).to_owned());
        Self {
            operations: operations.iter().map(owned).collect(),
            level,
            cells: cells.into_iter().map(|(cell, d)| (cell, of(&d))).collect(),
            entries: entries.into_iter().map(|(entry, d)| (entry, of(&d))).collect(),
        }
    }

    /// What is normal for each class of a window. One that has kept less of the class key than was
    /// asked for is judged by its entry operations alone.
    pub(crate) fn norms(&self, window: &Evidence) -> Vec<Norm> {
        let operations: Vec<OperationText<'_>> =
            self.operations.iter().map(|(s, n, o)| (s.as_str(), n.as_str(), o.as_str())).collect();
        let numbers = numbers(window, &operations);
        let of = |class: &PathClass| {
            let entry = class.key.entry.and_then(|e| numbers[e as usize]);
            let Some(summary) = entry.and_then(|e| self.entries.get(&e)) else {
                return Norm::Unjudged;
            };
            if window.exactness > self.level {
                return norm(*summary, *summary);
            }
            let cell = entry.zip(pattern(window, class, &numbers, self.level));
            let own = cell.and_then(|cell| self.cells.get(&cell)).copied();
            norm(own.unwrap_or((0, None)), *summary)
        };
        window.classes.iter().map(of).collect()
    }
}

/// For each operation of a window its number in a sorted table.
fn numbers(window: &Evidence, operations: &[OperationText<'_>]) -> Vec<Option<u32>> {
    let number = |text: &OperationText<'_>| {
        let found = operations.binary_search(text).ok()?;
        u32::try_from(found).ok()
    };
    texts(window).iter().map(number).collect()
}

/// The pattern of a class at a level; `None` where an operation of it has no number. Siblings stay
/// in order: numbers ascend as texts do in every table.
fn pattern(
    window: &Evidence,
    class: &PathClass,
    numbers: &[Option<u32>],
    level: Exactness,
) -> Option<Box<[(u32, u32)]>> {
    let number = |operation: u32| numbers[operation as usize];
    match level {
        Exactness::Exact => match class.key.shape {
            Some(shape) => {
                let nodes = window.shapes[shape as usize].0.iter();
                nodes.map(|n| Some((n.depth, number(n.operation)?))).collect()
            }
            None => Some([(SHAPELESS, 0)].into()),
        },
        Exactness::ShapesDropped => {
            class.key.operations.iter().map(|&o| Some((0, number(o)?))).collect()
        }
        Exactness::OperationsDropped => Some([].into()),
    }
}
