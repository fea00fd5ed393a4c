//! Who may hand in telemetry, over which transport, and what are they told?
//!
//! The transport half of a collector for OTLP 1.11: it listens for OTLP/gRPC and OTLP/HTTP, and hands each
//! complete, inflated, size-checked body to a [`Handler`], whose [`Answer`] it turns into what the
//! specification asks for on that transport and in that encoding. It knows nothing of spans.
//!
//! [`Server`] is the collector's door. [`serve_http`] runs any other HTTP service behind the same accept
//! loop, so that timeouts, connection limits, TLS and tokens hold there too.
//!
//! One connection is one task, one HTTP/2 stream another; both are capped. Every wait has an end. Memory
//! for bodies comes out of one budget, asked before bytes are kept.

mod accept;
mod activity;
mod answer;
mod body;
mod budget;
mod config;
mod connection;
mod gate;
mod inflate;
mod limits;
mod listener;
mod meter;
mod otlp;
mod request;
mod roster;
mod secret;
mod server;
mod socket;
mod stored;
mod tls;

pub use answer::{Answer, Handler};
pub use body::{BodyError, RequestBody};
pub use budget::Permit;
pub use config::{BindError, BindMistake, ListenerConfig, Protocols, TlsConfig};
pub use limits::{LimitMistake, Limits};
pub use listener::{Listener, serve_http};
pub use meter::{ClosedFor, Meter, Outcome, RequestCount, Stats};
pub use request::{Compression, Encoding, Incoming, Peer, Signal, Transport};
pub use secret::Secret;
pub use server::Server;
pub use stored::{InflateError, inflate};
pub use tls::{ClientIdentity, TlsError};
