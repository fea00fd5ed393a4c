//! Pinpoint's experiment: faults that 1, 2, 3 or 4 components trigger together.
//!
//! A case is right when the full trigger set is reported; its false positives are the share of
//! reported components outside the trigger set. The cut of the dendrogram is swept; beside the curve
//! stand the two baselines of the paper (Chen et al., DSN 2002): "detection" reports where the
//! error showed, "dependency" everything on failed requests.

use anyhow::Result;
use rayon::prelude::*;
use resus_datasets::presets::{InteractionEffect, InteractionParameters, interaction};
use resus_datasets::{Share, generate};
use resus_engine::{Choice, Gather, summarise};
use resus_model::{Component, Evidence, Level, Role, Rules, Window};
use resus_suspects::{Config, diagnose};

const CUTS: [f64; 21] = [
    0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.84, 0.88, 0.9, 0.92, 0.94,
    0.95, 0.97, 0.99, 1.0,
];

/// One case: who is to blame, and how near everybody is.
struct Case {
    trigger: Vec<String>,
    /// Services on failed requests with their distance to the failures.
    near: Vec<(String, f64)>,
    detection: Vec<String>,
    dependency: Vec<String>,
}

/// Mean over cases: share right, share of reported components that are wrong.
#[derive(Clone, Copy, Default)]
struct Score {
    accuracy: f64,
    false_positives: f64,
    reported: f64,
}

/// Prints the curves of so many cases for each order: plain, heavily masked, and where callers fail
/// over a wrong value while the component itself looks well.
pub(crate) fn run(cases: u64) -> Result<()> {
    let standard = InteractionParameters::STANDARD;
    let masked = InteractionParameters { masking: Share::percent(70), ..standard };
    let wrong = InteractionParameters { effect: InteractionEffect::WrongValue, ..standard };
    for (what, parameters) in [("", standard), (", masked", masked), (", wrong value", wrong)] {
        println!("parameters{what}: {parameters:?}\n");
        for order in 1..=4 {
            let results: Result<Vec<Case>> =
                (1..=cases).into_par_iter().map(|seed| case(order, seed, &parameters)).collect();
            print(order, what, &results?);
        }
    }
    Ok(())
}

fn case(order: usize, seed: u64, parameters: &InteractionParameters) -> Result<Case> {
    let scenario = interaction(order, seed, parameters);
    let mut spans = generate(&scenario)?;
    let mut gather = Gather::new(Rules::STANDARD);
    for batch in &mut spans {
        gather.push(&batch);
    }
    let truth = spans.truth();
    let gathered = gather.seal();
    let fault = &truth.faults[0];
    let (start, middle) = (truth.start_unix_nano, fault.from_unix_nano);
    let end = truth.last_arrival_unix_nano + 1;
    let edge = |i: u64| start + (middle - start) / 4 * i;
    let baseline = (0..4).map(|i| Window { from: edge(i), to: edge(i + 1) }).collect();
    let choice = Choice::Given { now: Window { from: middle, to: end }, baseline };
    let evidence = summarise(&gathered, &choice);
    let role = |role| evidence.iter().filter(move |e| e.role == role);
    let now = role(Role::Now).next().expect("one window is now");
    let baseline: Vec<Evidence> = role(Role::Baseline).cloned().collect();
    let config = Config {
        level: Level::Service,
        cut: 1.0,
        max_suspects: usize::MAX,
        max_considered: usize::MAX,
        ..Config::PINPOINT
    };
    let diagnosis = diagnose(now, &baseline, &config)?;
    let named = diagnosis.suspects().iter().map(|s| &s.candidate).chain(&diagnosis.considered);
    let near = named
        .filter(|c| c.presence.counts.failed_with > 0)
        .filter_map(|c| Some((c.component.service.clone(), c.presence.distance?)))
        .collect();
    let services = |list: &[Component]| {
        let mut names: Vec<String> = list.iter().map(|c| c.service.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    let mut trigger: Vec<String> = fault.trigger.iter().map(|c| c.service.clone()).collect();
    trigger.sort();
    trigger.dedup();
    Ok(Case {
        trigger,
        near,
        detection: services(&diagnosis.detection),
        dependency: services(&diagnosis.dependency),
    })
}

fn print(order: usize, what: &str, cases: &[Case]) {
    println!("{order} component(s) meet{what}, {} cases", cases.len());
    println!("  {:12} {:>9} {:>16} {:>9}", "", "accuracy", "false positives", "reported");
    let detection = score(cases, |case| case.detection.clone());
    let dependency = score(cases, |case| case.dependency.clone());
    row("detection", detection);
    row("dependency", dependency);
    let mut curve = Vec::new();
    for cut in CUTS {
        let at_cut = score(cases, |case| {
            let near = case.near.iter().filter(|(_, distance)| *distance <= cut);
            near.map(|(name, _)| name.clone()).collect()
        });
        row(&format!("cut {cut:.2}"), at_cut);
        curve.push(at_cut);
    }
    let beside_dependency = curve
        .iter()
        .filter(|s| s.accuracy >= dependency.accuracy)
        .map(|s| s.false_positives)
        .fold(f64::INFINITY, f64::min);
    let beside_detection = curve
        .iter()
        .filter(|s| s.false_positives <= detection.false_positives)
        .map(|s| s.accuracy)
        .fold(0.0, f64::max);
    println!(
        "  at dependency's accuracy: false positives {:.3} against {:.3}",
        beside_dependency, dependency.false_positives
    );
    println!(
        "  at detection's false positives: accuracy {:.3} against {:.3}\n",
        beside_detection, detection.accuracy
    );
}

fn row(name: &str, score: Score) {
    let Score { accuracy, false_positives, reported } = score;
    println!("  {name:12} {accuracy:9.3} {false_positives:16.3} {reported:9.2}");
}

fn score(cases: &[Case], report: impl Fn(&Case) -> Vec<String>) -> Score {
    let mut sum = Score::default();
    for case in cases {
        let reported = report(case);
        let hits = case.trigger.iter().filter(|t| reported.contains(t)).count();
        sum.accuracy += f64::from(u8::from(hits == case.trigger.len()));
        if !reported.is_empty() {
            let wrong = reported.len() - hits;
            sum.false_positives += wrong as f64 / reported.len() as f64;
        }
        sum.reported += reported.len() as f64;
    }
    let n = cases.len().max(1) as f64;
    Score {
        accuracy: sum.accuracy / n,
        false_positives: sum.false_positives / n,
        reported: sum.reported / n,
    }
}
