//! One request, one connection: HTTP/1.1, over TLS if need be.
//!
//! There is a request every few seconds; a connection that is kept would be closed by the other end, or by
//! something in between, more often than it would be used.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap};
use http::uri::Uri;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::options::StartError;

/// How long a request may take, connecting included.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest body of an answer: it holds a message for people at most.
const LONGEST_ANSWER: usize = 64 << 10;

/// Sends what the exporters encode.
pub(crate) struct Client {
    headers: HeaderMap,
    /// For `https`.
    tls: Option<Arc<ClientConfig>>,
    /// Why the last request did not get an answer that says yes: the exporters do not pass it on.
    fault: Arc<Mutex<Option<String>>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("no TLS: {0}")]
    Name(#[from] InvalidDnsNameError),
    #[error("no whole answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("no whole answer: {0}")]
    Body(HttpError),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Slow,
}

impl Client {
    pub(crate) fn new(headers: HeaderMap, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { headers, tls, fault: Arc::default() }
    }

    /// Where the reason of the last failure can be taken.
    pub(crate) fn fault(&self) -> Arc<Mutex<Option<String>>> {
        Arc::clone(&self.fault)
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let uri = request.uri().clone();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let standard = if self.tls.is_some() { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(standard);
        let request = self.address(&uri, request);
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(SendError::Connect)?;
        let Some(tls) = &self.tls else { return exchange(stream, request).await };
        let name = ServerName::try_from(host)?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(name, stream).await.map_err(SendError::Tls)?;
        exchange(stream, request).await
    }

    /// The request as it goes out: our header fields, and of the exporter's those that describe the body.
    /// It takes others from the environment.
    fn address(&self, uri: &Uri, request: Request<Bytes>) -> Request<Full<Bytes>> {
        let (given, body) = request.into_parts();
        let mut out = Request::new(Full::new(body));
        *out.method_mut() = given.method;
        *out.uri_mut() =
            uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
        *out.headers_mut() = self.headers.clone();
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            if let Some(value) = given.headers.get(&name) {
                out.headers_mut().insert(name, value.clone());
            }
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let authority =
            HeaderValue::from_str(authority).expect("the characters of a URI are those of a field");
        out.headers_mut().insert(HOST, authority);
        out
    }
}

/// Writes the request, reads the answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, SendError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let call = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(SendError::Body)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    let (mut call, mut connection) = (std::pin::pin!(call), std::pin::pin!(connection));
    tokio::select! {
        answer = &mut call => return answer,
        // It may end before its answer is read; and its error is the call's.
        _ = &mut connection => {}
    }
    call.await
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = tokio::time::timeout(PATIENCE, self.send(request)).await;
        let answer = sent.unwrap_or(Err(SendError::Slow));
        let fault = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        *self.fault.lock().expect("nothing panics under this lock") = fault;
        Ok(answer?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// TLS that trusts the roots of the system.
pub(crate) fn system_tls() -> Result<Arc<ClientConfig>, StartError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(StartError::Roots { why });
    }
    Ok(tls(roots))
}

fn tls(roots: rustls::RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[cfg(test)]
mod tests;
