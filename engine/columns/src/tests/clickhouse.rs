//! Exports of ClickHouse's `otel_traces`.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Int64Array, StringArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt64Array,
};
use resus_model::{Kind, Link, Quality, SkipReason, SpanId, SpanRow, Status};

use super::*;

const START: i64 = 1_700_000_000_123_456_789;

type Pairs = &'static [(&'static str, &'static str)];

/// Columns of maps as ClickHouse writes them.
fn maps(rows: &[Pairs]) -> ArrayRef {
    let names = MapFieldNames {
        entry: "key_value".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    };
    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in *row {
            map.keys().append_value(key);
            map.values().append_value(value);
        }
        map.append(true).expect("as many values as keys");
    }
    Arc::new(map.finish())
}

/// The same with bytes for texts, which older exports write.
fn maps_of_bytes(rows: &[Pairs]) -> ArrayRef {
    let mut map = MapBuilder::new(None, BinaryBuilder::new(), BinaryBuilder::new());
    for row in rows {
        for (key, value) in *row {
            map.keys().append_value(key);
            map.values().append_value(value);
        }
        map.append(true).expect("as many values as keys");
    }
    Arc::new(map.finish())
}

fn lists(rows: &[&[&str]]) -> ArrayRef {
    let mut list = ListBuilder::new(StringBuilder::new());
    for row in rows {
        for text in *row {
            list.values().append_value(text);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

const RESOURCE: [Pairs; 2] = [
    &[
        ("k8s.pod.name", "cart-7d9f"),
        ("service.namespace", "shop"),
        ("service.instance.id", "instance-1"),
        ("telemetry.sdk.language", "go"),
        ("service.version", "1.2.3"),
    ],
    &[("k8s.node.name", "node-b"), ("container.id", "c0ffee"), ("k8s.pod.name", "pay-0")],
];

const SPANS: [Pairs; 2] = [
    &[
        ("http.status_code", "200"),
        ("http.response.status_code", "503"),
        ("error.type", "503"),
        ("server.address", "10.0.0.1"),
        ("peer.service", "redis"),
    ],
    &[("rpc.grpc.status_code", "14"), ("db.system", "mysql"), ("service.version", "not here")],
];

/// Two spans in the newer of the two spellings.
fn table() -> Columns {
    let kind: DictionaryArray<Int8Type> = vec!["Server", "Client"].into_iter().collect();
    let times = TimestampNanosecondArray::from(vec![START, START + 1]).with_timezone("UTC");
    vec![
        ("Timestamp", Arc::new(times)),
        ("TraceId", texts([TRACE, TRACE])),
        ("SpanId", texts([SPAN, "eee19b7ec3c1b175"])),
        ("ParentSpanId", texts(["", SPAN])),
        ("TraceState", texts(["", "ot=th:8"])),
        ("SpanName", texts(["GET /cart", "SELECT"])),
        ("SpanKind", Arc::new(kind)),
        ("ServiceName", texts(["cart", "pay"])),
        ("ResourceAttributes", maps(&RESOURCE)),
        ("ScopeName", texts(["", ""])),
        ("SpanAttributes", maps(&SPANS)),
        ("Duration", Arc::new(UInt64Array::from(vec![1_000, 2_000]))),
        ("StatusCode", texts(["Error", "Unset"])),
        ("Events.Name", lists(&[&["exception", "retry", "exception"], &[]])),
        ("Links.TraceId", lists(&[&[], &[TRACE, TRACE]])),
        ("Links.SpanId", lists(&[&[], &[SPAN]])),
    ]
}

#[track_caller]
fn check(columns: Columns) -> Quality {
    let (batch, quality) = read(columns);
    assert_eq!(batch.len(), 2);
    let (first, names) = spelled(&batch, 0);
    assert_eq!(
        first,
        SpanRow {
            trace_id: trace(TRACE),
            span_id: span(SPAN),
            parent_span_id: SpanId::NONE,
            kind: Kind::Server,
            status: Status::Error,
            start_unix_nano: START.unsigned_abs(),
            duration_ns: 1_000,
            http_status: 503,
            exception_event_count: 2,
            ..SpanRow::new()
        }
    );
    assert_eq!(names, ["", "cart", "shop", "instance-1", "1.2.3", "", "GET /cart", "503", "redis"]);
    let (second, names) = spelled(&batch, 1);
    assert_eq!(second.parent_span_id, span(SPAN));
    assert_eq!((second.kind, second.status), (Kind::Client, Status::Unset));
    assert_eq!((second.rpc_status, second.http_status), (14, 0));
    assert_eq!(second.exception_event_count, 0);
    assert_eq!(names, ["ot=th:8", "pay", "", "pay-0", "", "node-b", "SELECT", "", "mysql"]);
    assert_eq!(batch.links, [Link { row: 1, trace_id: trace(TRACE), span_id: span(SPAN) }]);
    quality
}

#[test]
fn the_table_is_read_and_attributes_fill_what_has_no_column() {
    let quality = check(table());
    let unpaired = "links without a readable trace and span id: left out";
    assert_eq!(quality.lenient.get(unpaired), Some(&1));
    assert_eq!(quality.lenient.len(), 1);
    assert!(quality.skipped.is_empty());
}

#[test]
fn the_older_spelling_is_read() {
    let columns = with(table(), "SpanKind", texts(["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"]));
    let columns = with(columns, "StatusCode", texts(["STATUS_CODE_ERROR", "STATUS_CODE_UNSET"]));
    check(with(columns, "Duration", Arc::new(Int64Array::from(vec![1_000, 2_000]))));
}

#[test]
fn texts_may_be_bytes_as_older_exports_write_them() {
    let columns = with(table(), "ResourceAttributes", maps_of_bytes(&RESOURCE));
    let mut columns = with(columns, "SpanAttributes", maps_of_bytes(&SPANS));
    for (_, column) in &mut columns {
        if let Some(texts) = column.as_any().downcast_ref::<StringArray>() {
            let bytes: BinaryArray = texts.iter().map(|t| t.map(str::as_bytes)).collect();
            *column = Arc::new(bytes);
        }
    }
    check(columns);
}

#[test]
fn times_come_in_any_unit_or_as_whole_nanoseconds() {
    let ms = TimestampMillisecondArray::from(vec![5, 6]).with_timezone("Europe/Berlin");
    for column in [Arc::new(ms) as ArrayRef, numbers([5_000_000, 6_000_000])] {
        let (batch, _) = read(with(table(), "Timestamp", column));
        assert_eq!(batch.start_unix_nano, [5_000_000, 6_000_000]);
    }
    let early = TimestampNanosecondArray::from(vec![Some(-1), None]);
    let (batch, quality) = read(with(table(), "Timestamp", Arc::new(early)));
    assert!(batch.is_empty());
    assert_eq!(quality.skipped[&SkipReason::Start].0, 2);
    assert!(quality.skipped[&SkipReason::Start].1.contains("`Timestamp` is -1, expected"));
}

#[test]
fn only_columns_that_are_needed_are_read() {
    let file = write(table());
    let expected: Vec<&str> = table().iter().map(|(name, _)| *name).collect();
    let expected: Vec<&str> = expected.into_iter().filter(|n| *n != "ScopeName").collect();
    assert_eq!(opened(file.path()).columns(), expected);

    let mut columns = table();
    for field in ["namespace", "instance", "version", "host"] {
        columns.push((field, texts(["x", "y"])));
    }
    let file = write(columns);
    let file = opened(file.path());
    assert!(!file.columns().iter().any(|c| c == "ResourceAttributes"), "{:?}", file.columns());
    let (batches, _) = read_all(&file).expect("readable");
    assert_eq!(spelled(&batches[0], 1).1[3], "y");
}

#[test]
fn without_a_column_for_the_service_its_attribute_names_it() {
    let resource: [Pairs; 2] = [&[("service.name", "cart")], &[]];
    let columns = with(without(table(), "ServiceName"), "ResourceAttributes", maps(&resource));
    let (batch, quality) = read(columns);
    assert_eq!(batch.len(), 1);
    assert_eq!(spelled(&batch, 0).1[1], "cart");
    assert!(quality.skipped[&SkipReason::Service].1.contains("row 1: `service.name` is missing"));
}

#[test]
fn attributes_that_are_no_map_are_left_and_told() {
    let columns = with(table(), "SpanAttributes", texts(["{}", "{}"]));
    let (batch, quality) = read(columns);
    assert_eq!(batch.http_status, [0, 0]);
    let told = "column `SpanAttributes` is not read: it holds text, not a map of texts";
    assert_eq!(quality.lenient.get(told), Some(&2));
}

#[test]
fn a_map_can_be_named_as_the_attributes() {
    let both: [Pairs; 2] = [
        &[("service.name", "no"), ("host.name", "h"), ("http.status_code", "404")],
        &[("peer.service", "p")],
    ];
    let file = write(with(required(), "tags", maps(&both)));
    let mapping = Mapping::parse(["tags=attributes"]).expect("good");
    let file = open(file.path(), &mapping).expect("readable");
    let (batches, _) = read_all(&file).expect("readable");
    let (row, names) = spelled(&batches[0], 0);
    assert_eq!((row.http_status, names[1].as_str(), names[5].as_str()), (404, "cart", "h"));
    assert_eq!(spelled(&batches[0], 1).1[8], "p");
}
