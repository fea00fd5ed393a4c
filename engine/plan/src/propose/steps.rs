//! What goes down, as steps in order.
//!
//! A unit that needs another unit of the plan is stopped first and started last, so that it never
//! runs without what it needs; one whose executor knows only whole restarts is restarted in its
//! turn. A unit that needs none is restarted in one step.

use std::collections::BTreeSet;

use super::choose::Choice;
use crate::document::{Action, Because, Mode, Step, StepBudget};
use crate::policy::Policy;
use crate::tree::RestartTree;

pub(super) fn steps(choice: &Choice, tree: &RestartTree) -> Vec<Step> {
    let mut units: BTreeSet<usize> = BTreeSet::new();
    for top in tree.tops(&choice.down) {
        units.extend(tree.units(top));
    }
    let partial = |at: usize| {
        choice.targets.iter().find(|t| t.at == at).and_then(|target| target.instances.as_ref())
    };
    units.extend(choice.targets.iter().filter(|t| t.instances.is_some()).map(|t| t.at));
    let units: Vec<usize> = units.into_iter().collect();
    let sequence = tree.sequence(&units);
    let held = |at: usize, waits: bool| {
        waits
            && partial(at).is_none()
            && tree.at(at).executor.as_ref().is_some_and(|executor| executor.can_hold())
    };
    let order = || sequence.units.iter().copied().zip(sequence.waits.iter().copied());
    let stops =
        order().rev().filter(|&(at, waits)| held(at, waits)).map(|(at, _)| (at, Action::Stop));
    let starts = order()
        .map(|(at, waits)| (at, if held(at, waits) { Action::Start } else { Action::Restart }));
    stops
        .chain(starts)
        .zip(1_u32..)
        .map(|((at, action), order)| {
            let cell = tree.at(at);
            let executor = cell.executor.clone().expect("cells without executors are no units");
            Step {
                order,
                action,
                cell: cell.id.clone(),
                rung: cell.rung.clone(),
                executor,
                instances: partial(at).into_iter().flatten().cloned().collect(),
                because: why(at, choice, tree),
                drain_ms: cell.drain.filter(|_| action != Action::Start).map(|drain| drain.get()),
                restart_time_ms: cell.restart_time.get(),
                grace_ms: cell.grace.get(),
                budgets: tree
                    .line(at)
                    .filter_map(|above| {
                        let budget = tree.at(above).budget?;
                        Some(StepBudget {
                            cell: tree.at(above).id.clone(),
                            restarts: budget.restarts,
                            per_ms: budget.per.get(),
                        })
                    })
                    .collect(),
            }
        })
        .collect()
}

/// Why a unit is among the steps.
fn why(unit: usize, choice: &Choice, tree: &RestartTree) -> Because {
    let is_target = |at: usize| choice.targets.iter().any(|target| target.at == at);
    if is_target(unit) {
        return Because::Suspect;
    }
    let line: Vec<usize> = tree.line(unit).collect();
    if let Some(&target) = line.iter().find(|&&at| is_target(at)) {
        return Because::PartOf(tree.at(target).id.clone());
    }
    let source = line.iter().find_map(|&at| tree.obliged_by(at, &choice.down).map(|by| (at, by)));
    let (_, by) = source.expect("what goes down is a target, a part of one, or obliged");
    Because::Obliged(tree.at(by).id.clone())
}

/// The weakest mode of everything that goes down.
pub(super) fn mode(choice: &Choice, tree: &RestartTree) -> Mode {
    let partial = choice.targets.iter().filter(|t| t.instances.is_some()).map(|t| t.at);
    let touched = choice.down.iter().copied().chain(partial);
    touched.map(|at| tree.at(at).mode).min().unwrap_or_default()
}

/// How long the steps may take together.
pub(super) fn deadline_ms(steps: &[Step], policy: &Policy) -> u64 {
    let fields = policy.fields();
    let expected: u64 = steps
        .iter()
        .map(|step| {
            let up = if step.action == Action::Stop { 0 } else { step.restart_time_ms };
            step.drain_ms.unwrap_or(0) + up
        })
        .sum();
    expected * u64::from(fields.deadline_factor) + fields.deadline_floor.get()
}
