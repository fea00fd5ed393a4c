//! How often is the right component named first, for faults of every kind, and is confidence earned?
//!
//! Made-up systems under made-up faults: eight healthy minutes, then one to be explained. Only a
//! verdict of suspects counts; the rank of the true service is the mean place of its group. Nothing
//! here is a test: the summary in `benches/accuracy.txt` is compared in review.

pub(crate) mod cost;
mod fault;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use rayon::prelude::*;
use resus_model::{Diagnosis, Evidence};
use resus_suspects::{Config, diagnose};

use crate::options::Pairs;
use fault::{HEALTHY, Kind, Size, make};

/// How the bench runs.
#[derive(Debug)]
pub(crate) struct Options {
    cases: u64,
    healthy: u64,
    seed: u64,
    services: u64,
    requests: u64,
    lost: u64,
    kinds: Vec<Kind>,
    /// Tell every case that was not right.
    wrong: bool,
}

impl Options {
    /// Reads `--cases N --healthy N --seed N --services N --requests N --lost PERCENT --kinds A,B
    /// --wrong yes`, or `no`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let known = [
            "--cases",
            "--healthy",
            "--seed",
            "--services",
            "--requests",
            "--lost",
            "--kinds",
            "--wrong",
        ];
        let pairs = Pairs::parse(words, &known)?;
        let kinds = match pairs.get("--kinds") {
            None => Kind::ALL.to_vec(),
            Some(names) => {
                let mut kinds = Vec::new();
                for name in names.split(',') {
                    match Kind::ALL.into_iter().find(|k| k.name() == name) {
                        Some(kind) => kinds.push(kind),
                        None => bail!("found kind {name}, expected one of {}", all_names()),
                    }
                }
                kinds
            }
        };
        Ok(Self {
            cases: pairs.number("--cases", 40)?,
            healthy: pairs.number("--healthy", 300)?,
            seed: pairs.number("--seed", 1)?,
            services: pairs.number("--services", 100)?,
            requests: pairs.number("--requests", 2000)?,
            lost: pairs.number("--lost", 0)?,
            kinds,
            wrong: match pairs.get("--wrong") {
                None | Some("no") => false,
                Some("yes") => true,
                Some(other) => bail!("found --wrong {other}, expected yes or no"),
            },
        })
    }
}

fn all_names() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

/// What became of one case.
struct Outcome {
    kind: Kind,
    easy: bool,
    /// Rank of each true service; `None` where it is not among the suspects.
    ranks: Vec<Option<f64>>,
    /// Of the first suspect.
    probability: Option<f64>,
    obstacle: bool,
    right_obstacle: bool,
    told: String,
}

impl Outcome {
    /// What is to be blamed comes first and nothing is said against a restart; of what no restart helps
    /// against, that is said; of a healthy window, nothing.
    fn is_right(&self) -> bool {
        let first =
            !self.ranks.is_empty() && self.ranks.iter().all(|r| r.is_some_and(|r| r <= 1.0));
        match self.kind {
            Kind::Healthy => self.probability.is_none(),
            Kind::Two => self.ranks.iter().all(|r| r.is_some_and(|r| r <= 3.0)),
            kind if kind.is_restartable() => first && !self.obstacle,
            _ => self.right_obstacle,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("{options:?}");
    println!(
        "a minute to be explained after {HEALTHY} healthy ones; 1.3 to 50 % of requests hit, at least 20; \
         delays of 0.5 to 10 p95; half of the errors masked; one retry; time-outs after 2 s"
    );
    let size = Size {
        services: u32::try_from(options.services)?,
        requests: options.requests,
        lost: u32::try_from(options.lost)?,
    };
    let jobs: Vec<(Kind, u64)> = options
        .kinds
        .iter()
        .flat_map(|&kind| {
            let cases = if kind == Kind::Healthy { options.healthy } else { options.cases };
            (0..cases).map(move |i| (kind, i))
        })
        .collect();
    let outcomes: Result<Vec<Option<Outcome>>> = jobs
        .into_par_iter()
        .map(|(kind, i)| one(kind, options.seed * 1_000_000 + kind as u64 * 10_000 + i, size))
        .collect();
    let outcomes: Vec<Outcome> = outcomes?.into_iter().flatten().collect();
    print_kinds(&outcomes);
    print_sums(&outcomes);
    print_calibration(&outcomes);
    if options.wrong {
        outcomes.iter().filter(|o| !o.is_right()).for_each(|o| println!("{}", o.told));
    }
    Ok(())
}

fn one(kind: Kind, seed: u64, size: Size) -> Result<Option<Outcome>> {
    let Some(case) = make(kind, seed, size) else { return Ok(None) };
    let (now, baseline): (Vec<&Evidence>, Vec<&Evidence>) =
        case.windows.iter().partition(|w| w.role == resus_model::Role::Now);
    let Some(now) = now.first() else { return Ok(None) };
    let diagnosis = diagnose(now, &baseline, &Config::STANDARD)?;
    let ranks: Vec<Option<f64>> = case.truth.iter().map(|t| rank(&diagnosis, t)).collect();
    let first = diagnosis.suspects().first();
    let found: Vec<String> =
        diagnosis.obstacles.iter().map(|o| format!("{} {}", o.kind.name(), o.subject)).collect();
    let named: Vec<String> = diagnosis
        .suspects()
        .iter()
        .map(|s| &s.candidate)
        .chain(&diagnosis.considered)
        .take(3)
        .map(|c| {
            let of = |f: &resus_model::Finding| {
                format!("{} {} {:.1} z {:.1}", f.kind.name(), f.subject, f.strength, f.z)
            };
            let strongest = c.findings.iter().take(2).map(of).collect::<Vec<_>>().join(", ");
            format!("{:.3} {} ({strongest})", c.probability, c.component)
        })
        .collect();
    Ok(Some(Outcome {
        kind: case.kind,
        easy: case.easy,
        probability: first.map(|s| s.candidate.probability),
        obstacle: !diagnosis.obstacles.is_empty(),
        right_obstacle: diagnosis.obstacles.iter().any(|o| Some(o.kind) == case.kind.obstacle()),
        told: format!(
            "{} {seed} {:?} {ranks:?} easy {} obstacles {found:?}; {named:?}",
            kind.name(),
            case.truth,
            case.easy
        ),
        ranks,
    }))
}

/// The mean place of the group that a service is in.
fn rank(diagnosis: &Diagnosis, service: &str) -> Option<f64> {
    let suspects = diagnosis.suspects();
    let found = suspects.iter().find(|s| s.candidate.component.service == service)?;
    let group =
        suspects.iter().enumerate().filter(|(_, s)| s.candidate.group == found.candidate.group);
    let places: Vec<f64> = group.map(|(i, _)| i as f64 + 1.0).collect();
    Some(places.iter().sum::<f64>() / places.len() as f64)
}

fn percent(of: usize, all: usize) -> f64 {
    if all == 0 { f64::NAN } else { 100.0 * of as f64 / all as f64 }
}

/// Share of outcomes whose true services are all among the first `most`.
fn within(outcomes: &[&Outcome], most: f64) -> f64 {
    let hit =
        |o: &&&Outcome| !o.ranks.is_empty() && o.ranks.iter().all(|r| r.is_some_and(|r| r <= most));
    percent(outcomes.iter().filter(hit).count(), outcomes.len())
}

fn print_kinds(outcomes: &[Outcome]) {
    println!(
        "\n{:18} {:>5} {:>6} {:>6} {:>6} {:>8} {:>7} {:>7} {:>9} {:>6}",
        "kind",
        "cases",
        "T1 %",
        "T3 %",
        "T5 %",
        "silent %",
        "easy T1",
        "hard T1",
        "no restart",
        "right"
    );
    for kind in Kind::ALL {
        let of: Vec<&Outcome> = outcomes.iter().filter(|o| o.kind == kind).collect();
        if of.is_empty() {
            continue;
        }
        let easy: Vec<&Outcome> = of.iter().copied().filter(|o| o.easy).collect();
        let hard: Vec<&Outcome> = of.iter().copied().filter(|o| !o.easy).collect();
        let count = |f: fn(&Outcome) -> bool| percent(of.iter().filter(|o| f(o)).count(), of.len());
        println!(
            "{:18} {:5} {:6.1} {:6.1} {:6.1} {:8.1} {:7.1} {:7.1} {:10.1} {:6.1}",
            kind.name(),
            of.len(),
            within(&of, 1.0),
            within(&of, 3.0),
            within(&of, 5.0),
            count(|o| o.probability.is_none()),
            within(&easy, 1.0),
            within(&hard, 1.0),
            count(|o| o.obstacle),
            count(|o| o.right_obstacle),
        );
    }
}

fn print_sums(outcomes: &[Outcome]) {
    let mean = |keep: &dyn Fn(&Outcome) -> bool, measure: &dyn Fn(&[&Outcome]) -> f64| {
        let mut by_kind: BTreeMap<Kind, Vec<&Outcome>> = BTreeMap::new();
        for o in outcomes.iter().filter(|o| keep(o)) {
            by_kind.entry(o.kind).or_default().push(o);
        }
        let means: Vec<f64> = by_kind.values().map(|of| measure(of)).collect();
        means.iter().sum::<f64>() / means.len() as f64
    };
    let first = |of: &[&Outcome]| within(of, 1.0);
    let said = |of: &[&Outcome]| percent(of.iter().filter(|o| o.obstacle).count(), of.len());
    let right = |of: &[&Outcome]| percent(of.iter().filter(|o| o.right_obstacle).count(), of.len());
    let restartable = |o: &Outcome| o.kind.is_restartable();
    println!(
        "\nmean over restartable kinds, T1: easy {:.1} %",
        mean(&|o| restartable(o) && o.easy, &first)
    );
    println!("mean over restartable kinds, T1: whole range {:.1} %", mean(&restartable, &first));
    println!(
        "a restart will not help: said in {:.1} % of its kinds (the right kind in {:.1} %), in {:.1} % of restartable ones",
        mean(&|o| o.kind.obstacle().is_some(), &said),
        mean(&|o| o.kind.obstacle().is_some(), &right),
        mean(&restartable, &said),
    );
    println!(
        "two faults: both in the first three {:.1} %",
        mean(&|o| o.kind == Kind::Two, &|of| within(of, 3.0))
    );
    let healthy: Vec<&Outcome> = outcomes.iter().filter(|o| o.kind == Kind::Healthy).collect();
    let wrong = healthy.iter().filter(|o| o.probability.is_some()).count();
    println!("healthy windows called suspects: {wrong} of {}", healthy.len());
}

fn print_calibration(outcomes: &[Outcome]) {
    let mut bins = [(0_usize, 0_usize, 0.0_f64); 10];
    let (mut brier, mut all) = (0.0, 0_usize);
    for o in outcomes.iter().filter(|o| o.kind.is_restartable()) {
        all += 1;
        let Some(p) = o.probability else { continue };
        let right = o.ranks.first().is_some_and(|r| r.is_some_and(|r| r <= 1.0));
        let bin = &mut bins[((p * 10.0) as usize).min(9)];
        *bin = (bin.0 + 1, bin.1 + usize::from(right), bin.2 + p);
        brier += (p - if right { 1.0 } else { 0.0 }).powi(2);
    }
    println!("\nprobability of the first suspect, restartable kinds ({all} cases)");
    println!("  said      answers  mean said  right");
    for (i, (n, right, sum)) in bins.iter().enumerate().filter(|(_, bin)| bin.0 > 0) {
        println!(
            "  {:.1}-{:.1} {n:10} {:10.3} {:6.1} %",
            i as f64 / 10.0,
            (i + 1) as f64 / 10.0,
            sum / *n as f64,
            percent(*right, *n)
        );
    }
    let answers: usize = bins.iter().map(|b| b.0).sum();
    println!(
        "  p >= 0.9 in {:.1} % of answers, right in {:.1} % of those; Brier score {:.3}",
        percent(bins[9].0, answers),
        percent(bins[9].1, bins[9].0),
        brier / answers.max(1) as f64
    );
}
