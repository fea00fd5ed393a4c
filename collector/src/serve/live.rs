//! The live half: one thread that takes what is in the log, lets time pass, and publishes what it sees.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use resus_engine::{Monitor, View};
use resus_model::LogBatch;

use super::clock;
use super::counters::{Counters, Refusal};
use super::ingest::{Committed, Content};
use super::memory::Windows;
use super::trail::Step;

/// Requests taken between two looks at the clock.
const AT_ONCE: usize = 256;

/// From this share of its memory on the live half wants no more, and below the other it does again.
const FULL: f64 = 0.95;
const ROOM: f64 = 0.85;

/// What was published last; for all who ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(Arc<RwLock<Arc<View>>>);

impl Board {
    pub(crate) fn read(&self) -> Arc<View> {
        Arc::clone(&self.0.read().expect("nobody panics with this lock held"))
    }

    pub(crate) fn publish(&self, view: View) {
        *self.0.write().expect("nobody panics with this lock held") = Arc::new(view);
    }
}

/// What the API may ask of the live half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The present is healthy: the baseline starts anew with it.
    AdoptBaseline,
}

/// Who else follows the log.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Releases the log as it grows old, where nobody seals it.
    pub(crate) trail: Option<Sender<Step>>,
    /// Seals spans, and wants to know the error records that speak of them.
    pub(crate) logs: Option<Sender<LogBatch>>,
    /// Remembers what is healthy.
    pub(crate) memory: Option<Sender<Windows>>,
}

impl Beside {
    fn remember(&self, windows: Windows) {
        if let Some(memory) = &self.memory {
            // As below.
            let _ = memory.send(windows);
        }
    }

    fn tell(&self, committed: &Committed) {
        // Both end after the live half; where one did not, it has told why.
        if let Some(trail) = &self.trail {
            let _ = trail.send((committed.received_unix_nano, committed.position));
        }
        if let (Some(logs), Content::Logs(batch)) = (&self.logs, &committed.content) {
            let _ = logs.send(batch.clone());
        }
    }
}

/// Runs until all senders are gone; then everything that waits has been taken in.
pub(crate) fn run(
    mut monitor: Monitor,
    requests: &Receiver<Committed>,
    orders: &Receiver<Order>,
    beside: &Beside,
    board: &Board,
    counters: &Counters,
) {
    let mut refusing = false;
    let (mut known, mut looked) = (monitor.baseline_version(), clock::now());
    loop {
        let now = clock::now();
        if counters.refusing().is_some() {
            // Whoever is refused is not silent.
            monitor.deaf(looked, now);
        }
        looked = now;
        let wait = monitor.next_tick().map_or(Duration::from_secs(1), |at| {
            Duration::from_nanos(at.saturating_sub(now)).min(Duration::from_secs(1))
        });
        match requests.recv_timeout(wait) {
            Ok(first) => {
                beside.tell(&first);
                take(&mut monitor, first, counters);
                for _ in 1..AT_ONCE {
                    let Ok(next) = requests.try_recv() else { break };
                    beside.tell(&next);
                    take(&mut monitor, next, counters);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let mut judged = false;
        monitor.run_until(clock::now(), &mut |_| judged = true);
        if judged {
            board.publish(monitor.view());
        }
        if known != monitor.baseline_version() {
            known = monitor.baseline_version();
            beside.remember(monitor.baseline());
        }
        for order in orders.try_iter() {
            match order {
                Order::AdoptBaseline => monitor.adopt_now(),
            }
        }
        let pressure = monitor.pressure();
        let full = if refusing { pressure > ROOM } else { pressure > FULL };
        if full != refusing {
            refusing = full;
            counters.refuse(Refusal::Memory, full);
        }
    }
    monitor.run_until(clock::now(), &mut |_| {});
    board.publish(monitor.view());
}

fn take(monitor: &mut Monitor, committed: Committed, counters: &Counters) {
    let Committed { position: _, received_unix_nano, content, permit } = committed;
    put(monitor, received_unix_nano, &content);
    if matches!(content, Content::Canary) {
        counters.canary_seen.fetch_max(received_unix_nano, Relaxed);
    }
    // Only now is the request's memory free.
    drop(permit);
}

/// Feeds a record of the log.
pub(crate) fn put(monitor: &mut Monitor, received_unix_nano: u64, content: &Content) {
    match content {
        Content::Spans(batch, quality) => monitor.push(batch, quality, received_unix_nano),
        Content::Logs(batch) => monitor.push_logs(batch, received_unix_nano),
        Content::Canary => {}
    }
}
