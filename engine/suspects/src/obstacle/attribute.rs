//! Does the fault follow an attribute of requests: a tenant, a role, a variant? Then these requests
//! are to be kept apart, and a restart brings nothing.
//!
//! After Chen et al., "Failure diagnosis using decision trees" (ICAC 2004): split by information gain,
//! leave noise out, let one attribute stand for others that say the same, rank by failures explained.
//! The tree has two levels. First the component that goes with the failures most closely: only its
//! requests are looked into, so that whoever alone uses a broken component is not taken for the cause
//! of its failures. Then the attribute. The entry operation is no attribute here: it is a component
//! itself, and what is broken below it explains its failures.
//!
//! Failures are told by the outcome at all entry operations, and by slowness at those that are slow.

use std::collections::BTreeMap;

use resus_model::{
    Component, EntryState, FailureKind, Histogram, MarginalKind, OVERFLOW_VALUE, Obstacle,
    ObstacleKind, PathClass, Tally,
};

use super::contrast::{Chance, Contrast, Side, list, percent};
use super::thresholds::{COVERS, GAIN, MINORITY, NOISE, P_VALUE, QUIET, SHARPER, SUBSUMED, WITHIN};
use crate::align::{Aligned, remap};
use crate::coefficient::{ratio, real};
use crate::detect::Detected;
use crate::label::{Label, Rule};
use crate::{Coefficient, Config};

/// Attributes that failures follow, those that explain most first.
pub(super) fn find(aligned: &Aligned<'_>, detected: &Detected, config: &Config) -> Vec<Obstacle> {
    if aligned.now.evidence.attributes.is_empty() {
        return Vec::new();
    }
    let errors = Requests::of(aligned, &Rule::Error, vec![true; aligned.entries.len()]);
    let found = look(&errors, 0.0, config);
    if !found.is_empty() || detected.rule.kind() == FailureKind::Error {
        return found;
    }
    let deviates = |f: &&crate::detect::Found| f.finding.state == EntryState::Deviates;
    let usual: Vec<f64> =
        (detected.found.iter().filter(deviates)).filter_map(|f| f.finding.baseline_share).collect();
    let usual = ratio(usual.iter().sum(), real(usual.len() as u64));
    let deviating = detected.deviating(aligned.entries.len());
    look(&Requests::of(aligned, &detected.rule, deviating), usual, config)
}

/// The requests of the window to be explained, failed and passed.
struct Requests<'r> {
    aligned: &'r Aligned<'r>,
    rule: &'r Rule,
    /// Entry operations whose failed requests count.
    entries: Vec<bool>,
    /// One a class.
    classes: Vec<Side>,
}

impl<'r> Requests<'r> {
    fn of(aligned: &'r Aligned<'r>, rule: &'r Rule, entries: Vec<bool>) -> Self {
        let mut requests = Self { aligned, rule, entries, classes: Vec::new() };
        let now = &aligned.now;
        let of = |(class, cell): (&PathClass, Option<u32>)| {
            requests.side(class, cell, class.tally, &class.durations)
        };
        requests.classes = now.classes().map(of).collect();
        requests
    }

    /// Some requests of a class; those on neither side are left out.
    fn side(
        &self,
        class: &PathClass,
        cell: Option<u32>,
        tally: Tally,
        durations: &Histogram,
    ) -> Side {
        let label = self.rule.label_part(class, cell, tally, durations);
        let (Label::Counted(split), Some(cell)) = (label, cell) else { return Side::default() };
        let counts = self.entries[self.aligned.entry_of(cell)];
        let failed = if counts { split.failed.n } else { 0 };
        Side { failed, all: failed + split.passed.n }
    }

    /// The same by the number of a class.
    fn part(&self, class: u32, tally: Tally, durations: &Histogram) -> Side {
        let now = &self.aligned.now;
        let class = class as usize;
        self.side(&now.evidence.classes[class], now.cells[class], tally, durations)
    }
}

/// Requests in which the component took part that goes with the failures most closely.
struct Universe {
    /// The component, if one is on nearly all failed requests.
    component: Option<Component>,
    /// Whether each class belongs to it.
    classes: Vec<bool>,
    all: Side,
}

impl Universe {
    fn of(requests: &Requests<'_>) -> Self {
        let aligned = requests.aligned;
        let mut all = Side::default();
        requests.classes.iter().for_each(|&side| all.add(side));
        // Services stand behind operations.
        let operations = aligned.operations.len();
        let members = |class: &PathClass, numbers: &[u32]| -> Vec<usize> {
            let own = remap(numbers, &class.key.operations);
            let mut services: Vec<usize> =
                own.iter().map(|&o| aligned.service_of[o as usize] as usize + operations).collect();
            services.dedup();
            own.iter().map(|&o| o as usize).chain(services).collect()
        };
        let mut with = vec![Side::default(); operations + aligned.services.len()];
        let now = &aligned.now;
        for (class, side) in now.evidence.classes.iter().zip(&requests.classes) {
            members(class, &now.operations).into_iter().for_each(|m| with[m].add(*side));
        }
        // What is called only when something fails (a fallback) goes with failure and explains none.
        let mut usual = vec![0; with.len()];
        let mut total = 0;
        for view in &aligned.baselines {
            for class in &view.evidence.classes {
                total += class.tally.n;
                for m in members(class, &view.operations) {
                    usual[m] += class.tally.n;
                }
            }
        }
        let requests_now: u64 = now.evidence.classes.iter().map(|c| c.tally.n).sum();
        let is_usual = |m: usize| {
            let share = |n: u64, all: u64| ratio(real(n), real(all));
            match total {
                0 => m >= operations,
                _ => 2.0 * share(usual[m], total) >= share(with[m].all, requests_now),
            }
        };
        let covers = |m: &usize| real(with[*m].failed) >= COVERS * real(all.failed);
        let best = (0..with.len())
            .filter(covers)
            .filter(|&m| is_usual(m))
            .map(|m| (ochiai(with[m], all), m))
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        let Some((_, best)) = best else {
            let classes = vec![true; requests.classes.len()];
            return Self { component: None, classes, all };
        };
        let number = |m: usize| u32::try_from(m).expect("fewer than 2^32 components");
        let component = if best < operations {
            aligned.operation(number(best))
        } else {
            aligned.service(number(best - operations))
        };
        let on_it = |class: &PathClass| members(class, &now.operations).contains(&best);
        Self {
            component: Some(component),
            classes: now.evidence.classes.iter().map(on_it).collect(),
            all: with[best],
        }
    }
}

fn ochiai(with: Side, all: Side) -> f64 {
    Coefficient::Ochiai.of(&Contrast { with, without: all.less(with) }.counts())
}

/// A leaf of the tree: values of one attribute.
struct Leaf<'a> {
    attribute: &'a str,
    values: Vec<&'a str>,
    contrast: Contrast,
    chance: Chance,
    gain: f64,
}

fn look(requests: &Requests<'_>, usual: f64, config: &Config) -> Vec<Obstacle> {
    let universe = Universe::of(requests);
    if universe.all.failed < config.min_failures {
        return Vec::new();
    }
    let evidence = requests.aligned.now.evidence;
    let text = |n| evidence.names.text(n);
    let mut values: BTreeMap<&str, BTreeMap<&str, Side>> = BTreeMap::new();
    for a in &evidence.attributes {
        if universe.classes[a.class as usize] && text(a.value) != OVERFLOW_VALUE {
            let side = requests.part(a.class, a.tally, &a.durations);
            let of = values.entry(text(a.attribute)).or_default();
            of.entry(text(a.value)).or_default().add(side);
        }
    }
    let tables = values.values().map(BTreeMap::len).sum();
    let mut leaves: Vec<Leaf<'_>> = values
        .iter()
        .filter_map(|(attribute, values)| {
            leaf(attribute, values, universe.all, usual, tables, config)
        })
        .collect();
    leaves.retain(|leaf| !explained_by_place(requests, &universe, leaf.contrast));
    leaves.sort_by(|a, b| {
        b.contrast.with.failed.cmp(&a.contrast.with.failed).then(b.gain.total_cmp(&a.gain))
    });
    let mut kept: Vec<Leaf<'_>> = Vec::new();
    for leaf in leaves {
        if !kept.iter().any(|k| subsumes(requests, &universe, k, &leaf)) {
            kept.push(leaf);
        }
    }
    let slow = requests.rule.kind() == FailureKind::SlowOrUnseen;
    kept.iter().map(|leaf| obstacle(leaf, &universe, slow)).collect()
}

/// The values of an attribute that the failures lie within, if they do.
fn leaf<'a>(
    attribute: &'a str,
    values: &BTreeMap<&'a str, Side>,
    all: Side,
    usual: f64,
    tables: usize,
    config: &Config,
) -> Option<Leaf<'a>> {
    let mut chosen = Vec::new();
    let mut with = Side::default();
    for (&value, &side) in values {
        let contrast = Contrast { with: side, without: all.less(side) };
        let loud = real(side.failed) >= NOISE * real(all.failed);
        if loud && contrast.effect() > 0.0 && contrast.p_value(tables) <= P_VALUE {
            chosen.push(value);
            with.add(side);
        }
    }
    let contrast = Contrast { with, without: all.less(with) };
    let beyond = |side: Side| (real(side.failed) - usual * real(side.all)).max(0.0);
    let gain = gain(contrast);
    let chance = contrast.chance(tables);
    let holds = !chosen.is_empty()
        && with.failed >= config.min_failures
        && contrast.without.all >= config.min_requests
        && contrast.effect() > config.min_effect
        && contrast.without.share() <= QUIET * with.share()
        && beyond(with) >= WITHIN * (beyond(with) + beyond(contrast.without))
        && real(with.all) <= MINORITY * real(all.all)
        && gain >= GAIN
        && chance.p_value <= P_VALUE;
    holds.then_some(Leaf { attribute, values: chosen, contrast, chance, gain })
}

/// The part of the entropy of failure that the split takes away, 0 to 1 (Quinlan 1986).
fn gain(contrast: Contrast) -> f64 {
    let entropy = |side: Side| {
        let p = side.share();
        let term = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
        term(p) + term(1.0 - p)
    };
    let Contrast { with, without } = contrast;
    let mut all = with;
    all.add(without);
    let after = [with, without].map(|s| ratio(real(s.all), real(all.all)) * entropy(s));
    ratio(entropy(all) - after[0] - after[1], entropy(all))
}

/// Whether an instance or a host goes with the failures as sharply as the values do: tenants that are
/// served by one instance alone cannot be told from it, and a restart may help.
fn explained_by_place(requests: &Requests<'_>, universe: &Universe, contrast: Contrast) -> bool {
    let evidence = requests.aligned.now.evidence;
    let mut places: BTreeMap<(MarginalKind, u32, u32, u32), Side> = BTreeMap::new();
    for m in &evidence.marginals {
        let key = &m.key;
        let known = matches!(key.kind, MarginalKind::Instance | MarginalKind::Host);
        if known && universe.classes[key.class as usize] {
            let side = requests.part(key.class, m.tally, &m.durations);
            let place = (key.kind, key.service, key.namespace, key.value);
            places.entry(place).or_default().add(side);
        }
    }
    let own = ochiai(contrast.with, universe.all);
    places.into_values().any(|place| {
        let covers = real(place.failed) >= COVERS * real(contrast.with.failed);
        covers && ochiai(place, universe.all) * SHARPER >= own
    })
}

/// Whether the sample of attributes shows that failed requests of one leaf are those of another.
fn subsumes(
    requests: &Requests<'_>,
    universe: &Universe,
    kept: &Leaf<'_>,
    leaf: &Leaf<'_>,
) -> bool {
    let evidence = requests.aligned.now.evidence;
    let (mut both, mut own) = (0_u64, 0_u64);
    for row in &evidence.attribute_rows {
        let class = row.class as usize;
        let side = requests.classes[class];
        // Only of classes whose requests all failed is it known that these did.
        if !universe.classes[class] || side.failed < side.all.max(1) {
            continue;
        }
        let is_in = |leaf: &Leaf<'_>| {
            row.values.iter().any(|&(attribute, value)| {
                evidence.names.text(attribute) == leaf.attribute
                    && leaf.values.contains(&evidence.names.text(value))
            })
        };
        if is_in(leaf) {
            own += 1;
            both += u64::from(is_in(kept));
        }
    }
    own > 0 && real(both) >= SUBSUMED * real(own)
}

fn obstacle(leaf: &Leaf<'_>, universe: &Universe, slow: bool) -> Obstacle {
    let Leaf { attribute, values, contrast, chance, .. } = leaf;
    let pairs: Vec<String> = values.iter().map(|value| format!("{attribute}={value}")).collect();
    let pairs = list(&pairs);
    let verb = if slow { "are slow" } else { "fail" };
    let on = match &universe.component {
        Some(component) => format!(" on {component}"),
        None => String::new(),
    };
    let sentence = format!(
        "{} of requests with {pairs}{on} {verb}, {} of the others there: keep these requests apart, \
         a restart does not change them",
        percent(contrast.with.share()),
        percent(contrast.without.share()),
    );
    Obstacle {
        kind: ObstacleKind::Attribute,
        subject: pairs,
        victims: Vec::new(),
        counts: contrast.counts(),
        effect: contrast.effect(),
        tested: chance.tested,
        tables: chance.tables,
        p_value: chance.p_value,
        load: Vec::new(),
        sentence,
    }
}
