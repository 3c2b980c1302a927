//! What came before a recording was asked for. Frames in, the latest of them out.

use std::collections::VecDeque;
use std::time::Duration;

use super::config::IncomingFrame;

/// Keeps the latest frames of a stream that is not recorded, for a recording that starts some seconds before it is asked for.
///
/// Bounded by time and by bytes: the oldest frames give way. It has no clock; `now` is as for
/// [`Recorder`](super::Recorder).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use posesession_core::{IncomingFrame, PoseData, PreRoll, Timestamp};
///
/// let mut kept = PreRoll::new(Duration::from_secs(2), 1 << 20);
/// for n in 0..90 {
///     let now = Duration::from_millis(100 * n);
///     let timestamp = Timestamp::from_micros(100_000 * n as i64);
///     kept.push(now, IncomingFrame { number: Some(n), timestamp, pose_data: PoseData::nobody(), image: None });
/// }
/// let frames = kept.take(Duration::from_millis(8_900), Duration::from_secs(1));
/// assert_eq!(frames.first().and_then(|frame| frame.number), Some(79));
/// assert_eq!(frames.len(), 11);
/// ```
#[derive(Debug, Default)]
pub struct PreRoll {
    max_age: Duration,
    max_bytes: usize,
    frames: VecDeque<(Duration, IncomingFrame)>,
    bytes: usize,
}

impl PreRoll {
    /// The longest time that is kept.
    pub const MAX_AGE: Duration = Duration::from_secs(60);

    /// Makes an empty one that keeps frames for `max_age`, at most [`Self::MAX_AGE`], and as many as `max_bytes` have room for.
    #[must_use]
    pub fn new(max_age: Duration, max_bytes: usize) -> Self {
        Self { max_age: max_age.min(Self::MAX_AGE), max_bytes, ..Self::default() }
    }

    /// Returns how long frames are kept.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Returns about how many bytes are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a frame; those that are too old, or that there is no room for any more, go.
    pub fn push(&mut self, now: Duration, frame: IncomingFrame) {
        self.bytes += frame.weight();
        self.frames.push_back((now, frame));
        self.give_way(self.max_bytes);
        while let Some((arrived, _)) = self.frames.front()
            && now.saturating_sub(*arrived) > self.max_age
            && let Some((_, oldest)) = self.frames.pop_front()
        {
            self.bytes -= oldest.weight();
        }
    }

    /// Lets the oldest frames go until at most `bytes` are kept.
    pub fn give_way(&mut self, bytes: usize) {
        while self.bytes > bytes
            && let Some((_, oldest)) = self.frames.pop_front()
        {
            self.bytes -= oldest.weight();
        }
    }

    /// Returns the frames of the last `age`, and forgets all.
    #[must_use]
    pub fn take(&mut self, now: Duration, age: Duration) -> Vec<IncomingFrame> {
        self.bytes = 0;
        let frames = std::mem::take(&mut self.frames).into_iter();
        frames.filter(|(arrived, _)| now.saturating_sub(*arrived) <= age).map(|(_, frame)| frame).collect()
    }

    /// Forgets all frames: those to come are another publisher's, or have another skeleton.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::PoseData;
    use crate::time::Timestamp;

    const SECOND: Duration = Duration::from_secs(1);

    fn frame(number: u64) -> IncomingFrame {
        let pose_data = PoseData::one_person(vec![0.0; 60]);
        IncomingFrame { number: Some(number), timestamp: Timestamp::ZERO, pose_data, image: None }
    }

    fn numbers(frames: &[IncomingFrame]) -> Vec<u64> {
        frames.iter().filter_map(|frame| frame.number).collect()
    }

    #[test]
    fn old_frames_and_those_without_room_give_way() {
        let mut kept = PreRoll::new(3 * SECOND, 1 << 20);
        (0..10).for_each(|n| kept.push(SECOND * n, frame(n.into())));
        assert_eq!(numbers(&kept.take(9 * SECOND, 60 * SECOND)), [6, 7, 8, 9]);
        assert_eq!((kept.bytes(), kept.take(9 * SECOND, 60 * SECOND).len()), (0, 0), "all are forgotten");
        let mut kept = PreRoll::new(60 * SECOND, 3 * frame(0).weight());
        (0..10).for_each(|n| kept.push(SECOND * n, frame(n.into())));
        assert_eq!(kept.bytes(), 3 * frame(0).weight());
        assert_eq!(numbers(&kept.take(9 * SECOND, 60 * SECOND)), [7, 8, 9]);
    }

    #[test]
    fn a_frame_larger_than_all_the_room_is_not_kept() {
        let mut kept = PreRoll::new(60 * SECOND, 100);
        kept.push(SECOND, frame(0));
        assert_eq!(kept.bytes(), 0);
        assert!(kept.take(SECOND, 60 * SECOND).is_empty());
    }

    #[test]
    fn nothing_is_kept_longer_than_the_limit() {
        assert_eq!(PreRoll::new(Duration::MAX, 0).max_age(), PreRoll::MAX_AGE);
    }
}
