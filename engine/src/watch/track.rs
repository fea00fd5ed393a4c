//! One entry operation over time: its judged panes, its healthy past, its alarms.

use std::collections::VecDeque;

use resus_model::FailureKind;

use super::alarm::AlarmState;
use super::history::{History, PaneCount, Reference};
use super::rate::{Rate, WindowCount};

/// Both kinds of failure, in the order of [`Track::alarms`].
pub(super) const KINDS: [FailureKind; 2] = [FailureKind::Error, FailureKind::SlowOrUnseen];

/// What is known of one entry operation, or of all together.
#[derive(Debug, Clone, Default)]
pub(super) struct Track {
    /// One a judged pane that is kept, oldest first.
    pub(super) counts: Vec<PaneCount>,
    /// One a healthy window in which it had a request, oldest first.
    pub(super) history: VecDeque<History>,
    /// What the history comes to; `None` without one.
    pub(super) reference: Option<Reference>,
    /// By kind of failure, as [`KINDS`].
    pub(super) alarms: [AlarmState; 2],
    /// The last judged pane with a request.
    pub(super) last_seen: Option<u64>,
    /// Since when it is silent.
    pub(super) silence: Option<SilentSince>,
    /// The failing share that was normal a while ago: see [`super::baseline`].
    pub(super) anchor: Option<f64>,
}

/// How somebody became silent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SilentSince {
    /// How often it spoke.
    pub(super) rate: Rate,
    /// The load of all others then, as a share of what is usual.
    pub(super) load: f64,
    /// The last pane with a request.
    pub(super) last_seen: u64,
}

impl Track {
    /// One with no request in as many panes.
    pub(super) fn quiet(panes: usize) -> Self {
        Self { counts: vec![PaneCount::default(); panes], ..Self::default() }
    }

    /// True when nothing is known of it any more.
    pub(super) fn forgotten(&self) -> bool {
        self.history.is_empty()
            && self.silence.is_none()
            && self.alarms.iter().all(|a| a.live.is_none())
            && self.counts.iter().all(|c| c.requests == 0)
    }

    /// Brings the reference along after the ring has changed; `windows` are all of its windows.
    pub(super) fn refresh(&mut self, windows: &[(u64, u64)], min_requests: u64) {
        self.history.retain(|h| windows.iter().any(|&(number, _)| number == h.window));
        if self.history.is_empty() {
            self.reference = None;
            self.anchor = None;
            return;
        }
        let absent = windows
            .iter()
            .filter(|&&(number, _)| self.history.iter().all(|h| h.window != number))
            .map(|&(_, panes)| WindowCount { panes, ..WindowCount::default() });
        self.reference = Some(Reference::of(self.history.iter(), absent, min_requests));
    }

    /// The last pane with a request, among those that are kept or before.
    pub(super) fn see(&mut self, first: u64) {
        let newest = self.counts.iter().rposition(|c| c.requests > 0);
        if let Some(newest) = newest {
            let pane = first + newest as u64;
            self.last_seen = Some(self.last_seen.map_or(pane, |seen| seen.max(pane)));
        }
    }
}
