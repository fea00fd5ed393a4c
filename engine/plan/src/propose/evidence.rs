//! The proof in the words of the document, with every float in a fixed form.

use resus_model::{
    ClosestPart, Component, Counts, Diagnosis, EntryFinding, EntryState, FailureKind, Signature,
    Suspect,
};

use super::choose::Choice;
use crate::document::{
    ClosestEvidence, Failure, PlanComponent, PlanSignature, SuspectEvidence, TableOfFour,
    VerifyEntry,
};
use crate::policy::Policy;
use crate::tree::RestartTree;

pub(super) fn component(component: &Component) -> PlanComponent {
    let Component { service, namespace, operation, instance, version, host } = component;
    PlanComponent {
        namespace: namespace.clone(),
        service: service.clone(),
        operation: operation.clone(),
        instance: instance.clone(),
        version: version.clone(),
        host: host.clone(),
    }
}

/// Decimal text, six digits after the point; never a negative zero.
pub(super) fn fixed(number: f64) -> String {
    let text = format!("{number:.6}");
    if text == "-0.000000" { "0.000000".to_owned() } else { text }
}

fn scientific(number: f64) -> String {
    format!("{number:.3e}")
}

const fn table(counts: Counts) -> TableOfFour {
    let Counts { failed_with, failed_without, passed_with, passed_without } = counts;
    TableOfFour { failed_with, failed_without, passed_with, passed_without }
}

pub(super) fn proof(suspect: &Suspect) -> SuspectEvidence {
    let Suspect { candidate, signature, failing, nearest_passing } = suspect;
    let presence = &candidate.presence;
    let Signature { entries, origin, error_type, evidence } = signature.clone();
    SuspectEvidence {
        component: component(&candidate.component),
        group: candidate.group,
        counts: table(presence.counts),
        coefficient: presence.coefficient.to_owned(),
        score: fixed(candidate.score),
        effect: fixed(presence.effect),
        p_value: scientific(presence.p_value),
        origins: presence.origins,
        closest: presence.closest.as_ref().map(|part| {
            let ClosestPart { operation, counts, effect, p_value } = part;
            ClosestEvidence {
                operation: operation.clone(),
                counts: table(*counts),
                effect: fixed(*effect),
                p_value: scientific(*p_value),
            }
        }),
        signature: PlanSignature { entries, origin, error_type, evidence },
        failing_traces: failing.iter().map(|e| e.exemplar.trace_id.to_string()).collect(),
        passing_trace: nearest_passing.as_ref().map(|e| e.exemplar.trace_id.to_string()),
    }
}

/// One sentence that says why.
pub(super) fn reason(
    covered: &[usize],
    suspects: &[&Suspect],
    choice: &Choice,
    tree: &RestartTree,
) -> String {
    let best = &suspects[covered[0]].candidate;
    let counts = best.presence.counts;
    let others = match covered.len() {
        1 => String::new(),
        2 => " (and one more suspect)".to_owned(),
        n => format!(" (and {} more suspects)", n - 1),
    };
    let cells: Vec<String> = choice
        .targets
        .iter()
        .map(|target| match &target.instances {
            None => format!("cell {}", tree.at(target.at).id),
            Some(one) if one.len() == 1 => {
                format!("one instance of cell {}", tree.at(target.at).id)
            }
            Some(many) => format!("{} instances of cell {}", many.len(), tree.at(target.at).id),
        })
        .collect();
    format!(
        "{}{others} took part in {} of {} failed requests and in {} of {} passed ones: restart {}",
        best.component,
        counts.failed_with,
        counts.failed_with + counts.failed_without,
        counts.passed_with,
        counts.passed_with + counts.passed_without,
        cells.join(" and ")
    )
}

/// What to watch: every entry operation that deviates, in the order of the diagnosis.
///
/// Cured means that the failing share is at most the baseline's plus the larger of what may be left
/// of the excess and what healthy windows spread.
pub(super) fn entries(diagnosis: &Diagnosis, policy: &Policy) -> Vec<VerifyEntry> {
    let fields = policy.fields();
    let deviates = |finding: &&EntryFinding| finding.state == EntryState::Deviates;
    diagnosis
        .entries
        .iter()
        .filter(deviates)
        .map(|finding| {
            let before = ppm(finding.share);
            let baseline = ppm(finding.baseline_share.unwrap_or(0.0));
            let left = u64::from(before.saturating_sub(baseline))
                * u64::from(fields.left_thousandths)
                / 1000;
            let spread = u64::from(ppm(finding.baseline_spread.unwrap_or(0.0)))
                .saturating_mul(u64::from(fields.spreads));
            // Never so lax that no change at all would pass.
            let most = (u64::from(baseline) + left.max(spread)).min(u64::from(before.max(1)) - 1);
            VerifyEntry {
                entry: component(&finding.entry),
                failure: match finding.kind {
                    FailureKind::Error => Failure::Error,
                    FailureKind::SlowOrUnseen => Failure::SlowOrUnseen,
                },
                share_before_ppm: before,
                share_at_most_ppm: u32::try_from(most).unwrap_or(before),
            }
        })
        .collect()
}

/// A share in millionths, rounded to the nearest; what is no share counts as none or all.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1_000_000 before; a NaN becomes 0"
)]
fn ppm(share: f64) -> u32 {
    (share * 1e6).round().clamp(0.0, 1e6) as u32
}
