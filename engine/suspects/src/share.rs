//! Does the failing share of an entry operation exceed what healthy windows show?
//!
//! It *deviates* when it exceeds the mean over baseline windows by more than the minimum effect and
//! by more than a number of standard deviations between these windows, and when the excess is not
//! chance: a one-sided Fisher exact test against all baseline windows together, with all counts
//! divided first by their variance inflation (Rao and Scott, Biometrics 1992), which is that of
//! sampling weights times that of the wandering between windows (Pearson's chi-square over its
//! degrees of freedom, at least 1). Requests of one incident are not independent, so the effect
//! stands beside the p-value and both must convince.

use resus_model::{Component, Counts, EntryFinding, EntryState, FailureKind, Tally};

use crate::Config;
use crate::coefficient::{ratio, real};
use crate::label::Split;
use crate::statistics::fisher_greater;

/// Requests of one entry operation in one window: those that failed, and all that passed or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Failed ones.
    pub failed: Tally,
    /// Failed and passed ones.
    pub all: Tally,
}

impl Share {
    /// Adds the requests of another window.
    pub const fn merge(&mut self, other: Self) {
        self.failed.merge(other.failed);
        self.all.merge(other.all);
    }

    pub(crate) fn add(&mut self, split: Split) {
        self.failed.merge(split.failed);
        self.all.merge(split.failed);
        self.all.merge(split.passed);
    }

    /// Counts some more of the requests as failed, at mean weight.
    pub(crate) fn fail_more(&mut self, n: u64) {
        let n = n.min(self.all.n - self.failed.n);
        self.failed.n += n;
        self.failed.weight += n * (self.all.weight / self.all.n.max(1));
    }

    /// Failing share by weight, 0 to 1; 0 of no requests.
    #[must_use]
    pub fn share(self) -> f64 {
        ratio(real(self.failed.weight), real(self.all.weight))
    }

    /// Effective number of requests, `(Σw)² / Σw²` (Kish 1965).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio of sums needs no more than 53 bits")]
    pub fn effective(self) -> f64 {
        let weight = real(self.all.weight);
        ratio(weight * weight, self.all.weight_squared as f64)
    }

    /// True with at least so many effective requests.
    #[must_use]
    pub fn has(self, requests: u64) -> bool {
        self.effective() + 1e-9 >= real(requests)
    }
}

/// What is kept of a [`Share`] to see how much shares wander.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Failing share, 0 to 1.
    pub share: f64,
    /// Effective number of requests.
    pub effective: f64,
}

impl From<Share> for Point {
    fn from(share: Share) -> Self {
        Self { share: share.share(), effective: share.effective() }
    }
}

/// What healthy windows of about one length show of one entry operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Mean of the share over windows with enough requests; over all requests if no window has;
    /// `None` without a request.
    pub mean: Option<f64>,
    /// Its standard deviation over these windows; `None` with fewer than two.
    pub spread: Option<f64>,
    /// All requests together.
    pub pooled: Share,
    /// By how much shares wander more than chance, as a ratio of variances, at least 1.
    pub inflation: f64,
}

impl Past {
    /// Summarises healthy windows; those without a request say nothing.
    pub(crate) fn of_windows(windows: &[Share], min_requests: u64) -> Self {
        let mut pooled = Share::default();
        let mut points = Vec::with_capacity(windows.len());
        for &window in windows.iter().filter(|w| w.all.n > 0) {
            pooled.merge(window);
            points.push(Point::from(window));
        }
        Self::of(&points, pooled, min_requests)
    }

    /// Summarises healthy windows, each with at least one request: how they wander is told by their
    /// points, how many there were by all of their requests together.
    #[must_use]
    pub fn of(points: &[Point], pooled: Share, min_requests: u64) -> Self {
        let least = real(min_requests);
        let large: Vec<f64> =
            points.iter().filter(|w| w.effective >= least).map(|w| w.share).collect();
        let k = real(large.len() as u64);
        let mean = match (points.is_empty(), large.is_empty()) {
            (true, _) => None,
            (false, true) => Some(pooled.share()),
            (false, false) => Some(large.iter().sum::<f64>() / k),
        };
        let spread = mean
            .filter(|_| large.len() >= 2)
            .map(|mean| (large.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (k - 1.0)).sqrt());
        let p = pooled.share();
        let chi_square: f64 =
            points.iter().map(|w| ratio((w.share - p).powi(2) * w.effective, p * (1.0 - p))).sum();
        let inflation = ratio(chi_square, real(points.len() as u64) - 1.0).max(1.0);
        Self { mean, spread, pooled, inflation }
    }

    /// Share now less mean share, in points of share.
    #[must_use]
    pub fn effect(&self, now: Share) -> f64 {
        now.share() - self.mean.unwrap_or(0.0)
    }

    /// True when a share lies above the minimum effect and the spread, be it by chance or not.
    #[must_use]
    pub fn exceeded_by(&self, now: Share, config: &Config) -> bool {
        let effect = self.effect(now);
        effect > config.min_effect && effect > config.spread_factor * self.spread.unwrap_or(0.0)
    }

    /// Judges the requests of a window; also says whether it would deviate if more of them had
    /// failed.
    #[must_use]
    pub fn judge(
        &self,
        entry: Component,
        kind: FailureKind,
        now: Share,
        config: &Config,
    ) -> (EntryFinding, bool) {
        let tested = self.mean.map(|_| self.table(now));
        let p_value = tested.as_ref().map(fisher_greater);
        let beyond =
            self.exceeded_by(now, config) && p_value.is_none_or(|p| p <= config.significance);
        let many = now.failed.n >= config.min_failures;
        // One request in a hundred is slow by definition: without a healthy share to compare with,
        // a slow share says nothing. An error share does.
        let told = self.mean.is_some() || kind == FailureKind::Error;
        let enough = now.has(config.min_requests) && told;
        let state = match (enough, beyond) {
            (false, _) => EntryState::TooFew,
            (true, false) => EntryState::Within,
            (true, true) if many => EntryState::Deviates,
            (true, true) => EntryState::TooFew,
        };
        let finding = EntryFinding {
            entry,
            kind,
            requests: now.all.n,
            failed: now.failed.n,
            share: now.share(),
            baseline_share: self.mean,
            baseline_spread: self.spread,
            effect: self.effect(now),
            tested,
            p_value,
            state,
        };
        (finding, enough && beyond && !many)
    }

    /// One-sided p-value of the excess of a window's requests over these.
    #[must_use]
    pub fn p_value(&self, now: Share) -> f64 {
        fisher_greater(&self.table(now))
    }

    /// The table behind the p-value, now (*with*) against these (*without*), in independent requests.
    #[must_use]
    pub fn table(&self, now: Share) -> Counts {
        let (failed_with, passed_with) = deflated(now, self.inflation, f64::floor);
        let (failed_without, passed_without) = deflated(self.pooled, self.inflation, f64::ceil);
        Counts { failed_with, failed_without, passed_with, passed_without }
    }
}

/// Failed and passed requests as that many independent ones would weigh.
#[expect(clippy::cast_possible_truncation, reason = "counts of requests")]
#[expect(clippy::cast_sign_loss, reason = "counts are not negative")]
fn deflated(share: Share, inflation: f64, round: fn(f64) -> f64) -> (u64, u64) {
    let all = share.effective() / inflation;
    let failed = all * share.share();
    // A whole number stays itself though computed in floating point.
    let near = failed.round();
    let failed = if (failed - near).abs() < 1e-6 { near } else { round(failed) };
    let failed = failed as u64;
    (failed, (all.round() as u64).saturating_sub(failed))
}
