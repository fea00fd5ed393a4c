//! Services, their operations, and who calls whom.

use crate::{
    latency::Latency,
    random::{Share, Stream},
};

/// A service of a [`Topology`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(u32);

/// An operation of a [`Topology`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u32);

impl ServiceId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl OperationId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A service: replicas that answer the same operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `service.name`.
    pub name: String,
    /// `service.version`; empty for none.
    pub version: String,
    /// How many instances take turns at random; at least 1.
    pub replicas: u32,
    /// False for one that emits no spans (a database): only its callers' client spans tell of it.
    pub instrumented: bool,
}

/// How an operation is called from other services, which decides about codes on its spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP status codes.
    Http,
    /// gRPC status codes.
    Grpc,
    /// No codes (a database client, a call inside the service).
    Plain,
}

/// Something that a service does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Whose it is.
    pub service: ServiceId,
    /// Span name, of the server span and of its callers' client spans.
    pub name: String,
    /// How it is called.
    pub protocol: Protocol,
    /// Time that it takes itself, in equal parts before, between and after its steps.
    pub work: Latency,
    /// What it calls, one step after the other.
    pub steps: Vec<Step>,
}

/// Calls that are made at once and waited for together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// The calls.
    pub calls: Vec<Call>,
}

/// A call that an operation may make.
///
/// A call to another service has a client span in the caller and a server span in the callee; one
/// within a service has a single internal span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub callee: OperationId,
    /// In how many of the caller's runs.
    pub probability: Share,
}

/// Services, operations and calls. No operation calls itself, directly or through others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    namespace: String,
    hosts: u32,
    services: Vec<Service>,
    operations: Vec<Operation>,
    /// Operations, callees before callers.
    callees_first: Vec<OperationId>,
}

/// Why services and operations are no topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// A service has no instance that could answer.
    #[error("service {service} has 0 replicas, at least 1 is needed")]
    NoReplica {
        /// Its name.
        service: String,
    },
    /// Two services have one name.
    #[error("two services are named {service}")]
    SameName {
        /// Their name.
        service: String,
    },
    /// Who emits no spans can't be seen to call.
    #[error("operation {operation} of {service} makes calls, but {service} emits no spans")]
    SilentCaller {
        /// Name of the service.
        service: String,
        /// Name of the operation.
        operation: String,
    },
    /// A chain of calls leads back to where it came from.
    #[error("operation {operation} of {service} calls itself, directly or through others")]
    Cycle {
        /// Name of the service.
        service: String,
        /// Name of the operation.
        operation: String,
    },
}

impl Topology {
    /// Namespace of all services; empty for none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// How many hosts there are; instances are dealt out to them in turn.
    #[must_use]
    pub const fn hosts(&self) -> u32 {
        self.hosts
    }

    /// The services.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The operations.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// A service by identifier.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> &Service {
        &self.services[id.index()]
    }

    /// An operation by identifier.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> &Operation {
        &self.operations[id.index()]
    }

    /// The service of a name.
    #[must_use]
    pub fn find_service(&self, name: &str) -> Option<ServiceId> {
        let at = self.services.iter().position(|s| s.name == name)?;
        u32::try_from(at).ok().map(ServiceId)
    }

    /// The first operation of a name in the service of a name.
    #[must_use]
    pub fn find_operation(&self, service: &str, name: &str) -> Option<OperationId> {
        let service = self.find_service(service)?;
        let at = self.operations.iter().position(|o| o.service == service && o.name == name)?;
        u32::try_from(at).ok().map(OperationId)
    }

    /// How many spans a request has on average that goes well, entry operations being chosen by
    /// weight.
    #[must_use]
    pub fn mean_spans(&self, weights: &[(OperationId, u32)]) -> f64 {
        let mut spans = vec![0.0; self.operations.len()];
        for &id in &self.callees_first {
            let operation = self.operation(id);
            let own = if self.service(operation.service).instrumented { 1.0 } else { 0.0 };
            spans[id.index()] = operation.steps.iter().flat_map(|s| &s.calls).fold(own, |n, c| {
                let remote = self.operation(c.callee).service != operation.service;
                let client = if remote { 1.0 } else { 0.0 };
                n + f64::from(c.probability.as_millionths()) / 1e6
                    * (client + spans[c.callee.index()])
            });
        }
        let total: f64 = weights.iter().map(|&(_, w)| f64::from(w)).sum();
        weights.iter().fold(0.0, |n, &(id, w)| n + spans[id.index()] * f64::from(w) / total)
    }

    /// The same with probabilities of calls multiplied by one factor (to 1 at most) so that
    /// [`Topology::mean_spans`] comes nearest to `spans`. Calls that are always made stay so.
    #[must_use]
    pub fn with_mean_spans(&self, spans: f64, weights: &[(OperationId, u32)]) -> Self {
        // The mean grows with the factor, so halving finds it; 40 halvings are finer than Share.
        let (mut low, mut high) = (0.0, 1024.0);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if self.scaled(middle).mean_spans(weights) < spans {
                low = middle
            } else {
                high = middle
            }
        }
        self.scaled(high)
    }

    /// The same with so many of its calls settled by lot: made always, as often as their probability
    /// says, or never.
    pub(crate) fn with_settled_calls(&self, settled: Share, stream: &mut Stream) -> Self {
        let mut drawn = self.clone();
        for call in
            drawn.operations.iter_mut().flat_map(|o| &mut o.steps).flat_map(|s| &mut s.calls)
        {
            let (lot, made) = (stream.below(1_000_000), stream.below(1_000_000));
            if lot < u64::from(settled.as_millionths()) {
                let made = made < u64::from(call.probability.as_millionths());
                call.probability = if made { Share::ONE } else { Share::ZERO };
            }
        }
        drawn
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a million"
    )]
    fn scaled(&self, factor: f64) -> Self {
        let mut scaled = self.clone();
        for call in
            scaled.operations.iter_mut().flat_map(|o| &mut o.steps).flat_map(|s| &mut s.calls)
        {
            if call.probability != Share::ONE {
                let millionths = f64::from(call.probability.as_millionths()) * factor;
                call.probability = Share::millionths(millionths.min(1e6) as u32);
            }
        }
        scaled
    }
}

/// Puts a [`Topology`] together.
#[derive(Debug, Clone, Default)]
pub struct TopologyBuilder {
    namespace: String,
    hosts: u32,
    services: Vec<Service>,
    operations: Vec<Operation>,
}

impl TopologyBuilder {
    /// Nothing yet, in a namespace (empty for none), on so many hosts (at least one is made).
    #[must_use]
    pub fn new(namespace: &str, hosts: u32) -> Self {
        Self { namespace: namespace.to_owned(), hosts: hosts.max(1), ..Self::default() }
    }

    /// Adds a service that emits spans.
    ///
    /// # Panics
    /// Beyond 2^32 services.
    pub fn service(&mut self, name: &str, version: &str, replicas: u32) -> ServiceId {
        self.add(Service {
            name: name.to_owned(),
            version: version.to_owned(),
            replicas,
            instrumented: true,
        })
    }

    /// Adds a service that emits no spans.
    ///
    /// # Panics
    /// Beyond 2^32 services.
    pub fn silent_service(&mut self, name: &str) -> ServiceId {
        self.add(Service {
            name: name.to_owned(),
            version: String::new(),
            replicas: 1,
            instrumented: false,
        })
    }

    fn add(&mut self, service: Service) -> ServiceId {
        let id = u32::try_from(self.services.len()).expect("fewer than 2^32 services");
        self.services.push(service);
        ServiceId(id)
    }

    /// Adds an operation.
    ///
    /// # Panics
    /// Beyond 2^32 operations.
    pub fn operation(
        &mut self,
        service: ServiceId,
        name: &str,
        protocol: Protocol,
        work: Latency,
    ) -> OperationId {
        let id = u32::try_from(self.operations.len()).expect("fewer than 2^32 operations");
        let name = name.to_owned();
        self.operations.push(Operation { service, name, protocol, work, steps: Vec::new() });
        OperationId(id)
    }

    /// Adds a step to an operation: calls made at once.
    ///
    /// # Panics
    /// When the caller is of another builder.
    pub fn step(&mut self, caller: OperationId, calls: &[(OperationId, Share)]) -> &mut Self {
        let calls = calls.iter().map(|&(callee, probability)| Call { callee, probability });
        self.operations[caller.index()].steps.push(Step { calls: calls.collect() });
        self
    }

    /// Adds a step of one call that is always made.
    ///
    /// # Panics
    /// When the caller is of another builder.
    pub fn then(&mut self, caller: OperationId, callee: OperationId) -> &mut Self {
        self.step(caller, &[(callee, Share::ONE)])
    }

    /// Checks everything.
    ///
    /// # Errors
    /// Says what is wrong: see [`TopologyError`].
    pub fn build(self) -> Result<Topology, TopologyError> {
        let Self { namespace, hosts, services, operations } = self;
        let mut names: Vec<&str> = services.iter().map(|s| s.name.as_str()).collect();
        names.sort_unstable();
        if let Some(same) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TopologyError::SameName { service: same[0].to_owned() });
        }
        if let Some(empty) = services.iter().find(|s| s.replicas == 0) {
            return Err(TopologyError::NoReplica { service: empty.name.clone() });
        }
        for operation in &operations {
            let service = &services[operation.service.index()];
            if !service.instrumented && !operation.steps.is_empty() {
                return Err(TopologyError::SilentCaller {
                    service: service.name.clone(),
                    operation: operation.name.clone(),
                });
            }
        }
        let callees_first = callees_first(&operations).map_err(|id| {
            let operation = &operations[id.index()];
            TopologyError::Cycle {
                service: services[operation.service.index()].name.clone(),
                operation: operation.name.clone(),
            }
        })?;
        Ok(Topology { namespace, hosts, services, operations, callees_first })
    }
}

/// Operations in an order in which every callee stands before its callers, or one on a cycle.
fn callees_first(operations: &[Operation]) -> Result<Vec<OperationId>, OperationId> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; operations.len()];
    let mut order = Vec::with_capacity(operations.len());
    let ids = (0..operations.len()).map(|i| OperationId(u32::try_from(i).expect("ids are u32")));
    for start in ids {
        // Depth first without recursion: (operation, calls already followed).
        let mut open = vec![(start, 0)];
        if marks[start.index()] != Mark::New {
            continue;
        }
        marks[start.index()] = Mark::Open;
        while let Some((id, followed)) = open.last_mut() {
            let mut calls = operations[id.index()].steps.iter().flat_map(|s| &s.calls);
            if let Some(call) = calls.nth(*followed) {
                *followed += 1;
                match marks[call.callee.index()] {
                    Mark::New => {
                        marks[call.callee.index()] = Mark::Open;
                        open.push((call.callee, 0));
                    }
                    Mark::Open => return Err(call.callee),
                    Mark::Done => {}
                }
            } else {
                marks[id.index()] = Mark::Done;
                order.push(*id);
                open.pop();
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> (TopologyBuilder, OperationId, OperationId) {
        let mut builder = TopologyBuilder::new("", 1);
        let (a, b) = (builder.service("a", "1", 1), builder.service("b", "1", 1));
        let from = builder.operation(a, "from", Protocol::Http, Latency::micros(100));
        let to = builder.operation(b, "to", Protocol::Grpc, Latency::micros(100));
        (builder, from, to)
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let (mut builder, from, to) = two();
        builder.then(from, to).then(to, from);
        let cycle = builder.build().expect_err("a cycle");
        assert_eq!(
            cycle.to_string(),
            "operation from of a calls itself, directly or through others"
        );
        let (mut builder, _, _) = two();
        builder.service("a", "2", 1);
        assert!(matches!(builder.build(), Err(TopologyError::SameName { .. })));
        let (mut builder, _, to) = two();
        let silent = builder.silent_service("db");
        let query = builder.operation(silent, "SELECT", Protocol::Plain, Latency::ZERO);
        builder.then(query, to);
        assert!(matches!(builder.build(), Err(TopologyError::SilentCaller { .. })));
        let (mut builder, _, _) = two();
        builder.service("c", "1", 0);
        assert!(matches!(builder.build(), Err(TopologyError::NoReplica { .. })));
    }

    #[test]
    fn mean_spans_are_counted_and_aimed_at() {
        let (mut builder, from, to) = two();
        builder.step(from, &[(to, Share::percent(50)), (to, Share::percent(10))]);
        let topology = builder.build().expect("a topology");
        let mean = topology.mean_spans(&[(from, 1)]);
        assert!((mean - 2.2).abs() < 1e-9, "{mean}");
        let mean = topology.with_mean_spans(4.0, &[(from, 1)]).mean_spans(&[(from, 1)]);
        assert!((mean - 4.0).abs() < 1e-4, "{mean}");
        assert_eq!(topology.find_operation("b", "to"), Some(to));
        assert_eq!(topology.find_operation("b", "from"), None);
    }
}
