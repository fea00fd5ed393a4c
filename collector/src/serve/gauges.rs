//! The few metrics that are kept: the last value of each series that the configuration names.

use std::collections::BTreeMap;
use std::sync::Mutex;

use resus_otlp::Gauge;

/// Service, instance, metric, attributes of the point.
pub(crate) type Series = (String, String, String, String);

/// Last values, bounded in number.
#[derive(Debug)]
pub(crate) struct Gauges {
    most: usize,
    series: Mutex<BTreeMap<Series, (u64, f64)>>,
}

impl Gauges {
    /// Keeps at most so many series.
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, series: Mutex::new(BTreeMap::new()) }
    }

    /// Takes points; an older one never replaces a newer one. Gives how many new series found no room.
    pub(crate) fn keep(&self, points: Vec<Gauge>) -> u64 {
        if points.is_empty() {
            return 0;
        }
        let mut series = self.series.lock().expect("nobody panics with this lock held");
        let mut left_out = 0;
        for Gauge { service, instance, name, attributes, unix_nano, value } in points {
            let key = (service, instance, name, attributes);
            if let Some(known) = series.get_mut(&key) {
                if known.0 <= unix_nano {
                    *known = (unix_nano, value);
                }
            } else if series.len() < self.most {
                series.insert(key, (unix_nano, value));
            } else {
                left_out += 1;
            }
        }
        left_out
    }

    /// All series, in order of name.
    pub(crate) fn all(&self) -> Vec<(Series, (u64, f64))> {
        let series = self.series.lock().expect("nobody panics with this lock held");
        series.iter().map(|(key, value)| (key.clone(), *value)).collect()
    }
}
