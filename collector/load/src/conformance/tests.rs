use std::time::Duration;

use super::*;
use crate::reference::{Fault, Reference};

const LIMIT: u64 = 256 << 10;

async fn report(fault: Fault, token: Option<&str>) -> Report {
    let server = Reference::start(fault, LIMIT, token, Duration::from_secs(60)).await;
    let mut target = Target::new(Some(server.address), Some(server.address));
    target.limit = Some(LIMIT);
    target.token = token.map(str::to_owned);
    conformance(&target).await
}

#[tokio::test]
async fn a_collector_that_keeps_the_rules_passes() {
    let report = report(Fault::None, Some("s3cret-Token")).await;
    assert_eq!(report.failures().count(), 0, "{report}");
    let skipped: Vec<&Check> =
        report.checks.iter().filter(|c| c.finding == Finding::NotApplicable).collect();
    assert_eq!(skipped.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["slow"]);
    let mut names: Vec<&str> = report.checks.iter().map(|c| c.name.as_str()).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|two| two[0] == two[1]).collect();
    assert!(twice.is_empty(), "checks of one name: {twice:?}");
    assert!(names.len() > 250, "only {} checks", names.len());
}

/// Breaks one rule; all that fails must be about it, and something must.
async fn breaks(fault: Fault, token: Option<&str>, about: &[&str]) {
    let report = report(fault, token).await;
    for part in about {
        let found = report.failures().any(|check| check.name.contains(part));
        assert!(found, "{fault:?}: nothing about {part} failed\n{report}");
    }
    let other = report.failures().find(|c| !about.iter().any(|part| c.name.contains(part)));
    assert!(other.is_none(), "{fault:?}: {other:#?}");
}

#[tokio::test]
async fn errors_without_a_status_are_found() {
    breaks(Fault::TextErrors, None, &["/error-body"]).await;
    breaks(Fault::JsonErrors, None, &["/error-body"]).await;
}

#[tokio::test]
async fn a_wrong_limit_is_found() {
    let sizes = ["over-limit", "bomb", "declared", "depth-100000"];
    breaks(Fault::RetryableTooLarge, None, &sizes).await;
    breaks(Fault::LimitBeforeDecompression, None, &["gzip-over-limit", "bomb"]).await;
}

#[tokio::test]
async fn ids_and_keys_read_wrongly_are_found() {
    let ids = ["-trace-id", "zero-span-id", "absent-ids", "base64-ids", "no-hex-ids"];
    breaks(Fault::SilentlyDrops, None, &ids).await;
    breaks(Fault::SnakeCase, None, &["http/json/snake-case"]).await;
}

#[tokio::test]
async fn what_is_ignored_or_refused_wrongly_is_found() {
    breaks(Fault::IgnoresCoding, None, &["unknown-coding"]).await;
    breaks(Fault::NoMetrics, None, &["/metrics"]).await;
    breaks(Fault::HangsUp, None, &["pipelining"]).await;
}

#[tokio::test]
async fn open_doors_are_found() {
    let token = Some("s3cret-Token");
    breaks(Fault::OpenLogs, token, &["credentials-logs"]).await;
    breaks(Fault::TokenPrefix, token, &["/credentials-"]).await;
}

#[tokio::test]
async fn a_success_that_is_partial_for_no_reason_is_found() {
    let report = report(Fault::AlwaysPartial, None).await;
    let failed = |name: &str| report.failures().any(|check| check.name == name);
    assert!(failed("http/protobuf/success") && failed("http/json/success"), "{report}");
}

#[tokio::test]
async fn slow_clients_are_counted() {
    for (lifetime, closed) in [(1, true), (60, false)] {
        let lifetime = Duration::from_secs(lifetime);
        let server = Reference::start(Fault::None, LIMIT, None, lifetime).await;
        let mut target = Target::new(Some(server.address), Some(server.address));
        target.slow_clients = Some(30);
        target.slow_closed_within = Duration::from_millis(1500);
        let mut suite = Suite::new(&target);
        slow::run(&mut suite).await;
        let report = suite.report();
        assert_eq!(report.checks.len(), 4);
        let open = report.failures().filter(|c| c.name.ends_with("are-closed")).count();
        assert_eq!(open, if closed { 0 } else { 2 }, "{report}");
    }
}

#[tokio::test]
async fn an_absent_collector_fails_and_says_why() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = Target { patience: Duration::from_secs(1), ..Target::new(Some(address), None) };
    let report = conformance(&target).await;
    assert!(report.failures().count() > 50);
    let text = report.to_string();
    assert!(text.contains("http/protobuf/success (Must)\n  sent      a good request"), "{text}");
    assert!(text.contains("refused"), "{text}");
}
