//! Which spans arrive, and what they say.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use resus_telemetry::Telemetry;

use crate::receiver::{Receiver, attributes, options};

const EXPORT: &str = "opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Runs something that makes spans, and gives those that arrived.
async fn told(sample: f64, work: impl FnOnce(&Telemetry)) -> Vec<Span> {
    let receiver = Receiver::new();
    let mut options = options(&receiver.endpoint);
    options.sample = sample;
    let telemetry =
        Telemetry::start(&options, &[], Vec::new, |line| panic!("{line}")).expect("starts");
    work(&telemetry);
    telemetry.shutdown(Duration::from_secs(5)).await;
    assert_eq!(telemetry.stats().dropped_spans, 0);
    receiver.spans()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_work_arrive_as_the_conventions_name_them() {
    let spans = told(1.0, |telemetry| {
        let mut request = telemetry.http_request("http", "/v1/traces");
        assert!(request.is_recording());
        request.number("http.request.body.size", 512);
        request.http_status(503);
        drop(request);
        let mut request = telemetry.http_request("https", "/v1/logs");
        request.http_status(400);
        drop(request);
        telemetry.grpc_request(EXPORT).grpc_status(14);
        telemetry.grpc_request(EXPORT).grpc_status(3);
        telemetry.internal("seal").error("disk", "no space left");
        drop(telemetry.internal("tick"));
    })
    .await;

    let shown: Vec<_> = spans
        .iter()
        .map(|span| {
            assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
            assert!(span.parent_span_id.is_empty());
            assert!(0 < span.start_time_unix_nano);
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
            let status = span.status.clone().unwrap_or_default();
            let attributes = attributes(&span.attributes).join(" ");
            (span.name.as_str(), span.kind(), status.code(), status.message, attributes)
        })
        .collect();
    let http = |route: &str, scheme: &str| {
        format!("http.route={route} url.path={route} url.scheme={scheme}")
    };
    let (server, internal) = (SpanKind::Server, SpanKind::Internal);
    let (unset, error) = (StatusCode::Unset, StatusCode::Error);
    let said = [
        "error.type=503 http.request.body.size=512 http.request.method=POST \
         http.response.status_code=503 "
            .to_owned()
            + &http("/v1/traces", "http"),
        "http.request.method=POST http.response.status_code=400 ".to_owned()
            + &http("/v1/logs", "https"),
        format!(
            "error.type=UNAVAILABLE rpc.method={EXPORT} rpc.response.status_code=UNAVAILABLE \
             rpc.system.name=grpc"
        ),
        format!(
            "rpc.method={EXPORT} rpc.response.status_code=INVALID_ARGUMENT rpc.system.name=grpc"
        ),
        "error.type=disk".to_owned(),
        String::new(),
    ];
    let [first, second, third, fourth, fifth, sixth] = said;
    let expected = [
        ("POST /v1/traces", server, error, String::new(), first),
        ("POST /v1/logs", server, unset, String::new(), second),
        (EXPORT, server, error, String::new(), third),
        (EXPORT, server, unset, String::new(), fourth),
        ("seal", internal, error, "no space left".to_owned(), fifth),
        ("tick", internal, unset, String::new(), sixth),
    ];
    assert_eq!(shown, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_kept_at_the_rate_asked_for() {
    for (sample, least, most) in [(0.0, 0, 0), (0.1, 400, 600), (1.0, 2_000, 2_000)] {
        let requests = if sample < 1.0 { 5_000 } else { 2_000 };
        let spans = told(sample, |telemetry| {
            for _ in 0..requests {
                telemetry.http_request("http", "/v1/traces").http_status(200);
            }
        })
        .await;
        assert!((least..=most).contains(&spans.len()), "{} at {sample}", spans.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_batch_does_not_wait() {
    let mut receiver = Receiver::new();
    let telemetry =
        Telemetry::start(&options(&receiver.endpoint), &[], Vec::new, |line| panic!("{line}"))
            .expect("starts");
    for _ in 0..512 {
        drop(telemetry.internal("tick"));
    }
    let came = tokio::time::timeout(Duration::from_secs(4), receiver.next()).await;
    came.expect("sooner than a batch that is not full");
    assert_eq!(receiver.spans().len(), 512);
}

#[tokio::test]
async fn who_is_off_tells_nobody() {
    let telemetry = Telemetry::off();
    assert!(!telemetry.http_request("http", "/v1/traces").is_recording());
    telemetry.shutdown(Duration::from_secs(2)).await;
    assert_eq!(telemetry.stats(), resus_telemetry::Stats::default());
}
