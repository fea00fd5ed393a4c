//! How much of everything a client may take.

use std::time::Duration;

/// Bounds on bodies, connections and waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body after decompression. Over it: 413 or `RESOURCE_EXHAUSTED`.
    pub max_body: usize,
    /// How many times its compressed size a body may have once it exceeds 1 MiB. Over it: as `max_body`.
    pub max_ratio: usize,
    /// Bytes of all bodies held at a time, both as received and inflated. Asked for before bytes are
    /// kept; refused is answered as [`crate::Answer::Busy`] at once. At least twice `max_body`, since a
    /// body that hardly compresses is held in both forms.
    pub max_in_flight_bytes: usize,
    /// Connections of all listeners of a server. One more closes the oldest that has not sent a
    /// complete, authorised request yet; if there is none, the new one is closed.
    pub max_connections: usize,
    /// The same for one address: an IPv4 address or the /64 of an IPv6 address. Behind one may stand a
    /// host full of processes, each with a connection a signal.
    pub max_connections_per_address: usize,
    /// From a connection's opening to the end of its TLS handshake, from there to its first byte, and
    /// from the first byte of a request's head to its last.
    pub header_timeout: Duration,
    /// The longest that a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a body may lag behind `min_body_rate`, counted from its beginning.
    pub body_grace: Duration,
    /// Bytes a second at which a body has to arrive, after `body_grace`.
    pub min_body_rate: u64,
    /// How long a connection may stay without a request. Longer than the 60 s between two exports of a
    /// default metric reader: at 60 s the close would race with each of them.
    pub idle_timeout: Duration,
    /// HTTP/2 streams of a connection at a time.
    pub max_streams: u32,
    /// Bytes of a request's head.
    pub max_header_list: u32,
    /// How long a shutdown waits for what is under way.
    pub drain_timeout: Duration,
}

/// A limit that cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitMistake {
    /// Nothing could ever come in.
    #[error("limit {0} is zero, expected at least 1")]
    Zero(&'static str),
    /// The largest body could never be admitted, and would be told to come back for ever.
    #[error(
        "limit max_in_flight_bytes is {max_in_flight_bytes}, expected at least twice max_body ({max_body})"
    )]
    InFlightBelowBody {
        /// As given.
        max_in_flight_bytes: usize,
        /// As given.
        max_body: usize,
    },
    /// Under the smallest buffer that a request's head is read into.
    #[error("limit max_header_list is {0}, expected 8192 to 1048576")]
    HeaderList(u32),
}

impl Limits {
    /// Limits for a collector that faces production traffic.
    pub const STANDARD: Self = Self {
        max_body: 64 << 20,
        max_ratio: 200,
        max_in_flight_bytes: 128 << 20,
        max_connections: 1024,
        max_connections_per_address: 512,
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
        body_grace: Duration::from_secs(5),
        min_body_rate: 1024,
        idle_timeout: Duration::from_secs(90),
        max_streams: 100,
        max_header_list: 16 << 10,
        drain_timeout: Duration::from_secs(8),
    };

    /// What is wrong with these limits, all at once.
    #[must_use]
    pub fn mistakes(&self) -> Vec<LimitMistake> {
        let mut found: Vec<LimitMistake> = [
            ("max_body", self.max_body == 0),
            ("max_ratio", self.max_ratio == 0),
            ("max_connections", self.max_connections == 0),
            ("max_connections_per_address", self.max_connections_per_address == 0),
            ("header_timeout", self.header_timeout.is_zero()),
            ("body_timeout", self.body_timeout.is_zero()),
            ("body_grace", self.body_grace.is_zero()),
            ("min_body_rate", self.min_body_rate == 0),
            ("idle_timeout", self.idle_timeout.is_zero()),
            ("max_streams", self.max_streams == 0),
        ]
        .into_iter()
        .filter_map(|(name, zero)| zero.then_some(LimitMistake::Zero(name)))
        .collect();
        if self.max_in_flight_bytes / 2 < self.max_body {
            found.push(LimitMistake::InFlightBelowBody {
                max_in_flight_bytes: self.max_in_flight_bytes,
                max_body: self.max_body,
            });
        }
        if !(8 << 10..=1 << 20).contains(&self.max_header_list) {
            found.push(LimitMistake::HeaderList(self.max_header_list));
        }
        found
    }

    /// How large a body of so many compressed bytes may become.
    pub(crate) fn inflated_cap(&self, compressed: usize) -> usize {
        /// Under this size the ratio says nothing: a short text of zeroes compresses 1000:1.
        const RATIO_FREE: usize = 1 << 20;
        compressed.saturating_mul(self.max_ratio).max(RATIO_FREE).min(self.max_body)
    }
}
