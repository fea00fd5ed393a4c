//! Can a reader compute again what an analysis claims?
//!
//! Counts, rates and effects with a pocket calculator: here. P-values and intervals with scipy: by
//! `tests/proof/run`, which asks this test (`RESUS_PROOFS`, a folder) to leave its analyses behind.

use std::path::Path;

use resus_datasets::{
    Capacity, Component, Deploy, Effect, Latency, Scenario, Surge, write_parquet,
};
use resus_store::WriterOptions;
use serde_json::Value;

use super::analyze_json;
use crate::shop::{HEALTHY, MINUTE, fault, service};

fn shop(seed: u64) -> Scenario {
    crate::shop::shop(seed, 1500)
}

fn error(error_type: &str) -> Effect {
    Effect::Error { error_type: error_type.to_owned() }
}

/// Incidents that show every kind of evidence between them.
fn incidents() -> Vec<(&'static str, Scenario)> {
    let with = |seed, on: &str, effect: Effect| {
        let mut scenario = shop(seed);
        let on = Component::Service(service(&scenario, on));
        scenario.faults = vec![fault(on, effect)];
        scenario
    };
    let network = Effect::NetworkDelay { extra: Latency::micros(8000) };
    let mut version = shop(5);
    let accounts = service(&version, "accounts");
    let deploy = Deploy {
        service: accounts,
        replicas: 1,
        version: "8.0.0".to_owned(),
        at: MINUTE * HEALTHY,
    };
    version.deploys = vec![deploy];
    version.faults = vec![fault(Component::Version(accounts), error("BrokenException"))];
    let mut replica = shop(9);
    let one = Component::Instance(service(&replica, "accounts"), 1);
    replica.faults = vec![fault(one, error("BrokenException"))];
    let mut overload = shop(6);
    let catalog = service(&overload, "catalog");
    overload.load.mean_gap_ns = MINUTE / 2500;
    overload.capacities = vec![Capacity { service: catalog, running: 1, waiting: 20 }];
    overload.load.surges = vec![Surge { from: MINUTE * HEALTHY, percent: 2500 }];
    vec![
        ("throws", with(1, "payments", error("BrokenException"))),
        ("slow", with(2, "accounts", Effect::SlowDown { percent: 900 })),
        ("network", with(3, "accounts", network)),
        ("returns", with(4, "catalog", Effect::EarlyReturn)),
        ("misleads", with(7, "pricing", Effect::WrongValue { error_type: "Surprise".to_owned() })),
        ("version", version),
        ("overload", overload),
        ("replica", replica),
        ("peer", with(8, "card-network", error("Declined"))),
    ]
}

fn analysis(name: &str, scenario: &Scenario, folder: &Path, more: &[&str]) -> Value {
    let file = folder.join(format!("{name}.parquet"));
    write_parquet(scenario, std::slice::from_ref(&file), WriterOptions::STANDARD, |_| ())
        .expect("the spans are written");
    let start = scenario.start_unix_nano / 1_000_000_000;
    let window = |i: u64| format!("{}..{}", start + 60 * i, start + 60 * (i + 1));
    let mut words = vec!["--window".to_owned(), window(HEALTHY)];
    for i in 0..HEALTHY {
        words.extend(["--baseline".to_owned(), window(i)]);
    }
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(more);
    analyze_json(&file.display().to_string(), &words).json()
}

#[track_caller]
fn near(told: &Value, computed: f64, what: &str) {
    let told = told.as_f64().unwrap_or_else(|| panic!("{what}: a number, not {told}"));
    let close = (told - computed).abs() <= 1e-9 * (1.0 + computed.abs());
    assert!(close, "{what}: told {told}, computed {computed}");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Failing share with less that without.
fn effect_of(table: &Value) -> f64 {
    let share = |failed: &str, passed: &str| {
        let (failed, passed) = (number(&table[failed]), number(&table[passed]));
        if failed + passed > 0.0 { failed / (failed + passed) } else { 0.0 }
    };
    share("failed_with", "passed_with") - share("failed_without", "passed_without")
}

fn compute_finding(finding: &Value) {
    let kind = finding["kind"].as_str().expect("a kind");
    let (now, baseline) = (&finding["now"], &finding["baseline"]);
    near(&finding["effect"], number(&now["mean"]) - number(&baseline["mean"]), "effect");
    let times = matches!(kind, "self_time" | "gap" | "replica_times");
    let requests = matches!(kind, "throws" | "misleads" | "meets");
    if !times {
        near(&now["mean"], number(&now["count"]) / number(&now["n"]), "share or calls a span");
        let told = finding["subject"].as_str().expect("a subject");
        assert!(!told.is_empty());
    } else if !list(&finding["times_now"]).is_empty() {
        let offset = number(&finding["offset_us"]);
        let (mut n, mut sum) = (0.0, 0.0);
        for bucket in list(&finding["times_now"]) {
            let [lower, upper, count] = [0, 1, 2].map(|i| number(&bucket[i]));
            n += count;
            sum += count * (f64::midpoint(lower, upper) / 1000.0 + offset).ln();
        }
        if n.to_bits() == number(&now["n"]).to_bits() {
            near(&now["mean"], sum / n, "mean of logarithms");
        }
    }
    if requests {
        near(&baseline["mean"], number(&baseline["count"]) / number(&baseline["n"]), "share");
    } else {
        let error = number(&finding["spread"]).hypot(number(&finding["sampling"]).sqrt());
        near(&finding["error"], error, "standard error");
        let z = (number(&finding["effect"]) - number(&finding["explained"])) / error;
        near(&finding["z"], if kind == "calls" { z.abs() } else { z }, "z");
    }
}

fn compute_proof(proof: &Value, decided_by: &str) {
    near(&proof["effect"], effect_of(&proof["counts"]), "effect of presence");
    if let Some(closest) = proof.get("closest").filter(|c| !c.is_null()) {
        near(&closest["effect"], effect_of(&closest["counts"]), "effect of the closest part");
    }
    if decided_by == "evidence" {
        near(&proof["score"], number(&proof["probability"]), "score is probability");
    } else {
        let ochiai = |t: &Value| {
            let f = number(&t["failed_with"]);
            let all = (f + number(&t["failed_without"])) * (f + number(&t["passed_with"]));
            if all > 0.0 { f / all.sqrt() } else { 0.0 }
        };
        assert_eq!(proof["coefficient"], "ochiai");
        let whole = ochiai(&proof["counts"]);
        let score = match proof.get("closest").filter(|c| !c.is_null()) {
            Some(part) => f64::midpoint(whole, ochiai(&part["counts"])),
            None => whole,
        };
        near(&proof["score"], score, "score");
    }
    list(&proof["findings"]).iter().for_each(compute_finding);
}

fn compute(analysis: &Value) {
    let decided_by = analysis["decided_by"].as_str().expect("a text");
    for proof in list(&analysis["suspects"]).iter().chain(list(&analysis["considered"])) {
        compute_proof(proof, decided_by);
    }
    for entry in list(&analysis["entries"]) {
        near(&entry["share"], number(&entry["failed"]) / number(&entry["requests"]), "share");
        let baseline = entry["baseline_share"].as_f64().unwrap_or(0.0);
        near(&entry["effect"], number(&entry["share"]) - baseline, "effect at an entry");
    }
    for obstacle in list(&analysis["obstacles"]) {
        if obstacle["kind"] == "overload" {
            let rates: Vec<f64> = list(&obstacle["load"]).iter().map(|l| number(&l[0])).collect();
            let highest = rates[1..].iter().copied().fold(0.0, f64::max);
            near(&obstacle["effect"], rates[0] / highest, "times the most of healthy windows");
        } else {
            near(&obstacle["effect"], effect_of(&obstacle["counts"]), "effect of an obstacle");
        }
    }
}

/// The broken replica is told, at the level of services beside the suspect, at its own level as one.
fn is_narrowed(analysis: &Value, by_instance: bool) {
    let told = if by_instance { &analysis["suspects"] } else { &analysis["narrower"] };
    let [only] = list(told) else { panic!("one replica, not {told:#}") };
    assert_eq!(only["component"]["service"], "accounts");
    let instance = only["component"]["instance"].as_str().expect("a replica");
    assert!(instance.ends_with('1'), "{instance}");
    if !by_instance {
        compute_finding(&only["finding"]);
    }
}

#[test]
fn every_count_rate_and_effect_can_be_computed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let leave = std::env::var_os("RESUS_PROOFS");
    let (mut kinds, mut obstacles) = (Vec::new(), Vec::new());
    for (name, scenario) in incidents() {
        let ways: [&[&str]; 3] = [&[], &["--method", "presence"], &["--level", "instance"]];
        for (way, more) in ways.into_iter().enumerate() {
            if way == 2 && name != "replica" {
                continue;
            }
            let analysis = analysis(name, &scenario, folder.path(), more);
            if name == "replica" && way != 1 {
                is_narrowed(&analysis, way == 2);
            }
            compute(&analysis);
            for proof in list(&analysis["suspects"]) {
                kinds.extend(list(&proof["findings"]).iter().map(|f| f["kind"].to_string()));
            }
            obstacles.extend(list(&analysis["obstacles"]).iter().map(|o| o["kind"].to_string()));
            if let Some(leave) = &leave {
                let file = Path::new(leave).join(format!("{name}{way}.json"));
                std::fs::write(file, analysis.to_string()).expect("the folder is there");
            }
        }
    }
    for list in [&mut kinds, &mut obstacles] {
        list.sort();
        list.dedup();
    }
    // Or something was not looked at.
    let all = [
        "calls",
        "children",
        "error_events",
        "gap",
        "misleads",
        "origin",
        "replica_errors",
        "self_time",
        "throws",
    ];
    assert_eq!(kinds, all.map(|k| format!("\"{k}\"")));
    assert_eq!(obstacles, ["overload", "peer", "version"].map(|k| format!("\"{k}\"")));
}
