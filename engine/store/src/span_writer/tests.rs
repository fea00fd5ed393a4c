use std::fs;

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type},
};
use parquet::{arrow::arrow_reader::ParquetRecordBatchReaderBuilder, file::statistics::Statistics};
use resus_model::{Kind, Link, Name, SpanBatch, SpanId, SpanRow, Status, TraceId, schema};
use tempfile::TempDir;

use super::*;

/// Three spans: one with everything, one with as little as there can be, one with two links.
fn batch() -> SpanBatch {
    let mut batch = SpanBatch::new();
    let mut name = |text| batch.names.intern(text);
    let full = SpanRow {
        trace_id: TraceId::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        span_id: SpanId::from_u64(0xa1a2_a3a4_a5a6_a7a8),
        parent_span_id: SpanId::from_u64(7),
        flags: 0x303,
        trace_state: name("ot=th:c"),
        service: name("payments"),
        namespace: name("auction"),
        instance: name("payments-0"),
        version: name("6.0.0"),
        host: name("node-01"),
        operation: name("Charge"),
        kind: Kind::Server,
        status: Status::Error,
        start_unix_nano: u64::MAX,
        duration_ns: -5,
        received_unix_nano: 9,
        http_status: 500,
        rpc_status: 0,
        error_type: name("Boom"),
        peer: name("card-network"),
        error_event_count: 2,
        exception_event_count: 1,
    };
    let bare = SpanRow {
        trace_id: TraceId::from_u128(1),
        span_id: SpanId::from_u64(1),
        service: full.service,
        operation: full.operation,
        status: Status::Absent,
        ..SpanRow::new()
    };
    batch.push(&full);
    batch.push(&bare);
    batch.push(&SpanRow { span_id: SpanId::from_u64(2), status: Status::Ok, ..bare });
    for json in ["{\"tenant\":\"a\"}", "", ""] {
        batch.push_attributes(json);
    }
    for json in ["[{\"name\":\"exception\"}]", "", "[]"] {
        batch.push_events(json);
    }
    let (resource, scope) = (batch.names.intern("{\"a\":1}"), batch.names.intern("http@1"));
    let message = batch.names.intern("card refused");
    batch.resource_attributes = vec![resource, Name::NONE, resource];
    batch.scope = vec![scope, Name::NONE, Name::NONE];
    batch.status_message = vec![message, Name::NONE, Name::NONE];
    for n in [3, 4] {
        batch.links.push(Link {
            row: 2,
            trace_id: TraceId::from_u128(n),
            span_id: SpanId::from_u64(n as u64),
        });
    }
    batch
}

fn write(dir: &TempDir, options: WriterOptions, batches: &[SpanBatch]) -> PathBuf {
    let path = dir.path().join("spans.parquet");
    let mut writer = SpanWriter::create(&path, options).expect("a new file in a new folder");
    for batch in batches {
        writer.write(batch).expect("a sound batch");
    }
    writer.finish().expect("room for a small file");
    path
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).expect("it was written");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    let versions = reader.metadata().file_metadata().key_value_metadata().expect("has metadata");
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].key, schema::VERSION_KEY);
    assert_eq!(versions[0].value.as_deref(), Some("1"));
    reader.build().expect("readable").collect::<Result<_, _>>().expect("every row group decodes")
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a dyn Array {
    batch.column_by_name(name).expect("a column of the schema").as_ref()
}

#[test]
fn columns_are_those_of_the_schema_and_values_read_back() {
    let dir = TempDir::new().expect("a folder for tests");
    let read = read(&write(&dir, WriterOptions::STANDARD, &[batch()]));
    let [rows] = read.as_slice() else { panic!("three rows are one batch") };
    let names: Vec<&str> = rows.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, schema::FIELDS.map(|f| f.name));

    let id = column(rows, "trace_id").as_fixed_size_binary();
    assert_eq!(id.value(0), (1..=16).collect::<Vec<u8>>());
    let id = column(rows, "span_id").as_fixed_size_binary();
    assert_eq!(id.value(0), [0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8]);
    for (name, expected) in [
        ("trace_state", "ot=th:c"),
        ("service", "payments"),
        ("namespace", "auction"),
        ("instance", "payments-0"),
        ("version", "6.0.0"),
        ("host", "node-01"),
        ("operation", "Charge"),
        ("error_type", "Boom"),
        ("peer", "card-network"),
        ("attributes", "{\"tenant\":\"a\"}"),
        ("events", "[{\"name\":\"exception\"}]"),
        ("resource_attributes", "{\"a\":1}"),
        ("scope", "http@1"),
        ("status_message", "card refused"),
    ] {
        let text = column(rows, name).as_string::<i32>();
        assert_eq!(text.value(0), expected, "{name}");
    }
    assert_eq!(column(rows, "flags").as_primitive::<UInt32Type>().value(0), 0x303);
    assert_eq!(column(rows, "kind").as_primitive::<UInt8Type>().values(), &[2, 0, 0]);
    let status = column(rows, "status").as_primitive::<UInt8Type>();
    assert_eq!(status.iter().collect::<Vec<_>>(), [Some(2), None, Some(1)]);
    assert_eq!(column(rows, "start_unix_nano").as_primitive::<UInt64Type>().value(0), u64::MAX);
    assert_eq!(column(rows, "duration_ns").as_primitive::<Int64Type>().value(0), -5);
    assert_eq!(column(rows, "received_unix_nano").as_primitive::<UInt64Type>().value(0), 9);
    assert_eq!(column(rows, "http_status").as_primitive::<UInt16Type>().value(0), 500);
    assert_eq!(column(rows, "rpc_status").as_primitive::<UInt8Type>().value(0), 0);
    assert_eq!(column(rows, "error_event_count").as_primitive::<UInt32Type>().value(0), 2);
    assert_eq!(column(rows, "exception_event_count").as_primitive::<UInt32Type>().value(0), 1);
    let links = column(rows, "links").as_list::<i32>();
    let of_third = links.value(2);
    let targets = of_third.as_struct();
    assert_eq!(targets.len(), 2);
    let target = targets.column_by_name("span_id").expect("a field of a link");
    assert_eq!(target.as_fixed_size_binary().value(1), [0, 0, 0, 0, 0, 0, 0, 4]);
}

#[test]
fn absence_is_null() {
    let dir = TempDir::new().expect("a folder for tests");
    let read = read(&write(&dir, WriterOptions::STANDARD, &[batch()]));
    let nulls: Vec<&str> = schema::FIELDS
        .iter()
        .map(|f| f.name)
        .filter(|name| column(&read[0], name).is_null(1))
        .collect();
    assert_eq!(
        nulls,
        [
            "parent_span_id",
            "trace_state",
            "namespace",
            "instance",
            "version",
            "host",
            "status",
            "received_unix_nano",
            "http_status",
            "rpc_status",
            "error_type",
            "peer",
            "links",
            "attributes",
            "events",
            "resource_attributes",
            "scope",
            "status_message"
        ]
    );
}

#[test]
fn identifiers_can_be_hex_text() {
    let dir = TempDir::new().expect("a folder for tests");
    let hex = WriterOptions { ids: IdEncoding::Hex, ..WriterOptions::STANDARD };
    let read = read(&write(&dir, hex, &[batch()]));
    let text = |name| column(&read[0], name).as_string::<i32>();
    assert_eq!(text("trace_id").value(0), "0102030405060708090a0b0c0d0e0f10");
    assert_eq!(text("parent_span_id").value(0), "0000000000000007");
    assert!(text("parent_span_id").is_null(1));
    let links = column(&read[0], "links").as_list::<i32>().value(2);
    let trace = links.as_struct().column_by_name("trace_id").expect("a field of a link");
    assert_eq!(trace.as_string::<i32>().value(0), format!("{:032x}", 3));
}

#[test]
fn batches_with_names_of_their_own_and_without_attributes_share_a_file() {
    let dir = TempDir::new().expect("a folder for tests");
    let mut other = SpanBatch::new();
    let (operation, service) = (other.names.intern("GET /"), other.names.intern("frontend"));
    for n in 1..=5 {
        let span_id = SpanId::from_u64(n);
        other.push(&SpanRow { span_id, service, operation, ..SpanRow::new() });
    }
    let options = WriterOptions { row_group_rows: 2, ..WriterOptions::STANDARD };
    let path = write(&dir, options, &[batch(), other.clone(), SpanBatch::new(), other]);
    let file = File::open(&path).expect("it was written");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    assert_eq!(reader.metadata().num_row_groups(), 7, "13 rows by 2");
    let services: Vec<String> = read(&path)
        .iter()
        .flat_map(|rows| column(rows, "service").as_string::<i32>().iter().collect::<Vec<_>>())
        .map(|text| text.expect("required").to_owned())
        .collect();
    assert_eq!(services[..3], ["payments"; 3]);
    assert_eq!(services[3..], ["frontend"; 10]);
}

#[test]
fn spans_without_a_name_or_of_no_service_are_written() {
    let dir = TempDir::new().expect("a folder for tests");
    let mut nameless = SpanBatch::new();
    let row = SpanRow { span_id: SpanId::from_u64(1), ..SpanRow::new() };
    let service = nameless.names.intern("cart");
    nameless.push(&row);
    nameless.push(&SpanRow { service, ..row });
    let read = read(&write(&dir, WriterOptions::STANDARD, &[nameless]));
    let services = column(&read[0], "service").as_string::<i32>();
    assert_eq!(services.iter().collect::<Vec<_>>(), [Some(""), Some("cart")]);
    let operations = column(&read[0], "operation").as_string::<i32>();
    assert_eq!(operations.iter().collect::<Vec<_>>(), [Some(""), Some("")]);
}

#[test]
fn a_reader_can_cut_by_time() {
    let dir = TempDir::new().expect("a folder for tests");
    let mut spans = SpanBatch::new();
    for (start_unix_nano, duration_ns) in [(5, 3), (u64::MAX, -7), (9, 0)] {
        spans.push(&SpanRow { start_unix_nano, duration_ns, ..SpanRow::new() });
    }
    let path = write(&dir, WriterOptions::STANDARD, &[spans]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("written"));
    let reader = reader.expect("it is Parquet");
    let range = |name| {
        let mut columns = reader.metadata().row_group(0).columns().iter();
        let column = columns.find(|column| column.column_path().string() == name);
        match column.and_then(|column| column.statistics()) {
            Some(Statistics::Int64(found)) => (found.min_opt().copied(), found.max_opt().copied()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(range("start_unix_nano"), (Some(5), Some(-1)), "unsigned, as its type says");
    assert_eq!(range("duration_ns"), (Some(-7), Some(3)));
}

#[test]
fn the_same_spans_give_the_same_bytes() {
    let (one, other) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let bytes = |dir| fs::read(write(dir, WriterOptions::STANDARD, &[batch()])).expect("written");
    assert_eq!(bytes(&one), bytes(&other));
}

#[test]
fn what_is_wrong_is_said() {
    let dir = TempDir::new().expect("a folder for tests");
    let path = dir.path().join("spans.parquet");
    let none = WriterOptions { row_group_rows: 0, ..WriterOptions::STANDARD };
    assert!(matches!(SpanWriter::create(&path, none), Err(WriteSpansError::NoRows { .. })));
    let nowhere = dir.path().join("no/such/folder");
    let error = SpanWriter::create(&nowhere, WriterOptions::STANDARD).expect_err("no folder");
    assert!(error.to_string().ends_with("no/such/folder"), "{error}");

    let mut writer = SpanWriter::create(&path, WriterOptions::STANDARD).expect("a new file");
    let mut uneven = batch();
    uneven.kind.pop();
    let error = writer.write(&uneven).expect_err("a column is too short");
    assert!(error.to_string().ends_with("column kind has 2 values in a batch of 3 spans"));
    let mut uneven = batch();
    uneven.attribute_ends.pop();
    assert!(
        matches!(writer.write(&uneven), Err(WriteSpansError::Uneven { column, .. }) if column == "attributes")
    );
    let mut uneven = batch();
    uneven.scope.pop();
    let error = writer.write(&uneven).expect_err("a column is too short");
    assert!(error.to_string().ends_with("column scope has 2 values in a batch of 3 spans"));
    let mut broken = batch();
    broken.attribute_ends[0] = 1_000;
    let error = writer.write(&broken).expect_err("an end beyond the text");
    assert!(error.to_string().contains("span 0 in column attributes"), "{error}");
    let mut stray = batch();
    stray.links[1].row = 3;
    assert!(matches!(writer.write(&stray), Err(WriteSpansError::StrayLink { link: 1, .. })));
    stray.links[1].row = 1;
    assert!(matches!(writer.write(&stray), Err(WriteSpansError::StrayLink { link: 1, .. })));
    writer.write(&batch()).expect("a refused batch leaves no trace");
    writer.finish().expect("room for a small file");
    assert_eq!(read(&path).iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
}
