//! What does the collector tell about itself, to others?
//!
//! [`Telemetry`] sends metrics and spans by OTLP/HTTP (protobuf), made and encoded by OpenTelemetry's own
//! crates. Nothing here is global: no provider is installed, and no `OTEL_*` variable says where to.
//!
//! One thread of its own does all the work. What it cannot send is counted and told at most once a
//! minute; whoever is observed never waits for it, and its queue is bounded.
//!
//! **No circles.** All that is sent stands under the instrumentation scope [`SCOPE`], which other
//! collectors pass on as it is. A request that carries it, over however many of them it came, gets no
//! span: see [`Span::forget_own`].

mod client;
mod export;
mod metric;
mod options;
mod queue;
mod span;
mod stats;
mod telemetry;

pub use metric::{Family, Kind, Sample};
pub use options::{StartError, TelemetryOptions};
pub use span::Span;
pub use stats::Stats;
pub use telemetry::Telemetry;

/// Name of the instrumentation scope of all that is sent.
pub const SCOPE: &str = "resus-telemetry";

/// Says whether an OTLP message, protobuf or JSON, inflated, carries what a collector of this kind tells
/// about itself.
///
/// Both encodings write the scope's name as it is, so the bytes are searched and not decoded. A mixed
/// message counts as one.
#[must_use]
pub fn carries_own(body: &[u8]) -> bool {
    memchr::memmem::find(body, SCOPE.as_bytes()).is_some()
}
