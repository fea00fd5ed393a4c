//! The hot path: one walk over a request of traces, field by field, into columns.

use resus_model::attributes::{EVENT_LEVELS, EXCEPTION_EVENT, Place, is_error_level};
use resus_model::{Kind, Link, Name, SkipReason, SpanBatch, SpanId, SpanRow, Status, TraceId};

use super::fault::Fault;
use super::names::{Keys, Names};
use super::roles::Roles;
use super::schema::{self, enter, valid};
use super::utf8::Utf8;
use super::value::{self, Value};
use super::wire::{DEPTH, FIXED32, FIXED64, LENGTH, Reader, VARINT, key};
use crate::Keep;
use crate::ids::{self, Id};
use crate::json_text::{JsonText, Open};
use crate::sender::{Sender, UNKNOWN_OPERATION};
use crate::tally::{Lenient, Tally};

/// The levels that messages of each kind may hold.
const IN_RESOURCE_SPANS: u32 = DEPTH - 1;
const IN_SCOPE_SPANS: u32 = DEPTH - 2;
const IN_SPAN: u32 = DEPTH - 3;
const IN_SPANS_MEMBER: u32 = DEPTH - 4;

/// Reads a request of traces. After a fault the batch has rows too many.
pub(super) fn traces(
    body: &[u8],
    keep: Keep,
    batch: &mut SpanBatch,
    tally: &mut Tally,
) -> Result<(), Fault> {
    const RESOURCE_SPANS: u32 = key(1, LENGTH);
    let mut walk = Walk {
        utf8: Utf8::of(body),
        keys: Keys::new(),
        names: Names::new(),
        batch,
        tally,
        keep,
        place: Location::default(),
        resource_attributes: JsonText::default(),
        attributes: JsonText::default(),
        events: JsonText::default(),
        event_attributes: JsonText::default(),
    };
    let mut reader = Reader::new(body);
    while let Some(key) = reader.key()? {
        if key == RESOURCE_SPANS {
            walk.resource_spans(reader.bytes()?)?;
            walk.place.resource += 1;
        } else {
            schema::TRACES.check_field(key, &mut reader, DEPTH, &mut walk.utf8)?;
        }
    }
    for json in [&walk.resource_attributes, &walk.attributes, &walk.event_attributes] {
        json.count(walk.tally);
    }
    Ok(())
}

/// Where in the request the walk is.
#[derive(Debug, Clone, Copy, Default)]
struct Location {
    resource: u32,
    scope: u32,
    span: u32,
}

struct Walk<'a, 'b> {
    utf8: Utf8<'a>,
    keys: Keys<'a>,
    names: Names,
    batch: &'b mut SpanBatch,
    tally: &'b mut Tally,
    keep: Keep,
    place: Location,
    /// Attributes of the resource being read; used where everything is kept, as are the next three.
    resource_attributes: JsonText,
    /// Attributes of the span being read.
    attributes: JsonText,
    /// Events of the span being read.
    events: JsonText,
    /// Attributes of the event being read.
    event_attributes: JsonText,
}

/// The span being read, as far as it needs a second look.
#[derive(Default)]
struct Ids<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent: &'a [u8],
    start: u64,
    end: u64,
}

impl<'a> Walk<'a, '_> {
    fn resource_spans(&mut self, bytes: &'a [u8]) -> Result<(), Fault> {
        const RESOURCE: u32 = key(1, LENGTH);
        const SCOPE_SPANS: u32 = key(2, LENGTH);
        let first = self.batch.len();
        let (mut sender, mut roles) = (Sender::default(), Roles::default());
        // The resource may stand behind its spans, or in pieces around them.
        self.resource_attributes.clear();
        let mut open = self.resource_attributes.open();
        self.place.scope = 0;
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                RESOURCE => {
                    self.resource(reader.bytes()?, &mut sender, &mut roles, &mut open)?;
                }
                SCOPE_SPANS => {
                    self.scope_spans(reader.bytes()?)?;
                    self.place.scope += 1;
                }
                _ => {
                    let message = &schema::RESOURCE_SPANS;
                    message.check_field(key, &mut reader, IN_RESOURCE_SPANS, &mut self.utf8)?;
                }
            }
        }
        sender.fill(self.batch, first, self.tally);
        if self.keep == Keep::Everything {
            self.resource_attributes.close(open);
            let rows = self.batch.len();
            if rows > first {
                let name = self.batch.names.intern(self.resource_attributes.as_str());
                self.batch.resource_attributes.resize(rows, name);
            }
        }
        Ok(())
    }

    fn resource(
        &mut self,
        bytes: &'a [u8],
        sender: &mut Sender,
        roles: &mut Roles,
        open: &mut Open,
    ) -> Result<(), Fault> {
        const ATTRIBUTES: u32 = key(1, LENGTH);
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            if key != ATTRIBUTES {
                let depth = IN_SCOPE_SPANS;
                schema::RESOURCE.check_field(key, &mut reader, depth, &mut self.utf8)?;
                continue;
            }
            let bytes = reader.bytes()?;
            let (text, value) = value::attribute(bytes, IN_SPAN, &mut self.utf8)?;
            let role = self.keys.key(text, Place::Resource);
            if role.is_none() && self.keep == Keep::Rules {
                continue;
            }
            let Self { batch, names, resource_attributes: json, keep, .. } = self;
            value::with_joined(value, bytes, |value| {
                if let Some(key) = role {
                    roles.take(key, value, |text| {
                        if let Some(name) = sender.name_mut(key.role) {
                            *name = names.intern(text, &mut batch.names);
                        }
                    });
                }
                if *keep == Keep::Everything && json.key(open, text) {
                    value::write(value, 0, json);
                }
            });
        }
        Ok(())
    }

    fn scope_spans(&mut self, bytes: &'a [u8]) -> Result<(), Fault> {
        const SCOPE: u32 = key(1, LENGTH);
        const SPANS: u32 = key(2, LENGTH);
        let first = self.batch.len();
        let (mut name, mut version): (&[u8], &[u8]) = (&[], &[]);
        self.place.span = 0;
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                SPANS => {
                    self.span(reader.bytes()?)?;
                    self.place.span += 1;
                }
                SCOPE => self.scope(reader.bytes()?, &mut name, &mut version)?,
                _ => {
                    let message = &schema::SCOPE_SPANS;
                    message.check_field(key, &mut reader, IN_SCOPE_SPANS, &mut self.utf8)?;
                }
            }
        }
        let rows = self.batch.len();
        if self.keep == Keep::Everything && rows > first {
            let scope = scope_name(name, version);
            let scope = self.names.intern(&scope, &mut self.batch.names);
            self.batch.scope.resize(rows, scope);
        }
        Ok(())
    }

    fn scope(
        &mut self,
        bytes: &'a [u8],
        name: &mut &'a [u8],
        version: &mut &'a [u8],
    ) -> Result<(), Fault> {
        const NAME: u32 = key(1, LENGTH);
        const VERSION: u32 = key(2, LENGTH);
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                NAME => *name = valid(reader.bytes()?, &mut self.utf8)?,
                VERSION => *version = valid(reader.bytes()?, &mut self.utf8)?,
                _ => schema::SCOPE.check_field(key, &mut reader, IN_SPAN, &mut self.utf8)?,
            }
        }
        Ok(())
    }

    fn span(&mut self, bytes: &'a [u8]) -> Result<(), Fault> {
        const TRACE_ID: u32 = key(1, LENGTH);
        const SPAN_ID: u32 = key(2, LENGTH);
        const TRACE_STATE: u32 = key(3, LENGTH);
        const PARENT_SPAN_ID: u32 = key(4, LENGTH);
        const NAME: u32 = key(5, LENGTH);
        const KIND: u32 = key(6, VARINT);
        const START: u32 = key(7, FIXED64);
        const END: u32 = key(8, FIXED64);
        const ATTRIBUTES: u32 = key(9, LENGTH);
        const EVENTS: u32 = key(11, LENGTH);
        const LINKS: u32 = key(13, LENGTH);
        const STATUS: u32 = key(15, LENGTH);
        const FLAGS: u32 = key(16, FIXED32);

        let links = self.batch.links.len();
        let mut row = SpanRow::new();
        let mut ids = Ids::default();
        let mut roles = Roles::default();
        let (mut name, mut trace_state, mut message): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        let (mut kind, mut status) = (0, 0);
        self.attributes.clear();
        let mut open = self.attributes.open();
        self.events.clear();
        self.events.begin_list();

        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                ATTRIBUTES => self.attribute(reader.bytes()?, &mut row, &mut roles, &mut open)?,
                TRACE_ID => ids.trace_id = reader.bytes()?,
                SPAN_ID => ids.span_id = reader.bytes()?,
                PARENT_SPAN_ID => ids.parent = reader.bytes()?,
                NAME => name = valid(reader.bytes()?, &mut self.utf8)?,
                KIND => kind = reader.varint()?,
                START => ids.start = reader.fixed64()?,
                END => ids.end = reader.fixed64()?,
                STATUS => self.status(reader.bytes()?, &mut status, &mut message)?,
                FLAGS => row.flags = reader.fixed32()?,
                TRACE_STATE => trace_state = valid(reader.bytes()?, &mut self.utf8)?,
                EVENTS => self.event(reader.bytes()?, &mut row)?,
                LINKS => self.link(reader.bytes()?)?,
                _ => schema::SPAN.check_field(key, &mut reader, IN_SPAN, &mut self.utf8)?,
            }
        }

        row.parent_span_id = parent(ids.parent, self.tally);
        row.kind = enumeration(kind, Kind::from_number, self.tally);
        row.status = enumeration(status, Status::from_number, self.tally);
        match ids.check(self.tally) {
            Ok((trace_id, span_id, duration_ns)) => {
                (row.trace_id, row.span_id) = (trace_id, span_id);
                (row.start_unix_nano, row.duration_ns) = (ids.start, duration_ns);
                row.trace_state = self.intern(trace_state);
                row.operation = if name.is_empty() {
                    self.tally.lenient(Lenient::NoSpanName);
                    self.intern(UNKNOWN_OPERATION.as_bytes())
                } else {
                    self.intern(name)
                };
                self.batch.push(&row);
                if self.keep == Keep::Everything {
                    self.keep_rest(open, message);
                }
            }
            Err((reason, field)) => {
                self.batch.links.truncate(links);
                let Location { resource, scope, span } = self.place;
                self.tally.skip(reason, || {
                    format!("resourceSpans[{resource}].scopeSpans[{scope}].spans[{span}].{field}")
                });
            }
        }
        Ok(())
    }

    fn intern(&mut self, text: &[u8]) -> Name {
        self.names.intern(text, &mut self.batch.names)
    }

    /// Keeps of the span pushed last what no rule asks for.
    fn keep_rest(&mut self, open: Open, message: &[u8]) {
        self.attributes.close(open);
        self.events.end_list();
        let message = self.intern(message);
        self.batch.push_attributes(self.attributes.as_str());
        self.batch.push_events(self.events.as_str());
        self.batch.status_message.push(message);
    }

    #[inline]
    fn attribute(
        &mut self,
        bytes: &'a [u8],
        row: &mut SpanRow,
        roles: &mut Roles,
        open: &mut Open,
    ) -> Result<(), Fault> {
        let (text, value) = value::attribute(bytes, IN_SPANS_MEMBER, &mut self.utf8)?;
        if let Some(key) = self.keys.key(text, Place::Span) {
            value::with_joined(value, bytes, |value| {
                let Self { batch, names, .. } = self;
                roles.take_of_span(key, value, row, |text| names.intern(text, &mut batch.names));
            });
        }
        if self.keep == Keep::Everything && self.attributes.key(open, text) {
            value::with_joined(value, bytes, |value| value::write(value, 0, &mut self.attributes));
        }
        Ok(())
    }

    fn status(
        &mut self,
        bytes: &'a [u8],
        code: &mut u64,
        message: &mut &'a [u8],
    ) -> Result<(), Fault> {
        const MESSAGE: u32 = key(2, LENGTH);
        const CODE: u32 = key(3, VARINT);
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                CODE => *code = reader.varint()?,
                MESSAGE => *message = valid(reader.bytes()?, &mut self.utf8)?,
                _ => {
                    schema::STATUS.check_field(
                        key,
                        &mut reader,
                        IN_SPANS_MEMBER,
                        &mut self.utf8,
                    )?;
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, bytes: &'a [u8], row: &mut SpanRow) -> Result<(), Fault> {
        const TIME: u32 = key(1, FIXED64);
        const NAME: u32 = key(2, LENGTH);
        const ATTRIBUTES: u32 = key(3, LENGTH);
        const DROPPED: u32 = key(4, VARINT);
        let everything = self.keep == Keep::Everything;
        let (mut time, mut dropped, mut error) = (0, 0, false);
        let mut name: &[u8] = &[];
        self.event_attributes.clear();
        let mut open = self.event_attributes.open();
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                TIME => time = reader.fixed64()?,
                NAME => name = valid(reader.bytes()?, &mut self.utf8)?,
                DROPPED => dropped = reader.varint()? & u64::from(u32::MAX),
                ATTRIBUTES => {
                    let at = reader.rest();
                    let depth = enter(IN_SPANS_MEMBER, at)?;
                    let bytes = reader.bytes()?;
                    let (text, value) = value::attribute(bytes, depth, &mut self.utf8)?;
                    let level = EVENT_LEVELS.iter().any(|level| level.as_bytes() == text);
                    if level {
                        error |= value::with_joined(value, bytes, is_error);
                    }
                    let json = &mut self.event_attributes;
                    if everything && json.key(&mut open, text) {
                        value::with_joined(value, bytes, |value| value::write(value, 0, json));
                    }
                }
                _ => {
                    schema::EVENT.check_field(key, &mut reader, IN_SPANS_MEMBER, &mut self.utf8)?;
                }
            }
        }
        let exception = name == EXCEPTION_EVENT.as_bytes();
        row.exception_event_count = row.exception_event_count.saturating_add(exception.into());
        row.error_event_count = row.error_event_count.saturating_add((exception || error).into());
        if everything {
            self.event_attributes.close(open);
            self.events.event(time, name, &self.event_attributes, dropped);
        }
        Ok(())
    }

    fn link(&mut self, bytes: &'a [u8]) -> Result<(), Fault> {
        const TRACE_ID: u32 = key(1, LENGTH);
        const SPAN_ID: u32 = key(2, LENGTH);
        let (mut trace, mut span): (&[u8], &[u8]) = (&[], &[]);
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                TRACE_ID => trace = reader.bytes()?,
                SPAN_ID => span = reader.bytes()?,
                _ => schema::LINK.check_field(key, &mut reader, IN_SPANS_MEMBER, &mut self.utf8)?,
            }
        }
        let trace = ids::trace_id_of_bytes(trace, self.tally).present();
        let span = ids::span_id_of_bytes(span).present();
        if let (Some(trace_id), Some(span_id)) = (trace, span) {
            let row = u32::try_from(self.batch.len()).expect("a batch has fewer than 2^32 spans");
            self.batch.links.push(Link { row, trace_id, span_id });
        } else {
            self.tally.lenient(Lenient::UnreadableLink);
        }
        Ok(())
    }
}

impl Ids<'_> {
    /// Trace, span and duration; or why the span is left out, and the field that is to blame.
    fn check(
        &self,
        tally: &mut Tally,
    ) -> Result<(TraceId, SpanId, i64), (SkipReason, &'static str)> {
        let trace = ids::trace_id_of_bytes(self.trace_id, tally).present();
        let trace = trace.ok_or((SkipReason::TraceId, "traceId"))?;
        let span = ids::span_id_of_bytes(self.span_id).present();
        let span = span.ok_or((SkipReason::SpanId, "spanId"))?;
        if self.start == 0 {
            return Err((SkipReason::Start, "startTimeUnixNano"));
        }
        // A span without an end was still running when it was written: its duration is unknown.
        let duration = i64::try_from(i128::from(self.end) - i128::from(self.start)).ok();
        let duration = duration.filter(|_| self.end != 0);
        let duration = duration.ok_or((SkipReason::Duration, "endTimeUnixNano"))?;
        Ok((trace, span, duration))
    }
}

fn parent(bytes: &[u8], tally: &mut Tally) -> SpanId {
    if bytes.is_empty() {
        return SpanId::NONE;
    }
    let parent = ids::span_id_of_bytes(bytes);
    if parent == Id::Unreadable {
        tally.lenient(Lenient::UnreadableParent);
    }
    parent.present().unwrap_or(SpanId::NONE)
}

/// An enumeration's value. Its varint holds 32 bits, whatever stands above them.
fn enumeration<T: Default>(varint: u64, known: fn(i64) -> Option<T>, tally: &mut Tally) -> T {
    #[expect(clippy::cast_possible_truncation, reason = "protobuf says so")]
    let number = varint as i32;
    known(number.into()).unwrap_or_else(|| {
        tally.lenient(Lenient::UnknownEnum);
        T::default()
    })
}

fn is_error(level: Value<'_>) -> bool {
    match level {
        Value::String(text) => std::str::from_utf8(text).is_ok_and(is_error_level),
        // No number or truth value is the name of a level.
        _ => false,
    }
}

/// Scope as `name` or `name@version`.
fn scope_name<'t>(name: &'t [u8], version: &[u8]) -> std::borrow::Cow<'t, [u8]> {
    if version.is_empty() {
        return name.into();
    }
    [name, b"@", version].concat().into()
}
