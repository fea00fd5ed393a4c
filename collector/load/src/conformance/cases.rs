//! Bodies that mean the same over both transports and in both encodings.

use super::Weight::{self, Must, Robust, Should};
use super::judge::{ACCEPTED_OR_BAD, BAD, Encoding, Want};
use super::payload::{
    SPAN, SPAN_HEX, TRACE, TRACE_HEX, attribute, good, good_json, logs, logs_json, metrics,
    metrics_json, nested_json, nested_traces, span, span_json, text_value, traces, traces_json,
};
use super::suite::{Ask, Suite};
use crate::grpc::{LOGS, METRICS, frame};
use crate::wire::Writer;

/// A body and what a collector may say to it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) weight: Weight,
    pub(crate) sent: &'static str,
    /// Empty: the case does not exist in protobuf, or not in JSON.
    pub(crate) protobuf: Option<Vec<u8>>,
    pub(crate) json: Option<Vec<u8>>,
    pub(crate) want: Want,
}

impl Case {
    fn new(name: &'static str, weight: Weight, want: Want, sent: &'static str) -> Self {
        Self { name, weight, sent, protobuf: None, json: None, want }
    }

    fn protobuf(mut self, body: Vec<u8>) -> Self {
        self.protobuf = Some(body);
        self
    }

    fn json(mut self, body: Vec<u8>) -> Self {
        self.json = Some(body);
        self
    }

    fn span(self, span: Writer) -> Self {
        self.protobuf(traces("conformance", [span]))
    }

    /// A span in JSON with further fields.
    fn span_json(self, more: &str) -> Self {
        self.json(traces_json("conformance", &[span_json(TRACE_HEX, SPAN_HEX, more)]))
    }
}

/// A good span and one with other ids.
fn beside_good(
    name: &'static str,
    sent: &'static str,
    ids: (&[u8], &[u8]),
    hex: (&str, &str),
) -> Case {
    let json = [span_json(TRACE_HEX, SPAN_HEX, ""), span_json(hex.0, hex.1, "")];
    Case::new(name, Should, Want::Rejected(1), sent)
        .protobuf(traces("conformance", [span(&TRACE, &SPAN), span(ids.0, ids.1)]))
        .json(traces_json("conformance", &json))
}

fn answers() -> Vec<Case> {
    let mut cut = good();
    cut.truncate(cut.len() - 3);
    let mut cut_json = good_json();
    cut_json.truncate(cut_json.len() - 3);
    vec![
        Case::new("success", Must, Want::Success, "a good request of one span")
            .protobuf(good())
            .json(good_json()),
        Case::new("empty-request", Should, Want::Success, "a request without a single record")
            .protobuf(Vec::new())
            .json(b"{}".to_vec()),
        Case::new("empty-envelopes", Should, Want::Success, "resource spans without spans")
            .protobuf(vec![0x0a, 0, 0x0a, 2, 0x12, 0])
            .json(br#"{"resourceSpans":[{},{"scopeSpans":[{}]},{"scopeSpans":[]}]}"#.to_vec()),
        Case::new("empty-body", Should, BAD, "JSON of no bytes").json(Vec::new()),
        Case::new("truncated", Must, BAD, "a good request less its last three bytes")
            .protobuf(cut)
            .json(cut_json),
        Case::new("garbage", Must, BAD, "bytes that are no request")
            .protobuf(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec())
            .json(b"spans, please".to_vec()),
        Case::new("wrong-type", Must, BAD, "a number where the spans belong")
            .protobuf(Writer::default().varint(1, 3).done())
            .json(br#"{"resourceSpans":3}"#.to_vec()),
        Case::new("length-beyond-end", Must, BAD, "a field that is said to take 2 GiB")
            .protobuf(vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0a]),
        Case::new("same-span-twice", Must, Want::Accepted, "one span two times in a request")
            .protobuf(traces("conformance", [span(&TRACE, &SPAN), span(&TRACE, &SPAN)]))
            .json(traces_json(
                "conformance",
                &[span_json(TRACE_HEX, SPAN_HEX, ""), span_json(TRACE_HEX, SPAN_HEX, "")],
            )),
    ]
}

fn ids() -> Vec<Case> {
    vec![
        beside_good(
            "zero-trace-id",
            "a good span and one whose trace id is all zeros",
            (&[0; 16], &SPAN),
            ("00000000000000000000000000000000", SPAN_HEX),
        ),
        beside_good(
            "zero-span-id",
            "a good span and one whose span id is all zeros",
            (&TRACE, &[0; 8]),
            (TRACE_HEX, "0000000000000000"),
        ),
        beside_good(
            "short-trace-id",
            "a good span and one whose trace id has 15 bytes",
            (&TRACE[..15], &SPAN),
            (&TRACE_HEX[..30], SPAN_HEX),
        ),
        beside_good("absent-ids", "a good span and one without ids", (&[], &[]), ("", "")),
    ]
}

fn attributes() -> Vec<Case> {
    let good = || span(&TRACE, &SPAN);
    let twice = attribute(attribute(good(), b"k", text_value("a")), b"k", text_value("b"));
    let pair = r#"{"key":"k","value":{"stringValue":"a"}}"#;
    let long = "x".repeat(64 * 1024);
    let strindex = attribute(good(), b"k", Writer::default().varint(8, 3))
        .message(9, Writer::default().varint(3, 5).message(2, text_value("v")));
    vec![
        Case::new("unset-value", Must, Want::Success, "attributes whose value is unset or absent")
            .span(
                attribute(good(), b"k", Writer::default())
                    .message(9, Writer::default().bytes(1, b"l")),
            )
            .span_json(r#","attributes":[{"key":"k","value":{}},{"key":"l"}]"#),
        Case::new("duplicate-keys", Must, Want::Accepted, "two attributes of one key")
            .span(twice)
            .span_json(&format!(r#","attributes":[{pair},{pair}]"#)),
        Case::new("string-indices", Must, Want::Accepted, "indices of texts, which only profiles have")
            .span(strindex)
            .span_json(r#","attributes":[{"key":"k","value":{"stringValueStrindex":3}},{"keyStrindex":5,"value":{"stringValue":"v"}}]"#),
        Case::new("all-types", Must, Want::Success, "attributes of each type")
            .span(
                [
                    Writer::default().varint(2, 1),
                    Writer::default().varint(3, u64::MAX),
                    Writer::default().fixed64(4, f64::NAN.to_bits()),
                    Writer::default().message(5, Writer::default().message(1, text_value("a"))),
                    Writer::default().message(
                        6,
                        Writer::default()
                            .message(1, Writer::default().bytes(1, b"a").message(2, text_value("b"))),
                    ),
                    Writer::default().bytes(7, &[0, 255]),
                ]
                .into_iter()
                .fold(good(), |span, value| attribute(span, b"k", value)),
            )
            .span_json(r#","attributes":[{"key":"a","value":{"boolValue":true}},{"key":"b","value":{"intValue":"-1"}},{"key":"c","value":{"doubleValue":1.5}},{"key":"d","value":{"arrayValue":{"values":[{"stringValue":"a"}]}}},{"key":"e","value":{"kvlistValue":{"values":[{"key":"a","value":{"stringValue":"b"}}]}}},{"key":"f","value":{"bytesValue":"AP8="}}]"#),
        Case::new("long-value", Robust, Want::Accepted, "an attribute of 64 KiB")
            .span(attribute(good(), b"k", text_value(&long)))
            .span_json(&format!(r#","attributes":[{{"key":"k","value":{{"stringValue":"{long}"}}}}]"#)),
        Case::new("control-characters", Robust, Want::Accepted, "a text with NUL, escapes and line ends")
            .span(attribute(good(), b"k", text_value("a\0b\r\n\x1b[31m\u{202e}")))
            .span_json(r#","attributes":[{"key":"k","value":{"stringValue":"a\u0000b\r\n\u001b[31m\u202e"}}]"#),
        Case::new("invalid-utf8", Must, ACCEPTED_OR_BAD, "a text that is not UTF-8")
            .span(attribute(good(), b"k", Writer::default().bytes(1, b"\xff\xfe")))
            .json(
                String::from_utf8_lossy(&good_json())
                    .replace("timeout", "\u{1}")
                    .into_bytes()
                    .into_iter()
                    .map(|byte| if byte == 1 { 0xff } else { byte })
                    .collect(),
            ),
    ]
}

fn depth(name: &'static str, sent: &'static str, depth: u32, want: Want) -> Case {
    Case::new(name, Must, want, sent).protobuf(nested_traces(depth)).json(nested_json(depth))
}

fn odd() -> Vec<Case> {
    let unknown = span(&TRACE, &SPAN).varint(99, 1).bytes(2000, b"from the future").fixed64(77, 1);
    let times =
        Writer::default().bytes(1, &TRACE).bytes(2, &SPAN).fixed64(7, u64::MAX).fixed64(8, 1);
    vec![
        Case::new("unknown-fields", Must, Want::Success, "fields that OTLP does not have")
            .span(unknown)
            .span_json(r#","fromTheFuture":{"a":[1,null]},"alsoNew":3"#),
        Case::new("unknown-enums", Should, Want::Accepted, "a kind and a status code of later versions")
            .span(span(&TRACE, &SPAN).varint(6, 99).message(15, Writer::default().varint(3, 42)))
            .json(
                String::from_utf8_lossy(&good_json())
                    .replace(r#""kind":2"#, r#""kind":99"#)
                    .replace(r#""code":2"#, r#""code":42"#)
                    .into_bytes(),
            ),
        Case::new("odd-times", Should, Want::Accepted, "a span that ends before it starts, in the year 2554")
            .span(times)
            .json(
                format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{TRACE_HEX}","spanId":"{SPAN_HEX}","startTimeUnixNano":"18446744073709551615","endTimeUnixNano":"1"}}]}}]}}]}}"#)
                    .into_bytes(),
            ),
        depth("depth-10", "an attribute of 10 arrays in arrays", 10, Want::Success),
        depth("depth-64", "an attribute of 64 arrays in arrays", 64, ACCEPTED_OR_BAD),
        depth("depth-100", "an attribute of 100 arrays in arrays", 100, ACCEPTED_OR_BAD),
        depth("depth-100000", "an attribute of 100,000 arrays in arrays", 100_000, ACCEPTED_OR_BAD),
    ]
}

pub(crate) async fn run(suite: &mut Suite<'_>) {
    for case in answers().into_iter().chain(ids()).chain(attributes()).chain(odd()) {
        check(suite, case).await;
    }
    signals(suite).await;
    alive(suite, "bodies").await;
}

/// Sends a case over all ways that it exists for.
pub(crate) async fn check(suite: &mut Suite<'_>, case: Case) {
    let id = |way: &str| (format!("{way}/{}", case.name), case.weight);
    for (encoding, body) in [(Encoding::Protobuf, &case.protobuf), (Encoding::Json, &case.json)] {
        if let Some(body) = body {
            let ask = Ask::traces(encoding, body.clone());
            let way = format!("http/{}", encoding.name());
            suite.check_http(id(&way), case.sent, (ask, encoding), case.want).await;
        }
    }
    if let Some(body) = &case.protobuf {
        suite.check_grpc(id("grpc"), case.sent, body, case.want).await;
    }
}

/// A case that exists in JSON only.
pub(crate) fn json_case(
    name: &'static str,
    weight: Weight,
    want: Want,
    sent: &'static str,
    body: Vec<u8>,
) -> Case {
    Case::new(name, weight, want, sent).json(body)
}

/// Metrics and logs go to the same address as traces: an exporter of theirs must not see errors.
async fn signals(suite: &mut Suite<'_>) {
    let service = "conformance";
    let signals = [
        ("metrics", "/v1/metrics", METRICS, metrics(service), metrics_json(service)),
        ("logs", "/v1/logs", LOGS, logs(service), logs_json(service)),
    ];
    for (name, path, method, protobuf, json) in signals {
        for (encoding, body) in [(Encoding::Protobuf, &protobuf), (Encoding::Json, &json)] {
            let id = (format!("http/{}/{name}", encoding.name()), Should);
            let ask = Ask::post(path, encoding, body.clone());
            suite.check_http(id, "one record", (ask, encoding), Want::Success).await;
            let empty = if encoding == Encoding::Json { b"{}".to_vec() } else { Vec::new() };
            let id = (format!("http/{}/{name}-empty", encoding.name()), Should);
            let ask = Ask::post(path, encoding, empty);
            suite.check_http(id, "no record", (ask, encoding), Want::Success).await;
        }
        if suite.target.grpc.is_some() {
            let reply = suite.grpc_framed(method, &[], frame(false, &protobuf)).await;
            let found = super::suite::judge_grpc(reply, Want::Success);
            let id = (format!("grpc/{name}"), Should);
            suite.note(id, "one record", &Want::Success.in_words(true), found);
        }
    }
}

/// Whether a good request still succeeds after all that.
pub(crate) async fn alive(suite: &mut Suite<'_>, after: &str) {
    let sent = "a good request after all before";
    let protobuf = Encoding::Protobuf;
    if suite.target.http.is_some() {
        let id = (format!("http/alive-after-{after}"), Must);
        let ask = Ask::traces(protobuf, good());
        suite.check_http(id, sent, (ask, protobuf), Want::Success).await;
    }
    if suite.target.grpc.is_some() {
        suite
            .check_grpc((format!("grpc/alive-after-{after}"), Must), sent, &good(), Want::Success)
            .await;
    }
}
