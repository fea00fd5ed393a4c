//! `resus replay`: recorded traces through the live half, in virtual time.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use resus_engine::{Monitor, State};
use resus_plan::Millis;

use super::{End, serve};
use crate::config::Config;
use crate::options::Reading;
use crate::{input, output, replay};

/// Run recorded traces through the very code of `resus serve`, in virtual time, and tell every change of
/// its judgement.
///
/// Spans come in the order of their arrival; where none is recorded, a span arrives when it has ended
/// and --delay has passed. The same input gives the same output, to the byte.
///
/// Exit codes: 0 never a suspect, 2 suspects at some time, 1 any error.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    reading: Reading,
    /// Configuration of the collector (TOML); sections assemble, rules, watch and diagnose count
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long after its end a span arrives, where its arrival was not recorded
    #[arg(long, value_name = "TIME", default_value = "1s")]
    delay: String,
    /// How to print changes
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write the changes here instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line a change, for people.
    Text,
    /// A JSON object a line, as the API's /api/v1/diagnosis gives it.
    Json,
}

impl Replay {
    pub(crate) fn run(self) -> Result<End> {
        let Some(delay) = Millis::parse(&self.delay) else {
            bail!("--delay {}: expected a time such as 500ms or 5s", self.delay);
        };
        let mut config = match &self.config {
            Some(path) => serve::read(path)?,
            None => Config::standard(),
        };
        if self.config.is_none() {
            config.rules = self.reading.rules();
        }
        let options = crate::serve::monitor_options(&config)?;
        let mut monitor = Monitor::new(options).map_err(output::failed)?;
        let recording = input::spans(&self.reading)?;
        let mut text = String::new();
        let mut suspects = false;
        replay::run(&mut monitor, &recording, delay.get() * 1_000_000, &mut |monitor| {
            let judgement = monitor.judgement();
            suspects |= judgement.state == State::Suspects;
            if judgement.changed {
                text.push_str(&match self.format {
                    Format::Text => crate::serve::line(monitor),
                    Format::Json => crate::serve::json_line(monitor),
                });
            }
        });
        output::write(text.as_bytes(), self.out.as_deref())
            .context("failed to write the changes")?;
        Ok(if suspects { End::Suspects } else { End::Well })
    }
}
