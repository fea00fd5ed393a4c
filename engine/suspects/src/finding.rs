//! How is evidence written down, so that anybody can compute it again?

use resus_model::{EvidenceKind, Finding, Histogram, Sample};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::align::{Aligned, View};
use crate::blame::{Blame, How};
use crate::coefficient::{ratio, real};
use crate::deviation::{Deviation, Item};

/// Quantile of the standard normal for two-sided 95 %.
const Z_95: f64 = 1.959_963_984_540_054;

/// One-sided p-value of Student's t.
fn student(z: f64, freedom: f64) -> f64 {
    let t = StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom are above 0");
    t.sf(z)
}

/// One-sided p-value of a standard normal deviate.
pub(crate) fn normal(z: f64) -> f64 {
    Normal::standard().sf(z)
}

/// Writes down what deviates.
pub(crate) fn of_deviation(aligned: &Aligned<'_>, deviation: &Deviation) -> Finding {
    let Deviation { item, contrast, offset_us, z, strength, .. } = *deviation;
    let d = contrast.difference;
    let error = contrast.error();
    let t = StudentsT::new(0.0, 1.0, contrast.freedom).expect("degrees of freedom are above 0");
    let reach = t.inverse_cdf(0.975) * error;
    let sample = |n: f64, sum: f64, mean: f64, variance: f64| Sample {
        n: whole(n),
        count: if item.is_count() { whole(sum) } else { 0 },
        mean,
        variance,
    };
    let (tails, z_of) = if item.two_sided() { (2.0, z) } else { (1.0, z) };
    Finding {
        kind: item.kind(),
        subject: item.subject(aligned),
        now: sample(d.n, d.sum, d.mean(), d.variance),
        baseline: sample(d.baseline_n, d.baseline_sum, d.baseline, d.baseline_variance),
        effect: d.effect(),
        explained: d.explained,
        spread: contrast.spread,
        windows: contrast.windows,
        sampling: d.sampling,
        error,
        interval: (d.rest() - reach, d.rest() + reach),
        z,
        penalty: 0.0,
        p_value: (tails * student(z_of, contrast.freedom)).min(1.0),
        freedom: contrast.freedom,
        strength,
        offset_us,
        times: times(aligned, item).map(Box::new),
    }
}

/// Writes down whom failed requests blame.
pub(crate) fn of_blame(
    aligned: &Aligned<'_>,
    component: &str,
    blame: &Blame,
    strength: f64,
) -> Finding {
    let f = blame.failing;
    let share = |failed: u64, all: u64| ratio(real(failed), real(all));
    let sample = |failed: u64, all: u64| {
        let mean = share(failed, all);
        Sample { n: all, count: failed, mean, variance: mean * (1.0 - mean) }
    };
    let (now, baseline) = (sample(f.failed, f.all), sample(f.baseline_failed, f.baseline_all));
    let z = (2.0 * blame.nats).sqrt();
    let sampling =
        now.variance / real(f.all).max(1.0) + baseline.variance / real(f.baseline_all).max(1.0);
    let subject =
        blame.operation.map_or_else(|| component.to_owned(), |o| aligned.operation(o).to_string());
    Finding {
        kind: match blame.how {
            How::Throws => EvidenceKind::Throws,
            How::Misleads => EvidenceKind::Misleads,
            How::Meets => EvidenceKind::Meets,
        },
        subject,
        now,
        baseline,
        effect: now.mean - baseline.mean,
        explained: 0.0,
        spread: 0.0,
        windows: u32::try_from(aligned.baselines.len()).expect("few windows"),
        sampling,
        error: sampling.sqrt(),
        interval: newcombe(&now, &baseline),
        z,
        penalty: blame.penalty,
        p_value: normal(z),
        freedom: f64::INFINITY,
        strength,
        offset_us: None,
        times: None,
    }
}

/// 95 % interval of the difference of two shares (Newcombe 1998, method 10: from Wilson's intervals).
fn newcombe(now: &Sample, baseline: &Sample) -> (f64, f64) {
    let (l1, u1) = wilson(now);
    let (l2, u2) = wilson(baseline);
    let (p1, p2) = (now.mean, baseline.mean);
    let effect = p1 - p2;
    (
        effect - ((p1 - l1).powi(2) + (u2 - p2).powi(2)).sqrt(),
        effect + ((u1 - p1).powi(2) + (p2 - l2).powi(2)).sqrt(),
    )
}

/// 95 % interval of a share (Wilson 1927); everything of no observation.
pub(crate) fn wilson(sample: &Sample) -> (f64, f64) {
    if sample.n == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (real(sample.n), sample.mean);
    let z2 = Z_95 * Z_95;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let reach = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - reach).max(0.0), (middle + reach).min(1.0))
}

/// Histograms of an item now and in all healthy windows.
fn times(aligned: &Aligned<'_>, item: Item) -> Option<(Histogram, Histogram)> {
    let of = |view: &View<'_>, into: &mut Histogram| {
        let global = |o: u32| view.operations[o as usize];
        match item {
            Item::SelfTime(operation) => {
                let stats = view.evidence.operation_stats.iter();
                stats
                    .filter(|s| global(s.operation) == operation)
                    .for_each(|s| into.merge(&s.self_times));
            }
            Item::Gap(caller, callee) => {
                let edges = view.evidence.edges.iter();
                edges
                    .filter(|e| e.key.parent.map(global) == Some(caller))
                    .filter(|e| global(e.key.child) == callee)
                    .for_each(|e| into.merge(&e.gaps));
            }
            _ => {}
        }
    };
    if !matches!(item, Item::SelfTime(_) | Item::Gap(..)) {
        return None;
    }
    let (mut now, mut before) = (Histogram::new(), Histogram::new());
    of(&aligned.now, &mut now);
    aligned.baselines.iter().for_each(|view| of(view, &mut before));
    Some((now, before))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
pub(crate) fn whole(n: f64) -> u64 {
    n.round() as u64
}
