//! The panes that are kept, and what was counted into each.

use std::collections::BTreeMap;

use resus_model::{Evidence, Fingerprint, Role};
use resus_paths::{Path, Vocabulary};

use crate::canonical::{Limits, canonicalise, drop_unused};
use crate::export::export;
use crate::merge::merge;
use crate::observer::{Observer, WindowCounts};
use crate::windows::pane as bounds;

/// How far ahead of the clock a request may start and still count, in nanoseconds: 5 minutes. The
/// clock of a host that is farther off is wrong, and there must not be ever more panes.
pub const FUTURE_NS: u64 = 300_000_000_000;

/// Rows beyond which counting starts with empty tables, if it did not within the horizon: then a
/// system that really has so many keeps them for a while.
const CROWDED: usize = 1 << 17;
/// Rows beyond which it does so in any case. A row takes some 100 bytes, and some more in each pane.
const OVERCROWDED: usize = 1 << 20;

/// Counts paths by the pane in which they started.
#[derive(Debug)]
pub(super) struct Panes {
    rules: Fingerprint,
    pane_ns: u64,
    horizon_ns: u64,
    limits: Limits,
    observer: Observer,
    panes: BTreeMap<u64, Pane>,
    /// Windows of the observer that no pane uses.
    free: Vec<usize>,
    now: u64,
    /// When counting last started with empty tables.
    began: u64,
}

#[derive(Debug)]
struct Pane {
    /// Its window in the observer, if something was counted since counting began.
    window: Option<usize>,
    /// What was counted before.
    laid_down: Option<Evidence>,
    changed: bool,
}

// === impl Panes ===

impl Panes {
    pub(super) fn new(rules: Fingerprint, pane_ns: u64, horizon_ns: u64, limits: Limits) -> Self {
        assert!(pane_ns > 0, "a pane has a length");
        Self {
            rules,
            pane_ns,
            horizon_ns,
            limits,
            observer: Observer::new(0),
            panes: BTreeMap::new(),
            free: Vec::new(),
            now: 0,
            began: 0,
        }
    }

    /// Moves on to a time, never back, and forgets panes that are too old then.
    pub(super) fn begin(&mut self, now: u64) {
        self.now = self.now.max(now);
        while let Some(first) = self.panes.first_entry()
            && is_past(*first.key(), self.pane_ns, self.horizon_ns, self.now)
        {
            if let Some(window) = first.remove().window {
                self.observer.windows[window] = WindowCounts::default();
                self.free.push(window);
            }
        }
    }

    /// Counts a path, if there is a pane for it.
    pub(super) fn count(&mut self, path: &Path<'_>) -> bool {
        let start = path.start_unix_nano;
        let number = start / self.pane_ns;
        let past = is_past(number, self.pane_ns, self.horizon_ns, self.now);
        if past || start > self.now.saturating_add(FUTURE_NS) {
            return false;
        }
        let Self { observer, panes, free, .. } = self;
        let pane =
            panes.entry(number).or_insert(Pane { window: None, laid_down: None, changed: false });
        let window = *pane.window.get_or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                observer.windows.push(WindowCounts::default());
                observer.windows.len() - 1
            })
        });
        pane.changed = true;
        observer.count(path, window);
        true
    }

    /// Takes back a path that was counted, unless its pane is forgotten.
    pub(super) fn retract(&mut self, path: &Path<'_>) {
        let Some(pane) = self.panes.get_mut(&(path.start_unix_nano / self.pane_ns)) else { return };
        if let Some(window) = pane.window {
            pane.changed = true;
            self.observer.retract(path, window);
        }
    }

    /// The whole Evidence of panes that have changed since the last call.
    pub(super) fn changed(&mut self, vocabulary: &Vocabulary) -> Vec<Evidence> {
        let mut panes = std::mem::take(&mut self.panes);
        let mut evidences = Vec::new();
        for (&number, pane) in &mut panes {
            if std::mem::take(&mut pane.changed) {
                evidences.push(self.evidence(number, pane, vocabulary));
            }
        }
        self.panes = panes;
        evidences
    }

    /// Turns what was counted into texts and starts counting with empty tables.
    pub(super) fn lay_down(&mut self, vocabulary: &Vocabulary) {
        let mut panes = std::mem::take(&mut self.panes);
        for (&number, pane) in &mut panes {
            if pane.window.is_some() {
                pane.laid_down = Some(self.evidence(number, pane, vocabulary));
                pane.window = None;
            }
        }
        self.panes = panes;
        self.observer = Observer::new(0);
        self.free.clear();
        self.began = self.now;
    }

    /// Whether the tables have so many rows that counting should start anew.
    pub(super) fn crowded(&self) -> bool {
        let rows = self.rows();
        let of_late = self.now < self.began.saturating_add(self.horizon_ns);
        rows > OVERCROWDED || (rows > CROWDED && !of_late)
    }

    pub(super) fn rows(&self) -> usize {
        self.observer.rows()
    }

    pub(super) fn len(&self) -> usize {
        self.panes.len()
    }

    fn evidence(&self, number: u64, pane: &Pane, vocabulary: &Vocabulary) -> Evidence {
        let counted = pane.window.map(|window| {
            let counts = &self.observer.windows[window];
            let mut parts = export(vocabulary, &self.observer, counts);
            parts.rules = self.rules.clone();
            parts.window = bounds(number, self.pane_ns);
            parts.role = Role::Pane;
            // A pane speaks of few of all texts: sorting the others would take most of the time.
            drop_unused(&mut parts);
            canonicalise(parts, self.limits)
        });
        match (counted, &pane.laid_down) {
            (Some(counted), None) => counted,
            (None, Some(laid_down)) => laid_down.clone(),
            (Some(counted), Some(laid_down)) => merge(&[&counted, laid_down], self.limits)
                .expect("both were made under the same rules"),
            (None, None) => unreachable!("a pane is made by counting into it"),
        }
    }
}

/// Whether a pane ended so long ago that it is forgotten.
const fn is_past(number: u64, pane_ns: u64, horizon_ns: u64, now: u64) -> bool {
    bounds(number, pane_ns).to.saturating_add(horizon_ns) <= now
}
