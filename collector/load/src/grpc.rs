//! gRPC over HTTP/2 by hand: one call, with every header and byte of the frame as the caller wants them.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::{SendRequest, handshake};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::gather::Gathered;
use crate::status::Status;

/// The longest answer that is read.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// The path of the method that takes traces.
pub(crate) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The path of the method that takes metrics.
pub(crate) const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// The path of the method that takes logs.
pub(crate) const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// An HTTP/2 connection. Its streams die with it.
#[derive(Debug)]
pub(crate) struct Channel {
    requests: SendRequest<Bytes>,
    address: SocketAddr,
    driver: JoinHandle<()>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What came back from a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) http_status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why no reply came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("connection: {0}")]
    Connection(#[from] std::io::Error),
    #[error("{0}")]
    Http2(#[from] h2::Error),
    #[error("an answer of over 4 MiB")]
    TooLong,
}

impl Reply {
    /// The value of a header, be it in the trailers or at the head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).or_else(|| self.headers.get(name))?.to_str().ok()
    }

    /// gRPC's status code; `None` where the answer is none of gRPC's.
    pub(crate) fn code(&self) -> Option<u32> {
        self.header("grpc-status")?.parse().ok()
    }

    /// The details of an error.
    pub(crate) fn status(&self) -> Option<Status> {
        Status::from_base64(self.header("grpc-status-details-bin")?)
    }

    /// The message in the answer: what follows the five bytes of its frame.
    pub(crate) fn message(&self) -> Option<&[u8]> {
        let length = u32::from_be_bytes(self.body.get(1..5)?.try_into().ok()?);
        let message = self.body.get(5..)?;
        (self.body[0] == 0 && message.len() == length as usize).then_some(message)
    }
}

/// Frames a message.
pub(crate) fn frame(compressed: bool, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(u8::from(compressed));
    frame.put_u32(u32::try_from(message.len()).expect("test messages are below 4 GiB"));
    frame.put_slice(message);
    frame.freeze()
}

impl Channel {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, CallError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = Gathered::new(stream);
        let (requests, mut connection) = handshake(stream.clone()).await?;
        // An error of the connection reaches each of its streams; nobody needs it twice.
        let driver = tokio::spawn(poll_fn(move |cx| {
            let polled = Pin::new(&mut connection).poll(cx).map(drop);
            match stream.poll_let_go(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(()),
                _ => polled,
            }
        }));
        Ok(Self { requests, address, driver })
    }

    /// The head of a call; the caller may add and replace headers.
    pub(crate) fn head(&self, path: &str) -> Request<()> {
        let uri = format!("http://{}{path}", self.address);
        let request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", concat!("resus-load/", env!("CARGO_PKG_VERSION")));
        request.body(()).expect("an address and a path make a URI")
    }

    /// Sends a head and a framed message and reads the answer.
    pub(crate) async fn call(&self, head: Request<()>, framed: Bytes) -> Result<Reply, CallError> {
        self.stalled_call(head, framed, Duration::ZERO, true).await
    }

    /// The same, waiting before the call's end is said; with `end` false it never is.
    pub(crate) async fn stalled_call(
        &self,
        head: Request<()>,
        framed: Bytes,
        stall: Duration,
        end: bool,
    ) -> Result<Reply, CallError> {
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut sending) = requests.send_request(head, false)?;
        let at_once = end && stall.is_zero();
        sending.send_data(framed, at_once)?;
        let response = async { Self::read(response).await };
        if at_once {
            return response.await;
        }
        tokio::pin!(response);
        tokio::select! {
            reply = &mut response => return reply,
            () = tokio::time::sleep(stall) => {}
        }
        if end {
            sending.send_data(Bytes::new(), true)?;
        }
        let reply = response.await;
        drop(sending);
        reply
    }

    /// Opens a call and takes it back at once.
    pub(crate) async fn reset(&self, head: Request<()>) -> Result<(), CallError> {
        let mut requests = self.requests.clone().ready().await?;
        let (_response, mut sending) = requests.send_request(head, false)?;
        sending.send_reset(h2::Reason::CANCEL);
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn read(response: h2::client::ResponseFuture) -> Result<Reply, CallError> {
        let (head, mut body) = response.await?.into_parts();
        let mut reply =
            Reply { http_status: head.status.as_u16(), headers: head.headers, ..Reply::default() };
        while let Some(data) = body.data().await {
            let data = data?;
            if reply.body.len() + data.len() > LONGEST_BODY {
                return Err(CallError::TooLong);
            }
            reply.body.extend_from_slice(&data);
            body.flow_control().release_capacity(data.len())?;
        }
        reply.trailers = body.trailers().await?.unwrap_or_default();
        Ok(reply)
    }
}
