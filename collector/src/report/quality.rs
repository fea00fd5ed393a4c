//! How good was the data, in words?

use std::collections::BTreeMap;

use resus_model::{Quality, SkipReason};

use super::figures::{count, plural, window};

/// A line of the quality report: what, its number, and whether it speaks against the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QualityLine {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) bad: bool,
}

/// The quality report: the always-present lines, then whatever is not zero.
pub(super) fn quality(q: &Quality) -> Vec<QualityLine> {
    let Quality {
        spans,
        skipped,
        lenient,
        traces,
        orphans,
        rootless,
        many_roots,
        duplicates,
        conflicting,
        cyclic,
        negative_durations,
        zero_durations,
        before_parent: _,
        before_parent_same_host,
        unknown_outcomes,
        unlabelled,
        cancelled,
        weighted: _,
        outside,
        failed: _,
        unknown_services,
        linked,
        range,
    } = q;
    let line = |label, value: String, bad| QualityLine { label, value, bad };
    // Odd spans are data; one in a hundred is where they begin to matter.
    let many = |n: u64, of: u64| n.saturating_mul(100) > of;
    let clocks = *before_parent_same_host + *negative_durations;
    let mut lines = vec![
        line("spans read", count(*spans), false),
        line("records skipped", skip_text(skipped), many(q.skipped_total(), *spans)),
        line("traces", count(*traces), false),
        line("parents missing", plural(*orphans, "span", "spans"), many(*orphans, *spans)),
        line("roots missing", plural(*rootless, "trace", "traces"), many(*rootless, *traces)),
        line(
            "duplicates left out",
            duplicates_text(*duplicates, *conflicting),
            many(*conflicting, *spans),
        ),
        line("clock anomalies", clock_text(q), many(clocks, *spans)),
        line("time range", range.map_or_else(|| "no span".into(), window), range.is_none()),
        line("sampling", sampling(q), biased(q)),
    ];
    let further = [
        ("several roots", *many_roots, "trace", "traces", false),
        ("cut out of a cycle", *cyclic, "span", "spans", true),
        ("zero durations", *zero_durations, "span", "spans", false),
        ("outcome unknown", *unknown_outcomes, "request", "requests", false),
        ("without any status", *unlabelled, "request", "requests", false),
        ("cancelled by caller", *cancelled, "request", "requests", false),
        ("outside the windows", *outside, "request", "requests", false),
        ("services without name", *unknown_services, "service", "services", true),
        ("linked elsewhere", *linked, "span", "spans", false),
    ];
    for (label, n, one, many, bad) in further {
        if n > 0 {
            lines.push(line(label, plural(n, one, many), bad));
        }
    }
    if !lenient.is_empty() {
        let texts: Vec<_> =
            lenient.iter().map(|(what, n)| format!("{what} ({})", count(*n))).collect();
        lines.push(line("read leniently", texts.join(", "), false));
    }
    lines
}

fn skip_text(skipped: &BTreeMap<SkipReason, (u64, String)>) -> String {
    if skipped.is_empty() {
        return "0".into();
    }
    let texts: Vec<_> = skipped
        .iter()
        .map(|(reason, (n, example))| {
            let first = if example.is_empty() { String::new() } else { format!(", as {example}") };
            format!("{} without a usable {}{first}", count(*n), reason.field())
        })
        .collect();
    texts.join("; ")
}

fn duplicates_text(duplicates: u64, conflicting: u64) -> String {
    let text = plural(duplicates, "span", "spans");
    if conflicting == 0 {
        text
    } else {
        format!("{text}, {} with other content", count(conflicting))
    }
}

fn clock_text(q: &Quality) -> String {
    let mut texts = Vec::new();
    if q.before_parent > 0 {
        texts.push(format!(
            "{} before the parent ({} on the same host)",
            plural(q.before_parent, "span starts", "spans start"),
            count(q.before_parent_same_host)
        ));
    }
    if q.negative_durations > 0 {
        texts.push(plural(q.negative_durations, "negative duration", "negative durations"));
    }
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

/// Whether the sample looks biased: more than half of the requests failed and none says with which
/// probability it was kept, as tail sampling leaves it.
pub(super) fn biased(q: &Quality) -> bool {
    q.weighted == 0 && q.failed > 0 && q.failed.saturating_mul(2) > q.traces
}

fn sampling(q: &Quality) -> String {
    if q.weighted > 0 {
        return format!(
            "{} a sampling weight",
            plural(q.weighted, "request carries", "requests carry")
        );
    }
    if biased(q) {
        return "no weights and mostly failures: the sample looks biased towards failures, shares \
                are not rates"
            .into();
    }
    "no weights: every request counts once".into()
}
