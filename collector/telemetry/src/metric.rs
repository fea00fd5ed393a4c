//! Samples, read once an interval, on their way through OpenTelemetry's instruments.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, MeterProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality,
};

/// What a family's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives: a monotonic, cumulative sum.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Metrics of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name, as Prometheus has it. It also tells the unit: one that ends in `_bytes` or `_seconds`,
    /// before `_total`, is in bytes or seconds.
    pub name: &'static str,
    /// What its samples are.
    pub kind: Kind,
    /// Names of its attributes.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// A value of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The family's number in the list that [`crate::Telemetry::start`] was given.
    pub family: usize,
    /// Values of its labels, in their order.
    pub labels: Vec<String>,
    /// The value. Only finite ones are sent.
    pub value: f64,
}

/// Values of a family by attributes.
type Points = Vec<(Vec<KeyValue>, f64)>;

/// An instrument a family. They show what was put in last.
pub(crate) struct Instruments {
    labels: Vec<&'static [&'static str]>,
    points: Arc<Mutex<Vec<Points>>>,
    reader: Shared,
    collected: ResourceMetrics,
    /// Keeps the instruments alive.
    _provider: SdkMeterProvider,
}

impl Instruments {
    pub(crate) fn new(
        families: &[Family],
        scope: InstrumentationScope,
        resource: Resource,
    ) -> Self {
        let reader = Shared(Arc::new(ManualReader::builder().build()));
        let provider =
            SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        let meter = provider.meter_with_scope(scope);
        let points = Arc::new(Mutex::new(vec![Points::new(); families.len()]));
        for (number, family) in families.iter().enumerate() {
            let points = Arc::clone(&points);
            let show = move |instrument: &dyn AsyncInstrument<f64>| {
                let points = points.lock().expect("nothing panics under this lock");
                for (attributes, value) in &points[number] {
                    instrument.observe(*value, attributes);
                }
            };
            // What `build` gives is not needed: the provider keeps the callback.
            match family.kind {
                Kind::Counter => drop(
                    meter
                        .f64_observable_counter(family.name)
                        .with_description(family.help)
                        .with_unit(unit(family.name))
                        .with_callback(show)
                        .build(),
                ),
                Kind::Gauge => drop(
                    meter
                        .f64_observable_gauge(family.name)
                        .with_description(family.help)
                        .with_unit(unit(family.name))
                        .with_callback(show)
                        .build(),
                ),
            }
        }
        let labels = families.iter().map(|family| family.labels).collect();
        Self { labels, points, reader, collected: ResourceMetrics::default(), _provider: provider }
    }

    /// Turns samples into metrics. A sample of no family is left out.
    pub(crate) fn collect(
        &mut self,
        samples: Vec<Sample>,
    ) -> Result<&ResourceMetrics, opentelemetry_sdk::error::OTelSdkError> {
        let mut points = vec![Points::new(); self.labels.len()];
        for Sample { family, labels: values, value } in samples {
            let Some(labels) = self.labels.get(family) else { continue };
            let attributes = labels.iter().zip(values).map(|(l, v)| KeyValue::new(*l, v)).collect();
            points[family].push((attributes, value));
        }
        *self.points.lock().expect("nothing panics under this lock") = points;
        self.reader.collect(&mut self.collected)?;
        Ok(&self.collected)
    }
}

/// The unit in UCUM's words, as OpenTelemetry wants it; empty where the name tells none.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_bytes") {
        "By"
    } else if name.ends_with("_seconds") {
        "s"
    } else {
        ""
    }
}

/// A reader that is also ours: the provider takes its own whole.
#[derive(Debug, Clone)]
struct Shared(Arc<ManualReader>);

impl MetricReader for Shared {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, collected: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(collected)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
