//! Whether clients that never finish harm one that works, and whether they are rid of.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use super::Weight::Robust;
use super::judge::{Encoding, Want};
use super::payload::good;
use super::suite::{Ask, Suite, judge_grpc, judge_http};
use crate::grpc::{TRACES, frame};
use crate::latency::Latency;

/// Good requests a measurement.
const ROUNDS: usize = 100;
/// What a good client's p99 may grow by whatever it was: the scheduler's grain on a small machine.
const GRAIN: Duration = Duration::from_millis(50);
/// A byte so often, from clients that send at all.
const DRIP: Duration = Duration::from_secs(1);

/// How a client is slow.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Connects and says nothing.
    Silent,
    /// Sends its head byte by byte.
    Head,
    /// Sends its head, then its body byte by byte.
    Body,
}

pub(crate) async fn run(suite: &mut Suite<'_>) {
    let Some(count) = suite.target.slow_clients else {
        return suite.skip("slow".to_owned(), Robust, "no number of slow clients is given");
    };
    for (name, address) in [("http", suite.target.http), ("grpc", suite.target.grpc)] {
        if let Some(address) = address {
            against(suite, name, address, count).await;
        }
    }
}

async fn against(suite: &mut Suite<'_>, name: &'static str, address: SocketAddr, count: u32) {
    let alone = good_client(suite, name).await;
    let begun = Instant::now();
    let within = suite.target.slow_closed_within;
    let mut clients = JoinSet::new();
    for number in 0..count {
        let kind = [Kind::Silent, Kind::Head, Kind::Body][number as usize % 3];
        clients.spawn(async move {
            let ended = timeout(within + DRIP, slow_client(address, name == "grpc", kind)).await;
            (kind, ended.is_ok())
        });
        if number % 50 == 49 {
            // In steps that a listener's queue can hold.
            sleep(Duration::from_millis(5)).await;
        }
    }
    sleep(Duration::from_millis(200)).await;
    let beside = good_client(suite, name).await;
    let found = match (alone, beside) {
        (Ok(alone), Ok(beside)) => {
            let words = format!("p99 {beside:?} beside them, {alone:?} alone");
            if beside <= (alone * 2).max(alone + GRAIN) { Ok(words) } else { Err(words) }
        }
        (Err(why), _) | (_, Err(why)) => Err(why),
    };
    let sent =
        format!("{count} clients that never finish (a third each: silent, slow head, slow body)");
    let expected = "a good client succeeds, its p99 at most twice what it was, or 50 ms more";
    suite.note((format!("{name}/slow-clients-do-no-harm"), Robust), &sent, expected, found);
    let mut open = [0u32; 3];
    while let Some(ended) = clients.join_next().await {
        if let Ok((kind, false)) = ended {
            open[kind as usize] += 1;
        }
    }
    let words = format!(
        "after {:.0} s still open: {} silent, {} in the head, {} in the body",
        begun.elapsed().as_secs_f64(),
        open[0],
        open[1],
        open[2]
    );
    let found = if open == [0; 3] { Ok(words) } else { Err(words) };
    let expected = format!("all closed within {within:?}");
    suite.note((format!("{name}/slow-clients-are-closed"), Robust), &sent, &expected, found);
}

/// Is slow until the server has done with it: has closed the connection, or answered the request.
async fn slow_client(address: SocketAddr, over_grpc: bool, kind: Kind) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    let whole = if over_grpc { http2_call() } else { http1_request() };
    // What goes at once; the rest drips.
    let at_once = match kind {
        Kind::Silent | Kind::Head => 0,
        Kind::Body => whole.len() - 16,
    };
    if stream.write_all(&whole[..at_once]).await.is_err() {
        return;
    }
    let mut rest = whole[at_once..].iter().take(if matches!(kind, Kind::Silent) { 0 } else { 15 });
    let mut drip = interval(DRIP);
    let mut heard = Vec::new();
    loop {
        tokio::select! {
            read = stream.read_buf(&mut heard) => {
                let answered = if over_grpc { ends_stream(&heard) } else { !heard.is_empty() };
                if !matches!(read, Ok(1..)) || answered {
                    return;
                }
            }
            _ = drip.tick() => {
                if let Some(byte) = rest.next() && stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn http1_request() -> Vec<u8> {
    Ask::traces(Encoding::Protobuf, good()).bytes()
}

/// The preface, empty settings, the head of a call with nothing compressed, and its message.
fn http2_call() -> Vec<u8> {
    let field =
        |index: &[u8], value: &str| [index, &[value.len() as u8], value.as_bytes()].concat();
    // Indices of HPACK's static table: POST, http, :path, :authority, content-type.
    let head = [
        vec![0x83, 0x86],
        field(&[0x04], TRACES),
        field(&[0x01], "collector"),
        field(&[0x0f, 0x10], "application/grpc"),
    ]
    .concat();
    let message = frame(false, &good());
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        http2_frame(4, 0, 0, &[]),
        http2_frame(1, 4, 1, &head),
        http2_frame(0, 1, 1, &message),
    ]
    .concat()
}

fn http2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Whether among these frames is one that answers or ends a call, or says farewell.
fn ends_stream(mut frames: &[u8]) -> bool {
    while let [a, b, c, kind, ..] = *frames {
        if matches!(kind, 1 | 3 | 7) {
            return true;
        }
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        frames = frames.get(9 + length..).unwrap_or_default();
    }
    false
}

/// The 99th percentile of a client's requests that does everything right.
async fn good_client(suite: &Suite<'_>, name: &str) -> Result<Duration, String> {
    let mut latency = Latency::default();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        if name == "http" {
            let encoding = Encoding::Protobuf;
            let answer = suite.http(Ask::traces(encoding, good())).await;
            judge_http(answer, encoding, Want::Success)?;
        } else {
            judge_grpc(suite.grpc(&good()).await, Want::Success)?;
        }
        latency.record(begun.elapsed());
    }
    Ok(latency.quantile(0.99))
}
