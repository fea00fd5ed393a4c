//! Which stretches are healthy, so that the present may be held against them?
//!
//! Judged panes become a window of the ring when they are old enough (quarantine), no alarm is on,
//! and no incident touches them. Then one question is left: is the window itself like what was
//! healthy before?
//!
//! *While learning* there is nothing to compare with. A window in which more than
//! [`SICK`] of all requests fail is not taken: nobody calls that healthy, and where it is normal
//! the operator can say so ([`Watcher::adopt_now`]). Once there are enough windows, one that
//! deviates from the others is dropped again: the first minute after a start is often worse.
//!
//! *Later* windows pass when they do not deviate. A fault that grows slowly never deviates from a
//! ring that follows it, so each entry operation also has an anchor: the failing share that was
//! normal, which falls as it likes and rises by no more than [`RISE_PER_HOUR`]. A window above the
//! anchor by more than the minimum effect, the spread of the ring and chance is not taken. The ring
//! then stays as it was, and the fault will stand out from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use resus_model::{Component, Evidence, FailureKind, Fingerprint, Role, Window};
use resus_suspects::{Past, Point, Share};

use super::Watcher;
use super::config::{Baseline, SCALES};
use super::history::{History, PaneCount, panes_of, slow_of};
use super::track::Track;

/// Share of failed requests among all above which nothing is learned.
const SICK: f64 = 0.1;

/// By so much the failing share that passes for normal may rise in an hour, in points of share.
const RISE_PER_HOUR: f64 = 0.02;

/// The scale nearest to a window of the ring.
const LONGEST: usize = SCALES.len() - 1;

/// A stretch of panes that is not healthy: `from <= pane < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Watcher {
    /// Keeps panes out of the baseline, and a quarantine before them.
    pub(super) fn exclude(&mut self, from: u64, to: u64) {
        let (quarantine, _) = self.config.ring_panes();
        let from = from.saturating_sub(quarantine);
        self.excluded.push(Stretch { from, to });
        let first = self.timeline.first;
        self.excluded.retain(|e| e.to > first);
    }

    /// Windows that reach into an incident or the quarantine before it turn out not to have been
    /// healthy: they were taken before it was seen. Those that are needed stay.
    pub(super) fn retract(&mut self, began: u64) {
        if matches!(self.config.baseline, Baseline::Fixed(_)) {
            return;
        }
        let (quarantine, _) = self.config.ring_panes();
        let healthy = began.saturating_sub(quarantine) * self.config.pane_ns;
        let mut sick = self.ring.reaching_beyond(healthy);
        let spare = self.ring.len().saturating_sub(self.config.min_baseline_windows as usize);
        sick.reverse();
        sick.truncate(spare);
        if !sick.is_empty() {
            self.ring.drop_windows(&sick);
            self.refresh();
        }
    }

    /// Takes what has become old enough.
    pub(super) fn adopt(&mut self) {
        let Baseline::Ring { windows, .. } = self.config.baseline else { return };
        let (quarantine, length) = self.config.ring_panes();
        let quarantine = if self.approved { 0 } else { quarantine };
        loop {
            let from = self.next_window.max(self.timeline.first);
            let to = from + length;
            self.next_window = from;
            if to + quarantine > self.timeline.end || self.something_is_wrong() {
                return;
            }
            let touches = |e: &&Stretch| e.from < to && from < e.to;
            if let Some(excluded) = self.excluded.iter().filter(touches).map(|e| e.to).max() {
                self.next_window = excluded;
                continue;
            }
            self.next_window = to;
            self.refusal = self.refuse(from, to);
            if self.refusal.is_none() {
                self.take(from, to, windows as usize);
            }
        }
    }

    /// True while nothing is to be taken for healthy.
    fn something_is_wrong(&self) -> bool {
        self.everything.silence.is_some()
            || self.tracks.values().any(|t| t.alarms.iter().any(|a| a.live.is_some()))
    }

    fn slice<'t>(&self, track: &'t Track, from: u64, to: u64) -> &'t [PaneCount] {
        let at = |pane: u64| {
            usize::try_from(pane - self.timeline.first).expect("no more panes than are kept")
        };
        &track.counts[at(from)..at(to)]
    }

    /// Why a window is not taken.
    fn refuse(&mut self, from: u64, to: u64) -> Option<String> {
        let window = self.timeline.window(from, to);
        let all = sum(self.slice(&self.everything, from, to));
        if all.all.n == 0 {
            return Some(format!("{window} was not taken into the baseline: it has no request"));
        }
        if !self.ready {
            let share = all.share();
            return (share > SICK && !self.approved).then(|| {
                format!(
                    "{window} was not taken into the baseline: {:.1} % of all requests failed, and \
                     more than {:.0} % are not learned as normal unless the operator adopts the \
                     present",
                    share * 100.0,
                    SICK * 100.0
                )
            });
        }
        let mut found = None;
        let mut tracks = std::mem::take(&mut self.tracks);
        for (entry, track) in &mut tracks {
            let share = sum(self.slice(track, from, to));
            if let Some(anchor) = self.drift(track, share) {
                found.get_or_insert_with(|| {
                    format!(
                        "{window} was not taken into the baseline: {entry} fails in {:.1} % of \
                         its requests, and {:.1} % were normal",
                        share.share() * 100.0,
                        anchor * 100.0
                    )
                });
            }
        }
        self.tracks = tracks;
        found
    }

    /// Moves the anchor towards a window; returns it where the window lies too far above.
    fn drift(&self, track: &mut Track, window: Share) -> Option<f64> {
        let past = track.reference.as_ref()?.past(FailureKind::Error, LONGEST);
        if !window.has(self.limits.min_requests()) {
            return None;
        }
        let normal = past.mean.map(|_| past.pooled.share())?;
        let anchor = track.anchor.map_or(normal, |anchor| anchor.min(normal));
        let (share, n) = (window.share(), window.effective());
        // Of few requests one more or less may fail (Laplace's rule of succession).
        let likely = (anchor * n + 1.0) / (n + 2.0);
        let chance = (likely * (1.0 - likely) / n).sqrt();
        let spread = past.spread.unwrap_or(0.0).max(chance);
        let config = &self.config.diagnose;
        let limit = config.min_effect.max(config.spread_factor * spread);
        #[expect(clippy::cast_precision_loss, reason = "the length of a window")]
        let hours = (self.config.ring_panes().1 * self.config.pane_ns) as f64 / 3.6e12;
        let rise = (share - anchor).clamp(0.0, RISE_PER_HOUR * hours);
        track.anchor = Some(anchor + rise);
        (share - anchor > limit).then_some(anchor)
    }

    fn take(&mut self, from: u64, to: u64, most: usize) {
        let Some(evidence) = self.timeline.merged(from, to, Role::Baseline) else { return };
        let number = self.ring.push(Arc::new(evidence), to - from);
        let (first, end) = (from - self.timeline.first, to - self.timeline.first);
        let at = |n: u64| usize::try_from(n).expect("no more panes than are kept");
        let panes = at(first)..at(end);
        let tracks = self.tracks.values_mut().chain([&mut self.everything]);
        for track in tracks {
            let counts = &track.counts[panes.clone()];
            if counts.iter().any(|c| c.requests > 0) {
                track.history.push_back(History::of(number, counts));
            }
        }
        self.ring.truncate(most);
        if !self.ready {
            self.finish_learning();
        }
        if self.ready {
            self.refresh();
        }
    }

    /// Ends learning once there are enough windows that are alike.
    fn finish_learning(&mut self) {
        let needed = self.config.min_baseline_windows as usize;
        if self.ring.len() < needed {
            return;
        }
        if self.dropped < needed
            && !self.approved
            && let Some(odd) = self.odd_one_out()
        {
            self.dropped += 1;
            self.ring.drop_windows(&[odd]);
            for track in self.tracks.values_mut().chain([&mut self.everything]) {
                track.history.retain(|h| h.window != odd);
            }
            return;
        }
        (self.ready, self.approved) = (true, false);
        self.judge_slow_as_a_whole();
        self.refresh();
        self.judged_from = self.timeline.end.saturating_sub(u64::from(self.config.of));
        self.recount_all();
    }

    /// The window that fails most beyond the others, if one does.
    fn odd_one_out(&self) -> Option<u64> {
        let config = self.limits.strict(FailureKind::Error, LONGEST)?;
        let mut odd: BTreeMap<u64, f64> = BTreeMap::new();
        for track in self.tracks.values() {
            for one in &track.history {
                let (mut points, mut pooled) = (Vec::new(), Share::default());
                for other in track.history.iter().filter(|h| h.window != one.window) {
                    points.push(Point::from(other.errors()));
                    pooled.merge(other.errors());
                }
                let past = Past::of(&points, pooled, config.min_requests);
                let now = one.errors();
                if past.mean.is_some()
                    && now.has(config.min_requests)
                    && past.exceeded_by(now, config)
                    && past.p_value(now) <= config.significance
                {
                    let most = odd.entry(one.window).or_default();
                    *most = most.max(past.effect(now));
                }
            }
        }
        odd.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(window, _)| window)
    }

    /// Windows that were learned before anybody knew what is slow are judged by each other.
    pub(super) fn judge_slow_as_a_whole(&mut self) {
        for (number, window, others) in self.ring.each_with_others() {
            for (entry, slow) in slow_of(&window, &others) {
                let track = self.tracks.get_mut(&entry);
                let history = track.and_then(|t| t.history.iter_mut().find(|h| h.window == number));
                if let Some(history) = history {
                    history.set_slow(slow);
                }
            }
        }
    }

    /// Takes given windows.
    pub(super) fn take_fixed(&mut self, windows: &[Arc<Evidence>]) {
        self.take_given(windows);
        self.ready = true;
        self.judge_slow_as_a_whole();
        self.refresh();
    }

    fn take_given(&mut self, windows: &[Arc<Evidence>]) {
        let mut windows: Vec<&Arc<Evidence>> = windows.iter().collect();
        windows.sort_by_key(|w| w.window);
        for window in windows {
            let by_entry = panes_of(window, self.config.pane_ns);
            let length = by_entry.values().map(Vec::len).next().unwrap_or(1);
            let number = self.ring.push(Arc::clone(window), length as u64);
            let mut all = vec![PaneCount::default(); length];
            for (entry, counts) in by_entry {
                for (sum, count) in all.iter_mut().zip(&counts) {
                    sum.add(count);
                }
                let track = self.tracks.entry(entry).or_default();
                track.history.push_back(History::of(number, &counts));
            }
            self.everything.history.push_back(History::of(number, &all));
        }
    }

    /// Takes up the healthy windows that another run has learned, before anything was seen. Windows
    /// made under other rules than `rules`, off the grid of panes, that overlap an earlier one or reach
    /// beyond `now` (nanoseconds since the Unix epoch) are left out; returns how many. With enough
    /// windows there is nothing left to learn.
    ///
    /// A fixed baseline stays as it is.
    pub fn restore(&mut self, windows: &[Arc<Evidence>], rules: &Fingerprint, now: u64) -> usize {
        let Baseline::Ring { windows: most, .. } = self.config.baseline else { return 0 };
        let pane = self.config.pane_ns;
        let mut sorted: Vec<&Arc<Evidence>> = windows.iter().collect();
        sorted.sort_by_key(|w| w.window);
        let mut kept: Vec<Arc<Evidence>> = Vec::new();
        for window in sorted {
            let Window { from, to } = window.window;
            let on_grid = from < to && from.is_multiple_of(pane) && to.is_multiple_of(pane);
            let behind = kept.last().is_none_or(|last| last.window.to <= from);
            if on_grid && behind && to <= now && window.rules == *rules {
                kept.push(Arc::clone(window));
            }
        }
        let left_out = windows.len() - kept.len();
        let surplus = kept.len().saturating_sub(most as usize);
        let kept = &kept[surplus..];
        let Some(last) = kept.last() else { return left_out };
        // What is learned later follows behind it, also if it is seen again.
        self.next_window = self.next_window.max(last.window.to / pane);
        self.take_given(kept);
        self.ready = kept.len() >= self.config.min_baseline_windows as usize;
        if self.ready {
            self.judge_slow_as_a_whole();
            self.refresh();
        }
        left_out
    }

    /// Grows whenever the healthy windows change.
    #[must_use]
    pub const fn baseline_version(&self) -> u64 {
        self.ring.version
    }

    /// Not everything was seen that began within these times: nothing is learned from the panes that
    /// they touch, and nobody was silent in them. Nanoseconds since the Unix epoch.
    pub fn deaf(&mut self, from: u64, to: u64) {
        let pane = self.config.pane_ns;
        let (from, to) = (from / pane, to.div_ceil(pane));
        if from >= to {
            return;
        }
        self.deaf_until = self.deaf_until.max(to);
        match self.excluded.last_mut() {
            // It goes on.
            Some(last) if last.from <= from && from <= last.to => last.to = last.to.max(to),
            _ => self.excluded.push(Stretch { from, to }),
        }
        let first = self.timeline.first;
        self.excluded.retain(|e| e.to > first);
    }

    /// Brings what is derived from the ring along.
    pub(super) fn refresh(&mut self) {
        let windows = self.ring.windows();
        for track in self.tracks.values_mut().chain([&mut self.everything]) {
            track.refresh(&windows, self.limits.min_requests());
        }
    }

    /// Takes the present for healthy, whatever it looks like: alarms and silences are forgotten, and
    /// the baseline begins anew with the panes since the present incident began. Where these are too
    /// few, learning goes on until there are enough; it then asks no questions. That holds also before
    /// anything was seen: what was restored is forgotten.
    ///
    /// A fixed baseline stays as it is.
    pub fn adopt_now(&mut self) {
        if matches!(self.config.baseline, Baseline::Fixed(_)) {
            return;
        }
        let mut from = self.timeline.began.unwrap_or(self.timeline.end);
        for track in self.tracks.values_mut().chain([&mut self.everything]) {
            for alarm in &mut track.alarms {
                from = from.max(alarm.live.map_or(0, |live| live.began));
                alarm.reset(self.timeline.end);
            }
            track.silence = None;
            track.anchor = None;
            track.reference = None;
            track.history.clear();
        }
        self.excluded.clear();
        self.ring.clear();
        self.refusal = None;
        self.dropped = 0;
        (self.ready, self.approved) = (false, true);
        // Whole windows that end now.
        let (_, length) = self.config.ring_panes();
        let panes = self.timeline.end - from.max(self.timeline.first).min(self.timeline.end);
        self.next_window = self.timeline.end - panes / length * length;
        self.adopt();
    }
}

fn sum(panes: &[PaneCount]) -> Share {
    panes.iter().fold(Share::default(), |mut sum, pane| {
        sum.merge(pane.errors);
        sum
    })
}

/// Entry operations that were fixed as failing often, worth a word.
pub(super) fn often_failing(tracks: &BTreeMap<Component, Track>) -> Vec<String> {
    let often = tracks.iter().filter_map(|(entry, track)| {
        let mean = track.reference.as_ref()?.past(FailureKind::Error, LONGEST).mean?;
        (mean > SICK).then(|| {
            format!(
                "{entry} fails in {:.0} % of its requests in healthy windows: this is taken for \
                 normal",
                mean * 100.0
            )
        })
    });
    often.collect()
}
