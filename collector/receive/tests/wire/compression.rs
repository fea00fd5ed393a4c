//! gzip and Zstandard: what is inflated, what is refused, and that a bomb does not go off.

use std::io::Write as _;

use flate2::write::GzEncoder;
use resus_receive::{Compression, Encoding, Limits, Signal};

use crate::client::{Call, Verdict, Way};
use crate::door::{open, within};

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    gzip_at(flate2::Compression::fast(), body)
}

fn gzip_at(level: flate2::Compression, body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(body).expect("writes");
    encoder.finish().expect("finishes")
}

/// A frame that tells its content's length.
pub(crate) fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(body, 1).expect("compresses")
}

/// A frame that does not.
fn zstd_streamed(body: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(body, 1).expect("compresses")
}

fn text(n: usize) -> Vec<u8> {
    (0..n as u64)
        .flat_map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 977).to_string().into_bytes())
        .collect()
}

#[tokio::test]
async fn bodies_arrive_inflated_and_as_they_were_received() {
    let door = open();
    let body = text(100_000);
    let two = [gzip(&body[..1000]), gzip(&body[1000..])].concat();
    let frames = [zstd(&body[..1000]), zstd_streamed(&body[1000..])].concat();
    let cases = [
        (Compression::Gzip, gzip(&body)),
        (Compression::Gzip, two),
        (Compression::Zstd, zstd(&body)),
        (Compression::Zstd, zstd_streamed(&body)),
        (Compression::Zstd, frames),
    ];
    for way in Way::ALL {
        for (compression, raw) in &cases {
            let call = Call::new(way, Signal::Traces, *compression, raw);
            let verdict = call.verdict(door.address()).await;
            assert_eq!(verdict, Verdict { status: 200, ..Verdict::default() }, "{way:?}");
            let seen = door.seen().pop().expect("handed over");
            assert_eq!((seen.compression, &seen.raw[..]), (*compression, &raw[..]), "{way:?}");
            assert!(seen.body == body, "{way:?} {compression:?}");
        }
    }
    assert_eq!(door.meter.read().in_flight_bytes, 0);
}

#[tokio::test]
async fn a_large_compressed_body_is_inflated_as_well() {
    let door = open();
    let body = text(3_000_000);
    let raw = gzip(&body);
    assert!(raw.len() > 1 << 20, "{}", raw.len());
    for way in Way::ALL {
        let call = Call::new(way, Signal::Logs, Compression::Gzip, &raw);
        assert_eq!(call.verdict(door.address()).await.code, 0, "{way:?}");
        assert!(door.seen().pop().expect("handed over").body == body);
    }
}

#[tokio::test]
async fn what_is_cut_off_or_corrupt_is_bad_data() {
    let door = open();
    let body = text(20_000);
    for (compression, raw) in [
        (Compression::Gzip, gzip(&body)),
        (Compression::Zstd, zstd(&body)),
        (Compression::Zstd, zstd_streamed(&body)),
    ] {
        let mut flipped = raw.clone();
        // gzip has a checksum; of Zstandard's frames those of most senders have none.
        flipped[if compression == Compression::Gzip { raw.len() / 2 } else { 2 }] ^= 0x55;
        let tail = [&raw[..], b"tail that is no member"].concat();
        let cut = raw[..raw.len() - 5].to_vec();
        let half = raw[..raw.len() / 2].to_vec();
        for bad in [flipped, tail, cut, half, b"neither".to_vec(), vec![0x1f, 0x8b]] {
            for way in Way::ALL {
                let call = Call::new(way, Signal::Traces, compression, &bad);
                let verdict = call.verdict(door.address()).await;
                let status = if way == Way::Grpc { 200 } else { 400 };
                assert_eq!((verdict.status, verdict.code), (status, 3), "{way:?} {compression:?}");
                assert!(verdict.violation.is_some(), "{way:?}");
            }
        }
    }
    assert!(door.seen().is_empty());
}

#[tokio::test]
async fn other_compressions_are_not_supported() {
    let door = open();
    for way in Way::ALL {
        for coding in ["br", "deflate", "gzip, gzip", "snappy"] {
            let name = if way == Way::Grpc { "grpc-encoding" } else { "content-encoding" };
            let reply = Call::spans(way, b"x").header(name, coding).send(door.address()).await;
            let verdict = reply.verdict(way, None);
            if way == Way::Grpc {
                assert_eq!(verdict.code, 12);
                assert_eq!(reply.header("grpc-accept-encoding"), Some("identity,gzip,zstd"));
            } else {
                assert_eq!((verdict.status, verdict.code), (415, 12), "{way:?} {coding}");
                assert_eq!(reply.header("accept-encoding"), Some("gzip, zstd"));
            }
        }
    }
}

#[tokio::test]
async fn identity_is_no_compression() {
    let door = open();
    for way in Way::ALL {
        let name = if way == Way::Grpc { "grpc-encoding" } else { "content-encoding" };
        let call = Call::spans(way, b"plain").header(name, "identity");
        assert_eq!(call.verdict(door.address()).await.code, 0, "{way:?}");
        assert_eq!(door.seen().pop().expect("handed over").body, b"plain".as_slice());
    }
}

/// Zeroes, compressed, without ever being there at once.
fn bomb(compression: Compression, mebibytes: usize) -> Vec<u8> {
    let piece = vec![0; 1 << 20];
    match compression {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            (0..mebibytes).for_each(|_| encoder.write_all(&piece).expect("writes"));
            encoder.finish().expect("finishes")
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).expect("begins");
            (0..mebibytes).for_each(|_| encoder.write_all(&piece).expect("writes"));
            encoder.finish().expect("finishes")
        }
        Compression::None => unreachable!("nothing to compress with"),
    }
}

#[tokio::test]
async fn bombs_are_too_large_and_take_no_memory() {
    let limits = Limits { max_body: 8 << 20, max_in_flight_bytes: 16 << 20, ..Limits::STANDARD };
    let door = within(&limits);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let bomb = bomb(compression, 64);
        for way in Way::ALL {
            let call = Call::new(way, Signal::Traces, compression, &bomb);
            let verdict = call.verdict(door.address()).await;
            let status = if way == Way::Grpc { 200 } else { 413 };
            assert_eq!((verdict.status, verdict.code), (status, 8), "{way:?} {compression:?}");
            assert_eq!((verdict.retry, verdict.retry_after), (None, None), "{way:?}");
            assert_eq!(door.meter.read().in_flight_bytes, 0);
        }
    }
    assert!(door.seen().is_empty());
}

#[tokio::test]
async fn the_ratio_is_bounded_once_a_body_exceeds_a_mebibyte() {
    let door = open();
    let way = Way::Http1(Encoding::Protobuf);
    for (zeroes, status) in [(1 << 20, 200), (4 << 20, 413)] {
        let raw = gzip_at(flate2::Compression::best(), &vec![0; zeroes]);
        assert!(raw.len() * 200 < 4 << 20);
        let call = Call::new(way, Signal::Traces, Compression::Gzip, &raw);
        assert_eq!(call.verdict(door.address()).await.status, status);
    }
}
