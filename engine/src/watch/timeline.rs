//! Which panes are there, which of them are judged, and which have changed since?

use std::collections::BTreeMap;
use std::sync::Arc;

use resus_evidence::{Limits, merge};
use resus_model::{Evidence, Fingerprint, Quality, Role, Window};

use super::judgement::RefusedPanes;

/// Panes by number: pane `n` begins `n` pane lengths after the epoch.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    pane_ns: u64,
    lookback: u64,
    kept: u64,
    panes: BTreeMap<u64, Pane>,
    /// The first judged pane that is kept.
    pub(super) first: u64,
    /// The pane after the last that is judged.
    pub(super) end: u64,
    /// The first pane that was ever judged; `None` before.
    pub(super) began: Option<u64>,
    /// The latest time that was told.
    now: Option<u64>,
    rules: Option<Fingerprint>,
    pub(super) refused: RefusedPanes,
    version: u64,
}

#[derive(Debug, Clone)]
struct Pane {
    evidence: Arc<Evidence>,
    version: u64,
    changed: bool,
}

impl Timeline {
    pub(super) fn new(pane_ns: u64, lookback: u64, kept: u64, rules: Option<Fingerprint>) -> Self {
        Self {
            pane_ns,
            lookback,
            kept,
            panes: BTreeMap::new(),
            first: 0,
            end: 0,
            began: None,
            now: None,
            rules,
            refused: RefusedPanes::default(),
            version: 0,
        }
    }

    /// Takes all that is known of a pane so far, or counts why not.
    pub(super) fn update(&mut self, evidence: Evidence) {
        let Window { from, to } = evidence.window;
        let number = from / self.pane_ns;
        if !from.is_multiple_of(self.pane_ns) || to != from.saturating_add(self.pane_ns) {
            self.refused.off_grid += 1;
        } else if self.rules.as_ref().is_some_and(|rules| *rules != evidence.rules) {
            self.refused.other_rules += 1;
        } else if self.began.is_some() && number + self.lookback < self.end {
            self.refused.too_old += 1;
        } else if self.is_too_new(number) {
            self.refused.too_new += 1;
        } else {
            self.rules.get_or_insert_with(|| evidence.rules.clone());
            self.version += 1;
            let pane = Pane { evidence: Arc::new(evidence), version: self.version, changed: true };
            self.panes.insert(number, pane);
        }
    }

    fn is_too_new(&self, number: u64) -> bool {
        match self.now {
            Some(now) => number > (now / self.pane_ns).saturating_add(self.lookback),
            // Nobody has told the time: what there is must be little.
            None => self.panes.len() as u64 > self.kept && !self.panes.contains_key(&number),
        }
    }

    /// Takes notice of the time. Returns the pane after the last that can be judged.
    pub(super) fn advance(&mut self, now: u64, watermark: u64) -> u64 {
        self.now = Some(self.now.map_or(now, |before| before.max(now)));
        let ahead: Vec<u64> = self.panes.keys().copied().filter(|&n| self.is_too_new(n)).collect();
        for number in ahead {
            self.panes.remove(&number);
            self.refused.too_new += 1;
        }
        let target = (watermark / self.pane_ns).max(self.end);
        if self.began.is_none() {
            let oldest = target.saturating_sub(self.kept);
            let Some((&first, _)) = self.panes.range(oldest..target).next() else { return 0 };
            self.refused.too_old += self.panes.range(..first).count() as u64;
            self.panes = self.panes.split_off(&first);
            (self.first, self.end, self.began) = (first, first, Some(first));
        }
        target
    }

    /// Judged panes that have changed since they were last asked for, ascending.
    pub(super) fn take_changed(&mut self) -> Vec<u64> {
        let judged = self.panes.range_mut(self.first..self.end);
        let changed = judged.filter(|(_, pane)| pane.changed);
        changed
            .map(|(&number, pane)| {
                pane.changed = false;
                number
            })
            .collect()
    }

    /// One more pane is judged; returns how many of the oldest judged ones are dropped.
    pub(super) fn judge_next(&mut self) -> usize {
        if let Some(pane) = self.panes.get_mut(&self.end) {
            pane.changed = false;
        }
        self.end += 1;
        let first = self.first.max(self.end.saturating_sub(self.kept));
        let dropped = first - self.first;
        self.first = first;
        if dropped > 0 {
            self.panes = self.panes.split_off(&first);
        }
        usize::try_from(dropped).expect("no more than were kept")
    }

    /// Leaves out panes that nobody judged in time: returns true when there were any.
    pub(super) fn skip_to(&mut self, number: u64) -> bool {
        if number <= self.end {
            return false;
        }
        (self.first, self.end) = (number, number);
        self.panes = self.panes.split_off(&number);
        true
    }

    /// A pane, if it holds anything.
    pub(super) fn pane(&self, number: u64) -> Option<&Arc<Evidence>> {
        self.panes.get(&number).map(|p| &p.evidence)
    }

    /// The window of some panes.
    pub(super) const fn window(&self, from: u64, to: u64) -> Window {
        Window { from: from * self.pane_ns, to: to * self.pane_ns }
    }

    /// The latest change among some panes, for telling whether a result still holds.
    pub(super) fn version(&self, from: u64, to: u64) -> u64 {
        self.panes.range(from..to).map(|(_, p)| p.version).max().unwrap_or(0)
    }

    /// Puts panes together; `None` where there is nothing. Counters of data quality belong to the
    /// whole stream and are left out, so that equal requests give equal bytes.
    pub(super) fn merged(&self, from: u64, to: u64, role: Role) -> Option<Evidence> {
        let panes: Vec<&Evidence> =
            self.panes.range(from..to).map(|(_, p)| p.evidence.as_ref()).collect();
        if panes.is_empty() {
            return None;
        }
        let mut merged =
            merge(&panes, Limits::STANDARD).expect("panes of other rules were refused");
        merged.role = role;
        merged.window = self.window(from, to);
        merged.quality = Quality::default();
        Some(merged)
    }
}
