//! A source in memory, and a forwarder over it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use resus_forward::{
    Backoff, ContentCoding, ForwardOptions, Forwarder, Meter, Outgoing, Source, Stats,
};
use resus_receive::{Compression, Encoding, Signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Requests in a list, which never becomes shorter: position `n` is behind the n-th.
#[derive(Clone)]
pub(crate) struct Queue {
    all: Arc<Mutex<Vec<Outgoing>>>,
    read: usize,
    done: Arc<watch::Sender<usize>>,
    /// How often reading fails before it does not.
    pub(crate) faults: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("read the disk: it is on fire")]
pub(crate) struct OnFire;

impl Queue {
    pub(crate) fn new(requests: Vec<Outgoing>) -> Self {
        let done = Arc::new(watch::Sender::new(0));
        Self { all: Arc::new(Mutex::new(requests)), read: 0, done, faults: 0 }
    }

    /// So many requests with their numbers, from 0, as bodies.
    pub(crate) fn numbered(count: usize) -> Self {
        Self::new((0..count).map(|n| spans(&n.to_string())).collect())
    }

    /// As it is found after a restart.
    pub(crate) fn again(&self) -> Self {
        Self { read: *self.done.borrow(), ..self.clone() }
    }

    pub(crate) fn push(&self, request: Outgoing) {
        self.all.lock().expect("not poisoned").push(request);
    }

    pub(crate) fn done(&self) -> usize {
        *self.done.borrow()
    }

    /// Waits until all before the position is done.
    pub(crate) async fn wait_for(&self, position: usize) {
        let mut done = self.done.subscribe();
        let waiting = done.wait_for(|&done| done >= position);
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "{} of {position} are done", self.done());
    }
}

impl Source for Queue {
    type Position = usize;
    type Error = OnFire;

    fn next(&mut self) -> Result<Option<(usize, Outgoing)>, OnFire> {
        if let Some(left) = self.faults.checked_sub(1) {
            self.faults = left;
            return Err(OnFire);
        }
        let next = self.all.lock().expect("not poisoned").get(self.read).cloned();
        self.read += usize::from(next.is_some());
        Ok(next.map(|outgoing| (self.read, outgoing)))
    }

    fn done(&mut self, up_to: usize) {
        let before = self.done.send_replace(up_to);
        assert!(before < up_to && up_to <= self.read, "{before} to {up_to} of {}", self.read);
    }

    fn backlog(&self) -> u64 {
        let all = self.all.lock().expect("not poisoned");
        all[self.read..].iter().map(|outgoing| outgoing.body.len() as u64).sum()
    }
}

pub(crate) fn spans(body: &str) -> Outgoing {
    Outgoing {
        signal: Signal::Traces,
        encoding: Encoding::Protobuf,
        compression: Compression::None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

pub(crate) fn options(endpoint: &str) -> ForwardOptions {
    ForwardOptions {
        endpoint: endpoint.to_owned(),
        headers: Vec::new(),
        compression: ContentCoding::Identity,
        timeout: Duration::from_secs(10),
        max_backlog: 1 << 30,
        signals: Signal::ALL.to_vec(),
        ca: None,
        concurrency: NonZeroUsize::new(4).expect("four"),
        backoff: Backoff { first: Duration::from_millis(10), most: Duration::from_millis(40) },
        seed: 1,
    }
}

/// A forwarder that runs until it is stopped.
pub(crate) struct Running {
    pub(crate) meter: Meter,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn new(options: &ForwardOptions, queue: &Queue) -> Self {
        let forwarder = Forwarder::new(options, queue.clone()).expect("the options are fine");
        let meter = forwarder.meter();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(forwarder.run(async { drop(stopped.await) }));
        Self { meter, stop, task }
    }

    pub(crate) async fn stop(self) -> Stats {
        self.stop.send(()).expect("it runs");
        self.task.await.expect("no panic");
        self.meter.read()
    }
}

/// Forwards all of a queue.
pub(crate) async fn forward(options: &ForwardOptions, queue: &Queue, count: usize) -> Stats {
    let running = Running::new(options, queue);
    queue.wait_for(count).await;
    running.stop().await
}
