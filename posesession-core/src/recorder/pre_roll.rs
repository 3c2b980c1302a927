//! What came before a recording was asked for. Frames in, the latest of them out, with what is known of those between them.

use std::collections::VecDeque;
use std::time::Duration;

use super::config::IncomingFrame;

/// Something that came before a recording.
#[derive(Debug, Clone, PartialEq)]
pub enum Earlier {
    /// A frame, for [`Recorder::handle_frame`](super::Recorder::handle_frame).
    Frame(IncomingFrame),
    /// Numbers that won't come, for [`Recorder::drop_numbers`](super::Recorder::drop_numbers).
    Dropped {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// Why.
        cause: Box<str>,
    },
    /// A frame that the shell refused, for [`Recorder::refuse`](super::Recorder::refuse).
    Refused {
        /// Its number.
        number: Option<u64>,
        /// What its sender was told.
        code: &'static str,
    },
}

/// Keeps the latest frames of a stream that is not recorded, for a recording that starts some seconds before it is asked for, and what
/// is known of those that did not come.
///
/// Bounded by time and by bytes: the oldest give way. It has no clock; `now` is as for [`Recorder`](super::Recorder).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use posesession_core::{Earlier, IncomingFrame, PoseData, PreRoll, Timestamp};
///
/// let mut kept = PreRoll::new(Duration::from_secs(2), 1 << 20);
/// for n in 0..90 {
///     let now = Duration::from_millis(100 * n);
///     let timestamp = Timestamp::from_micros(100_000 * n as i64);
///     let frame = IncomingFrame { number: Some(n), timestamp, pose_data: PoseData::nobody(), image: None };
///     kept.push(now, Earlier::Frame(frame));
/// }
/// let frames = kept.take(Duration::from_millis(8_900), Duration::from_secs(1));
/// assert!(matches!(&frames[0], Earlier::Frame(frame) if frame.number == Some(79)));
/// assert_eq!(frames.len(), 11);
/// ```
#[derive(Debug, Default)]
pub struct PreRoll {
    max_age: Duration,
    max_bytes: usize,
    kept: VecDeque<(Duration, Earlier)>,
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

    /// Keeps what came; what is too old, or what there is no room for any more, goes.
    pub fn push(&mut self, now: Duration, came: Earlier) {
        self.bytes += came.weight();
        self.kept.push_back((now, came));
        self.give_way(self.max_bytes);
        while let Some((arrived, _)) = self.kept.front()
            && now.saturating_sub(*arrived) > self.max_age
        {
            self.forget_oldest();
        }
    }

    /// Lets the oldest go until at most `bytes` are kept.
    pub fn give_way(&mut self, bytes: usize) {
        while self.bytes > bytes && !self.kept.is_empty() {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.kept.pop_front() {
            self.bytes -= oldest.weight();
        }
    }

    /// Returns what came in the last `age`, in its order, and forgets all. A frame comes first: its number is the recording's first, and
    /// those below it are no part of it.
    #[must_use]
    pub fn take(&mut self, now: Duration, age: Duration) -> Vec<Earlier> {
        self.bytes = 0;
        let kept = std::mem::take(&mut self.kept).into_iter();
        let mut kept: Vec<Earlier> =
            kept.filter(|(arrived, _)| now.saturating_sub(*arrived) <= age).map(|(_, came)| came).collect();
        let first = kept.iter().enumerate().find_map(|(place, came)| match came {
            Earlier::Frame(frame) => Some((place, frame.number)),
            _ => None,
        });
        let Some((place, number)) = first else { return Vec::new() };
        kept[..=place].rotate_right(1);
        // Of refusals, only those count whose frames would have come after it. Dropped numbers below it the recorder knows.
        let mut at = 0..;
        kept.retain(|came| match (at.next(), came) {
            (_, Earlier::Refused { number: Some(refused), .. }) => {
                number.is_some_and(|first| *refused > first)
            }
            (at, Earlier::Refused { number: None, .. }) => at > Some(place),
            _ => true,
        });
        kept
    }

    /// Forgets everything: the frames to come are another publisher's, or have another skeleton.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }
}

impl Earlier {
    fn weight(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.weight(),
            Self::Dropped { cause, .. } => size_of::<(Duration, Self)>() + cause.len(),
            Self::Refused { .. } => size_of::<(Duration, Self)>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::PoseData;
    use crate::time::Timestamp;

    const SECOND: Duration = Duration::from_secs(1);

    fn frame(number: u64) -> Earlier {
        let pose_data = PoseData::one_person(vec![0.0; 60]);
        let timestamp = Timestamp::ZERO;
        Earlier::Frame(IncomingFrame { number: Some(number), timestamp, pose_data, image: None })
    }

    fn dropped(first: u64, last: u64) -> Earlier {
        Earlier::Dropped { first, last, cause: "overflow".into() }
    }

    fn refused(number: impl Into<Option<u64>>) -> Earlier {
        Earlier::Refused { number: number.into(), code: "non_finite" }
    }

    fn numbers(kept: &[Earlier]) -> Vec<u64> {
        let number = |came: &Earlier| match came {
            Earlier::Frame(frame) => frame.number,
            _ => None,
        };
        kept.iter().filter_map(number).collect()
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
    fn a_frame_comes_first_and_what_lies_before_it_is_nobodys() {
        let mut kept = PreRoll::new(60 * SECOND, 1 << 20);
        let came = [
            refused(None),
            refused(3),
            dropped(4, 9),
            refused(12),
            frame(10),
            refused(None),
            dropped(13, 14),
            frame(15),
        ];
        let after = [frame(10), dropped(4, 9), refused(12), refused(None), dropped(13, 14), frame(15)];
        for came in came.clone() {
            kept.push(SECOND, came);
        }
        assert_eq!(kept.take(SECOND, SECOND), after);
        for came in came.into_iter().filter(|came| !matches!(came, Earlier::Frame(_))) {
            kept.push(SECOND, came);
        }
        assert!(kept.take(SECOND, SECOND).is_empty(), "without a frame there is nothing to begin with");
        assert_eq!(kept.bytes(), 0);
    }

    #[test]
    fn what_is_told_without_frames_is_bounded_in_bytes_too() {
        let mut kept = PreRoll::new(60 * SECOND, 10_000);
        for n in 0..1_000 {
            kept.push(SECOND, dropped(n, n));
            kept.push(SECOND, refused(n));
            assert!(kept.bytes() <= 10_000);
        }
        assert!(kept.kept.len() < 1_000);
    }

    #[test]
    fn nothing_is_kept_longer_than_the_limit() {
        assert_eq!(PreRoll::new(Duration::MAX, 0).max_age(), PreRoll::MAX_AGE);
    }
}
