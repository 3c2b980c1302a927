//! The only place of this crate that reads a clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// A monotonic clock with an origin of its own, and the wall clock's time at that origin.
///
/// It reads tokio's clock, so that tests can pause it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
    wall_origin: DateTime<Utc>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now(), wall_origin: Utc::now() }
    }

    /// The time since the origin; never goes back.
    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The moment on tokio's clock that is `time` after the origin, to sleep until.
    pub(crate) fn instant(&self, time: Duration) -> Instant {
        self.origin + time
    }

    /// The wall clock's time: monotonic since the origin, whatever the system's clock does.
    pub(crate) fn wall(&self) -> DateTime<Utc> {
        self.wall_origin + self.now()
    }

    /// The wall clock's time at `now`, in seconds since the Unix epoch.
    pub(crate) fn wall_secs_at(&self, now: Duration) -> f64 {
        (self.wall_origin + now).timestamp_micros() as f64 / 1e6
    }
}
