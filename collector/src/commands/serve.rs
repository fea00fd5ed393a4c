//! `resus serve`: the collector.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use clap::Args;

use super::End;
use crate::config::{self, Config};
use crate::{output, serve};

/// Receive OTLP, keep it, and find the component that goes with failing requests, live.
///
/// Without a configuration it listens on 127.0.0.1 (gRPC 4317, HTTP 4318, API 4320) and keeps its
/// data in ./resus-data. SIGTERM ends it; what it acknowledged is kept.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Configuration (TOML); see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration, tell all its mistakes, and end
    #[arg(long)]
    check_config: bool,
    /// Print the configuration as it takes effect, secrets left out, and end
    #[arg(long, conflicts_with = "check_config")]
    print_config: bool,
}

impl Serve {
    pub(crate) fn run(self) -> Result<End> {
        let config = match &self.config {
            Some(path) => read(path)?,
            None => Config::standard(),
        };
        if self.check_config {
            output::write(b"OK\n", None)?;
        } else if self.print_config {
            output::write(config::print(&config).as_bytes(), None)?;
        } else {
            serve::run(config)?;
        }
        Ok(End::Well)
    }
}

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<Config> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("failed to read the configuration {}", path.display()))?;
    let environment = |name: &str| env::var(name).ok();
    let read_file = |path: &Path| fs::read_to_string(path);
    config::read(&text, &path.display().to_string(), &environment, &read_file)
        .map_err(output::failed)
}
