//! A judgement in words.

use resus_engine::{Judgement, Monitor, Silent, State};

use super::api;
use crate::report;

/// The word for a state.
pub(crate) const fn word(state: &State) -> &'static str {
    match state {
        State::Learning { .. } => "learning",
        State::Healthy => "healthy",
        State::Silent => "silent",
        State::Suspects => "suspects",
        State::NoVerdict(_) => "no_verdict",
    }
}

/// What a judgement means, in a sentence.
pub(crate) fn summary(judgement: &Judgement) -> String {
    match &judgement.state {
        State::Learning { windows, needed } => {
            format!("learning what is healthy: {windows} of {needed} windows")
        }
        State::Healthy => "no entry operation deviates from healthy windows".to_owned(),
        State::Silent => format!("{} that used to speak say nothing", silent(judgement)),
        State::Suspects => {
            let first = judgement.diagnosis.as_ref().and_then(|d| d.suspects().first());
            first.map_or_else(String::new, |suspect| {
                format!("{} goes with the failing requests", suspect.candidate.component)
            })
        }
        State::NoVerdict(why) => {
            let reasons: Vec<String> = why.iter().map(report::why).collect();
            format!("something deviates, but it cannot be told what: {}", reasons.join("; "))
        }
    }
}

fn silent(judgement: &Judgement) -> String {
    if judgement.silent.iter().any(|s| s.who == Silent::Everything) {
        return "all entry operations".to_owned();
    }
    format!("{} entry operations", judgement.silent.len())
}

/// Columns of a summary in a line; names come from whoever sends spans, and may be of any length.
const COLUMNS: usize = 400;

/// A change of judgement as a line for people: when, from which moment, what.
pub(crate) fn line(monitor: &Monitor) -> String {
    let judgement = monitor.judgement();
    let at = report::instant(monitor.now()).unwrap_or_default();
    let summary = report::shorten(&summary(judgement), COLUMNS);
    format!("{at} {}: {summary}\n", word(&judgement.state))
}

/// The same as a line of JSON, in the form of the API.
///
/// # Panics
/// Never: the form is JSON.
pub(crate) fn json_line(monitor: &Monitor) -> String {
    let live = api::live(&monitor.view(), monitor.judgement(), None);
    serde_json::to_string(&live).expect("the form is JSON") + "\n"
}
