//! Killed at any moment, the collector starts again and has all that it acknowledged.

use std::time::Duration;

use resus_load::{Compression, Keep, Ledger, Length, Load, Shape, Transport, check};

use super::{Collector, block_on};
use crate::serve::stored;

const KILLS: u64 = 20;
const SEED: u64 = 11;

#[test]
fn twenty_kills_under_load_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let data = folder.path().join("data");
    let ledger = folder.path().join("ledger");
    let extra = format!(
        "[store]\nfolder = \"{}\"\nlog_segment = \"1MiB\"\nlog_max = \"1GiB\"\n\
         segment_spans = 5000\nsegment_age = \"1s\"\nseal_after = \"50ms\"\n",
        data.display()
    );
    let mut next_request = 0;
    for kill in 0..KILLS {
        let collector = Collector::start(folder.path(), &extra);
        let load = Load {
            target: collector.target(),
            transport: if kill % 2 == 0 { Transport::Http } else { Transport::Grpc },
            compression: if kill % 3 == 0 { Compression::Gzip } else { Compression::None },
            connections: 4,
            shape: Shape::typical(100),
            rate: None,
            length: Length::Time(Duration::from_secs(30)),
            seed: SEED,
            first_request: next_request,
            keep: Keep::File(ledger.clone()),
            retry: None,
        };
        let moment = Duration::from_millis(kill * 37 % 500);
        let outcome = block_on(async {
            resus_load::run_until(load, async {
                tokio::time::sleep(moment).await;
                collector.kill();
            })
            .await
        })
        .expect("the load runs");
        next_request = outcome.next_request;
    }
    let collector = Collector::start(folder.path(), &extra);
    collector.until("/readyz", 20, |ready| ready["ready"] == true);
    let (status, said) = collector.end();
    assert!(status.success(), "{said}");
    let ledger = Ledger::read(&ledger).expect("the ledger is there");
    let verdict = check(&ledger, stored::ids(&data).expect("the store can be read"));
    assert!(verdict.holds() && verdict.acknowledged > 0, "{verdict:#?}");
}
