//! By what does history know this failure again, and where did its errors show?

use std::collections::BTreeMap;

use resus_model::{Component, EntryState, FailureKind, Level, Signature};

use crate::align::Aligned;
use crate::detect::Detected;
use crate::presence::{Column, Counted};

/// The stable name of the failure: entries that deviate, the operation where most errors of failed
/// requests began, the most frequent error type there, the kind of evidence.
pub(crate) fn signature(
    aligned: &Aligned<'_>,
    counted: &Counted,
    detected: &Detected,
) -> Signature {
    let deviating = detected.found.iter().filter(|f| f.finding.state == EntryState::Deviates);
    let mut entries: Vec<String> = deviating.map(|f| f.finding.entry.to_string()).collect();
    entries.sort_unstable();
    // Operations are numbered as their texts are ordered: the smallest number wins a tie.
    let origin = most(&origins(aligned, counted));
    Signature {
        entries,
        origin: origin.map_or_else(String::new, |o| aligned.operation(o).to_string()),
        error_type: origin
            .and_then(|o| error_type(aligned, detected, o))
            .unwrap_or_default()
            .to_owned(),
        evidence: match detected.rule.kind() {
            FailureKind::Error => "presence-error",
            FailureKind::SlowOrUnseen => "presence-slow",
        }
        .to_owned(),
    }
}

/// Failed requests by operation (global) where their error began.
fn origins(aligned: &Aligned<'_>, counted: &Counted) -> BTreeMap<u32, u64> {
    let mut origins = BTreeMap::new();
    for row in counted.rows.iter().filter(|r| r.split.failed.n > 0) {
        for &o in &aligned.now.evidence.classes[row.class].key.origins {
            *origins.entry(aligned.now.operations[o as usize]).or_default() += row.split.failed.n;
        }
    }
    origins
}

/// The most frequent error type of an operation within requests of the entries that deviate.
fn error_type<'a>(aligned: &Aligned<'a>, detected: &Detected, operation: u32) -> Option<&'a str> {
    let deviating = detected.deviating(aligned.entries.len());
    let mut types: BTreeMap<u32, u64> = BTreeMap::new();
    let evidence = aligned.now.evidence;
    for stats in &evidence.operation_stats {
        let of = |o: u32| aligned.now.operations[o as usize];
        let entry = stats.entry.and_then(|e| aligned.entries.binary_search(&of(e)).ok());
        if of(stats.operation) == operation && entry.is_some_and(|e| deviating[e]) {
            for &(name, n) in &stats.error_types {
                *types.entry(name).or_default() += n;
            }
        }
    }
    most(&types).map(|name| evidence.names.text(name))
}

/// The key of the largest count; the smallest such key.
fn most(counts: &BTreeMap<u32, u64>) -> Option<u32> {
    counts.iter().max_by_key(|&(&key, &n)| (n, std::cmp::Reverse(key))).map(|(&key, _)| key)
}

/// The baseline "detection" of Pinpoint's evaluation: the components where failure showed, most
/// failed requests first, ties by text.
///
/// For errors, where the error began: failing spans without a failing child. For slow requests and
/// where no origin is known, the entry. At level instance, the instances of these spans in the
/// exemplars of failed classes.
pub(crate) fn detection(
    aligned: &Aligned<'_>,
    counted: &Counted,
    kind: FailureKind,
    level: Level,
) -> Vec<Component> {
    let mut shown: BTreeMap<Component, u64> = BTreeMap::new();
    let evidence = aligned.now.evidence;
    for row in counted.rows.iter().filter(|r| r.split.failed.n > 0) {
        let class = &evidence.classes[row.class];
        let entry = class.key.entry.into_iter();
        let at: Vec<u32> = if kind == FailureKind::Error && !class.key.origins.is_empty() {
            class.key.origins.to_vec()
        } else {
            entry.collect()
        };
        let global = |o: &u32| aligned.now.operations[*o as usize];
        let mut components: Vec<Component> = match level {
            // Exemplars do not say on which version or host a span ran.
            Level::Service | Level::Version | Level::Host => {
                at.iter().map(|o| aligned.service(aligned.service_of[global(o) as usize])).collect()
            }
            Level::Operation => at.iter().map(|o| aligned.operation(global(o))).collect(),
            Level::Instance => class
                .exemplars
                .iter()
                .flat_map(|e| &e.spans)
                .filter(|s| at.contains(&s.operation))
                .map(|s| Component {
                    instance: Some(evidence.names.text(s.instance).to_owned()),
                    ..aligned.service(aligned.service_of[global(&s.operation) as usize])
                })
                .filter(|c| c.instance.as_deref() != Some(""))
                .collect(),
        };
        components.sort_unstable();
        components.dedup();
        for component in components {
            *shown.entry(component).or_default() += row.split.failed.n;
        }
    }
    let mut shown: Vec<(Component, u64)> = shown.into_iter().collect();
    shown.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    shown.into_iter().map(|(component, _)| component).collect()
}

/// The baseline "dependency" of Pinpoint's evaluation: everything on failed paths, ascending.
pub(crate) fn dependency(columns: &[Column]) -> Vec<Component> {
    let on_failed = columns.iter().filter(|c| c.with.failed.n > 0);
    on_failed.map(|c| c.component.clone()).collect()
}
