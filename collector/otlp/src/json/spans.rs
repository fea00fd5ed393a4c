//! From `resourceSpans` down to events and links: the objects of OTLP that hold spans.

use resus_model::attributes::EXCEPTION_EVENT;
use resus_model::{Kind, Link, Name, SkipReason, SpanId, SpanRow, Status, TraceId};
use serde::de::MapAccess;

use super::attributes::KeyValue;
use super::object::{Field, List, Object, One, field, skip};
use super::scalar::{Enum, Stamp, StampSeed, Text, Whole, span_id, trace_id, unicode};
use super::texts::Owner;
use super::{Decoder, Origin};
use crate::Keep;
use crate::ids::Id;
use crate::ranks::Ranks;
use crate::sender::{Sender, UNKNOWN_OPERATION};
use crate::tally::Lenient;

/// What an event has been found to be.
#[derive(Debug, Clone, Default)]
pub(super) struct EventMarks {
    pub(super) exception: bool,
    pub(super) error: bool,
    /// Where everything is kept, what it says beside; as are the next two.
    time: Stamp,
    name: String,
    dropped: u32,
}

/// The instrumentation scope of the spans being read, where everything is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct ScopeMarks {
    name: String,
    version: String,
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
            decoder.texts.begin(Owner::Resource);
        }
        match key {
            ResourceSpansKey::Resource => map.next_value_seed(One(Resource, decoder)),
            ResourceSpansKey::ScopeSpans => {
                map.next_value_seed(List(ScopeSpans::default(), decoder))
            }
            ResourceSpansKey::LibrarySpans => {
                decoder.tally.lenient(Lenient::InstrumentationLibrary);
                map.next_value_seed(List(ScopeSpans::default(), decoder))
            }
        }
    }

    fn end(self, decoder: &mut Decoder<'_>) {
        let Some(first) = self.first else { return };
        let Decoder { batch, resource, texts, tally, .. } = decoder;
        resource.fill(batch, first, tally);
        let rows = batch.len();
        if texts.keep == Keep::Everything && rows > first {
            let attributes = batch.names.intern(texts.end(Owner::Resource).as_str());
            batch.resource_attributes.resize(rows, attributes);
        }
    }
}

pub(super) struct Resource;

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

/// An element of `scopeSpans`. The scope may stand behind its spans.
#[derive(Debug, Clone, Copy, Default)]
struct ScopeSpans {
    /// The first row of these spans, once the first key is read.
    first: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum ScopeSpansKey {
    Scope,
    Spans,
}

impl Object for ScopeSpans {
    type Key = ScopeSpansKey;

    const FIELDS: &'static [Field<ScopeSpansKey>] = &[
        field("scope", "", ScopeSpansKey::Scope),
        field("spans", "", ScopeSpansKey::Spans),
        // As in instrumentationLibrarySpans.
        field("instrumentationLibrary", "instrumentation_library", ScopeSpansKey::Scope),
    ];

    const EXPECTED: &'static str = "an object with scope and spans";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: ScopeSpansKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        if self.first.is_none() {
            self.first = Some(decoder.batch.len());
            decoder.scope.name.clear();
            decoder.scope.version.clear();
        }
        match key {
            ScopeSpansKey::Spans => map.next_value_seed(List(Span::default(), decoder)),
            ScopeSpansKey::Scope if decoder.texts.keep == Keep::Everything => {
                map.next_value_seed(One(Scope, decoder))
            }
            ScopeSpansKey::Scope => skip(map),
        }
    }

    fn end(self, decoder: &mut Decoder<'_>) {
        let Decoder { batch, scope, texts, .. } = decoder;
        let rows = batch.len();
        if texts.keep == Keep::Everything && self.first.is_some_and(|first| first < rows) {
            let ScopeMarks { name, version } = scope;
            if !version.is_empty() {
                name.push('@');
                name.push_str(version);
            }
            let scope = batch.names.intern(name);
            batch.scope.resize(rows, scope);
        }
    }
}

struct Scope;

#[derive(Debug, Clone, Copy)]
enum ScopeKey {
    Name,
    Version,
}

impl Object for Scope {
    type Key = ScopeKey;

    const FIELDS: &'static [Field<ScopeKey>] =
        &[field("name", "", ScopeKey::Name), field("version", "", ScopeKey::Version)];

    const EXPECTED: &'static str = "a scope with name and version";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: ScopeKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        let Decoder { scope, tally, .. } = decoder;
        let text = match key {
            ScopeKey::Name => &mut scope.name,
            ScopeKey::Version => &mut scope.version,
        };
        text.clear();
        map.next_value_seed(Text(|bytes: &[u8]| text.push_str(&unicode(bytes, tally)))).map(drop)
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
            SpanKey::Events => map.next_value_seed(List(Event::default(), decoder))?,
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
                let Decoder { batch, texts, status_message, .. } = decoder;
                if texts.keep == Keep::Everything {
                    batch.push_attributes(texts.end(Owner::Span).as_str());
                    texts.events.end_list();
                    batch.push_events(texts.events.as_str());
                    batch.status_message.push(*status_message);
                }
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
            decoder.status_message = Name::NONE;
            decoder.texts.begin(Owner::Span);
            decoder.texts.events.clear();
            decoder.texts.events.begin_list();
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

struct StatusObject;

#[derive(Debug, Clone, Copy)]
enum StatusKey {
    Code,
    Message,
}

impl Object for StatusObject {
    type Key = StatusKey;

    const FIELDS: &'static [Field<StatusKey>] =
        &[field("code", "", StatusKey::Code), field("message", "", StatusKey::Message)];

    const EXPECTED: &'static str = "a status with code and message";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: StatusKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        let Decoder { batch, row, tally, texts, status_message, .. } = decoder;
        match key {
            StatusKey::Code => {
                let seed = Enum { tally, number: Status::from_number, name: Status::from_text };
                row.status = map.next_value_seed(seed)?;
                Ok(())
            }
            StatusKey::Message if texts.keep == Keep::Everything => {
                let message = |text: &[u8]| batch.names.intern(&unicode(text, tally));
                *status_message = map.next_value_seed(Text(message))?.unwrap_or(Name::NONE);
                Ok(())
            }
            StatusKey::Message => skip(map),
        }
    }
}

/// An event of a span. An event named `exception` is an exception and an error; one whose level is ERROR
/// or above is an error.
#[derive(Debug, Clone, Copy, Default)]
struct Event {
    begun: bool,
}

#[derive(Debug, Clone, Copy)]
enum EventKey {
    Time,
    Name,
    Attributes,
    Dropped,
}

impl Object for Event {
    type Key = EventKey;

    const FIELDS: &'static [Field<EventKey>] = &[
        field("timeUnixNano", "time_unix_nano", EventKey::Time),
        field("name", "", EventKey::Name),
        field("attributes", "", EventKey::Attributes),
        field("droppedAttributesCount", "dropped_attributes_count", EventKey::Dropped),
    ];

    const EXPECTED: &'static str = "an event of a span";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: EventKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        self.begin(decoder);
        let everything = decoder.texts.keep == Keep::Everything;
        match key {
            EventKey::Name => {
                let Decoder { event, tally, .. } = decoder;
                event.name.clear();
                let exception = map.next_value_seed(Text(|text: &[u8]| {
                    if everything {
                        event.name.push_str(&unicode(text, tally));
                    }
                    text == EXCEPTION_EVENT.as_bytes()
                }))?;
                event.exception = exception.unwrap_or(false);
                Ok(())
            }
            EventKey::Attributes => map.next_value_seed(List(KeyValue::of(Owner::Event), decoder)),
            EventKey::Time if everything => {
                decoder.event.time = map.next_value_seed(StampSeed)?;
                Ok(())
            }
            EventKey::Dropped if everything => {
                decoder.event.dropped = map.next_value_seed(Whole)?;
                Ok(())
            }
            EventKey::Time | EventKey::Dropped => skip(map),
        }
    }

    fn end(mut self, decoder: &mut Decoder<'_>) {
        self.begin(decoder);
        let Decoder { event, row, texts, .. } = decoder;
        let EventMarks { exception, error, ref name, time, dropped } = *event;
        if exception {
            row.exception_event_count = row.exception_event_count.saturating_add(1);
        }
        if exception || error {
            row.error_event_count = row.error_event_count.saturating_add(1);
        }
        if texts.keep == Keep::Everything {
            let time = if let Stamp::At(time) = time { time } else { 0 };
            texts.end_event(time, name, dropped);
        }
    }
}

impl Event {
    /// Clears what is known of the event, once an event.
    fn begin(&mut self, decoder: &mut Decoder<'_>) {
        if !self.begun {
            self.begun = true;
            let EventMarks { exception, error, time, name, dropped } = &mut decoder.event;
            (*exception, *error, *time, *dropped) = (false, false, Stamp::Missing, 0);
            name.clear();
            decoder.texts.begin(Owner::Event);
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
