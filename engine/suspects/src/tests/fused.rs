use resus_model::{
    Edge, EdgeKey, Histogram, OperationStats, Production, ProductionKey, Tally, Window,
};

use super::*;

/// `web` calls `shop`, `shop` calls `bank`, so many times; times in microseconds.
struct Shop {
    requests: u64,
    /// Own time of `bank`.
    bank: u64,
    /// Between the client span of `web` and the server span of `shop`.
    gap: u64,
    /// So many runs of `shop` do not call `bank`.
    skipped: u64,
    /// So many spans of `bank` have an error event.
    complaints: u64,
}

const HEALTHY: Shop = Shop { requests: 200, bank: 3000, gap: 400, skipped: 0, complaints: 0 };

impl Shop {
    /// A window of such requests; `i` lets windows differ a little.
    fn window(&self, i: u64) -> Evidence {
        let Self { requests, bank, gap, skipped, complaints } = *self;
        let mut e = evidence(&format!("GET /: web>shop/Call>bank x{requests} dur=20ms"));
        let find = |e: &Evidence, service: &str| {
            let found = (0..).find(|&o| e.operation_texts(o).0 == service);
            found.expect("the notation names it")
        };
        let (web, shop, bank_op) = (find(&e, "web"), find(&e, "shop"), find(&e, "bank"));
        let entry = Some(web);
        let times = |us: u64, n: u64| {
            let mut h = Histogram::new();
            (0..n).for_each(|k| h.record((us + us * ((k * 7 + i) % 10) / 40) * 1000));
            h
        };
        let made = requests - skipped;
        let stats = |operation| {
            let of_bank = operation == bank_op;
            let (us, n) = if of_bank { (bank, made) } else { (1000, requests) };
            OperationStats {
                entry,
                operation,
                spans: n,
                failed: 0,
                origins: 0,
                masked: 0,
                error_events: 0,
                spans_with_error_events: if of_bank { complaints } else { 0 },
                exception_events: 0,
                links: 0,
                error_types: Vec::new(),
                duration_sum: 0,
                durations: Histogram::new(),
                self_time_sum: 0,
                self_times: times(us, n),
            }
        };
        e.operation_stats = [web, shop, bank_op].map(stats).into();
        e.operation_stats.sort_by_key(|s| s.operation);
        let edge = |parent, child, calls, gap_us: Option<u64>| Edge {
            key: EdgeKey { entry, parent: Some(parent), child },
            calls,
            failed: 0,
            masked: 0,
            retries: 0,
            crossings: gap_us.map_or(0, |_| calls),
            gap_sum: 0,
            gaps: gap_us.map_or_else(Histogram::new, |us| times(us, calls)),
        };
        e.edges = vec![edge(web, shop, requests, Some(gap)), edge(shop, bank_op, made, None)];
        e.edges.sort_by_key(|edge| edge.key);
        let production = |operation, children: &[(u32, u32)], spans| Production {
            key: ProductionKey { entry, operation, children: children.into() },
            spans,
        };
        e.productions = vec![
            production(web, &[(shop, 1)], requests),
            production(shop, &[(bank_op, 1)], made),
            production(bank_op, &[], made),
        ];
        if skipped > 0 {
            e.productions.push(production(shop, &[], skipped));
        }
        e.productions.sort_by(|a, b| a.key.cmp(&b.key));
        e.window = Window { from: i * 60_000_000_000, to: (i + 1) * 60_000_000_000 };
        e
    }
}

fn explained(now: &Shop) -> Diagnosis {
    let healthy: Vec<Evidence> = (0..8).map(|i| HEALTHY.window(i)).collect();
    diagnose(&now.window(9), &healthy, &Config::STANDARD).expect("one set of rules")
}

fn first(d: &Diagnosis) -> (&str, &'static str) {
    let first = &d.suspects().first().expect("somebody is suspect").candidate;
    (&first.component.service, first.findings[0].kind.name())
}

#[test]
fn more_of_the_same_is_healthy() {
    let d = explained(&HEALTHY);
    assert_eq!(d.verdict, Verdict::Healthy, "{:?}", d.considered);
}

#[test]
fn who_takes_longer_by_itself_is_suspect_though_no_request_fails() {
    let d = explained(&Shop { bank: 9000, ..HEALTHY });
    assert_eq!(first(&d), ("bank", "self_time"));
    let finding = &d.suspects()[0].candidate.findings[0];
    assert!((finding.effect.exp() - 3.0).abs() < 0.2, "three times as long: {}", finding.effect);
    assert!(finding.times.is_some() && finding.p_value < 1e-6);
}

#[test]
fn the_gap_before_a_server_span_is_the_callees() {
    let d = explained(&Shop { gap: 5000, ..HEALTHY });
    // The client operation of the notation lies in `web` itself, and is measured by its gap alone.
    assert_eq!(first(&d), ("shop", "gap"));
}

#[test]
fn calls_that_are_not_made_any_more_are_the_callers() {
    let d = explained(&Shop { skipped: 60, ..HEALTHY });
    assert_eq!(first(&d), ("shop", "calls"));
}

#[test]
fn error_events_tell_of_who_has_them() {
    let d = explained(&Shop { complaints: 80, ..HEALTHY });
    assert_eq!(first(&d), ("bank", "error_events"));
}

#[test]
fn a_handful_of_error_events_is_too_few() {
    let few = Shop { requests: 20, complaints: 4, ..HEALTHY };
    assert_eq!(explained(&few).verdict, Verdict::Healthy);
    let more = explained(&Shop { complaints: 8, ..few });
    assert_eq!(first(&more), ("bank", "error_events"));
}

#[test]
fn one_straggler_is_no_shift() {
    let healthy: Vec<Evidence> = (0..8).map(|i| HEALTHY.window(i)).collect();
    let mut now = Shop { requests: 20, ..HEALTHY }.window(9);
    for stats in &mut now.operation_stats {
        stats.self_times.record(80_000_000);
        stats.spans += 1;
    }
    let d = diagnose(&now, &healthy, &Config::STANDARD).expect("one set of rules");
    assert!(d.suspects().is_empty(), "{:?}", d.suspects()[0].candidate);
}

#[test]
fn a_healthy_window_that_holds_the_fault_does_not_hide_it() {
    let broken = Shop { complaints: 150, ..HEALTHY };
    let mut healthy: Vec<Evidence> = (0..8).map(|i| HEALTHY.window(i)).collect();
    healthy[3] = broken.window(3);
    let d = diagnose(&broken.window(9), &healthy, &Config::STANDARD).expect("one set of rules");
    assert_eq!(first(&d), ("bank", "error_events"));
    assert!(d.notes.iter().any(|n| n.contains("stands out from all others")), "{:?}", d.notes);
}

#[test]
fn probabilities_of_suspects_and_of_nobody_add_up_to_one_at_most() {
    let d = explained(&Shop { bank: 9000, complaints: 80, gap: 2000, ..HEALTHY });
    let all = d.suspects().iter().map(|s| &s.candidate).chain(&d.considered);
    let sum: f64 = all.map(|c| c.probability).sum();
    assert!(sum > 0.9 && sum <= 1.0, "{sum}");
}

#[test]
fn weights_of_sampling_do_not_count_as_spans() {
    let mut one = HEALTHY.window(9);
    for class in &mut one.classes {
        class.tally.weight = class.tally.n * Tally::ONE * 10;
    }
    let healthy: Vec<Evidence> = (0..8).map(|i| HEALTHY.window(i)).collect();
    let d = diagnose(&one, &healthy, &Config::STANDARD).expect("one set of rules");
    assert!(d.suspects().is_empty());
}
