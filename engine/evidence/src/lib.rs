//! What do these requests have in common? Paths → [`Evidence`](resus_model::Evidence), and back.
//!
//! Three things happen here: requests are counted into a mergeable summary ([`observe`]), summaries
//! are merged ([`merge`]), and summaries are written to and read from Arrow IPC ([`to_ipc`],
//! [`from_ipc`]). Every result is canonical: it depends on the set of requests alone, not on their
//! order, on how they were dealt over files and threads, or on the order of merging. This crate is
//! deterministic: it reads no clock, no randomness, no environment, no file, no socket.

mod attributes;
mod canonical;
mod dense;
mod export;
mod ipc;
mod live;
mod merge;
mod observe;
mod observer;
mod production;
mod recipe;
mod shape;
mod windows;

pub use canonical::{CLASS_CAP, EXEMPLAR_SPANS, EXEMPLARS, Limits};
pub use ipc::{FORMAT_VERSION, FromIpcError, ToIpcError, from_ipc, to_ipc};
pub use live::{FUTURE_NS, Live, LiveOptions, LiveStats};
pub use merge::{MergeError, coarsen_panes, merge};
pub use observe::observe;
pub use windows::{OverlapError, Windows};

#[cfg(test)]
mod tests;
