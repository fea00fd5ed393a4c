//! How well the telling goes, and the line about it when it does not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Failures are told at most this often.
const QUIET: Duration = Duration::from_secs(60);

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Exports that the endpoint took, whole batches of spans or all metrics of an interval.
    pub exports: u64,
    /// Exports that it did not take, after all tries. What was in them is lost; metrics come again.
    pub failed_exports: u64,
    /// Spans that found the queue full, or the thread gone.
    pub dropped_spans: u64,
}

/// Where these are counted.
pub(crate) struct Meter {
    exports: AtomicU64,
    failed_exports: AtomicU64,
    dropped_spans: AtomicU64,
    tell: Box<dyn Fn(&str) + Send + Sync>,
    told: Mutex<Told>,
}

/// What was told last.
struct Told {
    at: Option<Instant>,
    untold: u64,
}

impl Meter {
    pub(crate) fn new(tell: Box<dyn Fn(&str) + Send + Sync>) -> Self {
        Self {
            exports: AtomicU64::new(0),
            failed_exports: AtomicU64::new(0),
            dropped_spans: AtomicU64::new(0),
            tell,
            told: Mutex::new(Told { at: None, untold: 0 }),
        }
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            exports: self.exports.load(Ordering::Relaxed),
            failed_exports: self.failed_exports.load(Ordering::Relaxed),
            dropped_spans: self.dropped_spans.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn dropped_span(&self) {
        self.dropped_spans.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn exported(&self) {
        self.exports.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a failure, and tells it unless one was told within the last minute.
    pub(crate) fn failed(&self, what: &str, why: &str, now: Instant) {
        self.failed_exports.fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().expect("nothing panics under this lock");
        if told.at.is_some_and(|at| now.duration_since(at) < QUIET) {
            told.untold += 1;
            return;
        }
        let before = std::mem::take(&mut told.untold);
        told.at = Some(now);
        drop(told);
        let since = if before > 0 {
            format!(" ({before} more failures since the last such line)")
        } else {
            String::new()
        };
        (self.tell)(&format!("failed to send {what} of the collector itself: {why}{since}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn failures_are_counted_each_and_told_once_a_minute() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lines);
        let meter = Meter::new(Box::new(move |line| {
            told.lock().expect("not poisoned").push(line.to_owned())
        }));
        let start = Instant::now();
        for second in [0, 1, 59, 60, 61, 130] {
            meter.failed("metrics", "refused", start + Duration::from_secs(second));
        }
        assert_eq!(meter.read().failed_exports, 6);
        let start = "failed to send metrics of the collector itself: refused";
        let expected = [
            start.to_owned(),
            format!("{start} (2 more failures since the last such line)"),
            format!("{start} (1 more failures since the last such line)"),
        ];
        assert_eq!(*lines.lock().expect("not poisoned"), expected);
    }
}
