//! Which requests would a system under this fault have answered, and what would its traces say?
//!
//! An event-driven generator in virtual time: a [`Scenario`] (topology, load, faults, restarts,
//! sampling, what gets lost on the way) goes in, spans come out in the order in which exporters
//! would send them, and with them the [`Truth`] about what was injected. It reads no clock and no
//! system randomness: the same scenario gives the same bytes. [`presets`] has the scenarios that
//! have a name.

mod random;

mod latency;
mod topology;

pub mod shop;
pub mod synthetic;

mod scenario;
mod truth;

mod conditions;
mod requests;

mod emission;
mod generator;

mod files;
pub mod presets;

pub use files::{WriteDatasetError, deal, write_parquet};
pub use generator::{Generator, generate};
pub use latency::Latency;
pub use random::Share;
pub use scenario::{
    Calling, Capacity, Collection, Component, Deploy, Effect, Fault, Load, Mix, Restart, Sampling,
    Scenario, ScenarioError, Surge,
};
pub use topology::{
    Call, Operation, OperationId, Protocol, Service, ServiceId, Step, Topology, TopologyBuilder,
    TopologyError,
};
pub use truth::{ComponentTruth, FaultTruth, RestartTruth, Truth};
