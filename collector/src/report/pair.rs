//! Times now beside times in healthy windows: one logarithmic scale, two rows of bars.

use maud::{Markup, html};
use resus_model::Histogram;

use super::figures::{approximate, duration};
use super::svg::percentage;

/// Bars in a terminal.
const COLUMNS: usize = 48;
/// Bars in a picture.
const BARS: usize = 64;
/// Pixels of one row of bars.
const HEIGHT: f64 = 36.0;
/// Of this share of values at each end, in thousandths, nobody asks: one odd value would stretch the
/// scale.
const TAIL: u64 = 5;

/// Both sides on one scale, each as shares of its own largest bar.
struct Bars {
    from: u64,
    to: u64,
    now: Vec<f64>,
    before: Vec<f64>,
}

impl Bars {
    /// `None` where a side is empty: there is no pair.
    fn of(now: &Histogram, before: &Histogram, bars: usize) -> Option<Self> {
        let low = |h: &Histogram| h.quantile(TAIL).map(|b| b.lower().max(1));
        let high = |h: &Histogram| h.quantile(1000 - TAIL).map(|b| b.upper());
        let from = low(now)?.min(low(before)?);
        let to = high(now)?.max(high(before)?).max(from + 1);
        let count = |h: &Histogram| spread(h, from, to, bars);
        Some(Self { from, to, now: count(now), before: count(before) })
    }
}

/// Counts of a histogram by bars of equal width on a logarithmic scale; a bucket's values are taken to
/// lie evenly over it. What lies beyond an end is counted to the bar there.
fn spread(h: &Histogram, from: u64, to: u64, bars: usize) -> Vec<f64> {
    let (start, end) = (approximate(from).ln(), approximate(to).ln());
    let width = (end - start) / approximate(bars as u64);
    let mut heights = vec![0.0; bars];
    for &(bucket, n) in h.counts() {
        let place = |t: u64| {
            ((approximate(t.max(1)).ln() - start) / width).clamp(0.0, approximate(bars as u64))
        };
        let (a, b) = (place(bucket.lower()), place(bucket.upper()));
        let (a, b) =
            if b - a < 1e-9 { (a.min(approximate(bars as u64) - 1.0), a + 1.0) } else { (a, b) };
        for (i, height) in heights.iter_mut().enumerate() {
            let i = approximate(i as u64);
            let overlap = (b.min(i + 1.0) - a.max(i)).max(0.0);
            *height += approximate(n) * overlap / (b - a);
        }
    }
    let most = heights.iter().copied().fold(0.0, f64::max);
    if most > 0.0 {
        heights.iter_mut().for_each(|h| *h /= most);
    }
    heights
}

/// Two lines of bars and their scale, for a terminal: (label, bars).
pub(super) fn lines(now: &Histogram, before: &Histogram) -> Vec<(&'static str, String)> {
    let Some(bars) = Bars::of(now, before, COLUMNS) else { return Vec::new() };
    let (from, to) = (duration(bars.from), duration(bars.to));
    let gap = COLUMNS.saturating_sub(super::text::width(&from) + super::text::width(&to));
    vec![
        ("now", row(&bars.now)),
        ("healthy", row(&bars.before)),
        ("", format!("{from}{}{to}", " ".repeat(gap))),
    ]
}

fn row(shares: &[f64]) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let step = |&share: &f64| {
        let at = STEPS.iter().zip(1_u8..).find(|&(_, k)| share * 8.0 <= f64::from(k));
        if share <= 0.0 { ' ' } else { at.map_or('█', |(&c, _)| c) }
    };
    shares.iter().map(step).collect()
}

/// The pair as a picture: now above the line, healthy windows below.
pub(super) fn picture(now: &Histogram, before: &Histogram, label: &str) -> Markup {
    let Some(bars) = Bars::of(now, before, BARS) else { return html! {} };
    let width = percentage(0.86 / approximate(BARS as u64));
    let x = |i: usize| percentage((approximate(i as u64) + 0.07) / approximate(BARS as u64));
    let px = |y: f64| format!("{y:.1}");
    html! {
        svg.histograms role="img" aria-label=(label) height=(px(2.0 * HEIGHT + 18.0)) {
            @for (i, &share) in bars.now.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                @let h = (share * HEIGHT).max(1.0);
                rect.failed x=(x(i)) y=(px(HEIGHT - h)) width=(width) height=(px(h)) {}
            }
            @for (i, &share) in bars.before.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                rect.passed x=(x(i)) y=(px(HEIGHT + 1.0)) width=(width) height=(px((share * HEIGHT).max(1.0))) {}
            }
            line.axis x1="0%" x2="100%" y1=(px(HEIGHT + 0.5)) y2=(px(HEIGHT + 0.5)) {}
            text x="0%" y=(px(2.0 * HEIGHT + 14.0)) text-anchor="start" { (duration(bars.from)) }
            text x="100%" y=(px(2.0 * HEIGHT + 14.0)) text-anchor="end" { (duration(bars.to)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[(u64, u64)]) -> Histogram {
        Histogram::from_counts(values.iter().map(|&(v, n)| (resus_model::Bucket::of(v), n)))
    }

    #[test]
    fn slower_times_stand_farther_right_on_the_same_scale() {
        let (before, now) =
            (histogram(&[(1_000_000, 90), (1_200_000, 10)]), histogram(&[(8_000_000, 40)]));
        let lines = lines(&now, &before);
        let first = |row: &str| row.chars().position(|c| c != ' ').expect("a bar");
        assert!(first(&lines[0].1) > first(&lines[1].1) + 20, "{lines:?}");
        for (_, row) in &lines {
            assert_eq!(super::super::text::width(row), COLUMNS, "{row:?}");
        }
    }

    #[test]
    fn one_value_on_both_sides_is_still_a_pair_and_nothing_is_none() {
        let one = histogram(&[(5, 1)]);
        assert_eq!(lines(&one, &one).len(), 3);
        let zero = histogram(&[(0, 3)]);
        assert_eq!(lines(&zero, &zero).len(), 3);
        assert!(lines(&Histogram::new(), &one).is_empty());
    }

    #[test]
    fn nothing_counted_is_lost_beyond_the_ends() {
        let h = histogram(&[(1, 1), (1_000, 500), (1_000_000_000, 1)]);
        let heights = spread(&h, 900, 1_100, 10);
        assert!(heights[0] > 0.0 && heights[9] > 0.0, "{heights:?}");
    }
}
