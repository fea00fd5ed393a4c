//! A body that is there in full is inflated, handed to the handler, and the answer understood.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;

use super::Desk;
use super::failure::Failure;
use super::wire::{Success, capped};
use crate::answer::{Answer, Handler};
use crate::budget::Permit;
use crate::inflate::inflate;
use crate::limits::Limits;
use crate::meter::Outcome;
use crate::request::{Compression, Encoding, Incoming, Peer, Signal, Transport};

/// Compressed bodies from this size on are inflated on a thread of their own kind: it takes milliseconds.
const INFLATE_APART: usize = 128 << 10;

/// A body as it was received, and what its head said about it.
pub(super) struct Received {
    pub(super) signal: Signal,
    pub(super) encoding: Encoding,
    pub(super) compression: Compression,
    pub(super) transport: Transport,
    pub(super) peer: Peer,
    pub(super) raw: Bytes,
    pub(super) permit: Permit,
}

/// Inflates it and asks the handler.
pub(super) async fn take<H: Handler>(
    desk: &Desk<H>,
    received: Received,
) -> Result<Success, Failure> {
    let Received { signal, encoding, compression, transport, peer, raw, mut permit } = received;
    let body = if compression == Compression::None || raw.len() < INFLATE_APART {
        inflate(compression, &raw, &desk.limits, &mut permit)?
    } else {
        let (body, back) = inflate_apart(compression, raw.clone(), &desk.limits, permit).await?;
        permit = back;
        body
    };
    desk.meter.bytes(raw.len(), body.len());
    let incoming = Incoming { signal, encoding, compression, raw, body, peer, transport, permit };
    let answer = ask(&desk.handler, incoming).await.unwrap_or(Answer::Internal);
    understand(answer)
}

async fn inflate_apart(
    compression: Compression,
    raw: Bytes,
    limits: &Limits,
    mut permit: Permit,
) -> Result<(Bytes, Permit), Failure> {
    let limits = limits.clone();
    let inflated = tokio::task::spawn_blocking(move || {
        inflate(compression, &raw, &limits, &mut permit).map(|body| (body, permit))
    });
    Ok(inflated.await.map_err(|_| Failure::internal())??)
}

/// Asks the handler; `None` if it panics.
async fn ask<H: Handler>(handler: &H, incoming: Incoming) -> Option<Answer> {
    let mut future = pin!(async move { handler.handle(incoming).await });
    std::future::poll_fn(|cx| {
        // A future that panicked is not polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answer)) => Poll::Ready(Some(answer)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

fn understand(answer: Answer) -> Result<Success, Failure> {
    match answer {
        Answer::Accepted => Ok(Success::default()),
        Answer::Warning { message } => Ok(Success { rejected: 0, message: capped(&message) }),
        Answer::Partial { rejected, message } => {
            Ok(Success { rejected, message: capped(&message) })
        }
        Answer::BadData { message } => Err(Failure::bad_data(capped(&message))),
        Answer::TooLarge { message } => Err(Failure::too_large(capped(&message))),
        Answer::Busy { retry_after, message } => Err(Failure::busy(retry_after, capped(&message))),
        Answer::Unavailable { retry_after, message } => {
            Err(Failure::unavailable(retry_after, capped(&message)))
        }
        Answer::Internal => Err(Failure::internal()),
    }
}

/// How a request counts.
pub(super) fn outcome(result: &Result<Success, Failure>) -> Outcome {
    match result {
        Ok(Success { rejected: 0, .. }) => Outcome::Accepted,
        Ok(_) => Outcome::Partial,
        Err(failure) => failure.outcome,
    }
}
