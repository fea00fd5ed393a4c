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
    /// The same call once more.
    pub(super) const AGAIN: u64 = 10;
    /// And above: one a call of the operation, by step and place in it.
    pub(super) const CALLS: u64 = 1 << 32;
}

/// What a replica does about a call that arrives.
enum Admission {
    Admitted,
    Waits,
    TurnedAway,
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
            run.version = emitter.version(operation.service, run.replica, now);
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
        let asked = (number, request.tenant);
        let mut hit = conditions.visit((id, replica), asked, &mut request.visits, now);
        let effects = stream.child(draws::EFFECT);
        let stumbler = |fault: &Fault| {
            let all = fault.breaks_all_of(operation.service, replica);
            if all { request.caller_outside(frame) } else { caller }
        };
        let (faults, exceptions) = (&scenario.faults, &self.exceptions);
        let (called, remote) = (caller != NOBODY, request.frames[frame as usize].remote);
        let whence = (called, remote);
        let (mut wanted, slower) =
            combine(faults, exceptions, &mut hit, whence, stumbler, effects, now);
        request.visits.hit |= hit;
        if slower.wire > 0 && !request.frames[frame as usize].arrived {
            request.frames[frame as usize].arrived = true;
            return self.schedule(slower.wire, slot, frame, EventKind::Start);
        }
        if wanted == Wanted::Refused {
            request.frames[frame as usize].answered = false;
            let handler = handler(request, frame, false, scenario.masking);
            let failure = Failure { exception: Name::NONE, handler };
            return self.finish(slot, frame, Some(failure), true);
        }
        match self.admit(slot, frame) {
            Admission::Admitted => {}
            Admission::Waits => return,
            Admission::TurnedAway => {
                let Self { scenario, emitter, requests, .. } = self;
                let handler = handler(requests.get(slot), frame, false, scenario.masking);
                let failure = Failure { exception: emitter.exhausted(), handler };
                return self.finish(slot, frame, Some(failure), true);
            }
        }
        let Self { scenario, requests, .. } = self;
        let request = requests.get(slot);
        let operation = scenario.topology.operation(id);
        let is_error = matches!(wanted, Wanted::Error { .. });
        if !is_error && stream.child(draws::NOISE).chance(scenario.noise) {
            let exception = self.noise[id.index() % self.noise.len()];
            wanted = Wanted::Error { exception, masked: false };
        }
        let stages = operation.steps.len() as u64 + 1;
        let fate = match wanted {
            Wanted::Nothing | Wanted::WrongValue(_) | Wanted::Refused => Fate::Completes,
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
        let work = u128::from(work) * u128::from(slower.percent) / 100;
        let work = u64::try_from(work).unwrap_or(u64::MAX);
        let slice = work.saturating_add(slower.work) / stages;
        let run = &mut request.frames[frame as usize];
        run.slice = slice;
        run.fate = fate;
        run.wrong = match wanted {
            Wanted::WrongValue(wrong) => Some(wrong),
            Wanted::Nothing | Wanted::EarlyReturn | Wanted::Refused | Wanted::Error { .. } => None,
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
                version: if remote { Name::NONE } else { run.version },
                ..Frame::new(call.callee, replica, frame, stream, self.now)
            };
            pending += 1;
            self.send(slot, callee);
        }
        self.requests.get(slot).frames[frame as usize].pending = pending;
        if pending == 0 {
            self.next_stage(slot, frame);
        }
    }

    /// A call goes out.
    fn send(&mut self, slot: Slot, callee: Frame) {
        let Frame { remote, stream, .. } = callee;
        let request = self.requests.get(slot);
        let number = request.number;
        request.open += 1;
        let frame = u32::try_from(request.frames.len()).expect("fewer than 2^32 runs a request");
        request.frames.push(callee);
        let gap = if remote { self.gap(stream.child(draws::THERE)) } else { 0 };
        self.schedule(gap, slot, frame, EventKind::Start);
        if let Some(after) = self.scenario.calling.timeout_ns.filter(|_| remote) {
            self.schedule(after, slot, frame, EventKind::TimeOut(number));
        }
    }

    /// A call arrives at a replica that may have enough to do.
    fn admit(&mut self, slot: Slot, frame: u32) -> Admission {
        let Self { scenario, requests, queues, .. } = self;
        let run = &mut requests.get(slot).frames[frame as usize];
        let service = scenario.topology.operation(run.operation).service;
        let capacity = scenario.capacities.iter().find(|c| c.service == service);
        let Some(capacity) = capacity.filter(|_| run.remote && !run.admitted) else {
            return Admission::Admitted;
        };
        let queue = queues.entry((service, run.replica)).or_default();
        if queue.running < capacity.running {
            queue.running += 1;
            run.admitted = true;
            Admission::Admitted
        } else if queue.waiting.len() < capacity.waiting as usize {
            queue.waiting.push_back((slot, frame));
            Admission::Waits
        } else {
            Admission::TurnedAway
        }
    }

    /// A replica is done with a call, and takes the next.
    fn release(&mut self, service: ServiceId, replica: u32) {
        let Some(queue) = self.queues.get_mut(&(service, replica)) else { return };
        match queue.waiting.pop_front() {
            Some((slot, frame)) => {
                self.requests.get(slot).frames[frame as usize].admitted = true;
                self.schedule(0, slot, frame, EventKind::Start);
            }
            None => queue.running = queue.running.saturating_sub(1),
        }
    }

    /// The caller has waited long enough, if it still waits.
    pub(super) fn time_out(&mut self, slot: Slot, number: u64, frame: u32) {
        let Self { scenario, emitter, requests, now, .. } = self;
        let Some(request) = requests.find(slot, number) else { return };
        if request.frames.get(frame as usize).is_none_or(|run| run.over) {
            return;
        }
        let handler = handler(request, frame, false, scenario.masking);
        let failure = Some(Failure { exception: emitter.deadline(), handler });
        let run = &mut request.frames[frame as usize];
        (run.over, run.failure) = (true, failure);
        if request.sampled {
            emitter.caller(&scenario.topology, request, frame, failure, *now);
        }
        self.returned(slot, frame);
    }

    /// Something that belongs to a request has ended.
    fn leave(&mut self, slot: Slot) {
        let request = self.requests.get(slot);
        request.open -= 1;
        if request.done && request.open == 0 {
            self.requests.remove(slot);
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
        if !run.over {
            request.frames[frame as usize].failure = failure;
        }
        if run.admitted {
            self.release(service, run.replica);
        }
        if run.caller == NOBODY {
            self.complete(slot, failure.is_some());
            self.leave(slot);
        } else if run.remote {
            let gap = self.gap(run.stream.child(draws::BACK));
            self.schedule(gap, slot, frame, EventKind::Answer);
        } else {
            self.returned(slot, frame);
            self.leave(slot);
        }
    }

    /// The answer has arrived at the caller.
    pub(super) fn answer(&mut self, slot: Slot, frame: u32) {
        let Self { scenario, emitter, requests, now, .. } = self;
        let request = requests.get(slot);
        let run = &mut request.frames[frame as usize];
        let failure = run.failure;
        if !std::mem::replace(&mut run.over, true) {
            if request.sampled {
                emitter.caller(&scenario.topology, request, frame, failure, *now);
            }
            self.returned(slot, frame);
        }
        self.leave(slot);
    }

    /// A call is over. When all of its step are, the caller goes on, or fails with the first
    /// failure that it does not handle.
    fn returned(&mut self, slot: Slot, callee: u32) {
        let frames = &mut self.requests.get(slot).frames;
        let run = frames[callee as usize];
        let Frame { caller, failure, wrong, stream, .. } = run;
        let again = run.remote && run.tries < self.scenario.calling.retries;
        if failure.is_some_and(|f| f.handler != caller) && again {
            return self.call_again(slot, run);
        }
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

    /// Makes a failed call once more.
    fn call_again(&mut self, slot: Slot, failed: Frame) {
        let service = self.scenario.topology.operation(failed.operation).service;
        let stream = failed.stream.child(draws::AGAIN);
        let replica = self.replica(service, stream);
        let again = Frame::new(failed.operation, replica, failed.caller, stream, self.now);
        self.send(slot, Frame { tries: failed.tries + 1, ..again });
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
        let request = requests.get(slot);
        request.done = true;
        let visits = &request.visits;
        truth.failed += u64::from(failed);
        for (i, fault) in truth.faults.iter_mut().enumerate() {
            let is = |bits: u64| bits >> i & 1;
            fault.met += is(visits.met);
            fault.hit += is(visits.hit);
            fault.failed += is(visits.hit) & u64::from(failed);
        }
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
