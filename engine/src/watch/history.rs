//! What did one entry operation do in healthy windows?

use std::collections::BTreeMap;

use resus_model::{Component, Evidence, FailureKind, Outcome};
use resus_suspects::{Normal, Past, Point, Share, tally_entries};

use super::config::SCALES;
use super::rate::{Rate, WindowCount};

/// Requests of one entry operation in one pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PaneCount {
    /// All, whatever became of them.
    pub(super) requests: u64,
    /// By outcome.
    pub(super) errors: Share,
    /// By slowness and pattern.
    pub(super) slow: Share,
    /// Distinct seconds in which requests began that failed by their outcome.
    pub(super) failing_seconds: u32,
}

impl PaneCount {
    pub(super) const fn share(&self, kind: FailureKind) -> Share {
        match kind {
            FailureKind::Error => self.errors,
            FailureKind::SlowOrUnseen => self.slow,
        }
    }

    /// Adds the requests of another entry operation.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors.merge(other.errors);
        self.slow.merge(other.slow);
    }
}

/// Entry operations and what they did, pane by pane.
pub(super) type PanesByEntry = BTreeMap<Component, Vec<PaneCount>>;

/// Requests of one entry operation in one healthy window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct History {
    /// The number of the window.
    pub(super) window: u64,
    /// Its requests.
    pub(super) count: WindowCount,
    errors: Wandering,
    slow: Wandering,
}

/// How the share of one kind of failure wanders within a healthy window.
#[derive(Debug, Clone, PartialEq, Default)]
struct Wandering {
    /// Stretches of each scale that hold a request.
    points: [Vec<Point>; SCALES.len()],
    /// All together.
    pooled: Share,
}

impl Wandering {
    fn of(panes: impl Iterator<Item = Share>) -> Self {
        let panes: Vec<Share> = panes.collect();
        let total = |panes: &[Share]| {
            panes.iter().fold(Share::default(), |mut sum, &pane| {
                sum.merge(pane);
                sum
            })
        };
        let points = SCALES.map(|scale| {
            let stretches = panes.chunks(scale).map(total).filter(|s| s.all.n > 0);
            stretches.map(Point::from).collect()
        });
        Self { points, pooled: total(&panes) }
    }

    /// Of a window that cannot be cut: it stands for a stretch of any length.
    fn whole(share: Share) -> Self {
        let points = if share.all.n > 0 { vec![Point::from(share)] } else { Vec::new() };
        Self { points: SCALES.map(|_| points.clone()), pooled: share }
    }
}

impl History {
    pub(super) fn of(window: u64, panes: &[PaneCount]) -> Self {
        let count = WindowCount {
            panes: panes.len() as u64,
            requests: panes.iter().map(|p| p.requests).sum(),
            squares: panes.iter().map(|p| p.requests * p.requests).sum(),
        };
        let errors = Wandering::of(panes.iter().map(|p| p.errors));
        let slow = Wandering::of(panes.iter().map(|p| p.slow));
        Self { window, count, errors, slow }
    }

    /// Takes the slow requests of the window as a whole, where its panes were not judged by that.
    pub(super) fn set_slow(&mut self, share: Share) {
        if self.slow.pooled.all.n == 0 {
            self.slow = Wandering::whole(share);
        }
    }

    /// Requests that failed by their outcome, and all.
    pub(super) const fn errors(&self) -> Share {
        self.errors.pooled
    }

    const fn kind(&self, kind: FailureKind) -> &Wandering {
        match kind {
            FailureKind::Error => &self.errors,
            FailureKind::SlowOrUnseen => &self.slow,
        }
    }
}

/// What healthy windows show of one entry operation, ready to be compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    /// By kind of failure and scale.
    pasts: [[Past; SCALES.len()]; 2],
    /// How often it speaks.
    pub(super) rate: Rate,
}

impl Reference {
    /// `absent` are the windows in which it had no request.
    pub(super) fn of<'h>(
        history: impl Iterator<Item = &'h History> + Clone,
        absent: impl Iterator<Item = WindowCount>,
        min_requests: u64,
    ) -> Self {
        let past = |kind: FailureKind, scale: usize| {
            let (mut points, mut pooled) = (Vec::new(), Share::default());
            for of in history.clone().map(|h| h.kind(kind)) {
                points.extend_from_slice(&of.points[scale]);
                pooled.merge(of.pooled);
            }
            Past::of(&points, pooled, min_requests)
        };
        let pasts = [FailureKind::Error, FailureKind::SlowOrUnseen]
            .map(|kind| std::array::from_fn(|scale| past(kind, scale)));
        let counts: Vec<WindowCount> = history.map(|h| h.count).chain(absent).collect();
        Self { pasts, rate: Rate::of(&counts) }
    }

    pub(super) const fn past(&self, kind: FailureKind, scale: usize) -> &Past {
        match kind {
            FailureKind::Error => &self.pasts[0][scale],
            FailureKind::SlowOrUnseen => &self.pasts[1][scale],
        }
    }
}

/// Cuts a window into panes by the seconds in which its requests started. Durations are not kept by
/// second, so nothing is said of slow ones.
pub(super) fn panes_of(evidence: &Evidence, pane_ns: u64) -> PanesByEntry {
    const SECOND: u64 = 1_000_000_000;
    let first = evidence.window.from / pane_ns;
    let panes = evidence.window.to.div_ceil(pane_ns).saturating_sub(first).max(1);
    let panes = usize::try_from(panes).unwrap_or(usize::MAX).min(MAX_PANES);
    let mut by_entry = PanesByEntry::new();
    for class in &evidence.classes {
        let Some(entry) = class.key.entry else { continue };
        let counts = by_entry
            .entry(component(evidence, entry))
            .or_insert_with(|| vec![PaneCount::default(); panes]);
        for second in &class.seconds {
            let pane = (second.second.saturating_mul(SECOND) / pane_ns).saturating_sub(first);
            let pane = usize::try_from(pane).unwrap_or(usize::MAX).min(panes - 1);
            let count = &mut counts[pane];
            count.requests += second.tally.n;
            match class.key.outcome {
                Outcome::Failed => {
                    count.errors.failed.merge(second.tally);
                    count.errors.all.merge(second.tally);
                }
                Outcome::Passed | Outcome::Unlabelled => count.errors.all.merge(second.tally),
                Outcome::Cancelled | Outcome::Unknown => {}
            }
        }
    }
    by_entry
}

/// A given window is cut into at most so many panes: what lies beyond counts to the last.
const MAX_PANES: usize = 1 << 16;

fn component(evidence: &Evidence, operation: u32) -> Component {
    let key = evidence.operations[operation as usize];
    let text = |i: u32| evidence.names.text(i).to_owned();
    Component {
        service: text(key.service),
        namespace: text(key.namespace),
        operation: Some(text(key.operation)),
        instance: None,
        version: None,
        host: None,
    }
}

/// Slow requests of a window by entry operation, told by other healthy windows.
pub(super) fn slow_of(window: &Evidence, others: &Normal) -> BTreeMap<Component, Share> {
    tally_entries(window, Some(others)).into_iter().map(|t| (t.entry, t.slow)).collect()
}
