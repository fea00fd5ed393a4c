//! How much can the collector take, and what does it say to each request?

mod outcome;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::body::{Shape, ShapeError};
use crate::ledger::{Entry, LedgerError, Writer};
use crate::message::{Messages, Wrapping, pool};
use crate::target::Target;
use crate::template::Template;

pub use outcome::Outcome;
use worker::Worker;

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// OTLP/HTTP with protobuf over HTTP/1.1, connections kept alive.
    Http,
    /// OTLP/gRPC.
    Grpc,
}

/// How bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, which every OTLP server must understand.
    Gzip,
    /// zstd, which some do.
    Zstd,
}

impl Compression {
    /// The name of the content coding.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// When a run ends. Requests under way are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// After so many requests.
    Requests(u64),
    /// After so much time.
    Time(Duration),
}

/// Whether it is written down what became of each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// No ledger: what costs least. Compressed bodies come from a pool of that many, made before the
    /// clock starts; a run of more requests sends the same ids again, so a collector that collapses
    /// duplicates has less to do. 64 bodies of 512 spans take about 0.5 s to make.
    Nothing {
        /// Bodies in the pool; at least 1. Without compression it is not used: ids are never repeated.
        pool: u32,
    },
    /// A ledger in memory. Each compressed body is compressed anew, at level 1: that costs far more than
    /// the rest of the load, so measure a collector's cost without a ledger.
    Memory,
    /// The same, and in a file too, which a run of the same seed and shape goes on with.
    File(PathBuf),
}

/// How a request is sent again that was refused for now or had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The wait before the second attempt; doubled each time. What the collector asks for
    /// (`Retry-After` in seconds, `RetryInfo`) wins if it is longer.
    pub first_wait: Duration,
    /// The longest wait of its own choice.
    pub longest_wait: Duration,
    /// How long after its first attempt a request is given up.
    pub give_up_after: Duration,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The collector. Its token is sent with each request.
    pub target: Target,
    /// How requests travel.
    pub transport: Transport,
    /// How bodies are compressed.
    pub compression: Compression,
    /// Connections, each with one request under way at a time; at least 1.
    pub connections: u32,
    /// What a body looks like.
    pub shape: Shape,
    /// Spans a second over all connections; `None`: as fast as answers come. With a rate, latency counts
    /// from the moment when a request was due, so that a stalled collector does not hide the stall.
    pub rate: Option<f64>,
    /// When to end.
    pub length: Length,
    /// The seed of all ids.
    pub seed: u64,
    /// The number of the first request: a second run with the same seed goes on where the first ended
    /// ([`Outcome::next_request`]). A ledger's file that is further wins.
    pub first_request: u64,
    /// Whether there is a ledger.
    pub keep: Keep,
    /// Whether requests are sent again; `None`: each is sent once.
    pub retry: Option<Retry>,
}

/// Why a run could not be made, or its ledger not kept. What the collector does is never an error.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The target has no address for the transport.
    #[error("send over {0:?}: the target has no address for it")]
    NoAddress(Transport),
    /// The shape cannot be built.
    #[error("build request bodies: {0}")]
    Shape(#[from] ShapeError),
    /// The rate is no positive number.
    #[error("send at a rate of {0} spans a second: expected a positive number")]
    Rate(f64),
    /// The ledger cannot be kept.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What the workers of a run share.
#[derive(Debug)]
struct Run {
    load: Load,
    wrapping: Wrapping,
    start: Instant,
    first: u64,
    next: AtomicU64,
    ledger: Mutex<Option<Writer>>,
}

impl Run {
    /// The next request, and when it is due; `None` when there is none left.
    fn take(&self) -> Option<(u64, Instant)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let nth = number - self.first;
        if matches!(self.load.length, Length::Requests(count) if nth >= count) {
            return None;
        }
        let due = match self.load.rate {
            Some(rate) => {
                let spans = nth as f64 * f64::from(self.load.shape.spans);
                self.start + Duration::try_from_secs_f64(spans / rate).unwrap_or(Duration::MAX / 4)
            }
            None => Instant::now(),
        };
        let over = matches!(self.load.length, Length::Time(length) if due >= self.start + length);
        (!over).then_some((number, due))
    }

    fn note(&self, request: u64, entry: Entry) -> Result<(), LedgerError> {
        let mut ledger = self.ledger.lock().expect("nobody panics while noting");
        ledger.as_mut().map_or(Ok(()), |ledger| ledger.note(request, entry))
    }
}

/// Sends as `load` says, and tells what became of it. Runs on the caller's runtime: a current-thread one
/// on a core of its own disturbs the collector least.
///
/// # Errors
/// The run cannot be made, or its ledger not kept.
pub async fn run(load: Load) -> Result<Outcome, LoadError> {
    run_until(load, std::future::pending()).await
}

/// The same, ended early when `stop` is done: no new request is begun then and no refused one is sent
/// again.
///
/// # Errors
/// As for [`run`].
pub async fn run_until(load: Load, stop: impl Future<Output = ()>) -> Result<Outcome, LoadError> {
    let address = match load.transport {
        Transport::Http => load.target.http,
        Transport::Grpc => load.target.grpc,
    };
    let wrapping = Wrapping {
        transport: load.transport,
        compression: load.compression,
        address: address.ok_or(LoadError::NoAddress(load.transport))?,
        token: load.target.token.clone(),
    };
    if let Some(rate) = load.rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
        return Err(LoadError::Rate(rate));
    }
    let template = Arc::new(Template::new(&load.shape, load.seed)?);
    let ledger = match &load.keep {
        Keep::Nothing { .. } => None,
        Keep::Memory => Some(Writer::in_memory(template.ids())),
        Keep::File(path) => Some(Writer::to_file(path, template.ids())?),
    };
    let known = ledger.as_ref().map_or(0, |ledger| ledger.ledger().next_request());
    let first = load.first_request.max(known);
    let bodies = match load.keep {
        Keep::Nothing { pool: size } if load.compression != Compression::None => {
            Some(Arc::new(pool(&template, &wrapping, first, size)))
        }
        _ => None,
    };
    let connections = load.connections.max(1);
    let run = Arc::new(Run {
        load,
        wrapping,
        start: Instant::now(),
        first,
        next: AtomicU64::new(first),
        ledger: Mutex::new(ledger),
    });
    let (stopping, stopped) = watch::channel(false);
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let messages = match (&bodies, run.load.compression) {
            (Some(pool), _) => Messages::pooled(Arc::clone(pool)),
            (None, Compression::None) => Messages::patched(Arc::clone(&template), &run.wrapping),
            (None, _) => Messages::fresh(Arc::clone(&template), run.wrapping.clone()),
        };
        let worker = Worker::new(Arc::clone(&run), messages, stopped.clone());
        workers.spawn(worker.work());
    }
    let outcome = gather(workers, stop, &stopping).await?;
    let ledger = run.ledger.lock().expect("nobody panics while noting").take();
    let ledger = ledger.map(Writer::finish).transpose()?;
    let spans = u64::from(run.load.shape.spans);
    Ok(Outcome {
        spans: outcome.acknowledged * spans,
        elapsed: run.start.elapsed(),
        next_request: outcome.next_request.max(first),
        ledger,
        ..outcome
    })
}

async fn gather(
    mut workers: JoinSet<Result<Outcome, LedgerError>>,
    stop: impl Future<Output = ()>,
    stopping: &watch::Sender<bool>,
) -> Result<Outcome, LedgerError> {
    let mut total = Outcome::default();
    let mut stop = std::pin::pin!(stop);
    loop {
        let stopped = *stopping.borrow();
        tokio::select! {
            worked = workers.join_next() => match worked {
                Some(worked) => total.add(&worked.expect("workers do not panic and are not aborted")?),
                None => return Ok(total),
            },
            () = &mut stop, if !stopped => { stopping.send_replace(true); }
        }
    }
}

#[cfg(test)]
mod tests;
