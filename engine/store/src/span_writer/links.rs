//! The columns of links: a list a span, null where there is no link.

use std::ops::Range;

use bytes::Bytes;
use parquet::{
    basic::Encoding, column::writer::ColumnCloseResult, errors::Result,
    schema::types::ColumnDescPtr,
};
use resus_model::{Link, SpanBatch};

use super::{
    chunk::{Chunk, Extras, PAGE_BYTES, PAGE_ROWS, put_levels},
    columns::{Column, Shared},
    hybrid,
    ids::Out,
    schema::IdEncoding,
};

/// The definition level of a link: the list is there, and has an element.
const THERE: u8 = 2;

/// One field of the links.
pub(super) struct Links {
    chunk: Chunk,
    put: fn(&Link, &mut Out),
    /// One a link, and one a span without links.
    definitions: Vec<u8>,
    /// 1 for a link that is not the first of its span.
    repetitions: Vec<u8>,
    out: Out,
    rows: usize,
}

impl Links {
    pub(super) fn new(descr: ColumnDescPtr, ids: IdEncoding, put: fn(&Link, &mut Out)) -> Self {
        let chunk = Chunk::new(descr, Encoding::PLAIN, true);
        let (definitions, repetitions) = (Vec::new(), Vec::new());
        Self { chunk, put, definitions, repetitions, out: Out::new(ids), rows: 0 }
    }

    fn end_page(&mut self, shared: &mut Shared) -> Result<()> {
        let Self { chunk, definitions, repetitions, out, rows, .. } = self;
        let page = &mut shared.page;
        page.clear();
        put_levels(page, |page| hybrid::encode(repetitions, 1, page));
        put_levels(page, |page| hybrid::encode(definitions, hybrid::width_of(THERE.into()), page));
        page.extend_from_slice(&out.bytes);
        chunk.put_page(&mut shared.compressor, definitions.len(), *rows, page)?;
        definitions.clear();
        repetitions.clear();
        out.bytes.clear();
        *rows = 0;
        Ok(())
    }
}

impl Column for Links {
    fn put(&mut self, batch: &SpanBatch, rows: Range<usize>, shared: &mut Shared) -> Result<()> {
        let before = |row: usize| batch.links.partition_point(|link| (link.row as usize) < row);
        let mut links = batch.links[before(rows.start)..before(rows.end)].iter().peekable();
        self.rows += rows.len();
        for row in rows {
            let mut first = true;
            while let Some(link) = links.next_if(|link| link.row as usize == row) {
                self.definitions.push(THERE);
                self.repetitions.push(u8::from(!first));
                (self.put)(link, &mut self.out);
                first = false;
            }
            if first {
                self.definitions.push(0);
                self.repetitions.push(0);
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
        self.chunk.memory() + self.out.bytes.capacity() + 2 * self.definitions.capacity()
    }

    fn close(mut self: Box<Self>, shared: &mut Shared) -> Result<(Bytes, ColumnCloseResult)> {
        if self.rows > 0 {
            self.end_page(shared)?;
        }
        self.chunk.close(&mut shared.compressor, Extras::default())
    }
}
