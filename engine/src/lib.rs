//! In which order do the stages of an analysis come?
//!
//! ```text
//! bytes ─decode→ SpanBatch ─gather→ Path ─observe→ Evidence ─diagnose→ Diagnosis ─propose→ Plan
//! ```
//!
//! Decoding is the reader's business (`columns`, `otlp`); gathering is [`Gather`]; the rest is two
//! functions: [`summarise`] and [`conclude`]. A dump analysed in one go and one that was summarised
//! in parts go through the very same [`conclude`], so they cannot come to different answers.

mod monitor;
mod seen;
mod split;
mod watch;

use resus_evidence::{Limits, MergeError, ToIpcError, Windows, merge, to_ipc};
use resus_model::{Diagnosis, Evidence, Quality, Role, Window};
use resus_plan::{ContentHash, Policy, Proposal, ProposeContext, RestartTree, propose};
use resus_suspects::{Config, DiagnoseError, diagnose};

pub use monitor::{Monitor, MonitorOptions, View};
pub use resus_paths::{Gather, Gathered};
pub use seen::seen_services;
pub use split::{PANES, pane_length};
pub use watch::{
    Alarm, Baseline, BaselineSummary, Judgement, RefusedPanes, Silence, Silent, State, WatchConfig,
    WatchConfigError, Watcher,
};

/// Which stretches of time are to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This window against these healthy ones.
    Given {
        /// To be explained.
        now: Window,
        /// Healthy.
        baseline: Vec<Window>,
    },
    /// This window against what came before it (after it, if nothing did).
    Now(Window),
    /// Let the data tell: many equal panes, sorted by [`conclude`].
    Open,
}

/// Everything an analysis came to.
#[derive(Debug)]
pub struct Conclusion {
    /// The answer.
    pub diagnosis: Diagnosis,
    /// What to do, where there is a tree to plan with.
    pub proposal: Option<Proposal>,
    /// How good the data was.
    pub quality: Quality,
    /// How the windows were chosen, in a sentence.
    pub windows: String,
    /// The window to be explained, as Evidence.
    pub now: Evidence,
    /// Healthy windows, as Evidence.
    pub baseline: Vec<Evidence>,
}

/// Why there is no conclusion.
#[derive(Debug, thiserror::Error)]
pub enum ConcludeError {
    /// Evidences do not go together.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The diagnosis could not be made.
    #[error(transparent)]
    Diagnose(#[from] DiagnoseError),
    /// The Evidence could not be written down to be hashed.
    #[error(transparent)]
    Hash(#[from] ToIpcError),
    /// No Evidence says what happens now.
    #[error("find a window to be explained: none of the evidence has the role `now` or `pane`")]
    NoNow,
    /// Some Evidence is sorted into windows, some is not.
    #[error(
        "join evidence of given windows (roles now, baseline) with evidence of panes: summarise all files with the same --window and --baseline"
    )]
    Mixed,
}

/// Counts the gathered requests by window.
#[must_use]
pub fn summarise(gathered: &Gathered, choice: &Choice) -> Vec<Evidence> {
    let range = gathered.quality().range.unwrap_or(Window { from: 0, to: 0 });
    let windows = match choice {
        Choice::Given { now, baseline } => given(*now, baseline),
        Choice::Now(now) => {
            let baseline = split::around(*now, range);
            given(*now, &baseline)
        }
        Choice::Open => Windows::panes(range, pane_length(range)),
    };
    resus_evidence::observe(gathered, &windows, Limits::STANDARD)
}

fn given(now: Window, baseline: &[Window]) -> Windows {
    let mut list: Vec<(Window, Role)> = baseline.iter().map(|&w| (w, Role::Baseline)).collect();
    list.push((now, Role::Now));
    Windows::new(list).expect("the caller checks that windows are disjoint")
}

/// Draws the conclusion from Evidence: sort it, diagnose, propose.
///
/// # Errors
/// When the Evidences do not go together or none says what happens now.
pub fn conclude(
    evidence: &[Evidence],
    choice: &Choice,
    config: &Config,
    tree: Option<&RestartTree>,
    policy: &Policy,
) -> Result<Conclusion, ConcludeError> {
    let sorted = sort(evidence, choice)?;
    let config = Config { windows_chosen: sorted.chosen, ..*config };
    let diagnosis = diagnose(&sorted.now, &sorted.baseline, &config)?;
    let proposal = match tree {
        Some(tree) => {
            let baseline: Vec<&Evidence> = sorted.baseline.iter().collect();
            Some(plan(&diagnosis, &sorted.now, &baseline, sorted.watermark, tree, policy)?)
        }
        None => None,
    };
    Ok(Conclusion {
        diagnosis,
        proposal,
        quality: sorted.quality,
        windows: sorted.how,
        now: sorted.now,
        baseline: sorted.baseline,
    })
}

struct Sorted {
    now: Evidence,
    baseline: Vec<Evidence>,
    quality: Quality,
    how: String,
    chosen: bool,
    watermark: u64,
}

/// Merges Evidence by role and window; sorts panes into now and baseline.
fn sort(evidence: &[Evidence], choice: &Choice) -> Result<Sorted, ConcludeError> {
    let mut quality = Quality::default();
    evidence.iter().for_each(|e| quality.merge(&e.quality));
    let panes = evidence.iter().filter(|e| e.role == Role::Pane).count();
    if panes > 0 && panes < evidence.len() {
        return Err(ConcludeError::Mixed);
    }
    if panes > 0 {
        let split = split::split(evidence)?;
        let watermark = split.now.window.to;
        return Ok(Sorted {
            now: split.now,
            baseline: split.baseline,
            quality,
            how: split.how,
            chosen: true,
            watermark,
        });
    }
    let now: Vec<&Evidence> = evidence.iter().filter(|e| e.role == Role::Now).collect();
    if now.is_empty() {
        return Err(ConcludeError::NoNow);
    }
    let mut now = merge(&now, Limits::STANDARD)?;
    now.quality = Quality::default();
    let mut healthy: Vec<&Evidence> =
        evidence.iter().filter(|e| e.role == Role::Baseline).collect();
    healthy.sort_by_key(|e| e.window);
    let mut baseline = Vec::new();
    for same in healthy.chunk_by(|a, b| a.window == b.window) {
        let mut one = merge(same, Limits::STANDARD)?;
        one.quality = Quality::default();
        baseline.push(one);
    }
    let how = match choice {
        Choice::Now(_) => {
            "the window was given; the baseline is the rest of the data, cut into equal windows"
        }
        Choice::Given { .. } | Choice::Open => "the windows were given",
    };
    let watermark = now.window.to;
    let chosen = matches!(choice, Choice::Now(_));
    Ok(Sorted { now, baseline, quality, how: how.to_owned(), chosen, watermark })
}

/// Proposes what to do about a diagnosis that was made from these windows; `watermark` is the end of
/// the data, nanoseconds since the Unix epoch.
///
/// # Errors
/// When the Evidence cannot be written down to be hashed.
pub fn plan(
    diagnosis: &Diagnosis,
    now: &Evidence,
    baseline: &[&Evidence],
    watermark: u64,
    tree: &RestartTree,
    policy: &Policy,
) -> Result<Proposal, ToIpcError> {
    let mut all = vec![now.clone()];
    all.extend(baseline.iter().map(|&one| one.clone()));
    let context = ProposeContext {
        evidence_hash: ContentHash::of(&to_ipc(&all)?),
        watermark_unix_nano: watermark,
    };
    Ok(propose(diagnosis, tree, policy, &context))
}
