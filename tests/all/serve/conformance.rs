//! Every rule of OTLP 1.11, over both transports and both encodings.

use resus_load::conformance;

use super::{Collector, block_on};

const LIMIT: u64 = 2 << 20;

#[test]
fn the_collector_keeps_every_rule_of_otlp() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let extra = "[receive]\ngrpc = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\nmax_body = \"2MiB\"\n";
    let collector = Collector::start(folder.path(), extra);
    let mut target = collector.target();
    target.limit = Some(LIMIT);
    let report = block_on(conformance(&target));
    assert_eq!(report.failures().count(), 0, "{report}");
    // What was refused is not kept, and what was taken is.
    assert!(collector.json("/api/v1/status")["spans"].as_u64().expect("a number") > 0);
}

#[test]
fn the_collector_asks_for_a_token_at_every_door() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let extra = "[receive]\ngrpc = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\nmax_body = \"2MiB\"\n\
                 tokens = [\"a-token-of-the-tests\"]\n";
    let collector = Collector::start(folder.path(), extra);
    let mut target = collector.target();
    target.limit = Some(LIMIT);
    target.token = Some("a-token-of-the-tests".to_owned());
    let report = block_on(conformance(&target));
    assert_eq!(report.failures().count(), 0, "{report}");
}
