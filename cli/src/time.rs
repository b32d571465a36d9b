//! Times as they cross the network: seconds since 1970, with what is behind the point.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `time` in seconds.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// A time in seconds as date and time of day, to the millisecond: `2026-11-28T23:30:32.123Z`.
pub(crate) fn written(seconds: f64) -> String {
    let since = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}
