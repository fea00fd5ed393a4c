//! Numbers as people read them.

use resus_model::Window;

/// Digits in groups of three: `12,345`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// At most seven columns: `999,999`, then `1.23M` and so on.
pub(super) fn short_count(n: u64) -> String {
    if n < 1_000_000 {
        return count(n);
    }
    let mut x = approximate(n);
    for unit in ["", "k", "M", "G", "T", "P", "E"] {
        if x < 999.5 {
            return format!("{}{unit}", three_digits(x));
        }
        x /= 1000.0;
    }
    three_digits(x)
}

/// A number as a float; beyond 2^53 the nearest one.
#[expect(clippy::cast_precision_loss, reason = "for ratios and pictures only")]
pub(super) const fn approximate(n: u64) -> f64 {
    n as f64
}

/// `part` of `whole`, 0 of nothing.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { approximate(part) / approximate(whole) }
}

fn three_digits(x: f64) -> String {
    if x < 9.995 {
        format!("{x:.2}")
    } else if x < 99.95 {
        format!("{x:.1}")
    } else {
        format!("{x:.0}")
    }
}

/// Without noughts after the point.
fn trimmed(number: String) -> String {
    if !number.contains('.') {
        return number;
    }
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 span`, `2 spans`.
pub(super) fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A share of 0 to 1 as `23.1%`; only exactly nothing is `0%`, only exactly all is `100%`.
pub(super) fn percent(share: f64) -> String {
    if share <= 0.0 {
        "0%".into()
    } else if share < 0.0005 {
        "<0.1%".into()
    } else if share >= 1.0 {
        "100%".into()
    } else if share > 0.9995 {
        ">99.9%".into()
    } else {
        format!("{:.1}%", share * 100.0)
    }
}

/// A round share as `25%`.
pub(super) fn round_percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.trim_end_matches(".0"))
}

/// A difference of shares as `+22.7`, in percentage points.
pub(super) fn points(difference: f64) -> String {
    let text = format!("{:+.1}", difference * 100.0);
    if text == "-0.0" { "+0.0".into() } else { text }
}

/// A p-value with its sign: `p = 0.021`, `p = 3e-5`, `p < 1e-12`.
pub(super) fn p_value(p: f64) -> String {
    if p < 1e-12 {
        "p < 1e-12".into()
    } else if p < 0.0095 {
        format!("p = {p:.0e}")
    } else {
        format!("p = {p:.2}")
    }
}

/// A factor by its logarithm: `×3.2`, `×0.41`.
pub(super) fn factor(logarithm: f64) -> String {
    let x = logarithm.clamp(-20.0, 20.0).exp();
    if (0.01..9_999.5).contains(&x) {
        format!("×{}", three_digits(x))
    } else {
        format!("×{x:.0e}")
    }
}

/// A strength in at most six columns: `6.1`, `1,250`.
pub(super) fn strength(x: f64) -> String {
    if x < 99.95 { format!("{x:.1}") } else { short_count(whole(x)) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown rounded")]
fn whole(x: f64) -> u64 {
    x.max(0.0).round() as u64
}

/// A probability: never shown as certain.
pub(super) fn probability(p: f64) -> String {
    if p > 0.995 { ">99%".into() } else { percent(p) }
}

/// A score in at most seven columns.
pub(super) fn score(x: f64) -> String {
    if x.is_infinite() {
        return if x > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let size = x.abs();
    if size < 9.9995 {
        format!("{x:.3}")
    } else if size < 999.95 {
        format!("{x:.1}")
    } else if size < 99_999.5 {
        format!("{x:.0}")
    } else {
        format!("{x:.1e}")
    }
}

/// Nanoseconds in the unit that fits: `1.24 s`, `350 ms`, `12.1 µs`.
pub(super) fn duration(nanos: u64) -> String {
    let n = approximate(nanos);
    let three_digits = |x| trimmed(three_digits(x));
    if nanos < 1_000 {
        format!("{nanos} ns")
    } else if n < 999.5e3 {
        format!("{} µs", three_digits(n / 1e3))
    } else if n < 999.5e6 {
        format!("{} ms", three_digits(n / 1e6))
    } else if n < 119.5e9 {
        format!("{} s", three_digits(n / 1e9))
    } else if n < 3_570e9 {
        format!("{:.0} min", n / 60e9)
    } else if n < 172_800e9 {
        format!("{} h", three_digits(n / 3600e9))
    } else {
        format!("{} days", three_digits(n / 86_400e9))
    }
}

/// An instant in RFC 3339, UTC, with as many digits after the second as it takes; `None` beyond
/// what a calendar is asked for (an open window).
pub(crate) fn instant(unix_nano: u64) -> Option<String> {
    if unix_nano == u64::MAX {
        return None;
    }
    jiff::Timestamp::from_nanosecond(i128::from(unix_nano)).ok().map(|t| t.to_string())
}

/// The same to the second, and with a space for the T, for people.
pub(super) fn clock(unix_nano: u64) -> String {
    let seconds = unix_nano - unix_nano % 1_000_000_000;
    instant(seconds).map_or_else(|| "open".into(), |t| t.replace('T', " "))
}

/// A window for people: `2026-03-01 10:00:00Z to 10:15:00Z (15 min)`.
pub(super) fn window(w: Window) -> String {
    if w == Window::ALL {
        return "all time".into();
    }
    let (from, to) = (clock(w.from), clock(w.to));
    let to = match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => time.to_owned(),
        _ => to,
    };
    if w.to == u64::MAX {
        format!("from {from} on")
    } else {
        format!("{from} to {to} ({})", duration(w.nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_never_wide() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(short_count(999_999), "999,999");
        assert_eq!(short_count(1_234_567), "1.23M");
        assert_eq!(short_count(u64::MAX), "18.4E");
        let mut n = 1_u64;
        while n < u64::MAX / 3 {
            assert!(short_count(n).len() <= 7 && short_count(n - 1).len() <= 7, "{n}");
            n *= 3;
        }
    }

    #[test]
    fn shares_are_zero_or_all_only_when_they_are() {
        assert_eq!(percent(0.0), "0%");
        assert_eq!(percent(0.0001), "<0.1%");
        assert_eq!(percent(0.231), "23.1%");
        assert_eq!(percent(0.99999), ">99.9%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(points(0.2271), "+22.7");
        assert_eq!(points(-0.00001), "+0.0");
    }

    #[test]
    fn scores_of_every_coefficient_fit_in_seven_columns() {
        for x in [0.0, -1.0, 0.97254, 12.5, 5_321.0, 1e9, -1e300, f64::MAX, f64::INFINITY] {
            assert!(score(x).len() <= 8, "{x}: {}", score(x));
        }
        assert_eq!(score(0.97254), "0.973");
        assert_eq!(score(1e9), "1.0e9");
    }

    #[test]
    fn p_values_keep_one_digit() {
        assert_eq!(p_value(0.0213), "p = 0.02");
        assert_eq!(p_value(3.2e-5), "p = 3e-5");
        assert_eq!(p_value(0.0), "p < 1e-12");
    }

    #[test]
    fn factors_and_strengths_stay_short() {
        assert_eq!(factor(0.0), "×1.00");
        assert_eq!(factor(3.2_f64.ln()), "×3.20");
        assert_eq!(factor(-1.0), "×0.37");
        assert_eq!(factor(1e9), "×5e8");
        assert_eq!(strength(6.14), "6.1");
        assert_eq!(strength(1249.7), "1,250");
        assert_eq!(probability(0.999), ">99%");
        assert_eq!(probability(0.714), "71.4%");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(duration(950), "950 ns");
        assert_eq!(duration(12_100), "12.1 µs");
        assert_eq!(duration(1_240_000_000), "1.24 s");
        assert_eq!(duration(30_000_000_000), "30 s");
        assert_eq!(duration(900_000_000_000), "15 min");
        assert_eq!(duration(3_600_000_000_000), "1 h");
        assert_eq!(instant(1_700_000_000_500_000_000).as_deref(), Some("2023-11-14T22:13:20.5Z"));
        let from = 1_700_000_000_000_000_000;
        assert_eq!(
            window(Window { from, to: from + 900_000_000_000 }),
            "2023-11-14 22:13:20Z to 22:28:20Z (15 min)"
        );
        assert_eq!(window(Window::ALL), "all time");
    }
}
