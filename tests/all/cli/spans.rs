//! Span files, taken apart and put together anew.

use std::path::Path;

use resus_columns::Mapping;
use resus_model::{Quality, SpanBatch, SpanRow};
use resus_store::{SpanWriter, WriterOptions};

/// All spans of a file.
pub(crate) fn read(path: &Path) -> Vec<SpanBatch> {
    let file = resus_columns::open(path, &Mapping::default()).expect("a span file");
    let mut quality = Quality::default();
    (0..file.parts()).map(|part| file.read(part, &mut quality).expect("it reads")).collect()
}

/// Writes the rows (batch, row) that `choose` leaves, in its order.
pub(crate) fn write(
    path: &Path,
    batches: &[SpanBatch],
    row_group_rows: usize,
    choose: impl FnOnce(&mut Vec<(usize, usize)>),
) {
    let rows =
        batches.iter().enumerate().flat_map(|(b, batch)| (0..batch.len()).map(move |r| (b, r)));
    let mut rows: Vec<(usize, usize)> = rows.collect();
    choose(&mut rows);
    let mut out = SpanBatch::new();
    for (b, r) in rows {
        let (from, row) = (&batches[b], batches[b].row(r));
        let mut again = |name| out.names.intern(from.names.text(name));
        let row = SpanRow {
            trace_state: again(row.trace_state),
            service: again(row.service),
            namespace: again(row.namespace),
            instance: again(row.instance),
            version: again(row.version),
            host: again(row.host),
            operation: again(row.operation),
            error_type: again(row.error_type),
            peer: again(row.peer),
            ..row
        };
        out.push(&row);
    }
    let options = WriterOptions { row_group_rows, ..WriterOptions::STANDARD };
    let mut writer = SpanWriter::create(path, options).expect("a writable folder");
    writer.write(&out).expect("it writes");
    writer.finish().expect("it ends");
}
