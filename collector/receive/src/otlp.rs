//! OTLP behind the gate: which transport is it, and what is a request told?

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::service::Service;
use hyper::{HeaderMap, Request, Response, Version};

use crate::answer::Handler;
use crate::body::{ReplyBody, RequestBody};
use crate::budget::Budget;
use crate::config::Protocols;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::request::{Encoding, Transport};

mod failure;
mod gather;
mod grpc;
mod http;
mod take;
mod wire;

use failure::Failure;

/// What requests are handed to, and what they are measured against.
pub(crate) struct Desk<H> {
    pub(crate) handler: H,
    pub(crate) limits: Arc<Limits>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) meter: Meter,
}

/// The service of one listener.
pub(crate) struct Otlp<H> {
    pub(crate) desk: Arc<Desk<H>>,
    pub(crate) protocols: Protocols,
}

impl<H> Clone for Otlp<H> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk), protocols: self.protocols }
    }
}

impl<H: Handler> Service<Request<RequestBody>> for Otlp<H> {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<RequestBody>) -> Self::Future {
        let desk = Arc::clone(&self.desk);
        let protocols = self.protocols;
        Box::pin(async move {
            let (head, body) = request.into_parts();
            Ok(match transport(&head) {
                Transport::Grpc => grpc::answer(&desk, protocols, &head, body).await,
                Transport::Http => http::answer(&desk, protocols, &head, body).await,
            })
        })
    }
}

/// gRPC needs HTTP/2 and says so in its content type.
fn transport(head: &Parts) -> Transport {
    let is_grpc = head.version == Version::HTTP_2
        && media_type(&head.headers).is_some_and(|media| {
            let rest = media.strip_prefix("application/grpc");
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
        });
    if is_grpc { Transport::Grpc } else { Transport::Http }
}

/// The content type in lower case, without its parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media = value.split(';').next().unwrap_or_default().trim();
    Some(media.to_ascii_lowercase())
}

/// The encoding that a content type of OTLP/HTTP stands for.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    match media_type(headers)?.as_str() {
        "application/x-protobuf" => Some(Encoding::Protobuf),
        "application/json" => Some(Encoding::Json),
        _ => None,
    }
}

/// The answer to a request without a valid token, whatever it asks for.
pub(crate) fn refuse_stranger(
    head: &Parts,
    body: &RequestBody,
) -> (Transport, Response<ReplyBody>) {
    let failure = Failure::unauthenticated();
    match transport(head) {
        Transport::Grpc => (Transport::Grpc, grpc::failed(&failure)),
        Transport::Http => {
            let encoding = encoding(&head.headers).unwrap_or(Encoding::Json);
            let mut reply = http::failed(&failure, encoding);
            http::close_unless_short(&mut reply, head.version, body);
            (Transport::Http, reply)
        }
    }
}

/// Bytes of a body by its `content-length`, if it has one.
fn declared(body: &RequestBody) -> Option<u64> {
    body.size_hint().exact()
}
