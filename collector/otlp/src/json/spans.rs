//! From `resourceSpans` down to events and links: the objects of OTLP that hold spans.

use resus_model::attributes::EXCEPTION_EVENT;
use resus_model::{Kind, Link, Name, SkipReason, SpanId, SpanRow, Status, TraceId};
use serde::de::MapAccess;

use super::attributes::{KeyValue, Owner, Ranks};
use super::object::{Field, List, Object, One, field};
use super::scalar::{Enum, IdOf, Stamp, StampSeed, Text, Whole, unicode};
use super::{Decoder, Origin};
use crate::ids::{self, Id};
use crate::tally::{Lenient, Tally};

/// The service of a resource that names none, as SDKs write it.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// The operation of a span without a name. OTLP says of `Span.name` that an empty value is equivalent
/// to an unknown span name, and to protobuf a missing value is an empty one: such a span is good for
/// all but its name, so it is kept.
const UNKNOWN_OPERATION: &str = "unknown";

/// What a resource says about who sends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sender {
    pub(super) service: Name,
    pub(super) namespace: Name,
    pub(super) instance: Name,
    pub(super) version: Name,
    pub(super) host: Name,
}

/// What an event has been found to be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EventMarks {
    pub(super) exception: bool,
    pub(super) error: bool,
}

/// An element of `resourceSpans`. The resource may stand behind its spans, so the columns that
/// depend on it are filled when all is read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResourceSpans {
    /// The first row of these spans, once the first key is read.
    first: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum ResourceSpansKey {
    Resource,
    ScopeSpans,
    LibrarySpans,
}

impl Object for ResourceSpans {
    type Key = ResourceSpansKey;

    const FIELDS: &'static [Field<ResourceSpansKey>] = &[
        field("resource", "", ResourceSpansKey::Resource),
        field("scopeSpans", "scope_spans", ResourceSpansKey::ScopeSpans),
        field(
            "instrumentationLibrarySpans",
            "instrumentation_library_spans",
            ResourceSpansKey::LibrarySpans,
        ),
    ];

    const EXPECTED: &'static str = "an object with resource and scopeSpans";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: ResourceSpansKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        if self.first.is_none() {
            self.first = Some(decoder.batch.len());
            decoder.resource = Sender::default();
            decoder.resource_ranks = Ranks::NONE;
        }
        match key {
            ResourceSpansKey::Resource => map.next_value_seed(One(Resource, decoder)),
            ResourceSpansKey::ScopeSpans => map.next_value_seed(List(ScopeSpans, decoder)),
            ResourceSpansKey::LibrarySpans => {
                decoder.tally.lenient(Lenient::InstrumentationLibrary);
                map.next_value_seed(List(ScopeSpans, decoder))
            }
        }
    }

    fn end(self, decoder: &mut Decoder<'_>) {
        let Decoder { batch, resource, tally, .. } = decoder;
        let rows = match self.first {
            Some(first) if first < batch.len() => first..batch.len(),
            _ => return,
        };
        let Sender { mut service, namespace, instance, version, host } = *resource;
        if service.is_none() {
            service = batch.names.intern(UNKNOWN_SERVICE);
            tally.lenient_many(Lenient::NoServiceName, rows.len() as u64);
        }
        batch.service[rows.clone()].fill(service);
        batch.namespace[rows.clone()].fill(namespace);
        batch.instance[rows.clone()].fill(instance);
        batch.version[rows.clone()].fill(version);
        batch.host[rows].fill(host);
    }
}

struct Resource;

impl Object for Resource {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("attributes", "", ())];

    const EXPECTED: &'static str = "a resource with attributes";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        map.next_value_seed(List(KeyValue::of(Owner::Resource), decoder))
    }
}

#[derive(Debug, Clone, Copy)]
struct ScopeSpans;

impl Object for ScopeSpans {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("spans", "", ())];

    const EXPECTED: &'static str = "an object with scope and spans";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        map.next_value_seed(List(Span::default(), decoder))
    }
}

/// A span. What needs no second look goes into [`Decoder::row`] at once; the row is pushed when all is read.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    begun: bool,
    trace_id: Option<Id<TraceId>>,
    span_id: Option<Id<SpanId>>,
    start: Stamp,
    end: Stamp,
    /// How many links the batch had before.
    links: usize,
}

#[derive(Debug, Clone, Copy)]
enum SpanKey {
    TraceId,
    SpanId,
    TraceState,
    ParentSpanId,
    Flags,
    Name,
    Kind,
    Start,
    End,
    Attributes,
    Events,
    Links,
    Status,
}

impl Object for Span {
    type Key = SpanKey;

    const FIELDS: &'static [Field<SpanKey>] = &[
        field("traceId", "trace_id", SpanKey::TraceId),
        field("spanId", "span_id", SpanKey::SpanId),
        field("traceState", "trace_state", SpanKey::TraceState),
        field("parentSpanId", "parent_span_id", SpanKey::ParentSpanId),
        field("flags", "", SpanKey::Flags),
        field("name", "", SpanKey::Name),
        field("kind", "", SpanKey::Kind),
        field("startTimeUnixNano", "start_time_unix_nano", SpanKey::Start),
        field("endTimeUnixNano", "end_time_unix_nano", SpanKey::End),
        field("attributes", "", SpanKey::Attributes),
        field("events", "", SpanKey::Events),
        field("links", "", SpanKey::Links),
        field("status", "", SpanKey::Status),
    ];

    const EXPECTED: &'static str = "a span";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: SpanKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        self.begin(decoder);
        let Decoder { batch, row, tally, .. } = decoder;
        match key {
            SpanKey::TraceId => self.trace_id = map.next_value_seed(trace_id(tally))?,
            SpanKey::SpanId => self.span_id = map.next_value_seed(span_id(tally))?,
            SpanKey::ParentSpanId => {
                let parent = map.next_value_seed(span_id(tally))?.unwrap_or(Id::None);
                if parent == Id::Unreadable {
                    tally.lenient(Lenient::UnreadableParent);
                }
                row.parent_span_id = parent.present().unwrap_or(SpanId::NONE);
            }
            SpanKey::TraceState => {
                let state = |text: &[u8]| batch.names.intern(&unicode(text, tally));
                row.trace_state = map.next_value_seed(Text(state))?.unwrap_or(Name::NONE);
            }
            SpanKey::Name => {
                let name = |text: &[u8]| batch.names.intern(&unicode(text, tally));
                row.operation = map.next_value_seed(Text(name))?.unwrap_or(Name::NONE);
            }
            SpanKey::Flags => row.flags = map.next_value_seed(Whole)?,
            SpanKey::Kind => {
                let seed = Enum { tally, number: Kind::from_number, name: Kind::from_text };
                row.kind = map.next_value_seed(seed)?;
            }
            SpanKey::Start => self.start = map.next_value_seed(StampSeed)?,
            SpanKey::End => self.end = map.next_value_seed(StampSeed)?,
            SpanKey::Attributes => {
                map.next_value_seed(List(KeyValue::of(Owner::Span), decoder))?;
            }
            SpanKey::Events => map.next_value_seed(List(Event, decoder))?,
            SpanKey::Links => map.next_value_seed(List(LinkObject::default(), decoder))?,
            SpanKey::Status => map.next_value_seed(One(StatusObject, decoder))?,
        }
        Ok(())
    }

    fn end(mut self, decoder: &mut Decoder<'_>) {
        self.begin(decoder);
        let operation = decoder.row.operation;
        match self.check() {
            Ok((trace_id, span_id, start_unix_nano, duration_ns)) => {
                let mut row = decoder.row;
                (row.trace_id, row.span_id) = (trace_id, span_id);
                (row.start_unix_nano, row.duration_ns) = (start_unix_nano, duration_ns);
                if operation.is_none() {
                    decoder.tally.lenient(Lenient::NoSpanName);
                    row.operation = decoder.batch.names.intern(UNKNOWN_OPERATION);
                }
                decoder.batch.push(&row);
            }
            Err((reason, key)) => {
                decoder.batch.links.truncate(self.links);
                let Decoder { tally, path, origin, .. } = decoder;
                tally.skip(reason, || match origin {
                    Some(Origin { name, offset }) => {
                        format!("{name}, record at byte {offset}: {}", path.below(key))
                    }
                    None => path.below(key),
                });
            }
        }
    }
}

impl Span {
    /// Clears the row, once a span.
    fn begin(&mut self, decoder: &mut Decoder<'_>) {
        if !self.begun {
            self.begun = true;
            self.links = decoder.batch.links.len();
            decoder.row = SpanRow::new();
            decoder.span_ranks = Ranks::NONE;
        }
    }

    /// Trace, span, start and duration; or why the span is left out, and the key that is to blame.
    fn check(&self) -> Result<(TraceId, SpanId, u64, i64), (SkipReason, &'static str)> {
        let trace = self.trace_id.and_then(Id::present);
        let trace = trace.ok_or((SkipReason::TraceId, "traceId"))?;
        let span = self.span_id.and_then(Id::present);
        let span = span.ok_or((SkipReason::SpanId, "spanId"))?;
        let Stamp::At(start) = self.start else {
            return Err((SkipReason::Start, "startTimeUnixNano"));
        };
        // A span without an end was still running when it was written: its duration is unknown.
        let Stamp::At(end) = self.end else {
            return Err((SkipReason::Duration, "endTimeUnixNano"));
        };
        let duration = i64::try_from(i128::from(end) - i128::from(start))
            .map_err(|_| (SkipReason::Duration, "endTimeUnixNano"))?;
        Ok((trace, span, start, duration))
    }
}

fn trace_id(tally: &mut Tally) -> IdOf<'_, Id<TraceId>> {
    IdOf { tally, text: ids::trace_id, bytes: ids::trace_id_of_bytes }
}

fn span_id(tally: &mut Tally) -> IdOf<'_, Id<SpanId>> {
    IdOf { tally, text: ids::span_id, bytes: |bytes, _| ids::span_id_of_bytes(bytes) }
}

struct StatusObject;

impl Object for StatusObject {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("code", "", ())];

    const EXPECTED: &'static str = "a status with code and message";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        let tally = &mut decoder.tally;
        let seed = Enum { tally, number: Status::from_number, name: Status::from_text };
        decoder.row.status = map.next_value_seed(seed)?;
        Ok(())
    }
}

/// An event of a span. An event named `exception` is an exception and an error; one whose level is ERROR
/// or above is an error.
#[derive(Debug, Clone, Copy)]
struct Event;

#[derive(Debug, Clone, Copy)]
enum EventKey {
    Name,
    Attributes,
}

impl Object for Event {
    type Key = EventKey;

    const FIELDS: &'static [Field<EventKey>] =
        &[field("name", "", EventKey::Name), field("attributes", "", EventKey::Attributes)];

    const EXPECTED: &'static str = "an event of a span";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: EventKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        match key {
            EventKey::Name => {
                let is_exception = |text: &[u8]| text == EXCEPTION_EVENT.as_bytes();
                let exception = map.next_value_seed(Text(is_exception))?;
                decoder.event.exception = exception.unwrap_or(false);
                Ok(())
            }
            EventKey::Attributes => map.next_value_seed(List(KeyValue::of(Owner::Event), decoder)),
        }
    }

    fn end(self, decoder: &mut Decoder<'_>) {
        let EventMarks { exception, error } = std::mem::take(&mut decoder.event);
        let row = &mut decoder.row;
        if exception {
            row.exception_event_count = row.exception_event_count.saturating_add(1);
        }
        if exception || error {
            row.error_event_count = row.error_event_count.saturating_add(1);
        }
    }
}

/// A link. One whose ids cannot be read is left out and counted; the span stays.
#[derive(Debug, Clone, Copy, Default)]
struct LinkObject {
    trace_id: Option<Id<TraceId>>,
    span_id: Option<Id<SpanId>>,
}

#[derive(Debug, Clone, Copy)]
enum LinkKey {
    TraceId,
    SpanId,
}

impl Object for LinkObject {
    type Key = LinkKey;

    const FIELDS: &'static [Field<LinkKey>] = &[
        field("traceId", "trace_id", LinkKey::TraceId),
        field("spanId", "span_id", LinkKey::SpanId),
    ];

    const EXPECTED: &'static str = "a link to a span";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: LinkKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        let tally = &mut decoder.tally;
        match key {
            LinkKey::TraceId => self.trace_id = map.next_value_seed(trace_id(tally))?,
            LinkKey::SpanId => self.span_id = map.next_value_seed(span_id(tally))?,
        }
        Ok(())
    }

    fn end(self, decoder: &mut Decoder<'_>) {
        let (trace, span) =
            (self.trace_id.and_then(Id::present), self.span_id.and_then(Id::present));
        if let (Some(trace_id), Some(span_id)) = (trace, span) {
            let row =
                u32::try_from(decoder.batch.len()).expect("a record has fewer than 2^32 spans");
            decoder.batch.links.push(Link { row, trace_id, span_id });
        } else {
            decoder.tally.lenient(Lenient::UnreadableLink);
        }
    }
}
