//! How likely is each component to be the cause, by all kinds of evidence together?
//!
//! A component is as suspect as its strongest evidence: faults show in one way or another, seldom in
//! all, so a mean would drown them. The probability that it is a cause is its strength to the power
//! [`SHARPNESS`] over the sum of all components' and that of [`THRESHOLD`], which stands for *none of
//! them*. These numbers and the three beside them were chosen on generated faults and on two real
//! systems, none per system; `resus-bench accuracy` prints how they hold, with other seeds too.

use std::collections::{BTreeMap, BTreeSet};

use resus_model::{Component, Finding, Level};

use crate::align::Aligned;
use crate::blame::{Blame, Blames};
use crate::deviation::{Calls, Deviation, Deviations, Item, Odd};

/// Strength from which a component is a suspect: so many times what healthy windows show at most,
/// half of the time. At it, *none of them* is as likely as the component.
pub(crate) const THRESHOLD: f64 = 2.5;

/// Strength from which a component is named beside one that has reached [`THRESHOLD`]: that something
/// is wrong is settled then, and faults come in pairs more often than from nowhere.
pub(crate) const ALSO: f64 = 1.9;

/// Strength from which a deviation witnesses what presence says: beyond what healthy windows show at
/// most, half of the time.
pub(crate) const WITNESS: f64 = 1.25;

/// How fast odds grow with strength.
const SHARPNESS: f64 = 6.0;

/// Standard deviations of blame that are worth one unit of strength.
const BLAME_TYPICAL: f64 = 1.5;

/// All that speaks against a component.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case<'a> {
    /// Its strongest evidence, in units of what healthy windows show.
    pub strength: f64,
    /// Probability that it is a cause.
    pub probability: f64,
    /// What deviates, strongest first.
    pub deviations: Vec<&'a Deviation>,
    /// What the failed requests say.
    pub blame: Option<Blame>,
    /// By what a replica differs from its peers.
    pub replica: Vec<Finding>,
}

/// Cases by component: service or operation (aligned).
pub(crate) fn cases<'a>(
    aligned: &Aligned<'_>,
    deviations: &'a Deviations,
    blames: &Blames,
    calls: &Calls,
    level: Level,
) -> BTreeMap<u32, Case<'a>> {
    let mut cases: BTreeMap<u32, Case<'a>> = BTreeMap::new();
    let misleading = misleading(aligned, deviations, calls);
    let services_misled: BTreeSet<u32> = misleading
        .values()
        .flatten()
        .map(|d| d.service)
        .chain(blames.misled.iter().copied())
        .collect();
    let service_of = |id: u32| match level {
        Level::Service => id,
        _ => aligned.service_of[id as usize],
    };
    for deviation in &deviations.found {
        let id = match level {
            Level::Service => Some(deviation.service),
            _ => deviation.operation,
        };
        let Some(id) = id else { continue };
        let case = cases.entry(id).or_default();
        // Failures of one who was misled, and complaints about them, are not its own.
        let misled = matches!(deviation.item, Item::Origins(_) | Item::ErrorEvents(_))
            && services_misled.contains(&service_of(id));
        if !misled && deviation.is_supported() {
            case.strength = case.strength.max(deviation.strength);
        }
        case.deviations.push(deviation);
    }
    let blamed = if level == Level::Service { &blames.services } else { &blames.operations };
    let most = blamed.values().map(|b| b.nats).fold(0.0, f64::max);
    for (&id, &blame) in blamed {
        let case = cases.entry(id).or_default();
        case.blame = Some(blame);
        case.strength = case.strength.max(strength(most, blame.nats));
    }
    if level == Level::Service {
        for (service, callers) in misleading {
            let case = cases.entry(service).or_default();
            let strongest = callers.iter().map(|d| d.strength).fold(0.0, f64::max);
            case.strength = case.strength.max(strongest);
            case.deviations.extend(callers);
        }
    }
    weigh(cases.values_mut());
    cases
}

/// Cases against replicas that differ from their peers.
pub(crate) fn of_replicas(odd: Vec<Odd>) -> Vec<(Component, Case<'static>)> {
    let mut cases: BTreeMap<Component, Case<'static>> = BTreeMap::new();
    for (component, finding) in odd {
        let case = cases.entry(component).or_default();
        case.strength = case.strength.max(finding.strength);
        case.replica.push(finding);
    }
    weigh(cases.values_mut());
    cases.into_iter().collect()
}

/// Services that do not fail themselves, while spans of each of their callers, two or more, fail by
/// themselves: one wrong answer for all is likelier than so many faults at a time. With the failures
/// of the callers, by service.
fn misleading<'a>(
    aligned: &Aligned<'_>,
    deviations: &'a Deviations,
    calls: &Calls,
) -> BTreeMap<u32, Vec<&'a Deviation>> {
    let mut throwing: BTreeMap<u32, &'a Deviation> = BTreeMap::new();
    for d in &deviations.found {
        if matches!(d.item, Item::Origins(_)) && d.strength >= THRESHOLD {
            throwing.entry(d.service).or_insert(d);
        }
    }
    if throwing.len() < 2 {
        return BTreeMap::new();
    }
    let service = |o: u32| aligned.service_of[o as usize];
    let mut callers: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (parent, children) in (0..).zip(&calls.children) {
        for &child in children {
            if service(parent) != service(child) {
                callers.entry(service(child)).or_default().insert(service(parent));
            }
        }
    }
    let all_throw = |callers: &BTreeSet<u32>| {
        callers.len() > 1 && callers.iter().all(|c| throwing.contains_key(c))
    };
    callers
        .into_iter()
        .filter(|(callee, callers)| !throwing.contains_key(callee) && all_throw(callers))
        .map(|(callee, callers)| (callee, callers.iter().map(|c| throwing[c]).collect()))
        .collect()
}

/// Strength of blame, where the most blamed component has `most` nats.
///
/// The signed root of twice a log-likelihood ratio is a standard normal deviate (Wilks 1938). Between
/// components odds go by the likelihoods themselves, so strength falls off such that its power
/// [`SHARPNESS`] does.
pub(crate) fn strength(most: f64, nats: f64) -> f64 {
    (2.0 * most.max(0.0)).sqrt() / BLAME_TYPICAL * ((nats - most) / SHARPNESS).exp()
}

fn weigh<'c, 'a: 'c>(cases: impl Iterator<Item = &'c mut Case<'a>>) {
    let power = |strength: f64| (strength / THRESHOLD).max(0.0).powf(SHARPNESS);
    let cases: Vec<&mut Case<'a>> = cases.collect();
    let all = 1.0 + cases.iter().map(|c| power(c.strength)).sum::<f64>();
    for case in cases {
        case.probability = power(case.strength) / all;
    }
}
