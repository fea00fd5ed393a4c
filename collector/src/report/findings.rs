//! What each kind of evidence says, in words and short figures.

use resus_model::{Candidate, EvidenceKind, Finding, Narrower, Obstacle, ObstacleKind, Sample};

use super::figures::{count, duration, factor, p_value, percent, plural, points, strength};
use super::sentence::Sentence;

/// Findings told of a suspect beside its strongest; all are in the JSON.
pub(super) const FURTHER: usize = 3;

/// A kind in at most 14 columns.
pub(super) const fn short(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Throws => "requests fail",
        EvidenceKind::Misleads => "callers fail",
        EvidenceKind::Meets => "fails with it",
        EvidenceKind::Origin => "spans fail",
        EvidenceKind::ErrorEvents => "error events",
        EvidenceKind::SelfTime => "own time",
        EvidenceKind::Gap => "time to answer",
        EvidenceKind::Calls => "calls a span",
        EvidenceKind::Children => "new children",
        EvidenceKind::ReplicaErrors => "spans fail",
        EvidenceKind::ReplicaTimes => "own time",
    }
}

/// A kind as a heading.
pub(super) const fn title(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Throws => "Requests that fail at it",
        EvidenceKind::Misleads => "Requests that fail at its callers",
        EvidenceKind::Meets => "Requests that fail elsewhere when it takes part",
        EvidenceKind::Origin => "Spans that fail by themselves",
        EvidenceKind::ErrorEvents => "Spans with error events",
        EvidenceKind::SelfTime => "Time that it takes itself",
        EvidenceKind::Gap => "Time that calls take beyond the work of the callee",
        EvidenceKind::Calls => "Calls a span",
        EvidenceKind::Children => "Spans with children not seen before",
        EvidenceKind::ReplicaErrors => "Spans that fail by themselves, beside its peers",
        EvidenceKind::ReplicaTimes => "Time that it takes itself, beside its peers",
    }
}

/// One side of a finding in at most seven columns: a typical time, calls a span, a share.
pub(super) fn value(finding: &Finding, side: &Sample) -> String {
    match finding.kind {
        _ if side.n == 0 => "-".into(),
        kind if kind.measures_times() => typical(finding, side),
        EvidenceKind::Calls => format!("{:.2}", side.mean),
        _ => percent(side.mean),
    }
}

/// The geometric mean of times, as it was formed: `exp(mean) - offset`.
fn typical(finding: &Finding, side: &Sample) -> String {
    let micros = side.mean.exp() - finding.offset_us.unwrap_or(0.0);
    duration(nanos(micros))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown rounded")]
fn nanos(micros: f64) -> u64 {
    (micros.max(0.0) * 1000.0).round() as u64
}

/// What one kind of evidence says, as a sentence with a full stop.
pub(super) fn says(finding: &Finding) -> Sentence {
    let sentence = Sentence::default().name(&finding.subject).words(": ").words(claim(finding));
    sentence.words(format!(
        "; strength {}, {}.",
        strength(finding.strength),
        p_value(finding.p_value)
    ))
}

fn claim(finding: &Finding) -> String {
    let Finding { kind, now, baseline, .. } = finding;
    let shares = |what: &str| {
        format!(
            "{} of {} {what} ({}), {} of {} in {} ({})",
            count(now.count),
            count(now.n),
            percent(now.mean),
            count(baseline.count),
            count(baseline.n),
            against(finding),
            percent(baseline.mean),
        )
    };
    match kind {
        EvidenceKind::Throws => shares("requests with it fail at its spans"),
        EvidenceKind::Misleads => shares("requests with it fail at spans of its callers"),
        EvidenceKind::Meets => {
            shares("requests that it shares with the component that fails do fail there")
        }
        EvidenceKind::Origin => shares("spans fail while none of their children does"),
        EvidenceKind::ErrorEvents => shares("spans carry error events"),
        EvidenceKind::Children => shares("spans have a set of children that is not seen otherwise"),
        EvidenceKind::SelfTime => times(finding, "takes", "by itself"),
        EvidenceKind::Gap => times(finding, "takes", "beyond what the callee works on it"),
        EvidenceKind::Calls => calls(finding),
        EvidenceKind::ReplicaErrors => shares("spans fail while none of their children does"),
        EvidenceKind::ReplicaTimes => times(finding, "takes", "by itself"),
    }
}

/// What it is held against.
fn against(finding: &Finding) -> String {
    match finding.kind {
        EvidenceKind::ReplicaErrors | EvidenceKind::ReplicaTimes => "its peers now".into(),
        _ => windows(finding),
    }
}

fn windows(finding: &Finding) -> String {
    plural(u64::from(finding.windows), "healthy window", "healthy windows")
}

/// Times differ by a factor: their logarithms were compared.
fn times(finding: &Finding, verb: &str, what: &str) -> String {
    let Finding { now, baseline, effect, explained, interval, .. } = finding;
    let mut text = format!(
        "{verb} {} {what}, {} in {} ({} spans, {} there)",
        typical(finding, now),
        typical(finding, baseline),
        against(finding),
        count(now.n),
        count(baseline.n),
    );
    if explained.abs() >= 0.1 * effect.abs() {
        let usual = match finding.kind {
            EvidenceKind::ReplicaTimes => "is usual for it",
            _ => "lies with others",
        };
        text.push_str(&format!(", of which {} {usual}", factor(*explained)));
    }
    text.push_str(&format!(
        "; {} as long (95%: {} to {})",
        factor(effect - explained),
        factor(interval.0),
        factor(interval.1)
    ));
    text
}

fn calls(finding: &Finding) -> String {
    let Finding { now, baseline, explained, effect, interval, .. } = finding;
    let mut text = format!(
        "{} calls by {} spans ({:.2} a span), {} by {} in {} ({:.2})",
        count(now.count),
        count(now.n),
        now.mean,
        count(baseline.count),
        count(baseline.n),
        windows(finding),
        baseline.mean,
    );
    if explained.abs() >= 0.1 * effect.abs() {
        text.push_str(&format!(", {explained:+.2} of it for reasons that lie with others"));
    }
    text.push_str(&format!(
        "; {:+.2} (95%: {:+.2} to {:+.2})",
        effect - explained,
        interval.0,
        interval.1
    ));
    text
}

/// How much one side differs from the other, short.
pub(super) fn change(finding: &Finding) -> String {
    let rest = finding.effect - finding.explained;
    match finding.kind {
        kind if kind.measures_times() => factor(rest),
        EvidenceKind::Calls => format!("{rest:+.2}"),
        _ => format!("{} points", points(rest)),
    }
}

/// A replica that differs from its peers, as a sentence.
pub(super) fn says_narrower(narrower: &Narrower) -> Sentence {
    Sentence::default().words("One replica alone: ").then(says(&narrower.finding))
}

/// The strongest finding of a candidate.
pub(super) fn strongest(candidate: &Candidate) -> Option<&Finding> {
    candidate.findings.first()
}

/// What stands before the subject of an obstacle.
pub(super) const fn obstacle(kind: ObstacleKind) -> &'static str {
    match kind {
        ObstacleKind::Version => "follows a version",
        ObstacleKind::Attribute => "follows what is asked",
        ObstacleKind::Peer => "lies outside the traces",
        ObstacleKind::SharedDependency => "lies in a shared dependency",
        ObstacleKind::Overload => "is overload",
    }
}

/// An obstacle in a sentence of its own.
pub(super) fn says_obstacle(obstacle: &Obstacle) -> Sentence {
    Sentence::of(obstacle.sentence.trim_end_matches('.')).words(".")
}
