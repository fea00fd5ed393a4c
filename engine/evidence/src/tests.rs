//! The laws of evidence, as properties over small random sets of spans.

mod laws;
mod limits;
mod oracle;
pub(crate) mod spans;
