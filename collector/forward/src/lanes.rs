//! Which request is attempted when: no sockets and no clock in here, times are arguments.
//!
//! A lane holds one request at a time until that is done. After a failure the lane rests, and with it its
//! request; an endpoint that is down so gets one attempt a lane and rest, whatever waits. The rest
//! outlives the request: one that takes the place of a dropped one waits for its end too.
//!
//! An endpoint that asks for time is left in peace by all lanes.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Instant;

use hyper::StatusCode;

use crate::answer::{Fault, Outcome};
use crate::backoff::Waits;
use crate::ledger::Ledger;
use crate::options::Backoff;
use crate::prepare::Request;

/// No more is fetched while so many bytes are held. One body may exceed it.
const HELD_BYTES: usize = 16 << 20;

/// Positions from the first request that is not done on. It is far more than there are lanes, so that one
/// request that takes long does not hold up the others; and a bound for what is sent again after a crash.
const WINDOW: usize = 10_000;

/// A request is given up after so many attempts without an answer, during each of which, or the rest before
/// it, the endpoint took or refused another: then it is about this request (one that is too large to be sent
/// within the timeout, say), and there would be no end to it. By the standard waits that takes three minutes.
const SILENCES: u32 = 10;

/// Requests that are held, and the order of their attempts.
pub(crate) struct Lanes<P> {
    lanes: Vec<Lane>,
    ready: VecDeque<Job>,
    ledger: Ledger<P>,
    waits: Waits,
    /// The endpoint asked not to be asked before.
    pause: Option<Instant>,
    /// Requests that the endpoint took or refused.
    answers: u64,
}

#[derive(Default)]
struct Lane {
    job: Option<Job>,
    is_busy: bool,
    /// Failures in a row.
    failures: u32,
    rest: Option<Instant>,
}

struct Job {
    number: u64,
    request: Request,
    attempts: u32,
    /// Attempts without an answer while others got one.
    silences: u32,
    /// Answers to others when that was last looked at.
    answers: u64,
}

/// An attempt that is due.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) lane: usize,
    pub(crate) request: Request,
    pub(crate) is_first: bool,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Fate {
    Taken { bytes: u64, rejected: u64 },
    Refused(StatusCode),
    Again(Fault),
    GivenUp(Fault),
}

impl<P> Lanes<P> {
    pub(crate) fn new(lanes: NonZeroUsize, backoff: Backoff, seed: u64) -> Self {
        Self {
            lanes: (0..lanes.get()).map(|_| Lane::default()).collect(),
            ready: VecDeque::new(),
            ledger: Ledger::new(),
            waits: Waits::new(backoff, seed),
            pause: None,
            answers: 0,
        }
    }

    /// How many requests, and bytes of them, there is room for: those that can begin, and as many again,
    /// so that a lane does not wait for the disk.
    pub(crate) fn room(&self, now: Instant) -> (usize, usize) {
        if self.ledger.len() >= WINDOW {
            return (0, 0);
        }
        let free = self.lanes.iter().filter(|lane| lane.is_free(now)).count();
        let requests = (free + self.lanes.len()).saturating_sub(self.ready.len());
        let jobs = self.lanes.iter().filter_map(|lane| lane.job.as_ref()).chain(&self.ready);
        let held: usize = jobs.map(|job| job.request.body.len()).sum();
        (requests, HELD_BYTES.saturating_sub(held))
    }

    /// Takes a request that was read, or just the position behind one with which nothing is to be done.
    pub(crate) fn add(&mut self, position: P, request: Option<Request>) {
        let Some(request) = request else { return self.ledger.pass(position) };
        let number = self.ledger.open(position);
        self.ready.push_back(Job { number, request, attempts: 0, silences: 0, answers: 0 });
    }

    /// The next attempt that is due.
    pub(crate) fn start(&mut self, now: Instant) -> Option<Start> {
        if self.pause.is_some_and(|pause| now < pause) {
            return None;
        }
        let again = self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.is_due(now));
        let again = again.min_by_key(|(_, lane)| lane.job.as_ref().map(|job| job.number));
        let (index, lane) = match again {
            Some(due) => due,
            None => {
                let free = self.lanes.iter_mut().enumerate().find(|(_, lane)| lane.is_free(now));
                let (index, lane) = free?;
                lane.job = Some(self.ready.pop_front()?);
                (index, lane)
            }
        };
        lane.is_busy = true;
        let job = lane.job.as_mut()?;
        if job.attempts == 0 {
            job.answers = self.answers;
        }
        job.attempts = job.attempts.saturating_add(1);
        Some(Start { lane: index, request: job.request.clone(), is_first: job.attempts == 1 })
    }

    /// The attempt of a lane is over.
    pub(crate) fn end(&mut self, index: usize, outcome: Outcome, now: Instant) -> Fate {
        let lane = &mut self.lanes[index];
        lane.is_busy = false;
        let mut job = lane.job.take().expect("a busy lane has a request");
        let bytes = job.request.body.len() as u64;
        let fate = match outcome {
            Outcome::Taken { rejected } => Fate::Taken { bytes, rejected },
            Outcome::Refused(status) => Fate::Refused(status),
            Outcome::Failed { fault, after } => {
                lane.failures = lane.failures.saturating_add(1);
                let wait = self.waits.after(lane.failures);
                lane.rest = Some(now + after.unwrap_or(wait));
                if let Some(after) = after {
                    self.pause = self.pause.max(Some(now + after));
                }
                let others_pass = self.answers > job.answers || self.ledger.len() >= WINDOW;
                if fault.is_answer() {
                    job.silences = 0;
                } else if others_pass {
                    job.silences += 1;
                    job.answers = self.answers;
                }
                if job.silences < SILENCES {
                    lane.job = Some(job);
                    return Fate::Again(fault);
                }
                Fate::GivenUp(fault)
            }
        };
        if !matches!(fate, Fate::GivenUp(_)) {
            self.answers += 1;
        }
        lane.failures = 0;
        lane.rest = None;
        self.ledger.close(job.number);
        fate
    }

    /// Drops the requests that wait, be it for a lane or for another attempt. Lanes go on resting.
    pub(crate) fn drop_waiting(&mut self) -> u64 {
        let resting = self.lanes.iter_mut().filter(|lane| !lane.is_busy);
        let waiting = resting.filter_map(|lane| lane.job.take()).chain(self.ready.drain(..));
        let mut dropped = 0;
        for job in waiting {
            self.ledger.close(job.number);
            dropped += 1;
        }
        dropped
    }

    /// The position before which all is done, if it has moved since it was last taken.
    pub(crate) const fn take_done(&mut self) -> Option<P> {
        self.ledger.take_done()
    }

    /// Requests that are under way or wait for another attempt.
    pub(crate) fn in_flight(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.job.is_some()).count()
    }

    /// When a lane has rested, the next time that this is so.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        let resting = self.lanes.iter().filter(|lane| !lane.is_busy);
        let rests =
            resting.filter_map(|lane| lane.rest).map(|rest| self.pause.unwrap_or(rest).max(rest));
        rests.chain(self.pause).filter(|&time| time > now).min()
    }
}

impl Lane {
    fn has_rested(&self, now: Instant) -> bool {
        self.rest.is_none_or(|rest| rest <= now)
    }

    /// Can take a request.
    fn is_free(&self, now: Instant) -> bool {
        self.job.is_none() && self.has_rested(now)
    }

    /// Has a request that is to be attempted again.
    fn is_due(&self, now: Instant) -> bool {
        self.job.is_some() && !self.is_busy && self.has_rested(now)
    }
}

#[cfg(test)]
mod tests;
