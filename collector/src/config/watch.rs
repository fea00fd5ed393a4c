//! `[watch]`: how often to look, and what to compare with.

use std::path::PathBuf;
use std::time::Duration;

use super::keys::{Keys, Section};
use super::optional::OptionalPath;
use super::value::{Count, Flag, Real, Seconds, Time};

/// By chance alone a healthy system must hardly ever reach it: it is judged some ten million times a
/// day (three scales, two kinds of failure, a hundred entry operations), so that even windows that
/// always agree give one false alarm a week.
const SIGNIFICANCE: f64 = 1e-8;

/// Most panes that a length of time may hold.
pub(super) const MOST_PANES: u32 = 1_000;

/// The live analysis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watch {
    /// False: receive, keep and forward only.
    pub(crate) enabled: bool,
    /// Length of a pane, whole seconds: the shortest stretch that is judged by itself.
    pub(crate) pane: Duration,
    /// How often to judge.
    pub(crate) every: Duration,
    /// A suspect is told when so many ...
    pub(crate) agree: u32,
    /// ... of so many windows in a row, which do not overlap, name it.
    pub(crate) of: u32,
    /// Length of a window of the baseline.
    pub(crate) baseline_window: Duration,
    /// Most healthy windows of the baseline; the oldest makes room.
    pub(crate) baseline_windows: u32,
    /// Fewest healthy windows with which anything is judged.
    pub(crate) min_baseline_windows: u32,
    /// How long after an incident windows still do not become part of the baseline.
    pub(crate) quarantine: Duration,
    /// How far back panes are kept, by when requests started.
    pub(crate) lookback: Duration,
    /// An entry operation that used to speak and says nothing for this long is a finding. A restart
    /// alone keeps an operation silent for some 20 s: spans that were not sent are lost, the new
    /// process takes its time, and its first batch comes seconds later.
    pub(crate) silence_after: Duration,
    /// A window deviates only with a p-value of at most this; silence too must be as unlikely.
    pub(crate) significance: f64,
    /// A file of Evidence of healthy windows, with which everything is compared. `None`: the latest
    /// healthy windows.
    pub(crate) baseline: Option<PathBuf>,
    /// The latest healthy windows are kept on disk, and known again after a restart.
    pub(crate) keep_baseline: bool,
}

impl Watch {
    pub(super) const fn standard() -> Self {
        Self {
            enabled: true,
            pane: Duration::from_secs(4),
            every: Duration::from_secs(1),
            agree: 2,
            of: 3,
            baseline_window: Duration::from_secs(60),
            baseline_windows: 30,
            min_baseline_windows: 3,
            quarantine: Duration::from_secs(60),
            lookback: Duration::from_mins(2),
            silence_after: Duration::from_secs(32),
            significance: SIGNIFICANCE,
            baseline: None,
            keep_baseline: true,
        }
    }
}

impl Section for Watch {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self {
            enabled,
            pane,
            every,
            agree,
            of,
            baseline_window,
            baseline_windows,
            min_baseline_windows,
            quarantine,
            lookback,
            silence_after,
            significance,
            baseline,
            keep_baseline,
        } = self;
        let (second, day) = (Duration::from_secs(1), Duration::from_hours(24));
        let blink = Duration::from_millis(100);
        keys.key("enabled", &mut Flag(enabled));
        keys.key("pane", &mut Seconds(pane, second..=Duration::from_mins(5)));
        keys.key("every", &mut Time(every, blink..=Duration::from_mins(5)));
        keys.key("agree", &mut Count(agree, 1..=16));
        keys.key("of", &mut Count(of, 1..=16));
        keys.key("baseline_window", &mut Time(baseline_window, second..=day));
        keys.key("baseline_windows", &mut Count(baseline_windows, 2..=1_000));
        keys.key("min_baseline_windows", &mut Count(min_baseline_windows, 2..=1_000));
        keys.key("quarantine", &mut Time(quarantine, second..=day));
        keys.key("lookback", &mut Time(lookback, second..=day));
        keys.key("silence_after", &mut Time(silence_after, second..=day));
        keys.key("significance", &mut Real(significance, 1e-20..=0.05));
        keys.key("baseline", &mut OptionalPath(baseline));
        keys.key("keep_baseline", &mut Flag(keep_baseline));
    }
}
