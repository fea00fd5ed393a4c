//! Does what a source holds arrive at an endpoint, whatever that does? Over real sockets.

mod endpoint;
mod failures;
mod laws;
mod queue;
mod refusals;
mod sending;
mod shutdown;
mod tls;
