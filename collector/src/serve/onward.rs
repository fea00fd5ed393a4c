//! From the log to another collector: where the forwarder reads, and what of the log may go.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use resus_forward::{Outgoing, Source};
use resus_store::log::{Log, Position, ReadLogError, Reader, ReleaseLogError};

use super::record::Header;
use crate::output;

/// How often the cursor is written down. What it forgets in a crash is sent again.
const WRITTEN: Duration = Duration::from_secs(1);

/// Says when the endpoint begins to fail and when it takes requests again; never ends.
pub(crate) async fn tell(meter: resus_forward::Meter) {
    let mut failing = false;
    loop {
        tokio::time::sleep(WRITTEN).await;
        let stats = meter.read();
        let Some(failure) = stats.last_failure else { continue };
        let fails = Some(failure.unix_nano) > stats.last_success_unix_nano;
        if fails && !failing {
            output::say(&format!("resus: forward: failed to {}", failure.message));
        } else if failing && !fails {
            output::say("resus: forward: the endpoint takes requests again");
        }
        failing = fails;
    }
}

/// Releases the log as far as all are done with it who still need it.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    log: Log,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Sealed, or too old to matter.
    kept: Position,
    /// Forwarded; `None` where nothing is.
    forwarded: Option<Position>,
}

impl Release {
    /// `forwarded`: from where on requests are to be forwarded, if they are.
    pub(crate) fn new(log: Log, forwarded: Option<Position>) -> Self {
        let state = State { kept: Position::START, forwarded };
        Self { log, state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) const fn log(&self) -> &Log {
        &self.log
    }

    /// What comes before is kept elsewhere, or not needed.
    pub(crate) fn kept(&self, up_to: Position) -> Result<(), ReleaseLogError> {
        self.update(|state| state.kept = state.kept.max(up_to))
    }

    /// What comes before has been forwarded.
    fn forwarded(&self, up_to: Position) -> Result<(), ReleaseLogError> {
        self.update(|state| state.forwarded = state.forwarded.max(Some(up_to)))
    }

    fn update(&self, change: impl FnOnce(&mut State)) -> Result<(), ReleaseLogError> {
        let up_to = {
            let mut state = self.state.lock().expect("nobody panics with this lock held");
            change(&mut state);
            state.forwarded.map_or(state.kept, |forwarded| state.kept.min(forwarded))
        };
        self.log.release(up_to)
    }
}

/// The log as the forwarder reads it. The cursor lies in a file beside it.
pub(crate) struct Onward {
    reader: Reader,
    release: Release,
    cursor: PathBuf,
    written: Instant,
    /// Done, and not written down yet.
    unwritten: Option<Position>,
    /// Failures to read one after the other.
    failures: u32,
}

/// A segment that cannot be read so many times is given up.
const PATIENCE: u32 = 10;

impl Onward {
    pub(crate) fn new(release: Release, from: Position, cursor: PathBuf) -> Self {
        let reader = release.log().reader(from);
        Self { reader, release, cursor, written: Instant::now(), unwritten: None, failures: 0 }
    }

    /// Writes down what is done, and lets go of the log before it.
    fn write(&mut self) {
        let Some(up_to) = self.unwritten.take() else { return };
        self.written = Instant::now();
        let temporary = self.cursor.with_extension("tmp");
        let text = format!("{} {}\n", up_to.segment, up_to.offset);
        let written =
            fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &self.cursor));
        if let Err(error) = written {
            let path = self.cursor.display();
            output::say(&format!("resus: forward: failed to write {path}: {error}"));
            self.unwritten = Some(up_to);
            return;
        }
        if let Err(error) = self.release.forwarded(up_to) {
            output::say(&format!("resus: failed to {error}; it is tried again"));
        }
    }
}

impl Drop for Onward {
    fn drop(&mut self) {
        self.write();
    }
}

/// Reads a cursor; the beginning of the log where there is none that can be read.
pub(crate) fn read_cursor(path: &std::path::Path) -> Position {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(segment)), Some(Ok(offset))) => Position { segment, offset },
        _ => Position::START,
    }
}

impl Source for Onward {
    type Position = Position;
    type Error = ReadLogError;

    fn next(&mut self) -> Result<Option<(Position, Outgoing)>, ReadLogError> {
        if self.written.elapsed() >= WRITTEN {
            self.write();
        }
        loop {
            let record = match self.reader.next() {
                Ok(Some((_, record))) => record,
                Ok(None) => return Ok(None),
                // The next call goes on behind it; the sealer tells.
                Err(ReadLogError::Damaged { .. }) => continue,
                Err(error) => {
                    self.failures += 1;
                    if self.failures >= PATIENCE {
                        self.failures = 0;
                        self.reader.skip_segment();
                    }
                    return Err(error);
                }
            };
            self.failures = 0;
            let Ok((header, body)) = Header::split(&record) else { continue };
            // Other signals than those that go on are for the forwarder to pass over.
            let Some(signal) = header.signal else { continue };
            let outgoing = Outgoing {
                signal,
                encoding: header.encoding,
                compression: header.compression,
                body: record.slice_ref(body),
            };
            return Ok(Some((self.reader.position(), outgoing)));
        }
    }

    fn done(&mut self, up_to: Position) {
        self.unwritten = Some(up_to);
        if self.written.elapsed() >= WRITTEN {
            self.write();
        }
    }

    fn backlog(&self) -> u64 {
        let (status, at) = (self.release.log().status(), self.reader.position());
        let behind = status.synced.segment.saturating_sub(at.segment);
        if behind == 0 {
            return status.synced.offset.saturating_sub(at.offset);
        }
        // Whole segments between are taken to be of the mean size.
        let between = behind.saturating_mul(status.bytes / status.segments.max(1));
        (between + status.synced.offset).saturating_sub(at.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_that_cannot_be_read_is_the_beginning() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("forward.cursor");
        assert_eq!(read_cursor(&path), Position::START);
        fs::write(&path, "7 4096\n").expect("written");
        assert_eq!(read_cursor(&path), Position { segment: 7, offset: 4096 });
        fs::write(&path, "seven").expect("written");
        assert_eq!(read_cursor(&path), Position::START);
    }
}
