//! In how many failed and passed requests did each instance take part?
//!
//! Evidence keeps instances as marginals: how many requests of a class an instance took part in, not
//! which. The four counts are exact; which instances occur *together* is not known where an instance
//! took part in some requests of a class only, so there is no dendrogram at this level, and only
//! instances that took part in whole classes can be seen to be inseparable.

use std::collections::BTreeMap;

use resus_model::{Component, MarginalKind, Tally};

use crate::align::Aligned;
use crate::detect::Detected;
use crate::label::{Label, Split};
use crate::presence::{Column, Counted};

/// Instances with the requests in which they took part, ascending; empty when no span names one.
///
/// `origins` is a lower bound: where an instance took part in some requests of a class only, it is
/// not known whether in those whose error began at its service.
pub(crate) fn columns(
    aligned: &Aligned<'_>,
    counted: &Counted,
    detected: &Detected,
) -> Vec<Column> {
    let evidence = aligned.now.evidence;
    let deviating = detected.deviating(aligned.entries.len());
    let mut row_of = vec![None; evidence.classes.len()];
    for (r, row) in (0_u32..).zip(&counted.rows) {
        row_of[row.class] = Some(r);
    }
    let mut columns: BTreeMap<(u32, u32, u32), (Column, Vec<usize>)> = BTreeMap::new();
    for marginal in &evidence.marginals {
        let key = &marginal.key;
        let class = &evidence.classes[key.class as usize];
        let cell = aligned.now.cells[key.class as usize];
        let (Some(row), Some(cell)) = (row_of[key.class as usize], cell) else { continue };
        if key.kind != MarginalKind::Instance || evidence.names.text(key.value).is_empty() {
            continue;
        }
        let label =
            detected.rule.label_part(class, Some(cell), marginal.tally, &marginal.durations);
        let Label::Counted(mut split) = label else { continue };
        let entry = aligned.entry_of(cell);
        if !deviating[entry] {
            split.failed = Tally::default();
        }
        let (column, entries) =
            columns.entry((key.service, key.namespace, key.value)).or_insert_with(|| {
                let text = |i| evidence.names.text(i).to_owned();
                let component = Component {
                    service: text(key.service),
                    namespace: text(key.namespace),
                    operation: None,
                    instance: Some(text(key.value)),
                };
                (empty(component), Vec::new())
            });
        let whole = marginal.tally.n == class.tally.n;
        column.whole &= whole;
        column.rows.push(row);
        column.with.merge(split);
        if split.failed.n > 0 {
            entries.push(entry);
        }
        let began_here = class.key.origins.iter().any(|&o| {
            let operation = evidence.operations[o as usize];
            (operation.service, operation.namespace) == (key.service, key.namespace)
        });
        if whole && began_here {
            column.origins += split.failed.n;
        }
    }
    let mut columns: Vec<Column> = columns
        .into_values()
        .map(|(mut column, mut entries)| {
            entries.sort_unstable();
            entries.dedup();
            column.failing_entries = entries.len() as u64;
            column
        })
        .collect();
    columns.sort_by(|a, b| a.component.cmp(&b.component));
    columns
}

const fn empty(component: Component) -> Column {
    Column {
        component,
        rows: Vec::new(),
        whole: true,
        with: Split {
            failed: Tally { n: 0, weight: 0, weight_squared: 0 },
            passed: Tally { n: 0, weight: 0, weight_squared: 0 },
        },
        failing_entries: 0,
        origins: 0,
        parts: Vec::new(),
    }
}
