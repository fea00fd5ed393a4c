//! Ten times the load while the disk stands still, in little memory: what is refused, how, and how soon
//! is everything as before?
//!
//! The collector runs in a memory cgroup and keeps its data on a file system of its own, which is
//! frozen (fsfreeze(8)) for a while: a write then waits, as on a disk that does not answer. Both are
//! made by the script `benches/stall`, which needs root.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use resus_load::{
    Compression, Keep, Ledger, Length, Load, Outcome, Shape, Transport, check,
    run_until as send_until,
};
use tokio::runtime::Runtime;

use crate::options::Pairs;
use crate::server::Server;
use crate::stored;

/// What the process may take beyond what it is configured to hold in requests and traces: code,
/// connections, evidence, the log's own buffers.
const BESIDE_MIB: f64 = 50.0;

/// How the bench runs.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where the file system is mounted that will stand still.
    disk: PathBuf,
    /// The folder of the cgroup.
    group: PathBuf,
    /// The cgroup's limit.
    limit_mib: u64,
    /// Spans a second that come all the time.
    rate: u64,
    /// How long the disk stands still under that, and how long under ten times as much.
    stalled: u64,
    overloaded: u64,
}

impl Options {
    /// Reads `--disk FOLDER --group FOLDER --limit-mib N --rate N --stalled S --overloaded S`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let known = ["--disk", "--group", "--limit-mib", "--rate", "--stalled", "--overloaded"];
        let pairs = Pairs::parse(words, &known)?;
        let folder =
            |name| pairs.get(name).map(PathBuf::from).with_context(|| format!("{name} is missing"));
        Ok(Self {
            disk: folder("--disk")?,
            group: folder("--group")?,
            limit_mib: pairs.number("--limit-mib", 256)?,
            rate: pairs.number("--rate", 10_000)?,
            stalled: pairs.number("--stalled", 60)?,
            overloaded: pairs.number("--overloaded", 30)?,
        })
    }
}

/// All that was sent, and what must hold in the end.
struct Run {
    server: Server,
    runtime: Runtime,
    next_request: u64,
    ledger: PathBuf,
    refused_for_good: u64,
    unanswered: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = std::env::current_exe().context("failed to find the program")?;
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    let data = options.disk.join("data");
    // Half for requests under way, as by default; the rest is for traces, evidence and the program.
    let in_flight = options.limit_mib / 2;
    let extra = format!(
        "max_in_flight = \"{in_flight}MiB\"\n[store]\nfolder = \"{}\"\nfree_space = \"16MiB\"\n\
         log_segment = \"16MiB\"",
        data.display()
    );
    let server = Server::resus(&program.with_file_name("resus"), folder.path(), &extra)?;
    fs::write(options.group.join("cgroup.procs"), server.id().to_string())
        .context("failed to put the collector into its cgroup")?;
    let mut run = Run {
        server,
        runtime: tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?,
        next_request: 0,
        ledger: folder.path().join("ledger"),
        refused_for_good: 0,
        unanswered: 0,
    };
    println!(
        "{} MiB, {in_flight} MiB of them for requests under way; {} spans a second",
        options.limit_mib, options.rate
    );
    println!("                              spans/s  refused  other  failed  p99 of refusals");
    let usual = run.load("as usual", options.rate, 32, 10)?;
    freeze(options, true)?;
    let stalled = (|| {
        let _ = run.load("disk stands still", options.rate, 32, options.stalled)?;
        run.load("the same, ten times as much", options.rate * 10, 512, options.overloaded)
    })();
    freeze(options, false)?;
    let released = Instant::now();
    let _ = stalled?;
    let recovered = loop {
        let after = run.load("disk moves again", options.rate, 32, 1)?;
        if after.refusals + after.failed == 0
            && after.spans_per_second() >= 0.95 * usual.spans_per_second()
        {
            break released.elapsed();
        }
        if released.elapsed() > Duration::from_secs(60) {
            bail!("a minute after the disk moved again the rate is not what it was");
        }
    };
    let _ = run.load("ten times as much", options.rate * 10, 512, options.overloaded)?;
    let _ = run.load("as usual", options.rate, 32, 5)?;
    let taken = run.server.taken()?;
    run.server.end()?;

    let ledger = Ledger::read(&run.ledger).map_err(|e| anyhow::anyhow!("failed to {e}"))?;
    let verdict = check(&ledger, stored::ids(&data)?);
    // What the default of assemble.memory gives to traces.
    let configured = in_flight as f64 + 48.0;
    println!(
        "full rate {:.1} s after the disk moved again; peak memory {:.0} MiB of {configured:.0} \
         configured + {BESIDE_MIB:.0}; {} requests refused for good, {} unanswered\n{verdict:#?}",
        recovered.as_secs_f64(),
        taken.peak_mib,
        run.refused_for_good,
        run.unanswered,
    );
    if !verdict.holds() || run.refused_for_good + run.unanswered > 0 {
        bail!("spans were lost or made up, or refused for good, or never answered");
    }
    if recovered > Duration::from_secs(10) || taken.peak_mib > configured + BESIDE_MIB {
        bail!("it took too long to recover, or too much memory");
    }
    Ok(())
}

impl Run {
    fn load(&mut self, what: &str, rate: u64, connections: u32, seconds: u64) -> Result<Outcome> {
        let length = Duration::from_secs(seconds);
        let load = Load {
            target: self.server.target(),
            transport: Transport::Http,
            compression: Compression::None,
            connections,
            shape: Shape::typical(100),
            rate: Some(rate as f64),
            length: Length::Time(length),
            seed: 1,
            first_request: self.next_request,
            keep: Keep::File(self.ledger.clone()),
            retry: None,
        };
        // What is due but was never sent, because all connections wait, is given up.
        let outcome = self
            .runtime
            .block_on(send_until(load, async move { tokio::time::sleep(length).await }))?;
        self.next_request = outcome.next_request;
        self.refused_for_good += outcome.refused_other;
        self.unanswered += outcome.failed;
        println!(
            "{what:28} {:9.0} {:8} {:6} {:7} {:8.1} ms  {:?}",
            outcome.spans_per_second(),
            outcome.refusals,
            outcome.refused_other,
            outcome.failed,
            outcome.refusal_latency.quantile(0.99).as_secs_f64() * 1e3,
            outcome.reasons,
        );
        Ok(outcome)
    }
}

fn freeze(options: &Options, on: bool) -> Result<()> {
    let how = if on { "--freeze" } else { "--unfreeze" };
    let status = Command::new("fsfreeze").arg(how).arg(&options.disk).status();
    if !status.context("failed to run fsfreeze")?.success() {
        bail!("fsfreeze {how} failed");
    }
    Ok(())
}
