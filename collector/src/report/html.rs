//! An analysis as one page: a file that needs nothing else, to be looked at rather than read.
//!
//! No script, no font, no picture from elsewhere, and a policy in the page that forbids them. Every
//! text goes through maud, which escapes it; names stand in `bdi`, so that none turns the direction
//! of what follows.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use resus_model::{
    Candidate, Component, DecidedBy, Diagnosis, EntryFinding, EntryState, Obstacle, Suspect,
    Verdict,
};
use resus_plan::{PlanDocument, Proposal, RestartTree, Step};

use super::dendrogram::dendrogram;
use super::figures::{count, percent, plural, points, ratio, round_percent, window};
use super::quality::{QualityLine, quality};
use super::sentence::{self, Part, Sentence};
use super::text::{clean, shorten};
use super::{Analysis, cards, findings, method, steps, svg, tree, waterfall};

const STYLE: &str = include_str!("page.css");

/// Longer names are cut: in the headline, in lists, elsewhere.
const HEADLINE: usize = 40;
const LISTED: usize = 72;
const NAME: usize = 120;
/// So many pairs of requests, entry operations and weaker candidates are drawn.
const PAIRS: usize = 3;
const ENTRIES: usize = 12;
const CONSIDERED: usize = 20;

/// The analysis as a self-contained HTML page.
#[must_use]
pub(crate) fn html(analysis: &Analysis<'_>) -> String {
    let Analysis { diagnosis, quality: of_data, tree, proposal, meta } = *analysis;
    let title = sentence::headline(diagnosis).text_with(|n| shorten(n, 48));
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) " · Resus" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.top {
                    b { "Resus" }
                    span { (window(diagnosis.window)) }
                }
                main {
                    (verdict(diagnosis, proposal, of_data))
                    (obstacles(&diagnosis.obstacles))
                    (cards::suspects(diagnosis))
                    (remedy(diagnosis, tree, proposal))
                    (entries(diagnosis))
                    (requests(diagnosis))
                    (closeness(diagnosis))
                    (considered(diagnosis))
                    (how(diagnosis, meta.windows))
                    (data(&quality(of_data)))
                }
                footer { "Made by Resus " (meta.version) " from traces alone." }
            }
        }
    };
    page.into_string()
}

/// A sentence with its names set apart.
pub(super) fn say(sentence: &Sentence) -> Markup {
    say_short(sentence, NAME)
}

fn say_short(sentence: &Sentence, most: usize) -> Markup {
    markup! {
        @for part in &sentence.0 {
            @match part {
                Part::Words(words) => (clean(words)),
                Part::Name(text) => bdi.name { (shorten(text, most)) },
            }
        }
    }
}

/// Our own words, in which `such` are commands.
fn words(text: &str) -> Markup {
    markup! {
        @for (i, piece) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

pub(super) fn name(component: &Component) -> Markup {
    let text = component.to_string();
    markup! { bdi.name title=(shorten(&text, 400)) { (shorten(&text, LISTED)) } }
}

fn verdict(
    diagnosis: &Diagnosis,
    proposal: Option<&Proposal>,
    quality: &resus_model::Quality,
) -> Markup {
    let (class, word) = match &diagnosis.verdict {
        Verdict::Healthy => ("cool", "Healthy"),
        Verdict::NoVerdict(_) => ("open", "No verdict"),
        Verdict::Suspects(suspects) if suspects.len() == 1 => ("hot", "One suspect"),
        Verdict::Suspects(_) => ("hot", "Suspects"),
    };
    let all = diagnosis.failed + diagnosis.passed;
    let worst = diagnosis.entries.iter().find(|e| e.state == EntryState::Deviates);
    markup! {
        section.verdict {
            p class={ "pill " (class) } { (word) }
            h1 { (say_short(&sentence::headline(diagnosis), HEADLINE)) }
            p.grounds { (say(&sentence::grounds(diagnosis))) }
            @if let Verdict::NoVerdict(reasons) = &diagnosis.verdict {
                div.todo {
                    h2 { "What to do" }
                    ul { @for reason in reasons { li { (words(sentence::what_to_do(reason))) } } }
                }
            }
            dl.tiles {
                div {
                    dt { "Requests " (sentence::failing(diagnosis)) }
                    dd { (percent(ratio(diagnosis.failed, all))) }
                    dd.small { (count(diagnosis.failed)) " of " (count(all)) }
                }
                @if let Some(worst) = worst {
                    div {
                        dt { "Hit hardest" }
                        dd { (points(worst.effect)) span.unit { " points" } }
                        dd.small { bdi { (shorten(&worst.entry.to_string(), 60)) } }
                    }
                }
                @if let Some(plan) = proposal.and_then(Proposal::plan) {
                    div {
                        dt { "To restart" }
                        dd.words { bdi { (plan.targets.first().map_or("", |t| t.cell.as_str())) } }
                        dd.small {
                            (plural(plan.steps.len() as u64, "step", "steps")) ", mode "
                            (mode_word(plan))
                        }
                    }
                }
                div {
                    dt { "Read" }
                    dd { (super::figures::short_count(quality.traces)) span.unit { " traces" } }
                    dd.small { (count(quality.spans)) " spans" }
                }
            }
        }
    }
}

const fn mode_word(plan: &PlanDocument) -> &'static str {
    match plan.mode {
        resus_plan::Mode::Observe => "observe",
        resus_plan::Mode::Shadow => "shadow",
        resus_plan::Mode::Approve => "approve",
        resus_plan::Mode::Auto => "auto",
    }
}

fn obstacles(obstacles: &[Obstacle]) -> Markup {
    markup! {
        @if !obstacles.is_empty() {
            section.obstacles {
                h2 { "A restart will not help" }
                @for obstacle in obstacles {
                    p { span.mark.hot { "The fault " (findings::obstacle(obstacle.kind)) } }
                    p.lead { (say(&findings::says_obstacle(obstacle))) }
                }
            }
        }
    }
}

fn remedy(
    diagnosis: &Diagnosis,
    restart_tree: Option<&RestartTree>,
    proposal: Option<&Proposal>,
) -> Markup {
    let plan = proposal.and_then(Proposal::plan);
    let withheld = proposal.map(Proposal::withheld).unwrap_or_default();
    let silent = plan.is_none() && diagnosis.suspects().is_empty();
    markup! {
        @if !silent {
            section {
                h2 { "What to restart" }
                @match plan {
                    Some(plan) => p.lead { (say(&steps::headline(plan))) "." },
                    None => p.lead { (words(steps::nothing(proposal))) },
                }
                @if restart_tree.is_some() || plan.is_some() {
                    div.remedy {
                        @if let Some(restart_tree) = restart_tree {
                            div { h3 { "Restart tree" } (tree::tree(restart_tree, plan.map(|p| &**p))) }
                        }
                        @if let Some(plan) = plan { (plan_steps(plan)) }
                    }
                }
                @if !withheld.is_empty() {
                    h3 { "Withheld" }
                    ul.plain {
                        @for one in withheld {
                            li {
                                span.mark { (steps::withheld_reason(one.reason)) } " "
                                (say(&steps::withheld(one)))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn plan_steps(plan: &PlanDocument) -> Markup {
    markup! {
        div {
            h3 { "Plan " code { (plan.id.short()) } }
            ol.steps { @for step in &plan.steps { (plan_step(step)) } }
            ul.plain {
                li { (say(&steps::verify(&plan.verify))) }
                li { (say(&steps::next_rung(&plan.next_rung))) }
                li { (steps::limits(plan)) }
            }
        }
    }
}

fn plan_step(step: &Step) -> Markup {
    markup! {
        li {
            b { (sentence::capitalised(steps::action(step.action))) " " (step.cell) }
            " " span.soft { (step.rung) }
            code.target { (clean(&steps::target(step))) }
            span.soft {
                (steps::because(step)) "; " (steps::timing(step))
                @for budget in steps::budgets(step) { "; " (budget) }
            }
        }
    }
}

fn entries(diagnosis: &Diagnosis) -> Markup {
    let high = |e: &EntryFinding| {
        e.share.max(e.baseline_share.unwrap_or(0.0) + e.baseline_spread.unwrap_or(0.0))
    };
    let scale = svg::round_up(diagnosis.entries.iter().map(high).fold(0.0, f64::max));
    let hidden = diagnosis.entries.len().saturating_sub(ENTRIES);
    let deviates = diagnosis.entries.iter().any(|e| e.state == EntryState::Deviates);
    let based = diagnosis.entries.iter().any(|e| e.baseline_share.is_some());
    markup! {
        @if !diagnosis.entries.is_empty() {
            section {
                h2 { @if deviates { "Where it shows" } @else { "Entry operations" } }
                p.lead {
                    "Share of " (sentence::failing(diagnosis)) " requests by entry operation, on a scale to "
                    (round_percent(scale)) "."
                }
                @if based {
                    p.legend { span.key.now[deviates] {} "now" span.key.base {} "baseline, with its spread" }
                }
                div.entries {
                    @for finding in diagnosis.entries.iter().take(ENTRIES) { (entry(finding, scale)) }
                }
                @if hidden > 0 {
                    p.note { "and " (plural(hidden as u64, "more entry operation", "more entry operations")) }
                }
            }
        }
    }
}

fn entry(finding: &EntryFinding, scale: f64) -> Markup {
    let (class, state) = match finding.state {
        EntryState::Deviates => ("failed", "deviates"),
        EntryState::Within => ("idle", "within"),
        EntryState::TooFew => ("idle", "too few"),
    };
    let hot = finding.state == EntryState::Deviates;
    let label = sentence::entry(finding);
    let spread = finding.baseline_spread.unwrap_or(0.0) / scale;
    let baseline = finding.baseline_share.map(|b| b / scale);
    markup! {
        div.entry {
            div.who { (name(&finding.entry)) " " span.mark.hot[hot] { (state) } }
            (svg::against(finding.share / scale, baseline, spread, class, &label))
            div.numbers { (label) }
        }
    }
}

fn requests(diagnosis: &Diagnosis) -> Markup {
    let mut seen = BTreeSet::new();
    let mut pairs = Vec::new();
    for group in sentence::groups(diagnosis.suspects()) {
        let Some(suspect) = group.iter().find(|s| !s.failing.is_empty()) else { continue };
        if pairs.len() < PAIRS && seen.insert(suspect.failing[0].exemplar.trace_id) {
            pairs.push(*suspect);
        }
    }
    // Nothing has to fail for something to be wrong.
    let fails = |suspect: &&Suspect| suspect.candidate.presence.counts.failed_with > 0;
    markup! {
        @if !pairs.is_empty() {
            section {
                h2 {
                    @if pairs.iter().any(fails) { "One that failed, beside one that passed" }
                    @else { "One now, beside one of healthy windows" }
                }
                @for suspect in &pairs {
                    p.lead {
                        @if fails(suspect) { "A failing request through " } @else { "An odd request through " }
                        (name(&suspect.candidate.component))
                        @if suspect.nearest_passing.is_some() {
                            @if fails(suspect) { ", and the passing request most like it" }
                            @else { ", and the healthy request most like it" }
                        }
                        "."
                    }
                    (waterfall::pair(&suspect.failing[0], suspect.nearest_passing.as_ref(), fails(suspect)))
                }
            }
        }
    }
}

fn closeness(diagnosis: &Diagnosis) -> Markup {
    let suspects: BTreeSet<&Component> =
        diagnosis.suspects().iter().map(|s| &s.candidate.component).collect();
    // The cut decides only where presence does.
    let decides = diagnosis.decided_by == DecidedBy::Presence;
    let tree = diagnosis.dendrogram.as_ref().filter(|_| decides || diagnosis.failed > 0);
    let picture = tree.and_then(|d| dendrogram(d, &suspects));
    markup! {
        @if let Some(picture) = picture {
            section {
                h2 { "How close each is to the failures" }
                p.lead {
                    (sentence::capitalised(sentence::level(diagnosis.level).1))
                    " joined far left took part in nearly the same requests"
                    @if decides { "; what joins the failures left of the cut is suspected." }
                    @else { ". Here other evidence has decided, not the cut." }
                }
                (picture)
            }
        }
    }
}

fn considered(diagnosis: &Diagnosis) -> Markup {
    let hidden = diagnosis.considered.len().saturating_sub(CONSIDERED);
    let every = match diagnosis.verdict {
        Verdict::Healthy => &[],
        Verdict::NoVerdict(_) | Verdict::Suspects(_) => diagnosis.on_every_path.as_slice(),
    };
    let failed = |c: &Candidate| {
        let of = c.presence.counts;
        ratio(of.failed_with, of.failed_with + of.failed_without)
    };
    let passed = |c: &Candidate| {
        let of = c.presence.counts;
        ratio(of.passed_with, of.passed_with + of.passed_without)
    };
    markup! {
        @if !diagnosis.considered.is_empty() || !every.is_empty() {
            section {
                h2 { "Considered, and not suspected" }
                @if !diagnosis.considered.is_empty() {
                    p.lead { "They took part in this much of what failed, and of what passed." }
                    p.legend { span.key.now {} "failed" span.key.passed {} "passed" }
                    div.considered {
                        @for candidate in diagnosis.considered.iter().take(CONSIDERED) {
                            div.weak {
                                div.who { (name(&candidate.component)) span.soft { " " (sentence::worth(candidate, diagnosis)) } }
                                div.twin {
                                    (svg::bar(failed(candidate), "failed", &format!("{} of what failed", percent(failed(candidate)))))
                                    (svg::bar(passed(candidate), "passed", &format!("{} of what passed", percent(passed(candidate)))))
                                }
                                div.why { (shorten(&candidate.rejected, 240)) }
                            }
                        }
                    }
                    @if hidden > 0 { p.note { "and " (count(hidden as u64)) " more, all in the JSON." } }
                }
                @if !every.is_empty() {
                    p.callout { (say(&sentence::on_every_path(every))) }
                }
            }
        }
    }
}

fn how(diagnosis: &Diagnosis, windows: &str) -> Markup {
    markup! {
        section {
            h2 { "How it was computed" }
            ul.plain.prose {
                li { (sentence::windows(diagnosis)) }
                @if !windows.is_empty() { li { (clean(windows)) } }
                @if let Some(method) = method::method(diagnosis) { li { (method) } }
                @for note in &diagnosis.notes { li { (clean(note)) } }
            }
        }
    }
}

fn data(lines: &[QualityLine]) -> Markup {
    markup! {
        section {
            h2 { "Data quality" }
            dl.quality {
                @for QualityLine { label, value, bad } in lines {
                    div.bad[*bad] { dt { (label) } dd { (shorten(value, 400)) } }
                }
            }
        }
    }
}
