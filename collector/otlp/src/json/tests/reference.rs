//! Our decoder against opentelemetry-proto's: the same spans, field by field.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use proptest::collection::vec;
use proptest::prelude::*;
use resus_model::attributes::{self, Place, Role};
use resus_model::{Kind, SpanId, SpanRow, TraceId};

use super::super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_the_reference_writes_is_read_as_the_reference_reads_it(traces in traces()) {
        let text = serde_json::to_string(&traces).expect("writable");
        check(&text)?;
    }

    #[test]
    fn so_is_its_pretty_form_in_other_order(traces in traces()) {
        // Through Value, which orders keys by name: resource before scopeSpans, but value behind
        // key, traceId behind spanId, and so on.
        let value = serde_json::to_value(&traces).expect("writable");
        check(&serde_json::to_string_pretty(&value).expect("writable"))?;
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let reference: TracesData = serde_json::from_str(text).expect("its own words");
    let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
    let n = decode_json(text.as_bytes(), &mut batch, &mut quality).expect(text);
    let expected = rows(&reference);
    prop_assert_eq!(n, expected.len());
    let mut links = batch.links.iter();
    for (i, expected) in expected.iter().enumerate() {
        let row = batch.row(i);
        prop_assert_eq!(&Texts::of(&batch, &row), &expected.texts, "{}", text);
        let numbers = SpanRow {
            trace_state: Default::default(),
            service: Default::default(),
            namespace: Default::default(),
            instance: Default::default(),
            version: Default::default(),
            host: Default::default(),
            operation: Default::default(),
            error_type: Default::default(),
            peer: Default::default(),
            ..row
        };
        prop_assert_eq!(numbers, expected.numbers, "{}", text);
        for (trace, span) in &expected.links {
            let link = links.next().expect("as many links");
            prop_assert_eq!(link.row as usize, i);
            prop_assert_eq!((link.trace_id, link.span_id), (*trace, *span));
        }
    }
    prop_assert!(links.next().is_none());
    let skipped = reference.resource_spans.iter().flat_map(|r| &r.scope_spans);
    let all: usize = skipped.map(|s| s.spans.len()).sum();
    prop_assert_eq!(quality.skipped_total(), (all - expected.len()) as u64);
    Ok(())
}

/// What the reference's structs say, gathered in the plainest way.
struct Expected {
    texts: Texts,
    numbers: SpanRow,
    links: Vec<(TraceId, SpanId)>,
}

#[derive(Debug, PartialEq)]
struct Texts {
    trace_state: String,
    service: String,
    namespace: String,
    instance: String,
    version: String,
    host: String,
    operation: String,
    error_type: String,
    peer: String,
}

impl Texts {
    fn of(batch: &SpanBatch, row: &SpanRow) -> Self {
        let text = |name| batch.names.text(name).to_owned();
        Self {
            trace_state: text(row.trace_state),
            service: text(row.service),
            namespace: text(row.namespace),
            instance: text(row.instance),
            version: text(row.version),
            host: text(row.host),
            operation: text(row.operation),
            error_type: text(row.error_type),
            peer: text(row.peer),
        }
    }
}

fn rows(traces: &TracesData) -> Vec<Expected> {
    let mut rows = Vec::new();
    for resource_spans in &traces.resource_spans {
        let none = Vec::new();
        let resource = resource_spans.resource.as_ref().map_or(&none, |r| &r.attributes);
        let resource = |role| best(resource, Place::Resource, role, |t| Some(t.to_owned()));
        for span in resource_spans.scope_spans.iter().flat_map(|s| &s.spans) {
            rows.extend(row(span, &resource));
        }
    }
    rows
}

fn row(span: &Span, resource: &dyn Fn(Role) -> Option<String>) -> Option<Expected> {
    let trace_id = TraceId::from_bytes(span.trace_id.as_slice().try_into().ok()?);
    let span_id = SpanId::from_bytes(span.span_id.as_slice().try_into().ok()?);
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    if trace_id.is_zero() || span_id.is_none() || start == 0 || end == 0 {
        return None;
    }
    let parent = span.parent_span_id.as_slice().try_into().map(SpanId::from_bytes);
    let own = &span.attributes;
    let text = |role| best(own, Place::Span, role, |t| Some(t.to_owned())).unwrap_or_default();
    let numbers = SpanRow {
        trace_id,
        span_id,
        parent_span_id: parent.unwrap_or(SpanId::NONE),
        flags: span.flags,
        kind: Kind::from_number(span.kind.into()).unwrap_or_default(),
        status: span
            .status
            .as_ref()
            .and_then(|s| resus_model::Status::from_number(s.code.into()))
            .unwrap_or_default(),
        start_unix_nano: start,
        duration_ns: i64::try_from(i128::from(end) - i128::from(start)).ok()?,
        http_status: best(own, Place::Span, Role::HttpStatus, attributes::http_code).unwrap_or(0),
        rpc_status: best(own, Place::Span, Role::RpcStatus, attributes::grpc_code)
            .unwrap_or(SpanRow::NO_RPC),
        exception_event_count: count(&span.events, is_exception),
        error_event_count: count(&span.events, |e| is_exception(e) || has_error_level(e)),
        ..SpanRow::new()
    };
    let texts = Texts {
        trace_state: span.trace_state.clone(),
        service: resource(Role::Service).unwrap_or_else(|| "unknown_service".to_owned()),
        namespace: resource(Role::Namespace).unwrap_or_default(),
        instance: resource(Role::Instance).unwrap_or_default(),
        version: resource(Role::Version).unwrap_or_default(),
        host: resource(Role::Host).unwrap_or_default(),
        operation: match span.name.as_str() {
            "" => "unknown".to_owned(),
            name => name.to_owned(),
        },
        error_type: text(Role::ErrorType),
        peer: text(Role::Peer),
    };
    let links = span.links.iter().filter_map(|link| {
        let trace = TraceId::from_bytes(link.trace_id.as_slice().try_into().ok()?);
        let span = SpanId::from_bytes(link.span_id.as_slice().try_into().ok()?);
        (!trace.is_zero() && !span.is_none()).then_some((trace, span))
    });
    Some(Expected { texts, numbers, links: links.collect() })
}

fn best<T>(
    attributes: &[KeyValue],
    place: Place,
    role: Role,
    usable: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let candidates = attributes.iter().filter_map(|attribute| {
        let key = attributes::key(&attribute.key)?;
        let value = text(attribute.value.as_ref()).filter(|text| !text.is_empty())?;
        let wanted = key.place == place && key.role == role;
        wanted.then_some((key.rank, usable(&value)?))
    });
    // Of equal ranks the first.
    candidates.min_by_key(|(rank, _)| *rank).map(|(_, value)| value)
}

fn text(value: Option<&AnyValue>) -> Option<String> {
    match value?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::BoolValue(value) => Some(value.to_string()),
        Value::IntValue(value) => Some(value.to_string()),
        Value::DoubleValue(value) => Some(value.to_string()),
        _ => None,
    }
}

fn is_exception(event: &Event) -> bool {
    event.name == attributes::EXCEPTION_EVENT
}

fn has_error_level(event: &Event) -> bool {
    event.attributes.iter().any(|attribute| {
        attributes::EVENT_LEVELS.contains(&attribute.key.as_str())
            && text(attribute.value.as_ref()).is_some_and(|t| attributes::is_error_level(&t))
    })
}

fn count(events: &[Event], which: impl Fn(&Event) -> bool) -> u32 {
    events.iter().filter(|event| which(event)).count().try_into().expect("a few")
}

fn traces() -> impl Strategy<Value = TracesData> {
    vec(resource_spans(), 0..4).prop_map(|resource_spans| TracesData { resource_spans })
}

fn resource_spans() -> impl Strategy<Value = ResourceSpans> {
    let resource = proptest::option::of(key_values(4)).prop_map(|attributes| {
        attributes.map(|attributes| Resource { attributes, ..Default::default() })
    });
    (resource, vec(scope_spans(), 0..3), ".{0,3}").prop_map(
        |(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url },
    )
}

fn scope_spans() -> impl Strategy<Value = ScopeSpans> {
    let scope = proptest::option::of(key_values(2)).prop_map(|attributes| {
        attributes.map(|attributes| InstrumentationScope {
            name: "traceId".to_owned(),
            attributes,
            ..Default::default()
        })
    });
    (scope, vec(span(), 0..4)).prop_map(|(scope, spans)| ScopeSpans {
        scope,
        spans,
        ..Default::default()
    })
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), id(8));
    let head = (".{0,12}", "[a-z=;:]{0,6}", any::<u32>(), 0..7_i32);
    let times = (time(), time());
    let lists = (key_values(6), vec(event(), 0..3), vec(link(), 0..3));
    let status = proptest::option::of((0..4_i32, ".{0,5}"));
    (ids, head, times, lists, status).prop_map(|(ids, head, times, lists, status)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        name: head.0,
        trace_state: head.1,
        flags: head.2,
        kind: head.3,
        start_time_unix_nano: times.0,
        end_time_unix_nano: times.1,
        attributes: lists.0,
        events: lists.1,
        links: lists.2,
        status: status.map(|(code, message)| Status { code, message }),
        ..Default::default()
    })
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => vec(any::<u8>(), length),
        1 => Just(vec![0; length]),
        1 => Just(Vec::new()),
    ]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 1_544_712_660_000_000_000..1_544_712_670_000_000_000_u64, 1 => any::<u64>(), 1 => Just(0)]
}

fn event() -> impl Strategy<Value = Event> {
    let name = prop_oneof![Just("exception".to_owned()), ".{0,6}"];
    let level = (
        prop::sample::select(vec!["level", "log.severity", "severity_text", "other"]),
        prop::sample::select(vec!["error", "ERROR2", "FATAL", "info", ""]),
    );
    (name, time(), vec(level, 0..3), key_values(2)).prop_map(|(name, time, levels, mut rest)| {
        rest.extend(levels.into_iter().map(|(key, level)| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue(level.to_owned())) }),
            ..Default::default()
        }));
        Event { time_unix_nano: time, name, attributes: rest, dropped_attributes_count: 1 }
    })
}

fn link() -> impl Strategy<Value = Link> {
    (id(16), id(8), key_values(2)).prop_map(|(trace_id, span_id, attributes)| Link {
        trace_id,
        span_id,
        attributes,
        ..Default::default()
    })
}

fn key_values(at_most: usize) -> impl Strategy<Value = Vec<KeyValue>> {
    let key = prop_oneof![
        1 => ".{0,8}",
        6 => prop::sample::select(vec![
            "service.name", "service.namespace", "service.instance.id", "k8s.pod.name",
            "service.version", "host.name", "k8s.node.name", "http.response.status_code",
            "http.status_code", "rpc.response.status_code", "rpc.status_code",
            "rpc.grpc.status_code", "error.type", "service.peer.name", "peer.service",
            "server.address", "db.namespace", "db.system", "messaging.destination.name",
        ]).prop_map(str::to_owned),
    ];
    vec((key, proptest::option::of(value())), 0..=at_most).prop_map(|all| {
        let all = all.into_iter();
        let key_value = |(key, value)| KeyValue { key, value, ..Default::default() };
        all.map(key_value).collect()
    })
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        3 => ".{0,8}".prop_map(Value::StringValue),
        2 => prop::sample::select(vec!["500", "UNAVAILABLE", "timeout", "cart"])
            .prop_map(|text| Value::StringValue(text.to_owned())),
        1 => any::<bool>().prop_map(Value::BoolValue),
        2 => prop_oneof![any::<i64>(), 0..600_i64].prop_map(Value::IntValue),
        1 => (-1e9..1e9_f64).prop_map(Value::DoubleValue),
        1 => vec(any::<u8>(), 0..5).prop_map(Value::BytesValue),
    ];
    let any = |value| AnyValue { value: Some(value) };
    let leaf = leaf.prop_map(any);
    leaf.prop_recursive(3, 8, 3, move |inner| {
        let values = vec(inner.clone(), 0..3);
        let pairs = vec((".{0,4}", inner), 0..3);
        prop_oneof![
            values.prop_map(move |values| any(Value::ArrayValue(ArrayValue { values }))),
            pairs.prop_map(move |pairs| {
                let pair =
                    |(key, value)| KeyValue { key, value: Some(value), ..Default::default() };
                let values = pairs.into_iter().map(pair).collect();
                any(Value::KvlistValue(KeyValueList { values }))
            }),
        ]
    })
}
