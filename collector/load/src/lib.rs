//! What does a collector do under load, and does it keep OTLP's rules?
//!
//! A client for tests and benches of any OTLP collector that has an address. Two halves:
//!
//! - [`run`] sends spans as fast as wished and says what became of them. Every span id follows from a
//!   seed, a request's number and a row, so that a [`Ledger`] of request numbers is enough to compare
//!   what the collector acknowledged with what it stored ([`check`]).
//! - [`conformance`] sends what clients in the wild and clients with ill intent send, byte by byte, and
//!   reports for each rule whether the collector kept it.
//!
//! It speaks plain text only: TLS is a matter of who listens, not of OTLP.
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "tests"))]

mod body;
mod conformance;
mod export;
mod gather;
mod grpc;
mod http1;
mod ids;
mod latency;
mod ledger;
mod load;
mod message;
#[cfg(test)]
mod reference;
mod status;
mod target;
mod template;
mod verdict;
mod wire;

pub use body::{Shape, ShapeError};
pub use conformance::{Check, Finding, Report, Weight, conformance};
pub use export::export;
pub use ids::Ids;
pub use latency::Latency;
pub use ledger::{Entry, Fate, Ledger, LedgerError};
pub use load::{
    Compression, Keep, Length, Load, LoadError, Outcome, Retry, Transport, run, run_until,
};
pub use target::Target;
pub use template::Template;
pub use verdict::{Verdict, check};
