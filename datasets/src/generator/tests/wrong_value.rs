//! Faults whose component looks well: its caller fails over what it answered.

use super::*;
use crate::truth::ComponentTruth;

fn wrong() -> Effect {
    Effect::WrongValue { error_type: "Odd".to_owned() }
}

fn operation(scenario: &Scenario, service: &str, name: &str) -> Component {
    Component::Operation(scenario.topology.find_operation(service, name).expect("of the chain"))
}

/// Failed spans at which an exception arose, as service, kind and exception.
fn origins(trace: &[Span]) -> Vec<(&str, Kind, &str)> {
    let raised = trace.iter().filter(|s| s.row.exception_event_count > 0);
    raised.map(|s| (s.service.as_str(), s.row.kind, s.error_type.as_str())).collect()
}

fn is_clean(span: &Span) -> bool {
    let code = if span.row.kind == Kind::Internal { SpanRow::NO_RPC } else { 0 };
    let row = span.row;
    row.status == Status::Unset
        && (row.http_status == 200 || row.rpc_status == code)
        && span.error_type.is_empty()
        && (row.error_event_count, row.exception_event_count) == (0, 0)
}

/// An entry with three steps, each two calls at once.
fn wide() -> Scenario {
    let mut builder = TopologyBuilder::new("", 2);
    let work = Latency::micros(500);
    let caller = builder.service("caller", "1", 1);
    let entry = builder.operation(caller, "GET /", Protocol::Http, work);
    for pair in [["p", "q"], ["r", "s"], ["t", "u"]] {
        let calls = pair.map(|name| {
            let service = builder.service(name, "1", 1);
            (builder.operation(service, name, Protocol::Grpc, work), Share::ONE)
        });
        builder.step(entry, &calls);
    }
    let mut scenario = chain();
    scenario.load.mixes = vec![Mix { from: 0, weights: vec![(entry, 1)] }];
    scenario.topology = builder.build().expect("one level has no cycle");
    scenario
}

#[test]
fn the_component_looks_well_and_its_caller_is_the_origin() {
    let mut scenario = chain();
    scenario.faults = vec![fault(vec![operation(&scenario, "d", "d")], wrong())];
    let (traces, truth) = run(&scenario);
    let FaultTruth { met, hit, failed, effect, .. } = truth.faults[0];
    assert_eq!((met, hit, failed, truth.failed), (2000, 2000, 2000, 2000));
    assert_eq!(effect, "wrong_value");
    for trace in traces.values() {
        assert_tree(trace);
        assert_eq!(origins(trace), [("c", Kind::Server, "Odd")]);
        let (call, c) = (find(trace, "c", Kind::Client), find(trace, "c", Kind::Server));
        assert!(trace.iter().filter(|s| s.service == "d").all(is_clean));
        assert!(is_clean(call.expect("c called d")));
        let c = c.expect("c ran");
        assert_eq!((c.row.http_status, c.row.status), (500, Status::Error));
        let above = trace.iter().filter(|s| s.service == "a" || s.service == "b");
        assert!(above.clone().all(Span::failed) && above.count() >= 2);
    }
}

#[test]
fn a_value_leaves_a_broken_service_before_anybody_stumbles() {
    let mut scenario = chain();
    let d = scenario.topology.find_service("d").expect("of the chain");
    let first = Component::Instance(d, 0);
    for (component, share) in [(service(&scenario, "d"), 100), (first, 50)] {
        scenario.faults = vec![fault(vec![component], wrong())];
        let (traces, truth) = run(&scenario);
        assert_eq!(truth.failed, truth.faults[0].hit);
        assert!(truth.failed.abs_diff(20 * share) < 100, "{}", truth.failed);
        assert!(traces.values().flatten().filter(|s| s.service == "d").all(is_clean));
        assert!(traces.values().flat_map(|t| origins(t)).all(|(service, ..)| service == "c"));
    }
    // Inside a service that is well the caller notices.
    scenario.faults = vec![fault(vec![operation(&scenario, "d", "inside")], wrong())];
    let (traces, truth) = run(&scenario);
    assert_eq!(truth.failed, 2000);
    for trace in traces.values() {
        assert_eq!(origins(trace), [("d", Kind::Server, "Odd")]);
        assert!(is_clean(find(trace, "d", Kind::Internal).expect("it ran")));
    }
    // Only what is inside completes the trigger, so the value passes through the rest of d.
    let trigger = vec![operation(&scenario, "d", "inside"), service(&scenario, "d")];
    scenario.faults = vec![fault(trigger, wrong())];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].hit), (2000, 2000));
    assert!(traces.values().all(|t| origins(t) == [("c", Kind::Server, "Odd")]));
}

#[test]
fn nothing_happens_where_there_is_no_caller() {
    let mut scenario = chain();
    let (healthy, _) = run(&scenario);
    for trigger in [service(&scenario, "a"), operation(&scenario, "a", "GET /")] {
        scenario.faults = vec![fault(vec![trigger], wrong())];
        let (traces, truth) = run(&scenario);
        assert!(truth.faults[0].met >= 1400);
        assert_eq!((truth.faults[0].hit, truth.faults[0].failed, truth.failed), (0, 0, 0));
        assert!(traces.values().flatten().all(is_clean));
        let ends = |traces: &Traces| -> Vec<_> {
            traces.values().flatten().map(|s| (s.row.span_id, s.row.duration_ns)).collect()
        };
        assert_eq!(ends(&traces), ends(&healthy));
    }
}

#[test]
fn the_caller_stumbles_at_every_stage_it_has_left_and_never_before_the_answer() {
    let mut scenario = wide();
    for (name, fewest) in [("p", 2), ("s", 4), ("t", 6)] {
        scenario.faults = vec![fault(vec![service(&scenario, name)], wrong())];
        let (traces, truth) = run(&scenario);
        assert_eq!((truth.failed, truth.faults[0].failed), (2000, 2000), "{name}");
        let mut calls: BTreeMap<usize, u32> = BTreeMap::new();
        for trace in traces.values() {
            assert_eq!(origins(trace), [("caller", Kind::Server, "Odd")]);
            assert_eq!(trace.iter().filter(|s| s.failed()).count(), 1);
            let made = trace.iter().filter(|s| s.row.kind == Kind::Client).count();
            *calls.entry(made).or_default() += 1;
        }
        let stages: Vec<usize> = (fewest..=6).step_by(2).collect();
        assert!(calls.keys().eq(&stages), "{name}: {calls:?}");
        let even = 2000 / u32::try_from(stages.len()).expect("few");
        assert!(calls.values().all(|n| n.abs_diff(even) < 100), "{name}: {calls:?}");
    }
}

#[test]
fn the_first_reason_to_fail_is_the_one_that_counts() {
    let mut scenario = wide();
    // Both are called in one step: a call that failed is known before anything is made of a value.
    let (p, q) = (service(&scenario, "p"), service(&scenario, "q"));
    scenario.faults = vec![fault(vec![p], wrong()), fault(vec![q], boom())];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.faults[0].hit, truth.faults[0].failed, truth.failed), (2000, 2000, 2000));
    assert!(traces.values().all(|t| origins(t) == [("q", Kind::Server, "Boom")]));
    // The caller's own error comes at any of four stages, the stumble at one of the last three.
    let entry_fails = fault(vec![service(&scenario, "caller")], boom());
    scenario.faults = vec![fault(vec![p], wrong()), entry_fails];
    let (traces, truth) = run(&scenario);
    assert_eq!(truth.failed, 2000);
    let before = traces.values().filter(|t| find(t, "p", Kind::Server).is_none()).count();
    assert_eq!(truth.faults[0].hit, 2000 - before as u64);
    let (mut odd, mut boom) = (0, 0);
    for trace in traces.values() {
        match origins(trace)[..] {
            [("caller", Kind::Server, "Odd")] => odd += 1,
            [("caller", Kind::Server, "Boom")] => boom += 1,
            ref other => panic!("one origin: {other:?}"),
        }
    }
    // A quarter fails before the call; of the others the stumble is earlier in a third.
    assert!((400..600).contains(&odd), "{odd} and {boom}");
    // Of two values the one that is stumbled over first.
    let second = Effect::WrongValue { error_type: "Strange".to_owned() };
    scenario.faults = vec![fault(vec![p], wrong()), fault(vec![q], second)];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].failed, truth.faults[1].failed), (2000, 2000, 2000));
    let odd = traces.values().filter(|t| origins(t)[0].2 == "Odd").count();
    assert!((600..1400).contains(&odd), "{odd}");
}

#[test]
fn a_run_that_fails_gives_no_value_away() {
    let mut scenario = chain();
    let (c, d) = (operation(&scenario, "c", "c"), operation(&scenario, "d", "d"));
    // d's value makes c fail, so b and the side entry get an error and not c's wrong value.
    scenario.faults = vec![fault(vec![c], wrong()), fault(vec![d], wrong())];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].hit, truth.faults[1].hit), (2000, 2000, 2000));
    assert!(traces.values().all(|t| origins(t) == [("c", Kind::Server, "Odd")]));
    // Unrelated errors of d itself come in the value's place.
    scenario.faults.remove(0);
    scenario.noise = Share::ONE;
    let (traces, truth) = run(&scenario);
    assert_eq!(truth.failed, 2000);
    assert!(traces.values().flatten().all(|s| s.error_type != "Odd"));
    // So does the first of several faults.
    scenario.noise = Share::ZERO;
    scenario.faults.insert(0, fault(vec![d], Effect::EarlyReturn));
    assert_eq!(run(&scenario).1.failed, 0);
}

#[test]
fn masking_handles_it_above_the_caller_like_any_error() {
    let mut scenario = chain();
    scenario.faults = vec![fault(vec![operation(&scenario, "d", "d")], wrong())];
    scenario.masking = Share::percent(40);
    let (traces, truth) = run(&scenario);
    assert!((1140..1260).contains(&truth.failed), "{}", truth.failed);
    assert_eq!((truth.faults[0].hit, truth.faults[0].failed), (2000, truth.failed));
    let mut handlers = BTreeSet::new();
    for trace in traces.values() {
        assert_eq!(origins(trace), [("c", Kind::Server, "Odd")]);
        let handled = trace.iter().filter(|s| !s.failed() && s.row.error_event_count == 1);
        let handled: Vec<&str> = handled.map(|s| s.service.as_str()).collect();
        assert_eq!(handled.len(), usize::from(!entry(trace).failed()));
        handlers.extend(handled);
    }
    assert_eq!(handlers, BTreeSet::from(["a", "b"]));
    // Who stumbles is never the one who handles, and an entry that stumbles has nobody above.
    scenario.masking = Share::ONE;
    assert_eq!(run(&scenario).1.failed, 0);
    scenario.faults = vec![fault(vec![operation(&scenario, "b", "b")], wrong())];
    let (_, truth) = run(&scenario);
    assert!(truth.failed > 1400 && truth.failed == truth.faults[0].hit);
}

#[test]
fn the_same_seed_gives_the_same_spans_and_requests_not_hit_are_as_without_it() {
    let parameters = presets::InteractionParameters {
        effect: presets::InteractionEffect::WrongValue,
        ..presets::InteractionParameters::STANDARD
    };
    let scenario = presets::interaction(2, 3, &parameters);
    let text = |trace: &[Span]| -> Vec<_> {
        let of = |s: &Span| (s.operation.clone(), s.row.span_id, s.row.duration_ns, s.failed());
        trace.iter().map(of).collect()
    };
    let all = || {
        let (traces, truth) = run(&scenario);
        (format!("{traces:?}"), truth)
    };
    assert_eq!(all(), all());
    let (broken, truth) = run(&scenario);
    let (healthy, _) = run(&Scenario { faults: Vec::new(), ..scenario.clone() });
    let changed = healthy.iter().filter(|(id, trace)| text(trace) != text(&broken[*id])).count();
    // Noise may have ended some before they stumbled.
    let hit = truth.faults[0].hit;
    assert!(hit > 50 && (hit * 95 / 100..=hit).contains(&(changed as u64)), "{changed} of {hit}");
}

#[test]
fn an_interaction_of_wrong_values_fails_exactly_where_all_its_components_meet() {
    for (order, seed) in (1..=4).flat_map(|order| (11..14).map(move |seed| (order, seed))) {
        let parameters = presets::InteractionParameters {
            share: Share::ONE,
            masking: Share::ZERO,
            noise: Share::ZERO,
            effect: presets::InteractionEffect::WrongValue,
            ..presets::InteractionParameters::STANDARD
        };
        let scenario = presets::interaction(order, seed, &parameters);
        let (traces, truth) = run(&scenario);
        let fault = &truth.faults[0];
        assert_eq!((fault.trigger.len(), fault.effect), (order, "wrong_value"));
        assert!(fault.hit > 30, "{order}: {}", fault.hit);
        assert_eq!((fault.met, fault.failed, truth.failed), (fault.hit, fault.hit, fault.hit));
        for trace in traces.values() {
            let visited: BTreeSet<&str> = trace.iter().map(|s| s.service.as_str()).collect();
            let meet = fault.trigger.iter().all(|c| visited.contains(c.service.as_str()));
            if entry(trace).row.start_unix_nano > fault.from_unix_nano {
                assert_eq!(entry(trace).failed(), meet, "{order}");
            }
            if entry(trace).failed() {
                assert!(meet);
                // Several callers may stumble, and of several components one may call another.
                let blamed = origins(trace);
                let is_blamed = |c: &ComponentTruth| blamed.iter().any(|o| o.0 == c.service);
                assert!(!blamed.is_empty() && !fault.trigger.iter().all(is_blamed));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn requests_fail_exactly_where_the_component_is_and_has_a_caller(
        seed in any::<u64>(),
        services in 6_u32..40,
        broken in any::<prop::sample::Index>(),
        as_operation in any::<bool>(),
    ) {
        let mut scenario = presets::by_name("interaction-1", seed, Some(200)).expect("a preset");
        let shape =
            Shape { services, entries: 4, operations: 3, replicas: 2, hot_store: true,
 peers: 0, mean_spans: 15.0, settled: Share::ZERO };
        let (topology, weights) = synthetic::topology(&shape, seed);
        let operation = &topology.operations()[broken.index(topology.operations().len())];
        let (name, owner) = (operation.name.clone(), topology.service(operation.service).name.clone());
        let component = if as_operation {
            Component::Operation(topology.find_operation(&owner, &name).expect("it is there"))
        } else {
            Component::Service(operation.service)
        };
        scenario.faults = vec![fault(vec![component], wrong())];
        scenario.load.mixes[0].weights = weights;
        scenario.topology = topology;
        (scenario.noise, scenario.masking) = (Share::ZERO, Share::ZERO);
        let (traces, truth) = run(&scenario);
        prop_assert_eq!((truth.faults[0].hit, truth.faults[0].failed), (truth.failed, truth.failed));
        for trace in traces.values() {
            assert_tree(trace);
            let by_id: BTreeMap<SpanId, &Span> = trace.iter().map(|s| (s.row.span_id, s)).collect();
            // Runs of the component whose answer leaves it: for a service, to another one.
            let answers = trace.iter().filter(|s| {
                let called = by_id.get(&s.row.parent_span_id).map(|parent| parent.row.kind);
                let is_it = s.service == owner && s.row.kind != Kind::Client;
                if as_operation { is_it && s.operation == name && called.is_some() }
                else { is_it && called == Some(Kind::Client) }
            });
            let answers: Vec<&Span> = answers.collect();
            prop_assert_eq!(entry(trace).failed(), !answers.is_empty());
            prop_assert!(answers.iter().all(|s| is_clean(s)));
        }
    }
}
