//! The one place where this crate reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

#[expect(
    clippy::disallowed_methods,
    reason = "Retry-After may be a date, and the time of the last success is told to people"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Nanoseconds since the Unix epoch; 0 for a time before it.
pub(crate) fn unix_nano(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
