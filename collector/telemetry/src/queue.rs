//! From those who end spans to the thread that sends them, without waiting.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;

use crate::stats::Meter;

/// Spans that wait, at most. The default of OpenTelemetry's batch span processor.
pub(crate) const LONGEST: usize = 2048;

/// Hands ended spans on, and drops them where that would take waiting.
pub(crate) struct Queue {
    spans: mpsc::Sender<SpanData>,
    meter: Arc<Meter>,
}

impl Queue {
    pub(crate) fn new(meter: Arc<Meter>) -> (Self, mpsc::Receiver<SpanData>) {
        let (spans, ended) = mpsc::channel(LONGEST);
        (Self { spans, meter }, ended)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.meter.dropped_span();
        }
    }

    /// Nothing: the thread flushes at its end.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// Nothing: [`crate::Telemetry::shutdown`] ends the thread.
    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
