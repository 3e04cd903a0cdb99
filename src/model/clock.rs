//! The one place that reads the wall clock, so that tests can fix it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, UTC.
pub type UnixNanos = i64;

/// Where the present comes from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's wall clock.
    Wall,
    /// Always this instant: for tests and repeatable reports.
    Fixed(UnixNanos),
}

impl Clock {
    /// The present, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn now(self) -> UnixNanos {
        match self {
            Self::Fixed(at) => at,
            Self::Wall => wall_now(),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the clock is the one reader of the wall clock")]
fn wall_now() -> UnixNanos {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
