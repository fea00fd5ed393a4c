//! Requests such as might come, and some such as never should.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, MetricsData, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, Summary, SummaryDataPoint, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) fn traces() -> impl Strategy<Value = TracesData> {
    vec(resource_spans(), 0..4).prop_map(|resource_spans| TracesData { resource_spans })
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    proptest::option::of(key_values(4)).prop_map(|attributes| {
        attributes.map(|attributes| Resource { attributes, ..Default::default() })
    })
}

fn resource_spans() -> impl Strategy<Value = ResourceSpans> {
    (resource(), vec(scope_spans(), 0..3), ".{0,3}").prop_map(
        |(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url },
    )
}

fn scope_spans() -> impl Strategy<Value = ScopeSpans> {
    let scope = proptest::option::of(key_values(2)).prop_map(|attributes| {
        attributes.map(|attributes| InstrumentationScope {
            name: "traceId".to_owned(),
            version: if attributes.is_empty() { String::new() } else { "1".to_owned() },
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
    vec((key, proptest::option::of(value())), 0..=at_most)
        .prop_map(|all| all.into_iter().map(|(key, value)| key_value(key, value)).collect())
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        3 => ".{0,8}".prop_map(Value::StringValue),
        2 => prop::sample::select(vec!["500", "UNAVAILABLE", "timeout", "cart"])
            .prop_map(|text| Value::StringValue(text.to_owned())),
        1 => any::<bool>().prop_map(Value::BoolValue),
        2 => prop_oneof![any::<i64>(), 0..600_i64].prop_map(Value::IntValue),
        // Eighths, which every reader of decimal numbers reads exactly.
        1 => (-1_000_000..1_000_000_i32).prop_map(|n| Value::DoubleValue(f64::from(n) / 8.0)),
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

pub(crate) fn logs() -> impl Strategy<Value = LogsData> {
    let scope_logs = vec(log_record(), 0..5)
        .prop_map(|log_records| ScopeLogs { log_records, ..Default::default() });
    let resource_logs = (resource(), vec(scope_logs, 0..3)).prop_map(|(resource, scope_logs)| {
        ResourceLogs { resource, scope_logs, ..Default::default() }
    });
    vec(resource_logs, 0..3).prop_map(|resource_logs| LogsData { resource_logs })
}

fn log_record() -> impl Strategy<Value = LogRecord> {
    let level = (0..26_i32, prop::sample::select(vec!["", "ERROR", "fatal", "INFO"]));
    let event = prop::sample::select(vec!["", "exception", "click"]);
    let key = prop::sample::select(vec!["exception.type", "exception.message", "code.line"]);
    let ids = (id(16), id(8));
    (ids, (time(), time()), level, event, vec((key, value()), 0..2), value()).prop_map(
        |((trace_id, span_id), (time, observed), level, event, attributes, body)| LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: observed,
            severity_number: level.0,
            severity_text: level.1.to_owned(),
            event_name: event.to_owned(),
            body: Some(body),
            attributes: attributes
                .into_iter()
                .map(|(key, value)| key_value(key.to_owned(), Some(value)))
                .collect(),
            trace_id,
            span_id,
            ..Default::default()
        },
    )
}

/// The names that metrics are drawn from.
pub(crate) const METRIC_NAMES: [&str; 3] = ["process.memory.usage", "queue.length", "other"];

pub(crate) fn metrics() -> impl Strategy<Value = MetricsData> {
    let scope_metrics =
        vec(metric(), 0..5).prop_map(|metrics| ScopeMetrics { metrics, ..Default::default() });
    let resource_metrics =
        (resource(), vec(scope_metrics, 0..3)).prop_map(|(resource, scope_metrics)| {
            ResourceMetrics { resource, scope_metrics, ..Default::default() }
        });
    vec(resource_metrics, 0..3).prop_map(|resource_metrics| MetricsData { resource_metrics })
}

fn metric() -> impl Strategy<Value = Metric> {
    let gauge = vec(number_point(), 0..4)
        .prop_map(|data_points| metric::Data::Gauge(Gauge { data_points }));
    let sum = (vec(number_point(), 0..4), 0..4_i32, any::<bool>()).prop_map(
        |(data_points, aggregation_temporality, is_monotonic)| {
            metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
        },
    );
    let histogram = (vec(any::<u64>(), 0..4), vec(-9.0..9.0_f64, 0..4)).prop_map(
        |(bucket_counts, explicit_bounds)| {
            let point = HistogramDataPoint { bucket_counts, explicit_bounds, ..Default::default() };
            metric::Data::Histogram(Histogram { data_points: vec![point], ..Default::default() })
        },
    );
    let summary = (0..3_usize).prop_map(|n| {
        metric::Data::Summary(Summary { data_points: vec![SummaryDataPoint::default(); n] })
    });
    let data = prop_oneof![3 => gauge, 3 => sum, 1 => histogram, 1 => summary];
    (prop::sample::select(METRIC_NAMES.to_vec()), proptest::option::of(data))
        .prop_map(|(name, data)| Metric { name: name.to_owned(), data, ..Default::default() })
}

fn number_point() -> impl Strategy<Value = NumberDataPoint> {
    let number = prop_oneof![
        any::<i64>().prop_map(number_data_point::Value::AsInt),
        (-1_000_000..1_000_000_i32)
            .prop_map(|n| number_data_point::Value::AsDouble(f64::from(n) / 8.0)),
    ];
    let keys = vec((prop::sample::select(vec!["state", "cpu"]), value()), 0..3);
    (proptest::option::of(number), 0..4_u64, 0..3_u32, keys).prop_map(
        |(value, time_unix_nano, flags, keys)| NumberDataPoint {
            attributes: keys
                .into_iter()
                .map(|(key, value)| key_value(key.to_owned(), Some(value)))
                .collect(),
            time_unix_nano,
            flags,
            value,
            ..Default::default()
        },
    )
}

fn key_value(key: String, value: Option<AnyValue>) -> KeyValue {
    KeyValue { key, value, ..Default::default() }
}
