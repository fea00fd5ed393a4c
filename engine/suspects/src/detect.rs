//! Does anything deviate, at which entry operation?
//!
//! Entry operations are judged one by one, or a change of mix would look like a fault, each by its
//! [`Share`].
//!
//! What is slow or unseen in a baseline window is judged by the *other* windows, so that healthy
//! windows and the window to be explained are treated alike. A lone baseline window must judge
//! itself: its slow share is then at most one in a hundred by construction, and the share of new
//! patterns is estimated by its singletons (Good 1953).

use resus_model::{EntryFinding, EntryState, FailureKind, Outcome};

use crate::Config;
use crate::align::{Aligned, View};
use crate::label::{Healthy, Label, Rule};
use crate::share::{Past, Share};

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

pub(crate) fn shares(aligned: &Aligned<'_>, view: &View<'_>, rule: &Rule) -> Vec<Share> {
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
    let past = Past::of_windows(windows, config.min_requests);
    let component = aligned.operation(aligned.entries[entry]);
    let (finding, short_of_failures) = past.judge(component, kind, now, config);
    Found { entry, finding, short_of_failures }
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
