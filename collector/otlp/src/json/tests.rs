use resus_model::{Kind, SkipReason, SpanId, Status, TraceId};

use super::*;

mod reference;

const TRACE: u128 = 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c;
const SPAN: u64 = 0xeee1_9b7e_c3c1_b174;

const IDS: &str = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;
const TIMES: &str =
    r#""startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000""#;

/// What a text decodes to.
struct Decoded {
    batch: SpanBatch,
    quality: Quality,
}

impl Decoded {
    fn name(&self, name: Name) -> &str {
        self.batch.names.text(name)
    }

    fn lenient(&self) -> Vec<(&str, u64)> {
        self.quality.lenient.iter().map(|(what, n)| (what.as_str(), *n)).collect()
    }
}

#[track_caller]
fn decode(text: &str) -> Decoded {
    let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
    let n = decode_json(text.as_bytes(), &mut batch, &mut quality).expect(text);
    assert_eq!(n, batch.len());
    Decoded { batch, quality }
}

#[track_caller]
fn fail(text: &str) -> JsonError {
    let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
    let error = decode_json(text.as_bytes(), &mut batch, &mut quality).expect_err(text);
    assert_eq!(batch.len(), 0, "nothing is left of a broken text");
    assert_eq!(quality, Quality::default(), "nothing is counted of a broken text");
    error
}

/// One span of service cart, with these fields and right ids, times and name.
fn span(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    spans(&format!(r#"{{{IDS},"name":"GET /cart",{TIMES}{comma}{fields}}}"#))
}

/// These spans of service cart.
fn spans(spans: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#
    )
}

fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{value}}}"#)
}

#[test]
fn every_column_is_filled() {
    let got = decode(
        r#"{"resourceSpans":[{
          "resource":{"attributes":[
            {"key":"service.name","value":{"stringValue":"cart"}},
            {"key":"service.namespace","value":{"stringValue":"shop"}},
            {"key":"service.instance.id","value":{"stringValue":"cart-1"}},
            {"key":"service.version","value":{"stringValue":"1.2"}},
            {"key":"host.name","value":{"stringValue":"node-a"}},
            {"key":"peer.service","value":{"stringValue":"not a resource attribute"}}],
            "droppedAttributesCount":1},
          "scopeSpans":[{"scope":{"name":"lib","version":"3","attributes":[]},"spans":[{
            "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
            "traceState":"ot=th:c","parentSpanId":"eee19b7ec3c1b173","flags":769,
            "name":"GET /cart","kind":3,
            "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000001,
            "attributes":[
              {"key":"http.response.status_code","value":{"intValue":"503"}},
              {"key":"rpc.grpc.status_code","value":{"intValue":14}},
              {"key":"error.type","value":{"stringValue":"timeout"}},
              {"key":"peer.service","value":{"stringValue":"stock"}},
              {"key":"service.name","value":{"stringValue":"not a span attribute"}},
              {"key":"tags","value":{"arrayValue":{"values":[{"stringValue":"a"},{"kvlistValue":{"values":[]}}]}}}],
            "events":[
              {"timeUnixNano":"1","name":"exception","attributes":[{"key":"exception.type","value":{"stringValue":"E"}}]},
              {"name":"log","attributes":[{"key":"level","value":{"stringValue":"ERROR"}}]},
              {"name":"log","attributes":[{"key":"level","value":{"stringValue":"INFO"}}]}],
            "links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002","attributes":[]}],
            "status":{"code":2,"message":"no"},"newField":{"x":[1,2,{"y":null}]}}],
            "schemaUrl":"https://x"}],
          "schemaUrl":"https://x"}]}"#,
    );
    assert_eq!(got.batch.len(), 1);
    let row = got.batch.row(0);
    assert_eq!(row.trace_id, TraceId::from_u128(TRACE));
    assert_eq!(row.span_id, SpanId::from_u64(SPAN));
    assert_eq!(row.parent_span_id, SpanId::from_u64(SPAN - 1));
    assert_eq!(row.flags, 0x301);
    assert_eq!(got.name(row.trace_state), "ot=th:c");
    assert_eq!(got.name(row.service), "cart");
    assert_eq!(got.name(row.namespace), "shop");
    assert_eq!(got.name(row.instance), "cart-1");
    assert_eq!(got.name(row.version), "1.2");
    assert_eq!(got.name(row.host), "node-a");
    assert_eq!(got.name(row.operation), "GET /cart");
    assert_eq!((row.kind, row.status), (Kind::Client, Status::Error));
    assert_eq!(row.start_unix_nano, 1_544_712_660_000_000_000);
    assert_eq!(row.duration_ns, 1_000_000_001);
    assert_eq!((row.http_status, row.rpc_status), (503, 14));
    assert_eq!(got.name(row.error_type), "timeout");
    assert_eq!(got.name(row.peer), "stock");
    assert_eq!((row.error_event_count, row.exception_event_count), (2, 1));
    let link =
        resus_model::Link { row: 0, trace_id: TraceId::from_u128(1), span_id: SpanId::from_u64(2) };
    assert_eq!(got.batch.links, [link]);
    assert_eq!(got.quality, Quality::default(), "nothing to complain about");
}

#[test]
fn missing_fields_are_the_protocols_defaults() {
    for text in [span(""), span(r#""status":{},"kind":null,"attributes":null,"parentSpanId":"""#)] {
        let got = decode(&text);
        let row = got.batch.row(0);
        assert_eq!((row.kind, row.status), (Kind::Unspecified, Status::Unset));
        assert_eq!(row.parent_span_id, SpanId::NONE);
        assert_eq!((row.http_status, row.rpc_status), (0, SpanRow::NO_RPC));
        assert!(row.peer.is_none() && row.error_type.is_none() && row.trace_state.is_none());
        assert!(got.batch.links.is_empty());
        assert_eq!(got.quality, Quality::default());
    }
}

#[test]
fn keys_may_come_in_any_order() {
    let got = decode(&format!(
        r#"{{"resourceSpans":[
          {{"scopeSpans":[{{"spans":[
              {{"status":{{"code":1}},"attributes":[{{"value":{{"stringValue":"x"}},"key":"peer.service"}}],{TIMES},"name":"a",{IDS}}},
              {{{IDS},"name":"b",{TIMES}}}]}}],
            "resource":{{"attributes":[{{"value":{{"stringValue":"cart"}},"key":"service.name"}}]}}}},
          {{"scopeSpans":[{{"spans":[{{{IDS},"name":"c",{TIMES}}}]}}]}},
          {{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"stock"}}}}]}},
            "scopeSpans":[{{"spans":[{{{IDS},"name":"d",{TIMES}}}]}},{{"spans":[{{{IDS},"name":"e",{TIMES}}}]}}]}}]}}"#
    ));
    let rows: Vec<_> = (0..got.batch.len()).map(|i| got.batch.row(i)).collect();
    let services: Vec<_> = rows.iter().map(|row| got.name(row.service)).collect();
    let operations: Vec<_> = rows.iter().map(|row| got.name(row.operation)).collect();
    assert_eq!(services, ["cart", "cart", "unknown_service", "stock", "stock"]);
    assert_eq!(operations, ["a", "b", "c", "d", "e"]);
    assert_eq!(got.name(rows[0].peer), "x");
    assert!(rows[1].peer.is_none(), "one span's attributes stay with it");
    assert_eq!(got.lenient(), [("spans without service.name", 1)]);
}

#[test]
fn what_wraps_traces_is_read_too() {
    let inner = span("");
    let bare = inner.strip_prefix(r#"{"resourceSpans":"#).and_then(|s| s.strip_suffix('}'));
    let bare = bare.expect("the form of span()");
    for text in [
        format!(r#"{{"batches":{bare}}}"#),
        format!(r#"{{"trace":{inner}}}"#),
        format!(r#"{{"trace":{{"batches":{bare}}}}}"#),
        format!(r#"{{"result":{inner}}}"#),
        format!("[{inner}]"),
        format!("[[{inner}]]"),
        format!("  {inner}\r\n "),
    ] {
        assert_eq!(decode(&text).batch.len(), 1, "{text}");
    }
    let two = decode(&format!("[{inner},null,{inner}]"));
    assert_eq!(two.batch.len(), 2);
    for empty in ["{}", "[]", r#"{"resourceSpans":[]}"#, r#"{"resourceSpans":null,"x":1}"#] {
        assert_eq!(decode(empty).batch.len(), 0, "{empty}");
    }
}

#[test]
fn better_attributes_win_whatever_their_order() {
    let new = attribute("http.response.status_code", r#"{"intValue":"500"}"#);
    let old = attribute("http.status_code", r#"{"intValue":"200"}"#);
    let useless = attribute("http.response.status_code", r#"{"stringValue":"none"}"#);
    let text = attribute("http.status_code", r#"{"stringValue":"404"}"#);
    for (attributes, status) in [
        (format!("{new},{old}"), 500),
        (format!("{old},{new}"), 500),
        (format!("{useless},{old}"), 200),
        (text, 404),
    ] {
        let got = decode(&span(&format!(r#""attributes":[{attributes}]"#)));
        assert_eq!(got.batch.http_status, [status], "{attributes}");
    }
    let peers = [
        ("service.peer.name", "a"),
        ("peer.service", "b"),
        ("server.address", "c"),
        ("net.peer.name", "d"),
        ("db.namespace", "e"),
        ("db.name", "f"),
        ("db.system", "g"),
        ("messaging.destination.name", "h"),
    ];
    for best in 0..peers.len() {
        let worst_first: Vec<_> = peers[best..]
            .iter()
            .rev()
            .map(|(key, value)| attribute(key, &format!(r#"{{"stringValue":"{value}"}}"#)))
            .collect();
        let got = decode(&span(&format!(r#""attributes":[{}]"#, worst_first.join(","))));
        assert_eq!(got.name(got.batch.peer[0]), peers[best].1);
    }
}

#[test]
fn values_of_every_type_are_read_where_a_role_asks() {
    for (value, text) in [
        (r#"{"stringValue":"a\"b\u00e9"}"#, "a\"b\u{e9}"),
        (r#"{"intValue":"-5"}"#, "-5"),
        (r#"{"intValue":7}"#, "7"),
        (r#"{"boolValue":true}"#, "true"),
        (r#"{"doubleValue":0.5}"#, "0.5"),
        (r#"{"arrayValue":{"values":[{"stringValue":"x"}]}}"#, ""),
        (r#"{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"x"}}]}}"#, ""),
        (r#"{"bytesValue":"AAAA"}"#, ""),
        (r#"{"stringValue":null}"#, ""),
        ("{}", ""),
        ("null", ""),
    ] {
        let error_type = attribute("error.type", value);
        let next = attribute("peer.service", r#"{"stringValue":"p"}"#);
        let got =
            decode(&span(&format!(r#""attributes":[{error_type},{{"key":"error.type"}},{next}]"#)));
        assert_eq!(got.name(got.batch.error_type[0]), text, "{value}");
        assert_eq!(got.name(got.batch.peer[0]), "p");
    }
}

#[test]
fn each_leniency_is_applied_and_counted() {
    let snake = format!(
        r#"{{"resource_spans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"string_value":"cart"}}}}]}},
        "scope_spans":[{{"spans":[{{"trace_id":"{TRACE:032x}","span_id":"{SPAN:016x}","parent_span_id":"","trace_state":"",
        "start_time_unix_nano":1,"end_time_unix_nano":2,"name":"a"}}]}}]}}]}}"#
    );
    let library = span("").replace("scopeSpans", "instrumentationLibrarySpans");
    let array = span("").replace(
        r#""traceId":"5b8efff798038103d269b633813fc60c""#,
        r#""traceId":[91,142,255,247,152,3,129,3,210,105,182,51,129,63,198,12]"#,
    );
    for (text, counted) in [
        (snake, ("snake_case keys", 9)),
        (library, ("instrumentationLibrarySpans", 1)),
        (array, ("ids as arrays of integers", 1)),
        (span("").replace(&format!("{TRACE:032x}"), "W47/95gDgQPSabYzgT/GDA=="), ("base64 ids", 1)),
        (span("").replace("\"eee1", "\"0xeee1"), ("ids with 0x prefix", 1)),
        (span("").replace("5b8efff7", "5b8efff7-"), ("ids with dashes", 1)),
        (span("").replace("5b8efff798038103", ""), ("8-byte trace ids", 1)),
        (
            span(r#""kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_ERROR"}"#),
            ("enum names", 2),
        ),
        (span(r#""kind":9,"status":{"code":-1}"#), ("unknown enum values", 2)),
        (span(r#""parentSpanId":"what""#), ("unreadable parent ids", 1)),
        (span(r#""links":[{},{"traceId":"x","spanId":"y"}]"#), ("links with unreadable ids", 2)),
        (span("").replace("GET /cart", ""), ("spans without a name", 1)),
        (span("").replace("GET /cart", r"\ud83d cut"), ("invalid unicode", 1)),
        (span("").replace("service.name", "servicename"), ("spans without service.name", 1)),
        (r#"{"resourceLogs":[]}"#.to_owned(), ("records of logs, metrics or profiles", 1)),
    ] {
        let got = decode(&text);
        assert_eq!(got.lenient(), [counted], "{text}");
        assert_eq!(got.quality.skipped_total(), 0);
    }
}

#[test]
fn lenient_spellings_mean_the_same() {
    let got = decode(&span(r#""kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_ERROR"}"#));
    assert_eq!((got.batch.kind[0], got.batch.status[0]), (Kind::Server, Status::Error));
    let got = decode(&span(r#""kind":"2","status":{"code":"1"},"flags":"257""#));
    assert_eq!((got.batch.kind[0], got.batch.status[0]), (Kind::Server, Status::Ok));
    assert_eq!(got.batch.flags, [257]);
    assert!(got.lenient().is_empty());
    let got = decode(&span("").replace("GET /cart", ""));
    assert_eq!(got.name(got.batch.operation[0]), "unknown");
    let got = decode(&span("").replace("GET /cart", r"\ud83d cut"));
    assert!(got.name(got.batch.operation[0]).ends_with(" cut"));
    assert!(got.name(got.batch.operation[0]).starts_with('\u{fffd}'));
}

#[test]
fn spans_that_cannot_be_taken_are_counted_with_a_place() {
    let start = r#""startTimeUnixNano":"1544712660000000000""#;
    let end = r#","endTimeUnixNano":"1544712661000000000""#;
    let good = format!(r#"{{{IDS},"name":"a",{TIMES}}}"#);
    let link =
        r#","links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002"}]"#;
    for (from, to, reason, field) in [
        (r#""5b8efff798038103d269b633813fc60c""#, r#""""#, SkipReason::TraceId, "traceId"),
        ("5b8efff798038103d269b633813fc60c", "xyz", SkipReason::TraceId, "traceId"),
        (r#""traceId""#, r#""other""#, SkipReason::TraceId, "traceId"),
        ("eee19b7ec3c1b174", "0000000000000000", SkipReason::SpanId, "spanId"),
        (start, r#""startTimeUnixNano":0"#, SkipReason::Start, "startTimeUnixNano"),
        (start, r#""startTimeUnixNano":-1"#, SkipReason::Start, "startTimeUnixNano"),
        (start, r#""startTimeUnixNano":1.5e18"#, SkipReason::Start, "startTimeUnixNano"),
        (start, r#""startTimeUnixNano":"NaN""#, SkipReason::Start, "startTimeUnixNano"),
        (start, r#""startTimeUnixNano":"yesterday""#, SkipReason::Start, "startTimeUnixNano"),
        (start, r#""x":1"#, SkipReason::Start, "startTimeUnixNano"),
        (end, "", SkipReason::Duration, "endTimeUnixNano"),
        (end, r#","endTimeUnixNano":"Infinity""#, SkipReason::Duration, "endTimeUnixNano"),
        (
            end,
            r#","endTimeUnixNano":18446744073709551615"#,
            SkipReason::Duration,
            "endTimeUnixNano",
        ),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from}");
        let bad = format!("{}{link}}}", bad.trim_end_matches('}'));
        let got = decode(&spans(&format!("{good},{bad},{bad},{good}")));
        let place = format!("resourceSpans[0].scopeSpans[0].spans[1].{field}");
        assert_eq!(got.quality.skipped.get(&reason), Some(&(2, place)), "{to}");
        assert_eq!(got.quality.skipped_total(), 2);
        assert_eq!(got.batch.len(), 2);
        assert!(got.batch.links.is_empty(), "links of a span left out go with it");
    }
}

#[test]
fn an_end_before_the_start_is_kept() {
    let got = decode(&span("").replace("1544712661000000000", "1544712659000000000"));
    assert_eq!(got.batch.duration_ns, [-1_000_000_000]);
    assert_eq!(got.quality, Quality::default());
}

#[test]
fn wrong_types_name_field_and_offset() {
    for (text, path, message) in [
        (
            span("").replace(r#""1544712660000000000""#, "true"),
            "resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano",
            "invalid type: boolean `true`, expected nanoseconds since the Unix epoch as a number or decimal text",
        ),
        (
            span(r#""attributes":[{"key":"error.type","value":{"stringValue":5}}]"#),
            "resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value.stringValue",
            "invalid type: integer `5`, expected a text",
        ),
        (
            span(r#""events":{}"#),
            "resourceSpans[0].scopeSpans[0].spans[0].events",
            "invalid type: map, expected a list, each element an event of a span",
        ),
        (
            span(r#""flags":5000000000"#),
            "resourceSpans[0].scopeSpans[0].spans[0].flags",
            "invalid value: integer `5000000000`, expected a whole number from 0 to 4294967295",
        ),
        (
            span(r#""links":[{"traceId":[1,300]}]"#),
            "resourceSpans[0].scopeSpans[0].spans[0].links[0].traceId",
            "invalid value: integer `300`, expected u8",
        ),
        (
            r#"{"resourceSpans":[{},7]}"#.to_owned(),
            "resourceSpans[1]",
            "invalid type: integer `7`, expected an object with resource and scopeSpans",
        ),
        ("7".to_owned(), "", "invalid type: integer `7`, expected an object with resourceSpans"),
    ] {
        let error = fail(&text);
        assert_eq!(error.kind, JsonErrorKind::Type, "{text}");
        assert_eq!((error.path.as_str(), error.message.as_str()), (path, message));
        assert!(error.offset < text.len(), "{} in {text}", error.offset);
    }
    let error = fail(&span("").replace(r#""1544712660000000000""#, "true"));
    let text = span("").replace(r#""1544712660000000000""#, "true");
    assert!(text[error.offset - 4..=error.offset].contains("true"), "{}", &text[error.offset..]);
}

#[test]
fn broken_json_says_where() {
    let text = span("").replace(r#","name""#, ";\n\n\"name\"");
    let error = fail(&text);
    assert_eq!(error.kind, JsonErrorKind::Syntax);
    assert_eq!(&text[error.offset..=error.offset], ";");
    assert_eq!(error.path, "resourceSpans[0].scopeSpans[0].spans[0]");
    // Behind newlines too.
    let text = span("").replace(r#","name""#, ",\n\n;\"name\"");
    let error = fail(&text);
    assert_eq!(&text[error.offset..=error.offset], ";");
    let error = fail(&format!("{} x", span("")));
    assert_eq!(error.offset, span("").len() + 1);
    assert_eq!(
        error.to_string(),
        format!(
            "decode OTLP JSON at byte {}: found more text behind the object, expected its end",
            span("").len() + 1
        )
    );
    assert_eq!(fail("").kind, JsonErrorKind::Truncated);
    let text = span("");
    for cut in 1..text.len() {
        assert_eq!(fail(&text[..cut]).kind, JsonErrorKind::Truncated, "{}", &text[..cut]);
    }
}

#[test]
fn deep_nesting_is_passed_over_or_refused() {
    let deep = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(20_000), "]}}".repeat(20_000));
    for key in ["peer.service", "anything"] {
        let got = decode(&span(&format!(r#""attributes":[{}]"#, attribute(key, &deep))));
        assert_eq!(got.batch.len(), 1);
    }
    let error = fail(&"[".repeat(200));
    assert_eq!(error.kind, JsonErrorKind::Depth);
    assert_eq!(error.message, "found more than 127 levels of nesting, expected a few");
}

#[test]
fn a_broken_text_leaves_the_batch_as_it_was() {
    let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
    let link =
        r#""links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002"}]"#;
    decode_json(span(link).as_bytes(), &mut batch, &mut quality).expect("right");
    let kept = batch.row(0);
    let good = format!(r#"{{{IDS},"name":"a",{TIMES},{link}}}"#);
    let bad = spans(&format!(r#"{good},{{"spanId":"0","kind":"SPAN_KIND_SERVER","name":7}}"#));
    decode_json(bad.as_bytes(), &mut batch, &mut quality).expect_err("a name of 7");
    assert_eq!((batch.len(), batch.links.len()), (1, 1));
    assert_eq!(batch.row(0), kept);
    assert_eq!(quality, Quality::default());
    decode_json(span(link).as_bytes(), &mut batch, &mut quality).expect("right");
    assert_eq!((batch.row(1), batch.links[1].row), (kept, 1));
}
