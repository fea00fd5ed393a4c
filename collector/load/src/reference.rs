//! A collector that keeps the rules, and can be told which one to break: the tests' counterpart.

mod otlp;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::status::grpc;
use crate::wire::Writer;

/// A rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Errors over HTTP are plain text.
    TextErrors,
    /// Errors over HTTP are JSON, whatever the request was.
    JsonErrors,
    /// Too large is a matter of 429, or of OUT_OF_RANGE.
    RetryableTooLarge,
    /// The limit counts bytes before decompression.
    LimitBeforeDecompression,
    /// Spans without valid ids are dropped without a word.
    SilentlyDrops,
    /// `partial_success` is always set.
    AlwaysPartial,
    /// Codings are not looked at.
    IgnoresCoding,
    /// Logs are taken from anybody.
    OpenLogs,
    /// Whoever knows the beginning of the token gets in.
    TokenPrefix,
    /// Every connection ends after one answer, unannounced.
    HangsUp,
    /// JSON's keys may be in snake case.
    SnakeCase,
    /// Metrics are not known.
    NoMetrics,
    /// The first request of each three is refused for now.
    Busy,
    /// The first request of each three is stored, and its connection broken.
    LosesAnswers,
    /// The first request of each three is acknowledged and not stored.
    LosesSpans,
}

/// The running collector. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    acceptor: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    fault: Fault,
    limit: u64,
    token: Option<String>,
    requests: AtomicU32,
    stored: Mutex<Vec<([u8; 16], [u8; 8])>>,
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

impl Reference {
    /// Starts one. Connections live for `lifetime` at most: the simplest way to be rid of slow ones.
    pub(crate) async fn start(
        fault: Fault,
        limit: u64,
        token: Option<&str>,
        lifetime: Duration,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            fault,
            limit,
            token: token.map(str::to_owned),
            requests: AtomicU32::new(0),
            stored: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let acceptor = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let state = Arc::clone(&shared);
                tokio::spawn(tokio::time::timeout(lifetime, async move {
                    let service = service_fn(|request| Arc::clone(&state).serve(request));
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http1().keep_alive(fault != Fault::HangsUp);
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                }));
            }
        });
        Self { address, state, acceptor }
    }

    pub(crate) fn stored(&self) -> Vec<([u8; 16], [u8; 8])> {
        self.state.stored.lock().unwrap().clone()
    }
}

/// What the rules make of a request, before it is said in the words of a transport.
pub(crate) enum Verdict {
    /// Rejected records.
    Taken(u64),
    /// HTTP status, gRPC code.
    Refused(u16, u32),
}

pub(crate) const BAD: Verdict = Verdict::Refused(400, grpc::INVALID_ARGUMENT);

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::convert::Infallible>;

fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes)).boxed_unsync()
}

impl State {
    async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, std::io::Error> {
        let kind = request.headers().get("content-type").and_then(|v| v.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let kind = kind.to_ascii_lowercase();
        if kind.starts_with("application/grpc") {
            return self.grpc(request).await;
        }
        let json = kind == "application/json";
        if request.method() != Method::POST {
            let response = Response::builder().status(405).header("allow", "POST");
            return Ok(response.body(full(Vec::new())).unwrap());
        }
        let path = request.uri().path().to_owned();
        let verdict = match path.as_str() {
            _ if !json && kind != "application/x-protobuf" => Verdict::Refused(415, 3),
            "/v1/metrics" if self.fault == Fault::NoMetrics => Verdict::Refused(404, 12),
            "/v1/traces" | "/v1/metrics" | "/v1/logs" => {
                self.http(request, path == "/v1/traces", path == "/v1/logs", json).await?
            }
            _ => Verdict::Refused(404, grpc::UNIMPLEMENTED),
        };
        Ok(self.said_over_http(&verdict, json))
    }

    async fn http(
        &self,
        request: Request<Incoming>,
        traces: bool,
        logs: bool,
        json: bool,
    ) -> Result<Verdict, std::io::Error> {
        let (head, body) = request.into_parts();
        if !self.lets_in(&head.headers, logs) {
            return Ok(Verdict::Refused(401, grpc::UNAUTHENTICATED));
        }
        let length = head.headers.get("content-length").and_then(|v| v.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > self.limit) {
            return Ok(self.too_large());
        }
        let body = match Limited::new(body, self.limit as usize).collect().await {
            Ok(body) => body,
            Err(error) if error.is::<LengthLimitError>() => return Ok(self.too_large()),
            Err(_) => return Ok(BAD),
        };
        let coding = head.headers.get("content-encoding").and_then(|v| v.to_str().ok());
        let coding = coding.unwrap_or("identity").to_ascii_lowercase();
        let bytes = match self.unpacked(&coding, &body.to_bytes()) {
            Ok(bytes) => bytes,
            Err(refused) => return Ok(refused),
        };
        self.take(&bytes, traces, json)
    }

    async fn grpc(&self, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
        let (head, mut body) = request.into_parts();
        let traces = head.uri.path() == crate::grpc::TRACES;
        let logs = head.uri.path() == crate::grpc::LOGS;
        let metrics = head.uri.path() == crate::grpc::METRICS && self.fault != Fault::NoMetrics;
        if !(traces || logs || metrics) {
            return Ok(said_over_grpc(&Verdict::Refused(404, grpc::UNIMPLEMENTED)));
        }
        if !self.lets_in(&head.headers, logs) {
            return Ok(said_over_grpc(&Verdict::Refused(401, grpc::UNAUTHENTICATED)));
        }
        let deadline = match head.headers.get("grpc-timeout").and_then(|v| v.to_str().ok()) {
            Some("500m") => Duration::from_millis(500),
            _ => Duration::from_secs(10),
        };
        let mut framed = Vec::new();
        let reading = async {
            while let Some(Ok(frame)) = body.frame().await {
                framed.extend(frame.into_data().unwrap_or_default());
                let said = framed.get(1..5).map(|l| u32::from_be_bytes(l.try_into().unwrap()));
                if said.is_some_and(|said| u64::from(said) > self.limit) {
                    return false;
                }
            }
            true
        };
        let read = tokio::time::timeout(deadline, reading).await;
        let verdict = match read {
            Err(_) => Verdict::Refused(504, grpc::DEADLINE_EXCEEDED),
            Ok(false) => self.too_large(),
            Ok(true) => self.message(&head.headers, &framed, traces)?,
        };
        Ok(said_over_grpc(&verdict))
    }

    fn message(
        &self,
        headers: &HeaderMap,
        framed: &[u8],
        traces: bool,
    ) -> Result<Verdict, std::io::Error> {
        let coding = headers.get("grpc-encoding").map_or("identity", |v| v.to_str().unwrap());
        let coding = match framed.first() {
            Some(0) => "identity",
            Some(1) if coding == "identity" => return Ok(Verdict::Refused(500, grpc::INTERNAL)),
            Some(1) => coding,
            _ => return Ok(BAD),
        };
        let said = framed.get(1..5).map(|l| u32::from_be_bytes(l.try_into().unwrap()) as usize);
        if said.is_none_or(|said| framed.len() != 5 + said) {
            return Ok(BAD);
        }
        match self.unpacked(coding, &framed[5..]) {
            Ok(bytes) => self.take(&bytes, traces, false),
            Err(refused) => Ok(refused),
        }
    }

    fn lets_in(&self, headers: &HeaderMap, logs: bool) -> bool {
        let Some(token) = &self.token else { return true };
        if logs && self.fault == Fault::OpenLogs {
            return true;
        }
        let value = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let Some((scheme, given)) = value.split_once(' ') else { return false };
        let right = given == token || self.fault == Fault::TokenPrefix && given.starts_with(token);
        scheme.eq_ignore_ascii_case("bearer") && right
    }

    fn too_large(&self) -> Verdict {
        match self.fault {
            Fault::RetryableTooLarge => Verdict::Refused(429, grpc::OUT_OF_RANGE),
            _ => Verdict::Refused(413, grpc::RESOURCE_EXHAUSTED),
        }
    }

    fn unpacked(&self, coding: &str, bytes: &[u8]) -> Result<Vec<u8>, Verdict> {
        let limit = match self.fault {
            Fault::LimitBeforeDecompression => u64::MAX - 1,
            _ => self.limit,
        };
        match otlp::unpack(coding, bytes, limit + 1) {
            Ok(unpacked) if unpacked.len() as u64 > limit => Err(self.too_large()),
            Ok(unpacked) => Ok(unpacked),
            Err(otlp::Broken::Data) => Err(BAD),
            Err(otlp::Broken::Coding) if self.fault == Fault::IgnoresCoding => Ok(bytes.to_vec()),
            Err(otlp::Broken::Coding) => Err(Verdict::Refused(415, grpc::UNIMPLEMENTED)),
        }
    }

    /// Stores what is good. An error breaks the connection.
    fn take(&self, bytes: &[u8], traces: bool, json: bool) -> Result<Verdict, std::io::Error> {
        let first_of_three = self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(3);
        if first_of_three && self.fault == Fault::Busy {
            return Ok(Verdict::Refused(503, grpc::UNAVAILABLE));
        }
        let spans = if json {
            otlp::from_json(bytes, traces, self.fault == Fault::SnakeCase)
        } else if traces {
            otlp::from_protobuf(bytes)
        } else {
            Some(Vec::new())
        };
        let Some(spans) = spans else { return Ok(BAD) };
        let rejected = spans.iter().filter(|ids| ids.is_none()).count() as u64;
        if !(first_of_three && self.fault == Fault::LosesSpans) {
            self.stored.lock().unwrap().extend(spans.into_iter().flatten());
        }
        if first_of_three && self.fault == Fault::LosesAnswers {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        Ok(Verdict::Taken(if self.fault == Fault::SilentlyDrops { 0 } else { rejected }))
    }

    fn said_over_http(&self, verdict: &Verdict, json: bool) -> Response<Body> {
        let (status, mut body) = match *verdict {
            Verdict::Taken(rejected) => {
                let set = rejected > 0 || self.fault == Fault::AlwaysPartial;
                (200, if json { otlp::partial_json(rejected, set) } else { partial(rejected, set) })
            }
            Verdict::Refused(status, code) if json || self.fault == Fault::JsonErrors => {
                (status, format!(r#"{{"code":{code},"message":"no","details":[]}}"#).into_bytes())
            }
            Verdict::Refused(status, code) => {
                let error = Writer::default().varint(1, code.into()).bytes(2, b"no");
                (status, error.done())
            }
        };
        let mut kind = if json { "application/json" } else { "application/x-protobuf" };
        if self.fault == Fault::TextErrors && status >= 400 {
            (kind, body) = ("text/plain", b"no".to_vec());
        }
        let mut response = Response::builder().status(status).header("content-type", kind);
        if status == 401 {
            response = response.header("www-authenticate", "Bearer");
        }
        if status == 503 {
            response = response.header("retry-after", "0");
        }
        response.body(full(body)).unwrap()
    }
}

fn partial(rejected: u64, set: bool) -> Vec<u8> {
    let partial = Writer::default().varint(1, rejected).bytes(2, b"ids");
    if set { Writer::default().message(1, partial).done() } else { Vec::new() }
}

fn said_over_grpc(verdict: &Verdict) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    let (code, message) = match *verdict {
        Verdict::Taken(rejected) => {
            (grpc::OK, crate::grpc::frame(false, &partial(rejected, rejected > 0)))
        }
        Verdict::Refused(_, code) => (code, Bytes::new()),
    };
    trailers.insert("grpc-status", HeaderValue::from(code));
    if code == grpc::UNAVAILABLE {
        // RetryInfo without a delay: at once.
        let info = Writer::default().bytes(1, b"type.googleapis.com/google.rpc.RetryInfo");
        let status = Writer::default().varint(1, code.into()).message(3, info).done();
        let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(status);
        trailers.insert("grpc-status-details-bin", text.parse().unwrap());
    }
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::builder()
        .status(StatusCode::OK)
        .header("content-type", "application/grpc")
        .header("grpc-accept-encoding", "identity,gzip,zstd")
        .body(body.boxed_unsync())
        .unwrap()
}
