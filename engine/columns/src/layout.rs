//! Which columns of a file say what: names and types are looked at once, and all mistakes told.

use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::{ArrowDataType, ArrowField, ArrowSchema, ArrowTimeUnit};
use resus_model::attributes::{Place, Role};
use resus_model::schema::{self, Field, Type};

use crate::error::{ColumnsError, WrongType};
use crate::mapping::is_read;
use crate::{Mapping, ReadError};

/// The columns of ClickHouse's `otel_traces`, by field of the span schema.
const CLICKHOUSE: [(&str, &str); 11] = [
    ("trace_id", "TraceId"),
    ("span_id", "SpanId"),
    ("parent_span_id", "ParentSpanId"),
    ("trace_state", "TraceState"),
    ("service", "ServiceName"),
    ("operation", "SpanName"),
    ("kind", "SpanKind"),
    ("status", "StatusCode"),
    ("start_unix_nano", "Timestamp"),
    ("duration_ns", "Duration"),
    ("links", "Links"),
];

/// Maps of attributes, and whose they are.
const ATTRIBUTE_MAPS: [(&str, Place); 2] =
    [("ResourceAttributes", Place::Resource), ("SpanAttributes", Place::Span)];

/// The fields that attributes fill where no column does.
pub(crate) const ROLES: [(Role, &str); Role::COUNT] = [
    (Role::Service, "service"),
    (Role::Namespace, "namespace"),
    (Role::Instance, "instance"),
    (Role::Version, "version"),
    (Role::Host, "host"),
    (Role::HttpStatus, "http_status"),
    (Role::RpcStatus, "rpc_status"),
    (Role::ErrorType, "error_type"),
    (Role::Peer, "peer"),
];

/// A column that holds a map of attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttributeMap {
    pub(crate) column: String,
    /// Whose attributes these are; `None` where both stand in one map.
    pub(crate) place: Option<Place>,
}

/// Two lists a span, of equal length: trace ids and span ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkLists {
    pub(crate) traces: String,
    pub(crate) spans: String,
}

/// Which columns say what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    /// A column for each field of the span schema, in its order. Not those for `attributes`
    /// and what is not read.
    columns: [Option<String>; schema::FIELDS.len()],
    pub(crate) attribute_maps: Vec<AttributeMap>,
    /// A list of texts: the names of a span's events.
    pub(crate) event_names: Option<String>,
    pub(crate) link_lists: Option<LinkLists>,
    /// Columns that were found but are of no use, each with why.
    pub(crate) unused: Vec<String>,
}

impl Layout {
    /// The column for a field.
    pub(crate) fn of(&self, field: &str) -> Option<&str> {
        let at = schema::FIELDS.iter().position(|f| f.name == field)?;
        self.columns[at].as_deref()
    }

    /// Every column that is read.
    pub(crate) fn columns(&self) -> BTreeSet<&str> {
        let Self { columns, attribute_maps, event_names, link_lists, unused: _ } = self;
        let mut all: BTreeSet<&str> = columns.iter().flatten().map(String::as_str).collect();
        all.extend(attribute_maps.iter().map(|map| map.column.as_str()));
        all.extend(event_names.as_deref());
        if let Some(LinkLists { traces, spans }) = link_lists {
            all.extend([traces.as_str(), spans.as_str()]);
        }
        all
    }
}

/// Finds the columns of a file.
pub(crate) fn resolve(
    path: &Path,
    file: &ArrowSchema,
    mapping: &Mapping,
) -> Result<Layout, ReadError> {
    let mut found = Finding { file, layout: Layout::default(), unmapped: vec![], wrong: vec![] };
    for (at, field) in schema::FIELDS.iter().enumerate() {
        found.field(at, field, mapping);
    }
    found.attributes(mapping);
    found.events_and_links();
    let Finding { layout, unmapped, wrong, .. } = found;

    let from_attributes = |name: &str| {
        let of_resource = |m: &AttributeMap| m.place != Some(Place::Span);
        name == "service" && layout.attribute_maps.iter().any(of_resource)
    };
    let told = |name: &str| {
        unmapped.iter().any(|(_, field)| *field == name) || wrong.iter().any(|w| w.field == name)
    };
    let missing: Vec<&'static str> = schema::FIELDS
        .iter()
        .filter(|field| field.required && layout.of(field.name).is_none())
        .map(|field| field.name)
        .filter(|name| !from_attributes(name) && !told(name))
        .collect();
    if missing.is_empty() && unmapped.is_empty() && wrong.is_empty() {
        return Ok(layout);
    }
    let columns = file.iter_names().map(ToString::to_string).collect();
    let path = path.to_owned();
    Err(ReadError::Columns(Box::new(ColumnsError { path, missing, unmapped, wrong, columns })))
}

struct Finding<'a> {
    file: &'a ArrowSchema,
    layout: Layout,
    unmapped: Vec<(String, &'static str)>,
    wrong: Vec<WrongType>,
}

impl Finding<'_> {
    fn type_of(&self, column: &str) -> Option<&ArrowDataType> {
        self.file.get(column).map(ArrowField::dtype)
    }

    fn field(&mut self, at: usize, field: &'static Field, mapping: &Mapping) {
        let named = mapping.column(field.name);
        // The attributes of our own schema are kept for people too: no rule asks for them.
        if !is_read(field) || (field.holds == Type::Json && named.is_none()) {
            return;
        }
        let column = match named {
            Some(column) => {
                if self.type_of(column).is_none() {
                    self.unmapped.push((column.to_owned(), field.name));
                    return;
                }
                column
            }
            None => {
                let theirs = CLICKHOUSE.iter().find(|(name, _)| *name == field.name);
                let names = [Some(field.name), theirs.map(|(_, column)| *column)];
                match names.into_iter().flatten().find(|name| self.type_of(name).is_some()) {
                    Some(column) => column,
                    None => return,
                }
            }
        };
        let Some(holds) = self.type_of(column) else { return };
        let (right, expected) = fits(field, holds);
        if !right {
            let (column, found) = (column.to_owned(), describe(holds));
            self.wrong.push(WrongType { column, field: field.name, found, expected });
        } else if field.holds == Type::Json {
            let map = AttributeMap { column: column.to_owned(), place: None };
            self.layout.attribute_maps.push(map);
        } else if field.holds != Type::Links || !is_nothing(holds) {
            self.layout.columns[at] = Some(column.to_owned());
        }
    }

    /// Maps of attributes are read only where a field has no column of its own.
    fn attributes(&mut self, mapping: &Mapping) {
        if mapping.column("attributes").is_some() {
            return;
        }
        for (column, place) in ATTRIBUTE_MAPS {
            let Some(holds) = self.type_of(column) else { continue };
            let wanted = |(role, field): &(Role, &str)| {
                place_of(*role) == place && self.layout.of(field).is_none()
            };
            if !ROLES.iter().any(wanted) || is_nothing(holds) {
                continue;
            }
            if is_map(holds) {
                let map = AttributeMap { column: column.to_owned(), place: Some(place) };
                self.layout.attribute_maps.push(map);
            } else {
                let what = format!(
                    "column `{column}` is not read: it holds {}, not a map of texts",
                    describe(holds)
                );
                self.layout.unused.push(what);
            }
        }
    }

    fn events_and_links(&mut self) {
        if self.layout.of("exception_event_count").is_none() {
            self.layout.event_names = self.list_of_texts("Events.Name");
        }
        if self.layout.of("links").is_none() {
            let lists = (self.list_of_texts("Links.TraceId"), self.list_of_texts("Links.SpanId"));
            if let (Some(traces), Some(spans)) = lists {
                self.layout.link_lists = Some(LinkLists { traces, spans });
            }
        }
    }

    fn list_of_texts(&self, column: &str) -> Option<String> {
        let inner = inner(self.type_of(column)?)?;
        is_text(inner).then(|| column.to_owned())
    }
}

/// Where a role's attributes stand.
const fn place_of(role: Role) -> Place {
    match role {
        Role::Service | Role::Namespace | Role::Instance | Role::Version | Role::Host => {
            Place::Resource
        }
        Role::HttpStatus | Role::RpcStatus | Role::ErrorType | Role::Peer => Place::Span,
    }
}

/// Whether a column of this type can be the field, and what is expected of it.
fn fits(field: &Field, holds: &ArrowDataType) -> (bool, &'static str) {
    let nothing = is_nothing(holds);
    match field.holds {
        Type::Id(16) => (nothing || is_text(holds), "text (32 hex digits) or bytes (16)"),
        Type::Id(_) => (nothing || is_text(holds), "text (16 hex digits) or bytes (8)"),
        Type::Text => (nothing || is_text(holds), "text"),
        Type::Integer => match field.name {
            "start_unix_nano" | "received_unix_nano" => {
                let time = matches!(holds, ArrowDataType::Timestamp(..));
                (nothing || time || is_number(holds), "whole nanoseconds or a timestamp")
            }
            "duration_ns" => {
                let duration = matches!(holds, ArrowDataType::Duration(_));
                (nothing || duration || is_number(holds), "whole nanoseconds or a duration")
            }
            _ => (nothing || is_number(holds), "a whole number"),
        },
        Type::Links => {
            let linked = inner(holds).is_some_and(|struct_| link_fields(struct_).is_some());
            (nothing || linked, "a list of structs of `trace_id` and `span_id`")
        }
        Type::Json => (is_map(holds), "a map of text to text (JSON text is not read)"),
    }
}

/// True for a column of nulls, or of lists of nothing.
fn is_nothing(holds: &ArrowDataType) -> bool {
    matches!(holds, ArrowDataType::Null) || inner(holds).is_some_and(is_nothing)
}

fn is_text(holds: &ArrowDataType) -> bool {
    use ArrowDataType::{
        Binary, BinaryView, Dictionary, FixedSizeBinary, LargeBinary, LargeUtf8, Utf8, Utf8View,
    };
    match holds {
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => {
            true
        }
        Dictionary(_, values, _) => is_text(values),
        _ => false,
    }
}

/// Numbers, and texts that may hold their digits or names.
fn is_number(holds: &ArrowDataType) -> bool {
    use ArrowDataType::{
        Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64,
    };
    matches!(
        holds,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float32 | Float64
    ) || is_text(holds)
}

fn inner(holds: &ArrowDataType) -> Option<&ArrowDataType> {
    match holds {
        ArrowDataType::List(field)
        | ArrowDataType::LargeList(field)
        | ArrowDataType::Map(field, _) => Some(field.dtype()),
        _ => None,
    }
}

/// A map is a list of structs of two texts: key and value.
fn is_map(holds: &ArrowDataType) -> bool {
    let Some(ArrowDataType::Struct(fields)) = inner(holds) else { return false };
    let [key, value] = fields.as_slice() else { return false };
    key.name.starts_with("key") && is_text(key.dtype()) && is_text(value.dtype())
}

/// The names of the two fields of a link.
pub(crate) fn link_fields(holds: &ArrowDataType) -> Option<(&'static str, &'static str)> {
    let ArrowDataType::Struct(fields) = holds else { return None };
    let has = |name: &str| fields.iter().any(|f| f.name == name && is_text(f.dtype()));
    LINK_FIELDS.into_iter().find(|(trace, span)| has(trace) && has(span))
}

/// How the fields of a link are called, in our schema and in ClickHouse's.
pub(crate) const LINK_FIELDS: [(&str, &str); 2] = [("trace_id", "span_id"), ("TraceId", "SpanId")];

/// A type in plain words.
fn describe(holds: &ArrowDataType) -> String {
    let unit = |unit: &ArrowTimeUnit| match unit {
        ArrowTimeUnit::Second => "s",
        ArrowTimeUnit::Millisecond => "ms",
        ArrowTimeUnit::Microsecond => "us",
        ArrowTimeUnit::Nanosecond => "ns",
    };
    match holds {
        ArrowDataType::Null => "nothing but nulls".to_owned(),
        ArrowDataType::Boolean => "booleans".to_owned(),
        ArrowDataType::Timestamp(u, _) => format!("timestamps in {}", unit(u)),
        ArrowDataType::Duration(u) => format!("durations in {}", unit(u)),
        ArrowDataType::Date32 | ArrowDataType::Date64 => "dates".to_owned(),
        ArrowDataType::Time32(_) | ArrowDataType::Time64(_) => "times of day".to_owned(),
        ArrowDataType::FixedSizeBinary(n) => format!("{n} bytes"),
        ArrowDataType::Binary | ArrowDataType::LargeBinary | ArrowDataType::BinaryView => {
            "bytes".to_owned()
        }
        ArrowDataType::Utf8 | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8View => {
            "text".to_owned()
        }
        ArrowDataType::Dictionary(_, values, _) => describe(values),
        ArrowDataType::Decimal(..) => "decimals".to_owned(),
        ArrowDataType::Struct(fields) => {
            let names: Vec<&str> = fields.iter().take(8).map(|f| f.name.as_str()).collect();
            format!("a struct of {}", names.join(", "))
        }
        _ => match inner(holds) {
            Some(inner) => format!("lists of {}", describe(inner)),
            None => format!("{holds:?}").to_ascii_lowercase().chars().take(40).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_fields_of_the_schema() {
        for (field, _) in CLICKHOUSE {
            assert!(schema::find(field).is_some(), "{field}");
        }
        for (i, (role, field)) in ROLES.iter().enumerate() {
            assert!(schema::find(field).is_some(), "{field}");
            assert_eq!(role.index(), i);
        }
    }

    #[test]
    fn the_place_of_a_role_is_that_of_its_attribute_keys() {
        for text in ["service.namespace", "host.name", "container.id", "error.type", "db.name"] {
            let key = resus_model::attributes::key(text).expect(text);
            assert_eq!(place_of(key.role), key.place, "{text}");
        }
    }

    #[test]
    fn types_are_told_in_plain_words() {
        let text = ArrowField::new("item".into(), ArrowDataType::Utf8View, true);
        for (holds, words) in [
            (ArrowDataType::Boolean, "booleans"),
            (ArrowDataType::Timestamp(ArrowTimeUnit::Microsecond, None), "timestamps in us"),
            (ArrowDataType::FixedSizeBinary(3), "3 bytes"),
            (ArrowDataType::LargeList(Box::new(text.clone())), "lists of text"),
            (ArrowDataType::Struct(vec![text]), "a struct of item"),
            (ArrowDataType::Int64, "int64"),
        ] {
            assert_eq!(describe(&holds), words);
        }
    }
}
