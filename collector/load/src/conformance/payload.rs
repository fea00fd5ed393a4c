//! Request bodies, well formed and otherwise, byte by byte.

use crate::wire::Writer;

/// A trace id that is one.
pub(crate) const TRACE: [u8; 16] = [
    0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c,
];
/// A span id that is one.
pub(crate) const SPAN: [u8; 8] = [0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74];
/// The same in JSON.
pub(crate) const TRACE_HEX: &str = "5b8efff798038103d269b633813fc60c";
pub(crate) const SPAN_HEX: &str = "eee19b7ec3c1b174";

/// A moment to put into spans, in nanoseconds.
const START: u64 = 1_760_000_000_000_000_000;
const END: u64 = START + 12_500_000;

fn text(value: &[u8]) -> Writer {
    Writer::default().bytes(1, value)
}

fn pair(key: &[u8], value: Writer) -> Writer {
    Writer::default().bytes(1, key).message(2, value)
}

/// An attribute of a span, to be added to one.
pub(crate) fn attribute(span: Writer, key: &[u8], value: Writer) -> Writer {
    span.message(9, pair(key, value))
}

/// A text as `AnyValue`.
pub(crate) fn text_value(value: &str) -> Writer {
    text(value.as_bytes())
}

/// A span with what every exporter sends: an event and a link too.
pub(crate) fn span(trace: &[u8], id: &[u8]) -> Writer {
    let event = Writer::default().fixed64(1, START).bytes(2, b"exception");
    let link = Writer::default().bytes(1, &TRACE).bytes(2, &[7; 8]);
    let span = Writer::default()
        .bytes(1, trace)
        .bytes(2, id)
        .bytes(4, &[3; 8])
        .bytes(5, b"GET /items/{id}")
        .varint(6, 2)
        .fixed64(7, START)
        .fixed64(8, END)
        .message(11, event)
        .message(13, link)
        .message(15, Writer::default().bytes(2, b"timeout").varint(3, 2));
    let span = attribute(span, b"http.request.method", text(b"GET"));
    attribute(span, b"http.response.status_code", Writer::default().varint(3, 200))
}

/// A request with these spans.
pub(crate) fn traces(service: &str, spans: impl IntoIterator<Item = Writer>) -> Vec<u8> {
    envelope(service, 2, spans)
}

fn envelope(service: &str, records: u64, of: impl IntoIterator<Item = Writer>) -> Vec<u8> {
    let resource = Writer::default().message(1, pair(b"service.name", text(service.as_bytes())));
    let scope = Writer::default().message(1, Writer::default().bytes(1, b"resus-load"));
    let scope = of.into_iter().fold(scope, |scope, record| scope.message(records, record));
    Writer::default().message(1, Writer::default().message(1, resource).message(2, scope)).done()
}

/// A good request of one span.
pub(crate) fn good() -> Vec<u8> {
    traces("conformance", [span(&TRACE, &SPAN)])
}

/// The same in JSON.
pub(crate) fn good_json() -> Vec<u8> {
    traces_json("conformance", &[span_json(TRACE_HEX, SPAN_HEX, "")])
}

/// One gauge with one point.
pub(crate) fn metrics(service: &str) -> Vec<u8> {
    let point = Writer::default().fixed64(3, END).fixed64(4, 1.5f64.to_bits());
    let metric = Writer::default()
        .bytes(1, b"process.memory.usage")
        .message(5, Writer::default().message(1, point));
    envelope(service, 2, [metric])
}

/// The same in JSON.
pub(crate) fn metrics_json(service: &str) -> Vec<u8> {
    format!(
        r#"{{"resourceMetrics":[{{"resource":{},"scopeMetrics":[{{"metrics":[{{"name":"process.memory.usage","gauge":{{"dataPoints":[{{"timeUnixNano":"{END}","asDouble":1.5}}]}}}}]}}]}}]}}"#,
        resource_json(service)
    )
    .into_bytes()
}

/// One log record that belongs to a span.
pub(crate) fn logs(service: &str) -> Vec<u8> {
    let record = Writer::default()
        .fixed64(1, END)
        .varint(2, 17)
        .message(5, text(b"connection refused"))
        .bytes(9, &TRACE)
        .bytes(10, &SPAN);
    envelope(service, 2, [record])
}

/// The same in JSON.
pub(crate) fn logs_json(service: &str) -> Vec<u8> {
    format!(
        r#"{{"resourceLogs":[{{"resource":{},"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{END}","severityNumber":17,"body":{{"stringValue":"connection refused"}},"traceId":"{TRACE_HEX}","spanId":"{SPAN_HEX}"}}]}}]}}]}}"#,
        resource_json(service)
    )
    .into_bytes()
}

fn resource_json(service: &str) -> String {
    format!(r#"{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}}"#)
}

/// A span in JSON; `more` are further fields, each with a comma before it.
pub(crate) fn span_json(trace: &str, id: &str, more: &str) -> String {
    format!(
        r#"{{"traceId":"{trace}","spanId":"{id}","name":"GET /items/{{id}}","kind":2,"startTimeUnixNano":"{START}","endTimeUnixNano":"{END}","status":{{"code":2,"message":"timeout"}}{more}}}"#
    )
}

/// A request with these spans in JSON.
pub(crate) fn traces_json(service: &str, spans: &[String]) -> Vec<u8> {
    format!(
        r#"{{"resourceSpans":[{{"resource":{},"scopeSpans":[{{"scope":{{"name":"resus-load"}},"spans":[{}]}}]}}]}}"#,
        resource_json(service),
        spans.join(",")
    )
    .into_bytes()
}

/// A good request in protobuf, lengthened to so many bytes by a field that OTLP does not have.
pub(crate) fn padded(length: u64) -> Vec<u8> {
    let good = good();
    // Tag of field 1000 (two bytes) and the length's varint, whose own length depends on it.
    let room = length as usize - good.len() - 2;
    let varint = (1..=5).find(|n| room - n < 1 << (7 * n)).expect("test bodies are below 32 GiB");
    let pad = Writer::default().bytes(1000, &filler(room - varint)).done();
    let body = [good, pad].concat();
    debug_assert_eq!(body.len() as u64, length);
    body
}

/// A good request in JSON, lengthened likewise.
pub(crate) fn padded_json(length: u64) -> Vec<u8> {
    let good = good_json();
    let (open, close) = (br#"{"pad":""#, br#"","#);
    // The new beginning replaces the good one's opening brace.
    let room = length as usize + 1 - good.len() - open.len() - close.len();
    [&open[..], &filler(room), close, &good[1..]].concat()
}

/// Letters that compress as text of the usual kind does: a server may take a body that shrinks to a
/// thousandth for an attack, whatever its length.
fn filler(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let letters = std::iter::repeat_with(|| {
        // Knuth's MMIX generator: its upper bits are good enough.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"0123456789abcdef"[(state >> 60) as usize]
    });
    letters.take(length).collect()
}

/// An `AnyValue` of arrays in arrays, `depth` of them around a text. Written from the inside out, as a
/// writer of 10^5 levels that recursed would be the first to fall.
pub(crate) fn nested(depth: u32) -> Vec<u8> {
    let mut reversed: Vec<u8> = text(b"x").done().into_iter().rev().collect();
    for _ in 0..depth {
        // ArrayValue.values, then AnyValue.array_value.
        for number in [1u8, 5] {
            let mut length = Vec::new();
            let mut rest = reversed.len();
            while rest >= 0x80 {
                length.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            length.push(rest as u8);
            reversed.extend(length.into_iter().rev());
            reversed.push(number << 3 | 2);
        }
    }
    reversed.reverse();
    reversed
}

/// A good span with such an attribute.
pub(crate) fn nested_traces(depth: u32) -> Vec<u8> {
    let pair = Writer::default().bytes(1, b"nested").bytes(2, &nested(depth));
    traces("conformance", [span(&TRACE, &SPAN).message(9, pair)])
}

/// The same in JSON.
pub(crate) fn nested_json(depth: u32) -> Vec<u8> {
    let depth = depth as usize;
    let value = format!(
        r#"{}{{"stringValue":"x"}}{}"#,
        r#"{"arrayValue":{"values":["#.repeat(depth),
        "]}}".repeat(depth)
    );
    let more = format!(r#","attributes":[{{"key":"nested","value":{value}}}]"#);
    traces_json("conformance", &[span_json(TRACE_HEX, SPAN_HEX, &more)])
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use prost::Message as _;

    use super::*;

    #[test]
    fn the_good_ones_are_what_they_say() {
        let request = ExportTraceServiceRequest::decode(&good()[..]).unwrap();
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!((span.trace_id.as_slice(), span.attributes.len()), (&TRACE[..], 2));
        assert_eq!((span.events.len(), span.links.len()), (1, 1));
        for json in [good_json(), metrics_json("s"), logs_json("s"), nested_json(20)] {
            serde_json::from_slice::<serde_json::Value>(&json).unwrap();
        }
    }

    #[test]
    fn padding_hits_the_length_and_keeps_the_body_whole() {
        for length in [1000, 20_000, 1 << 20, (1 << 21) + 200] {
            let body = padded(length);
            assert_eq!(body.len() as u64, length);
            let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
            assert_eq!(request.resource_spans.len(), 1);
            let json = padded_json(length);
            assert_eq!(json.len() as u64, length);
            let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert!(json["resourceSpans"].is_array());
        }
    }

    #[test]
    fn nesting_is_as_deep_as_it_says() {
        let request = ExportTraceServiceRequest::decode(&nested_traces(10)[..]).unwrap();
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        let mut value = span.attributes[2].value.clone().unwrap().value.unwrap();
        let mut depth = 0;
        while let Value::ArrayValue(mut array) = value {
            value = array.values.remove(0).value.unwrap();
            depth += 1;
        }
        assert_eq!((depth, value), (10, Value::StringValue("x".to_owned())));
    }
}
