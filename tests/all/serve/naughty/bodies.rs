//! Requests with a text of the caller's choice in every place that a sender fills.

use serde_json::{Value, json};

/// A place for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Service,
    Namespace,
    Instance,
    Scope,
    TraceState,
    Name,
    Key,
    Value,
    ErrorType,
    EventName,
    EventKey,
    EventValue,
    Status,
}

impl Place {
    pub(super) const ALL: [Self; 13] = [
        Self::Service,
        Self::Namespace,
        Self::Instance,
        Self::Scope,
        Self::TraceState,
        Self::Name,
        Self::Key,
        Self::Value,
        Self::ErrorType,
        Self::EventName,
        Self::EventKey,
        Self::EventValue,
        Self::Status,
    ];
}

/// A span of a request, with the bytes that stand in each place.
pub(super) struct Span<F> {
    pub(super) trace: u128,
    pub(super) id: u64,
    pub(super) start: u64,
    pub(super) text: F,
}

/// How long every span takes, nanoseconds.
const DURATION: u64 = 1_000_000;

/// A field of protobuf with a length.
pub(super) fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

fn attribute(key: &[u8], value: &[u8]) -> Vec<u8> {
    [field(1, key), field(2, &field(1, value))].concat()
}

fn time(number: u8, nanos: u64) -> Vec<u8> {
    [&[number << 3 | 1][..], &nanos.to_le_bytes()].concat()
}

/// A request in protobuf; each span has a resource of its own.
pub(super) fn protobuf<'a, F: Fn(Place) -> &'a [u8]>(spans: &[Span<F>]) -> Vec<u8> {
    spans.iter().flat_map(|span| field(1, &resource_spans(span))).collect()
}

fn resource_spans<'a, F: Fn(Place) -> &'a [u8]>(
    Span { trace, id, start, text }: &Span<F>,
) -> Vec<u8> {
    let event = [
        time(1, *start),
        field(2, text(Place::EventName)),
        field(3, &attribute(text(Place::EventKey), text(Place::EventValue))),
    ];
    let span = [
        field(1, &trace.to_be_bytes()),
        field(2, &id.to_be_bytes()),
        field(3, text(Place::TraceState)),
        field(5, text(Place::Name)),
        vec![6 << 3, 2],
        time(7, *start),
        time(8, start + DURATION),
        field(9, &attribute(text(Place::Key), text(Place::Value))),
        field(9, &attribute(b"error.type", text(Place::ErrorType))),
        field(11, &event.concat()),
        field(15, &[field(2, text(Place::Status)), vec![3 << 3, 2]].concat()),
    ];
    let resource = [
        field(1, &attribute(b"service.name", text(Place::Service))),
        field(1, &attribute(b"service.namespace", text(Place::Namespace))),
        field(1, &attribute(b"service.instance.id", text(Place::Instance))),
    ];
    let scope = field(1, &field(1, text(Place::Scope)));
    let scoped = [scope, field(2, &span.concat())].concat();
    [field(1, &resource.concat()), field(2, &scoped)].concat()
}

/// The same in JSON.
///
/// # Panics
/// Where a text is none.
pub(super) fn in_json<'a, F: Fn(Place) -> &'a [u8]>(spans: &[Span<F>]) -> Value {
    let resources = spans.iter().map(|Span { trace, id, start, text }| {
        let text = |place| std::str::from_utf8(text(place)).expect("JSON holds text alone");
        let attribute =
            |key: &str, place| json!({"key": key, "value": {"stringValue": text(place)}});
        json!({
            "resource": {"attributes": [
                attribute("service.name", Place::Service),
                attribute("service.namespace", Place::Namespace),
                attribute("service.instance.id", Place::Instance),
            ]},
            "scopeSpans": [{
                "scope": {"name": text(Place::Scope)},
                "spans": [{
                    "traceId": format!("{trace:032x}"),
                    "spanId": format!("{id:016x}"),
                    "traceState": text(Place::TraceState),
                    "name": text(Place::Name),
                    "kind": 2,
                    "startTimeUnixNano": start.to_string(),
                    "endTimeUnixNano": (start + DURATION).to_string(),
                    "attributes": [
                        attribute(text(Place::Key), Place::Value),
                        attribute("error.type", Place::ErrorType),
                    ],
                    "events": [{
                        "timeUnixNano": start.to_string(),
                        "name": text(Place::EventName),
                        "attributes": [attribute(text(Place::EventKey), Place::EventValue)],
                    }],
                    "status": {"code": 2, "message": text(Place::Status)},
                }],
            }],
        })
    });
    json!({"resourceSpans": resources.collect::<Vec<_>>()})
}

/// A point of a gauge for each text, in JSON.
pub(super) fn gauges(metric: &str, texts: &[String], at: u64) -> Value {
    let resources = texts.iter().map(|text| {
        let attribute = |key: &str| json!({"key": key, "value": {"stringValue": text}});
        json!({
            "resource": {"attributes": [
                attribute("service.name"),
                attribute("service.instance.id"),
            ]},
            "scopeMetrics": [{"metrics": [{
                "name": metric,
                "gauge": {"dataPoints": [{
                    "timeUnixNano": at.to_string(),
                    "asDouble": 1.5,
                    "attributes": [attribute(text)],
                }]},
            }]}],
        })
    });
    json!({"resourceMetrics": resources.collect::<Vec<_>>()})
}

/// A dump, a line a request, in which a service of such a name fails from half of the time on. Half of the
/// requests call it.
pub(super) fn dump(name: &str, requests: u64, gap: u64) -> Vec<String> {
    let line = |n: u64| {
        let (failing, with) = (n >= requests / 2, n.is_multiple_of(2));
        let start = super::DAY + n * gap;
        let status = if failing && with { json!({"code": 2, "message": name}) } else { json!({}) };
        let of = |service: &str, span: u64, parent: &str| {
            json!({
                "resource": {"attributes": [
                    {"key": "service.name", "value": {"stringValue": service}},
                ]},
                "scopeSpans": [{"spans": [{
                    "traceId": format!("{:032x}", n + 1),
                    "spanId": format!("{span:016x}"),
                    "parentSpanId": parent,
                    "name": service,
                    "kind": 2,
                    "startTimeUnixNano": start.to_string(),
                    "endTimeUnixNano": (start + DURATION).to_string(),
                    "status": status,
                }]}],
            })
        };
        let mut spans = vec![of("front", 1, "")];
        if with {
            spans.push(of(name, 2, "0000000000000001"));
        }
        json!({"resourceSpans": spans}).to_string()
    };
    (0..requests).map(line).collect()
}
