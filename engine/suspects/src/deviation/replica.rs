//! Does one replica of a service differ from its peers?
//!
//! Replicas share the load of their service, so within one window each is held against the others, span
//! by span: the share of spans that fail by themselves, and the mean logarithm of self-times. What a
//! replica differs by in healthy windows too (an older machine, an unlucky neighbour) is taken off, and
//! the rest is measured by how much replicas of that service wander. Strength is as elsewhere: in units
//! of the largest that healthy windows show.

use std::collections::BTreeMap;

use resus_model::{Component, EvidenceKind, Finding, Histogram, Sample};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::contrast::{Difference, FLOOR_FREEDOM, compare, median};
use super::item::Item;
use super::sums::Sums;
use super::times::{Logarithms, offset};
use super::{LEAST_TYPICAL, SUPPORT, UNKNOWN_TYPICAL};
use crate::align::{Aligned, View};
use crate::coefficient::real;
use crate::finding::whole;

/// Peers with fewer spans together say nothing.
const LEAST_PEER_SPANS: f64 = 20.0;

/// What is measured; the numbers of the items are not used.
const MEASURES: [(Item, EvidenceKind); 2] = [
    (Item::Origins(0), EvidenceKind::ReplicaErrors),
    (Item::SelfTime(0), EvidenceKind::ReplicaTimes),
];

/// Service and namespace.
type Service<'a> = (&'a str, &'a str);

/// Sums of one replica, a value a measure, and its times.
#[derive(Default)]
struct Replica {
    sums: [Sums; MEASURES.len()],
    times: Histogram,
}

type Replicas<'a> = BTreeMap<Service<'a>, BTreeMap<&'a str, Replica>>;

/// A replica as a component, with what speaks against it.
pub(crate) type Odd = (Component, Finding);

/// Replicas that differ from their peers, strongest first.
pub(crate) fn replicas(aligned: &Aligned<'_>) -> Vec<Odd> {
    if aligned.baselines.is_empty() {
        return Vec::new();
    }
    let offset_us = offset(aligned);
    let logarithms = Logarithms::of(offset_us);
    let now = of_window(&aligned.now, &logarithms, true);
    let healthy: Vec<Replicas<'_>> =
        aligned.baselines.iter().map(|view| of_window(view, &logarithms, false)).collect();
    let mut odd = Vec::new();
    for (m, &(item, kind)) in MEASURES.iter().enumerate() {
        let mut largest = vec![0.0_f64; healthy.len()];
        let mut found: Vec<(f64, Odd)> = Vec::new();
        for (&service, own) in now.iter().filter(|(_, own)| own.len() > 1) {
            let past = Past::of(service, &healthy, m, item);
            past.largest(&mut largest);
            for (&instance, replica) in own {
                let Some(d) = against_peers(own, instance, m, item) else { continue };
                if item.is_count() && d.sum < SUPPORT {
                    continue;
                }
                let mut finding = past.finding(instance, d, item, kind);
                if finding.z <= 0.0 {
                    continue;
                }
                if !item.is_count() {
                    finding.offset_us = Some(offset_us);
                    let mut peers = Histogram::new();
                    let others = own.iter().filter(|(other, _)| **other != instance);
                    others.for_each(|(_, other)| peers.merge(&other.times));
                    finding.times = Some(Box::new((replica.times.clone(), peers)));
                }
                found.push((finding.z, (component(service, instance), finding)));
            }
        }
        let typical = match healthy.len() {
            0 | 1 => UNKNOWN_TYPICAL,
            _ => median(&mut largest).max(LEAST_TYPICAL),
        };
        odd.extend(found.into_iter().map(|(z, (component, finding))| {
            (component, Finding { strength: z / typical, ..finding })
        }));
    }
    odd.sort_by(|a, b| b.1.strength.total_cmp(&a.1.strength).then_with(|| a.0.cmp(&b.0)));
    odd
}

fn component((service, namespace): Service<'_>, instance: &str) -> Component {
    Component {
        service: service.to_owned(),
        namespace: namespace.to_owned(),
        operation: None,
        instance: Some(instance.to_owned()),
        version: None,
        host: None,
    }
}

fn of_window<'a>(view: &View<'a>, logarithms: &Logarithms, with_times: bool) -> Replicas<'a> {
    let evidence = view.evidence;
    let text = |n| evidence.names.text(n);
    let mut replicas = Replicas::new();
    for place in evidence.places.iter().filter(|p| !text(p.key.instance).is_empty()) {
        let service = (text(place.key.service), text(place.key.namespace));
        let replica =
            replicas.entry(service).or_default().entry(text(place.key.instance)).or_default();
        replica.sums[0].add(Sums::of_count(real(place.spans), real(place.began)));
        replica.sums[1].add(logarithms.sums(&place.self_times));
        if with_times {
            replica.times.merge(&place.self_times);
        }
    }
    replicas
}

/// A replica less its peers in one window.
fn against_peers(
    replicas: &BTreeMap<&str, Replica>,
    instance: &str,
    m: usize,
    item: Item,
) -> Option<Difference> {
    let own = replicas.get(instance)?.sums[m];
    let mut peers = Sums::default();
    let others = replicas.iter().filter(|(other, _)| **other != instance);
    others.for_each(|(_, other)| peers.add(other.sums[m]));
    if peers.n < LEAST_PEER_SPANS {
        return None;
    }
    compare(item, &[own], &[peers])
}

/// How replicas of one service differ in healthy windows.
struct Past<'a> {
    /// By replica, then by window.
    differences: BTreeMap<&'a str, Vec<Option<Difference>>>,
    spread: f64,
    freedom: f64,
}

/// A difference less what is usual for the replica, and the variance of that by sampling.
struct Rest {
    usual: f64,
    rest: f64,
    sampling: f64,
    windows: u32,
}

impl<'a> Past<'a> {
    fn of(service: Service<'_>, healthy: &[Replicas<'a>], m: usize, item: Item) -> Self {
        let mut differences: BTreeMap<&'a str, Vec<Option<Difference>>> = BTreeMap::new();
        for (w, replicas) in healthy.iter().enumerate() {
            let Some(replicas) = replicas.get(&service) else { continue };
            for &instance in replicas.keys() {
                let row = differences.entry(instance).or_insert_with(|| vec![None; healthy.len()]);
                row[w] = against_peers(replicas, instance, m, item);
            }
        }
        let mut past = Self { differences, spread: 0.0, freedom: 0.0 };
        let (mut n, mut between) = (0.0, 0.0);
        for instance in past.differences.keys() {
            for w in 0..healthy.len() {
                if let Some(rest) = past.healthy(instance, w).filter(|r| r.windows > 0) {
                    n += 1.0;
                    between += rest.rest * rest.rest - rest.sampling;
                }
            }
        }
        let between = if n > 0.0 { (between / n).max(0.0) } else { 0.0 };
        past.spread = between.sqrt().hypot(item.least_spread());
        past.freedom = f64::max(n - 1.0, 0.0) + FLOOR_FREEDOM;
        past
    }

    /// What remains of a difference; `without` is the window that it was seen in, where that is healthy.
    fn rest(&self, instance: &str, d: &Difference, without: Option<usize>) -> Rest {
        let row = self.differences.get(instance).map_or(&[][..], Vec::as_slice);
        let usual = row.iter().enumerate().filter(|(w, _)| Some(*w) != without);
        let (mut k, mut sum, mut sampling) = (0_u32, 0.0, 0.0);
        for d in usual.filter_map(|(_, d)| d.as_ref()) {
            k += 1;
            sum += d.effect();
            sampling += d.sampling;
        }
        let (usual, own) = if k > 0 {
            let k = f64::from(k);
            (sum / k, sampling / (k * k))
        } else {
            (0.0, 0.0)
        };
        Rest { usual, rest: d.effect() - usual, sampling: d.sampling + own, windows: k }
    }

    fn healthy(&self, instance: &str, w: usize) -> Option<Rest> {
        let d = self.differences.get(instance)?[w].as_ref()?;
        Some(self.rest(instance, d, Some(w)))
    }

    /// Raises what each healthy window shows at most.
    fn largest(&self, largest: &mut [f64]) {
        for instance in self.differences.keys() {
            for (w, largest) in largest.iter_mut().enumerate() {
                if let Some(rest) = self.healthy(instance, w) {
                    *largest = largest.max(rest.rest / self.spread.hypot(rest.sampling.sqrt()));
                }
            }
        }
    }

    fn finding(&self, instance: &str, d: Difference, item: Item, kind: EvidenceKind) -> Finding {
        let Rest { usual, rest, sampling, windows } = self.rest(instance, &d, None);
        let error = self.spread.hypot(sampling.sqrt());
        let z = rest / error;
        let t = StudentsT::new(0.0, 1.0, self.freedom).expect("degrees of freedom are above 0");
        let reach = t.inverse_cdf(0.975) * error;
        let sample = |n: f64, sum: f64, mean: f64, variance: f64| Sample {
            n: whole(n),
            count: if item.is_count() { whole(sum) } else { 0 },
            mean,
            variance,
        };
        Finding {
            kind,
            subject: instance.to_owned(),
            now: sample(d.n, d.sum, d.mean(), d.variance),
            baseline: sample(d.baseline_n, d.baseline_sum, d.baseline, d.baseline_variance),
            effect: d.effect(),
            explained: usual,
            spread: self.spread,
            windows,
            sampling,
            error,
            interval: (rest - reach, rest + reach),
            z,
            penalty: 0.0,
            p_value: t.sf(z),
            freedom: self.freedom,
            strength: 0.0,
            offset_us: None,
            times: None,
        }
    }
}
