//! The collector's own door, which keeps what comes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use resus_receive::{
    Answer, Encoding, Handler, Incoming, Limits, ListenerConfig, Protocols, Secret, Server, Signal,
    Transport,
};
use resus_telemetry::TelemetryOptions;
use tokio::sync::mpsc;

/// What came, in order.
type Came = Arc<Mutex<Vec<(Signal, Vec<u8>)>>>;

/// Decides about a request.
type Script = Box<dyn Fn(&Incoming) -> Answer + Send + Sync>;

pub(crate) struct Receiver {
    pub(crate) endpoint: String,
    came: Came,
    arrivals: mpsc::UnboundedReceiver<()>,
}

struct Keeping {
    script: Script,
    came: Came,
    arrived: mpsc::UnboundedSender<()>,
}

impl Handler for Keeping {
    async fn handle(&self, incoming: Incoming) -> Answer {
        assert_eq!((incoming.transport, incoming.encoding), (Transport::Http, Encoding::Protobuf));
        let answer = (self.script)(&incoming);
        if answer == Answer::Accepted {
            self.came.lock().expect("not poisoned").push((incoming.signal, incoming.body.to_vec()));
            let _ = self.arrived.send(());
        }
        answer
    }
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self::scripted(Vec::new(), |_| Answer::Accepted)
    }

    pub(crate) fn scripted(
        tokens: Vec<Secret>,
        script: impl Fn(&Incoming) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let config = ListenerConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            protocols: Protocols { grpc: false, http: true },
            tls: None,
            tokens,
            allow_plain_beyond_loopback: false,
        };
        let came = Came::default();
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let handler = Keeping { script: Box::new(script), came: Arc::clone(&came), arrived };
        let server = Server::bind(vec![config], &Limits::STANDARD, handler).expect("binds");
        let endpoint = format!("http://{}", server.local_addresses()[0]);
        tokio::spawn(server.run(std::future::pending()));
        Self { endpoint, came, arrivals }
    }

    /// Waits for a request that is accepted.
    pub(crate) async fn next(&mut self) {
        self.arrivals.recv().await.expect("the receiver lives");
    }

    pub(crate) fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        self.bodies(Signal::Metrics, |body| {
            ExportMetricsServiceRequest::decode(body).expect("decodes")
        })
    }

    pub(crate) fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        self.bodies(Signal::Traces, |body| {
            ExportTraceServiceRequest::decode(body).expect("decodes")
        })
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let resources = self.traces().into_iter().flat_map(|request| request.resource_spans);
        resources.flat_map(|r| r.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    fn bodies<T>(&self, wanted: Signal, decode: impl Fn(&[u8]) -> T) -> Vec<T> {
        let came = self.came.lock().expect("not poisoned");
        came.iter().filter(|(signal, _)| *signal == wanted).map(|(_, body)| decode(body)).collect()
    }
}

/// Everything is kept; metrics come at the end only.
pub(crate) fn options(endpoint: &str) -> TelemetryOptions {
    TelemetryOptions {
        endpoint: endpoint.to_owned(),
        headers: Vec::new(),
        interval: Duration::from_hours(1),
        service_name: "resus".to_owned(),
        service_version: "1.2.3".to_owned(),
        instance_id: "7f0c".to_owned(),
        sample: 1.0,
    }
}

/// Attributes as `name=value`, sorted.
pub(crate) fn attributes(list: &[KeyValue]) -> Vec<String> {
    let mut texts: Vec<String> = list
        .iter()
        .map(|pair| {
            let value = match pair.value.as_ref().and_then(|v| v.value.as_ref()) {
                Some(Value::StringValue(text)) => text.clone(),
                Some(Value::IntValue(number)) => number.to_string(),
                other => panic!("{other:?}"),
            };
            format!("{}={value}", pair.key)
        })
        .collect();
    texts.sort_unstable();
    texts
}
