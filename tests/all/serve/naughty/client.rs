//! A client that sends what well-behaved ones would not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use h2::client::SendRequest;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use serde_json::Value;

/// Method of gRPC that takes traces.
pub(super) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A client of HTTP/1.1 with one connection, opened anew where the server has closed it.
pub(super) struct Http {
    at: SocketAddr,
    stream: Option<TcpStream>,
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

impl Http {
    pub(super) const fn new(at: SocketAddr) -> Self {
        Self { at, stream: None }
    }

    /// Sends a request; `target` and `headers` go out as they are, `headers` with a line end each.
    #[track_caller]
    pub(super) fn send(
        &mut self,
        method: &str,
        target: &[u8],
        headers: &[u8],
        body: &[u8],
    ) -> Answer {
        let mut request = format!("{method} ").into_bytes();
        request.extend_from_slice(target);
        request.extend(
            format!(" HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.at, body.len()).bytes(),
        );
        request.extend_from_slice(headers);
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        let stream = self.stream.get_or_insert_with(|| {
            let stream = TcpStream::connect(self.at).expect("somebody listens");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
            stream.set_nodelay(true).expect("the delay can be turned off");
            stream
        });
        let shown = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
        stream.write_all(&request).expect("the request is sent");
        let mut answer = Vec::new();
        let mut read = |answer: &mut Vec<u8>| {
            let mut piece = [0; 4096];
            let n = stream.read(&mut piece).expect("an answer comes");
            assert!(n > 0, "hung up without an answer to {shown:?}");
            answer.extend_from_slice(&piece[..n]);
        };
        let begin = loop {
            if let Some(at) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            read(&mut answer);
        };
        let head = String::from_utf8(answer[..begin].to_vec()).expect("a head is text");
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value.to_owned()))
        };
        let length = header("content-length").map_or(0, |n| n.parse().expect("a length"));
        while answer.len() < begin + length {
            read(&mut answer);
        }
        if header("connection").is_some_and(|value| value == "close") {
            self.stream = None;
        }
        Answer {
            status: head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status"),
            content_type: header("content-type").unwrap_or_default(),
            body: answer.split_off(begin),
        }
    }
}

impl Answer {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.content_type, "application/json");
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Whether it says what is wrong as a `google.rpc.Status` in the type of the request.
    pub(super) fn is_status(&self, content_type: &str, code: u8) -> bool {
        let told = if content_type == "application/json" {
            let status: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            status["code"] == code && status["message"].as_str().is_some_and(|m| !m.is_empty())
        } else {
            is_status(&self.body, code)
        };
        self.content_type == content_type && told
    }
}

/// Whether this is a `google.rpc.Status` in protobuf with that code, and a message that is text.
fn is_status(bytes: &[u8], code: u8) -> bool {
    let [8, found, 18, rest @ ..] = bytes else { return false };
    let (length, begin) = match *rest {
        [low @ 0x80..=0xff, high, ..] => (usize::from(low & 0x7f) | usize::from(high) << 7, 2),
        [length, ..] => (usize::from(length), 1),
        [] => return false,
    };
    let message = rest.get(begin..begin + length).and_then(|m| std::str::from_utf8(m).ok());
    *found == code && message.is_some_and(|message| !message.is_empty())
}

/// An answer over gRPC.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u8,
    headers: HeaderMap,
}

impl Reply {
    /// Whether it says what is wrong, in words and in a `google.rpc.Status`.
    pub(super) fn is_told(&self) -> bool {
        let filled = |name: &str| self.headers.get(name).is_some_and(|value| !value.is_empty());
        filled("grpc-message") && filled("grpc-status-details-bin")
    }
}

/// A client of gRPC with one connection.
pub(super) struct Grpc {
    at: SocketAddr,
    requests: SendRequest<Bytes>,
}

impl Grpc {
    pub(super) async fn open(at: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(at).await.expect("somebody listens");
        stream.set_nodelay(true).expect("the delay can be turned off");
        let (requests, connection) = h2::client::handshake(stream).await.expect("they shake hands");
        tokio::spawn(async move { connection.await.expect("the connection holds") });
        Self { at, requests }
    }

    /// Calls a method with one message.
    pub(super) async fn call(
        &mut self,
        path: &str,
        headers: &[(&'static str, HeaderValue)],
        message: &[u8],
    ) -> Reply {
        let uri: Uri = format!("http://{}{path}", self.at).parse().expect("the path is one");
        let mut request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("the head is one");
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), value.clone());
        }
        let length = u32::try_from(message.len()).expect("messages of tests are short");
        let framed = [&[0][..], &length.to_be_bytes(), message].concat();
        let mut requests = self.requests.clone().ready().await.expect("there is room");
        let (response, mut body) = requests.send_request(request, false).expect("it is sent");
        body.send_data(framed.into(), true).expect("it is sent");
        let (head, mut body) = response.await.expect("an answer comes").into_parts();
        assert_eq!(head.status, 200);
        while let Some(data) = body.data().await {
            let length = data.expect("the answer is whole").len();
            body.flow_control().release_capacity(length).expect("it was taken");
        }
        let mut headers = head.headers;
        headers.extend(body.trailers().await.expect("the answer is whole").unwrap_or_default());
        let code = headers.get("grpc-status").and_then(|code| code.to_str().ok()?.parse().ok());
        Reply { code: code.expect("a status"), headers }
    }
}
