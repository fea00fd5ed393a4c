//! An hour of steady load: do memory, descriptors, threads and the disk stay as they are?
//!
//! Starts `resus serve` with its default settings but for a small retention, so that the oldest segments
//! must go during the run, and looks at the process once a slice of the load.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use resus_load::{Compression, Keep, Length, Load, Shape, Transport};

use crate::options::Pairs;
use crate::server::{Server, Taken};

/// How the bench runs.
#[derive(Debug)]
pub(crate) struct Options {
    seconds: u64,
    /// Spans a second.
    rate: u64,
    /// Seconds between two looks.
    every: u64,
    /// Seconds that do not count: tables and caches fill, and the baseline of half an hour.
    warm: u64,
    /// Retention of the sealed segments.
    retain_mib: u64,
}

impl Options {
    /// Reads `--seconds N --rate N --every N --warm N --retain-mib N`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let known = ["--seconds", "--rate", "--every", "--warm", "--retain-mib"];
        let pairs = Pairs::parse(words, &known)?;
        Ok(Self {
            seconds: pairs.number("--seconds", 3600)?,
            rate: pairs.number("--rate", 10_000)?,
            every: pairs.number("--every", 60)?,
            warm: pairs.number("--warm", 1900)?,
            retain_mib: pairs.number("--retain-mib", 1024)?,
        })
    }
}

/// What one look saw.
struct Look {
    hour: f64,
    taken: Taken,
    log_mib: f64,
    sealed_mib: f64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = std::env::current_exe().context("failed to find the program")?;
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    let data = folder.path().join("data");
    let extra = format!(
        "[store]\nfolder = \"{}\"\nretain_bytes = \"{}MiB\"",
        data.display(),
        options.retain_mib
    );
    let server = Server::resus(&program.with_file_name("resus"), folder.path(), &extra)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{} spans a second for {} s, batches of 100", options.rate, options.seconds);
    println!(
        "     s  spans/s refused failed  p99 ms  CPU % resident MiB files threads log MiB sealed MiB"
    );
    let (mut next_request, mut sent, mut kept, mut looks) = (0, 0, 0, Vec::new());
    let mut before = server.taken()?;
    let mut left = options.seconds;
    while left > 0 {
        let seconds = options.every.min(left);
        left -= seconds;
        let load = Load {
            target: server.target(),
            transport: Transport::Http,
            compression: Compression::None,
            connections: 16,
            shape: Shape::typical(100),
            rate: Some(options.rate as f64),
            length: Length::Time(Duration::from_secs(seconds)),
            seed: 1,
            first_request: next_request,
            keep: Keep::Nothing { pool: 1 },
            retry: None,
        };
        let outcome = runtime.block_on(resus_load::run(load))?;
        next_request = outcome.next_request;
        sent += outcome.requests * 100;
        kept += outcome.spans;
        let taken = server.taken()?;
        let look = Look {
            hour: (options.seconds - left) as f64 / 3600.0,
            taken,
            log_mib: size(&data.join("log")),
            sealed_mib: size(&data.join("spans")),
        };
        println!(
            "{:6} {:8.0} {:7} {:6} {:7.1} {:6.1} {:12.1} {:5} {:7} {:7.0} {:10.0}",
            options.seconds - left,
            outcome.spans_per_second(),
            outcome.refusals,
            outcome.failed,
            outcome.latency.quantile(0.99).as_secs_f64() * 1e3,
            (taken.cpu_seconds - before.cpu_seconds) / outcome.elapsed.as_secs_f64() * 100.0,
            taken.resident_mib,
            taken.files,
            taken.threads,
            look.log_mib,
            look.sealed_mib,
        );
        before = taken;
        looks.push(look);
    }
    println!("sent {sent} spans, acknowledged {kept}");
    conclude(&looks, options);
    server.end()
}

fn conclude(looks: &[Look], options: &Options) {
    let warm = options.warm as f64 / 3600.0;
    let later: Vec<&Look> = looks.iter().filter(|look| look.hour > warm).collect();
    if later.len() < 3 {
        println!("too short to tell how things go on after {} s", options.warm);
        return;
    }
    let span = |of: &dyn Fn(&Look) -> f64| {
        let values = later.iter().map(|look| of(look));
        let least = values.clone().fold(f64::INFINITY, f64::min);
        format!("{least:.0} to {:.0}", values.fold(0.0, f64::max))
    };
    println!(
        "after {} s: memory {} MiB, slope {:+.2} MiB an hour; descriptors {}; threads {}; log {} MiB; \
         sealed {} MiB of {}",
        options.warm,
        span(&|look| look.taken.resident_mib),
        slope(&later),
        span(&|look| look.taken.files as f64),
        span(&|look| look.taken.threads as f64),
        span(&|look| look.log_mib),
        span(&|look| look.sealed_mib),
        options.retain_mib,
    );
}

/// Resident memory over time by least squares, MiB an hour.
fn slope(looks: &[&Look]) -> f64 {
    let n = looks.len() as f64;
    let mean_x = looks.iter().map(|look| look.hour).sum::<f64>() / n;
    let mean_y = looks.iter().map(|look| look.taken.resident_mib).sum::<f64>() / n;
    let (mut xy, mut xx) = (0.0, 0.0);
    for look in looks {
        xy += (look.hour - mean_x) * (look.taken.resident_mib - mean_y);
        xx += (look.hour - mean_x).powi(2);
    }
    xy / xx
}

/// What the files of a folder take, MiB. One that goes away meanwhile counts for nothing.
fn size(folder: &Path) -> f64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes: u64 = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    bytes as f64 / f64::from(1 << 20)
}
