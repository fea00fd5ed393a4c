//! Laws of inflating: what was compressed comes back, and nothing exceeds what is allowed.

use std::io::Write as _;

use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::budget::Budget;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).expect("writes");
    encoder.finish().expect("finishes")
}

fn zstd(body: &[u8], tells_length: bool) -> Vec<u8> {
    if tells_length {
        zstd::bulk::compress(body, 1).expect("compresses")
    } else {
        zstd::stream::encode_all(body, 1).expect("compresses")
    }
}

fn compressed(compression: Compression, parts: &[Vec<u8>], tells_length: bool) -> Bytes {
    let pack = |part: &Vec<u8>| match compression {
        Compression::None => part.clone(),
        Compression::Gzip => gzip(part),
        Compression::Zstd => zstd(part, tells_length),
    };
    parts.iter().flat_map(pack).collect::<Vec<_>>().into()
}

fn limits(max_body: usize) -> Limits {
    Limits { max_body, ..Limits::STANDARD }
}

fn any_compression() -> impl Strategy<Value = Compression> {
    prop_oneof![Just(Compression::None), Just(Compression::Gzip), Just(Compression::Zstd)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_was_compressed_comes_back_and_is_accounted_for(
        compression in any_compression(),
        parts in prop::collection::vec(prop::collection::vec(0u8..4, 0..40_000), 1..4),
        tells_length: bool,
    ) {
        let raw = compressed(compression, &parts, tells_length);
        let budget = Budget::new(usize::MAX);
        let mut permit = budget.permit();
        permit.cover(raw.len()).expect("room");
        let body = inflate(compression, &raw, &limits(1 << 20), &mut permit).expect("sound");
        prop_assert_eq!(&body[..], &parts.concat()[..]);
        let least = if compression == Compression::None { raw.len() } else { raw.len() + body.len() };
        prop_assert!(permit.held() >= least, "{} of {least}", permit.held());
        prop_assert!(permit.held() <= 2 * least + (64 << 10), "{} of {least}", permit.held());
    }

    #[test]
    fn a_body_over_the_limit_is_refused_and_memory_stays_within_the_budget(
        compression in prop_oneof![Just(Compression::Gzip), Just(Compression::Zstd)],
        length in 50_001usize..120_000,
        split in 0usize..50_000,
        tells_length: bool,
    ) {
        let body: Vec<u8> = (0..length).map(|i| (i % 7) as u8).collect();
        let parts = [body[..split].to_vec(), body[split..].to_vec()];
        let raw = compressed(compression, &parts, tells_length);
        let budget = Budget::new(raw.len() + 110_000);
        let mut permit = budget.permit();
        permit.cover(raw.len()).expect("room");
        let found = inflate(compression, &raw, &limits(50_000), &mut permit);
        prop_assert_eq!(found, Err(InflateFault::TooLarge(50_000)));
    }

    #[test]
    fn no_bytes_do_harm(
        compression in prop_oneof![Just(Compression::Gzip), Just(Compression::Zstd)],
        body in prop::collection::vec(0u8..4, 0..20_000),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        tells_length: bool,
    ) {
        let mut raw = compressed(compression, std::slice::from_ref(&body), tells_length).to_vec();
        for (place, byte) in damage {
            let place = place.index(raw.len());
            raw[place] = byte;
        }
        raw.truncate(cut.index(raw.len() + 1));
        let budget = Budget::new(1 << 20);
        let mut permit = budget.permit();
        if let Ok(body) = inflate(compression, &raw.into(), &limits(100_000), &mut permit) {
            prop_assert!(body.len() <= 100_000);
        }
        prop_assert!(budget.used() <= 1 << 20);
    }

    #[test]
    fn any_cut_is_noticed(
        compression in prop_oneof![Just(Compression::Gzip), Just(Compression::Zstd)],
        body in prop::collection::vec(0u8..4, 1..20_000),
        cut in any::<prop::sample::Index>(),
        tells_length: bool,
    ) {
        let raw = compressed(compression, &[body], tells_length);
        // Of a body that is cut to nothing, Zstandard says that it is no frames, which is sound.
        let raw = raw.slice(..1 + cut.index(raw.len() - 1));
        let mut permit = Budget::new(usize::MAX).permit();
        let found = inflate(compression, &raw, &limits(1 << 20), &mut permit);
        prop_assert!(matches!(found, Err(InflateFault::Corrupt(_))), "{found:?}");
    }
}

#[test]
fn without_memory_nothing_is_inflated() {
    let body = vec![b'x'; 100_000];
    for raw in [
        (Compression::Gzip, gzip(&body)),
        (Compression::Zstd, zstd(&body, true)),
        (Compression::Zstd, zstd(&body, false)),
    ] {
        let (compression, raw) = raw;
        let mut permit = Budget::new(raw.len() + 60_000).permit();
        permit.cover(raw.len()).expect("room");
        let found = inflate(compression, &raw.into(), &limits(1 << 20), &mut permit);
        assert_eq!(found, Err(InflateFault::Exhausted));
    }
}

#[test]
fn a_length_that_is_a_lie_is_found_out() {
    let body = vec![b'x'; 1000];
    for lie in [0u32, 999, 1001, u32::MAX] {
        let mut raw = gzip(&body);
        let end = raw.len();
        raw[end - 4..].copy_from_slice(&lie.to_le_bytes());
        let mut permit = Budget::new(usize::MAX).permit();
        let found = inflate(Compression::Gzip, &raw.into(), &limits(1 << 20), &mut permit);
        assert!(matches!(found, Err(InflateFault::Corrupt(_))), "{found:?}");
    }
}
