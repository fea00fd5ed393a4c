//! The auction house in virtual time: five healthy minutes, then one under a fault of a known kind.

use resus_datasets::{Component, Effect, Fault, Scenario, ServiceId, Share, presets};

pub(crate) const MINUTE: u64 = 60_000_000_000;
/// Healthy minutes before the fault.
pub(crate) const HEALTHY: u64 = 5;

/// So many requests a minute and no fault yet.
pub(crate) fn shop(seed: u64, a_minute: u64) -> Scenario {
    let mut scenario = presets::by_name("sample", seed, None).expect("it has this name");
    scenario.faults.clear();
    scenario.load.mean_gap_ns = MINUTE / a_minute;
    scenario.load.requests = u64::MAX;
    scenario.load.until = MINUTE * (HEALTHY + 1);
    scenario
}

pub(crate) fn service(scenario: &Scenario, name: &str) -> ServiceId {
    scenario.topology.find_service(name).expect("the shop has it")
}

/// Seven of ten requests that come by in the last minute.
pub(crate) fn fault(trigger: Component, effect: Effect) -> Fault {
    Fault {
        trigger: vec![trigger],
        from: MINUTE * HEALTHY,
        until: u64::MAX,
        share: Share::percent(70),
        tenant: None,
        effect,
        cured_by: Vec::new(),
    }
}
