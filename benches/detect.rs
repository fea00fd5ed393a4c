//! A component begins to fail under steady load: after how many seconds is it the first suspect?
//!
//! The auction house in virtual time, through the very code of `resus serve` with its default settings, at
//! several loads and from many seeds; spans arrive a while after they end, as an SDK's timer has it. The
//! seconds count from the moment when `payments` begins to fail in seven of ten of its runs, to the
//! tick by which it leads the suspects.

use anyhow::{Result, anyhow};
use rayon::prelude::*;
use resus_datasets::generate;
use resus_datasets::presets::sample;
use resus_engine::{Monitor, MonitorOptions, WatchConfig};
use resus_evidence::LiveOptions;
use resus_model::Quality;

use crate::options::Pairs;

const SECOND: u64 = 1_000_000_000;

/// Long enough to have learned what is healthy.
const HEALTHY: u64 = 330 * SECOND;

/// No longer is waited for.
const PATIENCE: u64 = 120 * SECOND;

/// How often spans are sent.
const STEP: u64 = SECOND / 4;

/// How the bench runs.
#[derive(Debug)]
pub(crate) struct Options {
    seeds: u64,
    /// How long after their end spans arrive, milliseconds.
    delay_ms: u64,
}

impl Options {
    /// Reads `--seeds N --delay MILLISECONDS`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let pairs = Pairs::parse(words, &["--seeds", "--delay"])?;
        Ok(Self { seeds: pairs.number("--seeds", 20)?, delay_ms: pairs.number("--delay", 1000)? })
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("{options:?}: seconds until payments is the first suspect");
    println!("requests/s  least  median   most   never   another was first");
    for rate in [25, 50, 100, 200, 400] {
        let found: Result<Vec<Found>> =
            (1..=options.seeds).into_par_iter().map(|seed| one(options, rate, seed)).collect();
        let found = found?;
        let mut seconds: Vec<f64> = found.iter().filter_map(|f| f.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let never = found.len() - seconds.len();
        let another = found.iter().filter(|f| f.another).count();
        let at = |share: f64| {
            let last = seconds.len().saturating_sub(1) as f64;
            seconds.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
        };
        println!(
            "{rate:10} {:6.1} {:7.1} {:6.1} {never:7} {another:19}",
            at(0.0),
            at(0.5),
            at(1.0)
        );
    }
    Ok(())
}

struct Found {
    seconds: Option<f64>,
    /// Another component led the suspects before.
    another: bool,
}

fn one(options: &Options, rate: u64, seed: u64) -> Result<Found> {
    let mut scenario = sample(seed);
    scenario.load.mean_gap_ns = SECOND / rate;
    scenario.load.requests = u64::MAX;
    // Anywhere in a pane.
    let fails = HEALTHY + seed * 700_000_000;
    scenario.load.until = fails + PATIENCE;
    scenario.faults[0].from = fails;
    scenario.faults[0].until = fails + PATIENCE;
    let start = scenario.start_unix_nano;
    let mut generator = generate(&scenario)?;
    let mut monitor = Monitor::new(MonitorOptions {
        live: LiveOptions::STANDARD,
        watch: WatchConfig::STANDARD,
        every_ns: SECOND,
        lag_ns: 3 * SECOND,
    })
    .map_err(|e| anyhow!("failed to {e}"))?;
    let mut found = Found { seconds: None, another: false };
    let mut at = 0;
    while found.seconds.is_none() && at < fails + PATIENCE {
        at += STEP;
        let batch = generator.run_until(at);
        let arrival = start + at + options.delay_ms * 1_000_000;
        monitor.push(&batch, &Quality::default(), arrival);
        monitor.run_until(arrival, &mut |monitor| {
            let suspects = monitor.judgement().diagnosis.as_ref().map_or(&[][..], |d| d.suspects());
            let Some(first) = suspects.first() else { return };
            if first.candidate.component.service == "payments" {
                let since = (monitor.now() - start).saturating_sub(fails);
                found.seconds.get_or_insert(since as f64 / SECOND as f64);
            } else {
                found.another = true;
            }
        });
    }
    Ok(found)
}
