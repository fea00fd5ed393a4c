//! Who is suspect when all kinds of evidence are heard?

use std::collections::BTreeMap;

use resus_model::{Candidate, Component};

use crate::Config;
use crate::align::Aligned;
use crate::finding;
use crate::fuse::{ALSO, Case, THRESHOLD};
use crate::label::Split;
use crate::presence::Column;
use crate::verdict::{Judged, candidate};

/// Findings written down of a component: of more nobody reads.
const FINDINGS: usize = 8;

/// Presence alone names the right one in about three of ten cases: all that its suspects share.
const PRESENCE_ALONE: f64 = 0.3;

/// Presence and a deviation that is not strong enough by itself name the right one more often than not.
const TWO_WITNESSES: f64 = 0.6;

/// Suspects and others, each with the place of its column.
pub(crate) struct Decision {
    /// Most suspect first.
    pub suspects: Vec<(Candidate, Option<usize>)>,
    /// The others, most suspect first.
    pub considered: Vec<Candidate>,
    /// True where the strength of evidence has decided, not presence alone.
    pub decided: bool,
}

impl Decision {
    /// Makes suspects that are not among the `witnessed` mere candidates; the others share what two
    /// witnesses are worth.
    pub(crate) fn keep(&mut self, witnessed: &[&Component], config: &Config) {
        let (kept, dismissed): (Vec<_>, Vec<_>) =
            self.suspects.drain(..).partition(|(c, _)| witnessed.contains(&&c.component));
        let sum: f64 = kept.iter().map(|(c, _)| c.score).sum();
        self.suspects = kept;
        for (candidate, _) in &mut self.suspects {
            candidate.probability = TWO_WITNESSES * candidate.score / sum;
        }
        let dismissed = dismissed.into_iter().map(|(candidate, _)| Candidate {
            rejected: "goes with slow requests, but neither its times nor its calls differ from \
                       healthy windows"
                .to_owned(),
            probability: 0.0,
            ..candidate
        });
        let mut all: Vec<Candidate> = dismissed.collect();
        all.append(&mut self.considered);
        all.truncate(config.max_considered);
        self.considered = all;
    }
}

/// Ranks components by their cases. Where no case is strong enough, those stay suspects that presence
/// found.
pub(crate) fn decide(
    aligned: &Aligned<'_>,
    columns: &[Column],
    total: &Split,
    judged: Judged,
    cases: &[(Component, Case<'_>)],
    config: &Config,
) -> Decision {
    let by_presence = judged.why.is_empty();
    let named = judged.suspects.len();
    let mut all: Vec<(Candidate, Option<usize>)> = judged
        .suspects
        .into_iter()
        .chain(judged.considered)
        .map(|(candidate, column)| (candidate, Some(column)))
        .collect();
    let decided = cases.iter().any(|(_, case)| case.strength >= THRESHOLD);
    let sum: f64 = all.iter().take(named).map(|(c, _)| c.score).sum();
    for (place, (candidate, _)) in all.iter_mut().enumerate() {
        let share = if place < named && sum > 0.0 { candidate.score / sum } else { 0.0 };
        candidate.probability = if decided { 0.0 } else { PRESENCE_ALONE * share };
    }
    let mut strengths = vec![0.0; all.len()];
    let known: BTreeMap<Component, usize> =
        all.iter().enumerate().map(|(at, (c, _))| (c.component.clone(), at)).collect();
    for (component, case) in cases {
        let at = known.get(component).copied().unwrap_or_else(|| {
            all.push(unfailing(component, columns, total, config));
            strengths.push(0.0);
            all.len() - 1
        });
        let (found, _) = &mut all[at];
        found.findings = findings(aligned, component, case);
        if decided {
            found.probability = case.probability;
            strengths[at] = case.strength;
        }
    }
    if !decided {
        let (suspects, considered) = all.into_iter().partition(|(c, _)| c.rejected.is_empty());
        let suspects: Vec<_> = if by_presence { suspects } else { Vec::new() };
        return finish(suspects, considered, false, config);
    }
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|&a, &b| {
        let by_strength = strengths[b].total_cmp(&strengths[a]);
        let by_presence = all[b].0.score.total_cmp(&all[a].0.score);
        by_strength.then(by_presence).then_with(|| all[a].0.component.cmp(&all[b].0.component))
    });
    let mut all: Vec<Option<(Candidate, Option<usize>)>> = all.into_iter().map(Some).collect();
    let (mut suspects, mut considered) = (Vec::new(), Vec::new());
    let (mut group, mut last) = (0, (f64::NAN, f64::NAN));
    for i in order {
        let (mut candidate, column) = all[i].take().expect("each place comes once");
        let this = (strengths[i], candidate.score);
        let equal = this == last;
        group += u32::from(!equal);
        last = this;
        candidate.group = group;
        candidate.score = candidate.probability;
        candidate.rejected = if strengths[i] < ALSO {
            weak(strengths[i])
        } else if suspects.len() >= config.max_suspects && !equal {
            format!("less suspect than the {} reported", suspects.len())
        } else {
            String::new()
        };
        if candidate.rejected.is_empty() {
            suspects.push((candidate, column));
        } else {
            considered.push((candidate, column));
        }
    }
    finish(suspects, considered, true, config)
}

fn weak(strength: f64) -> String {
    if strength <= 0.0 {
        return "nothing about it differs from healthy windows".to_owned();
    }
    format!(
        "its strongest evidence is {strength:.1} times what a healthy window shows at most; \
         suspects have {THRESHOLD}"
    )
}

fn finish(
    suspects: Vec<(Candidate, Option<usize>)>,
    considered: Vec<(Candidate, Option<usize>)>,
    decided: bool,
    config: &Config,
) -> Decision {
    let mut considered: Vec<Candidate> = considered.into_iter().map(|(c, _)| c).collect();
    considered.truncate(config.max_considered);
    Decision { suspects, considered, decided }
}

/// A component that is on no failed request, as a candidate with the place of its column.
fn unfailing(
    component: &Component,
    columns: &[Column],
    total: &Split,
    config: &Config,
) -> (Candidate, Option<usize>) {
    let column = columns.binary_search_by(|c| c.component.cmp(component)).ok();
    let made = match column {
        Some(at) => candidate(&columns[at], total, None, 0, config),
        None => candidate(&Column::absent(component.clone()), total, None, 0, config),
    };
    (Candidate { rejected: "no failed request".to_owned(), ..made }, column)
}

fn findings(
    aligned: &Aligned<'_>,
    component: &Component,
    case: &Case<'_>,
) -> Vec<resus_model::Finding> {
    let blame = case.blame.as_ref().filter(|_| case.strength >= LEAST_STRENGTH);
    let blame = blame.map(|b| finding::of_blame(aligned, &component.to_string(), b, case.strength));
    let told = case.deviations.iter().filter(|d| d.strength >= LEAST_STRENGTH).take(FINDINGS);
    let told = told.map(|d| finding::of_deviation(aligned, d));
    let replica = case.replica.iter().filter(|f| f.strength >= LEAST_STRENGTH).cloned();
    let mut findings: Vec<_> = blame.into_iter().chain(told).chain(replica).collect();
    findings
        .sort_by(|a, b| b.strength.total_cmp(&a.strength).then_with(|| a.subject.cmp(&b.subject)));
    findings.truncate(FINDINGS);
    findings
}

/// Weaker evidence is what any healthy window shows.
const LEAST_STRENGTH: f64 = 1.0;
