//! Hand-made analyses of a small shop, for tests: what its checkout looks like on a bad day.

use std::collections::BTreeMap;

use resus_model::{
    Bucket, Candidate, Component, Counts, DecidedBy, Dendrogram, Diagnosis, EntryFinding,
    EntryState, EvidenceKind, Exemplar, ExemplarSpan, ExemplarText, FailureKind, Finding,
    Histogram, Kind, Level, Merge, Obstacle, ObstacleKind, Outcome, Presence, Quality, Signature,
    SkipReason, Suspect, TraceId, Verdict, WhyNoVerdict, Window,
};
use resus_plan::{Nothing, NothingReason, Proposal, RestartTree};

use super::samples_plan::{plan, tree};
use super::{Analysis, Meta};

pub(super) const START: u64 = 1_772_359_200_000_000_000;
pub(super) const MINUTE: u64 = 60_000_000_000;

/// An analysis that owns its parts.
pub(super) struct Sample {
    pub(super) diagnosis: Diagnosis,
    pub(super) quality: Quality,
    pub(super) tree: Option<RestartTree>,
    pub(super) proposal: Option<Proposal>,
}

impl Sample {
    pub(super) fn analysis(&self) -> Analysis<'_> {
        Analysis {
            diagnosis: &self.diagnosis,
            quality: &self.quality,
            tree: self.tree.as_ref(),
            proposal: self.proposal.as_ref(),
            meta: Meta {
                version: "0.1.0",
                windows: "The last quarter of the dump fails most; the rest was cut into three \
                          healthy windows of equal length.",
            },
        }
    }
}

pub(super) fn service(name: &str) -> Component {
    Component {
        service: name.to_owned(),
        namespace: String::new(),
        operation: None,
        instance: None,
        version: None,
        host: None,
    }
}

fn operation(service: &str, operation: &str) -> Component {
    Component { operation: Some(operation.to_owned()), ..self::service(service) }
}

fn instance(service: &str, instance: &str) -> Component {
    Component { instance: Some(instance.to_owned()), ..self::service(service) }
}

fn candidate(component: Component, group: u32, table: [u64; 4], rest: (f64, u64)) -> Candidate {
    let [failed_with, failed_without, passed_with, passed_without] = table;
    let counts = Counts { failed_with, failed_without, passed_with, passed_without };
    let ratio = |a: u64, b: u64| super::figures::ratio(a, a + b);
    let (p_value, origins) = rest;
    let jaccard = super::figures::ratio(failed_with, failed_with + failed_without + passed_with);
    Candidate {
        component,
        score: jaccard,
        group,
        presence: Presence {
            counts,
            weighted: counts,
            coefficient: "jaccard",
            distance: Some(1.0 - jaccard),
            effect: ratio(failed_with, passed_with) - ratio(failed_without, passed_without),
            p_value,
            failing_entries: 1,
            origins,
            closest: None,
        },
        probability: jaccard,
        findings: Vec::new(),
        rejected: String::new(),
    }
}

fn weak(component: Component, group: u32, table: [u64; 4], why: &str) -> Candidate {
    Candidate { rejected: why.to_owned(), ..candidate(component, group, table, (0.004, 0)) }
}

/// Spans as (depth, operation, start ms, duration ms, failed, origin).
fn request(
    id: u128,
    outcome: Outcome,
    operations: &[(&str, &str)],
    spans: &[(u32, u32, u64, i64, bool, bool)],
) -> ExemplarText {
    let trace_id = TraceId::from_u128(id);
    let span =
        |&(depth, operation, from, lasts, failed, origin): &(u32, u32, u64, i64, bool, bool)| {
            ExemplarSpan {
                depth,
                operation,
                instance: 0,
                kind: if depth == 0 { Kind::Server } else { Kind::Client },
                offset_ns: from * 1_000_000,
                duration_ns: lasts * 1_000_000,
                failed,
                origin,
            }
        };
    ExemplarText {
        outcome,
        exemplar: Exemplar {
            hash: trace_id.mix(),
            trace_id,
            start_unix_nano: START + 3 * MINUTE,
            spans: spans.iter().map(span).collect(),
            spans_left_out: 0,
        },
        operations: operations.iter().map(|&(s, o)| (s.to_owned(), o.to_owned())).collect(),
        instances: vec![String::new()],
    }
}

fn failing_request() -> ExemplarText {
    let operations = [
        ("cardvault", "Tokenise"),
        ("cartservice", "GetCart"),
        ("checkoutservice", "PlaceOrder"),
        ("currencyservice", "Convert"),
        ("frontend", "POST /cart/checkout"),
        ("paymentservice", "Charge"),
        ("productcatalogservice", "GetProduct"),
        ("shippingservice", "GetQuote"),
    ];
    let spans = [
        (0, 4, 0, 412, true, false),
        (1, 2, 6, 398, true, false),
        (2, 1, 10, 22, false, false),
        (2, 6, 34, 18, false, false),
        (2, 3, 54, 9, false, false),
        (2, 7, 66, 31, false, false),
        (2, 5, 101, 299, true, false),
        (3, 0, 108, 288, true, true),
    ];
    request(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c, Outcome::Failed, &operations, &spans)
}

fn passing_request() -> ExemplarText {
    let operations = [
        ("cartservice", "EmptyCart"),
        ("cartservice", "GetCart"),
        ("checkoutservice", "PlaceOrder"),
        ("currencyservice", "Convert"),
        ("frontend", "POST /cart/checkout"),
        ("productcatalogservice", "GetProduct"),
        ("shippingservice", "GetQuote"),
        ("voucherservice", "Redeem"),
    ];
    let spans = [
        (0, 4, 0, 171, false, false),
        (1, 2, 5, 160, false, false),
        (2, 1, 9, 24, false, false),
        (2, 5, 36, 17, false, false),
        (2, 3, 56, 8, false, false),
        (2, 6, 67, 29, false, false),
        (2, 7, 99, 41, false, false),
        (2, 0, 143, 15, false, false),
    ];
    request(0x1a2b_3c4d_5e6f_7081_92a3_b4c5_d6e7_f809, Outcome::Passed, &operations, &spans)
}

fn signature(origin: &str) -> Signature {
    Signature {
        entries: vec!["frontend POST /cart/checkout".to_owned()],
        origin: origin.to_owned(),
        error_type: "java.net.SocketTimeoutException".to_owned(),
        evidence: "presence-error".to_owned(),
    }
}

fn windows() -> (Window, Vec<Window>) {
    let at = |minutes: u64| START + minutes * MINUTE;
    let baselines = [(0, 5), (5, 10), (10, 15)];
    (
        Window { from: at(15), to: at(20) },
        baselines.iter().map(|&(a, b)| Window { from: at(a), to: at(b) }).collect(),
    )
}

fn entry(entry: Component, numbers: (u64, u64, f64, f64), state: EntryState) -> EntryFinding {
    let (requests, failed, baseline, spread) = numbers;
    let share = super::figures::ratio(failed, requests);
    EntryFinding {
        entry,
        kind: FailureKind::Error,
        requests,
        failed,
        share,
        baseline_share: Some(baseline),
        baseline_spread: Some(spread),
        effect: share - baseline,
        tested: None,
        p_value: Some(if state == EntryState::Deviates { 0.0 } else { 0.4 }),
        state,
    }
}

fn entries() -> Vec<EntryFinding> {
    let front = |name| operation("frontend", name);
    vec![
        entry(front("POST /cart/checkout"), (1_796, 412, 0.004, 0.0013), EntryState::Deviates),
        entry(front("GET /product/{}"), (4_810, 3, 0.0007, 0.0004), EntryState::Within),
        entry(front("GET /"), (3_139, 0, 0.0002, 0.0002), EntryState::Within),
        entry(front("POST /setCurrency"), (22, 0, 0.0, 0.0), EntryState::TooFew),
    ]
}

fn quality() -> Quality {
    Quality {
        spans: 151_234,
        skipped: BTreeMap::from([(
            SkipReason::Duration,
            (12, "traces/part-3.parquet row 118".to_owned()),
        )]),
        traces: 39_260,
        orphans: 41,
        rootless: 7,
        duplicates: 1_204,
        conflicting: 2,
        before_parent: 96,
        before_parent_same_host: 3,
        outside: 120,
        failed: 431,
        linked: 14,
        range: Some(Window { from: START, to: START + 20 * MINUTE }),
        ..Quality::default()
    }
}

fn dendrogram() -> Dendrogram {
    let leaf = |names: &[&str]| names.iter().map(|n| service(n)).collect();
    let merges = [
        (0, 1, 0.035, 2),
        (2, 3, 0.118, 2),
        (6, 8, 0.224, 2),
        (5, 11, 0.313, 3),
        (4, 10, 0.452, 3),
        (7, 12, 0.521, 4),
        (9, 13, 0.812, 5),
        (14, 15, 0.934, 9),
    ];
    Dendrogram {
        linkage: "average",
        cut: 0.5,
        leaves: vec![
            vec![],
            leaf(&["cardvault", "paymentservice"]),
            leaf(&["checkoutservice"]),
            leaf(&["shippingservice"]),
            leaf(&["cartservice", "redis-cart"]),
            leaf(&["currencyservice"]),
            leaf(&["productcatalogservice"]),
            leaf(&["adservice"]),
            leaf(&["recommendationservice"]),
        ],
        merges: merges
            .iter()
            .map(|&(left, right, distance, size)| Merge { left, right, distance, size })
            .collect(),
    }
}

fn diagnosis(verdict: Verdict) -> Diagnosis {
    let (window, baselines) = windows();
    Diagnosis {
        verdict,
        level: Level::Service,
        window,
        baselines,
        windows_chosen: true,
        entries: entries(),
        considered: Vec::new(),
        on_every_path: vec![service("frontend")],
        dendrogram: Some(dendrogram()),
        detection: vec![service("cardvault")],
        dependency: vec![service("cardvault"), service("checkoutservice"), service("frontend")],
        failed: 415,
        passed: 9_352,
        decided_by: DecidedBy::Presence,
        narrower: Vec::new(),
        obstacles: Vec::new(),
        notes: vec!["Failures at entry operations that do not deviate are left aside.".to_owned()],
    }
}

fn suspect(candidate: Candidate, origin: &str) -> Suspect {
    Suspect {
        candidate,
        signature: signature(origin),
        failing: vec![failing_request()],
        nearest_passing: Some(passing_request()),
    }
}

/// Two services that cannot be told apart, a tree, and a plan.
pub(super) fn suspects() -> Sample {
    let table = [412, 3, 12, 9_340];
    let suspects = vec![
        suspect(candidate(service("cardvault"), 0, table, (0.0, 398)), "cardvault Tokenise"),
        suspect(candidate(service("paymentservice"), 0, table, (0.0, 0)), "cardvault Tokenise"),
    ];
    let mut diagnosis = diagnosis(Verdict::Suspects(suspects));
    let far = "outside the failures' cluster (distance 0.769, cut 0.500)";
    diagnosis.considered = vec![
        weak(service("checkoutservice"), 1, [415, 0, 1_381, 7_971], far),
        weak(service("shippingservice"), 2, [415, 0, 1_712, 7_640], far),
        weak(service("cartservice"), 3, [415, 0, 4_022, 5_330], far),
        weak(service("redis-cart"), 3, [415, 0, 4_022, 5_330], far),
    ];
    let tree = tree();
    let proposal = Proposal::Plan(Box::new(plan(&tree)));
    Sample { diagnosis, quality: quality(), tree: Some(tree), proposal: Some(proposal) }
}

/// One instance of three.
pub(super) fn instances() -> Sample {
    let pod = "cartservice-7d9c5b6f4d-x2x9k";
    let table = [188, 6, 2_310, 7_002];
    let mut diagnosis = diagnosis(Verdict::Suspects(vec![suspect(
        candidate(instance("cartservice", pod), 0, table, (3.2e-9, 181)),
        "cartservice GetCart",
    )]));
    diagnosis.level = Level::Instance;
    diagnosis.dendrogram = None;
    diagnosis.windows_chosen = false;
    diagnosis.on_every_path.clear();
    for entry in &mut diagnosis.entries {
        entry.kind = FailureKind::SlowOrUnseen;
    }
    if let Verdict::Suspects(suspects) = &mut diagnosis.verdict {
        let candidate = &mut suspects[0].candidate;
        candidate.presence.distance = None;
        candidate.presence.weighted.failed_with = 1_880;
        suspects[0].nearest_passing = None;
    }
    Sample {
        diagnosis,
        quality: Quality { weighted: 39_260, ..quality() },
        tree: None,
        proposal: None,
    }
}

/// Nothing wrong.
pub(super) fn healthy() -> Sample {
    let mut diagnosis = diagnosis(Verdict::Healthy);
    diagnosis.entries.remove(0);
    diagnosis.dendrogram = None;
    diagnosis.failed = 3;
    let nothing = Nothing { reason: NothingReason::Healthy, withheld: Vec::new() };
    Sample {
        diagnosis,
        quality: quality(),
        tree: Some(tree()),
        proposal: Some(Proposal::Nothing(nothing)),
    }
}

/// Something wrong, and too little of it.
pub(super) fn no_verdict() -> Sample {
    let mut diagnosis = diagnosis(Verdict::NoVerdict(vec![
        WhyNoVerdict::TooFewFailures { have: 4, need: 10 },
        WhyNoVerdict::NothingClose { nearest_thousandths: 712, cut_thousandths: 500 },
    ]));
    diagnosis.dendrogram = None;
    diagnosis.failed = 4;
    diagnosis.passed = 3;
    let front = operation("frontend", "POST /cart/checkout");
    diagnosis.entries = vec![entry(front, (7, 4, 0.004, 0.0013), EntryState::Deviates)];
    diagnosis.considered = vec![weak(
        service("paymentservice"),
        0,
        [4, 0, 2, 1],
        "too few requests failed to name it",
    )];
    Sample {
        diagnosis,
        quality: Quality {
            traces: 7,
            failed: 4,
            spans: 61,
            orphans: 9,
            range: Some(Window { from: START, to: START + 20 * MINUTE }),
            ..Quality::default()
        },
        tree: None,
        proposal: None,
    }
}

/// Nothing fails, but one service got slow and another complains: all kinds of evidence were heard.
pub(super) fn evidence() -> Sample {
    let slow = Finding {
        windows: 3,
        explained: 0.08,
        offset_us: Some(50.0),
        times: Some(Box::new((
            times(&[(4, 40), (5, 210), (7, 61)]),
            times(&[(1, 2_400), (2, 700)]),
        ))),
        ..finding(EvidenceKind::SelfTime, "cartservice GetCart", (311, 0, 8.45), (3_100, 0, 7.22))
    };
    let calls = finding(
        EvidenceKind::Calls,
        "cartservice GetCart → redis-cart GET",
        (311, 131, 0.4212),
        (3_100, 3_100, 1.0),
    );
    let requests = Finding {
        freedom: f64::INFINITY,
        penalty: 0.693,
        ..finding(EvidenceKind::Throws, "cartservice", (311, 6, 0.0193), (3_100, 2, 0.0006))
    };
    let complains = Finding {
        strength: 2.1,
        ..finding(
            EvidenceKind::ErrorEvents,
            "adservice GetAds",
            (200, 31, 0.155),
            (1_900, 12, 0.0063),
        )
    };
    let none = [0, 0, 311, 9_456];
    let of = |name: &str, group, probability, findings| Candidate {
        score: probability,
        probability,
        findings,
        ..candidate(service(name), group, none, (1.0, 0))
    };
    let suspects = vec![
        suspect(of("cartservice", 0, 0.9968, vec![slow, calls, requests]), ""),
        suspect(of("adservice", 1, 0.0021, vec![complains]), ""),
    ];
    let mut diagnosis = diagnosis(Verdict::Suspects(suspects));
    diagnosis.decided_by = DecidedBy::Evidence;
    diagnosis.failed = 0;
    diagnosis.entries.retain(|e| e.state != EntryState::Deviates);
    diagnosis.dendrogram = None;
    diagnosis.obstacles = vec![Obstacle {
        kind: ObstacleKind::Version,
        subject: "cartservice version 1.3".to_owned(),
        victims: vec![service("cartservice")],
        counts: Counts {
            failed_with: 0,
            failed_without: 0,
            passed_with: 311,
            passed_without: 9_456,
        },
        effect: 0.91,
        tested: Counts::default(),
        tables: 12,
        p_value: 3e-9,
        load: Vec::new(),
        sentence: "cartservice is slow in version 1.3 (311 spans) and not in 1.2: roll it back"
            .to_owned(),
    }];
    let far = "its strongest evidence is 1.2 times what a healthy window shows at most; suspects have 2.5";
    diagnosis.considered =
        vec![Candidate { rejected: far.to_owned(), ..of("redis-cart", 2, 0.0007, Vec::new()) }];
    Sample { diagnosis, quality: quality(), tree: None, proposal: None }
}

fn finding(
    kind: EvidenceKind,
    subject: &str,
    now: (u64, u64, f64),
    baseline: (u64, u64, f64),
) -> Finding {
    let sample =
        |(n, count, mean): (u64, u64, f64)| resus_model::Sample { n, count, mean, variance: 0.04 };
    let effect = now.2 - baseline.2;
    Finding {
        kind,
        subject: subject.to_owned(),
        now: sample(now),
        baseline: sample(baseline),
        effect,
        explained: 0.0,
        spread: 0.05,
        windows: 3,
        sampling: 0.0002,
        error: 0.052,
        interval: (effect - 0.11, effect + 0.11),
        z: effect / 0.052,
        penalty: 0.0,
        p_value: 4e-7,
        freedom: 14.0,
        strength: 6.13,
        offset_us: None,
        times: None,
    }
}

/// Counts by milliseconds.
fn times(counts: &[(u64, u64)]) -> Histogram {
    Histogram::from_counts(counts.iter().map(|&(ms, n)| (Bucket::of(ms * 1_000_000), n)))
}
