//! The disk fails, or takes its time, while the log is opened.

use super::{
    super::{release::release, released, vfs::simulated::EIO},
    *,
};

/// Three segments with records, closed.
fn closed() -> (Simulated, BTreeMap<u32, Position>) {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
    for first in (0..15).step_by(3) {
        bench.append(first..first + 3);
    }
    let records = bench.acknowledged();
    bench.close();
    vfs.power_cut(Cut::Drop);
    (vfs, records)
}

#[test]
fn a_mark_that_cannot_be_read_costs_no_record_later() {
    let (vfs, _) = closed();
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    release(&bench.shared, bench.shared.status().end).expect("released");
    bench.close();
    vfs.kill();
    // The mark alone is left: the numbers of new segments follow from it.
    for name in vfs.names(&folder()).iter().filter(|name| name.ends_with(".log")) {
        vfs.take(&folder().join(name));
    }
    let mut refused = 0;
    for n in 1.. {
        let vfs = vfs.fork();
        vfs.fail_at(n, 1, EIO);
        match Bench::open(&vfs, SMALL) {
            Ok(mut bench) => {
                let reached = vfs.operations() >= n;
                vfs.heal();
                bench.append([100]);
                bench.append([101]);
                let acknowledged = bench.acknowledged();
                assert!(acknowledged.contains_key(&101), "{n}");
                drop(bench);
                vfs.kill();
                let bench = Bench::open(&vfs, SMALL).expect("the log opens");
                check_replay(&bench.replayed, &acknowledged, 102, &n);
                if !reached {
                    break;
                }
            }
            Err(OpenLogError::Mark { file, .. }) => {
                assert_eq!(file, folder().join(released::FILE));
                refused += 1;
            }
            Err(OpenLogError::Folder { .. }) => {}
            Err(error) => panic!("{n}: {error}"),
        }
    }
    assert!(refused >= 2, "opening it and reading it: {refused}");
}

#[test]
fn a_segment_that_cannot_be_read_is_not_lost_when_later_ones_are_released() {
    let (vfs, records) = closed();
    let mut unread = 0;
    for n in 1.. {
        let vfs = vfs.fork();
        vfs.fail_at(n, 1, EIO);
        let Ok(mut bench) = Bench::open(&vfs, SMALL) else { continue };
        let reached = vfs.operations() >= n;
        vfs.heal();
        bench.append([15]);
        bench.append([16]);
        assert!(bench.acknowledged().contains_key(&16), "{n}");
        let missed: Vec<u64> = {
            let seen = bench.ids();
            let missed = records.iter().filter(|(id, _)| !seen.contains(id));
            missed.map(|(_, position)| position.segment).collect()
        };
        let told = &bench.recovery.quarantined;
        for number in &missed {
            assert!(told.iter().any(|damage| damage.segment == *number), "{n}: {told:?}");
        }
        release(&bench.shared, bench.shared.status().end).expect("released");
        bench.close();
        vfs.kill();
        let bench = Bench::open(&vfs, SMALL).expect("the log opens");
        assert_eq!(bench.ids(), [0; 0], "{n}");
        let kept = vfs.names(&folder().join("quarantine"));
        for number in missed {
            let name = file_name(number).display().to_string();
            assert!(kept.contains(&name), "{n}: segment {number} was never read: {kept:?}");
            unread += 1;
        }
        if !reached {
            break;
        }
    }
    assert!(unread > 3, "{unread}");
}

#[test]
fn the_last_segment_is_replayed_later_if_it_cannot_be_read_now() {
    let (vfs, records) = closed();
    let mut unread = 0;
    for n in 1.. {
        let vfs = vfs.fork();
        vfs.fail_at(n, 1, EIO);
        let Ok(mut bench) = Bench::open(&vfs, SMALL) else { continue };
        let reached = vfs.operations() >= n;
        vfs.heal();
        bench.append([15]);
        bench.append([16]);
        unread += u32::from(!bench.ids().contains(&14));
        let mut all = records.clone();
        all.extend(bench.acknowledged());
        bench.close();
        vfs.power_cut(Cut::Drop);
        let bench = Bench::open(&vfs, SMALL).expect("the log opens");
        check_replay(&bench.replayed, &all, 17, &n);
        assert_eq!(bench.recovery.quarantined, [], "{n}");
        if !reached {
            break;
        }
    }
    assert!(unread >= 3, "opening it, its size, its header: {unread}");
}

#[test]
fn a_signal_is_no_failure() {
    let (vfs, records) = closed();
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    release(&bench.shared, records[&2]).expect("released");
    bench.close();
    vfs.kill();
    vfs.interrupt_reads();
    let bench = Bench::open(&vfs, SMALL).expect("the log opens");
    assert_eq!(bench.ids(), (2..15).collect::<Vec<_>>());
    assert_eq!(bench.recovery.notes, [""; 0]);
    assert_eq!(bench.recovery.quarantined, []);
}

#[test]
fn an_empty_segment_that_cannot_be_removed_is_not_missed_later() {
    let mut stayed = 0;
    // The write, what follows it, and how many of these fail.
    for count in 1..8 {
        let vfs = Simulated::default();
        let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
        bench.append(0..12);
        bench.close();
        vfs.kill();
        // The live segment is empty.
        let mut bench = Bench::open(&vfs, SMALL).expect("the log opens");
        let before = bench.ids();
        let empty = bench.shared.status().segments;
        vfs.fail_at(1, count, EIO);
        bench.append([12]);
        vfs.heal();
        bench.append([13]);
        bench.append([14]);
        let mut expected = before;
        expected.extend(bench.acknowledged().keys());
        assert!(expected.ends_with(&[14]), "{count}");
        stayed += u32::from(bench.shared.status().segments > empty);
        bench.close();
        for reopened in 0..3 {
            vfs.power_cut(Cut::Drop);
            let bench = Bench::open(&vfs, SMALL).expect("the log opens");
            assert_eq!(bench.ids(), expected, "{count} {reopened}");
            assert_eq!(bench.recovery.notes, [""; 0], "{count} {reopened}");
            assert_eq!(bench.recovery.quarantined, [], "{count} {reopened}");
            assert_eq!(bench.recovery.truncated_tail, None, "{count} {reopened}");
            bench.close();
        }
    }
    assert!(stayed > 0, "one could not be removed");
}

#[test]
fn numbers_that_are_no_segments_are_refused() {
    let vfs = Simulated::default();
    for first_segment in [u64::MAX / 2 - 1, u64::MAX / 2, u64::MAX] {
        let options = LogOptions { first_segment, ..SMALL };
        let Err(error) = Bench::open(&vfs, options) else { panic!("{first_segment}: opened") };
        assert!(matches!(error, OpenLogError::HighSegments { .. }), "{error}");
        assert!(error.to_string().contains(&first_segment.to_string()), "{error}");
    }
    let options = LogOptions { first_segment: u64::MAX / 4, ..SMALL };
    let mut bench = Bench::open(&vfs, options).expect("the log opens");
    bench.append(0..20);
    bench.close();
    vfs.kill();
    let bench = Bench::open(&vfs, options).expect("the log opens");
    assert_eq!(bench.ids(), (0..20).collect::<Vec<_>>());
}
