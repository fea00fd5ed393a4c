//! The columns of the span schema: what fills each, and how it is encoded.
//!
//! Encodings by what polars reads fastest, size second (15 million spans, CPU seconds to read one
//! column with two threads), and by what they cost here:
//! - `trace_id` repeats: plain and zstd 0.23 s at 26 MB; a dictionary 0.15 s at 36 MB, but it costs a
//!   search a span; plain alone 0.17 s at 234 MB;
//! - other identifiers hardly repeat and do not shrink: plain 0.11 s at 117 MB, a dictionary makes
//!   them larger. As hex text they shrink to half;
//! - times: delta packing 0.07 s at 49 MB, plain and zstd 0.12 s at 54 MB; zstd after delta packing
//!   saves nothing;
//! - texts of one span each: plain and zstd;
//! - everything else has few values: dictionary and zstd.
//!
//! Statistics are kept for what a reader cuts windows by, and not page by page. A Bloom filter says
//! in which row groups a trace is.

use std::ops::Range;

use bytes::Bytes;
use parquet::{
    column::writer::ColumnCloseResult,
    errors::Result,
    schema::types::{ColumnDescPtr, SchemaDescriptor},
};
use resus_model::{Interner, Name, SpanBatch, SpanRow, Status};

use super::{
    chunk::Compressor,
    ids::Ids,
    links::Links,
    names::Names,
    numbers::{Numbers, Times},
    schema::IdEncoding,
    texts::Texts,
};

/// A column of a row group in the making.
pub(super) trait Column: Send {
    /// Appends what it holds of some rows, which are few: a page may grow by all of them.
    fn put(&mut self, batch: &SpanBatch, rows: Range<usize>, shared: &mut Shared) -> Result<()>;

    /// Bytes of its pages and its dictionary so far, but for the page in the making.
    fn bytes(&self) -> usize;

    /// Bytes of memory held.
    fn memory(&self) -> usize;

    /// Ends the row group.
    fn close(self: Box<Self>, shared: &mut Shared) -> Result<(Bytes, ColumnCloseResult)>;
}

/// What the columns of a row group share.
pub(super) struct Shared {
    pub(super) compressor: Compressor,
    /// A page in the making.
    pub(super) page: Vec<u8>,
    /// The texts of all batches of the row group.
    pub(super) texts: Interner,
    /// By name of the batch that is written now: its name in `texts`, or [`Name::NONE`] where that
    /// was not asked for yet.
    pub(super) known: Vec<Name>,
}

impl Shared {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            compressor: Compressor::new()?,
            page: Vec::new(),
            texts: Interner::new(),
            known: Vec::new(),
        })
    }

    /// Makes ready for the names of a batch.
    pub(super) fn begin_batch(&mut self, batch: &SpanBatch) {
        self.known.clear();
        self.known.resize(batch.names.len(), Name::NONE);
    }

    /// The name of a batch in `texts`.
    pub(super) fn shared_name(&mut self, batch: &SpanBatch, name: Name) -> Name {
        let known = self.known[name.index()];
        if !known.is_none() || name.is_none() {
            return known;
        }
        let shared = self.texts.intern(batch.names.text(name));
        self.known[name.index()] = shared;
        shared
    }
}

/// The columns of a row group of so many rows, in the order of the schema.
pub(super) fn columns(
    schema: &SchemaDescriptor,
    ids: IdEncoding,
    row_group_rows: usize,
) -> Result<Vec<Box<dyn Column>>> {
    let mut place = 0..schema.num_columns();
    let mut next = || schema.column(place.next().expect("the schema has as many columns"));
    Ok(vec![
        Box::new(Ids::traces(next(), ids, row_group_rows)?),
        Box::new(Ids::spans(next(), ids, |b| &b.span_id)),
        Box::new(Ids::spans(next(), ids, |b| &b.parent_span_id)),
        names(next(), |b| &b.trace_state),
        Box::new(Numbers::of(next(), |b, i| Some(b.flags[i]))),
        names(next(), |b| &b.service),
        names(next(), |b| &b.namespace),
        names(next(), |b| &b.instance),
        names(next(), |b| &b.version),
        names(next(), |b| &b.host),
        names(next(), |b| &b.operation),
        Box::new(Numbers::of(next(), |b, i| Some(b.kind[i] as u32))),
        Box::new(Numbers::of(next(), |b, i| {
            (b.status[i] != Status::Absent).then_some(b.status[i] as u32)
        })),
        Box::new(Times::starts(next(), |b| &b.start_unix_nano)),
        Box::new(Times::durations(next(), |b| &b.duration_ns)),
        Box::new(Numbers::of(next(), |b, i| Some(b.received_unix_nano[i]).filter(|&at| at != 0))),
        Box::new(Numbers::of(next(), |b, i| {
            Some(u32::from(b.http_status[i])).filter(|&code| code != 0)
        })),
        Box::new(Numbers::of(next(), |b, i| {
            (b.rpc_status[i] != SpanRow::NO_RPC).then_some(u32::from(b.rpc_status[i]))
        })),
        names(next(), |b| &b.error_type),
        names(next(), |b| &b.peer),
        Box::new(Numbers::of(next(), |b, i| Some(b.error_event_count[i]))),
        Box::new(Numbers::of(next(), |b, i| Some(b.exception_event_count[i]))),
        Box::new(Links::new(next(), ids, |link, out| out.put_trace(link.trace_id))),
        Box::new(Links::new(next(), ids, |link, out| out.put_span(link.span_id))),
        Box::new(Texts::new(next(), |b| (&b.attributes, &b.attribute_ends))),
        Box::new(Texts::new(next(), |b| (&b.events, &b.event_ends))),
        names(next(), |b| &b.resource_attributes),
        names(next(), |b| &b.scope),
        names(next(), |b| &b.status_message),
    ])
}

fn names(descr: ColumnDescPtr, of: fn(&SpanBatch) -> &[Name]) -> Box<dyn Column> {
    Box::new(Names::new(descr, of))
}
