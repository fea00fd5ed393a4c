//! Panes come late, again, in any order, or not at all.

use proptest::prelude::*;
use resus_model::{Evidence, Window};

use super::fixture::{Dice, FAIR, Run, SECOND, Weather};
use crate::watch::{State, WatchConfig, Watcher};

fn fair(_: u64, _: usize, _: usize) -> Weather {
    FAIR
}

fn broken(_: u64, _: usize, backend: usize) -> Weather {
    Weather { failing: if backend == 1 { 0.4 } else { 0.001 }, ..FAIR }
}

#[test]
fn a_pane_that_changes_is_judged_anew() {
    let mut run = Run::new(1, &[50.0]).learnt(&fair);
    run.steps(30, &fair);
    let bad: Vec<Evidence> = [15, 14].map(|ago| run.world.pane(run.pane - ago, &broken)).into();
    let pane = run.pane;
    bad.iter().for_each(|pane| run.watcher.update(pane.clone()));
    // No new pane: the tick only looks again.
    let judgement = run.tick(pane);
    assert_eq!(judgement.state, State::Suspects);
    assert_eq!(judgement.window.expect("a window").to, bad[1].window.to);
    let (repaired, again) = (run.world.pane(pane - 15, &fair), run.world.pane(pane - 14, &fair));
    run.watcher.update(repaired);
    run.watcher.update(again);
    assert_eq!(run.tick(pane).state, State::Healthy, "the rest of their requests passed");
}

#[test]
fn what_does_not_fit_is_left_out_and_counted() {
    let mut run = Run::new(2, &[5.0]);
    run.steps(60, &fair);
    let mut off = run.world.pane(60, &fair);
    off.window.from += 1;
    run.watcher.update(off);
    let mut short = run.world.pane(60, &fair);
    short.window.to -= SECOND;
    run.watcher.update(short);
    let mut foreign = run.world.pane(60, &fair);
    foreign.rules = resus_model::Fingerprint::from_text("other".to_owned());
    run.watcher.update(foreign);
    let (old, new) = (run.world.pane(20, &fair), run.world.pane(200, &fair));
    run.watcher.update(old);
    run.watcher.update(new);
    let refused = run.watcher.refused();
    assert_eq!((refused.off_grid, refused.other_rules), (2, 1));
    assert_eq!((refused.too_old, refused.too_new), (1, 1));
}

#[test]
fn a_gap_is_bridged_and_what_is_kept_is_bounded() {
    let mut run = Run::new(3, &[20.0]).learnt(&fair);
    run.pane += 100_000;
    run.steps(40, &fair);
    assert_eq!(run.watcher.judgement().state, State::Healthy, "{:?}", run.watcher.judgement());
    assert!(run.watcher.timeline.end - run.watcher.timeline.first <= 48);
    assert!(run.watcher.tracks.values().all(|t| t.counts.len() <= 48));
}

#[test]
fn entry_operations_that_never_come_again_are_forgotten() {
    let mut run = Run::new(4, &[2.0; 6]);
    for n in 0..700 {
        run.step(&|_, entry, _| Weather {
            load: if n < 100 && entry > 0 || entry == 0 { 1.0 } else { 0.0 },
            ..FAIR
        });
    }
    assert_eq!(run.watcher.tracks.values().filter(|t| t.silence.is_none()).count(), 1);
    run.watcher.adopt_now();
    run.steps(50, &|_, entry, _| Weather { load: if entry == 0 { 1.0 } else { 0.0 }, ..FAIR });
    assert_eq!(run.watcher.tracks.len(), 1);
}

#[test]
fn nothing_is_judged_before_its_end_has_passed_the_watermark() {
    let mut run = Run::new(5, &[50.0]).learnt(&fair);
    let at = run.watcher.judgement().clone();
    for ahead in 0..3 {
        let pane = run.world.pane(run.pane + ahead, &broken);
        run.watcher.update(pane);
        run.watcher.tick(Run::time(run.pane + ahead + 1), Run::time(run.pane));
    }
    let later = run.watcher.judgement();
    assert_eq!((&later.state, &later.entries), (&at.state, &at.entries));
    let end = Run::time(run.pane + 3);
    let Window { to, .. } = run.watcher.tick(end, end).window.expect("a window");
    assert_eq!((to, run.watcher.judgement().state.clone()), (end, State::Suspects));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The same updates before the same ticks: the same judgements, in whatever order they came and
    /// however often.
    #[test]
    fn the_order_of_updates_changes_nothing(seed in any::<u64>(), broke in 60_u64..90) {
        let mut run = Run::new(seed, &[20.0, 3.0]);
        let mut other = Watcher::new(WatchConfig::STANDARD).expect("sound settings");
        let mut dice = Dice(seed);
        let mut pane = 0;
        while pane < 110 {
            let mut batch: Vec<Evidence> = Vec::new();
            for n in pane.max(3) - 3..=pane {
                let broken_now = n >= broke;
                batch.push(if broken_now {
                    run.world.pane(n, &broken)
                } else {
                    run.world.pane(n, &fair)
                });
            }
            batch.iter().for_each(|pane| run.watcher.update(pane.clone()));
            while !batch.is_empty() {
                let at = usize::try_from(dice.next() % batch.len() as u64).expect("small");
                let next = batch.swap_remove(at);
                other.update(next.clone());
                other.update(next);
            }
            let end = Run::time(pane + 1);
            prop_assert_eq!(run.watcher.tick(end, end), other.tick(end, end));
            pane += 1 + dice.next() % 3;
        }
    }
}
