//! The one place where the collector reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, nanoseconds since the Unix epoch; 0 on a machine whose clock stands before it.
#[expect(
    clippy::disallowed_methods,
    reason = "arrival times and live windows are wall-clock times"
)]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
