//! An analysis for programs: `resus.analysis/1`.
//!
//! Everything but `quality`, which stands last, is the same to the byte for the same spans, however
//! they were ordered, repeated or cut into files.

use resus_model as model;
use resus_model::{ExemplarText, Outcome, WhyNoVerdict};
use resus_plan::{Proposal, UnixNano};

use super::evidence::{Finding, Narrower, Obstacle};
use super::figures::instant;
use super::wire::{
    AnalysisJson, Baselines, ClosestPart, Component, Considered, Counts, Dendrogram, Entry,
    EntryState, FailureKind, Format, Leaf, Level, Proof, Quality, Reason, ReasonKind, Request,
    RequestOutcome, Requests, Signature, Skipped, Span, SpanKind, Suspect, Verdict, Window,
};
use super::{Analysis, sentence};

/// The analysis as indented JSON, ending in a newline.
///
/// # Panics
/// Never: every part of the form is a JSON value.
#[must_use]
pub(crate) fn json(analysis: &Analysis<'_>) -> String {
    let wire = AnalysisJson::of(analysis);
    let mut text = serde_json::to_string_pretty(&wire).expect("every part of the form is JSON");
    text.push('\n');
    text
}

/// The same as a JSON value.
///
/// # Panics
/// Never: every part of the form is a JSON value.
#[must_use]
pub(crate) fn value(analysis: &Analysis<'_>) -> serde_json::Value {
    let wire = AnalysisJson::of(analysis);
    serde_json::to_value(wire).expect("every part of the form is JSON")
}

/// The counters of data quality alone.
#[must_use]
pub(crate) fn quality(of: &model::Quality) -> Quality {
    Quality::of(of)
}

/// The JSON Schema of `resus.analysis/1`, indented, ending in a newline.
///
/// # Panics
/// Never: a schema is a JSON value.
#[must_use]
pub(crate) fn schema() -> String {
    let schema = schemars::schema_for!(AnalysisJson);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}

impl AnalysisJson {
    /// The wire form of an analysis.
    #[must_use]
    pub(crate) fn of(analysis: &Analysis<'_>) -> Self {
        let Analysis { diagnosis, quality, tree: _, proposal, meta } = *analysis;
        let (verdict, no_verdict) = match &diagnosis.verdict {
            model::Verdict::Healthy => (Verdict::Healthy, Vec::new()),
            model::Verdict::NoVerdict(why) => {
                (Verdict::NoVerdict, why.iter().map(Reason::of).collect())
            }
            model::Verdict::Suspects(_) => (Verdict::Suspects, Vec::new()),
        };
        let proof = |c: &model::Candidate| Proof::of(c, sentence::proof(c, diagnosis).text());
        Self {
            format: Format::V1,
            resus: meta.version.to_owned(),
            verdict,
            summary: sentence::summary(diagnosis).text(),
            level: match diagnosis.level {
                model::Level::Service => Level::Service,
                model::Level::Instance => Level::Instance,
                model::Level::Operation => Level::Operation,
                model::Level::Version => Level::Version,
                model::Level::Host => Level::Host,
            },
            suspects: diagnosis
                .suspects()
                .iter()
                .map(|s| Suspect {
                    proof: proof(&s.candidate),
                    signature: Signature::of(&s.signature),
                    failing: s.failing.iter().map(Request::of).collect(),
                    nearest_passing: s.nearest_passing.as_ref().map(Request::of),
                })
                .collect(),
            no_verdict,
            entries: diagnosis.entries.iter().map(Entry::of).collect(),
            considered: diagnosis
                .considered
                .iter()
                .map(|c| Considered { proof: proof(c), rejected: c.rejected.clone() })
                .collect(),
            decided_by: diagnosis.decided_by.name().to_owned(),
            narrower: diagnosis.narrower.iter().map(Narrower::of).collect(),
            obstacles: diagnosis.obstacles.iter().map(Obstacle::of).collect(),
            on_every_path: components(&diagnosis.on_every_path),
            dendrogram: diagnosis.dendrogram.as_ref().map(Dendrogram::of),
            baselines: Baselines {
                detection: components(&diagnosis.detection),
                dependency: components(&diagnosis.dependency),
            },
            requests: Requests { failed: diagnosis.failed, passed: diagnosis.passed },
            window: Window::of(diagnosis.window),
            baseline_windows: diagnosis.baselines.iter().map(|&w| Window::of(w)).collect(),
            windows_chosen: diagnosis.windows_chosen,
            windows_how: meta.windows.to_owned(),
            notes: diagnosis.notes.clone(),
            plan: proposal.and_then(Proposal::plan).map(|p| (**p).clone()),
            no_plan: match proposal {
                Some(Proposal::Nothing(nothing)) => Some(nothing.reason),
                Some(Proposal::Plan(_)) | None => None,
            },
            withheld: proposal.map(|p| p.withheld().to_vec()).unwrap_or_default(),
            quality: Quality::of(quality),
        }
    }
}

/// A number that JSON can say. Only scores without bound need it: infinity keeps its place in the
/// order as the largest number; *not a number* is never made by the statistics and reads as 0.
pub(super) fn finite(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { x.clamp(f64::MIN, f64::MAX) }
}

fn components(components: &[model::Component]) -> Vec<Component> {
    components.iter().map(Component::of).collect()
}

impl Component {
    pub(super) fn of(component: &model::Component) -> Self {
        let model::Component { service, namespace, operation, instance, version, host } =
            component.clone();
        let namespace = (!namespace.is_empty()).then_some(namespace);
        Self { service, namespace, operation, instance, version, host }
    }
}

impl Counts {
    pub(super) const fn of(counts: model::Counts) -> Self {
        let model::Counts { failed_with, failed_without, passed_with, passed_without } = counts;
        Self { failed_with, failed_without, passed_with, passed_without }
    }
}

impl ClosestPart {
    fn of(part: &model::ClosestPart) -> Self {
        let model::ClosestPart { operation, counts, effect, p_value } = part;
        Self {
            operation: operation.clone(),
            counts: Counts::of(*counts),
            effect: finite(*effect),
            p_value: finite(*p_value),
        }
    }
}

impl Proof {
    fn of(candidate: &model::Candidate, sentence: String) -> Self {
        let model::Candidate {
            component,
            score,
            group,
            presence,
            probability,
            findings,
            rejected: _,
        } = candidate;
        let model::Presence {
            counts,
            weighted,
            coefficient,
            distance,
            effect,
            p_value,
            failing_entries,
            origins,
            closest,
        } = presence;
        Self {
            component: Component::of(component),
            score: finite(*score),
            coefficient: (*coefficient).to_owned(),
            group: *group,
            counts: Counts::of(*counts),
            weighted: Counts::of(*weighted),
            distance: distance.map(finite),
            effect: finite(*effect),
            p_value: finite(*p_value),
            origins: *origins,
            closest: closest.as_ref().map(ClosestPart::of),
            failing_entries: *failing_entries,
            probability: finite(*probability),
            findings: findings.iter().map(Finding::of).collect(),
            sentence,
        }
    }
}

impl Signature {
    fn of(signature: &model::Signature) -> Self {
        let text = signature.to_string();
        let model::Signature { entries, origin, error_type, evidence } = signature.clone();
        Self { text, entries, origin, error_type, evidence }
    }
}

impl Request {
    fn of(text: &ExemplarText) -> Self {
        let ExemplarText { outcome, exemplar, operations, instances } = text;
        let span = |s: &model::ExemplarSpan| {
            let (service, operation) =
                operations.get(s.operation as usize).cloned().unwrap_or_default();
            Span {
                depth: s.depth,
                service,
                operation,
                instance: instances.get(s.instance as usize).cloned().unwrap_or_default(),
                kind: match s.kind {
                    model::Kind::Unspecified => SpanKind::Unspecified,
                    model::Kind::Internal => SpanKind::Internal,
                    model::Kind::Server => SpanKind::Server,
                    model::Kind::Client => SpanKind::Client,
                    model::Kind::Producer => SpanKind::Producer,
                    model::Kind::Consumer => SpanKind::Consumer,
                },
                offset_ns: s.offset_ns,
                duration_ns: s.duration_ns,
                failed: s.failed,
                origin: s.origin,
            }
        };
        Self {
            trace_id: exemplar.trace_id.to_string(),
            hash: format!("{:016x}", exemplar.hash),
            outcome: match outcome {
                Outcome::Passed => RequestOutcome::Passed,
                Outcome::Failed => RequestOutcome::Failed,
                Outcome::Cancelled => RequestOutcome::Cancelled,
                Outcome::Unlabelled => RequestOutcome::Unlabelled,
                Outcome::Unknown => RequestOutcome::Unknown,
            },
            start_unix_nano: UnixNano(exemplar.start_unix_nano),
            spans: exemplar.spans.iter().map(span).collect(),
            spans_left_out: exemplar.spans_left_out,
        }
    }
}

impl Reason {
    fn of(why: &WhyNoVerdict) -> Self {
        let (kind, have_need, distances) = match *why {
            WhyNoVerdict::NoRequests => (ReasonKind::NoRequests, None, None),
            WhyNoVerdict::TooFewRequests { have, need } => {
                (ReasonKind::TooFewRequests, Some((have, need)), None)
            }
            WhyNoVerdict::TooFewFailures { have, need } => {
                (ReasonKind::TooFewFailures, Some((have, need)), None)
            }
            WhyNoVerdict::TooFewPasses { have, need } => {
                (ReasonKind::TooFewPasses, Some((have, need)), None)
            }
            WhyNoVerdict::NoContrast => (ReasonKind::NoContrast, None, None),
            WhyNoVerdict::NothingClose { nearest_thousandths, cut_thousandths } => {
                (ReasonKind::NothingClose, None, Some((nearest_thousandths, cut_thousandths)))
            }
            WhyNoVerdict::NothingStandsOut { .. } => (ReasonKind::NothingStandsOut, None, None),
            WhyNoVerdict::NoBaseline => (ReasonKind::NoBaseline, None, None),
            WhyNoVerdict::Coarsened => (ReasonKind::Coarsened, None, None),
            WhyNoVerdict::LevelAbsent => (ReasonKind::LevelAbsent, None, None),
        };
        Self {
            kind,
            have: have_need.map(|(have, _)| have),
            need: have_need.map(|(_, need)| need),
            nearest_thousandths: distances.map(|(nearest, _)| nearest),
            cut_thousandths: distances.map(|(_, cut)| cut),
            sentence: sentence::why(why),
            what_to_do: sentence::what_to_do(why).to_owned(),
        }
    }
}

impl Entry {
    fn of(finding: &model::EntryFinding) -> Self {
        let model::EntryFinding {
            entry,
            kind,
            requests,
            failed,
            share,
            baseline_share,
            baseline_spread,
            effect,
            tested,
            p_value,
            state,
        } = finding;
        Self {
            entry: Component::of(entry),
            kind: match kind {
                model::FailureKind::Error => FailureKind::Error,
                model::FailureKind::SlowOrUnseen => FailureKind::SlowOrUnseen,
            },
            requests: *requests,
            failed: *failed,
            share: finite(*share),
            baseline_share: baseline_share.map(finite),
            baseline_spread: baseline_spread.map(finite),
            effect: finite(*effect),
            tested: tested.map(Counts::of),
            p_value: p_value.map(finite),
            state: match state {
                model::EntryState::Deviates => EntryState::Deviates,
                model::EntryState::Within => EntryState::Within,
                model::EntryState::TooFew => EntryState::TooFew,
            },
        }
    }
}

impl Dendrogram {
    fn of(dendrogram: &model::Dendrogram) -> Self {
        let model::Dendrogram { linkage, cut, leaves, merges } = dendrogram;
        let leaf =
            |l: &Vec<model::Component>| Leaf { failure: l.is_empty(), components: components(l) };
        let merge = |m: &model::Merge| (m.left, m.right, finite(m.distance), m.size);
        Self {
            linkage: (*linkage).to_owned(),
            cut: finite(*cut),
            leaves: leaves.iter().map(leaf).collect(),
            merges: merges.iter().map(merge).collect(),
        }
    }
}

impl Window {
    fn of(window: model::Window) -> Self {
        let model::Window { from, to } = window;
        Self {
            from_unix_nano: UnixNano(from),
            to_unix_nano: UnixNano(to),
            from: instant(from),
            to: instant(to),
        }
    }
}

impl Quality {
    fn of(quality: &model::Quality) -> Self {
        let skipped = quality.skipped.iter().map(|(reason, (count, example))| Skipped {
            field: reason.field().to_owned(),
            count: *count,
            example: example.clone(),
        });
        Self {
            spans: quality.spans,
            skipped: quality.skipped_total(),
            skipped_by: skipped.collect(),
            lenient: quality.lenient.clone(),
            traces: quality.traces,
            orphans: quality.orphans,
            rootless: quality.rootless,
            many_roots: quality.many_roots,
            duplicates: quality.duplicates,
            conflicting: quality.conflicting,
            cyclic: quality.cyclic,
            negative_durations: quality.negative_durations,
            zero_durations: quality.zero_durations,
            before_parent: quality.before_parent,
            before_parent_same_host: quality.before_parent_same_host,
            unknown_outcomes: quality.unknown_outcomes,
            unlabelled: quality.unlabelled,
            cancelled: quality.cancelled,
            weighted: quality.weighted,
            biased: super::quality::biased(quality),
            outside: quality.outside,
            failed: quality.failed,
            unknown_services: quality.unknown_services,
            linked: quality.linked,
            range: quality.range.map(Window::of),
        }
    }
}
