//! Hand-made analyses of a small shop, for tests: what its checkout looks like on a bad day.

use std::collections::BTreeMap;

use resus_model::{
    Candidate, Component, Counts, Dendrogram, Diagnosis, EntryFinding, EntryState, Exemplar,
    ExemplarSpan, ExemplarText, FailureKind, Kind, Level, Merge, Outcome, Presence, Quality,
    Signature, SkipReason, Suspect, TraceId, Verdict, WhyNoVerdict, Window,
};
use resus_plan::{ContentHash, Nothing, NothingReason, Plan, Proposal, RestartTree};
use serde_json::{Value, json};

use super::{Analysis, Meta};

const START: u64 = 1_772_359_200_000_000_000;
const MINUTE: u64 = 60_000_000_000;

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

/// The shop's cells.
pub(super) fn tree() -> RestartTree {
    let text = r#"
version = 1
[[cell]]
id = "shop"
rung = "system"
protected = false
restartable = false

[[cell]]
id = "checkout"
parent = "shop"
rung = "group"
executor = { command = { argv = ["/usr/local/bin/restart-group", "checkout"] } }

[[cell]]
id = "payment"
parent = "checkout"
rung = "service"
match = [{ service = "paymentservice" }]
executor = { systemd = { unit = "payment.service" } }
requires = ["cardvault"]

[[cell]]
id = "cardvault"
parent = "checkout"
rung = "service"
match = [{ service = "cardvault" }]
executor = { systemd = { unit = "cardvault.service" } }
budget = "3/1h"

[[cell]]
id = "orders"
parent = "checkout"
rung = "service"
match = [{ service = "checkoutservice" }, { service = "shippingservice" }]
executor = { systemd = { unit = "orders.service" } }

[[cell]]
id = "cart"
parent = "shop"
rung = "service"
match = [{ service = "cartservice" }]
replicas = 3
executor = { kubernetes = { namespace = "shop", deployment = "cartservice" } }

[[cell]]
id = "store"
parent = "shop"
rung = "service"
match = [{ service = "redis-cart" }]
protected = true

[[cell]]
id = "web"
parent = "shop"
rung = "service"
match = [{ service = "frontend" }, { service = "adservice" }]
executor = { docker = { container = "frontend" } }
"#;
    RestartTree::parse(text, "shop.toml").unwrap_or_else(|e| panic!("the shop's tree: {e}"))
}

/// Restart the vault, and what needs it.
fn plan(tree: &RestartTree) -> Plan {
    let hash = |text: &str| ContentHash::of(text.as_bytes()).to_string();
    let step = |order: u32, action: &str, cell: &str, unit: &str, because: Value| {
        json!({
            "order": order, "action": action, "cell": cell, "rung": "service",
            "executor": { "systemd": { "unit": unit } }, "because": because,
            "restart_time_ms": 10_000, "grace_ms": 30_000,
        })
    };
    let mut restart = step(2, "restart", "cardvault", "cardvault.service", json!("suspect"));
    restart["budgets"] = json!([{ "cell": "cardvault", "restarts": 3, "per_ms": 3_600_000 }]);
    let obliged = json!({ "obliged": "cardvault" });
    let mut document = json!({
        "schema": "resus.plan/1",
        "made_from": {
            "tree": tree.hash().to_string(), "evidence": hash("evidence"), "policy": hash("policy"),
        },
        "watermark_unix_nano": (START + 20 * MINUTE).to_string(),
        "expires_unix_nano": (START + 30 * MINUTE).to_string(),
        "mode": "approve",
        "reason": "cardvault goes with the failures",
        "targets": [{ "cell": "cardvault", "rung": "service", "suspects": [{ "service": "cardvault" }] }],
        "steps": [
            step(1, "stop", "payment", "payment.service", obliged.clone()),
            restart,
            step(3, "start", "payment", "payment.service", obliged),
        ],
        "on_failure": "start_stopped",
        "deadline_ms": 90_000,
        "verify": {
            "entries": [{
                "entry": { "service": "frontend", "operation": "POST /cart/checkout" },
                "failure": "error", "share_before_ppm": 229_399, "share_at_most_ppm": 60_350,
            }],
            "min_requests": 30, "settle_ms": 30_000, "window_ms": 60_000,
        },
        "next_rung": { "cell": "checkout" },
        "evidence": [],
        "withheld": [{
            "component": { "service": "paymentservice" }, "cell": "payment",
            "reason": "over_max_cells",
            "detail": "the policy lets one plan restart 1 cell, and better suspects come first",
        }],
    });
    let id = ContentHash::of(sorted(&document).as_bytes()).to_string();
    document["id"] = json!(id);
    serde_json::from_value(document).unwrap_or_else(|e| panic!("the shop's plan: {e}"))
}

/// Canonical JSON of a document without floats: keys in order, no spaces.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<&String, &Value> = map.iter().collect();
            let parts: Vec<String> =
                map.iter().map(|(k, v)| format!("{}:{}", json!(k), sorted(v))).collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}
