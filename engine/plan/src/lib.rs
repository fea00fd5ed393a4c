//! What is the smallest restart that would cure it, and how would one tell that it did?
//!
//! This crate answers that question from a diagnosis and the operator's restart tree: it reads and
//! checks the tree ([`RestartTree`]), maps suspects to the smallest cells that cover them
//! ([`propose`]), and writes the answer down as a self-contained document ([`Plan`]). It is fully
//! deterministic: it reads no clock, no randomness, no environment, no file, no socket; *now* is
//! the watermark of the data it was given.

mod canonical;
mod civil;
mod describe;
mod document;
mod duration;
mod executor;
mod glob;
mod names;
pub mod policy;
mod propose;
mod schema;
mod text;
mod tree;

pub use document::{
    Action, Because, ClosestEvidence, Envelope, Failure, MadeFrom, Mode, NextRung, Nothing,
    NothingReason, OnFailure, Plan, PlanComponent, PlanDocument, PlanError, PlanSchema,
    PlanSignature, Proposal, Step, StepBudget, SuspectEvidence, TableOfFour, Target, Verify,
    VerifyEntry, Withheld, WithheldReason,
};
pub use duration::{Budget, Millis};
pub use executor::{DockerTarget, Executor, TargetError};
pub use glob::Glob;
pub use names::{CellId, ContentHash, MAX_NAME, NameError, PlanId, RungName, UnixNano};
pub use policy::{Policy, PolicyFields, PolicyMistake, TooMany};
pub use propose::{ProposeContext, propose};
pub use schema::{plan_schema, tree_schema};
pub use tree::{
    Cell, DEFAULT_GRACE, DEFAULT_RESTART_TIME, Identity, Located, Mistake, MistakeKind, Pattern,
    RestartTree, SeenService, Strategy, TreeErrors, TreeNote, check, infer,
};
