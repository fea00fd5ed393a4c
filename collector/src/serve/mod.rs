//! The collector: requests come in, are kept, and are judged while they come.
//!
//! ```text
//! listeners ─ ingest ─ log ─┬─ live half (one thread): assemble, count by pane, judge ─ view ─ API
//!                           └─ sealer (one thread): Parquet segments
//! ```
//!
//! Nothing is acknowledged before it is in the log; the live half sees what is in the log, in the order
//! of the log, so that what it concludes after a restart is what it would have concluded without.

mod api;
mod canary;
mod clock;
mod counters;
mod gauges;
mod ingest;
mod keep;
mod live;
mod memory;
mod metrics;
mod onward;
mod process;
mod record;
mod running;
mod seal;
mod settings;
mod shell;
mod tell;
mod trail;

pub(crate) use api::openapi;
pub(crate) use shell::{monitor_options, run};
pub(crate) use tell::{json_line, line};
