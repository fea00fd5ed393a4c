//! The healthy windows that the present is held against.

use std::collections::VecDeque;
use std::sync::Arc;

use resus_model::{Evidence, Exactness, Window};
use resus_suspects::Normal;

/// Healthy windows, oldest first, and what all of them together show.
#[derive(Debug, Clone, Default)]
pub(super) struct Ring {
    windows: VecDeque<Healthy>,
    /// The last one that was asked for, and at which level.
    normal: Option<(Exactness, Normal)>,
    next_number: u64,
    /// Grows with every change.
    pub(super) version: u64,
}

/// A healthy window.
#[derive(Debug, Clone)]
struct Healthy {
    number: u64,
    panes: u64,
    evidence: Arc<Evidence>,
}

impl Ring {
    /// Adds a window; returns its number.
    pub(super) fn push(&mut self, evidence: Arc<Evidence>, panes: u64) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.windows.push_back(Healthy { number, panes, evidence });
        self.changed();
        number
    }

    /// Drops the oldest beyond a number of windows.
    pub(super) fn truncate(&mut self, windows: usize) {
        while self.windows.len() > windows {
            self.windows.pop_front();
            self.changed();
        }
    }

    /// Drops windows by their numbers.
    pub(super) fn drop_windows(&mut self, numbers: &[u64]) {
        self.windows.retain(|w| !numbers.contains(&w.number));
        self.changed();
    }

    fn changed(&mut self) {
        self.normal = None;
        self.version += 1;
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.windows.clear();
        self.changed();
    }

    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    /// Numbers and lengths in panes, oldest first.
    pub(super) fn windows(&self) -> Vec<(u64, u64)> {
        self.windows.iter().map(|w| (w.number, w.panes)).collect()
    }

    /// The Evidence, oldest first.
    pub(super) fn evidence(&self) -> Vec<Arc<Evidence>> {
        self.windows.iter().map(|w| Arc::clone(&w.evidence)).collect()
    }

    /// Windows that reach beyond an instant, by number.
    pub(super) fn reaching_beyond(&self, unix_nano: u64) -> Vec<u64> {
        let beyond = self.windows.iter().filter(|w| w.evidence.window.to > unix_nano);
        beyond.map(|w| w.number).collect()
    }

    /// The stretch from the first to the last.
    pub(super) fn range(&self) -> Option<Window> {
        self.windows.iter().map(|w| w.evidence.window).reduce(Window::hull)
    }

    /// How long healthy requests take, for a window that has kept so much of the class key; `None`
    /// without a healthy window.
    pub(super) fn normal(&mut self, level: Exactness) -> Option<&Normal> {
        let stale = self.normal.as_ref().is_none_or(|(of, _)| *of != level);
        if stale && !self.windows.is_empty() {
            self.normal = Some((level, Normal::of(&self.evidence(), level)));
        }
        self.normal.as_ref().map(|(_, normal)| normal)
    }

    /// Each window with what all others show; a lone window judges itself.
    pub(super) fn each_with_others(&self) -> Vec<(u64, Arc<Evidence>, Normal)> {
        let one = |window: &Healthy| {
            let others = self.windows.iter().filter(|w| w.number != window.number);
            let mut others: Vec<&Evidence> = others.map(|w| w.evidence.as_ref()).collect();
            if others.is_empty() {
                others.push(&window.evidence);
            }
            (
                window.number,
                Arc::clone(&window.evidence),
                Normal::of(&others, window.evidence.exactness),
            )
        };
        self.windows.iter().map(one).collect()
    }
}
