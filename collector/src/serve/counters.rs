//! Numbers that the threads of the collector share, for `/metrics` and for refusing in time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use resus_receive::Signal;

/// What came in since the start, and whether more is wanted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) spans: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) log_records: AtomicU64,
    pub(crate) metric_points: AtomicU64,
    /// Points of wanted metrics whose series found no room.
    pub(crate) points_without_room: AtomicU64,
    pub(crate) undecodable_traces: AtomicU64,
    pub(crate) undecodable_logs: AtomicU64,
    pub(crate) undecodable_metrics: AtomicU64,
    /// Spans sealed, attempts to seal that failed, records of the log that could not be decoded for it,
    /// log records whose span never came, segments removed by age or size.
    pub(crate) sealed_spans: AtomicU64,
    pub(crate) seal_failures: AtomicU64,
    pub(crate) unsealable: AtomicU64,
    pub(crate) unmatched_logs: AtomicU64,
    pub(crate) removed_segments: AtomicU64,
    /// When a canary was last seen durable, and when it last came out of the live half; nanoseconds
    /// since the Unix epoch.
    pub(crate) canary_kept: AtomicU64,
    pub(crate) canary_seen: AtomicU64,
    /// Bytes that are left on the disk; 0 unknown.
    pub(crate) free_bytes: AtomicU64,
    /// Requests that were told to come again.
    told_later: AtomicU64,
    /// Why requests are refused at the moment, a bit a [`Refusal`].
    refusing: AtomicU64,
}

/// Why requests are refused for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The memory for open traces is full.
    Memory,
    /// The disk is nearly full.
    Disk,
    /// The disk does not answer.
    Stalled,
}

impl Refusal {
    const ALL: [Self; 3] = [Self::Memory, Self::Disk, Self::Stalled];

    /// For the sender and for people.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Memory => "the memory for open traces is full (assemble.memory)",
            Self::Disk => "the disk has less space left than store.free_space",
            Self::Stalled => "the disk has kept nothing for some seconds",
        }
    }
}

impl Counters {
    pub(crate) fn spans(&self, taken: u64, rejected: u64) {
        self.spans.fetch_add(taken, Relaxed);
        self.rejected.fetch_add(rejected, Relaxed);
    }

    pub(crate) fn log_records(&self, n: u64) {
        self.log_records.fetch_add(n, Relaxed);
    }

    pub(crate) fn metric_points(&self, n: u64) {
        self.metric_points.fetch_add(n, Relaxed);
    }

    pub(crate) fn without_room(&self, n: u64) {
        self.points_without_room.fetch_add(n, Relaxed);
    }

    pub(crate) fn undecodable(&self, signal: Signal) {
        let counter = match signal {
            Signal::Traces => &self.undecodable_traces,
            Signal::Logs => &self.undecodable_logs,
            Signal::Metrics => &self.undecodable_metrics,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// How long the next one who is refused should wait: 1 to 3 s, each another time, so that they do
    /// not all come back at once. Steps of the golden section fill a stretch evenly.
    pub(crate) fn later(&self) -> Duration {
        let nth = self.told_later.fetch_add(1, Relaxed);
        Duration::from_millis(1000 + nth.wrapping_mul(1236) % 2000)
    }

    /// Why requests are to be refused now.
    pub(crate) fn refusing(&self) -> Option<Refusal> {
        let bits = self.refusing.load(Relaxed);
        Refusal::ALL.into_iter().find(|&reason| bits & (1 << reason as u64) != 0)
    }

    /// From now on requests are refused for this reason, or no longer.
    pub(crate) fn refuse(&self, reason: Refusal, refused: bool) {
        let bit = 1 << reason as u64;
        if refused {
            self.refusing.fetch_or(bit, Relaxed);
        } else {
            self.refusing.fetch_and(!bit, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_refused_comes_back_at_another_time() {
        let counters = Counters::default();
        let mut tenths = [0; 20];
        for _ in 0..1000 {
            let later = counters.later();
            assert!((1000..3000).contains(&later.as_millis()), "{later:?}");
            tenths[(later.as_millis() as usize - 1000) / 100] += 1;
        }
        assert!(tenths.iter().all(|n| (40..=60).contains(n)), "{tenths:?}");
    }

    #[test]
    fn a_reason_that_ends_uncovers_the_other() {
        let counters = Counters::default();
        counters.refuse(Refusal::Disk, true);
        counters.refuse(Refusal::Memory, true);
        assert_eq!(counters.refusing(), Some(Refusal::Memory));
        counters.refuse(Refusal::Memory, false);
        assert_eq!(counters.refusing(), Some(Refusal::Disk));
        counters.refuse(Refusal::Disk, false);
        assert_eq!(counters.refusing(), None);
    }
}
