//! Which spans lie in a collector's folder? Sealed ones and those still in the log.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use resus_model::{Quality, SpanBatch};
use resus_otlp::{Encoding, Keep, decode_traces};
use resus_receive::{Compression, inflate};
use resus_store::log::vfs::Disk;
use resus_store::log::{Log, LogOptions, Position};

/// A trace id and a span id.
pub(crate) type Ids = ([u8; 16], [u8; 8]);

/// All ids, each as often as it is stored. The collector must have ended.
pub(crate) fn ids(data: &Path) -> Result<Vec<Ids>> {
    let mut ids = Vec::new();
    let failed = |e: &dyn std::fmt::Display| anyhow::anyhow!("failed to {e}");
    let mut odd = None;
    let mut replay = |_: Position, record: &[u8]| match spans_of(record) {
        Ok(batch) => push(&batch, &mut ids),
        Err(error) => odd = Some(error),
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
