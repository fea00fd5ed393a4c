//! Which part of a component goes with the failures most closely?
//!
//! A service may be on nearly every path while one operation of it is on the failing ones alone, and
//! services that always occur together are told apart by their operations or by where failures
//! began. So a component is judged by the mean of two coefficients: that of the component as a whole,
//! and that of its closest part. A part is an operation of it, or the set of failed requests whose
//! failure began at it. The whole counts as much as the part because the best of many operations is
//! close by chance more easily than the only one.
//!
//! An operation that mostly stands for the caller's side of a call (a client span with a server span
//! in another service below) is no part of the caller: it goes with the callee's failures.

use resus_model::{Component, Counts, Level, Tally};

use crate::align::Aligned;
use crate::deviation::Calls;
use crate::label::Split;
use crate::presence::{Column, Counted};

/// A part of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its operation; `None` for the failed requests whose failure began at the component.
    pub operation: Option<String>,
    /// Requests with it.
    pub with: Split,
}

impl Part {
    /// Failed requests whose failure began at a component.
    pub(crate) fn origin(failed: u64) -> Self {
        // Weights are of no concern to coefficients.
        let failed = Tally { n: failed, ..Tally::default() };
        Self { operation: None, with: Split { failed, passed: Tally::default() } }
    }

    /// The 2×2 table of raw counts.
    pub(crate) fn counts(&self, total: &Split) -> Counts {
        crate::presence::table(&self.with, total, |t| t.n)
    }
}

/// Fills the parts of services or operations.
pub(crate) fn fill(columns: &mut [Column], aligned: &Aligned<'_>, counted: &Counted, level: Level) {
    for column in columns.iter_mut() {
        column.parts.push(Part::origin(column.origins));
    }
    if level != Level::Service {
        for column in columns {
            let operation = column.component.operation.clone();
            column.parts.push(Part { operation, with: column.with });
        }
        return;
    }
    let mut with = vec![Split::default(); aligned.operations.len()];
    for row in &counted.rows {
        for &o in &aligned.now.evidence.classes[row.class].key.operations {
            with[aligned.now.operations[o as usize] as usize].merge(row.split);
        }
    }
    let calls = Calls::over(aligned, std::iter::once(&aligned.now));
    for (o, with) in (0..).zip(with) {
        if with == Split::default() || calls.crosses(o) {
            continue;
        }
        let (service, namespace, operation) = aligned.operations[o as usize];
        let found = columns.binary_search_by(|c| {
            let Component { service: s, namespace: n, .. } = &c.component;
            (s.as_str(), n.as_str()).cmp(&(service, namespace))
        });
        if let Ok(at) = found {
            columns[at].parts.push(Part { operation: Some(operation.to_owned()), with });
        }
    }
}

#[cfg(test)]
mod tests {
    use resus_model::Diagnosis;

    use crate::notation::evidence;
    use crate::{Config, diagnose};

    fn suspects(text: &str) -> Diagnosis {
        diagnose::<resus_model::Evidence>(&evidence(text), &[], &Config::PINPOINT)
            .expect("rules agree")
    }

    #[test]
    fn services_that_always_occur_together_are_told_apart_by_where_failure_began() {
        let diagnosis = suspects("GET /: web>a>b x60 fail\nGET /: web>a>b x20\nGET /: web>c x200");
        let ranked: Vec<_> = diagnosis
            .suspects()
            .iter()
            .map(|s| (s.candidate.component.service.as_str(), s.candidate.group))
            .collect();
        assert_eq!(ranked.iter().map(|r| r.0).collect::<Vec<_>>(), ["b", "a"]);
        assert_ne!(ranked[0].1, ranked[1].1, "they are separable");
        let closest = diagnosis.suspects()[0].candidate.presence.closest.as_ref();
        let closest = closest.expect("a service has parts");
        assert_eq!(closest.operation, None, "closest is that all failures began there");
        assert_eq!((closest.counts.failed_with, closest.counts.passed_with), (60, 0));
    }

    #[test]
    fn the_score_is_the_mean_of_the_whole_and_the_closest_part() {
        let diagnosis = suspects("GET /: web>a>b x60 fail\nGET /: web>a>b x20\nGET /: web>c x200");
        for suspect in diagnosis.suspects() {
            let presence = &suspect.candidate.presence;
            let of = |counts| Config::PINPOINT.coefficient.of(counts);
            let part = presence.closest.as_ref().expect("a service has parts");
            let mean = f64::midpoint(of(&presence.counts), of(&part.counts));
            assert!((suspect.candidate.score - mean).abs() < 1e-15);
        }
    }
}
