//! What one run has learned, the next one knows.

use std::sync::Arc;

use resus_model::{Evidence, Rules};

use super::fixture::{FAIR, Run, Weather, first_suspect};
use crate::watch::{State, WatchConfig, Watcher};

const BUSY: [f64; 3] = [50.0, 20.0, 20.0];

fn fair(_: u64, _: usize, _: usize) -> Weather {
    FAIR
}

fn broken(_: u64, _: usize, backend: usize) -> Weather {
    Weather { failing: if backend == 1 { 0.4 } else { 0.001 }, ..FAIR }
}

/// A run that has learned for a while, ended, and left its healthy windows to another one.
fn again(seed: u64) -> (Run, Vec<Arc<Evidence>>) {
    let mut run = Run::new(seed, &BUSY).learnt(&fair);
    run.steps(90, &fair);
    let (_, kept) = run.watcher.evidence();
    run.watcher = Watcher::new(WatchConfig::STANDARD).expect("sound settings");
    (run, kept)
}

fn restore(run: &mut Run, windows: &[Arc<Evidence>]) -> usize {
    let rules = windows[0].rules.clone();
    run.watcher.restore(windows, &rules, Run::time(run.pane))
}

#[test]
fn a_restart_forgets_nothing() {
    let (mut run, kept) = again(1);
    assert_eq!(restore(&mut run, &kept), 0);
    let (_, known) = run.watcher.evidence();
    assert_eq!(known, kept);
    // Two minutes later it goes on.
    run.pane += 30;
    assert_eq!(run.steps(10, &fair).state, State::Healthy);
    assert_eq!(run.until(10, &broken, |j| j.state == State::Suspects), Some(2));
    assert_eq!(first_suspect(run.watcher.judgement()), Some("mail"));
    assert_eq!(run.until(20, &fair, |j| j.state == State::Healthy), Some(3));
    run.steps(60, &fair);
    assert_eq!(run.alarms(), 1);
    let (_, later) = run.watcher.evidence();
    assert!(later.len() > kept.len());
    assert!(later.windows(2).all(|pair| pair[0].window.to <= pair[1].window.from));
}

#[test]
fn panes_that_come_again_are_not_learned_twice() {
    let mut run = Run::new(2, &BUSY).learnt(&fair);
    run.steps(60, &fair);
    let (_, kept) = run.watcher.evidence();
    let began = run.pane - 60;
    let panes: Vec<Evidence> = (began..run.pane).map(|n| run.world.pane(n, &fair)).collect();
    run.watcher = Watcher::new(WatchConfig::STANDARD).expect("sound settings");
    restore(&mut run, &kept);
    for pane in panes {
        run.watcher.update(pane);
    }
    let now = run.pane;
    run.tick(now);
    run.steps(60, &fair);
    let (_, later) = run.watcher.evidence();
    assert!(later.len() > kept.len());
    assert!(later.windows(2).all(|pair| pair[0].window.to <= pair[1].window.from));
}

#[test]
fn windows_that_do_not_fit_are_left_out() {
    let (mut run, kept) = again(3);
    let now = Run::time(run.pane);
    let rules = kept[0].rules.clone();
    let other = Rules { template_operations: false, ..Rules::STANDARD };
    assert_eq!(run.watcher.restore(&kept, &other.fingerprint(), now), kept.len());
    assert_eq!(run.watcher.evidence().1, []);
    assert_eq!(run.watcher.restore(&kept, &rules, kept[1].window.to), kept.len() - 2);
    assert_eq!(run.watcher.judgement().state, State::Learning { windows: 0, needed: 3 });
    assert_eq!(run.step(&fair).state, State::Learning { windows: 2, needed: 3 });

    let (mut run, kept) = again(3);
    let twice: Vec<Arc<Evidence>> = kept.iter().chain(&kept).cloned().collect();
    assert_eq!(restore(&mut run, &twice), kept.len());
    assert_eq!(run.watcher.evidence().1, kept);
}
