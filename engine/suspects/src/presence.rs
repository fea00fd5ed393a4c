//! In how many failed and passed requests did each component take part?
//!
//! *Failed* are the failed requests of the entry operations that deviate. Failed requests of the
//! others are the usual noise: they stand on neither side and are counted. *Passed* are the passing
//! requests of **all** entry operations, not only of those that deviate: a component that serves
//! healthy requests elsewhere is cleared by them, which is what keeps hot shared components from
//! being blamed for every failure (as in Pinpoint, DSN 2002, whose table holds all requests). The
//! price: a service of which one operation alone is broken is diluted by its healthy operations at
//! level service; at level operation it is not.
//!
//! Counts by service and operation are exact, from the sets of operations of the path classes.

use std::collections::BTreeMap;

use resus_model::{Component, Counts, Level, Tally};

use crate::align::{Aligned, remap};
use crate::detect::Detected;
use crate::label::{Label, Split, Why};
use crate::origin::Origins;
use crate::part::{self, Part};

/// Requests that take part in a diagnosis.
pub(crate) struct Counted {
    /// One a class that has any, in order of classes.
    pub rows: Vec<Row>,
    /// All of them.
    pub total: Split,
    /// Failed requests of entry operations that do not deviate.
    pub background: u64,
    /// Requests on neither side, by reason.
    pub left_out: BTreeMap<Why, u64>,
}

/// Requests of one class.
pub(crate) struct Row {
    /// Index into the classes of the window to be explained.
    pub class: usize,
    /// Their cell.
    pub cell: u32,
    /// How many failed and passed.
    pub split: Split,
}

/// A component and the requests in which it took part.
pub(crate) struct Column {
    /// The component.
    pub component: Component,
    /// Rows in which it occurs, ascending.
    pub rows: Vec<u32>,
    /// False where in some row it took part in some of the requests only: then rows do not tell in
    /// which.
    pub whole: bool,
    /// Requests with it.
    pub with: Split,
    /// Distinct entry operations among failed requests with it.
    pub failing_entries: u64,
    /// Failed requests whose failure began at it.
    pub origins: u64,
    /// Its parts; none at level instance.
    pub parts: Vec<Part>,
}

impl Column {
    /// Of a component that took part in no request.
    pub(crate) fn absent(component: Component) -> Self {
        Self {
            component,
            rows: Vec::new(),
            whole: true,
            with: Split::default(),
            failing_entries: 0,
            origins: 0,
            parts: Vec::new(),
        }
    }

    /// The 2×2 table of raw counts.
    pub(crate) fn counts(&self, total: &Split) -> Counts {
        table(&self.with, total, |t| t.n)
    }

    /// The 2×2 table of weights, in whole requests.
    pub(crate) fn weighted(&self, total: &Split) -> Counts {
        let whole = |t: &Tally| t.weight / Tally::ONE + (t.weight % Tally::ONE) / (Tally::ONE / 2);
        table(&self.with, total, whole)
    }

    /// True when it took part in every request.
    pub(crate) const fn everywhere(&self, total: &Split) -> bool {
        self.with.failed.n == total.failed.n && self.with.passed.n == total.passed.n
    }
}

pub(crate) fn table(with: &Split, total: &Split, count: impl Fn(&Tally) -> u64) -> Counts {
    let (failed_with, passed_with) = (count(&with.failed), count(&with.passed));
    Counts {
        failed_with,
        failed_without: count(&total.failed).saturating_sub(failed_with),
        passed_with,
        passed_without: count(&total.passed).saturating_sub(passed_with),
    }
}

/// Sorts the requests of the window into failed, passed and neither.
pub(crate) fn counted(aligned: &Aligned<'_>, detected: &Detected) -> Counted {
    let deviating = detected.deviating(aligned.entries.len());
    let mut counted = Counted {
        rows: Vec::new(),
        total: Split::default(),
        background: 0,
        left_out: BTreeMap::new(),
    };
    for (class, (path, cell)) in aligned.now.classes().enumerate() {
        let mut split = match (detected.rule.label(path, cell), cell) {
            (Label::LeftOut(why, n), _) => {
                *counted.left_out.entry(why).or_default() += n;
                continue;
            }
            (Label::Counted(split), _) => split,
        };
        let Some(cell) = cell else { continue };
        if !deviating[aligned.entry_of(cell)] {
            counted.background += split.failed.n;
            split.failed = Tally::default();
        }
        if split.failed.n + split.passed.n > 0 {
            counted.total.merge(split);
            counted.rows.push(Row { class, cell, split });
        }
    }
    counted
}

/// Services or operations with the requests in which they took part, ascending.
pub(crate) fn columns(
    aligned: &Aligned<'_>,
    counted: &Counted,
    detected: &Detected,
    level: Level,
) -> Vec<Column> {
    let by_service = level == Level::Service;
    let size = if by_service { aligned.services.len() } else { aligned.operations.len() };
    let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); size];
    let mut origins = vec![0_u64; size];
    let began = Origins::new(aligned, detected);
    let numbers = |mut numbers: Vec<u32>| {
        if by_service {
            numbers.iter_mut().for_each(|o| *o = aligned.service_of[*o as usize]);
            numbers.dedup();
        }
        numbers
    };
    for (r, row) in (0..).zip(&counted.rows) {
        let key = &aligned.now.evidence.classes[row.class].key;
        for id in numbers(remap(&aligned.now.operations, &key.operations)) {
            rows_of[id as usize].push(r);
        }
        for id in numbers(began.of(row, detected.rule.is_unseen(row.cell))) {
            origins[id as usize] += row.split.failed.n;
        }
    }
    let mut columns = Vec::new();
    for ((id, rows), origins) in (0..).zip(rows_of).zip(origins) {
        if rows.is_empty() {
            continue;
        }
        let mut with = Split::default();
        for &r in &rows {
            with.merge(counted.rows[r as usize].split);
        }
        columns.push(Column {
            component: if by_service { aligned.service(id) } else { aligned.operation(id) },
            failing_entries: failing_entries(aligned, counted, &rows),
            rows,
            whole: true,
            with,
            origins,
            parts: Vec::new(),
        });
    }
    part::fill(&mut columns, aligned, counted, level);
    columns
}

/// Distinct entry operations among the failed requests of some rows.
fn failing_entries(aligned: &Aligned<'_>, counted: &Counted, rows: &[u32]) -> u64 {
    let failing = rows.iter().map(|&r| &counted.rows[r as usize]).filter(|r| r.split.failed.n > 0);
    let mut entries: Vec<usize> = failing.map(|r| aligned.entry_of(r.cell)).collect();
    entries.sort_unstable();
    entries.dedup();
    entries.len() as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::Config;
    use crate::align::align;
    use crate::detect;
    use crate::notation::evidence;

    fn presence(text: &str, level: Level) -> (Counted, Vec<Column>) {
        let now = evidence(text);
        let aligned = align::<resus_model::Evidence>(&now, &[]);
        let detected = detect::errors(&aligned, &Config::PINPOINT);
        let counted = counted(&aligned, &detected);
        let columns = columns(&aligned, &counted, &detected, level);
        (counted, columns)
    }

    #[test]
    fn passing_requests_of_every_entry_count_and_noise_elsewhere_does_not() {
        let (counted, columns) = presence(
            "GET /a: web>cart>store x30 fail\nGET /a: web>cart x20\nGET /b: web>ad>store x500\n\
             GET /b: web>ad x3 fail\nGET /b: web x2 cancel\nGET /b: web x4 unknown",
            Level::Service,
        );
        let table = |service: &str| {
            let column = columns.iter().find(|c| c.component.service == service).expect(service);
            let Counts { failed_with, failed_without, passed_with, passed_without } =
                column.counts(&counted.total);
            [failed_with, failed_without, passed_with, passed_without]
        };
        assert_eq!(table("store"), [30, 0, 500, 20]);
        assert_eq!(table("cart"), [30, 0, 20, 500]);
        assert_eq!(table("ad"), [0, 30, 500, 20]);
        assert_eq!(table("web"), [30, 0, 520, 0]);
        assert_eq!(counted.background, 3);
        assert_eq!(
            counted.left_out.into_iter().collect::<Vec<_>>(),
            [(Why::Cancelled, 2), (Why::Unknown, 4)]
        );
        let store = columns.iter().find(|c| c.component.service == "store").expect("store");
        assert_eq!((store.failing_entries, store.origins), (1, 30));
    }

    #[test]
    fn weights_are_rounded_to_whole_requests() {
        let (counted, columns) =
            presence("GET /: web>a x40 fail w=3\nGET /: web>b x60 w=2", Level::Operation);
        let a = columns.iter().find(|c| c.component.service == "a").expect("a");
        assert_eq!(
            a.weighted(&counted.total),
            Counts { failed_with: 120, failed_without: 0, passed_with: 0, passed_without: 120 }
        );
        assert_eq!(a.component.operation.as_deref(), Some("op"));
    }

    proptest! {
        #[test]
        fn counts_are_those_of_counting_requests_one_by_one(
            requests in prop::collection::vec(
                (0_usize..2, prop::collection::btree_set(0_usize..6, 1..5), any::<bool>(), 1_u64..9),
                1..25,
            ),
        ) {
            let services = ["a", "b", "c", "d", "e", "f"];
            let path = |used: &BTreeSet<usize>| {
                used.iter().map(|&i| services[i]).collect::<Vec<_>>().join(">")
            };
            let mut text = String::new();
            for (entry, used, failed, n) in &requests {
                let fail = if *failed { " fail" } else { "" };
                text += &format!("GET /{entry}: web>{} x{n}{fail}\n", path(used));
            }
            // Enough failures that both entries deviate.
            for entry in 0..2 {
                text += &format!("GET /{entry}: web>a x50 fail\n");
            }
            let (counted, columns) = presence(&text, Level::Service);
            for (i, service) in services.iter().enumerate() {
                let mut expect = [0; 4];
                let extra = (0..2).map(|_| (BTreeSet::from([0]), true, 50));
                let all = requests.iter().map(|(_, used, failed, n)| (used.clone(), *failed, *n));
                for (used, failed, n) in all.chain(extra) {
                    expect[usize::from(!failed) * 2 + usize::from(!used.contains(&i))] += n;
                }
                let column = columns.iter().find(|c| c.component.service == *service);
                let got = column.map_or([0, expect[0] + expect[1], 0, expect[2] + expect[3]], |c| {
                    let c = c.counts(&counted.total);
                    [c.failed_with, c.failed_without, c.passed_with, c.passed_without]
                });
                prop_assert_eq!(got, expect, "{}", service);
            }
        }
    }
}
