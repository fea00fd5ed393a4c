//! What a collector tells about itself is not told about again, however it comes back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use resus_receive::Answer;
use resus_telemetry::{SCOPE, Telemetry, carries_own};

use crate::receiver::{Receiver, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_gets_its_own_telemetry_makes_no_spans_of_it() {
    // As when another collector sends on what it got: the receiver's requests become spans of the very
    // telemetry that it receives.
    let own: Arc<OnceLock<Telemetry>> = Arc::default();
    let inside = Arc::clone(&own);
    let mut receiver = Receiver::scripted(Vec::new(), move |incoming| {
        let mut span = inside.get().expect("started").http_request("http", "/v1/traces");
        span.forget_own(&incoming.body);
        span.http_status(200);
        Answer::Accepted
    });
    let mut options = options(&receiver.endpoint);
    options.interval = Duration::from_millis(10);
    let families = [resus_telemetry::Family {
        name: "resus_up",
        kind: resus_telemetry::Kind::Gauge,
        labels: &[],
        help: "1",
    }];
    let read = || vec![resus_telemetry::Sample { family: 0, labels: Vec::new(), value: 1.0 }];
    let telemetry =
        Telemetry::start(&options, &families, read, |line| panic!("{line}")).expect("starts");
    let telemetry = own.get_or_init(|| telemetry);
    drop(telemetry.internal("tick"));
    for _ in 0..5 {
        receiver.next().await;
    }
    telemetry.shutdown(Duration::from_secs(2)).await;
    let names: Vec<String> = receiver.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["tick"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_collector_s_telemetry_is_known_and_other_telemetry_is_told_about() {
    let receiver = Receiver::new();
    let mut other = options(&receiver.endpoint);
    other.service_name = "collector-of-others".to_owned();
    other.instance_id = "another".to_owned();
    let telemetry =
        Telemetry::start(&other, &[], Vec::new, |line| panic!("{line}")).expect("starts");
    drop(telemetry.internal("tick"));
    telemetry.shutdown(Duration::from_secs(2)).await;

    let mut request = receiver.traces().remove(0);
    let mut span =
        Telemetry::start(&other, &[], Vec::new, |_| {}).expect("starts").internal("receive");
    // What collectors on the way may change: the resource, and with what it is mixed.
    request.resource_spans[0].resource = None;
    let foreign = ExportTraceServiceRequest {
        resource_spans: vec![opentelemetry_proto::tonic::trace::v1::ResourceSpans::default()],
    };
    span.forget_own(&foreign.encode_to_vec());
    assert!(span.is_recording());
    request.resource_spans.splice(0..0, foreign.resource_spans);
    span.forget_own(&request.encode_to_vec());
    assert!(!span.is_recording());
    assert!(carries_own(format!(r#"{{"scope":{{"name":"{SCOPE}"}}}}"#).as_bytes()));
}
