//! Which requests should a reader look at?
//!
//! For a suspect: failed requests with it, those of smallest hash, and a passed request of the
//! nearest passing class of the same entry, near being the Jaccard distance of sets of operations.
//! Where slow requests count as failed, a class holds both, so each exemplar is judged by itself.
//!
//! A suspect none of whose requests counts as failed is shown by its oddest request instead, beside
//! the healthy one that is most like it: on a path that healthy windows do not show, if there is one,
//! and there the one in which the suspect takes longest.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use resus_model::{Component, Evidence, Exemplar, ExemplarText, Outcome, PathClass};

use crate::align::{Aligned, View, remap};
use crate::coefficient::real;
use crate::detect::Detected;
use crate::label::Rule;
use crate::presence::{Column, Counted, Row};

/// Failing requests shown of a suspect: one could be odd, more are not read.
const SHOWN: usize = 2;

/// Finds exemplars of one diagnosis.
pub(crate) struct Exemplars<'a> {
    aligned: &'a Aligned<'a>,
    counted: &'a Counted,
    rule: &'a Rule,
    deviating: Vec<bool>,
    /// Sets of operations that healthy windows show; made when first asked for.
    usual: OnceCell<BTreeSet<Vec<u32>>>,
}

impl<'a> Exemplars<'a> {
    pub(crate) fn new(
        aligned: &'a Aligned<'a>,
        counted: &'a Counted,
        detected: &'a Detected,
    ) -> Self {
        let deviating = detected.deviating(aligned.entries.len());
        Self { aligned, counted, rule: &detected.rule, deviating, usual: OnceCell::new() }
    }

    /// Failed requests with a component, and a passed one of the nearest passing class.
    pub(crate) fn of(&self, column: &Column) -> (Vec<ExemplarText>, Option<ExemplarText>) {
        let mut failing: Vec<(&Exemplar, &Row)> = column
            .rows
            .iter()
            .map(|&r| &self.counted.rows[r as usize])
            .filter(|row| row.split.failed.n > 0 && self.deviating[self.aligned.entry_of(row.cell)])
            .flat_map(|row| self.class(row).exemplars.iter().map(move |e| (e, row)))
            .filter(|(e, row)| {
                self.failed(e, row) == Some(true) && self.shows(e, &column.component)
            })
            .collect();
        failing.sort_by_key(|(e, _)| (e.hash, e.trace_id));
        let nearest =
            failing.first().map(|(_, row)| *row).and_then(|row| self.nearest_passing(row));
        failing.truncate(SHOWN);
        let evidence = self.aligned.now.evidence;
        let texts = failing.iter().map(|(e, row)| text(evidence, e, self.class(row))).collect();
        (texts, nearest)
    }

    /// The oddest request with a component now, and the request of healthy windows most like it.
    pub(crate) fn odd(&self, component: &Component) -> (Vec<ExemplarText>, Option<ExemplarText>) {
        let now = &self.aligned.now;
        let paths =
            |view: &View<'_>, class: &PathClass| remap(&view.operations, &class.key.operations);
        let healthy =
            || self.aligned.baselines.iter().flat_map(|v| v.classes().map(move |c| (v, c.0)));
        let usual = self.usual.get_or_init(|| healthy().map(|(v, c)| paths(v, c)).collect());
        let candidates = now.classes().flat_map(|(class, _)| {
            let new = !usual.contains(&paths(now, class));
            class
                .exemplars
                .iter()
                .filter_map(move |e| Some((new, longest(now, e, component)?, e, class)))
        });
        // Ties by hash, so that the order of classes does not matter.
        let odd = candidates.max_by_key(|&(new, lasted, e, _)| {
            (new, lasted, std::cmp::Reverse((e.hash, e.trace_id)))
        });
        let Some((.., exemplar, class)) = odd else { return Default::default() };
        let (path, entry) =
            (paths(now, class), class.key.entry.map(|o| now.operations[o as usize]));
        let alike = healthy().filter(|(view, class)| {
            class.key.outcome != Outcome::Failed
                && class.key.entry.map(|o| view.operations[o as usize]) == entry
        });
        let alike = alike.filter_map(|(view, class)| {
            let first = class.exemplars.iter().min_by_key(|e| (e.hash, e.trace_id))?;
            Some((set_distance(&path, &paths(view, class)), view, first, class))
        });
        let nearest = alike.min_by(|a, b| {
            a.0.total_cmp(&b.0)
                .then_with(|| (a.2.hash, a.2.trace_id).cmp(&(b.2.hash, b.2.trace_id)))
        });
        let nearest =
            nearest.map(|(_, view, exemplar, class)| text(view.evidence, exemplar, class));
        (vec![text(now.evidence, exemplar, class)], nearest)
    }

    fn class(&self, row: &Row) -> &'a PathClass {
        &self.aligned.now.evidence.classes[row.class]
    }

    /// Whether one request of a row failed; `None` when neither.
    fn failed(&self, exemplar: &Exemplar, row: &Row) -> Option<bool> {
        let class = self.class(row);
        self.rule.judges(class.key.outcome, row.cell, entry_duration(exemplar, class))
    }

    /// A class says which services and operations took part in its requests, not which instances.
    fn shows(&self, exemplar: &Exemplar, component: &Component) -> bool {
        let Some(instance) = &component.instance else { return true };
        let evidence = self.aligned.now.evidence;
        exemplar.spans.iter().any(|s| {
            let operation = evidence.operations[s.operation as usize];
            evidence.names.text(s.instance) == instance
                && evidence.names.text(operation.service) == component.service
                && evidence.names.text(operation.namespace) == component.namespace
        })
    }

    fn nearest_passing(&self, row: &Row) -> Option<ExemplarText> {
        let operations = &self.class(row).key.operations;
        let entry = self.aligned.entry_of(row.cell);
        // Rows come in the order of class keys, and the first of equals is kept.
        let mut best: Option<(f64, &Exemplar, &PathClass)> = None;
        for other in &self.counted.rows {
            if other.split.passed.n == 0 || self.aligned.entry_of(other.cell) != entry {
                continue;
            }
            let class = self.class(other);
            let distance = set_distance(operations, &class.key.operations);
            if best.is_some_and(|(nearest, ..)| nearest <= distance) {
                continue;
            }
            let passed = class.exemplars.iter().find(|e| self.failed(e, other) == Some(false));
            if let Some(exemplar) = passed {
                best = Some((distance, exemplar, class));
            }
        }
        best.map(|(_, exemplar, class)| text(self.aligned.now.evidence, exemplar, class))
    }
}

/// How long the longest span of a component took in a request, nanoseconds; `None` where it has none.
fn longest(view: &View<'_>, exemplar: &Exemplar, component: &Component) -> Option<i64> {
    let Evidence { operations, names, .. } = view.evidence;
    let of = exemplar.spans.iter().filter(|s| {
        let key = operations[s.operation as usize];
        names.text(key.service) == component.service
            && names.text(key.namespace) == component.namespace
            && component.operation.as_ref().is_none_or(|o| names.text(key.operation) == o)
    });
    of.map(|s| s.duration_ns).max()
}

/// An exemplar with its texts; its indexes point into these.
fn text(evidence: &Evidence, exemplar: &Exemplar, class: &PathClass) -> ExemplarText {
    let operation = |o: u32| {
        let (service, operation) = evidence.operation_texts(o);
        (service.to_owned(), operation.to_owned())
    };
    let instance = |i: u32| evidence.names.text(i).to_owned();
    let mut operations: Vec<_> = exemplar.spans.iter().map(|s| operation(s.operation)).collect();
    let mut instances: Vec<_> = exemplar.spans.iter().map(|s| instance(s.instance)).collect();
    operations.sort_unstable();
    operations.dedup();
    instances.sort_unstable();
    instances.dedup();
    let mut exemplar = exemplar.clone();
    for span in &mut exemplar.spans {
        span.operation = index(operations.binary_search(&operation(span.operation)));
        span.instance = index(instances.binary_search(&instance(span.instance)));
    }
    let outcome: Outcome = class.key.outcome;
    ExemplarText { outcome, exemplar, operations, instances }
}

/// Duration of the entry span: the first of the entry operation, nanoseconds, negative ones as 0.
fn entry_duration(exemplar: &Exemplar, class: &PathClass) -> u64 {
    let entry = exemplar.spans.iter().find(|s| Some(s.operation) == class.key.entry);
    entry.map_or(0, |s| u64::try_from(s.duration_ns).unwrap_or(0))
}

/// Jaccard distance of two ascending lists.
fn set_distance(a: &[u32], b: &[u32]) -> f64 {
    let mut rest = b.iter().peekable();
    let mut both = 0_usize;
    for x in a {
        while rest.next_if(|y| *y < x).is_some() {}
        both += usize::from(rest.next_if(|y| *y == x).is_some());
    }
    let either = a.len() + b.len() - both;
    if either == 0 { 0.0 } else { real((either - both) as u64) / real(either as u64) }
}

fn index(found: Result<usize, usize>) -> u32 {
    let i = found.expect("the table was built of all that is looked up in it");
    u32::try_from(i).expect("an exemplar has few spans")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_compared_by_what_they_share() {
        assert_eq!(set_distance(&[1, 2, 3], &[2, 3, 4]), 0.5);
        assert_eq!(set_distance(&[1, 2], &[1, 2]), 0.0);
        assert_eq!(set_distance(&[1], &[2]), 1.0);
        assert_eq!(set_distance(&[], &[]), 0.0);
    }
}
