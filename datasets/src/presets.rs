//! Scenarios that have a name.

mod interaction;

use crate::{
    latency::Latency,
    random::{Purpose, Share, Stream},
    scenario::{Calling, Collection, Component, Effect, Fault, Load, Mix, Sampling, Scenario},
    shop,
    synthetic::{self, Shape},
    topology::OperationId,
};

use interaction::often_used;
pub use interaction::{InteractionEffect, InteractionParameters, interaction};

/// All names that [`by_name`] knows.
pub const NAMES: [&str; 6] =
    ["sample", "million", "interaction-1", "interaction-2", "interaction-3", "interaction-4"];

/// 2026-01-01 00:00:00 UTC: every named scenario begins there.
pub const START_UNIX_NANO: u64 = 1_767_225_600 * SECOND;

const SECOND: u64 = 1_000_000_000;

/// Time on the wire, each way.
const NETWORK: Latency = Latency::LogNormal { median_ns: 120_000, sigma_thousandths: 500 };

/// The scenario of a name, with another number of requests where one is given: time is stretched or
/// shrunk with it, not the load.
#[must_use]
pub fn by_name(name: &str, seed: u64, requests: Option<u64>) -> Option<Scenario> {
    let mut scenario = match name {
        "sample" => sample(seed),
        "million" => million(seed),
        "interaction-1" => interaction(1, seed, &InteractionParameters::STANDARD),
        "interaction-2" => interaction(2, seed, &InteractionParameters::STANDARD),
        "interaction-3" => interaction(3, seed, &InteractionParameters::STANDARD),
        "interaction-4" => interaction(4, seed, &InteractionParameters::STANDARD),
        _ => return None,
    };
    if let Some(requests) = requests {
        stretch(&mut scenario, requests);
    }
    Some(scenario)
}

fn stretch(scenario: &mut Scenario, requests: u64) {
    let from = u128::from(scenario.load.requests.max(1));
    let scaled =
        |t: u64| u64::try_from(u128::from(t) * u128::from(requests) / from).unwrap_or(u64::MAX);
    scenario.load.requests = requests;
    // A minute more, so that even of a few requests it is the number and not the clock that ends them.
    scenario.load.until = scaled(scenario.load.until).saturating_add(60 * SECOND);
    for fault in &mut scenario.faults {
        fault.from = scaled(fault.from);
        fault.until = scaled(fault.until);
    }
}

/// A quarter of an hour at the auction house, about 20,000 requests. From the tenth minute on, charging
/// fails in most of its runs in `payments`; unrelated errors happen all along, and some of all are
/// handled on their way.
///
/// # Panics
/// Never: a test runs it.
#[must_use]
pub fn sample(seed: u64) -> Scenario {
    let topology = shop::topology();
    let charge = topology.find_operation("payments", "payments.Payments/Charge");
    let charge = Component::Operation(charge.expect("the shop charges"));
    let weights = shop::entries(&topology);
    Scenario {
        name: "sample".to_owned(),
        seed,
        start_unix_nano: START_UNIX_NANO,
        topology,
        load: load(20_000, 900 * SECOND, weights),
        network: NETWORK,
        faults: vec![Fault {
            trigger: vec![charge],
            from: 600 * SECOND,
            until: 900 * SECOND,
            share: Share::percent(70),
            tenant: None,
            effect: Effect::Error { error_type: "PaymentGatewayException".to_owned() },
            cured_by: vec![charge],
        }],
        restarts: Vec::new(),
        deploys: Vec::new(),
        capacities: Vec::new(),
        calling: Calling::PATIENT,
        noise: Share::millionths(400),
        masking: Share::percent(15),
        sampling: Sampling::ALL,
        collection: Collection::PERFECT,
        tenants: 4,
        batch_rows: BATCH_ROWS,
    }
}

/// A million requests of 15 spans on average within an hour, over 40 services; in the last six
/// minutes one service fails in half of its runs.
///
/// # Panics
/// Never: a test runs it.
#[must_use]
pub fn million(seed: u64) -> Scenario {
    let shape = Shape {
        services: 40,
        entries: 12,
        operations: 3,
        replicas: 3,
        hot_store: true,
        peers: 0,
        mean_spans: 15.1, // Requests that fail are cut short; with them it is 15.
        settled: Share::percent(80),
    };
    let (topology, weights) = synthetic::topology(&shape, seed);
    let used = often_used(&topology, &weights, seed, 30);
    let mut stream = Stream::new(seed, Purpose::Trigger);
    let broken = Component::Service(used[stream.index(used.len())]);
    Scenario {
        name: "million".to_owned(),
        seed,
        start_unix_nano: START_UNIX_NANO,
        topology,
        load: load(1_000_000, 3600 * SECOND, weights),
        network: NETWORK,
        faults: vec![Fault {
            trigger: vec![broken],
            from: 3240 * SECOND,
            until: 3600 * SECOND,
            share: Share::percent(50),
            tenant: None,
            effect: Effect::Error { error_type: "BackendException".to_owned() },
            cured_by: vec![broken],
        }],
        restarts: Vec::new(),
        deploys: Vec::new(),
        capacities: Vec::new(),
        calling: Calling::PATIENT,
        noise: Share::millionths(200),
        masking: Share::percent(15),
        sampling: Sampling::ALL,
        collection: Collection::PERFECT,
        tenants: 4,
        batch_rows: BATCH_ROWS,
    }
}

/// Spans a batch in named scenarios: enough to encode well, few enough to stay in cache.
const BATCH_ROWS: usize = 16_384;

/// A Poisson load that fills a time with so many requests; the number ends it, not the time.
fn load(requests: u64, within: u64, weights: Vec<(OperationId, u32)>) -> Load {
    Load {
        mean_gap_ns: within / requests.max(1),
        requests,
        until: within.saturating_mul(2),
        mixes: vec![Mix { from: 0, weights }],
        surges: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::generate;

    #[test]
    fn every_name_runs_with_as_many_requests_as_asked_for() {
        for name in NAMES {
            let scenario = by_name(name, 2, Some(1000)).expect(name);
            assert_eq!(scenario.name, name);
            let mut generator = generate(&scenario).expect(name);
            generator.by_ref().for_each(drop);
            let truth = generator.truth();
            assert_eq!(truth.requests, 1000, "{name}");
            assert!(truth.faults[0].hit > 0, "{name}");
        }
        assert_eq!(by_name("samples", 1, None), None);
    }

    #[test]
    fn the_sample_is_a_quarter_of_an_hour_with_a_broken_last_third() {
        let mut generator = generate(&sample(1)).expect("a sound scenario");
        generator.by_ref().for_each(drop);
        let truth = generator.truth();
        assert_eq!(truth.requests, 20_000);
        let lasts = (truth.last_arrival_unix_nano - truth.start_unix_nano) / SECOND;
        assert!((880..920).contains(&lasts), "{lasts} s");
        let fault = &truth.faults[0];
        assert_eq!(fault.trigger[0].service, "payments");
        assert!(fault.failed > 400 && fault.failed < fault.hit, "some are masked");
        assert!(truth.failed > fault.failed, "there is noise");
        let json = serde_json::to_value(&truth).expect("plain data");
        assert_eq!(json["faults"][0]["trigger"][0]["operation"], "payments.Payments/Charge");
        assert_eq!(json["faults"][0]["effect"], "error");
    }

    #[test]
    fn a_million_is_of_fifteen_spans_each() {
        for seed in 0..20 {
            let scenario = million(seed);
            let mean = scenario.topology.mean_spans(&scenario.load.mixes[0].weights);
            assert!((15.0..15.2).contains(&mean), "{seed}: {mean}");
            assert_eq!(scenario.topology.services().len(), 40);
            assert_eq!(scenario.load.requests, 1_000_000);
        }
    }
}
