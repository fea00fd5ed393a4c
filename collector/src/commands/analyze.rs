//! `resus analyze`: a dump → suspects and a restart plan.

use anyhow::Result;
use clap::Args;
use resus_engine::summarise;

use super::End;
use super::diagnose::finish;
use crate::input;
use crate::options::{Diagnosing, Reading, Showing, Stretches};

/// From a dump of traces to suspects and a restart plan.
///
/// Exit codes: 0 healthy, 2 suspects, 3 no verdict, 1 any error.
#[derive(Debug, Args)]
pub(crate) struct Analyze {
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    stretches: Stretches,
    #[command(flatten)]
    diagnosing: Diagnosing,
    #[command(flatten)]
    showing: Showing,
}

impl Analyze {
    pub(crate) fn run(self) -> Result<End> {
        let choice = self.stretches.choice()?;
        let config = self.diagnosing.config()?;
        let tree = self.diagnosing.read_tree()?;
        let gathered = input::gather(&self.reading)?;
        let evidence = summarise(&gathered, &choice);
        drop(gathered);
        finish(&evidence, &choice, &config, tree, &self.showing)
    }
}
