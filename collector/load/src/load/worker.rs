//! One connection of a run: takes the next request, sends it, hears the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Compression, Outcome, Run, Transport};
use crate::grpc::{self, CallError, Channel};
use crate::http1::Connection;
use crate::ledger::{Entry, Fate, LedgerError};
use crate::message::Messages;
use crate::status::{self, Partial};

/// The pause after a connection failed, so that an absent collector is not asked in a busy loop.
const AFTER_FAILURE: Duration = Duration::from_millis(20);

/// What one attempt met.
enum Met {
    Acknowledged,
    Partial,
    Refused { retryable: bool, after: Option<Duration>, reason: String },
    Failed { sent: bool, reason: String },
}

pub(super) struct Worker {
    run: Arc<Run>,
    messages: Messages,
    stopped: watch::Receiver<bool>,
    line: Option<Line>,
    outcome: Outcome,
}

/// An open connection.
enum Line {
    Http(Connection),
    Grpc(Channel),
}

impl Worker {
    pub(super) fn new(run: Arc<Run>, messages: Messages, stopped: watch::Receiver<bool>) -> Self {
        Self { run, messages, stopped, line: None, outcome: Outcome::default() }
    }

    pub(super) async fn work(mut self) -> Result<Outcome, LedgerError> {
        while !*self.stopped.borrow() {
            let Some((request, due)) = self.run.take() else { break };
            let early = due.saturating_duration_since(Instant::now());
            if !early.is_zero() && self.pause(early).await {
                break;
            }
            self.messages.make(request);
            // Without a rate a request is due when it is taken.
            let entry = self.settle(due).await;
            self.outcome.requests += 1;
            self.outcome.next_request = request + 1;
            self.run.note(request, entry)?;
        }
        Ok(self.outcome)
    }

    /// Waits; whether the run was stopped meanwhile.
    async fn pause(&mut self, length: Duration) -> bool {
        timeout(length, self.stopped.wait_for(|stopped| *stopped)).await.is_ok()
    }

    /// Sends the current message until its fate is certain.
    async fn settle(&mut self, due: Instant) -> Entry {
        let first = Instant::now();
        let mut sends = 0;
        let mut uncertain = false;
        let mut wait = self.run.load.retry.map_or(Duration::ZERO, |retry| retry.first_wait);
        loop {
            let begun = Instant::now();
            let met = self.attempt().await;
            sends += u32::from(!matches!(met, Met::Failed { sent: false, .. }));
            let (again, asked) = match &met {
                Met::Refused { retryable, after, reason } => {
                    self.outcome.refusal_latency.record(begun.elapsed());
                    self.outcome.refusals += u64::from(*retryable);
                    self.outcome.reason(reason, 1);
                    (*retryable, *after)
                }
                Met::Failed { reason, sent } => {
                    uncertain |= *sent;
                    self.outcome.reason(reason, 1);
                    (true, None)
                }
                Met::Acknowledged | Met::Partial => (false, None),
            };
            let retry = self.run.load.retry.filter(|retry| {
                again && first.elapsed() < retry.give_up_after && !*self.stopped.borrow()
            });
            if let Some(retry) = retry {
                let stopped = self.pause(asked.unwrap_or_default().max(wait)).await;
                wait = (wait * 2).min(retry.longest_wait);
                if !stopped {
                    self.outcome.resent += 1;
                    continue;
                }
            } else if matches!(met, Met::Failed { .. }) {
                self.pause(AFTER_FAILURE).await;
            }
            return Entry { fate: self.count(&met, uncertain, due), sends };
        }
    }

    fn count(&mut self, met: &Met, uncertain: bool, due: Instant) -> Fate {
        match met {
            Met::Acknowledged => {
                self.outcome.acknowledged += 1;
                self.outcome.latency.record(due.elapsed());
                Fate::Acknowledged
            }
            Met::Partial => {
                self.outcome.partial += 1;
                Fate::Partial
            }
            Met::Refused { retryable, .. } => {
                let counter = if *retryable {
                    &mut self.outcome.refused_retryable
                } else {
                    &mut self.outcome.refused_other
                };
                *counter += 1;
                // An earlier attempt without an answer may have been kept all the same.
                if uncertain { Fate::Unanswered } else { Fate::Refused }
            }
            Met::Failed { .. } => {
                self.outcome.failed += 1;
                Fate::Unanswered
            }
        }
    }

    /// Sends the current message once, over a new connection if there is none.
    async fn attempt(&mut self) -> Met {
        let patience = self.run.load.target.patience;
        let line = match self.line.take() {
            Some(line) => line,
            None => match timeout(patience, Line::open(&self.run)).await {
                Ok(Ok(line)) => line,
                Ok(Err(error)) => return Met::Failed { sent: false, reason: error.to_string() },
                Err(_) => {
                    return Met::Failed {
                        sent: false,
                        reason: "connecting took too long".to_owned(),
                    };
                }
            },
        };
        let message = self.messages.lend();
        let sent = timeout(patience, line.send(&self.run, message.clone())).await;
        self.messages.give_back(message);
        match sent {
            Ok(Ok((met, line))) => {
                self.line = line;
                met
            }
            Ok(Err(error)) => Met::Failed { sent: true, reason: error.to_string() },
            Err(_) => Met::Failed { sent: true, reason: "no answer in time".to_owned() },
        }
    }
}

impl Line {
    async fn open(run: &Run) -> Result<Self, CallError> {
        let address = run.wrapping.address;
        Ok(match run.wrapping.transport {
            Transport::Http => Self::Http(Connection::open(address).await?),
            Transport::Grpc => Self::Grpc(Channel::open(address).await?),
        })
    }

    /// What came back, and the connection if it can be used again.
    async fn send(self, run: &Run, message: Bytes) -> Result<(Met, Option<Self>), CallError> {
        match self {
            Self::Http(mut connection) => {
                let answer = connection.exchange(&message).await?;
                drop(message);
                let usable = !answer.early && !answer.closes();
                let met = match answer.status {
                    200..300 => by_partial(Partial::from_protobuf(&answer.body)),
                    status => Met::Refused {
                        retryable: status::http_is_retryable(status),
                        after: answer
                            .header("retry-after")
                            .and_then(|seconds| seconds.parse().ok())
                            .map(Duration::from_secs),
                        reason: format!("HTTP {status}"),
                    },
                };
                Ok((met, usable.then_some(Self::Http(connection))))
            }
            Self::Grpc(channel) => {
                let mut head = channel.head(grpc::TRACES);
                let headers = head.headers_mut();
                if let Some(coding) = run.wrapping.compression.header() {
                    headers.insert("grpc-encoding", coding);
                }
                if let Some(token) = &run.wrapping.token
                    && let Ok(value) = format!("Bearer {token}").parse()
                {
                    headers.insert("authorization", value);
                }
                let reply = channel.call(head, message).await?;
                let met = match reply.code() {
                    Some(status::grpc::OK) => {
                        by_partial(Partial::from_protobuf(reply.message().unwrap_or_default()))
                    }
                    Some(code) => {
                        let details = reply.status().unwrap_or_default();
                        Met::Refused {
                            retryable: status::grpc_is_retryable(code, details.has_retry_info),
                            after: details.retry_after,
                            reason: format!("gRPC {}", status::grpc::name(code)),
                        }
                    }
                    None => Met::Refused {
                        retryable: status::http_is_retryable(reply.http_status),
                        after: None,
                        reason: format!("HTTP {} without grpc-status", reply.http_status),
                    },
                };
                Ok((met, Some(Self::Grpc(channel))))
            }
        }
    }
}

impl Compression {
    fn header(self) -> Option<http::HeaderValue> {
        self.name().map(http::HeaderValue::from_static)
    }
}

/// An answer that is none cannot be trusted to have kept everything.
fn by_partial(partial: Result<Option<Partial>, status::NotAResponse>) -> Met {
    match partial {
        Ok(partial) if partial.as_ref().is_none_or(|p| p.rejected == 0) => Met::Acknowledged,
        _ => Met::Partial,
    }
}
