//! Suspects on the page: a card each, with the evidence drawn.

use maud::{Markup, html as markup};
use resus_model::{Candidate, DecidedBy, Diagnosis, Finding, Suspect};

use super::figures::{
    count, p_value, percent, plural, points, probability, ratio, score, strength,
};
use super::html::{name, say};
use super::sentence;
use super::text::shorten;
use super::{findings, pair, svg};

/// So many suspects are drawn.
const SUSPECTS: usize = 12;
/// So many findings of one, each with its picture.
const FINDINGS: usize = 3;

/// All suspects, and who of them cannot be told apart.
pub(super) fn suspects(diagnosis: &Diagnosis) -> Markup {
    let suspects = diagnosis.suspects();
    let hidden = suspects.len().saturating_sub(SUSPECTS);
    markup! {
        @if !suspects.is_empty() {
            section {
                h2 { "Suspects" }
                p.lead {
                    @match diagnosis.decided_by {
                        DecidedBy::Presence => "How much of what failed, and of what passed, used each of them.",
                        DecidedBy::Evidence => "How probably each is a cause, and what speaks against it.",
                    }
                }
                div.cards {
                    @for (suspect, rank) in suspects.iter().take(SUSPECTS).zip(1_usize..) {
                        (card(rank, suspect, diagnosis))
                    }
                }
                @if hidden > 0 {
                    p.note { "and " (plural(hidden as u64, "more suspect", "more suspects")) ", all in the JSON." }
                }
                @for narrower in &diagnosis.narrower {
                    p.callout { (say(&findings::says_narrower(narrower))) }
                }
                @for group in sentence::groups(suspects).iter().filter(|g| g.len() > 1) {
                    p.callout { (say(&sentence::inseparable(group, diagnosis.decided_by))) }
                }
            }
        }
    }
}

fn card(rank: usize, suspect: &Suspect, diagnosis: &Diagnosis) -> Markup {
    let Candidate { component, score: value, presence, probability: p, findings, .. } =
        &suspect.candidate;
    let by_evidence = diagnosis.decided_by == DecidedBy::Evidence;
    let hidden = findings.len().saturating_sub(FINDINGS);
    markup! {
        article.card {
            header {
                span.rank { (rank) }
                h3 { (name(component)) }
                span.score {
                    @if by_evidence { span.unit { "cause " } (probability(*p)) }
                    @else { span.unit { (presence.coefficient) " " } (score(*value)) }
                }
            }
            @if by_evidence {
                @for finding in findings.iter().take(FINDINGS) { (drawn(finding)) }
                @if hidden > 0 {
                    p.note { "and " (plural(hidden as u64, "weaker finding", "weaker findings")) ", all in the JSON." }
                }
            }
            @if !by_evidence || presence.counts.failed_with > 0 {
                (took_part(&suspect.candidate, diagnosis))
            }
            @if !by_evidence { p.proof { (say(&sentence::proof(&suspect.candidate, diagnosis))) } }
            (facts(&suspect.candidate))
        }
    }
}

/// One kind of evidence: a picture of now and before, and its sentence.
fn drawn(finding: &Finding) -> Markup {
    let (now, before) =
        (findings::value(finding, &finding.now), findings::value(finding, &finding.baseline));
    let label = format!("{now} now, {before} in healthy windows");
    let most = finding.now.mean.max(finding.baseline.mean).max(f64::MIN_POSITIVE);
    // Calls a span have no upper end, shares have.
    let whole = if most > 1.0 { most } else { 1.0 };
    markup! {
        div.finding {
            h4 { (findings::title(finding.kind)) span.soft { " " (findings::change(finding)) } }
            p.subject { bdi { (shorten(&finding.subject, 120)) } }
            @match finding.times.as_deref() {
                Some((times, usual)) => {
                    (pair::picture(times, usual, &label))
                    p.legend { span.key.now {} "now, " (now) span.key.passed {} "healthy, " (before) }
                }
                None => div.evidence {
                    span.what { "now" }
                    (svg::bar(finding.now.mean / whole, "failed", &label))
                    span.share { (now) }
                    span.what { "healthy" }
                    (svg::bar(finding.baseline.mean / whole, "passed", &label))
                    span.share { (before) }
                }
            }
            p.proof { (say(&findings::says(finding))) }
        }
    }
}

fn took_part(candidate: &Candidate, diagnosis: &Diagnosis) -> Markup {
    let counts = candidate.presence.counts;
    markup! {
        div.evidence {
            (bar(sentence::failing(diagnosis), "failed", counts.failed_with, counts.failed_without))
            (bar("passed", "passed", counts.passed_with, counts.passed_without))
        }
    }
}

/// One bar: how many of the requests used the component.
fn bar(what: &str, class: &str, with: u64, without: u64) -> Markup {
    let share = ratio(with, with + without);
    let label = format!("{} of {} {what} requests used it", count(with), count(with + without));
    markup! {
        span.what { (what) }
        (svg::bar(share, class, &label))
        span.share { (percent(share)) }
        span.counts { b { (count(with)) } " with, " (count(without)) " without" }
    }
}

fn facts(candidate: &Candidate) -> Markup {
    let presence = &candidate.presence;
    let weighted = presence.weighted != presence.counts;
    markup! {
        dl.facts {
            @if let Some(finding) = findings::strongest(candidate) {
                div { dt { "Strength" } dd { (strength(finding.strength)) } }
            }
            div { dt { "Effect of presence" } dd { (points(presence.effect)) " points" } }
            div { dt { "By chance" } dd { (p_value(presence.p_value)) } }
            @if let Some(distance) = presence.distance {
                div { dt { "Distance" } dd { (format!("{distance:.3}")) } }
            }
            div { dt { "Failures began here" } dd { (count(presence.origins)) } }
            @if weighted {
                div {
                    dt { "By sampling weight" }
                    dd {
                        (count(presence.weighted.failed_with)) " of "
                        (count(presence.weighted.failed_with + presence.weighted.failed_without))
                        " failed"
                    }
                }
            }
        }
    }
}
