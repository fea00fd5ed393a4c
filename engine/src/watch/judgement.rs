//! What the watcher says at a tick.

use resus_model::{Component, Diagnosis, EntryFinding, FailureKind, WhyNoVerdict, Window};

/// The current state of the system, as far as its requests tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The answer.
    pub state: State,
    /// The end of the pane by which this state began, nanoseconds since the Unix epoch.
    pub since_unix_nano: u64,
    /// The window that the answer speaks of: the one explained while something deviates, the newest
    /// panes otherwise. `None` before the first pane is judged.
    pub window: Option<Window>,
    /// What it was held against.
    pub baseline: BaselineSummary,
    /// Who is suspect, with proof, or why nobody is; only while something deviates. While an alarm
    /// fades, this is the last diagnosis made while it did not.
    pub diagnosis: Option<Diagnosis>,
    /// Entry operations that deviate, each with the windows that agree on it.
    pub alarms: Vec<Alarm>,
    /// Entry operations that used to speak and do not.
    pub silent: Vec<Silence>,
    /// Every entry operation in the newest window in which it has enough requests, largest effect
    /// first. One that deviates here is no alarm until windows agree.
    pub entries: Vec<EntryFinding>,
    /// Facts that a reader must know to judge the answer.
    pub notes: Vec<String>,
    /// True when this tick changed the state, the suspects, the alarms or the silent ones.
    pub changed: bool,
}

/// Exactly one of five answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There are too few healthy windows to compare with: no verdict yet.
    Learning {
        /// Healthy windows so far.
        windows: u32,
        /// What it takes.
        needed: u32,
    },
    /// Every entry operation that has enough requests stays within what healthy windows show.
    Healthy,
    /// Nothing deviates, but somebody who used to speak is silent: see [`Judgement::silent`].
    Silent,
    /// Something deviates, and [`Judgement::diagnosis`] has suspects.
    Suspects,
    /// Something deviates and it cannot be told what, or there are too few requests to tell.
    NoVerdict(Vec<WhyNoVerdict>),
}

/// The healthy windows in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaselineSummary {
    /// How many.
    pub windows: u32,
    /// From the beginning of the first to the end of the last; there may be gaps.
    pub range: Option<Window>,
    /// True when they were given and are never renewed.
    pub fixed: bool,
}

/// An entry operation that deviates from healthy windows in enough windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The entry operation.
    pub entry: Component,
    /// What kind of failure.
    pub kind: FailureKind,
    /// Length of the windows that agree, in panes.
    pub window_panes: u32,
    /// How many of them deviated when they last agreed.
    pub agreeing: u32,
    /// How many were looked at.
    pub of: u32,
    /// Start of the first window that deviates, nanoseconds since the Unix epoch.
    pub began_unix_nano: u64,
    /// End of the pane by which windows agreed, nanoseconds since the Unix epoch.
    pub live_since_unix_nano: u64,
    /// End of the last pane that deviates, nanoseconds since the Unix epoch.
    pub last_deviating_unix_nano: u64,
}

/// Who is silent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Silent {
    /// Nothing arrives at all: one finding, whoever else is silent with it.
    Everything,
    /// This entry operation, while others speak.
    Entry(Component),
}

/// An entry operation that used to speak and does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// Who.
    pub who: Silent,
    /// End of the last pane with a request, nanoseconds since the Unix epoch.
    pub last_seen_unix_nano: u64,
    /// Requests a pane that healthy windows show.
    pub expected_per_pane: f64,
    /// Chance that a silence of this length means nothing, by the wandering of healthy windows.
    pub p_value: f64,
}

/// Panes that were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusedPanes {
    /// Older than the lookback.
    pub too_old: u64,
    /// Further ahead of the clock than the lookback: some clock is wrong.
    pub too_new: u64,
    /// Not a pane of the grid.
    pub off_grid: u64,
    /// Made under other label or identity rules.
    pub other_rules: u64,
}
