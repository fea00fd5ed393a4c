//! `resus diagnose`: evidence files → suspects and a restart plan.

use std::fs;

use anyhow::{Context, Result, bail};
use clap::Args;
use resus_engine::{Choice, Conclusion, conclude, seen_services};
use resus_evidence::from_ipc;
use resus_model::Evidence;
use resus_plan::{Policy, RestartTree, infer};
use resus_suspects::Config;

use super::End;
use crate::options::{Diagnosing, Format, Showing};
use crate::output;
use crate::report::{self, Analysis, Meta};

/// From evidence files to suspects and a restart plan.
///
/// Exit codes: 0 healthy, 2 suspects, 3 no verdict, 1 any error.
#[derive(Debug, Args)]
pub(crate) struct Diagnose {
    /// Evidence files written by `resus summarise`
    #[arg(required = true, value_name = "EVIDENCE")]
    files: Vec<String>,
    #[command(flatten)]
    diagnosing: Diagnosing,
    #[command(flatten)]
    showing: Showing,
}

impl Diagnose {
    pub(crate) fn run(self) -> Result<End> {
        let config = self.diagnosing.config()?;
        let tree = self.diagnosing.read_tree()?;
        let mut evidence: Vec<Evidence> = Vec::new();
        for file in &self.files {
            let bytes = fs::read(file).with_context(|| format!("failed to read {file}"))?;
            let list = from_ipc(&bytes)
                .with_context(|| format!("failed to read {file} as an evidence file"))?;
            evidence.extend(list);
        }
        if evidence.is_empty() {
            bail!("failed to find evidence in {}", self.files.join(", "));
        }
        // Whether the windows were given is known from the roles.
        finish(&evidence, &Choice::Open, &config, tree, &self.showing)
    }
}

impl Diagnosing {
    /// The operator's restart tree, if one was named.
    pub(crate) fn read_tree(&self) -> Result<Option<RestartTree>> {
        let Some(path) = &self.tree else { return Ok(None) };
        let name = path.display().to_string();
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {name}"))?;
        RestartTree::parse(&text, &name).map(Some).map_err(output::failed)
    }
}

/// Draws the conclusion and shows it.
pub(crate) fn finish(
    evidence: &[Evidence],
    choice: &Choice,
    config: &Config,
    tree: Option<RestartTree>,
    showing: &Showing,
) -> Result<End> {
    let inferred = tree.is_none();
    let tree = match tree {
        Some(tree) => tree,
        None => {
            let text = infer(&seen_services(evidence));
            RestartTree::parse(&text, "inferred tree").map_err(output::failed)?
        }
    };
    let mut conclusion = conclude(evidence, choice, config, Some(&tree), &Policy::standard())
        .map_err(output::failed)?;
    let notes = &mut conclusion.diagnosis.notes;
    if inferred {
        notes.push(
            "no restart tree was given: one was inferred from the services seen (see `resus tree infer`)"
                .to_owned(),
        );
    } else {
        let unmatched = resus_plan::check(&tree, &seen_services(evidence));
        notes.extend(unmatched.iter().map(ToString::to_string));
    }
    show(&conclusion, &tree, showing)?;
    Ok(End::of(&conclusion.diagnosis.verdict))
}

fn show(conclusion: &Conclusion, tree: &RestartTree, showing: &Showing) -> Result<()> {
    let analysis = Analysis {
        diagnosis: &conclusion.diagnosis,
        quality: &conclusion.quality,
        tree: Some(tree),
        proposal: conclusion.proposal.as_ref(),
        meta: Meta { version: env!("CARGO_PKG_VERSION"), windows: &conclusion.windows },
    };
    let text = match showing.format {
        Format::Table => report::table(&analysis, showing.color.decide()),
        Format::Json => report::json(&analysis),
        Format::Html => report::html(&analysis),
    };
    output::write(text.as_bytes(), showing.out.as_deref())?;
    if let Some(path) = &showing.html {
        output::write(report::html(&analysis).as_bytes(), Some(path))?;
        output::say(&format!("report written to {}", path.display()));
    }
    Ok(())
}
