//! The disk fails at every operation, or is full.

use super::{
    super::{
        ReadLogError,
        release::release,
        vfs::simulated::{EIO, ENOSPC},
    },
    *,
};

/// Appends records one or a few at a time; says how many.
fn work(bench: &mut Bench) -> u32 {
    let mut next = 0;
    for batch in [1, 3, 2, 5, 1, 4, 2, 1] {
        bench.append(next..next + batch);
        next += batch;
    }
    next
}

#[test]
fn a_failure_at_any_operation_costs_no_acknowledged_record() {
    let mut failures = 0;
    for n in 1.. {
        let mut reached = false;
        for (count, error) in [(1, EIO), (1, ENOSPC), (4, EIO), (2, ENOSPC)] {
            let vfs = Simulated::default();
            vfs.fail_at(n, count, error);
            let mut opened = Bench::open(&vfs, SMALL);
            if opened.is_err() {
                // The folder can't be read: the next try may.
                assert!(vfs.operations() >= n);
                vfs.kill();
                opened = Bench::open(&vfs, SMALL);
            }
            let mut bench = opened.expect("the log opens");
            let appended = work(&mut bench);
            reached |= vfs.operations() >= n;
            let context = (n, count, error);
            let refused = appended as usize - bench.acknowledged().len();
            let figures = bench.shared.status().figures;
            assert_eq!(figures.refused, refused as u64, "{context:?}");
            if refused > 0 {
                assert!(figures.failures > 0, "{context:?}");
                failures += 1;
            }

            // Nothing fails any more: the log takes records again.
            vfs.heal();
            bench.append([appended]);
            bench.append([appended + 1]);
            let acknowledged = bench.acknowledged();
            assert!(acknowledged.contains_key(&(appended + 1)), "{context:?}");
            let status = bench.shared.status();
            assert_eq!(status.failing, None, "{context:?}");
            assert_eq!((status.queued_records, status.queued_bytes), (0, 0), "{context:?}");

            // Exactly what was acknowledged is read and replayed: the rest was refused.
            let exactly: Vec<(Position, u32)> =
                acknowledged.iter().map(|(&id, &position)| (position, id)).collect();
            assert_eq!(read_all(bench.reader(Position::START)), exactly, "{context:?}");
            drop(bench);
            for cut in TEARS {
                let vfs = vfs.fork();
                vfs.power_cut(cut);
                let bench = Bench::open(&vfs, SMALL).expect("the log opens");
                check_replay(&bench.replayed, &acknowledged, appended + 2, &(context, cut));
                assert_eq!(bench.replayed, exactly, "{context:?} {cut:?}");
                assert_eq!(bench.recovery.quarantined, [], "{context:?} {cut:?}");
            }
        }
        if !reached {
            break;
        }
    }
    assert!(failures > 50, "{failures}");
}

#[test]
fn a_failure_and_then_a_power_cut_cost_no_acknowledged_record() {
    for n in 1.. {
        let vfs = Simulated::default();
        // For good: no new segment can be made.
        vfs.fail_at(n, u64::MAX / 2, EIO);
        let Ok(mut bench) = Bench::open(&vfs, SMALL) else { continue };
        let appended = work(&mut bench);
        let acknowledged = bench.acknowledged();
        drop(bench);
        for cut in TEARS {
            let vfs = vfs.fork();
            vfs.power_cut(cut);
            let bench = Bench::open(&vfs, SMALL).expect("the log opens");
            check_replay(&bench.replayed, &acknowledged, appended, &(n, cut));
            assert_eq!(bench.recovery.quarantined, [], "{n} {cut:?}");
        }
        if acknowledged.len() == appended as usize {
            break;
        }
    }
}

/// A replay without the records that a power cut takes when there is no window.
fn check_without_window(
    bench: &Bench,
    acknowledged: &BTreeMap<u32, Position>,
    sync_failed: bool,
    context: &dyn std::fmt::Debug,
) {
    let quarantined = &bench.recovery.quarantined;
    let replayed: BTreeMap<u32, Position> =
        bench.replayed.iter().map(|&(position, id)| (id, position)).collect();
    let lost: Vec<Position> = acknowledged
        .iter()
        .filter(|&(id, position)| replayed.get(id) != Some(position))
        .map(|(_, &position)| position)
        .collect();
    let kept = acknowledged.values().rev().find(|position| !lost.contains(position));
    for &position in &lost {
        // Nothing later is there, or it is said what is missing.
        let told = quarantined.iter().any(|damage| {
            damage.segment == position.segment
                && (damage.from..damage.to).contains(&position.offset)
        });
        assert!(
            kept.is_none_or(|&kept| position > kept) || (told && sync_failed),
            "a hole at {position}, {context:?}: {:?}",
            bench.recovery
        );
    }
    if !sync_failed {
        assert_eq!(quarantined, &[], "{context:?}");
    }
}

#[test]
fn without_a_window_a_failure_and_then_a_power_cut_leave_no_hole() {
    let never = Duration::from_secs(3600);
    let mut failures = 0;
    for background_sync in [never, Duration::ZERO] {
        let options = LogOptions { window: None, background_sync, ..SMALL };
        for n in 1.. {
            let mut reached = false;
            for (count, error) in [(1, EIO), (1, ENOSPC), (2, EIO), (3, ENOSPC), (4, EIO)] {
                let vfs = Simulated::default();
                let Ok(mut bench) = Bench::open(&vfs, options) else { panic!("the log opens") };
                vfs.fail_at(n, count, error);
                let before = vfs.operations();
                let mut sync_failed = false;
                let mut next = 0;
                for batch in [1, 3, 2, 5, 1, 4, 2, 1] {
                    bench.append(next..next + batch);
                    next += batch;
                    let failing = bench.shared.status().failing;
                    sync_failed |= failing.is_some_and(|why| why.starts_with("sync "));
                }
                reached |= vfs.operations() - before >= n;
                let context = (background_sync, n, count, error);
                failures += usize::from(bench.acknowledged().len() < next as usize);

                vfs.heal();
                // The first may find the log failing.
                bench.append([next]);
                bench.append([next + 1]);
                let acknowledged = bench.acknowledged();
                assert!(acknowledged.contains_key(&(next + 1)), "{context:?}");
                if !sync_failed {
                    let read = read_all(bench.reader(Position::START));
                    let synced = bench.shared.status().synced;
                    let durable = acknowledged.iter().filter(|&(_, position)| *position < synced);
                    let durable = durable.map(|(&id, &position)| (position, id));
                    assert_eq!(read, durable.collect::<Vec<_>>(), "{context:?}");
                }

                let cut_now = vfs.fork();
                bench.committer.finish();
                let synced = bench.shared.status();
                assert_eq!(synced.synced, synced.end, "{context:?}");
                drop(bench);
                for cut in TEARS {
                    let vfs = cut_now.fork();
                    vfs.power_cut(cut);
                    let bench = Bench::open(&vfs, options).expect("the log opens");
                    check_replay(&bench.replayed, &BTreeMap::new(), next + 2, &(context, cut));
                    check_without_window(&bench, &acknowledged, sync_failed, &(context, cut));
                }
                vfs.power_cut(Cut::Drop);
                let bench = Bench::open(&vfs, options).expect("the log opens");
                check_without_window(&bench, &acknowledged, sync_failed, &context);
                if !sync_failed {
                    check_replay(&bench.replayed, &acknowledged, next + 2, &context);
                }
            }
            if !reached {
                break;
            }
        }
    }
    assert!(failures > 50, "{failures}");
}

#[test]
fn a_failure_while_opening_is_told_or_harmless() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    let appended = work(&mut bench);
    let acknowledged = bench.acknowledged();
    bench.close();
    vfs.power_cut(Cut::Keep);
    vfs.put(&folder().join("00000000000000000009.log.tmp"), b"half");
    for n in 1.. {
        for error in [EIO, ENOSPC] {
            let vfs = vfs.fork();
            vfs.fail_at(n, 1, error);
            match Bench::open(&vfs, SMALL) {
                Err(OpenLogError::Folder { .. } | OpenLogError::Mark { .. }) => {}
                Err(error) => panic!("{n}: {error}"),
                Ok(bench) => {
                    let whole = bench.replayed.len() == acknowledged.len();
                    let told = !bench.recovery.notes.is_empty();
                    assert!(whole || told, "{n}: {:?}", bench.recovery);
                    if vfs.operations() < n {
                        return;
                    }
                }
            }
            vfs.kill();
            let bench = Bench::open(&vfs, SMALL).expect("the log opens");
            check_replay(&bench.replayed, &acknowledged, appended, &n);
            assert_eq!(bench.recovery.quarantined, [], "{n}");
        }
    }
}

#[test]
fn a_full_disk_refuses_reads_on_and_recovers() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append(0..4);
    // Enough for a header, too little for some of the records.
    vfs.leave_space(FIRST_FRAME + 300);
    for id in 4..40 {
        bench.append([id]);
    }
    let acknowledged = bench.acknowledged();
    assert!(acknowledged.len() < 40);
    let status = bench.shared.status();
    assert!(status.failing.is_some_and(|why| why.contains("os error 28")));
    assert!(lock(&bench.answers).values().flat_map(|a| a.as_ref().err()).all(|e| e.is_retryable()));
    let files = vfs.names(&folder());
    assert!(files.len() <= 5, "failures leave no heap of files: {files:?}");
    let read = read_all(bench.reader(Position::START));
    assert_eq!(read.len(), acknowledged.len(), "reads go on");

    vfs.heal();
    bench.append(40..44);
    assert_eq!(bench.acknowledged().len(), acknowledged.len() + 4);
    assert_eq!(bench.shared.status().failing, None);
}

#[test]
fn a_full_disk_lets_go_of_what_is_released() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    bench.append(0..20);
    let end = bench.shared.status().end;
    vfs.leave_space(0);
    bench.append([20]);
    assert!(!bench.acknowledged().contains_key(&20));
    release(&bench.shared, end).expect("segments make place for the mark");
    bench.append([21]);
    assert!(bench.acknowledged().contains_key(&21), "{:?}", bench.shared.status());
}

#[test]
fn readers_that_fail_stay_or_skip() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    let appended = work(&mut bench);
    let mut reader = bench.reader(Position::START);
    vfs.fail_at(1, 2, EIO);
    let failed = reader.next().expect_err("the file can't be opened");
    assert!(matches!(failed, ReadLogError::Io { offset: FIRST_FRAME, .. }), "{failed}");
    assert!(matches!(reader.next(), Err(ReadLogError::Io { .. })), "nothing is passed over");
    let (first, bytes) = reader.next().expect("the disk is well").expect("a record");
    assert_eq!((first.segment, id_of(&bytes)), (1, 0));
    assert!(reader.skip_segment());
    let (next, _) = reader.next().expect("the disk is well").expect("a record");
    assert_eq!(next, Position { segment: 2, offset: FIRST_FRAME });
    while reader.skip_segment() {}
    let rest = read_all(reader);
    assert_eq!(rest.last().map(|&(_, id)| id), Some(appended - 1), "the last one is not skipped");
}
