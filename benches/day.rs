//! A healthy day in virtual time: how often does the watch cry wolf?
//!
//! The auction house for so many hours, through the very code of `resus serve`: every instance is
//! replaced by a deploy, with the errors that this takes; traffic doubles twice; clocks are off; unrelated
//! errors happen all along. Nothing is wrong, so every alarm is a false one.

use std::time::Instant;

use anyhow::{Result, anyhow};
use resus_datasets::presets::sample;
use resus_datasets::{Component, Generator, Restart, Scenario, generate};
use resus_engine::{Monitor, MonitorOptions, State, WatchConfig};
use resus_evidence::LiveOptions;
use resus_model::Quality;

use crate::options::Pairs;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;

/// How the bench runs.
#[derive(Debug)]
pub(crate) struct Options {
    hours: u64,
    seed: u64,
    /// Requests a second before they double.
    rate: u64,
}

impl Options {
    /// Reads `--hours N --seed N --rate N`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let pairs = Pairs::parse(words, &["--hours", "--seed", "--rate"])?;
        Ok(Self {
            hours: pairs.number("--hours", 24)?,
            seed: pairs.number("--seed", 1)?,
            rate: pairs.number("--rate", 20)?,
        })
    }
}

/// A stretch of load that begins at an offset.
struct Stretch {
    from: u64,
    until: u64,
    generator: Generator,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let begin = Instant::now();
    let mut stretches = day(options)?;
    let start = sample(options.seed).start_unix_nano;
    let mut monitor = Monitor::new(MonitorOptions {
        live: LiveOptions::STANDARD,
        watch: WatchConfig::STANDARD,
        every_ns: SECOND,
        lag_ns: 3 * SECOND,
    })
    .map_err(|e| anyhow!("failed to {e}"))?;
    let (mut alarms, mut spans, mut bad) = (0, 0, false);
    println!("{options:?}");
    for second in 1..=options.hours * 3600 {
        let at = second * SECOND;
        for stretch in stretches.iter_mut().filter(|s| s.from < at && at <= s.until + 60 * SECOND) {
            let batch = stretch.generator.run_until(at - stretch.from);
            spans += batch.len();
            // Sent by a timer, so a second late.
            monitor.push(&batch, &Quality::default(), start + at + SECOND);
        }
        monitor.run_until(start + at + SECOND, &mut |monitor| {
            let judgement = monitor.judgement();
            let now = !matches!(judgement.state, State::Learning { .. } | State::Healthy);
            if now && !bad {
                alarms += 1;
                let hours = (monitor.now() - start) as f64 / HOUR as f64;
                println!(
                    "{hours:6.2} h: {:?} {:?} {:?}",
                    judgement.state, judgement.alarms, judgement.silent
                );
            }
            bad = now;
        });
    }
    println!(
        "{alarms} false alarms in {} h; {spans} spans in {:.0} s",
        options.hours,
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The load of the day, and its doublings.
fn day(options: &Options) -> Result<Vec<Stretch>> {
    let whole = scenario(options, options.seed, 0, options.hours * HOUR, true);
    let mut stretches =
        vec![Stretch { from: 0, until: options.hours * HOUR, generator: generate(&whole)? }];
    for (i, from) in [6 * HOUR, 14 * HOUR].into_iter().enumerate() {
        let seed = options.seed + 1000 + i as u64;
        let more = scenario(options, seed, from, 2 * HOUR, false);
        let until = from + 2 * HOUR;
        stretches.push(Stretch { from, until, generator: generate(&more)? });
    }
    Ok(stretches)
}

fn scenario(options: &Options, seed: u64, from: u64, length: u64, deploys: bool) -> Scenario {
    let mut scenario = sample(seed);
    scenario.start_unix_nano += from;
    scenario.faults.clear();
    scenario.load.mean_gap_ns = SECOND / options.rate.max(1);
    scenario.load.requests = u64::MAX;
    scenario.load.until = length;
    scenario.collection.clock_skew_ns = 80_000_000;
    scenario.collection.duplicated = resus_datasets::Share::millionths(500);
    if !deploys {
        return scenario;
    }
    // A deploy each 40 minutes: the instances of one service after the other, half a minute apart.
    let mut at = HOUR / 2;
    let services: Vec<String> =
        scenario.topology.services().iter().map(|service| service.name.clone()).collect();
    for name in services.iter().cycle() {
        if at + HOUR / 4 > length {
            break;
        }
        let Some(service) = scenario.topology.find_service(name) else { continue };
        for replica in 0..scenario.topology.service(service).replicas {
            let component = Component::Instance(service, replica);
            let begins = at + u64::from(replica) * 30 * SECOND;
            scenario.restarts.push(Restart { component, at: begins, takes: 3 * SECOND });
        }
        at += 40 * 60 * SECOND;
    }
    scenario.restarts.sort_by_key(|restart| restart.at);
    scenario
}
