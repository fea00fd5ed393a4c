//! What a connection is doing, and until when it may go on like that.
//!
//! hyper bounds only the time of an HTTP/1 head, and bounds an idle connection by the same. So the socket
//! and the gate note here what they see, and the task of the connection looks at [`Activity::deadline`]
//! now and then. Noting is a store to an atomic: a request costs no timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::Limits;
use crate::meter::ClosedFor;

/// What is known about one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Requests that were begun and whose responses are not handed over in full.
    under_way: AtomicUsize,
    /// Whether a request's head has arrived in full yet.
    spoke: AtomicBool,
    /// Since when nothing is under way; milliseconds from `opened`.
    quiet_since: AtomicU64,
    /// When the first byte of a head arrived, one more than milliseconds from `opened`; 0 if none has.
    head_since: AtomicU64,
    /// HTTP/2: bytes on the connection need not belong to a request.
    multiplexed: AtomicBool,
    /// A response was sent before the request's body was read to its end.
    left_unread: AtomicBool,
    evicted: Notify,
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Activity>);

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            under_way: AtomicUsize::new(0),
            spoke: AtomicBool::new(false),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            left_unread: AtomicBool::new(false),
            evicted: Notify::new(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The handshake is over, the first request may come.
    pub(crate) fn ready(&self, multiplexed: bool) {
        self.multiplexed.store(multiplexed, Ordering::Relaxed);
        self.quiet_since.store(self.now(), Ordering::Relaxed);
    }

    /// Bytes came in.
    pub(crate) fn received(&self) {
        let idle = self.under_way.load(Ordering::Relaxed) == 0;
        if idle
            && !self.multiplexed.load(Ordering::Relaxed)
            && self.head_since.load(Ordering::Relaxed) == 0
        {
            self.head_since.store(self.now() + 1, Ordering::Relaxed);
        }
    }

    /// Bytes of a response went out. Over HTTP/2 they may as well be answers to pings, which prove nothing.
    pub(crate) fn sent(&self) {
        if !self.multiplexed.load(Ordering::Relaxed) {
            self.quiet_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The head of a request is complete. Says whether it is the connection's first.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.spoke.store(true, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Whether a request is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// A body will not be read to its end.
    pub(crate) fn leave_unread(&self) {
        self.left_unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending a body that nobody reads.
    pub(crate) fn must_linger(&self) -> bool {
        self.left_unread.load(Ordering::Relaxed) && !self.multiplexed.load(Ordering::Relaxed)
    }

    /// Its place is needed.
    pub(crate) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Waits until its place is needed.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Until when it may go on without a change, and what it is to be closed for then. `None` while a
    /// request is under way: that has bounds of its own.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<(Instant, ClosedFor)> {
        if self.is_busy() {
            return None;
        }
        let at = |ms: u64, wait: Duration| self.opened + Duration::from_millis(ms) + wait;
        let quiet_since = self.quiet_since.load(Ordering::Relaxed);
        Some(match self.head_since.load(Ordering::Relaxed).checked_sub(1) {
            Some(head) => (at(head, limits.header_timeout), ClosedFor::HeaderTimeout),
            None if !self.spoke.load(Ordering::Relaxed) => {
                (at(quiet_since, limits.header_timeout), ClosedFor::HeaderTimeout)
            }
            None => (at(quiet_since, limits.idle_timeout), ClosedFor::Idle),
        })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.quiet_since.store(self.0.now(), Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
