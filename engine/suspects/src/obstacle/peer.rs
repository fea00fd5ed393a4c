//! Does the fault lie in a callee that sends no spans? It is not ours to restart.
//!
//! Of such a callee only its callers' client spans tell. It is to blame when more of them fail, or are
//! slow, than in healthy windows, whoever calls and from wherever: one caller alone, or one instance of
//! a caller, has a problem of its own. A callee that sends spans in healthy windows is none of these,
//! however silent it is now: it has crashed.

use std::collections::{BTreeMap, BTreeSet};

use resus_model::{Bucket, Component, FailureKind, Histogram, Obstacle, Place, Tally};

use super::Scene;
use super::contrast::{Chance, Contrast, Side};
use super::growth::Growth;
use super::shared;
use super::thresholds::{P_VALUE_OF_REST, P_VALUE_OF_SPANS, QUIET, RELEVANT};
use crate::Config;
use crate::align::{Aligned, View};
use crate::coefficient::real;
use crate::label::sum;
use crate::share::{Past, Share};

/// PeerCalls of one operation to one callee.
#[derive(Debug, Clone, Default)]
struct PeerCalls {
    all: u64,
    failed: u64,
    durations: Histogram,
}

/// By the operation that calls (global number).
type Callers = BTreeMap<u32, PeerCalls>;
/// By the callee's name.
type Peers<'a> = BTreeMap<&'a str, Callers>;

/// A callee that is to blame.
pub(super) struct Blamed<'a> {
    pub name: &'a str,
    /// Services that call it, ascending.
    pub callers: Vec<Component>,
    pub contrast: Contrast,
    pub chance: Chance,
    /// Slow, not failing.
    pub slow: bool,
}

/// What is counted of a call.
#[derive(Debug, Clone, Copy)]
enum Measure {
    Failed,
    /// It takes longer than this bucket.
    Slow(Bucket),
}

impl Measure {
    fn of<'c>(self, calls: impl IntoIterator<Item = &'c PeerCalls>) -> Side {
        let mut side = Side::default();
        for calls in calls {
            let failed = match self {
                Self::Failed => calls.failed,
                Self::Slow(edge) => calls.durations.above(edge),
            };
            side.add(Side { failed, all: calls.all });
        }
        side
    }
}

/// Callees without spans that fail or are slow.
pub(super) fn find(scene: &Scene<'_>, growth: &Growth) -> Vec<Obstacle> {
    let aligned = scene.aligned;
    if aligned.baselines.is_empty() {
        return Vec::new();
    }
    let now = peers(&aligned.now);
    let before: Vec<Peers<'_>> = aligned.baselines.iter().map(peers).collect();
    let services: BTreeSet<&str> = aligned.services.iter().map(|s| s.0).collect();
    let search = Search { scene, aligned, growth, config: scene.config, tables: now.len() * 2 };
    let mut found = Vec::new();
    for (name, callers) in &now {
        if services.contains(name) {
            continue;
        }
        let silent = |operation: &u32| !is_answered(scene, *operation);
        let only = |callers: &Callers| -> Callers {
            let silent = callers.iter().filter(|(o, _)| silent(o));
            silent.map(|(o, calls)| (*o, calls.clone())).collect()
        };
        let past: Vec<Callers> =
            before.iter().map(|peers| peers.get(name).map(only).unwrap_or_default()).collect();
        if let Some(blamed) = search.judge(name, &only(callers), &past) {
            found.push(shared::obstacle(&blamed));
        }
    }
    found
}

fn peers<'a>(view: &View<'a>) -> Peers<'a> {
    let mut peers: Peers<'a> = BTreeMap::new();
    for peer in &view.evidence.peers {
        let operation = view.operations[peer.key.operation as usize];
        let name = view.evidence.names.text(peer.key.peer);
        let calls = peers.entry(name).or_default().entry(operation).or_default();
        calls.all += peer.calls;
        calls.failed += peer.failed;
        calls.durations.merge(&peer.durations);
    }
    peers
}

/// Whether a span of another service ever stood below an operation: then its callees send spans.
fn is_answered(scene: &Scene<'_>, operation: u32) -> bool {
    let service_of = |o: u32| scene.aligned.service_of[o as usize];
    let children = &scene.calls.children[operation as usize];
    children.iter().any(|&child| service_of(child) != service_of(operation))
}

struct Search<'s, 'a> {
    scene: &'s Scene<'a>,
    aligned: &'s Aligned<'a>,
    growth: &'s Growth,
    config: &'s Config,
    tables: usize,
}

impl Search<'_, '_> {
    fn judge<'n>(&self, name: &'n str, now: &Callers, past: &[Callers]) -> Option<Blamed<'n>> {
        let times = sum(past.iter().flat_map(BTreeMap::values).map(|c| &c.durations));
        let slow = times.quantile(990).map(Measure::Slow);
        let measures = std::iter::once(Measure::Failed).chain(slow);
        let (measure, contrast, chance) = measures
            .filter_map(|m| self.deviates(m, now.values(), past, |_| true).map(|(c, p)| (m, c, p)))
            .find(|&(measure, ..)| {
                self.is_relevant(measure, now)
                    && self.is_everywhere(measure, now, past)
                    && !self.is_one_instance(measure, now)
            })?;
        let callers: BTreeSet<u32> =
            now.keys().map(|&o| self.aligned.service_of[o as usize]).collect();
        Some(Blamed {
            name,
            callers: callers.into_iter().map(|s| self.aligned.service(s)).collect(),
            contrast,
            chance,
            slow: matches!(measure, Measure::Slow(_)),
        })
    }

    /// Holds calls against healthy windows: the contrast and its p-value, if more fail than should.
    fn deviates<'c>(
        &self,
        measure: Measure,
        now: impl Iterator<Item = &'c PeerCalls>,
        past: &[Callers],
        keep: impl Fn(u32) -> bool,
    ) -> Option<(Contrast, Chance)> {
        let now = measure.of(now);
        let windows: Vec<Side> = past
            .iter()
            .map(|w| measure.of(w.iter().filter(|(o, _)| keep(**o)).map(|(_, calls)| calls)))
            .collect();
        let mut without = Side::default();
        windows.iter().for_each(|&w| without.add(w));
        let contrast = Contrast { with: now, without };
        let config = self.config;
        if now.all < config.min_requests
            || now.failed < config.min_failures
            || without.all < config.min_requests
        {
            return None;
        }
        let shares: Vec<Share> = windows.into_iter().map(share).collect();
        let past = Past::of_windows(&shares, config.min_requests);
        let chance = Chance::of(past.table(share(now)), self.tables);
        (past.exceeded_by(share(now), config) && chance.p_value <= P_VALUE_OF_SPANS)
            .then_some((contrast, chance))
    }

    /// Whether what deviates in requests can come from these calls.
    fn is_relevant(&self, measure: Measure, callers: &Callers) -> bool {
        if !self.scene.detected.deviates() {
            return true;
        }
        match (measure, self.scene.detected.rule.kind()) {
            (Measure::Failed, FailureKind::Error) => {
                let view = &self.aligned.now;
                let began = self.scene.counted.rows.iter().filter(|row| {
                    let origins = &view.evidence.classes[row.class].key.origins;
                    origins.iter().any(|&o| callers.contains_key(&view.operations[o as usize]))
                });
                let began: u64 = began.map(|row| row.split.failed.n).sum();
                real(began) >= RELEVANT * real(self.scene.counted.total.failed.n)
            }
            (Measure::Slow(_), FailureKind::SlowOrUnseen) => {
                self.growth.part(callers.keys().copied()) >= RELEVANT
            }
            // Failed calls that somebody made good for, or slow ones beside errors.
            _ => true,
        }
    }

    /// Whether every service that calls often enough sees it: who does not is held against the others.
    fn is_everywhere(&self, measure: Measure, now: &Callers, past: &[Callers]) -> bool {
        let mut by_service: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &operation in now.keys() {
            let service = self.aligned.service_of[operation as usize];
            by_service.entry(service).or_default().push(operation);
        }
        let all = measure.of(now.values());
        by_service.values().all(|own| {
            let calls = || own.iter().map(|o| &now[o]);
            let here = measure.of(calls());
            let others = Contrast { with: all.less(here), without: here };
            let well = others.without.share() <= QUIET * others.with.share()
                && others.p_value(1) <= P_VALUE_OF_REST;
            !well || self.deviates(measure, calls(), past, |o| own.contains(&o)).is_some()
        })
    }

    /// Whether one instance of a caller alone sees it: then the callee is well.
    fn is_one_instance(&self, measure: Measure, now: &Callers) -> bool {
        let view = &self.aligned.now;
        let text = |n| view.evidence.names.text(n);
        let mut by_service: BTreeMap<(u32, u32), Vec<&Place>> = BTreeMap::new();
        for place in &view.evidence.places {
            by_service.entry((place.key.service, place.key.namespace)).or_default().push(place);
        }
        let calls: BTreeSet<(&str, &str)> = now
            .keys()
            .map(|&o| self.aligned.services[self.aligned.service_of[o as usize] as usize])
            .collect();
        let alone = |places: &Vec<&Place>| {
            let mut instances: BTreeMap<u32, Side> = BTreeMap::new();
            for place in places {
                let failed = match measure {
                    Measure::Failed => place.began,
                    Measure::Slow(edge) => place.self_times.above(edge),
                };
                let side = Side { failed, all: place.spans };
                instances.entry(place.key.instance).or_default().add(side);
            }
            let mut all = Side::default();
            instances.values().for_each(|&side| all.add(side));
            let Some(&worst) = instances.values().max_by_key(|side| side.failed) else {
                return false;
            };
            let contrast = Contrast { with: worst, without: all.less(worst) };
            contrast.without.all >= self.config.min_requests
                && contrast.without.share() <= QUIET * worst.share()
                && contrast.p_value(instances.len()) <= P_VALUE_OF_REST
        };
        let of_callers = by_service.iter().filter(|((service, namespace), _)| {
            calls.contains(&(text(*service), text(*namespace)))
        });
        let judged: Vec<bool> = of_callers.map(|(_, places)| alone(places)).collect();
        // Of several callers each would need a broken instance of its own.
        judged.len() == 1 && judged[0]
    }
}

/// PeerCalls as requests of weight one.
fn share(side: Side) -> Share {
    let tally = |n: u64| Tally {
        n,
        weight: n.saturating_mul(Tally::ONE),
        weight_squared: u128::from(n) * u128::from(Tally::ONE) * u128::from(Tally::ONE),
    };
    Share { failed: tally(side.failed), all: tally(side.all) }
}
