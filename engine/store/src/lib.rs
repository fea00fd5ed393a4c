//! How do spans become files that every columnar tool can open?
//!
//! [`SpanWriter`] writes [`resus_model::SpanBatch`]es as Parquet in the span schema
//! ([`resus_model::schema`]). Reading dumps, these files among them, is another crate's business.
//! The same spans in the same batches with the same options give the same bytes.
//!
//! [`log`] keeps what came in, as it came, until it is in such files: whatever happens to the process
//! or the machine meanwhile, what was acknowledged is there. [`segments`] is where such files are kept:
//! which of them count, for how long, and which spans of a trace are in them.

pub mod log;
pub mod segments;
mod span_writer;

pub use span_writer::{IdEncoding, SpanWriter, WriteSpansError, WriterOptions};
