//! What happens to a run of an operation: it starts, works, calls, waits, and answers.

use resus_model::Name;

use super::{EventKind, Generator};
use crate::{
    conditions::{Door, Wanted, combine},
    random::{Share, Stream},
    requests::{Failure, Fate, Frame, NOBODY, Request, Slot, WrongValue},
    scenario::Fault,
    topology::ServiceId,
};

/// Numbers of the streams below a frame's; 0 is taken by its span ids.
mod draws {
    pub(super) const REPLICA: u64 = 1;
    pub(super) const THERE: u64 = 2;
    pub(super) const BACK: u64 = 3;
    pub(super) const WORK: u64 = 4;
    pub(super) const NOISE: u64 = 5;
    pub(super) const STAGE: u64 = 6;
    pub(super) const MASKING: u64 = 7;
    pub(super) const EFFECT: u64 = 8;
    /// When the caller stumbles over the answer.
    pub(super) const STUMBLE: u64 = 9;
    /// And above: one a call of the operation, by step and place in it.
    pub(super) const CALLS: u64 = 1 << 32;
}

impl Generator {
    /// The replica that a call with the given random numbers is sent to.
    pub(super) fn replica(&self, service: ServiceId, stream: Stream) -> u32 {
        let replicas = self.scenario.topology.service(service).replicas;
        let wanted = stream.child(draws::REPLICA).below(replicas.into());
        let wanted = u32::try_from(wanted).expect("below a u32");
        self.conditions.route(service, wanted, replicas, self.now)
    }

    /// The call has arrived: what will become of it?
    pub(super) fn start(&mut self, slot: Slot, frame: u32) {
        let Self { scenario, conditions, emitter, requests, now, .. } = self;
        let (topology, now) = (&scenario.topology, *now);
        let request = requests.get(slot);
        let run = &mut request.frames[frame as usize];
        let (stream, caller) = (run.stream, run.caller);
        let operation = topology.operation(run.operation);
        run.started_at = now;
        let mut door = conditions.door(run.operation, operation.service, run.replica, now);
        if run.remote {
            let generation = conditions.generation(operation.service, run.replica, now);
            run.instance = emitter.instance(operation.service, run.replica, generation);
        } else if door == Door::Refuses {
            // Whoever is inside already finishes there.
            door = Door::Open;
        }
        if door != Door::Open {
            run.answered = door == Door::TurnsAway;
            let handler = handler(request, frame, false, scenario.masking);
            let failure = Failure { exception: Name::NONE, handler };
            return self.finish(slot, frame, Some(failure), true);
        }
        let (id, replica, number) = (run.operation, run.replica, request.number);
        let mut hit = conditions.visit(id, replica, number, &mut request.visits, now);
        let effects = stream.child(draws::EFFECT);
        let stumbler = |fault: &Fault| {
            let all = fault.breaks_all_of(operation.service, replica);
            if all { request.caller_outside(frame) } else { caller }
        };
        let (faults, exceptions) = (&scenario.faults, &self.exceptions);
        let (mut wanted, delay) =
            combine(faults, exceptions, &mut hit, caller != NOBODY, stumbler, effects);
        request.visits.hit |= hit;
        let is_error = matches!(wanted, Wanted::Error { .. });
        if !is_error && stream.child(draws::NOISE).chance(scenario.noise) {
            let exception = self.noise[id.index() % self.noise.len()];
            wanted = Wanted::Error { exception, masked: false };
        }
        let stages = operation.steps.len() as u64 + 1;
        let fate = match wanted {
            Wanted::Nothing | Wanted::WrongValue(_) => Fate::Completes,
            Wanted::EarlyReturn => Fate::ReturnsEarly,
            Wanted::Error { exception, masked } => Fate::Fails {
                stage: stream.child(draws::STAGE).index(operation.steps.len() + 1),
                failure: Failure {
                    exception,
                    handler: handler(request, frame, masked, scenario.masking),
                },
            },
        };
        let work = operation.work.draw(&mut stream.child(draws::WORK));
        let slice = work.saturating_add(delay) / stages;
        let run = &mut request.frames[frame as usize];
        run.slice = slice;
        run.fate = fate;
        run.wrong = match wanted {
            Wanted::WrongValue(wrong) => Some(wrong),
            Wanted::Nothing | Wanted::EarlyReturn | Wanted::Error { .. } => None,
        };
        self.schedule(slice, slot, frame, EventKind::Resume);
    }

    /// A slice of the run's own work is done: end, or go on to the next step.
    pub(super) fn resume(&mut self, slot: Slot, frame: u32) {
        let run = &self.requests.get(slot).frames[frame as usize];
        let steps = self.scenario.topology.operation(run.operation).steps.len();
        match run.fate {
            Fate::ReturnsEarly => self.finish(slot, frame, None, false),
            Fate::Fails { stage, failure } if stage == run.stage => {
                self.finish(slot, frame, Some(failure), true);
            }
            Fate::Completes | Fate::Fails { .. } if run.stage == steps => {
                self.finish(slot, frame, None, false);
            }
            Fate::Completes | Fate::Fails { .. } => self.call(slot, frame),
        }
    }

    /// Makes the calls of the run's next step.
    fn call(&mut self, slot: Slot, frame: u32) {
        let run = self.requests.get(slot).frames[frame as usize];
        let service = self.scenario.topology.operation(run.operation).service;
        let step = run.stage;
        let count = self.scenario.topology.operation(run.operation).steps[step].calls.len();
        let mut pending = 0;
        for place in 0..count {
            let call = self.scenario.topology.operation(run.operation).steps[step].calls[place];
            let number = ((step as u64) << 16) + place as u64;
            let stream = run.stream.child(draws::CALLS + number);
            // The callee's own stream lies below this one, so whether it is called and what it
            // draws do not touch.
            if !stream.child(0).chance(call.probability) {
                continue;
            }
            let stream = stream.child(1);
            let callee_service = self.scenario.topology.operation(call.callee).service;
            let remote = callee_service != service;
            let replica = if remote { self.replica(callee_service, stream) } else { run.replica };
            let callee = Frame {
                remote,
                instance: if remote { Name::NONE } else { run.instance },
                ..Frame::new(call.callee, replica, frame, stream, self.now)
            };
            let frames = &mut self.requests.get(slot).frames;
            let number = u32::try_from(frames.len()).expect("fewer than 2^32 runs a request");
            frames.push(callee);
            pending += 1;
            let gap = if remote { self.gap(stream.child(draws::THERE)) } else { 0 };
            self.schedule(gap, slot, number, EventKind::Start);
        }
        self.requests.get(slot).frames[frame as usize].pending = pending;
        if pending == 0 {
            self.next_stage(slot, frame);
        }
    }

    fn gap(&self, mut stream: Stream) -> u64 {
        self.scenario.network.draw(&mut stream)
    }

    fn next_stage(&mut self, slot: Slot, frame: u32) {
        let run = &mut self.requests.get(slot).frames[frame as usize];
        run.stage += 1;
        let slice = run.slice;
        self.schedule(slice, slot, frame, EventKind::Resume);
    }

    /// The run ends; `own` tells that a failure arose in it.
    fn finish(&mut self, slot: Slot, frame: u32, failure: Option<Failure>, own: bool) {
        let Self { scenario, emitter, requests, now, .. } = self;
        let topology = &scenario.topology;
        let request = requests.get(slot);
        let run = request.frames[frame as usize];
        let service = topology.operation(run.operation).service;
        if request.sampled && run.answered && topology.service(service).instrumented {
            emitter.callee(topology, request, frame, failure, own, *now);
        }
        request.frames[frame as usize].failure = failure;
        if run.caller == NOBODY {
            self.complete(slot, failure.is_some());
        } else if run.remote {
            let gap = self.gap(run.stream.child(draws::BACK));
            self.schedule(gap, slot, frame, EventKind::Answer);
        } else {
            self.returned(slot, frame);
        }
    }

    /// The answer has arrived at the caller.
    pub(super) fn answer(&mut self, slot: Slot, frame: u32) {
        let Self { scenario, emitter, requests, now, .. } = self;
        let request = requests.get(slot);
        let failure = request.frames[frame as usize].failure;
        if request.sampled {
            emitter.caller(&scenario.topology, request, frame, failure, *now);
        }
        self.returned(slot, frame);
    }

    /// A call is over. When all of its step are, the caller goes on, or fails with the first
    /// failure that it does not handle.
    fn returned(&mut self, slot: Slot, callee: u32) {
        let frames = &mut self.requests.get(slot).frames;
        let Frame { caller, failure, wrong, stream, .. } = frames[callee as usize];
        let run = &mut frames[caller as usize];
        run.pending -= 1;
        match failure {
            Some(failure) if failure.handler == caller => run.handled += 1,
            Some(failure) => run.failed_call = run.failed_call.or(Some(failure)),
            None => {
                if let Some(wrong) = wrong {
                    self.take_in(slot, caller, wrong, stream.child(draws::STUMBLE));
                }
            }
        }
        let run = &self.requests.get(slot).frames[caller as usize];
        if run.pending > 0 {
            return;
        }
        match run.failed_call {
            Some(failure) => self.finish(slot, caller, Some(failure), false),
            None => self.next_stage(slot, caller),
        }
    }

    /// A call of the run's step has brought a wrong value: the run will fail over it at one of the
    /// stages it has left, unless it is to fail by then anyway, or hands it on.
    fn take_in(&mut self, slot: Slot, frame: u32, wrong: WrongValue, mut stream: Stream) {
        let Self { scenario, requests, .. } = self;
        let request = requests.get(slot);
        let run = &mut request.frames[frame as usize];
        let WrongValue { exception, stumbler } = wrong;
        if stumbler != frame {
            run.wrong = run.wrong.or(Some(wrong));
            return;
        }
        let left = scenario.topology.operation(run.operation).steps.len() - run.stage;
        let stage = run.stage + 1 + stream.index(left);
        if matches!(run.fate, Fate::Fails { stage: bound, .. } if bound <= stage) {
            return;
        }
        let handler = handler(request, frame, false, scenario.masking);
        let failure = Failure { exception, handler };
        request.frames[frame as usize].fate = Fate::Fails { stage, failure };
    }

    /// The entry has answered, so everything below it has.
    fn complete(&mut self, slot: Slot, failed: bool) {
        let Self { requests, truth, .. } = self;
        let visits = &requests.get(slot).visits;
        truth.failed += u64::from(failed);
        for (i, fault) in truth.faults.iter_mut().enumerate() {
            let is = |bits: u64| bits >> i & 1;
            fault.met += is(visits.met);
            fault.hit += is(visits.hit);
            fault.failed += is(visits.hit) & u64::from(failed);
        }
        requests.remove(slot);
    }
}

/// Who will handle an error that arises in a run: its caller for sure if `masked`, else perhaps one
/// of the callers above it.
fn handler(request: &Request, frame: u32, masked: bool, masking: Share) -> u32 {
    let callers = request.depth(frame);
    let mut stream = request.frames[frame as usize].stream.child(draws::MASKING);
    if callers == 0 {
        NOBODY
    } else if masked {
        request.above(frame, 1)
    } else if stream.chance(masking) {
        let calls = stream.below(callers.into()) + 1;
        request.above(frame, u32::try_from(calls).expect("at most a u32"))
    } else {
        NOBODY
    }
}
