//! Our own span schema in every form, and mapped columns.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int8Array,
    Int32Array, Int64Array, NullArray, StringArray, TimestampMicrosecondArray, UInt8Array,
    UInt16Array, UInt64Array,
};
use arrow_schema::{DataType, Field};
use parquet::basic::Compression;
use resus_model::{Kind, Link, Quality, SkipReason, SpanBatch, SpanId, SpanRow, Status, TraceId};

use super::*;
use crate::open::open_cut;
use crate::read_columns_only;

/// A list of links: for each span pairs of trace and span id.
fn links(names: [&str; 2], rows: &[&[(&str, &str)]]) -> ArrayRef {
    let fields = names.map(|name| Field::new(name, DataType::Utf8, true));
    let mut list = ListBuilder::new(StructBuilder::from_fields(fields.to_vec(), 0));
    for row in rows {
        for (trace, span) in *row {
            let pair = list.values();
            pair.field_builder::<StringBuilder>(0).expect("text").append_value(trace);
            pair.field_builder::<StringBuilder>(1).expect("text").append_value(span);
            pair.append(true);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

#[test]
fn the_required_columns_are_enough() {
    let (batch, quality) = read(required());
    let mut expected = SpanRow {
        trace_id: trace(TRACE),
        span_id: span(SPAN),
        status: Status::Absent,
        start_unix_nano: 1_700_000_000_000_000_000,
        duration_ns: 5,
        ..SpanRow::new()
    };
    let (row, names) = spelled(&batch, 0);
    assert_eq!(row, expected);
    assert_eq!(names, ["", "cart", "", "", "", "", "GET /cart", "", ""]);
    expected.span_id = span("eee19b7ec3c1b175");
    expected.start_unix_nano += 1;
    expected.duration_ns = -3;
    let (row, names) = spelled(&batch, 1);
    assert_eq!(row, expected);
    assert_eq!(names[1], "a service with a long name");
    assert_eq!(batch.operation[0], batch.operation[1]);
    assert_eq!(batch.len(), 2);
    assert_eq!(quality, Quality::default());
}

#[test]
fn every_column_of_the_schema_is_read_or_passed_over() {
    let mut columns = required();
    columns.extend([
        ("parent_span_id", Arc::new(StringArray::from(vec![None, Some(SPAN)])) as ArrayRef),
        ("trace_state", texts(["ot=th:c", ""])),
        ("flags", Arc::new(Int64Array::from(vec![Some(0x301), None])) as ArrayRef),
        ("namespace", texts(["shop", "shop"])),
        ("instance", texts(["cart-0", "cart-1"])),
        ("version", texts(["1.2", "1.3"])),
        ("host", texts(["node-a", "node-b"])),
        ("kind", Arc::new(Int8Array::from(vec![2, 3])) as ArrayRef),
        ("status", Arc::new(UInt8Array::from(vec![Some(2), None])) as ArrayRef),
        ("received_unix_nano", numbers([9, 0])),
        ("http_status", Arc::new(UInt16Array::from(vec![Some(503), None])) as ArrayRef),
        ("rpc_status", Arc::new(Int32Array::from(vec![Some(14), None])) as ArrayRef),
        ("error_type", Arc::new(StringArray::from(vec![Some("timeout"), None])) as ArrayRef),
        ("peer", texts(["redis", ""])),
        ("error_event_count", Arc::new(Int64Array::from(vec![None, Some(4)])) as ArrayRef),
        ("exception_event_count", Arc::new(Float64Array::from(vec![Some(1.0), None])) as ArrayRef),
        ("links", links(["trace_id", "span_id"], &[&[], &[(TRACE, SPAN), ("x", SPAN)]])),
        ("attributes", texts(["{}", "{\"a\":1}"])),
        // Passed over, whatever they hold.
        ("events", numbers([1, 2])),
        ("resource_attributes", texts(["{}", ""])),
        ("scope", texts(["io.http@1", ""])),
        ("status_message", numbers([1, 2])),
    ]);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    assert!(resus_model::schema::FIELDS.iter().all(|f| names.contains(&f.name)), "{names:?}");
    let (batch, quality) = read(columns);
    let (first, names) = spelled(&batch, 0);
    assert_eq!(
        names,
        ["ot=th:c", "cart", "shop", "cart-0", "1.2", "node-a", "GET /cart", "timeout", "redis"]
    );
    assert_eq!(
        first,
        SpanRow {
            trace_id: trace(TRACE),
            span_id: span(SPAN),
            flags: 0x301,
            kind: Kind::Server,
            status: Status::Error,
            start_unix_nano: 1_700_000_000_000_000_000,
            duration_ns: 5,
            received_unix_nano: 9,
            http_status: 503,
            rpc_status: 14,
            exception_event_count: 1,
            ..SpanRow::new()
        }
    );
    let (second, _) = spelled(&batch, 1);
    assert_eq!(second.parent_span_id, span(SPAN));
    assert_eq!((second.kind, second.status), (Kind::Client, Status::Absent));
    assert_eq!((second.http_status, second.rpc_status), (0, SpanRow::NO_RPC));
    assert_eq!((second.error_event_count, second.exception_event_count), (4, 0));
    assert_eq!(batch.links, [Link { row: 1, trace_id: trace(TRACE), span_id: span(SPAN) }]);
    let left_out = "links without a readable trace and span id: left out";
    assert_eq!(quality.lenient.get(left_out), Some(&1));
    assert_eq!(quality.lenient.len(), 1);
}

#[test]
fn ids_may_be_bytes_of_fixed_or_varying_length() {
    let (t, s) = (trace(TRACE).as_u128().to_be_bytes(), span(SPAN).as_u64().to_be_bytes());
    let fixed = |bytes: &[u8]| -> ArrayRef {
        let twice = [bytes, bytes];
        Arc::new(FixedSizeBinaryArray::try_from_iter(twice.into_iter()).expect("equal lengths"))
    };
    let varying = |bytes: &[u8]| -> ArrayRef { Arc::new(BinaryArray::from(vec![bytes, bytes])) };
    let parent: ArrayRef = Arc::new(BinaryArray::from(vec![None, Some(&s[..])]));
    for form in [&fixed as &dyn Fn(&[u8]) -> ArrayRef, &varying] {
        let columns = with(with(required(), "trace_id", form(&t)), "span_id", form(&s));
        let (batch, quality) = read(with(columns, "parent_span_id", parent.clone()));
        assert_eq!(batch.trace_id, [trace(TRACE); 2]);
        assert_eq!(batch.span_id, [span(SPAN); 2]);
        assert_eq!(batch.parent_span_id, [SpanId::NONE, span(SPAN)]);
        assert_eq!(quality, Quality::default());
    }
}

#[test]
fn ids_in_other_forms_are_read_and_counted() {
    let columns = with(required(), "trace_id", texts(["0x5b8efff798038103d269b633813fc60c", "0c"]));
    let columns = with(columns, "parent_span_id", texts(["0000000000000000", "nobody"]));
    let (batch, quality) = read(columns);
    assert_eq!(batch.trace_id, [trace(TRACE), TraceId::from_u128(12)]);
    assert_eq!(batch.parent_span_id, [SpanId::NONE; 2]);
    assert_eq!(quality.lenient.get("ids with 0x, dashes or too few digits"), Some(&2));
    assert_eq!(quality.lenient.get("parent_span_id is no span id: read as none"), Some(&1));
}

#[test]
fn numbers_may_be_floats_digits_or_times_and_codes_may_be_names() {
    let start: ArrayRef = Arc::new(Float64Array::from(vec![1.75e18, 2.0]));
    let columns = with(required(), "start_unix_nano", start);
    let columns = with(columns, "duration_ns", texts(["17", " -4 "]));
    let columns = with(columns, "kind", texts(["SPAN_KIND_SERVER", "3"]));
    let columns = with(columns, "status", texts(["Error", "nonsense"]));
    let columns = with(columns, "rpc_status", texts(["UNAVAILABLE", "java.lang.Error"]));
    let columns = with(columns, "http_status", numbers([1234, 404]));
    let received: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![3, 4]));
    let (batch, quality) = read(with(columns, "received_unix_nano", received));
    assert_eq!(batch.start_unix_nano, [1_750_000_000_000_000_000, 2]);
    assert_eq!(batch.duration_ns, [17, -4]);
    assert_eq!(batch.kind, [Kind::Server, Kind::Client]);
    assert_eq!(batch.status, [Status::Error, Status::Absent]);
    assert_eq!(batch.rpc_status, [14, SpanRow::NO_RPC]);
    assert_eq!(batch.http_status, [0, 404]);
    assert_eq!(batch.received_unix_nano, [3000, 4000]);
    let lenient: Vec<(&str, u64)> = quality.lenient.iter().map(|(k, n)| (k.as_str(), *n)).collect();
    assert_eq!(
        lenient,
        [
            ("http_status is not from 100 to 599: read as none", 1),
            ("rpc_status is no gRPC code: read as none", 1),
            ("status is not known: read as if there were none", 1),
        ]
    );
}

#[test]
fn dictionaries_and_columns_of_nulls_are_read() {
    let service: DictionaryArray<Int32Type> =
        vec![Some("cart"), Some("a service with a long name")].into_iter().collect();
    let columns = with(required(), "service", Arc::new(service));
    let columns = with(columns, "instance", Arc::new(NullArray::new(2)));
    let columns = with(columns, "status", Arc::new(NullArray::new(2)));
    let columns = with(columns, "error_event_count", Arc::new(NullArray::new(2)));
    let (batch, quality) = read(columns);
    assert_eq!(spelled(&batch, 0).1[1], "cart");
    assert_eq!(spelled(&batch, 1).1[1], "a service with a long name");
    assert_eq!(batch.status, [Status::Absent; 2]);
    assert_eq!(batch.error_event_count, [0; 2]);
    assert_eq!(quality, Quality::default());
}

#[test]
fn rows_that_are_no_spans_are_left_out_and_counted() {
    let zero = "00000000000000000000000000000000";
    let good: [&str; 9] = [TRACE; 9];
    let mut trace_ids = good;
    (trace_ids[1], trace_ids[2]) = ("what?", zero);
    let text = |with: &[Option<&str>]| Arc::new(StringArray::from(with.to_vec())) as ArrayRef;
    let start = [5.0, 1.0, 1.0, f64::NAN, -1.0, 1.5, 1.0, 1.0, 6.0];
    let one: &[(&str, &str)] = &[(TRACE, SPAN)];
    let (batch, quality) = read(vec![
        ("trace_id", texts(trace_ids)),
        ("span_id", texts([SPAN; 9])),
        ("service", text(&[Some("cart"); 9])),
        (
            "operation",
            text(&[
                Some("GET"),
                Some("GET"),
                Some("GET"),
                Some("GET"),
                Some("GET"),
                Some("GET"),
                None,
                Some(""),
                Some("GET"),
            ]),
        ),
        ("start_unix_nano", Arc::new(Float64Array::from(start.to_vec()))),
        ("duration_ns", numbers([1; 9])),
        ("links", links(["trace_id", "span_id"], &[one, one, &[], &[], &[], &[], &[], &[], one])),
    ]);
    assert_eq!(batch.len(), 2);
    assert_eq!(batch.start_unix_nano, [5, 6]);
    assert_eq!(batch.operation.len(), 2);
    assert_eq!(batch.links.iter().map(|l| l.row).collect::<Vec<_>>(), [0, 1]);
    let counts: Vec<(SkipReason, u64)> =
        quality.skipped.iter().map(|(r, (n, _))| (*r, *n)).collect();
    assert_eq!(
        counts,
        [(SkipReason::TraceId, 2), (SkipReason::Operation, 2), (SkipReason::Start, 3)]
    );
    let example = |reason| quality.skipped[&reason].1.as_str();
    assert!(example(SkipReason::TraceId).ends_with(
        " row 1: `trace_id` is `what?`, expected 32 hex digits or 16 bytes, not all zero"
    ));
    assert!(example(SkipReason::Start).ends_with(
        " row 3: `start_unix_nano` is NaN, expected nanoseconds since 1970, above 0 and below 2^64"
    ));
    assert!(example(SkipReason::Operation).ends_with(" row 6: `operation` is missing"));
}

#[test]
fn each_reason_to_leave_a_row_out_is_told() {
    let null: ArrayRef = Arc::new(NullArray::new(2));
    for (column, reason) in [
        ("trace_id", SkipReason::TraceId),
        ("span_id", SkipReason::SpanId),
        ("service", SkipReason::Service),
        ("operation", SkipReason::Operation),
        ("start_unix_nano", SkipReason::Start),
        ("duration_ns", SkipReason::Duration),
    ] {
        let (batch, quality) = read(with(required(), column, null.clone()));
        assert!(batch.is_empty(), "{column}");
        assert_eq!(quality.skipped[&reason].0, 2, "{column}");
        assert!(quality.skipped[&reason].1.contains("missing"), "{}", quality.skipped[&reason].1);
    }
    let columns = with(required(), "duration_ns", Arc::new(UInt64Array::from(vec![7, u64::MAX])));
    let (batch, quality) = read(columns);
    assert_eq!(batch.duration_ns, [7]);
    assert_eq!(quality.skipped[&SkipReason::Duration].0, 1);
}

#[test]
fn mapped_columns_win_over_those_found_by_name() {
    let renamed = ["traceID", "spanID", "serviceName", "methodName", "startTime", "duration"];
    let columns: Columns =
        required().into_iter().zip(renamed).map(|((_, column), name)| (name, column)).collect();
    let columns = with(columns, "service", texts(["wrong", "wrong"]));
    let file = write(columns);
    let pairs = [
        "traceID=trace_id",
        "spanID=span_id",
        "serviceName=service",
        "serviceName=instance",
        "methodName=operation",
        "startTime=start_unix_nano",
        "duration=duration_ns",
    ];
    let mapping = Mapping::parse(pairs).expect("good");
    let file = open(file.path(), &mapping).expect("all columns are mapped");
    assert_eq!(file.columns(), renamed);
    let (batches, _) = read_all(&file).expect("readable");
    let (_, names) = spelled(&batches[0], 0);
    assert_eq!((names[1].as_str(), names[3].as_str()), ("cart", "cart"));
}

#[test]
fn parts_of_any_size_give_the_same_spans() {
    let rows = 1000_usize;
    let number = |i: usize| i64::try_from(i).expect("small");
    let spans: Vec<String> = (1..=rows).map(|i| format!("{i:016x}")).collect();
    let services: Vec<String> = (0..rows).map(|i| format!("service number {}", i % 7)).collect();
    let link: Vec<&[(&str, &str)]> =
        (0..rows).map(|i| if i % 3 == 0 { &[(TRACE, SPAN)][..] } else { &[] }).collect();
    let columns: Columns = vec![
        ("trace_id", Arc::new(StringArray::from(vec![TRACE; rows]))),
        ("span_id", Arc::new(StringArray::from(spans))),
        ("service", Arc::new(StringArray::from(services.clone()))),
        ("operation", Arc::new(StringArray::from(services))),
        ("start_unix_nano", Arc::new(Int64Array::from_iter_values((0..rows).map(number)))),
        ("duration_ns", Arc::new(Int64Array::from_iter_values((0..rows).map(number)))),
        ("links", links(["trace_id", "span_id"], &link)),
    ];
    let file = write_groups(columns, Compression::ZSTD(Default::default()), 300);
    type Told = (Vec<(SpanRow, Vec<String>)>, Vec<usize>, Quality);
    let spans_of = |file: &ParquetFile| -> Told {
        let (batches, quality) = read_all(file).expect("readable");
        let mut linked = Vec::new();
        let mut spans = Vec::new();
        for batch in &batches {
            linked.extend(batch.links.iter().map(|link| spans.len() + link.row as usize));
            spans.extend((0..batch.len()).map(|row| spelled(batch, row)));
        }
        (spans, linked, quality)
    };
    let whole = opened(file.path());
    assert_eq!((whole.parts(), whole.rows()), (4, 1000));
    let expected = spans_of(&whole);
    assert_eq!(expected.0.len(), 999, "the span that starts at 0 is left out");
    assert!(expected.2.skipped[&SkipReason::Start].1.contains(" row 0: "));
    for (max, parts) in [(13, 24 * 3 + 8), (150, 7), (299, 7), (300, 4)] {
        let cut = open_cut(file.path(), &Mapping::default(), max).expect("readable");
        assert_eq!((cut.parts(), cut.rows()), (parts, 1000), "{max}");
        assert_eq!(spans_of(&cut), expected, "{max}");
    }
    assert_eq!(read_columns_only(file.path(), whole.columns()).expect("readable"), 1000);
}

#[test]
fn a_file_can_be_read_by_many_threads() {
    const fn shared<T: Send + Sync>() {}
    shared::<ParquetFile>();
    shared::<SpanBatch>();
}

#[test]
fn a_file_without_rows_has_no_spans() {
    let empty = required().into_iter().map(|(name, column)| (name, column.slice(0, 0))).collect();
    let file = write(empty);
    let file = opened(file.path());
    let (batches, quality) = read_all(&file).expect("readable");
    assert_eq!(file.rows(), 0);
    assert_eq!(batches.iter().map(SpanBatch::len).sum::<usize>(), 0);
    assert_eq!(quality, Quality::default());
}
