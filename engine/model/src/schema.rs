//! The span schema: one documented, versioned list of columns, shared by generator, store and readers.

/// The version written into the metadata of a span file (key [`VERSION_KEY`]). It grows when a
/// column changes its meaning; a new optional column does not change it.
pub const VERSION: u32 = 1;

/// The metadata key under which a span file carries [`VERSION`].
pub const VERSION_KEY: &str = "resus.span_schema";

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Hex text, or bytes, of the given number of bytes.
    Id(usize),
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A list of structs of `trace_id` and `span_id`.
    Links,
    /// A JSON object or array as text.
    Json,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Type,
    /// True when a file without it is refused.
    pub required: bool,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

const fn field(name: &'static str, holds: Type, required: bool, meaning: &'static str) -> Field {
    Field { name, holds, required, meaning }
}

/// All columns, in the order in which files are written.
pub const FIELDS: [Field; 28] = [
    field("trace_id", Type::Id(16), true, "trace, 32 hex digits or 16 bytes"),
    field("span_id", Type::Id(8), true, "span, 16 hex digits or 8 bytes"),
    field("parent_span_id", Type::Id(8), false, "parent span; null, empty or zero for a root"),
    field("trace_state", Type::Text, false, "W3C tracestate; `ot=th:` is the sampling threshold"),
    field(
        "flags",
        Type::Integer,
        false,
        "OTLP span flags: W3C flags, 0x100 and 0x200 for remote parents",
    ),
    field("service", Type::Text, true, "service.name"),
    field("namespace", Type::Text, false, "service.namespace"),
    field("instance", Type::Text, false, "service.instance.id, or pod or container"),
    field("version", Type::Text, false, "service.version"),
    field("host", Type::Text, false, "host.name or node"),
    field("operation", Type::Text, true, "span name"),
    field(
        "kind",
        Type::Integer,
        false,
        "0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer; names are read too",
    ),
    field(
        "status",
        Type::Integer,
        false,
        "0 unset, 1 ok, 2 error; null when the source keeps none; names are read too",
    ),
    field("start_unix_nano", Type::Integer, true, "start, nanoseconds since the Unix epoch"),
    field("duration_ns", Type::Integer, true, "end minus start, nanoseconds"),
    field("received_unix_nano", Type::Integer, false, "arrival, nanoseconds since the Unix epoch"),
    field("http_status", Type::Integer, false, "HTTP response status code"),
    field("rpc_status", Type::Integer, false, "gRPC status code, 0 to 16"),
    field("error_type", Type::Text, false, "error.type"),
    field("peer", Type::Text, false, "who was called, where the callee may emit no spans"),
    field(
        "error_event_count",
        Type::Integer,
        false,
        "events or log records of level ERROR on this span",
    ),
    field(
        "exception_event_count",
        Type::Integer,
        false,
        "exception events or log records on this span",
    ),
    field("links", Type::Links, false, "linked spans"),
    field("attributes", Type::Json, false, "all other attributes, one JSON object"),
    field("events", Type::Json, false, "events, one JSON array"),
    field("resource_attributes", Type::Json, false, "attributes of the resource, one JSON object"),
    field("scope", Type::Text, false, "instrumentation scope, `name` or `name@version`"),
    field("status_message", Type::Text, false, "message of the status"),
];

/// The field of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|f| f.name == name)
}
