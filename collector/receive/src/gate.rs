//! What every request passes first, whichever service it is meant for: who is it, and is it let in?

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::service::Service;
use hyper::{Method, Request, Response, Version};

use crate::activity::Activity;
use crate::body::{GatedBody, RequestBody};
use crate::connection::Setup;
use crate::meter::Outcome;
use crate::otlp::refuse_stranger;
use crate::request::Peer;
use crate::roster::Place;

/// A service that can be run behind the gate. All that fit are.
pub(crate) trait Gated:
    Service<
        Request<RequestBody>,
        Response = Response<Self::Reply>,
        Error: Into<Box<dyn Error + Send + Sync>>,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its responses.
    type Reply: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Unpin
        + Send
        + 'static;
}

impl<S, B> Gated for S
where
    S: Service<
            Request<RequestBody>,
            Response = Response<B>,
            Error: Into<Box<dyn Error + Send + Sync>>,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    type Reply = B;
}

/// One connection's gate before a service.
pub(crate) struct Gate<S> {
    pub(crate) inner: S,
    pub(crate) setup: Arc<Setup>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) place: Arc<Place>,
    pub(crate) peer: Peer,
}

impl<S: Gated> Service<Request<hyper::body::Incoming>> for Gate<S> {
    type Response = Response<GatedBody<S::Reply>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<hyper::body::Incoming>) -> Self::Future {
        let under_way = self.activity.begin();
        let (mut head, body) = request.into_parts();
        let withheld = head.method == Method::HEAD && head.version == Version::HTTP_2;
        let body = RequestBody::new(body, Arc::clone(&self.activity), &self.setup.limits);
        if !self.setup.authorises(&head.headers) {
            let (transport, reply) = refuse_stranger(&head, &body);
            self.setup.meter.request(None, transport, Outcome::Unauthenticated);
            let reply = reply.map(|body| GatedBody::of_gate(body, withheld, under_way));
            return Box::pin(async move { Ok(reply) });
        }
        self.place.prove();
        head.extensions.insert(self.peer.clone());
        let inner = self.inner.clone();
        Box::pin(async move {
            let reply = inner.call(Request::from_parts(head, body)).await?;
            Ok(reply.map(|body| GatedBody::of_service(body, withheld, under_way)))
        })
    }
}
