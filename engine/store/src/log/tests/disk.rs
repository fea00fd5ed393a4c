//! The log on the disk of this machine.

use std::{fs, sync::mpsc};

use super::{
    super::{Log, vfs::Disk},
    *,
};

fn open(folder: &std::path::Path) -> (Log, Vec<Vec<u8>>, Recovery) {
    let mut replayed = Vec::new();
    let options = LogOptions { segment_bytes: 1 << 20, ..LogOptions::STANDARD };
    let (log, recovery) = Log::open(Arc::new(Disk), folder, options, &mut |_, bytes| {
        replayed.push(bytes.to_vec());
    })
    .expect("it opens");
    (log, replayed, recovery)
}

#[test]
fn what_many_append_is_there_after_a_drop() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("made/for/it");
    let (log, replayed, _) = open(&folder);
    assert!(replayed.is_empty());
    let writers: Vec<_> = (0..8_u32)
        .map(|writer| {
            let log = log.clone();
            on_a_thread(move || {
                let (to, answers) = mpsc::channel();
                for n in 0..25_u32 {
                    let to = to.clone();
                    let header = (writer * 1000 + n).to_le_bytes().to_vec();
                    let payload = Bytes::from(filling(writer, 10_000 * n as usize / 3));
                    log.append(
                        Record { header, payload },
                        Box::new(move |answer| to.send(answer).expect("heard")),
                    );
                    let answer = answers.recv_timeout(PATIENCE).expect("answered");
                    answer.expect("acknowledged");
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    let mut reader = log.reader(Position::START);
    let mut read = Vec::new();
    while let Some((_, bytes)) = reader.next().expect("readable") {
        read.push(bytes.to_vec());
    }
    let status = log.status();
    assert_eq!(status.figures.appends, 200);
    assert!(status.segments > 5, "{status:?}");
    assert_eq!(status.figures.syncs, status.figures.sync_nanos.total());
    // No close.
    drop(log);
    let (log, replayed, recovery) = open(&folder);
    assert_eq!(replayed, read);
    let mut ids: Vec<&[u8]> = replayed.iter().map(|bytes| &bytes[..4]).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 200, "each record once");
    assert_eq!(recovery.records, 200);
    assert_eq!(recovery.bytes, replayed.iter().map(|bytes| bytes.len() as u64).sum::<u64>());
    assert!(recovery.notes.is_empty() && recovery.quarantined.is_empty(), "{recovery:?}");
    assert_eq!(recovery.truncated_tail, None);
    log.close();
}

#[test]
fn records_without_bytes_are_records() {
    let place = tempfile::tempdir().expect("a folder");
    let (log, ..) = open(place.path());
    let (to, answers) = mpsc::channel();
    for _ in 0..3 {
        let to = to.clone();
        log.append(Record::default(), Box::new(move |answer| to.send(answer).expect("heard")));
        answers.recv_timeout(PATIENCE).expect("answered").expect("acknowledged");
    }
    log.close();
    let (_, replayed, recovery) = open(place.path());
    assert_eq!(replayed, [b""; 3]);
    assert_eq!(recovery.bytes, 0);
}

#[test]
fn a_folder_has_one_log() {
    let place = tempfile::tempdir().expect("a folder");
    let (log, ..) = open(place.path());
    let again = Log::open(Arc::new(Disk), place.path(), LogOptions::STANDARD, &mut |_, _| {});
    let error = again.expect_err("in use");
    assert!(matches!(error, OpenLogError::InUse { .. }), "{error}");
    log.close();
    let _ = open(place.path());
}

#[test]
fn a_record_longer_than_a_segment_has_one_of_its_own() {
    let place = tempfile::tempdir().expect("a folder");
    let (log, ..) = open(place.path());
    let (to, answers) = mpsc::channel();
    for length in [10, 3 << 20, 10] {
        let to = to.clone();
        let payload = Bytes::from(filling(length as u32, length));
        let record = Record { header: b"h".to_vec(), payload };
        log.append(record, Box::new(move |answer| to.send(answer).expect("heard")));
    }
    let segments: Vec<u64> = (0..3)
        .map(|_| answers.recv_timeout(PATIENCE).expect("answered").expect("acknowledged").segment)
        .collect();
    assert_eq!(segments, [1, 2, 3]);
    log.close();
    let (_, replayed, _) = open(place.path());
    assert_eq!(replayed.iter().map(Vec::len).collect::<Vec<_>>(), [11, (3 << 20) + 1, 11]);
}

#[test]
fn options_without_sense_and_folders_that_are_files_are_refused() {
    let place = tempfile::tempdir().expect("a folder");
    let open = |folder: &std::path::Path, options| {
        Log::open(Arc::new(Disk), folder, options, &mut |_, _| {}).expect_err("refused").to_string()
    };
    let small = LogOptions { segment_bytes: 100, ..LogOptions::STANDARD };
    assert!(open(place.path(), small).contains("at least 4136"));
    let small = LogOptions { max_bytes: 1 << 20, ..LogOptions::STANDARD };
    assert!(open(place.path(), small).contains("a segment alone has 67108864"));
    let file = place.path().join("file");
    fs::write(&file, b"").expect("written");
    assert!(open(&file, LogOptions::STANDARD).contains("make it"));
}
