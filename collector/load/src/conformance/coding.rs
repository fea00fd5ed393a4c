//! Compressed bodies, whole and broken.

use std::io::Write as _;

use super::Weight::{Must, Robust, Should};
use super::cases::alive;
use super::judge::{BAD, Encoding, Want, grpc_in_words, http_in_words};
use super::payload::{good, good_json};
use super::suite::{Ask, Suite, judge_grpc};
use crate::grpc::{TRACES, frame};
use crate::status::grpc;

/// Compresses with gzip.
pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(body)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

/// Compresses with zstd.
pub(crate) fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(body, 1).expect("memory suffices for a body")
}

/// Makes a broken body of a good one.
type Damage = fn(&[u8]) -> Vec<u8>;

/// What can be wrong with a compressed body: a name, what is sent, how it is made.
fn broken() -> [(&'static str, &'static str, Damage); 4] {
    [
        ("gzip-garbage", "a body that is not gzip and is said to be", <[u8]>::to_vec),
        ("gzip-truncated", "half of a gzip body", |body| {
            let packed = gzip(body);
            packed[..packed.len() / 2].to_vec()
        }),
        ("gzip-wrong-crc", "a gzip body with another checksum", |body| {
            let mut packed = gzip(body);
            let crc = packed.len() - 8;
            packed[crc] ^= 1;
            packed
        }),
        ("gzip-empty", "no bytes that are said to be gzip", |_| Vec::new()),
    ]
}

/// A server may also see no bytes of gzip as no bytes of data, which is an empty request.
const BAD_OR_EMPTY: Want = Want::Either(&BAD, &Want::Success);

pub(crate) async fn run(suite: &mut Suite<'_>) {
    for encoding in Encoding::BOTH {
        over_http(suite, encoding).await;
    }
    over_grpc(suite).await;
    alive(suite, "codings").await;
}

async fn over_http(suite: &mut Suite<'_>, encoding: Encoding) {
    let body = if encoding == Encoding::Json { good_json() } else { good() };
    let id = |name: &str| format!("http/{}/{name}", encoding.name());
    let ask = |coding: &str, body: Vec<u8>| {
        (Ask::traces(encoding, body).with("Content-Encoding", coding), encoding)
    };
    let good = "a good request in gzip";
    suite.check_http((id("gzip"), Must), good, ask("gzip", gzip(&body)), Want::Success).await;
    let sent = "a good request in gzip, its coding in capitals (RFC 9110, 8.4.1)";
    suite
        .check_http((id("gzip-capitals"), Should), sent, ask("GZIP", gzip(&body)), Want::Success)
        .await;
    let half = body.len() / 2;
    let members = [gzip(&body[..half]), gzip(&body[half..])].concat();
    let sent = "a good request in two gzip members (RFC 1952, 2.2)";
    suite.check_http((id("gzip-members"), Should), sent, ask("gzip", members), Want::Success).await;
    let chunked =
        (Ask::traces(encoding, gzip(&body)).with("Content-Encoding", "gzip").chunked(50), encoding);
    let sent = "a good request in gzip, in chunks";
    suite.check_http((id("gzip-chunked"), Must), sent, chunked, Want::Success).await;
    let sent = "a good request whose coding is identity";
    suite
        .check_http((id("identity"), Robust), sent, ask("identity", body.clone()), Want::Success)
        .await;
    for (name, sent, damage) in broken() {
        let want = if name == "gzip-empty" { BAD_OR_EMPTY } else { BAD };
        suite.check_http((id(name), Must), sent, ask("gzip", damage(&body)), want).await;
    }
    let sent = "a good request whose coding is snail";
    let want = Want::Refused(&[415, 400], &[]);
    suite.check_http((id("unknown-coding"), Must), sent, ask("snail", body.clone()), want).await;
    optional_zstd(suite, encoding, &body).await;
}

/// zstd is optional: who does not offer it must say so, not fail.
async fn optional_zstd(suite: &mut Suite<'_>, encoding: Encoding, body: &[u8]) {
    if suite.target.http.is_none() {
        return;
    }
    let name = format!("http/{}/zstd", encoding.name());
    let ask = Ask::traces(encoding, zstd(body)).with("Content-Encoding", "zstd");
    match suite.http(ask).await {
        Ok(answer) if answer.status == 415 || answer.status == 400 => {
            suite.skip(name, Should, "the target does not offer zstd");
        }
        answer => {
            let want = Want::Success;
            let found = answer.map_or_else(Err, |answer| {
                let words = http_in_words(&answer, encoding);
                if want.allows_http(&answer, encoding) { Ok(words) } else { Err(words) }
            });
            suite.note((name, Should), "a good request in zstd", &want.in_words(false), found);
        }
    }
}

async fn over_grpc(suite: &mut Suite<'_>) {
    const GZIP: &[(&str, &str)] = &[("grpc-encoding", "gzip")];
    let body = good();
    let id = |name: &str| format!("grpc/{name}");
    let packed = frame(true, &gzip(&body));
    let sent = "a good request in gzip";
    suite.check_framed((id("gzip"), Must), sent, (GZIP, packed.clone()), Want::Success).await;
    let sent = "a good request, uncompressed in a call that announces gzip";
    let plain = frame(false, &body);
    suite.check_framed((id("gzip-unused"), Must), sent, (GZIP, plain), Want::Success).await;
    for (name, sent, damage) in broken() {
        let want = if name == "gzip-empty" { BAD_OR_EMPTY } else { BAD };
        suite.check_framed((id(name), Must), sent, (GZIP, frame(true, &damage(&body))), want).await;
    }
    let want = Want::Refused(&[], &[grpc::INTERNAL, grpc::UNIMPLEMENTED, grpc::INVALID_ARGUMENT]);
    let sent = "a compressed message without grpc-encoding";
    suite
        .check_framed((id("compressed-unannounced"), Must), sent, (&[], packed.clone()), want)
        .await;
    if suite.target.grpc.is_none() {
        return;
    }
    let headers = &[("grpc-encoding", "snail")];
    let reply = suite.grpc_framed(TRACES, headers, packed).await;
    let found = reply.and_then(|reply| {
        let words = grpc_in_words(&reply);
        let accepts = reply.header("grpc-accept-encoding").map(str::to_owned);
        match (reply.code(), accepts) {
            (Some(grpc::UNIMPLEMENTED), Some(list)) => Ok(format!("{words}, accepts {list}")),
            (_, list) => {
                Err(format!("{words}, accepts {}", list.as_deref().unwrap_or("(not said)")))
            }
        }
    });
    let expected = "UNIMPLEMENTED with grpc-accept-encoding";
    suite.note((id("unknown-coding"), Must), "a message in a coding named snail", expected, found);
    let headers = &[("grpc-encoding", "zstd")];
    match suite.grpc_framed(TRACES, headers, frame(true, &zstd(&body))).await {
        Ok(reply) if reply.code() == Some(grpc::UNIMPLEMENTED) => {
            suite.skip(id("zstd"), Should, "the target does not offer zstd");
        }
        reply => {
            let found = judge_grpc(reply, Want::Success);
            let expected = Want::Success.in_words(true);
            suite.note((id("zstd"), Should), "a good request in zstd", &expected, found);
        }
    }
}
