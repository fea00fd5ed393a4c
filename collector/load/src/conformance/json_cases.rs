//! What OTLP's JSON asks of a reader, and protobuf cannot.
//!
//! OTLP 1.11, "JSON Protobuf Encoding".

use super::Weight::{Must, Robust, Should};
use super::cases::{Case, alive, check, json_case};
use super::judge::{ACCEPTED_OR_BAD, BAD, Want};
use super::payload::{SPAN_HEX, TRACE_HEX, good_json, span_json, traces_json};
use super::suite::Suite;

/// What fails where ids are not read as hex: no answer but full success is right.
const NOT_FULL: Want = Want::Either(&Want::Rejected(1), &BAD);

pub(crate) async fn run(suite: &mut Suite<'_>) {
    if suite.target.http.is_none() {
        return;
    }
    for case in ids().into_iter().chain(integers()).chain(keys()).chain(documents()) {
        check(suite, case).await;
    }
    alive(suite, "json").await;
}

/// A request of one span in JSON.
fn one(span: String) -> Vec<u8> {
    traces_json("conformance", &[span])
}

/// The same with further fields, each with a comma before it.
fn more(fields: &str) -> Vec<u8> {
    one(span_json(TRACE_HEX, SPAN_HEX, fields))
}

/// A good request with other text in the place of some.
fn swap(from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(&good_json()).replace(from, to).into_bytes()
}

fn ids() -> [Case; 3] {
    let base64 = span_json("W47/95gDgQPSabYzgT/GDA==", "7uGbfsPBsXQ=", "");
    [
        json_case(
            "hex-case",
            Must,
            Want::Success,
            "ids in upper and mixed case",
            one(span_json(&TRACE_HEX.to_uppercase(), "EEe19B7ec3C1b174", "")),
        ),
        json_case(
            "base64-ids",
            Must,
            NOT_FULL,
            "ids in base64, as protobuf's own JSON has them",
            one(base64),
        ),
        json_case(
            "no-hex-ids",
            Must,
            NOT_FULL,
            "an id with a letter that is no hex digit",
            one(span_json(&TRACE_HEX.replace('b', "g"), SPAN_HEX, "")),
        ),
    ]
}

fn integers() -> [Case; 3] {
    [
        json_case(
            "integers-as-numbers",
            Must,
            Want::Success,
            "64-bit integers as JSON numbers",
            one(format!(
                r#"{{"traceId":"{TRACE_HEX}","spanId":"{SPAN_HEX}","name":"n","startTimeUnixNano":1760000000000000000,"endTimeUnixNano":1760000000000000001,"attributes":[{{"key":"k","value":{{"intValue":-7}}}}]}}"#
            )),
        ),
        json_case(
            "integers-as-strings",
            Must,
            Want::Success,
            "64-bit integers as strings",
            more(r#","attributes":[{"key":"k","value":{"intValue":"-9223372036854775808"}}]"#),
        ),
        json_case(
            "bad-integer",
            Should,
            NOT_FULL,
            "a start time that is no number",
            swap("1760000000000000000", "yesterday"),
        ),
    ]
}

fn keys() -> [Case; 4] {
    [
        json_case(
            "snake-case",
            Must,
            Want::Success,
            "a snake_case key, which is unknown and so ignored, with a value of another type",
            br#"{"resource_spans":"not looked at","resourceSpans":[]}"#.to_vec(),
        ),
        json_case(
            "snake-case-in-span",
            Must,
            Want::Success,
            "snake_case keys in a span, with values of other types",
            more(r#","trace_id":7,"start_time_unix_nano":{},"parent_span_id":[]"#),
        ),
        json_case(
            "enum-names",
            Robust,
            ACCEPTED_OR_BAD,
            "enums by name, which OTLP forbids to write",
            swap(r#""kind":2"#, r#""kind":"SPAN_KIND_SERVER""#),
        ),
        json_case(
            "escaped-keys",
            Must,
            Want::Success,
            "keys and texts with escapes",
            swap("spanId", "span\\u0049d"),
        ),
    ]
}

fn documents() -> [Case; 4] {
    [
        json_case(
            "null-fields",
            Should,
            Want::Success,
            "null in place of fields, which protobuf's JSON reads as absent",
            more(r#","attributes":null,"events":null,"parentSpanId":null"#),
        ),
        json_case(
            "white-space",
            Must,
            Want::Success,
            "blanks and line ends around everything",
            swap(":", " :\r\n\t").into_iter().chain(*b"\n\n").collect(),
        ),
        json_case("array-on-top", Must, BAD, "an array in place of the request", b"[]".to_vec()),
        json_case(
            "trailing-garbage",
            Must,
            BAD,
            "a good request with text after it",
            good_json().into_iter().chain(*b"garbage").collect(),
        ),
    ]
}
