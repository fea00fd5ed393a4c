//! What one run has learned, the next one knows.

use std::sync::Arc;

use resus_model::{Evidence, Rules};

use super::fixture::{FAIR, Forecast, PANE, Run, SECOND, Weather, first_suspect};
use crate::watch::{Alarm, Judgement, Silent, State, WatchConfig, Watcher};

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

#[test]
fn what_is_kept_can_be_disowned_before_anything_is_seen() {
    let (mut run, kept) = again(4);
    restore(&mut run, &kept);
    let version = run.watcher.baseline_version();
    run.watcher.adopt_now();
    assert_ne!(run.watcher.baseline_version(), version);
    assert_eq!(run.watcher.evidence().1, []);
    assert_eq!(run.step(&fair).state, State::Learning { windows: 0, needed: 3 });
    // It asks no questions, so what fails is normal.
    assert_eq!(run.steps(60, &broken).state, State::Healthy);
}

/// Everything by which a judgement makes somebody act.
type Told = (State, Vec<Alarm>, Vec<Silent>, Option<String>);

fn told(judgement: &Judgement) -> Told {
    let silent = judgement.silent.iter().map(|silence| silence.who.clone()).collect();
    let suspect = first_suspect(judgement).map(str::to_owned);
    (judgement.state.clone(), judgement.alarms.clone(), silent, suspect)
}

/// Lets one run go on, and another one with what it has learned and the panes that the log still has;
/// gives what each says at every pane.
fn side_by_side(seed: u64, replayed: u64, panes: u64, forecast: Forecast<'_>) -> [Vec<Told>; 2] {
    let mut old = Run::new(seed, &BUSY).learnt(&fair);
    old.steps(200 - replayed, &fair);
    let mut log: Vec<Evidence> = Vec::new();
    for _ in 0..replayed {
        let pane = old.world.pane(old.pane, &fair);
        old.watcher.update(pane.clone());
        old.pane += 1;
        old.tick(old.pane);
        log.push(pane);
    }
    let mut new = Watcher::new(WatchConfig::STANDARD).expect("sound settings");
    let (_, kept) = old.watcher.evidence();
    let now = Run::time(old.pane);
    assert_eq!(new.restore(&kept, &kept[0].rules, now), 0);
    log.into_iter().for_each(|pane| new.update(pane));
    new.tick(now + SECOND, now);
    let mut said = [Vec::new(), Vec::new()];
    let begin = old.pane;
    for _ in 0..panes {
        let since = (old.pane - begin) * PANE;
        let pane = old.world.pane(old.pane, &|_, entry, backend| forecast(since, entry, backend));
        old.pane += 1;
        let now = Run::time(old.pane);
        for (watcher, said) in [&mut old.watcher, &mut new].into_iter().zip(&mut said) {
            watcher.update(pane.clone());
            said.push(told(watcher.tick(now + SECOND, now)));
        }
    }
    said
}

#[test]
fn after_a_restart_the_same_is_said_as_without_one() {
    for (seed, replayed) in [(5, 0), (6, 3), (7, 40)] {
        let [old, new] = side_by_side(seed, replayed, 150, &fair);
        assert_eq!(old, new, "healthy, {replayed} panes replayed");
        assert!(old.iter().all(|(state, ..)| *state == State::Healthy));

        let fault = |since: u64, entry: usize, backend: usize| {
            if (100..300).contains(&since) { broken(since, entry, backend) } else { FAIR }
        };
        let [old, new] = side_by_side(seed, replayed, 150, &fault);
        assert_eq!(old, new, "a fault begins, {replayed} panes replayed");
        assert!(old.iter().any(|(.., suspect)| suspect.as_deref() == Some("mail")));

        let mute = |since: u64, entry: usize, _: usize| Weather {
            load: if since >= 100 && entry == 1 { 0.0 } else { 1.0 },
            ..FAIR
        };
        let [old, new] = side_by_side(seed, replayed, 60, &mute);
        assert_eq!(old, new, "somebody falls silent, {replayed} panes replayed");
        assert!(old.iter().any(|(state, ..)| *state == State::Silent));
    }
}

#[test]
fn a_fault_that_grows_slowly_is_not_learned_after_a_restart() {
    let (mut run, kept) = again(8);
    restore(&mut run, &kept);
    let from = run.pane * PANE;
    // Six points an hour: a ring that follows lies less than two behind.
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let creeping = |second: u64, _: usize, backend: usize| {
        let share = 0.001 + 0.06 * (second - from) as f64 / 3600.0;
        Weather { failing: if backend == 1 { share } else { 0.001 }, ..FAIR }
    };
    let live = run.until(2700, &creeping, |j| j.state == State::Suspects);
    assert!(live.is_some(), "{:?}", run.watcher.judgement());
    assert_eq!(first_suspect(run.watcher.judgement()), Some("mail"));
}
