//! When does an entry operation's deviation go live, and when is it over?
//!
//! Windows of three lengths are judged by the same formula as any window ([`Past`]), each length
//! held against stretches of the same length in healthy windows. An alarm goes on when, of `of`
//! windows in a row that do not overlap, `agree` deviate. All runs within the lookback are looked
//! at, not the newest alone: a hung request reports when its time is up, so the newest panes look
//! healthy while older ones turn out not to have been.

use resus_model::{EntryState, FailureKind};
use resus_suspects::{Config, Past, Share};

use super::config::{SCALES, WatchConfig};
use super::history::{PaneCount, Reference};

/// Least excess of failing requests by which a window of each scale deviates, in points of share. A
/// short window must show more: a second in which a third of all requests fails, as happens when an
/// instance is replaced, is 8 points of a pane of 4 s and 2 of 16 s; a rolling deploy that has three
/// of these in a minute is 2 points of 64 s.
const ERRORS_ABOVE: [f64; SCALES.len()] = [0.08, 0.05, 0.02];

/// The same of slow and unseen requests. A process that dies takes up to 5 s of its spans with it
/// (the default timer of the SDKs), and requests without them are of unseen patterns: that is 31
/// points of 16 s, or 16 in each of two neighbours, and 8 points of 64 s, or 4 in each of two. One pane
/// says nothing.
const SLOW_ABOVE: [Option<f64>; SCALES.len()] = [None, Some(0.20), Some(0.05)];

/// Failures must be seen in so many of the seconds of `agree` panes, in quarters: for two panes of
/// 4 s in 6 s. Something that is over in 4 s cures itself, however many requests it hits.
const QUARTERS_OF_SECONDS: u64 = 3;

/// A window needs no more requests and failures than these to deviate, where an analysis asks for more:
/// a significance of 10⁻⁸ is hard to reach with few, and an alarm needs it in several windows. Four
/// failures of eight are that unlikely where 3 in 1,000 fail. At 20 requests a second over five entry
/// operations it is the difference between 12 and 27 s.
const FEW_REQUESTS: u64 = 8;
const FEW_FAILURES: u64 = 4;

/// How windows are judged, kind by kind.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    errors: [Config; SCALES.len()],
    slow: [Option<Config>; SCALES.len()],
    /// What no longer deviates must be within these.
    calm: Config,
    agree: usize,
    of: usize,
    lookback: u64,
    kept: u64,
    failing_seconds: u64,
}

impl Limits {
    pub(super) fn of(config: &WatchConfig) -> Self {
        let above = |effect: f64| Config {
            min_effect: effect.max(config.diagnose.min_effect),
            significance: config.significance,
            min_requests: config.diagnose.min_requests.min(FEW_REQUESTS),
            min_failures: config.diagnose.min_failures.min(FEW_FAILURES),
            ..config.diagnose
        };
        let seconds = config.pane_ns / 1_000_000_000 * u64::from(config.agree);
        Self {
            errors: ERRORS_ABOVE.map(above),
            slow: SLOW_ABOVE.map(|effect| effect.map(above)),
            calm: config.diagnose,
            agree: config.agree as usize,
            of: config.of as usize,
            lookback: config.lookback_panes() as u64,
            kept: config.kept_panes() as u64,
            failing_seconds: (seconds * QUARTERS_OF_SECONDS).div_ceil(4),
        }
    }

    pub(super) const fn strict(&self, kind: FailureKind, scale: usize) -> Option<&Config> {
        match kind {
            FailureKind::Error => Some(&self.errors[scale]),
            FailureKind::SlowOrUnseen => self.slow[scale].as_ref(),
        }
    }

    pub(super) const fn min_requests(&self) -> u64 {
        self.calm.min_requests
    }
}

/// The judged panes of one entry operation, by one kind of failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panes<'a> {
    /// Their counts, oldest first; never empty.
    pub(super) counts: &'a [PaneCount],
    /// The number of the first.
    pub(super) first: u64,
    /// What is looked at.
    pub(super) kind: FailureKind,
    /// What healthy windows show.
    pub(super) reference: &'a Reference,
}

impl Panes<'_> {
    /// The number of the newest pane.
    pub(super) const fn last(&self) -> u64 {
        self.first + self.counts.len() as u64 - 1
    }

    /// The panes of a window that ends with pane `last`, if all of them are there.
    fn panes(&self, last: u64, scale: usize) -> Option<&[PaneCount]> {
        let end = usize::try_from(last + 1 - self.first).ok()?;
        self.counts.get(end.checked_sub(SCALES[scale])?..end)
    }

    /// The requests of such a window.
    pub(super) fn window(&self, last: u64, scale: usize) -> Option<Share> {
        let panes = self.panes(last, scale)?;
        Some(panes.iter().fold(Share::default(), |mut sum, pane| {
            sum.merge(pane.share(self.kind));
            sum
        }))
    }

    /// What such a window is held against.
    pub(super) const fn past(&self, scale: usize) -> &Past {
        self.reference.past(self.kind, scale)
    }

    fn deviates(&self, last: u64, scale: usize, config: &Config) -> bool {
        let Some(panes) = self.panes(last, scale) else { return false };
        let failed: u64 = panes.iter().map(|p| p.share(self.kind).failed.n).sum();
        if failed < config.min_failures {
            return false;
        }
        let past = self.past(scale);
        let Some(now) = self.window(last, scale) else { return false };
        now.has(config.min_requests)
            && past.mean.is_some()
            && past.exceeded_by(now, config)
            && past.p_value(now) <= config.significance
    }

    /// Whether the newest window in which there are enough requests, ending with pane `last`, no
    /// longer deviates. `None` where no scale has enough.
    fn calm(&self, last: u64, limits: &Limits) -> Option<bool> {
        let config = &limits.calm;
        for scale in 0..SCALES.len() {
            let now = self.window(last, scale)?;
            let past = self.past(scale);
            if now.has(config.min_requests) && past.mean.is_some() {
                let beyond = past.exceeded_by(now, config);
                return Some(!beyond || past.p_value(now) > config.significance);
            }
        }
        None
    }

    /// The newest run of windows that agree, among panes from `start` on; of the shortest scale.
    fn agreement(&self, start: u64, limits: &Limits) -> Option<Agreement> {
        let last = self.last();
        for (scale, &length) in SCALES.iter().enumerate() {
            let Some(config) = limits.strict(self.kind, scale) else { continue };
            let length = length as u64;
            let lowest = self.first.max(start) + length - 1;
            let from = lowest.max((last + 1).saturating_sub(limits.lookback));
            for newest in (from..=last).rev() {
                if !self.deviates(newest, scale, config) {
                    continue;
                }
                let ends = (0..limits.of as u64)
                    .filter_map(|k| newest.checked_sub(k * length))
                    .filter(|&end| end >= lowest);
                let agreeing: Vec<u64> =
                    ends.clone().filter(|&end| self.deviates(end, scale, config)).collect();
                let oldest = *agreeing.last().expect("the newest deviates");
                if agreeing.len() >= limits.agree && self.lasts(&agreeing, scale, limits) {
                    return Some(Agreement {
                        scale,
                        agreeing: agreeing.len(),
                        looked_at: ends.count(),
                        newest,
                        began: oldest + 1 - length,
                    });
                }
            }
        }
        None
    }

    /// True when failures of these windows are spread over enough seconds.
    fn lasts(&self, ends: &[u64], scale: usize, limits: &Limits) -> bool {
        if self.kind == FailureKind::SlowOrUnseen {
            return true;
        }
        let panes = ends.iter().filter_map(|&end| self.panes(end, scale)).flatten();
        panes.map(|p| u64::from(p.failing_seconds)).sum::<u64>() >= limits.failing_seconds
    }

    /// What is said of the newest panes: of the shortest scale that has enough requests.
    pub(super) fn finding(
        &self,
        entry: &resus_model::Component,
        limits: &Limits,
    ) -> Option<resus_model::EntryFinding> {
        let mut longest = None;
        for scale in 0..SCALES.len() {
            let Some(config) = limits.strict(self.kind, scale) else { continue };
            let Some(now) = self.window(self.last(), scale).filter(|now| now.all.n > 0) else {
                continue;
            };
            let (finding, _) = self.past(scale).judge(entry.clone(), self.kind, now, config);
            let told = finding.state != EntryState::TooFew;
            longest = Some(finding);
            if told {
                break;
            }
        }
        longest
    }
}

/// Windows that agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Agreement {
    scale: usize,
    agreeing: usize,
    looked_at: usize,
    /// The last pane of the newest.
    newest: u64,
    /// The first pane of the oldest.
    began: u64,
}

/// An alarm that is on. Panes by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    /// Index into [`SCALES`].
    pub(super) scale: usize,
    pub(super) agreeing: usize,
    pub(super) looked_at: usize,
    /// First pane of the first window that deviates.
    pub(super) began: u64,
    /// The pane by which windows agreed.
    pub(super) live_since: u64,
    /// The last pane that deviates.
    pub(super) last_bad: u64,
    /// By how many panes failures were late to show: the newest so many may look calm and not be.
    pub(super) lag: u64,
}

/// The alarm of one entry operation and one kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct AlarmState {
    /// On, if it is.
    pub(super) live: Option<Live>,
    /// Panes before belong to an incident that is over.
    start: u64,
}

impl AlarmState {
    /// Looks at all panes again. Returns the alarm that has ended, if one has.
    pub(super) fn step(&mut self, panes: Panes<'_>, from: u64, limits: &Limits) -> Option<Live> {
        let last = panes.last();
        let agreement = panes.agreement(self.start.max(from), limits);
        let live = match (self.live.as_mut(), agreement) {
            (None, None) => return None,
            (None, Some(a)) => self.live.insert(Live {
                scale: a.scale,
                agreeing: a.agreeing,
                looked_at: a.looked_at,
                began: a.began,
                live_since: last,
                last_bad: a.newest,
                lag: last - a.newest,
            }),
            (Some(live), Some(a)) => {
                (live.scale, live.agreeing, live.looked_at) = (a.scale, a.agreeing, a.looked_at);
                live
            }
            (Some(live), None) => live,
        };
        // Late reports make panes worse, and now and then better.
        let mut range = (live.began.max(panes.first)..=last).rev();
        let bad = range.find(|&p| panes.calm(p, limits) == Some(false));
        match bad.or_else(|| agreement.map(|a| a.newest)) {
            Some(bad) => {
                if bad > live.last_bad {
                    live.lag = live.lag.max(last - bad).min(limits.lookback);
                }
                live.last_bad = bad;
            }
            // Nothing is left of it, now that all requests have reported.
            None if live.began >= panes.first => return self.live.take(),
            None => {}
        }
        let since = (live.last_bad + 1).max(panes.first);
        let calm = (since..=last).filter(|&p| panes.calm(p, limits) == Some(true)).count();
        let over = calm as u64 >= limits.of as u64 + live.lag;
        // Nobody asks any more: whether it still fails cannot be told, and is no news.
        let faded = last - live.last_bad.min(last) >= limits.kept;
        if !over && !faded {
            return None;
        }
        self.start = live.last_bad + 1;
        self.live.take()
    }

    /// Forgets everything before a pane.
    pub(super) const fn reset(&mut self, start: u64) {
        self.live = None;
        self.start = start;
    }
}
