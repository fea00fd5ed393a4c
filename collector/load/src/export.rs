//! Spans in columns as the request that an SDK would send.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use resus_model::{Name, SpanBatch, SpanRow};

/// The spans of a batch as an `ExportTraceServiceRequest`, one `ResourceSpans` for each run of rows of
/// the same resource. Attributes that were kept as JSON are left out; links too.
#[must_use]
pub fn export(batch: &SpanBatch) -> Vec<u8> {
    let resource = |i: usize| {
        let row = batch.row(i);
        [row.service, row.namespace, row.instance, row.version, row.host]
    };
    let rows: Vec<usize> = (0..batch.len()).collect();
    let resource_spans = rows.chunk_by(|&a, &b| resource(a) == resource(b)).map(|same| {
        let keys = [
            "service.name",
            "service.namespace",
            "service.instance.id",
            "service.version",
            "host.name",
        ];
        let attributes = keys
            .into_iter()
            .zip(resource(same[0]))
            .filter(|(_, value)| !value.is_none())
            .map(|(key, value)| text(key, batch.names.text(value)));
        ResourceSpans {
            resource: Some(Resource { attributes: attributes.collect(), ..Resource::default() }),
            scope_spans: vec![ScopeSpans {
                spans: same.iter().map(|&i| span(batch, i)).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec()
}

fn span(batch: &SpanBatch, i: usize) -> Span {
    let row = batch.row(i);
    let name = |name: Name| batch.names.text(name);
    let mut attributes = Vec::new();
    if row.http_status != 0 {
        attributes.push(number("http.response.status_code", row.http_status.into()));
    }
    if row.rpc_status != SpanRow::NO_RPC {
        attributes.push(number("rpc.grpc.status_code", row.rpc_status.into()));
    }
    for (key, value) in [("error.type", row.error_type), ("service.peer.name", row.peer)] {
        if !value.is_none() {
            attributes.push(text(key, name(value)));
        }
    }
    let exceptions = row.exception_event_count;
    let errors = row.error_event_count.saturating_sub(exceptions);
    let event =
        |name: &str, attributes| Event { name: name.to_owned(), attributes, ..Event::default() };
    let mut events: Vec<Event> = (0..exceptions).map(|_| event("exception", Vec::new())).collect();
    events.extend((0..errors).map(|_| event("error", vec![text("level", "ERROR")])));
    let parent = row.parent_span_id;
    Span {
        trace_id: row.trace_id.as_u128().to_be_bytes().to_vec(),
        span_id: row.span_id.as_u64().to_be_bytes().to_vec(),
        parent_span_id: if parent.is_none() {
            Vec::new()
        } else {
            parent.as_u64().to_be_bytes().to_vec()
        },
        trace_state: name(row.trace_state).to_owned(),
        flags: row.flags,
        name: name(row.operation).to_owned(),
        kind: row.kind as i32,
        start_time_unix_nano: row.start_unix_nano,
        end_time_unix_nano: row.start_unix_nano.saturating_add_signed(row.duration_ns),
        attributes,
        events,
        status: match row.status {
            resus_model::Status::Unset | resus_model::Status::Absent => None,
            status => Some(Status { code: status as i32, ..Status::default() }),
        },
        ..Span::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
