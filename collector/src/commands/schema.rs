//! `resus schema`: the formats, as machines read them.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::End;
use crate::{output, report, serve};

/// Print the JSON Schema of a format.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Which format
    #[arg(value_enum)]
    format: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// What `resus analyze --format json` prints.
    Analysis,
    /// A restart plan.
    Plan,
    /// A restart tree (TOML, read as JSON).
    Tree,
    /// The API of `resus serve`, as an OpenAPI document.
    Openapi,
}

impl Schema {
    pub(crate) fn run(self) -> Result<End> {
        let text = match self.format {
            Which::Analysis => report::schema(),
            Which::Plan => serde_json::to_string_pretty(&resus_plan::plan_schema())? + "\n",
            Which::Tree => serde_json::to_string_pretty(&resus_plan::tree_schema())? + "\n",
            Which::Openapi => serve::openapi(),
        };
        output::write(text.as_bytes(), None)?;
        Ok(End::Well)
    }
}
