//! Requests under way: each a set of frames, one for every run of an operation.

use resus_model::{Name, SpanId, TraceId};

use crate::{conditions::Visits, random::Stream, topology::OperationId};

/// A place in [`Requests`].
pub(crate) type Slot = u32;

/// Number of the stream of span ids below a frame's.
const SPANS: u64 = 0;

/// Stands for *nobody* among frames: the caller of an entry.
pub(crate) const NOBODY: u32 = u32::MAX;

/// One run of an operation for a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) operation: OperationId,
    pub(crate) replica: u32,
    /// Identity of the replica when the run began.
    pub(crate) instance: Name,
    /// Its version.
    pub(crate) version: Name,
    /// The frame that called, or [`NOBODY`].
    pub(crate) caller: u32,
    /// The call came from another service or from outside.
    pub(crate) remote: bool,
    /// How often this call has been made before.
    pub(crate) tries: u32,
    /// It has been held up on the wire already.
    pub(crate) arrived: bool,
    /// It has a place among the calls that its replica works on.
    pub(crate) admitted: bool,
    /// The caller has its answer, or has given up.
    pub(crate) over: bool,
    /// False when nobody was there to make a span.
    pub(crate) answered: bool,
    /// The run's own random numbers.
    pub(crate) stream: Stream,
    /// The server or internal span.
    pub(crate) span: SpanId,
    /// The caller's client span; of remote calls only.
    pub(crate) client_span: SpanId,
    /// Offset at which the caller called.
    pub(crate) called_at: u64,
    /// Offset at which the run began.
    pub(crate) started_at: u64,
    /// Own work between two steps, nanoseconds.
    pub(crate) slice: u64,
    /// Steps done.
    pub(crate) stage: usize,
    /// Calls of the step under way that have not come back.
    pub(crate) pending: u32,
    /// How it is bound to end.
    pub(crate) fate: Fate,
    /// First failure of a call that was not handled here.
    pub(crate) failed_call: Option<Failure>,
    /// Failures of calls that were handled here.
    pub(crate) handled: u32,
    /// How it ended, while the answer is on its way.
    pub(crate) failure: Option<Failure>,
    /// What is wrong with its answer, if it gives one.
    pub(crate) wrong: Option<WrongValue>,
}

impl Frame {
    /// A run that is called now and has not begun.
    pub(crate) fn new(
        operation: OperationId,
        replica: u32,
        caller: u32,
        stream: Stream,
        now: u64,
    ) -> Self {
        let mut ids = stream.child(SPANS);
        Self {
            operation,
            replica,
            instance: Name::NONE,
            version: Name::NONE,
            caller,
            remote: true,
            tries: 0,
            arrived: false,
            admitted: false,
            over: false,
            answered: true,
            stream,
            span: SpanId::from_u64(ids.next().max(1)),
            client_span: SpanId::from_u64(ids.next().max(1)),
            called_at: now,
            started_at: now,
            slice: 0,
            stage: 0,
            pending: 0,
            fate: Fate::Completes,
            failed_call: None,
            handled: 0,
            failure: None,
            wrong: None,
        }
    }
}

/// How a run is bound to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// After all its steps.
    Completes,
    /// Well, after the first slice of its work.
    ReturnsEarly,
    /// By its own error, when so many steps are done.
    Fails { stage: usize, failure: Failure },
}

/// An error on its way from where it arose to whoever handles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exception; [`Name::NONE`] when the callee could not be had.
    pub(crate) exception: Name,
    /// The frame that handles it, or [`NOBODY`].
    pub(crate) handler: u32,
}

/// A wrong value on its way from where it arose to whoever stumbles over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongValue {
    /// The exception by which that one fails.
    pub(crate) exception: Name,
    /// The frame that stumbles.
    pub(crate) stumbler: u32,
}

/// A request under way.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Counted from 0 in order of arrival.
    pub(crate) number: u64,
    pub(crate) trace_id: TraceId,
    pub(crate) sampled: bool,
    pub(crate) trace_state: Name,
    /// Its tenant, counted from 0.
    pub(crate) tenant: u32,
    /// The entry's frame is the first; callers stand before their callees.
    pub(crate) frames: Vec<Frame>,
    pub(crate) visits: Visits,
    /// Runs and answers under way.
    pub(crate) open: u32,
    /// The entry has answered.
    pub(crate) done: bool,
}

impl Request {
    /// How many callers stand above a frame.
    pub(crate) fn depth(&self, frame: u32) -> u32 {
        let above = std::iter::successors(Some(frame), |&f| {
            Some(self.frames[f as usize].caller).filter(|&caller| caller != NOBODY)
        });
        u32::try_from(above.count()).expect("frames are numbered by u32") - 1
    }

    /// The caller so many calls above a frame; 0 is the frame itself.
    pub(crate) fn above(&self, frame: u32, calls: u32) -> u32 {
        (0..calls).fold(frame, |f, _| self.frames[f as usize].caller)
    }

    /// The caller in another process that a frame's answer reaches first, or [`NOBODY`].
    pub(crate) fn caller_outside(&self, frame: u32) -> u32 {
        let mut run = &self.frames[frame as usize];
        while !run.remote {
            run = &self.frames[run.caller as usize];
        }
        run.caller
    }
}

/// All requests under way. Places and their memory are used again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests {
    all: Vec<Request>,
    free: Vec<Slot>,
}

impl Requests {
    /// Takes a request in; its frames are empty.
    pub(crate) fn insert(
        &mut self,
        number: u64,
        trace_id: TraceId,
        faults: usize,
    ) -> (Slot, &mut Request) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.all.push(Request {
                number,
                trace_id,
                sampled: true,
                trace_state: Name::NONE,
                tenant: 0,
                frames: Vec::new(),
                visits: Visits::default(),
                open: 0,
                done: false,
            });
            Slot::try_from(self.all.len() - 1).expect("fewer than 2^32 requests at a time")
        });
        let request = &mut self.all[slot as usize];
        request.number = number;
        request.trace_id = trace_id;
        request.frames.clear();
        request.visits.reset(faults);
        request.open = 0;
        request.done = false;
        (slot, request)
    }

    pub(crate) fn get(&mut self, slot: Slot) -> &mut Request {
        &mut self.all[slot as usize]
    }

    /// The request that has a number, if it is still under way in a place.
    pub(crate) fn find(&mut self, slot: Slot, number: u64) -> Option<&mut Request> {
        let request = &mut self.all[slot as usize];
        Some(request).filter(|r| r.number == number)
    }

    /// Gives a place back.
    pub(crate) fn remove(&mut self, slot: Slot) {
        self.free.push(slot);
    }
}
