//! The accept loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::activity::Activity;
use crate::connection::{Admitted, Setup, serve};
use crate::gate::Gated;
use crate::roster::Roster;

/// After a failed accept that the next one would share: there are no descriptors left, say.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts and serves connections until it is told to stop; then finishes what is under way.
pub(crate) async fn run<S: Gated>(
    listener: TcpListener,
    setup: Arc<Setup>,
    roster: Arc<Roster>,
    service: S,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|&stop| stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        setup.meter.accepted();
        if let Some(admitted) = admit(stream, address, &setup, &roster) {
            connections.spawn(serve(admitted, Arc::clone(&setup), service.clone(), stop.clone()));
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // What is not done by then is cut off, which dropping the set does.
    let _ = tokio::time::timeout(setup.limits.drain_timeout, drained).await;
}

/// Gives a connection a place, or closes it.
fn admit(
    stream: TcpStream,
    address: std::net::SocketAddr,
    setup: &Setup,
    roster: &Arc<Roster>,
) -> Option<Admitted> {
    let activity = Activity::new();
    match roster.admit(address.ip(), Arc::clone(&activity)) {
        Ok((place, _)) => {
            // Without it an answer could wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
            Some(Admitted { stream, address, activity, place })
        }
        Err(reason) => {
            setup.meter.closed(reason);
            None
        }
    }
}

/// Says whether an error of accept tells of the connection only, so that the next may well succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
