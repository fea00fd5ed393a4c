//! Listeners: checked, bound, and not yet accepting.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::accept;
use crate::body::RequestBody;
use crate::budget::Budget;
use crate::config::{BindError, BindMistake, ListenerConfig, Protocols};
use crate::connection::Setup;
use crate::gate::Gated;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::roster::Roster;
use crate::secret::Secret;
use crate::tls;

/// Connections that the system completes while we are busy.
const BACKLOG: u32 = 1024;

/// What the listeners of one server share.
pub(crate) struct Shared {
    pub(crate) limits: Arc<Limits>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) meter: Meter,
}

impl Shared {
    pub(crate) fn new(limits: &Limits) -> Self {
        let roster = Roster::new(limits.max_connections, limits.max_connections_per_address);
        let budget = Budget::new(limits.max_in_flight_bytes);
        let meter = Meter::new(Arc::clone(&roster), Arc::clone(&budget));
        Self { limits: Arc::new(limits.clone()), roster, budget, meter }
    }
}

/// An address that is listened at. Connections wait until it is served.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    tokens: Vec<Secret>,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
}

impl Listener {
    /// Binds an address for [`serve_http`]. Needs a Tokio runtime around it.
    ///
    /// # Errors
    ///
    /// All that is wrong with the configuration and the limits, certificates and keys included.
    pub fn bind(config: ListenerConfig, limits: &Limits) -> Result<Self, BindError> {
        let mut listeners = bind_all(vec![config], limits, false)?.listeners;
        Ok(listeners.pop().expect("one for the one configuration").0)
    }

    /// Where it listens, with the port that was taken if 0 was asked for.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Its counters, which can be read while it is served.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.shared.meter.clone()
    }

    /// Serves it until `stop`.
    pub(crate) async fn accept<S: Gated>(self, service: S, stop: watch::Receiver<bool>) {
        let setup = Setup {
            limits: Arc::clone(&self.shared.limits),
            tokens: self.tokens,
            tls: self.tls,
            meter: self.shared.meter.clone(),
        };
        let roster = Arc::clone(&self.shared.roster);
        accept::run(self.listener, Arc::new(setup), roster, service, stop).await;
    }
}

/// Runs an HTTP service (HTTP/1.1 and HTTP/2) behind the same accept loop as the collector's, until
/// `shutdown` is done; then finishes what is under way, for at most [`Limits::drain_timeout`].
///
/// Requests without one of the listener's tokens never reach the service: they get a 401 with a
/// `google.rpc.Status`. Each request carries its [`crate::Peer`] as an extension. Its body ends in an
/// error when it does not keep pace; how large it may become is for the service to say. A panic of the
/// service ends the connection or stream, and nothing else.
pub async fn serve_http<S, B>(listener: Listener, service: S, shutdown: impl Future<Output = ()>)
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (tell, stop) = watch::channel(false);
    let announce = async {
        shutdown.await;
        tell.send_replace(true);
    };
    tokio::join!(listener.accept(service, stop), announce);
}

/// Listeners that share their limits and counters, each with what it speaks.
pub(crate) struct Bound {
    pub(crate) shared: Arc<Shared>,
    pub(crate) listeners: Vec<(Listener, Protocols)>,
}

/// Checks everything, then binds everything, and tells all that is wrong. `speaks` asks for at least one
/// protocol a listener.
pub(crate) fn bind_all(
    configs: Vec<ListenerConfig>,
    limits: &Limits,
    speaks: bool,
) -> Result<Bound, BindError> {
    let mut mistakes: Vec<BindMistake> =
        limits.mistakes().into_iter().map(BindMistake::from).collect();
    if configs.is_empty() {
        mistakes.push(BindMistake::NoListener);
    }
    let shared = Arc::new(Shared::new(limits));
    let mut bound = Vec::new();
    for config in configs {
        let before = mistakes.len();
        check(&config, speaks, &mut mistakes);
        let address = config.address;
        let acceptor = match config.tls.as_ref().map(tls::acceptor).transpose() {
            Ok(acceptor) => acceptor,
            Err(error) => {
                mistakes.push(BindMistake::Tls { address, error });
                continue;
            }
        };
        if mistakes.len() > before {
            continue;
        }
        let listening = listen(address).and_then(|l| Ok((l.local_addr()?, l)));
        match listening {
            Ok((address, listener)) => {
                let shared = Arc::clone(&shared);
                let listener =
                    Listener { listener, address, tokens: config.tokens, tls: acceptor, shared };
                bound.push((listener, config.protocols));
            }
            Err(error) => mistakes.push(BindMistake::Address { address, error }),
        }
    }
    if mistakes.is_empty() {
        Ok(Bound { shared, listeners: bound })
    } else {
        Err(BindError { mistakes })
    }
}

fn check(config: &ListenerConfig, speaks: bool, mistakes: &mut Vec<BindMistake>) {
    let ListenerConfig { address, protocols, tls, tokens, allow_plain_beyond_loopback } = config;
    let address = *address;
    if speaks && !protocols.grpc && !protocols.http {
        mistakes.push(BindMistake::NoProtocol { address });
    }
    if tls.is_none() && !allow_plain_beyond_loopback && !address.ip().to_canonical().is_loopback() {
        mistakes.push(BindMistake::PlainBeyondLoopback { address });
    }
    let bad = tokens.iter().enumerate().filter(|(_, token)| !token.is_token());
    mistakes.extend(bad.map(|(i, _)| BindMistake::Token { address, number: i + 1 }));
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Unix: a restart need not wait for the connections of the last run to be forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
