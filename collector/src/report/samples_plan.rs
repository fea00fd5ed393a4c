//! The shop's restart tree and a plan for it.

use std::collections::BTreeMap;

use resus_plan::{ContentHash, Plan, RestartTree};
use serde_json::{Value, json};

use super::samples::{MINUTE, START};

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
pub(super) fn plan(tree: &RestartTree) -> Plan {
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
