//! Evidences → one record batch, a row an Evidence.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Schema;
use resus_model::{
    AttributeRow, AttributeValue, Edge, Evidence, Exemplar, ExemplarSpan, Marginal, OperationKey,
    OperationStats, PathClass, Peer, Place, Production, Quality, Second, Shape, ShapeNode,
    SkipReason,
};

use super::columns::{Columns, Made};
use super::words::{COUNTERS, EXACTNESS, ROLES, counters, word};
use super::{FORMAT_VERSION, ToIpcError, VERSION_KEY};

/// Makes the record batch; that of no Evidence tells the schema.
pub(super) fn batch(evidences: &[Evidence]) -> Result<RecordBatch, ToIpcError> {
    let rows = evidence(&evidences.iter().collect::<Vec<_>>())?;
    let metadata = [(VERSION_KEY, FORMAT_VERSION.to_string())];
    let schema = Schema::new_with_metadata(rows.fields().clone(), metadata);
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let columns = rows.columns().to_vec();
    Ok(RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)?)
}

fn evidence(rows: &[&Evidence]) -> Made {
    let mut t = Columns::over(rows);
    t.text("rules", |e| e.rules.as_str());
    t.text("role", |e| word(&ROLES, e.role));
    t.u64("from_unix_nano", |e| e.window.from);
    t.u64("to_unix_nano", |e| e.window.to);
    t.text("exactness", |e| word(&EXACTNESS, e.exactness));
    t.text_list("names", |e| e.names.texts())?;
    t.list("operations", |e| &e.operations, operation)?;
    t.lists("shapes", |e| &e.shapes, shapes)?;
    t.list("classes", |e| &e.classes, class)?;
    t.list("marginals", |e| &e.marginals, marginal)?;
    t.list("places", |e| &e.places, place)?;
    t.list("operation_stats", |e| &e.operation_stats, operation_stats)?;
    t.list("edges", |e| &e.edges, edge)?;
    t.list("productions", |e| &e.productions, production)?;
    t.list("peers", |e| &e.peers, peer)?;
    t.list("attributes", |e| &e.attributes, attribute)?;
    t.list("attribute_rows", |e| &e.attribute_rows, attribute_row)?;
    t.structure("quality", |e| &e.quality, quality)?;
    t.finish()
}

fn operation(rows: &[&OperationKey]) -> Made {
    let mut t = Columns::over(rows);
    t.u32("service", |o| o.service);
    t.u32("namespace", |o| o.namespace);
    t.u32("operation", |o| o.operation);
    t.finish()
}

fn shapes(rows: &[&Shape]) -> Result<ArrayRef, ToIpcError> {
    let mut t = Columns::over(rows);
    t.list(super::columns::ITEM, |shape| &shape.0, shape_node)?;
    Ok(Arc::clone(t.finish()?.column(0)))
}

fn shape_node(rows: &[&ShapeNode]) -> Made {
    let mut t = Columns::over(rows);
    t.u32("depth", |n| n.depth);
    t.u32("operation", |n| n.operation);
    t.finish()
}

fn class(rows: &[&PathClass]) -> Made {
    let mut t = Columns::over(rows);
    t.optional_u32("entry", |c| c.key.entry);
    t.optional_u32("shape", |c| c.key.shape);
    t.u32_list("operations", |c| &c.key.operations)?;
    t.u8("outcome", |c| c.key.outcome as u8);
    t.u32_list("origins", |c| &c.key.origins)?;
    t.tally(|c| c.tally)?;
    t.u64("duration_sum", |c| c.duration_sum);
    t.histogram("durations", |c| &c.durations)?;
    t.list("seconds", |c| &c.seconds, second)?;
    t.list("exemplars", |c| &c.exemplars, exemplar)?;
    t.finish()
}

fn second(rows: &[&Second]) -> Made {
    let mut t = Columns::over(rows);
    t.u64("second", |s| s.second);
    t.tally(|s| s.tally)?;
    t.finish()
}

fn exemplar(rows: &[&Exemplar]) -> Made {
    let mut t = Columns::over(rows);
    t.trace_id("trace_id", |e| e.trace_id);
    t.u64("start_unix_nano", |e| e.start_unix_nano);
    t.list("spans", |e| &e.spans, exemplar_span)?;
    t.u32("spans_left_out", |e| e.spans_left_out);
    t.finish()
}

fn exemplar_span(rows: &[&ExemplarSpan]) -> Made {
    let mut t = Columns::over(rows);
    t.u32("depth", |s| s.depth);
    t.u32("operation", |s| s.operation);
    t.u32("instance", |s| s.instance);
    t.u8("kind", |s| s.kind as u8);
    t.u64("offset_ns", |s| s.offset_ns);
    t.i64("duration_ns", |s| s.duration_ns);
    t.flag("failed", |s| s.failed);
    t.flag("origin", |s| s.origin);
    t.finish()
}

fn marginal(rows: &[&Marginal]) -> Made {
    let mut t = Columns::over(rows);
    t.u32("class", |m| m.key.class);
    t.u8("kind", |m| m.key.kind as u8);
    t.u32("service", |m| m.key.service);
    t.u32("namespace", |m| m.key.namespace);
    t.u32("value", |m| m.key.value);
    t.tally(|m| m.tally)?;
    t.histogram("durations", |m| &m.durations)?;
    t.finish()
}

fn operation_stats(rows: &[&OperationStats]) -> Made {
    let mut t = Columns::over(rows);
    t.optional_u32("entry", |s| s.entry);
    t.u32("operation", |s| s.operation);
    t.u64("spans", |s| s.spans);
    t.u64("failed", |s| s.failed);
    t.u64("origins", |s| s.origins);
    t.u64("masked", |s| s.masked);
    t.u64("error_events", |s| s.error_events);
    t.u64("spans_with_error_events", |s| s.spans_with_error_events);
    t.u64("exception_events", |s| s.exception_events);
    t.u64("links", |s| s.links);
    t.list(
        "error_types",
        |s| &s.error_types,
        |rows| {
            let mut t = Columns::over(rows);
            t.u32("name", |(name, _)| *name);
            t.u64("n", |(_, n)| *n);
            t.finish()
        },
    )?;
    t.u64("duration_sum", |s| s.duration_sum);
    t.histogram("durations", |s| &s.durations)?;
    t.u64("self_time_sum", |s| s.self_time_sum);
    t.histogram("self_times", |s| &s.self_times)?;
    t.finish()
}

fn place(rows: &[&Place]) -> Made {
    let mut t = Columns::over(rows);
    t.u32("service", |p| p.key.service);
    t.u32("namespace", |p| p.key.namespace);
    t.u32("instance", |p| p.key.instance);
    t.u32("version", |p| p.key.version);
    t.u32("host", |p| p.key.host);
    t.u64("spans", |p| p.spans);
    t.u64("began", |p| p.began);
    t.u64("self_time_sum", |p| p.self_time_sum);
    t.histogram("self_times", |p| &p.self_times)?;
    t.finish()
}

fn edge(rows: &[&Edge]) -> Made {
    let mut t = Columns::over(rows);
    t.optional_u32("entry", |e| e.key.entry);
    t.optional_u32("parent", |e| e.key.parent);
    t.u32("child", |e| e.key.child);
    t.u64("calls", |e| e.calls);
    t.u64("failed", |e| e.failed);
    t.u64("masked", |e| e.masked);
    t.u64("retries", |e| e.retries);
    t.u64("crossings", |e| e.crossings);
    t.u64("gap_sum", |e| e.gap_sum);
    t.histogram("gaps", |e| &e.gaps)?;
    t.finish()
}

fn production(rows: &[&Production]) -> Made {
    let mut t = Columns::over(rows);
    t.optional_u32("entry", |p| p.key.entry);
    t.u32("operation", |p| p.key.operation);
    t.list(
        "children",
        |p| &p.key.children,
        |rows| {
            let mut t = Columns::over(rows);
            t.u32("operation", |(operation, _)| *operation);
            t.u32("n", |(_, n)| *n);
            t.finish()
        },
    )?;
    t.u64("spans", |p| p.spans);
    t.finish()
}

fn peer(rows: &[&Peer]) -> Made {
    let mut t = Columns::over(rows);
    t.optional_u32("entry", |p| p.key.entry);
    t.u32("operation", |p| p.key.operation);
    t.u32("peer", |p| p.key.peer);
    t.u64("calls", |p| p.calls);
    t.u64("failed", |p| p.failed);
    t.histogram("durations", |p| &p.durations)?;
    t.finish()
}

fn attribute(rows: &[&AttributeValue]) -> Made {
    let mut t = Columns::over(rows);
    t.u32("class", |a| a.class);
    t.u32("attribute", |a| a.attribute);
    t.u32("value", |a| a.value);
    t.tally(|a| a.tally)?;
    t.histogram("durations", |a| &a.durations)?;
    t.finish()
}

fn attribute_row(rows: &[&AttributeRow]) -> Made {
    let mut t = Columns::over(rows);
    t.u32("class", |r| r.class);
    t.u64("hash", |r| r.hash);
    t.list(
        "values",
        |r| &r.values,
        |rows| {
            let mut t = Columns::over(rows);
            t.u32("attribute", |(attribute, _)| *attribute);
            t.u32("value", |(_, value)| *value);
            t.finish()
        },
    )?;
    t.finish()
}

fn quality(rows: &[&Quality]) -> Made {
    let mut t = Columns::over(rows);
    for i in 0..COUNTERS {
        let name = counters(&mut Quality::default())[i].0;
        t.u64(name, |q| *counters(&mut (*q).clone())[i].1);
    }
    t.list(
        "skipped",
        |q| &q.skipped,
        |rows: &[(&SkipReason, &(u64, String))]| {
            let mut t = Columns::over(rows);
            t.text("field", |(reason, _)| reason.field());
            t.u64("n", |(_, (n, _))| *n);
            t.text("example", |(_, (_, example))| example);
            t.finish()
        },
    )?;
    t.list(
        "lenient",
        |q| &q.lenient,
        |rows: &[(&String, &u64)]| {
            let mut t = Columns::over(rows);
            t.text("what", |(what, _)| what);
            t.u64("n", |(_, n)| **n);
            t.finish()
        },
    )?;
    t.optional_window("range", |q| q.range)?;
    t.finish()
}
