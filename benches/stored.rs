//! Which spans lie in a collector's folder? Sealed ones and those still in the log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use resus_model::{Quality, SpanBatch};
use resus_otlp::{Encoding, Keep, decode_traces};
use resus_receive::{Compression, inflate};
use resus_store::WriterOptions;
use resus_store::log::vfs::Disk;
use resus_store::log::{Log, LogOptions, Position};
use resus_store::segments::{Segments, SegmentsOptions};

/// A trace id and a span id.
pub(crate) type Ids = ([u8; 16], [u8; 8]);

/// All ids, each as often as it is stored. The collector must have ended.
pub(crate) fn ids(data: &Path) -> Result<Vec<Ids>> {
    let mut ids = Vec::new();
    let failed = |e: &dyn std::fmt::Display| anyhow::anyhow!("failed to {e}");
    let spans = data.join("spans");
    let options = SegmentsOptions {
        retain_age: Duration::MAX,
        retain_bytes: u64::MAX,
        writer: WriterOptions::STANDARD,
    };
    let (segments, _) = Segments::open(Arc::new(Disk), &spans, options).map_err(|e| failed(&e))?;
    let sealed = segments.sealed_up_to().unwrap_or(Position::START);
    for entry in std::fs::read_dir(&spans).context("failed to list the segments")? {
        let path = entry.context("failed to list the segments")?.path();
        if path.extension().is_none_or(|e| e != "parquet") {
            continue;
        }
        let mapping = resus_columns::Mapping::parse(std::iter::empty())?;
        let file = resus_columns::open(&path, &mapping).map_err(|e| failed(&e))?;
        for part in 0..file.parts() {
            let batch = file.read(part, &mut Quality::default()).map_err(|e| failed(&e))?;
            push(&batch, &mut ids);
        }
    }
    let mut odd = None;
    let mut replay = |position: Position, record: &[u8]| {
        if position < sealed {
            return;
        }
        match spans_of(record) {
            Ok(batch) => push(&batch, &mut ids),
            Err(error) => odd = Some(error),
        }
    };
    let (log, _) = Log::open(Arc::new(Disk), &data.join("log"), LogOptions::STANDARD, &mut replay)
        .map_err(|e| failed(&e))
        .context("failed to read the log")?;
    log.close();
    odd.map_or(Ok(ids), Err)
}

/// The spans of a record of the collector's log: a header of 12 bytes (version, signal, encoding,
/// compression, arrival), then the body as it came.
fn spans_of(record: &[u8]) -> Result<SpanBatch> {
    let mut batch = SpanBatch::new();
    let [1, signal, encoding, compression, _, _, _, _, _, _, _, _, body @ ..] = record else {
        bail!("failed to read a record of the log: it has no header of version 1");
    };
    if *signal != 0 {
        return Ok(batch);
    }
    let compression = match compression {
        0 => Compression::None,
        1 => Compression::Gzip,
        _ => Compression::Zstd,
    };
    let encoding = if *encoding == 0 { Encoding::Protobuf } else { Encoding::Json };
    let body = inflate(compression, &Bytes::copy_from_slice(body), usize::MAX)?;
    decode_traces(&body, encoding, Keep::Rules, &mut batch, &mut Quality::default())?;
    Ok(batch)
}

fn push(batch: &SpanBatch, ids: &mut Vec<Ids>) {
    let both = batch.trace_id.iter().zip(&batch.span_id);
    ids.extend(
        both.map(|(trace, span)| (trace.as_u128().to_be_bytes(), span.as_u64().to_be_bytes())),
    );
}
