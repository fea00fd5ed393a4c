//! The log with its thread: order, groups, ends.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
};

use super::{
    super::{Log, vfs::simulated::EIO},
    *,
};

fn open(vfs: &Simulated, options: LogOptions) -> Log {
    Log::open(Arc::new(vfs.clone()), &folder(), options, &mut |_, _| {}).expect("it opens").0
}

type Answer = (u32, Result<Position, AppendError>);

fn append(log: &Log, id: u32, to: &mpsc::Sender<Answer>) {
    let to = to.clone();
    log.append(record(id), Box::new(move |answer| to.send((id, answer)).expect("heard")));
}

#[test]
fn answers_come_once_in_order_and_in_groups() {
    let vfs = Simulated::default();
    let options =
        LogOptions { window: Some(Duration::from_millis(50)), segment_bytes: 1 << 20, ..SMALL };
    let log = open(&vfs, options);
    let (to, answers) = mpsc::channel();
    for id in 0..500 {
        append(&log, id, &to);
    }
    let mut last = Position::START;
    for id in 0..500 {
        let (answered, position) = answers.recv_timeout(PATIENCE).expect("answered");
        let position = position.expect("acknowledged");
        assert_eq!(answered, id);
        assert!(position > last);
        last = position;
    }
    let status = log.close();
    assert_eq!(status.figures.appends, 500);
    assert!(status.figures.syncs < 100, "a group has one sync: {:?}", status.figures);
    assert_eq!((status.queued_records, status.queued_bytes), (0, 0));
    assert_eq!(status.end, status.synced);
}

#[test]
fn a_lone_record_does_not_wait_for_a_window_to_pass() {
    let options = LogOptions { window: Some(Duration::from_secs(3600)), ..SMALL };
    let log = open(&Simulated::default(), options);
    let (to, answers) = mpsc::channel();
    append(&log, 0, &to);
    answers.recv_timeout(PATIENCE).expect("answered").1.expect("acknowledged");
    // The next one waits for others, until the log is closed.
    append(&log, 1, &to);
    assert_eq!(answers.try_recv().err(), Some(mpsc::TryRecvError::Empty));
    assert_eq!(log.status().queued_records, 1);
    drop(log);
    answers.try_recv().expect("answered before the end").1.expect("acknowledged");
}

#[test]
fn much_does_not_wait_for_a_window_to_pass() {
    let options = LogOptions {
        window: Some(Duration::from_secs(3600)),
        max_bytes: 1 << 30,
        max_record: 1 << 30,
        ..LogOptions::STANDARD
    };
    let log = open(&Simulated::default(), options);
    let (to, answers) = mpsc::channel();
    append(&log, 0, &to);
    answers.recv_timeout(PATIENCE).expect("answered").1.expect("acknowledged");
    for _ in 0..2 {
        let large = Record { header: Vec::new(), payload: Bytes::from(vec![1; 5 << 20]) };
        let to = to.clone();
        log.append(large, Box::new(move |answer| to.send((9, answer)).expect("heard")));
    }
    for _ in 0..2 {
        answers.recv_timeout(PATIENCE).expect("answered").1.expect("acknowledged");
    }
}

#[test]
fn a_closed_log_refuses_and_says_so_here() {
    let log = open(&Simulated::default(), SMALL);
    let other = log.clone();
    let (to, answers) = mpsc::channel();
    append(&log, 0, &to);
    log.close();
    answers.try_recv().expect("answered before the end").1.expect("acknowledged");
    append(&other, 1, &to);
    let (_, refused) = answers.try_recv().expect("answered at once");
    assert!(matches!(refused, Err(AppendError::Closed)));
    let mut reader = other.reader(Position::START);
    let (_, bytes) = reader.next().expect("readable").expect("a record");
    assert_eq!(id_of(&bytes), 0);
}

#[test]
fn records_that_do_not_fit_are_refused_in_their_turn() {
    let options = LogOptions { max_record: 2000, max_bytes: 4 * FIRST_FRAME, ..SMALL };
    let log = open(&Simulated::default(), options);
    let (to, answers) = mpsc::channel();
    // Number 6 has 2500 bytes, and 16 of 1500 do not fit.
    let ids: Vec<u32> = [0, 6, 1].into_iter().chain((0..16).map(|i| 4 + 9 * i)).collect();
    for &id in &ids {
        append(&log, id, &to);
    }
    let mut full = 0;
    for &id in &ids {
        let (answered, answer) = answers.recv_timeout(PATIENCE).expect("answered");
        assert_eq!(answered, id);
        match answer {
            Ok(_) => assert_eq!(full, 0),
            Err(AppendError::TooLarge { bytes: 2504, max: 2000 }) => assert_eq!(id, 6),
            Err(AppendError::Full { max_bytes, .. }) => {
                assert_eq!(max_bytes, 4 * FIRST_FRAME);
                full += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(full > 0);
    assert_eq!(log.status().failing, None, "a full log is not a failing one");

    log.release(log.status().end).expect("released");
    append(&log, 1, &to);
    answers.recv_timeout(PATIENCE).expect("answered").1.expect("there is place again");
}

#[test]
fn without_a_window_records_are_acknowledged_first_and_synced_later() {
    let vfs = Simulated::default();
    let options = LogOptions { window: None, background_sync: Duration::from_millis(200), ..SMALL };
    let log = open(&vfs, options);
    let (to, answers) = mpsc::channel();
    append(&log, 1, &to);
    answers.recv_timeout(PATIENCE).expect("answered").1.expect("acknowledged");
    let mut reader = log.reader(Position::START);
    until(|| log.status().synced == log.status().end);
    // Counted a moment after.
    until(|| log.status().figures.syncs == 1);
    assert!(reader.next().expect("readable").is_some());
}

#[test]
fn a_failing_disk_is_reported_and_tried_again_without_being_asked() {
    let vfs = Simulated::default();
    let options = LogOptions { retry_pause: Duration::from_millis(20), ..SMALL };
    let log = open(&vfs, options);
    let (to, answers) = mpsc::channel();
    append(&log, 0, &to);
    answers.recv_timeout(PATIENCE).expect("answered").1.expect("acknowledged");
    vfs.fail_at(1, 20, EIO);
    append(&log, 1, &to);
    let (_, refused) = answers.recv_timeout(PATIENCE).expect("answered");
    let refused = refused.expect_err("refused");
    assert!(refused.is_retryable() && refused.to_string().contains("os error 5"), "{refused}");
    let failing = log.status().failing;
    assert!(failing.is_none_or(|why| why.contains(".log")));
    until(|| log.status().failing.is_none());
    append(&log, 2, &to);
    answers.recv_timeout(PATIENCE).expect("answered").1.expect("acknowledged again");
}

#[test]
fn a_panic_in_a_callback_is_counted_and_no_more() {
    let log = open(&Simulated::default(), SMALL);
    log.append(record(0), Box::new(|_| panic!("this is a test")));
    let (to, answers) = mpsc::channel();
    append(&log, 1, &to);
    answers.recv_timeout(PATIENCE).expect("answered").1.expect("acknowledged");
    let figures = log.close().figures;
    assert_eq!((figures.panics, figures.appends), (1, 2));
}

#[test]
fn the_last_handle_may_go_in_a_callback() {
    let vfs = Simulated::default();
    let log = open(&vfs, SMALL);
    let (to, answers) = mpsc::channel();
    let inside = log.clone();
    log.append(
        record(0),
        Box::new(move |answer| {
            drop(inside);
            to.send((0, answer)).expect("heard");
        }),
    );
    drop(log);
    let answer = answers.recv_timeout(PATIENCE);
    answer.expect("answered").1.expect("acknowledged");
}

#[test]
fn each_of_two_that_close_at_once_waits_for_the_end() {
    let log = open(&Simulated::default(), SMALL);
    let (open_gate, gate) = mpsc::channel::<()>();
    log.append(record(0), Box::new(move |_| gate.recv().expect("opened")));
    let (to, answers) = mpsc::channel();
    append(&log, 1, &to);
    let closing: Vec<_> =
        [log.clone(), log].map(|log| on_a_thread(move || log.close())).into_iter().collect();
    for _ in 0..20_000 {
        assert!(!closing.iter().any(JoinHandle::is_finished), "records still wait");
        thread::yield_now();
    }
    open_gate.send(()).expect("awaited");
    for closed in closing {
        let status = closed.join().expect("no panic");
        assert_eq!((status.queued_records, status.figures.appends), (0, 2), "{status:?}");
    }
    answers.try_recv().expect("answered").1.expect("acknowledged");
}

#[test]
fn a_callback_may_close_while_another_does() {
    let log = open(&Simulated::default(), SMALL);
    let (other, third) = (log.clone(), log.clone());
    let (entered, inside) = mpsc::channel();
    let (open_gate, gate) = mpsc::channel::<()>();
    log.append(
        record(0),
        Box::new(move |_| {
            entered.send(()).expect("heard");
            gate.recv().expect("opened");
            third.close();
        }),
    );
    inside.recv_timeout(PATIENCE).expect("it is answered for");
    let closing = on_a_thread(move || other.close());
    until(|| lock(&log.0.shared.queue).closing);
    open_gate.send(()).expect("awaited");
    assert_eq!(closing.join().expect("no panic").figures.appends, 1);
}

#[test]
fn a_disk_that_takes_nothing_is_reported_from_the_beginning() {
    let vfs = Simulated::default();
    vfs.leave_space(0);
    let options = LogOptions { retry_pause: Duration::from_secs(3600), ..SMALL };
    let log = open(&vfs, options);
    let failing = log.status().failing.expect("no segment can be made");
    assert!(failing.contains("os error 28"), "{failing}");
    assert_eq!(log.close().figures.failures, 2, "at the beginning and at the end");
}

#[test]
fn readers_follow_and_outlive_releases() {
    let vfs = Simulated::default();
    let log = open(&vfs, LogOptions { window: Some(Duration::from_millis(1)), ..SMALL });
    let follower = {
        let mut reader = log.reader(Position::START);
        let log = log.clone();
        on_a_thread(move || {
            let mut next = 0;
            while next < 300 {
                match reader.next().expect("readable") {
                    None => thread::yield_now(),
                    Some((_, bytes)) => {
                        assert_eq!(id_of(&bytes), next, "each record once, in order");
                        next += 1;
                        if next % 50 == 0 {
                            log.release(reader.position()).expect("released");
                        }
                    }
                }
            }
            reader.position()
        })
    };
    let (to, answers) = mpsc::channel();
    for id in 0..300 {
        append(&log, id, &to);
        answers.recv_timeout(PATIENCE).expect("answered").1.expect("acknowledged");
    }
    let position = follower.join().expect("no panic");
    assert_eq!(position, log.status().synced);
    log.release(position).expect("released");
    let status = log.status();
    assert_eq!((status.segments, status.oldest), (1, position));
    drop(log);
    vfs.power_cut(Cut::Drop);
    let mut replayed = 0;
    let (log, recovery) =
        Log::open(Arc::new(vfs), &folder(), SMALL, &mut |_, _| replayed += 1).expect("it opens");
    assert_eq!((replayed, recovery.notes.len()), (0, 0), "released: {recovery:?}");
    assert_eq!(answers.recv_timeout(Duration::ZERO).err(), Some(RecvTimeoutError::Timeout));
    drop(log);
}
