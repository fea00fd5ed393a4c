//! What a span costs the collector: spans per CPU-second of the server's process, beside rotel.
//!
//! The same load goes to each server in turn, as fast as it answers; the figure is what was acknowledged
//! by the CPU time of the server's process alone, so that the load's own cost on the same cores does
//! not count. rotel runs with its blackhole exporter: it keeps nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use resus_load::{Compression, Keep, Length, Load, Shape, Transport};

use crate::options::Pairs;
use crate::server::{Preload, Server};

/// How the bench runs.
#[derive(Debug)]
pub(crate) struct Options {
    /// Length of a run of a server.
    pub(crate) seconds: u64,
    /// rotel's agent, if there is one to compare with.
    pub(crate) rotel: Option<PathBuf>,
    /// An allocator to preload for a second run of rotel.
    pub(crate) preload: Option<String>,
    /// Which loads: a part of their names; empty for all.
    pub(crate) only: String,
}

impl Options {
    /// Reads `--seconds N --rotel PATH --preload LIBRARY --only TEXT`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let pairs = Pairs::parse(words, &["--seconds", "--rotel", "--preload", "--only"])?;
        Ok(Self {
            seconds: pairs.number("--seconds", 60)?,
            rotel: pairs.get("--rotel").map(PathBuf::from),
            preload: pairs.get("--preload").map(str::to_owned),
            only: pairs.get("--only").unwrap_or("").to_owned(),
        })
    }
}

/// A server and what is switched on in it.
#[derive(Debug, Clone, Copy)]
enum Candidate<'a> {
    Resus { name: &'static str, config: &'static str },
    Rotel { name: &'static str, program: &'a Path, preload: Preload<'a> },
}

/// Spans under way at once, whatever the size of a request: one that answers after a sync needs as many to be
/// busy.
const IN_FLIGHT: u32 = 8192;

/// Traces are complete 5 s after their last span, and none is for want of memory.
const ASSEMBLE: &str = "\n[assemble]\nidle = \"5s\"\nsettle = \"5s\"\nmemory = \"4GiB\"";

const RESUS: [(&str, &str); 3] = [
    ("resus: log, sync, live", "[store]\nparquet = false"),
    ("resus: the same and Parquet", "[store]\nparquet = true"),
    ("resus: log and sync alone", "[store]\nparquet = false\n[watch]\nenabled = false"),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = std::env::current_exe().context("failed to find the program")?;
    let resus = program.with_file_name("resus");
    if !resus.exists() {
        bail!("failed to find {}: build it with -p resus", resus.display());
    }
    let mut candidates: Vec<Candidate<'_>> =
        RESUS.iter().map(|&(name, config)| Candidate::Resus { name, config }).collect();
    if let Some(program) = &options.rotel {
        candidates.push(Candidate::Rotel { name: "rotel", program, preload: None });
        if let Some(library) = &options.preload {
            let preload = Some(library.as_str());
            candidates.push(Candidate::Rotel { name: "rotel, other allocator", program, preload });
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "{} s a run; spans per CPU-second of the server's process, peak memory",
        options.seconds
    );
    for (spans, attributes) in [(512, 12), (100, 12)] {
        for transport in [Transport::Http, Transport::Grpc] {
            for compression in [Compression::None, Compression::Gzip] {
                let title = format!("{transport:?} {compression:?} {spans} spans");
                if !title.to_lowercase().contains(&options.only.to_lowercase()) {
                    continue;
                }
                println!("\n{title} a request, {attributes} attributes a span");
                let mut plain = None;
                let mut figures = Vec::new();
                for &candidate in &candidates {
                    let shape = Shape { attributes, ..Shape::typical(spans) };
                    let load = |target| Load {
                        target,
                        transport,
                        compression,
                        connections: IN_FLIGHT / spans,
                        shape,
                        rate: None,
                        length: Length::Time(Duration::from_secs(options.seconds)),
                        seed: 7,
                        first_request: 0,
                        // With a ledger each compressed body is made anew, so that no span comes twice.
                        keep: Keep::Memory,
                        retry: None,
                    };
                    let figure = one(candidate, &resus, &runtime, load)?;
                    if let Candidate::Rotel { preload: None, .. } = candidate {
                        plain = Some(figure);
                    }
                    figures.push((candidate, figure));
                }
                let Some(plain) = plain else { continue };
                for (candidate, figure) in figures {
                    if let Candidate::Resus { name, .. } = candidate {
                        println!("  {name:30} {:9.2} x rotel", figure / plain);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Runs one server under the load; gives spans per CPU-second.
fn one(
    candidate: Candidate<'_>,
    resus: &Path,
    runtime: &tokio::runtime::Runtime,
    load: impl Fn(resus_load::Target) -> Load,
) -> Result<f64> {
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    let (name, server) = match candidate {
        Candidate::Resus { name, config } => {
            let store = folder.path().join("data");
            let config = format!("{config}{ASSEMBLE}");
            let extra =
                config.replace("[store]", &format!("[store]\nfolder = \"{}\"", store.display()));
            (name, Server::resus(resus, folder.path(), &extra)?)
        }
        Candidate::Rotel { name, program, preload } => (name, Server::rotel(program, preload)?),
    };
    // A second of warm-up: connections, caches, growing of tables.
    let warm = Load { length: Length::Time(Duration::from_secs(1)), ..load(server.target()) };
    let _ = runtime.block_on(resus_load::run(warm))?;
    let before = server.taken()?;
    let run = Load { first_request: 1 << 20, ..load(server.target()) };
    let outcome = runtime.block_on(resus_load::run(run))?;
    let after = server.taken()?;
    let cpu = after.cpu_seconds - before.cpu_seconds;
    let spans = outcome.spans as f64;
    let figure = spans / cpu;
    println!(
        "  {name:30} {:9.0} k/CPU-s {:9.0} k/s {:7.1} MiB   refused {} failed {}",
        figure / 1e3,
        spans / outcome.elapsed.as_secs_f64() / 1e3,
        after.peak_mib,
        outcome.refused_retryable + outcome.refused_other,
        outcome.failed,
    );
    drop(server);
    Ok(figure)
}
