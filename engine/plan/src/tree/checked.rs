//! From raw cells to a tree that holds together: one function a rule, all mistakes at once.

use std::collections::BTreeMap;
use std::ops::Range;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use toml::Spanned;

use super::mistake::{Mistake, MistakeKind};
use super::nearest::did_you_mean;
use super::pattern::{Pattern, PatternError};
use super::raw::{self, Lines, RawCell, RawPattern, Reading, Strategy};
use super::{Bond, Cell, DEFAULT_GRACE, DEFAULT_RESTART_TIME, RestartTree};
use crate::document::Mode;
use crate::duration::{Budget, Millis};
use crate::names::{CellId, NameError, RungName};

pub(crate) fn parse(text: &str) -> Result<RestartTree, Vec<Mistake>> {
    let lines = Lines::of(text);
    let Reading { tree, mistakes, unread, broken, incomplete } = raw::read(text, &lines);
    // A cell that is missing, or whose parent is: then nobody knows what lies above what.
    let torn =
        incomplete || !broken.is_empty() || unread.iter().flatten().any(|key| key == "parent");
    let known = tree.cell.iter().map(|cell| cell.id.get_ref().clone()).chain(broken).collect();
    let mut checks = Checks { lines: &lines, cells: &tree.cell, unread, known, mistakes };
    if tree.cell.is_empty() && !torn {
        checks.tell(None, MistakeKind::Empty);
    }
    let names = checks.names();
    checks.targets();
    let places = checks.places();
    let fields: Vec<Fields> = tree.cell.iter().map(|cell| checks.fields(cell)).collect();
    let parents = if torn { None } else { checks.lineage(&places) };
    checks.requirements(&places, parents.as_ref());
    if let Some(parents) = &parents {
        checks.overlaps(&fields, parents);
        checks.restarts(parents);
        checks.slots(parents);
    }
    match (names, parents) {
        (Some(names), Some(parents)) if checks.mistakes.is_empty() => {
            Ok(build(&tree.cell, names, fields, &parents))
        }
        _ => Err(checks.mistakes),
    }
}

struct Checks<'t> {
    lines: &'t Lines,
    cells: &'t [RawCell],
    /// Keys of each cell that could not be read.
    unread: Vec<Vec<String>>,
    /// Ids that may be spoken of.
    known: Vec<String>,
    mistakes: Vec<Mistake>,
}

/// Fields of a cell that are texts in the file.
struct Fields {
    patterns: Vec<Pattern>,
    restart_time: Millis,
    grace: Millis,
    drain: Option<Millis>,
    budget: Option<Budget>,
}

/// Parent of each cell, by index; the root has none.
type Parents = Vec<Option<usize>>;

/// The line from a cell up to the root, itself included.
fn line(parents: &Parents, at: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(at), |&at| parents[at])
}

impl Checks<'_> {
    fn tell(&mut self, span: Option<Range<usize>>, kind: MistakeKind) {
        self.mistakes.push(self.lines.mistake(span, kind));
    }

    fn id(&self, at: usize) -> String {
        self.cells[at].id.get_ref().clone()
    }

    fn names(&mut self) -> Option<Vec<(CellId, RungName)>> {
        let mut names = Some(Vec::new());
        for cell in self.cells {
            let id = CellId::new(cell.id.get_ref().as_str());
            let rung = RungName::new(cell.rung.get_ref().as_str());
            let mut wrong = |what, text: &Spanned<String>, error: Option<&NameError>| {
                if let Some(&error) = error {
                    let kind = MistakeKind::Name { what, text: text.get_ref().clone(), error };
                    self.mistakes.push(self.lines.mistake(Some(text.span()), kind));
                }
            };
            wrong("id", &cell.id, id.as_ref().err());
            wrong("rung", &cell.rung, rung.as_ref().err());
            match (id, rung, &mut names) {
                (Ok(id), Ok(rung), Some(names)) => names.push((id, rung)),
                _ => names = None,
            }
        }
        names
    }

    /// The first cell of each id.
    fn places(&mut self) -> BTreeMap<String, usize> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (at, cell) in self.cells.iter().enumerate() {
            let id = cell.id.get_ref().clone();
            match places.get(&id) {
                None => drop(places.insert(id, at)),
                Some(&first) => {
                    let first = self.lines.at(self.cells[first].id.span().start);
                    self.tell(Some(cell.id.span()), MistakeKind::DuplicateId { id, first });
                }
            }
        }
        places
    }

    fn targets(&mut self) {
        for (at, cell) in self.cells.iter().enumerate() {
            if let Some(executor) = &cell.executor
                && let Err(error) = executor.get_ref().check()
            {
                let kind = MistakeKind::Target { cell: self.id(at), error };
                self.tell(Some(executor.span()), kind);
            }
        }
    }

    fn fields(&mut self, cell: &RawCell) -> Fields {
        let id = cell.id.get_ref();
        let mut duration = |field: &'static str, text: Option<&Spanned<String>>| {
            let text = text?;
            let time = Millis::parse(text.get_ref());
            if time.is_none() {
                let (cell, text_of) = (id.clone(), text.get_ref().clone());
                let kind = MistakeKind::Duration { cell, field, text: text_of };
                self.mistakes.push(self.lines.mistake(Some(text.span()), kind));
            }
            time
        };
        let restart_time = duration("restart_time", cell.restart_time.as_ref());
        let grace = duration("grace", cell.grace.as_ref());
        let drain = duration("drain", cell.drain.as_ref());
        let budget = cell.budget.as_ref().and_then(|text| {
            let budget = Budget::parse(text.get_ref());
            if budget.is_none() {
                let kind = MistakeKind::Budget { cell: id.clone(), text: text.get_ref().clone() };
                self.tell(Some(text.span()), kind);
            }
            budget
        });
        let patterns = cell.matches.iter().filter_map(|raw| self.pattern(id, raw)).collect();
        Fields {
            patterns,
            restart_time: restart_time.unwrap_or(DEFAULT_RESTART_TIME),
            grace: grace.unwrap_or(DEFAULT_GRACE),
            drain,
            budget,
        }
    }

    fn pattern(&mut self, id: &str, raw: &Spanned<RawPattern>) -> Option<Pattern> {
        let cell = id.to_owned();
        let kind = match Pattern::new(raw.get_ref().clone()) {
            Ok(pattern) => return Some(pattern),
            Err(PatternError::Empty) => MistakeKind::EmptyPattern { cell },
            Err(PatternError::Key(key, text)) => MistakeKind::Pattern { cell, key, text },
        };
        self.tell(Some(raw.span()), kind);
        None
    }

    /// Who is above whom, when that is a tree.
    fn lineage(&mut self, places: &BTreeMap<String, usize>) -> Option<Parents> {
        let before = self.mistakes.len();
        let mut parents = vec![None; self.cells.len()];
        let mut roots = Vec::new();
        for (at, cell) in self.cells.iter().enumerate() {
            let Some(parent) = &cell.parent else {
                roots.push(at);
                continue;
            };
            parents[at] = places.get(parent.get_ref()).copied();
            if parents[at].is_none() {
                let hint = did_you_mean(parent.get_ref(), self.known.iter().map(String::as_str));
                let (cell, parent_id) = (self.id(at), parent.get_ref().clone());
                let kind = MistakeKind::UnknownParent { cell, parent: parent_id, hint };
                self.tell(Some(parent.span()), kind);
            }
        }
        let duplicates = places.len() < self.cells.len();
        if roots.len() > 1 && !duplicates {
            let ids = roots.iter().map(|&at| self.id(at)).collect();
            self.tell(None, MistakeKind::ManyRoots { ids });
        }
        let up = parents.iter().enumerate().filter_map(|(at, parent)| Some((at, (*parent)?)));
        for circle in circles(self.cells.len(), up) {
            let span = self.cells[circle[0]].parent.as_ref().map(Spanned::span);
            let cells = circle.iter().map(|&at| self.id(at)).collect();
            self.tell(span, MistakeKind::ParentCycle { cells });
        }
        let whole = self.mistakes.len() == before && roots.len() == 1 && !duplicates;
        whole.then_some(parents)
    }

    fn requirements(&mut self, places: &BTreeMap<String, usize>, parents: Option<&Parents>) {
        for (at, cell) in self.cells.iter().enumerate() {
            for required in &cell.requires {
                let (cell, name) = (self.id(at), required.get_ref().clone());
                let above = |above: usize, below: usize| {
                    parents.is_some_and(|parents| line(parents, below).any(|at| at == above))
                };
                let kind = match places.get(required.get_ref()) {
                    None if self.known.contains(&name) => continue,
                    None => {
                        let hint = did_you_mean(&name, self.known.iter().map(String::as_str));
                        MistakeKind::UnknownRequired { cell, required: name, hint }
                    }
                    Some(&other) if other == at => MistakeKind::SelfRequired { cell },
                    Some(&other) if above(other, at) => {
                        MistakeKind::RequiresAbove { cell, required: name }
                    }
                    Some(&other) if above(at, other) => {
                        MistakeKind::RequiresBelow { cell, required: name }
                    }
                    Some(_) => continue,
                };
                self.tell(Some(required.span()), kind);
            }
        }
    }

    /// Patterns of which one matches all that the other does, in cells of which neither is above
    /// the other. Patterns that merely cross are found when a component meets both.
    fn overlaps(&mut self, fields: &[Fields], parents: &Parents) {
        for (a, own) in fields.iter().enumerate() {
            for (b, theirs) in fields.iter().enumerate() {
                let apart =
                    !line(parents, a).any(|at| at == b) && !line(parents, b).any(|at| at == a);
                if !apart {
                    continue;
                }
                for (pattern, raw) in own.patterns.iter().zip(&self.cells[a].matches) {
                    let within = theirs.patterns.iter().find(|other| pattern.implies(other));
                    // Equal patterns imply each other; one report is enough.
                    if within.is_some_and(|other| a < b || !other.implies(pattern)) {
                        let kind = MistakeKind::Overlap {
                            cell: self.id(a),
                            other: self.id(b),
                            pattern: pattern.to_string(),
                        };
                        let mistake = self.lines.mistake(Some(raw.span()), kind);
                        self.mistakes.push(mistake);
                    }
                }
            }
        }
    }

    /// Everything that may be restarted has somebody who can do it.
    fn restarts(&mut self, parents: &Parents) {
        for (at, cell) in self.cells.iter().enumerate() {
            if !self.unread[at].is_empty() {
                continue; // It may say what is missed here.
            }
            let id = self.id(at);
            let parts: Vec<_> = (0..parents.len()).filter(|&p| parents[p] == Some(at)).collect();
            if cell.executor.is_none() && parts.is_empty() && cell.restartable && !cell.protected {
                self.tell(Some(cell.id.span()), MistakeKind::NoExecutor { cell: id.clone() });
            }
            let Some(replicas) = &cell.replicas else { continue };
            let (span, replicas) = (Some(replicas.span()), *replicas.get_ref());
            let slotted = parts.iter().any(|&part| self.cells[part].slot.is_some());
            let executor = cell.executor.as_ref().map(Spanned::get_ref);
            match executor {
                _ if replicas == 0 => self.tell(span, MistakeKind::NoReplicas { cell: id }),
                _ if replicas == 1 || slotted => {}
                None => self.tell(span, MistakeKind::NoSlots { cell: id, replicas }),
                Some(executor) if !executor.has_inventory() => {
                    let executor = executor.kind();
                    self.tell(span, MistakeKind::OneTarget { cell: id, replicas, executor });
                }
                Some(_) => {}
            }
        }
    }

    fn slots(&mut self, parents: &Parents) {
        let mut taken: BTreeMap<(usize, u32), usize> = BTreeMap::new();
        for (at, cell) in self.cells.iter().enumerate() {
            let Some(slot) = &cell.slot else { continue };
            let (span, slot, cell) = (Some(slot.span()), *slot.get_ref(), self.id(at));
            let Some(parent) = parents[at] else {
                self.tell(span, MistakeKind::SlotOfRoot { cell });
                continue;
            };
            if !self.unread[parent].is_empty() {
                continue; // It may say how many replicas there are.
            }
            let replicas = self.cells[parent].replicas.as_ref().map_or(1, |r| *r.get_ref());
            if slot >= replicas {
                self.tell(span, MistakeKind::SlotBeyond { cell, slot, replicas });
            } else if let Some(&other) = taken.get(&(parent, slot)) {
                let other = self.id(other);
                self.tell(span, MistakeKind::SlotTwice { cell, other, slot });
            } else {
                taken.insert((parent, slot), at);
            }
        }
    }
}

/// Circles of a graph, each with its members ascending, in the order of their first members.
fn circles(nodes: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
    }
    let mut circles: Vec<Vec<usize>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|group| group.len() > 1 || graph.contains_edge(group[0], group[0]))
        .map(|group| {
            let mut members: Vec<usize> = group.into_iter().map(NodeIndex::index).collect();
            members.sort_unstable();
            members
        })
        .collect();
    circles.sort_unstable();
    circles
}

fn build(
    raw: &[RawCell],
    names: Vec<(CellId, RungName)>,
    fields: Vec<Fields>,
    parents: &Parents,
) -> RestartTree {
    let mode =
        |at: usize| -> Mode { line(parents, at).find_map(|at| raw[at].mode).unwrap_or_default() };
    let ids: Vec<CellId> = names.iter().map(|(id, _)| id.clone()).collect();
    let mut order: Vec<usize> = (0..raw.len()).collect();
    order.sort_unstable_by(|&a, &b| ids[a].cmp(&ids[b]));
    // Where each cell of the file stands among the sorted ones.
    let mut sorted = vec![0; raw.len()];
    order.iter().enumerate().for_each(|(to, &from)| sorted[from] = to);

    let mut cells: Vec<Cell> = Vec::with_capacity(raw.len());
    for (at, ((id, rung), fields)) in names.into_iter().zip(fields).enumerate() {
        let cell = &raw[at];
        let mut requires: Vec<CellId> =
            cell.requires.iter().filter_map(|id| CellId::new(id.get_ref().as_str()).ok()).collect();
        requires.sort_unstable();
        requires.dedup();
        let Fields { patterns, restart_time, grace, drain, budget } = fields;
        cells.push(Cell {
            id,
            parent: parents[at].map(|parent| ids[parent].clone()),
            rung,
            patterns,
            slot: cell.slot.as_ref().map(|slot| *slot.get_ref()),
            replicas: cell.replicas.as_ref().map_or(1, |replicas| *replicas.get_ref()),
            executor: cell.executor.as_ref().map(|executor| executor.get_ref().clone()),
            requires,
            strategy: cell.strategy,
            restart_time,
            grace,
            drain,
            restartable: cell.restartable,
            protected: cell.protected,
            mode: mode(at),
            budget,
        });
    }
    cells.sort_by(|a, b| a.id.cmp(&b.id));

    let mut parent = vec![None; cells.len()];
    let mut children = vec![Vec::new(); cells.len()];
    let mut root = 0;
    for (at, above) in parents.iter().enumerate() {
        match above {
            None => root = sorted[at],
            Some(above) => {
                parent[sorted[at]] = Some(sorted[*above]);
                children[sorted[*above]].push(sorted[at]);
            }
        }
    }
    let (spreads, needs) = graphs(&cells, &children);
    RestartTree { cells, parent, children, root, spreads, needs }
}

/// How restarts spread, and what has to be up first.
fn graphs(cells: &[Cell], children: &[Vec<usize>]) -> (DiGraph<(), Bond>, DiGraph<(), ()>) {
    let mut spreads = DiGraph::new();
    let mut needs = DiGraph::new();
    for _ in cells {
        spreads.add_node(());
        needs.add_node(());
    }
    let node = NodeIndex::new;
    for (at, cell) in cells.iter().enumerate() {
        for required in &cell.requires {
            let found = cells.binary_search_by(|other| other.id.cmp(required));
            let required = node(found.expect("required cells were checked to exist"));
            spreads.add_edge(required, node(at), Bond::Obliges);
            needs.add_edge(node(at), required, ());
        }
        for &child in &children[at] {
            spreads.add_edge(node(at), node(child), Bond::Part);
        }
        let neighbours = children[at].windows(2).map(|pair| (node(pair[0]), node(pair[1])));
        match cell.strategy {
            Strategy::OneForOne => {}
            Strategy::RestForOne => {
                for (before, after) in neighbours {
                    spreads.add_edge(before, after, Bond::Obliges);
                    needs.add_edge(after, before, ());
                }
            }
            Strategy::OneForAll => {
                for (before, after) in neighbours {
                    spreads.add_edge(before, after, Bond::Obliges);
                    spreads.add_edge(after, before, Bond::Obliges);
                }
            }
        }
    }
    (spreads, needs)
}
