//! What OTLP's bodies hold, as far as the reference looks: the ids of spans, and whether all is well
//! formed.

use std::io::Read as _;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::{Map, Value};

/// The ids of a span; `None` where they are none.
type Ids = Option<([u8; 16], [u8; 8])>;

pub(crate) enum Broken {
    Data,
    Coding,
}

/// Unpacks at most so many bytes.
pub(crate) fn unpack(coding: &str, bytes: &[u8], most: u64) -> Result<Vec<u8>, Broken> {
    let mut unpacked = Vec::new();
    match coding {
        "identity" => return Ok(bytes.to_vec()),
        "gzip" => flate2::read::MultiGzDecoder::new(bytes).take(most).read_to_end(&mut unpacked),
        "zstd" => zstd::stream::read::Decoder::new(bytes)
            .and_then(|decoder| decoder.take(most).read_to_end(&mut unpacked)),
        _ => return Err(Broken::Coding),
    }
    .map_err(|_| Broken::Data)?;
    Ok(unpacked)
}

pub(crate) fn from_protobuf(bytes: &[u8]) -> Option<Vec<Ids>> {
    let request = ExportTraceServiceRequest::decode(bytes).ok()?;
    let scopes = request.resource_spans.into_iter().flat_map(|r| r.scope_spans);
    let spans = scopes.flat_map(|s| s.spans);
    Some(spans.map(|s| ids(s.trace_id.try_into().ok()?, s.span_id.try_into().ok()?)).collect())
}

fn ids(trace: [u8; 16], span: [u8; 8]) -> Ids {
    (trace != [0; 16] && span != [0; 8]).then_some((trace, span))
}

pub(crate) fn from_json(text: &[u8], traces: bool, snake_case: bool) -> Option<Vec<Ids>> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let request = value.as_object()?;
    let mut spans = Vec::new();
    if !traces {
        return Some(spans);
    }
    if snake_case {
        objects(request, "resource_spans")?;
    }
    for resource in objects(request, "resourceSpans")? {
        for scope in objects(resource, "scopeSpans")? {
            for span in objects(scope, "spans")? {
                spans.push(span_ids(span)?);
            }
        }
    }
    Some(spans)
}

/// The objects in an array; none where it is absent or null.
fn objects<'a>(object: &'a Map<String, Value>, key: &str) -> Option<Vec<&'a Map<String, Value>>> {
    match object.get(key) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(value) => value.as_array()?.iter().map(Value::as_object).collect(),
    }
}

fn span_ids(span: &Map<String, Value>) -> Option<Ids> {
    for key in ["startTimeUnixNano", "endTimeUnixNano"] {
        let value = span.get(key).unwrap_or(&Value::Null);
        match value {
            Value::Null => {}
            Value::String(text) => drop(text.parse::<u64>().ok()?),
            value => drop(value.as_u64()?),
        }
    }
    span.get("kind").is_none_or(Value::is_number).then_some(())?;
    objects(span, "attributes")?;
    let hex = |key: &str| span.get(key).and_then(Value::as_str).unwrap_or_default();
    let (trace, id) = (from_hex(hex("traceId")), from_hex(hex("spanId")));
    Some((|| ids(trace?.try_into().ok()?, id?.try_into().ok()?))())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| Some(u8::try_from(c.to_digit(16)?).expect("below 16"))).collect();
    Some(
        digits?
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

pub(crate) fn partial_json(rejected: u64, set: bool) -> Vec<u8> {
    let partial =
        format!(r#"{{"partialSuccess":{{"rejectedSpans":"{rejected}","errorMessage":"ids"}}}}"#);
    if set { partial.into_bytes() } else { b"{}".to_vec() }
}
