use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use resus_model::SkipReason;

use super::*;
use crate::reference::{self, read_batch};
use crate::{ProtobufErrorKind, requests};

/// Bytes changed in a few places, as by a bad wire or a bad will.
fn mutated(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (place, what, value) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = place.index(bytes.len());
        match what % 5 {
            0 => bytes[at] = *value,
            1 => bytes[at] ^= 1 << (value % 8),
            2 => bytes.insert(at, *value),
            3 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..4)
}

/// Bytes that look more like protobuf than chance: fields with keys and lengths.
fn protobuf() -> impl Strategy<Value = Vec<u8>> {
    let scalar = (1..17_u8, 0..8_u8, vec(any::<u8>(), 0..9))
        .prop_map(|(tag, wire_type, rest)| [vec![(tag << 3) | wire_type], rest].concat());
    scalar.prop_recursive(8, 64, 4, |inner| {
        (1..16_u8, vec(inner, 0..4)).prop_map(|(tag, fields)| {
            let content = fields.concat();
            let mut bytes = vec![(tag << 3) | 2];
            prost::encode_length_delimiter(content.len(), &mut bytes).expect("a Vec grows");
            [bytes, content].concat()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whole_requests_are_read_as_the_reference_reads_them(traces in requests::traces()) {
        reference::traces_protobuf(&traces.encode_to_vec());
    }

    #[test]
    fn both_encodings_give_the_same_spans_and_counts(traces in requests::traces()) {
        let (text, bytes) =
            (serde_json::to_vec(&traces).expect("writable"), traces.encode_to_vec());
        for keep in [Keep::Rules, Keep::Everything] {
            let read = |body: &[u8], encoding| {
                let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
                let decoded = decode_traces(body, encoding, keep, &mut batch, &mut quality);
                (decoded.expect("readable"), read_batch(&batch), quality)
            };
            prop_assert_eq!(read(&text, Encoding::Json), read(&bytes, Encoding::Protobuf));
        }
    }

    #[test]
    fn both_encodings_give_the_same_logs(logs in requests::logs()) {
        let (text, bytes) = (serde_json::to_vec(&logs).expect("writable"), logs.encode_to_vec());
        reference::logs_protobuf(&bytes);
        let read = |body: &[u8], encoding| {
            let (mut batch, mut quality) = (LogBatch::default(), Quality::default());
            let decoded = decode_logs(body, encoding, &mut batch, &mut quality);
            (decoded.expect("readable"), batch, quality)
        };
        prop_assert_eq!(read(&text, Encoding::Json), read(&bytes, Encoding::Protobuf));
    }

    #[test]
    fn both_encodings_give_the_same_gauges(metrics in requests::metrics()) {
        let (text, bytes) =
            (serde_json::to_vec(&metrics).expect("writable"), metrics.encode_to_vec());
        let wanted = &requests::METRIC_NAMES[..2];
        reference::metrics_protobuf(&bytes, wanted);
        let read = |body: &[u8], encoding| {
            let mut gauges = Vec::new();
            let count = decode_metrics(body, encoding, wanted, &mut gauges);
            (count.expect("readable"), gauges)
        };
        prop_assert_eq!(read(&text, Encoding::Json), read(&bytes, Encoding::Protobuf));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn broken_requests_are_refused_where_the_reference_refuses_them(
        traces in requests::traces(),
        changes in changes(),
    ) {
        reference::traces_protobuf(&mutated(traces.encode_to_vec(), &changes));
    }

    #[test]
    fn so_are_broken_requests_of_logs(logs in requests::logs(), changes in changes()) {
        reference::logs_protobuf(&mutated(logs.encode_to_vec(), &changes));
    }

    #[test]
    fn so_are_broken_requests_of_metrics(metrics in requests::metrics(), changes in changes()) {
        let wanted = &requests::METRIC_NAMES[..2];
        reference::metrics_protobuf(&mutated(metrics.encode_to_vec(), &changes), wanted);
    }

    #[test]
    fn so_is_what_looks_like_protobuf(fields in vec(protobuf(), 0..4)) {
        let bytes = fields.concat();
        reference::traces_protobuf(&bytes);
        reference::logs_protobuf(&bytes);
        reference::metrics_protobuf(&bytes, &[""]);
    }

    #[test]
    fn so_are_any_bytes(bytes in vec(any::<u8>(), 0..64)) {
        reference::traces_protobuf(&bytes);
        reference::logs_protobuf(&bytes);
        reference::metrics_protobuf(&bytes, &[""]);
    }

    #[test]
    fn two_requests_in_one_body_are_joined(a in requests::traces(), b in requests::traces()) {
        reference::traces_protobuf(&[a.encode_to_vec(), b.encode_to_vec()].concat());
    }

    #[test]
    fn broken_json_is_read_the_same_whatever_is_kept(
        traces in requests::traces(),
        changes in changes(),
    ) {
        let text = serde_json::to_vec(&traces).expect("writable");
        reference::traces_json(&text);
        reference::traces_json(&mutated(text, &changes));
    }

    #[test]
    fn broken_json_of_logs_and_metrics_is_read_or_leaves_nothing(
        logs in requests::logs(),
        metrics in requests::metrics(),
        changes in changes(),
    ) {
        let logs = mutated(serde_json::to_vec(&logs).expect("writable"), &changes);
        let (mut batch, mut quality) = (LogBatch::default(), Quality::default());
        let decoded = decode_logs(&logs, Encoding::Json, &mut batch, &mut quality);
        prop_assert!(decoded.is_ok() || (batch.is_empty() && quality == Quality::default()));
        let metrics = mutated(serde_json::to_vec(&metrics).expect("writable"), &changes);
        let mut gauges = Vec::new();
        let count = decode_metrics(&metrics, Encoding::Json, &requests::METRIC_NAMES, &mut gauges);
        prop_assert!(count.is_ok() || gauges.is_empty());
    }
}

/// A request of one span with these attributes, in a resource with a name.
fn request(attributes: Vec<KeyValue>) -> TracesData {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "GET /cart".to_owned(),
        start_time_unix_nano: 1_544_712_660_000_000_000,
        end_time_unix_nano: 1_544_712_661_000_000_000,
        attributes,
        ..Default::default()
    };
    let resource =
        Resource { attributes: vec![text("service.name", "cart")], ..Default::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..Default::default() }];
    let spans = ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() };
    TracesData { resource_spans: vec![spans] }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

#[track_caller]
fn decode(body: &[u8], keep: Keep) -> (SpanBatch, Quality, Decoded) {
    let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
    let decoded = decode_traces(body, Encoding::Protobuf, keep, &mut batch, &mut quality);
    (batch, quality, decoded.expect("right"))
}

#[track_caller]
fn fail(body: &[u8]) -> ProtobufError {
    let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
    let decoded =
        decode_traces(body, Encoding::Protobuf, Keep::Everything, &mut batch, &mut quality);
    match decoded.expect_err("wrong") {
        DecodeError::Protobuf(error) => error,
        DecodeError::Json(error) => panic!("{error}"),
    }
}

#[test]
fn an_empty_body_is_an_empty_request() {
    for keep in [Keep::Rules, Keep::Everything] {
        let (batch, quality, decoded) = decode(&[], keep);
        assert!(batch.is_empty());
        assert_eq!(quality, Quality::default());
        assert_eq!(decoded, Decoded { records: 0, rejected: 0, message: None });
    }
}

#[test]
fn everything_is_kept_as_json() {
    let list = Value::ArrayValue(ArrayValue {
        values: vec![AnyValue { value: Some(Value::BoolValue(true)) }, AnyValue { value: None }],
    });
    let map =
        Value::KvlistValue(KeyValueList { values: vec![attribute("n", Value::IntValue(-7))] });
    let attributes = vec![
        text("http.route", "/\"cart\"\n"),
        attribute("large", Value::IntValue(i64::MAX)),
        attribute("list", list),
        attribute("map", map),
        attribute("raw", Value::BytesValue(vec![0, 1, 2, 3])),
        attribute("half", Value::DoubleValue(0.5)),
        attribute("nan", Value::DoubleValue(f64::NAN)),
        text("http.route", "again"),
        attribute("index", Value::StringValueStrindex(3)),
    ];
    let (batch, quality, _) = decode(&request(attributes).encode_to_vec(), Keep::Everything);
    assert_eq!(
        batch.attributes_of(0),
        concat!(
            r#"{"http.route":"/\"cart\"\n","large":"9223372036854775807","list":[true,null],"#,
            r#""map":{"n":-7},"raw":"AAECAw==","half":0.5,"nan":"NaN","index":null}"#
        )
    );
    assert_eq!(batch.events_of(0), "[]");
    assert_eq!(batch.names.text(batch.resource_attributes[0]), r#"{"service.name":"cart"}"#);
    assert_eq!(quality.lenient["attributes with a key twice"], 1);
}

#[test]
fn rejected_spans_are_told_with_reason_and_place() {
    let mut traces = request(Vec::new());
    let spans = &mut traces.resource_spans[0].scope_spans[0].spans;
    let good = spans[0].clone();
    spans.push(Span { end_time_unix_nano: 0, ..good.clone() });
    spans.push(Span { span_id: vec![0; 8], ..good.clone() });
    spans.push(Span { span_id: vec![1; 7], ..good });
    let (_, quality, decoded) = decode(&traces.encode_to_vec(), Keep::Rules);
    assert_eq!((decoded.records, decoded.rejected), (1, 3));
    assert_eq!(
        decoded.message.expect("some were left out"),
        "left out 2 spans without a valid span_id, the first at \
         resourceSpans[0].scopeSpans[0].spans[2].spanId; \
         left out 1 span without a valid duration_ns, the first at \
         resourceSpans[0].scopeSpans[0].spans[1].endTimeUnixNano"
    );
    assert_eq!(quality.skipped[&SkipReason::SpanId].0, 2);
}

#[test]
fn a_fault_names_its_field_and_offset() {
    let body = request(vec![text("a", "x"), text("b", "yy")]).encode_to_vec();
    let at = body.windows(2).position(|bytes| bytes == b"yy").expect("it stands there");
    let mut broken = body.clone();
    broken[at] = 0xff;
    let error = fail(&broken);
    assert_eq!((error.kind, error.offset), (ProtobufErrorKind::Text, at));
    assert_eq!(
        error.to_string(),
        format!(
            "decode OTLP protobuf at byte {at}, \
             resourceSpans[0].scopeSpans[0].spans[0].attributes[1].value.stringValue: \
             found bytes that are not UTF-8, expected a text"
        )
    );
    let error = fail(&body[..body.len() - 1]);
    assert_eq!(error.kind, ProtobufErrorKind::Truncated);
    assert_eq!(error.path, "resourceSpans[0]");
    // The service's name as a number.
    let error = fail(&[0x0a, 4, 0x0a, 2, 0x08, 7]);
    assert_eq!(error.kind, ProtobufErrorKind::WireType);
    assert_eq!(error.path, "resourceSpans[0].resource.attributes[0]");
    for (body, kind) in [
        (&[0x80; 11][..], ProtobufErrorKind::Varint),
        (&[0x00], ProtobufErrorKind::Key),
        (&[0x0f], ProtobufErrorKind::Key),
        (&[0x14], ProtobufErrorKind::Group),
        (&[0x13, 0x1c], ProtobufErrorKind::Group),
    ] {
        assert_eq!(fail(body).kind, kind, "{body:?}");
    }
}

/// A request with a value that has lists or maps of this depth around it.
fn nested(depth: usize, maps: bool) -> Vec<u8> {
    // Written from the end, since a length stands before what it counts.
    let mut reversed = vec![1, 0x10];
    let mut wrap = |tag: u8| {
        let mut length = Vec::new();
        prost::encode_length_delimiter(reversed.len(), &mut length).expect("a Vec grows");
        reversed.extend(length.iter().rev());
        reversed.push(tag);
    };
    for _ in 0..depth {
        if maps {
            wrap(0x12);
        }
        wrap(0x0a);
        wrap(if maps { 0x32 } else { 0x2a });
    }
    // As attribute, span, and so on out to the request.
    [0x12, 0x4a, 0x12, 0x12, 0x0a].into_iter().for_each(wrap);
    reversed.reverse();
    reversed
}

#[test]
fn values_are_refused_below_the_depth_at_which_the_reference_refuses_them() {
    for depth in 0..60 {
        reference::traces_protobuf(&nested(depth, false));
        reference::traces_protobuf(&nested(depth, true));
    }
    for maps in [false, true] {
        assert_eq!(fail(&nested(100_000, maps)).kind, ProtobufErrorKind::Depth);
    }
    let groups = [vec![0x13; 100_000], vec![0x14; 100_000]].concat();
    assert_eq!(fail(&groups).kind, ProtobufErrorKind::Depth);
    for depth in 98..103 {
        reference::traces_protobuf(&[vec![0x13; depth], vec![0x14; depth]].concat());
    }
}

#[test]
fn deep_values_are_cut_and_counted_in_both_encodings() {
    let mut value = AnyValue { value: Some(Value::IntValue(1)) };
    for _ in 0..25 {
        value = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![value] })) };
    }
    let deep = KeyValue { key: "a".to_owned(), value: Some(value), ..Default::default() };
    let traces = request(vec![deep]);
    let expected = format!("{{\"a\":{}null{}}}", "[".repeat(24), "]".repeat(24));
    let bodies = [
        (Encoding::Protobuf, traces.encode_to_vec()),
        (Encoding::Json, serde_json::to_vec(&traces).expect("writable")),
    ];
    for (encoding, body) in bodies {
        let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
        decode_traces(&body, encoding, Keep::Everything, &mut batch, &mut quality).expect("right");
        assert_eq!(batch.attributes_of(0), expected);
        assert_eq!(quality.lenient["attribute values cut off below 24 levels"], 1);
    }
}

#[test]
fn values_in_pieces_are_joined_as_protobuf_says() {
    // error.type = "a", then as a list, then as "b": the last counts. A list twice: all elements.
    let list = |text: &[u8]| [&[0x2a, 4, 0x0a, 2, 0x0a][..], &[0], text].concat();
    let with = |values: &[Vec<u8>]| {
        let mut kv = [&[0x0a, 10][..], b"error.type"].concat();
        for value in values {
            kv.push(0x12);
            kv.push(u8::try_from(value.len()).expect("short"));
            kv.extend_from_slice(value);
        }
        kv
    };
    let text = |text: &[u8]| vec![0x0a, 1, text[0]];
    for values in [
        vec![text(b"a"), text(b"b")],
        vec![text(b"a"), list(b""), text(b"b")],
        vec![list(b""), list(b"")],
        vec![[list(b""), list(b"")].concat()],
        vec![[list(b""), text(b"a"), list(b"")].concat(), list(b"")],
        vec![vec![], text(b"a"), vec![]],
        vec![vec![0x10, 1], vec![0x40, 1]],
    ] {
        let kv = with(&values);
        let mut body = kv;
        let span = request(Vec::new()).resource_spans[0].scope_spans[0].spans[0].encode_to_vec();
        body = [&[0x4a, u8::try_from(body.len()).expect("short")][..], &body].concat();
        body = [span, body].concat();
        for tag in [0x12, 0x12, 0x0a] {
            let mut outer = vec![tag];
            prost::encode_length_delimiter(body.len(), &mut outer).expect("a Vec grows");
            body = [outer, body].concat();
        }
        reference::traces_protobuf(&body);
    }
}

#[test]
fn logs_in_the_wild_are_read() {
    let body = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
        {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174",
         "observedTimeUnixNano":"7","severityNumber":"SEVERITY_NUMBER_ERROR"},
        {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
         "timeUnixNano":8,"attributes":[{"key":"exception.type","value":{"stringValue":"E"}}]},
        {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","severityNumber":9},
        {"severityNumber":17}, null]}]}]}"#;
    let (mut batch, mut quality) = (LogBatch::default(), Quality::default());
    let decoded = decode_logs(body, Encoding::Json, &mut batch, &mut quality).expect("right");
    assert_eq!(decoded, Decoded { records: 5, rejected: 0, message: None });
    assert_eq!(batch.unix_nano, [7, 8]);
    assert_eq!(batch.exception, [false, true]);
    assert_eq!(quality.lenient["enum names"], 1);
    let error = decode_logs(
        b"{\"resourceLogs\":[{\"scopeLogs\":7}]}",
        Encoding::Json,
        &mut batch,
        &mut quality,
    );
    let error = error.expect_err("a number");
    assert!(error.to_string().contains("resourceLogs[0].scopeLogs"), "{error}");
    assert_eq!(batch.len(), 2);
}
