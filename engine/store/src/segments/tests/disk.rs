//! The same on a real disk, and what other readers see.

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use resus_model::schema;
use tempfile::TempDir;

use super::*;
use crate::log::vfs::Disk;

#[test]
fn segments_are_plain_parquet_files() {
    let dir = TempDir::new().expect("a folder for tests");
    let folder = dir.path().join("a/b");
    let open = || Segments::open(Arc::new(Disk), &folder, OPTIONS).expect("a folder");
    let (mut segments, _) = open();
    seal(&mut segments, 0..9).expect("room");
    seal(&mut segments, 9..12).expect("room");
    drop(segments);
    let (mut segments, opened) = open();
    assert!(opened.notes.is_empty(), "{opened:?}");
    assert_eq!(sealed(&segments, 4).len(), 12);

    let path = folder.join(segments.spans().segments()[0].file_name());
    let file = std::fs::File::open(&path).expect("it was sealed");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    let names: Vec<&str> = reader.schema().fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, schema::FIELDS.map(|field| field.name));
    let mut reader = reader.with_batch_size(1).build().expect("readable");
    reader.next().expect("nine rows").expect("it decodes");

    // Who reads a file reads on when retention removes it.
    segments.options.retain_bytes = 0;
    assert_eq!(segments.retain(0).expect("room").removed.len(), 2);
    assert!(!path.exists());
    assert_eq!(segments.status().bytes, 0);
    let rest: usize = reader.map(|batch| batch.expect("it decodes").num_rows()).sum();
    assert_eq!(rest, 8);
}
