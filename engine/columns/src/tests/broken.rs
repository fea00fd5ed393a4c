//! Files that cannot be read: each error says where, what was expected, and what to do.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Date32Array};
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use tempfile::NamedTempFile;

use super::*;
use crate::read_columns_only;

fn file_of(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("writable");
    file
}

#[track_caller]
fn check(bytes: &[u8], expect: &str) {
    let file = file_of(bytes);
    let error = open(file.path(), &Mapping::default()).expect_err("refused");
    let text = error.to_string();
    let text = text.replace(&file.path().display().to_string(), "FILE");
    assert!(text.starts_with("read FILE: "), "{text}");
    assert!(text.contains(expect), "{text}");
    assert!(text.lines().count() < 12 && text.len() < 2000, "more than a screen: {text}");
}

fn good() -> Vec<u8> {
    let file = write(required());
    std::fs::read(file.path()).expect("readable")
}

#[test]
fn what_is_no_parquet_file_is_told_by_its_ends() {
    check(b"", "the file is empty (0 bytes)");
    check(
        b"{\"resourceSpans\":[]}",
        "not a Parquet file: it begins with `{\\\"re`, expected `PAR1`",
    );
    check(b"PA", "not a Parquet file");
    let good = good();
    for cut in [5, 11, good.len() / 2, good.len() - 1] {
        check(&good[..cut], &format!("the file is cut off: its {cut} bytes begin with `PAR1`"));
    }
}

#[test]
fn a_missing_file_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = open(&folder.path().join("none.parquet"), &Mapping::default()).expect_err("none");
    assert!(error.to_string().contains("none.parquet: "), "{error}");
    let error = open(folder.path(), &Mapping::default()).expect_err("a folder");
    assert!(matches!(error, ReadError::Io { .. }), "{error}");
}

#[test]
fn a_broken_footer_is_told() {
    let good = good();
    let size = good.len();
    let mut long = good.clone();
    long[size - 8..size - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    check(&long, "the Parquet footer at the end of its");
    let mut garbage = good.clone();
    let footer = u32::from_le_bytes(good[size - 8..size - 4].try_into().expect("4 bytes")) as usize;
    garbage[size - 8 - footer..size - 8].fill(0xff);
    check(&garbage, "footer");
    // The middle of the file is gone, both ends are there.
    let short = [&good[..4], &good[size - 8 - footer..]].concat();
    check(&short, "is said to lie in bytes");
}

#[test]
fn all_that_is_wrong_with_columns_is_told_at_once() {
    let columns = without(without(required(), "service"), "duration_ns");
    let columns = with(columns, "trace_id", numbers([1, 2]));
    let columns = with(columns, "start_unix_nano", Arc::new(BooleanArray::from(vec![true; 2])));
    let columns = with(columns, "serviceName", texts(["a", "b"]));
    let columns = with(columns, "host", Arc::new(Date32Array::from(vec![1, 2])));
    let error = refused(columns, &["latency=duration_ns", "serviceName=namespace"]);
    assert_eq!(
        error,
        "read FILE: its columns do not make spans\
        \n  no column `latency`, which the mapping names for `duration_ns`\
        \n  no column for `service` (service.name)\
        \n  column `trace_id` (as `trace_id`) holds int64, expected text (32 hex digits) or bytes (16)\
        \n  column `host` (as `host`) holds dates, expected text\
        \n  column `start_unix_nano` (as `start_unix_nano`) holds booleans, expected whole nanoseconds or a timestamp\
        \n  the file has: trace_id, span_id, operation, start_unix_nano, serviceName, host\
        \n  if one of these is meant, say so: --map column=field\
        \n  name another column for a field by --map column=field, or cast it on export"
    );
}

#[test]
fn json_text_cannot_be_named_as_the_attributes() {
    let columns = with(required(), "tags", texts(["{}", "{}"]));
    let error = refused(columns, &["tags=attributes"]);
    assert!(error.contains("holds text, expected a map of text to text"), "{error}");
}

#[test]
fn a_later_version_of_the_schema_is_refused() {
    let versioned = |version: &str| {
        let file = NamedTempFile::new().expect("a temporary file");
        let batch = record_batch(required());
        let target = file.reopen().expect("a second handle");
        let mut writer = ArrowWriter::try_new(target, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("writable");
        let key = resus_model::schema::VERSION_KEY.to_owned();
        writer.append_key_value_metadata(KeyValue::new(key, version.to_owned()));
        writer.close().expect("closable");
        file
    };
    assert_eq!(opened(versioned("1").path()).rows(), 2);
    let file = versioned("999");
    let error = open(file.path(), &Mapping::default()).expect_err("too new").to_string();
    assert!(error.contains("`resus.span_schema` = `999`"), "{error}");
}

#[test]
fn a_column_that_is_not_there_cannot_be_measured() {
    let file = write(required());
    let error = read_columns_only(file.path(), &["nothing".to_owned()]).expect_err("none");
    assert!(error.to_string().contains("column `nothing` of row group 0"), "{error}");
}

/// Rows enough that each column has pages of some size.
fn many() -> Columns {
    let rows = 5000_u64;
    let hex = |digits: usize| -> ArrayRef {
        let mixed = |i: u64| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let texts = (0..rows).map(|i| format!("{:0digits$x}", mixed(i)));
        Arc::new(StringArray::from_iter_values(texts))
    };
    let names = |n: u64| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(|i| format!("name {}", i % n))))
    };
    let times = (0..rows).map(|i| i64::try_from(i * 1000 + 7).expect("small"));
    let times: ArrayRef = Arc::new(Int64Array::from_iter_values(times));
    vec![
        ("trace_id", hex(32)),
        ("span_id", hex(16)),
        ("service", names(11)),
        ("operation", names(400)),
        ("start_unix_nano", times.clone()),
        ("duration_ns", times),
    ]
}

#[test]
fn broken_bytes_in_the_middle_never_end_the_program() {
    for compression in
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default())]
    {
        let file = write_groups(many(), compression, 2000);
        let good = std::fs::read(file.path()).expect("readable");
        let mut errors = Vec::new();
        for at in (4..good.len() - 8).step_by(good.len() / 50) {
            let mut bytes = good.clone();
            for byte in &mut bytes[at..(at + 16).min(good.len() - 8)] {
                *byte = byte.wrapping_mul(31) ^ 0xa5;
            }
            let file = file_of(&bytes);
            let outcome = open(file.path(), &Mapping::default()).and_then(|f| read_all(&f));
            match outcome {
                // What is broken within a value cannot be seen: the value is another, or no span.
                Ok((batches, quality)) => {
                    let spans = batches.iter().map(|b| b.len() as u64).sum::<u64>();
                    assert_eq!(spans + quality.skipped_total(), 5000);
                }
                Err(error) => errors.push(error.to_string()),
            }
        }
        let decoding = errors.iter().filter(|e| e.contains("cannot be decoded")).count();
        assert!(decoding > 4, "{compression:?}: {decoding} errors in decoding of {}", errors.len());
        for error in &errors {
            assert!(error.len() < 1000 && error.contains("export"), "{error}");
        }
        let told = errors.iter().find(|e| e.contains("of row group 1 (rows 2000 to 4000, bytes "));
        assert!(told.is_some(), "{errors:?}");
    }
}
