use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use resus_store::log::vfs::{Disk, Lock, Vfs, VfsFile};
use resus_store::log::{Log, LogOptions};
use resus_telemetry::Telemetry;

use super::*;
use crate::serve::counters::Counters;
use crate::serve::gauges::Gauges;

/// A disk that can stand still: every sync waits until it moves again.
#[derive(Debug, Clone, Default)]
struct Standing(Arc<(Mutex<bool>, Condvar)>);

impl Standing {
    fn stands(&self, still: bool) {
        *self.0.0.lock().expect("nobody panics") = still;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let still = self.0.0.lock().expect("nobody panics");
        drop(self.0.1.wait_while(still, |still| *still).expect("nobody panics"));
    }
}

impl Vfs for Standing {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        Disk.create_folder(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        Disk.list(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(StandingFile { disk: self.clone(), file: Disk.create(path)? }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Disk.open(path)
    }

    fn truncate(&self, path: &Path, size: u64) -> io::Result<()> {
        Disk.truncate(path, size)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        Disk.sync_folder(folder)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        Disk.lock(path)
    }
}

#[derive(Debug)]
struct StandingFile {
    disk: Standing,
    file: Box<dyn VfsFile>,
}

impl VfsFile for StandingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn append(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.file.append(bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.disk.wait();
        self.file.sync_data()
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not so after 20 s: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_are_refused_while_the_disk_stands_still_and_taken_once_it_moves() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let disk = Standing::default();
    let (log, _) =
        Log::open(Arc::new(disk.clone()), folder.path(), LogOptions::STANDARD, &mut |_, _| {})
            .expect("a new log opens");
    let (live, _kept) = channel();
    let counters = Arc::new(Counters::default());
    let ingest = Arc::new(Ingest {
        log,
        live,
        counters: Arc::clone(&counters),
        gauges: Arc::new(Gauges::new(1)),
        wanted_gauges: Vec::new(),
        telemetry: Arc::new(Telemetry::off()),
        watched: true,
        forwarded: Vec::new(),
    });
    let running = tokio::spawn(run(Arc::clone(&ingest), std::future::pending()));
    until("a canary is kept", || counters.canary_kept.load(Relaxed) > 0).await;
    assert_eq!(counters.refusing(), None);
    disk.stands(true);
    until("requests are refused", || counters.refusing() == Some(Refusal::Stalled)).await;
    let before = counters.canary_kept.load(Relaxed);
    disk.stands(false);
    until("requests are taken", || counters.refusing().is_none()).await;
    until("the canary is kept", || counters.canary_kept.load(Relaxed) > before).await;
    running.abort();
}
