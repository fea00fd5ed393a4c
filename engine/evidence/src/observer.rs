//! Counts paths, fast: everything by number, into rows that grow as they are needed.

use hashbrown::HashMap;
use resus_model::{Kind, MarginalKind, Name, Outcome, Second, Tally, TraceId};
use resus_paths::{Node, Path, Resource};
use rustc_hash::FxBuildHasher;

use crate::canonical::{ATTRIBUTE_ROWS, EXEMPLAR_SPANS, EXEMPLARS};
use crate::dense::Dense;
use crate::production::Productions;
use crate::recipe::{Recipe, Recipes, Step};
use crate::shape::Shapes;

type FastMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// No entry operation, no parent.
pub(crate) const NOBODY: u32 = u32::MAX;
/// The parent of a true root: an edge from here is none.
const ABOVE_ROOT: u32 = u32::MAX - 1;
/// Shapes are cut below this depth (the set of operations is not): a fixed rule. Traces that deep
/// are loops of one operation calling itself, told apart well enough by what is above.
pub(crate) const SHAPE_DEPTH: u32 = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RawClass {
    pub(crate) entry: u32,
    pub(crate) shape: u32,
    pub(crate) outcome: Outcome,
    /// Sets by their numbers in [`Observer::sets`].
    pub(crate) operations: u32,
    pub(crate) origins: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RawEdge {
    pub(crate) entry: u32,
    pub(crate) parent: u32,
    pub(crate) child: u32,
    /// Row of (entry, child) in the operation counts.
    pair: u32,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ClassCounts {
    pub(crate) tally: Tally,
    pub(crate) duration_sum: u64,
    pub(crate) durations: Dense,
    pub(crate) seconds: Vec<Second>,
    pub(crate) exemplars: Vec<RawExemplar>,
    /// The requests of smallest hash that carry attributes, ascending by hash.
    pub(crate) attribute_rows: Vec<RawAttributeRow>,
}

/// A request and its set of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RawAttributeRow {
    pub(crate) hash: u64,
    pub(crate) trace_id: TraceId,
    pub(crate) set: Name,
}

#[derive(Debug, Clone)]
pub(crate) struct RawExemplar {
    pub(crate) hash: u64,
    pub(crate) trace_id: TraceId,
    pub(crate) start_unix_nano: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) left_out: u32,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct OperationCounts {
    pub(crate) spans: u64,
    pub(crate) failed: u64,
    pub(crate) origins: u64,
    pub(crate) masked: u64,
    pub(crate) error_events: u64,
    pub(crate) spans_with_error_events: u64,
    pub(crate) exception_events: u64,
    pub(crate) links: u64,
    pub(crate) error_types: Vec<(Name, u64)>,
    pub(crate) duration_sum: u64,
    pub(crate) durations: Dense,
    pub(crate) self_time_sum: u64,
    pub(crate) self_times: Dense,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct EdgeCounts {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) masked: u64,
    pub(crate) retries: u64,
    pub(crate) crossings: u64,
    pub(crate) gap_sum: u64,
    pub(crate) gaps: Dense,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct PeerCounts {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) durations: Dense,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct MarginalCounts {
    pub(crate) tally: Tally,
    pub(crate) durations: Dense,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RawMarginal {
    pub(crate) class: u32,
    pub(crate) kind: MarginalKind,
    pub(crate) service: Name,
    pub(crate) namespace: Name,
    pub(crate) value: Name,
}

/// What a service did in a place.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlaceCounts {
    pub(crate) spans: u64,
    pub(crate) began: u64,
    pub(crate) self_time_sum: u64,
    pub(crate) self_times: Dense,
}

/// A service in a place, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RawPlace {
    pub(crate) class: u32,
    pub(crate) service: Name,
    pub(crate) namespace: Name,
    pub(crate) resource: u32,
}

/// What one window has counted.
#[derive(Debug, Default)]
pub(crate) struct WindowCounts {
    pub(crate) classes: FastMap<u32, ClassCounts>,
    pub(crate) operations: Vec<OperationCounts>,
    pub(crate) edges: Vec<EdgeCounts>,
    pub(crate) productions: Vec<u64>,
    pub(crate) peers: FastMap<(u32, u32, Name), PeerCounts>,
    /// Services that ran in one place alone, by request.
    pub(crate) places: FastMap<RawPlace, MarginalCounts>,
    pub(crate) place_rows: Vec<PlaceCounts>,
    /// The others.
    pub(crate) marginals: FastMap<RawMarginal, MarginalCounts>,
    /// By class and set of attributes.
    pub(crate) attributes: FastMap<(u32, Name), MarginalCounts>,
}

/// Counts paths into windows.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) shapes: Shapes,
    pub(crate) productions: Productions,
    production_index: FastMap<(u32, u32), u32>,
    /// (entry, production) of each row of production counts.
    pub(crate) production_rows: Vec<(u32, u32)>,
    recipes: Recipes,
    pub(crate) sets: Sets,
    class_index: FastMap<RawClass, u32>,
    pub(crate) classes: Vec<RawClass>,
    edge_index: FastMap<(u32, u32, u32), u32>,
    pub(crate) edges: Vec<RawEdge>,
    pair_index: FastMap<(u32, u32), u32>,
    /// (entry, operation) of each row of operation counts.
    pub(crate) pairs: Vec<(u32, u32)>,
    pub(crate) places: Places,
    pub(crate) windows: Vec<WindowCounts>,
    buffers: Buffers,
}

#[derive(Debug, Default)]
struct Buffers {
    shape_of: Vec<u32>,
    key: Vec<u32>,
    children: Vec<u32>,
    roots: Vec<u32>,
    origins: Vec<u32>,
    seen: Vec<(MarginalKind, Name, Name, Name)>,
    places: Vec<(Name, Name, u32)>,
    failed_children: Vec<u32>,
}

// === impl Observer ===

impl Observer {
    /// Starts with so many windows, by number.
    pub(crate) fn new(windows: usize) -> Self {
        Self {
            shapes: Shapes::default(),
            productions: Productions::default(),
            production_index: FastMap::default(),
            production_rows: Vec::new(),
            recipes: Recipes::default(),
            sets: Sets::default(),
            class_index: FastMap::default(),
            classes: Vec::new(),
            edge_index: FastMap::default(),
            edges: Vec::new(),
            pair_index: FastMap::default(),
            pairs: Vec::new(),
            places: Places::default(),
            windows: (0..windows).map(|_| WindowCounts::default()).collect(),
            buffers: Buffers::default(),
        }
    }

    /// How many rows its tables have, over all windows.
    pub(crate) fn rows(&self) -> usize {
        let Self { classes, edges, pairs, production_rows, shapes, places, .. } = self;
        let tables = [classes.len(), edges.len(), pairs.len(), production_rows.len()];
        tables.iter().sum::<usize>() + shapes.len() + places.keys.len()
    }

    /// Counts a path into a window.
    pub(crate) fn count(&mut self, path: &Path<'_>, window: usize) {
        self.apply::<true>(path, window);
    }

    /// Takes back a path that was counted into a window. Rows that then count nothing stay, and are
    /// left out by whoever reads them. If the path was an exemplar, or its attributes a sample, its place
    /// stays empty: the one that would have been kept in its stead is not known any more.
    pub(crate) fn retract(&mut self, path: &Path<'_>, window: usize) {
        self.apply::<false>(path, window);
    }

    fn apply<const ADD: bool>(&mut self, path: &Path<'_>, window: usize) {
        let entry = path.entry_node().map_or(NOBODY, |n| n.operation.number());
        let shape = self.count_spans::<ADD>(path, entry, window);
        let class = self.class_of(path, entry, shape);
        let length = path.entry_node().map(Node::length_ns);
        let counts = self.windows[window].classes.entry(class).or_default();
        tally::<ADD>(&mut counts.tally, path.weight);
        if let Some(length) = length {
            shift::<ADD>(&mut counts.duration_sum, length);
            counts.durations.shift::<ADD>(length);
        }
        count_second::<ADD>(&mut counts.seconds, path.start_unix_nano / 1_000_000_000, path.weight);
        if ADD {
            consider_exemplar(&mut counts.exemplars, path);
        } else {
            counts.exemplars.retain(|e| e.trace_id != path.trace_id);
        }
        self.count_attributes::<ADD>(path, class, length, window);
        self.count_marginals::<ADD>(path, class, length, window);
    }

    /// Counts the attributes of the entry span; of a request without any, nothing.
    fn count_attributes<const ADD: bool>(
        &mut self,
        path: &Path<'_>,
        class: u32,
        length: Option<u64>,
        window: usize,
    ) {
        let set = path.entry_node().map_or(Name::NONE, |entry| path.mark(entry).attributes);
        if set.is_none() {
            return;
        }
        let counts = &mut self.windows[window];
        counts.attributes.entry((class, set)).or_default().shift::<ADD>(path.weight, length);
        let rows = &mut counts.classes.entry(class).or_default().attribute_rows;
        let row = RawAttributeRow { hash: path.trace_id.mix(), trace_id: path.trace_id, set };
        if ADD {
            let at = rows.partition_point(|kept| *kept < row);
            if at < ATTRIBUTE_ROWS {
                rows.truncate(ATTRIBUTE_ROWS - 1);
                rows.insert(at, row);
            }
        } else {
            rows.retain(|kept| kept.trace_id != path.trace_id);
        }
    }

    /// Counts operations, places, edges, productions and peers; returns the number of the path's shape.
    fn count_spans<const ADD: bool>(&mut self, path: &Path<'_>, entry: u32, window: usize) -> u32 {
        let nodes = path.nodes;
        let recipe = self.recipes.find(entry, nodes).unwrap_or_else(|| {
            let recipe = self.work_out(nodes, entry);
            self.recipes.keep(recipe)
        });
        let Self { recipes, windows, places, .. } = self;
        let recipe = recipes.get(recipe);
        let counts = &mut windows[window];
        let mut any_failed = false;
        for (i, (node, step)) in nodes.iter().zip(&recipe.steps).enumerate() {
            any_failed |= node.failed;
            shift::<ADD>(at(&mut counts.productions, step.production), 1);
            count_operation::<ADD>(at(&mut counts.operations, step.pair), node, path);
            let place = places.row(node, path);
            count_place::<ADD>(at(&mut counts.place_rows, place), nodes, i);
            if step.edge != NOBODY {
                count_edge::<ADD>(at(&mut counts.edges, step.edge), node);
            }
            let peer = path.mark(node).peer;
            // A callee names itself by the same attributes.
            let calls = !matches!(node.kind, Kind::Server | Kind::Consumer);
            if !peer.is_none() && calls && node.subtree_end as usize == i + 1 {
                let key = (entry, node.operation.number(), peer);
                let counts = counts.peers.entry(key).or_default();
                shift::<ADD>(&mut counts.calls, 1);
                shift::<ADD>(&mut counts.failed, u64::from(node.failed));
                counts.durations.shift::<ADD>(node.length_ns());
            }
        }
        let shape = recipe.shape;
        if any_failed {
            self.count_retries::<ADD>(nodes, entry, window);
        }
        shape
    }

    /// Works out to which rows the spans of a layout go.
    fn work_out(&mut self, nodes: &[Node], entry: u32) -> Recipe {
        self.buffers.shape_of.clear();
        self.buffers.shape_of.resize(nodes.len(), 0);
        self.buffers.roots.clear();
        let mut steps: Vec<Step> = Vec::with_capacity(nodes.len());
        for i in (0..nodes.len()).rev() {
            let node = &nodes[i];
            let production = self.shape_node(nodes, i);
            let production = self.production_row(entry, production);
            if node.is_root() {
                self.buffers.roots.push(self.buffers.shape_of[i]);
            }
            let parent = match node.parent {
                NOBODY if node.orphan => NOBODY,
                NOBODY => ABOVE_ROOT,
                p => nodes[p as usize].operation.number(),
            };
            let edge = self.edge_of(entry, parent, node.operation.number());
            let pair = self.edges[edge as usize].pair;
            let edge = if parent == ABOVE_ROOT { NOBODY } else { edge };
            steps.push(Step { edge, pair, production });
        }
        steps.reverse();
        let Buffers { roots, key, .. } = &mut self.buffers;
        Recipe { shape: self.shapes.forest(roots, key), steps: steps.into() }
    }

    fn production_row(&mut self, entry: u32, production: u32) -> u32 {
        let Self { production_index, production_rows, .. } = self;
        *production_index.entry((entry, production)).or_insert_with(|| {
            production_rows.push((entry, production));
            count_of(production_rows) - 1
        })
    }

    /// Numbers the subtree of a node, whose children are numbered already; returns its production.
    fn shape_node(&mut self, nodes: &[Node], i: usize) -> u32 {
        let Buffers { shape_of, key, children, .. } = &mut self.buffers;
        let node = &nodes[i];
        key.clear();
        children.clear();
        key.push(node.operation.number());
        let mut child = i + 1;
        while child < node.subtree_end as usize {
            if node.depth < SHAPE_DEPTH {
                key.push(shape_of[child]);
            }
            children.push(nodes[child].operation.number());
            child = nodes[child].subtree_end as usize;
        }
        shape_of[i] = self.shapes.number(key);
        self.productions.number(node.operation.number(), children)
    }

    fn edge_of(&mut self, entry: u32, parent: u32, child: u32) -> u32 {
        let Self { edge_index, edges, pair_index, pairs, .. } = self;
        *edge_index.entry((entry, parent, child)).or_insert_with(|| {
            let pair = *pair_index.entry((entry, child)).or_insert_with(|| {
                pairs.push((entry, child));
                count_of(pairs) - 1
            });
            edges.push(RawEdge { entry, parent, child, pair });
            count_of(edges) - 1
        })
    }

    /// A call that repeats a failed one of the same parent to the same operation is a retry.
    fn count_retries<const ADD: bool>(&mut self, nodes: &[Node], entry: u32, window: usize) {
        for i in 0..nodes.len() {
            self.buffers.failed_children.clear();
            let mut child = i + 1;
            while child < nodes[i].subtree_end as usize {
                let operation = nodes[child].operation.number();
                if self.buffers.failed_children.contains(&operation) {
                    let edge = self.edge_of(entry, nodes[i].operation.number(), operation);
                    shift::<ADD>(&mut at(&mut self.windows[window].edges, edge).retries, 1);
                } else if nodes[child].failed {
                    self.buffers.failed_children.push(operation);
                }
                child = nodes[child].subtree_end as usize;
            }
        }
    }

    fn class_of(&mut self, path: &Path<'_>, entry: u32, shape: u32) -> u32 {
        let origins = &mut self.buffers.origins;
        origins.clear();
        if path.outcome == Outcome::Failed || path.outcome == Outcome::Unknown {
            let failing = path.nodes.iter().filter(|n| n.origin);
            origins.extend(failing.map(|n| n.operation.number()));
        }
        let origins = self.sets.number(origins);
        let deep = path.nodes.iter().any(|n| n.depth > SHAPE_DEPTH);
        let operations = if deep {
            let key = &mut self.buffers.key;
            key.clear();
            key.extend(path.nodes.iter().map(|n| n.operation.number()));
            self.sets.number(key)
        } else {
            // The shape tells them.
            Sets::EMPTY
        };
        let class = RawClass { entry, shape, outcome: path.outcome, operations, origins };
        let Self { class_index, classes, .. } = self;
        *class_index.entry(class).or_insert_with(|| {
            classes.push(class);
            count_of(classes) - 1
        })
    }

    fn count_marginals<const ADD: bool>(
        &mut self,
        path: &Path<'_>,
        class: u32,
        length: Option<u64>,
        window: usize,
    ) {
        let Buffers { seen, places, .. } = &mut self.buffers;
        seen.clear();
        places.clear();
        for node in path.nodes {
            let name = path.vocabulary.operation(node.operation);
            insert(places, (name.service, name.namespace, node.resource));
        }
        make_distinct(places);
        let counts = &mut self.windows[window];
        let few = places.len() <= FEW;
        for &(service, namespace, place) in &*places {
            // A service that ran in one place alone, as nearly all do, is counted by that place.
            let same = places.iter().filter(|p| (p.0, p.1) == (service, namespace));
            if few && same.count() == 1 {
                let key = RawPlace { class, service, namespace, resource: place };
                counts.places.entry(key).or_default().shift::<ADD>(path.weight, length);
                continue;
            }
            let resource = path.vocabulary.resources[place as usize];
            for (kind, value) in kinds_of(resource) {
                if !value.is_none() {
                    insert(seen, (kind, service, namespace, value));
                }
            }
        }
        make_distinct(seen);
        for &(kind, service, namespace, value) in &*seen {
            let key = RawMarginal { class, kind, service, namespace, value };
            counts.marginals.entry(key).or_default().shift::<ADD>(path.weight, length);
        }
    }
}

impl MarginalCounts {
    fn shift<const ADD: bool>(&mut self, weight: u64, length: Option<u64>) {
        tally::<ADD>(&mut self.tally, weight);
        if let Some(length) = length {
            self.durations.shift::<ADD>(length);
        }
    }
}

/// Adds to a counter, or takes back what was added.
#[inline]
const fn shift<const ADD: bool>(counter: &mut u64, n: u64) {
    *counter = if ADD { counter.saturating_add(n) } else { counter.saturating_sub(n) };
}

/// Counts a request of the given weight, or takes it back.
fn tally<const ADD: bool>(tally: &mut Tally, weight: u64) {
    if ADD {
        tally.add(weight);
        return;
    }
    let square = u128::from(weight) * u128::from(weight);
    tally.n = tally.n.saturating_sub(1);
    tally.weight = tally.weight.saturating_sub(weight);
    tally.weight_squared = tally.weight_squared.saturating_sub(square);
}

/// What a resource tells: each kind of marginal with its value, which may be absent.
pub(crate) const fn kinds_of(resource: Resource) -> [(MarginalKind, Name); 3] {
    [
        (MarginalKind::Instance, resource.instance),
        (MarginalKind::Version, resource.version),
        (MarginalKind::Host, resource.host),
    ]
}

/// Below this length, looking through a list is faster than sorting it.
const FEW: usize = 64;

/// Adds a member to a list that is distinct while it is short: see [`make_distinct`].
fn insert<T: PartialEq>(list: &mut Vec<T>, member: T) {
    if list.len() >= FEW || !list.contains(&member) {
        list.push(member);
    }
}

/// Drops the repeats that [`insert`] let pass, so that thousands of instances take no square time.
fn make_distinct<T: Ord>(list: &mut Vec<T>) {
    if list.len() > FEW {
        list.sort_unstable();
        list.dedup();
    }
}

fn count_operation<const ADD: bool>(counts: &mut OperationCounts, node: &Node, path: &Path<'_>) {
    shift::<ADD>(&mut counts.spans, 1);
    let length = node.length_ns();
    shift::<ADD>(&mut counts.duration_sum, length);
    counts.durations.shift::<ADD>(length);
    shift::<ADD>(&mut counts.self_time_sum, node.self_time_ns);
    counts.self_times.shift::<ADD>(node.self_time_ns);
    if node.error_events > 0 {
        shift::<ADD>(&mut counts.error_events, u64::from(node.error_events));
        shift::<ADD>(&mut counts.spans_with_error_events, 1);
    }
    shift::<ADD>(&mut counts.exception_events, u64::from(node.exception_events));
    if node.failed {
        shift::<ADD>(&mut counts.failed, 1);
        shift::<ADD>(&mut counts.origins, u64::from(node.origin));
        shift::<ADD>(&mut counts.masked, u64::from(node.masked));
        let error_type = path.mark(node).error_type;
        if !error_type.is_none() {
            match counts.error_types.iter_mut().find(|(name, _)| *name == error_type) {
                Some((_, n)) => shift::<ADD>(n, 1),
                None => counts.error_types.push((error_type, 1)),
            }
        }
    }
    shift::<ADD>(&mut counts.links, u64::from(path.mark(node).links));
}

fn count_place<const ADD: bool>(counts: &mut PlaceCounts, nodes: &[Node], i: usize) {
    let node = &nodes[i];
    shift::<ADD>(&mut counts.spans, 1);
    shift::<ADD>(&mut counts.self_time_sum, node.self_time_ns);
    counts.self_times.shift::<ADD>(node.self_time_ns);
    if node.failed && (node.origin || !any_child_failed(nodes, i)) {
        shift::<ADD>(&mut counts.began, 1);
    }
}

fn any_child_failed(nodes: &[Node], i: usize) -> bool {
    let (mut child, end) = (i + 1, nodes[i].subtree_end as usize);
    while child < end {
        if nodes[child].failed {
            return true;
        }
        child = nodes[child].subtree_end as usize;
    }
    false
}

fn count_edge<const ADD: bool>(counts: &mut EdgeCounts, node: &Node) {
    shift::<ADD>(&mut counts.calls, 1);
    shift::<ADD>(&mut counts.failed, u64::from(node.failed));
    shift::<ADD>(&mut counts.masked, u64::from(node.masked));
    if let Some(gap) = node.gap_ns {
        shift::<ADD>(&mut counts.crossings, 1);
        shift::<ADD>(&mut counts.gap_sum, gap);
        counts.gaps.shift::<ADD>(gap);
    }
}

fn count_second<const ADD: bool>(seconds: &mut Vec<Second>, second: u64, weight: u64) {
    let at = match seconds.binary_search_by_key(&second, |s| s.second) {
        Ok(at) => at,
        Err(at) => {
            seconds.insert(at, Second { second, tally: Tally::default() });
            at
        }
    };
    tally::<ADD>(&mut seconds[at].tally, weight);
}

/// Keeps the path if its trace is among those of smallest hash.
fn consider_exemplar(kept: &mut Vec<RawExemplar>, path: &Path<'_>) {
    let key = (path.trace_id.mix(), path.trace_id);
    let at = kept.partition_point(|e| (e.hash, e.trace_id) < key);
    if at >= EXEMPLARS {
        return;
    }
    kept.truncate(EXEMPLARS - 1);
    let shown = path.nodes.len().min(EXEMPLAR_SPANS);
    kept.insert(
        at,
        RawExemplar {
            hash: key.0,
            trace_id: key.1,
            start_unix_nano: path.start_unix_nano,
            nodes: path.nodes[..shown].to_vec(),
            left_out: count_of(&path.nodes[shown..]),
        },
    );
}

fn at<T: Default>(rows: &mut Vec<T>, i: u32) -> &mut T {
    let i = i as usize;
    if i >= rows.len() {
        rows.resize_with(i + 1, T::default);
    }
    &mut rows[i]
}

fn count_of<T>(rows: &[T]) -> u32 {
    u32::try_from(rows.len()).expect("fewer than 2^32 rows fit in memory")
}

/// Numbers services in places.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// By operation and resource: two numbers that a span has at hand.
    by_operation: FastMap<(u32, u32), u32>,
    by_key: FastMap<(Name, Name, u32), u32>,
    /// Service, namespace and resource of each.
    pub(crate) keys: Vec<(Name, Name, u32)>,
}

impl Places {
    fn row(&mut self, node: &Node, path: &Path<'_>) -> u32 {
        let Self { by_operation, by_key, keys } = self;
        *by_operation.entry((node.operation.number(), node.resource)).or_insert_with(|| {
            let name = path.vocabulary.operation(node.operation);
            let key = (name.service, name.namespace, node.resource);
            *by_key.entry(key).or_insert_with(|| {
                keys.push(key);
                count_of(keys) - 1
            })
        })
    }
}

/// Numbers sets of operations.
#[derive(Debug)]
pub(crate) struct Sets {
    index: FastMap<Box<[u32]>, u32>,
    pub(crate) list: Vec<Box<[u32]>>,
}

impl Default for Sets {
    fn default() -> Self {
        Self { index: FastMap::default(), list: vec![Box::default()] }
    }
}

impl Sets {
    pub(crate) const EMPTY: u32 = 0;

    fn number(&mut self, members: &mut Vec<u32>) -> u32 {
        if members.is_empty() {
            return Self::EMPTY;
        }
        members.sort_unstable();
        members.dedup();
        if let Some(&found) = self.index.get(members.as_slice()) {
            return found;
        }
        let id = count_of(&self.list);
        self.list.push(members.as_slice().into());
        self.index.insert(members.as_slice().into(), id);
        id
    }
}
