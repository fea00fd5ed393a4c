//! What a person is told, in sentences: the one place where numbers become claims.
//!
//! A [`Sentence`] keeps names apart from words, so that whoever shows it can shorten, embolden or
//! isolate the names; the words are the same everywhere.

use std::collections::BTreeMap;

use resus_model::{
    Candidate, Component, Counts, DecidedBy, Diagnosis, EntryFinding, EntryState, FailureKind,
    Level, Presence, Suspect, Verdict, WhyNoVerdict,
};

use super::figures::{count, p_value, percent, plural, points, probability, ratio, score, window};
use super::findings;

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Our words.
    Words(String),
    /// A name from outside.
    Name(String),
}

/// A sentence whose names are kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sentence(pub(super) Vec<Part>);

impl Sentence {
    pub(super) fn of(words: impl Into<String>) -> Self {
        Self::default().words(words)
    }

    pub(super) fn words(mut self, words: impl Into<String>) -> Self {
        self.0.push(Part::Words(words.into()));
        self
    }

    pub(super) fn name(mut self, name: impl ToString) -> Self {
        self.0.push(Part::Name(name.to_string()));
        self
    }

    pub(super) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// `a`, `a and b`, `a, b and c`; beyond `most` names, `a, b and 7 more`.
    pub(super) fn names(mut self, names: &[String], most: usize) -> Self {
        let shown = if names.len() > most { most.saturating_sub(1).max(1) } else { names.len() };
        for (i, name) in names[..shown].iter().enumerate() {
            if i > 0 {
                let last = i + 1 == shown && shown == names.len();
                self = self.words(if last { " and " } else { ", " });
            }
            self = self.name(name);
        }
        if shown < names.len() {
            self = self.words(format!(" and {} more", names.len() - shown));
        }
        self
    }

    /// The whole text, names shown as the caller wishes.
    pub(super) fn text_with(&self, name: impl Fn(&str) -> String) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Words(words) => words.clone(),
                Part::Name(text) => name(text),
            })
            .collect()
    }

    /// The whole text with whole names.
    pub(super) fn text(&self) -> String {
        self.text_with(str::to_owned)
    }
}

/// How far the numbers carry, by two of them: how much more of what failed than of what passed used
/// the component (Youden's J), and how often chance would do that (Fisher's p-value). An effect
/// stands beside the p-value because requests of one incident are not independent: with enough of
/// them any difference is significant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// A difference of at least half of the requests, that chance makes in one of 1,000 cases at
    /// most.
    Strong,
    /// At least a quarter, one of 100.
    Moderate,
    /// Less.
    Weak,
}

impl Strength {
    pub(super) fn of(presence: &Presence) -> Self {
        let Counts { failed_with, failed_without, passed_with, passed_without } = presence.counts;
        let difference = ratio(failed_with, failed_with + failed_without)
            - ratio(passed_with, passed_with + passed_without);
        if difference >= 0.5 && presence.p_value <= 0.001 {
            Self::Strong
        } else if difference >= 0.25 && presence.p_value <= 0.01 {
            Self::Moderate
        } else {
            Self::Weak
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Strong => "strong evidence",
            Self::Moderate => "moderate evidence",
            Self::Weak => "weak evidence",
        }
    }
}

const FAILED: &str = "failed";
const SLOW: &str = "slow or unusual";

/// What failing means in this diagnosis, before a noun.
pub(super) fn failing(diagnosis: &Diagnosis) -> &'static str {
    let mut deviating = diagnosis.entries.iter().filter(|e| e.state == EntryState::Deviates);
    // Errors are the stronger word: where any deviates, slow requests are not counted as failed.
    if deviating.clone().any(|e| e.kind == FailureKind::Error) {
        return FAILED;
    }
    if deviating.any(|e| e.kind == FailureKind::SlowOrUnseen) { SLOW } else { FAILED }
}

/// The level in words: one, many.
pub(super) const fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Service => ("service", "services"),
        Level::Instance => ("instance", "instances"),
        Level::Operation => ("operation", "operations"),
        Level::Version => ("version", "versions"),
        Level::Host => ("host", "hosts"),
    }
}

/// Suspects by group, in rank order of their first members.
pub(super) fn groups(suspects: &[Suspect]) -> Vec<Vec<&Suspect>> {
    let mut index = BTreeMap::new();
    let mut groups: Vec<Vec<&Suspect>> = Vec::new();
    for suspect in suspects {
        let next = groups.len();
        let at = *index.entry(suspect.candidate.group).or_insert(next);
        if at == next {
            groups.push(Vec::new());
        }
        groups[at].push(suspect);
    }
    groups
}

fn names_of<'a>(components: impl IntoIterator<Item = &'a Component>) -> Vec<String> {
    components.into_iter().map(ToString::to_string).collect()
}

/// Headline and grounds together.
pub(super) fn summary(diagnosis: &Diagnosis) -> Sentence {
    headline(diagnosis).words(". ").then(grounds(diagnosis))
}

/// The answer in one short line, without a full stop.
pub(super) fn headline(diagnosis: &Diagnosis) -> Sentence {
    match &diagnosis.verdict {
        Verdict::Healthy => Sentence::of("Nothing fails or slows beyond the ordinary"),
        Verdict::NoVerdict(_) => Sentence::of("This data does not tell what is to blame"),
        Verdict::Suspects(suspects) if diagnosis.decided_by == DecidedBy::Evidence => {
            most_likely(suspects)
        }
        Verdict::Suspects(suspects) => {
            let groups = groups(suspects);
            let Some(first) = groups.first() else { return Sentence::of("No suspect") };
            let top = names_of(first.iter().map(|s| &s.candidate.component));
            let many = suspects.len() > 1;
            let mut sentence = Sentence::default().names(&top, 3);
            let others = suspects.len() - first.len();
            if others > 0 {
                sentence = sentence.words(format!(" and {} more", count(others as u64)));
            }
            sentence.words(if many { " go with the failures" } else { " goes with the failures" })
        }
    }
}

/// `cart (97.3%) is the most likely cause`, with those that come after it.
fn most_likely(suspects: &[Suspect]) -> Sentence {
    let mut sentence = Sentence::default();
    let shown = if suspects.len() > 3 { 2 } else { suspects.len() };
    for (i, Suspect { candidate, .. }) in suspects.iter().take(shown).enumerate() {
        if i > 0 {
            let last = i + 1 == suspects.len();
            sentence = sentence.words(if last { " and " } else { ", " });
        }
        let sure = format!(" ({})", probability(candidate.probability));
        sentence = sentence.name(&candidate.component).words(sure);
    }
    if suspects.len() > shown {
        sentence = sentence.words(format!(" and {} more", count((suspects.len() - shown) as u64)));
    }
    sentence.words(if suspects.len() == 1 {
        " is the most likely cause"
    } else {
        " are the most likely causes"
    })
}

/// How sure the headline is and on what numbers, in a sentence or two.
pub(super) fn grounds(diagnosis: &Diagnosis) -> Sentence {
    match &diagnosis.verdict {
        Verdict::Healthy => healthy(diagnosis),
        Verdict::NoVerdict(reasons) => {
            let mut sentence = Sentence::default();
            for (i, reason) in reasons.iter().enumerate() {
                if i > 0 {
                    sentence = sentence.words(" ");
                }
                sentence = sentence.words(capitalised(&why(reason))).words(".");
            }
            sentence
        }
        Verdict::Suspects(suspects) if diagnosis.decided_by == DecidedBy::Evidence => suspects
            .first()
            .map_or_else(Sentence::default, |s| by_evidence(&s.candidate, diagnosis)),
        Verdict::Suspects(suspects) => {
            let groups = groups(suspects);
            let Some(first) = groups.first() else { return Sentence::default() };
            let top = &first[0].candidate;
            let mut sentence = Sentence::of(capitalised(Strength::of(&top.presence).words()));
            sentence = sentence.words(": ");
            if groups.len() > 1 || first.len() > 1 {
                sentence = sentence.name(&top.component).words(" ");
            } else {
                sentence = sentence.words("it ");
            }
            sentence =
                sentence.then(took_part(&top.presence.counts, failing(diagnosis))).words(".");
            if first.len() > 1 {
                let both = if first.len() == 2 { "The two" } else { "The first group's members" };
                sentence = sentence
                    .words(format!(" {both} were always used together and cannot be told apart."));
            }
            sentence
        }
    }
}

fn healthy(diagnosis: &Diagnosis) -> Sentence {
    let looked_at =
        diagnosis.entries.iter().filter(|e| e.state == EntryState::Within).count() as u64;
    let too_few = diagnosis.entries.iter().filter(|e| e.state == EntryState::TooFew).count() as u64;
    let mut sentence = Sentence::of(format!(
        "{} over {} {}.",
        plural(diagnosis.failed + diagnosis.passed, "request", "requests"),
        plural(looked_at, "entry operation", "entry operations"),
        if diagnosis.baselines.is_empty() {
            "fail no more than a few times"
        } else {
            "stayed within what the baseline shows"
        },
    ));
    if too_few > 0 {
        sentence = sentence.words(format!(
            " {} {} too few requests to say.",
            plural(too_few, "other entry operation", "other entry operations"),
            if too_few == 1 { "has" } else { "have" }
        ));
    }
    sentence
}

/// `took part in 412 of 415 failed requests (99.3%) and in 12 of 9,352 that passed (0.1%)`.
fn took_part(counts: &Counts, failing: &str) -> Sentence {
    let Counts { failed_with, failed_without, passed_with, passed_without } = *counts;
    let (failed, passed) = (failed_with + failed_without, passed_with + passed_without);
    Sentence::of(format!(
        "took part in {} {failing} requests ({}) and in {} that passed ({})",
        of_all(failed_with, failed),
        percent(ratio(failed_with, failed)),
        of_all(passed_with, passed),
        percent(ratio(passed_with, passed)),
    ))
}

fn of_all(part: u64, whole: u64) -> String {
    format!("{} of {}", count(part), count(whole))
}

/// The proof of one candidate: what decided about it, then the rest.
pub(super) fn proof(candidate: &Candidate, diagnosis: &Diagnosis) -> Sentence {
    match diagnosis.decided_by {
        DecidedBy::Evidence => by_evidence(candidate, diagnosis),
        DecidedBy::Presence => by_presence(candidate, diagnosis),
    }
}

/// The strongest evidence, and whether it goes with requests that fail.
fn by_evidence(candidate: &Candidate, diagnosis: &Diagnosis) -> Sentence {
    let told = findings::strongest(candidate).map(findings::says);
    let sentence = told.unwrap_or_else(|| {
        Sentence::default()
            .name(&candidate.component)
            .words(": nothing by itself speaks against it.")
    });
    if diagnosis.failed == 0 {
        return sentence;
    }
    let with = candidate.presence.counts.failed_with > 0;
    sentence.words(" ").then(if with {
        Sentence::of("It ")
            .then(took_part(&candidate.presence.counts, failing(diagnosis)))
            .words(".")
    } else {
        Sentence::of(format!("It took part in no {} request.", failing(diagnosis)))
    })
}

/// Its table, what it does to the failing share, where errors began.
fn by_presence(candidate: &Candidate, diagnosis: &Diagnosis) -> Sentence {
    let presence = &candidate.presence;
    let Counts { failed_with, failed_without, passed_with, passed_without } = presence.counts;
    let mut sentence = Sentence::default()
        .name(&candidate.component)
        .words(" ")
        .then(took_part(&presence.counts, failing(diagnosis)))
        .words(format!(
            ": with it {} {}, without it {}.",
            percent(ratio(failed_with, failed_with + passed_with)),
            match failing(diagnosis) {
                SLOW => "are slow or unusual",
                _ => "fail",
            },
            percent(ratio(failed_without, failed_without + passed_without)),
        ));
    let part = presence.closest.as_ref().filter(|part| part.counts != presence.counts);
    if let Some((part, operation)) = part.and_then(|part| Some((part, part.operation.as_ref()?))) {
        let Counts { failed_with, passed_with, .. } = part.counts;
        sentence = sentence.words(" Closest is its ").name(operation).words(format!(
            ": {} failed of {} requests with it.",
            count(failed_with),
            count(failed_with + passed_with)
        ));
    }
    if presence.origins > 0 {
        sentence = sentence.words(format!(
            " In {} the failure began at it.",
            if presence.origins == failed_with && failed_with > 1 {
                format!("all {}", count(failed_with))
            } else {
                plural(presence.origins, "request", "requests")
            }
        ));
    }
    sentence.words(format!(" Fisher's exact test: {}.", p_value(presence.p_value)))
}

/// What a candidate is worth, short: its probability, or its score.
pub(super) fn worth(candidate: &Candidate, diagnosis: &Diagnosis) -> String {
    match diagnosis.decided_by {
        DecidedBy::Evidence => probability(candidate.probability),
        DecidedBy::Presence => score(candidate.score),
    }
}

/// Why a group's members have one score.
pub(super) fn inseparable(members: &[&Suspect], decided_by: DecidedBy) -> Sentence {
    let names = names_of(members.iter().map(|s| &s.candidate.component));
    Sentence::default().names(&names, 6).words(match decided_by {
        DecidedBy::Presence => {
            " took part in exactly the same requests and cannot be told apart by presence."
        }
        DecidedBy::Evidence => " have equal evidence against them and cannot be told apart.",
    })
}

/// Components that presence says nothing about.
pub(super) fn on_every_path(components: &[Component]) -> Sentence {
    let one = components.len() == 1;
    Sentence::default().names(&names_of(components), 6).words(if one {
        " is on every path, passing or failing: presence cannot tell whether it is to blame."
    } else {
        " are on every path, passing or failing: presence cannot tell whether they are to blame."
    })
}

/// What detection found at one entry operation, without its name.
pub(super) fn entry(finding: &EntryFinding) -> String {
    let EntryFinding { requests, failed, share, baseline_share, effect, .. } = finding;
    let what = match finding.kind {
        FailureKind::Error => "fail",
        FailureKind::SlowOrUnseen => "are slow or of an unseen shape",
    };
    let mut text = format!("{} {what} now ({})", percent(*share), of_all(*failed, *requests));
    if let Some(baseline) = baseline_share {
        text.push_str(&format!(", {} in the baseline", percent(*baseline)));
        // Less would read as a spread of nothing.
        if let Some(spread) = finding.baseline_spread.filter(|&s| s >= 0.0005) {
            text.push_str(&format!(" (spread {:.1} points)", spread * 100.0));
        }
    }
    text.push_str(&format!(": {} points", points(*effect)));
    if let Some(p) = finding.p_value {
        text.push_str(&format!(", {}", p_value(p)));
    }
    text
}

/// A reason for no verdict; lower-case, no full stop.
pub(crate) fn why(reason: &WhyNoVerdict) -> String {
    match reason {
        WhyNoVerdict::NoRequests => "no request falls into the window to be explained".into(),
        WhyNoVerdict::TooFewRequests { have, need } => format!(
            "no entry operation has enough requests: the busiest has {}, it takes {}",
            count(*have),
            count(*need)
        ),
        WhyNoVerdict::TooFewFailures { have, need } => {
            format!("too few requests failed: {}, it takes {}", count(*have), count(*need))
        }
        WhyNoVerdict::TooFewPasses { have, need } => format!(
            "too few requests passed to compare with: {}, it takes {}",
            count(*have),
            count(*need)
        ),
        WhyNoVerdict::NoContrast => "failing and passing requests use the same components".into(),
        WhyNoVerdict::NothingClose { nearest_thousandths, cut_thousandths } => format!(
            "no component goes with the failures closely enough: the nearest is at distance \
             {}, the cut is at {}",
            thousandths(*nearest_thousandths),
            thousandths(*cut_thousandths)
        ),
        WhyNoVerdict::NothingStandsOut { strongest_thousandths, threshold_thousandths } => format!(
            "requests are slow or take new paths, but no component stands out: the strongest evidence is \
             {} times what a healthy window shows at most, it takes {}",
            thousandths(*strongest_thousandths),
            thousandths(*threshold_thousandths)
        ),
        WhyNoVerdict::NoBaseline => {
            "the requests carry no status, and no baseline tells slow from normal".into()
        }
        WhyNoVerdict::Coarsened => {
            "the data was too diverse for the memory guard, which dropped what this level needs"
                .into()
        }
        WhyNoVerdict::LevelAbsent => "the spans do not carry what this level speaks of".into(),
    }
}

fn thousandths(n: u32) -> String {
    format!("{}.{:03}", n / 1000, n % 1000)
}

/// What to do about a reason for no verdict.
pub(super) const fn what_to_do(reason: &WhyNoVerdict) -> &'static str {
    match reason {
        WhyNoVerdict::NoRequests => "Check --window against the time range of the data below.",
        WhyNoVerdict::TooFewRequests { .. } => "Widen --window, or give more of the dump.",
        WhyNoVerdict::TooFewFailures { .. } => {
            "Widen --window so that it holds more of the failing stretch."
        }
        WhyNoVerdict::TooFewPasses { .. } => {
            "Give a window or a --baseline in which such requests passed."
        }
        WhyNoVerdict::NoContrast => {
            "Look at a finer --level (operation, instance): all requests take the same services."
        }
        WhyNoVerdict::NothingClose { .. } => {
            "Look at the weaker candidates below, or at another --level; the cause may lie in \
             the input or outside the traced services."
        }
        WhyNoVerdict::NothingStandsOut { .. } => {
            "Widen --window so that it holds more of the slow stretch, or look at the weaker \
             candidates below."
        }
        WhyNoVerdict::NoBaseline => "Give a healthy stretch with --baseline FROM..TO.",
        WhyNoVerdict::Coarsened => "Use --level service, or analyse a shorter window.",
        WhyNoVerdict::LevelAbsent => {
            "Use --level service, or have the spans carry service.instance.id."
        }
    }
}

/// Which windows were held against each other, and who chose them.
pub(super) fn windows(diagnosis: &Diagnosis) -> String {
    let now = window(diagnosis.window);
    let mut text = match diagnosis.baselines.as_slice() {
        [] => format!("Looked at {now}, without a baseline."),
        [one] => format!("Looked at {now} against a healthy window, {}.", window(*one)),
        many => {
            let hull = many.iter().fold(many[0], |a, &b| a.hull(b));
            let n = many.len() as u64;
            format!("Looked at {now} against {} healthy windows, {}.", count(n), window(hull))
        }
    };
    if diagnosis.windows_chosen {
        text.push_str(" The windows were chosen from the data: p-values are conditional on that.");
    }
    text
}

/// The first letter upper-case.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
