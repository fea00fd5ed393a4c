//! How do spans become files that every columnar tool can open?
//!
//! [`SpanWriter`] writes [`resus_model::SpanBatch`]es as Parquet in the span schema
//! ([`resus_model::schema`]). Reading dumps, these files among them, is another crate's business.
//! The same spans in the same batches with the same options give the same bytes.

mod record_batch;
mod span_writer;

pub use record_batch::IdEncoding;
pub use span_writer::{SpanWriter, WriteSpansError, WriterOptions};
