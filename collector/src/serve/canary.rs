//! Is the way of a request free?
//!
//! A small record goes that way again and again: only what comes out at the end shows it. While one is
//! stuck requests are refused at once: they would only wait, and fill the memory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::clock;
use super::counters::Refusal;
use super::ingest::{Content, Ingest};
use super::record::Header;
use crate::output;

/// Time between two canaries.
const EVERY: Duration = Duration::from_secs(2);

/// A canary that is not on the disk after this time is stuck.
const STUCK: Duration = Duration::from_secs(2);

/// Sends canaries until it is told to stop.
pub(crate) async fn run(ingest: Arc<Ingest>, stopped: impl Future<Output = ()>) {
    tokio::select! {
        () = send(&ingest) => {}
        () = stopped => {}
    }
}

async fn send(ingest: &Ingest) {
    let counters = &ingest.counters;
    loop {
        let now = clock::now();
        let canary = ingest.append(Header::canary(now), Bytes::new(), Some(Content::Canary), None);
        let mut canary = std::pin::pin!(canary);
        let kept = if let Ok(kept) = timeout(STUCK, &mut canary).await {
            kept
        } else {
            output::say("resus: log: the disk does not answer: requests are refused");
            counters.refuse(Refusal::Stalled, true);
            let kept = canary.await;
            counters.refuse(Refusal::Stalled, false);
            output::say("resus: log: the disk answers again");
            kept
        };
        if kept.is_ok() {
            counters.canary_kept.fetch_max(now, Relaxed);
        }
        sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests;
