//! What is taken for healthy?

use std::sync::Arc;

use super::fixture::{FAIR, Run, Weather, first_suspect};
use crate::watch::{Baseline, State, WatchConfig, Watcher};

fn fair(_: u64, _: usize, _: usize) -> Weather {
    FAIR
}

fn all_fail(share: f64) -> impl Fn(u64, usize, usize) -> Weather {
    move |_, _, _| Weather { failing: share, ..FAIR }
}

#[test]
fn until_there_are_enough_windows_there_is_no_verdict() {
    let mut run = Run::new(1, &[20.0]);
    let (mut windows, mut panes) = (Vec::new(), 0);
    while let State::Learning { windows: n, needed } = run.step(&fair).state {
        assert_eq!(needed, 3);
        windows.push(n);
        panes += 1;
    }
    assert!(windows.is_sorted() && windows.contains(&2));
    assert_eq!(panes, 1 + 3 * 15 + 15 - 1, "three windows and the quarantine");
    assert_eq!(run.watcher.judgement().state, State::Healthy);
    assert_eq!(run.watcher.judgement().baseline.windows, 3);
}

#[test]
fn a_system_that_is_down_is_not_learned() {
    let mut run = Run::new(2, &[20.0]);
    let judgement = run.steps(300, &all_fail(0.4));
    assert_eq!(judgement.state, State::Learning { windows: 0, needed: 3 });
    assert!(judgement.notes.iter().any(|n| n.contains("% of all requests failed")));
    run.watcher.adopt_now();
    assert_eq!(run.step(&all_fail(0.4)).state, State::Healthy);
}

#[test]
fn a_bad_first_minute_is_dropped_again() {
    let mut run = Run::new(3, &[20.0]);
    run.steps(10, &all_fail(0.09));
    let start = Run::time(16);
    let mut run = run.learnt(&fair);
    run.step(&fair);
    let range = run.watcher.judgement().baseline.range.expect("there are windows");
    assert!(range.from >= start, "the first window is gone");
}

#[test]
fn the_ring_is_bounded_and_follows() {
    let mut run = Run::new(4, &[5.0]);
    run.steps(800, &fair);
    let (_, baseline) = run.watcher.evidence();
    assert_eq!(baseline.len(), 30);
    assert!(baseline.is_sorted_by_key(|w| w.window));
    let newest = baseline.last().expect("thirty").window.to;
    assert!(Run::time(800) - newest < 130 * super::fixture::SECOND);
}

#[test]
fn a_fixed_baseline_is_used_at_once_and_stays() {
    let mut run = Run::new(5, &[50.0]);
    run.steps(200, &fair);
    let (_, windows) = run.watcher.evidence();
    let range = run.watcher.judgement().baseline.range;
    let fixed = WatchConfig { baseline: Baseline::Fixed(windows), ..WatchConfig::STANDARD };
    run.watcher = Watcher::new(fixed).expect("sound settings");
    assert_eq!(run.step(&fair).state, State::Healthy);
    run.steps(200, &fair);
    assert_eq!(run.watcher.judgement().baseline.range, range);
    let broken = |_: u64, _: usize, backend: usize| Weather {
        failing: if backend == 1 { 0.4 } else { 0.001 },
        ..FAIR
    };
    assert_eq!(run.until(10, &broken, |j| j.state == State::Suspects), Some(2));
    assert_eq!(first_suspect(run.watcher.judgement()), Some("mail"));
    let slow = |_: u64, _: usize, backend: usize| Weather {
        slower: if backend == 1 { 4.0 } else { 1.0 },
        ..FAIR
    };
    run.steps(20, &fair);
    assert!(run.until(10, &slow, |j| j.state == State::Suspects).is_some());
}

#[test]
fn all_mistakes_of_the_settings_are_told() {
    let bad = WatchConfig {
        pane_ns: 1,
        agree: 4,
        silence_after: 0,
        significance: f64::NAN,
        baseline: Baseline::Ring { window_panes: 0, windows: 2, quarantine_ns: 0 },
        diagnose: resus_suspects::Config { cut: 2.0, ..WatchConfig::STANDARD.diagnose },
        ..WatchConfig::STANDARD
    };
    let error = Watcher::new(bad).expect_err("nothing is right");
    let text = error.to_string();
    for setting in
        ["pane_ns", "agree", "silence_after", "significance", "window_panes", "windows", "cut"]
    {
        assert!(text.contains(setting), "{setting} is missing: {text}");
    }
    let none = WatchConfig { baseline: Baseline::Fixed(Vec::new()), ..WatchConfig::STANDARD };
    assert_eq!(none.check().expect_err("no window").mistakes.len(), 1);
    WatchConfig::STANDARD.check().expect("the reviewed settings are sound");
    let mut run = Run::new(6, &[5.0]);
    let mut foreign = run.world.pane(0, &fair);
    foreign.rules = resus_model::Fingerprint::from_text("other".to_owned());
    let mixed = vec![Arc::new(run.world.pane(0, &fair)), Arc::new(foreign)];
    let mixed = WatchConfig { baseline: Baseline::Fixed(mixed), ..WatchConfig::STANDARD };
    assert!(mixed.check().expect_err("two rules").to_string().contains("rules"));
}
