//! Is there more load than the system bears? A restart makes that worse.
//!
//! Load is counted by entry requests, never by calls: a fault makes callers retry, and calls grow
//! without anybody asking for more. It must lie above all healthy windows, and the system must show
//! that it cannot keep up: it turns requests away, or they wait, so that more are under way than the
//! load explains (Little's law, L = λW: with W as before, L grows as λ does; W must have grown too).

use resus_model::{Counts, Obstacle, ObstacleKind};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::Scene;
use super::contrast::percent;
use super::growth::Growth;
use super::thresholds::{P_VALUE, RATE_SUPPORT, SURGE, WAITING};
use crate::align::View;
use crate::coefficient::{ratio, real};

/// By what a service says that it has too much to do: gRPC's and HTTP's words, as codes and names.
const REFUSALS: [&str; 6] =
    ["RESOURCE_EXHAUSTED", "8", "ResourceExhausted", "503", "429", "TooManyRequests"];

/// Entry requests of one window.
struct Load {
    requests: u64,
    /// A second, by sampling weight.
    rate: f64,
    /// Spans that failed with a word of refusal.
    refused: u64,
}

/// A surge that the system does not bear.
pub(super) fn find(scene: &Scene<'_>, growth: &Growth) -> Option<Obstacle> {
    let Scene { aligned, config, .. } = *scene;
    let now = Load::of(&aligned.now)?;
    let past: Vec<Load> = aligned.baselines.iter().filter_map(Load::of).collect();
    let enough = |load: &Load| load.requests >= RATE_SUPPORT;
    if past.len() < 2 || !enough(&now) || !past.iter().all(enough) {
        return None;
    }
    let highest = past.iter().map(|l| l.rate).fold(0.0, f64::max);
    let p_value = chance(now.rate, &past);
    if now.rate < SURGE * highest || p_value > P_VALUE {
        return None;
    }
    let times = ratio(now.rate, highest);
    let per_request = |load: &Load| ratio(real(load.refused), real(load.requests));
    let usual = past.iter().map(per_request).fold(0.0, f64::max);
    let refused = per_request(&now) - usual;
    let turned_away = now.refused >= config.min_failures && refused > config.min_effect;
    let longer = ratio(growth.request, growth.before);
    let symptom = if turned_away {
        format!("{} calls in 100 requests are turned away", (refused * 100.0).round())
    } else if scene.detected.deviates() && longer > WAITING {
        let under_way = times * (1.0 + longer);
        format!(
            "requests take {} longer, so that {under_way:.1} times as many are under way",
            percent(longer)
        )
    } else {
        return None;
    };
    Some(Obstacle {
        kind: ObstacleKind::Overload,
        subject: "load".to_owned(),
        victims: Vec::new(),
        counts: Counts::default(),
        effect: times,
        tested: Counts::default(),
        tables: 1,
        p_value,
        load: std::iter::once(&now).chain(&past).map(|l| (l.rate, l.requests)).collect(),
        sentence: format!(
            "{:.0} requests a second come in, {times:.1} times the most of healthy windows, and \
             {symptom}, {} first: shed load or add capacity, a restart takes some away",
            now.rate, scene.first
        ),
    })
}

impl Load {
    /// `None` where nothing says when requests started.
    fn of(view: &View<'_>) -> Option<Self> {
        let (mut requests, mut weight) = (0, 0.0);
        let (mut first, mut last) = (u64::MAX, 0);
        for (class, cell) in view.classes() {
            if cell.is_none() {
                continue;
            }
            for second in &class.seconds {
                requests += second.tally.n;
                weight += real(second.tally.weight);
                first = first.min(second.second);
                last = last.max(second.second);
            }
        }
        let seconds = last.checked_sub(first)? + 1;
        let is_refusal = |name: u32| REFUSALS.contains(&view.evidence.names.text(name));
        let types = view.evidence.operation_stats.iter().flat_map(|stats| &stats.error_types);
        let refused = types.filter(|(name, _)| is_refusal(*name)).map(|(_, n)| n).sum();
        let rate = weight / real(resus_model::Tally::ONE) / real(seconds);
        Some(Self { requests, rate, refused })
    }
}

/// One-sided chance of a rate among those of healthy windows (the prediction interval of a normal
/// sample, Student's t), whose standard deviation is at least that of counting.
fn chance(rate: f64, past: &[Load]) -> f64 {
    let k = real(past.len() as u64);
    let mean = past.iter().map(|l| l.rate).sum::<f64>() / k;
    let squares: f64 = past.iter().map(|l| (l.rate - mean).powi(2)).sum();
    let requests = past.iter().map(|l| real(l.requests)).sum::<f64>() / k;
    let counting = mean / requests.sqrt();
    let deviation = (squares / (k - 1.0)).sqrt().max(counting);
    let t = (rate - mean) / (deviation * (1.0 + 1.0 / k).sqrt());
    StudentsT::new(0.0, 1.0, k - 1.0).map_or(1.0, |student| student.sf(t))
}
