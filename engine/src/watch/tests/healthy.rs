//! Nothing is wrong, and nothing is said to be.

use super::fixture::{Dice, FAIR, Run, Weather};
use crate::watch::State;

/// Runs an hour or two in all sorts of healthy weather; tells how often suspects went live.
fn alarms(seed: u64, rates: &[f64], hours: u64, forecast: impl Fn(u64, usize) -> Weather) -> usize {
    let mut run = Run::new(seed, rates);
    for _ in 0..hours * 900 {
        run.step(&|second, entry, _| forecast(second, entry));
    }
    let learned = run.states.contains(&State::Healthy);
    assert!(learned, "{:?}", run.watcher.judgement());
    run.alarms()
}

/// A number that depends on nothing but these, 0 to 1.
fn chance(seed: u64, a: u64, b: usize) -> f64 {
    Dice(seed ^ a.wrapping_mul(0x9e37_79b9) ^ ((b as u64) << 40)).unit()
}

#[test]
fn steady_traffic_at_any_rate() {
    for (seed, rates) in [[40.0, 5.0], [10.0, 0.2], [3.0, 0.05]].into_iter().enumerate() {
        assert_eq!(alarms(seed as u64, &rates, 1, |_, _| FAIR), 0, "{rates:?}");
    }
}

#[test]
fn shares_that_wander_and_errors_that_come_in_bursts() {
    let bursts = |second: u64, entry: usize| {
        // A second in a hundred is bad, and each minute has a share of its own.
        let burst = if chance(1, second, entry) < 0.01 { 0.3 } else { 0.0 };
        Weather { failing: 0.02 * chance(2, second / 60, entry) + burst, ..FAIR }
    };
    assert_eq!(alarms(11, &[20.0, 4.0], 2, bursts), 0);
}

#[test]
fn a_change_of_mix() {
    let mix = |second: u64, entry: usize| Weather {
        load: if entry == 1 && second > 1200 { 3.0 } else { 1.0 },
        // The entry that triples fails more often than the others, and always did.
        failing: if entry == 1 { 0.05 } else { 0.001 },
        slower: if entry == 1 { 3.0 } else { 1.0 },
    };
    assert_eq!(alarms(12, &[30.0, 10.0], 1, mix), 0);
}

#[test]
fn traffic_that_doubles_and_gets_a_little_slower() {
    let doubled = |second: u64, _: usize| {
        let high = second / 1800 % 2 == 1;
        let (load, slower) = if high { (2.0, 1.08) } else { (1.0, 1.0) };
        Weather { load, slower, ..FAIR }
    };
    assert_eq!(alarms(13, &[15.0, 6.0], 2, doubled), 0);
}

#[test]
fn deploys_with_new_versions_and_a_few_errors() {
    let mut run = Run::new(14, &[30.0, 10.0]);
    for n in 0..1350 {
        // Every ten minutes, three instances one after the other: each loses a third of the
        // requests for a second and a half, over the edge of two panes.
        let since = n * super::fixture::PANE % 600;
        run.world.generation = if n / 150 % 2 == 0 { "old" } else { "new" };
        run.step(&|second, _, _| {
            let phase = second % 600 % 20;
            let failing = if since < 60 && (3..5).contains(&phase) { 0.25 } else { 0.001 };
            Weather { failing, ..FAIR }
        });
    }
    assert_eq!(run.alarms(), 0);
}

#[test]
fn too_little_traffic_is_no_verdict() {
    let mut run = Run::new(15, &[0.05]);
    run.steps(400, &|_, _, _| FAIR);
    let state = &run.watcher.judgement().state;
    assert!(matches!(state, State::NoVerdict(_)), "{state:?}");
}
