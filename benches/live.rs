//! The same as `detect`, once, for real: spans over OTLP as they end, the answer from the API.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use resus_datasets::generate;
use resus_datasets::presets::sample;
use resus_load::export;

use crate::options::Pairs;
use crate::server::Server;

const SECOND: u64 = 1_000_000_000;

/// How the bench runs.
#[derive(Debug)]
pub(crate) struct Options {
    /// Requests a second.
    rate: u64,
    /// Seconds of healthy load before something breaks.
    healthy: u64,
    seed: u64,
}

impl Options {
    /// Reads `--rate N --healthy SECONDS --seed N`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let pairs = Pairs::parse(words, &["--rate", "--healthy", "--seed"])?;
        Ok(Self {
            rate: pairs.number("--rate", 100)?,
            healthy: pairs.number("--healthy", 330)?,
            seed: pairs.number("--seed", 1)?,
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "spans of the present are sent")]
pub(crate) fn run(options: &Options) -> Result<()> {
    let program = std::env::current_exe().context("failed to find the program")?;
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    let store = format!("[store]\nfolder = \"{}\"", folder.path().join("data").display());
    let server = Server::resus(&program.with_file_name("resus"), folder.path(), &store)?;
    let api = server.api.context("failed to find the API: resus named no address")?;
    let mut scenario = sample(options.seed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("it is before 1970")?;
    scenario.start_unix_nano = u64::try_from(now.as_nanos())?;
    scenario.load.mean_gap_ns = SECOND / options.rate.max(1);
    scenario.load.requests = u64::MAX;
    scenario.load.until = (options.healthy + 200) * SECOND;
    scenario.faults[0].from = options.healthy * SECOND;
    scenario.faults[0].until = scenario.load.until;
    let mut generator = generate(&scenario)?;
    println!("{options:?}");
    let begin = Instant::now();
    let fails = Duration::from_secs(options.healthy);
    let mut before = String::new();
    loop {
        let elapsed = begin.elapsed();
        let spans = generator.run_until(u64::try_from(elapsed.as_nanos())?);
        let (status, _) = ask(server.http, "POST /v1/traces", &export(&spans))?;
        if status != 200 {
            bail!("the collector answered {status}");
        }
        let (_, body) = ask(api, "GET /api/v1/diagnosis", &[])?;
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        let state = answer["state"].as_str().unwrap_or_default();
        if state != before {
            println!("{:7.1} s: {state}", elapsed.as_secs_f64());
            state.clone_into(&mut before);
        }
        if state == "suspects" {
            let first = &answer["analysis"]["suspects"][0]["component"]["service"];
            println!(
                "first suspect: {first}, {:.1} s after payments began to fail",
                begin.elapsed().as_secs_f64() - fails.as_secs_f64()
            );
            return server.end();
        }
        if elapsed > fails + Duration::from_secs(120) {
            bail!("no suspect 120 s after payments began to fail");
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// A request over a connection of its own; gives status and body.
fn ask(at: SocketAddr, what: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(at).context("failed to connect")?;
    let head = format!(
        "{what} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\
         Content-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).context("failed to send")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("failed to receive")?;
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n");
    let body = answer.split_off(end.context("the answer has no head")? + 4);
    let status = std::str::from_utf8(&answer)?.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body))
}
