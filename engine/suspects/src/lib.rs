//! Which component goes with the failures of a window, held against healthy windows?
//!
//! [`diagnose`] detects first and localises then. It looks for entry operations whose failing share
//! exceeds what healthy windows show; only for these it asks which component's presence goes with
//! failure, by clustering components with the failure vector as Pinpoint did (Chen et al., DSN 2002)
//! and by a similarity coefficient of the 2×2 table. The answer is *healthy*, *no verdict* with what
//! is missing, or *suspects*; never a guess.
//!
//! Everything is computed from path classes, so the cost does not depend on the number of requests.
//! Deterministic: the same Evidence gives the same Diagnosis, whatever the order it was merged in.

// In the order of the work. First: the same words for all windows, and which requests failed.
mod align;
mod label;

// Does anything deviate?
mod detect;
mod normal;
mod share;
mod statistics;
mod tally;

// Presence of services and operations, of instances, versions and hosts.
mod origin;
mod part;
mod presence;

mod marginal;

// How close is presence to failure?
mod coefficient;

mod cluster;

// Who is suspect, and what is said about it.
mod verdict;

mod exemplar;
mod notes;
mod signature;

mod config;

#[cfg(test)]
mod notation;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;

use resus_model::{
    Diagnosis, EntryFinding, EntryState, Evidence, Exactness, Level, MarginalKind, Outcome,
    Suspect, Verdict, WhyNoVerdict,
};

pub use cluster::{Linkage, UnknownLinkage};
pub use coefficient::{Coefficient, UnknownCoefficient};
pub use config::Config;
pub use normal::Normal;
pub use share::{Past, Point, Share};
pub use tally::{EntryTally, tally_entries};

use align::Aligned;
use detect::Detected;

/// Why there is no diagnosis at all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DiagnoseError {
    /// An Evidence was made under other rules: requests that one calls failed, another may not.
    #[error(
        "compare baseline {index} with the window to be explained: it was made under the rules \
         `{found}`, the window under `{expected}`; summarise both again under the same rules"
    )]
    Rules {
        /// Its place in the list.
        index: usize,
        /// Its rules.
        found: String,
        /// Those of the window to be explained.
        expected: String,
    },
    /// A setting is outside its range.
    #[error("read setting `{name}`: {value} is not between {from} and {to}; change it")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it was.
        value: f64,
        /// The least allowed.
        from: f64,
        /// The most allowed.
        to: f64,
    },
}

/// Explains a window by holding it against healthy ones.
///
/// Each baseline is one healthy window; their number and their length are the caller's choice. One
/// is enough to compare with, two or more say how much a share wanders.
///
/// # Errors
/// When windows were made under different rules, or a setting is out of range.
pub fn diagnose<B: Borrow<Evidence>>(
    now: &Evidence,
    baseline: &[B],
    config: &Config,
) -> Result<Diagnosis, DiagnoseError> {
    config.check()?;
    same_rules(now, baseline)?;
    let aligned = align::align(now, baseline);
    // Errors are the stronger word: slowness is looked into only where errors do not deviate.
    let errors = detect::errors(&aligned, config);
    let slow = detect::slow_or_unseen(&aligned, config);
    let detected: Vec<Detected> = std::iter::once(errors).chain(slow).collect();
    let mut diagnosis = Diagnosis {
        verdict: Verdict::Healthy,
        level: config.level,
        window: now.window,
        baselines: baseline.iter().map(|b| b.borrow().window).collect(),
        windows_chosen: config.windows_chosen,
        entries: entries(&detected),
        considered: Vec::new(),
        on_every_path: Vec::new(),
        dendrogram: None,
        detection: Vec::new(),
        dependency: Vec::new(),
        failed: 0,
        passed: 0,
        obstacles: Vec::new(),
        notes: notes::of_windows(&aligned, config),
    };
    match detected.iter().find(|d| d.deviates()) {
        Some(detected) => localise(&aligned, detected, config, &mut diagnosis),
        None => quiet(&aligned, &detected, config, &mut diagnosis),
    }
    Ok(diagnosis)
}

fn same_rules<B: Borrow<Evidence>>(now: &Evidence, baseline: &[B]) -> Result<(), DiagnoseError> {
    match baseline.iter().map(B::borrow).enumerate().find(|(_, b)| b.rules != now.rules) {
        None => Ok(()),
        Some((index, b)) => Err(DiagnoseError::Rules {
            index,
            found: b.rules.to_string(),
            expected: now.rules.to_string(),
        }),
    }
}

/// Findings of both kinds, largest effect first, ties by kind and text.
fn entries(detected: &[Detected]) -> Vec<EntryFinding> {
    let found = detected.iter().flat_map(|d| &d.found);
    let mut entries: Vec<EntryFinding> = found.map(|f| f.finding.clone()).collect();
    entries.sort_by(|a, b| {
        b.effect
            .total_cmp(&a.effect)
            .then_with(|| a.kind.cmp(&b.kind))
            .then_with(|| a.entry.cmp(&b.entry))
    });
    entries
}

/// Asks which component goes with the failures of the entries that deviate.
fn localise(
    aligned: &Aligned<'_>,
    detected: &Detected,
    config: &Config,
    diagnosis: &mut Diagnosis,
) {
    let kind = detected.rule.kind();
    let counted = presence::counted(aligned, detected);
    diagnosis.failed = counted.total.failed.n;
    diagnosis.passed = counted.total.passed.n;
    diagnosis.notes.extend(notes::of_counts(&counted, kind));
    diagnosis.detection = signature::detection(aligned, &counted, kind, config.level);
    let lost = aligned.now.evidence.exactness == Exactness::OperationsDropped;
    let columns = match config.level {
        Level::Service | Level::Operation if lost => {
            diagnosis.verdict = Verdict::NoVerdict(vec![WhyNoVerdict::Coarsened]);
            return;
        }
        Level::Service | Level::Operation => {
            presence::columns(aligned, &counted, detected, config.level)
        }
        Level::Instance => marginal::columns(aligned, &counted, detected, MarginalKind::Instance),
        Level::Version => marginal::columns(aligned, &counted, detected, MarginalKind::Version),
        Level::Host => marginal::columns(aligned, &counted, detected, MarginalKind::Host),
    };
    if columns.is_empty() {
        diagnosis.verdict = Verdict::NoVerdict(vec![WhyNoVerdict::LevelAbsent]);
        return;
    }
    diagnosis.dependency = signature::dependency(&columns);
    let judged = verdict::judge(
        &columns,
        &counted,
        matches!(config.level, Level::Service | Level::Operation),
        config,
    );
    diagnosis.notes.extend(notes::of_presence(&judged.on_every_path, config.level));
    diagnosis.considered = judged.considered;
    diagnosis.on_every_path = judged.on_every_path;
    diagnosis.dendrogram = judged.dendrogram;
    diagnosis.verdict = if judged.why.is_empty() {
        let signature = signature::signature(aligned, &counted, detected);
        let exemplars = exemplar::Exemplars::new(aligned, &counted, detected);
        let proven = judged.suspects.into_iter().map(|(candidate, column)| {
            let (failing, nearest_passing) = exemplars.of(&columns[column]);
            Suspect { candidate, signature: signature.clone(), failing, nearest_passing }
        });
        Verdict::Suspects(proven.collect())
    } else {
        Verdict::NoVerdict(judged.why)
    };
}

/// Nothing deviates: healthy, if there was enough to see it.
fn quiet(aligned: &Aligned<'_>, detected: &[Detected], config: &Config, diagnosis: &mut Diagnosis) {
    let with = |outcome: Outcome| -> u64 {
        let classes = aligned.now.classes().filter(|(_, cell)| cell.is_some());
        classes.filter(|(c, _)| c.key.outcome == outcome).map(|(c, _)| c.tally.n).sum()
    };
    let (failed, passed, unlabelled) =
        (with(Outcome::Failed), with(Outcome::Passed), with(Outcome::Unlabelled));
    diagnosis.failed = failed;
    diagnosis.passed = passed + unlabelled;
    let found = || detected.iter().flat_map(|d| &d.found);
    let short = found().filter(|f| f.short_of_failures).map(|f| f.finding.failed).max();
    let compared = found().any(|f| f.finding.baseline_share.is_some());
    let why = if failed + passed + unlabelled == 0 {
        WhyNoVerdict::NoRequests
    } else if let Some(have) = short {
        WhyNoVerdict::TooFewFailures { have, need: config.min_failures }
    } else if found().any(|f| f.finding.state == EntryState::Within) {
        diagnosis.verdict = Verdict::Healthy;
        return;
    } else if failed + passed == 0 && !compared {
        WhyNoVerdict::NoBaseline
    } else {
        let have = found().map(|f| f.finding.requests).max().unwrap_or(0);
        WhyNoVerdict::TooFewRequests { have, need: config.min_requests }
    };
    diagnosis.verdict = Verdict::NoVerdict(vec![why]);
}
