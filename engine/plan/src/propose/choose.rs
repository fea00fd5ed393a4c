//! Which cells, and which suspects are withheld.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use resus_model::Suspect;

use super::evidence;
use crate::document::{NextRung, Withheld, WithheldReason};
use crate::names::CellId;
use crate::policy::{Policy, TooMany};
use crate::tree::{Found, Identity, Obstacle, RestartTree};

/// A cell that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: usize,
    /// Only these instances of the cell; `None` for all of it.
    pub(super) instances: Option<BTreeSet<String>>,
    /// The suspects it covers, as places in the ranking, ascending.
    pub(super) suspects: Vec<usize>,
}

/// What to restart, and what is withheld.
#[derive(Debug)]
pub(super) struct Choice {
    /// Most suspect first; none of them above another.
    pub(super) targets: Vec<Place>,
    /// Every cell that goes down with whole targets.
    pub(super) down: BTreeSet<usize>,
    /// In the order of the ranking.
    pub(super) withheld: Vec<Withheld>,
}

impl Choice {
    /// The suspects that the targets cover, as places in the ranking, ascending.
    pub(super) fn covered(&self) -> Vec<usize> {
        let mut covered: Vec<usize> =
            self.targets.iter().flat_map(|target| target.suspects.iter().copied()).collect();
        covered.sort_unstable();
        covered
    }

    /// Where to go when the plan did not cure: from instances to their cell, from a cell to the
    /// nearest one above that can be restarted, from several to the nearest above all of them.
    pub(super) fn next_rung(&self, tree: &RestartTree) -> NextRung {
        let cells: Vec<usize> = self.targets.iter().map(|target| target.at).collect();
        let Some(above) = tree.lowest_above(&cells) else { return NextRung::Human };
        let done_whole = self.targets.iter().any(|t| t.at == above && t.instances.is_none());
        if !done_whole && tree.obstacle(&BTreeSet::from([above])).is_none() {
            return NextRung::Cell(tree.at(above).id.clone());
        }
        tree.rung_above(above)
    }
}

fn score(suspect: &Suspect) -> f64 {
    let score = suspect.candidate.score;
    if score.is_nan() { f64::NEG_INFINITY } else { score }
}

/// Most suspect first: by score, then by how many errors began there, then by name.
pub(super) fn rank(suspects: &[Suspect]) -> Vec<&Suspect> {
    let mut ranked: Vec<&Suspect> = suspects.iter().collect();
    ranked.sort_by(|a, b| {
        let origins = |suspect: &Suspect| suspect.candidate.presence.origins;
        score(b)
            .total_cmp(&score(a))
            .then_with(|| origins(b).cmp(&origins(a)))
            .then_with(|| a.candidate.component.cmp(&b.candidate.component))
    });
    ranked
}

pub(super) fn choose(suspects: &[&Suspect], tree: &RestartTree, policy: &Policy) -> Choice {
    let mut withheld: Vec<(usize, Withheld)> = Vec::new();
    let places = place(suspects, tree, policy, &mut withheld);
    let places = rank_places(places, suspects, tree);
    let Limited { targets, mut over } = limit(places, tree, policy);
    let Settled { mut targets, down, dropped } = settle(targets, tree);
    over.extend(dropped);
    for place in over {
        // Whoever goes down anyway is covered, whatever the limit.
        let by = targets.iter_mut().find(|target| {
            target.instances.is_none()
                && tree.down_with(&BTreeSet::from([target.at])).contains(&place.at)
        });
        match by {
            Some(target) => target.suspects.extend(place.suspects),
            None => withheld.extend(place.suspects.iter().map(|&i| {
                let fields = policy.fields();
                let detail = format!(
                    "one plan restarts at most {} {}, and a cell of equal or higher rank comes first",
                    fields.max_cells,
                    if fields.max_cells == 1 { "cell" } else { "cells" }
                );
                let cell = Some(tree.at(place.at).id.clone());
                (i, because(suspects[i], cell, WithheldReason::OverMaxCells, detail))
            })),
        }
    }
    targets.iter_mut().for_each(|target| target.suspects.sort_unstable());
    withheld.sort_by_key(|(i, _)| *i);
    Choice { targets, down, withheld: withheld.into_iter().map(|(_, withheld)| withheld).collect() }
}

fn because(
    suspect: &Suspect,
    cell: Option<CellId>,
    reason: WithheldReason,
    detail: String,
) -> Withheld {
    let component = evidence::component(&suspect.candidate.component);
    Withheld { component, cell, reason, detail, next_rung: None }
}

/// A place for every suspect that has one; the others are withheld.
fn place(
    suspects: &[&Suspect],
    tree: &RestartTree,
    policy: &Policy,
    withheld: &mut Vec<(usize, Withheld)>,
) -> Vec<Place> {
    let best = suspects.first().map_or(0.0, |suspect| score(suspect));
    let margin = f64::from(policy.fields().margin_thousandths);
    let near = |score: f64| score >= best || (best > 0.0 && score * 1000.0 >= best * margin);
    let mut places = Vec::new();
    let mut lost: Option<&Suspect> = None;
    for (i, &suspect) in suspects.iter().enumerate() {
        let better_lost =
            lost.filter(|lost| score(lost).total_cmp(&score(suspect)) == Ordering::Greater);
        let refusal = if !near(score(suspect)) {
            let detail = format!(
                "its score {} is below {} thousandths of the best, {}",
                evidence::fixed(score(suspect)),
                policy.fields().margin_thousandths,
                evidence::fixed(best)
            );
            because(suspect, None, WithheldReason::BelowMargin, detail)
        } else if let Some(better) = better_lost {
            let name = &better.candidate.component;
            let detail = format!("`{name}` is more suspect and cannot be restarted");
            because(suspect, None, WithheldReason::AfterBetter, detail)
        } else {
            match seat(suspect, i, tree) {
                Ok(place) => {
                    places.push(place);
                    continue;
                }
                Err(refusal) => {
                    lost = lost.or(Some(suspect));
                    *refusal
                }
            }
        };
        withheld.push((i, refusal));
    }
    places
}

/// The place of one suspect.
fn seat(suspect: &Suspect, i: usize, tree: &RestartTree) -> Result<Place, Box<Withheld>> {
    let component = &suspect.candidate.component;
    let refuse = |cell: Option<usize>, reason, detail| {
        let cell = cell.map(|at| tree.at(at).id.clone());
        Box::new(because(suspect, cell, reason, detail))
    };
    let (at, by_instance) = match tree.find_identity(&Identity::from(component)) {
        Found::Cell { at, by_instance } => (at, by_instance),
        Found::Unmatched => {
            let detail = "no cell of the tree matches it".to_owned();
            return Err(refuse(None, WithheldReason::Unmatched, detail));
        }
        Found::Ambiguous(cells) => {
            let cells: Vec<_> = cells.iter().map(|&at| format!("`{}`", tree.at(at).id)).collect();
            let detail =
                format!("cells {} match it, and none is below all others", cells.join(", "));
            return Err(refuse(None, WithheldReason::Ambiguous, detail));
        }
    };
    let cell = tree.at(at);
    let one_of_many = component.instance.as_ref().filter(|_| cell.replicas > 1 && !by_instance);
    if one_of_many.is_some() && cell.executor.as_ref().is_none_or(|e| !e.has_inventory()) {
        let detail =
            format!("cell `{}` has {} slots, and traces do not tell which", cell.id, cell.replicas);
        return Err(refuse(Some(at), WithheldReason::SlotUnknown, detail));
    }
    if let Some(obstacle) = tree.obstacle_for(at, one_of_many.is_some()) {
        let (reason, other, what) = match obstacle {
            Obstacle::Protected(other) => (WithheldReason::Protected, other, "is protected"),
            Obstacle::NotRestartable(other) => {
                (WithheldReason::NotRestartable, other, "cannot be restarted by itself")
            }
        };
        let detail = if other == at {
            format!("its cell `{}` {what}", cell.id)
        } else {
            format!("its cell `{}` takes `{}` with it, which {what}", cell.id, tree.at(other).id)
        };
        let mut withheld = refuse(Some(at), reason, detail);
        withheld.next_rung = Some(tree.rung_above(at));
        return Err(withheld);
    }
    let instances = one_of_many.map(|instance| BTreeSet::from([instance.clone()]));
    Ok(Place { at, instances, suspects: vec![i] })
}

/// One place a cell, best first: by the score and origins of its best suspect, then by the cheaper
/// restart, then by id. A cell takes the suspects of later ones below it.
fn rank_places(mut places: Vec<Place>, suspects: &[&Suspect], tree: &RestartTree) -> Vec<Place> {
    places.sort_by(|a, b| {
        let best = |place: &Place| suspects[place.suspects[0]];
        let cost = |place: &Place| match place.instances {
            Some(_) => tree.at(place.at).restart_time.get(),
            None => tree.units(place.at).iter().map(|&u| tree.at(u).restart_time.get()).sum(),
        };
        let origins = |place: &Place| Reverse(best(place).candidate.presence.origins);
        score(best(b))
            .total_cmp(&score(best(a)))
            .then_with(|| origins(a).cmp(&origins(b)))
            .then_with(|| cost(a).cmp(&cost(b)))
            .then_with(|| a.at.cmp(&b.at))
            .then_with(|| a.suspects.cmp(&b.suspects))
    });
    let mut merged: Vec<Place> = Vec::new();
    for place in places {
        match merged.iter_mut().find(|other| takes(other, &place, tree)) {
            Some(other) => absorb(other, place),
            None => merged.push(place),
        }
    }
    merged
}

/// True when restarting the first restarts the second too, or they are of the same cell.
fn takes(first: &Place, second: &Place, tree: &RestartTree) -> bool {
    first.at == second.at || (first.instances.is_none() && tree.covers(first.at, second.at))
}

fn absorb(taker: &mut Place, taken: Place) {
    taker.instances = match (taker.instances.take(), taken.instances) {
        (Some(mut own), Some(more)) if taker.at == taken.at => {
            own.extend(more);
            Some(own)
        }
        _ => None,
    };
    taker.suspects.extend(taken.suspects);
}

struct Limited {
    targets: Vec<Place>,
    over: Vec<Place>,
}

/// As many places as the policy lets one plan restart.
fn limit(places: Vec<Place>, tree: &RestartTree, policy: &Policy) -> Limited {
    let fields = policy.fields();
    let most = usize::try_from(fields.max_cells).unwrap_or(usize::MAX);
    if places.len() > most && fields.too_many == TooMany::CommonAncestor {
        let cells: Vec<usize> = places.iter().map(|place| place.at).collect();
        let above = tree
            .lowest_above(&cells)
            .filter(|&above| tree.parent_of(above).is_some())
            .filter(|&above| tree.obstacle_for(above, false).is_none());
        if let Some(at) = above {
            let suspects = places.into_iter().flat_map(|place| place.suspects).collect();
            return Limited {
                targets: vec![Place { at, instances: None, suspects }],
                over: vec![],
            };
        }
    }
    let mut places = places.into_iter();
    let targets = fold(places.by_ref().take(most), tree);
    Limited { targets, over: places.collect() }
}

/// Lets cells take what lies below them, whichever comes first.
fn fold(places: impl IntoIterator<Item = Place>, tree: &RestartTree) -> Vec<Place> {
    let mut folded: Vec<Place> = Vec::new();
    for mut place in places {
        if let Some(other) = folded.iter_mut().find(|other| takes(other, &place, tree)) {
            absorb(other, place);
            continue;
        }
        let first = folded.iter().position(|other| takes(&place, other, tree));
        let (taken, mut kept): (Vec<Place>, Vec<Place>) =
            folded.into_iter().partition(|other| takes(&place, other, tree));
        taken.into_iter().for_each(|other| absorb(&mut place, other));
        kept.insert(first.unwrap_or(kept.len()).min(kept.len()), place);
        folded = kept;
    }
    folded
}

struct Settled {
    targets: Vec<Place>,
    down: BTreeSet<usize>,
    dropped: Vec<Place>,
}

/// Widens targets of single instances where the rest of their cell, or a part of it, is restarted
/// too, and says what goes down.
fn settle(mut targets: Vec<Place>, tree: &RestartTree) -> Settled {
    let mut dropped = Vec::new();
    loop {
        let whole = targets.iter().filter(|t| t.instances.is_none()).map(|t| t.at).collect();
        let down = tree.down_with(&whole);
        // Cells that are restarted, in part or as a whole, below one that is restarted in part.
        let below = |at: usize| {
            let mut restarted = down.iter().copied().chain(targets.iter().map(|other| other.at));
            restarted.any(|other| other != at && tree.covers(at, other))
        };
        let touched = targets.iter().position(|target| {
            target.instances.is_some() && (down.contains(&target.at) || below(target.at))
        });
        let Some(touched) = touched else { return Settled { targets, down, dropped } };
        let at = targets[touched].at;
        if down.contains(&at) || tree.obstacle_for(at, false).is_none() {
            targets[touched].instances = None;
            targets = fold(targets, tree);
        } else {
            // All of the cell cannot be restarted, and a part of it has to be.
            dropped.push(targets.remove(touched));
        }
    }
}
