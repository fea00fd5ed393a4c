//! The loop: wait for the first of an answer, a turn of the source, a rest's end, the shutdown; act on it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{sleep_until, timeout};

use crate::answer::Outcome;
use crate::connection::{Connection, attempt};
use crate::fetch::{Fetcher, Found, Wanted};
use crate::lanes::{Fate, Lanes, Start};
use crate::meter::Meter;
use crate::options::{ForwardError, ForwardOptions};
use crate::source::Source;
use crate::target::Target;

/// How often a source that had nothing is asked again, and how often any is asked what waits in it.
const POLL: Duration = Duration::from_millis(200);

/// How long a source that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How long attempts that are under way at the end may take.
const GRACE: Duration = Duration::from_secs(2);

/// When nothing else is to be waited for.
const LONG: Duration = Duration::from_hours(1);

/// Sends what a source gives to an endpoint.
pub struct Forwarder<S: Source> {
    target: Arc<Target>,
    lanes: Lanes<S::Position>,
    /// Of each lane, while it has no attempt under way.
    connections: Vec<Option<Connection>>,
    attempts: JoinSet<Ended>,
    reading: Reading<S>,
    /// The source is not asked before.
    rest: Instant,
    /// It is asked then, wanted or not.
    look: Instant,
    /// More waits in it than may.
    is_over: bool,
    meter: Meter,
}

struct Ended {
    lane: usize,
    connection: Option<Connection>,
    outcome: Outcome,
}

/// A fetcher that comes back, and what it found.
type Turn<S> = (Box<Fetcher<S>>, Found<<S as Source>::Position>);

/// Where the fetcher is.
enum Reading<S: Source> {
    Here(Box<Fetcher<S>>),
    Away(JoinHandle<Turn<S>>),
    /// Only while it goes from one to the other, and behind a panic.
    Gone,
}

impl<S: Source> std::fmt::Debug for Forwarder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarder").field("meter", &self.meter).finish_non_exhaustive()
    }
}

impl<S: Source> Forwarder<S> {
    /// Makes ready to send; nothing is read or connected yet.
    ///
    /// # Errors
    ///
    /// The options cannot be used: the endpoint or a header field, or there are no certificates to trust.
    pub fn new(options: &ForwardOptions, source: S) -> Result<Self, ForwardError> {
        let now = Instant::now();
        Ok(Self {
            target: Arc::new(Target::new(options)?),
            lanes: Lanes::new(options.concurrency, options.backoff, options.seed),
            connections: (0..options.concurrency.get()).map(|_| None).collect(),
            attempts: JoinSet::new(),
            reading: Reading::Here(Box::new(Fetcher::new(options, source))),
            rest: now,
            look: now,
            is_over: false,
            meter: Meter::default(),
        })
    }

    /// Where counters can be read, at any time.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Runs until the shutdown. Then nothing new is begun, and attempts under way have two seconds; what is
    /// not done then stays in the source. Needs a Tokio runtime with time and I/O.
    ///
    /// # Panics
    ///
    /// The source panics.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            let now = Instant::now();
            while let Some(start) = self.lanes.start(now) {
                self.begin(start);
            }
            self.meter.in_flight(self.lanes.in_flight());
            self.read(now);
            let wake = self.wake(now);
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = self.attempts.join_next() => self.end(ended),
                turn = self.reading.end() => self.take(turn),
                () = sleep_until(wake.into()) => {}
            }
        }
        self.finish().await;
    }

    fn begin(&mut self, start: Start) {
        let Start { lane, request, is_first } = start;
        if !is_first {
            self.meter.retried();
        }
        let kept = self.connections[lane].take();
        let target = Arc::clone(&self.target);
        self.attempts.spawn(async move {
            let (connection, outcome) = attempt(&target, kept, &request).await;
            Ended { lane, connection, outcome }
        });
    }

    fn end(&mut self, ended: Result<Ended, JoinError>) {
        let Ended { lane, connection, outcome } = unpanicked(ended);
        self.connections[lane] = connection;
        match self.lanes.end(lane, outcome, Instant::now()) {
            Fate::Taken { bytes, rejected } => self.meter.taken(bytes, rejected),
            Fate::Refused(status) => self.meter.refused(status),
            Fate::Again(fault) => self.meter.failed(format!("forward a request: {fault}")),
            Fate::GivenUp(fault) => {
                self.meter.given_up();
                self.meter.failed(format!(
                    "forward a request: {fault}, while others pass; it is given up"
                ));
            }
        }
    }

    /// Sends the fetcher for a turn, if there is a reason.
    fn read(&mut self, now: Instant) {
        let (requests, bytes) = self.lanes.room(now);
        let is_wanted = (requests > 0 && bytes > 0) || self.is_over || now >= self.look;
        if now < self.rest || !is_wanted || !matches!(self.reading, Reading::Here(_)) {
            return;
        }
        let Reading::Here(mut fetcher) = std::mem::replace(&mut self.reading, Reading::Gone) else {
            return;
        };
        let wanted = Wanted { done: self.lanes.take_done(), requests, bytes };
        self.reading = Reading::Away(spawn_blocking(move || {
            let found = fetcher.turn(wanted);
            (fetcher, found)
        }));
    }

    /// Takes what a turn found.
    fn take(&mut self, found: Found<S::Position>) {
        let now = Instant::now();
        self.look = now + POLL;
        self.is_over = found.is_over;
        self.meter.backlog(found.backlog);
        if found.is_empty {
            self.rest = now + POLL;
        }
        for message in found.unsendable {
            self.meter.unsendable(message);
        }
        if let Some(message) = found.failure {
            self.rest = now + PAUSE;
            self.meter.source_failed(message);
        }
        if found.dropped > 0 {
            // What was read before is older, and the oldest go first.
            let dropped = found.dropped + self.lanes.drop_waiting();
            self.meter.dropped(dropped);
            self.meter.failed(format!(
                "forward {dropped} requests: more wait than may, and the oldest are dropped"
            ));
        }
        for (position, request) in found.read {
            self.lanes.add(position, request);
        }
    }

    fn wake(&self, now: Instant) -> Instant {
        let look = match self.reading {
            Reading::Here(_) => self.look.max(self.rest),
            Reading::Away(_) | Reading::Gone => now + LONG,
        };
        // Between rests there may be room again, but only once the source has rested.
        let rest = Some(self.rest).filter(|&rest| rest > now);
        [self.lanes.wake(now), rest].into_iter().flatten().fold(look, Instant::min)
    }

    async fn finish(mut self) {
        let end = Instant::now() + GRACE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match timeout(left, self.attempts.join_next()).await {
                Ok(Some(ended)) => self.end(ended),
                Ok(None) | Err(_) => break,
            }
        }
        self.attempts.shutdown().await;
        self.meter.in_flight(0);
        if matches!(self.reading, Reading::Away(_)) {
            // What it found was not begun, so it is not done.
            self.reading.end().await;
        }
        if let (Reading::Here(mut fetcher), Some(done)) = (self.reading, self.lanes.take_done()) {
            unpanicked(spawn_blocking(move || fetcher.done(done)).await);
        }
    }
}

impl<S: Source> Reading<S> {
    /// Waits for the end of a turn; for ever if none is under way.
    async fn end(&mut self) -> Found<S::Position> {
        let Self::Away(turn) = self else { return std::future::pending().await };
        let ended = turn.await;
        *self = Self::Gone;
        let (fetcher, found) = unpanicked(ended);
        *self = Self::Here(fetcher);
        found
    }
}

/// A panic goes on: its task ended only because it panicked.
fn unpanicked<T>(ended: Result<T, JoinError>) -> T {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(ended) => ended,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(cancelled)) => {
            unreachable!("nothing is cancelled while it is waited for: {cancelled}")
        }
    }
}
