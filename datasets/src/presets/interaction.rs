//! Interaction faults, as in Pinpoint's experiment, and how their triggers are drawn.

use super::{BATCH_ROWS, NETWORK, SECOND, START_UNIX_NANO, load};
use crate::{
    latency::Latency,
    random::{Purpose, Share, Stream},
    scenario::{Calling, Collection, Component, Effect, Fault, Sampling, Scenario},
    topology::{OperationId, Protocol, ServiceId, Topology, TopologyBuilder},
};

/// What [`interaction`] makes; the defaults are those of the accuracy bench.
///
/// Pinpoint's experiment (Chen et al., DSN 2002, section 4): faults that one, two, three or four
/// components trigger together, requests that use many different subsets of the components.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InteractionParameters {
    /// Components besides gateway and store: services of one operation; half of them are called by
    /// the gateway, half by the others; at least 8 are made.
    pub components: u32,
    /// Entry operations of the gateway, each with its own habits.
    pub entries: u32,
    /// Requests; the first half is healthy.
    pub requests: u64,
    /// Length of the run, nanoseconds.
    pub within_ns: u64,
    /// Spans of a request on average.
    pub mean_spans: f64,
    /// How many of the requests in which the trigger meets are hit.
    pub share: Share,
    /// How many of the errors are handled on their way to the entry.
    pub masking: Share,
    /// In how many runs of an operation something unrelated goes wrong.
    pub noise: Share,
    /// The components of a trigger meet in at least so many of all requests, if any do.
    pub meet: Share,
    /// A component on more than so many of all requests is not drawn: presence can't tell about it.
    pub everywhere: Share,
    /// How the fault shows.
    pub effect: InteractionEffect,
}

/// How an interaction fault shows, without the details of [`Effect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InteractionEffect {
    /// The component at which the trigger is complete fails.
    Error,
    /// The component at which the trigger is complete gives a wrong value to its caller, and that
    /// one fails. Components without a caller are not drawn.
    WrongValue,
}

impl InteractionParameters {
    /// The parameters of the accuracy bench.
    pub const STANDARD: Self = Self {
        components: 24,
        entries: 6,
        requests: 4000,
        within_ns: 600 * SECOND,
        mean_spans: 19.0,
        share: Share::percent(80),
        masking: Share::percent(20),
        noise: Share::millionths(500),
        meet: Share::percent(3),
        everywhere: Share::percent(90),
        effect: InteractionEffect::Error,
    };
}

impl InteractionEffect {
    fn full(self) -> Effect {
        match self {
            Self::Error => Effect::Error { error_type: "InteractionException".to_owned() },
            Self::WrongValue => {
                Effect::WrongValue { error_type: "UnexpectedValueException".to_owned() }
            }
        }
    }
}

/// A fault that shows in the second half of the run where `order` (1 to 4) random components meet.
///
/// # Panics
/// When `order` is not 1 to 4.
#[must_use]
pub fn interaction(order: usize, seed: u64, parameters: &InteractionParameters) -> Scenario {
    assert!((1..=4).contains(&order), "an interaction is of 1 to 4 components, not of {order}");
    let InteractionParameters { requests, within_ns, share, masking, noise, .. } = *parameters;
    let (topology, weights) = subsets(parameters, seed);
    let trigger: Vec<Component> = draw_trigger(&topology, &weights, order, seed, parameters)
        .into_iter()
        .map(Component::Service)
        .collect();
    Scenario {
        name: format!("interaction-{order}"),
        seed,
        start_unix_nano: START_UNIX_NANO,
        topology,
        load: load(requests, within_ns, weights),
        network: NETWORK,
        faults: vec![Fault {
            cured_by: trigger.clone(),
            trigger,
            from: within_ns / 2,
            until: within_ns.saturating_mul(2),
            share,
            tenant: None,
            effect: parameters.effect.full(),
        }],
        restarts: Vec::new(),
        deploys: Vec::new(),
        capacities: Vec::new(),
        calling: Calling::PATIENT,
        noise,
        masking,
        sampling: Sampling::ALL,
        collection: Collection::PERFECT,
        tenants: 4,
        batch_rows: BATCH_ROWS,
    }
}

/// A gateway whose entries use random subsets of components, half of which use random subsets of the
/// other half; a store on every path.
fn subsets(parameters: &InteractionParameters, seed: u64) -> (Topology, Vec<(OperationId, u32)>) {
    let mut stream = Stream::new(seed, Purpose::Topology);
    let mut builder = TopologyBuilder::new("", 4);
    let gateway = builder.service("gateway", "1.0.0", 2);
    let store = builder.service("store", "1.0.0", 1);
    let read = builder.operation(store, "read", Protocol::Grpc, Latency::micros(300));
    let components: Vec<OperationId> = (0..parameters.components.max(8))
        .map(|i| {
            let service = builder.service(&format!("component-{i:02}"), "1.0.0", 1);
            let work = Latency::micros(300 + stream.below(2000));
            builder.operation(service, "handle", Protocol::Grpc, work)
        })
        .collect();
    let (near, far) = components.split_at(components.len() / 2);
    for &component in near {
        for _ in 0..2 + stream.below(2) {
            let callee = far[stream.index(far.len())];
            builder.step(component, &[(callee, share_between(&mut stream, 30, 80))]);
        }
    }
    let weights: Vec<(OperationId, u32)> = (0..parameters.entries.max(1))
        .map(|i| {
            let name = format!("GET /page-{i}");
            let entry = builder.operation(gateway, &name, Protocol::Http, Latency::micros(800));
            builder.then(entry, read);
            for pair in near.chunks(2) {
                let calls = pair.iter().map(|&callee| (callee, share_between(&mut stream, 5, 95)));
                builder.step(entry, &calls.collect::<Vec<_>>());
            }
            // Direct ways to far components too, else those would only be seen behind near ones.
            for _ in 0..2 {
                let callee = far[stream.index(far.len())];
                builder.step(entry, &[(callee, share_between(&mut stream, 20, 60))]);
            }
            (entry, 1)
        })
        .collect();
    let topology = builder.build().expect("calls lead from gateway to near to far");
    (topology.with_mean_spans(parameters.mean_spans, &weights), weights)
}

fn share_between(stream: &mut Stream, from: u32, to: u32) -> Share {
    let percent = stream.below(u64::from(to - from) + 1);
    Share::percent(from + u32::try_from(percent).expect("at most a hundred"))
}

/// Requests walked to learn which components meet.
const WALKS: u64 = 2000;

/// Which services a healthy request is at, for a number of requests.
fn walks(topology: &Topology, weights: &[(OperationId, u32)], seed: u64) -> Vec<Vec<bool>> {
    let total: u64 = weights.iter().map(|&(_, weight)| u64::from(weight)).sum();
    let walk = |n| {
        let mut stream = Stream::new(seed, Purpose::Presence).child(n);
        let mut seen = vec![false; topology.services().len()];
        let mut left = stream.below(total);
        let mut open = Vec::new();
        for &(entry, weight) in weights {
            if left < u64::from(weight) {
                open.push(entry);
                break;
            }
            left -= u64::from(weight);
        }
        while let Some(id) = open.pop() {
            let operation = topology.operation(id);
            seen[operation.service.index()] = true;
            for call in operation.steps.iter().flat_map(|step| &step.calls) {
                if stream.chance(call.probability) {
                    open.push(call.callee);
                }
            }
        }
        seen
    };
    (0..WALKS).map(walk).collect()
}

/// Services on at least `percent` of 100 healthy requests but not on more than 90, or the most used
/// one of those not on all.
pub(super) fn often_used(
    topology: &Topology,
    weights: &[(OperationId, u32)],
    seed: u64,
    percent: usize,
) -> Vec<ServiceId> {
    let walks = walks(topology, weights, seed);
    let used = |service: ServiceId| walks.iter().filter(|seen| seen[service.index()]).count();
    let services = topology.services().iter().filter_map(|s| topology.find_service(&s.name));
    let mut by_use: Vec<(usize, ServiceId)> = services
        .map(|service| (used(service) * 100 / walks.len(), service))
        .filter(|&(share, _)| share <= 90)
        .collect();
    by_use.sort_unstable();
    let enough = by_use.partition_point(|&(share, _)| share < percent);
    let enough = enough.min(by_use.len().saturating_sub(1));
    by_use.split_off(enough).into_iter().map(|(_, service)| service).collect()
}

/// Random components that meet often enough; the set that meets most among those tried where none does.
fn draw_trigger(
    topology: &Topology,
    weights: &[(OperationId, u32)],
    order: usize,
    seed: u64,
    parameters: &InteractionParameters,
) -> Vec<ServiceId> {
    let walks = walks(topology, weights, seed);
    let part = |share: Share| u128::from(WALKS) * u128::from(share.as_millionths()) / 1_000_000;
    let meetings = |set: &[ServiceId]| {
        let meets = |seen: &&Vec<bool>| set.iter().all(|service| seen[service.index()]);
        walks.iter().filter(meets).count() as u128
    };
    let services = topology.services().iter().filter_map(|s| topology.find_service(&s.name));
    let is_entry = |service| {
        weights.iter().any(|&(operation, _)| topology.operation(operation).service == service)
    };
    let candidates: Vec<ServiceId> = services
        .filter(|&service| meetings(&[service]) <= part(parameters.everywhere))
        .filter(|&service| parameters.effect == InteractionEffect::Error || !is_entry(service))
        .collect();
    let mut stream = Stream::new(seed, Purpose::Trigger);
    let mut best = (0, Vec::new());
    for _ in 0..1000 {
        let mut pool = candidates.clone();
        let draw = |_| pool.swap_remove(stream.index(pool.len()));
        let mut set: Vec<ServiceId> = (0..order).map(draw).collect();
        set.sort_unstable();
        let meetings = meetings(&set);
        if meetings >= part(parameters.meet) {
            return set;
        }
        if meetings > best.0 || best.1.is_empty() {
            best = (meetings, set);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_are_drawn_of_all_components_and_meet_often_enough() {
        let parameters = InteractionParameters::STANDARD;
        for order in 1..=4 {
            let mut drawn = std::collections::BTreeSet::new();
            for seed in 0..30 {
                let scenario = interaction(order, seed, &parameters);
                let trigger = &scenario.faults[0].trigger;
                assert_eq!(trigger.len(), order);
                let services = trigger.iter().map(|c| c.service(&scenario.topology));
                let services: Vec<ServiceId> = services.collect();
                drawn.extend(services.iter().copied());
                let walks = walks(&scenario.topology, &scenario.load.mixes[0].weights, seed);
                let meets = |seen: &&Vec<bool>| services.iter().all(|s| seen[s.index()]);
                let meet = walks.iter().filter(meets).count() as u64;
                assert!(meet * 100 >= 3 * WALKS, "{order} {seed}: {meet}");
            }
            assert!(drawn.len() > 12, "{order}: {}", drawn.len());
        }
    }
}
