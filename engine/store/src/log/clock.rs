//! The one place where the log looks at a clock: a group of records waits for time to pass, and a
//! segment is marked with the time of its making. No record's content depends on it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, to wait by.
#[expect(clippy::disallowed_methods, reason = "the window of a group of records is real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the salt of a segment, which nobody can foretell")]
pub(super) fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
