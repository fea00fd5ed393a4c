//! How do the bytes of OTLP, as SDKs and the OpenTelemetry Collector write them, become spans in
//! columns?
//!
//! [`decode_traces`], [`decode_logs`] and [`decode_metrics`] take a request as it comes over the
//! network, in protobuf or JSON. [`read()`] takes a file or stream as the Collector's file exporter
//! writes it (JSON lines, plain or compressed, or framed records), finds out by itself which of these
//! it is, and hands over batches of bounded size. [`decode_json`] takes a single object. All read
//! what is found in the wild beside what OTLP allows, and count it. Nothing here builds an object a
//! span.

mod buffer;
mod decode;
mod extent;
mod fault;
mod ids;
mod json;
mod json_text;
mod logs;
mod metrics;
mod protobuf;
mod ranks;
mod read;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod requests;
mod sender;
mod tally;

pub use decode::{
    DecodeError, Decoded, Encoding, Keep, decode_logs, decode_metrics, decode_traces,
};
pub use fault::{ReadError, ReadErrorKind};
pub use json::{JsonError, JsonErrorKind, decode_json};
pub use metrics::{Gauge, MetricCount};
pub use protobuf::{ProtobufError, ProtobufErrorKind};
pub use read::read;
