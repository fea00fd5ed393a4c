//! The endpoint, ready to be asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Uri};
use resus_receive::{Encoding, Signal};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::options::{ForwardError, ForwardOptions};
use crate::prepare::Request;
use crate::tls;

/// Header fields that are written for each request, or that only make sense on one connection.
const OWN: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Where requests go. Shows itself nowhere: its header fields are secrets.
pub(crate) struct Target {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<(TlsConnector, ServerName<'static>)>,
    pub(crate) timeout: Duration,
    /// One for each signal, in their order.
    paths: [Uri; 3],
    headers: HeaderMap,
}

impl Target {
    pub(crate) fn new(options: &ForwardOptions) -> Result<Self, ForwardError> {
        let uri: Uri = options.endpoint.parse().map_err(|_| ForwardError::Endpoint)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(ForwardError::Endpoint),
        };
        let authority = uri.authority().ok_or(ForwardError::Endpoint)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let has_query = uri.path_and_query().and_then(PathAndQuery::query).is_some();
        if host.is_empty() || authority.as_str().contains('@') || has_query {
            return Err(ForwardError::Endpoint);
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if is_https => 443,
            Some("") => 80,
            // Where there is no number that is a port, there is none to be had.
            _ => authority.port_u16().filter(|&port| port > 0).ok_or(ForwardError::Endpoint)?,
        };
        let tls = if is_https { Some(connector(&host, options.ca.as_deref())?) } else { None };
        let base = uri.path().trim_end_matches('/');
        let path = |signal: Signal| {
            format!("{base}/v1/{}", signal.name()).parse().map_err(|_| ForwardError::Endpoint)
        };
        let [traces, logs, metrics] = Signal::ALL.map(path);
        let mut headers = headers(options)?;
        let authority = HeaderValue::from_str(authority.as_str());
        headers.insert(HOST, authority.map_err(|_| ForwardError::Endpoint)?);
        let timeout = options.timeout;
        Ok(Self { host, port, tls, timeout, paths: [traces?, logs?, metrics?], headers })
    }

    /// A request as HTTP has it.
    pub(crate) fn address(&self, request: &Request) -> hyper::Request<Full<Bytes>> {
        let mut out = hyper::Request::new(Full::new(request.body.clone()));
        *out.method_mut() = Method::POST;
        *out.uri_mut() = self.paths[request.signal as usize].clone();
        *out.headers_mut() = self.headers.clone();
        let kind = match request.encoding {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        out.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if request.is_gzip {
            out.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        out
    }
}

fn connector(
    host: &str,
    ca: Option<&Path>,
) -> Result<(TlsConnector, ServerName<'static>), ForwardError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ForwardError::Endpoint)?;
    Ok((TlsConnector::from(Arc::clone(&tls::config(ca)?)), name))
}

/// Header fields that are the same for each request.
fn headers(options: &ForwardOptions) -> Result<HeaderMap, ForwardError> {
    let mut map = HeaderMap::new();
    let agent = concat!("resus/", env!("CARGO_PKG_VERSION"));
    map.insert(USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in &options.headers {
        let refused = || ForwardError::Header { name: name.clone() };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        if OWN.contains(&key) {
            return Err(refused());
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
        value.set_sensitive(true);
        map.insert(key, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use crate::options::{Backoff, ContentCoding};

    use super::*;

    fn options(endpoint: &str, headers: &[(&str, &str)]) -> ForwardOptions {
        ForwardOptions {
            endpoint: endpoint.to_owned(),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            compression: ContentCoding::Gzip,
            timeout: Duration::from_secs(10),
            max_backlog: 1,
            signals: Signal::ALL.to_vec(),
            ca: None,
            concurrency: NonZeroUsize::MIN,
            backoff: Backoff::STANDARD,
            seed: 0,
        }
    }

    #[test]
    fn endpoints_are_read() {
        for (endpoint, host, port, path) in [
            ("http://collector:4318", "collector", 4318, "/v1/traces"),
            ("http://collector", "collector", 80, "/v1/traces"),
            ("http://[::1]:4318/a/b/", "::1", 4318, "/a/b/v1/traces"),
            ("http://127.0.0.1/", "127.0.0.1", 80, "/v1/traces"),
        ] {
            let target = Target::new(&options(endpoint, &[])).expect(endpoint);
            assert_eq!((target.host.as_str(), target.port), (host, port), "{endpoint}");
            assert_eq!(target.paths[0], path);
            assert!(target.tls.is_none());
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for endpoint in [
            "",
            "collector:4318",
            "/v1",
            "ftp://a",
            "http://",
            "http://a?b",
            "http://me:word@a",
            "http://a:0",
            "http://a:",
            "http://a:65536",
            "https://a b",
        ] {
            let found = Target::new(&options(endpoint, &[])).err();
            assert!(matches!(found, Some(ForwardError::Endpoint)), "{endpoint}: {found:?}");
        }
    }

    #[test]
    fn header_fields_that_cannot_be_sent_are_named_and_not_shown() {
        for (name, value) in [
            ("a b", "canary"),
            ("", "canary"),
            ("x", "canary\n"),
            ("Host", "canary"),
            ("content-encoding", "canary"),
        ] {
            let error = Target::new(&options("http://a", &[(name, value)])).err().expect("refused");
            assert!(
                !error.to_string().contains("canary") && !format!("{error:?}").contains("canary")
            );
            assert!(matches!(error, ForwardError::Header { name: found } if found == name));
        }
    }

    #[test]
    fn a_request_says_what_it_is() {
        let target = Target::new(&options("http://a:1/x", &[("X-Key", "canary")])).expect("fine");
        let request = Request {
            signal: Signal::Metrics,
            encoding: Encoding::Json,
            is_gzip: true,
            body: Bytes::from_static(b"{}"),
        };
        let out = target.address(&request);
        assert_eq!((out.method(), out.uri().path()), (&Method::POST, "/x/v1/metrics"));
        assert!(!format!("{out:?}").contains("canary"), "{out:?}");
        let mut fields: Vec<(&str, &[u8])> =
            out.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        fields.sort_unstable();
        let agent = concat!("resus/", env!("CARGO_PKG_VERSION")).as_bytes();
        let expected: [(&str, &[u8]); 5] = [
            ("content-encoding", b"gzip"),
            ("content-type", b"application/json"),
            ("host", b"a:1"),
            ("user-agent", agent),
            ("x-key", b"canary"),
        ];
        assert_eq!(fields, expected);
        let plain = Request { is_gzip: false, encoding: Encoding::Protobuf, ..request };
        let out = target.address(&plain);
        assert!(!out.headers().contains_key(CONTENT_ENCODING));
        assert_eq!(out.headers()[CONTENT_TYPE], "application/x-protobuf");
    }
}
