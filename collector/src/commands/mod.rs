//! What can the program do? One file a command.

mod analyze;
mod diagnose;
mod generate;
mod replay;
mod schema;
mod serve;
mod summarise;
mod tree;

use anyhow::Result;
use clap::Subcommand;
use resus_model::Verdict;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// From a dump of traces to suspects and a restart plan
    Analyze(analyze::Analyze),
    /// Count a dump of traces into an evidence file, to be diagnosed later or elsewhere
    Summarise(summarise::Summarise),
    /// From evidence files to suspects and a restart plan
    Diagnose(diagnose::Diagnose),
    /// Receive OTLP, keep it, and find suspects live
    Serve(serve::Serve),
    /// Run recorded traces through the live code, in virtual time
    Replay(replay::Replay),
    /// Check, show or infer a restart tree
    Tree(tree::Tree),
    /// Make traces with a known fault, to try things out
    Generate(generate::Generate),
    /// Print the schema of a format
    Schema(schema::Schema),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Done, or healthy.
    Well,
    /// There are suspects.
    Suspects,
    /// No verdict.
    NoVerdict,
}

impl End {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Suspects => 2,
            Self::NoVerdict => 3,
        }
    }

    pub(crate) const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Healthy => Self::Well,
            Verdict::NoVerdict(_) => Self::NoVerdict,
            Verdict::Suspects(_) => Self::Suspects,
        }
    }
}

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<End> {
    match command {
        Command::Analyze(analyze) => analyze.run(),
        Command::Summarise(summarise) => summarise.run(),
        Command::Diagnose(diagnose) => diagnose.run(),
        Command::Replay(replay) => replay.run(),
        Command::Serve(serve) => serve.run(),
        Command::Tree(tree) => tree.run(),
        Command::Generate(generate) => generate.run(),
        Command::Schema(schema) => schema.run(),
    }
}
