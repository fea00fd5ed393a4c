//! The limit of a request's size, which counts bytes after decompression.
//!
//! OTLP 1.11: 413, or RESOURCE_EXHAUSTED without RetryInfo, so that no client sends it again.

use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Weight::{Must, Robust};
use super::cases::alive;
use super::coding::{gzip, zstd};
use super::judge::{Encoding, TOO_LARGE, Want};
use super::payload::{good, padded, padded_json};
use super::suite::{Ask, Suite, in_time, judge_grpc, judge_http, within};
use crate::grpc::{TRACES, frame};
use crate::status::grpc;

/// What a bomb unfolds to at least.
const BOMB: u64 = 256 << 20;
/// In what time a bomb must be refused.
const BOMB_TIME: Duration = Duration::from_secs(2);

/// So many zeros in gzip, without compressing them all: a block of 1 MiB, over and over.
fn gzip_bomb(length: u64) -> Vec<u8> {
    const BLOCK: usize = 1 << 20;
    let zeros = vec![0; BLOCK];
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    let mut block = Vec::with_capacity(16 * 1024);
    compress
        .compress_vec(&zeros, &mut block, flate2::FlushCompress::Full)
        .expect("zeros can be compressed");
    let mut of_block = flate2::Crc::new();
    of_block.update(&zeros);
    let mut crc = flate2::Crc::new();
    // Magic, deflate, no flags, no time, no extra flags, unknown system.
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for _ in 0..length / BLOCK as u64 {
        bomb.extend_from_slice(&block);
        crc.combine(&of_block);
    }
    // An empty last block, checksum, length.
    bomb.extend([3, 0]);
    bomb.extend(crc.sum().to_le_bytes());
    bomb.extend((length as u32).to_le_bytes());
    bomb
}

/// So many zeros in zstd, the length not said at the head.
fn zstd_bomb(length: u64) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("level 1 exists");
    for _ in 0..length >> 20 {
        encoder.write_all(&zeros).expect("writing to memory does not fail");
    }
    encoder.finish().expect("writing to memory does not fail")
}

pub(crate) async fn run(suite: &mut Suite<'_>) {
    let Some(limit) = suite.target.limit else {
        return suite.skip("sizes".to_owned(), Must, "the limit of the target is not given");
    };
    for encoding in Encoding::BOTH {
        over_http(suite, encoding, limit).await;
    }
    declared(suite).await;
    over_grpc(suite, limit).await;
    bombs(suite, limit).await;
    alive(suite, "sizes").await;
}

async fn over_http(suite: &mut Suite<'_>, encoding: Encoding, limit: u64) {
    let of = |length| match encoding {
        Encoding::Protobuf => padded(length),
        Encoding::Json => padded_json(length),
    };
    let id = |name: &str| (format!("http/{}/{name}", encoding.name()), Must);
    let ask = |body| Ask::traces(encoding, body);
    let packed = |body: &[u8]| ask(gzip(body)).with("Content-Encoding", "gzip");
    let (full, over) = (of(limit), of(limit + 1));
    for (name, sent, ask, want) in [
        ("at-limit", "a good request as long as the limit", ask(full.clone()), Want::Success),
        ("over-limit", "a request a byte longer than the limit", ask(over.clone()), TOO_LARGE),
        (
            "far-over-limit",
            "a request four times as long as the limit",
            ask(of(limit * 4)),
            TOO_LARGE,
        ),
        (
            "over-limit-chunked",
            "a request a byte longer than the limit, in chunks",
            ask(over.clone()).chunked(16 * 1024),
            TOO_LARGE,
        ),
        ("gzip-at-limit", "a request as long as the limit, in gzip", packed(&full), Want::Success),
        (
            "gzip-over-limit",
            "a request a byte longer than the limit, short in gzip",
            packed(&over),
            TOO_LARGE,
        ),
    ] {
        suite.check_http(id(name), sent, (ask, encoding), want).await;
    }
}

/// A length that is only said, by a client that sends nothing and waits.
async fn declared(suite: &mut Suite<'_>) {
    if suite.target.http.is_none() {
        return;
    }
    let encoding = Encoding::Protobuf;
    let mut ask = suite.authorized(Ask::traces(encoding, Vec::new()));
    ask.length = Some(1 << 40);
    let since = Instant::now();
    let answer = async {
        let mut connection = suite.connect().await?;
        connection.send(&ask.head()).await.map_err(|error| error.to_string())?;
        within(suite.target.patience, connection.answer()).await
    };
    let answer = answer.await;
    let found = in_time(judge_http(answer.clone(), encoding, TOO_LARGE), since, BOMB_TIME);
    let (name, sent) = ("http/protobuf/declared-1-tib", "a head that announces 1 TiB, and no body");
    let expected = format!("{}, within {BOMB_TIME:?}", TOO_LARGE.in_words(false));
    suite.note((name.to_owned(), Robust), sent, &expected, found);
    if let Ok(answer) = answer {
        suite.note_error_body(name, sent, &answer, encoding);
    }
}

async fn over_grpc(suite: &mut Suite<'_>, limit: u64) {
    const GZIP: &[(&str, &str)] = &[("grpc-encoding", "gzip")];
    let id = |name: &str| (format!("grpc/{name}"), Must);
    let (full, over) = (padded(limit), padded(limit + 1));
    for (name, sent, headers, framed, want) in [
        (
            "at-limit",
            "a good request as long as the limit",
            &[][..],
            frame(false, &full),
            Want::Success,
        ),
        (
            "over-limit",
            "a request a byte longer than the limit",
            &[],
            frame(false, &over),
            TOO_LARGE,
        ),
        (
            "far-over-limit",
            "a request four times as long as the limit",
            &[],
            frame(false, &padded(limit * 4)),
            TOO_LARGE,
        ),
        (
            "gzip-at-limit",
            "a request as long as the limit, in gzip",
            GZIP,
            frame(true, &gzip(&full)),
            Want::Success,
        ),
        (
            "gzip-over-limit",
            "a request a byte longer than the limit, short in gzip",
            GZIP,
            frame(true, &gzip(&over)),
            TOO_LARGE,
        ),
    ] {
        suite.check_framed(id(name), sent, (headers, framed), want).await;
    }
    if suite.target.grpc.is_none() {
        return;
    }
    let since = Instant::now();
    let reply = async {
        let channel = suite.channel().await?;
        let head = suite.head(&channel, TRACES);
        let prefix = Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 0x0a]);
        let call = channel.stalled_call(head, prefix, suite.target.patience, false);
        within(suite.target.patience, call).await
    };
    let found = in_time(judge_grpc(reply.await, TOO_LARGE), since, BOMB_TIME);
    suite.note(
        ("grpc/declared-4-gib".to_owned(), Robust),
        "a frame that announces 4 GiB, and one byte of it",
        &format!("{}, within {BOMB_TIME:?}", TOO_LARGE.in_words(true)),
        found,
    );
}

async fn bombs(suite: &mut Suite<'_>, limit: u64) {
    let length = BOMB.max(limit.saturating_mul(16));
    let sent = format!("{} MiB of zeros, compressed", length >> 20);
    for coding in ["gzip", "zstd"] {
        let bomb = if coding == "gzip" { gzip_bomb(length) } else { zstd_bomb(length) };
        for encoding in Encoding::BOTH.into_iter().filter(|_| suite.target.http.is_some()) {
            let name = format!("http/{}/{coding}-bomb", encoding.name());
            let ask = |body| Ask::traces(encoding, body).with("Content-Encoding", coding);
            if coding == "zstd" && refuses_zstd(suite).await {
                suite.skip(name, Must, "the target does not offer zstd");
                continue;
            }
            let since = Instant::now();
            let answer = suite.http(ask(bomb.clone())).await;
            let found = in_time(judge_http(answer.clone(), encoding, TOO_LARGE), since, BOMB_TIME);
            let expected = format!("{}, within {BOMB_TIME:?}", TOO_LARGE.in_words(false));
            suite.note((name.clone(), Must), &sent, &expected, found);
            if let Ok(answer) = answer {
                suite.note_error_body(&name, &sent, &answer, encoding);
            }
        }
        if suite.target.grpc.is_none() {
            continue;
        }
        let name = format!("grpc/{coding}-bomb");
        let headers = &[("grpc-encoding", coding)];
        let since = Instant::now();
        let reply = suite.grpc_framed(TRACES, headers, frame(true, &bomb)).await;
        let unknown = |reply: &crate::grpc::Reply| reply.code() == Some(grpc::UNIMPLEMENTED);
        if coding == "zstd" && reply.as_ref().is_ok_and(unknown) {
            suite.skip(name, Must, "the target does not offer zstd");
            continue;
        }
        let found = in_time(judge_grpc(reply, TOO_LARGE), since, BOMB_TIME);
        let expected = format!("{}, within {BOMB_TIME:?}", TOO_LARGE.in_words(true));
        suite.note((name, Must), &sent, &expected, found);
    }
}

async fn refuses_zstd(suite: &Suite<'_>) -> bool {
    let ask = Ask::traces(Encoding::Protobuf, zstd(&good())).with("Content-Encoding", "zstd");
    suite.http(ask).await.is_ok_and(|answer| answer.status == 415 || answer.status == 400)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_bomb_is_short_and_unfolds_to_what_it_says() {
        let bomb = gzip_bomb(8 << 20);
        assert!(bomb.len() < 16 * 1024);
        let mut unfolded = Vec::new();
        flate2::read::GzDecoder::new(&bomb[..]).read_to_end(&mut unfolded).unwrap();
        assert_eq!(unfolded.len(), 8 << 20);
        let bomb = zstd_bomb(8 << 20);
        assert!(bomb.len() < 16 * 1024);
        assert_eq!(zstd::stream::decode_all(&bomb[..]).unwrap().len(), 8 << 20);
    }
}
