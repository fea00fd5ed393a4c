//! From a request to an answer: decode, keep, hand on.
//!
//! A request is acknowledged when it is in the log by the setting of `store.sync`, never earlier. What
//! is not decodable is refused before anything is kept.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use bytes::Bytes;
use resus_model::{LogBatch, Quality, SpanBatch};
use resus_otlp::{DecodeError, Decoded, Keep};
use resus_receive::{Answer, Handler, Incoming, Permit, Signal, Transport};
use resus_store::log::{AppendError, Log, Position, Record};
use resus_telemetry::{Span, Telemetry};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::clock;
use super::counters::{Counters, Refusal};
use super::gauges::Gauges;
use super::record::Header;

/// A body from this size on is decoded apart, so that it holds up no other connection of its thread.
const LARGE: usize = 1 << 20;

/// How long a request may wait for the disk. SDKs give up after 10 s, and some then drop what they sent;
/// after a refusal they send it again. What was refused so may still be kept: then it comes twice.
const PATIENCE: Duration = Duration::from_secs(5);
const NOT_YET: &str = "failed to keep the request: the disk has not answered for 5 s";

/// A request that is in the log, on its way to the live half.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Where in the log it is.
    pub(crate) position: Position,
    /// When it arrived, nanoseconds since the Unix epoch.
    pub(crate) received_unix_nano: u64,
    /// What it holds.
    pub(crate) content: Content,
    /// Memory that it takes, given back when it is consumed.
    pub(crate) permit: Option<Permit>,
}

/// What a record of the log holds for the live half.
#[derive(Debug)]
pub(crate) enum Content {
    /// Spans, and what was odd about them.
    Spans(Box<SpanBatch>, Quality),
    /// Error records of spans.
    Logs(LogBatch),
    /// Only shows that the way is free.
    Canary,
}

/// Answers requests.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) log: Log,
    pub(crate) live: Sender<Committed>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) gauges: Arc<Gauges>,
    /// Names of the metrics that are kept.
    pub(crate) wanted_gauges: Vec<String>,
    /// The collector's own traces.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Whether the live half wants spans.
    pub(crate) watched: bool,
    /// Signals that `forward` sends on: they are kept in the log whole.
    pub(crate) forwarded: Vec<Signal>,
}

impl Handler for Ingest {
    async fn handle(&self, incoming: Incoming) -> Answer {
        let mut span = self.span(&incoming);
        let answer = self.answer(incoming).await;
        if span.is_recording() {
            describe(&mut span, &answer);
        }
        answer
    }
}

impl Ingest {
    /// A span of the collector's own about a request; none about its own telemetry, which comes here
    /// where collectors send to each other.
    fn span(&self, incoming: &Incoming) -> Span {
        let mut span = match (incoming.transport, incoming.signal) {
            (Transport::Http, Signal::Traces) => self.telemetry.http_request("http", "/v1/traces"),
            (Transport::Http, Signal::Logs) => self.telemetry.http_request("http", "/v1/logs"),
            (Transport::Http, Signal::Metrics) => {
                self.telemetry.http_request("http", "/v1/metrics")
            }
            (Transport::Grpc, Signal::Traces) => self
                .telemetry
                .grpc_request("opentelemetry.proto.collector.trace.v1.TraceService/Export"),
            (Transport::Grpc, Signal::Logs) => self
                .telemetry
                .grpc_request("opentelemetry.proto.collector.logs.v1.LogsService/Export"),
            (Transport::Grpc, Signal::Metrics) => self
                .telemetry
                .grpc_request("opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
        };
        if span.is_recording() {
            span.forget_own(&incoming.body);
            span.number("resus.request.bytes", incoming.raw.len() as u64);
        }
        span
    }

    async fn answer(&self, incoming: Incoming) -> Answer {
        let received = clock::now();
        if let Some(reason) = self.counters.refusing() {
            let (message, retry_after) = (reason.text().to_owned(), self.counters.later());
            return match reason {
                Refusal::Memory => Answer::Busy { retry_after, message },
                Refusal::Disk | Refusal::Stalled => Answer::Unavailable { retry_after, message },
            };
        }
        let decoded = if incoming.body.len() >= LARGE {
            tokio::task::block_in_place(|| self.decode(&incoming, received))
        } else {
            self.decode(&incoming, received)
        };
        match decoded {
            Ok((decoded, content)) => self.keep(incoming, received, decoded, content).await,
            Err(error) => {
                self.counters.undecodable(incoming.signal);
                Answer::BadData { message: format!("failed to {error}") }
            }
        }
    }

    /// Decodes a body; gives what is to be kept, if anything.
    fn decode(
        &self,
        incoming: &Incoming,
        received: u64,
    ) -> Result<(Decoded, Option<Content>), DecodeError> {
        let encoding = encoding(incoming.encoding);
        match incoming.signal {
            Signal::Traces => {
                let (decoded, content) = decode_spans(&incoming.body, encoding, received)?;
                self.counters.spans(decoded.records as u64, decoded.rejected);
                Ok((decoded, content))
            }
            Signal::Logs => {
                let mut quality = Quality::default();
                let mut batch = LogBatch::default();
                let decoded =
                    resus_otlp::decode_logs(&incoming.body, encoding, &mut batch, &mut quality)?;
                self.counters.log_records(decoded.records as u64);
                let content = (!batch.is_empty()).then_some(Content::Logs(batch));
                Ok((decoded, content))
            }
            Signal::Metrics => {
                let wanted: Vec<&str> = self.wanted_gauges.iter().map(String::as_str).collect();
                let mut points = Vec::new();
                let count =
                    resus_otlp::decode_metrics(&incoming.body, encoding, &wanted, &mut points)?;
                self.counters.metric_points(count.points);
                self.counters.without_room(self.gauges.keep(points));
                let decoded = Decoded { records: 0, rejected: 0, message: None };
                Ok((decoded, None))
            }
        }
    }

    /// Puts a request into the log, waits until it is there, and answers.
    async fn keep(
        &self,
        incoming: Incoming,
        received: u64,
        decoded: Decoded,
        content: Option<Content>,
    ) -> Answer {
        let Incoming { signal, encoding, compression, raw, permit, .. } = incoming;
        if content.is_some() || self.forwarded.contains(&signal) {
            let content = content.filter(|_| self.watched);
            let header = Header {
                signal: Some(signal),
                encoding,
                compression,
                received_unix_nano: received,
            };
            let kept = timeout(PATIENCE, self.append(header, raw, content, Some(permit))).await;
            if let Err(message) = kept.unwrap_or_else(|_| Err(NOT_YET.to_owned())) {
                return Answer::Unavailable { retry_after: self.counters.later(), message };
            }
        }
        match decoded {
            Decoded { rejected: 0, message: None, .. } => Answer::Accepted,
            Decoded { rejected: 0, message: Some(message), .. } => Answer::Warning { message },
            Decoded { rejected, message, .. } => {
                let message = message.unwrap_or_default();
                Answer::Partial { rejected, message }
            }
        }
    }

    /// Appends to the log; what is in it goes on to the live half in the order of the log.
    pub(crate) async fn append(
        &self,
        header: Header,
        body: Bytes,
        content: Option<Content>,
        permit: Option<Permit>,
    ) -> Result<(), String> {
        let (tell, told) = oneshot::channel();
        let live = self.live.clone();
        let done = Box::new(move |result: Result<Position, AppendError>| {
            if let (&Ok(position), Some(content)) = (&result, content) {
                let received_unix_nano = header.received_unix_nano;
                // The live half only goes away when the process ends: then there is nobody to tell.
                let _ = live.send(Committed { position, received_unix_nano, content, permit });
            }
            // Whoever sent it may have gone.
            let _ = tell.send(result);
        });
        self.log.append(Record { header: header.to_bytes().to_vec(), payload: body }, done);
        match told.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("failed to {error}")),
            Err(_) => Err("failed to keep the request: the collector is ending".to_owned()),
        }
    }
}

/// Says in a span what became of its request.
fn describe(span: &mut Span, answer: &Answer) {
    let (class, message) = match answer {
        Answer::Accepted | Answer::Warning { .. } | Answer::Partial { .. } => return,
        Answer::BadData { message } => ("bad_data", message.as_str()),
        Answer::TooLarge { message } => ("too_large", message.as_str()),
        Answer::Busy { message, .. } => ("busy", message.as_str()),
        Answer::Unavailable { message, .. } => ("unavailable", message.as_str()),
        Answer::Internal => ("internal", ""),
    };
    span.error(class, message.to_owned());
}

/// Decodes spans and notes their arrival.
pub(crate) fn decode_spans(
    body: &[u8],
    encoding: resus_otlp::Encoding,
    received: u64,
) -> Result<(Decoded, Option<Content>), DecodeError> {
    let (mut batch, mut quality) = (SpanBatch::new(), Quality::default());
    let decoded = resus_otlp::decode_traces(body, encoding, Keep::Rules, &mut batch, &mut quality)?;
    if batch.is_empty() {
        return Ok((decoded, None));
    }
    batch.received_unix_nano.fill(received);
    Ok((decoded, Some(Content::Spans(Box::new(batch), quality))))
}

/// The decoder's word for an encoding.
pub(crate) const fn encoding(of: resus_receive::Encoding) -> resus_otlp::Encoding {
    match of {
        resus_receive::Encoding::Protobuf => resus_otlp::Encoding::Protobuf,
        resus_receive::Encoding::Json => resus_otlp::Encoding::Json,
    }
}
