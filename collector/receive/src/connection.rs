//! One connection, from its handshake to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::activity::Activity;
use crate::gate::{Gate, Gated};
use crate::limits::Limits;
use crate::meter::{ClosedFor, Meter};
use crate::request::Peer;
use crate::roster::Place;
use crate::secret::{Secret, authorised};
use crate::socket::{Socket, Stream};
use crate::tls;

/// Of an HTTP/2 stream: a batch of 512 spans (some 300 KB) arrives without a wait for window updates.
const STREAM_WINDOW: u32 = 1 << 20;
/// Of all streams of a connection together, and so what it can make us buffer at most. Frames stay at the
/// 16 KiB of RFC 9113: one that never ends is held in full, token or not, and larger ones gained little.
const CONNECTION_WINDOW: u32 = 2 << 20;
/// Largest read buffer of an HTTP/1 connection, reached only by those that send large bodies: a batch of 512
/// spans comes in one piece then, and is not copied.
pub(crate) const READ_BUFFER: usize = 384 << 10;
/// A quiet HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long it has for the answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams reset by the client before we took them up (CVE-2023-44487).
const PENDING_RESETS: usize = 20;
/// Streams that the client makes us reset (CVE-2025-8671).
const FORCED_RESETS: usize = 128;
/// How often a connection that is to end, and has a request under way, is looked at.
const LAST_CALL_LOOK: Duration = Duration::from_millis(20);
/// How long an HTTP/2 client has to go after it was told to.
const GOAWAY_GRACE: Duration = Duration::from_secs(1);

/// What all connections of a listener have in common.
pub(crate) struct Setup {
    pub(crate) limits: Arc<Limits>,
    pub(crate) tokens: Vec<Secret>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) meter: Meter,
}

impl Setup {
    pub(crate) fn authorises(&self, headers: &HeaderMap) -> bool {
        authorised(&self.tokens, headers)
    }
}

/// A connection that was given a place.
pub(crate) struct Admitted {
    pub(crate) stream: TcpStream,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) activity: Arc<Activity>,
    pub(crate) place: Place,
}

/// Serves a connection to its end.
pub(crate) async fn serve<S: Gated>(
    admitted: Admitted,
    setup: Arc<Setup>,
    service: S,
    mut stop: watch::Receiver<bool>,
) {
    let Admitted { stream, address, activity, place } = admitted;
    let opening = open(stream, &setup, Arc::clone(&activity));
    let opened = tokio::select! {
        opened = opening => opened,
        () = activity.evicted() => Err(ClosedFor::Evicted),
        _ = stop.wait_for(|&stop| stop) => return,
    };
    let (socket, identity, multiplexed) = match opened {
        Ok(opened) => opened,
        Err(reason) => return setup.meter.closed(reason),
    };
    let gate = Gate {
        inner: service,
        setup: Arc::clone(&setup),
        activity: Arc::clone(&activity),
        place: Arc::new(place),
        peer: Peer { address, identity },
    };
    let limits = &setup.limits;
    let io = TokioIo::new(socket);
    let ended = if multiplexed {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(limits.max_streams)
            .max_header_list_size(limits.max_header_list)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(FORCED_RESETS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(io, gate);
        drive(connection, &activity, limits, GOAWAY_GRACE, stop).await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // The time of a head is watched here, apart from that of an idle connection.
            .header_read_timeout(None)
            .max_buf_size(READ_BUFFER)
            .max_header_size(limits.max_header_list as usize)
            .serve_connection(io, gate);
        drive(connection, &activity, limits, Duration::ZERO, stop).await
    };
    if let Err(reason) = ended {
        setup.meter.closed(reason);
    }
}

type Opened = (Socket, Option<Arc<tls::ClientIdentity>>, bool);

/// Shakes hands, and finds out which version of HTTP is spoken.
async fn open(
    stream: TcpStream,
    setup: &Setup,
    activity: Arc<Activity>,
) -> Result<Opened, ClosedFor> {
    let wait = setup.limits.header_timeout;
    let (stream, identity) = match &setup.tls {
        None => (Stream::Plain(stream), None),
        Some(acceptor) => {
            let stream = tokio::time::timeout(wait, acceptor.accept(stream))
                .await
                .map_err(|_| ClosedFor::HeaderTimeout)?
                .map_err(|_| ClosedFor::Handshake)?;
            let identity = tls::identity(stream.get_ref().1);
            (Stream::Tls(Box::new(stream)), identity)
        }
    };
    let (socket, multiplexed) = tokio::time::timeout(wait, Socket::open(stream, activity))
        .await
        .map_err(|_| ClosedFor::HeaderTimeout)?
        .map_err(|_| ClosedFor::Protocol)?;
    Ok((socket, identity, multiplexed))
}

/// Polls a connection until it ends, its time is up, its place is needed, or a shutdown is over with it.
async fn drive<C: GracefulConnection<Error = hyper::Error>>(
    connection: C,
    activity: &Activity,
    limits: &Limits,
    grace: Duration,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ClosedFor> {
    let mut connection = pin!(connection);
    let look = (limits.header_timeout / 4).max(Duration::from_millis(1));
    let mut last_call: Option<(Instant, Option<ClosedFor>)> = None;
    loop {
        let now = Instant::now();
        match last_call {
            Some((end, reason)) if now >= end && !activity.is_busy() => {
                return reason.map_or(Ok(()), Err);
            }
            None => {
                if let Some((end, reason)) = activity.deadline(limits)
                    && now >= end
                {
                    last_call = Some((now + grace, Some(reason)));
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
            }
            Some(_) => {}
        }
        let next = match (last_call, activity.deadline(limits)) {
            (Some((end, _)), _) if end > now => end,
            (Some(_), _) => now + LAST_CALL_LOOK,
            (None, Some((end, _))) => end.min(now + look),
            (None, None) => now + look,
        };
        tokio::select! {
            ended = connection.as_mut() => return end_of(ended, last_call),
            () = tokio::time::sleep_until(next) => {}
            () = activity.evicted() => return Err(ClosedFor::Evicted),
            _ = stop.wait_for(|&stop| stop), if last_call.is_none() => {
                last_call = Some((Instant::now() + grace, None));
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn end_of(
    ended: Result<(), hyper::Error>,
    last_call: Option<(Instant, Option<ClosedFor>)>,
) -> Result<(), ClosedFor> {
    match (last_call, ended) {
        (Some((_, reason)), _) => reason.map_or(Ok(()), Err),
        (None, Err(error)) if error.is_parse() => Err(ClosedFor::Protocol),
        (None, _) => Ok(()),
    }
}
