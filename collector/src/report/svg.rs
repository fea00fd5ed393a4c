//! Small pictures: bars of a share, and lengths as SVG takes them.
//!
//! Widths are percentages and heights are pixels, so that a picture fills whatever column it stands
//! in and its strokes and texts are never stretched.

use maud::{Markup, html};

/// A share that is not nothing is at least this wide, or nobody would see it.
const LEAST: f64 = 0.6;

/// A spread narrower than this hides behind the tick of the baseline.
const SPREAD: f64 = 0.01;

/// A share as a percentage of the picture's width.
pub(super) fn percentage(share: f64) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let text = format!("{:.2}", share * 100.0);
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// The same for the width of something that has to be seen.
pub(super) fn visible(share: f64) -> String {
    if share > 0.0 { percentage(share.max(LEAST / 100.0)) } else { "0%".into() }
}

/// A bar of which a share is filled. `class` colours it; `label` says it to those who cannot see.
pub(super) fn bar(share: f64, class: &str, label: &str) -> Markup {
    html! {
        svg.bar role="img" aria-label=(label) height="14" {
            rect.track width="100%" height="14" rx="3" {}
            rect class=(class) width=(visible(share)) height="14" rx="3" {}
        }
    }
}

/// A bar of the share now, with a tick at the share of the baseline and a band of its spread.
pub(super) fn against(
    now: f64,
    baseline: Option<f64>,
    spread: f64,
    class: &str,
    label: &str,
) -> Markup {
    html! {
        svg.bar role="img" aria-label=(label) height="18" {
            rect.track y="2" width="100%" height="14" rx="3" {}
            rect class=(class) y="2" width=(visible(now)) height="14" rx="3" {}
            @if let Some(baseline) = baseline {
                @if spread > SPREAD {
                    rect.spread x=(percentage(baseline - spread)) y="7" height="4"
                        width=(percentage((baseline + spread) - (baseline - spread).max(0.0))) {}
                }
                line.halo x1=(percentage(baseline)) x2=(percentage(baseline)) y1="0" y2="18" {}
                line.tick x1=(percentage(baseline)) x2=(percentage(baseline)) y1="0" y2="18" {}
            }
        }
    }
}

/// The next round number at or above a share: 1, 2, 5 times a power of ten, at most 1.
pub(super) fn round_up(share: f64) -> f64 {
    let mut scale = 0.001;
    while scale < 1.0 {
        for step in [1.0, 2.0, 2.5, 5.0] {
            if scale * step >= share {
                return scale * step;
            }
        }
        scale *= 10.0;
    }
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_stay_inside_and_a_little_is_seen() {
        assert_eq!(percentage(0.5), "50%");
        assert_eq!(percentage(0.12345), "12.35%");
        assert_eq!(percentage(7.0), "100%");
        assert_eq!(percentage(f64::NAN), "0%");
        assert_eq!(visible(0.000_01), "0.6%");
        assert_eq!(visible(0.0), "0%");
    }

    #[test]
    fn scales_are_round() {
        for (share, scale) in [(0.0, 0.001), (0.231, 0.25), (0.03, 0.05), (0.6, 1.0), (1.0, 1.0)] {
            assert!((round_up(share) - scale).abs() < 1e-9, "{share}: {}", round_up(share));
        }
    }
}
