//! Columns of numbers: those of few values, and times.

use std::{
    hash::{BuildHasher, Hash},
    ops::Range,
};

use bytes::Bytes;
use hashbrown::HashTable;
use parquet::{
    basic::Encoding, column::writer::ColumnCloseResult, errors::Result,
    file::statistics::Statistics, schema::types::ColumnDescPtr,
};
use resus_model::SpanBatch;
use rustc_hash::FxBuildHasher;

use super::{
    chunk::{Chunk, Extras, PAGE_ROWS},
    columns::{Column, Shared},
    delta,
    dictionary::Indexed,
};

/// A number as it lies in a dictionary.
pub(super) trait Number: Copy + Eq + Hash + Send {
    type Bytes: AsRef<[u8]>;

    fn to_bytes(self) -> Self::Bytes;
}

impl Number for u32 {
    type Bytes = [u8; 4];

    fn to_bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
}

impl Number for u64 {
    type Bytes = [u8; 8];

    fn to_bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
}

/// A column of numbers of few values.
pub(super) struct Numbers<N> {
    of: fn(&SpanBatch, usize) -> Option<N>,
    column: Indexed,
    index: HashTable<(N, u32)>,
}

impl<N: Number> Numbers<N> {
    pub(super) fn of(descr: ColumnDescPtr, of: fn(&SpanBatch, usize) -> Option<N>) -> Self {
        Self { of, column: Indexed::new(descr), index: HashTable::new() }
    }

    fn index_of(&mut self, number: N) -> u32 {
        let hash = FxBuildHasher.hash_one(number);
        if let Some(&(_, index)) = self.index.find(hash, |&(known, _)| known == number) {
            return index;
        }
        let index = self.column.add([number.to_bytes().as_ref(), &[]]);
        self.index
            .insert_unique(hash, (number, index), |&(known, _)| FxBuildHasher.hash_one(known));
        index
    }
}

impl<N: Number> Column for Numbers<N> {
    fn put(&mut self, batch: &SpanBatch, rows: Range<usize>, shared: &mut Shared) -> Result<()> {
        // Neighbours mostly have the same.
        let mut previous = None;
        for row in rows {
            let index = (self.of)(batch, row).map(|number| match previous {
                Some((same, index)) if same == number => index,
                _ => {
                    let index = self.index_of(number);
                    previous = Some((number, index));
                    index
                }
            });
            self.column.put(index);
        }
        self.column.end_full_page(shared)
    }

    fn bytes(&self) -> usize {
        self.column.bytes()
    }

    fn memory(&self) -> usize {
        self.column.memory() + self.index.capacity() * size_of::<(N, u32)>()
    }

    fn close(self: Box<Self>, shared: &mut Shared) -> Result<(Bytes, ColumnCloseResult)> {
        self.column.close(shared)
    }
}

/// Which times of a batch a column holds.
enum Which {
    Starts(fn(&SpanBatch) -> &[u64]),
    Durations(fn(&SpanBatch) -> &[i64]),
}

/// A column of times, with the least and the greatest of them in its statistics.
pub(super) struct Times {
    chunk: Chunk,
    which: Which,
    values: Vec<i64>,
    /// The least and the greatest, unsigned ones as such.
    range: Option<(i64, i64)>,
}

impl Times {
    pub(super) fn starts(descr: ColumnDescPtr, of: fn(&SpanBatch) -> &[u64]) -> Self {
        Self::new(descr, Which::Starts(of))
    }

    pub(super) fn durations(descr: ColumnDescPtr, of: fn(&SpanBatch) -> &[i64]) -> Self {
        Self::new(descr, Which::Durations(of))
    }

    fn new(descr: ColumnDescPtr, which: Which) -> Self {
        let chunk = Chunk::new(descr, Encoding::DELTA_BINARY_PACKED, false);
        Self { chunk, which, values: Vec::new(), range: None }
    }

    fn end_page(&mut self, shared: &mut Shared) -> Result<()> {
        shared.page.clear();
        delta::encode(&self.values, &mut shared.page);
        let rows = self.values.len();
        self.chunk.put_page(&mut shared.compressor, rows, rows, &shared.page)?;
        self.values.clear();
        Ok(())
    }
}

fn extend<N: Ord + Copy>(range: Option<(N, N)>, values: &[N]) -> Option<(N, N)> {
    values.iter().fold(range, |range, &value| {
        let (least, greatest) = range.unwrap_or((value, value));
        Some((least.min(value), greatest.max(value)))
    })
}

impl Column for Times {
    fn put(&mut self, batch: &SpanBatch, rows: Range<usize>, shared: &mut Shared) -> Result<()> {
        match self.which {
            Which::Starts(of) => {
                let starts = &of(batch)[rows];
                let range = self.range.map(|(a, b)| (a.cast_unsigned(), b.cast_unsigned()));
                let range = extend(range, starts);
                self.range = range.map(|(a, b)| (a.cast_signed(), b.cast_signed()));
                self.values.extend(starts.iter().map(|start| start.cast_signed()));
            }
            Which::Durations(of) => {
                let durations = &of(batch)[rows];
                self.range = extend(self.range, durations);
                self.values.extend_from_slice(durations);
            }
        }
        if self.values.len() >= PAGE_ROWS { self.end_page(shared) } else { Ok(()) }
    }

    fn bytes(&self) -> usize {
        self.chunk.bytes()
    }

    fn memory(&self) -> usize {
        self.chunk.memory() + self.values.capacity() * size_of::<i64>()
    }

    fn close(mut self: Box<Self>, shared: &mut Shared) -> Result<(Bytes, ColumnCloseResult)> {
        if !self.values.is_empty() {
            self.end_page(shared)?;
        }
        let statistics = self.range.map(|(least, greatest)| {
            Statistics::int64(Some(least), Some(greatest), None, Some(0), false)
        });
        self.chunk.close(&mut shared.compressor, Extras { statistics, ..Extras::default() })
    }
}
