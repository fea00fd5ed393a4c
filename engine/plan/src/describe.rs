//! A plan as text for people, at most 80 columns wide.

use std::fmt::Write as _;

use crate::document::{
    Action, Because, Failure, Mode, NextRung, Nothing, NothingReason, Plan, PlanComponent,
    PlanDocument, Proposal, Step, SuspectEvidence, VerifyEntry, Withheld, WithheldReason,
};
use crate::duration::Millis;
use crate::text::{clean, fill};

impl std::fmt::Display for PlanComponent {
    /// `namespace/service`, then ` operation`, `@instance` or ` version V`; `host H` for a host.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { namespace, service, operation, instance, version, host } = self;
        if let Some(host) = host {
            return write!(f, "host {host}");
        }
        if !namespace.is_empty() {
            write!(f, "{namespace}/")?;
        }
        f.write_str(service)?;
        if let Some(operation) = operation {
            write!(f, " {operation}")?;
        }
        if let Some(instance) = instance {
            write!(f, "@{instance}")?;
        }
        if let Some(version) = version {
            write!(f, " version {version}")?;
        }
        Ok(())
    }
}

impl Mode {
    /// As trees and plans write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Shadow => "shadow",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }
}

impl WithheldReason {
    /// As plans write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmatched => "unmatched",
            Self::Ambiguous => "ambiguous",
            Self::BelowMargin => "below_margin",
            Self::NotRestartable => "not_restartable",
            Self::Protected => "protected",
            Self::SlotUnknown => "slot_unknown",
            Self::AfterBetter => "after_better",
            Self::OverMaxCells => "over_max_cells",
            Self::NotVerifiable => "not_verifiable",
        }
    }
}

impl Proposal {
    /// The proposal as text, at most 80 columns wide.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Plan(plan) => plan.describe(),
            Self::Nothing(Nothing { reason, withheld }) => {
                let why = match reason {
                    NothingReason::Healthy => "nothing is wrong",
                    NothingReason::NoVerdict => "it cannot be told what is wrong",
                    NothingReason::AllWithheld => "there are suspects, and every one was withheld",
                };
                let mut out = String::new();
                fill("no plan: ", why, &mut out);
                describe_withheld(withheld, &mut out);
                out
            }
        }
    }
}

impl Plan {
    /// The plan as text, at most 80 columns wide.
    #[must_use]
    pub fn describe(&self) -> String {
        let PlanDocument {
            schema: _,
            id,
            made_from,
            watermark_unix_nano,
            expires_unix_nano,
            mode,
            reason,
            targets: _,
            steps,
            on_failure: _,
            deadline_ms,
            verify,
            next_rung,
            evidence,
            withheld,
        } = &**self;
        let mut out = format!("plan {} (mode {})\n", id.short(), mode.as_str());
        fill("  why       ", reason, &mut out);
        fill("  data      ", &format!("up to {watermark_unix_nano}"), &mut out);
        let begin =
            format!("before {expires_unix_nano}, done within {}", Millis::new(*deadline_ms));
        fill("  begin     ", &begin, &mut out);
        for (i, step) in steps.iter().enumerate() {
            fill(
                if i == 0 { "  do        " } else { "            " },
                &describe_step(step),
                &mut out,
            );
        }
        let settle = Millis::new(verify.settle_ms);
        let watch = format!(
            "{settle} later, for {}, at least {} requests each:",
            Millis::new(verify.window_ms),
            verify.min_requests
        );
        fill("  verify    ", &watch, &mut out);
        for entry in &verify.entries {
            fill("            - ", &describe_entry(entry), &mut out);
        }
        let next = match next_rung {
            NextRung::Cell(cell) => format!("restart cell {cell}"),
            NextRung::Human => "call a person: nothing is left to restart".to_owned(),
        };
        fill("  else      ", &next, &mut out);
        for (i, proof) in evidence.iter().enumerate() {
            describe_proof(if i == 0 { "  proof     " } else { "            " }, proof, &mut out);
        }
        describe_withheld(withheld, &mut out);
        let hashes = format!(
            "tree {}, evidence {}, policy {}",
            made_from.tree.short(),
            made_from.evidence.short(),
            made_from.policy.short()
        );
        fill("  made from ", &hashes, &mut out);
        out
    }
}

fn describe_step(step: &Step) -> String {
    let action = match step.action {
        Action::Stop => "stop",
        Action::Start => "start",
        Action::Restart => "restart",
    };
    let mut text = format!("{}. {action} {} ({})", step.order, step.cell, step.rung);
    match step.instances.as_slice() {
        [] => {}
        [one] => text = format!("{text}, instance {one}"),
        many => text = format!("{text}, instances {}", many.join(", ")),
    }
    text = format!("{text} by {} {}", step.executor.kind(), step.executor.target());
    text.truncate(text.trim_end().len());
    match &step.because {
        Because::Suspect => {}
        Because::PartOf(cell) => text = format!("{text}, part of {cell}"),
        Because::Obliged(cell) => text = format!("{text}, because of {cell}"),
    }
    if let Some(drain) = step.drain_ms {
        let _ = write!(text, "; drain {}", Millis::new(drain));
    }
    if step.action != Action::Stop {
        let _ = write!(text, "; takes {}", Millis::new(step.restart_time_ms));
    }
    text
}

fn describe_entry(entry: &VerifyEntry) -> String {
    let what = match entry.failure {
        Failure::Error => "failed",
        Failure::SlowOrUnseen => "slow or unseen",
    };
    let percent = |ppm: u32| format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100);
    let (most, before) = (percent(entry.share_at_most_ppm), percent(entry.share_before_ppm));
    format!("{}: {what} at most {most} (now {before})", entry.entry)
}

fn describe_proof(head: &str, proof: &SuspectEvidence, out: &mut String) {
    let counts = proof.counts;
    let text = format!(
        "{}: in {} of {} failed, in {} of {} passed; {} {}, effect {}, p {}; {} errors began there",
        proof.component,
        counts.failed_with,
        counts.failed_with + counts.failed_without,
        counts.passed_with,
        counts.passed_with + counts.passed_without,
        proof.coefficient,
        proof.score,
        proof.effect,
        proof.p_value,
        proof.origins
    );
    fill(head, &text, out);
    if let Some(trace) = proof.failing_traces.first() {
        fill("            ", &format!("failing trace {trace}"), out);
    }
    if let Some(trace) = &proof.passing_trace {
        fill("            ", &format!("passing trace {trace}"), out);
    }
}

fn describe_withheld(withheld: &[Withheld], out: &mut String) {
    for (i, one) in withheld.iter().enumerate() {
        let head = if i == 0 { "  withheld  " } else { "            " };
        let mut text = format!(
            "{}: {} ({})",
            clean(&one.component.to_string()),
            one.detail,
            one.reason.as_str()
        );
        match &one.next_rung {
            Some(NextRung::Cell(cell)) => text = format!("{text}; next rung: cell {cell}"),
            Some(NextRung::Human) => text = format!("{text}; next rung: a person"),
            None => {}
        }
        fill(head, &text, out);
    }
}
