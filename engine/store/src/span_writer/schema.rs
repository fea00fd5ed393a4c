//! The span schema as Parquet has it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};
use parquet::{arrow::ArrowSchemaConverter, errors::Result, schema::types::SchemaDescriptor};
use resus_model::schema;

/// How identifiers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdEncoding {
    /// 16 and 8 bytes, big-endian: half the size and the quicker to read.
    Bytes,
    /// Lower-case hex digits, for tools in which a person reads identifiers.
    Hex,
}

/// The schema of span files: [`schema::FIELDS`], by name and in order.
pub(super) fn parquet_schema(ids: IdEncoding) -> Result<SchemaDescriptor> {
    let fields: Vec<Field> = schema::FIELDS
        .iter()
        .map(|f| Field::new(f.name, data_type(f, ids), !f.required && !is_total(f.name)))
        .collect();
    ArrowSchemaConverter::new().schema_root("spans").convert(&Schema::new(fields))
}

/// Optional columns that have a value in every span all the same.
fn is_total(name: &str) -> bool {
    matches!(name, "flags" | "kind" | "error_event_count" | "exception_event_count")
}

fn data_type(field: &schema::Field, ids: IdEncoding) -> DataType {
    match field.holds {
        schema::Type::Id(bytes) => id_type(bytes, ids),
        schema::Type::Text | schema::Type::Json => DataType::Utf8,
        schema::Type::Integer => match field.name {
            "kind" | "status" | "rpc_status" => DataType::UInt8,
            "http_status" => DataType::UInt16,
            "start_unix_nano" | "received_unix_nano" => DataType::UInt64,
            "duration_ns" => DataType::Int64,
            _ => DataType::UInt32,
        },
        schema::Type::Links => DataType::List(link_field(ids)),
    }
}

fn id_type(bytes: usize, ids: IdEncoding) -> DataType {
    match ids {
        IdEncoding::Bytes => {
            DataType::FixedSizeBinary(i32::try_from(bytes).expect("identifiers are 8 or 16 bytes"))
        }
        IdEncoding::Hex => DataType::Utf8,
    }
}

fn link_field(ids: IdEncoding) -> FieldRef {
    Arc::new(Field::new("element", DataType::Struct(link_fields(ids)), false))
}

fn link_fields(ids: IdEncoding) -> Fields {
    Fields::from(vec![
        Field::new("trace_id", id_type(16, ids), false),
        Field::new("span_id", id_type(8, ids), false),
    ])
}
