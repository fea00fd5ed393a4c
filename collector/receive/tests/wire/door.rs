//! A server under test, with a handler that does as it is told and remembers what it saw.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use resus_receive::{
    Answer, ClosedFor, Compression, Encoding, Handler, Incoming, Limits, ListenerConfig, Meter,
    Outcome, Peer, Protocols, Secret, Server, Signal, TlsConfig, Transport,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What a handler was given, without its hold on memory.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) signal: Signal,
    pub(crate) encoding: Encoding,
    pub(crate) compression: Compression,
    pub(crate) transport: Transport,
    pub(crate) raw: Bytes,
    pub(crate) body: Bytes,
    pub(crate) peer: Peer,
}

type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The handler.
pub(crate) struct Scripted {
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Box<dyn Fn(Incoming) -> Work + Send + Sync>,
}

impl Handler for Scripted {
    fn handle(&self, incoming: Incoming) -> impl Future<Output = Answer> + Send {
        let Incoming { signal, encoding, compression, transport, .. } = incoming;
        let (raw, body, peer) =
            (incoming.raw.clone(), incoming.body.clone(), incoming.peer.clone());
        let seen = Seen { signal, encoding, compression, transport, raw, body, peer };
        self.seen.lock().expect("no test panics here").push(seen);
        (self.script)(incoming)
    }
}

/// A running server.
pub(crate) struct Door {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) meter: Meter,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

pub(crate) fn config() -> ListenerConfig {
    ListenerConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        protocols: Protocols { grpc: true, http: true },
        tls: None,
        tokens: Vec::new(),
        allow_plain_beyond_loopback: false,
    }
}

pub(crate) fn with_token(token: &str) -> ListenerConfig {
    ListenerConfig { tokens: vec![Secret::new(token.to_owned())], ..config() }
}

pub(crate) fn with_tls(tls: TlsConfig) -> ListenerConfig {
    ListenerConfig { tls: Some(tls), ..config() }
}

/// A server whose every request is accepted.
pub(crate) fn open() -> Door {
    answering(|| Answer::Accepted)
}

/// A server with the same answer to everything.
pub(crate) fn answering(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Door {
    Door::new(vec![config()], &Limits::STANDARD, move |_| {
        let answer = answer();
        Box::pin(async move { answer })
    })
}

/// A server that accepts, within these limits.
pub(crate) fn within(limits: &Limits) -> Door {
    Door::new(vec![config()], limits, |_| Box::pin(async { Answer::Accepted }))
}

impl Door {
    pub(crate) fn new(
        configs: Vec<ListenerConfig>,
        limits: &Limits,
        script: impl Fn(Incoming) -> Work + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler = Scripted { seen: Arc::clone(&seen), script: Box::new(script) };
        let server = Server::bind(configs, limits, handler).expect("binds");
        let addresses = server.local_addresses();
        let meter = server.meter();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { addresses, meter, seen, stop: Some(stop), running }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// What was handed to the handler so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics here").clone()
    }

    /// Begins a shutdown.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(Duration::from_secs(20), self.running)
            .await
            .expect("ends in time")
            .expect("ends well");
    }

    pub(crate) fn closed(&self, reason: ClosedFor) -> u64 {
        let closed = self.meter.read().connections_closed;
        closed.into_iter().find(|(r, _)| *r == reason).expect("all reasons are there").1
    }

    pub(crate) fn counted(&self, outcome: Outcome) -> u64 {
        let requests = self.meter.read().requests;
        requests.iter().filter(|r| r.outcome == outcome).map(|r| r.count).sum()
    }

    /// Waits until something holds of the counters.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waited = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), waited).await;
        assert!(in_time.is_ok(), "{what} never came to be: {:?}", self.meter.read());
    }
}
