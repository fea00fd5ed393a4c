//! `resus summarise`: a dump → an evidence file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use resus_engine::summarise;
use resus_evidence::to_ipc;

use super::End;
use crate::options::{Reading, Stretches};
use crate::{input, output};

/// Count a dump of traces into an evidence file (Arrow IPC).
///
/// Parts of a dump (split by trace) may be summarised apart, anywhere, and diagnosed together: the
/// answer is the same as that of the whole. Without windows the requests are counted into panes,
/// and `resus diagnose` finds the incident.
#[derive(Debug, Args)]
pub(crate) struct Summarise {
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    stretches: Stretches,
    /// Write the evidence here instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Summarise {
    pub(crate) fn run(self) -> Result<End> {
        let choice = self.stretches.choice()?;
        let gathered = input::gather(&self.reading)?;
        let evidence = summarise(&gathered, &choice);
        let bytes = to_ipc(&evidence).map_err(output::failed)?;
        output::write(&bytes, self.out.as_deref())?;
        Ok(End::Well)
    }
}
