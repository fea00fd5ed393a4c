//! What happens in a run: load, faults, restarts, and what gets lost on the way to the file.
//!
//! Instants are offsets from the start of the run, in nanoseconds.

use crate::{
    latency::Latency,
    random::Share,
    topology::{OperationId, ServiceId, Topology},
};

/// One run of a system, complete: the same scenario gives the same spans, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Short, as a user would type it.
    pub name: String,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// The start of the run, nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// Who there is.
    pub topology: Topology,
    /// The requests that come in.
    pub load: Load,
    /// Time on the wire, each way, between services.
    pub network: Latency,
    /// What is broken; at most 64.
    pub faults: Vec<Fault>,
    /// What is restarted.
    pub restarts: Vec<Restart>,
    /// Which services get a new version on the way.
    pub deploys: Vec<Deploy>,
    /// Which services can't do any number of things at a time.
    pub capacities: Vec<Capacity>,
    /// How services call each other.
    pub calling: Calling,
    /// In how many runs of any operation something unrelated goes wrong.
    pub noise: Share,
    /// How many of the errors that have a caller are handled on their way to the entry, by a
    /// caller chosen at random: its span and all above it are not failed.
    pub masking: Share,
    /// What is kept at the head.
    pub sampling: Sampling,
    /// What goes wrong between exporter and file.
    pub collection: Collection,
    /// How many values the attribute `tenant` of entry spans has; 0 for no such attribute.
    pub tenants: u32,
    /// Spans a batch; at least 1.
    pub batch_rows: usize,
}

/// Requests as a Poisson process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Mean time between arrivals, nanoseconds.
    pub mean_gap_ns: u64,
    /// No arrivals after so many.
    pub requests: u64,
    /// No arrivals after this offset.
    pub until: u64,
    /// Which entry operations are asked for; the first holds from offset 0.
    pub mixes: Vec<Mix>,
    /// When more or fewer requests come than usual, ascending; the last one that has begun holds.
    pub surges: Vec<Surge>,
}

/// From some time on, requests come at another rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surge {
    /// Offset from which it holds.
    pub from: u64,
    /// The rate, in hundredths of the usual one; at least 1.
    pub percent: u32,
}

/// From some time on, entry operations are chosen by these weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix {
    /// Offset from which it holds.
    pub from: u64,
    /// Entry operations with their weights.
    pub weights: Vec<(OperationId, u32)>,
}

/// Something that can be broken or restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// All of a service.
    Service(ServiceId),
    /// One replica of a service, counted from 0.
    Instance(ServiceId, u32),
    /// One operation, in all replicas.
    Operation(OperationId),
    /// The replicas of a service that have got a new version ([`Scenario::deploys`]).
    Version(ServiceId),
}

/// A fault that shows when certain components meet in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// 1 to 4 components. It shows wherever a request runs one of them after it has been at all the
    /// others.
    pub trigger: Vec<Component>,
    /// Offset at which it begins.
    pub from: u64,
    /// Offset at which it ends by itself.
    pub until: u64,
    /// How many of the requests in which the components meet are hit.
    pub share: Share,
    /// Only requests of this tenant are hit; of all where none is named.
    pub tenant: Option<u32>,
    /// What happens then.
    pub effect: Effect,
    /// A restart of any of these, or of the service that one belongs to, cures it for good; usually
    /// the trigger. Empty for a fault that no restart cures.
    pub cured_by: Vec<Component>,
}

/// What a fault does to the run of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It fails, at any stage of its work; callers fail too unless one handles it
    /// ([`Scenario::masking`]).
    Error {
        /// The exception.
        error_type: String,
    },
    /// It fails and its caller always handles that. Nothing happens where there is no caller.
    MaskedError {
        /// The exception.
        error_type: String,
    },
    /// It takes longer.
    Delay {
        /// By so much.
        extra: Latency,
    },
    /// The call takes longer to arrive: the caller's client span is long, the server span is not.
    /// Nothing happens where there is no caller in another service.
    NetworkDelay {
        /// By so much.
        extra: Latency,
    },
    /// Its own work takes longer by a factor, as when the processor is short.
    SlowDown {
        /// Hundredths of the usual time.
        percent: u32,
    },
    /// It takes longer and longer, as when memory leaks.
    Leak {
        /// By so much in the end.
        most: Latency,
        /// After so long, nanoseconds; before, by a part of it in proportion.
        over_ns: u64,
    },
    /// It does nothing for a long time; callers that have a time-out ([`Calling::timeout_ns`]) give up.
    Hang {
        /// For how long, nanoseconds.
        for_ns: u64,
    },
    /// Nobody answers: the caller is refused, there is no span. Nothing happens where there is no
    /// caller in another service.
    Refuses,
    /// It answers at once and well, without calling anybody: a part of the trace is missing.
    EarlyReturn,
    /// It answers well, but with a wrong value, and its caller stumbles over that: by an exception
    /// of its own, once the step of the call is over or at any later stage of its work. From there
    /// on that is an error like any other ([`Scenario::masking`]).
    ///
    /// Where a service or a replica is broken, the value leaves it first: the caller that stumbles
    /// is the one outside. Nothing happens where there is none. A run that fails for another reason
    /// gives no value away, and a caller that fails for another reason before it stumbles fails for
    /// that.
    WrongValue {
        /// The caller's exception.
        error_type: String,
    },
}

/// A restart. Requests that are already inside finish; new ones fail at once until it is done.
///
/// While a service restarts its callers are refused: there are client spans without a server span,
/// and no trace where it is the entry. While an operation restarts its process answers for it: a
/// failed server span. While an instance restarts the other replicas of its service take over, if
/// there are any. Instances that were restarted come back under a new identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// What is restarted.
    pub component: Component,
    /// Offset at which it begins.
    pub at: u64,
    /// How long it takes, nanoseconds.
    pub takes: u64,
}

/// A new version of a service. Its replicas come back under a new identity, without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// The service.
    pub service: ServiceId,
    /// So many of its replicas, from the first on.
    pub replicas: u32,
    /// Their `service.version` from then on.
    pub version: String,
    /// Offset at which that happens.
    pub at: u64,
}

/// Each replica of a service does only so many things at a time. Calls beyond wait in front of it, and
/// beyond that are turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// The service.
    pub service: ServiceId,
    /// Calls under way, a replica.
    pub running: u32,
    /// Calls waiting, a replica.
    pub waiting: u32,
}

/// How services call each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calling {
    /// A call without an answer for so long has failed, nanoseconds; whoever was called goes on.
    pub timeout_ns: Option<u64>,
    /// A failed call to another service is made so many times more, at once.
    pub retries: u32,
}

impl Calling {
    /// Callers wait for ever and try once.
    pub const PATIENT: Self = Self { timeout_ns: None, retries: 0 };
}

/// Head sampling by consistent probability, as OpenTelemetry's `tracestate` (`ot=th:`) tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampling {
    /// How many requests are kept; `None` for all of them, without a word in `tracestate`.
    pub share: Option<Share>,
    /// Entry operations with a share of their own.
    pub by_entry: Vec<(OperationId, Share)>,
}

/// What goes wrong between exporter and file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    /// Spans that get lost.
    pub lost: Share,
    /// Spans that are sent once more, [`Collection::RESEND_NS`] later.
    pub duplicated: Share,
    /// Clocks of hosts are off by a constant of at most so much either way, nanoseconds.
    pub clock_skew_ns: u64,
}

impl Collection {
    /// Nothing goes wrong.
    pub const PERFECT: Self = Self { lost: Share::ZERO, duplicated: Share::ZERO, clock_skew_ns: 0 };

    /// After 5 s without an answer exporters send a batch again.
    pub const RESEND_NS: u64 = 5_000_000_000;
}

impl Sampling {
    /// Everything is kept.
    pub const ALL: Self = Self { share: None, by_entry: Vec::new() };
}

/// Why a scenario can't be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// There is nothing to ask for.
    #[error("mix {mix} of the load has no entry operation of a weight above 0")]
    EmptyMix {
        /// Zero-based place of the mix.
        mix: usize,
    },
    /// The first mix has to hold from the start and each next from later on.
    #[error("mix {mix} of the load begins at {from} ns: mixes begin at 0 and ascend")]
    MixOrder {
        /// Zero-based place of the mix.
        mix: usize,
        /// Its offset.
        from: u64,
    },
    /// Requests can't all come at once.
    #[error("the mean time between arrivals is 0 ns, at least 1 is needed")]
    NoGap,
    /// Virtual time would overflow.
    #[error("the run ends beyond the year 2262")]
    TooLate,
    /// A request can't begin where there are no spans.
    #[error("entry operation {operation} is of a service that emits no spans")]
    SilentEntry {
        /// Its name.
        operation: String,
    },
    /// An identifier of another topology.
    #[error("{what} names a service, replica or operation that the topology does not have")]
    Unknown {
        /// Where.
        what: &'static str,
    },
    /// Faults have 1 to 4 components in their trigger.
    #[error("fault {fault} is triggered by {found} components: 1 to 4 are possible")]
    Trigger {
        /// Zero-based place of the fault.
        fault: usize,
        /// Components in its trigger.
        found: usize,
    },
    /// More faults than can be told apart.
    #[error("{found} faults, at most 64 are possible")]
    TooManyFaults {
        /// Faults.
        found: usize,
    },
    /// A kept share of nothing has no weight.
    #[error("sampling keeps a share of 0, at least a millionth is needed")]
    SamplesNothing,
    /// A batch has to have a span.
    #[error("batches of 0 spans were asked for, at least 1 is needed")]
    NoRows,
}

impl Scenario {
    /// Checks what types do not.
    ///
    /// # Errors
    /// Says what is wrong: see [`ScenarioError`].
    pub fn check(&self) -> Result<(), ScenarioError> {
        let Self {
            topology,
            load,
            faults,
            restarts,
            deploys,
            capacities,
            sampling,
            batch_rows,
            ..
        } = self;
        load.check(topology)?;
        // A day for the last request to end.
        let end = self.start_unix_nano.checked_add(load.until).and_then(|end| {
            end.checked_add(86_400_000_000_000).filter(|&end| i64::try_from(end).is_ok())
        });
        if end.is_none() {
            return Err(ScenarioError::TooLate);
        }
        if faults.len() > 64 {
            return Err(ScenarioError::TooManyFaults { found: faults.len() });
        }
        for (fault, Fault { trigger, cured_by, .. }) in faults.iter().enumerate() {
            if !(1..=4).contains(&trigger.len()) {
                return Err(ScenarioError::Trigger { fault, found: trigger.len() });
            }
            if !trigger.iter().chain(cured_by).all(|c| c.exists(topology)) {
                return Err(ScenarioError::Unknown { what: "a fault" });
            }
        }
        let services =
            deploys.iter().map(|d| d.service).chain(capacities.iter().map(|c| c.service));
        if !services.map(Component::Service).all(|c| c.exists(topology)) {
            return Err(ScenarioError::Unknown { what: "a deploy or a capacity" });
        }
        if !restarts.iter().all(|r| r.component.exists(topology)) {
            return Err(ScenarioError::Unknown { what: "a restart" });
        }
        let Sampling { share, by_entry } = sampling;
        if share.iter().chain(by_entry.iter().map(|(_, share)| share)).any(|&s| s == Share::ZERO) {
            return Err(ScenarioError::SamplesNothing);
        }
        if !by_entry.iter().all(|(id, _)| id.index() < topology.operations().len()) {
            return Err(ScenarioError::Unknown { what: "sampling" });
        }
        if *batch_rows == 0 {
            return Err(ScenarioError::NoRows);
        }
        Ok(())
    }
}

impl Fault {
    /// True when its trigger has all that a replica of a service runs, and not operations alone.
    pub(crate) fn breaks_all_of(&self, service: ServiceId, replica: u32) -> bool {
        self.trigger.iter().any(|&component| {
            component == Component::Service(service)
                || component == Component::Instance(service, replica)
        })
    }
}

impl Load {
    fn check(&self, topology: &Topology) -> Result<(), ScenarioError> {
        let Self { mean_gap_ns, requests: _, until: _, mixes, surges } = self;
        if *mean_gap_ns == 0 || surges.iter().any(|s| s.percent == 0) {
            return Err(ScenarioError::NoGap);
        }
        if mixes.is_empty() {
            return Err(ScenarioError::EmptyMix { mix: 0 });
        }
        for (mix, Mix { from, weights }) in mixes.iter().enumerate() {
            let ordered = if mix == 0 { *from == 0 } else { mixes[mix - 1].from < *from };
            if !ordered {
                return Err(ScenarioError::MixOrder { mix, from: *from });
            }
            if weights.iter().all(|&(_, weight)| weight == 0) {
                return Err(ScenarioError::EmptyMix { mix });
            }
            for &(id, _) in weights {
                let Some(operation) = topology.operations().get(id.index()) else {
                    return Err(ScenarioError::Unknown { what: "the load" });
                };
                if !topology.service(operation.service).instrumented {
                    return Err(ScenarioError::SilentEntry { operation: operation.name.clone() });
                }
            }
        }
        Ok(())
    }
}

impl Component {
    /// True when the topology has it.
    pub(crate) fn exists(self, topology: &Topology) -> bool {
        match self {
            Self::Service(service) | Self::Version(service) => {
                service.index() < topology.services().len()
            }
            Self::Instance(service, replica) => {
                topology.services().get(service.index()).is_some_and(|s| replica < s.replicas)
            }
            Self::Operation(operation) => operation.index() < topology.operations().len(),
        }
    }

    /// True when a restart of this restarts the other one too.
    #[must_use]
    pub fn covers(self, other: Self, topology: &Topology) -> bool {
        self == other || self == Self::Service(other.service(topology))
    }

    /// The service that it is or belongs to.
    #[must_use]
    pub fn service(self, topology: &Topology) -> ServiceId {
        match self {
            Self::Service(service) | Self::Instance(service, _) | Self::Version(service) => service,
            Self::Operation(operation) => topology.operation(operation).service,
        }
    }
}
