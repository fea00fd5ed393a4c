//! Where to listen and where to send.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A machine, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// An address; an IPv4 address written as IPv6 is kept as it is.
    Ip(IpAddr),
    /// A name, in lower case.
    Name(String),
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    /// On which of the machine's addresses.
    pub(crate) host: Host,
    /// The port; 0 for any free one.
    pub(crate) port: u16,
}

/// The base of the addresses to which OTLP/HTTP requests go: `/v1/traces` and its like follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// True for `https`.
    pub(crate) is_https: bool,
    /// The machine.
    pub(crate) host: Host,
    /// The port; the scheme's own where none was written.
    pub(crate) port: u16,
    /// Empty, or a path that begins with `/` and does not end with it.
    pub(crate) path: String,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndpointFault {
    /// It is no URL of that kind.
    Form,
    /// It holds a user or a password.
    Credentials,
    /// It names the path of a signal, which is appended anyway.
    SignalPath,
}

impl Host {
    /// Reads an address or a name; IPv6 in brackets.
    fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Ip(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Ip(address.into()));
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A name whose last label is a number is a mistyped address (RFC 3696, section 2).
        let last = text.rsplit('.').next()?;
        let is_name = text.len() <= 253
            && text.split('.').all(is_label)
            && !last.bytes().all(|b| b.is_ascii_digit());
        is_name.then(|| Self::Name(text.to_ascii_lowercase()))
    }

    /// True where only processes of this machine come from. Of names only `localhost` is known to be.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(address) => address.to_canonical().is_loopback(),
            Self::Name(name) => name == "localhost",
        }
    }

    /// True for "all addresses of this machine".
    fn is_wildcard(&self) -> bool {
        matches!(self, Self::Ip(address) if address.to_canonical().is_unspecified())
    }

    /// True when both name one machine, as far as the texts tell.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(a), Self::Ip(b)) => a.to_canonical() == b.to_canonical(),
            (Self::Name(a), Self::Name(b)) => a == b,
            // `localhost` may become any loopback address.
            (Self::Ip(_), Self::Name(_)) | (Self::Name(_), Self::Ip(_)) => {
                self.is_loopback() && other.is_loopback()
            }
        }
    }
}

impl Listen {
    /// A port that only processes of this machine reach.
    pub(super) const fn loopback(port: u16) -> Self {
        Self { host: Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)), port }
    }

    /// Reads `127.0.0.1:4317`, `[::1]:4317`, `localhost:0`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self { host: Host::parse(host)?, port: parse_port(port)? })
    }

    /// True when the two cannot both be listened on.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        let wild = self.host.is_wildcard() || other.host.is_wildcard();
        self.port != 0 && self.port == other.port && (wild || self.host.is_same(&other.host))
    }

    /// True when what is sent there arrives here, as far as the texts tell.
    pub(super) fn is_reached_by(&self, endpoint: &Endpoint) -> bool {
        let here = if self.host.is_wildcard() {
            endpoint.host.is_loopback() || endpoint.host.is_wildcard()
        } else {
            // Sending to 0.0.0.0 reaches the loopback address.
            self.host.is_same(&endpoint.host)
                || (self.host.is_loopback() && endpoint.host.is_wildcard())
        };
        self.port != 0 && self.port == endpoint.port && here
    }
}

impl Endpoint {
    /// Reads `http://collector:4318` or `https://example.com/otlp`.
    pub(super) fn parse(text: &str) -> Result<Self, EndpointFault> {
        // Before all else, so that no message quotes a password.
        if text.split('/').take(3).any(|part| part.contains('@')) {
            return Err(EndpointFault::Credentials);
        }
        let (is_https, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else {
            return Err(EndpointFault::Form);
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = match colon {
            Some(at) => (&authority[..at], parse_port(&authority[at + 1..]).filter(|p| *p != 0)),
            None => (authority, Some(standard_port(is_https))),
        };
        let (Some(host), Some(port)) = (Host::parse(host), port) else {
            return Err(EndpointFault::Form);
        };
        let is_path = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&b);
        let path = path.trim_end_matches('/');
        if !path.bytes().all(is_path) {
            return Err(EndpointFault::Form);
        }
        if ["/v1/traces", "/v1/metrics", "/v1/logs"].iter().any(|signal| path.ends_with(signal)) {
            return Err(EndpointFault::SignalPath);
        }
        Ok(Self { is_https, host, port, path: path.to_owned() })
    }
}

const fn standard_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

/// Digits alone: `u16` would also read `+80`.
fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_https, host, port, path } = self;
        write!(f, "{}://{host}", if *is_https { "https" } else { "http" })?;
        if *port != standard_port(*is_https) {
            write!(f, ":{port}")?;
        }
        f.write_str(path)
    }
}
