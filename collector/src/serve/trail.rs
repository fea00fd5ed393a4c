//! Without Parquet segments, the log is kept only as far back as the live half may need it.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use resus_store::log::Position;

use super::onward::Release;
use crate::output;

const SECOND: u64 = 1_000_000_000;

/// A record of the log and when it arrived.
pub(crate) type Step = (u64, Position);

/// Where the log was, second by second.
#[derive(Debug, Default)]
pub(crate) struct Trail(VecDeque<Step>);

impl Trail {
    /// Notes a record, if it is the first of its second.
    pub(crate) fn note(&mut self, step: Step) -> bool {
        let is_new = self.0.back().is_none_or(|last| last.0 / SECOND < step.0 / SECOND);
        if is_new {
            self.0.push_back(step);
        }
        is_new
    }

    /// Forgets what arrived before a time; gives the last record that did.
    pub(crate) fn before(&mut self, time: u64) -> Option<Position> {
        let mut last = None;
        while self.0.front().is_some_and(|step| step.0 < time) {
            last = self.0.pop_front();
        }
        last.map(|(_, position)| position)
    }

    /// The record in the middle: to give up half of the log.
    fn middle(&mut self) -> Option<Position> {
        let half = self.0.len() / 2;
        self.0.drain(..half).next_back().map(|(_, position)| position)
    }
}

/// Releases what is older than `keep_ns`, and half of the log whenever it has more than half of `max_bytes`.
/// Ends with the sender.
pub(crate) fn release(log: &Release, steps: &Receiver<Step>, keep_ns: u64, max_bytes: u64) {
    let mut trail = Trail::default();
    while let Ok(step) = steps.recv() {
        if !trail.note(step) {
            continue;
        }
        let mut before = trail.before(step.0.saturating_sub(keep_ns));
        if log.log().status().bytes > max_bytes / 2 {
            before = trail.middle().or(before);
        }
        let Some(before) = before else { continue };
        if let Err(error) = log.kept(before) {
            output::say(&format!("resus: failed to {error}; it is tried again"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_has_a_step_a_second_and_forgets_the_old_ones() {
        let at = |second: u64| (second * SECOND + 1, Position { segment: 1, offset: second });
        let mut trail = Trail::default();
        assert!(trail.note(at(5)));
        assert!(!trail.note((5 * SECOND + 7, Position { segment: 1, offset: 99 })));
        assert!(trail.note(at(6)) && trail.note(at(7)) && trail.note(at(8)));
        assert_eq!(trail.before(5 * SECOND), None);
        assert_eq!(trail.before(7 * SECOND), Some(at(6).1));
        assert_eq!(trail.middle(), Some(at(7).1));
        assert_eq!(trail.middle(), None);
    }
}
