//! Spans as columns.

use crate::{Interner, Name, SpanId, TraceId};

/// The role of a span in a call, numbered as OTLP does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Kind {
    /// The source does not say.
    #[default]
    Unspecified = 0,
    /// Work inside a service.
    Internal = 1,
    /// Handles a call from outside.
    Server = 2,
    /// Makes a call.
    Client = 3,
    /// Puts a message into a queue.
    Producer = 4,
    /// Takes a message from a queue.
    Consumer = 5,
}

/// The status that a span was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Status {
    /// Set to neither, OpenTelemetry's default.
    #[default]
    Unset = 0,
    /// Set to OK by whoever wrote the application: wins over everything.
    Ok = 1,
    /// Set to ERROR.
    Error = 2,
    /// The source keeps no status at all (a dump without the column, or null in it).
    Absent = 3,
}

impl Kind {
    /// Reads OTLP's number.
    #[must_use]
    pub const fn from_number(n: i64) -> Option<Self> {
        Some(match n {
            0 => Self::Unspecified,
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => return None,
        })
    }

    /// Reads a name as found in the wild: `Server`, `SERVER`, `SPAN_KIND_SERVER`, `SpanKind.SERVER`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let bare = text.trim();
        let bare = bare.strip_prefix("SPAN_KIND_").or_else(|| bare.strip_prefix("SpanKind."));
        Some(match bare.unwrap_or(text).trim().to_ascii_lowercase().as_str() {
            "" | "unspecified" => Self::Unspecified,
            "internal" => Self::Internal,
            "server" => Self::Server,
            "client" => Self::Client,
            "producer" => Self::Producer,
            "consumer" => Self::Consumer,
            _ => return None,
        })
    }
}

impl Status {
    /// Reads OTLP's number.
    #[must_use]
    pub const fn from_number(n: i64) -> Option<Self> {
        Some(match n {
            0 => Self::Unset,
            1 => Self::Ok,
            2 => Self::Error,
            _ => return None,
        })
    }

    /// Reads a name as found in the wild: `Error`, `ERROR`, `STATUS_CODE_ERROR`, `StatusCode.ERROR`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let bare = text.trim();
        let bare = bare.strip_prefix("STATUS_CODE_").or_else(|| bare.strip_prefix("StatusCode."));
        Some(match bare.unwrap_or(text).trim().to_ascii_lowercase().as_str() {
            "" | "unset" => Self::Unset,
            "ok" => Self::Ok,
            "error" => Self::Error,
            _ => return None,
        })
    }
}

/// A link from a span to a span of this or another trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Row of the linking span in its batch.
    pub row: u32,
    /// The trace linked to.
    pub trace_id: TraceId,
    /// The span linked to.
    pub span_id: SpanId,
}

/// One span by value: what a reader hands to [`SpanBatch::push`]. Names belong to the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanRow {
    /// The trace; not zero.
    pub trace_id: TraceId,
    /// The span; not zero.
    pub span_id: SpanId,
    /// The parent; [`SpanId::NONE`] for a root.
    pub parent_span_id: SpanId,
    /// W3C trace flags in the low 8 bits; `0x100` parent's remoteness known, `0x200` parent remote.
    pub flags: u32,
    /// W3C `tracestate`.
    pub trace_state: Name,
    /// `service.name`.
    pub service: Name,
    /// `service.namespace`.
    pub namespace: Name,
    /// `service.instance.id`, or the pod or container that stands for it.
    pub instance: Name,
    /// `service.version`.
    pub version: Name,
    /// `host.name` or node.
    pub host: Name,
    /// The span's name as the source wrote it.
    pub operation: Name,
    /// Role in a call.
    pub kind: Kind,
    /// Status code.
    pub status: Status,
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// End minus start in nanoseconds; negative where the source says so.
    pub duration_ns: i64,
    /// Arrival, nanoseconds since the Unix epoch; 0 unknown.
    pub received_unix_nano: u64,
    /// `http.response.status_code`; 0 none.
    pub http_status: u16,
    /// gRPC status code; [`SpanRow::NO_RPC`] none.
    pub rpc_status: u8,
    /// `error.type`.
    pub error_type: Name,
    /// Who was called, where the callee may emit no spans (`service.peer.name`, `peer.service`,
    /// `server.address`, `db.*`, `messaging.destination.name`).
    pub peer: Name,
    /// Events or log records of level ERROR on this span.
    pub error_event_count: u32,
    /// Events or log records of an exception on this span.
    pub exception_event_count: u32,
}

impl SpanRow {
    /// No gRPC status code.
    pub const NO_RPC: u8 = u8::MAX;

    /// A row with nothing known but that there is no gRPC status.
    #[must_use]
    pub fn new() -> Self {
        Self { rpc_status: Self::NO_RPC, ..Self::default() }
    }
}

/// Spans as columns of equal length; never one heap object a span. The meaning of a column is that
/// of the field of the same name in [`SpanRow`].
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "documented at SpanRow, field by field")]
pub struct SpanBatch {
    /// The texts that the columns of names speak of.
    pub names: Interner,
    pub trace_id: Vec<TraceId>,
    pub span_id: Vec<SpanId>,
    pub parent_span_id: Vec<SpanId>,
    pub flags: Vec<u32>,
    pub trace_state: Vec<Name>,
    pub service: Vec<Name>,
    pub namespace: Vec<Name>,
    pub instance: Vec<Name>,
    pub version: Vec<Name>,
    pub host: Vec<Name>,
    pub operation: Vec<Name>,
    pub kind: Vec<Kind>,
    pub status: Vec<Status>,
    pub start_unix_nano: Vec<u64>,
    pub duration_ns: Vec<i64>,
    pub received_unix_nano: Vec<u64>,
    pub http_status: Vec<u16>,
    pub rpc_status: Vec<u8>,
    pub error_type: Vec<Name>,
    pub peer: Vec<Name>,
    pub error_event_count: Vec<u32>,
    pub exception_event_count: Vec<u32>,
    /// Links of all spans, by row, in the order of the source.
    pub links: Vec<Link>,
    /// Attributes as JSON objects, one a span, back to back; empty where they were not kept.
    pub attributes: String,
    /// End of each span's attributes in `attributes`; empty where none were kept, else one a span.
    pub attribute_ends: Vec<u64>,
    /// Events as JSON arrays, one a span, back to back; empty where they were not kept.
    pub events: String,
    /// End of each span's events in `events`; empty where none were kept, else one a span.
    pub event_ends: Vec<u64>,
    /// Resource attributes as a JSON object; empty where none were kept, else one a span.
    pub resource_attributes: Vec<Name>,
    /// Instrumentation scope as `name` or `name@version`; empty where none were kept, else one a span.
    pub scope: Vec<Name>,
    /// Message of the status; empty where none were kept, else one a span.
    pub status_message: Vec<Name>,
}

/// Log records that speak of a span, as columns of equal length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogBatch {
    /// The trace; not zero.
    pub trace_id: Vec<TraceId>,
    /// The span; not zero.
    pub span_id: Vec<SpanId>,
    /// When it happened (when it was observed, where that is not said), nanoseconds since the Unix
    /// epoch; 0 unknown.
    pub unix_nano: Vec<u64>,
    /// Level ERROR or above, or an exception.
    pub error: Vec<bool>,
    /// Records an exception.
    pub exception: Vec<bool>,
}

impl LogBatch {
    /// How many records there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.trace_id.len()
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.trace_id.is_empty()
    }
}

impl SpanBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many spans there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.trace_id.len()
    }

    /// True when there is no span.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.trace_id.is_empty()
    }

    /// Appends a span. Links and attributes are pushed beside, by whoever keeps them.
    pub fn push(&mut self, row: &SpanRow) {
        let SpanRow {
            trace_id,
            span_id,
            parent_span_id,
            flags,
            trace_state,
            service,
            namespace,
            instance,
            version,
            host,
            operation,
            kind,
            status,
            start_unix_nano,
            duration_ns,
            received_unix_nano,
            http_status,
            rpc_status,
            error_type,
            peer,
            error_event_count,
            exception_event_count,
        } = *row;
        self.trace_id.push(trace_id);
        self.span_id.push(span_id);
        self.parent_span_id.push(parent_span_id);
        self.flags.push(flags);
        self.trace_state.push(trace_state);
        self.service.push(service);
        self.namespace.push(namespace);
        self.instance.push(instance);
        self.version.push(version);
        self.host.push(host);
        self.operation.push(operation);
        self.kind.push(kind);
        self.status.push(status);
        self.start_unix_nano.push(start_unix_nano);
        self.duration_ns.push(duration_ns);
        self.received_unix_nano.push(received_unix_nano);
        self.http_status.push(http_status);
        self.rpc_status.push(rpc_status);
        self.error_type.push(error_type);
        self.peer.push(peer);
        self.error_event_count.push(error_event_count);
        self.exception_event_count.push(exception_event_count);
    }

    /// The span of a row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> SpanRow {
        SpanRow {
            trace_id: self.trace_id[i],
            span_id: self.span_id[i],
            parent_span_id: self.parent_span_id[i],
            flags: self.flags[i],
            trace_state: self.trace_state[i],
            service: self.service[i],
            namespace: self.namespace[i],
            instance: self.instance[i],
            version: self.version[i],
            host: self.host[i],
            operation: self.operation[i],
            kind: self.kind[i],
            status: self.status[i],
            start_unix_nano: self.start_unix_nano[i],
            duration_ns: self.duration_ns[i],
            received_unix_nano: self.received_unix_nano[i],
            http_status: self.http_status[i],
            rpc_status: self.rpc_status[i],
            error_type: self.error_type[i],
            peer: self.peer[i],
            error_event_count: self.error_event_count[i],
            exception_event_count: self.exception_event_count[i],
        }
    }

    /// The attributes of a row as a JSON object; empty where none were kept.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "ends lie within a String's length")]
    pub fn attributes_of(&self, row: usize) -> &str {
        let Some(&end) = self.attribute_ends.get(row) else { return "" };
        let from = if row == 0 { 0 } else { self.attribute_ends[row - 1] };
        &self.attributes[from as usize..end as usize]
    }

    /// Appends the attributes of the next row that has none yet.
    pub fn push_attributes(&mut self, json: &str) {
        self.attributes.push_str(json);
        self.attribute_ends.push(self.attributes.len() as u64);
    }

    /// The events of a row as a JSON array; empty where none were kept.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "ends lie within a String's length")]
    pub fn events_of(&self, row: usize) -> &str {
        let Some(&end) = self.event_ends.get(row) else { return "" };
        let from = if row == 0 { 0 } else { self.event_ends[row - 1] };
        &self.events[from as usize..end as usize]
    }

    /// Appends the events of the next row that has none yet.
    pub fn push_events(&mut self, json: &str) {
        self.events.push_str(json);
        self.event_ends.push(self.events.len() as u64);
    }

    /// Appends a row of another batch, with its names, its links and all that is kept of it.
    ///
    /// # Panics
    /// When there is no such row, or the batch has 2^32 rows.
    pub fn append_row(&mut self, from: &Self, row: usize) {
        let to = u32::try_from(self.len()).expect("a batch has fewer than 2^32 rows");
        let of = from.row(row);
        let names = &mut self.names;
        let mut name = |name: Name| names.intern(from.names.text(name));
        let of = SpanRow {
            trace_state: name(of.trace_state),
            service: name(of.service),
            namespace: name(of.namespace),
            instance: name(of.instance),
            version: name(of.version),
            host: name(of.host),
            operation: name(of.operation),
            error_type: name(of.error_type),
            peer: name(of.peer),
            ..of
        };
        let mut kept = |column: &[Name]| column.get(row).map(|&kept| name(kept));
        self.resource_attributes.extend(kept(&from.resource_attributes));
        self.scope.extend(kept(&from.scope));
        self.status_message.extend(kept(&from.status_message));
        self.push(&of);
        let first = from.links.partition_point(|link| (link.row as usize) < row);
        let links = from.links[first..].iter().take_while(|link| link.row as usize == row);
        self.links.extend(links.map(|link| Link { row: to, ..*link }));
        if !from.attribute_ends.is_empty() {
            self.push_attributes(from.attributes_of(row));
        }
        if !from.event_ends.is_empty() {
            self.push_events(from.events_of(row));
        }
    }

    /// Takes back all rows and links behind the given numbers. Names stay.
    #[expect(clippy::cast_possible_truncation, reason = "ends lie within a String's length")]
    pub fn truncate(&mut self, rows: usize, links: usize) {
        let Self {
            names: _,
            trace_id,
            span_id,
            parent_span_id,
            flags,
            trace_state,
            service,
            namespace,
            instance,
            version,
            host,
            operation,
            kind,
            status,
            start_unix_nano,
            duration_ns,
            received_unix_nano,
            http_status,
            rpc_status,
            error_type,
            peer,
            error_event_count,
            exception_event_count,
            links: all_links,
            attributes,
            attribute_ends,
            events,
            event_ends,
            resource_attributes,
            scope,
            status_message,
        } = self;
        trace_id.truncate(rows);
        span_id.truncate(rows);
        parent_span_id.truncate(rows);
        flags.truncate(rows);
        trace_state.truncate(rows);
        service.truncate(rows);
        namespace.truncate(rows);
        instance.truncate(rows);
        version.truncate(rows);
        host.truncate(rows);
        operation.truncate(rows);
        kind.truncate(rows);
        status.truncate(rows);
        start_unix_nano.truncate(rows);
        duration_ns.truncate(rows);
        received_unix_nano.truncate(rows);
        http_status.truncate(rows);
        rpc_status.truncate(rows);
        error_type.truncate(rows);
        peer.truncate(rows);
        error_event_count.truncate(rows);
        exception_event_count.truncate(rows);
        all_links.truncate(links);
        attribute_ends.truncate(rows);
        attributes.truncate(attribute_ends.last().map_or(0, |&end| end as usize));
        event_ends.truncate(rows);
        events.truncate(event_ends.last().map_or(0, |&end| end as usize));
        resource_attributes.truncate(rows);
        scope.truncate(rows);
        status_message.truncate(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_as_it_was_pushed() {
        let mut batch = SpanBatch::new();
        let row = SpanRow {
            trace_id: TraceId::from_u128(7),
            span_id: SpanId::from_u64(9),
            service: batch.names.intern("cart"),
            operation: batch.names.intern("GET /cart"),
            kind: Kind::Server,
            status: Status::Error,
            start_unix_nano: 5,
            duration_ns: -3,
            http_status: 503,
            error_event_count: 2,
            ..SpanRow::new()
        };
        batch.push(&row);
        batch.push_attributes("{\"tenant\":\"a\"}");
        batch.push_events("[]");
        assert_eq!(batch.row(0), row);
        assert_eq!(batch.attributes_of(0), "{\"tenant\":\"a\"}");
        assert_eq!(batch.events_of(0), "[]");
        assert_eq!(batch.len(), 1);
        batch.push(&row);
        batch.push_attributes("{}");
        batch.push_events("[1]");
        let mut other = SpanBatch::new();
        other.names.intern("shifts all numbers");
        other.append_row(&batch, 1);
        let service = other.row(0).service;
        assert_eq!(other.names.text(service), "cart");
        assert_eq!((other.row(0).start_unix_nano, other.events_of(0)), (5, "[1]"));
        batch.truncate(1, 0);
        assert_eq!((batch.len(), batch.attributes.len(), batch.events.as_str()), (1, 14, "[]"));
        batch.truncate(0, 0);
        assert!(batch.is_empty() && batch.attributes.is_empty() && batch.event_ends.is_empty());
    }

    #[test]
    fn kinds_and_statuses_are_read_in_every_spelling_found() {
        for text in ["Server", "SERVER", "SPAN_KIND_SERVER", "SpanKind.SERVER", " server "] {
            assert_eq!(Kind::from_text(text), Some(Kind::Server), "{text}");
        }
        for text in ["Error", "STATUS_CODE_ERROR", "StatusCode.ERROR", "ERROR"] {
            assert_eq!(Status::from_text(text), Some(Status::Error), "{text}");
        }
        assert_eq!(Status::from_text("STATUS_CODE_UNSET"), Some(Status::Unset));
        assert_eq!(Kind::from_text("sevrer"), None);
        assert_eq!(Status::from_number(3), None);
    }
}
