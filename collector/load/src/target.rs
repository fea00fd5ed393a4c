//! Where does the collector listen, and what is known about it?

use std::net::SocketAddr;
use std::time::Duration;

/// A collector under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it takes OTLP/HTTP, if it does.
    pub http: Option<SocketAddr>,
    /// Where it takes OTLP/gRPC, if it does. May be the same address.
    pub grpc: Option<SocketAddr>,
    /// The bearer token it asks for; `None` where it asks for none.
    pub token: Option<String>,
    /// Its limit of a request's size in bytes after decompression. `None`: not known, and no check
    /// goes to the limit. Set a small one (1 to 4 MiB) in tests: several checks send more than that.
    pub limit: Option<u64>,
    /// How long an answer may take before it counts as none. An SDK waits 10 s by default.
    pub patience: Duration,
    /// How many slow clients to hold against it while a good one works; `None`: leave that out, it
    /// takes up to `slow_closed_within` longer.
    pub slow_clients: Option<u32>,
    /// In what time slow clients must be rid of.
    pub slow_closed_within: Duration,
}

impl Target {
    /// A collector without credentials, of unknown limit, given 10 s for an answer.
    #[must_use]
    pub const fn new(http: Option<SocketAddr>, grpc: Option<SocketAddr>) -> Self {
        Self {
            http,
            grpc,
            token: None,
            limit: None,
            patience: Duration::from_secs(10),
            slow_clients: None,
            slow_closed_within: Duration::from_secs(30),
        }
    }
}
