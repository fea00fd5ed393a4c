//! The parts of a collector that runs: which has ended before its time, and how all of them end.
//!
//! A collector that is alive and deaf is worse than one that is gone: nobody starts it again. So when any
//! of its tasks and threads ends, by a panic or by a mistake of ours, the others end too, in order, and the
//! process says which it was and fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use resus_store::log::Log;
use tokio::sync::watch;
use tokio::task;

use super::ingest::Ingest;

/// How often to look. Parts end once in the life of a process, if ever.
const EVERY: Duration = Duration::from_millis(500);

/// Everything that runs as long as the collector does.
pub(crate) struct Running {
    pub(crate) listeners: task::JoinHandle<()>,
    pub(crate) api: task::JoinHandle<()>,
    pub(crate) canary: task::JoinHandle<()>,
    pub(crate) disk: task::JoinHandle<()>,
    pub(crate) forwarder: Option<task::JoinHandle<()>>,
    pub(crate) live: thread::JoinHandle<()>,
    pub(crate) keeping: thread::JoinHandle<()>,
    pub(crate) baseline: Option<thread::JoinHandle<()>>,
    /// Tells the tasks to end.
    pub(crate) stop: watch::Sender<bool>,
    /// Tells the thread that keeps spans to end.
    pub(crate) ending: Arc<AtomicBool>,
}

impl Running {
    /// The first part that will never do anything again.
    fn lost(&self) -> Option<&'static str> {
        let parts = [
            ("the listeners", self.listeners.is_finished()),
            ("the API", self.api.is_finished()),
            ("the canary", self.canary.is_finished()),
            ("the watch of the disk", self.disk.is_finished()),
            ("the forwarder", self.forwarder.as_ref().is_some_and(task::JoinHandle::is_finished)),
            ("the live half", self.live.is_finished()),
            ("the thread that keeps spans", self.keeping.is_finished()),
            (
                "the memory of the baseline",
                self.baseline.as_ref().is_some_and(thread::JoinHandle::is_finished),
            ),
        ];
        parts.into_iter().find(|(_, ended)| *ended).map(|(name, _)| name)
    }

    /// Waits until a part has ended, and gives its name.
    pub(crate) async fn first_to_end(&self) -> &'static str {
        loop {
            if let Some(name) = self.lost() {
                return name;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Ends all parts in their order, whichever of them panicked; what is not sealed is in the log.
    ///
    /// # Errors
    /// A part panicked.
    pub(crate) async fn end(self, ingest: Arc<Ingest>, log: Log) -> Result<()> {
        // First the door: what was let in is kept and answered.
        self.stop.send_replace(true);
        let listened = self.listeners.await.context("failed to run the listeners");
        let tested = self.canary.await.context("failed to run the canary");
        let looked = self.disk.await.context("failed to watch the disk");
        let sent = match self.forwarder {
            Some(forwarder) => forwarder.await.context("failed to forward"),
            None => Ok(()),
        };
        drop(ingest);
        log.close();
        let judged = join(self.live, "run the live half");
        let remembered = self.baseline.map_or(Ok(()), |thread| join(thread, "keep the baseline"));
        self.ending.store(true, Relaxed);
        self.keeping.thread().unpark();
        let kept = join(self.keeping, "keep spans");
        let answered = self.api.await.context("failed to run the API");
        [listened, tested, looked, sent, judged, remembered, kept, answered].into_iter().collect()
    }
}

fn join(thread: thread::JoinHandle<()>, what: &str) -> Result<()> {
    thread.join().ok().with_context(|| format!("failed to {what}: the thread panicked"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(2);

    /// Puts a task in the place of another.
    type Put = fn(&mut Running, task::JoinHandle<()>);

    fn task() -> task::JoinHandle<()> {
        tokio::spawn(std::future::pending())
    }

    /// A thread that runs until the sender goes.
    fn thread() -> (Sender<()>, thread::JoinHandle<()>) {
        let (keep, wait) = channel();
        let body = move || {
            // The sender goes without a word.
            let _ = wait.recv();
        };
        (keep, thread::spawn(body))
    }

    fn running() -> (Running, [Sender<()>; 3]) {
        let ((a, live), (b, keeping), (c, baseline)) = (thread(), thread(), thread());
        let running = Running {
            listeners: task(),
            api: task(),
            canary: task(),
            disk: task(),
            forwarder: Some(task()),
            live,
            keeping,
            baseline: Some(baseline),
            stop: watch::channel(false).0,
            ending: Arc::default(),
        };
        (running, [a, b, c])
    }

    #[tokio::test]
    async fn whichever_part_ends_it_is_noticed_soon() {
        let (all, _keep) = running();
        assert!(timeout(SOON, all.first_to_end()).await.is_err(), "all of them run");

        let panics = || tokio::spawn(async { panic!("on purpose") });
        let tasks: [(&str, Put); 5] = [
            ("the listeners", |all, part| all.listeners = part),
            ("the API", |all, part| all.api = part),
            ("the canary", |all, part| all.canary = part),
            ("the watch of the disk", |all, part| all.disk = part),
            ("the forwarder", |all, part| all.forwarder = Some(part)),
        ];
        for (name, put) in tasks {
            let (mut all, _keep) = running();
            put(&mut all, panics());
            assert_eq!(timeout(SOON, all.first_to_end()).await, Ok(name));
        }
        for (n, name) in
            ["the live half", "the thread that keeps spans", "the memory of the baseline"]
                .into_iter()
                .enumerate()
        {
            let (all, mut keep) = running();
            keep[n] = channel().0;
            assert_eq!(timeout(SOON, all.first_to_end()).await, Ok(name));
        }
    }
}
