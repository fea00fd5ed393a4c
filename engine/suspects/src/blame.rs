//! Whose fault are the failed requests: who threw, or who gave a wrong value to the one that threw?
//!
//! Three hypotheses a component, each with the likelihood of the failed requests that it accounts for
//! (a ratio against healthy windows, in nats):
//! - *it throws*: of the requests that it takes part in, a share fails at its own spans;
//! - *it misleads*: of the requests that it takes part in, a share fails at spans of its direct or
//!   indirect callers, which stumble over what it answered. Rarer, so it starts [`MISLEADS`] nats
//!   behind; it wins where several callers fail, or one that fails only when it has called it;
//! - *it meets*: the one that throws most does so mostly in requests with this one, too. Rarer still, and
//!   only heard where the pair accounts for clearly more than the one that throws alone.
//!
//! Counts are exact: they come from path classes, which know where failures began.

use std::collections::BTreeMap;

use resus_model::{ClassKey, Outcome};

use crate::align::{Aligned, View, remap};
use crate::coefficient::real;
use crate::deviation::Calls;
use crate::presence::Counted;

/// Nats that a hypothesis starts behind *throws*: odds of about 20 to 1.
const MISLEADS: f64 = 3.0;

/// ... of about 400 to 1.
const MEETS: f64 = 6.0;

/// A pair has to account for more than the one that throws by so many nats, beyond the logarithm of
/// the number of components that it was picked from.
const MEETS_GAIN: f64 = 5.0;

/// Requests that fail at a place now and before, and that have it at all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Failing {
    /// Failed requests that the hypothesis accounts for.
    pub failed: u64,
    /// Requests with the component.
    pub all: u64,
    /// The same in healthy windows.
    pub baseline_failed: u64,
    /// The same in healthy windows.
    pub baseline_all: u64,
}

impl Failing {
    /// Logarithm of the likelihood of the requests at their own failing share over that at the share
    /// of healthy windows (half a request more in each, Jeffreys); 0 where they fail less.
    pub(crate) fn log_likelihood_ratio(&self) -> f64 {
        let (k, n) = (real(self.failed), real(self.all));
        let usual = (real(self.baseline_failed) + 0.5) / (real(self.baseline_all) + 1.0);
        let usual = usual.max(LEAST_SHARE);
        if n <= 0.0 || k / n <= usual {
            return 0.0;
        }
        let share = k / n;
        let passed = if k < n { (n - k) * ((1.0 - share) / (1.0 - usual)).ln() } else { 0.0 };
        k * (share / usual).ln() + passed
    }
}

/// No component is thought to fail more rarely than this without a fault: it bounds what a single
/// failure can say.
const LEAST_SHARE: f64 = 0.001;

/// How a component is thought to be at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Requests fail at its spans.
    Throws,
    /// Requests fail at spans of its callers.
    Misleads,
    /// Requests fail at spans of another when it takes part, too.
    Meets,
}

impl How {
    const fn cost(self) -> f64 {
        match self {
            Self::Throws => 0.0,
            Self::Misleads => MISLEADS,
            Self::Meets => MEETS,
        }
    }
}

/// What the failed requests say of a component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Blame {
    /// The hypothesis that accounts for most.
    pub how: How,
    /// Its counts, of the component or of the operation of it that fits best.
    pub failing: Failing,
    /// The operation (aligned) that fits best; `None` for the component as a whole.
    pub operation: Option<u32>,
    /// Log-likelihood ratio less the penalty, nats.
    pub nats: f64,
    /// What the hypothesis starts behind, and the logarithm of how many it was picked from, nats.
    pub penalty: f64,
}

/// Blames by service and by operation, ascending.
#[derive(Debug, Default)]
pub(crate) struct Blames {
    /// By aligned service.
    pub services: BTreeMap<u32, Blame>,
    /// By aligned operation.
    pub operations: BTreeMap<u32, Blame>,
    /// Services that throw less than a callee accounts for.
    pub misled: Vec<u32>,
}

/// A class of requests, by services or by operations.
struct Row {
    /// Components that took part, ascending.
    present: Vec<u32>,
    /// Components where the failure began, ascending; empty where there is none.
    thrown: Vec<u32>,
    failed: u64,
    all: u64,
    healthy: bool,
}

impl Row {
    fn count(&self, into: &mut Failing, blamed: bool) {
        let failed = if blamed { self.failed } else { 0 };
        if self.healthy {
            into.baseline_failed += failed;
            into.baseline_all += self.all;
        } else {
            into.failed += failed;
            into.all += self.all;
        }
    }
}

/// Blames components for the failed requests of the entries that deviate.
pub(crate) fn blame(aligned: &Aligned<'_>, counted: &Counted, calls: &Calls) -> Blames {
    let mut rows = Vec::new();
    for row in &counted.rows {
        let class = &aligned.now.evidence.classes[row.class];
        let (failed, all) = (row.split.failed.n, row.split.failed.n + row.split.passed.n);
        rows.push(operations_of(&aligned.now, &class.key, calls, failed, all, false));
    }
    for view in &aligned.baselines {
        for (class, cell) in view.classes() {
            if cell.is_some() && matches!(class.key.outcome, Outcome::Passed | Outcome::Failed) {
                let failed = if class.key.outcome == Outcome::Failed { class.tally.n } else { 0 };
                let row = operations_of(view, &class.key, calls, failed, class.tally.n, true);
                rows.push(row);
            }
        }
    }
    // A client operation stands for its callee.
    let own = |o: u32| calls.answers(o) == o;
    let graph = Graph::of(aligned.operations.len(), |o| &calls.children[o as usize]);
    let operations = judge(aligned.operations.len(), &rows, &graph, own);

    let service = |o: u32| aligned.service_of[o as usize];
    for row in &mut rows {
        for list in [&mut row.present, &mut row.thrown] {
            list.iter_mut().for_each(|o| *o = service(*o));
            list.sort_unstable();
            list.dedup();
        }
    }
    let mut callees = vec![Vec::new(); aligned.services.len()];
    for (o, children) in (0..).zip(&calls.children) {
        callees[service(o) as usize].extend(children.iter().map(|&c| service(c)));
    }
    for list in &mut callees {
        list.sort_unstable();
        list.dedup();
    }
    let graph = Graph::of(aligned.services.len(), |s| &callees[s as usize]);
    let mut services = judge(aligned.services.len(), &rows, &graph, |_| true);
    let throws: BTreeMap<u32, f64> =
        services.iter().filter(|(_, b)| b.how == How::Throws).map(|(&s, b)| (s, b.nats)).collect();
    take_parts(aligned, &operations, &mut services);
    let misled = throws.iter().filter(|&(&s, &nats)| {
        let callees = callees[s as usize].iter().filter(|&&c| c != s);
        let of = |c: &u32| services.get(c).filter(|b| b.how == How::Misleads);
        callees.filter_map(of).any(|b| b.nats > nats.max(services[&s].nats))
    });
    let misled = misled.map(|(&s, _)| s).collect();
    Blames { services, operations, misled }
}

fn operations_of(
    view: &View<'_>,
    key: &ClassKey,
    calls: &Calls,
    failed: u64,
    all: u64,
    healthy: bool,
) -> Row {
    let mut present = remap(&view.operations, &key.operations);
    let mut thrown = remap(&view.operations, &key.origins);
    thrown.iter_mut().for_each(|o| *o = calls.answers(*o));
    // Who did not answer a call has no span, and is blamed all the same.
    present.extend(&thrown);
    for list in [&mut present, &mut thrown] {
        list.sort_unstable();
        list.dedup();
    }
    Row { present, thrown, failed, all, healthy }
}

/// Which components are below which in the graph of calls.
struct Graph<'c> {
    callees: Vec<&'c [u32]>,
    /// Nobody is seen to call anybody: who is below whom is not known.
    unknown: bool,
}

impl<'c> Graph<'c> {
    fn of(size: usize, callees: impl Fn(u32) -> &'c Vec<u32>) -> Self {
        let size = u32::try_from(size).expect("ids are u32");
        let callees: Vec<&[u32]> = (0..size).map(|c| callees(c).as_slice()).collect();
        let unknown = callees.iter().all(|c| c.is_empty());
        Self { callees, unknown }
    }

    /// True for everything that a component calls, directly or through others; not for itself.
    fn below(&self, component: u32) -> Vec<bool> {
        let mut below = vec![self.unknown; self.callees.len()];
        let mut open = vec![component];
        while let Some(c) = open.pop() {
            for &callee in self.callees[c as usize] {
                if !std::mem::replace(&mut below[callee as usize], true) {
                    open.push(callee);
                }
            }
        }
        below[component as usize] = false;
        below
    }
}

/// The best hypothesis for each component that accounts for anything.
fn judge(
    size: usize,
    rows: &[Row],
    graph: &Graph<'_>,
    heard: impl Fn(u32) -> bool,
) -> BTreeMap<u32, Blame> {
    let mut throws = vec![Failing::default(); size];
    let mut misleads = vec![Failing::default(); size];
    let mut below: BTreeMap<u32, Vec<bool>> = BTreeMap::new();
    for row in rows {
        for &thrower in row.thrown.iter().filter(|_| row.failed > 0) {
            below.entry(thrower).or_insert_with(|| graph.below(thrower));
        }
        for &c in &row.present {
            row.count(&mut throws[c as usize], row.thrown.binary_search(&c).is_ok());
            let misled = row.failed > 0 && row.thrown.iter().any(|t| below[t][c as usize]);
            row.count(&mut misleads[c as usize], misled);
        }
    }
    let mut best: BTreeMap<u32, Blame> = BTreeMap::new();
    let mut hear = |c: u32, how: How, failing: Failing| {
        let nats = failing.log_likelihood_ratio() - how.cost();
        if nats > 0.0 && heard(c) && best.get(&c).is_none_or(|b| nats > b.nats) {
            best.insert(c, Blame { how, failing, operation: None, nats, penalty: how.cost() });
        }
    };
    let mut most: Option<(f64, u32)> = None;
    for (c, failing) in (0..).zip(&throws) {
        hear(c, How::Throws, *failing);
        let nats = failing.log_likelihood_ratio();
        if nats > most.map_or(0.0, |(most, _)| most) {
            most = Some((nats, c));
        }
    }
    for (c, failing) in (0..).zip(&misleads) {
        hear(c, How::Misleads, *failing);
    }
    if let Some((alone, thrower)) = most {
        let enough = alone + MEETS_GAIN + (size.max(1) as f64).ln();
        for (c, failing) in (0..).zip(meets(size, rows, thrower)) {
            if c != thrower && failing.log_likelihood_ratio() > enough {
                hear(c, How::Meets, failing);
            }
        }
    }
    best
}

/// For each component, the requests that it and one that throws take part in.
fn meets(size: usize, rows: &[Row], thrower: u32) -> Vec<Failing> {
    let mut meets = vec![Failing::default(); size];
    for row in rows.iter().filter(|r| r.present.binary_search(&thrower).is_ok()) {
        let blamed = row.thrown.binary_search(&thrower).is_ok();
        for &c in &row.present {
            row.count(&mut meets[c as usize], blamed);
        }
    }
    meets
}

/// Lets a service be blamed by the operation of it that fits best, where that fits better.
fn take_parts(
    aligned: &Aligned<'_>,
    operations: &BTreeMap<u32, Blame>,
    services: &mut BTreeMap<u32, Blame>,
) {
    let mut of_service = vec![0_u32; aligned.services.len()];
    aligned.service_of.iter().for_each(|&s| of_service[s as usize] += 1);
    for (&operation, blame) in operations {
        let service = aligned.service_of[operation as usize];
        // The best of many operations fits well by luck more easily than the only one.
        let picked = f64::from(of_service[service as usize]).ln();
        let nats = blame.nats - picked;
        if nats > services.get(&service).map_or(0.0, |b| b.nats) {
            let penalty = blame.penalty + picked;
            let part = Blame { operation: Some(operation), nats, penalty, ..*blame };
            services.insert(service, part);
        }
    }
}
