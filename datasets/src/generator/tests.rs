mod effects;
mod identity;
mod wrong_value;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use resus_model::{Kind, SpanBatch, SpanId, SpanRow, Status, TraceId};

use super::*;
use crate::{
    presets,
    scenario::{Calling, Collection, Effect, Fault, Load, Mix, Sampling},
    synthetic::{self, Shape},
    topology::{Protocol, TopologyBuilder},
};

const SECOND: u64 = 1_000_000_000;

/// A chain a → b → c → d; d also has an internal operation. `side` calls c alone, by HTTP.
fn chain() -> Scenario {
    let mut builder = TopologyBuilder::new("", 2);
    let work = Latency::micros(500);
    let services = ["a", "b", "c", "d"].map(|name| builder.service(name, "1", 2));
    let entry = builder.operation(services[0], "GET /", Protocol::Http, work);
    let side = builder.operation(services[0], "GET /side", Protocol::Http, work);
    let b = builder.operation(services[1], "b", Protocol::Grpc, work);
    let c = builder.operation(services[2], "c", Protocol::Http, work);
    let d = builder.operation(services[3], "d", Protocol::Grpc, work);
    let inside = builder.operation(services[3], "inside", Protocol::Grpc, work);
    builder.then(entry, b).then(b, c).then(c, d).then(d, inside).then(side, c);
    Scenario {
        name: "chain".to_owned(),
        seed: 1,
        start_unix_nano: presets::START_UNIX_NANO,
        topology: builder.build().expect("a chain has no cycle"),
        load: Load {
            mean_gap_ns: SECOND / 50,
            requests: 2000,
            until: 60 * SECOND,
            mixes: vec![Mix { from: 0, weights: vec![(entry, 3), (side, 1)] }],
            surges: Vec::new(),
        },
        network: Latency::micros(100),
        faults: Vec::new(),
        restarts: Vec::new(),
        deploys: Vec::new(),
        capacities: Vec::new(),
        calling: Calling::PATIENT,
        noise: Share::ZERO,
        masking: Share::ZERO,
        sampling: Sampling::ALL,
        collection: Collection::PERFECT,
        tenants: 2,
        batch_rows: 500,
    }
}

fn service(scenario: &Scenario, name: &str) -> Component {
    Component::Service(scenario.topology.find_service(name).expect("a service of the chain"))
}

fn fault(trigger: Vec<Component>, effect: Effect) -> Fault {
    let cured_by = trigger.clone();
    Fault { trigger, from: 0, until: u64::MAX, share: Share::ONE, tenant: None, effect, cured_by }
}

fn boom() -> Effect {
    Effect::Error { error_type: "Boom".to_owned() }
}

/// A span with its texts.
#[derive(Debug, Clone)]
struct Span {
    row: SpanRow,
    service: String,
    operation: String,
    instance: String,
    error_type: String,
    peer: String,
    trace_state: String,
    attributes: String,
}

impl Span {
    fn failed(&self) -> bool {
        self.row.status == Status::Error
    }

    fn is_entry(&self) -> bool {
        self.row.parent_span_id.is_none()
    }
}

fn spans(batch: &SpanBatch) -> Vec<Span> {
    let text = |name| batch.names.text(name).to_owned();
    let span = |i| {
        let row = batch.row(i);
        Span {
            row,
            service: text(row.service),
            operation: text(row.operation),
            instance: text(row.instance),
            error_type: text(row.error_type),
            peer: text(row.peer),
            trace_state: text(row.trace_state),
            attributes: batch.attributes_of(i).to_owned(),
        }
    };
    (0..batch.len()).map(span).collect()
}

type Traces = BTreeMap<TraceId, Vec<Span>>;

fn run(scenario: &Scenario) -> (Traces, Truth) {
    let mut generator = generate(scenario).expect("a sound scenario");
    let mut traces = Traces::new();
    for span in generator.by_ref().flat_map(|batch| spans(&batch)) {
        traces.entry(span.row.trace_id).or_default().push(span);
    }
    (traces, generator.truth())
}

fn entry(trace: &[Span]) -> &Span {
    trace.iter().find(|span| span.is_entry()).expect("every trace has an entry")
}

fn find<'a>(trace: &'a [Span], service: &str, kind: Kind) -> Option<&'a Span> {
    trace.iter().find(|span| span.service == service && span.row.kind == kind)
}

/// One root, every parent there, children inside their parents.
fn assert_tree(trace: &[Span]) {
    let by_id: BTreeMap<SpanId, &Span> = trace.iter().map(|s| (s.row.span_id, s)).collect();
    assert_eq!(by_id.len(), trace.len(), "span ids are distinct");
    assert_eq!(trace.iter().filter(|s| s.is_entry()).count(), 1, "one root");
    for span in trace.iter().filter(|s| !s.is_entry()) {
        let parent = by_id.get(&span.row.parent_span_id).expect("the parent is there").row;
        let end = |row: SpanRow| row.start_unix_nano + row.duration_ns.cast_unsigned();
        assert!(parent.start_unix_nano <= span.row.start_unix_nano);
        assert!(end(span.row) <= end(parent));
        match span.row.kind {
            Kind::Server => assert_eq!(parent.kind, Kind::Client),
            Kind::Client | Kind::Internal => assert_eq!(parent.service, span.row.service),
            kind => panic!("nobody makes spans of kind {kind:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_trace_is_one_tree_whatever_is_broken(
        seed in any::<u64>(),
        services in 10_u32..60,
        noise in 0_u32..20,
        masking in 0_u32..=100,
        order in 1_usize..=4,
    ) {
        let mut scenario = presets::by_name("interaction-1", seed, Some(300)).expect("a preset");
        let shape =
            Shape { services, entries: 4, operations: 3, replicas: 3, hot_store: true,
 peers: 0, mean_spans: 20.0, settled: Share::ZERO };
        let (topology, weights) = synthetic::topology(&shape, seed);
        let broken = topology.services().iter().rev().take(order);
        let trigger = broken.filter_map(|s| topology.find_service(&s.name)).map(Component::Service);
        scenario.faults = vec![fault(trigger.collect(), boom())];
        scenario.load.mixes[0].weights = weights;
        scenario.topology = topology;
        scenario.noise = Share::percent(noise);
        scenario.masking = Share::percent(masking);
        let (traces, truth) = run(&scenario);
        prop_assert_eq!(truth.requests, 300);
        prop_assert_eq!(traces.len(), 300);
        prop_assert_eq!(truth.spans, traces.values().map(|t| t.len() as u64).sum::<u64>());
        traces.values().for_each(|trace| assert_tree(trace));
        let failed = traces.values().filter(|trace| entry(trace).failed()).count();
        prop_assert_eq!(truth.failed, failed as u64);
    }
}

#[test]
fn spans_come_in_the_order_in_which_they_end_and_traces_interleave() {
    let scenario = presets::by_name("sample", 5, Some(1000)).expect("a preset");
    let generator = generate(&scenario).expect("a sound scenario");
    let all: Vec<Span> = generator.flat_map(|batch| spans(&batch)).collect();
    let end = |s: &Span| s.row.start_unix_nano + s.row.duration_ns.cast_unsigned();
    assert!(all.is_sorted_by_key(end));
    let runs = all.chunk_by(|a, b| a.row.trace_id == b.row.trace_id).count();
    assert!(runs > 1000, "{runs}");
}

#[test]
fn the_same_seed_gives_the_same_spans_and_another_seed_others() {
    let all = |seed, batch_rows| {
        let scenario = presets::by_name("sample", seed, Some(500)).expect("a preset");
        let scenario = Scenario { batch_rows, ..scenario };
        let (traces, truth) = run(&scenario);
        (format!("{traces:?}"), truth)
    };
    // Names are numbered alike too: batches share one table that only grows.
    assert_eq!(all(1, 1000), all(1, 1000));
    assert_eq!(all(1, 1000).1, all(1, 7).1);
    assert_ne!(all(1, 1000).0, all(2, 1000).0);
}

#[test]
fn an_error_fails_every_caller_up_to_the_entry_with_the_codes_of_real_sdks() {
    let mut scenario = chain();
    scenario.faults = vec![fault(vec![service(&scenario, "d")], boom())];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].failed, truth.faults[0].met), (2000, 2000, 2000));
    for trace in traces.values() {
        assert!(trace.iter().all(|s| s.failed() && !s.error_type.is_empty()));
        let origin = find(trace, "d", Kind::Internal).or_else(|| find(trace, "d", Kind::Server));
        let origin = origin.expect("d was there");
        assert_eq!((origin.error_type.as_str(), origin.row.exception_event_count), ("Boom", 1));
        let call_of_d = find(trace, "c", Kind::Client).expect("c called d");
        assert_eq!((call_of_d.row.rpc_status, call_of_d.error_type.as_str()), (13, "INTERNAL"));
        assert_eq!((call_of_d.row.http_status, call_of_d.peer.as_str()), (0, "d"));
        let c = find(trace, "c", Kind::Server).expect("c was there");
        assert_eq!((c.row.http_status, c.error_type.as_str()), (500, "500"));
        assert_eq!((c.row.rpc_status, c.row.exception_event_count), (SpanRow::NO_RPC, 0));
        assert_eq!(entry(trace).row.http_status, 500);
    }
}

#[test]
fn healthy_spans_have_an_unset_status_and_a_good_code() {
    let (traces, truth) = run(&chain());
    assert_eq!((truth.failed, truth.requests, truth.sampled), (0, 2000, 2000));
    for span in traces.values().flatten() {
        assert_eq!(span.row.status, Status::Unset);
        assert_eq!((span.row.error_event_count, span.row.exception_event_count), (0, 0));
        let is_grpc = matches!(span.operation.as_str(), "b" | "d");
        let codes = match (span.row.kind, is_grpc) {
            (Kind::Internal, _) => (0, SpanRow::NO_RPC),
            (_, true) => (0, 0),
            (_, false) => (200, SpanRow::NO_RPC),
        };
        assert_eq!((span.row.http_status, span.row.rpc_status), codes, "{span:?}");
        assert_eq!(span.is_entry(), span.attributes.starts_with("{\"tenant\":\"tenant-"));
        assert_eq!(span.row.flags & 0x200 != 0, span.row.kind == Kind::Server && !span.is_entry());
    }
}

#[test]
fn a_masked_error_stops_at_the_caller() {
    let mut scenario = chain();
    let effect = Effect::MaskedError { error_type: "Boom".to_owned() };
    let d = scenario.topology.find_operation("d", "d").expect("of the chain");
    scenario.faults = vec![fault(vec![Component::Operation(d)], effect.clone())];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].hit), (0, 2000));
    for trace in traces.values() {
        let failed: Vec<&Span> = trace.iter().filter(|s| s.failed()).collect();
        let spans: Vec<_> = failed.iter().map(|s| (s.service.as_str(), s.row.kind)).collect();
        assert_eq!(spans, [("d", Kind::Server), ("c", Kind::Client)]);
        assert_eq!(find(trace, "c", Kind::Server).expect("c ran").row.error_event_count, 1);
    }
    // An entry has no caller that could handle anything.
    scenario.faults = vec![fault(vec![service(&scenario, "a")], effect)];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.faults[0].met, truth.faults[0].hit, truth.failed), (2000, 0, 0));
    assert!(traces.values().flatten().all(|s| !s.failed()));
}

#[test]
fn masking_handles_its_share_of_errors_at_any_caller() {
    let mut scenario = chain();
    let d = scenario.topology.find_operation("d", "d").expect("of the chain");
    scenario.faults = vec![fault(vec![Component::Operation(d)], boom())];
    scenario.masking = Share::percent(40);
    let (traces, truth) = run(&scenario);
    assert!((1140..1260).contains(&truth.failed), "{}", truth.failed);
    let handlers: BTreeSet<&str> = traces
        .values()
        .flatten()
        .filter(|s| s.row.kind == Kind::Server && !s.failed() && s.row.error_event_count == 1)
        .map(|s| s.service.as_str())
        .collect();
    assert_eq!(handlers, BTreeSet::from(["a", "b", "c"]));
    scenario.masking = Share::ONE;
    assert_eq!(run(&scenario).1.failed, 0);
}

#[test]
fn delay_and_early_return_do_what_they_say() {
    let mut scenario = chain();
    let c = service(&scenario, "c");
    scenario.faults = vec![fault(vec![c], Effect::Delay { extra: Latency::Constant(SECOND) })];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].hit), (0, 2000));
    assert!(traces.values().all(|t| entry(t).row.duration_ns.cast_unsigned() >= SECOND - 1));
    scenario.faults = vec![fault(vec![c], Effect::EarlyReturn)];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].hit), (0, 2000));
    assert!(traces.values().flatten().all(|s| s.service != "d"));
    traces.values().for_each(|trace| assert_tree(trace));
}

#[test]
fn the_share_hit_is_the_share_asked_for() {
    let mut scenario = chain();
    let mut half = fault(vec![service(&scenario, "c")], boom());
    half.share = Share::percent(30);
    (half.from, half.until) = (10 * SECOND, 30 * SECOND);
    scenario.faults = vec![half];
    let (traces, truth) = run(&scenario);
    let FaultTruth { met, hit, failed, .. } = truth.faults[0];
    assert!((900..1100).contains(&met), "20 s of 50 requests: {met}");
    assert!((met * 26 / 100..met * 34 / 100).contains(&hit), "{hit} of {met}");
    assert_eq!((failed, truth.failed), (hit, hit));
    let window = truth.faults[0].from_unix_nano..truth.faults[0].until_unix_nano;
    for origin in traces.values().flatten().filter(|s| s.error_type == "Boom") {
        assert!(window.contains(&origin.row.start_unix_nano));
    }
}

#[test]
fn an_interaction_shows_exactly_where_all_its_components_meet() {
    for order in 1..=4 {
        let parameters = presets::InteractionParameters {
            share: Share::ONE,
            masking: Share::ZERO,
            noise: Share::ZERO,
            ..presets::InteractionParameters::STANDARD
        };
        let scenario = presets::interaction(order, 11, &parameters);
        let (traces, truth) = run(&scenario);
        let fault = &truth.faults[0];
        assert_eq!(fault.trigger.len(), order);
        assert!(fault.hit > 30, "{order}: {}", fault.hit);
        assert_eq!((fault.met, fault.hit, truth.failed), (fault.hit, fault.failed, fault.hit));
        let (mut failed, mut met) = (0, 0);
        for trace in traces.values() {
            let is_there = |name: &str| {
                // One that failed to begin its work was there all the same.
                trace.iter().any(|s| s.service == name && s.row.kind == Kind::Server)
            };
            let meet = fault.trigger.iter().all(|c| is_there(&c.service));
            let start = entry(trace).row.start_unix_nano;
            if start > fault.from_unix_nano {
                assert_eq!(entry(trace).failed(), meet, "{order}");
                met += u64::from(meet);
            }
            failed += u64::from(entry(trace).failed());
        }
        assert_eq!(failed, truth.failed);
        assert!(met.abs_diff(fault.hit) < 5, "but for requests on the border of the window");
    }
}

#[test]
fn a_fault_changes_nothing_about_requests_that_it_does_not_hit() {
    let broken = presets::by_name("interaction-2", 3, None).expect("a preset");
    let (healthy, _) = run(&Scenario { faults: Vec::new(), ..broken.clone() });
    let (broken, truth) = run(&broken);
    // By text: names of the two runs are numbered differently.
    let text = |trace: &[Span]| -> Vec<_> {
        let of = |s: &Span| {
            (
                s.service.clone(),
                s.operation.clone(),
                s.row.start_unix_nano,
                s.row.duration_ns,
                s.failed(),
            )
        };
        trace.iter().map(of).collect()
    };
    let changed = healthy.iter().filter(|(id, trace)| text(trace) != text(&broken[*id])).count();
    assert_eq!(changed as u64, truth.faults[0].hit);
}

#[test]
fn a_restart_of_a_service_cures_and_refuses_while_it_lasts() {
    let mut scenario = chain();
    scenario.faults = vec![fault(vec![service(&scenario, "d")], boom())];
    let restart =
        Restart { component: service(&scenario, "d"), at: 20 * SECOND, takes: 2 * SECOND };
    scenario.restarts = vec![restart];
    let (traces, truth) = run(&scenario);
    let done = scenario.start_unix_nano + 22 * SECOND;
    assert_eq!((truth.faults[0].until_unix_nano, truth.faults[0].cured), (done, true));
    let (mut refused, mut instances) = (0, [BTreeSet::new(), BTreeSet::new()]);
    for trace in traces.values() {
        assert_tree(trace);
        let call = find(trace, "c", Kind::Client).expect("c called d");
        let (start, d) = (call.row.start_unix_nano, find(trace, "d", Kind::Server));
        assert_eq!(entry(trace).failed(), start < done, "{:?}", entry(trace));
        if let Some(d) = d {
            instances[usize::from(start > done)].insert(d.instance.clone());
        } else {
            refused += 1;
            assert_eq!((call.row.rpc_status, call.error_type.as_str()), (14, "UNAVAILABLE"));
            assert_eq!(call.peer, "d");
        }
    }
    assert!((70..130).contains(&refused), "2 s of 50 requests: {refused}");
    assert_eq!(instances.each_ref().map(BTreeSet::len), [2, 2]);
    assert!(instances[0].is_disjoint(&instances[1]), "a restart gives a new identity");
}

#[test]
fn a_restart_of_an_entry_service_leaves_no_trace_of_what_it_refused() {
    let mut scenario = chain();
    let component = service(&scenario, "a");
    scenario.restarts = vec![Restart { component, at: 0, takes: 5 * SECOND }];
    let (traces, truth) = run(&scenario);
    assert!((200..300).contains(&truth.refused), "{}", truth.refused);
    assert_eq!(traces.len() as u64 + truth.refused, truth.requests);
}

#[test]
fn a_restart_of_an_operation_is_answered_by_its_process() {
    let mut scenario = chain();
    let c = scenario.topology.find_operation("c", "c").expect("of the chain");
    scenario.faults = vec![fault(vec![service(&scenario, "c")], boom())];
    scenario.restarts =
        vec![Restart { component: Component::Operation(c), at: 0, takes: u64::MAX / 2 }];
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].met), (2000, 0));
    assert!(!truth.faults[0].cured, "a part does not cure the whole");
    for trace in traces.values() {
        let c = find(trace, "c", Kind::Server).expect("its process answers");
        assert_eq!((c.row.http_status, c.error_type.as_str()), (503, "503"));
        assert_eq!(c.row.exception_event_count, 0);
        assert!(find(trace, "d", Kind::Server).is_none());
    }
}

#[test]
fn others_take_over_for_an_instance_that_restarts_and_a_fault_may_sit_in_one() {
    let mut scenario = chain();
    let c = scenario.topology.find_service("c").expect("of the chain");
    let first = Component::Instance(c, 0);
    scenario.faults = vec![fault(vec![first], boom())];
    let (traces, truth) = run(&scenario);
    assert!((900..1100).contains(&truth.failed), "every second: {}", truth.failed);
    let instances: BTreeSet<&str> = traces
        .values()
        .flatten()
        .filter(|s| s.error_type == "Boom")
        .map(|s| s.instance.as_str())
        .collect();
    assert_eq!(instances.len(), 1);
    scenario.restarts = vec![Restart { component: first, at: 0, takes: 3 * SECOND }];
    let (_, truth) = run(&scenario);
    assert_eq!((truth.failed, truth.faults[0].cured), (0, true));
}

#[test]
fn a_run_can_be_steered_while_it_goes_on() {
    let mut scenario = chain();
    scenario.faults = vec![fault(vec![service(&scenario, "d")], boom())];
    let mut generator = generate(&scenario).expect("a sound scenario");
    let before = spans(&generator.run_until(10 * SECOND));
    assert!(before.iter().all(Span::failed) && before.len() > 1000);
    assert_eq!(generator.now(), 10 * SECOND);
    let component = service(&scenario, "d");
    // Asked for too late: it begins now.
    generator.restart(Restart { component, at: 0, takes: SECOND }).expect("d is there");
    generator.run_until(12 * SECOND);
    let after = spans(&generator.run_until(20 * SECOND));
    assert!(!after.is_empty() && after.iter().all(|s| !s.failed()));
    let restart = &generator.truth().restarts[0];
    assert_eq!(restart.from_unix_nano, scenario.start_unix_nano + 10 * SECOND);
    let stranger = Component::Instance(scenario.topology.find_service("d").expect("d"), 9);
    assert!(generator.restart(Restart { component: stranger, at: 0, takes: 1 }).is_err());
}

#[test]
fn weights_of_sampled_requests_sum_to_all_requests() {
    let mut scenario = presets::by_name("sample", 3, Some(8000)).expect("a preset");
    let home = scenario.topology.find_operation("frontend", "GET /").expect("of the shop");
    scenario.sampling =
        Sampling { share: Some(Share::percent(25)), by_entry: vec![(home, Share::percent(10))] };
    let (traces, truth) = run(&scenario);
    assert_eq!((truth.requests, traces.len() as u64), (8000, truth.sampled));
    let mut weights = 0.0;
    for trace in traces.values() {
        let entry = entry(trace);
        let digits = entry.trace_state.strip_prefix("ot=th:").expect("a threshold");
        assert!(trace.iter().all(|s| s.trace_state == entry.trace_state));
        let threshold = u64::from_str_radix(&format!("{digits:0<14}"), 16).expect("hex");
        assert!(entry.row.trace_id.low() & ((1 << 56) - 1) >= threshold);
        assert_eq!(digits, if entry.operation == "GET /" { "e6666666666666" } else { "c" });
        weights += 2_f64.powi(56) / (2_f64.powi(56) - threshold as f64);
    }
    assert!((7500.0..8500.0).contains(&weights), "{weights}");
}

#[test]
fn losses_duplicates_and_skew_are_as_asked_for_and_move_nothing_else() {
    let perfect = presets::by_name("sample", 4, Some(3000)).expect("a preset");
    let worse = Scenario {
        collection: Collection {
            lost: Share::percent(5),
            duplicated: Share::percent(3),
            clock_skew_ns: 50_000_000,
        },
        ..perfect.clone()
    };
    let ((all, good), (some, bad)) = (run(&perfect), run(&worse));
    assert_eq!((good.lost, good.duplicated), (0, 0));
    let percent = |n: u64| n as f64 * 100.0 / good.spans as f64;
    assert!((4.5..5.5).contains(&percent(bad.lost)), "{}", percent(bad.lost));
    assert!((2.5..3.2).contains(&percent(bad.duplicated)), "{}", percent(bad.duplicated));
    assert_eq!(bad.spans, good.spans - bad.lost + bad.duplicated);
    assert_eq!((bad.failed, &bad.faults), (good.failed, &good.faults));
    let mut skews: BTreeMap<_, BTreeSet<i64>> = BTreeMap::new();
    for span in some.values().flatten() {
        let same = all[&span.row.trace_id].iter().find(|s| s.row.span_id == span.row.span_id);
        let same = same.expect("nothing new appears");
        let skew = span.row.start_unix_nano.cast_signed() - same.row.start_unix_nano.cast_signed();
        assert!(skew.unsigned_abs() <= 50_000_000);
        assert_eq!(span.row.duration_ns, same.row.duration_ns);
        skews.entry(span.row.host).or_default().insert(skew);
    }
    assert_eq!(skews.len(), 6);
    assert!(skews.values().all(|of_host| of_host.len() == 1), "constant for a host");
}

#[test]
fn the_mix_changes_when_it_should() {
    let mut scenario = chain();
    let side = scenario.load.mixes[0].weights[1].0;
    scenario.load.mixes.push(Mix { from: 20 * SECOND, weights: vec![(side, 1)] });
    let (traces, _) = run(&scenario);
    for trace in traces.values() {
        let entry = entry(trace);
        let late = entry.row.start_unix_nano >= scenario.start_unix_nano + 20 * SECOND;
        assert!(!late || entry.operation == "GET /side");
    }
    let early = traces.values().filter(|t| entry(t).operation == "GET /").count();
    assert!((650..850).contains(&early), "three quarters of a thousand: {early}");
}

#[test]
fn a_service_without_spans_is_seen_by_its_callers_alone() {
    let mut scenario = presets::by_name("sample", 6, Some(2000)).expect("a preset");
    let network = service(&scenario, "card-network");
    scenario.faults = vec![fault(vec![network], boom())];
    let (traces, truth) = run(&scenario);
    assert!(truth.faults[0].failed > 100);
    let calls: Vec<&Span> =
        traces.values().flatten().filter(|s| s.peer == "card-network").collect();
    assert!(calls.iter().all(|s| s.row.kind == Kind::Client && s.service == "payments"));
    assert!(calls.iter().all(|s| s.error_type == "Boom" && s.failed()));
    assert!(traces.values().flatten().all(|s| s.service != "card-network"));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refused = |change: fn(&mut Scenario)| {
        let mut scenario = chain();
        change(&mut scenario);
        generate(&scenario).expect_err("a contradiction").to_string()
    };
    let messages = [
        refused(|s| s.load.mixes.clear()),
        refused(|s| s.load.mixes[0].from = 1),
        refused(|s| s.load.mean_gap_ns = 0),
        refused(|s| s.start_unix_nano = u64::MAX),
        refused(|s| s.batch_rows = 0),
        refused(|s| s.sampling.share = Some(Share::ZERO)),
        refused(|s| s.faults = vec![fault(Vec::new(), Effect::EarlyReturn)]),
        refused(|s| {
            let a = s.topology.find_service("a").expect("of the chain");
            let component = Component::Instance(a, 2);
            s.restarts = vec![Restart { component, at: 0, takes: 0 }];
        }),
    ];
    assert_eq!(
        messages,
        [
            "mix 0 of the load has no entry operation of a weight above 0",
            "mix 0 of the load begins at 1 ns: mixes begin at 0 and ascend",
            "the mean time between arrivals is 0 ns, at least 1 is needed",
            "the run ends beyond the year 2262",
            "batches of 0 spans were asked for, at least 1 is needed",
            "sampling keeps a share of 0, at least a millionth is needed",
            "fault 0 is triggered by 0 components: 1 to 4 are possible",
            "a restart names a service, replica or operation that the topology does not have",
        ]
    );
}
