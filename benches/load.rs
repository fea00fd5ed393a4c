//! A steady load against a collector that runs already, and what it takes meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use resus_load::{Compression, Keep, Length, Load, Shape, Target, Transport};

use crate::options::Pairs;
use crate::server;

/// How the load runs.
#[derive(Debug)]
pub(crate) struct Options {
    http: SocketAddr,
    /// Spans a second; 0 for as fast as answers come.
    rate: u64,
    seconds: u64,
    spans: u64,
    connections: u64,
    /// The collector's process, to be looked at every so many seconds.
    pid: Option<u32>,
    every: u64,
}

impl Options {
    /// Reads `--http ADDRESS --rate N --seconds N --spans N --connections N --pid N --every N`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let known =
            ["--http", "--rate", "--seconds", "--spans", "--connections", "--pid", "--every"];
        let pairs = Pairs::parse(words, &known)?;
        let http = pairs.get("--http").unwrap_or("127.0.0.1:4318");
        let pid = pairs.get("--pid").map(str::parse).transpose();
        Ok(Self {
            http: http.parse().with_context(|| format!("found --http {http}"))?,
            rate: pairs.number("--rate", 10_000)?,
            seconds: pairs.number("--seconds", 60)?,
            spans: pairs.number("--spans", 100)?,
            connections: pairs.number("--connections", 16)?,
            pid: pid.context("found --pid, expected a number")?,
            every: pairs.number("--every", 10)?,
        })
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut next_request = 0;
    let mut left = options.seconds;
    println!("     s    spans/s  refused  failed   p99 ms   CPU %  resident MiB  files threads");
    let mut before = options.pid.map(server::look).transpose()?;
    while left > 0 {
        let seconds = options.every.min(left);
        left -= seconds;
        let load = Load {
            target: Target::new(Some(options.http), None),
            transport: Transport::Http,
            compression: Compression::None,
            connections: u32::try_from(options.connections)?,
            shape: Shape::typical(u32::try_from(options.spans)?),
            rate: (options.rate > 0).then_some(options.rate as f64),
            length: Length::Time(Duration::from_secs(seconds)),
            seed: 1,
            first_request: next_request,
            keep: Keep::Nothing { pool: 1 },
            retry: None,
        };
        let outcome = runtime.block_on(resus_load::run(load))?;
        next_request = outcome.next_request;
        let mut line = format!(
            "{:6} {:10.0} {:8} {:7} {:8.1}",
            options.seconds - left,
            outcome.spans_per_second(),
            outcome.refusals,
            outcome.failed,
            outcome.latency.quantile(0.99).as_secs_f64() * 1e3,
        );
        if let (Some(pid), Some(last)) = (options.pid, before) {
            let now = server::look(pid)?;
            let share = (now.cpu_seconds - last.cpu_seconds) / outcome.elapsed.as_secs_f64();
            line.push_str(&format!(
                " {:7.1} {:13.1} {:6} {:7}",
                share * 100.0,
                now.resident_mib,
                now.files,
                now.threads
            ));
            before = Some(now);
        }
        println!("{line}");
    }
    Ok(())
}
