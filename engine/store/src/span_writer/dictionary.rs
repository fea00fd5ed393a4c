//! Columns of few values: each value once in a dictionary, and an index a span.

use bytes::Bytes;
use parquet::{
    basic::Encoding, column::writer::ColumnCloseResult, errors::Result,
    schema::types::ColumnDescPtr,
};

use super::{
    chunk::{Chunk, Extras, Levels, PAGE_ROWS},
    columns::Shared,
    hybrid,
};

/// The part of such a column that does not depend on what its values are.
pub(super) struct Indexed {
    chunk: Chunk,
    /// Of a column that may hold null.
    levels: Option<Levels>,
    indices: Vec<u32>,
    rows: usize,
    /// Values in the dictionary, as they lie in it.
    values: u32,
    dictionary: Vec<u8>,
}

impl Indexed {
    pub(super) fn new(descr: ColumnDescPtr) -> Self {
        let levels = (descr.max_def_level() > 0).then(Levels::default);
        let chunk = Chunk::new(descr, Encoding::RLE_DICTIONARY, true);
        Self { chunk, levels, indices: Vec::new(), rows: 0, values: 0, dictionary: Vec::new() }
    }

    /// True when the column may hold null.
    pub(super) fn is_optional(&self) -> bool {
        self.levels.is_some()
    }

    /// Takes a value into the dictionary, as it lies in there, and says its index.
    pub(super) fn add(&mut self, parts: [&[u8]; 2]) -> u32 {
        parts.iter().for_each(|part| self.dictionary.extend_from_slice(part));
        let index = self.values;
        self.values += 1;
        index
    }

    /// Appends a span's index; `None`: null.
    pub(super) fn put(&mut self, index: Option<u32>) {
        self.rows += 1;
        if let Some(levels) = &mut self.levels {
            levels.put(index.is_some());
        }
        self.indices.extend(index);
    }

    /// Ends the page if it is full.
    pub(super) fn end_full_page(&mut self, shared: &mut Shared) -> Result<()> {
        if self.rows < PAGE_ROWS { Ok(()) } else { self.end_page(shared) }
    }

    fn end_page(&mut self, shared: &mut Shared) -> Result<()> {
        let page = &mut shared.page;
        page.clear();
        if let Some(levels) = &mut self.levels {
            levels.end(page);
        }
        let width = hybrid::width_of(self.values.saturating_sub(1));
        page.extend_from_slice(&width.to_le_bytes()[..1]);
        hybrid::encode(&self.indices, width, page);
        self.chunk.put_page(&mut shared.compressor, self.rows, self.rows, page)?;
        self.indices.clear();
        self.rows = 0;
        Ok(())
    }

    /// Bytes of its pages and its dictionary.
    pub(super) fn bytes(&self) -> usize {
        self.chunk.bytes() + self.dictionary.len()
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.chunk.memory()
            + self.dictionary.capacity()
            + self.indices.capacity() * size_of::<u32>()
    }

    pub(super) fn close(mut self, shared: &mut Shared) -> Result<(Bytes, ColumnCloseResult)> {
        if self.rows > 0 {
            self.end_page(shared)?;
        }
        let Self { chunk, values, dictionary, .. } = self;
        let dictionary = Some((values as usize, dictionary));
        chunk.close(&mut shared.compressor, Extras { dictionary, ..Extras::default() })
    }
}
