//! Which spans make up a request, and what became of it?
//!
//! Spans go in, in any order, and come out as one tree a trace, a [`Path`], with its entry span, its
//! outcome, the spans where failure began, self-times and gaps. This crate is fully deterministic
//! and sans-IO: it reads no clock, no randomness, no environment, no file, no socket; the same set
//! of spans gives the same paths whatever the order in which they came.
//!
//! Odd input is data: a missing parent makes a root of its own kind, a parent cycle is cut open at
//! its earliest span, duplicates collapse, timestamps are kept as they are. All of it is counted.

mod assembler;
mod attributes;
mod gather;
mod identity;
mod outcome;
mod record;
mod timing;
mod translate;
mod tree;
mod weight;

pub use assembler::{Assembler, AssemblerLimits, AssemblerStats, Change};
pub use gather::{Gather, Gathered};
pub use identity::{Mark, OperationId, OperationName, Resource, Vocabulary, template};
pub use outcome::{entry_outcome, span_failed};
pub use tree::{Node, Path};
pub use weight::weight_of;
