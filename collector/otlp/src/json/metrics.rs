//! From `resourceMetrics` down to data points.

use serde::de::MapAccess;

use super::Decoder;
use super::attributes::KeyValue;
use super::object::{Field, List, Object, One, field, skip};
use super::scalar::{Enum, Stamp, StampSeed, Text, Whole, unicode};
use super::spans::Resource;
use super::texts::Owner;
use super::values::ScalarSeed;
use crate::metrics::{DELTA, Gauge, Point};
use crate::ranks::Ranks;
use crate::sender::{Sender, UNKNOWN_SERVICE};

/// What is read of metrics.
#[derive(Debug, Default)]
pub(super) struct Metrics<'b> {
    /// Names of metrics whose number points are kept.
    pub(super) wanted: &'b [&'b str],
    pub(super) gauges: Vec<Gauge>,
    /// Data points in all.
    pub(super) points: u64,
    /// The name of the metric being read.
    name: String,
    /// It is a sum of increments.
    delta: bool,
    point: Point,
}

/// A request of metrics.
#[derive(Debug)]
pub(super) struct MetricsData;

impl Object for MetricsData {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("resourceMetrics", "resource_metrics", ())];

    const EXPECTED: &'static str = "an object with resourceMetrics";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        map.next_value_seed(List(ResourceMetrics::default(), decoder))
    }
}

/// An element of `resourceMetrics`. The resource may stand behind its metrics.
#[derive(Debug, Clone, Copy, Default)]
struct ResourceMetrics {
    /// The first gauge of these, once the first key is read.
    first: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum ResourceMetricsKey {
    Resource,
    ScopeMetrics,
}

impl Object for ResourceMetrics {
    type Key = ResourceMetricsKey;

    const FIELDS: &'static [Field<ResourceMetricsKey>] = &[
        field("resource", "", ResourceMetricsKey::Resource),
        field("scopeMetrics", "scope_metrics", ResourceMetricsKey::ScopeMetrics),
    ];

    const EXPECTED: &'static str = "an object with resource and scopeMetrics";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: ResourceMetricsKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        if self.first.is_none() {
            self.first = Some(decoder.metrics.gauges.len());
            decoder.resource = Sender::default();
            decoder.resource_ranks = Ranks::NONE;
        }
        match key {
            ResourceMetricsKey::Resource => map.next_value_seed(One(Resource, decoder)),
            ResourceMetricsKey::ScopeMetrics => map.next_value_seed(List(ScopeMetrics, decoder)),
        }
    }

    fn end(self, decoder: &mut Decoder<'_>) {
        let Some(first) = self.first else { return };
        let Decoder { batch, resource, metrics, .. } = decoder;
        let service = batch.names.text(resource.service);
        let service = if service.is_empty() { UNKNOWN_SERVICE } else { service };
        for gauge in &mut metrics.gauges[first..] {
            service.clone_into(&mut gauge.service);
            batch.names.text(resource.instance).clone_into(&mut gauge.instance);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct ScopeMetrics;

impl Object for ScopeMetrics {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("metrics", "", ())];

    const EXPECTED: &'static str = "an object with scope and metrics";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        map.next_value_seed(List(Metric::default(), decoder))
    }
}

/// A metric. Its name may stand behind its points.
#[derive(Debug, Clone, Copy, Default)]
struct Metric {
    begun: bool,
    first: usize,
    points: u64,
}

#[derive(Debug, Clone, Copy)]
enum MetricKey {
    Name,
    /// Data whose points are numbers.
    Numbers,
    OtherData,
}

impl Object for Metric {
    type Key = MetricKey;

    const FIELDS: &'static [Field<MetricKey>] = &[
        field("name", "", MetricKey::Name),
        field("gauge", "", MetricKey::Numbers),
        field("sum", "", MetricKey::Numbers),
        field("histogram", "", MetricKey::OtherData),
        field("exponentialHistogram", "exponential_histogram", MetricKey::OtherData),
        field("summary", "", MetricKey::OtherData),
    ];

    const EXPECTED: &'static str = "a metric with name and data";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: MetricKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        self.begin(decoder);
        let Decoder { metrics, tally, .. } = decoder;
        match key {
            MetricKey::Name => {
                metrics.name.clear();
                let Metrics { name, .. } = metrics;
                map.next_value_seed(Text(|text: &[u8]| name.push_str(&unicode(text, tally))))?;
            }
            MetricKey::Numbers | MetricKey::OtherData => {
                // A metric has one kind of data: of several the last.
                metrics.gauges.truncate(self.first);
                metrics.points = self.points;
                metrics.delta = false;
                let numbers = matches!(key, MetricKey::Numbers);
                map.next_value_seed(One(Data { numbers }, decoder))?;
            }
        }
        Ok(())
    }

    fn end(mut self, decoder: &mut Decoder<'_>) {
        self.begin(decoder);
        let Metrics { wanted, gauges, name, delta, .. } = &mut decoder.metrics;
        if *delta || !wanted.contains(&name.as_str()) {
            gauges.truncate(self.first);
        }
        for gauge in &mut gauges[self.first..] {
            gauge.name.clone_from(name);
        }
    }
}

impl Metric {
    /// Notes where the metric begins, once a metric.
    fn begin(&mut self, decoder: &mut Decoder<'_>) {
        if !self.begun {
            let Metrics { gauges, points, name, delta, .. } = &mut decoder.metrics;
            *self = Self { begun: true, first: gauges.len(), points: *points };
            name.clear();
            *delta = false;
        }
    }
}

/// The data of a metric: a gauge, a sum, a histogram.
#[derive(Debug, Clone, Copy)]
struct Data {
    numbers: bool,
}

#[derive(Debug, Clone, Copy)]
enum DataKey {
    DataPoints,
    Temporality,
}

impl Object for Data {
    type Key = DataKey;

    const FIELDS: &'static [Field<DataKey>] = &[
        field("dataPoints", "data_points", DataKey::DataPoints),
        field("aggregationTemporality", "aggregation_temporality", DataKey::Temporality),
    ];

    const EXPECTED: &'static str = "an object with dataPoints";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: DataKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        match key {
            DataKey::DataPoints => {
                let point = DataPoint { number: self.numbers, begun: false };
                map.next_value_seed(List(point, decoder))
            }
            DataKey::Temporality => {
                let Decoder { metrics, tally, .. } = decoder;
                let delta = |name: &str| Some(i64::from(name == "AGGREGATION_TEMPORALITY_DELTA"));
                let seed = Enum { tally, number: Some, name: delta };
                metrics.delta = map.next_value_seed(seed)? == DELTA;
                Ok(())
            }
        }
    }
}

/// A data point; only numbers are looked at.
#[derive(Debug, Clone, Copy)]
struct DataPoint {
    number: bool,
    begun: bool,
}

#[derive(Debug, Clone, Copy)]
enum DataPointKey {
    Attributes,
    Time,
    Double,
    Int,
    Flags,
}

impl Object for DataPoint {
    type Key = DataPointKey;

    const FIELDS: &'static [Field<DataPointKey>] = &[
        field("attributes", "", DataPointKey::Attributes),
        field("timeUnixNano", "time_unix_nano", DataPointKey::Time),
        field("asDouble", "as_double", DataPointKey::Double),
        field("asInt", "as_int", DataPointKey::Int),
        field("flags", "", DataPointKey::Flags),
    ];

    const EXPECTED: &'static str = "a data point";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: DataPointKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        if !self.number {
            return skip(map);
        }
        self.begin(decoder);
        let Decoder { metrics: Metrics { point, .. }, value, .. } = decoder;
        match key {
            DataPointKey::Attributes => {
                return map.next_value_seed(List(KeyValue::of(Owner::Point), decoder));
            }
            DataPointKey::Time => {
                let stamp = map.next_value_seed(StampSeed)?;
                point.unix_nano = if let Stamp::At(nanos) = stamp { nanos } else { 0 };
            }
            DataPointKey::Double | DataPointKey::Int => {
                let double = matches!(key, DataPointKey::Double);
                let number = map.next_value_seed(ScalarSeed { text: value, double })?;
                point.value = number.as_double();
                value.clear();
            }
            DataPointKey::Flags => point.flags = map.next_value_seed(Whole)?,
        }
        Ok(())
    }

    fn end(mut self, decoder: &mut Decoder<'_>) {
        decoder.metrics.points += 1;
        if !self.number {
            return;
        }
        self.begin(decoder);
        let Decoder { metrics: Metrics { point, gauges, .. }, texts, .. } = decoder;
        let attributes = texts.end(Owner::Point);
        if let Some(value) = point.finite() {
            gauges.push(Gauge {
                service: String::new(),
                instance: String::new(),
                name: String::new(),
                attributes: attributes.as_str().to_owned(),
                unix_nano: point.unix_nano,
                value,
            });
        }
    }
}

impl DataPoint {
    /// Clears the point, once a point.
    fn begin(&mut self, decoder: &mut Decoder<'_>) {
        if !self.begun {
            self.begun = true;
            decoder.metrics.point = Point::default();
            decoder.texts.begin(Owner::Point);
        }
    }
}
