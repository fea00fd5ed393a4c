//! Which words do the rooms of the house share?
//!
//! This crate answers that question and computes nothing else: identifiers, interned names, time
//! windows, spans as columns ([`SpanBatch`]), the mergeable summary of requests ([`Evidence`]),
//! what is concluded from it ([`Diagnosis`]), and the counters of data quality ([`Quality`]).
//! It is fully deterministic: it reads no clock, no randomness, no environment, no file, no socket.

pub mod attributes;
mod diagnosis;
mod evidence;
mod finding;
mod histogram;
mod ids;
mod names;
mod quality;
mod rules;
pub mod schema;
mod span;
mod time;

pub use diagnosis::{
    Candidate, ClosestPart, Component, Counts, DecidedBy, Dendrogram, Diagnosis, EntryFinding,
    EntryState, ExemplarText, FailureKind, Level, Merge, Narrower, Presence, Signature, Suspect,
    Verdict, WhyNoVerdict,
};
pub use evidence::{
    AttributeRow, AttributeValue, ClassKey, Edge, EdgeKey, EntryOperation, Evidence, Exactness,
    Exemplar, ExemplarSpan, Marginal, MarginalKey, MarginalKind, NameTable, OVERFLOW_VALUE,
    OperationKey, OperationStats, Outcome, PathClass, Peer, PeerKey, Place, PlaceKey, Production,
    ProductionKey, Role, Second, Shape, ShapeNode, Tally,
};
pub use finding::{EvidenceKind, Finding, Obstacle, ObstacleKind, Sample};
pub use histogram::{Bucket, Histogram};
pub use ids::{ParseIdError, SpanId, TraceId};
pub use names::{Interner, Name};
pub use quality::{Quality, SkipReason};
pub use rules::{ClientErrors, Fingerprint, Rules};
pub use span::{Kind, Link, LogBatch, SpanBatch, SpanRow, Status};
pub use time::Window;
