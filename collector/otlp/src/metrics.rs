//! Gauges: what is kept of metrics.

/// A number that a metric had: the last point of a series in one request.
///
/// Gauges are kept, and sums where they are running totals; increments (sums of delta temporality)
/// say nothing of a level and are not. Points without a finite value are not kept either.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// `service.name`; `unknown_service` where the resource has none.
    pub service: String,
    /// `service.instance.id`, or the pod or container that stands for it; empty where there is none.
    pub instance: String,
    /// The metric's name.
    pub name: String,
    /// The point's attributes as a JSON object, which tell the series of one metric apart.
    pub attributes: String,
    /// When it had the value, nanoseconds since the Unix epoch; 0 unknown.
    pub unix_nano: u64,
    /// The value, in the metric's unit.
    pub value: f64,
}

/// What a request of metrics held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetricCount {
    /// Data points of all metrics.
    pub points: u64,
}

/// A number point has this bit in its flags when it says that there is no value (OTLP 1.11,
/// `DataPointFlags`).
const NO_RECORDED_VALUE: u32 = 1;

/// OTLP's number for sums that are increments.
pub(crate) const DELTA: i64 = 1;

/// A number point being read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Point {
    pub(crate) unix_nano: u64,
    pub(crate) flags: u32,
    pub(crate) value: Option<f64>,
}

impl Point {
    /// Its value, if it has one that is a number.
    pub(crate) fn finite(&self) -> Option<f64> {
        self.value.filter(|value| value.is_finite() && self.flags & NO_RECORDED_VALUE == 0)
    }
}

/// Orders what one request brought by series and keeps of each the latest point; of points of equal
/// time the one that came last.
pub(crate) fn last_points(gauges: &mut Vec<Gauge>) {
    let series = |a: &Gauge, b: &Gauge| {
        let by_sender = a.service.cmp(&b.service).then_with(|| a.instance.cmp(&b.instance));
        let by_metric = || a.name.cmp(&b.name).then_with(|| a.attributes.cmp(&b.attributes));
        by_sender.then_with(by_metric)
    };
    gauges.sort_by(|a, b| series(a, b).then_with(|| a.unix_nano.cmp(&b.unix_nano)));
    // What is removed is the second of two, so the later one is moved to the first's place before.
    gauges.dedup_by(|later, earlier| {
        let same = series(later, earlier).is_eq();
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_point_of_each_series_stays() {
        let gauge = |name: &str, attributes: &str, unix_nano, value| Gauge {
            service: "cart".to_owned(),
            instance: String::new(),
            name: name.to_owned(),
            attributes: attributes.to_owned(),
            unix_nano,
            value,
        };
        let mut gauges = vec![
            gauge("b", "{}", 2, 1.0),
            gauge("a", "{}", 3, 2.0),
            gauge("a", "{}", 1, 3.0),
            gauge("a", r#"{"k":1}"#, 1, 4.0),
            gauge("b", "{}", 2, 5.0),
        ];
        last_points(&mut gauges);
        let left: Vec<_> = gauges.iter().map(|g| g.value).collect();
        assert_eq!(left, [4.0, 2.0, 5.0]);
    }
}
