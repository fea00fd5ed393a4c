//! `resus generate`: traces with a known fault.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use resus_datasets::{presets, write_parquet};
use resus_store::{IdEncoding, WriterOptions};

use super::End;
use crate::output;

/// Make traces with a known fault, as Parquet in the span schema.
///
/// The same name, seed and number of requests give the same bytes.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Which scenario
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(presets::NAMES))]
    scenario: String,
    /// Where to write the spans
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seed of all randomness
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many requests [default: the scenario's own]
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// Deal the spans out over this many files, numbered before the extension
    #[arg(long, default_value_t = 1, value_name = "N")]
    files: usize,
    /// Write ids as hex text instead of bytes
    #[arg(long)]
    hex_ids: bool,
    /// Write what was really wrong (JSON) here
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

impl Generate {
    pub(crate) fn run(self) -> Result<End> {
        if self.files == 0 {
            bail!("--files 0: give at least 1");
        }
        let scenario = presets::by_name(&self.scenario, self.seed, self.requests)
            .expect("the argument is one of the names");
        let ids = if self.hex_ids { IdEncoding::Hex } else { IdEncoding::Bytes };
        let options = WriterOptions { ids, ..WriterOptions::STANDARD };
        let bar = output::progress();
        let truth = write_parquet(&scenario, &self.paths(), options, |spans| {
            bar.set_message(format!("{spans} spans written"));
        })
        .map_err(output::failed)?;
        bar.finish_and_clear();
        output::say(&format!(
            "{} requests, {} spans written to {}",
            truth.requests,
            truth.spans,
            self.out.display()
        ));
        if let Some(path) = &self.truth {
            let text = serde_json::to_string_pretty(&truth)? + "\n";
            fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(End::Well)
    }

    fn paths(&self) -> Vec<PathBuf> {
        if self.files == 1 {
            return vec![self.out.clone()];
        }
        let width = (self.files - 1).to_string().len();
        (0..self.files).map(|i| numbered(&self.out, i, width)).collect()
    }
}

fn numbered(out: &Path, i: usize, width: usize) -> PathBuf {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let extension = out.extension().unwrap_or_default().to_string_lossy();
    let dot = if extension.is_empty() { "" } else { "." };
    out.with_file_name(format!("{stem}-{i:0width$}{dot}{extension}"))
}
