use super::*;
use crate::scenario::{Capacity, Deploy, Surge};

const MILLI: u64 = 1_000_000;

fn broken(effect: Effect) -> Scenario {
    let mut scenario = chain();
    scenario.load.requests = 400;
    scenario.faults = vec![fault(vec![service(&scenario, "c")], effect)];
    scenario
}

fn extra(ms: u64) -> Latency {
    Latency::Constant(ms * MILLI)
}

/// Durations of the spans of a service and kind, nanoseconds.
fn lasts(traces: &Traces, service: &str, kind: Kind) -> Vec<i64> {
    let of = |trace: &Vec<Span>| find(trace, service, kind).map(|s| s.row.duration_ns);
    traces.values().filter_map(of).collect()
}

#[test]
fn a_network_delay_lies_between_the_client_span_and_the_server_span() {
    let (healthy, _) = run(&Scenario { faults: Vec::new(), ..broken(Effect::Refuses) });
    let (traces, truth) = run(&broken(Effect::NetworkDelay { extra: extra(80) }));
    let (before, after) = (lasts(&healthy, "c", Kind::Server), lasts(&traces, "c", Kind::Server));
    assert_eq!(before, after, "the work of the callee is what it was");
    for trace in traces.values() {
        assert_tree(trace);
        let caller = if trace.iter().any(|s| s.service == "b") { "b" } else { "a" };
        let call = find(trace, caller, Kind::Client).expect("somebody calls c");
        assert!(call.row.duration_ns > 80 * MILLI.cast_signed(), "{:?}", call.row);
    }
    assert_eq!(truth.faults[0].hit, 400);
    let mut entry = broken(Effect::NetworkDelay { extra: extra(80) });
    entry.faults[0].trigger = vec![service(&entry, "a")];
    assert_eq!(run(&entry).1.faults[0].hit, 0, "nobody calls the entry");
}

#[test]
fn a_slow_processor_multiplies_the_own_work() {
    let own = |trace: &Vec<Span>| {
        let d = find(trace, "d", Kind::Internal)?;
        Some(d.row.duration_ns)
    };
    let mut slow = broken(Effect::SlowDown { percent: 300 });
    slow.faults[0].trigger = vec![service(&slow, "d")];
    let (healthy, _) = run(&Scenario { faults: Vec::new(), ..slow.clone() });
    let (traces, _) = run(&slow);
    let before: Vec<i64> = healthy.values().filter_map(own).collect();
    let after: Vec<i64> = traces.values().filter_map(own).collect();
    assert!(before.iter().zip(&after).all(|(b, a)| (b * 3 - a).abs() <= 3), "three times as long");
}

#[test]
fn a_leak_grows_to_its_end() {
    let scenario = broken(Effect::Leak { most: extra(100), over_ns: 4 * SECOND });
    let (traces, _) = run(&scenario);
    let mut by_start: Vec<(u64, i64)> = traces
        .values()
        .filter_map(|t| find(t, "c", Kind::Server))
        .map(|s| (s.row.start_unix_nano - scenario.start_unix_nano, s.row.duration_ns))
        .collect();
    by_start.sort_unstable();
    let mean = |from: u64, to: u64| {
        let within: Vec<i64> =
            by_start.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, d)| *d).collect();
        within.iter().sum::<i64>() / i64::try_from(within.len()).expect("few") / 1_000_000
    };
    let (early, middle, late) =
        (mean(0, SECOND), mean(2 * SECOND, 3 * SECOND), mean(5 * SECOND, 8 * SECOND));
    assert!(
        early < 20 && (50..80).contains(&middle) && (100..120).contains(&late),
        "{early} {middle} {late}"
    );
}

#[test]
fn callers_give_up_on_one_that_hangs() {
    let mut scenario = broken(Effect::Hang { for_ns: 5 * SECOND });
    scenario.faults[0].share = Share::percent(20);
    scenario.calling = Calling { timeout_ns: Some(SECOND), retries: 0 };
    let (traces, truth) = run(&scenario);
    let hung: Vec<&Vec<Span>> = traces.values().filter(|t| entry(t).failed()).collect();
    assert_eq!(hung.len() as u64, truth.faults[0].hit);
    for trace in hung {
        let call = trace.iter().find(|s| s.peer == "c").expect("somebody called c");
        assert_eq!(call.row.duration_ns, SECOND.cast_signed());
        assert!(call.row.http_status == 504 && call.failed());
        let late = find(trace, "c", Kind::Server).expect("it ends at last");
        assert!(!late.failed() && late.row.duration_ns > 5 * SECOND.cast_signed());
    }
}

#[test]
fn a_crashed_replica_refuses_and_the_others_do_not() {
    let mut scenario = broken(Effect::Refuses);
    let c = scenario.topology.find_service("c").expect("it is there");
    scenario.faults[0].trigger = vec![Component::Instance(c, 1)];
    let (traces, truth) = run(&scenario);
    let share = truth.faults[0].hit as f64 / 400.0;
    assert!((0.4..0.6).contains(&share), "one of two replicas: {share}");
    for trace in traces.values() {
        let answered = find(trace, "c", Kind::Server).is_some();
        assert_eq!(answered, !entry(trace).failed());
    }
}

#[test]
fn a_failed_call_is_made_again() {
    let mut scenario = broken(Effect::Refuses);
    let c = scenario.topology.find_service("c").expect("it is there");
    scenario.faults[0].trigger = vec![Component::Instance(c, 1)];
    scenario.calling.retries = 3;
    let (traces, truth) = run(&scenario);
    // Calls to c of one run of b, or of the entry.
    let calls = |trace: &Vec<Span>| {
        let mut of: BTreeMap<SpanId, u32> = BTreeMap::new();
        for span in trace.iter().filter(|s| s.peer == "c") {
            *of.entry(span.row.parent_span_id).or_default() += 1;
        }
        of.into_values().max()
    };
    assert_eq!(traces.values().filter_map(calls).max(), Some(4), "once, and three times more");
    assert!(truth.failed < truth.faults[0].hit / 2, "most get through: {truth:?}");
    traces.values().for_each(|t| assert_tree(t));
}

#[test]
fn a_deploy_changes_version_and_identity_of_some_replicas() {
    let mut scenario = broken(boom());
    let c = scenario.topology.find_service("c").expect("it is there");
    let at = 3 * SECOND;
    scenario.deploys = vec![Deploy { service: c, replicas: 1, version: "2".to_owned(), at }];
    scenario.faults[0].trigger = vec![Component::Version(c)];
    scenario.faults[0].from = at;
    let mut generator = generate(&scenario).expect("a sound scenario");
    let (mut new, mut old) = (0, 0);
    for batch in generator.by_ref() {
        for (i, span) in spans(&batch).iter().enumerate() {
            if span.service != "c" || span.row.kind != Kind::Server {
                continue;
            }
            let is_new = batch.names.text(batch.row(i).version) == "2";
            assert_eq!(is_new, span.failed(), "the fault follows the version");
            let early = span.row.start_unix_nano < scenario.start_unix_nano + at;
            assert!(!(is_new && early));
            if is_new { new += 1 } else { old += 1 }
        }
    }
    assert!(new > 50 && old > 200, "{new} {old}");
    assert!(generator.truth().faults[0].trigger[0].new_version);
}

#[test]
fn only_the_bad_tenant_is_hit() {
    let mut scenario = broken(boom());
    scenario.faults[0].tenant = Some(1);
    let (traces, truth) = run(&scenario);
    assert!(truth.faults[0].hit > 100);
    for trace in traces.values() {
        let bad = entry(trace).attributes.contains("tenant-1");
        assert_eq!(bad, entry(trace).failed());
    }
}

#[test]
fn beyond_capacity_calls_wait_and_then_are_turned_away() {
    let mut scenario = broken(Effect::Delay { extra: extra(30) });
    let c = scenario.topology.find_service("c").expect("it is there");
    scenario.capacities = vec![Capacity { service: c, running: 1, waiting: 2 }];
    let quiet = run(&scenario).1;
    assert!(quiet.failed < 80, "{}", quiet.failed);
    scenario.load.surges = vec![Surge { from: 0, percent: 300 }];
    let (traces, truth) = run(&scenario);
    assert!(truth.failed > 100, "{}", truth.failed);
    let waited = traces.values().filter(|trace| {
        let call = trace.iter().find(|s| s.peer == "c").expect("somebody called c");
        let server = find(trace, "c", Kind::Server).expect("it answers in any case");
        call.row.duration_ns - server.row.duration_ns > 20 * MILLI.cast_signed()
    });
    assert!(waited.count() > 100, "the time in the queue is on no server span");
    let full = traces.values().flatten().filter(|s| s.row.http_status == 503);
    assert!(full.count() > 100);
}
