//! What spans does a columnar dump hold?
//!
//! Parquet files come in, one [`resus_model::SpanBatch`] a stretch of rows goes out. Columns are
//! found by the names of the span schema ([`resus_model::schema`]), of ClickHouse's `otel_traces`,
//! or of a [`Mapping`] that the user gives. [`open`] reads the footer and tells all that is wrong
//! with the columns at once; [`ParquetFile::read`] decodes one part with polars, column by column,
//! and can be called from any thread. This is the only crate that names polars, and no type of
//! polars leaves it.
//!
//! Memory: one call holds one batch of at most 2^20 spans and one decoded column beside it. No
//! thread is started here: whoever calls says how many parts are read at once.

mod decode;
mod error;
mod ids;
mod layout;
mod lists;
mod mapping;
mod numbers;
mod open;
mod rows;
mod texts;

pub use error::{ColumnsError, ReadError, WrongType};
pub use mapping::{Mapping, MappingError, MappingMistake};
pub use open::{ParquetFile, open, read_columns_only};

#[cfg(test)]
mod tests;
