//! Asks the target and keeps the book of checks.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use tokio::time::timeout;

use super::judge::{Encoding, Want, error_is_told, grpc_in_words, http_in_words};
use super::{Check, Finding, Report, Weight};
use crate::grpc::{self, Channel, Reply, frame};
use crate::http1::{Answer, Connection};
use crate::target::Target;

/// A request over HTTP/1.1 before it is written out.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Further headers as they are written.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// How long the body is said to be; `None`: not at all.
    pub(crate) length: Option<u64>,
}

impl Ask {
    /// A POST of a body in an encoding to a path.
    pub(crate) fn post(path: &'static str, encoding: Encoding, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type", encoding.content_type().to_owned())];
        Self { method: "POST", path, headers, length: Some(body.len() as u64), body }
    }

    /// A POST of traces.
    pub(crate) fn traces(encoding: Encoding, body: Vec<u8>) -> Self {
        Self::post("/v1/traces", encoding, body)
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| *key != name);
        self
    }

    /// The same body in chunks of at most `size`, with an extension and a trailer.
    pub(crate) fn chunked(mut self, size: usize) -> Self {
        let mut body = Vec::with_capacity(self.body.len() + 1024);
        for chunk in self.body.chunks(size) {
            body.extend(format!("{:X};part=1\r\n", chunk.len()).into_bytes());
            body.extend(chunk);
            body.extend(b"\r\n");
        }
        body.extend(b"0\r\nX-Checked: no\r\n\r\n");
        self.body = body;
        self.length = None;
        self.with("Transfer-Encoding", "chunked")
    }

    /// The head alone.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: collector\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(length) = self.length {
            head += &format!("Content-Length: {length}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head().as_slice(), &self.body].concat()
    }
}

/// The checks of one target.
#[derive(Debug)]
pub(crate) struct Suite<'a> {
    pub(crate) target: &'a Target,
    checks: Vec<Check>,
}

impl<'a> Suite<'a> {
    pub(crate) const fn new(target: &'a Target) -> Self {
        Self { target, checks: Vec::new() }
    }

    pub(crate) fn report(self) -> Report {
        Report { checks: self.checks }
    }

    /// Notes a check. `found` is `Ok` where the rule was kept.
    pub(crate) fn note(
        &mut self,
        (name, weight): (String, Weight),
        sent: &str,
        expected: &str,
        found: Result<String, String>,
    ) {
        let finding = if found.is_ok() { Finding::Pass } else { Finding::Fail };
        let found = found.unwrap_or_else(|found| found);
        self.push(name, weight, sent, expected, found, finding);
    }

    /// Notes a check that cannot be made.
    pub(crate) fn skip(&mut self, name: String, weight: Weight, why: &str) {
        self.push(name, weight, "nothing", "-", why.to_owned(), Finding::NotApplicable);
    }

    fn push(
        &mut self,
        name: String,
        weight: Weight,
        sent: &str,
        expected: &str,
        found: String,
        finding: Finding,
    ) {
        let (sent, expected) = (sent.to_owned(), expected.to_owned());
        self.checks.push(Check { name, weight, sent, expected, found, finding });
    }

    /// A request with the target's credentials.
    pub(crate) fn authorized(&self, ask: Ask) -> Ask {
        match &self.target.token {
            Some(token) => ask.with("Authorization", &format!("Bearer {token}")),
            None => ask,
        }
    }

    /// A new connection to the HTTP address.
    pub(crate) async fn connect(&self) -> Result<Connection, String> {
        let address = self.target.http.ok_or("no HTTP address")?;
        within(self.target.patience, Connection::open(address)).await
    }

    /// Sends a request over a connection of its own.
    pub(crate) async fn http(&self, ask: Ask) -> Result<Answer, String> {
        let bytes = self.authorized(ask).bytes();
        let mut connection = self.connect().await?;
        within(self.target.patience, connection.exchange(&bytes)).await
    }

    /// A new connection to the gRPC address.
    pub(crate) async fn channel(&self) -> Result<Channel, String> {
        let address = self.target.grpc.ok_or("no gRPC address")?;
        within(self.target.patience, Channel::open(address)).await
    }

    /// The head of a call with the target's credentials.
    pub(crate) fn head(&self, channel: &Channel, path: &str) -> Request<()> {
        let mut head = channel.head(path);
        if let Some(token) = &self.target.token
            && let Ok(value) = format!("Bearer {token}").parse()
        {
            head.headers_mut().insert("authorization", value);
        }
        head
    }

    /// Calls a method over a connection of its own with a framed message.
    pub(crate) async fn grpc_framed(
        &self,
        path: &str,
        headers: &[(&'static str, &'static str)],
        framed: Bytes,
    ) -> Result<Reply, String> {
        let channel = self.channel().await?;
        let mut head = self.head(&channel, path);
        for (name, value) in headers {
            head.headers_mut().insert(*name, http::HeaderValue::from_static(value));
        }
        within(self.target.patience, channel.call(head, framed)).await
    }

    /// Sends traces over gRPC.
    pub(crate) async fn grpc(&self, message: &[u8]) -> Result<Reply, String> {
        self.grpc_framed(grpc::TRACES, &[], frame(false, message)).await
    }

    /// Makes a check of one HTTP request, and a second of how it tells of an error if it is one.
    pub(crate) async fn check_http(
        &mut self,
        id: (String, Weight),
        sent: &str,
        (ask, encoding): (Ask, Encoding),
        want: Want,
    ) {
        if self.target.http.is_none() {
            return self.skip(id.0, id.1, "the target has no HTTP address");
        }
        let answer = self.http(ask).await;
        let found = judge_http(answer.clone(), encoding, want);
        self.note(id.clone(), sent, &want.in_words(false), found);
        if let (Ok(answer), false) = (answer, matches!(want, Want::RefusedBare(_))) {
            self.note_error_body(&id.0, sent, &answer, encoding);
        }
    }

    /// Makes a check of an error's body. An answer that is no error needs none.
    pub(crate) fn note_error_body(
        &mut self,
        name: &str,
        sent: &str,
        answer: &Answer,
        encoding: Encoding,
    ) {
        if answer.status < 400 {
            return;
        }
        let words = http_in_words(answer, encoding);
        let found = if error_is_told(answer, encoding) { Ok(words) } else { Err(words) };
        let expected = "a google.rpc.Status in the request's content type";
        self.note((format!("{name}/error-body"), Weight::Must), sent, expected, found);
    }

    /// Makes a check of one gRPC call.
    pub(crate) async fn check_grpc(
        &mut self,
        id: (String, Weight),
        sent: &str,
        message: &[u8],
        want: Want,
    ) {
        self.check_framed(id, sent, (&[], frame(false, message)), want).await;
    }

    /// The same with headers and the frame as given.
    pub(crate) async fn check_framed(
        &mut self,
        id: (String, Weight),
        sent: &str,
        (headers, framed): (&[(&'static str, &'static str)], Bytes),
        want: Want,
    ) {
        if self.target.grpc.is_none() {
            return self.skip(id.0, id.1, "the target has no gRPC address");
        }
        let reply = self.grpc_framed(grpc::TRACES, headers, framed).await;
        let found = judge_grpc(reply, want);
        self.note(id, sent, &want.in_words(true), found);
    }
}

/// An answer in words; `Ok` where it is allowed.
pub(crate) fn judge_http(
    answer: Result<Answer, String>,
    encoding: Encoding,
    want: Want,
) -> Result<String, String> {
    let answer = answer?;
    let words = http_in_words(&answer, encoding);
    if want.allows_http(&answer, encoding) { Ok(words) } else { Err(words) }
}

/// A reply in words; `Ok` where it is allowed.
pub(crate) fn judge_grpc(reply: Result<Reply, String>, want: Want) -> Result<String, String> {
    let reply = reply?;
    let words = grpc_in_words(&reply);
    if want.allows_grpc(&reply) { Ok(words) } else { Err(words) }
}

/// Waits no longer than that; errors become words.
pub(crate) async fn within<T, E: std::fmt::Display>(
    patience: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(patience, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {patience:?}")),
    }
}

/// Adds to what was found how long it took, and refuses what took too long.
pub(crate) fn in_time(
    found: Result<String, String>,
    since: Instant,
    most: Duration,
) -> Result<String, String> {
    let took = since.elapsed();
    let words = |found: String| format!("{found}, after {:.1} s", took.as_secs_f64());
    match found {
        Ok(found) if took <= most => Ok(words(found)),
        Ok(found) | Err(found) => Err(words(found)),
    }
}
