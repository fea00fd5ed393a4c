//! Columns of identifiers.

use std::ops::Range;

use bytes::Bytes;
use parquet::{
    basic::Encoding, bloom_filter::Sbbf, column::writer::ColumnCloseResult, errors::Result,
    schema::types::ColumnDescPtr,
};
use resus_model::{SpanBatch, SpanId, TraceId};

use super::{
    chunk::{Chunk, Extras, Levels, PAGE_BYTES, PAGE_ROWS},
    columns::{Column, Shared},
    schema::IdEncoding,
};

/// Share of row groups that are searched in vain for a trace: at 1 % the filter takes 1.3 bytes a
/// trace.
const FALSE_POSITIVES: f64 = 0.01;
/// A filter has room for no more traces than this; with more of them it is less sharp.
const MAX_TRACES: usize = 1 << 20;

/// Identifiers as they lie in a page.
pub(super) struct Out {
    ids: IdEncoding,
    pub(super) bytes: Vec<u8>,
}

impl Out {
    pub(super) fn new(ids: IdEncoding) -> Self {
        Self { ids, bytes: Vec::new() }
    }

    pub(super) fn put_trace(&mut self, id: TraceId) {
        match self.ids {
            IdEncoding::Bytes => self.bytes.extend_from_slice(&id.as_u128().to_be_bytes()),
            IdEncoding::Hex => self.put_text(&id.to_string()),
        }
    }

    pub(super) fn put_span(&mut self, id: SpanId) {
        match self.ids {
            IdEncoding::Bytes => self.bytes.extend_from_slice(&id.as_u64().to_be_bytes()),
            IdEncoding::Hex => self.put_text(&id.to_string()),
        }
    }

    fn put_text(&mut self, text: &str) {
        let length = u32::try_from(text.len()).expect("32 digits at most");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// Which identifiers of a batch a column holds.
enum Which {
    Traces(Filter),
    Spans(fn(&SpanBatch) -> &[SpanId]),
}

/// Which traces there are.
struct Filter {
    bloom: Sbbf,
    /// Spans of a trace mostly come one after the other.
    previous: Option<TraceId>,
}

/// A column of identifiers, plain.
pub(super) struct Ids {
    chunk: Chunk,
    which: Which,
    /// Of a column that may hold null.
    levels: Option<Levels>,
    out: Out,
    rows: usize,
}

impl Ids {
    /// Trace ids: they repeat, so they are compressed.
    pub(super) fn traces(
        descr: ColumnDescPtr,
        ids: IdEncoding,
        row_group_rows: usize,
    ) -> Result<Self> {
        let traces = row_group_rows.min(MAX_TRACES) as u64;
        let bloom = Sbbf::new_with_ndv_fpp(traces, FALSE_POSITIVES)?;
        let which = Which::Traces(Filter { bloom, previous: None });
        Ok(Self::new(descr, ids, true, which))
    }

    /// Span ids: as bytes they do not shrink.
    pub(super) fn spans(
        descr: ColumnDescPtr,
        ids: IdEncoding,
        of: fn(&SpanBatch) -> &[SpanId],
    ) -> Self {
        Self::new(descr, ids, ids == IdEncoding::Hex, Which::Spans(of))
    }

    fn new(descr: ColumnDescPtr, ids: IdEncoding, compress: bool, which: Which) -> Self {
        let levels = (descr.max_def_level() > 0).then(Levels::default);
        let chunk = Chunk::new(descr, Encoding::PLAIN, compress);
        Self { chunk, which, levels, out: Out::new(ids), rows: 0 }
    }

    fn end_page(&mut self, shared: &mut Shared) -> Result<()> {
        let Self { chunk, levels, out, rows, .. } = self;
        let page = match levels {
            None => &out.bytes,
            Some(levels) => {
                shared.page.clear();
                levels.end(&mut shared.page);
                shared.page.extend_from_slice(&out.bytes);
                &shared.page
            }
        };
        chunk.put_page(&mut shared.compressor, *rows, *rows, page)?;
        out.bytes.clear();
        *rows = 0;
        Ok(())
    }
}

impl Column for Ids {
    fn put(&mut self, batch: &SpanBatch, rows: Range<usize>, shared: &mut Shared) -> Result<()> {
        self.rows += rows.len();
        match &mut self.which {
            Which::Traces(Filter { bloom, previous }) => {
                for &id in &batch.trace_id[rows] {
                    self.out.put_trace(id);
                    if *previous != Some(id) {
                        *previous = Some(id);
                        match self.out.ids {
                            IdEncoding::Bytes => bloom.insert(&id.as_u128().to_be_bytes()[..]),
                            IdEncoding::Hex => bloom.insert(&*id.to_string()),
                        }
                    }
                }
            }
            Which::Spans(of) => {
                let ids = &of(batch)[rows];
                match &mut self.levels {
                    None => ids.iter().for_each(|&id| self.out.put_span(id)),
                    Some(levels) => {
                        for &id in ids {
                            levels.put(!id.is_none());
                            if !id.is_none() {
                                self.out.put_span(id);
                            }
                        }
                    }
                }
            }
        }
        if self.rows >= PAGE_ROWS || self.out.bytes.len() >= PAGE_BYTES {
            self.end_page(shared)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.chunk.bytes()
    }

    fn memory(&self) -> usize {
        self.chunk.memory() + self.out.bytes.capacity()
    }

    fn close(mut self: Box<Self>, shared: &mut Shared) -> Result<(Bytes, ColumnCloseResult)> {
        if self.rows > 0 {
            self.end_page(shared)?;
        }
        let bloom_filter = match self.which {
            Which::Spans(_) => None,
            Which::Traces(Filter { mut bloom, .. }) => {
                bloom.fold_to_target_fpp(FALSE_POSITIVES);
                Some(bloom)
            }
        };
        self.chunk.close(&mut shared.compressor, Extras { bloom_filter, ..Extras::default() })
    }
}
