//! Small random sets of spans, tame or wild.

use proptest::prelude::*;
use resus_model::{
    Evidence, Kind, Link, Quality, Role, Rules, SpanBatch, SpanId, SpanRow, Status, TraceId, Window,
};
use resus_paths::{Gather, Gathered};

use crate::{Limits, Windows, observe};

pub(crate) const SECOND: u64 = 1_000_000_000;
/// Traces start within so many seconds after the epoch.
pub(crate) const SECONDS: u64 = 24;

/// Service, namespace, operation as written, operation as it is counted.
pub(crate) const OPERATIONS: [(&str, &str, &str, &str); 6] = [
    ("web", "shop", "GET /items/42", "GET /items/{}"),
    ("web", "shop", "GET /items/7", "GET /items/{}"),
    ("cart", "shop", "get", "get"),
    ("cart", "", "get", "get"),
    ("store", "", "query", "query"),
    ("store", "", "ping", "ping"),
];

/// A span with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestSpan {
    pub(crate) trace: u128,
    pub(crate) id: u64,
    pub(crate) parent: u64,
    /// Row of [`OPERATIONS`].
    pub(crate) operation: usize,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) start: u64,
    pub(crate) duration: i64,
    pub(crate) http: u16,
    pub(crate) rpc: u8,
    pub(crate) error_type: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) instance: &'static str,
    pub(crate) version: &'static str,
    pub(crate) host: &'static str,
    pub(crate) trace_state: &'static str,
    pub(crate) error_events: u32,
    pub(crate) exception_events: u32,
    pub(crate) links: usize,
    /// Its attributes in JSON.
    pub(crate) attributes: &'static str,
}

/// Attributes as they are written and as they are counted.
pub(crate) const ATTRIBUTES: [(&str, &[(&str, &str)]); 6] = [
    ("", &[]),
    ("{}", &[]),
    (r#"{"tenant":"a"}"#, &[("tenant", "a")]),
    (r#"{"x":[{}],"tenant":"b","http.route":"/i"}"#, &[("http.route", "/i"), ("tenant", "b")]),
    (r#"{"http.route":"/i"}"#, &[("http.route", "/i")]),
    (r#"{"http.route":"a","user.id":7}"#, &[("http.route", "a")]),
];

/// What may stand in a set of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Parents stand before their children, each id once, repeats are equal.
    Tame,
    /// Cycles, shared ids and conflicting repeats too.
    Wild,
}

/// Random numbers of one span, read by [`span`].
type Dice = ([u8; 8], [u8; 8]);

/// Sets of up to so many traces; every second one is like the one before, so that classes have
/// several members.
pub(crate) fn sets(traces: usize, manner: Manner) -> impl Strategy<Value = Vec<TestSpan>> {
    let trace = (any::<u8>(), any::<bool>(), proptest::collection::vec(any::<Dice>(), 1..8));
    proptest::collection::vec(trace, 0..traces).prop_map(move |traces| {
        let mut before: &[Dice] = &[];
        let mut spans = Vec::new();
        for (t, (second, again, dice)) in traces.iter().enumerate() {
            if !again || before.is_empty() {
                before = dice;
            }
            spans.extend(trace_of(t, *second, before, manner));
        }
        spans
    })
}

fn trace_of(t: usize, second: u8, dice: &[Dice], manner: Manner) -> Vec<TestSpan> {
    // Neighbours share their low half.
    let trace = (((t % 2) as u128) << 64) | (t as u128 / 2 + 1);
    let start = u64::from(second) % SECONDS * SECOND;
    let mut spans = Vec::new();
    for (i, dice) in dice.iter().enumerate() {
        let made = span(trace, i as u64, dice.0, dice.1, start, manner);
        match dice.0[7] % 16 {
            0 => spans.extend([made.clone(), made]),
            1 if manner == Manner::Wild => {
                let other = TestSpan { links: made.links + 1, ..made.clone() };
                spans.extend([other, made]);
            }
            2 if manner == Manner::Wild => {
                let kind = if made.kind == Kind::Client { Kind::Server } else { Kind::Client };
                let other = TestSpan { kind, duration: made.duration / 2, ..made.clone() };
                spans.extend([made, other]);
            }
            _ => spans.push(made),
        }
    }
    spans
}

fn span(trace: u128, i: u64, a: [u8; 8], b: [u8; 8], start: u64, manner: Manner) -> TestSpan {
    let pick = |list: &[&'static str], n: u8| list[usize::from(n) % list.len()];
    let reach = if manner == Manner::Wild { i + 3 } else { i };
    let parent = match a[0] % 16 {
        0 => 99,
        1 => 0,
        _ if reach == 0 => 0,
        n => 1 + u64::from(n) % reach,
    };
    let kinds = [
        Kind::Server,
        Kind::Client,
        Kind::Server,
        Kind::Client,
        Kind::Internal,
        Kind::Unspecified,
        Kind::Producer,
        Kind::Consumer,
    ];
    let statuses = [Status::Unset, Status::Unset, Status::Error, Status::Ok, Status::Absent];
    TestSpan {
        trace,
        id: i + 1,
        parent,
        operation: usize::from(a[1]) % OPERATIONS.len(),
        kind: kinds[usize::from(a[2]) % kinds.len()],
        status: statuses[usize::from(a[3]) % statuses.len()],
        start: start + u64::from(a[4] % 60),
        duration: i64::from(a[5] % 70) - 3,
        http: [0, 0, 0, 200, 404, 500, 499][usize::from(a[6]) % 7],
        rpc: [SpanRow::NO_RPC, SpanRow::NO_RPC, SpanRow::NO_RPC, 0, 1, 5, 14]
            [usize::from(b[0]) % 7],
        error_type: pick(&["", "", "", "Timeout", "Refused"], b[1]),
        peer: pick(&["", "", "db", "queue"], b[2]),
        instance: pick(&["", "a", "b"], b[3]),
        version: pick(&["", "", "1", "2"], b[3] / 3),
        host: pick(&["", "x", "y"], b[4]),
        trace_state: pick(&["", "", "ot=th:8", "v=1,ot=rv:1;th:c", "ot=th:fd70a4"], b[5]),
        error_events: u32::from(b[6] % 3),
        exception_events: u32::from(b[6] / 3 % 2),
        links: usize::from(b[7].is_multiple_of(8)),
        attributes: ATTRIBUTES[usize::from(b[7] / 8) % ATTRIBUTES.len()].0,
    }
}

/// Spans as one batch, rows in the given order.
pub(crate) fn batch(spans: &[TestSpan]) -> SpanBatch {
    let mut batch = SpanBatch::new();
    for (row, span) in (0..).zip(spans) {
        let (service, namespace, operation, _) = OPERATIONS[span.operation];
        let mut name = |text| batch.names.intern(text);
        let made = SpanRow {
            trace_id: TraceId::from_u128(span.trace),
            span_id: SpanId::from_u64(span.id),
            parent_span_id: SpanId::from_u64(span.parent),
            flags: 0,
            trace_state: name(span.trace_state),
            service: name(service),
            namespace: name(namespace),
            instance: name(span.instance),
            version: name(span.version),
            host: name(span.host),
            operation: name(operation),
            kind: span.kind,
            status: span.status,
            start_unix_nano: span.start,
            duration_ns: span.duration,
            received_unix_nano: 0,
            http_status: span.http,
            rpc_status: span.rpc,
            error_type: name(span.error_type),
            peer: name(span.peer),
            error_event_count: span.error_events,
            exception_event_count: span.exception_events,
        };
        let trace_id = TraceId::from_u128(!span.trace);
        let link = Link { row, trace_id, span_id: SpanId::from_u64(1) };
        batch.links.extend((0..span.links).map(|_| link));
        batch.push(&made);
        batch.push_attributes(span.attributes);
    }
    batch
}

/// Gathers spans in batches of so many rows.
pub(crate) fn gather(spans: &[TestSpan], rows: usize) -> Gathered {
    let mut gather = Gather::new(Rules::STANDARD);
    spans.chunks(rows.max(1)).for_each(|chunk| gather.push(&batch(chunk)));
    gather.seal()
}

/// Two windows with a gap between them, and time after them.
pub(crate) fn two_windows() -> Windows {
    let window = |from: u64, to: u64| Window { from: from * SECOND, to: to * SECOND };
    Windows::new(vec![(window(0, 8), Role::Baseline), (window(9, 20), Role::Now)])
        .expect("disjoint")
}

/// One window over everything.
pub(crate) fn all_time() -> Windows {
    Windows::new(vec![(Window::ALL, Role::Now)]).expect("one window")
}

/// What is observed of spans in one batch.
pub(crate) fn seen(spans: &[TestSpan], windows: &Windows, limits: Limits) -> Vec<Evidence> {
    observe(&gather(spans, usize::MAX), windows, limits)
}

/// Evidences without the counters of quality, which tell of the reading.
pub(crate) fn bare(mut evidences: Vec<Evidence>) -> Vec<Evidence> {
    evidences.iter_mut().for_each(|e| e.quality = Quality::default());
    evidences
}

/// Deals traces into `parts` sets by their ids.
pub(crate) fn deal(spans: &[TestSpan], parts: usize) -> Vec<Vec<TestSpan>> {
    let mut sets = vec![Vec::new(); parts];
    for span in spans {
        let at = TraceId::from_u128(span.trace).mix() % parts as u64;
        sets[usize::try_from(at).expect("few parts")].push(span.clone());
    }
    sets
}

/// Shuffles by a number, always in the same way.
pub(crate) fn shuffled<T: Clone>(list: &[T], seed: u64) -> Vec<T> {
    let key = |i: usize| {
        let z = (i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z ^ (z >> 29)
    };
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_unstable_by_key(|&i| (key(i), i));
    order.into_iter().map(|i| list[i].clone()).collect()
}
