//! What does a request body look like that a service of today would send?

mod attributes;
mod call;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::ids::{Ids, SPLIT_AT, TRACE_SPANS};
use call::{CALLS, Call};

/// The shape of the bodies of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Spans a request, 1 to 100,000. Exporters send 512 in a full batch, agents often 100.
    pub spans: u32,
    /// Attributes a span: of each twelve 8 strings, 3 integers and 1 boolean, named after the semantic
    /// conventions. With 12 a span takes about 570 bytes.
    pub attributes: u32,
    /// Services whose spans come together in a request, 1 to 1,000: one is what an SDK sends, several
    /// what an agent does.
    pub services: u32,
    /// Share (0 to 1) of traces that are cut in two, their second half coming with the request after.
    /// Rounded down to whole traces of a request.
    pub split: f64,
    /// Share (0 to 1) of traces that fail, rounded down to whole traces of a request.
    pub errors: f64,
}

/// Why a shape cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ShapeError {
    /// `spans` is out of range.
    #[error("shape.spans is {0}, expected 1 to 100000")]
    Spans(u32),
    /// `attributes` is out of range.
    #[error("shape.attributes is {0}, expected at most 1000")]
    Attributes(u32),
    /// `services` is out of range.
    #[error("shape.services is {0}, expected 1 to 1000")]
    Services(u32),
    /// A share is no share.
    #[error("shape.{0} is {1}, expected a share from 0 to 1")]
    Share(&'static str, f64),
}

impl Shape {
    /// Three services, 12 attributes, a tenth of the traces cut in two, a fiftieth of them failing.
    #[must_use]
    pub const fn typical(spans: u32) -> Self {
        Self { spans, attributes: 12, services: 3, split: 0.1, errors: 0.02 }
    }

    /// The ids of spans in bodies of this shape.
    ///
    /// # Errors
    /// A number of the shape is out of range.
    pub fn ids(&self, seed: u64) -> Result<Ids, ShapeError> {
        if !(1..=100_000).contains(&self.spans) {
            return Err(ShapeError::Spans(self.spans));
        }
        if self.attributes > 1000 {
            return Err(ShapeError::Attributes(self.attributes));
        }
        if !(1..=1000).contains(&self.services) {
            return Err(ShapeError::Services(self.services));
        }
        for (name, share) in [("split", self.split), ("errors", self.errors)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(ShapeError::Share(name, share));
            }
        }
        let whole = self.spans / TRACE_SPANS;
        Ok(Ids::new(self.seed_free(seed), self.spans, (f64::from(whole) * self.split) as u32))
    }

    /// The same seed with another shape is another run: its ids would overlap otherwise.
    fn seed_free(&self, seed: u64) -> u64 {
        seed ^ (u64::from(self.spans) << 32)
    }
}

/// One span before it has a place in a body: its row, and the row of its parent.
pub(crate) struct Row {
    pub(crate) row: u32,
    /// The parent's row, and whether it came with the request before.
    pub(crate) parent: Option<(u32, bool)>,
    /// Nanoseconds from its start and from its end to the moment of sending.
    pub(crate) started_ago: u64,
    pub(crate) ended_ago: u64,
}

/// The request of that shape with the ids of request 0, times counted from 0; and its rows in the order
/// in which their spans stand in it.
pub(crate) fn build(shape: &Shape, ids: &Ids) -> (ExportTraceServiceRequest, Vec<Row>) {
    let traces = shape.spans.div_ceil(TRACE_SPANS);
    let failing = (f64::from(traces) * shape.errors) as u32;
    let mut services: Vec<Vec<(Row, Span)>> = (0..shape.services).map(|_| Vec::new()).collect();
    for row in 0..shape.spans {
        let (slot, place) = (row / TRACE_SPANS, row % TRACE_SPANS);
        let call = &CALLS[place as usize];
        let service = (slot + call.service) % shape.services;
        // Spread over the body, so that failing traces are not all cut ones.
        let fails = failing > 0 && slot % traces.div_ceil(failing) == 0 && call.fails;
        let split = slot < ids.split_traces();
        let parent = call.parent.map(|parent| {
            (slot * TRACE_SPANS + parent, split && place >= SPLIT_AT && parent < SPLIT_AT)
        });
        let row = Row {
            row,
            parent,
            started_ago: (call.started_ago_us + u64::from(slot)) * 1000,
            ended_ago: (call.ended_ago_us + u64::from(slot)) * 1000,
        };
        let span = span(shape, ids, &row, call, fails);
        services[service as usize].push((row, span));
    }
    let mut rows = Vec::with_capacity(shape.spans as usize);
    let mut resource_spans = Vec::with_capacity(services.len());
    for (number, spans) in services.into_iter().enumerate().filter(|(_, spans)| !spans.is_empty()) {
        let (row, spans): (Vec<Row>, Vec<Span>) = spans.into_iter().unzip();
        rows.extend(row);
        resource_spans.push(ResourceSpans {
            resource: Some(resource(number)),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans,
                schema_url: String::new(),
            }],
            schema_url: "https://opentelemetry.io/schemas/1.38.0".to_owned(),
        });
    }
    (ExportTraceServiceRequest { resource_spans }, rows)
}

fn span(shape: &Shape, ids: &Ids, row: &Row, call: &Call, fails: bool) -> Span {
    Span {
        trace_id: ids.trace(0, row.row).to_vec(),
        span_id: ids.span(0, row.row).to_vec(),
        // Any id will do in a template; that of a root stays empty.
        parent_span_id: row
            .parent
            .map_or_else(Vec::new, |(parent, _)| ids.span(0, parent).to_vec()),
        flags: 0x100,
        name: call.name.to_owned(),
        kind: call.kind,
        start_time_unix_nano: 1,
        end_time_unix_nano: 1,
        attributes: attributes::of(call, row.row, fails, shape.attributes),
        status: Some(Status {
            message: if fails { "deadline exceeded".to_owned() } else { String::new() },
            code: if fails { 2 } else { 0 },
        }),
        ..Span::default()
    }
}

fn resource(service: usize) -> Resource {
    let name = ["frontend", "checkout", "cart", "payment", "shipping"][service % 5];
    let name = if service < 5 { name.to_owned() } else { format!("{name}-{service}") };
    Resource {
        attributes: vec![
            text("service.namespace", "shop"),
            text("service.instance.id", &format!("{service:08x}-5c0d-4c5e-9a6e-3d1f2b7a9c40")),
            text("service.version", "2.14.1"),
            text("telemetry.sdk.language", "rust"),
            text("telemetry.sdk.name", "opentelemetry"),
            text("host.name", &format!("node-{:02}", service % 16)),
            text("service.name", &name),
        ],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "http.server".to_owned(),
        version: "0.61.0".to_owned(),
        ..InstrumentationScope::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, any_value::Value::StringValue(value.to_owned()))
}

fn pair(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests;
