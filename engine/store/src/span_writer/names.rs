//! Columns of names.

use std::ops::Range;

use bytes::Bytes;
use parquet::{column::writer::ColumnCloseResult, errors::Result, schema::types::ColumnDescPtr};
use resus_model::{Name, SpanBatch};

use super::{
    columns::{Column, Shared},
    dictionary::Indexed,
};

/// A column of names. An empty one is null where the schema allows that.
pub(super) struct Names {
    of: fn(&SpanBatch) -> &[Name],
    column: Indexed,
    /// By name in the texts of the row group: its index in the dictionary and 1, or 0.
    index: Vec<u32>,
}

impl Names {
    pub(super) fn new(descr: ColumnDescPtr, of: fn(&SpanBatch) -> &[Name]) -> Self {
        Self { of, column: Indexed::new(descr), index: Vec::new() }
    }

    fn index_of(&mut self, name: Name, batch: &SpanBatch, shared: &mut Shared) -> u32 {
        let shared_name = shared.shared_name(batch, name).index();
        if shared_name >= self.index.len() {
            self.index.resize(shared.texts.len().max(shared_name + 1), 0);
        }
        if self.index[shared_name] == 0 {
            let text = batch.names.text(name).as_bytes();
            let length = u32::try_from(text.len()).expect("names are limited to 4 GiB of text");
            self.index[shared_name] = 1 + self.column.add([&length.to_le_bytes(), text]);
        }
        self.index[shared_name] - 1
    }
}

impl Column for Names {
    fn put(&mut self, batch: &SpanBatch, rows: Range<usize>, shared: &mut Shared) -> Result<()> {
        let names = (self.of)(batch);
        if names.is_empty() {
            rows.for_each(|_| self.column.put(None));
            return self.column.end_full_page(shared);
        }
        // Neighbours mostly have the same.
        let mut previous = None;
        for &name in &names[rows] {
            if name.is_none() && self.column.is_optional() {
                self.column.put(None);
                continue;
            }
            let index = match previous {
                Some((same, index)) if same == name => index,
                _ => self.index_of(name, batch, shared),
            };
            previous = Some((name, index));
            self.column.put(Some(index));
        }
        self.column.end_full_page(shared)
    }

    fn bytes(&self) -> usize {
        self.column.bytes()
    }

    fn memory(&self) -> usize {
        self.column.memory() + self.index.capacity() * size_of::<u32>()
    }

    fn close(self: Box<Self>, shared: &mut Shared) -> Result<(Bytes, ColumnCloseResult)> {
        self.column.close(shared)
    }
}
