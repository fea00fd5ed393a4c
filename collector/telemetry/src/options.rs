//! Where to, how often, as whom; and what can be wrong with that.

use std::fmt;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};

/// How telemetry is sent.
#[derive(Clone, PartialEq)]
pub struct TelemetryOptions {
    /// What comes before `/v1/traces`, such as `https://example.com/otlp`. Over `https` the certificate is
    /// checked against the roots of the system.
    pub endpoint: String,
    /// Header fields of each request, names and values. Values are secrets.
    pub headers: Vec<(String, String)>,
    /// How often metrics are sent. More than 0.
    pub interval: Duration,
    /// `service.name`.
    pub service_name: String,
    /// `service.version`, also in the user agent.
    pub service_version: String,
    /// `service.instance.id`, unique among all that bear the name.
    pub instance_id: String,
    /// Share of spans that is kept, 0 to 1.
    pub sample: f64,
}

impl fmt::Debug for TelemetryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoint,
            headers,
            interval,
            service_name,
            service_version,
            instance_id,
            sample,
        } = self;
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("TelemetryOptions")
            .field("endpoint", endpoint)
            .field("headers", &names)
            .field("interval", interval)
            .field("service_name", service_name)
            .field("service_version", service_version)
            .field("instance_id", instance_id)
            .field("sample", sample)
            .finish()
    }
}

/// Why telemetry cannot be sent at all. An endpoint that does not answer is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The endpoint is no URL that can be asked.
    #[error(
        "use a telemetry endpoint: expected http:// or https:// and a host, without user and password"
    )]
    Endpoint,
    /// A header cannot be sent.
    #[error("use the header field {name:?}: its name or its value cannot be sent (RFC 9110)")]
    Header {
        /// Its name.
        name: String,
    },
    /// No time passes between two sendings.
    #[error("send metrics at an interval of 0: take a second or more")]
    Interval,
    /// Nothing to check the endpoint's certificate against.
    #[error(
        "find the system's root certificates for an https telemetry endpoint: none can be read{why}; \
         install them, or name a PEM file in SSL_CERT_FILE"
    )]
    Roots {
        /// What went wrong on the way, if anything.
        why: String,
    },
    /// The exporter refuses its options.
    #[error("set up the OTLP exporter: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// No thread, or no runtime on it.
    #[error("start the thread that sends telemetry: {0}")]
    Thread(#[from] std::io::Error),
}

/// Reads the endpoint.
pub(crate) fn base(endpoint: &str) -> Result<Uri, StartError> {
    let uri: Uri = endpoint.parse().map_err(|_| StartError::Endpoint)?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_bare =
        uri.authority().is_some_and(|a| !a.as_str().contains('@') && !a.host().is_empty());
    let is_query = uri.path_and_query().and_then(PathAndQuery::query).is_some();
    if is_http && is_bare && !is_query { Ok(uri) } else { Err(StartError::Endpoint) }
}

/// Header fields of each request.
pub(crate) fn headers(options: &TelemetryOptions) -> Result<HeaderMap, StartError> {
    let mut map = HeaderMap::new();
    let agent = format!("resus/{}", options.service_version);
    let agent = ("user-agent".to_owned(), agent);
    for (name, value) in std::iter::once(&agent).chain(&options.headers) {
        let refused = || StartError::Header { name: name.clone() };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
        value.set_sensitive(true);
        map.insert(key, value);
    }
    Ok(map)
}
