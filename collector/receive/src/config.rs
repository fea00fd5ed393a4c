//! What a listener is told, and what can be wrong with that.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::limits::LimitMistake;
use crate::secret::Secret;
use crate::tls::TlsError;

/// One address to listen at.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Where. Port 0 takes any free one.
    pub address: SocketAddr,
    /// What is spoken there. Without meaning for [`crate::serve_http`].
    pub protocols: Protocols,
    /// TLS; plain text without.
    pub tls: Option<TlsConfig>,
    /// Bearer tokens, each of which opens every endpoint. Empty: no token is asked for.
    pub tokens: Vec<Secret>,
    /// Allows plain text at an address that other machines can reach.
    pub allow_plain_beyond_loopback: bool,
}

/// What a listener speaks. One port can serve both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    /// OTLP/gRPC.
    pub grpc: bool,
    /// OTLP/HTTP, with protobuf and JSON, over HTTP/1.1 and HTTP/2.
    pub http: bool,
}

/// Files in PEM form. Read once, when the listener is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The server's certificate, followed by those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates one of which must have signed every client's. Without, clients need none.
    pub client_ca: Option<PathBuf>,
}

/// Why the listeners could not be opened: everything that is wrong, at once.
#[derive(Debug, thiserror::Error)]
#[error("open the listeners: {}", join(mistakes))]
pub struct BindError {
    /// What is wrong; never empty.
    pub mistakes: Vec<BindMistake>,
}

fn join(mistakes: &[BindMistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// One thing that is wrong with listeners or limits.
#[derive(Debug, thiserror::Error)]
pub enum BindMistake {
    /// No listener at all.
    #[error("found no listener, expected at least one")]
    NoListener,
    /// A listener that speaks nothing.
    #[error("listener {address} speaks neither gRPC nor HTTP, expected at least one of them")]
    NoProtocol {
        /// Of the listener.
        address: SocketAddr,
    },
    /// Telemetry and tokens would cross the network in the clear.
    #[error(
        "listener {address} would speak plain text beyond this machine; give it a certificate, use a \
         loopback address, or allow plain text beyond loopback"
    )]
    PlainBeyondLoopback {
        /// Of the listener.
        address: SocketAddr,
    },
    /// A token that no client could send.
    #[error(
        "token {number} of listener {address} is empty or has characters other than letters, digits and \
         -._~+/= (RFC 6750)"
    )]
    Token {
        /// Of the listener.
        address: SocketAddr,
        /// Which token, from 1.
        number: usize,
    },
    /// Certificates or keys that cannot be used.
    #[error("listener {address}: {error}")]
    Tls {
        /// Of the listener.
        address: SocketAddr,
        /// What is wrong with them.
        error: TlsError,
    },
    /// The address cannot be listened at.
    #[error("listen at {address}: {error}")]
    Address {
        /// Of the listener.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// A limit that cannot hold.
    #[error(transparent)]
    Limit(#[from] LimitMistake),
}
