//! `[metrics]`: which metrics are kept.

use super::keys::{Keys, Section};
use super::value::{Count, Names};

/// Longest name of a metric, as OpenTelemetry allows it.
const LONGEST_NAME: usize = 255;

/// Metrics that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metrics {
    /// Names of metrics whose number points are kept; all others are accepted and counted.
    pub(crate) gauges: Vec<String>,
    /// Most series (a metric with its attributes) that are kept.
    pub(crate) max_series: usize,
}

impl Metrics {
    pub(super) const fn standard() -> Self {
        Self { gauges: Vec::new(), max_series: 10_000 }
    }
}

impl Section for Metrics {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self { gauges, max_series } = self;
        keys.key("gauges", &mut Names(gauges, LONGEST_NAME));
        keys.key("max_series", &mut Count(max_series, 1..=1_000_000));
    }
}
