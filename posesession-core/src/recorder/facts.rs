//! What a recorder tells of its recording while it goes on.

use super::Recorder;
use crate::quality_report::QualityReport;
use crate::session::SessionStatus;
use crate::skeleton::Skeleton;
use crate::time::Timestamp;

impl Recorder {
    /// Returns where the recording stands.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        self.status
    }

    /// Returns the session's skeleton, if it is known.
    #[must_use]
    pub fn skeleton(&self) -> Option<&Skeleton> {
        self.skeleton.as_ref()
    }

    /// Returns how many frames the session has, including those in batches still to come.
    #[must_use]
    pub fn frame_count(&self) -> u64 {
        self.assembly.frame_count()
    }

    /// Returns when the last frame stands in session time, zero before the first.
    #[must_use]
    pub fn duration(&self) -> Timestamp {
        self.assembly.timeline.last().unwrap_or(Timestamp::ZERO)
    }

    /// Maps a moment of the streamer's clock to session time, as [`Self::mark`] does.
    #[must_use]
    pub fn session_time_of(&self, at: Timestamp) -> Timestamp {
        self.assembly.timeline.session_time_of(at)
    }

    /// Returns the frame rate of late, in frames per second, by the median of the last 64 intervals; 0 before the first.
    #[must_use]
    pub fn frame_rate(&self) -> f64 {
        self.assembly.timeline.median_micros().map_or(0.0, |micros| 1e6 / micros as f64)
    }

    /// Returns how many holes between frames there are, whatever their length.
    #[must_use]
    pub fn gap_count(&self) -> u64 {
        self.assembly.stats.gaps
    }

    /// Returns the publisher's number up to which every frame is stored or settled with the batches so far and those still
    /// to be polled. To be acknowledged is a stored batch's own [`Batch::settled_through`](crate::Batch::settled_through).
    #[must_use]
    pub fn settled_through(&self) -> Option<u64> {
        self.assembly.settled_through()
    }

    /// Returns how many bytes of frames wait: for lower numbers, for their chunk's end, to be polled.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.numbering.waiting_bytes() + self.assembly.bytes()
    }

    /// Returns what became of the frames so far.
    #[must_use]
    pub fn report(&self) -> QualityReport {
        self.assembly.stats.report()
    }
}
