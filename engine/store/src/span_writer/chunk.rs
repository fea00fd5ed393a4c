//! Pages of a column, and the column chunk that they make.
//!
//! The pages are of version 1 of Parquet's data pages, and each has its CRC-32, as the format
//! provides (Parquet format, Checksumming): readers notice a page that is not what was written.

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    bloom_filter::Sbbf,
    column::writer::ColumnCloseResult,
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, OffsetIndexBuilder},
        statistics::Statistics,
    },
    schema::types::ColumnDescPtr,
};

use super::hybrid::{self, put_varint};

/// Bytes of a page before compression, about. Pages of the usual 1 MiB leave the processor's cache on
/// their way from the encoder to the compressor, and make whoever looks for one trace decompress more
/// than the spans of the trace. In exchange files grow by 3 %.
pub(super) const PAGE_BYTES: usize = 128 << 10;
/// Rows of a page at most, about.
pub(super) const PAGE_ROWS: usize = 16 << 10;
const LEVEL: i32 = 1;

/// Compresses pages, one after the other.
pub(super) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    compressed: Vec<u8>,
}

impl Compressor {
    pub(super) fn new() -> Result<Self> {
        let zstd = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
        Ok(Self { zstd, compressed: Vec::new() })
    }

    fn compress(&mut self, page: &[u8]) -> Result<&[u8]> {
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(page.len()));
        self.zstd.compress_to_buffer(page, &mut self.compressed).map_err(failed)?;
        Ok(&self.compressed)
    }
}

fn failed(error: std::io::Error) -> ParquetError {
    ParquetError::General(format!("compress a page: {error}"))
}

/// The pages of a column in a row group.
pub(super) struct Chunk {
    descr: ColumnDescPtr,
    compress: bool,
    encoding: Encoding,
    pages: Vec<u8>,
    uncompressed: usize,
    values: u64,
    rows: u64,
    /// Of each page: bytes with its header, rows.
    index: Vec<(usize, usize)>,
}

/// What goes with the pages.
#[derive(Default)]
pub(super) struct Extras {
    /// The dictionary that the values are indices into: number of its values, and they themselves.
    pub(super) dictionary: Option<(usize, Vec<u8>)>,
    pub(super) bloom_filter: Option<Sbbf>,
    pub(super) statistics: Option<Statistics>,
}

impl Chunk {
    pub(super) fn new(descr: ColumnDescPtr, encoding: Encoding, compress: bool) -> Self {
        Self {
            descr,
            compress,
            encoding,
            pages: Vec::new(),
            uncompressed: 0,
            values: 0,
            rows: 0,
            index: Vec::new(),
        }
    }

    /// Bytes of its pages.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len()
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.pages.capacity()
    }

    /// Appends a page: levels and values as they lie in it, and how many of them, nulls included.
    pub(super) fn put_page(
        &mut self,
        compressor: &mut Compressor,
        values: usize,
        rows: usize,
        page: &[u8],
    ) -> Result<()> {
        let before = self.pages.len();
        let kind = Kind::Data { values, encoding: self.encoding };
        self.uncompressed += put_page(&mut self.pages, compressor, kind, page, self.compress)?;
        self.values += values as u64;
        self.rows += rows as u64;
        self.index.push((self.pages.len() - before, rows));
        Ok(())
    }

    /// Its bytes, and what the row group has to know of them.
    pub(super) fn close(
        self,
        compressor: &mut Compressor,
        extras: Extras,
    ) -> Result<(Bytes, ColumnCloseResult)> {
        let Self { descr, compress, encoding, pages, mut uncompressed, values, rows, index } = self;
        let Extras { dictionary, bloom_filter, statistics } = extras;
        let mut encodings = vec![Encoding::RLE, encoding];
        let (bytes, data_from) = match dictionary {
            None => (pages, 0),
            Some((values, dictionary)) => {
                encodings.push(Encoding::PLAIN);
                let mut bytes = Vec::new();
                let kind = Kind::Dictionary { values };
                uncompressed += put_page(&mut bytes, compressor, kind, &dictionary, compress)?;
                let data_from = bytes.len();
                bytes.extend_from_slice(&pages);
                (bytes, data_from)
            }
        };
        let mut offsets = OffsetIndexBuilder::new();
        let mut at = data_from;
        for (size, rows) in index {
            offsets.append_offset_and_size(to_i64(at)?, to_i32(size)?);
            offsets.append_row_count(to_i64(rows)?);
            at += size;
        }
        let mut metadata = ColumnChunkMetaData::builder(descr)
            .set_compression(compression(compress))
            .set_encodings(encodings)
            .set_num_values(i64::try_from(values).map_err(|_| too_large())?)
            .set_total_compressed_size(to_i64(bytes.len())?)
            .set_total_uncompressed_size(to_i64(uncompressed)?)
            .set_data_page_offset(to_i64(data_from)?)
            .set_dictionary_page_offset((data_from > 0).then_some(0));
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let closed = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows,
            metadata: metadata.build()?,
            bloom_filter,
            column_index: None,
            offset_index: Some(offsets.build()),
        };
        Ok((Bytes::from(bytes), closed))
    }
}

fn compression(compress: bool) -> Compression {
    if compress {
        Compression::ZSTD(ZstdLevel::try_new(LEVEL).expect("zstd has a level 1"))
    } else {
        Compression::UNCOMPRESSED
    }
}

fn to_i64(n: usize) -> Result<i64> {
    i64::try_from(n).map_err(|_| too_large())
}

fn to_i32(n: usize) -> Result<i32> {
    i32::try_from(n).map_err(|_| too_large())
}

pub(super) fn too_large() -> ParquetError {
    ParquetError::General("a page or its dictionary is larger than 2 GiB".to_owned())
}

/// What a page holds.
enum Kind {
    Data { values: usize, encoding: Encoding },
    Dictionary { values: usize },
}

/// Appends a page with its header; says how many bytes it has uncompressed, the header included.
fn put_page(
    out: &mut Vec<u8>,
    compressor: &mut Compressor,
    kind: Kind,
    page: &[u8],
    compress: bool,
) -> Result<usize> {
    let body = if compress { compressor.compress(page)? } else { page };
    let before = out.len();
    put_header(out, kind, to_i32(page.len())?, body)?;
    let header = out.len() - before;
    out.extend_from_slice(body);
    Ok(header + page.len())
}

/// A `PageHeader` in Thrift's compact protocol: fields by ascending number, each begun by a byte of
/// the distance to the one before and its type.
fn put_header(out: &mut Vec<u8>, kind: Kind, uncompressed: i32, body: &[u8]) -> Result<()> {
    const I32: u8 = 5;
    const STRUCT: u8 = 12;
    const STOP: u8 = 0;
    let next = |distance: u8, of: u8| distance << 4 | of;
    let numbers = |numbers: &[i32], out: &mut Vec<u8>| {
        for &number in numbers {
            out.push(next(1, I32));
            put_varint(u64::from(((number << 1) ^ (number >> 31)).cast_unsigned()), out);
        }
    };
    let (page_type, distance, fields) = match kind {
        Kind::Data { values, encoding } => {
            let levels = Encoding::RLE as i32;
            (0, 1, vec![to_i32(values)?, encoding as i32, levels, levels])
        }
        Kind::Dictionary { values } => (2, 3, vec![to_i32(values)?, Encoding::PLAIN as i32]),
    };
    let crc = crc32fast::hash(body).cast_signed();
    numbers(&[page_type, uncompressed, to_i32(body.len())?, crc], out);
    out.push(next(distance, STRUCT));
    numbers(&fields, out);
    out.extend([STOP, STOP]);
    Ok(())
}

/// Which values of a page are there: definition levels of a column that may hold null.
#[derive(Default)]
pub(super) struct Levels {
    /// 1 where there is a value.
    levels: Vec<u8>,
    there: usize,
}

impl Levels {
    pub(super) fn put(&mut self, there: bool) {
        self.levels.push(u8::from(there));
        self.there += usize::from(there);
    }

    /// Values and nulls.
    pub(super) fn len(&self) -> usize {
        self.levels.len()
    }

    /// Appends them as they lie in a page, and begins the next.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        let count = self.levels.len();
        put_levels(out, |out| match self.there {
            0 => hybrid::put_run(0, count, 1, out),
            there if there == count => hybrid::put_run(1, count, 1, out),
            _ => hybrid::encode(&self.levels, 1, out),
        });
        self.levels.clear();
        self.there = 0;
    }
}

/// Appends levels with their size before them.
pub(super) fn put_levels(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    put(out);
    let size = u32::try_from(out.len() - at - 4).expect("a page has few levels");
    out[at..at + 4].copy_from_slice(&size.to_le_bytes());
}
