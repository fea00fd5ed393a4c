//! A restart will not help: is it said where it is so, and nowhere else?
//!
//! The auction house in virtual time: five healthy minutes, then one under a fault of a known kind.

use resus_datasets::{
    Capacity, Component, Deploy, Effect, Fault, Latency, Protocol, Scenario, Share, Surge,
    TopologyBuilder, generate,
};
use resus_engine::{Choice, Gather, summarise};
use resus_model::{Diagnosis, Evidence, Obstacle, ObstacleKind, Role, Rules, Window};
use resus_suspects::{Config, diagnose};

use crate::shop::{HEALTHY, MINUTE, fault, service};

fn shop(seed: u64) -> Scenario {
    crate::shop::shop(seed, 2500)
}

fn boom() -> Effect {
    Effect::Error { error_type: "BrokenException".to_owned() }
}

fn explained(scenario: &Scenario) -> Diagnosis {
    let mut gather = Gather::new(Rules::STANDARD);
    generate(scenario).expect("a sound scenario").for_each(|batch| gather.push(&batch));
    let window = |i: u64| {
        let from = scenario.start_unix_nano + MINUTE * i;
        Window { from, to: from + MINUTE }
    };
    let choice =
        Choice::Given { now: window(HEALTHY), baseline: (0..HEALTHY).map(window).collect() };
    let (now, baseline): (Vec<Evidence>, Vec<Evidence>) =
        summarise(&gather.seal(), &choice).into_iter().partition(|e| e.role == Role::Now);
    diagnose(&now[0], &baseline, &Config::STANDARD).expect("one set of rules")
}

#[track_caller]
fn only(scenario: &Scenario) -> Obstacle {
    let diagnosis = explained(scenario);
    let [obstacle] = diagnosis.obstacles.as_slice() else {
        panic!("expected one obstacle, found {:?}", diagnosis.obstacles);
    };
    assert!(!diagnosis.suspects().is_empty());
    obstacle.clone()
}

#[test]
fn a_fault_that_came_with_a_version_is_rolled_back() {
    let mut scenario = shop(1);
    let accounts = service(&scenario, "accounts");
    let (version, at) = ("8.0.0".to_owned(), MINUTE * HEALTHY);
    scenario.deploys = vec![Deploy { service: accounts, replicas: 1, version, at }];
    scenario.faults = vec![fault(Component::Version(accounts), boom())];
    let obstacle = only(&scenario);
    assert_eq!(obstacle.kind, ObstacleKind::Version);
    assert!(obstacle.subject.ends_with("accounts version 8.0.0"), "{}", obstacle.subject);
    assert!(obstacle.counts.failed_with > 20 * obstacle.counts.failed_without, "{obstacle:?}");
}

#[test]
fn a_fault_of_one_tenant_is_the_tenants() {
    let mut scenario = shop(2);
    let payments = service(&scenario, "payments");
    scenario.faults = vec![Fault {
        tenant: Some(3),
        share: Share::ONE,
        ..fault(Component::Service(payments), boom())
    }];
    let obstacle = only(&scenario);
    assert_eq!(
        (obstacle.kind, obstacle.subject.as_str()),
        (ObstacleKind::Attribute, "tenant=tenant-3")
    );
    assert!(obstacle.effect > 0.3 && obstacle.p_value < 1e-6, "{obstacle:?}");
}

#[test]
fn a_callee_without_spans_is_not_ours_to_restart() {
    let mut scenario = shop(3);
    let cards = service(&scenario, "card-network");
    scenario.faults = vec![fault(Component::Service(cards), boom())];
    let obstacle = only(&scenario);
    assert_eq!((obstacle.kind, obstacle.subject.as_str()), (ObstacleKind::Peer, "card-network"));
    let victims: Vec<&str> = obstacle.victims.iter().map(|v| v.service.as_str()).collect();
    assert_eq!(victims, ["payments"]);
}

#[test]
fn more_load_than_the_system_bears_is_overload() {
    let mut scenario = shop(4);
    let catalog = service(&scenario, "catalog");
    scenario.capacities = vec![Capacity { service: catalog, running: 1, waiting: 20 }];
    scenario.load.surges = vec![Surge { from: MINUTE * HEALTHY, percent: 2500 }];
    let obstacle = only(&scenario);
    assert_eq!(obstacle.kind, ObstacleKind::Overload);
    assert!(obstacle.effect > 15.0, "so many times the load: {obstacle:?}");
}

#[test]
fn what_a_restart_cures_meets_no_obstacle() {
    let mut scenario = shop(5);
    let [payments, accounts] = ["payments", "accounts"].map(|name| service(&scenario, name));
    let cases = [
        (Component::Service(payments), boom()),
        (Component::Instance(accounts, 1), boom()),
        (Component::Instance(accounts, 0), Effect::Refuses),
        (Component::Service(accounts), Effect::SlowDown { percent: 900 }),
    ];
    for (trigger, effect) in cases {
        scenario.faults = vec![fault(trigger, effect.clone())];
        let diagnosis = explained(&scenario);
        let first = &diagnosis.suspects().first().expect("somebody is suspect").candidate;
        let broken = if trigger == Component::Service(payments) { "payments" } else { "accounts" };
        assert_eq!(first.component.service, broken, "{effect:?}");
        assert!(diagnosis.obstacles.is_empty(), "{effect:?}: {:?}", diagnosis.obstacles);
    }
}

#[test]
fn more_load_that_is_borne_is_no_obstacle() {
    let mut scenario = shop(6);
    scenario.load.surges = vec![Surge { from: MINUTE * HEALTHY, percent: 200 }];
    let diagnosis = explained(&scenario);
    assert!(diagnosis.suspects().is_empty() && diagnosis.obstacles.is_empty());
}

#[test]
fn a_callee_of_several_services_is_a_shared_dependency() {
    let mut builder = TopologyBuilder::new("", 2);
    let work = Latency::micros(800);
    let [web, left, right] = ["web", "left", "right"].map(|name| builder.service(name, "1", 2));
    let database = builder.silent_service("database");
    let query = builder.operation(database, "query", Protocol::Plain, Latency::micros(2000));
    let [a, b] =
        ["GET /a", "GET /b"].map(|name| builder.operation(web, name, Protocol::Http, work));
    for (entry, owner, name) in [(a, left, "left.Api/Get"), (b, right, "right.Api/Get")] {
        let inner = builder.operation(owner, name, Protocol::Grpc, work);
        builder.then(entry, inner).then(inner, query);
    }
    let mut scenario = shop(7);
    scenario.topology = builder.build().expect("nobody calls back");
    scenario.load.mixes[0].weights = vec![(a, 1), (b, 1)];
    scenario.faults = vec![fault(Component::Service(database), boom())];
    let obstacle = only(&scenario);
    assert_eq!(obstacle.kind, ObstacleKind::SharedDependency);
    let victims: Vec<&str> = obstacle.victims.iter().map(|v| v.service.as_str()).collect();
    assert_eq!((obstacle.subject.as_str(), victims), ("database", vec!["left", "right"]));
}
