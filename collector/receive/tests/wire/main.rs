//! Does the door keep what OTLP 1.11, gRPC and HTTP ask for, seen from the other end of a socket?

mod caps;
mod client;
mod compression;
mod credentials;
mod door;
mod framing;
mod messages;
mod other_services;
mod rules;
mod shutdown;
mod sizes;
mod timeouts;
