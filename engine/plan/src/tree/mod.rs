//! The restart tree: which things can be restarted, and what a restart of each takes with it.
//!
//! A *cell* is something with a restart button; pressing it restarts the cell and everything below
//! it. The root is everything, and above it there is only a person. Restarts spread in two ways:
//! downwards, to the parts of a cell; and sideways, to cells that `requires` says need it, or that
//! the strategy of the cell above both binds to it. A restart of a mere part of `x` does not spread
//! to cells that require `x`.

mod checked;
mod mistake;
mod nearest;
mod pattern;
mod raw;
mod recovery;
mod seen;
mod show;

use std::collections::BTreeMap;

use petgraph::graph::DiGraph;
use resus_model::Component;
use serde::Serialize;

pub use mistake::{Mistake, MistakeKind, TreeErrors};
pub use pattern::{Identity, Pattern};
pub(crate) use raw::RawTree;
pub use raw::Strategy;
pub(crate) use recovery::Obstacle;
pub use seen::{SeenService, TreeNote, check, infer};

use crate::canonical;
use crate::document::{Mode, NextRung};
use crate::duration::{Budget, Millis};
use crate::executor::Executor;
use crate::names::{CellId, ContentHash, RungName};

/// Restart time of a cell that does not state one: 10 s, about what a container with a warm image
/// and a small runtime takes. Too small a number calls slow starters failed; too large a one only
/// makes a wrong plan wait longer, so state the measured one.
pub const DEFAULT_RESTART_TIME: Millis = Millis::seconds(10);

/// Grace of a cell that does not state one: 30 s, in which caches fill, pools connect, and requests
/// that hung through the restart still come in.
pub const DEFAULT_GRACE: Millis = Millis::seconds(30);

/// A cell of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its name.
    pub id: CellId,
    /// The cell above; `None` for the root.
    pub parent: Option<CellId>,
    /// The rung of the ladder it stands on.
    pub rung: RungName,
    /// Components that any of these matches belong to it.
    pub patterns: Vec<Pattern>,
    /// Its place among its parent's replicas.
    pub slot: Option<u32>,
    /// How many equal instances it stands for.
    pub replicas: u32,
    /// Who restarts it; `None` when it is restarted by restarting its parts.
    pub executor: Option<Executor>,
    /// Cells that it needs, ascending.
    pub requires: Vec<CellId>,
    /// What a restart of one of its children means for the others.
    pub strategy: Strategy,
    /// How long a restart takes until it is ready.
    pub restart_time: Millis,
    /// How long after that its requests do not count for or against it.
    pub grace: Millis,
    /// How long to let requests in flight end before the stop.
    pub drain: Option<Millis>,
    /// False: it cannot be restarted by itself, only with a cell above it.
    pub restartable: bool,
    /// True: it is never restarted at all.
    pub protected: bool,
    /// How far Resus may go with it: its own, or that of the nearest cell above that says it.
    pub mode: Mode,
    /// At most so many restarts.
    pub budget: Option<Budget>,
}

/// Where a component belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// To this cell, the deepest that matches it.
    Cell(CellId),
    /// Several cells match it that do not lie on one line from the root, ascending.
    Ambiguous(Vec<CellId>),
    /// To no cell.
    Unmatched,
}

/// A restart tree that holds together.
#[derive(Debug, Clone)]
pub struct RestartTree {
    /// Ascending by id; every index below is one into this.
    cells: Vec<Cell>,
    parent: Vec<Option<usize>>,
    /// In the order of the file.
    children: Vec<Vec<usize>>,
    root: usize,
    /// An edge leads from a cell to what is restarted with it.
    spreads: DiGraph<(), Bond>,
    /// An edge leads from a cell to what has to be up before it starts.
    needs: DiGraph<(), ()>,
}

/// Why a restart spreads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bond {
    /// The other is a part.
    Part,
    /// The other requires it, or a strategy binds the two.
    Obliges,
}

/// A cell that matches, and whether it does so by telling instances apart.
pub(crate) enum Found {
    Cell { at: usize, by_instance: bool },
    Ambiguous(Vec<usize>),
    Unmatched,
}

impl RestartTree {
    /// Reads and checks a tree. `name` says in errors where the text came from.
    ///
    /// # Errors
    /// Every mistake in it, with its line where it is in one.
    pub fn parse(text: &str, name: &str) -> Result<Self, TreeErrors> {
        checked::parse(text).map_err(|mut mistakes| {
            mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(0));
            TreeErrors { name: name.to_owned(), mistakes }
        })
    }

    /// The cells, ascending by id.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Cell {
        &self.cells[self.root]
    }

    /// The cell of an id.
    #[must_use]
    pub fn cell(&self, id: &CellId) -> Option<&Cell> {
        self.find(id).map(|at| &self.cells[at])
    }

    /// The cells right below another, in the order of the file; none for an unknown id.
    pub fn children(&self, id: &CellId) -> impl Iterator<Item = &Cell> {
        let children = self.find(id).map_or(&[][..], |at| &self.children[at]);
        children.iter().map(|&child| &self.cells[child])
    }

    /// The cells above another, nearest first; none for an unknown id.
    pub fn ancestors(&self, id: &CellId) -> impl Iterator<Item = &Cell> {
        let from = self.find(id).and_then(|at| self.parent[at]);
        std::iter::successors(from, |&at| self.parent[at]).map(|at| &self.cells[at])
    }

    /// The cell that a component belongs to: the deepest that matches it. An operation that no
    /// pattern names belongs to its service's cell.
    #[must_use]
    pub fn locate(&self, component: &Component) -> Located {
        self.locate_identity(&Identity::from(component))
    }

    /// Like [`RestartTree::locate`], with version and host where they are known.
    #[must_use]
    pub fn locate_identity(&self, identity: &Identity<'_>) -> Located {
        match self.find_identity(identity) {
            Found::Cell { at, .. } => Located::Cell(self.cells[at].id.clone()),
            Found::Ambiguous(cells) => {
                Located::Ambiguous(cells.iter().map(|&at| self.cells[at].id.clone()).collect())
            }
            Found::Unmatched => Located::Unmatched,
        }
    }

    /// The nearest cell above another that could be restarted; a person when there is none.
    #[must_use]
    pub fn next_rung(&self, id: &CellId) -> NextRung {
        self.find(id).map_or(NextRung::Human, |at| self.rung_above(at))
    }

    /// The hash of the tree's meaning: comments, spaces, and the order of cells where it means
    /// nothing do not change it.
    ///
    /// # Panics
    /// Never: every part of a cell has a JSON form.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        let cells: Vec<_> = (0..self.cells.len()).map(|at| self.meaning(at)).collect();
        let value = serde_json::to_value(("resus.tree/1", cells)).expect("JSON types only");
        ContentHash::of(canonical::json(&value).as_bytes())
    }

    pub(crate) fn find(&self, id: &CellId) -> Option<usize> {
        self.cells.binary_search_by(|cell| cell.id.cmp(id)).ok()
    }

    pub(crate) fn at(&self, at: usize) -> &Cell {
        &self.cells[at]
    }

    pub(crate) const fn parent_of(&self, at: usize) -> Option<usize> {
        self.parent.as_slice()[at]
    }

    /// A cell and those above it, nearest first.
    pub(crate) fn line(&self, at: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(at), |&at| self.parent[at])
    }

    /// True when the first is the second, or lies above it.
    pub(crate) fn covers(&self, above: usize, below: usize) -> bool {
        self.line(below).any(|at| at == above)
    }

    pub(crate) fn find_identity(&self, identity: &Identity<'_>) -> Found {
        let hits: Vec<(usize, bool)> = (0..self.cells.len())
            .filter_map(|at| {
                let mut matching =
                    self.cells[at].patterns.iter().filter(|p| p.matches(identity)).peekable();
                matching.peek()?;
                Some((at, matching.any(Pattern::names_instances)))
            })
            .collect();
        let mut deepest = hits
            .iter()
            .filter(|(at, _)| !hits.iter().any(|(b, _)| b != at && self.covers(*at, *b)));
        match (deepest.next(), deepest.next()) {
            (None, _) => Found::Unmatched,
            (Some(&(at, by_instance)), None) => Found::Cell { at, by_instance },
            (Some(_), Some(_)) => Found::Ambiguous(hits.iter().map(|(at, _)| *at).collect()),
        }
    }

    fn meaning(&self, at: usize) -> Meaning<'_> {
        let Cell {
            id,
            parent,
            rung,
            patterns,
            slot,
            replicas,
            executor,
            requires,
            strategy,
            restart_time,
            grace,
            drain,
            restartable,
            protected,
            mode,
            budget,
        } = &self.cells[at];
        let mut patterns: Vec<BTreeMap<_, _>> =
            patterns.iter().map(|pattern| pattern.entries().collect()).collect();
        patterns.sort_unstable();
        let ordered = *strategy == Strategy::RestForOne;
        let order = self.children[at].iter().filter(|_| ordered);
        Meaning {
            id,
            parent: parent.as_ref(),
            rung,
            patterns,
            slot: *slot,
            replicas: *replicas,
            executor: executor.as_ref(),
            requires,
            strategy: *strategy,
            order: order.map(|&child| &self.cells[child].id).collect(),
            restart_time: *restart_time,
            grace: *grace,
            drain: *drain,
            restartable: *restartable,
            protected: *protected,
            mode: *mode,
            budget: budget.map(|budget| (budget.restarts, budget.per)),
        }
    }
}

/// What of a cell goes into the hash.
#[derive(Serialize)]
struct Meaning<'t> {
    id: &'t CellId,
    parent: Option<&'t CellId>,
    rung: &'t RungName,
    patterns: Vec<BTreeMap<&'static str, &'t str>>,
    slot: Option<u32>,
    replicas: u32,
    executor: Option<&'t Executor>,
    requires: &'t [CellId],
    strategy: Strategy,
    /// Its children in order, where the order means something.
    order: Vec<&'t CellId>,
    restart_time: Millis,
    grace: Millis,
    drain: Option<Millis>,
    restartable: bool,
    protected: bool,
    mode: Mode,
    budget: Option<(u32, Millis)>,
}

#[cfg(test)]
mod tests;
