//! How the streamer's clock and session time run beside each other. The timeline's stretches out.

use super::Recorder;
use crate::time::Timestamp;

/// A stretch of a session in which the streamer's clock and session time run alike: between two pauses or clock jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStretch {
    /// How many stretches came before it.
    pub number: u64,
    /// When its first frame stands by the streamer's clock.
    pub streamer: Timestamp,
    /// When its first frame stands in session time.
    pub session: Timestamp,
    /// How much longer the streamer's clock took from the session's first frame to this one than session time, in
    /// microseconds: the length of the pauses and jumps before. What a clock that was set back took can't be known; it counts
    /// as what session time took.
    pub drift_micros: i64,
}

impl Recorder {
    /// Returns the latest stretches in which the streamer's clock and session time ran alike, in their order; at most 32.
    pub fn clock_stretches(&self) -> impl Iterator<Item = ClockStretch> {
        self.assembly.timeline.stretches()
    }

    /// Returns the stretch that a moment of the streamer's clock belongs to. One between two stretches belongs to the later
    /// one, one before all to the first. None as long as no frame stands at the moment or after it.
    #[must_use]
    pub fn clock_stretch_of(&self, at: Timestamp) -> Option<ClockStretch> {
        self.assembly.timeline.stretch_of(at)
    }
}
