//! `[telemetry]`: where the program's own telemetry goes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::address::Endpoint;
use super::keys::{Keys, Section};
use super::optional::OptionalEndpoint;
use super::secret::{Headers, Secret};
use super::value::{Name, Real, Time};

/// Longest `service.name`.
const LONGEST_NAME: usize = 255;

/// The program's own traces and metrics, by OTLP/HTTP.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Telemetry {
    /// Where to. `None`: nowhere.
    pub(crate) endpoint: Option<Endpoint>,
    /// How often metrics are sent.
    pub(crate) interval: Duration,
    /// Under which `service.name`.
    pub(crate) service_name: String,
    /// Header fields of each request, names in lower case.
    pub(crate) headers: BTreeMap<String, Secret>,
    /// Share of its own traces that is kept, 0 to 1.
    pub(crate) sample: f64,
}

impl Telemetry {
    pub(super) fn standard() -> Self {
        Self {
            endpoint: None,
            interval: Duration::from_secs(10),
            service_name: "resus".to_owned(),
            headers: BTreeMap::new(),
            sample: 0.01,
        }
    }
}

impl Section for Telemetry {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self { endpoint, interval, service_name, headers, sample } = self;
        let second = Duration::from_secs(1);
        keys.key("endpoint", &mut OptionalEndpoint(endpoint));
        keys.key("interval", &mut Time(interval, second..=Duration::from_hours(1)));
        keys.key("service_name", &mut Name(service_name, LONGEST_NAME));
        keys.key("headers", &mut Headers(headers));
        keys.key("sample", &mut Real(sample, 0.0..=1.0));
    }
}
