//! Somebody used to speak and does not.

use super::fixture::{FAIR, Run, Weather};
use crate::watch::{Silent, State};

fn fair(_: u64, _: usize, _: usize) -> Weather {
    FAIR
}

fn mute(who: usize) -> impl Fn(u64, usize, usize) -> Weather {
    move |_, entry, _| Weather { load: if entry == who { 0.0 } else { 1.0 }, ..FAIR }
}

fn nobody(_: u64, _: usize, _: usize) -> Weather {
    Weather { load: 0.0, ..FAIR }
}

#[test]
fn one_entry_operation_is_silent_while_others_speak() {
    let mut run = Run::new(1, &[20.0, 5.0]).learnt(&fair);
    run.steps(30, &fair);
    let last = Run::time(run.pane);
    assert_eq!(run.until(20, &mute(1), |j| j.state == State::Silent), Some(8));
    let judgement = run.watcher.judgement();
    let [silence] = judgement.silent.as_slice() else { panic!("one is silent: {judgement:?}") };
    let Silent::Entry(entry) = &silence.who else { panic!("others speak") };
    assert_eq!(entry.operation.as_deref(), Some("GET /001"));
    assert_eq!(silence.last_seen_unix_nano, last);
    assert!((silence.expected_per_pane - 20.0).abs() < 2.0 && silence.p_value < 1e-8);
    assert!(judgement.changed);
    let judgement = run.steps(1000, &mute(1));
    assert_eq!(judgement.state, State::Silent, "it is not learned");
    assert_eq!(run.step(&fair).state, State::Healthy);
    assert_eq!(run.alarms(), 0);
}

#[test]
fn when_nothing_arrives_that_is_one_finding() {
    let mut run = Run::new(2, &[20.0, 5.0, 5.0]).learnt(&fair);
    run.steps(30, &fair);
    for _ in 0..8 {
        // Not even an empty pane comes.
        run.pane += 1;
        let pane = run.pane;
        run.tick(pane);
    }
    let judgement = run.watcher.judgement();
    assert_eq!(judgement.state, State::Silent);
    assert_eq!(judgement.silent.len(), 1);
    assert_eq!(judgement.silent[0].who, Silent::Everything);
    let judgement = run.steps(100, &nobody);
    assert_eq!(judgement.silent.len(), 1);
    let windows = judgement.baseline.windows;
    run.step(&fair);
    assert_eq!(run.watcher.judgement().silent, []);
    let judgement = run.steps(60, &fair);
    assert_eq!(judgement.state, State::Healthy);
    assert!(judgement.baseline.windows > windows);
}

#[test]
fn a_restart_of_the_only_instance_is_no_silence() {
    let mut run = Run::new(3, &[50.0, 20.0]).learnt(&fair);
    run.steps(30, &fair);
    // 5 s of spans lost, 5 s down, 11 s until the first batch: six panes.
    run.steps(6, &mute(1));
    run.steps(30, &fair);
    run.steps(6, &nobody);
    run.steps(30, &fair);
    assert!(run.states.iter().all(|s| *s != State::Silent));
}

#[test]
fn who_speaks_seldom_or_in_bursts_is_not_silent() {
    let mut run = Run::new(4, &[20.0, 0.05, 10.0]);
    for _ in 0..1500 {
        let judgement = run.step(&|second, entry, _| Weather {
            // A batch job: a minute in every five.
            load: if entry == 2 && second / 60 % 5 != 0 { 0.0 } else { 1.0 },
            ..FAIR
        });
        assert_eq!(judgement.silent, [], "{:?}", judgement.silent);
    }
}

#[test]
fn at_night_everybody_is_quieter() {
    let mut run = Run::new(5, &[20.0, 0.6]);
    let dusk = |second: u64, _: usize, _: usize| Weather {
        load: if second < 2400 { 1.0 } else { 0.05 },
        ..FAIR
    };
    for _ in 0..1200 {
        let judgement = run.step(&dusk);
        assert_eq!(judgement.silent, [], "{:?}", judgement.silent);
    }
}

#[test]
fn whom_nobody_could_hear_is_not_silent() {
    let mut run = Run::new(5, &[20.0, 5.0]).learnt(&fair);
    run.steps(30, &fair);
    let windows = run.watcher.judgement().baseline.windows;
    // A disk that stands still for two minutes: requests are refused.
    for _ in 0..30 {
        run.watcher.deaf(Run::time(run.pane), Run::time(run.pane + 1));
        // Without requests nothing can be said, and that is all that is said.
        assert_ne!(run.step(&nobody).state, State::Silent);
    }
    // Then it has to speak within the usual time.
    assert_eq!(run.until(20, &mute(1), |j| j.state == State::Silent), Some(8));
    run.steps(40, &fair);
    let (_, baseline) = run.watcher.evidence();
    assert!(run.watcher.judgement().baseline.windows > windows, "it goes on learning");
    for window in baseline {
        let requests: u64 = window.classes.iter().map(|class| class.tally.n).sum();
        assert!(requests > 60 * 20, "{} was learned with {requests} requests", window.window);
    }
}
