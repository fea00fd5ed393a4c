//! Writes records to segments and syncs them: all that the log's thread does, without the thread.
//!
//! The order is what makes it safe: write records, sync, write a mark, acknowledge. After a failed
//! write or sync nothing more is written to that segment. After a failed sync it is never synced
//! again: the system may have forgotten what it could not write, and then a sync that succeeds
//! proves nothing. After a failed write it is, if records were acknowledged without a sync: they
//! come before those of the next segment, and that may be durable first. The next segment says where
//! the acknowledged records of the abandoned one end.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use super::{
    AppendError, Position, clock,
    frame::{HEAD, Head, HeadBytes, Kind, Seal},
    release::remove_released,
    segment::{FIRST_FRAME, Header, file_name},
    shared::{Entry, Pending, Shared, lock},
    vfs::{self, VfsFile},
};

/// The segment that gets the records.
struct Live {
    file: Box<dyn VfsFile>,
    seal: Seal,
    /// Bytes written.
    written: u64,
    /// Where the acknowledged records end: durable ones where there is a window.
    acknowledged: u64,
    /// Nobody reads what is before soon, and the system was told so.
    cool: u64,
}

/// A hint for every page or two would cost more than it gives.
pub(super) const COOL: u64 = 1 << 18;

impl Live {
    fn number(&self) -> u64 {
        self.seal.segment
    }

    fn end(&self) -> Position {
        Position { segment: self.number(), offset: self.acknowledged }
    }
}

/// What the log's thread works with.
pub(super) struct Committer {
    shared: Arc<Shared>,
    live: Option<Live>,
    next_number: u64,
    /// Where the acknowledged records of the last segment before `live` end.
    previous: Option<Position>,
    /// After a failure: when to try a new segment.
    retry_at: Option<Instant>,
    /// Since when records are written and not synced; only without a window.
    unsynced_since: Option<Instant>,
    batch: VecDeque<Pending>,
    heads: Vec<HeadBytes>,
}

/// Why the front of a batch can't go into the live segment.
enum Limit {
    /// It has to be refused.
    Refuse(AppendError),
    /// It has to be refused, unless something that was released is still there.
    Full(AppendError),
    /// It needs a new segment.
    Roll,
}

/// What a segment is given up for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Write,
    Sync,
}

impl Committer {
    /// Makes no segment before [`Committer::tick`] or [`Committer::commit`].
    pub(super) fn new(shared: Arc<Shared>, next_number: u64, previous: Option<Position>) -> Self {
        Self {
            shared,
            live: None,
            next_number,
            previous,
            retry_at: None,
            unsynced_since: None,
            batch: VecDeque::new(),
            heads: Vec::new(),
        }
    }

    /// Whether records are refused at once.
    pub(super) fn is_failing(&self) -> bool {
        self.retry_at.is_some()
    }

    /// When [`Committer::tick`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let sync = self.unsynced_since.map(|since| since + self.shared.options.background_sync);
        self.retry_at.into_iter().chain(sync).min()
    }

    /// Does what time has come for: a new segment after a failure, a sync without a window.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.live.is_none() && self.retry_at.is_none_or(|at| now >= at) {
            self.open_segment();
        }
        let background = self.shared.options.background_sync;
        if self.unsynced_since.is_some_and(|since| now >= since + background) {
            self.sync_written();
        }
    }

    /// Writes, syncs and answers for records, in their order.
    pub(super) fn commit(&mut self, batch: VecDeque<Pending>, now: Instant) {
        self.batch = batch;
        self.tick(now);
        while !self.batch.is_empty() {
            if self.live.is_none() {
                self.refuse_all();
                return;
            }
            let (records, limit) = self.fitting();
            if records > 0 {
                self.write(records, now);
            }
            match limit {
                _ if self.live.is_none() => {}
                None => {}
                Some(Limit::Full(_)) if self.make_room() => {}
                Some(Limit::Refuse(error) | Limit::Full(error)) => self.answer_front(Err(error)),
                Some(Limit::Roll) => self.roll(),
            }
        }
    }

    /// Makes the last mark durable, or leaves a new segment that says where the one ends that was
    /// given up, so that damage found later is not taken for a torn write.
    pub(super) fn finish(&mut self) {
        if self.unsynced_since.is_some() {
            self.sync_written();
        }
        if self.live.is_none() {
            self.open_segment();
        }
        let Some(live) = &mut self.live else { return };
        if live.written > FIRST_FRAME
            && let Err(error) = live.file.sync_data()
        {
            self.abandon(Fault::Sync, &error);
        }
    }

    /// Refuses what is left, should the thread end before its time.
    pub(super) fn refuse_all(&mut self) {
        let reason = lock(&self.shared.health).failing.clone();
        let reason = reason.unwrap_or_else(|| Arc::from("the log's thread ended"));
        while !self.batch.is_empty() {
            self.answer_front(Err(AppendError::Failed { reason: Arc::clone(&reason) }));
        }
    }

    /// Refuses records that never were in a batch.
    pub(super) fn refuse(&mut self, records: VecDeque<Pending>) {
        self.batch = records;
        self.refuse_all();
    }

    /// How many records at the front go into the live segment, and what keeps the next one out.
    fn fitting(&self) -> (usize, Option<Limit>) {
        let options = &self.shared.options;
        let total = lock(&self.shared.segments).bytes();
        let written = self.live.as_ref().map_or(0, |live| live.written);
        let longest = options.longest_record();
        let mut added = 0;
        for (records, pending) in self.batch.iter().enumerate() {
            let bytes = pending.record.bytes();
            let frame = HEAD + bytes;
            let limit = if bytes > u64::from(longest) {
                Limit::Refuse(AppendError::TooLarge { bytes, max: longest })
            } else if total + added + frame > options.max_bytes {
                Limit::Full(AppendError::Full {
                    record: bytes,
                    bytes: total + added,
                    max_bytes: options.max_bytes,
                })
            } else if written + added + frame > options.segment_bytes
                && written + added > FIRST_FRAME
            {
                Limit::Roll
            } else {
                added += frame;
                continue;
            };
            return (records, Some(limit));
        }
        (self.batch.len(), None)
    }

    /// Writes the first records to the live segment, and syncs and answers as the options say.
    fn write(&mut self, records: usize, now: Instant) {
        let Some(live) = &mut self.live else { return };
        self.heads.clear();
        let mut offset = live.written;
        for pending in self.batch.iter().take(records) {
            // Longer records were refused: the length fits.
            let length = u32::try_from(pending.record.bytes()).unwrap_or(u32::MAX);
            let head = Head { kind: Kind::Record, length, body_crc: pending.body_crc };
            self.heads.push(head.encode(live.seal, offset));
            offset += head.frame_bytes();
        }
        let pieces = self.heads.iter().zip(&self.batch).flat_map(|(head, pending)| {
            [&head[..], &pending.record.header, &pending.record.payload]
        });
        let mut slices: Vec<IoSlice<'_>> =
            pieces.filter(|piece| !piece.is_empty()).map(IoSlice::new).collect();
        let written = vfs::append_all(&mut *live.file, &mut slices);
        drop(slices);
        if let Err(error) = written {
            self.abandon(Fault::Write, &error);
            return;
        }
        let first = live.written;
        live.written = offset;
        let marked = if self.shared.options.window.is_some() {
            match self.sync() {
                Ok(marked) => marked,
                Err(error) => {
                    self.abandon(Fault::Sync, &error);
                    return;
                }
            }
        } else {
            live.acknowledged = offset;
            let mut segments = lock(&self.shared.segments);
            segments.end = live.end();
            if let Some(entry) = segments.entries.get_mut(&live.number()) {
                entry.bytes = offset;
            }
            self.unsynced_since.get_or_insert(now);
            Ok(())
        };
        self.acknowledge(records, first);
        if let Err(error) = marked {
            self.abandon(Fault::Write, &error);
        }
        self.cool();
    }

    /// Tells the system what need not be held in memory.
    fn cool(&mut self) {
        if self.shared.options.read_soon {
            return;
        }
        let synced = lock(&self.shared.segments).synced;
        let Some(live) = self.live.as_mut().filter(|live| live.number() == synced.segment) else {
            return;
        };
        if synced.offset >= live.cool + COOL {
            live.file.cool(live.cool, synced.offset);
            live.cool = synced.offset;
        }
    }

    /// Syncs the live segment and marks it. An inner error is the mark's: the records are durable.
    fn sync(&mut self) -> io::Result<io::Result<()>> {
        self.sync_unmarked()?;
        let Some(live) = &mut self.live else { return Ok(Ok(())) };
        let mark = Head::MARK.encode(live.seal, live.written);
        let marked = vfs::append_all(&mut *live.file, &mut [IoSlice::new(&mark)]);
        if marked.is_ok() {
            live.written += HEAD;
            if let Some(entry) = lock(&self.shared.segments).entries.get_mut(&live.number()) {
                entry.bytes = live.written;
            }
        }
        Ok(marked)
    }

    /// Makes durable what is written to the live segment.
    fn sync_unmarked(&mut self) -> io::Result<()> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let begin = clock::now();
        live.file.sync_data()?;
        let took = clock::now().saturating_duration_since(begin);
        live.acknowledged = live.written;
        self.unsynced_since = None;
        {
            let mut segments = lock(&self.shared.segments);
            segments.end = live.end();
            segments.synced = live.end();
            if let Some(entry) = segments.entries.get_mut(&live.number()) {
                entry.end = live.acknowledged;
                entry.bytes = live.written;
            }
        }
        let mut health = lock(&self.shared.health);
        health.figures.syncs += 1;
        health.figures.sync_nanos.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Syncs what was acknowledged without a sync.
    fn sync_written(&mut self) {
        match self.sync() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.abandon(Fault::Write, &error),
            Err(error) => self.abandon(Fault::Sync, &error),
        }
    }

    /// Goes on in a new segment. All of the old one is durable first: that it has a successor means
    /// that damage in it is corruption.
    fn roll(&mut self) {
        if self.unsynced_since.is_some() {
            self.sync_written();
        }
        // A sync that failed has abandoned the segment.
        if let Some(live) = self.live.take() {
            self.leave(&live, live.written);
            self.open_segment();
        }
    }

    /// Lets go of what was released and is still there: the live segment, too, which no release
    /// removes. Says whether things are different now.
    fn make_room(&mut self) -> bool {
        let (before, released) = {
            let segments = lock(&self.shared.segments);
            (segments.bytes(), segments.released)
        };
        let unneeded = |live: &Live| live.acknowledged > FIRST_FRAME && live.end() <= released;
        if self.live.as_ref().is_some_and(unneeded) {
            self.roll();
            if self.live.is_none() {
                // The file of the old one is what remembers which numbers were given.
                return true;
            }
        }
        remove_released(&self.shared);
        lock(&self.shared.segments).bytes() < before
    }

    /// Gives the live segment up after a failure. What was not acknowledged is cut off; what was
    /// acknowledged is synced, if it is not yet and that can still be done.
    fn abandon(&mut self, fault: Fault, error: &io::Error) {
        let Some(live) = &self.live else { return };
        let (number, bytes) = (live.number(), self.cut_off(live));
        self.fail_in(number, fault, error);
        if fault == Fault::Write
            && self.unsynced_since.is_some()
            && let Err(error) = self.sync_unmarked()
        {
            self.fail_in(number, Fault::Sync, &error);
        }
        self.unsynced_since = None;
        let Some(live) = self.live.take() else { return };
        match bytes {
            Some(bytes) => self.leave(&live, bytes),
            None => drop(lock(&self.shared.segments).entries.remove(&number)),
        }
    }

    /// Cuts off what was not acknowledged, if the disk allows: it may need the space, and the next
    /// segment says where this one ends. Returns how long the file is; `None` when it held no record
    /// and is removed.
    fn cut_off(&self, live: &Live) -> Option<u64> {
        let path = self.shared.path(live.number());
        if live.acknowledged == FIRST_FRAME && self.shared.vfs.remove(&path).is_ok() {
            return None;
        }
        let cut = self.shared.vfs.truncate(&path, live.acknowledged);
        Some(if cut.is_ok() { live.acknowledged } else { live.written })
    }

    /// The segment gets no more records; its file has so many bytes.
    fn leave(&mut self, live: &Live, bytes: u64) {
        if let Some(entry) = lock(&self.shared.segments).entries.get_mut(&live.number()) {
            entry.live = false;
            entry.end = live.acknowledged;
            entry.bytes = bytes;
        }
        self.previous = Some(live.end());
    }

    /// Makes the next segment: whole under a temporary name first, so that a crash leaves none
    /// without a header.
    fn open_segment(&mut self) {
        let number = self.next_number;
        // Never the same number again, whatever a failure leaves behind.
        self.next_number += 1;
        let created_unix_nano = clock::unix_nanos();
        let header = Header { number, previous: self.previous, created_unix_nano };
        let path = self.shared.path(number);
        match vfs::write_whole(&*self.shared.vfs, &path, &header.encode()) {
            Err(error) => {
                // After a folder that can't be synced; most often there is nothing to remove.
                let _ = self.shared.vfs.remove(&path);
                self.fail(&format!("make {}: {error}", file_name(number).display()));
            }
            Ok(file) => {
                let live = Live {
                    file,
                    seal: header.seal(),
                    written: FIRST_FRAME,
                    acknowledged: FIRST_FRAME,
                    cool: 0,
                };
                let entry = Entry {
                    seal: live.seal,
                    end: FIRST_FRAME,
                    bytes: FIRST_FRAME,
                    live: true,
                    put_aside: false,
                };
                lock(&self.shared.segments).entries.insert(number, entry);
                self.live = Some(live);
                self.retry_at = None;
                lock(&self.shared.health).failing = None;
            }
        }
    }

    fn fail_in(&mut self, number: u64, fault: Fault, error: &io::Error) {
        let doing = match fault {
            Fault::Write => "write to",
            Fault::Sync => "sync",
        };
        self.fail(&format!("{doing} {}: {error}", file_name(number).display()));
    }

    fn fail(&mut self, reason: &str) {
        self.retry_at = Some(clock::now() + self.shared.options.retry_pause);
        let mut health = lock(&self.shared.health);
        health.failing = Some(Arc::from(reason));
        health.figures.failures += 1;
    }

    fn acknowledge(&mut self, records: usize, first: u64) {
        let Some(segment) = self.live.as_ref().map(Live::number) else { return };
        let mut offset = first;
        for _ in 0..records {
            let bytes = self.batch.front().map_or(0, |pending| pending.record.bytes());
            self.answer_front(Ok(Position { segment, offset }));
            offset += HEAD + bytes;
        }
    }

    /// Answers for the record at the front, which leaves the batch.
    fn answer_front(&mut self, answer: Result<Position, AppendError>) {
        let Some(Pending { record, done, .. }) = self.batch.pop_front() else { return };
        let bytes = record.bytes();
        drop(record);
        self.shared.queued_records.fetch_sub(1, Ordering::Relaxed);
        self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        {
            let figures = &mut lock(&self.shared.health).figures;
            if answer.is_ok() {
                figures.appends += 1;
                figures.append_bytes += bytes;
            } else {
                figures.refused += 1;
            }
        }
        // A panic in there concerns one record; the log has others to answer for.
        if catch_unwind(AssertUnwindSafe(|| done(answer))).is_err() {
            lock(&self.shared.health).figures.panics += 1;
        }
    }
}
