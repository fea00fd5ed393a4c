//! In how many failed and passed requests did each instance, version or host take part?
//!
//! Evidence keeps them as marginals: how many requests of a class an instance took part in, not
//! which. The four counts are exact; which instances occur *together* is not known where an instance
//! took part in some requests of a class only, so there is no dendrogram at these levels, and only
//! instances that took part in whole classes can be seen to be inseparable.
//!
//! A host is counted by the service of it that took part in most requests of a class: in which of
//! them its services met is not kept, so its counts are a lower bound where they did not always.

use std::collections::BTreeMap;

use resus_model::{Component, Evidence, Marginal, MarginalKey, MarginalKind, Tally};

use crate::align::Aligned;
use crate::detect::Detected;
use crate::label::{Label, Split};
use crate::presence::{Column, Counted};

/// Instances, versions or hosts with the requests in which they took part, ascending; empty when no
/// span names one.
///
/// `origins` is a lower bound: where an instance took part in some requests of a class only, it is
/// not known whether in those whose error began at its service.
pub(crate) fn columns(
    aligned: &Aligned<'_>,
    counted: &Counted,
    detected: &Detected,
    kind: MarginalKind,
) -> Vec<Column> {
    let evidence = aligned.now.evidence;
    let deviating = detected.deviating(aligned.entries.len());
    let mut row_of = vec![None; evidence.classes.len()];
    for (r, row) in (0_u32..).zip(&counted.rows) {
        row_of[row.class] = Some(r);
    }
    let mut columns: BTreeMap<Owner, (Column, Vec<usize>)> = BTreeMap::new();
    for marginal in of_kind(evidence, kind) {
        let key = &marginal.key;
        let class = &evidence.classes[key.class as usize];
        let cell = aligned.now.cells[key.class as usize];
        let (Some(row), Some(cell)) = (row_of[key.class as usize], cell) else { continue };
        let label =
            detected.rule.label_part(class, Some(cell), marginal.tally, &marginal.durations);
        let Label::Counted(mut split) = label else { continue };
        let entry = aligned.entry_of(cell);
        if !deviating[entry] {
            split.failed = Tally::default();
        }
        let (column, entries) = columns
            .entry(owner(key))
            .or_insert_with(|| (empty(component(evidence, key)), Vec::new()));
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

/// Marginals of a kind that have a value; of a host, that of the service which took part in most
/// requests of the class, the first of equals.
fn of_kind(evidence: &Evidence, kind: MarginalKind) -> Vec<&Marginal> {
    let has_value = |m: &&Marginal| !evidence.names.text(m.key.value).is_empty();
    let all = evidence.marginals.iter().filter(|m| m.key.kind == kind).filter(has_value);
    if kind != MarginalKind::Host {
        return all.collect();
    }
    let mut largest: BTreeMap<(u32, u32), &Marginal> = BTreeMap::new();
    for marginal in all {
        let kept = largest.entry((marginal.key.class, marginal.key.value)).or_insert(marginal);
        if marginal.tally.n > kept.tally.n {
            *kept = marginal;
        }
    }
    largest.into_values().collect()
}

/// By what columns are told apart: service and namespace, then the value; a host belongs to no
/// service.
type Owner = (Option<(u32, u32)>, u32);

const fn owner(key: &MarginalKey) -> Owner {
    match key.kind {
        MarginalKind::Host => (None, key.value),
        _ => (Some((key.service, key.namespace)), key.value),
    }
}

fn component(evidence: &Evidence, key: &MarginalKey) -> Component {
    let text = |i| evidence.names.text(i).to_owned();
    let value = Some(text(key.value));
    let mut component = Component {
        service: text(key.service),
        namespace: text(key.namespace),
        operation: None,
        instance: None,
        version: None,
        host: None,
    };
    match key.kind {
        MarginalKind::Host => {
            component.service.clear();
            component.namespace.clear();
            component.host = value;
        }
        MarginalKind::Version => component.version = value,
        MarginalKind::Instance | MarginalKind::Slot => component.instance = value,
    }
    component
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
