//! What a handler is given: a request's body, whole and inflated, and what is known about it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::budget::Permit;
use crate::tls::ClientIdentity;

/// What kind of telemetry a request holds, by its path or service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Spans: an `ExportTraceServiceRequest`.
    Traces,
    /// Log records: an `ExportLogsServiceRequest`.
    Logs,
    /// Metrics: an `ExportMetricsServiceRequest`.
    Metrics,
}

impl Signal {
    /// All signals, in the order of their variants.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// The name used in metrics and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }
}

/// How a request's message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// Binary protobuf.
    Protobuf,
    /// The JSON mapping of OTLP.
    Json,
}

/// How a request's body was compressed on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), one or more members.
    Gzip,
    /// Zstandard (RFC 8878), one or more frames.
    Zstd,
}

/// The protocol a request came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP, whatever the version of HTTP.
    Http,
}

impl Transport {
    /// Both transports, in the order of their variants.
    pub const ALL: [Self; 2] = [Self::Grpc, Self::Http];

    /// The name used in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// Who sent a request. Also among the extensions of every request that [`crate::serve_http`] hands on.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The other end of the connection; a proxy's, if there is one.
    pub address: SocketAddr,
    /// Whom the client's certificate names. `None` unless the listener asks for client certificates.
    pub identity: Option<Arc<ClientIdentity>>,
}

/// A request whose body has arrived in full.
#[derive(Debug)]
pub struct Incoming {
    /// What it holds.
    pub signal: Signal,
    /// How its message is written.
    pub encoding: Encoding,
    /// How `raw` is compressed.
    pub compression: Compression,
    /// The message as it was received, without the framing of gRPC, still compressed.
    pub raw: Bytes,
    /// The message, inflated. Shares its memory with `raw` where nothing was compressed. May be empty,
    /// which is a valid empty request.
    pub body: Bytes,
    /// Who sent it.
    pub peer: Peer,
    /// Over which protocol.
    pub transport: Transport,
    /// The memory that `raw` and `body` take, held against [`crate::Limits::max_in_flight_bytes`] until
    /// dropped. Keep it as long as either of them.
    pub permit: Permit,
}
