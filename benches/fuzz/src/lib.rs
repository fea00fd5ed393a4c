//! Whatever comes: do the decoders say the same of any bytes as the reference does, does the log make
//! the best of damaged files, is any text a configuration or a list of mistakes?
//!
//! `benches/fuzz/run` runs all targets, ten minutes each. The comparisons of the decoders are those of
//! their own tests, which run them on a stable toolchain over generated, changed and arbitrary bytes;
//! here they are run over what coverage leads to.

// The names under which the comparisons know the decoders.
use resus_otlp::{Encoding, Gauge, Keep, decode_logs, decode_metrics, decode_traces};

#[path = "../../../collector/otlp/src/reference.rs"]
mod reference;

mod segments;
mod settings;

/// Reads bytes as a request of traces in protobuf.
pub fn traces_protobuf(body: &[u8]) {
    reference::traces_protobuf(body);
}

/// Reads bytes as a request of traces in JSON.
pub fn traces_json(text: &[u8]) {
    reference::traces_json(text);
}

/// Reads bytes as a request of logs in protobuf.
pub fn logs_protobuf(body: &[u8]) {
    reference::logs_protobuf(body);
}

/// Reads bytes as a request of metrics in protobuf; of the metrics, those with an empty or short name
/// are wanted.
pub fn metrics_protobuf(body: &[u8]) {
    reference::metrics_protobuf(body, &["", "a", "\n"]);
}

/// Appends to a log what the bytes say, damages its files as they say, and opens it again.
pub fn log(bytes: &[u8]) {
    segments::check(bytes);
}

/// Reads a text as a configuration.
pub fn config(text: &str) {
    settings::check(text);
}
