//! Does anything deviate right now, and who is suspect?
//!
//! [`Watcher`] turns a stream of panes (short windows of Evidence on a fixed grid of time) into the
//! current [`Judgement`]. It counts by pane and adds counts up, so that windows slide without merging
//! anything; holds them against a bounded ring of healthy windows; and only when enough windows
//! agree does it merge the panes of the incident and ask [`diagnose`](resus_suspects::diagnose), the
//! same function that explains given windows, so that live and offline give the same answers.
//!
//! Requests belong to the pane in which they *started*. A pane already judged may change, since hung
//! calls report when their time is up, and is then judged anew. Reads no clock: the same updates
//! before the same ticks give the same judgements, whatever the order of the updates.

mod alarm;
mod baseline;
mod conclude;
mod config;
mod history;
mod judgement;
mod rate;
mod ring;
mod silence;
mod timeline;
mod track;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use resus_model::{Component, Evidence, FailureKind};
use resus_suspects::tally_entries;

pub use config::{Baseline, WatchConfig, WatchConfigError};
pub use judgement::{Alarm, BaselineSummary, Judgement, RefusedPanes, Silence, Silent, State};

use alarm::{Limits, Panes};
use baseline::Stretch;
use conclude::Explained;
use history::PaneCount;
use ring::Ring;
use timeline::Timeline;
use track::{KINDS, Track};

/// Judges a live system, pane by pane.
///
/// What it holds is bounded: the panes of the lookback (or of the longest windows, if these are
/// longer), the healthy windows, and counts of the entry operations that occur in either.
#[derive(Debug, Clone)]
pub struct Watcher {
    config: WatchConfig,
    limits: Limits,
    timeline: Timeline,
    /// By entry operation.
    tracks: BTreeMap<Component, Track>,
    /// All entry operations together.
    everything: Track,
    ring: Ring,
    /// There are enough healthy windows.
    ready: bool,
    /// The operator has said that the present is healthy, and the ring is not full enough yet.
    approved: bool,
    /// Windows dropped while learning.
    dropped: usize,
    /// Alarms look at panes from here on.
    judged_from: u64,
    /// The first pane of the next window of the ring.
    next_window: u64,
    /// Panes that never become part of the ring.
    excluded: Vec<Stretch>,
    /// Before this pane somebody may have spoken and not been heard.
    deaf_until: u64,
    /// Why the last window was not taken.
    refusal: Option<String>,
    explained: Option<Explained>,
    judgement: Judgement,
}

impl Watcher {
    /// Starts with nothing seen.
    ///
    /// # Errors
    /// All that is wrong with the settings.
    pub fn new(config: WatchConfig) -> Result<Self, WatchConfigError> {
        config.check()?;
        let rules = match &config.baseline {
            Baseline::Ring { .. } => None,
            Baseline::Fixed(windows) => windows.first().map(|w| w.rules.clone()),
        };
        let lookback = config.lookback_panes() as u64;
        let kept = config.kept_panes() as u64;
        let mut watcher = Self {
            limits: Limits::of(&config),
            timeline: Timeline::new(config.pane_ns, lookback, kept, rules),
            tracks: BTreeMap::new(),
            everything: Track::default(),
            ring: Ring::default(),
            ready: false,
            approved: false,
            dropped: 0,
            judged_from: 0,
            next_window: 0,
            excluded: Vec::new(),
            deaf_until: 0,
            refusal: None,
            explained: None,
            judgement: conclude::nothing_yet(&config),
            config,
        };
        if let Baseline::Fixed(windows) = watcher.config.baseline.clone() {
            watcher.take_fixed(&windows);
        }
        Ok(watcher)
    }

    /// Takes everything that is known so far of a pane, in place of what was known before. A pane may
    /// come again and again; one that is older than the lookback, off the grid, too far ahead of the
    /// clock, or made under other rules is left out and counted.
    pub fn update(&mut self, pane: Evidence) {
        self.timeline.update(pane);
    }

    /// Panes that were left out, by reason.
    #[must_use]
    pub const fn refused(&self) -> RefusedPanes {
        self.timeline.refused
    }

    /// Judges all panes that end by the watermark, and judges anew what has changed. Nanoseconds
    /// since the Unix epoch.
    ///
    /// Requests that started before the watermark are there by all likelihood. It never goes back.
    pub fn tick(&mut self, now: u64, watermark: u64) -> &Judgement {
        let target = self.timeline.advance(now, watermark);
        if let Some(began) = self.timeline.began {
            // The first pane is hardly ever whole.
            self.next_window = self.next_window.max(began + 1);
            let changed = self.timeline.take_changed();
            for &pane in &changed {
                self.count(pane);
            }
            let kept = self.config.kept_panes() as u64;
            if self.timeline.skip_to(target.saturating_sub(kept)) {
                for track in self.tracks.values_mut().chain([&mut self.everything]) {
                    track.counts.clear();
                }
            }
            if self.timeline.end == target && !changed.is_empty() {
                self.look();
            }
            while self.timeline.end < target {
                self.judge_next();
            }
        }
        self.conclude();
        &self.judgement
    }

    /// What was said at the last tick.
    #[must_use]
    pub const fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// The window that the judgement speaks of and the healthy windows that it is held against,
    /// oldest first: what the diagnosis was made from, while there is one.
    #[must_use]
    pub fn evidence(&self) -> (Option<Arc<Evidence>>, Vec<Arc<Evidence>>) {
        (self.explained.as_ref().map(|e| Arc::clone(&e.now)), self.ring.evidence())
    }

    fn judge_next(&mut self) {
        let pane = self.timeline.end;
        let dropped = self.timeline.judge_next();
        for track in self.tracks.values_mut().chain([&mut self.everything]) {
            track.counts.drain(..dropped.min(track.counts.len()));
            track.counts.push(PaneCount::default());
        }
        self.count(pane);
        self.look();
        self.listen();
        self.adopt();
        self.tracks.retain(|_, track| !track.forgotten());
    }

    /// Counts the requests of a judged pane anew.
    fn count(&mut self, pane: u64) {
        let Ok(at) = usize::try_from(pane - self.timeline.first) else { return };
        let panes = self.everything.counts.len();
        for track in self.tracks.values_mut().chain([&mut self.everything]) {
            track.counts[at] = PaneCount::default();
        }
        let Some(evidence) = self.timeline.pane(pane) else { return };
        let level = evidence.exactness;
        let healthy = if self.ready { self.ring.normal(level) } else { None };
        for tally in tally_entries(evidence, healthy) {
            let count = PaneCount {
                requests: tally.requests,
                errors: tally.errors,
                slow: tally.slow,
                failing_seconds: tally.failing_seconds,
            };
            self.everything.counts[at].add(&count);
            let track = self.tracks.entry(tally.entry).or_insert_with(|| Track::quiet(panes));
            track.counts[at] = count;
        }
    }

    fn recount_all(&mut self) {
        for pane in self.timeline.first..self.timeline.end {
            self.count(pane);
        }
    }

    /// Looks at every entry operation.
    fn look(&mut self) {
        if !self.ready {
            return;
        }
        let first = self.timeline.first;
        let fallback = self.everything.reference.as_ref();
        let (mut over, mut began) = (Vec::new(), Vec::new());
        for track in self.tracks.values_mut() {
            // One that healthy windows do not know is held against all others together.
            let Some(reference) = track.reference.as_ref().or(fallback) else { continue };
            for (kind, alarm) in KINDS.into_iter().zip(&mut track.alarms) {
                let panes = Panes { counts: &track.counts, first, kind, reference };
                let was_on = alarm.live.is_some();
                over.extend(alarm.step(panes, self.judged_from, &self.limits));
                began.extend(alarm.live.filter(|_| !was_on).map(|live| live.began));
            }
        }
        for live in over {
            self.exclude(live.began, live.last_bad + 1);
        }
        if let Some(&began) = began.iter().min() {
            self.retract(began);
        }
    }

    /// The panes of an entry operation, for looking at one kind of failure.
    fn panes_of<'t>(&'t self, track: &'t Track, kind: FailureKind) -> Option<Panes<'t>> {
        let reference = track.reference.as_ref().or(self.everything.reference.as_ref())?;
        let counts = track.counts.as_slice();
        (!counts.is_empty()).then_some(Panes {
            counts,
            first: self.timeline.first,
            kind,
            reference,
        })
    }
}
