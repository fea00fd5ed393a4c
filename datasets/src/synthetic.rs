//! Topologies of any size, made from a seed.

use crate::{
    latency::Latency,
    random::{Purpose, Share, Stream},
    topology::{OperationId, Protocol, ServiceId, Topology, TopologyBuilder},
};

/// What a made-up topology is to be like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Services, the hot store included; at least 2 are made.
    pub services: u32,
    /// Entry operations, in the first service of every 40; at least 1 is made.
    pub entries: u32,
    /// Operations a service, 1 to this many; at least 1.
    pub operations: u32,
    /// Replicas a service, 1 to this many; at least 1.
    pub replicas: u32,
    /// One service that is called on every path, by each entry.
    pub hot_store: bool,
    /// Services that emit no spans (databases, other people's), called by operations of 1 to 4 others
    /// each, the first by one, the second by two.
    pub peers: u32,
    /// Spans of a request on average, entries being equally frequent. The nearest that probabilities
    /// of calls can do is done.
    pub mean_spans: f64,
    /// How many of the calls are made always or never, whatever the request: what varies from request
    /// to request of an entry is the rest. Real code has few branches that call or don't.
    pub settled: Share,
}

/// Makes a topology and its entry operations, all of weight 1.
///
/// Services stand in a row and call only services behind them, at most four calls deep, mostly near
/// ones. Every operation but the entries has a caller. Probabilities of calls are drawn, then
/// brought to the mean length of a request by one common factor.
///
/// # Panics
/// Never: calls only lead backwards in the row, so there is no cycle.
#[must_use]
pub fn topology(shape: &Shape, seed: u64) -> (Topology, Vec<(OperationId, u32)>) {
    let mut stream = Stream::new(seed, Purpose::Topology);
    let mut builder = TopologyBuilder::new("", (shape.services / 4).max(2));
    let hot = shape.hot_store.then(|| hot_store(&mut builder, shape.replicas.max(1)));
    let inner_and_gates = shape.services.max(2) - u32::from(shape.hot_store);
    let gates = (inner_and_gates / 40).max(1);
    let gates: Vec<ServiceId> = (0..gates)
        .map(|i| {
            builder.service(&format!("gateway-{i}"), "1.0.0", draw(&mut stream, shape.replicas))
        })
        .collect();
    let entries: Vec<OperationId> = (0..shape.entries.max(1))
        .map(|i| {
            let gate = gates[i as usize % gates.len()];
            builder.operation(gate, &format!("GET /page-{i}"), Protocol::Http, work(&mut stream))
        })
        .collect();
    let count = (inner_and_gates as usize).saturating_sub(gates.len()).max(1);
    let inner = inner(&mut builder, count, shape, &mut stream);
    connect(&mut builder, &entries, &inner, &mut stream);
    if let Some(read) = hot {
        for &entry in &entries {
            builder.then(entry, read);
        }
    }
    peers(&mut builder, shape.peers, &inner, seed);
    let topology = builder.build().expect("calls lead only from a tier to a later one");
    let weights: Vec<_> = entries.into_iter().map(|entry| (entry, 1)).collect();
    let topology = topology.with_mean_spans(shape.mean_spans, &weights);
    (settle(topology, shape, &weights, &mut stream), weights)
}

/// Settles calls by lot, so that the mean length of a request comes out about right: of so many draws
/// the best one.
fn settle(
    topology: Topology,
    shape: &Shape,
    weights: &[(OperationId, u32)],
    stream: &mut Stream,
) -> Topology {
    if shape.settled == Share::ZERO {
        return topology;
    }
    let off = |t: &Topology| (t.mean_spans(weights) - shape.mean_spans).abs();
    let drawn = (0..64).map(|_| topology.with_settled_calls(shape.settled, stream));
    let best = drawn.min_by(|a, b| off(a).total_cmp(&off(b)));
    best.expect("64 draws").with_mean_spans(shape.mean_spans, weights)
}

/// Adds services without spans; they draw from a stream of their own, so that all else stays.
fn peers(builder: &mut TopologyBuilder, count: u32, inner: &[Vec<OperationId>], seed: u64) {
    let all: Vec<OperationId> = inner.iter().flatten().copied().collect();
    for i in 0..count {
        let mut stream = Stream::new(seed, Purpose::Peers).child(i.into());
        let service = builder.silent_service(&format!("external-{i}"));
        let work = Latency::micros(1000 + stream.below(4000));
        let name = format!("POST /external-{i}");
        let operation = builder.operation(service, &name, Protocol::Http, work);
        for _ in 0..=i % 4 {
            let caller = all[stream.index(all.len())];
            builder.step(caller, &[(operation, Share::percent(80))]);
        }
    }
}

fn hot_store(builder: &mut TopologyBuilder, replicas: u32) -> OperationId {
    let store = builder.service("store", "1.0.0", replicas);
    builder.operation(store, "store/read", Protocol::Grpc, Latency::micros(300))
}

/// How many calls below an entry a request can go.
const TIERS: usize = 4;

/// Operations of the services behind the gateways, by tier.
fn inner(
    builder: &mut TopologyBuilder,
    count: usize,
    shape: &Shape,
    stream: &mut Stream,
) -> [Vec<OperationId>; TIERS] {
    let mut tiers: [Vec<OperationId>; TIERS] = Default::default();
    for i in 0..count {
        let replicas = draw(stream, shape.replicas);
        let version = format!("1.{}.0", stream.below(20));
        let service = builder.service(&format!("service-{i:03}"), &version, replicas);
        // The first service of every tier stands there for sure, others anywhere in the row.
        let tier = (i * TIERS / count).min(TIERS - 1);
        for k in 0..draw(stream, shape.operations) {
            let protocol = if stream.below(3) == 0 { Protocol::Http } else { Protocol::Grpc };
            let name = match protocol {
                Protocol::Http => format!("GET /v1/thing-{k}"),
                Protocol::Grpc | Protocol::Plain => format!("service{i:03}.Api/Method{k}"),
            };
            tiers[tier].push(builder.operation(service, &name, protocol, work(stream)));
        }
    }
    tiers
}

fn connect(
    builder: &mut TopologyBuilder,
    entries: &[OperationId],
    tiers: &[Vec<OperationId>; TIERS],
    stream: &mut Stream,
) {
    // Every operation gets one caller, from the tier before (or the nearest before it that has
    // any), so that all can be reached; then some more.
    let mut callers: Vec<OperationId> = entries.to_vec();
    for callees in tiers.iter().filter(|tier| !tier.is_empty()) {
        let mut calls: Vec<Vec<(OperationId, Share)>> = vec![Vec::new(); callers.len()];
        for &callee in callees {
            calls[stream.index(callers.len())].push((callee, probability(stream)));
        }
        for calls in &mut calls {
            for _ in 0..stream.below(3) {
                calls.push((callees[stream.index(callees.len())], probability(stream)));
            }
        }
        for (&caller, calls) in callers.iter().zip(&calls) {
            // Half of the steps are of one call, the others of two or three at once.
            let mut left = calls.as_slice();
            while !left.is_empty() {
                let (step, rest) = left.split_at(draw_usize(stream).min(left.len()));
                builder.step(caller, step);
                left = rest;
            }
        }
        callers.clone_from(callees);
    }
}

/// 1, 2 or 3: half, a quarter, a quarter.
fn draw_usize(stream: &mut Stream) -> usize {
    [1, 1, 2, 3][stream.index(4)]
}

/// 1 to `most`.
fn draw(stream: &mut Stream, most: u32) -> u32 {
    u32::try_from(stream.below(most.max(1).into())).expect("below a u32") + 1
}

/// 10 to 90 percent.
fn probability(stream: &mut Stream) -> Share {
    Share::percent(u32::try_from(stream.below(81)).expect("below 81") + 10)
}

/// A median of 0.2 to 4 ms.
fn work(stream: &mut Stream) -> Latency {
    Latency::micros(200 + stream.below(3800))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topologies_of_every_size_have_the_length_of_request_asked_for() {
        for services in [10, 40, 200, 1000] {
            let shape = Shape {
                services,
                entries: 8,
                operations: 3,
                replicas: 3,
                hot_store: true,
                peers: 0,
                mean_spans: 15.0,
                settled: Share::ZERO,
            };
            let (topology, entries) = topology(&shape, 7);
            assert_eq!(topology.services().len(), services as usize);
            let mean = topology.mean_spans(&entries);
            assert!((14.9..15.1).contains(&mean), "{services}: {mean}");
            assert_ne!(topology, super::topology(&shape, 8).0);
            let mut called = vec![false; topology.operations().len()];
            for call in topology.operations().iter().flat_map(|o| &o.steps).flat_map(|s| &s.calls) {
                called[call.callee.index()] = true;
            }
            let unreached = called.iter().filter(|&&called| !called).count();
            assert_eq!(unreached, entries.len(), "only entries have no caller");
        }
    }
}
