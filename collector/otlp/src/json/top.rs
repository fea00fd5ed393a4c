//! The outermost value: an object of traces, what wraps one, or a list of them.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::Decoder;
use super::object::{Field, List, Object, One, field, skip};
use super::path::Step;
use super::spans::ResourceSpans;
use crate::tally::Lenient;

/// What the outermost keys said, so that a file of something else is not taken for one without spans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// There was a key under which OTLP traces stand.
    pub(crate) traces: bool,
    /// There was a key of another signal of OTLP.
    pub(crate) other_signal: bool,
    /// The first key that is neither, shortened, and what format has it as far as that is known.
    pub(crate) unknown: Option<(String, Option<&'static str>)>,
}

/// Reads an outermost value.
pub(super) struct Top<'a, 'b>(pub(super) &'a mut Decoder<'b>);

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with resourceSpans")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        One(Traces::default(), self.0).visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let decoder = self.0;
        if decoder.tally.is_strict() {
            return Err(A::Error::invalid_type(Unexpected::Seq, &"an object with resourceSpans"));
        }
        decoder.path.push(Step::Index(0));
        while seq.next_element_seed(Top(decoder))?.is_some() {
            decoder.path.advance();
        }
        decoder.path.pop();
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Traces {
    unknown: Option<(String, Option<&'static str>)>,
}

#[derive(Debug, Clone, Copy)]
enum TracesKey {
    ResourceSpans,
    Wrapped,
    OtherSignal,
}

impl Object for Traces {
    type Key = TracesKey;

    const FIELDS: &'static [Field<TracesKey>] = &[
        field("resourceSpans", "resource_spans", TracesKey::ResourceSpans),
        // Tempo's API version 1 and Grafana's download of a trace.
        field("batches", "", TracesKey::ResourceSpans),
        // Tempo's API version 2, and Jaeger's version 3.
        field("trace", "", TracesKey::Wrapped),
        field("result", "", TracesKey::Wrapped),
        field("resourceLogs", "resource_logs", TracesKey::OtherSignal),
        field("resourceMetrics", "resource_metrics", TracesKey::OtherSignal),
        field("resourceProfiles", "resource_profiles", TracesKey::OtherSignal),
    ];

    const EXPECTED: &'static str = "an object with resourceSpans";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: TracesKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        match key {
            TracesKey::ResourceSpans => {
                decoder.seen.traces = true;
                map.next_value_seed(List(ResourceSpans::default(), decoder))
            }
            TracesKey::Wrapped => map.next_value_seed(Top(decoder)),
            TracesKey::OtherSignal => {
                decoder.seen.other_signal = true;
                decoder.tally.lenient(Lenient::OtherSignal);
                skip(map)
            }
        }
    }

    fn unknown(&mut self, key: &[u8]) {
        if self.unknown.is_none() {
            let text = String::from_utf8_lossy(key);
            let short = text.chars().take(40).collect();
            self.unknown = Some((short, looks_like(&text)));
        }
    }

    fn end(self, decoder: &mut Decoder<'_>) {
        if decoder.seen.unknown.is_none() {
            decoder.seen.unknown = self.unknown;
        }
    }
}

/// The format in which objects have this key on the outside.
fn looks_like(key: &str) -> Option<&'static str> {
    Some(match key {
        "data" => "the JSON of Jaeger's API or page",
        "traceID" | "processes" | "spans" => "Jaeger JSON",
        "traceId" | "localEndpoint" | "parentId" | "id" => "Zipkin JSON",
        "Traces" | "trace_id" | "Segments" => "AWS X-Ray",
        "hits" => "an answer of Elasticsearch",
        "metadata" | "transaction" => "Elastic APM",
        "traceEvents" | "ph" => "a Chrome trace",
        "context" => "the console exporter of an OpenTelemetry SDK",
        "resource" | "scopeSpans" => "an element of resourceSpans without what is around it",
        "Timestamp" | "SpanName" => "a row of ClickHouse's otel_traces",
        _ => return None,
    })
}
