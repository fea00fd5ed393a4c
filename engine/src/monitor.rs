//! The live walk: spans as they arrive → panes of Evidence → the current judgement.
//!
//! Time is an argument. The same batches with the same arrival times give the same judgements, tick by
//! tick, whether they come over the wire or out of a file.

use std::sync::Arc;

use resus_evidence::{Live, LiveOptions, LiveStats};
use resus_model::{Evidence, Fingerprint, LogBatch, Quality, SpanBatch};

use crate::watch::{Judgement, WatchConfig, WatchConfigError, Watcher};

/// How to watch.
#[derive(Debug, Clone)]
pub struct MonitorOptions {
    /// How traces are assembled and counted.
    pub live: LiveOptions,
    /// How panes are judged.
    pub watch: WatchConfig,
    /// Time between two judgements, nanoseconds; not 0.
    pub every_ns: u64,
    /// How long after its end a pane is judged first, nanoseconds: by then most of its requests are
    /// there; it is judged anew when more come.
    pub lag_ns: u64,
}

/// Assembles, counts and judges. Reads no clock.
#[derive(Debug)]
pub struct Monitor {
    live: Live,
    watcher: Watcher,
    /// Of the panes.
    rules: Fingerprint,
    every_ns: u64,
    lag_ns: u64,
    settling_ns: u64,
    /// The latest time that was seen: time never goes back.
    now: u64,
    next_tick: Option<u64>,
    /// Counters of data quality at the last tick.
    quality: Quality,
}

/// What a monitor knows at a time.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The time, nanoseconds since the Unix epoch; 0 before the first tick.
    pub at_unix_nano: u64,
    /// Requests that started before are judged.
    pub watermark_unix_nano: u64,
    /// The judgement; `None` before the first tick.
    pub judgement: Option<Judgement>,
    /// The window judged last.
    pub now: Option<Arc<Evidence>>,
    /// The healthy windows that it is held against.
    pub baseline: Vec<Arc<Evidence>>,
    /// Counters of data quality.
    pub quality: Quality,
    /// What is being assembled.
    pub stats: LiveStats,
}

// === impl Monitor ===

impl Monitor {
    /// Starts with nothing.
    ///
    /// # Errors
    /// All that is wrong with the settings of the watcher.
    pub fn new(options: MonitorOptions) -> Result<Self, WatchConfigError> {
        let MonitorOptions { live, watch, every_ns, lag_ns } = options;
        let limits = live.limits;
        let rules = live.rules.fingerprint();
        let settling_ns = limits.idle_ns + lag_ns + u64::from(watch.of) * 2 * watch.pane_ns;
        Ok(Self {
            live: Live::new(live),
            watcher: Watcher::new(watch)?,
            rules,
            every_ns: every_ns.max(1),
            lag_ns,
            settling_ns,
            now: 0,
            next_tick: None,
            quality: Quality::default(),
        })
    }

    /// Takes spans that arrived at a time, with what their decoding counted.
    pub fn push(&mut self, batch: &SpanBatch, quality: &Quality, at_unix_nano: u64) {
        let at = self.begin(at_unix_nano);
        self.live.quality().merge(quality);
        self.live.push(batch, at);
    }

    /// Takes log records that arrived at a time.
    pub fn push_logs(&mut self, batch: &LogBatch, at_unix_nano: u64) {
        let at = self.begin(at_unix_nano);
        self.live.push_logs(batch, at);
    }

    fn begin(&mut self, at: u64) -> u64 {
        self.now = self.now.max(at);
        self.next_tick.get_or_insert_with(|| next_multiple(self.now, self.every_ns));
        self.now
    }

    /// When the next judgement is due; `None` while nothing ever arrived.
    #[must_use]
    pub const fn next_tick(&self) -> Option<u64> {
        self.next_tick
    }

    /// Lets time pass, with a judgement at every tick on the way, each shown to `see`.
    pub fn run_until(&mut self, now: u64, see: &mut dyn FnMut(&Self)) {
        while let Some(tick) = self.next_tick.filter(|&tick| tick <= now) {
            self.now = self.now.max(tick);
            self.live.advance(self.now);
            for pane in self.live.changed() {
                self.watcher.update(pane);
            }
            self.watcher.tick(self.now, self.now.saturating_sub(self.lag_ns));
            self.quality.clone_from(self.live.quality());
            self.next_tick = Some(next_multiple(tick, self.every_ns));
            see(self);
        }
        self.now = self.now.max(now);
    }

    /// Takes up the healthy windows that another run has learned, before anything is pushed; returns
    /// how many did not fit ([`Watcher::restore`]).
    pub fn restore(&mut self, windows: &[Arc<Evidence>], now: u64) -> usize {
        self.watcher.restore(windows, &self.rules, now)
    }

    /// Not everything was taken that came within these times, nanoseconds since the Unix epoch
    /// ([`Watcher::deaf`]).
    pub fn deaf(&mut self, from: u64, to: u64) {
        self.watcher.deaf(from, to);
    }

    /// Grows whenever the healthy windows change.
    #[must_use]
    pub const fn baseline_version(&self) -> u64 {
        self.watcher.baseline_version()
    }

    /// The healthy windows, oldest first.
    #[must_use]
    pub fn baseline(&self) -> Vec<Arc<Evidence>> {
        self.watcher.evidence().1
    }

    /// The present is healthy, whatever it looks like: the baseline starts anew with it.
    pub fn adopt_now(&mut self) {
        self.watcher.adopt_now();
    }

    /// How full the memory for traces is, 1 for full.
    #[must_use]
    pub fn pressure(&self) -> f64 {
        self.live.pressure()
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// How long after the last span nothing changes any more, but for silence and quarantine: the
    /// last trace is complete, and its panes are judged.
    #[must_use]
    pub const fn settling_ns(&self) -> u64 {
        self.settling_ns
    }

    /// The judgement of the last tick.
    #[must_use]
    pub const fn judgement(&self) -> &Judgement {
        self.watcher.judgement()
    }

    /// Everything there is to show.
    #[must_use]
    pub fn view(&self) -> View {
        let (now, baseline) = self.watcher.evidence();
        View {
            at_unix_nano: self.now,
            watermark_unix_nano: self.now.saturating_sub(self.lag_ns),
            judgement: Some(self.watcher.judgement().clone()),
            now,
            baseline,
            quality: self.quality.clone(),
            stats: self.live.stats(),
        }
    }
}

/// The first multiple of `step` after a time.
const fn next_multiple(time: u64, step: u64) -> u64 {
    (time / step + 1).saturating_mul(step)
}
