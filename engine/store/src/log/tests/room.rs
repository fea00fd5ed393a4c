//! The log is full, and what was released makes room again.

use super::{super::release::release, *};

/// No larger than one segment.
const TIGHT: LogOptions = LogOptions { max_bytes: SMALL.segment_bytes, ..SMALL };

impl Bench {
    fn answer(&self, id: u32) -> Result<Position, AppendError> {
        lock(&self.answers).get(&id).expect("answered").clone()
    }

    /// Appends records one by one until the log is full; says which one was refused.
    fn fill(&mut self, first: u32) -> u32 {
        for id in first..first + 1000 {
            self.append([id]);
            match self.answer(id) {
                Ok(_) => {}
                Err(AppendError::Full { .. }) => return id,
                Err(error) => panic!("{id}: {error}"),
            }
        }
        panic!("the log is never full");
    }

    fn release_all(&self) {
        release(&self.shared, self.shared.status().end).expect("released");
    }
}

#[test]
fn a_full_log_takes_records_again_once_all_is_released() {
    for window in [Some(Duration::ZERO), None] {
        for max_bytes in [TIGHT.max_bytes, TIGHT.max_bytes + 100, 2 * TIGHT.max_bytes] {
            let options = LogOptions { window, max_bytes, ..TIGHT };
            let vfs = Simulated::default();
            let mut bench = Bench::open(&vfs, options).expect("the log opens");
            let mut next = 0;
            for _ in 0..5 {
                let refused = bench.fill(next);
                assert!(refused > next, "{max_bytes}: there was room");
                bench.committer.tick(clock::now());
                bench.release_all();
                next = refused + 1;
                // As long as the one that was refused.
                let again = next + (9 - next % 9) % 9 + refused % 9;
                bench.append([again]);
                bench.answer(again).unwrap_or_else(|error| panic!("{max_bytes}: {error}"));
                next = again + 1;
                assert!(bench.shared.status().bytes <= max_bytes + FIRST_FRAME);
            }
            let kept = bench.reader(Position::START);
            bench.committer.tick(clock::now());
            let kept = read_all(kept);
            bench.close();
            vfs.power_cut(Cut::Drop);
            let bench = Bench::open(&vfs, options).expect("the log opens");
            assert_eq!(bench.recovery.notes, [""; 0]);
            assert_eq!(bench.recovery.quarantined, []);
            let last = bench.ids().last().copied();
            assert_eq!(last, kept.last().map(|&(_, id)| id), "what is not released is there");
        }
    }
}

#[test]
fn a_full_log_keeps_what_is_not_released() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, TIGHT).expect("the log opens");
    let refused = bench.fill(0);
    // All but the last record.
    let last = bench.acknowledged()[&(refused - 1)];
    release(&bench.shared, last).expect("released");
    bench.append([refused + 9]);
    assert!(matches!(bench.answer(refused + 9), Err(AppendError::Full { .. })));
    bench.close();
    vfs.power_cut(Cut::Drop);
    let bench = Bench::open(&vfs, TIGHT).expect("the log opens");
    assert_eq!(bench.ids(), [refused - 1]);
}

#[test]
fn a_full_log_that_was_released_has_room_after_it_is_opened_again() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, TIGHT).expect("the log opens");
    let refused = bench.fill(0);
    bench.release_all();
    bench.close();
    vfs.power_cut(Cut::Drop);
    // Nobody has anything new to release.
    let mut bench = Bench::open(&vfs, TIGHT).expect("the log opens");
    assert_eq!(bench.ids(), [0; 0]);
    bench.append([refused]);
    bench.answer(refused).expect("there is room");
}

#[test]
fn a_segment_given_up_after_its_release_makes_room() {
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, TIGHT).expect("the log opens");
    let refused = bench.fill(0);
    bench.release_all();
    // A short record fits, were it not for the disk.
    vfs.fail_at(1, 1, super::super::vfs::simulated::EIO);
    let short = refused + 9 - refused % 9;
    bench.append([short]);
    assert!(matches!(bench.answer(short), Err(AppendError::Failed { .. })), "{refused}");
    bench.append([refused + 18]);
    bench.answer(refused + 18).expect("there is room");
}

#[test]
fn a_record_longer_than_the_log_is_too_large_for_ever() {
    let options = LogOptions { max_bytes: SMALL.segment_bytes, max_record: 100_000, ..SMALL };
    let vfs = Simulated::default();
    let mut bench = Bench::open(&vfs, options).expect("the log opens");
    let answers = Arc::new(Mutex::new(Vec::new()));
    // A segment has 4000 bytes for frames: two heads, one of them the mark's, and a body.
    for length in [3960, 3961, 5000] {
        let record = Record { header: Vec::new(), payload: Bytes::from(vec![7; length]) };
        let answers = Arc::clone(&answers);
        bench.shared.queued_records.fetch_add(1, Ordering::Relaxed);
        bench.shared.queued_bytes.fetch_add(record.bytes(), Ordering::Relaxed);
        let pending = Pending {
            body_crc: frame::body_crc(&record.header, &record.payload),
            record,
            done: Box::new(move |answer| lock(&answers).push(answer)),
        };
        bench.committer.commit(VecDeque::from([pending]), clock::now());
    }
    let answers = lock(&answers);
    assert!(answers[0].is_ok(), "{answers:?}");
    for (answer, length) in answers[1..].iter().zip([3961, 5000]) {
        let error = answer.as_ref().expect_err("refused");
        assert!(!error.is_retryable(), "{error}");
        assert!(
            matches!(error, AppendError::TooLarge { bytes, max: 3960 } if *bytes == length),
            "{error}"
        );
    }
}
