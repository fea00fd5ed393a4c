//! Enough spans for many pages and dictionaries, written and read back.

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use resus_model::Name;

use super::*;

/// Numbers that depend on nothing but where they begin (Vigna's SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// So many spans of which each column has as many values as `variety` says.
fn spans(rows: u32, variety: u64, dice: &mut Dice) -> SpanBatch {
    let mut batch = SpanBatch::new();
    // Names of which many are in no column.
    for n in 0..50 {
        batch.names.intern(&format!("unused {n}"));
    }
    for row in 0..rows {
        let mut name = |text: &str| match dice.below(variety + 1) {
            0 => Name::NONE,
            n => batch.names.intern(&format!("{text} {n}")),
        };
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"].map(&mut name);
        let mut number = |greatest: u64| dice.below(variety.min(greatest) + 1);
        let span = SpanRow {
            trace_id: TraceId::from_u128(u128::from(number(u64::MAX - 1)) << 60 | 1),
            span_id: SpanId::from_u64(number(u64::MAX - 1)),
            parent_span_id: SpanId::from_u64(number(u64::MAX - 1)),
            flags: number(u64::from(u32::MAX)) as u32,
            trace_state: names[0],
            service: names[1],
            namespace: names[2],
            instance: names[3],
            version: names[4],
            host: names[5],
            operation: names[6],
            kind: Kind::from_number(number(5) as i64).expect("a kind"),
            status: [Status::Unset, Status::Ok, Status::Error, Status::Absent][number(3) as usize],
            start_unix_nano: number(u64::MAX - 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            duration_ns: (number(u64::MAX - 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)) as i64,
            received_unix_nano: number(u64::MAX - 1),
            http_status: number(65_535) as u16,
            rpc_status: number(255) as u8,
            error_type: names[7],
            peer: names[8],
            error_event_count: number(9) as u32,
            exception_event_count: number(9) as u32,
        };
        for _ in 0..number(2) {
            let (trace_id, span_id) = (TraceId::from_u128(7), SpanId::from_u64(number(1_000)));
            batch.links.push(Link { row, trace_id, span_id });
        }
        let long = "x".repeat(number(200) as usize);
        batch.push(&span);
        batch.push_attributes(&if number(3) == 0 { String::new() } else { long });
        batch.push_events(if dice.below(9) == 0 { "[1]" } else { "" });
        batch.resource_attributes.push(names[9]);
        batch.scope.push(names[10]);
        batch.status_message.push(names[11]);
    }
    batch
}

fn check(batches: &[SpanBatch], row_group_rows: usize, ids: IdEncoding) {
    let vfs = Simulated::default();
    let writer = WriterOptions { row_group_rows, ids };
    let options = SegmentsOptions { writer, ..OPTIONS };
    let opened = Segments::open(Arc::new(vfs.clone()), Path::new(FOLDER), options);
    let (mut segments, _) = opened.expect("a new folder");
    let mut writer = segments.writer().expect("room");
    batches.iter().for_each(|batch| writer.write(batch).expect("sound"));
    let bytes = writer.bytes();
    let sealed = segments.seal(writer.finish(position(1)).expect("room")).expect("room");
    let sealed = sealed.expect("has spans");
    assert!(bytes <= sealed.bytes + (64 << 10), "{bytes} of {}", sealed.bytes);
    segments.spans().verify(&sealed).expect("nothing happened to it");

    let file = Bytes::from(vfs.bytes(&file(&vfs, 1)));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    let groups = sealed.rows.div_ceil(row_group_rows as u64);
    assert_eq!(reader.metadata().num_row_groups() as u64, groups);
    let mut read = SpanBatch::new();
    for rows in reader.with_batch_size(8192).build().expect("readable") {
        let rows: RecordBatch = rows.expect("every page decodes");
        decode::append(&mut read, &rows).expect("the columns are of the schema");
    }
    let expected: Vec<String> = batches.iter().flat_map(spelled).collect();
    assert!(spelled(&read) == expected, "what was read is not what was written");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_written_is_read(
        rows in prop::collection::vec(0..60_u32, 1..4),
        variety in prop_oneof![Just(0), 1..4_u64, 1..300_u64, Just(u64::MAX - 1)],
        row_group_rows in 1..80_usize,
        hex in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut dice = Dice(seed);
        let batches: Vec<SpanBatch> =
            rows.iter().map(|&rows| spans(rows, variety, &mut dice)).collect();
        prop_assume!(batches.iter().any(|batch| !batch.is_empty()));
        let ids = if hex { IdEncoding::Hex } else { IdEncoding::Bytes };
        check(&batches, row_group_rows, ids);
    }
}

#[test]
fn many_pages_are_read() {
    let mut dice = Dice(7);
    let batches = [spans(17_000, 3, &mut dice), spans(2_000, 5_000, &mut dice)];
    check(&batches, 18_000, IdEncoding::Bytes);
}
