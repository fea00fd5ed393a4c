//! Names, kinds, units, values, attributes, times.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use resus_telemetry::{Family, Kind, SCOPE, Sample, Telemetry};

use crate::receiver::{Receiver, attributes, options};

const FAMILIES: &[Family] = &[
    Family { name: "resus_log_bytes", kind: Kind::Gauge, labels: &[], help: "Bytes in the log" },
    Family {
        name: "resus_spans_total",
        kind: Kind::Counter,
        labels: &["result"],
        help: "Spans received",
    },
    Family {
        name: "resus_process_cpu_seconds_total",
        kind: Kind::Counter,
        labels: &[],
        help: "CPU seconds",
    },
    Family { name: "resus_silent", kind: Kind::Gauge, labels: &[], help: "Has no sample" },
];

fn sample(family: usize, labels: &[&str], value: f64) -> Sample {
    Sample { family, labels: labels.iter().map(|&l| l.to_owned()).collect(), value }
}

/// A metric's points as `attributes value`, sorted.
fn points(list: &[NumberDataPoint]) -> Vec<String> {
    let mut texts: Vec<String> = list
        .iter()
        .map(|point| {
            assert!(point.time_unix_nano > 0);
            let Some(number_data_point::Value::AsDouble(value)) = point.value else {
                panic!("{point:?}")
            };
            format!("{} {value}", attributes(&point.attributes).join(","))
        })
        .collect();
    texts.sort_unstable();
    texts
}

fn shown(metric: &Metric) -> (String, String, &'static str, Vec<String>) {
    let (kind, points) = match metric.data.as_ref().expect("data") {
        metric::Data::Gauge(gauge) => ("gauge", points(&gauge.data_points)),
        metric::Data::Sum(sum) => {
            assert!(sum.is_monotonic);
            assert_eq!(sum.aggregation_temporality, 2, "cumulative");
            ("counter", points(&sum.data_points))
        }
        other => panic!("{other:?}"),
    };
    (metric.name.clone(), metric.unit.clone(), kind, points)
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_arrive_under_their_names_with_kind_unit_value_and_attributes() {
    let receiver = Receiver::new();
    let read = || {
        vec![
            sample(0, &[], 4096.0),
            sample(1, &["taken"], 12.0),
            sample(1, &["rejected"], 3.0),
            sample(2, &[], 1.25),
            sample(0, &[], f64::NAN),
            sample(9, &[], 1.0),
        ]
    };
    let telemetry =
        Telemetry::start(&options(&receiver.endpoint), FAMILIES, read, |line| panic!("{line}"))
            .expect("starts");
    telemetry.shutdown(Duration::from_secs(2)).await;

    let requests = receiver.metrics();
    assert_eq!(requests.len(), 1);
    let resource = requests[0].resource_metrics[0].resource.as_ref().expect("a resource");
    let told = attributes(&resource.attributes);
    for expected in [
        "service.instance.id=7f0c",
        "service.name=resus",
        "service.version=1.2.3",
        "telemetry.sdk.language=rust",
    ] {
        assert!(told.contains(&expected.to_owned()), "{told:?}");
    }
    let scope = &requests[0].resource_metrics[0].scope_metrics[0];
    assert_eq!(scope.scope.as_ref().expect("a scope").name, SCOPE);
    let mut metrics: Vec<_> = scope.metrics.iter().map(shown).collect();
    metrics.sort();
    let texts = |list: &[&str]| list.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
    let expected = [
        ("resus_log_bytes", "By", "gauge", texts(&[" 4096"])),
        ("resus_process_cpu_seconds_total", "s", "counter", texts(&[" 1.25"])),
        ("resus_spans_total", "", "counter", texts(&["result=rejected 3", "result=taken 12"])),
    ]
    .map(|(name, unit, kind, points)| (name.to_owned(), unit.to_owned(), kind, points));
    assert_eq!(metrics, expected);
    let spans = scope.metrics.iter().find(|m| m.name == "resus_spans_total").expect("sent");
    assert_eq!(spans.description, "Spans received");
    assert_eq!(telemetry.stats().exports, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_read_anew_at_each_interval_and_those_gone_are_not_sent() {
    let mut receiver = Receiver::new();
    let reads = AtomicU32::new(0);
    let read = move || {
        let n = reads.fetch_add(1, Ordering::Relaxed);
        let state = if n == 0 { "before" } else { "after" };
        vec![sample(1, &[state], 10.0 + f64::from(n))]
    };
    let mut options = options(&receiver.endpoint);
    options.interval = Duration::from_millis(20);
    let telemetry =
        Telemetry::start(&options, FAMILIES, read, |line| panic!("{line}")).expect("starts");
    for _ in 0..3 {
        receiver.next().await;
    }
    drop(telemetry);
    let shown: Vec<_> = receiver.metrics()[..3]
        .iter()
        .map(|request| shown(&request.resource_metrics[0].scope_metrics[0].metrics[0]).3)
        .collect();
    assert_eq!(shown, [["result=before 10"], ["result=after 11"], ["result=after 12"]]);
}
