//! Datasets as files.

use std::path::PathBuf;

use resus_model::{Link, SpanBatch};
use resus_store::{SpanWriter, WriteSpansError, WriterOptions};

use crate::{
    generator::generate,
    scenario::{Scenario, ScenarioError},
    truth::Truth,
};

/// Why a dataset could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteDatasetError {
    /// There is no file to write to.
    #[error("write a dataset to 0 files, at least 1 is needed")]
    NoFile,
    /// The scenario contradicts itself.
    #[error("run the scenario")]
    Scenario(#[from] ScenarioError),
    /// A file can't be written.
    #[error(transparent)]
    Write(#[from] WriteSpansError),
}

/// Runs a scenario and writes its spans to Parquet files, dealt out in turn: a trace's spans may
/// lie in any of them. `progress` is told the number of spans written after every batch.
///
/// # Errors
/// When the scenario contradicts itself or a file can't be written.
pub fn write_parquet(
    scenario: &Scenario,
    paths: &[PathBuf],
    options: WriterOptions,
    mut progress: impl FnMut(u64),
) -> Result<Truth, WriteDatasetError> {
    let mut spans = generate(scenario)?;
    if paths.is_empty() {
        return Err(WriteDatasetError::NoFile);
    }
    let writers = paths.iter().map(|path| SpanWriter::create(path, options));
    let mut writers = writers.collect::<Result<Vec<_>, _>>()?;
    let mut written = 0;
    for batch in spans.by_ref() {
        if let [writer] = writers.as_mut_slice() {
            writer.write(&batch)?;
        } else {
            for (part, writer) in deal(&batch, paths.len(), written).iter().zip(&mut writers) {
                writer.write(part)?;
            }
        }
        written += batch.len() as u64;
        progress(written);
    }
    for writer in writers {
        writer.finish()?;
    }
    Ok(spans.truth())
}

/// Deals the spans of a batch out to so many batches in turn, the one of number `dealt` (counted
/// over all batches before) to batch `dealt` modulo their number, and so on.
///
/// # Panics
/// When asked for no batches.
#[must_use]
pub fn deal(batch: &SpanBatch, parts: usize, dealt: u64) -> Vec<SpanBatch> {
    let empty = SpanBatch { names: batch.names.clone(), ..SpanBatch::new() };
    let mut dealt_to = vec![empty; parts];
    let first = usize::try_from(dealt % parts as u64).expect("below a usize");
    let mut links = batch.links.iter().peekable();
    for row in 0..batch.len() {
        let part = &mut dealt_to[(first + row) % parts];
        let new_row = u32::try_from(part.len()).expect("rows of a batch are numbered by u32");
        part.push(&batch.row(row));
        if !batch.attribute_ends.is_empty() {
            part.push_attributes(batch.attributes_of(row));
        }
        while let Some(link) = links.next_if(|link| link.row as usize == row) {
            part.links.push(Link { row: new_row, ..*link });
        }
    }
    dealt_to
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, fs::File, path::Path};

    use arrow_array::cast::AsArray;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use resus_model::{SpanId, SpanRow, TraceId};
    use tempfile::TempDir;

    use super::*;
    use crate::presets;

    /// Service and operation of each span, by span id.
    fn read(path: &Path) -> BTreeMap<Vec<u8>, (String, String)> {
        let file = File::open(path).expect("it was written");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
        let mut spans = BTreeMap::new();
        for rows in reader.build().expect("readable") {
            let rows = rows.expect("every row group decodes");
            let column = |name| rows.column_by_name(name).expect("of the schema");
            let ids = column("span_id").as_fixed_size_binary();
            let text = |name, i| column(name).as_string::<i32>().value(i).to_owned();
            for i in 0..rows.num_rows() {
                let span = (text("service", i), text("operation", i));
                assert!(spans.insert(ids.value(i).to_vec(), span).is_none(), "each span once");
            }
        }
        spans
    }

    #[test]
    fn one_file_or_seven_hold_the_same_spans_and_the_same_seed_the_same_bytes() {
        let dir = TempDir::new().expect("a folder for tests");
        let scenario = presets::by_name("sample", 9, Some(400)).expect("a preset");
        let write = |paths: &[PathBuf]| {
            let (mut last, options) = (0, WriterOptions::STANDARD);
            let truth = write_parquet(&scenario, paths, options, |n| last = n).expect("written");
            assert_eq!(truth.spans, last);
            truth
        };
        let paths = |names: &[&str]| names.iter().map(|n| dir.path().join(n)).collect::<Vec<_>>();
        let (one, again) = (paths(&["one"]), paths(&["again"]));
        let seven = paths(&["0", "1", "2", "3", "4", "5", "6"]);
        let truth = write(&one);
        assert_eq!(truth, write(&again));
        assert_eq!(truth, write(&seven));
        let bytes = |path| fs::read(path).expect("it was written");
        assert_eq!(bytes(&one[0]), bytes(&again[0]));
        let whole = read(&one[0]);
        assert_eq!(whole.len() as u64, truth.spans);
        let parts: Vec<_> = seven.iter().map(|path| read(path)).collect();
        let (least, most) = (whole.len() / 7, whole.len() / 7 + 1);
        assert!(parts.iter().all(|part| (least..=most).contains(&part.len())));
        assert_eq!(parts.into_iter().flatten().collect::<BTreeMap<_, _>>(), whole);
        let none = write_parquet(&scenario, &[], WriterOptions::STANDARD, |_| {});
        assert!(matches!(none, Err(WriteDatasetError::NoFile)));
    }

    #[test]
    fn links_and_attributes_go_with_their_spans() {
        let mut batch = SpanBatch::new();
        for n in 0..5 {
            batch.push(&SpanRow { span_id: SpanId::from_u64(n + 1), ..SpanRow::new() });
            batch.push_attributes(&format!("{{\"n\":{n}}}"));
        }
        for row in [1, 4, 4] {
            let (trace_id, span_id) = (TraceId::from_u128(1), SpanId::from_u64(row.into()));
            batch.links.push(Link { row, trace_id, span_id });
        }
        let parts = deal(&batch, 2, 7);
        let ids = |i: usize| parts[i].span_id.iter().map(|id| id.as_u64()).collect::<Vec<_>>();
        assert_eq!((ids(0), ids(1)), (vec![2, 4], vec![1, 3, 5]));
        assert_eq!(parts[1].attributes_of(2), "{\"n\":4}");
        let rows = |i: usize| parts[i].links.iter().map(|link| link.row).collect::<Vec<_>>();
        assert_eq!((rows(0), rows(1)), (vec![0], vec![2, 2]));
    }
}
