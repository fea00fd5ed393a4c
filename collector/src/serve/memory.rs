//! What is healthy is remembered over a restart.
//!
//! Whenever the ring of healthy windows changes it is written whole, by a thread of its own: one file of
//! Evidence beside the log. A file that cannot be read is put aside; the collector then learns anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use resus_engine::Monitor;
use resus_model::Evidence;
use resus_store::log::vfs::{Disk, Vfs as _, write_whole};

use super::clock;
use crate::config::Config;
use crate::output;

/// Healthy windows, oldest first.
pub(crate) type Windows = Vec<Arc<Evidence>>;

/// Windows older than a day are forgotten: what was normal then need not be now.
const FORGOTTEN_AFTER: u64 = 24 * 3600 * 1_000_000_000;

/// Where they are remembered; `None` where the configuration wants them forgotten.
pub(crate) fn path_of(config: &Config) -> Option<PathBuf> {
    let watch = &config.watch;
    let wanted = watch.enabled && watch.keep_baseline && watch.baseline.is_none();
    wanted.then(|| config.store.folder.join("baseline.arrow"))
}

/// Lets a monitor know what was remembered.
pub(crate) fn restore(monitor: &mut Monitor, path: &Path) {
    let now = clock::now();
    let mut windows = recall(path);
    windows.retain(|window| window.window.to.saturating_add(FORGOTTEN_AFTER) > now);
    if windows.is_empty() {
        return;
    }
    let left_out = monitor.restore(&windows, now);
    let known = windows.len() - left_out;
    output::say(&format!("resus: baseline: {known} healthy windows are known from before"));
    if left_out > 0 {
        output::say(&format!(
            "resus: baseline: {left_out} windows were left out: made under other rules or panes"
        ));
    }
}

/// Starts the thread that writes what the live half says through `sender`.
pub(crate) fn start(path: PathBuf, sender: &mut Option<Sender<Windows>>) -> Result<JoinHandle<()>> {
    let (changes, changed) = channel();
    *sender = Some(changes);
    thread::Builder::new()
        .name("resus-baseline".to_owned())
        .spawn(move || remember(&path, &changed))
        .context("failed to start the thread that keeps the baseline")
}

/// Reads what was remembered; nothing where there is nothing that can be read.
fn recall(path: &Path) -> Windows {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Windows::new(),
        Err(error) => {
            output::say(&format!("resus: baseline: failed to read {}: {error}", path.display()));
            return Windows::new();
        }
    };
    match resus_evidence::from_ipc(&bytes) {
        Ok(windows) => windows.into_iter().map(Arc::new).collect(),
        Err(error) => {
            let aside = path.with_extension("arrow.quarantined");
            let moved = Disk.rename(path, &aside);
            let place = if moved.is_ok() { &aside } else { path };
            output::say(&format!(
                "resus: baseline: put aside as {}: failed to {error}; it is learned anew",
                place.display()
            ));
            Windows::new()
        }
    }
}

/// Writes what comes, the latest of what waits, until nobody sends any more.
fn remember(path: &Path, changes: &Receiver<Windows>) {
    let mut failing = false;
    while let Ok(first) = changes.recv() {
        let windows = changes.try_iter().last().unwrap_or(first);
        let written = write(path, &windows);
        if let (Err(error), false) = (&written, failing) {
            output::say(&format!("resus: baseline: failed to {error}; it is tried again"));
        }
        failing = written.is_err();
    }
}

fn write(path: &Path, windows: &Windows) -> Result<(), String> {
    let windows: Vec<Evidence> = windows.iter().map(|window| (**window).clone()).collect();
    let bytes = resus_evidence::to_ipc(&windows).map_err(|error| error.to_string())?;
    match write_whole(&Disk, path, &bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("write {}: {error}", path.display())),
    }
}
