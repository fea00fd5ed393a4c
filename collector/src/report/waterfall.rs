//! A failing request beside a passing one, span by span on one time scale.

use std::collections::BTreeSet;

use maud::{Markup, html};
use resus_model::{ExemplarSpan, ExemplarText, Outcome};

use super::figures::{approximate, clock, duration, plural};
use super::svg::{percentage, visible};
use super::text::{clean, shorten};

/// So many spans are drawn; more do not fit beside each other in one look.
const SPANS: usize = 48;
/// Beyond this ratio of lengths two requests on one scale would hide the shorter one.
const ONE_SCALE: f64 = 6.0;

/// Two requests side by side; the passing one where there is one. Where the first did not fail, it is
/// merely odd, and the second is of a healthy window.
pub(super) fn pair(failing: &ExemplarText, passing: Option<&ExemplarText>, fails: bool) -> Markup {
    let (first, second) = if fails { ("Failing", "Nearest passing") } else { ("Now", "Healthy") };
    let (long, other) = (length(failing), passing.map_or(0, length));
    let shared = passing.is_some()
        && approximate(long.max(other)) <= ONE_SCALE * approximate(long.min(other).max(1));
    let scale = |own: u64| if shared { long.max(other) } else { own };
    html! {
        div.pair {
            (one(first, false, (failing, passing), scale(long)))
            @match passing {
                Some(passing) => (one(second, true, (passing, Some(failing)), scale(other))),
                None => p.empty { "No other request is like it: nothing to hold it against." }
            }
        }
        @if passing.is_some() && !shared {
            p.note { "The two are drawn on time scales of their own: their lengths differ too much." }
        }
    }
}

fn one(
    title: &str,
    passing: bool,
    (request, other): (&ExemplarText, Option<&ExemplarText>),
    scale: u64,
) -> Markup {
    let ExemplarText { outcome, exemplar, .. } = request;
    let elsewhere: Option<BTreeSet<&(String, String)>> =
        other.map(|o| o.exemplar.spans.iter().filter_map(|s| operation(o, s)).collect());
    let hidden =
        exemplar.spans.len().saturating_sub(SPANS) as u64 + u64::from(exemplar.spans_left_out);
    html! {
        figure.request {
            figcaption {
                b { (title) }
                span.soft { ", " (duration(length(request))) (unusual(*outcome)) }
                span.trace { "trace " code { (exemplar.trace_id) } " at " (clock(exemplar.start_unix_nano)) }
            }
            div.waterfall.passing[passing] {
                (axis(scale))
                @for span in exemplar.spans.iter().take(SPANS) {
                    (row(request, span, scale, elsewhere.as_ref()))
                }
            }
            @if hidden > 0 {
                p.note { "and " (plural(hidden, "more span", "more spans")) }
            }
        }
    }
}

fn axis(scale: u64) -> Markup {
    html! {
        div.row.axis aria-hidden="true" {
            div {}
            svg.time height="16" {
                @for (at, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
                    text x=(percentage(at)) y="12" text-anchor=(anchor) {
                        @if at > 0.0 { (duration(tick(scale, at))) } @else { "0" }
                    }
                }
            }
            div {}
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a duration is a duration"
)]
fn tick(scale: u64, at: f64) -> u64 {
    (approximate(scale) * at) as u64
}

fn row(
    request: &ExemplarText,
    span: &ExemplarSpan,
    scale: u64,
    elsewhere: Option<&BTreeSet<&(String, String)>>,
) -> Markup {
    let unknown = (String::new(), String::new());
    let key = operation(request, span).unwrap_or(&unknown);
    let only_here = elsewhere.is_some_and(|e| !e.contains(key));
    let (service, name) = (shorten(&key.0, 30), shorten(&key.1, 48));
    let lasted = u64::try_from(span.duration_ns).unwrap_or(0);
    let part = |n: u64| approximate(n) / approximate(scale.max(1));
    let class = match (span.origin, span.failed) {
        (true, _) => "span origin",
        (false, true) => "span failed",
        (false, false) => "span",
    };
    let instance = request.instances.get(span.instance as usize).map_or("", String::as_str);
    html! {
        div.row.origin[span.origin] {
            div class={ "label depth" (span.depth.min(12)) }
                title=(clean(&format!("{} {} {instance}", key.0, key.1)).trim_end()) {
                bdi.service { (service) } " " bdi.soft { (name) }
            }
            svg.time height="14" role="img" aria-label={ "from " (duration(span.offset_ns)) " for " (duration(lasted)) } {
                rect.lane width="100%" height="14" {}
                // A bar at the very end still has to be seen.
                rect class=(class) x=(percentage(part(span.offset_ns).min(0.994)))
                    width=(visible(part(lasted).min(1.0 - part(span.offset_ns).min(0.994))))
                    y="1" height="12" rx="2" {}
            }
            div.took { (duration(lasted)) }
            @if span.origin || only_here {
                div.marks {
                    @if span.origin { span.mark.hot { "error began here" } }
                    @if only_here { span.mark { "only in this one" } }
                }
            }
        }
    }
}

fn operation<'a>(request: &'a ExemplarText, span: &ExemplarSpan) -> Option<&'a (String, String)> {
    request.operations.get(span.operation as usize)
}

/// From the first start to the last end that is known, nanoseconds.
fn length(request: &ExemplarText) -> u64 {
    let end =
        |s: &ExemplarSpan| s.offset_ns.saturating_add(u64::try_from(s.duration_ns).unwrap_or(0));
    request.exemplar.spans.iter().map(end).max().unwrap_or(0)
}

/// What a title does not say already.
const fn unusual(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed | Outcome::Failed => "",
        Outcome::Cancelled => ", cancelled by its caller",
        Outcome::Unlabelled => ", without a status",
        Outcome::Unknown => ", outcome unknown",
    }
}
