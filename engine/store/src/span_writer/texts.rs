//! Columns of texts of one span each.

use std::ops::Range;

use bytes::Bytes;
use parquet::{
    basic::Encoding, column::writer::ColumnCloseResult, errors::Result,
    schema::types::ColumnDescPtr,
};
use resus_model::SpanBatch;

use super::{
    chunk::{Chunk, Extras, Levels, PAGE_BYTES},
    columns::{Column, Shared},
};

/// Rows of a page at most: their levels have room in [`HEADROOM`], however they alternate.
const ROWS: usize = 4096;
/// Levels come before the values in a page but are known after them. So values begin here, and the
/// levels are put right before them.
const HEADROOM: usize = 2048;

/// A column of texts, plain; an empty one is null.
pub(super) struct Texts {
    chunk: Chunk,
    of: fn(&SpanBatch) -> (&str, &[u64]),
    levels: Levels,
    /// The values, behind the headroom.
    values: Vec<u8>,
}

impl Texts {
    pub(super) fn new(descr: ColumnDescPtr, of: fn(&SpanBatch) -> (&str, &[u64])) -> Self {
        let chunk = Chunk::new(descr, Encoding::PLAIN, true);
        let mut values = Vec::with_capacity(HEADROOM + 2 * PAGE_BYTES);
        values.resize(HEADROOM, 0);
        Self { chunk, of, levels: Levels::default(), values }
    }

    fn put_text(&mut self, text: &str, shared: &mut Shared) -> Result<()> {
        self.levels.put(!text.is_empty());
        if !text.is_empty() {
            let length = u32::try_from(text.len()).map_err(|_| super::chunk::too_large())?;
            self.values.extend_from_slice(&length.to_le_bytes());
            self.values.extend_from_slice(text.as_bytes());
        }
        let full = self.values.len() >= HEADROOM + PAGE_BYTES || self.levels.len() == ROWS;
        if full { self.end_page(shared) } else { Ok(()) }
    }

    fn end_page(&mut self, shared: &mut Shared) -> Result<()> {
        let rows = self.levels.len();
        let levels = &mut shared.page;
        levels.clear();
        self.levels.end(levels);
        let from = HEADROOM - levels.len();
        self.values[from..HEADROOM].copy_from_slice(levels);
        self.chunk.put_page(&mut shared.compressor, rows, rows, &self.values[from..])?;
        self.values.truncate(HEADROOM);
        Ok(())
    }
}

impl Column for Texts {
    #[expect(clippy::cast_possible_truncation, reason = "ends lie within a String's length")]
    fn put(&mut self, batch: &SpanBatch, rows: Range<usize>, shared: &mut Shared) -> Result<()> {
        let (text, ends) = (self.of)(batch);
        if ends.is_empty() {
            for _ in rows {
                self.put_text("", shared)?;
            }
            return Ok(());
        }
        let mut from = if rows.start == 0 { 0 } else { ends[rows.start - 1] };
        for &end in &ends[rows] {
            self.put_text(&text[from as usize..end as usize], shared)?;
            from = end;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.chunk.bytes()
    }

    fn memory(&self) -> usize {
        self.chunk.memory() + self.values.capacity()
    }

    fn close(mut self: Box<Self>, shared: &mut Shared) -> Result<(Bytes, ColumnCloseResult)> {
        if self.levels.len() > 0 {
            self.end_page(shared)?;
        }
        self.chunk.close(&mut shared.compressor, Extras::default())
    }
}
