//! How do the bytes of OTLP, as the OpenTelemetry Collector and its kin write them, become spans in columns?
//!
//! [`read`] takes a file or stream as the Collector's file exporter writes it (JSON lines, plain or
//! compressed, or framed records), finds out by itself which of these it is, and hands over batches
//! of bounded size. [`decode_json`] takes a single object. Both read what is found in the wild beside
//! what OTLP allows, and count it. Nothing here builds an object a span.

mod buffer;
mod extent;
mod fault;
mod ids;
mod json;
mod read;
mod tally;

pub use fault::{ReadError, ReadErrorKind};
pub use json::{JsonError, JsonErrorKind, decode_json};
pub use read::read;
