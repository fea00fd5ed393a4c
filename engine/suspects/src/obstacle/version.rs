//! Does the fault follow a version? Then a rollback helps, and a restart brings the same version back.
//!
//! Versions of one service share its load, so their spans are held against each other in the same
//! window: those where failure began, and those that are slow. An instance that is broken makes its
//! version look broken; so either the version still stands out without its worst instance and its
//! worst host, or it is new: healthy windows know the service and not the version. Where all instances
//! are new there is nothing to hold them against but time, and the fault must have begun there.

use std::collections::BTreeMap;

use resus_model::{Bucket, Component, Evidence, Obstacle, ObstacleKind, Place};

use super::contrast::{Chance, Contrast, Side, list, percent};
use super::growth::Growth;
use super::thresholds::{DEPLOYED, P_VALUE_OF_REST, P_VALUE_OF_SPANS, QUIET, RELEVANT, SLOWER};
use crate::Config;
use crate::align::Aligned;
use crate::coefficient::{ratio, real};
use crate::label::sum;

/// Service and namespace.
type Service<'a> = (&'a str, &'a str);
/// Places of each version of each service.
type Versions<'a> = BTreeMap<Service<'a>, BTreeMap<&'a str, Vec<&'a Place>>>;

/// What is counted of a span.
#[derive(Debug, Clone, Copy)]
enum Measure {
    /// Failure began at it.
    Began,
    /// Its self-time lies above this bucket.
    Slow(Bucket),
}

impl Measure {
    fn of<'p>(self, places: impl IntoIterator<Item = &'p Place>) -> Side {
        let mut side = Side::default();
        for place in places {
            let failed = match self {
                Self::Began => place.began,
                Self::Slow(edge) => place.self_times.above(edge),
            };
            side.add(Side { failed, all: place.spans });
        }
        side
    }
}

/// Versions that the fault follows.
pub(super) fn find(aligned: &Aligned<'_>, growth: &Growth, config: &Config) -> Vec<Obstacle> {
    let now = versions(aligned.now.evidence);
    let before: Vec<Versions<'_>> =
        aligned.baselines.iter().map(|v| versions(v.evidence)).collect();
    let search = Search {
        aligned,
        growth,
        config,
        excess: excess(&now, &before),
        // A version alone is held against time: one table as well.
        tables: now.values().map(|v| if v.len() > 1 { v.len() } else { 1 }).sum::<usize>() * 2,
        before: &before,
    };
    let mut found = Vec::new();
    for (&service, versions) in &now {
        let of_service = if versions.len() > 1 {
            versions.keys().filter_map(|v| search.against_others(service, versions, v)).collect()
        } else {
            search.against_time(service, versions).into_iter().collect::<Vec<_>>()
        };
        found.extend(of_service);
    }
    found
}

fn versions(evidence: &Evidence) -> Versions<'_> {
    let mut versions: Versions<'_> = BTreeMap::new();
    let text = |n| evidence.names.text(n);
    for place in &evidence.places {
        let version = text(place.key.version);
        if !version.is_empty() {
            let service = (text(place.key.service), text(place.key.namespace));
            versions.entry(service).or_default().entry(version).or_default().push(place);
        }
    }
    versions
}

/// Spans where failure began beyond those expected by healthy windows, over all services.
fn excess(now: &Versions<'_>, before: &[Versions<'_>]) -> f64 {
    let of = |versions: &Versions<'_>, service: &Service<'_>| {
        let all = versions.get(service).into_iter().flat_map(BTreeMap::values).flatten();
        Measure::Began.of(all.copied())
    };
    let excess = now.keys().map(|service| {
        let mut past = Side::default();
        before.iter().for_each(|versions| past.add(of(versions, service)));
        let here = of(now, service);
        (real(here.failed) - past.share() * real(here.all)).max(0.0)
    });
    excess.sum()
}

struct Search<'s, 'a> {
    aligned: &'s Aligned<'a>,
    growth: &'s Growth,
    config: &'s Config,
    before: &'s [Versions<'a>],
    /// New failures of all services.
    excess: f64,
    /// Tables that are looked at.
    tables: usize,
}

impl Search<'_, '_> {
    /// Holds a version against the others of its service.
    fn against_others(
        &self,
        service: Service<'_>,
        versions: &BTreeMap<&str, Vec<&Place>>,
        version: &str,
    ) -> Option<Obstacle> {
        let own = versions.get(version)?;
        let others: Vec<&Place> =
            versions.iter().filter(|(v, _)| **v != version).flat_map(|(_, p)| p).copied().collect();
        let mut measures = vec![Measure::Began];
        let times = sum(others.iter().map(|p| &p.self_times));
        measures.extend(times.quantile(990).map(Measure::Slow));
        for measure in measures {
            let side = |places: &[&Place]| measure.of(places.iter().copied());
            let contrast = Contrast { with: side(own), without: side(&others) };
            let chance = contrast.chance(self.tables);
            let clear = chance.p_value <= P_VALUE_OF_SPANS && self.stands_out(contrast, measure);
            if !clear || !self.is_relevant(service, contrast, measure) {
                continue;
            }
            if !self.is_new(service, version) {
                let usual = self.usual(service, version, measure);
                let parts = [|p: &Place| p.key.instance, |p: &Place| p.key.host];
                let alone = parts
                    .iter()
                    .any(|part| !self.stands_without_worst(own, contrast.without, measure, part));
                if alone || contrast.effect() < 2.0 * usual {
                    continue;
                }
            }
            let names: Vec<String> =
                versions.keys().filter(|v| **v != version).map(|v| (*v).to_owned()).collect();
            let others = format!("{} in {}", list(&names), percent(contrast.without.share()));
            return Some(self.obstacle(service, version, contrast, chance, measure, &others));
        }
        None
    }

    /// Holds a service whose instances are all of a new version against its own past.
    fn against_time(
        &self,
        service: Service<'_>,
        versions: &BTreeMap<&str, Vec<&Place>>,
    ) -> Option<Obstacle> {
        let (version, own) = versions.first_key_value()?;
        if !self.is_new(service, version) {
            return None;
        }
        let past: Vec<&Place> = self
            .before
            .iter()
            .filter_map(|versions| versions.get(&service))
            .flat_map(BTreeMap::values)
            .flatten()
            .copied()
            .collect();
        let mut measures = vec![Measure::Began];
        let times = sum(past.iter().map(|p| &p.self_times));
        measures.extend(times.quantile(990).map(Measure::Slow));
        for measure in measures {
            let side = |places: &[&Place]| measure.of(places.iter().copied());
            let contrast = Contrast { with: side(own), without: side(&past) };
            let chance = contrast.chance(self.tables);
            let clear = chance.p_value <= P_VALUE_OF_SPANS && self.stands_out(contrast, measure);
            if clear && self.accounts_for(service, contrast, measure) >= DEPLOYED {
                let share = percent(contrast.without.share());
                let others = format!("the version before in {share}");
                return Some(self.obstacle(service, version, contrast, chance, measure, &others));
            }
        }
        None
    }

    fn stands_out(&self, contrast: Contrast, measure: Measure) -> bool {
        let Contrast { with, without } = contrast;
        let Config { min_requests, min_failures, min_effect, .. } = *self.config;
        let effect = match measure {
            Measure::Began => min_effect,
            Measure::Slow(_) => SLOWER,
        };
        with.all >= min_requests
            && without.all >= min_requests
            && with.failed >= min_failures
            && contrast.effect() > effect
            && without.share() <= QUIET * with.share()
    }

    /// Whether the version still stands out when the part of it that fails most is left out.
    fn stands_without_worst(
        &self,
        own: &[&Place],
        others: Side,
        measure: Measure,
        part: &dyn Fn(&Place) -> u32,
    ) -> bool {
        let mut parts: BTreeMap<u32, Side> = BTreeMap::new();
        for place in own {
            parts.entry(part(place)).or_default().add(measure.of([*place]));
        }
        let all = measure.of(own.iter().copied());
        let Some(worst) = parts.into_values().max_by_key(|side| side.failed) else { return false };
        let rest = Contrast { with: all.less(worst), without: others };
        self.stands_out(rest, measure) && rest.p_value(1) <= P_VALUE_OF_REST
    }

    /// Whether healthy windows know the service, and not this version of it.
    fn is_new(&self, service: Service<'_>, version: &str) -> bool {
        let mut known = self.before.iter().filter_map(|versions| versions.get(&service)).peekable();
        known.peek().is_some() && known.all(|versions| !versions.contains_key(version))
    }

    /// By how much the version exceeds the others in healthy windows.
    fn usual(&self, service: Service<'_>, version: &str, measure: Measure) -> f64 {
        let mut usual = Contrast { with: Side::default(), without: Side::default() };
        for versions in self.before.iter().filter_map(|versions| versions.get(&service)) {
            for (v, places) in versions {
                let side = if *v == version { &mut usual.with } else { &mut usual.without };
                side.add(measure.of(places.iter().copied()));
            }
        }
        usual.effect()
    }

    /// The part of what is new that the version accounts for.
    fn accounts_for(&self, service: Service<'_>, contrast: Contrast, measure: Measure) -> f64 {
        match measure {
            Measure::Began => {
                let expected = contrast.without.share() * real(contrast.with.all);
                ratio(real(contrast.with.failed) - expected, self.excess)
            }
            Measure::Slow(_) => {
                let own = |o: &u32| {
                    let (name, namespace, _) = self.aligned.operations[*o as usize];
                    (name, namespace) == service
                };
                let operations = u32::try_from(self.aligned.operations.len());
                let all = 0..operations.expect("fewer than 2^32 operations");
                self.growth.part(all.filter(own))
            }
        }
    }

    fn is_relevant(&self, service: Service<'_>, contrast: Contrast, measure: Measure) -> bool {
        self.accounts_for(service, contrast, measure) >= RELEVANT
    }

    fn obstacle(
        &self,
        (name, namespace): Service<'_>,
        version: &str,
        contrast: Contrast,
        chance: Chance,
        measure: Measure,
        others: &str,
    ) -> Obstacle {
        let service = Component {
            service: name.to_owned(),
            namespace: namespace.to_owned(),
            operation: None,
            instance: None,
            version: None,
            host: None,
        };
        let share = percent(contrast.with.share());
        let what = match measure {
            Measure::Began => format!("fails in {share} of its spans"),
            Measure::Slow(_) => format!("is slow in {share} of its spans"),
        };
        Obstacle {
            kind: ObstacleKind::Version,
            subject: format!("{service} version {version}"),
            sentence: format!(
                "{service} {version} {what}, {others}: roll back, a restart brings {version} back"
            ),
            victims: vec![service],
            counts: contrast.counts(),
            effect: contrast.effect(),
            tested: chance.tested,
            tables: chance.tables,
            p_value: chance.p_value,
            load: Vec::new(),
        }
    }
}
