//! Spans as they arrive → one Evidence a pane, of the requests that started in it.
//!
//! The live counterpart of [`observe`](crate::observe): for the same spans, the panes hold the same
//! bytes. Time is an argument, and panes go by when a request started, not by when it was heard of:
//! requests that hung report long after what made them hang is over.

mod panes;

use resus_model::{Evidence, LogBatch, Quality, Rules, SpanBatch};
use resus_paths::{Assembler, AssemblerLimits, AssemblerStats, Change};

use crate::canonical::Limits;

pub use panes::FUTURE_NS;

use panes::Panes;

/// How traces are assembled and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveOptions {
    /// Label and identity rules.
    pub rules: Rules,
    /// Length of a pane in nanoseconds, on the grid of the epoch; not 0.
    pub pane_ns: u64,
    /// How long traces are waited for, and how much is held.
    pub limits: AssemblerLimits,
    /// Nanoseconds after its end for which a pane is kept: a request that is complete only then has
    /// none any more and counts as outside.
    pub horizon_ns: u64,
    /// What bounds the Evidence of a pane.
    pub evidence: Limits,
}

impl LiveOptions {
    /// What the program starts from: panes of 4 s, kept for 150 s.
    pub const STANDARD: Self = Self {
        rules: Rules::STANDARD,
        pane_ns: 4_000_000_000,
        limits: AssemblerLimits::STANDARD,
        horizon_ns: 150_000_000_000,
        evidence: Limits::STANDARD,
    };
}

/// What is held and was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveStats {
    /// The traces.
    pub assembler: AssemblerStats,
    /// Panes kept.
    pub panes: u64,
    /// Rows in the tables by which paths are counted, over all panes.
    pub rows: u64,
}

/// Assembles traces and counts their paths by pane.
///
/// [`Live::push`] what arrives, [`Live::advance`] the time, and take what has [`Live::changed`].
#[derive(Debug)]
pub struct Live {
    assembler: Assembler,
    panes: Panes,
}

// === impl Live ===

impl Live {
    /// Starts with no span.
    ///
    /// # Panics
    /// When the length of a pane is 0.
    #[must_use]
    pub fn new(options: LiveOptions) -> Self {
        let LiveOptions { rules, pane_ns, limits, horizon_ns, evidence } = options;
        let panes = Panes::new(rules.fingerprint(), pane_ns, horizon_ns, evidence);
        Self { assembler: Assembler::new(rules, limits), panes }
    }

    /// Takes the spans of a batch that arrived at `now`, nanoseconds since the Unix epoch.
    pub fn push(&mut self, batch: &SpanBatch, now: u64) {
        self.assembler.push(batch, now);
    }

    /// Takes log records that arrived at `now`; see [`Assembler::push_logs`].
    pub fn push_logs(&mut self, logs: &LogBatch, now: u64) {
        self.assembler.push_logs(logs, now);
    }

    /// Lets time pass until `now` and counts the requests that are complete by then.
    ///
    /// When the texts or rows that were ever met have become too many, everything counted so far is
    /// laid down and counting starts with empty tables; see [`Assembler::compact`].
    pub fn advance(&mut self, now: u64) {
        if self.assembler.compact_due() || self.panes.crowded() {
            self.compact();
        }
        self.panes.begin(now);
        self.count(|assembler, visit| assembler.advance(now, visit));
    }

    /// Counts all requests, complete or not, as at the end of the input or of the program.
    pub fn drain(&mut self, now: u64) {
        self.advance(now);
        self.count(|assembler, visit| assembler.drain(now, visit));
    }

    /// What is counted by number must be laid down before the numbers change.
    fn compact(&mut self) {
        self.panes.lay_down(self.assembler.vocabulary());
        self.assembler.compact();
    }

    fn count(&mut self, assemble: impl FnOnce(&mut Assembler, &mut dyn FnMut(Change<'_>) -> bool)) {
        let Self { assembler, panes } = self;
        let mut outside = 0_i64;
        assemble(assembler, &mut |change| match change {
            Change::Complete(path) => {
                let taken = panes.count(path);
                outside += i64::from(!taken);
                taken
            }
            Change::Retract { path, taken: true } => {
                panes.retract(path);
                false
            }
            Change::Retract { taken: false, .. } => {
                outside -= 1;
                false
            }
        });
        let counted = &mut assembler.quality().outside;
        *counted = counted.saturating_add_signed(outside);
    }

    /// The whole Evidence so far of every pane whose requests have changed since the last call,
    /// earliest first. Its counters of data quality are empty: see [`Live::quality`].
    ///
    /// Every number in it is what [`observe`](crate::observe) gives for the requests that stand;
    /// where one was retracted that was an exemplar, its class may show one fewer.
    pub fn changed(&mut self) -> Vec<Evidence> {
        self.panes.changed(self.assembler.vocabulary())
    }

    /// Counters of data quality of everything that arrived and of the requests that stand: the reader
    /// adds what it left out.
    pub const fn quality(&mut self) -> &mut Quality {
        self.assembler.quality()
    }

    /// What is held and was done.
    #[must_use]
    pub fn stats(&self) -> LiveStats {
        LiveStats {
            assembler: self.assembler.stats(),
            panes: self.panes.len() as u64,
            rows: self.panes.rows() as u64,
        }
    }

    /// How full the memory for traces is, 1 for full; see [`Assembler::pressure`].
    #[must_use]
    pub fn pressure(&self) -> f64 {
        self.assembler.pressure()
    }

    /// When [`Live::advance`] next has something to do, if nothing arrives until then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.assembler.next_deadline()
    }
}

#[cfg(test)]
mod tests;
