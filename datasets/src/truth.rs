//! What was really wrong: the ground truth of a run.

use serde::Serialize;

use crate::{
    scenario::{Component, Effect, Fault, Restart},
    topology::Topology,
};

/// What was injected and what came of it, up to where the generator has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Truth {
    /// Name of the scenario.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// The start of the run, nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// The last arrival, nanoseconds since the Unix epoch; the start where there was none.
    pub last_arrival_unix_nano: u64,
    /// Requests that arrived, sampled or not.
    pub requests: u64,
    /// Of these: kept by head sampling.
    pub sampled: u64,
    /// Of these: the entry operation failed, whatever the reason.
    pub failed: u64,
    /// Of these: turned away without a span, because the entry's service was restarting.
    pub refused: u64,
    /// Spans written, duplicates included.
    pub spans: u64,
    /// Spans lost on the way.
    pub lost: u64,
    /// Spans written a second time.
    pub duplicated: u64,
    /// The faults, in the order of the scenario.
    pub faults: Vec<FaultTruth>,
    /// The restarts, in the order of the scenario, then as they were asked for.
    pub restarts: Vec<RestartTruth>,
}

/// A fault and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultTruth {
    /// The components that have to meet.
    pub trigger: Vec<ComponentTruth>,
    /// `error`, `masked_error`, `delay`, `network_delay`, `slow_down`, `leak`, `hang`, `refuses`,
    /// `early_return` or `wrong_value`.
    pub effect: &'static str,
    /// First nanosecond since the Unix epoch at which it shows.
    pub from_unix_nano: u64,
    /// First nanosecond at which it no longer does: its end, or the end of the restart that cured it.
    pub until_unix_nano: u64,
    /// A restart ended it.
    pub cured: bool,
    /// Requests in which its components met while it was there.
    pub met: u64,
    /// Of these: hit by it.
    pub hit: u64,
    /// Of these: whose entry operation failed.
    pub failed: u64,
}

/// A restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestartTruth {
    /// What was restarted.
    pub component: ComponentTruth,
    /// When it began, nanoseconds since the Unix epoch.
    pub from_unix_nano: u64,
    /// When it was done, nanoseconds since the Unix epoch.
    pub until_unix_nano: u64,
}

/// A component by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ComponentTruth {
    /// `service.name`.
    pub service: String,
    /// The operation, where one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The replica, counted from 0, where one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// Replicas of the new version are meant.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_version: bool,
}

impl ComponentTruth {
    pub(crate) fn of(component: Component, topology: &Topology) -> Self {
        let service = topology.service(component.service(topology)).name.clone();
        let whole = Self { service, operation: None, replica: None, new_version: false };
        match component {
            Component::Service(_) => whole,
            Component::Version(_) => Self { new_version: true, ..whole },
            Component::Instance(_, replica) => Self { replica: Some(replica), ..whole },
            Component::Operation(id) => {
                Self { operation: Some(topology.operation(id).name.clone()), ..whole }
            }
        }
    }
}

impl FaultTruth {
    pub(crate) fn of(fault: &Fault, start: u64, topology: &Topology) -> Self {
        Self {
            trigger: fault.trigger.iter().map(|&c| ComponentTruth::of(c, topology)).collect(),
            effect: match fault.effect {
                Effect::Error { .. } => "error",
                Effect::MaskedError { .. } => "masked_error",
                Effect::Delay { .. } => "delay",
                Effect::NetworkDelay { .. } => "network_delay",
                Effect::SlowDown { .. } => "slow_down",
                Effect::Leak { .. } => "leak",
                Effect::Hang { .. } => "hang",
                Effect::Refuses => "refuses",
                Effect::EarlyReturn => "early_return",
                Effect::WrongValue { .. } => "wrong_value",
            },
            from_unix_nano: start.saturating_add(fault.from),
            until_unix_nano: start.saturating_add(fault.until),
            cured: false,
            met: 0,
            hit: 0,
            failed: 0,
        }
    }
}

impl RestartTruth {
    pub(crate) fn of(restart: &Restart, start: u64, topology: &Topology) -> Self {
        Self {
            component: ComponentTruth::of(restart.component, topology),
            from_unix_nano: start.saturating_add(restart.at),
            until_unix_nano: start.saturating_add(restart.at).saturating_add(restart.takes),
        }
    }
}
