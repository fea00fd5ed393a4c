//! The restart tree with the plan drawn on it.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use resus_plan::{Cell, CellId, NextRung, PlanDocument, RestartTree, Step};

use super::figures::plural;
use super::steps;
use super::text::shorten;

/// A tree of more cells is drawn only where the plan touches it.
const CELLS: usize = 40;

/// What a plan does to a tree.
struct Marks<'a> {
    /// Steps by cell.
    steps: BTreeMap<&'a CellId, Vec<&'a Step>>,
    next: Option<&'a CellId>,
    /// Cells to draw; `None` for all.
    shown: Option<BTreeSet<&'a CellId>>,
}

/// The tree as nested lists.
pub(super) fn tree(tree: &RestartTree, plan: Option<&PlanDocument>) -> Markup {
    let marks = Marks::of(tree, plan);
    html! {
        ul.tree { (cell(tree, tree.root(), &marks)) }
    }
}

impl<'a> Marks<'a> {
    fn of(tree: &'a RestartTree, plan: Option<&'a PlanDocument>) -> Self {
        let mut by_cell: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for step in plan.map(|p| p.steps.as_slice()).unwrap_or_default() {
            by_cell.entry(&step.cell).or_default().push(step);
        }
        let next = match plan.map(|p| &p.next_rung) {
            Some(NextRung::Cell(cell)) => Some(cell),
            Some(NextRung::Human) | None => None,
        };
        let shown = (tree.cells().len() > CELLS).then(|| {
            let mut shown: BTreeSet<&CellId> = BTreeSet::from([&tree.root().id]);
            for id in by_cell.keys().copied().chain(next) {
                shown.extend(tree.cell(id).map(|c| &c.id));
                shown.extend(tree.ancestors(id).map(|c| &c.id));
            }
            // Neighbours of what is drawn, as far as there is room.
            for cell in tree.cells() {
                let neighbour = cell.parent.as_ref().is_some_and(|p| shown.contains(p));
                if shown.len() < CELLS && neighbour {
                    shown.insert(&cell.id);
                }
            }
            shown
        });
        Self { steps: by_cell, next, shown }
    }

    fn draws(&self, id: &CellId) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.contains(id))
    }
}

fn cell(tree: &RestartTree, at: &Cell, marks: &Marks<'_>) -> Markup {
    let steps = marks.steps.get(&at.id);
    let next = marks.next == Some(&at.id);
    let (shown, hidden): (Vec<&Cell>, Vec<&Cell>) =
        tree.children(&at.id).partition(|c| marks.draws(&c.id));
    html! {
        li {
            div.cell.restarted[steps.is_some()].next[next] {
                b { (at.id) } " " span.soft { (at.rung) }
                @if let Some(executor) = &at.executor {
                    span.soft { " · " (executor.kind()) " " (shorten(&executor.target(), 48)) }
                }
                @if at.replicas > 1 { span.soft { " ×\u{a0}" (at.replicas) } }
                @for step in steps.into_iter().flatten() {
                    " " span.mark.hot { (steps::action(step.action)) ", step " (step.order) }
                }
                @if next { " " span.mark.cool { "next rung" } }
                @if at.protected { " " span.mark { "protected" } }
                @if !at.restartable { " " span.mark { "only with the cell above" } }
            }
            @if !shown.is_empty() || !hidden.is_empty() {
                ul {
                    @for child in shown { (cell(tree, child, marks)) }
                    @if !hidden.is_empty() {
                        li { div.cell.soft { (plural(hidden.len() as u64, "more cell", "more cells")) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::report::{samples, samples_plan};

    #[test]
    fn what_is_restarted_and_what_comes_next_is_marked() {
        let sample = samples::suspects();
        let plan = sample.proposal.as_ref().and_then(resus_plan::Proposal::plan);
        let drawn = tree(&samples_plan::tree(), plan.map(|p| &**p)).into_string();
        assert_eq!(drawn.matches("class=\"cell restarted\"").count(), 2);
        assert_eq!(drawn.matches("class=\"cell next\"").count(), 1);
        for words in ["stop, step 1", "restart, step 2", "start, step 3", "next rung", "protected"]
        {
            assert!(drawn.contains(words), "{words}");
        }
    }

    #[test]
    fn of_a_large_tree_only_the_part_around_the_plan_is_drawn() {
        let mut text = "version = 1\n[[cell]]\nid = \"all\"\nrung = \"system\"\n".to_owned();
        for i in 0..500 {
            let _ = write!(
                text,
                "[[cell]]\nid = \"c{i}\"\nparent = \"all\"\nrung = \"service\"\nexecutor = \
                 {{ process = {{ name = \"c{i}\" }} }}\nmatch = [{{ service = \"s{i}\" }}]\n"
            );
        }
        let large = RestartTree::parse(&text, "large").unwrap_or_else(|e| panic!("{e}"));
        let drawn = tree(&large, None).into_string();
        assert_eq!(drawn.matches("<li").count(), CELLS + 1);
        assert!(drawn.contains("461 more cells"));
    }
}
