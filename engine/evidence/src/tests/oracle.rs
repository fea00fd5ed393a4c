//! The same counts by brute force: raw spans, texts, and one map after the other.
//!
//! Nothing here is shared with what is tested but the numbers of histogram buckets. Both sides are
//! told as maps from a key in words to named numbers, zeros left out.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use resus_model::{
    Bucket, Evidence, Histogram, Kind, MarginalKind, Outcome, Shape, SpanRow, Status, Tally,
    TraceId,
};

use super::spans::{ATTRIBUTES, Manner, OPERATIONS, SECOND, TestSpan, seen, sets, two_windows};
use crate::Limits;

#[derive(Debug, Default, PartialEq, Eq)]
struct View(BTreeMap<String, BTreeMap<String, u128>>);

impl View {
    fn add(&mut self, key: &str, name: &str, n: u128) {
        if n > 0 {
            *self.0.entry(key.to_owned()).or_default().entry(name.to_owned()).or_default() += n;
        }
    }

    fn value(&mut self, key: &str, name: &str, value: u64) {
        self.add(key, &format!("{name} bucket {}", Bucket::of(value).index()), 1);
    }
}

// === by brute force ===

/// A trace of distinct spans; a parent or child is an index.
struct Trace<'a> {
    spans: Vec<&'a TestSpan>,
    parent: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
    failed: Vec<bool>,
}

fn outcome_of(span: &TestSpan) -> Outcome {
    let caller = [Kind::Client, Kind::Producer].contains(&span.kind);
    let (http, rpc) = (span.http, span.rpc);
    let by_code = match (caller, rpc) {
        (_, SpanRow::NO_RPC) => false,
        (true, rpc) => rpc != 0,
        (false, rpc) => [2, 4, 12, 13, 14, 15].contains(&rpc),
    };
    match span.status {
        Status::Ok => Outcome::Passed,
        _ if http == 499 || rpc == 1 => Outcome::Cancelled,
        Status::Error => Outcome::Failed,
        _ if by_code || !span.error_type.is_empty() => Outcome::Failed,
        _ if http >= if caller { 400 } else { 500 } => Outcome::Failed,
        Status::Absent if http == 0 && rpc == SpanRow::NO_RPC => Outcome::Unlabelled,
        _ => Outcome::Passed,
    }
}

fn weight_of(span: &TestSpan) -> u64 {
    match span.trace_state {
        "ot=th:8" => 2 << 16,
        "v=1,ot=rv:1;th:c" => 4 << 16,
        "ot=th:fd70a4" => {
            let kept = (1_u128 << 56) - (0xfd_70a4 << 32);
            u64::try_from(((1 << 72) + kept / 2) / kept).expect("about 100 times 2^16")
        }
        _ => 1 << 16,
    }
}

fn operation(span: &TestSpan) -> String {
    let (service, namespace, _, counted) = OPERATIONS[span.operation];
    format!("{namespace}/{service}/{counted}")
}

fn length(span: &TestSpan) -> u64 {
    u64::try_from(span.duration).unwrap_or(0)
}

impl<'a> Trace<'a> {
    fn of(spans: &'a [TestSpan], id: u128) -> Self {
        let mut distinct: Vec<&TestSpan> = spans.iter().filter(|s| s.trace == id).collect();
        distinct.sort_by_key(|s| (s.start, s.id));
        distinct.dedup();
        let find = |id: u64| distinct.iter().position(|s| s.id == id);
        let parent: Vec<Option<usize>> = distinct.iter().map(|s| find(s.parent)).collect();
        let below = |p| (0..distinct.len()).filter(|&i| parent[i] == Some(p)).collect();
        let children = (0..distinct.len()).map(below).collect();
        let failed = distinct.iter().map(|s| outcome_of(s) == Outcome::Failed).collect();
        Self { spans: distinct, parent, children, failed }
    }

    fn entry(&self) -> Option<usize> {
        let roots = (0..self.spans.len()).filter(|&i| self.spans[i].parent == 0);
        let servers = (0..self.spans.len()).filter(|&i| {
            let kind = self.spans[i].kind;
            self.parent[i].is_none() && [Kind::Server, Kind::Consumer].contains(&kind)
        });
        roots.chain(servers).next()
    }

    /// The tree below a span, or of all roots, as a set of sets in words.
    fn shape(&self, roots: &[usize]) -> String {
        let trees: BTreeSet<String> = roots
            .iter()
            .map(|&i| operation(self.spans[i]) + &self.shape(&self.children[i]))
            .collect();
        format!("{trees:?}")
    }

    fn masked(&self, i: usize) -> bool {
        self.failed[i] && self.parent[i].is_some_and(|p| !self.failed[p])
    }

    fn origin(&self, i: usize) -> bool {
        self.failed[i] && !self.masked(i) && !self.children[i].iter().any(|&c| self.failed[c])
    }

    /// Gap of a span to its caller, if the two are halves of a call.
    fn gap(&self, i: usize) -> Option<u64> {
        let p = self.parent[i].filter(|&p| self.children[p].len() == 1)?;
        let (caller, callee) = (self.spans[p], self.spans[i]);
        let service = |s: &TestSpan| (OPERATIONS[s.operation].0, OPERATIONS[s.operation].1);
        let crosses = [Kind::Client, Kind::Producer, Kind::Unspecified].contains(&caller.kind)
            && [Kind::Server, Kind::Consumer, Kind::Unspecified].contains(&callee.kind)
            && service(caller) != service(callee);
        crosses.then(|| length(caller).saturating_sub(length(callee)))
    }

    /// Nanosecond by nanosecond.
    fn self_time(&self, i: usize) -> u64 {
        if let [only] = self.children[i][..]
            && let Some(gap) = self.gap(only)
        {
            return gap;
        }
        let span = self.spans[i];
        let idle = |t: &u64| {
            let covers = |c: &usize| {
                let child = self.spans[*c];
                (child.start..child.start + length(child)).contains(t)
            };
            !self.children[i].iter().any(covers)
        };
        (span.start..span.start + length(span)).filter(idle).count() as u64
    }
}

fn brute_force(spans: &[TestSpan], from: u64, to: u64) -> View {
    let mut view = View::default();
    let ids: BTreeSet<u128> = spans.iter().map(|s| s.trace).collect();
    for id in ids {
        let trace = Trace::of(spans, id);
        let start = trace.spans[0].start;
        if (from..to).contains(&start) {
            count_trace(&mut view, &trace, id, start);
        }
    }
    view
}

fn count_trace(view: &mut View, trace: &Trace<'_>, id: u128, start: u64) {
    let all = 0..trace.spans.len();
    let entry = trace.entry();
    let (outcome, weight) = match entry {
        Some(e) => (outcome_of(trace.spans[e]), weight_of(trace.spans[e])),
        None => (Outcome::Unknown, 1 << 16),
    };
    let of = entry.map_or_else(|| "nobody".to_owned(), |e| operation(trace.spans[e]));
    let roots: Vec<usize> = all.clone().filter(|&i| trace.parent[i].is_none()).collect();
    let operations: BTreeSet<String> = trace.spans.iter().map(|s| operation(s)).collect();
    let told = matches!(outcome, Outcome::Failed | Outcome::Unknown);
    let origins: BTreeSet<String> = all
        .clone()
        .filter(|&i| told && trace.origin(i))
        .map(|i| operation(trace.spans[i]))
        .collect();
    let shape = trace.shape(&roots);
    let class = format!("class {of} {shape} {operations:?} {outcome:?} {origins:?}");
    let tally = |view: &mut View, key: &str, name: &str| {
        view.add(key, &format!("{name}n"), 1);
        view.add(key, &format!("{name}weight"), weight.into());
        view.add(key, &format!("{name}squared"), u128::from(weight) * u128::from(weight));
    };
    tally(view, &class, "");
    tally(view, &class, &format!("second {} ", start / SECOND));
    view.add(&class, &format!("candidate {:032x}", id), 1);
    let duration = entry.map(|e| length(trace.spans[e]));
    if let Some(duration) = duration {
        view.add(&class, "duration", duration.into());
        view.value(&class, "duration", duration);
    }
    count_attributes(view, trace, &class, weight, id);
    let mut places = BTreeSet::new();
    for span in &trace.spans {
        let (service, namespace, ..) = OPERATIONS[span.operation];
        for (kind, value) in
            [("instance", span.instance), ("version", span.version), ("host", span.host)]
        {
            if !value.is_empty() {
                places.insert(format!("marginal {kind} {namespace}/{service} {value} of {class}"));
            }
        }
    }
    for place in &places {
        tally(view, place, "");
        if let Some(duration) = duration {
            view.value(place, "duration", duration);
        }
    }
    all.for_each(|i| count_span(view, trace, i, &of));
}

fn count_attributes(view: &mut View, trace: &Trace<'_>, class: &str, weight: u64, id: u128) {
    let Some(entry) = trace.entry().map(|e| trace.spans[e]) else { return };
    let written = ATTRIBUTES.iter().find(|(json, _)| *json == entry.attributes);
    let (_, pairs) = written.expect("every text is of the list");
    for (attribute, value) in *pairs {
        let key = format!("attribute {attribute}={value} of {class}");
        view.add(&key, "n", 1);
        view.add(&key, "weight", weight.into());
        view.add(&key, "squared", u128::from(weight) * u128::from(weight));
        view.value(&key, "duration", length(entry));
    }
    if !pairs.is_empty() {
        let hash = TraceId::from_u128(id).mix();
        view.add(&format!("row of {class}"), &format!("{hash:016x} {pairs:?}"), 1);
    }
}

fn count_span(view: &mut View, trace: &Trace<'_>, i: usize, of: &str) {
    let span = trace.spans[i];
    let name = operation(span);
    let failed = u128::from(trace.failed[i]);
    let masked = u128::from(trace.masked(i));
    let key = format!("operation {name} of {of}");
    view.add(&key, "spans", 1);
    view.add(&key, "failed", failed);
    view.add(&key, "masked", masked);
    view.add(&key, "origins", trace.origin(i).into());
    view.add(&key, "error events", span.error_events.into());
    view.add(&key, "with error events", (span.error_events > 0).into());
    view.add(&key, "exceptions", span.exception_events.into());
    view.add(&key, "links", span.links as u128);
    if !span.error_type.is_empty() {
        view.add(&key, &format!("error type {}", span.error_type), failed);
    }
    view.add(&key, "duration", length(span).into());
    view.value(&key, "duration", length(span));
    view.add(&key, "self-time", trace.self_time(i).into());
    view.value(&key, "self-time", trace.self_time(i));

    let (service, namespace, ..) = OPERATIONS[span.operation];
    let (instance, version, host) = (span.instance, span.version, span.host);
    let key = format!("place {namespace}/{service} {instance:?} {version:?} {host:?}");
    view.add(&key, "spans", 1);
    let began = trace.failed[i] && !trace.children[i].iter().any(|&c| trace.failed[c]);
    view.add(&key, "began", began.into());
    view.add(&key, "self-time", trace.self_time(i).into());
    view.value(&key, "self-time", trace.self_time(i));

    if span.parent != 0 {
        let caller = trace.parent[i].map(|p| operation(trace.spans[p]));
        let key = format!("edge {caller:?} {name} of {of}");
        view.add(&key, "calls", 1);
        view.add(&key, "failed", failed);
        view.add(&key, "masked", masked);
        if let Some(gap) = trace.gap(i) {
            view.add(&key, "crossings", 1);
            view.add(&key, "gap", gap.into());
            view.value(&key, "gap", gap);
        }
        let before = trace.parent[i].into_iter().flat_map(|p| &trace.children[p]);
        let mut before = before.take_while(|&&c| c != i);
        let retry = before.any(|&c| trace.failed[c] && operation(trace.spans[c]) == name);
        view.add(&key, "retries", retry.into());
    }

    let mut children: BTreeMap<String, u32> = BTreeMap::new();
    for &c in &trace.children[i] {
        *children.entry(operation(trace.spans[c])).or_default() += 1;
    }
    for n in children.values_mut() {
        *n = match *n {
            1 | 2 => *n,
            3 | 4 => 4,
            5..=8 => 8,
            _ => unreachable!("traces have at most 8 spans"),
        };
    }
    view.add(&format!("production {name} {children:?} of {of}"), "spans", 1);

    let calls = !matches!(span.kind, Kind::Server | Kind::Consumer);
    if !span.peer.is_empty() && calls && trace.children[i].is_empty() {
        let key = format!("peer {} of {name} of {of}", span.peer);
        view.add(&key, "calls", 1);
        view.add(&key, "failed", failed);
        view.value(&key, "duration", length(span));
    }
}

// === what is tested, in the same words ===

struct Words<'a>(&'a Evidence);

impl Words<'_> {
    fn operation(&self, o: u32) -> String {
        let key = self.0.operations[o as usize];
        let name = |n| self.0.names.text(n);
        format!("{}/{}/{}", name(key.namespace), name(key.service), name(key.operation))
    }

    fn operations(&self, list: &[u32]) -> BTreeSet<String> {
        list.iter().map(|&o| self.operation(o)).collect()
    }

    fn entry(&self, entry: Option<u32>) -> String {
        entry.map_or_else(|| "nobody".to_owned(), |e| self.operation(e))
    }

    fn shape(&self, shape: &Shape, from: usize, to: usize) -> String {
        let nodes = &shape.0;
        let mut trees = BTreeSet::new();
        let mut i = from;
        while i < to {
            let below = nodes[i + 1..to].iter().take_while(|n| n.depth > nodes[i].depth).count();
            let next = i + 1 + below;
            let tree = self.operation(nodes[i].operation) + &self.shape(shape, i + 1, next);
            assert!(trees.insert(tree), "equal siblings are collapsed");
            i = next;
        }
        format!("{trees:?}")
    }

    fn class(&self, class: u32) -> String {
        let key = &self.0.classes[class as usize].key;
        let shape = &self.0.shapes[key.shape.expect("exact") as usize];
        format!(
            "class {} {} {:?} {:?} {:?}",
            self.entry(key.entry),
            self.shape(shape, 0, shape.0.len()),
            self.operations(&key.operations),
            key.outcome,
            self.operations(&key.origins),
        )
    }
}

fn add_tally(view: &mut View, key: &str, name: &str, tally: Tally) {
    view.add(key, &format!("{name}n"), tally.n.into());
    view.add(key, &format!("{name}weight"), tally.weight.into());
    view.add(key, &format!("{name}squared"), tally.weight_squared);
}

fn add_histogram(view: &mut View, key: &str, name: &str, histogram: &Histogram) {
    for (bucket, n) in histogram.counts() {
        view.add(key, &format!("{name} bucket {}", bucket.index()), (*n).into());
    }
}

fn told(evidence: &Evidence) -> View {
    let mut view = View::default();
    let words = Words(evidence);
    for (row, class) in (0..).zip(&evidence.classes) {
        let key = words.class(row);
        add_tally(&mut view, &key, "", class.tally);
        for second in &class.seconds {
            add_tally(&mut view, &key, &format!("second {} ", second.second), second.tally);
        }
        view.add(&key, "duration", class.duration_sum.into());
        add_histogram(&mut view, &key, "duration", &class.durations);
    }
    for m in &evidence.marginals {
        let kind = match m.key.kind {
            MarginalKind::Instance => "instance",
            MarginalKind::Version => "version",
            MarginalKind::Host => "host",
            MarginalKind::Slot => "slot",
        };
        let name = |n| evidence.names.text(n);
        let (service, namespace) = (name(m.key.service), name(m.key.namespace));
        let class = words.class(m.key.class);
        let key = format!("marginal {kind} {namespace}/{service} {} of {class}", name(m.key.value));
        add_tally(&mut view, &key, "", m.tally);
        add_histogram(&mut view, &key, "duration", &m.durations);
    }
    for p in &evidence.places {
        let name = |n| evidence.names.text(n);
        let (service, namespace) = (name(p.key.service), name(p.key.namespace));
        let [instance, version, host] = [p.key.instance, p.key.version, p.key.host].map(name);
        let key = format!("place {namespace}/{service} {instance:?} {version:?} {host:?}");
        view.add(&key, "spans", p.spans.into());
        view.add(&key, "began", p.began.into());
        view.add(&key, "self-time", p.self_time_sum.into());
        add_histogram(&mut view, &key, "self-time", &p.self_times);
    }
    for a in &evidence.attributes {
        let name = |n| evidence.names.text(n);
        let (attribute, value) = (name(a.attribute), name(a.value));
        let key = format!("attribute {attribute}={value} of {}", words.class(a.class));
        add_tally(&mut view, &key, "", a.tally);
        add_histogram(&mut view, &key, "duration", &a.durations);
    }
    for row in &evidence.attribute_rows {
        let name = |n: &u32| evidence.names.text(*n);
        let pairs: Vec<_> = row.values.iter().map(|(a, v)| (name(a), name(v))).collect();
        let key = format!("row of {}", words.class(row.class));
        view.add(&key, &format!("{:016x} {pairs:?}", row.hash), 1);
    }
    for s in &evidence.operation_stats {
        let key = format!("operation {} of {}", words.operation(s.operation), words.entry(s.entry));
        view.add(&key, "spans", s.spans.into());
        view.add(&key, "failed", s.failed.into());
        view.add(&key, "masked", s.masked.into());
        view.add(&key, "origins", s.origins.into());
        view.add(&key, "error events", s.error_events.into());
        view.add(&key, "with error events", s.spans_with_error_events.into());
        view.add(&key, "exceptions", s.exception_events.into());
        view.add(&key, "links", s.links.into());
        for (name, n) in &s.error_types {
            view.add(&key, &format!("error type {}", evidence.names.text(*name)), (*n).into());
        }
        view.add(&key, "duration", s.duration_sum.into());
        add_histogram(&mut view, &key, "duration", &s.durations);
        view.add(&key, "self-time", s.self_time_sum.into());
        add_histogram(&mut view, &key, "self-time", &s.self_times);
    }
    tell_calls(&mut view, evidence, &words);
    view
}

fn tell_calls(view: &mut View, evidence: &Evidence, words: &Words<'_>) {
    for e in &evidence.edges {
        let caller = e.key.parent.map(|p| words.operation(p));
        let child = words.operation(e.key.child);
        let key = format!("edge {caller:?} {child} of {}", words.entry(e.key.entry));
        view.add(&key, "calls", e.calls.into());
        view.add(&key, "failed", e.failed.into());
        view.add(&key, "masked", e.masked.into());
        view.add(&key, "retries", e.retries.into());
        view.add(&key, "crossings", e.crossings.into());
        view.add(&key, "gap", e.gap_sum.into());
        add_histogram(view, &key, "gap", &e.gaps);
    }
    for p in &evidence.productions {
        let children: BTreeMap<String, u32> =
            p.key.children.iter().map(|&(o, n)| (words.operation(o), n)).collect();
        let name = words.operation(p.key.operation);
        let key = format!("production {name} {children:?} of {}", words.entry(p.key.entry));
        view.add(&key, "spans", p.spans.into());
    }
    for p in &evidence.peers {
        let name = words.operation(p.key.operation);
        let peer = evidence.names.text(p.key.peer);
        let key = format!("peer {peer} of {name} of {}", words.entry(p.key.entry));
        view.add(&key, "calls", p.calls.into());
        view.add(&key, "failed", p.failed.into());
        add_histogram(view, &key, "duration", &p.durations);
    }
}

/// Takes the traces that a class could show out of the view: (class, traces).
fn candidates(view: &mut View) -> BTreeMap<String, Vec<u128>> {
    let mut candidates: BTreeMap<String, Vec<u128>> = BTreeMap::new();
    for (key, numbers) in &mut view.0 {
        numbers.retain(|name, _| match name.strip_prefix("candidate ") {
            None => true,
            Some(hex) => {
                let id = u128::from_str_radix(hex, 16).expect("hex");
                candidates.entry(key.clone()).or_default().push(id);
                false
            }
        });
    }
    candidates
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_brute_force(spans in sets(24, Manner::Tame)) {
        let windows = two_windows();
        let evidences = seen(&spans, &windows, Limits::STANDARD);
        for (evidence, (window, role)) in evidences.iter().zip(windows.list()) {
            prop_assert_eq!((evidence.window, evidence.role), (*window, *role));
            let mut expect = brute_force(&spans, window.from, window.to);
            let candidates = candidates(&mut expect);
            prop_assert_eq!(told(evidence), expect);
            let words = Words(evidence);
            for (row, class) in (0..).zip(&evidence.classes) {
                let mut hashes: Vec<u64> = candidates[&words.class(row)]
                    .iter()
                    .map(|&id| TraceId::from_u128(id).mix())
                    .collect();
                hashes.sort_unstable();
                hashes.truncate(crate::EXEMPLARS);
                let shown: Vec<u64> = class.exemplars.iter().map(|e| e.hash).collect();
                prop_assert_eq!(shown, hashes, "the few of smallest hash");
                for exemplar in &class.exemplars {
                    check_exemplar(evidence, &spans, exemplar)?;
                }
            }
        }
    }
}

/// An exemplar shows the spans of its trace, each with its own times.
fn check_exemplar(
    evidence: &Evidence,
    spans: &[TestSpan],
    exemplar: &resus_model::Exemplar,
) -> Result<(), TestCaseError> {
    let trace = Trace::of(spans, exemplar.trace_id.as_u128());
    let words = Words(evidence);
    let mut shown: Vec<String> = exemplar
        .spans
        .iter()
        .map(|s| {
            let (operation, instance) =
                (words.operation(s.operation), evidence.names.text(s.instance));
            let start = exemplar.start_unix_nano + s.offset_ns;
            format!(
                "{} {operation} {instance} {:?} {start} {} {} {}",
                s.depth, s.kind, s.duration_ns, s.failed, s.origin
            )
        })
        .collect();
    let depth = |mut i: usize| {
        let mut depth = 0;
        while let Some(p) = trace.parent[i] {
            (i, depth) = (p, depth + 1);
        }
        depth
    };
    let expect = trace.spans.iter().enumerate().map(|(i, s)| {
        format!(
            "{} {} {} {:?} {} {} {} {}",
            depth(i),
            operation(s),
            s.instance,
            s.kind,
            s.start,
            s.duration,
            trace.failed[i],
            trace.origin(i)
        )
    });
    let mut expect: Vec<String> = expect.collect();
    shown.sort_unstable();
    expect.sort_unstable();
    prop_assert_eq!(shown, expect);
    prop_assert_eq!(exemplar.spans_left_out, 0);
    Ok(())
}
