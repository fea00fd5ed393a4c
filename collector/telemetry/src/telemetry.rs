//! The front door: start, spans, shutdown.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Uri;
use opentelemetry::trace::{SpanKind, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanExporter as _};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::SCOPE;
use crate::client::{Client, system_tls};
use crate::export::{self, Metrics, Outlet, Spans};
use crate::metric::{Family, Instruments, Sample};
use crate::options::{StartError, TelemetryOptions, base, headers};
use crate::queue::Queue;
use crate::span::{Lot, Span};
use crate::stats::{Meter, Stats};

/// How long an export may take, with all its tries.
const EXPORT: Duration = Duration::from_secs(10);

/// What the process tells about itself. When it is dropped, what was not sent is lost.
pub struct Telemetry {
    lot: Lot,
    tracer: SdkTracer,
    meter: Arc<Meter>,
    stop: watch::Sender<Option<Instant>>,
    /// Closed when the thread has ended.
    ended: watch::Receiver<()>,
}

impl Telemetry {
    /// Starts sending. Returns at once, whether the endpoint answers or not.
    ///
    /// At each interval `read` is called on the thread that sends, for the samples of `families`; if it
    /// panics, nothing is sent from then on. `tell` gets a line about exports that fail, at most once a
    /// minute.
    ///
    /// # Errors
    /// What is wrong with the options; https without roots to check certificates against; no thread.
    pub fn start(
        options: &TelemetryOptions,
        families: &[Family],
        read: impl Fn() -> Vec<Sample> + Send + 'static,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        if options.interval.is_zero() {
            return Err(StartError::Interval);
        }
        let base = base(&options.endpoint)?;
        let headers = headers(options)?;
        let tls = (base.scheme_str() == Some("https")).then(system_tls).transpose()?;
        let meter = Arc::new(Meter::new(Box::new(tell)));
        let (resource, scope) = (resource(options), scope(options));

        let client = Client::new(headers.clone(), tls.clone());
        let outlet = Outlet { what: "metrics", meter: Arc::clone(&meter), fault: client.fault() };
        let exporter = MetricExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(signal(&base, "metrics"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT)
            .build()?;
        let instruments = Instruments::new(families, scope.clone(), resource.clone());
        let interval = options.interval;
        let metrics = Metrics { read: Box::new(read), instruments, exporter, interval, outlet };

        let client = Client::new(headers, tls);
        let outlet = Outlet { what: "spans", meter: Arc::clone(&meter), fault: client.fault() };
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(signal(&base, "traces"))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT)
            .build()?;
        exporter.set_resource(&resource);
        let (queue, ended) = Queue::new(Arc::clone(&meter));
        let spans = Spans { ended, exporter, outlet };

        // What reaches the provider has won its lot already.
        let tracer = SdkTracerProvider::builder()
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource)
            .with_span_processor(queue)
            .build()
            .tracer_with_scope(scope);
        let (stop, stopped) = watch::channel(None);
        let (end, ended) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            runtime.block_on(export::run(metrics, spans, stopped));
            // A look-up of the endpoint's name may still hang, on a thread of the runtime's.
            runtime.shutdown_background();
            drop(end);
        })?;
        Ok(Self { lot: Lot::new(options.sample), tracer, meter, stop, ended })
    }

    /// Tells nobody anything.
    #[must_use]
    pub fn off() -> Self {
        let tracer = SdkTracerProvider::builder().build().tracer(SCOPE);
        let meter = Arc::new(Meter::new(Box::new(|_| {})));
        let (stop, ended) = (watch::channel(None).0, watch::channel(()).1);
        Self { lot: Lot::new(0.0), tracer, meter, stop, ended }
    }

    /// A request that came by HTTP: `POST` of a route such as `/v1/traces`.
    ///
    /// `scheme` is `http` or `https`.
    pub fn http_request(&self, scheme: &'static str, route: &'static str) -> Span {
        self.span(SpanKind::Server, || {
            let attributes = vec![
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("http.route", route),
                KeyValue::new("url.path", route),
                KeyValue::new("url.scheme", scheme),
            ];
            (format!("POST {route}").into(), attributes)
        })
    }

    /// A request that came by gRPC: a call of a method such as
    /// `opentelemetry.proto.collector.trace.v1.TraceService/Export`.
    pub fn grpc_request(&self, method: &'static str) -> Span {
        self.span(SpanKind::Server, || {
            let attributes =
                vec![KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", method)];
            (method.into(), attributes)
        })
    }

    /// A piece of work of the process's own, under a name of few.
    pub fn internal(&self, name: &'static str) -> Span {
        self.span(SpanKind::Internal, || (name.into(), Vec::new()))
    }

    fn span(
        &self,
        kind: SpanKind,
        what: impl FnOnce() -> (Cow<'static, str>, Vec<KeyValue>),
    ) -> Span {
        if !self.lot.wins() {
            return Span::NONE;
        }
        let (name, attributes) = what();
        Span::open(&self.tracer, name, kind, attributes)
    }

    /// How well the sending goes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.meter.read()
    }

    /// Sends the metrics once more and the spans that have ended, for at most `timeout`; what is not sent
    /// by then is lost. Spans that end later are dropped. Needs a Tokio runtime with a clock.
    pub async fn shutdown(&self, timeout: Duration) {
        let until = Instant::now() + timeout;
        self.stop.send_replace(Some(until));
        let mut ended = self.ended.clone();
        // Over in time but where `read` hangs; and an error is what says that the thread has ended.
        let _ = tokio::time::timeout_at(until, ended.changed()).await;
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Who tells.
fn resource(options: &TelemetryOptions) -> Resource {
    let TelemetryOptions { service_name, service_version, instance_id, .. } = options;
    // Not the builder that looks into the environment.
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes([
            KeyValue::new("service.name", service_name.clone()),
            KeyValue::new("service.version", service_version.clone()),
            KeyValue::new("service.instance.id", instance_id.clone()),
        ])
        .build()
}

fn scope(options: &TelemetryOptions) -> InstrumentationScope {
    InstrumentationScope::builder(SCOPE).with_version(options.service_version.clone()).build()
}

/// The address of a signal.
fn signal(base: &Uri, name: &str) -> String {
    format!("{}/v1/{name}", base.to_string().trim_end_matches('/'))
}
