//! `resus tree`: restart trees, checked, shown, inferred.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use resus_engine::{Choice, seen_services, summarise};
use resus_plan::{RestartTree, TreeNote, infer};

use super::End;
use crate::options::Reading;
use crate::{input, output};

/// Check, show or infer a restart tree.
#[derive(Debug, Args)]
pub(crate) struct Tree {
    #[command(subcommand)]
    command: TreeCommand,
}

#[derive(Debug, Subcommand)]
enum TreeCommand {
    /// Check a tree; with dumps, also against the components in them
    Check {
        /// The tree (TOML)
        tree: PathBuf,
        /// Span dumps with the components that the tree should cover
        #[arg(value_name = "FILE")]
        files: Vec<String>,
    },
    /// Draw a tree
    Show {
        /// The tree (TOML)
        tree: PathBuf,
    },
    /// Propose a tree for the services in a dump
    Infer {
        #[command(flatten)]
        reading: Reading,
        /// Write the tree here instead of to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Tree {
    pub(crate) fn run(self) -> Result<End> {
        match self.command {
            TreeCommand::Check { tree, files } => {
                let tree = read(&tree)?;
                let mut notes: Vec<TreeNote> =
                    tree.recovery_groups().into_iter().map(TreeNote::RecoveryGroup).collect();
                if !files.is_empty() {
                    let gathered = input::gather(&Reading::of(files))?;
                    let evidence = summarise(&gathered, &Choice::Open);
                    let seen = seen_services(&evidence);
                    notes.extend(resus_plan::check(&tree, &seen));
                    notes.sort();
                    notes.dedup();
                }
                let mut text = format!("the tree is well-formed: {} cells\n", tree.cells().len());
                for note in notes {
                    text.push_str(&format!("note: {note}\n"));
                }
                output::write(text.as_bytes(), None)?;
            }
            TreeCommand::Show { tree } => {
                output::write(read(&tree)?.show().as_bytes(), None)?;
            }
            TreeCommand::Infer { reading, out } => {
                let gathered = input::gather(&reading)?;
                let evidence = summarise(&gathered, &Choice::Open);
                output::write(infer(&seen_services(&evidence)).as_bytes(), out.as_deref())?;
            }
        }
        Ok(End::Well)
    }
}

fn read(path: &PathBuf) -> Result<RestartTree> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {name}"))?;
    RestartTree::parse(&text, &name).map_err(output::failed)
}
