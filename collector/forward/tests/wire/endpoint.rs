//! An endpoint that does as it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What to do with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        fields: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// A head, and then nothing.
    HeadOnly(u16),
    /// Closes the connection.
    Close,
    /// Never answers.
    Stall,
    /// 200, but not before the door is opened.
    Wait(watch::Receiver<bool>),
}

impl Reply {
    pub(crate) const fn status(status: u16) -> Self {
        Self::Answer { status, fields: Vec::new(), body: Vec::new() }
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) connection: usize,
    pub(crate) at: Instant,
}

type Script = dyn Fn(usize, &Received) -> Reply + Send + Sync;

/// Listens as long as the test's runtime lives.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Receiver<usize>,
}

impl Endpoint {
    /// Answers the n-th request, from 0, as the script says.
    pub(crate) async fn new(
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::open(None, script).await
    }

    pub(crate) async fn open(
        tls: Option<TlsAcceptor>,
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let (tell, count) = watch::channel(0);
        let desk =
            Arc::new(Desk { script: Box::new(script), received: Arc::clone(&received), tell });
        tokio::spawn(async move {
            let connections = AtomicUsize::new(0);
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let number = connections.fetch_add(1, Relaxed);
                let (desk, tls) = (Arc::clone(&desk), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => desk.serve(number, stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                desk.serve(number, stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, received, count }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }

    pub(crate) async fn wait_for(&mut self, requests: usize) {
        self.count.wait_for(|&count| count >= requests).await.expect("the endpoint lives");
    }
}

struct Desk {
    script: Box<Script>,
    received: Arc<Mutex<Vec<Received>>>,
    tell: watch::Sender<usize>,
}

impl Desk {
    async fn serve(&self, connection: usize, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(|request| self.answer(connection, request));
        let server = hyper::server::conn::http1::Builder::new();
        // Clients may go, and so may we.
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(
        &self,
        connection: usize,
        request: Request<Incoming>,
    ) -> Result<Response<Either<Full<Bytes>, Stuck>>, Closed> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
        let (path, headers) = (head.uri.path().to_owned(), head.headers);
        let received = Received { path, headers, body, connection, at: Instant::now() };
        let number = {
            let mut all = self.received.lock().expect("not poisoned");
            all.push(received.clone());
            all.len() - 1
        };
        let reply = (self.script)(number, &received);
        self.tell.send_modify(|count| *count += 1);
        match reply {
            Reply::Answer { status, fields, body } => {
                let mut response = Response::new(Either::Left(Full::new(body.into())));
                *response.status_mut() = status.try_into().expect("a status");
                for (name, value) in fields {
                    response.headers_mut().insert(name, value.parse().expect("a value"));
                }
                Ok(response)
            }
            Reply::HeadOnly(status) => {
                let mut response = Response::new(Either::Right(Stuck));
                *response.status_mut() = status.try_into().expect("a status");
                Ok(response)
            }
            Reply::Close => Err(Closed),
            Reply::Stall => std::future::pending().await,
            Reply::Wait(mut door) => {
                door.wait_for(|&open| open).await.expect("the test holds the door");
                Ok(Response::new(Either::Left(Full::default())))
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("closed")]
struct Closed;

/// A body that never comes.
struct Stuck;

impl Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
