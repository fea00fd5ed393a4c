//! Clients that speak exactly what a test says, and read exactly what came.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use resus_receive::{Compression, Encoding, Signal, Transport};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::messages::fields;

/// A transport with an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Http1(Encoding),
    Http2(Encoding),
    Grpc,
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [
        Self::Http1(Encoding::Protobuf),
        Self::Http1(Encoding::Json),
        Self::Http2(Encoding::Protobuf),
        Self::Http2(Encoding::Json),
        Self::Grpc,
    ];

    pub(crate) fn transport(self) -> Transport {
        if self == Self::Grpc { Transport::Grpc } else { Transport::Http }
    }

    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Self::Http1(encoding) | Self::Http2(encoding) => encoding,
            Self::Grpc => Encoding::Protobuf,
        }
    }
}

/// What came back, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// What a reply says, whatever the way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Status of HTTP; 200 for all of gRPC.
    pub(crate) status: u16,
    /// Code of gRPC or of the `google.rpc.Status`; 0 for success.
    pub(crate) code: u64,
    pub(crate) message: String,
    /// From `RetryInfo`.
    pub(crate) retry: Option<Duration>,
    /// Seconds of the header `Retry-After`.
    pub(crate) retry_after: Option<u64>,
    /// What `BadRequest` says.
    pub(crate) violation: Option<String>,
    /// Rejected, and why.
    pub(crate) partial: Option<(u64, String)>,
}

/// A request to be varied.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) way: Way,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

pub(crate) fn path(way: Way, signal: Signal) -> String {
    if way == Way::Grpc {
        let (package, service) = match signal {
            Signal::Traces => ("trace", "TraceService"),
            Signal::Logs => ("logs", "LogsService"),
            Signal::Metrics => ("metrics", "MetricsService"),
        };
        return format!("/opentelemetry.proto.collector.{package}.v1.{service}/Export");
    }
    format!("/v1/{}", signal.name())
}

/// A message of gRPC.
pub(crate) fn framed(flag: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("short");
    [&[flag], length.to_be_bytes().as_slice(), message].concat().into()
}

impl Call {
    /// A correct export of a body that is compressed already.
    pub(crate) fn new(way: Way, signal: Signal, compression: Compression, body: &[u8]) -> Self {
        let coding = match compression {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        };
        let (media, coding_header, body) = match way {
            Way::Grpc => {
                let flag = u8::from(coding.is_some());
                ("application/grpc", "grpc-encoding", framed(flag, body))
            }
            _ if way.encoding() == Encoding::Json => {
                ("application/json", "content-encoding", Bytes::copy_from_slice(body))
            }
            _ => ("application/x-protobuf", "content-encoding", Bytes::copy_from_slice(body)),
        };
        let mut headers = vec![("content-type".to_owned(), media.to_owned())];
        headers.extend(coding.map(|coding| (coding_header.to_owned(), coding.to_owned())));
        Self { way, method: Method::POST, path: path(way, signal), headers, body }
    }

    /// A plain export of spans.
    pub(crate) fn spans(way: Way, body: &[u8]) -> Self {
        Self::new(way, Signal::Traces, Compression::None, body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(had, _)| had != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sends it on a connection of its own.
    pub(crate) async fn send(self, address: SocketAddr) -> Reply {
        let stream = TcpStream::connect(address).await.expect("connects");
        self.send_over(stream).await
    }

    pub(crate) async fn send_over(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Reply {
        self.try_over(stream).await.expect("an answer")
    }

    pub(crate) async fn try_over(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Reply, hyper::Error> {
        let http1 = matches!(self.way, Way::Http1(_));
        let host = if http1 { "" } else { "http://door" };
        let mut request =
            Request::builder().method(self.method).uri(format!("{host}{}", self.path));
        if http1 {
            request = request.header("host", "door");
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body)).expect("a request");
        let io = TokioIo::new(stream);
        if http1 {
            let (mut send, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            collect(send.send_request(request).await?).await
        } else {
            let (mut send, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            let reply = collect(send.send_request(request).await?).await;
            // Kept until here, or the connection would be closed while the answer comes.
            drop(send);
            reply
        }
    }

    /// Sends it and reads what the reply says, checking its form on the way.
    pub(crate) async fn verdict(self, address: SocketAddr) -> Verdict {
        let way = self.way;
        let signal = Signal::ALL.into_iter().find(|s| self.path == path(way, *s));
        self.send(address).await.verdict(way, signal)
    }
}

async fn collect(reply: Response<Incoming>) -> Result<Reply, hyper::Error> {
    let (head, body) = reply.into_parts();
    let collected = body.collect().await?;
    Ok(Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        trailers: collected.trailers().cloned(),
        body: collected.to_bytes(),
    })
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().expect("text"))
    }

    pub(crate) fn verdict(&self, way: Way, signal: Option<Signal>) -> Verdict {
        let mut verdict = Verdict { status: self.status, ..Verdict::default() };
        verdict.retry_after = self.header("retry-after").map(|v| v.parse().expect("seconds"));
        match way {
            Way::Grpc => self.read_grpc(&mut verdict),
            _ if way.encoding() == Encoding::Json => {
                assert_eq!(self.header("content-type"), Some("application/json"));
                let value = serde_json::from_slice(&self.body).expect("JSON");
                read_json(&value, self.status == 200, signal, &mut verdict);
            }
            _ => {
                assert_eq!(self.header("content-type"), Some("application/x-protobuf"));
                if self.status == 200 {
                    verdict.partial = read_partial(&self.body);
                } else {
                    read_status(&self.body, &mut verdict);
                }
            }
        }
        verdict
    }

    fn read_grpc(&self, verdict: &mut Verdict) {
        assert_eq!(self.status, 200);
        assert_eq!(self.header("content-type"), Some("application/grpc"));
        let place = self.trailers.as_ref().unwrap_or(&self.headers);
        let text = |name: &str| Some(place.get(name)?.to_str().expect("text").to_owned());
        let code = text("grpc-status").expect("every call has a status");
        verdict.code = code.parse().expect("a number");
        if verdict.code == 0 {
            assert!(self.trailers.is_some(), "success has trailers behind its message");
            assert_eq!(self.body[0], 0, "answers are not compressed");
            let message = &self.body[5..];
            assert_eq!(
                u32::from_be_bytes(self.body[1..5].try_into().expect("4")) as usize,
                message.len()
            );
            verdict.partial = read_partial(message);
            return;
        }
        assert!(self.body.is_empty() && self.trailers.is_none(), "a refusal is trailers only");
        let message = percent_decoded(&text("grpc-message").expect("a message"));
        if let Some(details) = text("grpc-status-details-bin") {
            let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
            let bytes = engine.decode(details).expect("base64");
            let code = verdict.code;
            read_status(&bytes, verdict);
            assert_eq!((verdict.code, &verdict.message), (code, &message));
        }
        verdict.message = message;
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = std::str::from_utf8(&tail[..2]).expect("ASCII");
            bytes.push(u8::from_str_radix(hex, 16).expect("hex"));
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn read_partial(response: &[u8]) -> Option<(u64, String)> {
    if response.is_empty() {
        return None;
    }
    let response = fields(response);
    assert_eq!(response.len(), 1, "a response has one field: {response:?}");
    let partial = fields(response.bytes(1).expect("partial_success"));
    Some((partial.number(1).unwrap_or(0), partial.text(2).unwrap_or_default()))
}

fn read_status(bytes: &[u8], verdict: &mut Verdict) {
    let status = fields(bytes);
    verdict.code = status.number(1).expect("a code");
    verdict.message = status.text(2).expect("a message");
    let Some(any) = status.bytes(3).map(fields) else { return };
    let value = fields(any.bytes(2).expect("a value"));
    match any.text(1).expect("a type").as_str() {
        "type.googleapis.com/google.rpc.RetryInfo" => {
            let delay = fields(value.bytes(1).expect("a delay"));
            let nanos = u32::try_from(delay.number(2).unwrap_or(0)).expect("nanoseconds");
            verdict.retry = Some(Duration::new(delay.number(1).unwrap_or(0), nanos));
        }
        "type.googleapis.com/google.rpc.BadRequest" => {
            verdict.violation = fields(value.bytes(1).expect("a violation")).text(2);
        }
        other => panic!("unknown detail {other}"),
    }
}

fn read_json(
    value: &serde_json::Value,
    success: bool,
    signal: Option<Signal>,
    verdict: &mut Verdict,
) {
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    if success {
        let rejected = match signal.expect("a signal") {
            Signal::Traces => "rejectedSpans",
            Signal::Logs => "rejectedLogRecords",
            Signal::Metrics => "rejectedDataPoints",
        };
        verdict.partial = value.get("partialSuccess").map(|partial| {
            let count = partial.get(rejected).map_or(0, |n| text(n).parse().expect("a number"));
            (count, partial.get("errorMessage").map(text).unwrap_or_default())
        });
        return;
    }
    verdict.code = value["code"].as_u64().expect("a code");
    verdict.message = text(&value["message"]);
    let Some(detail) = value.get("details").map(|details| &details[0]) else { return };
    match text(&detail["@type"]).as_str() {
        "type.googleapis.com/google.rpc.RetryInfo" => {
            let delay = text(&detail["retryDelay"]);
            let seconds: f64 = delay.strip_suffix('s').expect("s").parse().expect("a number");
            verdict.retry = Some(Duration::from_secs_f64(seconds));
        }
        "type.googleapis.com/google.rpc.BadRequest" => {
            verdict.violation = Some(text(&detail["fieldViolations"][0]["description"]));
        }
        other => panic!("unknown detail {other}"),
    }
}

/// Reads until the other end closes; says how it closed and what came before.
pub(crate) async fn read_to_close(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    let read = async {
        loop {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(n) => all.extend_from_slice(&piece[..n]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("closed in time");
    String::from_utf8_lossy(&all).into_owned()
}

/// Writes text and reads until the other end closes.
pub(crate) async fn talk(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(text.as_bytes()).await.expect("writes");
    read_to_close(&mut stream).await
}

/// The statuses of the HTTP/1.1 responses in a text, in their order.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    text.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().expect("a status")).collect()
}
