//! `[forward]`: where requests go on to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::address::Endpoint;
use super::keys::{Keys, Section};
use super::optional::{OptionalEndpoint, OptionalPath};
use super::secret::{Headers, Secret};
use super::size::{GIB, MIB, TIB};
use super::value::{Choice, Choices, Size, Time};

const COMPRESSIONS: [(&str, Compression); 2] =
    [("gzip", Compression::Gzip), ("none", Compression::None)];

const SIGNALS: [(&str, Signal); 3] =
    [("traces", Signal::Traces), ("logs", Signal::Logs), ("metrics", Signal::Metrics)];

/// How requests that go on are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// By gzip.
    Gzip,
    /// Not at all.
    None,
}

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metrics.
    Metrics,
}

/// Forwarding by OTLP/HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    /// Where to. `None`: nowhere.
    pub(crate) endpoint: Option<Endpoint>,
    /// Header fields of each request, names in lower case.
    pub(crate) headers: BTreeMap<String, Secret>,
    /// How requests are compressed.
    pub(crate) compression: Compression,
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
    /// Most bytes that wait; beyond them the oldest are dropped and counted.
    pub(crate) max_backlog: u64,
    /// What goes on: at least one, none twice.
    pub(crate) signals: Vec<Signal>,
    /// Certificates in PEM by which the receiver's must be signed. `None`: those of the system.
    pub(crate) ca: Option<PathBuf>,
}

impl Forward {
    pub(super) fn standard() -> Self {
        Self {
            endpoint: None,
            headers: BTreeMap::new(),
            compression: Compression::Gzip,
            timeout: Duration::from_secs(10),
            max_backlog: GIB,
            signals: vec![Signal::Traces, Signal::Logs, Signal::Metrics],
            ca: None,
        }
    }
}

impl Section for Forward {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self { endpoint, headers, compression, timeout, max_backlog, signals, ca } = self;
        let blink = Duration::from_millis(100);
        keys.key("endpoint", &mut OptionalEndpoint(endpoint));
        keys.key("headers", &mut Headers(headers));
        keys.key("compression", &mut Choice(compression, &COMPRESSIONS));
        keys.key("timeout", &mut Time(timeout, blink..=Duration::from_mins(5)));
        keys.key("max_backlog", &mut Size(max_backlog, MIB..=100 * TIB));
        keys.key("signals", &mut Choices(signals, &SIGNALS));
        keys.key("ca", &mut OptionalPath(ca));
    }
}
