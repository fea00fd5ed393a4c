//! The log on a file system that forgets, lies, fills up and breaks.
//!
//! What is tested without the log's thread is the same from run to run.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;

use super::{
    AppendError, LogOptions, OpenLogError, Position, Prepared, Reader, Record, Recovery, clock,
    commit::Committer,
    frame, prepare,
    segment::{FIRST_FRAME, file_name},
    shared::{Pending, Shared, lock},
    vfs::{
        Vfs,
        simulated::{Cut, Simulated},
    },
};

mod cool;
mod crash;
mod damage;
mod disk;
mod faults;
mod model;
mod opening;
mod room;
mod writer;

/// Segments with room for a few records, no pause after failures.
const SMALL: LogOptions = LogOptions {
    segment_bytes: FIRST_FRAME + 4000,
    window: Some(Duration::ZERO),
    background_sync: Duration::ZERO,
    max_bytes: 1 << 20,
    max_record: 100_000,
    retry_pause: Duration::ZERO,
    read_soon: true,
    first_segment: 1,
};

/// Longer than any test may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "callers of the log have threads of their own")]
fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(work)
}

/// Waits for what the log's thread will do sooner or later.
fn until(condition: impl Fn() -> bool) {
    let begin = clock::now();
    while !condition() {
        assert!(clock::now() - begin < PATIENCE, "it never came");
        std::thread::yield_now();
    }
}

fn folder() -> PathBuf {
    PathBuf::from("log")
}

fn segment_path(number: u64) -> PathBuf {
    folder().join(file_name(number))
}

/// The record of that number: its number, and bytes that follow from it.
fn record(id: u32) -> Record {
    let length = [0, 7, 100, 700, 1500, 40, 2500, 0, 3][id as usize % 9];
    Record { header: id.to_le_bytes().to_vec(), payload: Bytes::from(filling(id, length)) }
}

fn filling(id: u32, length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (id.wrapping_mul(31).wrapping_add(i * 7) >> 2) as u8).collect()
}

/// The number of a record, which has to be whole.
fn id_of(bytes: &[u8]) -> u32 {
    let id = u32::from_le_bytes(*bytes.first_chunk().expect("four bytes"));
    let expected = record(id);
    assert_eq!(&bytes[4..], &expected.payload[..], "record {id} is not what was appended");
    id
}

/// What each record was answered with.
type Answers = Arc<Mutex<BTreeMap<u32, Result<Position, AppendError>>>>;

/// A log without its thread.
struct Bench {
    shared: Arc<Shared>,
    committer: Committer,
    _held: super::vfs::Lock,
    recovery: Recovery,
    /// What was replayed.
    replayed: Vec<(Position, u32)>,
    answers: Answers,
}

impl Bench {
    fn open(vfs: &Simulated, options: LogOptions) -> Result<Self, OpenLogError> {
        let mut replayed = Vec::new();
        let mut replay = |position, bytes: &[u8]| replayed.push((position, id_of(bytes)));
        let vfs: Arc<dyn Vfs> = Arc::new(vfs.clone());
        let Prepared { shared, committer, held, recovery } =
            prepare(vfs, &folder(), options, &mut replay)?;
        let answers = Answers::default();
        Ok(Self { shared, committer, _held: held, recovery, replayed, answers })
    }

    /// Appends records in one go.
    fn append(&mut self, ids: impl IntoIterator<Item = u32>) {
        let batch: VecDeque<Pending> = ids
            .into_iter()
            .map(|id| {
                let record = record(id);
                let answers = Arc::clone(&self.answers);
                self.shared.queued_records.fetch_add(1, Ordering::Relaxed);
                self.shared.queued_bytes.fetch_add(record.bytes(), Ordering::Relaxed);
                Pending {
                    body_crc: frame::body_crc(&record.header, &record.payload),
                    record,
                    done: Box::new(move |answer| {
                        let before = lock(&answers).insert(id, answer);
                        assert!(before.is_none(), "record {id} was answered for twice");
                    }),
                }
            })
            .collect();
        self.committer.commit(batch, clock::now());
    }

    fn acknowledged(&self) -> BTreeMap<u32, Position> {
        let answers = lock(&self.answers);
        answers.iter().filter_map(|(&id, answer)| Some((id, *answer.as_ref().ok()?))).collect()
    }

    fn reader(&self, from: Position) -> Reader {
        Reader::new(Arc::clone(&self.shared), from)
    }

    fn ids(&self) -> Vec<u32> {
        self.replayed.iter().map(|&(_, id)| id).collect()
    }

    fn close(mut self) {
        self.committer.finish();
    }
}

/// All that a reader gives.
fn read_all(mut reader: Reader) -> Vec<(Position, u32)> {
    let mut all = Vec::new();
    while let Some((position, bytes)) = reader.next().expect("nothing is damaged") {
        all.push((position, id_of(&bytes)));
    }
    all
}

/// Replayed are all acknowledged records, in their places, in order, and nothing that was never
/// appended.
fn check_replay(
    replayed: &[(Position, u32)],
    acknowledged: &BTreeMap<u32, Position>,
    appended: u32,
    context: &dyn std::fmt::Debug,
) {
    for pair in replayed.windows(2) {
        assert!(pair[0].0 < pair[1].0, "positions are in order, {context:?}: {pair:?}");
        assert!(pair[0].1 < pair[1].1, "records are in order, {context:?}: {pair:?}");
    }
    let places: BTreeMap<u32, Position> = replayed.iter().map(|&(p, id)| (id, p)).collect();
    for (id, position) in acknowledged {
        assert_eq!(places.get(id), Some(position), "record {id} was acknowledged, {context:?}");
    }
    if let Some((id, _)) = places.last_key_value() {
        assert!(*id < appended, "record {id} was never appended, {context:?}");
    }
}

const TEARS: [Cut; 10] = {
    let mut cuts = [Cut::Drop; 10];
    cuts[1] = Cut::Keep;
    let mut i = 2;
    while i < cuts.len() {
        cuts[i] = Cut::Tear { sector: if i % 2 == 0 { 512 } else { 4096 }, seed: 77 * i as u64 };
        i += 1;
    }
    cuts
};
