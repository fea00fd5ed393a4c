//! Evidence from a few lines of text, for tests.
//!
//! One line a kind of request: `GET /a: web>cart@1>store+ad x12 fail dur=100ms w=4 type=Timeout`.
//! Before the colon stands the operation of the entry span, whose service is the first of the path.
//! `>` goes down, `+` starts again below the root; `cart/Get` names an operation (else `op`),
//! `cart@1` an instance. Then, in any order: `xN` requests (1), `fail`, `cancel`, `unknown` or
//! `unlabelled` (passed), `dur=` of the entry span (10ms), `w=` weight of each request (1),
//! `origin=SERVICE` and `type=ERROR_TYPE` of failed ones (the end of the first branch, none),
//! `id=` of the first trace (the number of the line, times 1000).

use std::collections::{BTreeMap, BTreeSet};

use resus_model::{
    Bucket, ClassKey, Evidence, Exactness, Exemplar, ExemplarSpan, Histogram, Kind, Marginal,
    MarginalKey, MarginalKind, NameTable, OperationKey, OperationStats, Outcome, PathClass,
    Quality, Role, Rules, Shape, ShapeNode, Tally, TraceId, Window,
};

type Text = (String, String);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    depth: u32,
    of: Text,
    instance: String,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    entry: Option<Text>,
    shape: Vec<(u32, Text)>,
    outcome: Outcome,
    origins: Vec<Text>,
}

struct Line {
    key: Key,
    nodes: Vec<Node>,
    n: u64,
    weight: u64,
    nanos: u64,
    error_type: Option<String>,
    id: u64,
}

/// Reads the notation.
///
/// # Panics
/// On text that is not of it.
pub(crate) fn evidence(text: &str) -> Evidence {
    let lines: Vec<Line> = text
        .lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, l)| !l.is_empty())
        .map(|(i, l)| read(l, i as u64 * 1000))
        .collect();
    let tables = Tables::of(&lines);
    let mut counts = Counts::default();
    for line in &lines {
        counts.add(line, &tables);
    }
    let Tables { names, operations, shapes } = tables;
    let name = |t: &str| names.find(t).expect("every text was put in");
    let keys: Vec<ClassKey> = counts.classes.keys().cloned().collect();
    let marginal = |((class, service, value), (tally, durations))| Marginal {
        key: MarginalKey {
            class: index(keys.binary_search(&class)),
            kind: MarginalKind::Instance,
            service,
            namespace: name(""),
            value,
        },
        tally,
        durations,
    };
    Evidence {
        rules: Rules::STANDARD.fingerprint(),
        role: Role::Pane,
        window: Window { from: 0, to: 60_000_000_000 },
        exactness: Exactness::Exact,
        operations: operations
            .iter()
            .map(|(s, o)| OperationKey {
                service: name(s),
                namespace: name(""),
                operation: name(o),
            })
            .collect(),
        marginals: counts.marginals.into_iter().map(marginal).collect(),
        names,
        shapes,
        classes: counts.classes.into_values().collect(),
        operation_stats: counts.stats.into_values().collect(),
        edges: Vec::new(),
        productions: Vec::new(),
        peers: Vec::new(),
        attributes: Vec::new(),
        attribute_rows: Vec::new(),
        places: Vec::new(),
        quality: Quality::default(),
    }
}

/// What indexes point into.
struct Tables {
    names: NameTable,
    operations: Vec<Text>,
    shapes: Vec<Shape>,
}

impl Tables {
    fn of(lines: &[Line]) -> Self {
        let mut texts = vec![String::new()];
        let mut operations = BTreeSet::new();
        for line in lines {
            for node in &line.nodes {
                texts.extend([node.of.0.clone(), node.of.1.clone(), node.instance.clone()]);
                operations.insert(node.of.clone());
            }
            texts.extend(line.error_type.clone());
        }
        let mut tables = Self {
            names: NameTable::of(texts),
            operations: operations.into_iter().collect(),
            shapes: Vec::new(),
        };
        let mut shapes: Vec<Shape> = lines.iter().map(|l| tables.shape_of(&l.key)).collect();
        shapes.sort();
        shapes.dedup();
        tables.shapes = shapes;
        tables
    }

    fn name(&self, text: &str) -> u32 {
        self.names.find(text).expect("every text was put in")
    }

    fn operation(&self, of: &Text) -> u32 {
        index(self.operations.binary_search(of))
    }

    fn shape_of(&self, key: &Key) -> Shape {
        let node =
            |(depth, of): &(u32, Text)| ShapeNode { depth: *depth, operation: self.operation(of) };
        Shape(key.shape.iter().map(node).collect())
    }

    fn class_key(&self, line: &Line) -> ClassKey {
        let set: BTreeSet<u32> = line.nodes.iter().map(|n| self.operation(&n.of)).collect();
        ClassKey {
            entry: line.key.entry.as_ref().map(|e| self.operation(e)),
            shape: Some(index(self.shapes.binary_search(&self.shape_of(&line.key)))),
            operations: set.into_iter().collect(),
            outcome: line.key.outcome,
            origins: line.key.origins.iter().map(|o| self.operation(o)).collect(),
        }
    }
}

/// What lines add up to.
#[derive(Default)]
struct Counts {
    classes: BTreeMap<ClassKey, PathClass>,
    marginals: BTreeMap<(ClassKey, u32, u32), (Tally, Histogram)>,
    stats: BTreeMap<(Option<u32>, u32), OperationStats>,
}

impl Counts {
    fn add(&mut self, line: &Line, tables: &Tables) {
        let key = tables.class_key(line);
        let class = self.classes.entry(key.clone()).or_insert_with(|| PathClass {
            key: key.clone(),
            tally: Tally::default(),
            duration_sum: 0,
            durations: Histogram::new(),
            seconds: Vec::new(),
            exemplars: Vec::new(),
        });
        let mut tally = Tally::default();
        for _ in 0..line.n {
            tally.add(line.weight);
        }
        let durations = Histogram::from_counts([(Bucket::of(line.nanos), line.n)]);
        class.tally.merge(tally);
        class.durations.merge(&durations);
        class.duration_sum += line.n * line.nanos;
        class.exemplars.push(exemplar(line, tables));
        class.exemplars.sort_unstable();
        let taken: BTreeSet<(u32, u32)> = line
            .nodes
            .iter()
            .filter(|n| !n.instance.is_empty())
            .map(|n| (tables.name(&n.of.0), tables.name(&n.instance)))
            .collect();
        for (service, value) in taken {
            let slot = self.marginals.entry((key.clone(), service, value)).or_default();
            slot.0.merge(tally);
            slot.1.merge(&durations);
        }
        for &origin in &key.origins {
            let stats = self.stats.entry((key.entry, origin));
            let one = stats.or_insert_with(|| no_stats(key.entry, origin));
            one.spans += line.n;
            one.failed += line.n;
            one.origins += line.n;
            if let Some(error_type) = &line.error_type {
                one.error_types.push((tables.name(error_type), line.n));
                one.error_types.sort_unstable();
            }
        }
    }
}

fn read(line: &str, id: u64) -> Line {
    let (entry, rest) = line.split_once(": ").expect("`ENTRY: PATH ...`");
    let mut words = rest.split_whitespace();
    let nodes = path(entry, words.next().expect("a path after the colon"));
    let mut read = Line {
        key: Key {
            entry: Some(nodes[0].of.clone()),
            shape: shape(&nodes),
            outcome: Outcome::Passed,
            origins: Vec::new(),
        },
        n: 1,
        weight: Tally::ONE,
        nanos: 10_000_000,
        error_type: None,
        id,
        nodes,
    };
    let mut origin = None;
    for word in words {
        match word.split_once('=') {
            None => match word {
                "fail" => read.key.outcome = Outcome::Failed,
                "cancel" => read.key.outcome = Outcome::Cancelled,
                "unlabelled" => read.key.outcome = Outcome::Unlabelled,
                "unknown" => {
                    read.key.outcome = Outcome::Unknown;
                    read.key.entry = None;
                }
                _ => {
                    let n = word.strip_prefix('x').expect("a known word");
                    read.n = n.parse().expect("a count after x");
                }
            },
            Some(("dur", ms)) => {
                let ms = ms.strip_suffix("ms").expect("milliseconds");
                read.nanos = ms.parse::<u64>().expect("a number of them") * 1_000_000;
            }
            Some(("w", w)) => read.weight = w.parse::<u64>().expect("a weight") * Tally::ONE,
            Some(("type", t)) => read.error_type = Some(t.to_owned()),
            Some(("id", i)) => read.id = i.parse().expect("a number"),
            Some(("origin", service)) => origin = Some(service.to_owned()),
            Some((other, _)) => panic!("unknown setting {other}"),
        }
    }
    if read.key.outcome == Outcome::Failed {
        let first_branch_ends = read.nodes[1..].iter().position(|n| n.depth == 1).map_or(0, |at| {
            read.nodes[at + 2..]
                .iter()
                .position(|n| n.depth == 1)
                .map_or(read.nodes.len() - 1, |k| at + 1 + k)
        });
        let failed = match origin {
            Some(service) => read.nodes.iter().find(|n| n.of.0 == service).expect("on the path"),
            None => &read.nodes[first_branch_ends],
        };
        read.key.origins = vec![failed.of.clone()];
    }
    read
}

fn path(entry: &str, text: &str) -> Vec<Node> {
    let node = |depth: u32, text: &str| {
        let (text, instance) = text.split_once('@').unwrap_or((text, ""));
        let (service, operation) = text.split_once('/').unwrap_or((text, "op"));
        let operation = if depth == 0 { entry } else { operation };
        Node {
            depth,
            of: (service.to_owned(), operation.to_owned()),
            instance: instance.to_owned(),
        }
    };
    let (root, below) = text.split_once('>').unwrap_or((text, ""));
    let mut nodes = vec![node(0, root)];
    for branch in below.split('+').filter(|b| !b.is_empty()) {
        nodes.extend((1..).zip(branch.split('>')).map(|(depth, text)| node(depth, text)));
    }
    nodes
}

/// Canonical: branches below the root ascending, equal ones once.
fn shape(nodes: &[Node]) -> Vec<(u32, Text)> {
    let mut branches: Vec<Vec<(u32, Text)>> = Vec::new();
    for node in &nodes[1..] {
        if node.depth == 1 {
            branches.push(Vec::new());
        }
        branches.last_mut().expect("depth 1 comes first").push((node.depth, node.of.clone()));
    }
    branches.sort();
    branches.dedup();
    std::iter::once((0, nodes[0].of.clone())).chain(branches.into_iter().flatten()).collect()
}

fn exemplar(line: &Line, tables: &Tables) -> Exemplar {
    let failed = line.key.outcome == Outcome::Failed;
    let span = |n: &Node| {
        let origin = line.key.origins.contains(&n.of);
        ExemplarSpan {
            depth: n.depth,
            operation: tables.operation(&n.of),
            instance: tables.name(&n.instance),
            kind: Kind::Server,
            offset_ns: u64::from(n.depth),
            duration_ns: i64::try_from(line.nanos).expect("short") - i64::from(n.depth),
            failed: origin || failed && n.depth == 0,
            origin,
        }
    };
    Exemplar {
        hash: line.id,
        trace_id: TraceId::from_u128(u128::from(line.id) + 1),
        start_unix_nano: line.id,
        spans: line.nodes.iter().map(span).collect(),
        spans_left_out: 0,
    }
}

fn no_stats(entry: Option<u32>, operation: u32) -> OperationStats {
    OperationStats {
        entry,
        operation,
        spans: 0,
        failed: 0,
        origins: 0,
        masked: 0,
        error_events: 0,
        spans_with_error_events: 0,
        exception_events: 0,
        links: 0,
        error_types: Vec::new(),
        duration_sum: 0,
        durations: Histogram::new(),
        self_time_sum: 0,
        self_times: Histogram::new(),
    }
}

fn index(found: Result<usize, usize>) -> u32 {
    u32::try_from(found.expect("the table was built of all that is looked up")).expect("small")
}
