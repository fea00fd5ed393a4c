//! The collector's door: all its listeners, one handler behind them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::Handler;
use crate::config::{BindError, ListenerConfig, Protocols};
use crate::limits::Limits;
use crate::listener::{Bound, Listener, Shared, bind_all};
use crate::meter::{Meter, Stats};
use crate::otlp::{Desk, Otlp};

/// Listeners for OTLP that share a handler, the limits and the counters.
pub struct Server<H> {
    listeners: Vec<(Listener, Protocols)>,
    shared: Arc<Shared>,
    handler: H,
}

impl<H: Handler> Server<H> {
    /// Binds all listeners. Needs a Tokio runtime around it. Connections wait until [`Server::run`].
    ///
    /// # Errors
    ///
    /// All that is wrong with listeners and limits, certificates and keys included.
    pub fn bind(
        configs: Vec<ListenerConfig>,
        limits: &Limits,
        handler: H,
    ) -> Result<Self, BindError> {
        let Bound { shared, listeners } = bind_all(configs, limits, true)?;
        Ok(Self { listeners, shared, handler })
    }

    /// Where it listens, in the order of the configurations, with the ports that were taken where 0 was
    /// asked for.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(listener, _)| listener.local_address()).collect()
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.meter.read()
    }

    /// The counters, to be read while the server runs.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.shared.meter.clone()
    }

    /// Serves until `shutdown` is done. Then it stops accepting and finishes what is under way, for at
    /// most [`Limits::drain_timeout`]; what is left then is cut off. Dropping the future cuts off all.
    ///
    /// # Panics
    ///
    /// When an accept loop panics: a server that is alive and deaf helps nobody.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (tell, stop) = watch::channel(false);
        let desk = Arc::new(Desk {
            handler: self.handler,
            limits: Arc::clone(&self.shared.limits),
            budget: Arc::clone(&self.shared.budget),
            meter: self.shared.meter.clone(),
        });
        let mut loops = JoinSet::new();
        for (listener, protocols) in self.listeners {
            let service = Otlp { desk: Arc::clone(&desk), protocols };
            loops.spawn(listener.accept(service, stop.clone()));
        }
        let mut ended = tokio::select! {
            () = shutdown => None,
            ended = loops.join_next() => ended,
        };
        tell.send_replace(true);
        loop {
            if let Some(Err(error)) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
            ended = loops.join_next().await;
            if ended.is_none() {
                return;
            }
        }
    }
}
