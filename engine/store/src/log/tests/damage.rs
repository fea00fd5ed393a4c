//! Bytes that changed, files that are gone, files that are no segments.

use super::{
    super::{ReadLogError, frame::HEAD, release::release, released, segment::Header},
    *,
};

/// A log of three segments, closed, and where its records are.
fn closed() -> (Simulated, Vec<(Position, u32)>) {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    for first in (0..15).step_by(3) {
        bench.append(first..first + 3);
    }
    let records = bench.acknowledged().into_iter().map(|(id, position)| (position, id)).collect();
    bench.close();
    vfs.power_cut(Cut::Drop);
    (vfs, records)
}

fn with_changed(vfs: &Simulated, number: u64, change: impl Fn(&mut Vec<u8>)) -> Simulated {
    let vfs = vfs.fork();
    let mut bytes = vfs.bytes(&segment_path(number));
    change(&mut bytes);
    vfs.put(&segment_path(number), &bytes);
    vfs
}

#[test]
fn a_changed_byte_costs_one_record_at_most() {
    let (vfs, records) = closed();
    let segments = records.last().expect("records").0.segment;
    assert_eq!(segments, 3);
    for number in 1..=segments {
        let size = vfs.bytes(&segment_path(number)).len();
        let starts: Vec<u64> =
            records.iter().filter(|(p, _)| p.segment == number).map(|(p, _)| p.offset).collect();
        // Each byte of headers and heads, and some of the bodies.
        let near_a_head = |at: usize| starts.iter().any(|&s| (s..s + 30).contains(&(at as u64)));
        let places = (0..size).filter(|&at| {
            at < 100
                || (2048..2148).contains(&at)
                || near_a_head(at)
                || at % 61 == 0
                || at + 60 > size
        });
        for at in places {
            let vfs = with_changed(&vfs, number, |bytes| bytes[at] ^= 0x5A);
            let bench = Bench::open(&vfs, SMALL).expect("the log opens");
            let lost: Vec<u32> = records
                .iter()
                .filter(|record| !bench.replayed.contains(record))
                .map(|&(_, id)| id)
                .collect();
            let place = Position { segment: number, offset: at as u64 };
            assert_eq!(bench.replayed.len() + lost.len(), records.len(), "{place}: no phantom");
            let hit = records.iter().find(|&&(p, id)| {
                let end = p.offset + HEAD + record(id).bytes();
                p.segment == number && (p.offset..end).contains(&place.offset)
            });
            assert_eq!(lost, hit.map(|&(_, id)| id).into_iter().collect::<Vec<_>>(), "{place}");
            let recovery = &bench.recovery;
            if let Some(&(position, id)) = hit {
                let [damage] = &recovery.quarantined[..] else { panic!("{place}: {recovery:?}") };
                let bytes = HEAD + record(id).bytes();
                assert_eq!(damage.segment, number);
                assert_eq!((damage.from, damage.to), (position.offset, position.offset + bytes));
            }
        }
    }
}

#[test]
fn a_cut_file_costs_what_was_behind_the_cut() {
    let (vfs, records) = closed();
    for number in 1..=3 {
        let size = vfs.bytes(&segment_path(number)).len();
        for length in (0..size).filter(|&l| l < 70 || l % 37 == 0 || l > FIRST_FRAME as usize) {
            let vfs = with_changed(&vfs, number, |bytes| bytes.truncate(length));
            let bench = Bench::open(&vfs, SMALL).expect("the log opens");
            let expected: Vec<(Position, u32)> = records
                .iter()
                .filter(|&&(p, id)| {
                    p.segment != number || p.offset + HEAD + record(id).bytes() <= length as u64
                })
                .copied()
                .collect();
            assert_eq!(bench.replayed, expected, "segment {number}, {length} bytes");
            let Recovery { quarantined, truncated_tail, notes, .. } = &bench.recovery;
            let whole = expected.len() == records.len();
            if number < 3 && !whole {
                assert!(!quarantined.is_empty() || !notes.is_empty(), "{number} {length}");
            }
            if let Some(tail) = truncated_tail {
                assert_eq!((tail.segment, tail.offset + tail.bytes), (3, length as u64));
            }
        }
    }
}

#[test]
fn damaged_segments_are_put_aside_when_released_and_readers_say_what_is_lost() {
    let (vfs, records) = closed();
    let (position, id) = records[1];
    let vfs = with_changed(&vfs, 1, |bytes| bytes[position.offset as usize + 22] ^= 1);
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append([15]);

    let mut reader = bench.reader(Position::START);
    assert_eq!(reader.next().expect("whole").expect("a record").0, records[0].0);
    let error = reader.next().expect_err("damaged");
    let to = position.offset + HEAD + record(id).bytes();
    assert!(
        matches!(&error, ReadLogError::Damaged { from, to: end, .. }
            if (*from, *end) == (position.offset, to)),
        "{error}"
    );
    assert_eq!(reader.next().expect("whole").expect("a record").0, records[2].0);
    assert_eq!(read_all(reader).len(), 15 - 3 + 1);

    let segment = vfs.bytes(&segment_path(1));
    let end = bench.shared.status().end;
    release(&bench.shared, end).expect("released");
    let quarantine = folder().join("quarantine");
    assert_eq!(vfs.names(&quarantine), ["00000000000000000001.log"]);
    assert_eq!(vfs.bytes(&quarantine.join(file_name(1))), segment);
    assert_eq!(bench.shared.status().segments, 1, "the others are removed");
}

#[test]
fn bytes_that_look_like_records_are_none() {
    // A body that holds what a segment holds, behind a head that is damaged.
    let (inner, _) = closed();
    let stolen = inner.bytes(&segment_path(1));
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append([0]);
    let body = Record { header: Vec::new(), payload: Bytes::from(stolen) };
    let places = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::clone(&places);
    let pending = Pending {
        body_crc: frame::body_crc(&body.header, &body.payload),
        record: body,
        done: Box::new(move |answer| lock(&done).push(answer.expect("taken"))),
    };
    bench.shared.queued_records.fetch_add(1, Ordering::Relaxed);
    bench.committer.commit(VecDeque::from([pending]), clock::now());
    bench.append([1]);
    bench.close();
    vfs.kill();
    let place = lock(&places)[0];
    let vfs = with_changed(&vfs, place.segment, |bytes| bytes[place.offset as usize + 9] ^= 1);
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.ids(), [0, 1]);
    assert_eq!(bench.recovery.quarantined.len(), 1);
}

#[test]
fn a_missing_segment_is_missed() {
    let (vfs, records) = closed();
    vfs.take(&segment_path(2));
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.replayed.len(), records.iter().filter(|(p, _)| p.segment != 2).count());
    assert_eq!(bench.recovery.notes, ["segment 2 is missing: segment 3 came after it"]);
}

#[test]
fn a_segment_without_a_header_is_moved_to_quarantine() {
    let (vfs, records) = closed();
    for number in 1..=3 {
        let vfs = with_changed(&vfs, number, |bytes| bytes[..FIRST_FRAME as usize].fill(7));
        let bench = Bench::open(&vfs, SMALL).expect("the log opens");
        let left = records.iter().filter(|(p, _)| p.segment != number).count();
        assert_eq!(bench.replayed.len(), left, "{number}");
        let [aside] = &bench.recovery.quarantined[..] else { panic!("{:?}", bench.recovery) };
        assert_eq!(aside.file, folder().join("quarantine").join(file_name(number)));
        assert!(!vfs.bytes(&aside.file).is_empty());
        // Its number is not given again.
        assert!(lock(&bench.shared.segments).entries.keys().all(|&n| n != number));
        bench.close();
        vfs.power_cut(Cut::Drop);
        let again = Bench::open(&vfs, SMALL).expect("the log opens");
        assert_eq!(again.replayed.len(), left, "{number}");
        assert!(again.recovery.quarantined.is_empty(), "{:?}", again.recovery);
    }

    let vfs = with_changed(&vfs, 3, |bytes| bytes.truncate(9));
    drop(Bench::open(&vfs, SMALL).expect("the log opens"));
    vfs.kill();
    vfs.take(&segment_path(4));
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    let live = lock(&bench.shared.segments).entries.keys().next_back().copied();
    assert_eq!(live, Some(4), "the number of one in quarantine is not given again");
}

#[test]
fn a_segment_of_a_later_version_is_left_alone() {
    let (vfs, records) = closed();
    let vfs = with_changed(&vfs, 2, |bytes| (bytes[8], bytes[2048 + 8]) = (9, 9));
    let later = vfs.bytes(&segment_path(2));
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.replayed.len(), records.iter().filter(|(p, _)| p.segment != 2).count());
    assert!(bench.recovery.notes[0].contains("format version 9"), "{:?}", bench.recovery);
    let end = bench.shared.status().end;
    release(&bench.shared, end).expect("released");
    assert_eq!(vfs.bytes(&segment_path(2)), later);
    bench.close();
    vfs.power_cut(Cut::Drop);
    let _ = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(vfs.bytes(&segment_path(2)), later, "not even after it was released");
}

#[test]
fn files_that_are_no_segments_are_told() {
    let (vfs, records) = closed();
    vfs.put(&segment_path(4), b"");
    vfs.put(&folder().join("00000000000000000005.log.tmp"), b"half a header");
    vfs.put(&folder().join("notes.txt"), b"mine");
    vfs.put(&folder().join(released::FILE), b"nonsense");
    let misnamed = Header { number: 3, previous: None, created_unix_nano: 1 }.encode();
    vfs.put(&segment_path(7), &misnamed);
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.replayed, records);
    let notes = bench.recovery.notes.join("\n");
    for what in [
        "4.log is empty: removed",
        "5.log.tmp was left by a crash before it was whole: removed",
        "notes.txt is no file of the log: left alone",
        "the file released can't be read",
        "7.log says that it is segment 3: moved to quarantine",
    ] {
        assert!(notes.contains(what), "{what}: {notes}");
    }
    let left = vfs.names(&folder());
    assert!(!left.iter().any(|name| name.ends_with("tmp")), "{left:?}");
    assert!(left.iter().any(|name| name == "notes.txt"), "{left:?}");
    assert_eq!(vfs.names(&folder().join("quarantine")), ["00000000000000000007.log"]);
    let live = *lock(&bench.shared.segments).entries.keys().next_back().expect("a live one");
    assert_eq!(live, 8, "a number beyond all that were seen");
}

#[test]
fn zeros_at_the_end_are_the_end() {
    let (vfs, records) = closed();
    for zeros in [1, 19, 20, 4096, 100_000] {
        let vfs = with_changed(&vfs, 3, |bytes| bytes.resize(bytes.len() + zeros, 0));
        let bench = Bench::open(&vfs, SMALL).expect("the log opens");
        assert_eq!(bench.replayed, records);
        assert_eq!(bench.recovery.quarantined, []);
        let tail = bench.recovery.truncated_tail.expect("cut off");
        assert_eq!((tail.bytes, tail.kept), (zeros as u64, None));
    }
}

#[test]
fn a_last_file_that_says_nothing_does_not_make_a_torn_write_corruption() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append(0..2);
    let acknowledged = bench.acknowledged();
    // The sync after the write.
    vfs.cut_at(2);
    bench.append(2..6);
    drop(bench);
    vfs.kill();
    let whole = Bench::open(&vfs.fork(), SMALL).expect("the log opens").ids();
    assert_eq!(whole, [0, 1, 2, 3, 4, 5], "all of it was written");
    // Behind the mark.
    let second = acknowledged[&1].offset + HEAD + record(1).bytes() + HEAD;
    let torn = with_changed(&vfs, 1, |bytes| bytes[(second + HEAD) as usize] ^= 1);
    let future = {
        let mut header = Header { number: 2, previous: None, created_unix_nano: 1 }.encode();
        (header[8], header[2048 + 8]) = (9, 9);
        header
    };
    for last in [&b""[..], b"nonsense", &future] {
        let torn = torn.fork();
        torn.put(&segment_path(2), last);
        let bench = Bench::open(&torn, SMALL).expect("the log opens");
        check_replay(&bench.replayed, &acknowledged, 6, &last.len());
        assert_eq!(bench.ids(), [0, 1], "a prefix: {:?}", bench.recovery);
        let Recovery { truncated_tail, quarantined, .. } = &bench.recovery;
        let tail = truncated_tail.as_ref().expect("a tail was cut off");
        assert_eq!((tail.segment, tail.offset, tail.kept.is_some()), (1, second, true));
        assert!(quarantined.iter().all(|damage| damage.segment == 2), "{quarantined:?}");
        assert!(lock(&bench.shared.segments).entries.keys().all(|&n| n != 2), "not given again");

        // What is replayed stays.
        let vfs = vfs.fork();
        vfs.put(&segment_path(2), last);
        let bench = Bench::open(&vfs, SMALL).expect("the log opens");
        assert_eq!(bench.ids(), whole);
        drop(bench);
        vfs.power_cut(Cut::Drop);
        let bench = Bench::open(&vfs, SMALL).expect("the log opens");
        assert_eq!(bench.ids(), whole);
    }
}

#[test]
fn a_lost_log_does_not_give_a_position_twice() {
    let options = LogOptions { first_segment: 10, ..SMALL };
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, options).expect("the log opens");
    bench.append([0]);
    assert_eq!(bench.acknowledged()[&0], Position { segment: 10, offset: FIRST_FRAME });
    bench.close();
    vfs.kill();
    let bench = Bench::open(&vfs, options).expect("the log opens");
    assert_eq!(bench.ids(), [0]);
    release(&bench.shared, bench.shared.status().end).expect("released");
    drop(bench);
    vfs.kill();

    // The mark alone is left.
    for number in 10..15 {
        vfs.take(&segment_path(number));
    }
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append([1]);
    assert_eq!(bench.acknowledged()[&1], Position { segment: 11, offset: FIRST_FRAME });
    vfs.kill();
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.ids(), [1], "the mark does not hide it");
}

#[test]
fn nothing_is_released_that_is_yet_to_come() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append([0]);
    let far = Position { segment: u64::MAX, offset: u64::MAX };
    release(&bench.shared, far).expect("released");
    assert_eq!(bench.shared.status().oldest, bench.shared.status().end);
    bench.append([1, 2]);
    // Going back changes nothing.
    release(&bench.shared, Position::START).expect("released");
    drop(bench);
    vfs.kill();
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.ids(), [1, 2]);
}

#[test]
fn restarts_without_records_leave_no_segments() {
    let (vfs, records) = closed();
    for _ in 0..5 {
        let bench = Bench::open(&vfs, SMALL).expect("the log opens");
        assert_eq!(bench.replayed, records);
        assert_eq!(bench.recovery.notes, [""; 0]);
        assert_eq!(bench.recovery.segments, 3);
        bench.close();
        vfs.kill();
    }
    let segments = vfs.names(&folder()).iter().filter(|name| name.ends_with(".log")).count();
    assert_eq!(segments, 4, "the three and the live one");
}
