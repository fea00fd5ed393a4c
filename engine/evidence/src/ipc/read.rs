//! A row of a record batch → an Evidence.

use std::mem::take;

use resus_model::{
    AttributeRow, AttributeValue, ClassKey, Edge, EdgeKey, Evidence, Exactness, Exemplar,
    ExemplarSpan, Fingerprint, Kind, Marginal, MarginalKey, MarginalKind, OperationKey,
    OperationStats, Outcome, PathClass, Peer, PeerKey, Place, PlaceKey, Production, ProductionKey,
    Quality, Second, Shape, ShapeNode, SkipReason, Window,
};

use super::FromIpcError;
use super::columns::ITEM;
use super::table::{Table, Target};
use super::words::{EXACTNESS, ROLES, counters};
use crate::canonical::{EXEMPLAR_SPANS, Limits, Parts, canonicalise};
use crate::observer::SHAPE_DEPTH;

type Rows<T> = Result<Vec<T>, FromIpcError>;

/// The tables that others point into.
#[derive(Clone, Copy)]
struct Targets {
    names: Target,
    operations: Target,
    shapes: Target,
    classes: Target,
}

/// Reads the Evidence of a table of one row.
pub(super) fn evidence(row: &Table) -> Result<Evidence, FromIpcError> {
    let target = |table, rows| Target { table, rows };
    let names = row.list("names", |t| t.texts(ITEM))?;
    let names_target = target("names", names.len());
    let operations = row.list("operations", |t| operations(t, names_target))?;
    let operations_target = target("operations", operations.len());
    let shapes = row.list("shapes", |t| shapes(t, operations_target))?;
    let shapes_target = target("shapes", shapes.len());
    let exactness = row.words("exactness", &EXACTNESS)?[0];
    let mut to = Targets {
        names: names_target,
        operations: operations_target,
        shapes: shapes_target,
        classes: target("classes", 0),
    };
    let classes = row.list("classes", |t| classes(t, to, exactness))?;
    to.classes.rows = classes.len();
    let parts = Parts {
        rules: Fingerprint::from_text(take(&mut row.texts("rules")?[0])),
        role: row.words("role", &ROLES)?[0],
        window: window(row)?,
        exactness,
        names: names.iter().map(String::as_str).collect(),
        operations,
        shapes,
        classes,
        marginals: row.list("marginals", |t| marginals(t, to))?,
        places: row.list("places", |t| places(t, to))?,
        operation_stats: row.list("operation_stats", |t| operation_stats(t, to))?,
        edges: row.list("edges", |t| edges(t, to))?,
        productions: row.list("productions", |t| productions(t, to))?,
        peers: row.list("peers", |t| peers(t, to))?,
        attributes: row.list("attributes", |t| attributes(t, to))?,
        attribute_rows: row.list("attribute_rows", |t| attribute_rows(t, to))?,
        quality: quality(&row.structure("quality")?)?,
    };
    // How much is kept was decided when it was made; reading changes nothing.
    Ok(canonicalise(parts, Limits { classes: usize::MAX }))
}

fn window(t: &Table) -> Result<Window, FromIpcError> {
    let window = Window { from: t.u64s("from_unix_nano")?[0], to: t.u64s("to_unix_nano")?[0] };
    if window.to < window.from {
        let expected = format!("no less than from_unix_nano, {}", window.from);
        return Err(t.wrong("to_unix_nano", 0, expected, window.to));
    }
    Ok(window)
}

fn operations(t: &Table, names: Target) -> Rows<OperationKey> {
    let service = t.indexes("service", names)?;
    let namespace = t.indexes("namespace", names)?;
    let operation = t.indexes("operation", names)?;
    let key = |i: usize| OperationKey {
        service: service[i],
        namespace: namespace[i],
        operation: operation[i],
    };
    Ok((0..t.len()).map(key).collect())
}

fn shapes(t: &Table, operations: Target) -> Rows<Shape> {
    let shapes = t.lists(ITEM, |t| {
        let depth = t.u32s("depth")?;
        let operation = t.indexes("operation", operations)?;
        let node = |(&depth, &operation): (&u32, &u32)| ShapeNode { depth, operation };
        Ok(depth.iter().zip(&operation).map(node).collect())
    })?;
    for (row, nodes) in shapes.iter().enumerate() {
        check_preorder(t, row, nodes.iter().map(|n: &ShapeNode| n.depth))?;
    }
    Ok(shapes.into_iter().map(|nodes| Shape(nodes.into())).collect())
}

/// A node in pre-order lies at most one below the node before it; the first is a root.
fn check_preorder(
    t: &Table,
    row: usize,
    depths: impl Iterator<Item = u32>,
) -> Result<(), FromIpcError> {
    let mut most = 0;
    for depth in depths {
        if depth > most {
            return Err(t.wrong(
                "depth",
                row,
                format!("nodes in pre-order, at most {most}"),
                depth,
            ));
        }
        most = depth.saturating_add(1).min(SHAPE_DEPTH);
    }
    Ok(())
}

fn classes(t: &Table, to: Targets, exactness: Exactness) -> Rows<PathClass> {
    let entry = t.optional_indexes("entry", to.operations)?;
    let shape = t.optional_indexes("shape", to.shapes)?;
    let mut operations = t.index_lists("operations", to.operations)?;
    let outcome = t.enums("outcome", "an outcome, 0 to 4", Outcome::from_number)?;
    let mut origins = t.index_lists("origins", to.operations)?;
    let tally = t.tallies()?;
    let duration_sum = t.u64s("duration_sum")?;
    let mut durations = t.histograms("durations")?;
    let mut seconds = t.lists("seconds", seconds)?;
    let mut exemplars = t.lists("exemplars", |t| exemplars(t, to))?;
    let class = |i: usize| {
        if exactness == Exactness::Exact && shape[i].is_none() {
            return Err(t.wrong("shape", i, "a shape, as the evidence is exact", "null"));
        }
        let sum: u64 = seconds[i].iter().map(|s| s.tally.n).sum();
        if sum != tally[i].n {
            return Err(t.wrong("n", i, format!("{sum}, the sum over its seconds"), tally[i].n));
        }
        let key = ClassKey {
            entry: entry[i],
            shape: shape[i],
            operations: take(&mut operations[i]).into(),
            outcome: outcome[i],
            origins: take(&mut origins[i]).into(),
        };
        Ok(PathClass {
            key,
            tally: tally[i],
            duration_sum: duration_sum[i],
            durations: take(&mut durations[i]),
            seconds: take(&mut seconds[i]),
            exemplars: take(&mut exemplars[i]),
        })
    };
    (0..t.len()).map(class).collect()
}

fn seconds(t: &Table) -> Rows<Second> {
    const LAST: u64 = u64::MAX / 1_000_000_000;
    let second = t.u64s("second")?;
    if let Some(row) = second.iter().position(|s| *s > LAST) {
        return Err(t.wrong("second", row, format!("at most {LAST}"), second[row]));
    }
    let tallies = t.tallies()?;
    Ok(second.iter().zip(tallies).map(|(&second, tally)| Second { second, tally }).collect())
}

fn exemplars(t: &Table, to: Targets) -> Rows<Exemplar> {
    let trace_id = t.trace_ids("trace_id")?;
    let start = t.u64s("start_unix_nano")?;
    let mut spans = t.lists("spans", |t| exemplar_spans(t, to))?;
    let left_out = t.u32s("spans_left_out")?;
    let exemplar = |i: usize| {
        check_exemplar(t, i, start[i], &spans[i])?;
        Ok(Exemplar {
            hash: trace_id[i].mix(),
            trace_id: trace_id[i],
            start_unix_nano: start[i],
            spans: take(&mut spans[i]),
            spans_left_out: left_out[i],
        })
    };
    (0..t.len()).map(exemplar).collect()
}

fn check_exemplar(
    t: &Table,
    row: usize,
    start: u64,
    spans: &[ExemplarSpan],
) -> Result<(), FromIpcError> {
    if spans.len() > EXEMPLAR_SPANS {
        return Err(t.wrong("spans", row, format!("at most {EXEMPLAR_SPANS} spans"), spans.len()));
    }
    if let Some(span) = spans.iter().find(|s| start.checked_add(s.offset_ns).is_none()) {
        let expected = "offsets that end within 64 bits of nanoseconds";
        return Err(t.wrong("spans", row, expected, span.offset_ns));
    }
    check_preorder(t, row, spans.iter().map(|s| s.depth))
}

fn exemplar_spans(t: &Table, to: Targets) -> Rows<ExemplarSpan> {
    let depth = t.u32s("depth")?;
    let operation = t.indexes("operation", to.operations)?;
    let instance = t.indexes("instance", to.names)?;
    let kind = t.enums("kind", "a kind of span, 0 to 5", |n| Kind::from_number(n.into()))?;
    let offset = t.u64s("offset_ns")?;
    let duration = t.i64s("duration_ns")?;
    let failed = t.flags("failed")?;
    let origin = t.flags("origin")?;
    let span = |i: usize| ExemplarSpan {
        depth: depth[i],
        operation: operation[i],
        instance: instance[i],
        kind: kind[i],
        offset_ns: offset[i],
        duration_ns: duration[i],
        failed: failed[i],
        origin: origin[i],
    };
    Ok((0..t.len()).map(span).collect())
}

fn marginals(t: &Table, to: Targets) -> Rows<Marginal> {
    let class = t.indexes("class", to.classes)?;
    let kind = t.enums("kind", "a kind of marginal, 0 to 3", MarginalKind::from_number)?;
    let service = t.indexes("service", to.names)?;
    let namespace = t.indexes("namespace", to.names)?;
    let value = t.indexes("value", to.names)?;
    let tally = t.tallies()?;
    let mut durations = t.histograms("durations")?;
    let marginal = |i: usize| Marginal {
        key: MarginalKey {
            class: class[i],
            kind: kind[i],
            service: service[i],
            namespace: namespace[i],
            value: value[i],
        },
        tally: tally[i],
        durations: take(&mut durations[i]),
    };
    Ok((0..t.len()).map(marginal).collect())
}

fn places(t: &Table, to: Targets) -> Rows<Place> {
    let service = t.indexes("service", to.names)?;
    let namespace = t.indexes("namespace", to.names)?;
    let instance = t.indexes("instance", to.names)?;
    let version = t.indexes("version", to.names)?;
    let host = t.indexes("host", to.names)?;
    let spans = t.counts("spans")?;
    let began = t.counts("began")?;
    let self_time_sum = t.counts("self_time_sum")?;
    let mut self_times = t.histograms("self_times")?;
    let place = |i: usize| Place {
        key: PlaceKey {
            service: service[i],
            namespace: namespace[i],
            instance: instance[i],
            version: version[i],
            host: host[i],
        },
        spans: spans[i],
        began: began[i],
        self_time_sum: self_time_sum[i],
        self_times: take(&mut self_times[i]),
    };
    Ok((0..t.len()).map(place).collect())
}

fn operation_stats(t: &Table, to: Targets) -> Rows<OperationStats> {
    let entry = t.optional_indexes("entry", to.operations)?;
    let operation = t.indexes("operation", to.operations)?;
    let spans = t.counts("spans")?;
    let failed = t.counts("failed")?;
    let origins = t.counts("origins")?;
    let masked = t.counts("masked")?;
    let error_events = t.counts("error_events")?;
    let spans_with_error_events = t.counts("spans_with_error_events")?;
    let exception_events = t.counts("exception_events")?;
    let links = t.counts("links")?;
    let mut error_types = t.lists("error_types", |t| {
        let names = t.indexes("name", to.names)?;
        Ok(names.iter().copied().zip(t.counts("n")?.iter().copied()).collect())
    })?;
    let duration_sum = t.u64s("duration_sum")?;
    let mut durations = t.histograms("durations")?;
    let self_time_sum = t.u64s("self_time_sum")?;
    let mut self_times = t.histograms("self_times")?;
    let stats = |i: usize| OperationStats {
        entry: entry[i],
        operation: operation[i],
        spans: spans[i],
        failed: failed[i],
        origins: origins[i],
        masked: masked[i],
        error_events: error_events[i],
        spans_with_error_events: spans_with_error_events[i],
        exception_events: exception_events[i],
        links: links[i],
        error_types: take(&mut error_types[i]),
        duration_sum: duration_sum[i],
        durations: take(&mut durations[i]),
        self_time_sum: self_time_sum[i],
        self_times: take(&mut self_times[i]),
    };
    Ok((0..t.len()).map(stats).collect())
}

fn edges(t: &Table, to: Targets) -> Rows<Edge> {
    let entry = t.optional_indexes("entry", to.operations)?;
    let parent = t.optional_indexes("parent", to.operations)?;
    let child = t.indexes("child", to.operations)?;
    let calls = t.counts("calls")?;
    let failed = t.counts("failed")?;
    let masked = t.counts("masked")?;
    let retries = t.counts("retries")?;
    let crossings = t.counts("crossings")?;
    let gap_sum = t.u64s("gap_sum")?;
    let mut gaps = t.histograms("gaps")?;
    let edge = |i: usize| Edge {
        key: EdgeKey { entry: entry[i], parent: parent[i], child: child[i] },
        calls: calls[i],
        failed: failed[i],
        masked: masked[i],
        retries: retries[i],
        crossings: crossings[i],
        gap_sum: gap_sum[i],
        gaps: take(&mut gaps[i]),
    };
    Ok((0..t.len()).map(edge).collect())
}

fn productions(t: &Table, to: Targets) -> Rows<Production> {
    let entry = t.optional_indexes("entry", to.operations)?;
    let operation = t.indexes("operation", to.operations)?;
    let mut children = t.lists("children", |t| {
        let operation = t.indexes("operation", to.operations)?;
        Ok(operation.iter().copied().zip(t.u32s("n")?.iter().copied()).collect())
    })?;
    let spans = t.counts("spans")?;
    let production = |i: usize| {
        let children = take(&mut children[i]).into();
        let key = ProductionKey { entry: entry[i], operation: operation[i], children };
        Production { key, spans: spans[i] }
    };
    Ok((0..t.len()).map(production).collect())
}

fn peers(t: &Table, to: Targets) -> Rows<Peer> {
    let entry = t.optional_indexes("entry", to.operations)?;
    let operation = t.indexes("operation", to.operations)?;
    let peer = t.indexes("peer", to.names)?;
    let calls = t.counts("calls")?;
    let failed = t.counts("failed")?;
    let mut durations = t.histograms("durations")?;
    let peer = |i: usize| Peer {
        key: PeerKey { entry: entry[i], operation: operation[i], peer: peer[i] },
        calls: calls[i],
        failed: failed[i],
        durations: take(&mut durations[i]),
    };
    Ok((0..t.len()).map(peer).collect())
}

fn attributes(t: &Table, to: Targets) -> Rows<AttributeValue> {
    let class = t.indexes("class", to.classes)?;
    let attribute = t.indexes("attribute", to.names)?;
    let value = t.indexes("value", to.names)?;
    let tally = t.tallies()?;
    let mut durations = t.histograms("durations")?;
    let row = |i: usize| AttributeValue {
        class: class[i],
        attribute: attribute[i],
        value: value[i],
        tally: tally[i],
        durations: take(&mut durations[i]),
    };
    Ok((0..t.len()).map(row).collect())
}

fn attribute_rows(t: &Table, to: Targets) -> Rows<AttributeRow> {
    let class = t.indexes("class", to.classes)?;
    let hash = t.u64s("hash")?;
    let mut values = t.lists("values", |t| {
        let attribute = t.indexes("attribute", to.names)?;
        let value = t.indexes("value", to.names)?;
        Ok(attribute.iter().copied().zip(value.iter().copied()).collect())
    })?;
    let row =
        |i: usize| AttributeRow { class: class[i], hash: hash[i], values: take(&mut values[i]) };
    Ok((0..t.len()).map(row).collect())
}

fn quality(t: &Table) -> Result<Quality, FromIpcError> {
    let mut quality = Quality::default();
    for (name, counter) in counters(&mut quality) {
        *counter = t.counts(name)?[0];
    }
    let fields = SkipReason::ALL.map(|reason| (reason.field(), reason));
    let skipped = t.list("skipped", |t| {
        let reasons = t.words("field", &fields)?;
        let counts = t.counts("n")?;
        let examples = t.texts("example")?;
        Ok(reasons.into_iter().zip(counts.iter().copied().zip(examples)).collect())
    })?;
    quality.skipped = skipped.into_iter().collect();
    let lenient = t.list("lenient", |t| {
        let counts = t.counts("n")?;
        Ok(t.texts("what")?.into_iter().zip(counts.iter().copied()).collect())
    })?;
    quality.lenient = lenient.into_iter().collect();
    quality.range = t.optional_structure("range").map(|t| window(&t)).transpose()?;
    Ok(quality)
}
