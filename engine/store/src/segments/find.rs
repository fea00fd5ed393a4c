//! Which spans of a trace are in sealed segments?
//!
//! Each row group carries a Bloom filter of its traces, and all filters of a segment lie together
//! with its footer. So a segment is asked by reading its last bytes, and of those row groups that
//! may have the trace the column of trace ids is read, then the pages with the spans that were found.

use std::{fmt, path::PathBuf, sync::Arc};

use arrow_schema::ArrowError;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
        },
    },
    bloom_filter::Sbbf,
    file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
};
use resus_model::{SpanBatch, TraceId, Window};

use super::{
    SegmentFault, decode,
    segment::Segment,
    source::{self, Source},
};
use crate::log::vfs::Vfs;

/// Rows that are decoded at once: their texts have to fit into 2 GiB.
const ROWS: usize = 1024;

/// The sealed segments of a moment, to read from any thread. Those that retention removes later are
/// passed over.
#[derive(Clone)]
pub struct SealedSpans {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    segments: Arc<[Segment]>,
}

/// The spans of a trace in sealed segments.
#[derive(Debug, Default)]
pub struct FoundTrace {
    /// The spans in the order of sealing: what was sent twice is here twice.
    pub spans: SpanBatch,
    /// There are more spans than were asked for.
    pub more: bool,
    /// Segments that might hold more, by number, and why they could not be read.
    pub unreadable: Vec<(u64, SegmentFault)>,
}

impl fmt::Debug for SealedSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSpans").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl SealedSpans {
    pub(super) fn new(vfs: Arc<dyn Vfs>, folder: PathBuf, segments: Arc<[Segment]>) -> Self {
        Self { vfs, folder, segments }
    }

    /// The segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The spans of a trace, at most `limit` of them. With `within`, only segments are read that
    /// hold spans which started in there.
    #[must_use]
    pub fn find_trace(&self, id: TraceId, within: Option<Window>, limit: usize) -> FoundTrace {
        let mut found = FoundTrace::default();
        for segment in self.segments.iter().filter(|segment| overlaps(segment, within)) {
            match self.find_in(segment, id, limit, &mut found) {
                Err(SegmentFault::Unreadable(error))
                    if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(fault) => found.unreadable.push((segment.number, fault)),
                Ok(()) => {}
            }
            if found.more {
                break;
            }
        }
        decode::drop_what_was_not_kept(&mut found.spans);
        found
    }

    /// Reads a segment from the first to the last byte and compares its checksum.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn verify(&self, segment: &Segment) -> Result<(), SegmentFault> {
        source::verify(&*self.vfs, &self.folder, segment)
    }

    fn find_in(
        &self,
        segment: &Segment,
        id: TraceId,
        limit: usize,
        found: &mut FoundTrace,
    ) -> Result<(), SegmentFault> {
        let (source, metadata) = Source::open(&*self.vfs, &self.folder, segment)?;
        let (before, links) = (found.spans.len(), found.spans.links.len());
        let room = limit - before;
        let taken = take(&source, metadata, id, room, &mut found.spans);
        let rows = taken.map_err(|fault| {
            found.spans.truncate(before, links);
            source.explain(fault)
        })?;
        found.more |= rows > room;
        Ok(())
    }
}

/// Takes the spans of a trace out of a segment, as many as there is room for, and says how many
/// there are.
fn take(
    source: &Source,
    metadata: ParquetMetaData,
    id: TraceId,
    room: usize,
    spans: &mut SpanBatch,
) -> Result<usize, SegmentFault> {
    let groups = candidates(source, &metadata, id)?;
    if groups.is_empty() {
        return Ok(0);
    }
    let mut indexed = ParquetMetaDataReader::new_with_metadata(metadata)
        .with_column_index_policy(PageIndexPolicy::Skip)
        .with_offset_index_policy(PageIndexPolicy::Optional);
    indexed.read_page_indexes(source)?;
    let metadata = Arc::new(indexed.finish()?);
    let metadata = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new())?;

    let (selection, rows) = rows_of(source, &metadata, &groups, id)?;
    let before = spans.len();
    read(source, metadata, groups, selection, rows.min(room), spans)?;
    let taken = &spans.trace_id[before..];
    if taken.len() != rows.min(room) || taken.iter().any(|&taken| taken != id) {
        return Err(SegmentFault::Form("its columns disagree about the trace".to_owned()));
    }
    Ok(rows)
}

fn overlaps(segment: &Segment, within: Option<Window>) -> bool {
    let times = segment.times;
    within.is_none_or(|w| times.min_start < w.to && times.max_start >= w.from)
}

/// The row groups that may have a trace.
fn candidates(
    source: &Source,
    metadata: &ParquetMetaData,
    id: TraceId,
) -> Result<Vec<usize>, SegmentFault> {
    let (bytes, hex) = (id.as_u128().to_be_bytes(), id.to_string());
    let mut groups = Vec::new();
    for (n, group) in metadata.row_groups().iter().enumerate() {
        let Some(column) = group.columns().first() else { continue };
        let filter = Sbbf::read_from_column_chunk(column, source)?;
        let may = filter.is_none_or(|filter| filter.check(&bytes[..]) || filter.check(&*hex));
        if may {
            groups.push(n);
        }
    }
    Ok(groups)
}

/// Where in the row groups the spans of a trace are, and how many.
fn rows_of(
    source: &Source,
    metadata: &ArrowReaderMetadata,
    groups: &[usize],
    id: TraceId,
) -> Result<(RowSelection, usize), SegmentFault> {
    let mask = ProjectionMask::columns(metadata.parquet_schema(), ["trace_id"]);
    let reader =
        ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), metadata.clone())
            .with_row_groups(groups.to_vec())
            .with_projection(mask)
            .with_batch_size(16 * ROWS)
            .build()?;
    let mut runs = Vec::new();
    let (mut at, mut rows) = (0, 0);
    for batch in reader {
        let batch = batch.map_err(from_arrow)?;
        let ids = batch.columns().first().and_then(decode::trace_ids);
        let ids =
            ids.ok_or_else(|| SegmentFault::Form("it has no readable trace ids".to_owned()))?;
        for (i, &found) in ids.iter().enumerate() {
            if found == Some(id) {
                runs.push(at + i..at + i + 1);
                rows += 1;
            }
        }
        at += ids.len();
    }
    Ok((RowSelection::from_consecutive_ranges(runs.into_iter(), at), rows))
}

fn read(
    source: &Source,
    metadata: ArrowReaderMetadata,
    groups: Vec<usize>,
    selection: RowSelection,
    limit: usize,
    spans: &mut SpanBatch,
) -> Result<(), SegmentFault> {
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), metadata)
        .with_row_groups(groups)
        .with_row_selection(selection)
        .with_limit(limit)
        .with_batch_size(ROWS)
        .build()?;
    for batch in reader {
        decode::append(spans, &batch.map_err(from_arrow)?)?;
    }
    Ok(())
}

fn from_arrow(error: ArrowError) -> SegmentFault {
    SegmentFault::Form(error.to_string())
}
