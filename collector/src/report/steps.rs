//! A plan in words: what each step does and why, how its success is told, what comes next.

use std::collections::BTreeSet;

use resus_plan::{
    Action, Because, Failure, Mode, NextRung, NothingReason, PlanComponent, PlanDocument, Proposal,
    Step, Verify, Withheld, WithheldReason,
};

use super::figures::{count, duration, percent, plural};
use super::sentence::Sentence;

/// What a step does.
pub(super) const fn action(action: Action) -> &'static str {
    match action {
        Action::Stop => "stop",
        Action::Start => "start",
        Action::Restart => "restart",
    }
}

/// By whom and on what: `systemd payment.service`, with the instances where it is not the whole.
pub(super) fn target(step: &Step) -> String {
    let mut text = step.executor.kind().to_owned();
    let target = step.executor.target();
    if !target.is_empty() {
        text.push(' ');
        text.push_str(&target);
    }
    if !step.instances.is_empty() {
        text.push_str(", only ");
        text.push_str(&step.instances.join(", "));
    }
    text
}

/// Why a step is there.
pub(super) fn because(step: &Step) -> String {
    match &step.because {
        Because::Suspect => "covers the suspects".into(),
        Because::PartOf(cell) => format!("part of {cell}"),
        Because::Obliged(cell) => format!("has to follow {cell}"),
    }
}

/// How long a step takes and settles.
pub(super) fn timing(step: &Step) -> String {
    let mut text = String::new();
    if let Some(drain) = step.drain_ms {
        text.push_str(&format!("drain {}, ", milliseconds(drain)));
    }
    text.push_str(&format!("ready in about {}", milliseconds(step.restart_time_ms)));
    if step.grace_ms > 0 {
        text.push_str(&format!(", grace {}", milliseconds(step.grace_ms)));
    }
    text
}

/// How far a plan may be carried out, after *This plan*.
pub(super) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "is for reading only (mode observe)",
        Mode::Shadow => "would be gone through without effect (mode shadow)",
        Mode::Approve => "waits for a person's approval (mode approve)",
        Mode::Auto => "may be carried out as it is (mode auto)",
    }
}

/// How success is told.
pub(super) fn verify(verify: &Verify) -> Sentence {
    let Verify { entries, min_requests, settle_ms, window_ms } = verify;
    let mut sentence = Sentence::of("Cured when ");
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            sentence = sentence.words(if i + 1 == entries.len() { " and " } else { ", " });
        }
        let what = match entry.failure {
            Failure::Error => "fails",
            Failure::SlowOrUnseen => "is slow or unusual",
        };
        sentence = sentence.name(component(&entry.entry)).words(format!(
            " {what} in at most {} (now {})",
            millionths(entry.share_at_most_ppm),
            millionths(entry.share_before_ppm)
        ));
    }
    let settle = if *settle_ms == 0 {
        String::new()
    } else {
        format!(" after {} of settling", milliseconds(*settle_ms))
    };
    sentence.words(format!(
        ", watched for {}{settle}; fewer than {} are inconclusive.",
        milliseconds(*window_ms),
        plural(*min_requests, "request", "requests"),
    ))
}

/// What comes if the plan does not cure.
pub(super) fn next_rung(next: &NextRung) -> Sentence {
    match next {
        NextRung::Cell(cell) => {
            Sentence::of("If that does not cure, the next rung is ").name(cell).words(".")
        }
        NextRung::Human => {
            Sentence::of("If that does not cure, a person has to look: nothing is left to restart.")
        }
    }
}

/// The plan in one line: what is restarted.
pub(super) fn headline(plan: &PlanDocument) -> Sentence {
    let cells: Vec<String> = plan.targets.iter().map(|t| t.cell.to_string()).collect();
    let mut sentence = Sentence::of("Restart ").names(&cells, 4);
    let others = plan.steps.iter().filter(|s| matches!(s.because, Because::Obliged(_)));
    let others: BTreeSet<_> = others.map(|s| &s.cell).collect();
    if !others.is_empty() {
        let others = plural(others.len() as u64, "cell that has", "cells that have");
        sentence = sentence.words(format!(", and {others} to follow"));
    }
    sentence
}

/// Why nothing is to be done; with or without a tree.
pub(super) fn nothing(proposal: Option<&Proposal>) -> &'static str {
    match proposal {
        None => {
            "No restart tree was given, so there is no plan. `resus tree infer` proposes a tree \
             from the same traces; hand it in with --tree."
        }
        Some(Proposal::Plan(_)) => "",
        Some(Proposal::Nothing(nothing)) => match nothing.reason {
            NothingReason::Healthy => "Nothing to restart: nothing is wrong.",
            NothingReason::NoVerdict => "Nothing to restart: it cannot be told what is wrong.",
            NothingReason::AllWithheld => "Nothing to restart: every suspect was withheld.",
        },
    }
}

/// What was not planned, and why.
pub(super) fn withheld(withheld: &Withheld) -> Sentence {
    let mut sentence = Sentence::default().name(component(&withheld.component));
    if let Some(cell) = &withheld.cell {
        sentence = sentence.words(" (cell ").name(cell).words(")");
    }
    sentence = sentence.words(": ").words(withheld.detail.trim_end_matches('.')).words(".");
    match &withheld.next_rung {
        Some(NextRung::Cell(cell)) => sentence
            .words(" The nearest cell that could be restarted instead is ")
            .name(cell)
            .words("."),
        Some(NextRung::Human) => sentence.words(" Only a person can act on it."),
        None => sentence,
    }
}

/// A reason in a word or two.
pub(super) const fn withheld_reason(reason: WithheldReason) -> &'static str {
    match reason {
        WithheldReason::Unmatched => "unmatched",
        WithheldReason::Ambiguous => "ambiguous",
        WithheldReason::BelowMargin => "too weak",
        WithheldReason::NotRestartable => "not restartable",
        WithheldReason::Protected => "protected",
        WithheldReason::SlotUnknown => "slot unknown",
        WithheldReason::AfterBetter => "after a better one",
        WithheldReason::OverMaxCells => "over the limit",
        WithheldReason::NotVerifiable => "not verifiable",
    }
}

/// Until when a plan may be begun, and how long it may take.
pub(super) fn limits(plan: &PlanDocument) -> String {
    format!(
        "This plan {}; it expires at {} and has {} to finish.",
        mode(plan.mode),
        super::figures::clock(plan.expires_unix_nano.0),
        milliseconds(plan.deadline_ms)
    )
}

/// Budgets that a step counts against.
pub(super) fn budgets(step: &Step) -> Vec<String> {
    step.budgets
        .iter()
        .map(|b| {
            format!(
                "{}: at most {} in {}",
                b.cell,
                count(b.restarts.into()),
                milliseconds(b.per_ms)
            )
        })
        .collect()
}

fn component(component: &PlanComponent) -> String {
    let PlanComponent { namespace, service, operation, instance, version, host } =
        component.clone();
    resus_model::Component { service, namespace, operation, instance, version, host }.to_string()
}

fn milliseconds(ms: u64) -> String {
    duration(ms.saturating_mul(1_000_000))
}

fn millionths(ppm: u32) -> String {
    percent(f64::from(ppm) / 1e6)
}
