//! How do requests go on to another OTLP endpoint?
//!
//! [`Forwarder`] takes requests as they were received from a [`Source`], such as a log on disk, and sends
//! them to an OTLP/HTTP endpoint by the rules of OTLP 1.11. Whoever fills the source never waits for it:
//! what the endpoint does not take stays in the source, up to a bound, and is tried again.
//!
//! **At least once.** A request is done when the endpoint took it or refused it for good, or when it was
//! dropped, which is counted. [`Source::done`] only ever hears of a position before which all is done. After
//! a crash what lies behind it is sent again.
//!
//! **In order**, as far as first attempts go; several are under way at a time.
//!
//! **Bounded**: memory by the number and bytes of requests held, the source by
//! [`ForwardOptions::max_backlog`], an answer by 64 KiB, each attempt by a timeout. Redirects are not
//! followed, and nothing that the endpoint says is repeated in a message.

mod answer;
mod backoff;
mod clock;
mod connection;
mod fetch;
mod forwarder;
mod lanes;
mod ledger;
mod meter;
mod options;
mod prepare;
mod retry_after;
mod source;
mod target;
mod tls;

pub use forwarder::Forwarder;
pub use meter::{Failure, Meter, Stats};
pub use options::{Backoff, ContentCoding, ForwardError, ForwardOptions};
pub use source::{Outgoing, Source};
pub use tls::TlsError;
