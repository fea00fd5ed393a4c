//! One attempt on one connection: HTTP/1.1, over TLS if need be.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Fault, Outcome, judge};
use crate::clock;
use crate::prepare::Request;
use crate::target::Target;

/// Longest body of an answer: it holds a message for people at most.
const LONGEST_ANSWER: usize = 64 << 10;

/// Longest head of an answer.
const LONGEST_HEAD: usize = 32 << 10;

/// A connection that was not used for so long is not used again: something in between may have forgotten it
/// without a word, which would cost a timeout.
const IDLE: Duration = Duration::from_secs(30);

/// A connection that can take a request.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    used: Instant,
    _driver: Driver,
}

/// What moves the bytes of a connection. It ends with it.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and waits for its answer. Gives back a connection that can be used again.
pub(crate) async fn attempt(
    target: &Target,
    kept: Option<Connection>,
    request: &Request,
) -> (Option<Connection>, Outcome) {
    let deadline = Instant::now() + target.timeout;
    let (connection, response) = match timeout_at(deadline, ask(target, kept, request)).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(fault)) => return (None, fault.into()),
        Err(_) => return (None, Fault::Slow(target.timeout).into()),
    };
    let (head, body) = response.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect();
    // The head has said what became of the request, whatever becomes of the body.
    let body = timeout_at(deadline, body).await.ok().and_then(Result::ok);
    let body = body.map(|body| body.to_bytes());
    let outcome = judge(head.status, &head.headers, body.as_deref(), clock::now());
    (body.map(|_| Connection { used: Instant::now(), ..connection }), outcome)
}

/// Sends on the connection at hand, or on a new one.
async fn ask(
    target: &Target,
    kept: Option<Connection>,
    request: &Request,
) -> Result<(Connection, Response<Incoming>), Fault> {
    if let Some(mut connection) = kept.filter(|connection| connection.used.elapsed() < IDLE)
        && connection.sender.ready().await.is_ok()
        && let Ok(response) = connection.sender.send_request(target.address(request)).await
    {
        return Ok((connection, response));
    }
    // Connections that rest are closed by the other end at any moment. Only what fails on a new one is a
    // failure; the request may have arrived, as with any other repetition.
    let mut connection = connect(target).await?;
    let response = connection.sender.send_request(target.address(request)).await?;
    Ok((connection, response))
}

async fn connect(target: &Target) -> Result<Connection, Fault> {
    let address = (target.host.as_str(), target.port);
    let stream = TcpStream::connect(address).await.map_err(Fault::Connect)?;
    // Requests are written whole, so there is nothing to wait for.
    stream.set_nodelay(true).map_err(Fault::Connect)?;
    let Some((connector, name)) = &target.tls else { return begin(stream).await };
    let stream = connector.connect(name.clone(), stream).await.map_err(Fault::Tls)?;
    begin(stream).await
}

async fn begin(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Connection, Fault> {
    let (sender, connection) =
        http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(TokioIo::new(stream)).await?;
    // How it ends is told to whoever waits for an answer.
    let driver = tokio::spawn(async { drop(connection.await) });
    Ok(Connection { sender, used: Instant::now(), _driver: Driver(driver.abort_handle()) })
}
