//! The power goes, or a call fails, at every operation.

use super::*;
use crate::log::vfs::simulated::{Cut, EIO, ENOSPC};

const CUTS: [Cut; 6] = [
    Cut::Drop,
    Cut::Keep,
    Cut::Tear { sector: 512, seed: 1 },
    Cut::Tear { sector: 512, seed: 2 },
    Cut::Tear { sector: 16, seed: 3 },
    Cut::Tear { sector: 1, seed: 4 },
];

/// Spans in the log, 3 a trace.
const SPANS: u64 = 9;
/// What goes into one segment.
const STEP: u64 = 3;

/// Seals all that is in the log and not sealed yet, as whoever starts does. `released`: how far the
/// log is gone.
fn work(segments: &mut Segments, released: &mut u64) -> Result<(), Box<dyn std::error::Error>> {
    loop {
        let from = segments.sealed_up_to().map_or(0, |position| position.offset);
        assert!(from >= *released, "sealed up to {from}, and the log begins at {released}");
        if from >= SPANS {
            return Ok(());
        }
        seal(segments, from..from + STEP)?;
        *released = segments.sealed_up_to().expect("sealed").offset;
    }
}

fn check_exactly_once(segments: &Segments, context: &dyn std::fmt::Debug) {
    let expected: BTreeMap<u64, usize> = (0..SPANS).map(|n| (n, 1)).collect();
    assert_eq!(sealed(segments, SPANS / 3), expected, "{context:?}");
}

/// Works until the power goes at the n-th operation; `None` when all was done before.
fn until_cut(n: u64) -> Option<(Simulated, u64)> {
    let vfs = Simulated::default();
    vfs.cut_at(n);
    let mut released = 0;
    if let Ok((mut segments, _)) = try_open(&vfs) {
        let done = work(&mut segments, &mut released);
        assert!(done.is_ok() || vfs.is_off(), "{n}: {done:?}");
    }
    vfs.is_off().then_some((vfs, released))
}

#[test]
fn every_span_is_sealed_exactly_once_wherever_the_power_goes() {
    let mut cuts = 0;
    for n in 1.. {
        let Some((vfs, released)) = until_cut(n) else { break };
        cuts = n;
        for cut in CUTS {
            let context = (n, cut);
            let (vfs, mut released) = (vfs.fork(), released);
            vfs.power_cut(cut);
            let (mut segments, opened) = open(&vfs);
            assert!(opened.quarantined.is_empty(), "{context:?}: {opened:?}");
            assert!(opened.missing.is_empty(), "{context:?}: {opened:?}");
            work(&mut segments, &mut released).expect("nothing is in the way");
            check_exactly_once(&segments, &context);
            drop(segments);
            vfs.power_cut(Cut::Drop);
            let (segments, opened) = open(&vfs);
            assert!(
                opened.notes.is_empty() && opened.missing.is_empty(),
                "{context:?}: {opened:?}"
            );
            check_exactly_once(&segments, &context);
        }
    }
    assert!(cuts > 30, "there was something to cut: {cuts}");
}

#[test]
fn the_power_may_go_again_while_the_folder_is_opened() {
    for n in (1..).step_by(5) {
        let Some((vfs, released)) = until_cut(n) else { break };
        for (first, second) in CUTS.into_iter().zip(CUTS.into_iter().rev()).step_by(2) {
            for m in 1.. {
                let (vfs, mut released) = (vfs.fork(), released);
                vfs.power_cut(first);
                vfs.cut_at(m);
                let opened = try_open(&vfs);
                let done = !vfs.is_off();
                drop(opened);
                vfs.power_cut(second);
                let (mut segments, opened) = open(&vfs);
                let context = (n, first, m, second);
                assert!(opened.quarantined.is_empty(), "{context:?}: {opened:?}");
                work(&mut segments, &mut released).expect("nothing is in the way");
                check_exactly_once(&segments, &context);
                if done {
                    break;
                }
            }
        }
    }
}

#[test]
fn calls_that_fail_cost_no_span_and_give_none_twice() {
    for error in [EIO, ENOSPC] {
        for count in [1, 3] {
            for n in 1.. {
                let vfs = Simulated::default();
                let (mut segments, _) = open(&vfs);
                let before = vfs.operations();
                vfs.fail_at(n, count, error);
                let mut released = 0;
                let mut failed = 0;
                while let Err(error) = work(&mut segments, &mut released) {
                    failed += 1;
                    assert!(failed <= count, "{n}: {error}");
                }
                let operations = vfs.operations() - before;
                vfs.heal();
                let context = (error, count, n);
                check_exactly_once(&segments, &context);
                drop(segments);
                vfs.power_cut(Cut::Drop);
                let (segments, opened) = open(&vfs);
                assert!(opened.missing.is_empty(), "{context:?}: {opened:?}");
                assert!(opened.quarantined.is_empty(), "{context:?}: {opened:?}");
                check_exactly_once(&segments, &context);
                if n > operations {
                    break;
                }
            }
        }
    }
}

#[test]
fn the_power_goes_after_a_failure() {
    for n in (1..50).step_by(3) {
        for m in (1..30).step_by(4) {
            let vfs = Simulated::default();
            let (mut segments, _) = open(&vfs);
            vfs.fail_at(n, 1, EIO);
            vfs.cut_at(n + m);
            let mut released = 0;
            for _ in 0..3 {
                let _ = work(&mut segments, &mut released);
            }
            drop(segments);
            let cut = CUTS[(n + m) as usize % CUTS.len()];
            vfs.power_cut(cut);
            let (mut segments, opened) = open(&vfs);
            let context = (n, m, cut);
            assert!(opened.missing.is_empty(), "{context:?}: {opened:?}");
            work(&mut segments, &mut released).expect("nothing is in the way");
            check_exactly_once(&segments, &context);
        }
    }
}

#[test]
fn retention_may_end_anywhere() {
    for n in 1.. {
        let vfs = Simulated::default();
        let (mut segments, _) = open(&vfs);
        work(&mut segments, &mut 0).expect("nothing is in the way");
        let last = segments.spans().segments().last().expect("segments").bytes;
        segments.options.retain_bytes = last;
        vfs.cut_at(n);
        let _ = segments.retain(0);
        let done = !vfs.is_off();
        drop(segments);
        for cut in CUTS {
            let vfs = vfs.fork();
            vfs.power_cut(cut);
            let (segments, opened) = open(&vfs);
            assert!(opened.quarantined.is_empty(), "{n} {cut:?}: {opened:?}");
            assert!(opened.missing.is_empty(), "{n} {cut:?}: {opened:?}");
            assert_eq!(segments.sealed_up_to(), Some(position(SPANS)), "{n} {cut:?}");
            let files = vfs.names(Path::new(FOLDER));
            let files = files.iter().filter(|name| name.ends_with(".parquet")).count();
            assert_eq!(
                segments.status().segments,
                files,
                "{n} {cut:?}: what does not count is gone"
            );
        }
        if done {
            break;
        }
    }
}
