//! The thread that sends: metrics at each interval, spans in batches.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use crate::metric::{Instruments, Sample};
use crate::stats::Meter;

/// Most spans of a request, and how long the first of them waits for others. The defaults of
/// OpenTelemetry's batch span processor.
const BATCH: usize = 512;
const WAIT: Duration = Duration::from_secs(5);

/// Until when the thread may flush. `None`: it goes on.
pub(crate) type Stop = watch::Receiver<Option<Instant>>;

/// Why the last request failed, where the client knows.
type Fault = Arc<Mutex<Option<String>>>;

/// Sends metrics.
pub(crate) struct Metrics {
    pub(crate) read: Box<dyn Fn() -> Vec<Sample> + Send>,
    pub(crate) instruments: Instruments,
    pub(crate) exporter: MetricExporter,
    pub(crate) interval: Duration,
    pub(crate) outlet: Outlet,
}

/// Sends spans.
pub(crate) struct Spans {
    pub(crate) ended: mpsc::Receiver<SpanData>,
    pub(crate) exporter: SpanExporter,
    pub(crate) outlet: Outlet,
}

/// Where what became of exports is counted.
pub(crate) struct Outlet {
    /// What is sent, in a word.
    pub(crate) what: &'static str,
    pub(crate) meter: Arc<Meter>,
    pub(crate) fault: Fault,
}

/// Sends until told to stop, then what is left; is cut off when its time is over, or when nobody is left
/// to tell it anything.
pub(crate) async fn run(metrics: Metrics, spans: Spans, stop: Stop) {
    let work = async { tokio::join!(metrics.run(stop.clone()), spans.run(stop.clone())) };
    let work = std::pin::pin!(work);
    let mut cut = stop.clone();
    let over = async {
        let until = cut.wait_for(Option::is_some).await.ok().and_then(|until| *until);
        if let Some(until) = until {
            sleep_until(until).await;
        }
    };
    tokio::select! {
        _ = work => {}
        () = over => {}
    }
}

impl Metrics {
    async fn run(mut self, mut stop: Stop) {
        let mut ticks = interval_at(Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = stopping(&mut stop) => true,
            };
            self.send().await;
            if is_last {
                return;
            }
        }
    }

    async fn send(&mut self) {
        let result = match self.instruments.collect((self.read)()) {
            Ok(collected) if collected.scope_metrics().next().is_none() => return,
            Ok(collected) => self.exporter.export(collected).await,
            Err(error) => Err(error),
        };
        self.outlet.note(result);
    }
}

impl Spans {
    async fn run(mut self, mut stop: Stop) {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                got = self.ended.recv_many(&mut batch, BATCH) => if got == 0 { return },
                () = stopping(&mut stop) => break,
            }
            let fill = async {
                while batch.len() < BATCH {
                    let room = BATCH - batch.len();
                    if self.ended.recv_many(&mut batch, room).await == 0 {
                        return;
                    }
                }
            };
            tokio::select! {
                () = fill => {}
                () = sleep(WAIT) => {}
                () = stopping(&mut stop) => {}
            }
            self.outlet.note(self.exporter.export(batch).await);
        }
        self.ended.close();
        loop {
            let mut batch = Vec::new();
            if self.ended.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            self.outlet.note(self.exporter.export(batch).await);
        }
    }
}

impl Outlet {
    fn note(&self, result: OTelSdkResult) {
        let fault = self.fault.lock().expect("nothing panics under this lock").take();
        match result {
            Ok(()) => self.meter.exported(),
            Err(error) => {
                let why = fault.unwrap_or_else(|| error.to_string());
                self.meter.failed(self.what, &why, Instant::now().into_std());
            }
        }
    }
}

/// Done when the thread is to stop.
async fn stopping(stop: &mut Stop) {
    // An error says that nobody is left to stop it, which `run` acts on.
    let _ = stop.wait_for(Option::is_some).await;
}
