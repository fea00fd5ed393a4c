//! `[receive]`: who may send, and how much at once.

use std::time::Duration;

use super::address::Listen;
use super::keys::{Keys, Section};
use super::optional::OptionalAddress;
use super::secret::{Secret, Tokens};
use super::size::{GIB, KIB, MIB};
use super::tls::{Tls, TlsOf};
use super::value::{Count, Flag, Size, Time};

/// The listeners of OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receive {
    /// OTLP/gRPC. `None`: not at all. Equal to `http`: both on one listener.
    pub(crate) grpc: Option<Listen>,
    /// OTLP/HTTP. `None`: not at all; but never neither.
    pub(crate) http: Option<Listen>,
    /// True: listen in plain text even where other machines reach it.
    pub(crate) allow_plain_beyond_loopback: bool,
    /// Who sends must show one of these bearer tokens. Empty: nobody is asked.
    pub(crate) tokens: Vec<Secret>,
    /// Most bytes of a request, after decompression. 64 MiB is what OTLP 1.11 recommends.
    pub(crate) max_body: u64,
    /// Most bytes of requests being worked on at once; at least twice `max_body`, since a request that
    /// hardly compresses is held in both forms.
    pub(crate) max_in_flight: u64,
    /// Most connections at once.
    pub(crate) max_connections: usize,
    /// Most connections at once from one address. As many as in all, because behind a load balancer,
    /// a gateway or on one machine all senders have the same address; a lower number is for those
    /// whose senders have addresses of their own, so that none takes all connections.
    pub(crate) max_connections_per_address: usize,
    /// How long the header of a request may take.
    pub(crate) header_timeout: Duration,
    /// How long the body of a request may take.
    pub(crate) body_timeout: Duration,
    /// How long a connection may stay without a request. Longer than the minute between two exports
    /// of metrics, or each of them would meet a connection that is just being closed.
    pub(crate) idle_timeout: Duration,
    /// Most streams at once of an HTTP/2 connection.
    pub(crate) max_streams: u32,
    /// TLS of both listeners. `None`: plain text.
    pub(crate) tls: Option<Tls>,
}

impl Receive {
    pub(super) const fn standard() -> Self {
        Self {
            grpc: Some(Listen::loopback(4317)),
            http: Some(Listen::loopback(4318)),
            allow_plain_beyond_loopback: false,
            tokens: Vec::new(),
            max_body: 64 * MIB,
            max_in_flight: 128 * MIB,
            max_connections: 1024,
            max_connections_per_address: 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(90),
            max_streams: 100,
            tls: None,
        }
    }
}

impl Section for Receive {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self {
            grpc,
            http,
            allow_plain_beyond_loopback,
            tokens,
            max_body,
            max_in_flight,
            max_connections,
            max_connections_per_address,
            header_timeout,
            body_timeout,
            idle_timeout,
            max_streams,
            tls,
        } = self;
        let blink = Duration::from_millis(100);
        keys.key("grpc", &mut OptionalAddress(grpc));
        keys.key("http", &mut OptionalAddress(http));
        keys.key("allow_plain_beyond_loopback", &mut Flag(allow_plain_beyond_loopback));
        keys.key("tokens", &mut Tokens(tokens));
        keys.key("max_body", &mut Size(max_body, KIB..=GIB));
        keys.key("max_in_flight", &mut Size(max_in_flight, MIB..=64 * GIB));
        keys.key("max_connections", &mut Count(max_connections, 1..=1_000_000));
        keys.key(
            "max_connections_per_address",
            &mut Count(max_connections_per_address, 1..=1_000_000),
        );
        keys.key("header_timeout", &mut Time(header_timeout, blink..=Duration::from_mins(5)));
        keys.key("body_timeout", &mut Time(body_timeout, blink..=Duration::from_mins(10)));
        let second = Duration::from_secs(1);
        keys.key("idle_timeout", &mut Time(idle_timeout, second..=Duration::from_hours(1)));
        keys.key("max_streams", &mut Count(max_streams, 1..=10_000));
        keys.part("tls", &mut TlsOf(tls));
    }
}
