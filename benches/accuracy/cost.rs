//! What does one diagnosis cost in a large system?

use anyhow::{Context, Result};
use resus_datasets::synthetic::{self, Shape};
use resus_datasets::{Share, generate, presets};
use resus_engine::{Choice, Gather, summarise};
use resus_model::{Evidence, Role, Rules, Window};
use resus_suspects::{Config, diagnose};

use crate::usage::{own, reset_peak};

/// Services, requests a window, and how settled their calls are.
const SYSTEMS: [(u32, u64, u32); 2] = [(1000, 10_000, 60), (10_000, 20_000, 70)];

pub(crate) fn run() -> Result<()> {
    println!(
        "services  classes  operations  CPU ms a diagnosis  peak MiB  of which Evidence and program"
    );
    for (services, requests, settled) in SYSTEMS {
        let windows = windows(services, requests, settled)?;
        let baseline: Vec<&Evidence> =
            windows.iter().filter(|w| w.role == Role::Baseline).collect();
        let now = windows.iter().find(|w| w.role == Role::Now).context("a window is now")?;
        reset_peak()?;
        let start = own()?;
        let times = 10;
        for _ in 0..times {
            let diagnosis = diagnose(now, &baseline, &Config::STANDARD)?;
            std::hint::black_box(diagnosis);
        }
        let usage = own()?;
        let spent = (usage.cpu_seconds - start.cpu_seconds) / f64::from(times);
        println!(
            "{services:8} {:8} {:11} {:19.1} {:9.0} {:29.0}",
            now.classes.len(),
            now.operations.len(),
            spent * 1e3,
            usage.peak_mib,
            start.peak_mib
        );
    }
    Ok(())
}

fn windows(services: u32, requests: u64, settled: u32) -> Result<Vec<Evidence>> {
    let mut scenario = presets::by_name("sample", 1, None).context("it has this name")?;
    let shape = Shape {
        services,
        entries: (services / 10).max(20),
        operations: 3,
        replicas: 3,
        hot_store: true,
        peers: 0,
        mean_spans: 25.0,
        settled: Share::percent(settled),
    };
    let (topology, weights) = synthetic::topology(&shape, 7);
    let minute = 60_000_000_000;
    scenario.topology = topology;
    scenario.faults.clear();
    scenario.load.mixes[0].weights = weights;
    scenario.load.mean_gap_ns = minute / requests;
    scenario.load.requests = u64::MAX;
    scenario.load.until = 9 * minute;
    let mut gather = Gather::new(Rules::STANDARD);
    generate(&scenario)?.for_each(|batch| gather.push(&batch));
    let window = |i: u64| {
        let from = scenario.start_unix_nano + minute * i;
        Window { from, to: from + minute }
    };
    let choice = Choice::Given { now: window(8), baseline: (0..8).map(window).collect() };
    Ok(summarise(&gather.seal(), &choice))
}
