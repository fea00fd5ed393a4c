//! Faults come and go.

use super::fixture::{FAIR, Run, Weather, first_suspect};
use crate::watch::{Judgement, State, WatchConfig};

const BUSY: [f64; 3] = [50.0, 20.0, 20.0];

/// The backend of number 1 (mail) breaks for every entry that uses it.
fn broken(share: f64) -> impl Fn(u64, usize, usize) -> Weather {
    move |_, _, backend| Weather { failing: if backend == 1 { share } else { 0.001 }, ..FAIR }
}

fn fair(_: u64, _: usize, _: usize) -> Weather {
    FAIR
}

fn suspects(judgement: &Judgement) -> bool {
    judgement.state == State::Suspects
}

fn healthy(judgement: &Judgement) -> bool {
    judgement.state == State::Healthy
}

#[test]
fn a_fault_is_live_after_two_panes_and_over_after_three() {
    let mut run = Run::new(1, &BUSY).learnt(&fair);
    run.steps(20, &fair);
    // Half of an entry's requests cross the backend: 20 % of its requests fail.
    let live = run.until(20, &broken(0.4), suspects);
    assert_eq!(live, Some(2));
    let judgement = run.watcher.judgement();
    assert!(judgement.changed);
    assert_eq!(first_suspect(judgement), Some("mail"));
    assert_eq!(judgement.alarms[0].agreeing, 2);
    assert_eq!(judgement.since_unix_nano, Run::time(run.pane));
    let before = judgement.since_unix_nano;
    let judgement = run.steps(30, &broken(0.4));
    assert_eq!((judgement.since_unix_nano, judgement.changed), (before, false));
    assert_eq!(first_suspect(judgement), Some("mail"));
    assert_eq!(run.until(20, &fair, healthy), Some(3));
    run.steps(60, &fair);
    assert_eq!(run.alarms(), 1);
}

#[test]
fn a_diagnosis_is_what_the_evidence_says_offline() {
    let mut run = Run::new(2, &BUSY).learnt(&fair);
    run.steps(10, &fair);
    run.until(20, &broken(0.4), suspects).expect("it is seen");
    let (now, baseline) = run.watcher.evidence();
    let now = now.expect("there is a window");
    let offline = resus_suspects::diagnose(&now, &baseline, &WatchConfig::STANDARD.diagnose);
    assert_eq!(run.watcher.judgement().diagnosis.as_ref(), Some(&offline.expect("same rules")));
    assert_eq!(run.watcher.judgement().window, Some(now.window));
}

#[test]
fn an_incident_never_becomes_part_of_the_baseline() {
    for (before, panes) in [(40, 200), (40, 6), (44, 6), (48, 6), (52, 6)] {
        let mut run = Run::new(3, &[30.0, 20.0]).learnt(&fair);
        run.steps(before, &fair);
        let began = Run::time(run.pane);
        run.steps(panes, &broken(0.4));
        let over = Run::time(run.pane);
        run.steps(60, &fair);
        let (_, baseline) = run.watcher.evidence();
        assert!(baseline.iter().any(|w| w.window.from >= over), "it goes on afterwards");
        for window in baseline.iter().map(|w| w.window) {
            let quarantined = began - 60 * super::fixture::SECOND;
            let apart = window.to <= quarantined || window.from >= over;
            assert!(apart, "{window} touches the incident {began}..{over}");
        }
    }
}

#[test]
fn a_fault_that_grows_slowly_is_not_learned() {
    let mut run = Run::new(4, &[20.0, 10.0]).learnt(&fair);
    let from = run.pane * super::fixture::PANE;
    // From nothing to 30 % of the backend's requests in an hour and a half.
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let creeping = |second: u64, _: usize, backend: usize| {
        let share = 0.001 + 0.3 * (second - from) as f64 / 5400.0;
        Weather { failing: if backend == 1 { share } else { 0.001 }, ..FAIR }
    };
    let live = run.until(1350, &creeping, suspects).expect("it stands out at last");
    assert!(live < 900, "it took {live} panes");
    assert_eq!(first_suspect(run.watcher.judgement()), Some("mail"));
}

#[test]
fn hung_requests_report_late_and_are_seen_all_the_same() {
    let mut run = Run::new(5, &BUSY).learnt(&fair);
    run.steps(20, &fair);
    let (mut live, mut late) = (None, Vec::new());
    for n in 0..20 {
        // What hangs is not there at first: only requests that miss the broken backend.
        let whole = run.world.pane(run.pane, &broken(0.4));
        let mut prompt = whole.clone();
        let failed = |c: &resus_model::PathClass| c.key.outcome == resus_model::Outcome::Failed;
        prompt.classes.retain(|c| !failed(c));
        prompt.marginals.clear();
        run.watcher.update(prompt);
        late.push(whole);
        if late.len() > 3 {
            run.watcher.update(late.remove(0));
        }
        run.pane += 1;
        let pane = run.pane;
        if suspects(run.tick(pane)) && live.is_none() {
            live = Some(n + 1);
        }
    }
    assert_eq!(live, Some(5), "the second late pane shows it");
    assert!(suspects(run.watcher.judgement()), "fresh panes look calm and are not trusted");
    assert_eq!(first_suspect(run.watcher.judgement()), Some("mail"));
    let mut calm = None;
    for n in 0..20 {
        let pane = run.world.pane(run.pane, &fair);
        run.watcher.update(pane);
        if !late.is_empty() {
            run.watcher.update(late.remove(0));
        }
        run.pane += 1;
        let pane = run.pane;
        if healthy(run.tick(pane)) && calm.is_none() {
            calm = Some(n + 1);
        }
    }
    assert_eq!(calm, Some(6), "three late panes and three calm ones");
    assert_eq!(run.alarms(), 1, "no flicker");
}

#[test]
fn little_traffic_takes_longer_windows() {
    let mut run = Run::new(6, &[1.0]).learnt(&fair);
    run.steps(450, &fair);
    let live = run.until(60, &broken(0.6), suspects).expect("it is seen");
    assert!(live <= 32, "30 % of a request a second took {live} panes");
    assert!(run.watcher.judgement().alarms[0].window_panes > 1);
    let over = run.until(60, &fair, healthy).expect("it is over");
    assert!(over <= 24, "{over}");
}

#[test]
fn slowness_is_live_in_half_a_minute() {
    let mut run = Run::new(7, &BUSY).learnt(&fair);
    run.steps(60, &fair);
    let slow = |_: u64, _: usize, backend: usize| Weather {
        slower: if backend == 1 { 4.0 } else { 1.0 },
        ..FAIR
    };
    let live = run.until(20, &slow, suspects).expect("it is seen");
    assert!((5..=9).contains(&live), "{live}");
    assert_eq!(first_suspect(run.watcher.judgement()), Some("mail"));
}

#[test]
fn an_operation_never_seen_before_is_held_against_all_others() {
    let mut run = Run::new(8, &[40.0, 20.0]);
    let absent = |_: u64, entry: usize, _: usize| Weather {
        load: if entry == 1 { 0.0 } else { 1.0 },
        ..FAIR
    };
    for _ in 0..100 {
        run.step(&absent);
    }
    assert_eq!(run.watcher.judgement().state, State::Healthy);
    let fails = |_: u64, entry: usize, _: usize| Weather {
        failing: if entry == 1 { 0.5 } else { 0.001 },
        ..FAIR
    };
    let live = run.until(10, &fails, |j| !j.alarms.is_empty());
    assert_eq!(live, Some(2));
}

#[test]
fn the_operator_may_take_the_present_for_healthy() {
    let mut run = Run::new(9, &[15.0]).learnt(&fair);
    run.steps(20, &fair);
    run.until(10, &broken(0.4), suspects).expect("it is seen");
    let judgement = run.steps(2 * 900 + 10, &broken(0.4));
    assert!(suspects(judgement), "nothing is learned by waiting");
    assert!(judgement.notes.iter().any(|n| n.contains("adopts the present")), "{judgement:?}");
    run.watcher.adopt_now();
    run.step(&broken(0.4));
    let judgement = run.step(&broken(0.4));
    assert_eq!(judgement.state, State::Healthy);
    assert!(judgement.notes.iter().any(|n| n.contains("taken for normal")));
    run.steps(100, &broken(0.4));
    assert_eq!(run.watcher.judgement().state, State::Healthy);
    run.steps(100, &fair);
    assert_eq!(run.watcher.judgement().state, State::Healthy, "better is no fault");
}
