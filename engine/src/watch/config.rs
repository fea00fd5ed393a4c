//! How is a live system watched?

use std::fmt;
use std::sync::Arc;

use resus_model::Evidence;
use resus_suspects::Config;

const SECOND: u64 = 1_000_000_000;

/// Lengths of the windows that are judged, in panes. A busy entry operation shows in one pane what a
/// quiet one shows in sixteen: at one request a second a pane of 4 s says nothing, 64 s say something.
pub(super) const SCALES: [usize; 3] = [1, 4, 16];

/// Settings of a [`Watcher`](super::Watcher). [`WatchConfig::STANDARD`] is the reviewed set; there is
/// no `Default`, so that nobody gets one by accident.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchConfig {
    /// Length of a pane, nanoseconds: whole seconds.
    pub pane_ns: u64,
    /// Of `of` windows in a row, so many must deviate before suspects go live.
    pub agree: u32,
    /// See `agree`. An alarm ends when as many panes in a row no longer deviate.
    pub of: u32,
    /// While something deviates, so many windows (of the length at which it does) are put together
    /// and explained.
    pub window_panes: u32,
    /// What is healthy.
    pub baseline: Baseline,
    /// Before there are as many healthy windows, there is no verdict. A fixed baseline is taken as it
    /// is.
    pub min_baseline_windows: u32,
    /// For so long after it was judged first, nanoseconds, a pane is judged anew when it changes.
    pub lookback_ns: u64,
    /// An entry operation is silent only after so many panes without a request.
    pub silence_after: u32,
    /// A window deviates only with a p-value of at most this; silence too must be as unlikely.
    pub significance: f64,
    /// How what deviates is explained: the same settings as for an analysis of given windows.
    pub diagnose: Config,
}

/// What the present is held against.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// The latest healthy windows; those near an incident are left out.
    Ring {
        /// Length of a window, in panes.
        window_panes: u32,
        /// How many are kept.
        windows: u32,
        /// A window is taken for healthy only when as many nanoseconds after it nothing has
        /// deviated; as long a stretch before an incident is never taken.
        quarantine_ns: u64,
    },
    /// These windows and no others.
    Fixed(Vec<Arc<Evidence>>),
}

impl WatchConfig {
    /// The reviewed settings.
    ///
    /// Why these numbers. *`pane_ns`*: at 50 requests a second a pane of 4 s holds 200 requests, of
    /// which a fault that hits one in five makes 40 fail; two panes are live in 8 s. *`agree`*,
    /// *`of`*: a blip within one pane, or over the edge between two, must not be enough (see
    /// `QUARTERS_OF_SECONDS`), one healthy-looking pane among faulty ones must not hide them.
    /// *`baseline`*: half an hour of one-minute windows follows the time of day, and shows how much
    /// shares wander; a minute of quarantine is five times what it takes to see a fault.
    /// *`min_baseline_windows`*: two tell a spread, the third makes it one that can be believed.
    /// *`lookback_ns`*: twice the usual longest timeout of a call (60 s), after which a hung request
    /// reports. *`silence_after`*: a restart of the only instance of a service loses up to 5 s of
    /// spans that were not sent yet, takes about 5 s, and the first batch of the new process comes
    /// up to 11 s later: 21 s look silent that are none. Eight panes are 32 s.
    ///
    /// *significance*: each tick judges a window at each of three scales, 3 · 86,400 / 4 = 64,800
    /// windows a day, for two kinds of failure of, say, 100 entry operations: 1.3 · 10⁷ tests. Were
    /// windows independent, two of three would agree by chance 3 · 10⁻¹⁶ · 1.3 · 10⁷ = 4 · 10⁻⁹ times
    /// a day. Were they wholly dependent, so that neighbours always agree, it would be
    /// 10⁻⁸ · 1.3 · 10⁷ = 0.13 times a day: one alarm a week. What makes them dependent (bursts, a
    /// wandering load) is measured between healthy windows of the same length and divided out of all
    /// counts, so that the truth lies near the first number.
    pub const STANDARD: Self = Self {
        pane_ns: 4 * SECOND,
        agree: 2,
        of: 3,
        window_panes: 3,
        baseline: Baseline::Ring { window_panes: 15, windows: 30, quarantine_ns: 60 * SECOND },
        min_baseline_windows: 3,
        lookback_ns: 120 * SECOND,
        silence_after: 8,
        significance: 1e-8,
        diagnose: Config { windows_chosen: true, ..Config::STANDARD },
    };

    /// Refuses settings that contradict each other or are out of range.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self) -> Result<(), WatchConfigError> {
        let mut mistakes = Mistakes(Vec::new());
        let pane = self.pane_ns;
        if pane == 0 || !pane.is_multiple_of(SECOND) || pane > 600 * SECOND {
            mistakes.add("pane_ns", pane, "whole seconds, 1 s to 10 min, in nanoseconds");
        }
        let pane = pane.max(1);
        mistakes.range("of", self.of, 1, 16);
        mistakes.range("agree", self.agree, 1, self.of.max(1));
        mistakes.range("window_panes", self.window_panes, 1, 64);
        mistakes.range("silence_after", self.silence_after, 1, 1000);
        if self.lookback_ns / pane < u64::from(self.of) || self.lookback_ns / pane > 1000 {
            mistakes.add("lookback_ns", self.lookback_ns, "the length of `of` to 1000 panes");
        }
        if !(self.significance > 0.0 && self.significance <= 0.05) {
            mistakes.add("significance", self.significance, "above 0, at most 0.05");
        }
        if let Err(error) = self.diagnose.check() {
            mistakes.0.push(format!("diagnose: {error}"));
        }
        self.check_baseline(pane, &mut mistakes);
        if mistakes.0.is_empty() { Ok(()) } else { Err(WatchConfigError { mistakes: mistakes.0 }) }
    }

    fn check_baseline(&self, pane: u64, mistakes: &mut Mistakes) {
        match &self.baseline {
            Baseline::Ring { window_panes, windows, quarantine_ns } => {
                mistakes.range("baseline.window_panes", *window_panes, 1, 1000);
                mistakes.range("min_baseline_windows", self.min_baseline_windows, 2, 1000);
                let least = self.min_baseline_windows.clamp(2, 1000);
                mistakes.range("baseline.windows", *windows, least, 1000);
                if quarantine_ns / pane > 1000 {
                    mistakes.add("baseline.quarantine_ns", *quarantine_ns, "at most 1000 panes");
                }
            }
            Baseline::Fixed(windows) => {
                let Some(first) = windows.first() else {
                    return mistakes.add("baseline", "no window", "at least one healthy window");
                };
                for (i, window) in windows.iter().enumerate().skip(1) {
                    if window.rules != first.rules {
                        let found = format!("window {i} made under the rules `{}`", window.rules);
                        mistakes.add("baseline", found, &format!("`{}`, as window 0", first.rules));
                    }
                }
            }
        }
    }

    /// The lookback in panes.
    pub(super) fn lookback_panes(&self) -> usize {
        usize::try_from(self.lookback_ns / self.pane_ns).expect("checked to be at most 1000")
    }

    /// Quarantine in panes, and the length of a window of the ring.
    pub(super) fn ring_panes(&self) -> (u64, u64) {
        match self.baseline {
            Baseline::Ring { window_panes, quarantine_ns, .. } => {
                (quarantine_ns.div_ceil(self.pane_ns), u64::from(window_panes))
            }
            Baseline::Fixed(_) => (0, 0),
        }
    }

    /// So many judged panes are kept: for the lookback, for `of` windows of the longest scale, and
    /// until the ring has taken them.
    pub(super) fn kept_panes(&self) -> usize {
        let (quarantine, window) = self.ring_panes();
        let ring = usize::try_from(quarantine + 2 * window).expect("checked to be a few thousand");
        let longest = SCALES[SCALES.len() - 1] * self.of as usize;
        let explained = SCALES[SCALES.len() - 1] * self.window_panes as usize;
        self.lookback_panes().max(longest).max(explained).max(ring)
    }
}

/// Settings that cannot be used, with all that is wrong about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchConfigError {
    /// One sentence each: the setting, what was found, what was expected.
    pub mistakes: Vec<String>,
}

impl fmt::Display for WatchConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use the settings of the watch: {}", self.mistakes.join("; "))
    }
}

impl std::error::Error for WatchConfigError {}

struct Mistakes(Vec<String>);

impl Mistakes {
    fn add(&mut self, setting: &str, found: impl fmt::Display, expected: &str) {
        self.0.push(format!("`{setting}` is {found}, expected {expected}"));
    }

    fn range(&mut self, setting: &str, found: u32, from: u32, to: u32) {
        if !(from..=to).contains(&found) {
            self.add(setting, found, &format!("{from} to {to}"));
        }
    }
}
