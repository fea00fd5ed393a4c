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
mod deviation;
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

mod blame;
mod decide;
mod exemplar;
mod finding;
mod fuse;
mod notes;
mod obstacle;
mod signature;

mod config;

#[cfg(test)]
mod notation;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::BTreeSet;

use resus_model::{
    Component, DecidedBy, Diagnosis, EntryFinding, EntryState, Evidence, Exactness, FailureKind,
    Level, MarginalKind, Narrower, Outcome, Suspect, Verdict, WhyNoVerdict,
};

pub use cluster::{Linkage, UnknownLinkage};
pub use coefficient::{Coefficient, UnknownCoefficient};
pub use config::{Config, Method};
pub use normal::Normal;
pub use share::{Past, Point, Share};
pub use tally::{EntryTally, tally_entries};

use align::Aligned;
use blame::Blames;
use decide::Decision;
use detect::Detected;
use deviation::{Calls, Deviations, Odd};
use fuse::Case;
use label::Split;
use presence::Counted;
use verdict::thousandths;

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
        decided_by: DecidedBy::Presence,
        narrower: Vec::new(),
        obstacles: Vec::new(),
        notes: notes::of_windows(&aligned),
    };
    let whole = matches!(config.level, Level::Service | Level::Operation);
    let measured = (whole && config.method == Method::Fused).then(|| Measured::of(&aligned));
    let measured = measured.as_ref();
    let by_replica = config.level == Level::Instance && config.method == Method::Fused;
    let odd = if by_replica { deviation::replicas(&aligned) } else { Vec::new() };
    let deviations = measured.map(|m| &m.deviations);
    diagnosis.notes.extend(deviations.and_then(|d| notes::of_deviations(&aligned, d)));
    let supported = deviations.and_then(|d| d.found.iter().find(|d| d.is_supported()));
    let of_replicas = odd.first().map_or(0.0, |(_, finding)| finding.strength);
    let strongest = supported.map_or(0.0, |d| d.strength).max(of_replicas);
    let strong = now.paths() >= config.min_requests && strongest >= fuse::THRESHOLD;
    match detected.iter().find(|d| d.deviates()) {
        Some(detected) => localise(&aligned, detected, measured, odd, config, &mut diagnosis),
        // No request fails more than usual, but something is not as usual.
        None if strong => localise(&aligned, &detected[0], measured, odd, config, &mut diagnosis),
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

/// Everything that is measured of components, whether requests fail or not.
struct Measured {
    calls: Calls,
    deviations: Deviations,
}

impl Measured {
    fn of(aligned: &Aligned<'_>) -> Self {
        let calls = Calls::of(aligned);
        Self { deviations: deviation::deviations(aligned, &calls), calls }
    }

    /// The case against each component, by its number at the level of the diagnosis.
    fn cases(
        &self,
        aligned: &Aligned<'_>,
        counted: &Counted,
        kind: FailureKind,
        config: &Config,
    ) -> Vec<(Component, Case<'_>)> {
        let Split { failed, passed } = counted.total;
        // Healthy windows are contrast enough where nothing passes any more.
        let healthy: u64 = aligned.baselines.iter().map(|b| b.evidence.paths()).sum();
        let told = failed.n >= config.min_failures && passed.n + healthy >= config.min_passes;
        let blames = if kind == FailureKind::Error && told {
            blame::blame(aligned, counted, &self.calls)
        } else {
            Blames::default()
        };
        let cases = fuse::cases(aligned, &self.deviations, &blames, &self.calls, config.level);
        let component = |id: u32| match config.level {
            Level::Service => aligned.service(id),
            _ => aligned.operation(id),
        };
        cases.into_iter().map(|(id, case)| (component(id), case)).collect()
    }

    /// Slow requests name nobody by presence alone: one request in a hundred is slow by definition,
    /// and presence finds somebody who goes with them. Where times and calls of all components were
    /// measured, these have to witness it too. Says what is missing where nobody is left.
    fn ask_witnesses(
        &self,
        aligned: &Aligned<'_>,
        cases: &[(Component, Case<'_>)],
        decision: &mut Decision,
        config: &Config,
    ) -> Option<WhyNoVerdict> {
        if aligned.baselines.is_empty() || self.calls.unknown() || decision.decided {
            return None;
        }
        let witnessed = cases.iter().filter(|(_, case)| case.strength >= fuse::WITNESS);
        let witnessed: Vec<&Component> = witnessed.map(|(component, _)| component).collect();
        decision.keep(&witnessed, config);
        let strongest = cases.iter().map(|(_, case)| case.strength).fold(0.0, f64::max);
        decision.suspects.is_empty().then(|| WhyNoVerdict::NothingStandsOut {
            strongest_thousandths: thousandths(strongest, f64::round),
            threshold_thousandths: thousandths(fuse::THRESHOLD, f64::round),
        })
    }
}

/// Asks which component is to blame for the failures of the entries that deviate, or for what is not as
/// usual.
fn localise(
    aligned: &Aligned<'_>,
    detected: &Detected,
    measured: Option<&Measured>,
    odd: Vec<Odd>,
    config: &Config,
    diagnosis: &mut Diagnosis,
) {
    let kind = detected.rule.kind();
    let counted = presence::counted(aligned, detected);
    diagnosis.failed = counted.total.failed.n;
    diagnosis.passed = counted.total.passed.n;
    diagnosis.notes.extend(notes::of_counts(&counted, kind));
    diagnosis.detection = signature::detection(aligned, &counted, kind, config.level);
    let whole = matches!(config.level, Level::Service | Level::Operation);
    if whole && aligned.now.evidence.exactness == Exactness::OperationsDropped {
        diagnosis.verdict = Verdict::NoVerdict(vec![WhyNoVerdict::Coarsened]);
        return;
    }
    let marginal = |kind| marginal::columns(aligned, &counted, detected, kind);
    let columns = match config.level {
        Level::Service | Level::Operation => {
            presence::columns(aligned, &counted, detected, config.level)
        }
        Level::Instance => marginal(MarginalKind::Instance),
        Level::Version => marginal(MarginalKind::Version),
        Level::Host => marginal(MarginalKind::Host),
    };
    if columns.is_empty() {
        diagnosis.verdict = Verdict::NoVerdict(vec![WhyNoVerdict::LevelAbsent]);
        return;
    }
    diagnosis.dependency = signature::dependency(&columns);
    let mut judged = verdict::judge(&columns, &counted, whole, config);
    diagnosis.on_every_path = std::mem::take(&mut judged.on_every_path);
    diagnosis.dendrogram = judged.dendrogram.take();
    let mut why = judged.why.clone();
    let cases = match measured {
        Some(measured) => measured.cases(aligned, &counted, kind, config),
        None => fuse::of_replicas(odd),
    };
    let mut decision = decide::decide(aligned, &columns, &counted.total, judged, &cases, config);
    if let Some(measured) = measured.filter(|_| kind == FailureKind::SlowOrUnseen) {
        why.extend(measured.ask_witnesses(aligned, &cases, &mut decision, config));
    }
    if decision.decided {
        diagnosis.decided_by = DecidedBy::Evidence;
    } else {
        diagnosis.notes.extend(notes::of_level(config.level));
    }
    diagnosis.considered = std::mem::take(&mut decision.considered);
    if decision.suspects.is_empty() {
        diagnosis.verdict = Verdict::NoVerdict(why);
        return;
    }
    if let Some(measured) = measured.filter(|_| !aligned.baselines.is_empty()) {
        diagnosis.obstacles = obstacle::find(&obstacle::Scene {
            aligned,
            counted: &counted,
            detected,
            calls: &measured.calls,
            first: &decision.suspects[0].0.component,
            config,
        });
    }
    if measured.is_some() && config.level == Level::Service {
        diagnosis.narrower = narrower(aligned, &decision);
    }
    let signature = signature::signature(aligned, &counted, detected);
    let exemplars = exemplar::Exemplars::new(aligned, &counted, detected);
    let proven = decision.suspects.into_iter().map(|(candidate, column)| {
        let (mut failing, mut nearest_passing) =
            column.map(|at| exemplars.of(&columns[at])).unwrap_or_default();
        if failing.is_empty() && whole {
            (failing, nearest_passing) = exemplars.odd(&candidate.component);
        }
        Suspect { candidate, signature: signature.clone(), failing, nearest_passing }
    });
    diagnosis.verdict = Verdict::Suspects(proven.collect());
}

/// Replicas of suspected services that differ from their peers as clearly as a suspect has to.
fn narrower(aligned: &Aligned<'_>, decision: &Decision) -> Vec<Narrower> {
    let is_suspect = |replica: &Component| {
        let service = Component { instance: None, ..replica.clone() };
        decision.suspects.iter().any(|(c, _)| c.component == service)
    };
    let mut told = BTreeSet::new();
    let odd = deviation::replicas(aligned).into_iter();
    odd.filter(|(component, finding)| finding.strength >= fuse::THRESHOLD && is_suspect(component))
        .filter(|(component, _)| told.insert(component.clone()))
        .map(|(component, finding)| Narrower { component, finding })
        .collect()
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
