//! `[store]`: what is kept on disk, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::keys::{Keys, Section};
use super::size::{GIB, MIB, TIB};
use super::value::{Count, Flag, Folder, Size, Time, TimeOrNone};

/// The log of requests and the segments of spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Store {
    /// The folder that holds all data; it is made if it is not there.
    pub(crate) folder: PathBuf,
    /// Acknowledge once the log is synced, at most this long after the first request of a group.
    /// `None`: acknowledge once it is written, and sync in the background.
    pub(crate) sync: Option<Duration>,
    /// Bytes of a file of the log.
    pub(crate) log_segment: u64,
    /// Most bytes of the log before requests are refused.
    pub(crate) log_max: u64,
    /// True: seal spans into Parquet segments.
    pub(crate) parquet: bool,
    /// Seal a segment when it holds so many spans ...
    pub(crate) segment_spans: u64,
    /// ... or is so old, whichever comes first.
    pub(crate) segment_age: Duration,
    /// Seal a span so long after it came: by then most log records that speak of it came too.
    pub(crate) seal_after: Duration,
    /// Delete segments older than this.
    pub(crate) retain_age: Duration,
    /// Delete the oldest segments beyond so many bytes.
    pub(crate) retain_bytes: u64,
    /// Stop acknowledging when the disk has less than so many bytes left.
    pub(crate) free_space: u64,
}

impl Store {
    pub(super) fn standard() -> Self {
        Self {
            folder: PathBuf::from("resus-data"),
            sync: Some(Duration::from_millis(10)),
            log_segment: 64 * MIB,
            log_max: 8 * GIB,
            parquet: true,
            segment_spans: 1_000_000,
            segment_age: Duration::from_mins(5),
            seal_after: Duration::from_secs(10),
            retain_age: Duration::from_hours(7 * 24),
            retain_bytes: 20 * GIB,
            free_space: 512 * MIB,
        }
    }
}

impl Section for Store {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self {
            folder,
            sync,
            log_segment,
            log_max,
            parquet,
            segment_spans,
            segment_age,
            seal_after,
            retain_age,
            retain_bytes,
            free_space,
        } = self;
        let (second, day) = (Duration::from_secs(1), Duration::from_hours(24));
        keys.key("folder", &mut Folder(folder));
        keys.key("sync", &mut TimeOrNone(sync, Duration::from_millis(1)..=second));
        keys.key("log_segment", &mut Size(log_segment, MIB..=4 * GIB));
        keys.key("log_max", &mut Size(log_max, 2 * MIB..=100 * TIB));
        keys.key("parquet", &mut Flag(parquet));
        keys.key("segment_spans", &mut Count(segment_spans, 1_000..=100_000_000));
        keys.key("segment_age", &mut Time(segment_age, second..=day));
        let instant = Duration::from_millis(10);
        keys.key("seal_after", &mut Time(seal_after, instant..=Duration::from_hours(1)));
        keys.key("retain_age", &mut Time(retain_age, Duration::from_mins(1)..=day * 365));
        keys.key("retain_bytes", &mut Size(retain_bytes, 16 * MIB..=100 * TIB));
        keys.key("free_space", &mut Size(free_space, MIB..=TIB));
    }
}
