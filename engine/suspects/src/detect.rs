//! Does anything deviate, at which entry operation?
//!
//! Entry operations are judged one by one, or a change of mix would look like a fault. One *deviates*
//! when its failing share exceeds the mean over baseline windows by more than the minimum effect and
//! by more than a number of standard deviations between these windows, and when the excess is not
//! chance: a one-sided Fisher exact test against all baseline windows together, with all counts
//! divided first by their variance inflation (Rao and Scott, Biometrics 1992), which is that of
//! sampling weights times that of the wandering between windows (Pearson's chi-square over its
//! degrees of freedom, at least 1). Requests of one incident are not independent, so the effect
//! stands beside the p-value and both must convince.
//!
//! What is slow or unseen in a baseline window is judged by the *other* windows, so that healthy
//! windows and the window to be explained are treated alike. A lone baseline window must judge
//! itself: its slow share is then at most one in a hundred by construction, and the share of new
//! patterns is estimated by its singletons (Good 1953).

use resus_model::{Counts, EntryFinding, EntryState, FailureKind, Outcome, Tally};

use crate::Config;
use crate::align::{Aligned, View};
use crate::coefficient::{ratio, real};
use crate::label::{Healthy, Label, Rule, Split};
use crate::statistics::fisher_greater;

/// What detection says of one entry operation.
pub(crate) struct Found {
    /// Index into the aligned entries.
    pub entry: usize,
    /// What is reported.
    pub finding: EntryFinding,
    /// It would deviate if more requests had failed.
    pub short_of_failures: bool,
}

/// What detection says of all entry operations, for one kind of failure.
pub(crate) struct Detected {
    /// How failed requests are told.
    pub rule: Rule,
    /// One an entry operation that has requests now, largest effect first.
    pub found: Vec<Found>,
}

impl Detected {
    /// True when some entry operation deviates.
    pub(crate) fn deviates(&self) -> bool {
        self.found.iter().any(|f| f.finding.state == EntryState::Deviates)
    }

    /// Whether each aligned entry deviates.
    pub(crate) fn deviating(&self, entries: usize) -> Vec<bool> {
        let mut deviating = vec![false; entries];
        for f in &self.found {
            deviating[f.entry] = f.finding.state == EntryState::Deviates;
        }
        deviating
    }
}

/// Looks for entry operations that fail more than usual. Those without any outcome are not judged.
pub(crate) fn errors(aligned: &Aligned<'_>, config: &Config) -> Detected {
    let rule = Rule::Error;
    let mut labelled = vec![false; aligned.entries.len()];
    for (class, cell) in aligned.now.classes() {
        if let Some(cell) = cell
            && matches!(class.key.outcome, Outcome::Passed | Outcome::Failed)
        {
            labelled[aligned.entry_of(cell)] = true;
        }
    }
    let now = shares(aligned, &aligned.now, &rule);
    let windows: Vec<_> = aligned.baselines.iter().map(|v| shares(aligned, v, &rule)).collect();
    let found = (0..aligned.entries.len()).filter(|&e| labelled[e] && now[e].all.n > 0).map(|e| {
        let past: Vec<Share> = windows.iter().map(|w| w[e]).collect();
        find(aligned, e, FailureKind::Error, now[e], &past, config)
    });
    Detected { found: ranked(found), rule }
}

/// Looks for entry operations that are slow, or take paths never seen, more than usual. `None`
/// without a baseline.
pub(crate) fn slow_or_unseen(aligned: &Aligned<'_>, config: &Config) -> Option<Detected> {
    if aligned.baselines.is_empty() {
        return None;
    }
    let own: Vec<Healthy> = aligned.baselines.iter().map(|v| Healthy::of(aligned, v)).collect();
    let healthy = Healthy::all(aligned, &own);
    let windows: Vec<Vec<Share>> = if let [lone] = aligned.baselines.as_slice() {
        let rule = Rule::SlowOrUnseen(healthy.norms(aligned));
        let mut shares = shares(aligned, lone, &rule);
        for (share, singletons) in shares.iter_mut().zip(healthy.singletons(aligned)) {
            share.fail_more(singletons);
        }
        vec![shares]
    } else {
        let judged = aligned.baselines.iter().zip(&own).map(|(view, own)| {
            let rule = Rule::SlowOrUnseen(healthy.norms_without(aligned, own));
            shares(aligned, view, &rule)
        });
        judged.collect()
    };
    let rule = Rule::SlowOrUnseen(healthy.norms(aligned));
    let now = shares(aligned, &aligned.now, &rule);
    let unjudged = unjudged(aligned, &rule);
    let found = (0..aligned.entries.len()).filter(|&e| now[e].all.n + unjudged[e] > 0).map(|e| {
        let past: Vec<Share> = windows.iter().map(|w| w[e]).collect();
        find(aligned, e, FailureKind::SlowOrUnseen, now[e], &past, config)
    });
    Some(Detected { found: ranked(found), rule })
}

/// Requests of each entry that nothing healthy can be held against.
fn unjudged(aligned: &Aligned<'_>, rule: &Rule) -> Vec<u64> {
    let mut unjudged = vec![0; aligned.entries.len()];
    for (class, cell) in aligned.now.classes() {
        if let (Some(cell), Label::LeftOut(crate::label::Why::Unjudged, n)) =
            (cell, rule.label(class, cell))
        {
            unjudged[aligned.entry_of(cell)] += n;
        }
    }
    unjudged
}

/// Requests of one entry in one window.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    failed: Tally,
    all: Tally,
}

impl Share {
    fn add(&mut self, split: Split) {
        self.failed.merge(split.failed);
        self.all.merge(split.failed);
        self.all.merge(split.passed);
    }

    /// Counts some more of the requests as failed, at mean weight.
    fn fail_more(&mut self, n: u64) {
        let n = n.min(self.all.n - self.failed.n);
        self.failed.n += n;
        self.failed.weight += n * (self.all.weight / self.all.n.max(1));
    }

    /// Failing share by weight.
    fn share(self) -> f64 {
        ratio(real(self.failed.weight), real(self.all.weight))
    }

    /// Effective number of requests, `(Σw)² / Σw²` (Kish 1965).
    #[expect(clippy::cast_precision_loss, reason = "a ratio of sums needs no more than 53 bits")]
    fn effective(self) -> f64 {
        let weight = real(self.all.weight);
        ratio(weight * weight, self.all.weight_squared as f64)
    }
}

fn shares(aligned: &Aligned<'_>, view: &View<'_>, rule: &Rule) -> Vec<Share> {
    let mut shares = vec![Share::default(); aligned.entries.len()];
    for (class, cell) in view.classes() {
        if let (Some(cell), Label::Counted(split)) = (cell, rule.label(class, cell)) {
            shares[aligned.entry_of(cell)].add(split);
        }
    }
    shares
}

fn find(
    aligned: &Aligned<'_>,
    entry: usize,
    kind: FailureKind,
    now: Share,
    windows: &[Share],
    config: &Config,
) -> Found {
    let least = real(config.min_requests);
    let windows: Vec<Share> = windows.iter().copied().filter(|w| w.all.n > 0).collect();
    let past = Past::of(&windows, least);
    let share = now.share();
    let effect = share - past.mean.unwrap_or(0.0);
    let p_value = past.mean.map(|_| p_value(now, &past));
    let enough = now.effective() + 1e-9 >= least;
    let beyond = effect > config.min_effect
        && effect > config.spread_factor * past.spread.unwrap_or(0.0)
        && p_value.is_none_or(|p| p <= config.significance);
    let many = now.failed.n >= config.min_failures;
    // One request in a hundred is slow by definition: without a healthy share to compare with, a
    // slow share says nothing. An error share does.
    let enough = enough && (past.mean.is_some() || kind == FailureKind::Error);
    let state = match (enough, beyond) {
        (false, _) => EntryState::TooFew,
        (true, false) => EntryState::Within,
        (true, true) if many => EntryState::Deviates,
        (true, true) => EntryState::TooFew,
    };
    let finding = EntryFinding {
        entry: aligned.operation(aligned.entries[entry]),
        kind,
        requests: now.all.n,
        failed: now.failed.n,
        share,
        baseline_share: past.mean,
        baseline_spread: past.spread,
        effect,
        p_value,
        state,
    };
    Found { entry, finding, short_of_failures: enough && beyond && !many }
}

/// What healthy windows show of one entry.
struct Past {
    /// Mean of the share over windows with enough requests; over all requests if no window has.
    mean: Option<f64>,
    /// Its standard deviation over these windows.
    spread: Option<f64>,
    /// All requests together.
    pooled: Share,
    /// By how much shares wander more than chance, as a ratio of variances, at least 1.
    inflation: f64,
}

impl Past {
    fn of(windows: &[Share], least: f64) -> Self {
        let mut pooled = Share::default();
        for w in windows {
            pooled.failed.merge(w.failed);
            pooled.all.merge(w.all);
        }
        let large: Vec<f64> =
            windows.iter().filter(|w| w.effective() >= least).map(|w| w.share()).collect();
        let k = real(large.len() as u64);
        let mean = match (windows.is_empty(), large.is_empty()) {
            (true, _) => None,
            (false, true) => Some(pooled.share()),
            (false, false) => Some(large.iter().sum::<f64>() / k),
        };
        let spread = mean
            .filter(|_| large.len() >= 2)
            .map(|mean| (large.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (k - 1.0)).sqrt());
        let p = pooled.share();
        let chi_square: f64 = windows
            .iter()
            .map(|w| ratio((w.share() - p).powi(2) * w.effective(), p * (1.0 - p)))
            .sum();
        let inflation = ratio(chi_square, real(windows.len() as u64) - 1.0).max(1.0);
        Self { mean, spread, pooled, inflation }
    }
}

fn p_value(now: Share, past: &Past) -> f64 {
    let (failed_with, passed_with) = deflated(now, past.inflation, f64::floor);
    let (failed_without, passed_without) = deflated(past.pooled, past.inflation, f64::ceil);
    fisher_greater(&Counts { failed_with, failed_without, passed_with, passed_without })
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

/// Largest effect first, ties by text.
fn ranked(found: impl Iterator<Item = Found>) -> Vec<Found> {
    let mut found: Vec<Found> = found.collect();
    found.sort_by(|a, b| {
        let (a, b) = (&a.finding, &b.finding);
        b.effect.total_cmp(&a.effect).then_with(|| a.entry.cmp(&b.entry))
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::align;
    use crate::notation::evidence;

    const CONFIG: Config = Config::STANDARD;

    fn first(now: &str, past: &[&str], slow: bool) -> EntryFinding {
        let now = evidence(now);
        let past: Vec<_> = past.iter().map(|p| evidence(p)).collect();
        let aligned = align(&now, &past);
        let detected = if slow {
            slow_or_unseen(&aligned, &CONFIG).expect("there is a baseline")
        } else {
            errors(&aligned, &CONFIG)
        };
        detected.found[0].finding.clone()
    }

    #[test]
    fn an_excess_beyond_spread_and_effect_deviates() {
        let past = ["GET /: web x990\nGET /: web x10 fail", "GET /: web x980\nGET /: web x20 fail"];
        let f = first("GET /: web x900\nGET /: web x100 fail", &past, false);
        assert_eq!(f.state, EntryState::Deviates);
        assert!((f.baseline_share.expect("two windows") - 0.015).abs() < 1e-12);
        assert!((f.baseline_spread.expect("two windows") - 0.005 * 2.0_f64.sqrt()).abs() < 1e-12);
        assert!((f.effect - 0.085).abs() < 1e-12);
        assert!(f.p_value.expect("there is a baseline") < 1e-3);
        let f = first("GET /: web x970\nGET /: web x30 fail", &past, false);
        assert_eq!(f.state, EntryState::Within);
    }

    #[test]
    fn a_share_that_wanders_anyway_does_not() {
        let past = ["GET /: web x95\nGET /: web x5 fail", "GET /: web x75\nGET /: web x25 fail"];
        let f = first("GET /: web x70\nGET /: web x30 fail", &past, false);
        assert_eq!(f.state, EntryState::Within);
        // Without the wandering the same totals would deviate by the p-value of plain counts.
        assert!(f.p_value.expect("there is a baseline") > 0.05, "counts are deflated: {f:?}");
    }

    #[test]
    fn few_requests_or_few_failures_are_too_few() {
        let past = ["GET /: web x1000"];
        assert_eq!(first("GET /: web x19 fail", &past, false).state, EntryState::TooFew);
        let four = first("GET /: web x16\nGET /: web x4 fail", &past, false);
        assert_eq!(four.state, EntryState::TooFew);
        let five = first("GET /: web x16\nGET /: web x5 fail", &past, false);
        assert_eq!(five.state, EntryState::Deviates);
    }

    #[test]
    fn weights_make_fewer_effective_requests() {
        let past = ["GET /: web x1000"];
        let f = first("GET /: web x12 fail w=1\nGET /: web x1 w=1000 id=5", &past, false);
        assert_eq!((f.requests, f.failed), (13, 12));
        assert!((f.share - 12.0 / 1012.0).abs() < 1e-9);
        assert_eq!(f.state, EntryState::TooFew, "one heavy request is hardly more than one");
    }

    #[test]
    fn without_a_baseline_the_share_itself_is_the_effect() {
        let f = first("GET /: web x90\nGET /: web x10 fail", &[], false);
        assert_eq!((f.state, f.baseline_share, f.p_value), (EntryState::Deviates, None, None));
        assert!((f.effect - 0.1).abs() < 1e-12);
    }

    #[test]
    fn slowness_is_judged_in_healthy_windows_by_the_other_ones() {
        let past: [&str; 3] = [
            "GET /: web>a x400 dur=10ms\nGET /: web>b x8 dur=10ms",
            "GET /: web>a x400 dur=10ms\nGET /: web>c x8 dur=10ms",
            "GET /: web>a x400 dur=10ms\nGET /: web>d x8 dur=10ms",
        ];
        let f = first("GET /: web>a x400 dur=10ms\nGET /: web>e x8 dur=10ms", &past, true);
        assert!((f.baseline_share.expect("windows") - 8.0 / 408.0).abs() < 1e-12, "new paths each");
        assert_eq!(f.state, EntryState::Within);
        let f = first("GET /: web>a x60 dur=50ms\nGET /: web>a x340 dur=10ms", &past, true);
        assert_eq!((f.failed, f.state), (60, EntryState::Deviates));
    }

    #[test]
    fn a_lone_window_counts_its_singletons_as_new() {
        let past = ["GET /: web>a x398 dur=10ms\nGET /: web>b\nGET /: web>c"];
        let f = first("GET /: web>a x400 dur=10ms", &past, true);
        assert!((f.baseline_share.expect("a window") - 2.0 / 400.0).abs() < 1e-9);
        assert_eq!(f.baseline_spread, None);
    }
}
