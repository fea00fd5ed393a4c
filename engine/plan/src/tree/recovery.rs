//! What does a restart take with it, and in which order?
//!
//! The cells that go down with a set of targets are those reachable from it along *spreads* edges:
//! parts of what goes down, and whatever requires what goes down. A *unit* is a cell that an
//! executor restarts in one go; a cell without an executor stands for the units nearest below it.
//! Units are stopped in reverse order of need and started in order of need; units that need each
//! other in a circle are one recovery group, all stopped before the first is started.

use std::collections::BTreeSet;

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, EdgeRef};

use super::{Bond, RestartTree};
use crate::document::NextRung;
use crate::names::CellId;

/// Why a cell cannot be restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// This cell would be restarted, and is protected.
    Protected(usize),
    /// This cell would have to be restarted by itself, and cannot be.
    NotRestartable(usize),
}

/// Units in the order in which they start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// The units, needed ones first.
    pub(crate) units: Vec<usize>,
    /// For each, whether it needs another one of them.
    pub(crate) waits: Vec<bool>,
}

impl RestartTree {
    /// Cells that always restart together: circles of need. Each ascending; groups of one are left
    /// out.
    #[must_use]
    pub fn recovery_groups(&self) -> Vec<Vec<CellId>> {
        let mut groups: Vec<Vec<CellId>> = tarjan_scc(&self.spreads)
            .into_iter()
            .filter(|group| group.len() > 1)
            .map(|group| {
                let mut ids: Vec<CellId> =
                    group.into_iter().map(|node| self.cells[node.index()].id.clone()).collect();
                ids.sort_unstable();
                ids
            })
            .collect();
        groups.sort_unstable();
        groups
    }

    /// Everything that goes down with the targets, the targets included.
    pub(crate) fn down_with(&self, targets: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut walk = Dfs::empty(&self.spreads);
        let mut down = BTreeSet::new();
        for &target in targets {
            walk.move_to(NodeIndex::new(target));
            while let Some(node) = walk.next(&self.spreads) {
                down.insert(node.index());
            }
        }
        down
    }

    /// Of cells that go down, those that no other one of them is above.
    pub(crate) fn tops(&self, down: &BTreeSet<usize>) -> Vec<usize> {
        let is_top = |at: &usize| self.line(*at).skip(1).all(|above| !down.contains(&above));
        down.iter().copied().filter(is_top).collect()
    }

    /// Which cell that goes down obliges this one: the first by id.
    pub(crate) fn obliged_by(&self, at: usize, down: &BTreeSet<usize>) -> Option<usize> {
        self.spreads
            .edges_directed(NodeIndex::new(at), Direction::Incoming)
            .filter(|edge| *edge.weight() == Bond::Obliges)
            .map(|edge| edge.source().index())
            .filter(|source| down.contains(source))
            .min()
    }

    /// The units that a cell stands for, ascending; cells that nobody can restart among them.
    pub(crate) fn units(&self, at: usize) -> Vec<usize> {
        let mut units = Vec::new();
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            if self.cells[at].executor.is_some() || self.children[at].is_empty() {
                units.push(at);
            } else {
                open.extend(&self.children[at]);
            }
        }
        units.sort_unstable();
        units
    }

    /// What stands in the way of restarting these cells with all that this takes with it.
    pub(crate) fn obstacle(&self, targets: &BTreeSet<usize>) -> Option<Obstacle> {
        let down = self.down_with(targets);
        if let Some(&at) = down.iter().find(|&&at| self.cells[at].protected) {
            return Some(Obstacle::Protected(at));
        }
        // A target that a circle of need carries up to a cell above it still has to have a button.
        let mut pressed = targets.iter().copied().chain(self.tops(&down));
        pressed.find_map(|at| self.pressed(at)).map(Obstacle::NotRestartable)
    }

    /// What stands in the way of restarting one cell: all of it with what that takes with it, or
    /// only some of its instances, which takes nothing else.
    pub(crate) fn obstacle_for(&self, at: usize, some_instances: bool) -> Option<Obstacle> {
        if !some_instances {
            return self.obstacle(&BTreeSet::from([at]));
        }
        let protected =
            (0..self.cells.len()).find(|&b| self.cells[b].protected && self.covers(at, b));
        let alone = (!self.cells[at].restartable).then_some(Obstacle::NotRestartable(at));
        protected.map(Obstacle::Protected).or(alone)
    }

    /// The cell that would have to be restarted by itself and cannot be, if this one's button were
    /// pressed.
    fn pressed(&self, at: usize) -> Option<usize> {
        if !self.cells[at].restartable {
            return Some(at);
        }
        self.units(at).into_iter().find(|&unit| {
            let unit = &self.cells[unit];
            !unit.restartable || unit.executor.is_none()
        })
    }

    /// The nearest cell above that could be restarted with all that this takes with it.
    pub(crate) fn rung_above(&self, at: usize) -> NextRung {
        self.line(at)
            .skip(1)
            .find(|&above| self.obstacle(&BTreeSet::from([above])).is_none())
            .map_or(NextRung::Human, |above| NextRung::Cell(self.cells[above].id.clone()))
    }

    /// The lowest cell that is above all of these, or is one of them and above the others.
    pub(crate) fn lowest_above(&self, cells: &[usize]) -> Option<usize> {
        let (&first, rest) = cells.split_first()?;
        self.line(first).find(|&above| rest.iter().all(|&at| self.covers(above, at)))
    }

    /// Puts units (ascending, none above another) into the order in which they start.
    pub(crate) fn sequence(&self, units: &[usize]) -> Sequence {
        let mut graph: DiGraph<usize, ()> = DiGraph::new();
        let nodes: Vec<NodeIndex> = units.iter().map(|&unit| graph.add_node(unit)).collect();
        for edge in self.needs.edge_references() {
            let (needy, needed) = (edge.source().index(), edge.target().index());
            // A bond between cells binds the units on the one side to the units on the other.
            let related =
                |cell: usize, unit: usize| self.covers(cell, unit) || self.covers(unit, cell);
            for (&a, &from) in units.iter().zip(&nodes).filter(|(a, _)| related(needy, **a)) {
                for (&b, &to) in units.iter().zip(&nodes).filter(|(b, _)| related(needed, **b)) {
                    if a != b {
                        graph.update_edge(from, to, ());
                    }
                }
            }
        }
        let mut sequence = Sequence { units: Vec::new(), waits: Vec::new() };
        // Tarjan's algorithm yields a group after all groups that it leads to: needed ones first.
        for mut group in tarjan_scc(&graph) {
            group.sort_unstable();
            for node in group {
                sequence.units.push(graph[node]);
                sequence.waits.push(graph.neighbors(node).next().is_some());
            }
        }
        sequence
    }
}
