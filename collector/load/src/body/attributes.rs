//! Which attributes does a span carry?

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};

use super::call::Call;
use super::{pair, text};

/// The first `count` attributes of a span; above twelve they are numbered ones of the application.
pub(crate) fn of(call: &Call, row: u32, fails: bool, count: u32) -> Vec<KeyValue> {
    let known = if call.store { store(call, row) } else { http(call, row, fails) };
    let more = (0..).map(|n: u32| match n % 12 {
        0..8 => text(&format!("app.attribute.{n}"), "a value of usual length"),
        8..11 => pair(&format!("app.attribute.{n}"), Value::IntValue(i64::from(n + row))),
        _ => pair(&format!("app.attribute.{n}"), Value::BoolValue(true)),
    });
    known.into_iter().chain(more).take(count as usize).collect()
}

fn http(call: &Call, row: u32, fails: bool) -> [KeyValue; 12] {
    let status = if fails { 504 } else { 200 };
    [
        text("http.request.method", if call.name.starts_with("GET") { "GET" } else { "POST" }),
        pair("http.response.status_code", Value::IntValue(status)),
        text("url.path", &format!("/v2/customers/me/orders/{:06}/items", row * 7919 % 1_000_000)),
        text("http.route", "/v2/customers/me/orders/{id}/items"),
        text("server.address", call.peer),
        pair("server.port", Value::IntValue(8080)),
        text(
            "user_agent.original",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
        ),
        text("network.protocol.version", "1.1"),
        text("client.address", &format!("10.42.{}.{}", row % 250, row % 199)),
        pair("http.response.body.size", Value::IntValue(2048 + i64::from(row))),
        text("enduser.id", &format!("customer-{:05}", row * 104_729 % 100_000)),
        pair("app.session.known", Value::BoolValue(row.is_multiple_of(3))),
    ]
}

fn store(call: &Call, row: u32) -> [KeyValue; 12] {
    let cache = call.peer.starts_with("carts");
    let query = if cache {
        "HGETALL cart:?"
    } else {
        "SELECT id, state, total FROM orders WHERE customer_id = ? AND state <> ? LIMIT 50"
    };
    [
        text("db.system.name", if cache { "redis" } else { "postgresql" }),
        text("db.namespace", if cache { "0" } else { "orders" }),
        text("db.operation.name", if cache { "HGETALL" } else { "SELECT" }),
        text("db.collection.name", if cache { "carts" } else { "orders" }),
        text("db.query.text", query),
        text("server.address", call.peer),
        pair("server.port", Value::IntValue(if cache { 6379 } else { 5432 })),
        text("network.peer.address", &format!("10.96.{}.{}", row % 16, row % 250)),
        pair("network.peer.port", Value::IntValue(if cache { 6379 } else { 5432 })),
        text("network.transport", "tcp"),
        pair("db.response.returned_rows", Value::IntValue(i64::from(row % 50))),
        pair("app.pool.reused", Value::BoolValue(!row.is_multiple_of(5))),
    ]
}
