//! One replica beside its peers.

use resus_model::{DecidedBy, Histogram, Place, PlaceKey, Window};

use super::*;

/// A replica of `cart`: its name, spans, those that failed by themselves, and its time in microseconds.
type Replica = (&'static str, u64, u64, u64);

fn window(i: u64, replicas: &[Replica]) -> Evidence {
    let mut e = evidence("GET /: web>cart@a x100\nGET /: web>cart@b x100\nGET /: web>cart@c x100");
    let name = |text: &str| {
        let found = (0..).find(|&n| e.names.text(n) == text);
        found.expect("the notation names it")
    };
    let (service, none) = (name("cart"), name(""));
    let place = |&(instance, spans, began, us): &Replica| Place {
        key: PlaceKey {
            service,
            namespace: none,
            instance: name(instance),
            version: none,
            host: none,
        },
        spans,
        began,
        self_time_sum: 0,
        self_times: {
            let mut times = Histogram::new();
            (0..spans).for_each(|k| times.record((us + us * ((k * 7 + i) % 10) / 40) * 1000));
            times
        },
    };
    let mut places: Vec<Place> = replicas.iter().map(place).collect();
    places.sort_by_key(|p| p.key);
    e.places = places;
    e.window = Window { from: i * 60_000_000_000, to: (i + 1) * 60_000_000_000 };
    e
}

fn explained(now: &[Replica], healthy: &[Replica]) -> Diagnosis {
    let healthy: Vec<Evidence> = (0..6).map(|i| window(i, healthy)).collect();
    let config = Config { level: Level::Instance, ..Config::STANDARD };
    diagnose(&window(7, now), &healthy, &config).expect("one set of rules")
}

const EVEN: [Replica; 3] = [("a", 100, 0, 900), ("b", 100, 0, 900), ("c", 100, 0, 900)];

#[track_caller]
fn only(d: &Diagnosis, instance: &str, kind: &str) {
    assert_eq!(d.decided_by, DecidedBy::Evidence);
    let candidate = &d.suspects().first().expect("somebody is suspect").candidate;
    assert_eq!(candidate.component.instance.as_deref(), Some(instance));
    assert_eq!(candidate.findings[0].kind.name(), kind);
    assert_eq!(d.suspects().len(), 1);
}

#[test]
fn a_replica_that_fails_by_itself_is_told_from_its_peers() {
    let d = explained(&[("a", 100, 0, 900), ("b", 100, 40, 900), ("c", 100, 1, 900)], &EVEN);
    only(&d, "b", "replica_errors");
}

#[test]
fn a_slow_replica_is_told_from_its_peers() {
    let d = explained(&[("a", 100, 0, 900), ("b", 100, 0, 900), ("c", 100, 0, 4000)], &EVEN);
    only(&d, "c", "replica_times");
}

#[test]
fn what_is_usual_for_a_replica_is_not_held_against_it() {
    let old = [("a", 100, 0, 900), ("b", 100, 0, 900), ("c", 100, 0, 4000)];
    assert_eq!(explained(&old, &old).verdict, Verdict::Healthy);
}

#[test]
fn what_befalls_all_replicas_is_no_single_ones() {
    let all = [("a", 100, 40, 4000), ("b", 100, 40, 4000), ("c", 100, 40, 4000)];
    assert_eq!(explained(&all, &EVEN).verdict, Verdict::Healthy);
}
