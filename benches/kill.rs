//! Killed again and again under load: is all there that was acknowledged?
//!
//! Each round starts `resus serve` on the same folder, loads it, and kills it at a random moment, replay
//! and sealing included. In the end the folder is read, and every acknowledged span must be in it, none
//! that was never sent, and none more often than it was sent.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use resus_load::{Compression, Keep, Length, Load, Retry, Shape, Transport, check};

use crate::options::Pairs;
use crate::server::Server;
use crate::stored;

/// How the bench runs.
#[derive(Debug)]
pub(crate) struct Options {
    rounds: u64,
    seed: u64,
}

impl Options {
    /// Reads `--rounds N --seed N`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let pairs = Pairs::parse(words, &["--rounds", "--seed"])?;
        Ok(Self { rounds: pairs.number("--rounds", 200)?, seed: pairs.number("--seed", 1)? })
    }
}

/// Small segments and short ages, so that rolling, sealing and releasing happen all the time.
const CONFIG: &str = "log_segment = \"1MiB\"\nsegment_spans = 2000\nsegment_age = \"1s\"\nseal_after = \"50ms\"\nparquet = true";

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = std::env::current_exe().context("failed to find the program")?;
    let resus = program.with_file_name("resus");
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    let data = folder.path().join("data");
    let ledger = folder.path().join("ledger");
    let extra = format!("[store]\nfolder = \"{}\"\n{CONFIG}", data.display());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut random = options.seed;
    let (mut next_request, mut acknowledged, mut slowest) = (0, 0, Duration::ZERO);
    for round in 0..options.rounds {
        let begin = Instant::now();
        let mut server = Server::resus(&resus, folder.path(), &extra)
            .with_context(|| format!("round {round}: refused to start"))?;
        slowest = slowest.max(begin.elapsed());
        let transport = if round % 2 == 0 { Transport::Http } else { Transport::Grpc };
        let compression = if round % 3 == 0 { Compression::Gzip } else { Compression::None };
        let load = Load {
            target: server.target(),
            transport,
            compression,
            connections: 4,
            shape: Shape::typical(100),
            rate: None,
            length: Length::Time(Duration::from_secs(60)),
            seed: options.seed,
            first_request: next_request,
            keep: Keep::File(ledger.clone()),
            retry: None::<Retry>,
        };
        random = next_random(random);
        let moment = Duration::from_millis(random % 500);
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let running = runtime.spawn(resus_load::run_until(load, async {
            // The sender never goes without a word.
            let _ = told.await;
        }));
        std::thread::park_timeout(moment);
        server.kill()?;
        let _ = tell.send(());
        let outcome = runtime.block_on(running).context("the load panicked")??;
        next_request = outcome.next_request;
        acknowledged += outcome.spans;
        if round % 20 == 19 {
            println!("{} kills, {acknowledged} spans acknowledged", round + 1);
        }
    }
    // Once more in peace, so that replay and sealing finish.
    let server = Server::resus(&resus, folder.path(), &extra)?;
    std::thread::park_timeout(Duration::from_secs(3));
    server.end()?;
    report(&data, &ledger, options.rounds, slowest)
}

fn report(data: &Path, ledger: &Path, rounds: u64, slowest: Duration) -> Result<()> {
    let ledger = resus_load::Ledger::read(ledger).map_err(|e| anyhow::anyhow!("failed to {e}"))?;
    let ids = stored::ids(data)?;
    let verdict = check(&ledger, ids);
    println!("{rounds} kills; slowest start {:.2} s; {verdict:#?}", slowest.as_secs_f64());
    if !verdict.holds() {
        bail!("spans were lost, made up or doubled");
    }
    println!("everything that was acknowledged is there");
    Ok(())
}

/// The next number of a sequence (Steele and Vigna's SplitMix64).
fn next_random(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
