//! The power goes, or the process does, at every operation.

use super::*;

/// Batches of records that fill three segments.
fn work(bench: &mut Bench, vfs: &Simulated) -> u32 {
    let mut next = 0;
    for batch in [1, 3, 2, 5, 1, 4, 2] {
        bench.append(next..next + batch);
        next += batch;
        if vfs.is_off() {
            break;
        }
    }
    next
}

/// Runs the work until the power goes at the n-th operation; `None` when it was done before.
fn until_cut(n: u64, options: LogOptions) -> Option<(Simulated, BTreeMap<u32, Position>, u32)> {
    let vfs = Simulated::default();
    vfs.cut_at(n);
    let Ok(mut bench) = Bench::open(&vfs, options) else {
        return Some((vfs, BTreeMap::new(), 0));
    };
    let appended = work(&mut bench, &vfs);
    let acknowledged = bench.acknowledged();
    bench.close();
    vfs.is_off().then_some((vfs, acknowledged, appended))
}

/// A prefix of what was appended, no record missing in between.
fn check_prefix(bench: &Bench, context: &dyn std::fmt::Debug) {
    let expected: Vec<u32> = (0..bench.replayed.len() as u32).collect();
    assert_eq!(bench.ids(), expected, "a prefix, {context:?}");
    assert_eq!(bench.recovery.quarantined, [], "a torn write is no corruption, {context:?}");
}

#[test]
fn acknowledged_records_survive_a_power_cut_at_every_operation() {
    let mut cuts = 0;
    for n in 1.. {
        let Some((vfs, acknowledged, appended)) = until_cut(n, SMALL) else { break };
        cuts = n;
        for cut in TEARS {
            let context = (n, cut);
            let vfs = vfs.fork();
            vfs.power_cut(cut);
            let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
            check_replay(&bench.replayed, &acknowledged, appended, &context);
            check_prefix(&bench, &context);

            // It goes on, and readers see the same.
            let before = bench.replayed.clone();
            bench.append(appended..appended + 2);
            let more = bench.acknowledged();
            assert_eq!(more.len(), 2, "{context:?}: {:?}", bench.shared.status());
            let mut all = before;
            all.extend(more.iter().map(|(&id, &position)| (position, id)));
            assert_eq!(read_all(bench.reader(Position::START)), all, "{context:?}");
            drop(bench);
            vfs.power_cut(Cut::Drop);
            let bench = Bench::open(&vfs, SMALL).expect("the log opens");
            assert_eq!(bench.replayed, all, "{context:?}");
            assert_eq!(bench.recovery.quarantined, [], "{context:?}");
        }
    }
    assert!(cuts > 50, "there was something to cut: {cuts}");
}

#[test]
fn a_power_cut_during_recovery_loses_nothing() {
    for n in (1..).step_by(5) {
        let Some((vfs, acknowledged, appended)) = until_cut(n, SMALL) else { break };
        for (first, second) in TEARS.into_iter().zip(TEARS.into_iter().rev()).skip(1).step_by(3) {
            let vfs = vfs.fork();
            vfs.power_cut(first);
            for m in 1.. {
                let vfs = vfs.fork();
                vfs.cut_at(m);
                let opened = Bench::open(&vfs, SMALL);
                let done = !vfs.is_off();
                drop(opened);
                vfs.power_cut(second);
                let bench = Bench::open(&vfs, SMALL).expect("the log opens");
                let context = (n, first, m, second);
                check_replay(&bench.replayed, &acknowledged, appended, &context);
                check_prefix(&bench, &context);
                if done {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_written() {
    let without_window =
        LogOptions { window: None, background_sync: Duration::from_secs(3600), ..SMALL };
    for options in [SMALL, without_window] {
        for n in 1.. {
            let Some((vfs, acknowledged, appended)) = until_cut(n, options) else { break };
            vfs.kill();
            let bench = Bench::open(&vfs, options).expect("the log opens");
            check_replay(&bench.replayed, &acknowledged, appended, &n);
            check_prefix(&bench, &n);

            // What was replayed is durable: it may be read and released as well as any other.
            let replayed = bench.replayed.clone();
            drop(bench);
            vfs.power_cut(Cut::Drop);
            let bench = Bench::open(&vfs, options).expect("the log opens");
            assert_eq!(bench.replayed, replayed, "{n}");
        }
    }
}

#[test]
fn without_a_window_a_power_cut_leaves_a_prefix() {
    let options = LogOptions { window: None, ..SMALL };
    for n in 1.. {
        let Some((vfs, _, appended)) = until_cut(n, options) else { break };
        for cut in TEARS {
            let vfs = vfs.fork();
            vfs.power_cut(cut);
            let bench = Bench::open(&vfs, options).expect("the log opens");
            check_replay(&bench.replayed, &BTreeMap::new(), appended, &(n, cut));
            check_prefix(&bench, &(n, cut));
        }
    }
}

#[test]
fn writes_that_take_a_part_are_continued() {
    let vfs = Simulated::default();
    vfs.write_short();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    let appended = work(&mut bench, &vfs);
    assert_eq!(bench.acknowledged().len(), appended as usize);
    bench.close();
    vfs.power_cut(Cut::Drop);
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.ids(), (0..appended).collect::<Vec<_>>());
}

#[test]
fn a_torn_tail_is_cut_off_and_said_so() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append(0..2);
    let end = lock(&bench.shared.segments).end;
    // The write, half of which arrives.
    vfs.cut_at(1);
    bench.append(3..5);
    assert_eq!(bench.acknowledged().len(), 2);
    drop(bench);
    vfs.kill();
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.ids(), [0, 1, 3], "the first of the two was whole");
    let tail = bench.recovery.truncated_tail.expect("a tail was cut off");
    assert!((tail.segment, tail.offset) > (end.segment, end.offset));
    assert!(tail.bytes > 0 && tail.kept.is_none(), "{tail:?}");
    assert_eq!(vfs.bytes(&segment_path(tail.segment)).len() as u64, tail.offset);
}

#[test]
fn whole_records_behind_a_torn_one_are_kept_aside() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append(0..2);
    // Whatever stands before may hold any bytes.
    let end = usize::try_from(lock(&bench.shared.segments).end.offset).expect("a small file");
    vfs.cut_at(2);
    bench.append(2..6);
    drop(bench);
    vfs.kill();
    let path = segment_path(1);
    let mut bytes = vfs.bytes(&path);
    let second = bytes[end..].windows(4).position(|b| b == 2_u32.to_le_bytes());
    bytes[end + second.expect("record 2")] ^= 1;
    vfs.put(&path, &bytes);
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.ids(), [0, 1], "a prefix");
    let tail = bench.recovery.truncated_tail.expect("a tail was cut off");
    let kept = tail.kept.expect("the others are kept");
    assert_eq!(kept.parent(), Some(&*folder().join("quarantine")));
    assert_eq!(vfs.bytes(&kept), &bytes[tail.offset as usize..]);
}
