//! What a log can be told, and what it is told of.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    frame::HEAD,
    segment::{FIRST_FRAME, HIGHEST_FIRST},
};

/// How a log behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment that has reached this many bytes gets no more records. A longer record gets a
    /// segment of its own.
    pub segment_bytes: u64,
    /// How long records gather for one sync; a lone record after a time of quiet is synced at once.
    /// An acknowledged record survives a power cut. `None`: a record is acknowledged when it is
    /// written and synced later (see `background_sync`); it survives the end of the process, and a
    /// power cut can take what came since the last sync.
    pub window: Option<Duration>,
    /// Without a window, the longest time between a write and its sync.
    pub background_sync: Duration,
    /// Records that would make the log larger than this are refused until some are released; two
    /// segments at least let it go on meanwhile. A record that is longer on its own is refused for
    /// good.
    pub max_bytes: u64,
    /// Whether records are read again soon after they were written. Otherwise the system is told not to
    /// hold what is durable in memory: a log grows by gigabytes, and would drive out what others
    /// on the machine use. Memory that is used again and again also costs less than new memory.
    pub read_soon: bool,
    /// Longer records (header and payload together) are refused. Those that are in the log are
    /// read, however long.
    pub max_record: u32,
    /// How long the log refuses records after a failure, before it tries a new segment.
    pub retry_pause: Duration,
    /// No new segment gets a lower number. Whoever keeps positions elsewhere passes one more than
    /// the highest segment that it knows, so that no position is given twice should the log's
    /// folder be lost. At most 2⁶² - 1.
    pub first_segment: u64,
}

impl LogOptions {
    /// What suits whoever has no reason for something else: segments of 64 MiB, a window of 10 ms,
    /// at most 4 GiB, records of 64 MiB and a header of at most 64 KiB.
    pub const STANDARD: Self = Self {
        segment_bytes: 64 << 20,
        window: Some(Duration::from_millis(10)),
        background_sync: Duration::from_millis(500),
        max_bytes: 4 << 30,
        read_soon: true,
        max_record: (64 << 20) + (64 << 10),
        retry_pause: Duration::from_secs(1),
        first_segment: 1,
    };

    /// Whether the options make sense.
    pub(super) fn check(&self) -> Result<(), OpenLogError> {
        let least = FIRST_FRAME + 2 * HEAD;
        if self.segment_bytes < least {
            return Err(OpenLogError::SmallSegments { found: self.segment_bytes, least });
        }
        if self.max_bytes < self.segment_bytes {
            return Err(OpenLogError::SmallLog {
                found: self.max_bytes,
                segment_bytes: self.segment_bytes,
            });
        }
        if self.first_segment > HIGHEST_FIRST {
            return Err(OpenLogError::HighSegments {
                found: self.first_segment,
                most: HIGHEST_FIRST,
            });
        }
        Ok(())
    }

    /// Bytes of the longest record that is taken: one that an empty log has room for, with the mark
    /// behind it.
    pub(super) fn longest_record(&self) -> u32 {
        let room = self.max_bytes.saturating_sub(FIRST_FRAME + 2 * HEAD);
        u32::try_from(room).unwrap_or(u32::MAX).min(self.max_record)
    }
}

/// A place in a log. Later records have greater ones; none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u64,
    /// Offset in its file, in bytes.
    pub offset: u64,
}

impl Position {
    /// Before every record.
    pub const START: Self = Self { segment: 0, offset: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} offset {}", self.segment, self.offset)
    }
}

/// What is appended: the log keeps header and payload as one run of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Comes first. Where it ends is for the user of the log to know.
    pub header: Vec<u8>,
    /// Comes after it, and is written from where it is.
    pub payload: Bytes,
}

impl Record {
    /// Bytes of both.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.header.len() as u64 + self.payload.len() as u64
    }
}

/// Why a record is not in the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The log is as large as it may be.
    #[error(
        "append a record of {record} bytes: the log has {bytes} of {max_bytes} bytes; \
         release segments or allow more"
    )]
    Full {
        /// Bytes of the record.
        record: u64,
        /// Bytes of all segments.
        bytes: u64,
        /// What they may be.
        max_bytes: u64,
    },
    /// The record is longer than the log takes.
    #[error("append a record of {bytes} bytes: at most {max} are taken")]
    TooLarge {
        /// Bytes of the record.
        bytes: u64,
        /// What they may be.
        max: u32,
    },
    /// The disk failed, or the segment did in which it would have been. The record may still
    /// turn up in a later replay.
    #[error("append a record: {reason}")]
    Failed {
        /// What failed, and what the system said.
        reason: Arc<str>,
    },
    /// The log was closed.
    #[error("append a record: the log is closed")]
    Closed,
}

impl AppendError {
    /// Whether the same record may be taken later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::TooLarge { .. })
    }
}

/// Why a log could not be opened. Damaged segments are no reason: see [`super::Recovery`].
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// Segments have to hold a record.
    #[error("open a log: segments of {found} bytes were asked for, at least {least} are needed")]
    SmallSegments {
        /// As asked for.
        found: u64,
        /// What is needed.
        least: u64,
    },
    /// The log has to hold a segment.
    #[error(
        "open a log: at most {found} bytes were allowed, a segment alone has {segment_bytes}; \
         allow more, or make segments smaller"
    )]
    SmallLog {
        /// Bytes allowed.
        found: u64,
        /// Bytes of a segment.
        segment_bytes: u64,
    },
    /// The numbers of segments end somewhere.
    #[error(
        "open a log: segments from number {found} on were asked for, at most {most} is possible; \
         give the number after the highest segment that is known"
    )]
    HighSegments {
        /// As asked for.
        found: u64,
        /// What is possible.
        most: u64,
    },
    /// There is no such folder and none can be made, or it can't be read.
    #[error("open the log in {}: {doing}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The disk can't read the mark up to which records are released. Going on without it could
    /// give a number a second time, and the mark, once it is readable again, would release what
    /// came under that number since.
    #[error(
        "open a log: read {}; try again, and if the disk has lost it for good, remove it: records \
         that were released are then replayed again",
        file.display()
    )]
    Mark {
        /// The file with the mark.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process, or another part of this one, has it open.
    #[error(
        "open the log in {}: it is in use; end the other process or choose another folder",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The log's thread can't be started.
    #[error("open the log in {}: start its thread", folder.display())]
    Thread {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
