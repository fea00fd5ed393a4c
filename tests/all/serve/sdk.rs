//! The Rust SDK delivers: each span that it says it delivered is in the store, as it was.
//!
//! Its two transports, as applications use them: batches from a thread of the SDK's own, tonic for gRPC and
//! hyper for HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value as Attribute};
use opentelemetry_otlp::{
    Compression, SpanExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData,
    SpanExporter as ExportSpans,
};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Handle, Runtime};

use super::Collector;

/// Requests, each through two services.
const TRACES: usize = 30;
/// Spans of a service on one request, four at a time.
const FOURS: i64 = 13;
/// Room for all spans, so that the SDK drops none by itself.
const QUEUE: usize = 1 << 13;

/// Spans that the SDK says were delivered.
type Noted = Arc<Mutex<Vec<SpanData>>>;

/// Notes the spans for which the exporter says that all went well.
#[derive(Debug)]
struct Noting {
    inner: Arc<SpanExporter>,
    /// hyper and tonic need a runtime, which the SDK's own thread has not.
    runtime: Handle,
    noted: Noted,
}

impl ExportSpans for Noting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (inner, sent) = (Arc::clone(&self.inner), batch.clone());
        let export = self.runtime.spawn(async move { inner.export(batch).await });
        export.await.expect("the exporter does not panic")?;
        self.noted.lock().expect("nobody panics with this lock held").extend(sent);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        let inner = Arc::get_mut(&mut self.inner).expect("nothing is exported yet");
        inner.set_resource(resource);
    }
}

/// The exporter of a transport, with its defaults but for the address.
#[derive(Debug, Clone, Copy)]
enum Transport {
    Grpc,
    Http,
}

fn exporter(collector: &Collector, transport: Transport, gzip: bool) -> SpanExporter {
    let built = match transport {
        Transport::Grpc => {
            let endpoint = format!("http://{}", collector.grpc);
            let builder = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
            if gzip { builder.with_compression(Compression::Gzip) } else { builder }.build()
        }
        Transport::Http => {
            let endpoint = format!("http://{}/v1/traces", collector.http);
            let builder = SpanExporter::builder().with_http().with_endpoint(endpoint);
            if gzip { builder.with_compression(Compression::Gzip) } else { builder }.build()
        }
    };
    built.expect("the exporter is well configured")
}

fn provider(service: &'static str, exporter: Noting) -> SdkTracerProvider {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_scheduled_delay(Duration::from_millis(100));
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
    let version = KeyValue::new("service.version", "1.2.3");
    let resource = Resource::builder().with_service_name(service).with_attribute(version);
    SdkTracerProvider::builder()
        .with_span_processor(processor.build())
        .with_resource(resource.build())
        .build()
}

/// Every type that an attribute can have, and what is easily lost on the way.
fn attributes() -> Vec<KeyValue> {
    let texts = ["a", "", "ü"].map(StringValue::from).to_vec();
    let long = "x".repeat(3000);
    [
        ("text", Attribute::from("quote \" backslash \\ tab \t line \n nul \0 é 漢字 🦀")),
        ("text.empty", "".into()),
        ("text.long", long.into()),
        ("yes", true.into()),
        ("no", false.into()),
        ("whole", (-7).into()),
        ("whole.most", i64::MAX.into()),
        ("whole.least", i64::MIN.into()),
        ("broken", 0.1.into()),
        ("broken.whole", 3.0.into()),
        ("broken.large", 1e300.into()),
        ("not.a.number", f64::NAN.into()),
        ("texts", Attribute::Array(Array::String(texts))),
        ("wholes", Attribute::Array(Array::I64(vec![1, -2, (1 << 53) + 1]))),
        ("brokens", Attribute::Array(Array::F64(vec![0.5, -1.25]))),
        ("truths", Attribute::Array(Array::Bool(vec![true, false]))),
        ("none", Attribute::Array(Array::I64(Vec::new()))),
        ("http.response.status_code", 503.into()),
    ]
    .map(|(key, value)| KeyValue::new(key, value))
    .to_vec()
}

/// The spans of a service on one request; gives the context of its first.
fn request(provider: &SdkTracerProvider, parent: &Context) -> SpanContext {
    let tracer = provider.tracer("shop.checkout");
    let builder = tracer.span_builder("GET /cart/{id}").with_kind(SpanKind::Server);
    let mut server = builder.with_attributes(attributes()).start_with_context(&tracer, parent);
    server.add_event("begun", vec![KeyValue::new("at", 1), KeyValue::new("of", "request")]);
    let first = server.span_context().clone();
    let within = parent.with_span(server);
    for number in 0..FOURS {
        let builder = tracer.span_builder("look up").with_kind(SpanKind::Internal);
        let look = builder.start_with_context(&tracer, &within);
        let why = vec![KeyValue::new("why", "it came first")];
        let link = Link::new(look.span_context().clone(), why, 0);
        let builder = tracer.span_builder("pay").with_kind(SpanKind::Client);
        let mut pay = builder.with_links(vec![link]).start_with_context(&tracer, &within);
        pay.set_attribute(KeyValue::new("number", number));
        if number % 5 == 0 {
            pay.record_error(&std::fmt::Error);
            pay.set_status(Status::error("refused, \"as ever\"\n"));
        }
        let builder = tracer.span_builder("send on").with_kind(SpanKind::Producer);
        builder.start_with_context(&tracer, &within).set_status(Status::Ok);
        let builder = tracer.span_builder("take up").with_kind(SpanKind::Consumer);
        builder.start_with_context(&tracer, &within).end();
    }
    first
}

/// An attribute's value as the API shows it: whole numbers beyond 2^53, and what is no number, as text.
fn shown(value: &Attribute) -> Value {
    let whole = |n: i64| {
        if n.unsigned_abs() > 1 << 53 { Value::from(n.to_string()) } else { Value::from(n) }
    };
    match value {
        Attribute::Bool(value) => json!(value),
        Attribute::I64(value) => whole(*value),
        Attribute::F64(value) if value.is_nan() => json!("NaN"),
        Attribute::F64(value) => json!(value),
        Attribute::String(value) => json!(value.as_str()),
        Attribute::Array(Array::Bool(values)) => json!(values),
        Attribute::Array(Array::I64(values)) => values.iter().map(|&n| whole(n)).collect(),
        Attribute::Array(Array::F64(values)) => json!(values),
        Attribute::Array(Array::String(values)) => values.iter().map(StringValue::as_str).collect(),
        other => panic!("{other:?} was not sent"),
    }
}

fn all_shown(attributes: &[KeyValue]) -> Value {
    let shown = attributes.iter().map(|a| (a.key.as_str().to_owned(), shown(&a.value)));
    Value::Object(shown.collect())
}

fn nanos(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos()
}

fn event_shown(event: &Event) -> Value {
    json!({
        "name": event.name,
        "time_unix_nano": nanos(event.timestamp).to_string(),
        "attributes": all_shown(&event.attributes),
    })
}

fn link_shown(link: &Link) -> Value {
    let to = &link.span_context;
    json!({"trace_id": to.trace_id().to_string(), "span_id": to.span_id().to_string()})
}

/// What the API must show of a span.
fn expected(span: &SpanData) -> BTreeMap<&'static str, Value> {
    let (status, message) = match &span.status {
        Status::Unset => (0, ""),
        Status::Ok => (1, ""),
        Status::Error { description } => (2, &**description),
    };
    let kind = match span.span_kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    let parent = span.parent_span_id.to_string();
    let code = span.attributes.iter().find(|a| a.key.as_str() == "http.response.status_code");
    let took = nanos(span.end_time) - nanos(span.start_time);
    BTreeMap::from([
        ("parent_span_id", if parent == "0000000000000000" { json!(null) } else { json!(parent) }),
        ("version", json!("1.2.3")),
        ("operation", json!(span.name)),
        ("kind", json!(kind)),
        ("status", json!(status)),
        ("status_message", json!(message)),
        ("start_unix_nano", json!(nanos(span.start_time).to_string())),
        ("duration_ns", json!(u64::try_from(took).expect("a short span"))),
        ("http_status", code.map_or(Value::Null, |code| shown(&code.value))),
        ("attributes", all_shown(&span.attributes)),
        ("events", span.events.iter().map(event_shown).collect()),
        ("scope", json!(span.instrumentation_scope.name())),
        ("links", span.links.iter().map(link_shown).collect()),
    ])
}

/// Holds what was said to be delivered against what is found.
#[track_caller]
fn check(collector: &Collector, service: &str, noted: &[SpanData]) {
    let mut by_trace: BTreeMap<String, BTreeMap<String, &SpanData>> = BTreeMap::new();
    for span in noted {
        let ids = (&span.span_context.trace_id(), &span.span_context.span_id());
        by_trace.entry(ids.0.to_string()).or_default().insert(ids.1.to_string(), span);
    }
    assert_eq!(by_trace.len(), TRACES);
    for (trace, spans) in by_trace {
        let found = collector.json(&format!("/api/v1/traces/{trace}"));
        let found = found["spans"].as_array().expect("spans are a list");
        let mut left: BTreeMap<&str, &Value> = found
            .iter()
            .filter(|span| span["service"] == service)
            .map(|span| (span["span_id"].as_str().expect("an id is a text"), span))
            .collect();
        for (id, span) in &spans {
            let Some(found) = left.remove(id.as_str()) else {
                panic!("span {id} of trace {trace} was delivered and is not there");
            };
            for (field, value) in expected(span) {
                assert_eq!(found[field], value, "{field} of span {id} of trace {trace}");
            }
        }
        assert!(left.is_empty(), "nobody sent {:?} of trace {trace}", left.keys());
    }
}

/// Two services send; the second goes on with the traces of the first.
fn two_services_deliver(transport: Transport, gzip: bool) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let collector = Collector::start(folder.path(), "");
    let runtime: Runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let services = ["basket", "prices"].map(|service| {
        let noted = Noted::default();
        let exporter = {
            let _within = runtime.enter();
            Arc::new(exporter(&collector, transport, gzip))
        };
        let runtime = runtime.handle().clone();
        let exporter = Noting { inner: exporter, runtime, noted: Arc::clone(&noted) };
        (service, provider(service, exporter), noted)
    });
    for _ in 0..TRACES {
        let mut context = Context::new();
        for (_, provider, _) in &services {
            let passed_on = request(provider, &context);
            context = Context::new().with_remote_span_context(passed_on);
        }
    }
    let made = TRACES * (4 * usize::try_from(FOURS).expect("a small number") + 1);
    for (service, provider, noted) in services {
        provider.shutdown().expect("all is delivered before the end");
        let noted = noted.lock().expect("nobody panics with this lock held");
        assert_eq!(noted.len(), made, "{service}: the SDK delivers all that was made");
        check(&collector, service, &noted);
    }
}

#[test]
fn the_rust_sdk_delivers_over_grpc() {
    two_services_deliver(Transport::Grpc, false);
}

#[test]
fn the_rust_sdk_delivers_over_grpc_with_gzip() {
    two_services_deliver(Transport::Grpc, true);
}

#[test]
fn the_rust_sdk_delivers_over_http() {
    two_services_deliver(Transport::Http, false);
}

#[test]
fn the_rust_sdk_delivers_over_http_with_gzip() {
    two_services_deliver(Transport::Http, true);
}
