//! The store over a simulated disk.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use resus_model::{Kind, Link, SpanBatch, SpanId, SpanRow, Status, TraceId, Window};

use super::*;
use crate::{IdEncoding, log::vfs::simulated::Simulated};

mod crash;
mod damage;
mod disk;
mod pages;

const FOLDER: &str = "/segments";

const OPTIONS: SegmentsOptions = SegmentsOptions {
    retain_age: Duration::from_secs(3600),
    retain_bytes: u64::MAX,
    writer: WriterOptions { row_group_rows: 4, ids: IdEncoding::Bytes },
};

fn open(vfs: &Simulated) -> (Segments, Opened) {
    try_open(vfs).expect("the folder opens")
}

fn try_open(vfs: &Simulated) -> Result<(Segments, Opened), OpenSegmentsError> {
    Segments::open(Arc::new(vfs.clone()), Path::new(FOLDER), OPTIONS)
}

/// The file of a segment, or the place of one that is not there.
fn file(vfs: &Simulated, number: u64) -> PathBuf {
    let names = vfs.names(Path::new(FOLDER)).into_iter();
    let mut of_number = names.filter(|name| name.starts_with(&format!("{number:020}-")));
    Path::new(FOLDER).join(of_number.next().unwrap_or_default())
}

fn position(offset: u64) -> Position {
    Position { segment: 1, offset }
}

/// Spans of the given numbers; span n is of trace n / 3 and says everything that a span can.
fn batch(numbers: std::ops::Range<u64>) -> SpanBatch {
    let mut batch = SpanBatch::new();
    for n in numbers {
        let mut name = |text: &str| batch.names.intern(&format!("{text} {}", n % 2));
        let row = SpanRow {
            trace_id: trace(n / 3),
            span_id: SpanId::from_u64(n + 1),
            parent_span_id: SpanId::from_u64(if n % 3 == 0 { 0 } else { n }),
            flags: 0x301,
            trace_state: name("ot=th:c"),
            service: name("cart"),
            namespace: name("shop"),
            instance: name("cart-0"),
            version: name("1.2"),
            host: name("node"),
            operation: name("GET /"),
            kind: Kind::from_number(n as i64 % 6).expect("there are 6"),
            status: [Status::Unset, Status::Ok, Status::Error, Status::Absent][n as usize % 4],
            start_unix_nano: 1_000 + n,
            duration_ns: -(n as i64),
            received_unix_nano: if n % 2 == 0 { 0 } else { 5_000 + n },
            http_status: if n % 2 == 0 { 0 } else { 500 },
            rpc_status: if n % 2 == 0 { SpanRow::NO_RPC } else { 0 },
            error_type: name("Boom"),
            peer: name("redis"),
            error_event_count: n as u32 % 3,
            exception_event_count: n as u32 % 2,
        };
        let (resource, scope) = (name("{\"service.name\":\"cart\"}"), name("http@1"));
        let message = if n % 3 == 0 { resus_model::Name::NONE } else { name("it broke") };
        let row_number = batch.len() as u32;
        batch.push(&row);
        batch.push_attributes(&format!("{{\"n\":{n},\"ü\":\"{}\"}}", "x".repeat(n as usize % 50)));
        batch.push_events(&if n % 2 == 0 { String::new() } else { format!("[{{\"at\":{n}}}]") });
        batch.resource_attributes.push(resource);
        batch.scope.push(scope);
        batch.status_message.push(message);
        for k in 0..n % 3 {
            let (trace_id, span_id) = (trace(100 + k), SpanId::from_u64(k + 1));
            batch.links.push(Link { row: row_number, trace_id, span_id });
        }
    }
    batch
}

fn trace(n: u64) -> TraceId {
    TraceId::from_u128(0x0102_0304_0506_0708_0000_0000_0000_0001 + u128::from(n))
}

/// Everything that is said of each span, with names spelled out.
fn spelled(batch: &SpanBatch) -> Vec<String> {
    let mut said = Vec::new();
    for row in 0..batch.len() {
        let span = batch.row(row);
        let SpanRow { trace_state, service, namespace, instance, version, host, operation, .. } =
            span;
        let SpanRow { error_type, peer, .. } = span;
        let kept = |column: &[resus_model::Name]| column.get(row).copied().unwrap_or_default();
        let names = [trace_state, service, namespace, instance, version, host, operation]
            .into_iter()
            .chain([error_type, peer, kept(&batch.resource_attributes)])
            .chain([kept(&batch.scope), kept(&batch.status_message)])
            .map(|name| batch.names.text(name));
        let names: Vec<&str> = names.collect();
        let links = batch.links.iter().filter(|link| link.row as usize == row);
        let links: Vec<_> = links.map(|link| (link.trace_id, link.span_id)).collect();
        let bare = SpanRow {
            trace_state: Default::default(),
            service: Default::default(),
            namespace: Default::default(),
            instance: Default::default(),
            version: Default::default(),
            host: Default::default(),
            operation: Default::default(),
            error_type: Default::default(),
            peer: Default::default(),
            ..span
        };
        let (attributes, events) = (batch.attributes_of(row), batch.events_of(row));
        said.push(format!("{bare:?} {names:?} {links:?} {attributes} {events}"));
    }
    said
}

/// Writes and seals the spans of the given numbers.
fn seal(
    segments: &mut Segments,
    numbers: std::ops::Range<u64>,
) -> Result<Option<Segment>, Box<dyn std::error::Error>> {
    let end = position(numbers.end);
    let mut writer = segments.writer()?;
    writer.write(&batch(numbers))?;
    Ok(segments.seal(writer.finish(end)?)?)
}

/// How often each span of traces up to the given one is sealed.
fn sealed(segments: &Segments, traces: u64) -> BTreeMap<u64, usize> {
    let mut times = BTreeMap::new();
    for n in 0..traces {
        let found = segments.spans().find_trace(trace(n), None, usize::MAX);
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        for id in found.spans.span_id {
            *times.entry(id.as_u64() - 1).or_default() += 1;
        }
    }
    times
}

#[test]
fn what_was_sealed_is_found_again_whole() {
    for ids in [IdEncoding::Bytes, IdEncoding::Hex] {
        let writer = WriterOptions { ids, ..OPTIONS.writer };
        let options = SegmentsOptions { writer, ..OPTIONS };
        let vfs: Arc<dyn Vfs> = Arc::new(Simulated::default());
        let (mut segments, opened) =
            Segments::open(Arc::clone(&vfs), Path::new(FOLDER), options).expect("a new folder");
        assert!(opened.notes.is_empty() && opened.removed.is_empty(), "{opened:?}");
        assert_eq!(segments.sealed_up_to(), None);
        // Trace 3 ends in the second segment; row groups are of 4 rows.
        for numbers in [0..11, 11..20] {
            let sealed = seal(&mut segments, numbers.clone()).expect("room").expect("has spans");
            assert_eq!(sealed.rows, numbers.end - numbers.start);
            assert_eq!(segments.sealed_up_to(), Some(position(numbers.end)));
            segments.spans().verify(&sealed).expect("nothing happened to it");
        }
        for n in 0..6 {
            let found = segments.spans().find_trace(trace(n), None, usize::MAX);
            assert!(!found.more && found.unreadable.is_empty());
            assert_eq!(spelled(&found.spans), spelled(&batch(3 * n..3 * n + 3)), "{n}");
        }
        let nobody = segments.spans().find_trace(trace(77), None, usize::MAX);
        assert!(nobody.spans.is_empty() && nobody.unreadable.is_empty());
        drop(segments);
        let (segments, opened) = Segments::open(vfs, Path::new(FOLDER), options).expect("again");
        assert!(opened.notes.is_empty() && opened.quarantined.is_empty(), "{opened:?}");
        assert_eq!(sealed(&segments, 7).len(), 20);
        let status = segments.status();
        assert_eq!((status.segments, status.rows), (2, 20));
        assert_eq!((status.oldest, status.newest), (Some(1_000), Some(1_019)));
        assert_eq!(status.sealed_up_to, Some(position(20)));
    }
}

#[test]
fn what_was_not_kept_comes_back_as_not_kept() {
    let vfs = Simulated::default();
    let (mut segments, _) = open(&vfs);
    let mut bare = SpanBatch::new();
    let row = SpanRow { trace_id: trace(0), span_id: SpanId::from_u64(1), ..SpanRow::new() };
    bare.push(&row);
    let mut writer = segments.writer().expect("room");
    writer.write(&bare).expect("sound");
    segments.seal(writer.finish(position(1)).expect("room")).expect("room");
    let found = segments.spans().find_trace(trace(0), None, 10).spans;
    assert_eq!(found.row(0), row);
    assert!(found.attribute_ends.is_empty() && found.event_ends.is_empty());
    assert!(found.resource_attributes.is_empty() && found.scope.is_empty());
}

#[test]
fn a_search_keeps_to_its_window_and_its_limit() {
    let vfs = Simulated::default();
    let (mut segments, _) = open(&vfs);
    for n in 0..4 {
        seal(&mut segments, 3 * n..3 * n + 3).expect("room");
        seal(&mut segments, 0..3).expect("room");
    }
    let spans = segments.spans();
    assert_eq!(spans.find_trace(trace(0), None, usize::MAX).spans.len(), 15);
    let found = spans.find_trace(trace(0), None, 7);
    assert_eq!((found.spans.len(), found.more), (7, true));
    let found = spans.find_trace(trace(0), None, 15);
    assert_eq!((found.spans.len(), found.more), (15, false));
    let found = spans.find_trace(trace(0), None, 0);
    assert_eq!((found.spans.len(), found.more), (0, true));
    let window = Window { from: 1_009, to: 1_012 };
    assert_eq!(spans.find_trace(trace(3), Some(window), usize::MAX).spans.len(), 3);
    assert!(spans.find_trace(trace(0), Some(window), usize::MAX).spans.is_empty());
}

#[test]
fn retention_removes_the_oldest_first_and_readers_read_on() {
    let vfs = Simulated::default();
    let (mut segments, _) = open(&vfs);
    for n in 0..5 {
        seal(&mut segments, 3 * n..3 * n + 3).expect("room");
    }
    // Spans 1, 3, 5 and so on have arrivals.
    let hour = 3_600_000_000_000;
    assert!(segments.retain(5_001 + hour).expect("room").removed.is_empty());
    let before = segments.spans();
    let gone = segments.retain(5_002 + hour).expect("room");
    assert_eq!(gone.removed.iter().map(|s| s.number).collect::<Vec<_>>(), [1]);
    assert!(gone.left.is_empty());
    let kept: u64 = segments.spans().segments().iter().skip(2).map(|s| s.bytes).sum();
    segments.options.retain_bytes = kept;
    let gone = segments.retain(0).expect("room");
    assert_eq!(gone.removed.iter().map(|s| s.number).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(segments.status().bytes, kept);
    assert_eq!(sealed(&segments, 5).into_keys().collect::<Vec<_>>(), (9..15).collect::<Vec<_>>());
    let passed_over = before.find_trace(trace(0), None, 10);
    assert!(passed_over.spans.is_empty() && passed_over.unreadable.is_empty());

    segments.options.retain_bytes = 0;
    assert_eq!(segments.retain(0).expect("room").removed.len(), 2);
    assert_eq!(segments.sealed_up_to(), Some(position(15)), "what is removed was sealed");
    drop(segments);
    assert_eq!(vfs.names(Path::new(FOLDER)), ["manifest"]);
    let (segments, _) = open(&vfs);
    assert_eq!(segments.sealed_up_to(), Some(position(15)));
}

#[test]
fn a_segment_without_spans_moves_the_position_alone() {
    let vfs = Simulated::default();
    let (mut segments, _) = open(&vfs);
    let writer = segments.writer().expect("room");
    let sealed = segments.seal(writer.finish(position(9)).expect("room")).expect("room");
    assert_eq!(sealed, None);
    drop(segments);
    let (segments, opened) = open(&vfs);
    assert_eq!(segments.sealed_up_to(), Some(position(9)));
    assert!(opened.removed.is_empty(), "{opened:?}");
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let vfs = Simulated::default();
    let (mut segments, _) = open(&vfs);
    let mut writer = segments.writer().expect("room");
    writer.write(&batch(0..9)).expect("sound");
    assert_eq!(writer.rows(), 9);
    assert!(writer.bytes() > 0);
    drop(writer);
    let mut writer = segments.writer().expect("room");
    writer.write(&batch(0..9)).expect("sound");
    drop(writer.finish(position(9)).expect("room"));
    assert_eq!(vfs.names(Path::new(FOLDER)), ["manifest"]);
}

#[test]
fn a_batch_that_makes_no_sense_is_refused_and_the_writer_goes_on() {
    let vfs = Simulated::default();
    let (mut segments, _) = open(&vfs);
    let mut writer = segments.writer().expect("room");
    let mut broken = batch(0..3);
    broken.event_ends[1] = u64::MAX;
    let error = writer.write(&broken).expect_err("an end beyond the text");
    assert!(error.to_string().contains("span 1 in column events"), "{error}");
    writer.write(&batch(0..3)).expect("sound");
    segments.seal(writer.finish(position(3)).expect("room")).expect("room");
    assert_eq!(sealed(&segments, 1).len(), 3);
}

#[test]
fn the_same_batches_give_the_same_bytes() {
    let bytes = || {
        let vfs = Simulated::default();
        let (mut segments, _) = open(&vfs);
        seal(&mut segments, 0..50).expect("room");
        (vfs.bytes(&file(&vfs, 1)), vfs.bytes(&Path::new(FOLDER).join("manifest")))
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn one_process_at_a_time() {
    let vfs = Simulated::default();
    let (segments, _) = open(&vfs);
    let error = try_open(&vfs).expect_err("it is open");
    assert!(matches!(error, OpenSegmentsError::InUse { .. }), "{error}");
    drop(segments);
    let (_, opened) = try_open(&vfs).expect("it was closed");
    assert!(opened.notes.is_empty(), "{opened:?}");
}

#[test]
fn the_manifest_does_not_grow_with_what_was_removed() {
    let vfs = Simulated::default();
    let (mut segments, _) = open(&vfs);
    segments.options.retain_bytes = 0;
    for n in 0..200 {
        seal(&mut segments, n..n + 1).expect("room");
        segments.retain(0).expect("room");
    }
    let manifest = vfs.bytes(&Path::new(FOLDER).join("manifest"));
    let lines = manifest.iter().filter(|&&byte| byte == b'\n').count();
    assert!(lines < 2 * SLACK, "{lines}");
    drop(segments);
    assert_eq!(open(&vfs).0.sealed_up_to(), Some(position(200)));
}
