//! Whatever the endpoint answers, each request comes to one end.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use proptest::prelude::*;
use resus_forward::ForwardOptions;

use crate::endpoint::{Endpoint, Reply};
use crate::queue::{Queue, forward, options};

fn reply(kind: u8) -> Reply {
    match kind {
        0 => Reply::Close,
        1 => Reply::Stall,
        2 => Reply::HeadOnly(200),
        3 => Reply::HeadOnly(503),
        4 => Reply::status(429),
        5 => Reply::status(502),
        6 => Reply::status(400),
        7 => Reply::status(500),
        8 => Reply::status(307),
        9 => Reply::Answer { status: 504, fields: Vec::new(), body: vec![0; 1 << 20] },
        _ => Reply::status(200),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn each_request_is_delivered_at_least_once_or_counted(
        script in prop::collection::vec(0u8..16, 0..50),
        concurrency in 1usize..6,
        seed: u64,
    ) {
        const COUNT: usize = 40;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let (stats, received) = runtime.block_on(async {
            let script_of = script.clone();
            let kind = move |n: usize| script_of.get(n).copied().unwrap_or(15);
            let endpoint = Endpoint::new(move |n, _| reply(kind(n))).await;
            let options = ForwardOptions {
                timeout: Duration::from_millis(200),
                concurrency: NonZeroUsize::new(concurrency).expect("some"),
                seed,
                ..options(&endpoint.url())
            };
            let stats = forward(&options, &Queue::numbered(COUNT), COUNT).await;
            (stats, endpoint.received())
        });
        let mut ends: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (n, request) in received.iter().enumerate() {
            let body = String::from_utf8(request.body.to_vec()).expect("digits");
            let (taken, refused) = ends.entry(body).or_default();
            match script.get(n).copied().unwrap_or(15) {
                2 | 10.. => *taken += 1,
                6..=8 => *refused += 1,
                _ => {}
            }
        }
        prop_assert_eq!(ends.len(), COUNT);
        let refused: u64 = stats.refused.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(stats.sent + refused + stats.given_up, COUNT as u64);
        prop_assert_eq!(stats.dropped, 0);
        let lost = ends.values().filter(|&&end| end == (0, 0)).count() as u64;
        prop_assert!(lost <= stats.given_up, "{lost} neither taken nor refused: {stats:?}");
        // At least once: an answer that is late is not heard of.
        prop_assert!(stats.sent <= ends.values().map(|(taken, _)| taken).sum());
        prop_assert!(refused <= ends.values().map(|(_, refused)| refused).sum());
    }
}
