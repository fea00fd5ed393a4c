//! The event loop: virtual time, arrivals, and whose turn it is.

mod execution;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
};

use resus_model::{Name, SpanBatch, TraceId};

use crate::{
    conditions::{Conditions, Door},
    emission::Emitter,
    latency::Latency,
    random::{Purpose, Share, Stream},
    requests::{Frame, NOBODY, Requests, Slot},
    scenario::{Component, Restart, Scenario, ScenarioError},
    topology::{OperationId, ServiceId},
    truth::{FaultTruth, RestartTruth, Truth},
};

/// Makes the spans of a scenario, in the order in which they end: an iterator of batches.
///
/// Memory holds the requests under way and one batch, whatever the length of the run.
#[derive(Debug, Clone)]
pub struct Generator {
    scenario: Scenario,
    conditions: Conditions,
    emitter: Emitter,
    requests: Requests,
    events: BinaryHeap<Reverse<Event>>,
    /// Number of the next event, so that events of one instant keep their order.
    serial: u64,
    now: u64,
    next_arrival: Option<u64>,
    arrivals: Stream,
    /// What a request's own numbers descend from.
    draws: Stream,
    /// What replicas of limited capacity work on.
    queues: BTreeMap<(ServiceId, u32), Queue>,
    exceptions: Vec<Name>,
    noise: [Name; 4],
    /// Threshold and `tracestate` by entry operation; empty without sampling.
    sampling: Vec<(u64, Name)>,
    truth: Truth,
}

/// Calls that a replica works on and that wait in front of it.
#[derive(Debug, Clone, Default)]
struct Queue {
    running: u32,
    waiting: VecDeque<(Slot, u32)>,
}

/// Something that happens to a frame at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: u64,
    serial: u64,
    slot: Slot,
    frame: u32,
    kind: EventKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum EventKind {
    /// The call arrives.
    Start,
    /// A slice of the operation's own work is done.
    Resume,
    /// The answer arrives at the caller.
    Answer,
    /// The caller gives up waiting; of the request of this number.
    TimeOut(u64),
}

/// Numbers of the streams below a request's.
mod draws {
    pub(super) const ENTRY: u64 = 0;
    pub(super) const TENANT: u64 = 1;
    pub(super) const ROOT: u64 = 2;
}

/// Prepares a run. Nothing happens before the first batch is asked for.
///
/// # Errors
/// When the scenario contradicts itself: see [`Scenario::check`].
pub fn generate(scenario: &Scenario) -> Result<Generator, ScenarioError> {
    scenario.check()?;
    let topology = &scenario.topology;
    let start = scenario.start_unix_nano;
    let mut emitter = Emitter::new(scenario);
    let sampling = thresholds(scenario, &mut emitter);
    let exceptions = emitter.exceptions(scenario);
    let noise = emitter.noise();
    let truth = Truth {
        scenario: scenario.name.clone(),
        seed: scenario.seed,
        start_unix_nano: start,
        last_arrival_unix_nano: start,
        requests: 0,
        sampled: 0,
        failed: 0,
        refused: 0,
        spans: 0,
        lost: 0,
        duplicated: 0,
        faults: scenario.faults.iter().map(|f| FaultTruth::of(f, start, topology)).collect(),
        restarts: Vec::new(),
    };
    let mut generator = Generator {
        conditions: Conditions::new(scenario),
        emitter,
        requests: Requests::default(),
        events: BinaryHeap::new(),
        serial: 0,
        now: 0,
        next_arrival: None,
        arrivals: Stream::new(scenario.seed, Purpose::Arrivals),
        draws: Stream::new(scenario.seed, Purpose::Request),
        queues: BTreeMap::new(),
        exceptions,
        noise,
        sampling,
        truth,
        scenario: scenario.clone(),
    };
    for &restart in &scenario.restarts {
        generator.apply(restart);
    }
    generator.plan_arrival();
    Ok(generator)
}

/// Rejection threshold and its `tracestate` for every entry operation: a trace is kept when the last
/// 56 bits of its id are not below the threshold, 2^56 less the share of it.
fn thresholds(scenario: &Scenario, emitter: &mut Emitter) -> Vec<(u64, Name)> {
    let sampling = &scenario.sampling;
    if sampling.share.is_none() && sampling.by_entry.is_empty() {
        return Vec::new();
    }
    let operations = scenario.topology.operations().len();
    let mut shares = vec![sampling.share.unwrap_or(Share::ONE); operations];
    for &(entry, share) in &sampling.by_entry {
        shares[entry.index()] = share;
    }
    let threshold = |share: Share| {
        let rejected = u128::from(1_000_000 - share.as_millionths());
        u64::try_from((rejected << 56) / 1_000_000).expect("below 2^56")
    };
    let named = shares.into_iter().map(|share| {
        let threshold = threshold(share);
        let digits = format!("{threshold:014x}");
        let digits = digits.trim_end_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        (threshold, emitter.intern(&format!("ot=th:{digits}")))
    });
    named.collect()
}

impl Iterator for Generator {
    type Item = SpanBatch;

    fn next(&mut self) -> Option<SpanBatch> {
        while self.emitter.rows() < self.scenario.batch_rows {
            if !self.step(u64::MAX) {
                self.emitter.resend(u64::MAX);
                break;
            }
        }
        let batch = self.emitter.take();
        (!batch.is_empty()).then_some(batch)
    }
}

impl Generator {
    /// What was injected and what came of it so far; complete when the iterator has ended.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let counts = self.emitter.counts;
        Truth {
            spans: counts.spans,
            lost: counts.lost,
            duplicated: counts.duplicated,
            ..self.truth.clone()
        }
    }

    /// What is being run.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The offset from the start of the run that virtual time has reached, nanoseconds.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Lets time pass to an offset; returns the spans that ended since they were last taken.
    pub fn run_until(&mut self, offset: u64) -> SpanBatch {
        while self.step(offset) {}
        self.emitter.resend(offset);
        self.now = self.now.max(offset);
        self.emitter.take()
    }

    /// Restarts something that the scenario did not foresee; one in the past begins now.
    ///
    /// # Errors
    /// When the topology has no such component.
    pub fn restart(&mut self, restart: Restart) -> Result<(), ScenarioError> {
        if !restart.component.exists(&self.scenario.topology) {
            return Err(ScenarioError::Unknown { what: "a restart" });
        }
        self.apply(Restart { at: restart.at.max(self.now), ..restart });
        Ok(())
    }

    fn apply(&mut self, restart: Restart) {
        let Self { scenario, conditions, emitter, truth, .. } = self;
        let (topology, start) = (&scenario.topology, scenario.start_unix_nano);
        for (fault, until) in conditions.restart(restart, topology) {
            truth.faults[fault].until_unix_nano = start.saturating_add(until);
            truth.faults[fault].cured = true;
        }
        let service = restart.component.service(topology);
        let replicas = match restart.component {
            Component::Service(_) => 0..topology.service(service).replicas,
            Component::Instance(_, replica) => replica..replica + 1,
            Component::Operation(_) | Component::Version(_) => 0..0,
        };
        for replica in replicas {
            emitter.new_identity(service.index(), topology.service(service), replica);
        }
        truth.restarts.push(RestartTruth::of(&restart, start, topology));
    }

    /// Does the next thing that happens up to an offset; false when there is none.
    fn step(&mut self, until: u64) -> bool {
        let event = self.events.peek().map(|Reverse(event)| event.at);
        let arrival = self.next_arrival.filter(|&at| event.is_none_or(|event| at <= event));
        match (arrival, event) {
            (Some(at), _) if at <= until => {
                self.now = at;
                self.arrive();
            }
            (None, Some(at)) if at <= until => {
                let Some(Reverse(event)) = self.events.pop() else { return false };
                self.now = at;
                match event.kind {
                    EventKind::Start => self.start(event.slot, event.frame),
                    EventKind::Resume => self.resume(event.slot, event.frame),
                    EventKind::Answer => self.answer(event.slot, event.frame),
                    EventKind::TimeOut(number) => self.time_out(event.slot, number, event.frame),
                }
            }
            _ => return false,
        }
        true
    }

    fn schedule(&mut self, after: u64, slot: Slot, frame: u32, kind: EventKind) {
        let (at, serial) = (self.now.saturating_add(after), self.serial);
        self.serial += 1;
        self.events.push(Reverse(Event { at, serial, slot, frame, kind }));
    }

    fn plan_arrival(&mut self) {
        let load = &self.scenario.load;
        let surge = load.surges.iter().rfind(|s| s.from <= self.now).map_or(100, |s| s.percent);
        let mean_ns = u128::from(load.mean_gap_ns) * 100 / u128::from(surge);
        let mean_ns = u64::try_from(mean_ns).unwrap_or(u64::MAX).max(1);
        let gap = Latency::Exponential { mean_ns }.draw(&mut self.arrivals);
        let at = self.now.saturating_add(gap);
        let more = self.truth.requests < load.requests && at <= load.until;
        self.next_arrival = more.then_some(at);
    }

    /// A request comes in.
    fn arrive(&mut self) {
        let number = self.truth.requests;
        self.truth.requests += 1;
        self.truth.last_arrival_unix_nano = self.scenario.start_unix_nano + self.now;
        self.plan_arrival();

        let draws = self.draws.child(number);
        let entry = self.choose_entry(draws.child(draws::ENTRY));
        let service = self.scenario.topology.operation(entry).service;
        let root = draws.child(draws::ROOT);
        let replica = self.replica(service, root);
        if self.conditions.door(entry, service, replica, self.now) == Door::Refuses {
            self.truth.refused += 1;
            return;
        }
        let mut ids = Stream::new(self.scenario.seed, Purpose::TraceId).child(number);
        let (high, low) = (ids.next() | 1, ids.next());
        let trace_id = TraceId::from_u128((u128::from(high) << 64) | u128::from(low));
        let faults = self.scenario.faults.len();
        let (slot, request) = self.requests.insert(number, trace_id, faults);
        let (threshold, trace_state) =
            self.sampling.get(entry.index()).copied().unwrap_or((0, Name::NONE));
        request.sampled = low & ((1 << 56) - 1) >= threshold;
        request.trace_state = trace_state;
        let tenants = self.scenario.tenants.max(1);
        let tenant = draws.child(draws::TENANT).below(tenants.into());
        request.tenant = u32::try_from(tenant).expect("below a u32");
        request.frames.push(Frame::new(entry, replica, NOBODY, root, self.now));
        request.open = 1;
        self.truth.sampled += u64::from(request.sampled);
        self.start(slot, 0);
    }

    fn choose_entry(&self, mut stream: Stream) -> OperationId {
        let mixes = &self.scenario.load.mixes;
        let mix = mixes.iter().rfind(|mix| mix.from <= self.now).unwrap_or(&mixes[0]);
        let total = mix.weights.iter().map(|&(_, weight)| u64::from(weight)).sum();
        let mut left = stream.below(total);
        for &(entry, weight) in &mix.weights {
            if left < u64::from(weight) {
                return entry;
            }
            left -= u64::from(weight);
        }
        unreachable!("a number below the sum of weights falls into one of them")
    }
}

#[cfg(test)]
mod tests;
