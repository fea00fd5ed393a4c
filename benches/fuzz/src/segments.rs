//! What a segment log makes of files that were changed behind its back.
//!
//! The input says what is appended and when the log is closed and opened again; then bytes of its
//! files are changed, cut, added or moved. However they look, the log opens, replays only what was
//! appended, in its order, takes another record, and has all of it when it is opened once more.

mod memory;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use resus_store::log::{Log, LogOptions, Record};

use memory::Memory;

const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 8192,
    window: Some(Duration::ZERO),
    retry_pause: Duration::ZERO,
    max_bytes: 1 << 20,
    max_record: 1 << 16,
    ..LogOptions::STANDARD
};

/// Reads the input piece by piece; zeros where there is none left.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    fn some(&mut self, most: usize) -> Vec<u8> {
        let length = self.number().min(most).min(self.0.len());
        let (some, rest) = self.0.split_at(length);
        self.0 = rest;
        some.to_vec()
    }
}

fn open(disk: &Memory) -> (Log, Vec<Vec<u8>>) {
    let (mut replayed, mut last) = (Vec::new(), None);
    let mut replay = |position, record: &[u8]| {
        assert!(last < Some(position), "positions go up");
        last = Some(position);
        replayed.push(record.to_vec());
    };
    let (log, _) = Log::open(Arc::new(disk.clone()), Path::new("log"), OPTIONS, &mut replay)
        .unwrap_or_else(|error| panic!("failed to {error}"));
    (log, replayed)
}

/// Appends; what was appended comes back through the channel, unless a full log has refused it.
fn append(log: &Log, header: Vec<u8>, payload: Vec<u8>, tell: &Sender<Vec<u8>>) {
    let whole = [&header[..], &payload].concat();
    let tell = tell.clone();
    let done = Box::new(move |answer: Result<_, _>| {
        if answer.is_ok() {
            let _ = tell.send(whole);
        }
    });
    log.append(Record { header, payload: Bytes::from(payload) }, done);
}

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let disk = Memory::default();
    let mut appended: Vec<Vec<u8>> = Vec::new();
    let (tell, told) = channel();
    let (mut log, _) = open(&disk);
    for number in 0..input.byte() % 24 {
        if input.byte().is_multiple_of(8) {
            // Every record has its answer then.
            log.close();
            appended.extend(told.try_iter());
            let (again, replayed) = open(&disk);
            assert_eq!(replayed, appended, "nothing was changed yet");
            log = again;
        }
        // Each record is one of its kind.
        let header = [&[number][..], &input.some(40)].concat();
        let fill = input.byte();
        let payload = vec![fill; input.number() % 3000];
        append(&log, header, payload, &tell);
    }
    log.close();
    appended.extend(told.try_iter());
    let changes = input.byte() % 6;
    for _ in 0..changes {
        change(&mut input, &disk);
    }

    let (log, replayed) = open(&disk);
    if changes == 0 {
        assert_eq!(replayed, appended);
    }
    let mut rest = appended.iter();
    for record in &replayed {
        assert!(rest.any(|known| known == record), "made up, or out of order");
    }
    let last = b"the last one".to_vec();
    append(&log, Vec::new(), last.clone(), &tell);
    log.close();
    assert_eq!(told.try_recv(), Ok(last.clone()), "the log goes on");
    let (log, mut again) = open(&disk);
    assert_eq!(again.pop(), Some(last));
    assert_eq!(again, replayed, "nothing more is lost or found");
    log.close();
}

/// Does something to a file.
fn change(input: &mut Input<'_>, disk: &Memory) {
    let names: Vec<PathBuf> = disk.names();
    let Some(name) = names.get(usize::from(input.byte()) % names.len().max(1)) else { return };
    let mut bytes = disk.read(name);
    let at = input.number() % (bytes.len() + 1);
    match input.byte() % 6 {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= input.byte().max(1);
            }
        }
        1 => bytes.truncate(at),
        2 => {
            let new = input.some(300);
            let end = (at + new.len()).min(bytes.len());
            bytes.splice(at..end, new);
        }
        3 => bytes.extend(input.some(300)),
        // A piece of it comes again.
        4 => {
            let end = (at + input.number()).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = input.number() % (bytes.len() + 1);
            bytes.splice(to..to, piece);
        }
        _ => {
            disk.forget(name);
            return;
        }
    }
    disk.write(name, bytes);
}
