//! What is written reads back; what is damaged or made up is refused with a reason, never a panic.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{Field, Metadata, Schema};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use resus_model::{Evidence, Exactness, Exemplar, SkipReason, Window};

use super::{envelope, write};
use crate::tests::spans::{Manner, TestSpan, seen, sets, two_windows};
use crate::{FromIpcError, Limits, from_ipc, to_ipc};

/// Two canonical Evidences with something in every table.
fn full() -> Vec<Evidence> {
    let mut runner = TestRunner::deterministic();
    let draw = |runner: &mut TestRunner| -> Vec<TestSpan> {
        sets(60, Manner::Wild).new_tree(runner).expect("a set").current()
    };
    let mut spans = draw(&mut runner);
    while spans.len() < 150 {
        spans = draw(&mut runner);
    }
    let mut evidences = seen(&spans, &two_windows(), Limits::STANDARD);
    for evidence in &mut evidences {
        evidence.quality.skip(SkipReason::Start, || "spans.json: line 3".to_owned());
        evidence.quality.lenient.insert("base64 ids".to_owned(), 4);
    }
    let [baseline, now] = evidences.as_slice() else { unreachable!("two windows") };
    for evidence in [baseline, now] {
        assert!(evidence.classes.len() > 5 && evidence.edges.len() > 5);
        assert!(!evidence.marginals.is_empty() && !evidence.peers.is_empty());
        assert!(evidence.attributes.len() > 1);
        assert!(evidence.attribute_rows.iter().any(|row| row.values.len() > 1));
        assert!(evidence.operation_stats.iter().any(|s| !s.error_types.is_empty()));
        assert!(evidence.productions.iter().any(|p| !p.key.children.is_empty()));
    }
    assert!(baseline.quality.range.is_some() && now.quality.range.is_none());
    evidences
}

#[test]
fn every_field_reads_back() {
    let evidences = full();
    let bytes = to_ipc(&evidences).expect("small");
    assert_eq!(from_ipc(&bytes).expect("written a moment ago"), evidences);
    assert_eq!(to_ipc(&evidences).expect("small"), bytes);
    let reversed: Vec<Evidence> = evidences.into_iter().rev().collect();
    assert_eq!(from_ipc(&to_ipc(&reversed).expect("small")).expect("as well"), reversed);
    assert_eq!(from_ipc(&to_ipc(&[]).expect("small")).expect("no evidence"), []);
}

#[test]
fn what_comes_out_is_canonical_whatever_came_in() {
    let evidences = full();
    let mut odd = evidences.clone();
    for evidence in &mut odd {
        evidence.marginals.reverse();
        evidence.operation_stats.reverse();
        evidence.edges.reverse();
        evidence.productions.reverse();
        evidence.peers.reverse();
        evidence.attributes.reverse();
        evidence.attribute_rows.push(evidence.attribute_rows[0].clone());
        for class in &mut evidence.classes {
            class.seconds.reverse();
            class.exemplars.reverse();
            let twice = [class.key.operations.as_ref(), class.key.operations.as_ref()].concat();
            class.key.operations = twice.into();
        }
        // A count in two rows is the same count.
        let mut edge = evidence.edges[0].clone();
        edge.calls = 1;
        edge.failed = 0;
        edge.masked = 0;
        edge.retries = 0;
        edge.crossings = 0;
        edge.gap_sum = 0;
        edge.gaps = resus_model::Histogram::new();
        evidence.edges[0].calls -= 1;
        evidence.edges.push(edge);
        let stats = evidence.operation_stats.iter_mut().find(|s| !s.error_types.is_empty());
        let types = &mut stats.expect("there are some").error_types;
        let (name, n) = types[0];
        types[0].1 = 0;
        types.push((name, n));
        // Equal siblings collapse: the last node of a shape has no children.
        for shape in evidence.shapes.iter_mut().filter(|shape| shape.0.len() > 1) {
            let last = *shape.0.last().expect("more than one");
            shape.0 = [&*shape.0, &[last]].concat().into();
        }
        // Nothing speaks of this one.
        evidence.operations.push(evidence.operations[0]);
    }
    assert_ne!(odd, evidences);
    let read = from_ipc(&to_ipc(&odd).expect("small")).expect("odd but sound");
    assert_eq!(read, evidences);
}

/// Reads an Evidence after a change; the error must name the place.
#[track_caller]
fn check_refused(change: impl FnOnce(&mut Evidence), place: &str) {
    let mut evidences = full();
    change(&mut evidences[1]);
    let error = from_ipc(&to_ipc(&evidences).expect("small")).expect_err(place);
    let text = error.to_string();
    assert!(text.starts_with("read evidence: evidence 1, "), "{text}");
    assert!(text.contains(place), "expected `{place}` in: {text}");
}

#[test]
fn values_out_of_place_are_refused_by_name() {
    check_refused(|e| e.operations[2].namespace = 999, "table operations, column namespace, row 2");
    check_refused(|e| e.shapes[0].0[0].operation = 99, "table shapes, column operation, row 0");
    check_refused(|e| e.shapes[1].0[0].depth = 1, "table shapes, column depth, row 1: expected");
    check_refused(|e| e.shapes[3].0[0].depth = 7, "nodes in pre-order, at most 0, found 7");
    check_refused(|e| e.classes[1].key.entry = Some(99), "table classes, column entry, row 1");
    check_refused(|e| e.classes[1].key.shape = Some(999), "table classes, column shape, row 1");
    check_refused(|e| e.classes[1].key.shape = None, "as the evidence is exact, found null");
    check_refused(
        |e| e.classes[0].key.operations[0] = 99,
        "table classes.operations, column item, row 0: expected a row of operations, which has",
    );
    check_refused(|e| e.classes[2].tally.n += 1, "table classes, column n, row 2: expected");
    check_refused(
        |e| e.classes[0].seconds[0].second = u64::MAX,
        "table classes.seconds, column second, row 0: expected at most 18446744073",
    );
    let exemplar = |e: &mut Evidence, change: &dyn Fn(&mut Exemplar)| {
        change(&mut e.classes[0].exemplars[0]);
    };
    check_refused(
        |e| exemplar(e, &|x| x.spans[0].instance = 999),
        "table classes.exemplars.spans, column instance, row 0: expected a row of names",
    );
    check_refused(|e| exemplar(e, &|x| x.spans[0].depth = 1), "classes.exemplars, column depth");
    check_refused(
        |e| {
            exemplar(e, &|x| {
                x.start_unix_nano = u64::MAX;
                x.spans[0].offset_ns = 1;
            });
        },
        "classes.exemplars, column spans, row 0: expected offsets",
    );
    check_refused(
        |e| exemplar(e, &|x| x.spans = vec![x.spans[0]; 201]),
        "column spans, row 0: expected at most 200 spans, found 201",
    );
    check_refused(|e| e.marginals[3].key.class = 999, "table marginals, column class, row 3");
    check_refused(|e| e.marginals[3].key.value = 999, "table marginals, column value, row 3");
    check_refused(|e| e.edges[0].key.parent = Some(99), "table edges, column parent, row 0");
    check_refused(|e| e.edges[0].calls = 1 << 60, "table edges, column calls, row 0: expected");
    check_refused(|e| e.peers[0].key.peer = 999, "table peers, column peer, row 0");
    check_refused(
        |e| {
            let p = e.productions.iter_mut().find(|p| !p.key.children.is_empty());
            p.expect("there are some").key.children[0].0 = 99;
        },
        "table productions.children, column operation, row 0",
    );
    check_refused(|e| e.attributes[1].attribute = 999, "table attributes, column attribute, row 1");
    check_refused(|e| e.attribute_rows[0].values[1].1 = 999, "attribute_rows.values, column value");
    check_refused(
        |e| e.window = Window { from: 9, to: 8 },
        "evidence 1, column to_unix_nano, row 0: expected",
    );
    check_refused(|e| e.quality.orphans = u64::MAX, "table quality, column orphans");
}

#[test]
fn coarsened_evidence_needs_no_shapes() {
    let mut evidence = full().remove(0);
    evidence.exactness = Exactness::ShapesDropped;
    let read = from_ipc(&to_ipc(&[evidence]).expect("small")).expect("sound").remove(0);
    assert!(read.shapes.is_empty() && read.exactness == Exactness::ShapesDropped);
    let again = from_ipc(&to_ipc(std::slice::from_ref(&read)).expect("small")).expect("sound");
    assert_eq!(again, [read]);
}

#[test]
fn numbers_beyond_the_format_are_not_written() {
    let mut evidence = full().remove(0);
    evidence.classes[0].tally.weight_squared = u128::MAX;
    let error = to_ipc(&[evidence]).expect_err("39 digits").to_string();
    assert!(error.contains("column weight_squared has more than 38 decimal digits"), "{error}");
}

/// A file whose top-level columns were changed.
fn with_columns(change: impl Fn(&str, ArrayRef) -> Option<(String, bool, ArrayRef)>) -> Vec<u8> {
    let batch = write::batch(&full()).expect("small");
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let changed = columns.filter_map(|(f, array)| change(f.name(), Arc::clone(array)));
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = changed
        .map(|(name, nullable, array)| {
            (Field::new(name, array.data_type().clone(), nullable), array)
        })
        .unzip();
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    let batch = RecordBatch::try_new(Arc::new(schema), arrays).expect("equal lengths");
    envelope::seal(&batch).expect("small")
}

#[track_caller]
fn check_column(
    change: impl Fn(&str, ArrayRef) -> Option<(String, bool, ArrayRef)>,
    message: &str,
) {
    let error = from_ipc(&with_columns(change)).expect_err(message);
    assert_eq!(error.to_string(), format!("read evidence: {message}"));
}

#[test]
fn columns_that_are_missing_unknown_or_of_another_type_are_refused_by_name() {
    let same = |name: &str, array| Some((name.to_owned(), false, array));
    check_column(
        |name, array| if name == "edges" { None } else { same(name, array) },
        "column edges: expected List of Struct, found no such column",
    );
    check_column(
        |name, array| same(if name == "peers" { "pears" } else { name }, array),
        "column peers: expected List of Struct, found no such column",
    );
    check_column(
        |name, array| match name {
            "from_unix_nano" => same(name, Arc::new(Int64Array::from(vec![1, 2]))),
            _ => same(name, array),
        },
        "column from_unix_nano: expected UInt64, found Int64",
    );
    check_column(
        |name, array| match name {
            "quality" => {
                let (mut fields, mut arrays, _) = array.as_struct().clone().into_parts();
                fields = fields.iter().skip(1).cloned().collect();
                arrays.remove(0);
                same(name, Arc::new(StructArray::new(fields, arrays, None)))
            }
            _ => same(name, array),
        },
        "column quality.spans: expected UInt64, found no such column",
    );
    check_column(
        |name, array| match name {
            "shapes" => same(name, array.as_list::<i32>().values().slice(0, 2)),
            _ => same(name, array),
        },
        "column shapes: expected List of List of Struct, found List of Struct",
    );
    check_column(
        |name, array| match name {
            "role" => {
                Some((name.to_owned(), true, Arc::new(StringArray::from(vec![Some("now"), None]))))
            }
            _ => same(name, array),
        },
        "evidence 1, column role, row 0: expected a value, found null",
    );
    check_column(
        |name, array| match name {
            "role" => same(name, Arc::new(StringArray::from(vec!["now", "late"]))),
            _ => same(name, array),
        },
        "evidence 1, column role, row 0: expected one of now, baseline, pane, found `late`",
    );
    // Other orders of columns, and nullability, mean nothing.
    let batch = write::batch(&full()).expect("small");
    let order: Vec<usize> = (0..batch.num_columns()).rev().collect();
    let bytes = envelope::seal(&batch.project(&order).expect("all columns")).expect("small");
    assert_eq!(from_ipc(&bytes).expect("sound"), full());
}

#[test]
fn other_files_and_versions_are_told_apart() {
    assert!(matches!(from_ipc(b""), Err(FromIpcError::Empty)));
    assert!(matches!(
        from_ipc(b"PAR1abcdefghijklmnopqrstPAR1"),
        Err(FromIpcError::NotArrow { .. })
    ));
    assert!(matches!(from_ipc(&[0; 4096]), Err(FromIpcError::NotArrow { .. })));
    let tagged = |metadata: &[(&str, &str)]| {
        let batch = write::batch(&full()).expect("small");
        let metadata: Metadata = metadata.iter().copied().collect();
        let schema = Schema::new_with_metadata(batch.schema().fields().clone(), metadata);
        let columns = batch.columns().to_vec();
        let batch = RecordBatch::try_new(Arc::new(schema), columns).expect("as before");
        from_ipc(&envelope::seal(&batch).expect("small"))
    };
    assert!(matches!(tagged(&[]), Err(FromIpcError::NotEvidence)));
    assert!(matches!(tagged(&[("resus.evidence", "1")]), Err(FromIpcError::Version { .. })));
    assert!(tagged(&[("resus.evidence", "2"), ("other", "x")]).is_ok());
}

#[test]
fn files_cut_short_are_refused() {
    let bytes = to_ipc(&full()).expect("small");
    for length in (0..bytes.len()).step_by(97).chain(bytes.len() - 40..bytes.len()) {
        let error = from_ipc(&bytes[..length]).expect_err("cut short");
        assert!(
            matches!(
                error,
                FromIpcError::Empty | FromIpcError::NotArrow { .. } | FromIpcError::Damaged { .. }
            ),
            "{length}: {error}"
        );
    }
    // The middle is missing.
    let mut holed = bytes[..bytes.len() / 3].to_vec();
    holed.extend_from_slice(&bytes[bytes.len() / 2..]);
    assert!(from_ipc(&holed).is_err());
}

#[test]
fn unaligned_bytes_are_read_too() {
    let evidences = full();
    let mut bytes = vec![0];
    bytes.extend(to_ipc(&evidences).expect("small"));
    assert_eq!(from_ipc(&bytes[1..]).expect("sound"), evidences);
}

/// Flips single bits: half of them in the metadata, where offsets and lengths are.
#[test]
fn flipped_bits_never_panic() {
    const FLIPS: u64 = 2000;
    let bytes = to_ipc(&full()[..1]).expect("small");
    let mut refused = 0;
    let mut state = 1_u64;
    for flip in 0..FLIPS {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let random = usize::try_from(state >> 33).expect("31 bits");
        let metadata = 12_000.min(bytes.len() / 2);
        let at = match flip % 4 {
            0 => random % metadata,
            1 => bytes.len() - 1 - random % metadata,
            _ => random % bytes.len(),
        };
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (state >> 60 & 7);
        refused += u64::from(from_ipc(&flipped).is_err());
    }
    assert!(refused > FLIPS / 10, "only {refused} were noticed");
}
