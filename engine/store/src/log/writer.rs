//! The log's thread: waits for records, a deadline or the end, and lets the committer work.

use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    clock,
    commit::Committer,
    shared::{Pending, Shared, lock},
    vfs::Lock,
};

/// So many bytes don't wait for the window to pass: they keep the disk busy for long enough, and
/// whoever sent them has them in memory until they are answered for.
const EARLY_BYTES: u64 = 8 << 20;

/// What the thread does next.
enum Work {
    Commit(VecDeque<Pending>),
    Tick,
    Finish,
}

/// Starts the thread. It holds the folder's lock until it ends.
#[expect(
    clippy::disallowed_methods,
    reason = "it blocks in syncs, and a thread of rayon's pool that blocks holds up all others"
)]
pub(super) fn start(
    shared: Arc<Shared>,
    mut committer: Committer,
    folder_lock: Lock,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name("resus-log".to_owned()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(|| run(&shared, &mut committer))).is_err() {
            stop_after_panic(&shared, &mut committer);
        }
        drop(folder_lock);
    })
}

/// Takes a record, or gives it back when the log is closed.
pub(super) fn enqueue(shared: &Shared, pending: Pending) -> Result<(), Pending> {
    let bytes = pending.record.bytes();
    let mut queue = lock(&shared.queue);
    if queue.closing {
        return Err(pending);
    }
    shared.queued_records.fetch_add(1, Ordering::Relaxed);
    shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
    let (first, before) = (queue.waiting.is_empty(), queue.bytes);
    queue.waiting.push_back(pending);
    queue.bytes += bytes;
    let enough = before < EARLY_BYTES && queue.bytes >= EARLY_BYTES;
    drop(queue);
    // The records in between are found when the window has passed.
    if first || enough {
        shared.arrived.notify_one();
    }
    Ok(())
}

fn run(shared: &Shared, committer: &mut Committer) {
    let window = shared.options.window.unwrap_or(Duration::ZERO);
    let mut now = clock::now();
    let mut due = now;
    loop {
        if committer.is_failing() {
            due = now;
        }
        match next(shared, due, committer.deadline()) {
            Work::Commit(batch) => {
                now = clock::now();
                due = now + window;
                committer.commit(batch, now);
            }
            Work::Tick => {
                now = clock::now();
                committer.tick(now);
            }
            Work::Finish => {
                committer.finish();
                return;
            }
        }
    }
}

/// Waits for something to do. Records are taken from `due` on, or when there are enough.
fn next(shared: &Shared, due: Instant, deadline: Option<Instant>) -> Work {
    let mut queue = lock(&shared.queue);
    loop {
        let now = clock::now();
        let waits = !queue.waiting.is_empty();
        if waits && (now >= due || queue.bytes >= EARLY_BYTES || queue.closing) {
            queue.bytes = 0;
            return Work::Commit(mem::take(&mut queue.waiting));
        }
        if queue.closing {
            return Work::Finish;
        }
        if deadline.is_some_and(|deadline| now >= deadline) {
            return Work::Tick;
        }
        let until = waits.then_some(due).into_iter().chain(deadline).min();
        queue = match until {
            None => shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let timeout = until.saturating_duration_since(now);
                let woken = shared.arrived.wait_timeout(queue, timeout);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

/// Nobody waits for ever, and nobody is told that all is well.
fn stop_after_panic(shared: &Shared, committer: &mut Committer) {
    lock(&shared.health).failing =
        Some(Arc::from("the log's thread ended by a panic; open the log again"));
    let waiting = {
        let mut queue = lock(&shared.queue);
        queue.closing = true;
        mem::take(&mut queue.waiting)
    };
    committer.refuse_all();
    committer.refuse(waiting);
}
