//! The bodies of requests, which have to keep pace, and of responses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::activity::{Activity, UnderWay};
use crate::limits::Limits;

/// Why a body did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It fell behind [`Limits::min_body_rate`], or took longer than [`Limits::body_timeout`].
    #[error("read the body: it came too slowly")]
    TooSlow,
    /// The connection or stream broke off, or its framing is wrong.
    #[error("read the body: {0}")]
    Broken(#[source] hyper::Error),
}

/// A request's body as it arrives. Ends in an error when it does not keep pace.
#[derive(Debug)]
pub struct RequestBody {
    inner: hyper::body::Incoming,
    pace: Pace,
    activity: Arc<Activity>,
    ended: bool,
}

/// The time that a body has: a grace, and a second more for so many bytes that arrived, up to a total.
/// The rule of Apache's `RequestReadTimeout` with `MinRate`.
#[derive(Debug)]
struct Pace {
    began: Instant,
    received: u64,
    grace: Duration,
    rate: u64,
    total: Duration,
    /// Made at the first wait: most bodies need none.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    fn deadline(&self) -> Instant {
        let earned = Duration::from_millis(self.received.saturating_mul(1000) / self.rate);
        self.began + self.total.min(self.grace.saturating_add(earned))
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline();
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        loop {
            std::task::ready!(alarm.as_mut().poll(cx));
            // Bytes that came since the alarm was set have moved the deadline.
            if alarm.deadline() >= deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
    }
}

impl RequestBody {
    pub(crate) fn new(
        inner: hyper::body::Incoming,
        activity: Arc<Activity>,
        limits: &Limits,
    ) -> Self {
        let pace = Pace {
            began: Instant::now(),
            received: 0,
            grace: limits.body_grace,
            rate: limits.min_body_rate,
            total: limits.body_timeout,
            alarm: None,
        };
        let ended = inner.is_end_stream();
        Self { inner, pace, activity, ended }
    }

    /// The next bytes; `None` at the end. Trailers are passed over.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await;
            match frame.transpose()?.map(Frame::into_data) {
                None => return Ok(None),
                Some(Ok(data)) => return Ok(Some(data)),
                Some(Err(_trailers)) => {}
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.pace.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.ended = this.inner.is_end_stream();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Pending => this.pace.poll_late(cx).map(|()| Some(Err(BodyError::TooSlow))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.ended {
            self.activity.leave_unread();
        }
    }
}

/// A response's body: at most one piece, and for gRPC trailers behind it.
#[derive(Debug, Default)]
pub(crate) struct ReplyBody {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl ReplyBody {
    pub(crate) fn new(data: Bytes) -> Self {
        Self { data: Some(data).filter(|data| !data.is_empty()), trailers: None }
    }

    pub(crate) fn with_trailers(data: Bytes, trailers: HeaderMap) -> Self {
        Self { data: Some(data), trailers: Some(trailers) }
    }

    fn next(&mut self) -> Option<Frame<Bytes>> {
        let data = self.data.take().map(Frame::data);
        data.or_else(|| self.trailers.take().map(Frame::trailers))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.next().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// A response's body, of ours or of the service behind the gate. The request counts as under way until
/// it is dropped.
#[derive(Debug)]
pub(crate) struct GatedBody<B> {
    body: Source<B>,
    /// Nothing of it is sent: the answer to a HEAD, which hyper sees to in HTTP/1 only.
    withheld: bool,
    _under_way: UnderWay,
}

#[derive(Debug)]
enum Source<B> {
    Gate(ReplyBody),
    Service(B),
}

impl<B> GatedBody<B> {
    pub(crate) const fn of_gate(body: ReplyBody, withheld: bool, under_way: UnderWay) -> Self {
        Self { body: Source::Gate(body), withheld, _under_way: under_way }
    }

    pub(crate) const fn of_service(body: B, withheld: bool, under_way: UnderWay) -> Self {
        Self { body: Source::Service(body), withheld, _under_way: under_way }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for GatedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.withheld {
            return Poll::Ready(None);
        }
        match &mut self.body {
            Source::Gate(body) => Poll::Ready(body.next().map(Ok)),
            Source::Service(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.withheld
            || match &self.body {
                Source::Gate(body) => body.is_end_stream(),
                Source::Service(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Gate(body) => body.size_hint(),
            Source::Service(body) => body.size_hint(),
        }
    }
}
