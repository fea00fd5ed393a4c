//! Diagnoses and trees made by hand, for tests.

use resus_model::{
    Candidate, Component, Counts, DecidedBy, Diagnosis, EntryFinding, EntryState, Exemplar,
    ExemplarText, FailureKind, Level, Outcome, Presence, Signature, Suspect, TraceId, Verdict,
    Window,
};

use super::ProposeContext;
use crate::names::ContentHash;
use crate::tree::RestartTree;

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const NOW: u64 = 1_700_000_000 * SECOND;

pub(super) fn context() -> ProposeContext {
    ProposeContext { evidence_hash: ContentHash::of(b"evidence"), watermark_unix_nano: NOW }
}

pub(super) fn tree(text: &str) -> RestartTree {
    RestartTree::parse(text, "test.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

/// Reads `service`, `service operation`, `service@instance`.
pub(super) fn component(text: &str) -> Component {
    let (rest, instance) = match text.split_once('@') {
        Some((rest, instance)) => (rest, Some(instance.to_owned())),
        None => (text, None),
    };
    let (service, operation) = match rest.split_once(' ') {
        Some((service, operation)) => (service, Some(operation.to_owned())),
        None => (rest, None),
    };
    Component {
        service: service.to_owned(),
        namespace: String::new(),
        operation,
        instance,
        version: None,
        host: None,
    }
}

fn exemplar(outcome: Outcome, trace: u128) -> ExemplarText {
    let trace_id = TraceId::from_u128(trace);
    let exemplar = Exemplar {
        hash: trace_id.mix(),
        trace_id,
        start_unix_nano: NOW - 60 * SECOND,
        spans: Vec::new(),
        spans_left_out: 0,
    };
    ExemplarText { outcome, exemplar, operations: Vec::new(), instances: Vec::new() }
}

pub(super) fn suspect(name: &str, score: f64, origins: u64) -> Suspect {
    let counts =
        Counts { failed_with: 120, failed_without: 10, passed_with: 4, passed_without: 4996 };
    let presence = Presence {
        counts,
        weighted: counts,
        coefficient: "jaccard",
        distance: Some(0.1),
        effect: 0.9654,
        p_value: 1.25e-40,
        failing_entries: 1,
        origins,
        closest: None,
    };
    Suspect {
        candidate: Candidate {
            component: component(name),
            score,
            group: 0,
            presence,
            probability: 0.97,
            findings: Vec::new(),
            rejected: String::new(),
        },
        signature: Signature {
            entries: vec!["web GET /cart".to_owned()],
            origin: name.to_owned(),
            error_type: "timeout".to_owned(),
            evidence: "presence-error".to_owned(),
        },
        failing: vec![exemplar(Outcome::Failed, 0xf1), exemplar(Outcome::Failed, 0xf2)],
        nearest_passing: Some(exemplar(Outcome::Passed, 0xa1)),
    }
}

pub(super) fn diagnosis(verdict: Verdict) -> Diagnosis {
    let window = Window { from: NOW - 600 * SECOND, to: NOW };
    let finding = |name: &str, share, state| EntryFinding {
        entry: component(name),
        kind: FailureKind::Error,
        requests: 1000,
        failed: 300,
        share,
        baseline_share: Some(0.01),
        baseline_spread: Some(0.002),
        effect: share - 0.01,
        tested: None,
        p_value: Some(1e-9),
        state,
    };
    Diagnosis {
        verdict,
        level: Level::Service,
        window,
        baselines: Vec::new(),
        windows_chosen: false,
        entries: vec![
            finding("web GET /cart", 0.3, EntryState::Deviates),
            finding("web GET /", 0.012, EntryState::Within),
        ],
        considered: Vec::new(),
        on_every_path: Vec::new(),
        dendrogram: None,
        detection: Vec::new(),
        dependency: Vec::new(),
        failed: 130,
        passed: 5000,
        decided_by: DecidedBy::Presence,
        narrower: Vec::new(),
        obstacles: Vec::new(),
        notes: Vec::new(),
    }
}

pub(super) fn suspects(list: &[(&str, f64, u64)]) -> Diagnosis {
    let suspects =
        list.iter().map(|&(name, score, origins)| suspect(name, score, origins)).collect();
    diagnosis(Verdict::Suspects(suspects))
}
