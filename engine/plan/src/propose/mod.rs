//! From suspects to the smallest restart that covers them, or to nothing, with the reason.
//!
//! 1. Suspects are ranked by score, then by how many errors began at them, then by name: the order
//!    in which they come means nothing. Those below the policy's margin of the best are withheld.
//! 2. Each is placed in the deepest cell that matches it. An instance in a cell of several replicas
//!    means that one replica, not the cell.
//! 3. Who cannot be placed, or whose cell cannot be restarted with all that this takes with it, is
//!    withheld, and with it every weaker suspect: to restart a victim because the culprit cannot be
//!    restarted would be a guess. Suspects of equal score go on, for these cannot be told apart.
//! 4. The places are cells in the order of rank, the cheaper restart first among equals. A cell
//!    takes the suspects of the cells below it. At most as many cells as the policy says are
//!    chosen; among suspects that cannot be told apart that is the one where most errors began, for
//!    the smallest restart is tried first and the others come when it did not cure.
//! 5. What is restarted is what the tree says goes down with the chosen cells, in its order.

mod choose;
mod evidence;
mod steps;

use resus_model::{Diagnosis, Suspect, Verdict};

use crate::document::{
    MadeFrom, Nothing, NothingReason, OnFailure, Plan, PlanDocument, PlanSchema, Proposal, Target,
    Verify, Withheld, WithheldReason,
};
use crate::names::{ContentHash, PlanId, UnixNano};
use crate::policy::Policy;
use crate::tree::RestartTree;

/// What a proposal has to know besides diagnosis, tree and policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProposeContext {
    /// The hash of the evidence that the diagnosis was made from.
    pub evidence_hash: ContentHash,
    /// The plan's *now*: up to which start time requests were seen, nanoseconds since the Unix
    /// epoch.
    pub watermark_unix_nano: u64,
}

/// Proposes what to restart for a diagnosis, or to do nothing.
pub fn propose(
    diagnosis: &Diagnosis,
    tree: &RestartTree,
    policy: &Policy,
    context: &ProposeContext,
) -> Proposal {
    let suspects = match &diagnosis.verdict {
        Verdict::Healthy => return nothing(NothingReason::Healthy, Vec::new()),
        Verdict::NoVerdict(_) => return nothing(NothingReason::NoVerdict, Vec::new()),
        Verdict::Suspects(suspects) => choose::rank(suspects),
    };
    let entries = evidence::entries(diagnosis, policy);
    if entries.is_empty() {
        let withheld = suspects.iter().map(|suspect| not_verifiable(suspect)).collect();
        return nothing(NothingReason::AllWithheld, withheld);
    }
    let choice = choose::choose(&suspects, tree, policy);
    if choice.targets.is_empty() {
        return nothing(NothingReason::AllWithheld, choice.withheld);
    }
    let steps = steps::steps(&choice, tree);
    let fields = policy.fields();
    let watermark = UnixNano(context.watermark_unix_nano);
    let covered = choice.covered();
    Proposal::Plan(Box::new(Plan::seal(PlanDocument {
        schema: PlanSchema::V1,
        // Replaced by the hash of everything else.
        id: PlanId::new(ContentHash::of(&[])),
        made_from: MadeFrom {
            tree: tree.hash(),
            evidence: context.evidence_hash,
            policy: policy.hash(),
        },
        watermark_unix_nano: watermark,
        expires_unix_nano: watermark.plus_ms(fields.expiry.get()),
        mode: steps::mode(&choice, tree),
        reason: evidence::reason(&covered, &suspects, &choice, tree),
        targets: choice
            .targets
            .iter()
            .map(|target| Target {
                cell: tree.at(target.at).id.clone(),
                rung: tree.at(target.at).rung.clone(),
                suspects: target
                    .suspects
                    .iter()
                    .map(|&i| evidence::component(&suspects[i].candidate.component))
                    .collect(),
            })
            .collect(),
        on_failure: OnFailure::StartStopped,
        deadline_ms: steps::deadline_ms(&steps, policy),
        verify: Verify {
            entries,
            min_requests: fields.min_requests,
            settle_ms: steps.iter().map(|step| step.grace_ms).max().unwrap_or(0),
            window_ms: fields.verify_window.get(),
        },
        next_rung: choice.next_rung(tree),
        evidence: covered.iter().map(|&i| evidence::proof(suspects[i])).collect(),
        withheld: choice.withheld,
        steps,
    })))
}

const fn nothing(reason: NothingReason, withheld: Vec<Withheld>) -> Proposal {
    Proposal::Nothing(Nothing { reason, withheld })
}

fn not_verifiable(suspect: &Suspect) -> Withheld {
    Withheld {
        component: evidence::component(&suspect.candidate.component),
        cell: None,
        reason: WithheldReason::NotVerifiable,
        detail: "no entry operation deviates, so nobody could tell whether a restart worked"
            .to_owned(),
        next_rung: None,
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
