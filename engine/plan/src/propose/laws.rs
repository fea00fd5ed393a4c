//! What every proposal keeps, whatever the tree and the diagnosis.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use resus_model::Verdict;

use super::fixture::{context, diagnosis, suspect, tree};
use super::*;
use crate::document::{Action, NextRung};
use crate::names::CellId;
use crate::policy::{PolicyFields, TooMany};
use crate::tree::Cell;

/// A cell of a random tree; cell `i` has its parent among the ones before it.
#[derive(Debug, Clone)]
struct Draft {
    parent: usize,
    executor: usize,
    needs: Vec<usize>,
    strategy: usize,
    restartable: bool,
    protected: bool,
    replicas: bool,
}

const EXECUTORS: [&str; 4] = [
    "executor = \"dry_run\"",
    "executor = { systemd = { unit = \"x.service\" } }",
    "executor = { kubernetes = { namespace = \"a\", deployment = \"b\" } }",
    "",
];
const STRATEGIES: [&str; 3] = ["one_for_one", "one_for_all", "rest_for_one"];

fn draft() -> impl Strategy<Value = Draft> {
    (
        any::<prop::sample::Index>(),
        0..EXECUTORS.len(),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..2),
        0..STRATEGIES.len(),
        proptest::bool::weighted(0.9),
        proptest::bool::weighted(0.07),
        any::<bool>(),
    )
        .prop_map(|(parent, executor, needs, strategy, restartable, protected, replicas)| {
            Draft {
                parent: parent.index(1000),
                executor,
                needs: needs.into_iter().map(|n| n.index(1000)).collect(),
                strategy,
                restartable,
                protected,
                replicas,
            }
        })
}

fn text(drafts: &[Draft]) -> String {
    let parents: Vec<Option<usize>> = drafts
        .iter()
        .enumerate()
        .map(|(i, draft)| if i == 0 { None } else { Some(draft.parent % i) })
        .collect();
    let line = |at: usize| std::iter::successors(Some(at), |&at| parents[at]);
    let mut text = "version = 1\n".to_owned();
    for (i, draft) in drafts.iter().enumerate() {
        let leaf = !parents.contains(&Some(i));
        let executor = EXECUTORS[if leaf { draft.executor % 3 } else { draft.executor }];
        let _ = writeln!(text, "[[cell]]\nid = \"c{i:02}\"\nrung = \"r\"\n{executor}");
        if let Some(parent) = parents[i] {
            let _ = writeln!(text, "parent = \"c{parent:02}\"");
        }
        let needs: BTreeSet<String> = draft
            .needs
            .iter()
            .map(|need| need % drafts.len())
            .filter(|&need| line(i).all(|at| at != need) && line(need).all(|at| at != i))
            .map(|need| format!("\"c{need:02}\""))
            .collect();
        let needs = needs.into_iter().collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "requires = [{needs}]\nmatch = [{{ service = \"s{i}\" }}]");
        let _ = writeln!(text, "strategy = \"{}\"", STRATEGIES[draft.strategy]);
        let _ = writeln!(text, "restartable = {}", draft.restartable);
        let _ = writeln!(text, "protected = {}", draft.protected);
        if draft.replicas && (executor.contains("dry_run") || executor.contains("kubernetes")) {
            let _ = writeln!(text, "replicas = 3");
        }
    }
    text
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    proptest::collection::vec(draft(), 1..12)
}

/// Suspects by number of their cell (some have none), score in tenths, and whether one instance.
fn accused() -> impl Strategy<Value = Vec<(usize, u8, u64, bool)>> {
    proptest::collection::vec((0..14_usize, 7..=10_u8, 0..3_u64, any::<bool>()), 0..6)
}

fn policies() -> impl Strategy<Value = Policy> {
    (1..4_u32, any::<bool>()).prop_map(|(max_cells, ancestor)| {
        let too_many = if ancestor { TooMany::CommonAncestor } else { TooMany::Withhold };
        Policy::new(PolicyFields { max_cells, too_many, ..PolicyFields::STANDARD }).expect("fine")
    })
}

fn accuse(list: &[(usize, u8, u64, bool)]) -> Vec<Suspect> {
    let mut seen = BTreeSet::new();
    list.iter()
        .filter(|(cell, _, _, one)| seen.insert((*cell, *one)))
        .map(|&(cell, tenths, origins, one)| {
            let name = if one { format!("s{cell}@i{tenths}") } else { format!("s{cell}") };
            suspect(&name, f64::from(tenths) / 10.0, origins)
        })
        .collect()
}

/// The cell and everything below it.
fn subtree(tree: &RestartTree, id: &CellId) -> BTreeSet<CellId> {
    let mut all = BTreeSet::from([id.clone()]);
    for child in tree.children(id) {
        all.extend(subtree(tree, &child.id));
    }
    all
}

/// Everything that is restarted by these steps, with whole cells alone counted as `whole`.
fn touched(tree: &RestartTree, plan: &Plan) -> (BTreeSet<CellId>, BTreeSet<CellId>) {
    let mut all = BTreeSet::new();
    let mut whole = BTreeSet::new();
    for step in &plan.steps {
        let cells = subtree(tree, &step.cell);
        if step.instances.is_empty() {
            whole.extend(cells.iter().cloned());
        }
        all.extend(cells);
    }
    (all, whole)
}

/// True when a cell is restarted, by itself or by its parts.
fn down(tree: &RestartTree, cell: &Cell, whole: &BTreeSet<CellId>) -> bool {
    whole.contains(&cell.id)
        || (cell.executor.is_none()
            && tree.children(&cell.id).next().is_some()
            && tree.children(&cell.id).all(|child| down(tree, child, whole)))
}

/// Pairs of steps' cells of which the first needs the second, directly or through others; a bond
/// of a cell binds its parts and what it is a part of.
fn needs(tree: &RestartTree, plan: &Plan) -> BTreeSet<(CellId, CellId)> {
    let cells: BTreeSet<&CellId> = plan.steps.iter().map(|step| &step.cell).collect();
    let related = |id: &CellId| {
        let mut all = subtree(tree, id);
        all.extend(tree.ancestors(id).map(|cell| cell.id.clone()));
        all
    };
    let mut pairs = BTreeSet::new();
    for a in &cells {
        for b in cells.iter().filter(|b| *b != a) {
            let (ours, theirs) = (related(a), related(b));
            let bound = |id: &CellId| {
                tree.cell(id).is_some_and(|c| c.requires.iter().any(|r| theirs.contains(r)))
            };
            if ours.iter().any(bound) {
                pairs.insert(((*a).clone(), (*b).clone()));
            }
        }
    }
    for via in &cells {
        for a in &cells {
            for b in &cells {
                let key = |x: &&CellId, y: &&CellId| ((*x).clone(), (*y).clone());
                if pairs.contains(&key(a, via)) && pairs.contains(&key(via, b)) {
                    pairs.insert(key(a, b));
                }
            }
        }
    }
    pairs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_plan_is_safe_whole_and_ordered(
        drafts in drafts(), accused in accused(), policy in policies(),
    ) {
        let tree = tree(&text(&drafts));
        let suspects = accuse(&accused);
        let count = suspects.len();
        let proposal = propose(&diagnosis(Verdict::Suspects(suspects)), &tree, &policy, &context());
        let Some(plan) = proposal.plan() else {
            prop_assert_eq!(proposal.withheld().len(), count, "everyone is accounted for");
            return Ok(());
        };
        prop_assert_eq!(plan.evidence.len() + plan.withheld.len(), count);
        prop_assert_eq!(plan, &Plan::from_json(&plan.to_json()).expect("reads back"));
        let limit = usize::try_from(policy.fields().max_cells).expect("small");
        prop_assert!((1..=limit).contains(&plan.targets.len()));

        let (all, whole) = touched(&tree, plan);
        for step in &plan.steps {
            let cell = tree.cell(&step.cell).expect("every step's cell is in the tree");
            prop_assert_eq!(Some(&step.executor), cell.executor.as_ref());
            prop_assert!(cell.restartable, "{} is not restarted by itself", step.cell);
            for above in tree.ancestors(&step.cell) {
                let both = plan.steps.iter().any(|other| other.cell == above.id);
                prop_assert!(!both, "{} and its ancestor {}", step.cell, above.id);
            }
        }
        for id in &all {
            let cell = tree.cell(id).expect("in the tree");
            prop_assert!(!cell.protected, "{} is protected", id);
            prop_assert!(cell.mode >= plan.mode);
        }
        // Everything that requires what is restarted is restarted, by itself or by its parts.
        for cell in tree.cells() {
            if cell.requires.iter().any(|needed| whole.contains(needed)) {
                prop_assert!(down(&tree, cell, &whole), "{} needs what goes down", cell.id);
            }
        }
        for target in &plan.targets {
            let covered = subtree(&tree, &target.cell).into_iter().filter(|id| {
                tree.cell(id).is_some_and(|cell| cell.executor.is_some())
            });
            for id in covered {
                prop_assert!(all.contains(&id), "{} is a part of a target", id);
            }
        }
        if let NextRung::Cell(next) = &plan.next_rung {
            prop_assert!(tree.cell(next).is_some_and(|cell| cell.restartable && !cell.protected));
        }
    }

    #[test]
    fn what_is_needed_is_up_before_what_needs_it(mut drafts in drafts(), at in 0..12_usize) {
        for draft in &mut drafts {
            draft.strategy = 0;
        }
        let tree = tree(&text(&drafts));
        let accused = vec![suspect(&format!("s{at}"), 1.0, 0)];
        let diagnosis = diagnosis(Verdict::Suspects(accused));
        let proposal = propose(&diagnosis, &tree, &Policy::standard(), &context());
        let Some(plan) = proposal.plan() else { return Ok(()) };
        let place = |id: &CellId, stop: bool| plan.steps.iter().position(|step| {
            (step.action == Action::Stop) == stop && step.cell == *id
        });
        let pairs = needs(&tree, plan);
        for (needy, needed) in &pairs {
            let up = place(needed, false).expect("every cell comes up");
            let cell = tree.cell(needy).expect("in the tree");
            if cell.executor.as_ref().is_some_and(|executor| executor.can_hold()) {
                let stop = place(needy, true).expect("held while what it needs restarts");
                prop_assert!(stop < up, "{} stops before {} comes up", needy, needed);
            }
            // A circle of need has no order.
            if pairs.contains(&(needed.clone(), needy.clone())) {
                continue;
            }
            prop_assert!(up < place(needy, false).expect("comes up"), "{} before {}", needed, needy);
            if let (Some(first), Some(second)) = (place(needy, true), place(needed, true)) {
                prop_assert!(first < second, "{} stops before {}", needy, needed);
            }
        }
    }

    #[test]
    fn the_order_of_suspects_means_nothing(
        drafts in drafts(), accused in accused(), policy in policies(), seed in any::<u64>(),
    ) {
        let tree = tree(&text(&drafts));
        let suspects = accuse(&accused);
        let mut shuffled = suspects.clone();
        for i in (1..shuffled.len()).rev() {
            let j = usize::try_from(seed.rotate_left(u32::try_from(i).expect("small")) % 97).expect("small");
            shuffled.swap(i, j % (i + 1));
        }
        let bytes = |suspects: Vec<Suspect>| {
            let diagnosis = diagnosis(Verdict::Suspects(suspects));
            let proposal = propose(&diagnosis, &tree, &policy, &context());
            serde_json::to_string(&proposal).expect("JSON")
        };
        prop_assert_eq!(bytes(suspects), bytes(shuffled));
    }

    #[test]
    fn no_suspects_no_plan(drafts in drafts(), policy in policies()) {
        let tree = tree(&text(&drafts));
        let proposal = propose(&diagnosis(Verdict::Suspects(vec![])), &tree, &policy, &context());
        prop_assert!(proposal.plan().is_none());
        let proposal = propose(&diagnosis(Verdict::Healthy), &tree, &policy, &context());
        prop_assert!(proposal.plan().is_none());
    }
}
