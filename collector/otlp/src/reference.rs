//! Requests as opentelemetry-proto and prost read them, put into words in the plainest way: what the
//! decoders of this crate are held against, by its own tests and by the fuzz targets.
//!
//! Each function panics where the two differ.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, MetricsData, NumberDataPoint, metric, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message;
use resus_model::attributes::{self, Place, Role};
use resus_model::{Kind, LogBatch, Name, Quality, SpanBatch, SpanId, SpanRow, Status, TraceId};

use crate::{Encoding, Gauge, Keep, decode_logs, decode_metrics, decode_traces};

/// A span with its names as texts, however it was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// All that is no text.
    pub(crate) numbers: SpanRow,
    pub(crate) texts: Texts,
    pub(crate) links: Vec<(TraceId, SpanId)>,
    /// Where everything is kept.
    pub(crate) rest: Option<Rest>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Texts {
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

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rest {
    attributes: String,
    events: String,
    resource_attributes: String,
    scope: String,
    status_message: String,
}

/// Reads bytes as a request of traces with both decoders.
pub(crate) fn traces_protobuf(body: &[u8]) {
    let expected = TracesData::decode(body);
    for keep in [Keep::Rules, Keep::Everything] {
        // What was there before stays.
        let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
        batch.push(&SpanRow::new());
        if keep == Keep::Everything {
            batch.push_attributes("{}");
            batch.push_events("[]");
            batch.resource_attributes.push(Name::NONE);
            batch.scope.push(Name::NONE);
            batch.status_message.push(Name::NONE);
        }
        let before = read_batch(&batch);
        let found = decode_traces(body, Encoding::Protobuf, keep, &mut batch, &mut quality);
        match (&expected, found) {
            (Ok(expected), Ok(decoded)) => {
                let mut rows = read_batch(&batch);
                assert_eq!(rows.remove(0), before[0]);
                assert_eq!(rows, rows_of(expected, keep));
                assert_eq!(decoded.records, rows.len());
                let scopes = expected.resource_spans.iter().flat_map(|r| &r.scope_spans);
                let all: usize = scopes.map(|s| s.spans.len()).sum();
                assert_eq!(decoded.rejected, (all - rows.len()) as u64);
                assert_eq!(quality.skipped_total(), decoded.rejected);
                assert_eq!(decoded.message.is_some(), decoded.rejected > 0);
            }
            (Err(_), Err(error)) => {
                assert_eq!(read_batch(&batch), before);
                assert_eq!(quality, Quality::default());
                assert!(!error.to_string().is_empty());
            }
            (expected, found) => {
                panic!("{keep:?}: expected {:?}, found {found:?}", expected.as_ref().map(|_| ()));
            }
        }
    }
}

/// Reads bytes as a request of logs with both decoders.
pub(crate) fn logs_protobuf(body: &[u8]) {
    let (mut batch, mut quality) = (LogBatch::default(), Quality::default());
    let found = decode_logs(body, Encoding::Protobuf, &mut batch, &mut quality);
    match (LogsData::decode(body), found) {
        (Ok(expected), Ok(decoded)) => {
            let scopes = expected.resource_logs.iter().flat_map(|r| &r.scope_logs);
            let records: Vec<&LogRecord> = scopes.flat_map(|s| &s.log_records).collect();
            assert_eq!(decoded.records, records.len());
            assert_eq!(batch, log_batch(&records));
        }
        (Err(_), Err(_)) => assert_eq!(batch, LogBatch::default()),
        (expected, found) => panic!("expected {expected:?}, found {found:?}"),
    }
}

/// Reads bytes as a request of metrics with both decoders.
pub(crate) fn metrics_protobuf(body: &[u8], wanted: &[&str]) {
    let mut gauges = Vec::new();
    let found = decode_metrics(body, Encoding::Protobuf, wanted, &mut gauges);
    match (MetricsData::decode(body), found) {
        (Ok(expected), Ok(count)) => {
            assert_eq!(count.points, points(&expected));
            assert_eq!(gauges, gauges_of(&expected, wanted));
        }
        (Err(_), Err(_)) => assert!(gauges.is_empty()),
        (expected, found) => panic!("expected {expected:?}, found {found:?}"),
    }
}

/// Reads a text as a request of traces in JSON, of which there is no second decoder that reads as much:
/// keeping more must change no row, and what is kept must be JSON. One may be refused and the other not:
/// what is passed over is looked at with other eyes (for wrong types less, for control characters more).
pub(crate) fn traces_json(text: &[u8]) {
    let read = |keep| {
        let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
        let decoded = decode_traces(text, Encoding::Json, keep, &mut batch, &mut quality);
        let rows = read_batch(&batch);
        assert!(decoded.is_ok() || rows.is_empty());
        decoded.ok().map(|_| rows)
    };
    let (Some(rules), Some(everything)) = (read(Keep::Rules), read(Keep::Everything)) else {
        return;
    };
    assert_eq!(rules.len(), everything.len());
    for (rules, everything) in rules.iter().zip(&everything) {
        assert_eq!((&rules.numbers, &rules.texts), (&everything.numbers, &everything.texts));
        assert_eq!(rules.links, everything.links);
        let rest = everything.rest.as_ref().expect("everything is kept");
        for json in [&rest.attributes, &rest.events, &rest.resource_attributes] {
            let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_str(json);
            assert!(parsed.is_ok(), "{json}");
        }
    }
}

/// The spans of a batch.
pub(crate) fn read_batch(batch: &SpanBatch) -> Vec<Row> {
    let text = |name| batch.names.text(name).to_owned();
    let row = |i: usize| {
        let row = batch.row(i);
        let none = Name::NONE;
        let numbers = SpanRow {
            trace_state: none,
            service: none,
            namespace: none,
            instance: none,
            version: none,
            host: none,
            operation: none,
            error_type: none,
            peer: none,
            ..row
        };
        let texts = Texts {
            trace_state: text(row.trace_state),
            service: text(row.service),
            namespace: text(row.namespace),
            instance: text(row.instance),
            version: text(row.version),
            host: text(row.host),
            operation: text(row.operation),
            error_type: text(row.error_type),
            peer: text(row.peer),
        };
        let links = batch.links.iter().filter(|link| link.row as usize == i);
        let links = links.map(|link| (link.trace_id, link.span_id)).collect();
        let rest = (!batch.scope.is_empty()).then(|| Rest {
            attributes: batch.attributes_of(i).to_owned(),
            events: batch.events_of(i).to_owned(),
            resource_attributes: text(batch.resource_attributes[i]),
            scope: text(batch.scope[i]),
            status_message: text(batch.status_message[i]),
        });
        Row { numbers, texts, links, rest }
    };
    let rows: Vec<Row> = (0..batch.len()).map(row).collect();
    let columns = [&batch.resource_attributes, &batch.scope, &batch.status_message];
    let lengths = columns.map(Vec::len);
    let ends = [batch.attribute_ends.len(), batch.event_ends.len()];
    let kept = rows.first().is_some_and(|row| row.rest.is_some());
    let expected = if kept { rows.len() } else { 0 };
    assert_eq!((lengths, ends), ([expected; 3], [expected; 2]), "columns of one length");
    rows
}

/// The spans of a request that can be taken.
pub(crate) fn rows_of(traces: &TracesData, keep: Keep) -> Vec<Row> {
    let mut rows = Vec::new();
    for resource_spans in &traces.resource_spans {
        let none = Vec::new();
        let attributes = resource_spans.resource.as_ref().map_or(&none, |r| &r.attributes);
        let resource = |role| best(attributes, Place::Resource, role, |t| Some(t.to_owned()));
        for scope_spans in &resource_spans.scope_spans {
            let scope = scope_text(scope_spans.scope.as_ref());
            for span in &scope_spans.spans {
                let rest = (keep == Keep::Everything).then(|| Rest {
                    attributes: object(&span.attributes, 0),
                    events: events(&span.events),
                    resource_attributes: object(attributes, 0),
                    scope: scope.clone(),
                    status_message: span.status.clone().unwrap_or_default().message,
                });
                rows.extend(row(span, &resource).map(|row| Row { rest, ..row }));
            }
        }
    }
    rows
}

fn row(span: &Span, resource: &dyn Fn(Role) -> Option<String>) -> Option<Row> {
    let (trace_id, span_id) = (trace_id(&span.trace_id)?, span_id(&span.span_id)?);
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    if start == 0 || end == 0 {
        return None;
    }
    let own = &span.attributes;
    let text = |role| best(own, Place::Span, role, |t| Some(t.to_owned())).unwrap_or_default();
    let status = span.status.as_ref().and_then(|s| Status::from_number(s.code.into()));
    let numbers = SpanRow {
        trace_id,
        span_id,
        parent_span_id: self::span_id(&span.parent_span_id).unwrap_or(SpanId::NONE),
        flags: span.flags,
        kind: Kind::from_number(span.kind.into()).unwrap_or_default(),
        status: status.unwrap_or_default(),
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
    let links = span.links.iter();
    let links =
        links.filter_map(|l| Some((self::trace_id(&l.trace_id)?, self::span_id(&l.span_id)?)));
    Some(Row { numbers, texts, links: links.collect(), rest: None })
}

/// A trace id of 8 bytes is the right half of one of 16.
fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    let number = match bytes.len() {
        16 => u128::from_be_bytes(bytes.try_into().ok()?),
        8 => u64::from_be_bytes(bytes.try_into().ok()?).into(),
        _ => return None,
    };
    (number != 0).then(|| TraceId::from_u128(number))
}

fn span_id(bytes: &[u8]) -> Option<SpanId> {
    let id = SpanId::from_bytes(bytes.try_into().ok()?);
    (!id.is_none()).then_some(id)
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
        Value::DoubleValue(value) if value.is_finite() => Some(value.to_string()),
        Value::DoubleValue(value) => Some(special(*value).to_owned()),
        _ => None,
    }
}

fn special(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
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

fn scope_text(scope: Option<&InstrumentationScope>) -> String {
    match scope {
        None => String::new(),
        Some(scope) if scope.version.is_empty() => scope.name.clone(),
        Some(InstrumentationScope { name, version, .. }) => format!("{name}@{version}"),
    }
}

fn events(events: &[Event]) -> String {
    let one = |event: &Event| {
        let Event { time_unix_nano, name, attributes, dropped_attributes_count } = event;
        let dropped = match dropped_attributes_count {
            0 => String::new(),
            n => format!(",\"dropped_attributes_count\":{n}"),
        };
        format!(
            "{{\"time_unix_nano\":\"{time_unix_nano}\",\"name\":{},\"attributes\":{}{dropped}}}",
            quoted(name),
            object(attributes, 0)
        )
    };
    format!("[{}]", events.iter().map(one).collect::<Vec<_>>().join(","))
}

/// Attributes as JSON: of equal keys the first.
fn object(attributes: &[KeyValue], depth: u32) -> String {
    let mut keys: Vec<&str> = Vec::new();
    let mut members = Vec::new();
    for KeyValue { key, value, .. } in attributes {
        if !keys.contains(&key.as_str()) && keys.len() < 1024 {
            keys.push(key);
            members.push(format!("{}:{}", quoted(key), json(value.as_ref(), depth)));
        }
    }
    format!("{{{}}}", members.join(","))
}

fn json(value: Option<&AnyValue>, depth: u32) -> String {
    let Some(value) = value.and_then(|value| value.value.as_ref()) else {
        return "null".to_owned();
    };
    match value {
        Value::StringValue(text) => quoted(text),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(n) if n.unsigned_abs() <= 1 << 53 => n.to_string(),
        Value::IntValue(n) => format!("\"{n}\""),
        Value::DoubleValue(value) if value.is_finite() => format!("{value:?}"),
        Value::DoubleValue(value) => quoted(special(*value)),
        Value::BytesValue(bytes) => {
            let engine = &base64::engine::general_purpose::STANDARD;
            format!("\"{}\"", base64::display::Base64Display::new(bytes, engine))
        }
        Value::ArrayValue(_) | Value::KvlistValue(_) if depth >= 24 => "null".to_owned(),
        Value::ArrayValue(list) => {
            let values: Vec<_> = list.values.iter().map(|v| json(Some(v), depth + 1)).collect();
            format!("[{}]", values.join(","))
        }
        Value::KvlistValue(list) => object(&list.values, depth + 1),
        Value::StringValueStrindex(_) => "null".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written")
}

fn log_batch(records: &[&LogRecord]) -> LogBatch {
    let mut batch = LogBatch::default();
    for record in records {
        let by_number = record.severity_number >= 17;
        let by_text =
            record.severity_number == 0 && attributes::is_error_level(&record.severity_text);
        let exception = record.event_name == "exception"
            || record.attributes.iter().any(|attribute| {
                matches!(attribute.key.as_str(), "exception.type" | "exception.message")
            });
        let ids = trace_id(&record.trace_id).zip(span_id(&record.span_id));
        let Some((trace, span)) = ids.filter(|_| by_number || by_text || exception) else {
            continue;
        };
        batch.trace_id.push(trace);
        batch.span_id.push(span);
        batch.unix_nano.push(match record.time_unix_nano {
            0 => record.observed_time_unix_nano,
            time => time,
        });
        batch.error.push(true);
        batch.exception.push(exception);
    }
    batch
}

fn metrics_of(metrics: &MetricsData) -> impl Iterator<Item = (&[KeyValue], &Metric)> {
    metrics.resource_metrics.iter().flat_map(|resource_metrics| {
        let resource = resource_metrics.resource.as_ref();
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        let metrics = resource_metrics.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        metrics.map(move |metric| (attributes, metric))
    })
}

fn points(metrics: &MetricsData) -> u64 {
    let points = metrics_of(metrics).map(|(_, metric)| match &metric.data {
        None => 0,
        Some(metric::Data::Gauge(data)) => data.data_points.len(),
        Some(metric::Data::Sum(data)) => data.data_points.len(),
        Some(metric::Data::Histogram(data)) => data.data_points.len(),
        Some(metric::Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(metric::Data::Summary(data)) => data.data_points.len(),
    });
    points.sum::<usize>() as u64
}

#[expect(clippy::cast_precision_loss, reason = "a gauge has what precision a double has")]
fn gauges_of(metrics: &MetricsData, wanted: &[&str]) -> Vec<Gauge> {
    let mut series = std::collections::BTreeMap::<_, (u64, f64)>::new();
    for (resource, metric) in metrics_of(metrics) {
        let points: &[NumberDataPoint] = match &metric.data {
            Some(metric::Data::Gauge(data)) => &data.data_points,
            Some(metric::Data::Sum(data))
                if data.aggregation_temporality != AggregationTemporality::Delta as i32 =>
            {
                &data.data_points
            }
            _ => continue,
        };
        if !wanted.contains(&metric.name.as_str()) {
            continue;
        }
        let role = |role| best(resource, Place::Resource, role, |t| Some(t.to_owned()));
        let service = role(Role::Service).unwrap_or_else(|| "unknown_service".to_owned());
        let instance = role(Role::Instance).unwrap_or_default();
        for point in points {
            let value = match point.value {
                Some(number_data_point::Value::AsDouble(value)) if value.is_finite() => value,
                Some(number_data_point::Value::AsInt(value)) => value as f64,
                _ => continue,
            };
            if point.flags & 1 == 1 {
                continue;
            }
            let attributes = object(&point.attributes, 0);
            let key = (service.clone(), instance.clone(), metric.name.clone(), attributes);
            let last = series.entry(key).or_default();
            if point.time_unix_nano >= last.0 {
                *last = (point.time_unix_nano, value);
            }
        }
    }
    let gauge = |((service, instance, name, attributes), (unix_nano, value))| Gauge {
        service,
        instance,
        name,
        attributes,
        unix_nano,
        value,
    };
    series.into_iter().map(gauge).collect()
}
