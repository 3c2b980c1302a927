//! What a streamer must be able to send again. Numbered frames in, what is not acknowledged yet out.

mod dropped;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;

use self::dropped::DroppedRanges;

/// What becomes of a frame for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Overflow {
    /// The oldest frames give way: the end of an outage is kept.
    #[default]
    DropOldest,
    /// The new frame is dropped: the beginning of an outage is kept.
    DropNewest,
    /// The new frame is given back: its sender decides.
    Refuse,
}

/// How much [`UnackedFrames`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnackedLimits {
    /// The most bytes that the frames may have together, by what [`UnackedFrames::push`] is told.
    pub max_bytes: usize,
    /// The most time that may lie between the oldest frame and a new one.
    pub max_age: Duration,
    /// What becomes of a frame for which there is no room.
    pub overflow: Overflow,
}

impl Default for UnackedLimits {
    /// 64 MiB, ten minutes: as long as a server waits for its streamer to come back.
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_age: Duration::from_secs(600), overflow: Overflow::default() }
    }
}

/// Something that the other side has not settled yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unacked<'a, T> {
    /// A frame, to be sent again.
    Frame {
        /// Its number.
        number: u64,
        /// What was pushed.
        frame: &'a T,
    },
    /// Numbers that will never come; the other side is to be told, so that it waits for none of them.
    Dropped {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
}

/// The frames that a streamer has sent, or has yet to send, and that are not acknowledged.
///
/// It has no clock and no connection: `now`, the time since any origin of the caller's own monotonic clock, is an argument.
///
/// # Guarantees
///
/// - A frame stays until [`Self::ack`] covers its number or it is dropped. Each drop is returned as a range of numbers, counted
///   in [`Self::dropped`], and part of [`Self::from`] until it is acknowledged, so that it can be told on every new connection.
/// - A range has no number that was never pushed; only where more than 1,024 ranges come about, neighbours are joined over the
///   numbers between them that were never pushed either.
/// - Frames that were pushed and not refused = [`Self::acked`] + [`Self::dropped`] + [`Self::len`], always.
/// - Memory is bounded by [`UnackedLimits`]. A frame larger than all of it is dropped whatever is kept, or refused.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use posesession_core::{Unacked, UnackedFrames, UnackedLimits};
///
/// let limits = UnackedLimits { max_bytes: 300, ..UnackedLimits::default() };
/// let mut unacked = UnackedFrames::new(limits);
/// for number in 0..5 {
///     unacked.push(Duration::from_millis(33 * number), number, 100, format!("frame {number}"))?;
/// }
/// assert_eq!(unacked.dropped(), 2, "there is room for three");
///
/// // A new connection: the server has stored frame 2, so it is told what won't come, and sent the rest.
/// unacked.ack(Some(2));
/// let resent: Vec<u64> = unacked.from(0).filter_map(|kept| match kept {
///     Unacked::Frame { number, .. } => Some(number),
///     Unacked::Dropped { .. } => None,
/// }).collect();
/// assert_eq!(resent, [3, 4]);
/// # Ok::<(), posesession_core::PushError<String>>(())
/// ```
pub struct UnackedFrames<T> {
    limits: UnackedLimits,
    frames: VecDeque<Kept<T>>,
    ranges: DroppedRanges,
    bytes: usize,
    acked_through: Option<u64>,
    newest: Option<u64>,
    acked: u64,
    dropped: u64,
}

struct Kept<T> {
    number: u64,
    bytes: usize,
    pushed_at: Duration,
    frame: T,
}

impl<T> UnackedFrames<T> {
    /// Makes an empty one.
    #[must_use]
    pub fn new(limits: UnackedLimits) -> Self {
        Self {
            limits,
            frames: VecDeque::new(),
            ranges: DroppedRanges::default(),
            bytes: 0,
            acked_through: None,
            newest: None,
            acked: 0,
            dropped: 0,
        }
    }

    /// Takes a frame of so many bytes. Returns the numbers that gave way for it, or its own if it is the one that does: nothing
    /// most of the time.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] if there is no room and the policy is [`Overflow::Refuse`]; [`PushError::NotRising`] for a number that
    /// is not above all earlier ones and all acknowledged ones. Nothing has changed then, and the frame comes back.
    pub fn push(
        &mut self,
        now: Duration,
        number: u64,
        bytes: usize,
        frame: T,
    ) -> Result<Vec<RangeInclusive<u64>>, PushError<T>> {
        if let Some(highest) = self.newest.max(self.acked_through)
            && number <= highest
        {
            return Err(PushError::NotRising { frame, number, highest });
        }
        let has_room = self.has_room(now, bytes);
        if !has_room && self.limits.overflow == Overflow::Refuse {
            return Err(PushError::Full { frame, kept: self.frames.len(), bytes: self.bytes });
        }
        self.newest = Some(number);
        let mut gone = Vec::new();
        let never_fits = bytes > self.limits.max_bytes;
        if !has_room && (never_fits || self.limits.overflow == Overflow::DropNewest) {
            self.note_dropped(number, &mut gone);
            return Ok(gone);
        }
        while !self.has_room(now, bytes)
            && let Some(oldest) = self.frames.pop_front()
        {
            self.bytes -= oldest.bytes;
            self.note_dropped(oldest.number, &mut gone);
        }
        self.bytes += bytes;
        self.frames.push_back(Kept { number, bytes, pushed_at: now, frame });
        Ok(gone)
    }

    /// Returns whether a frame of so many bytes fits without another giving way.
    #[must_use]
    pub fn has_room(&self, now: Duration, bytes: usize) -> bool {
        let fits = self.bytes.checked_add(bytes).is_some_and(|bytes| bytes <= self.limits.max_bytes);
        fits && self.age(now) <= self.limits.max_age
    }

    fn note_dropped(&mut self, number: u64, gone: &mut Vec<RangeInclusive<u64>>) {
        self.dropped += 1;
        // What stands between two drops is acknowledged, dropped, never pushed, or a frame that is still kept.
        let kept_below = self.frames.partition_point(|kept| kept.number < number);
        let nearest_kept = kept_below.checked_sub(1).map(|below| self.frames[below].number);
        self.ranges.add(number, nearest_kept);
        match gone.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(number) => *last = *last.start()..=number,
            _ => gone.push(number..=number),
        }
    }

    /// Forgets everything up to a number: it is durable, or settled otherwise. Returns how many frames that were. A lower number
    /// than before, or none, changes nothing.
    pub fn ack(&mut self, through: Option<u64>) -> usize {
        let Some(through) = through else { return 0 };
        if self.acked_through.is_some_and(|before| through <= before) {
            return 0;
        }
        self.acked_through = Some(through);
        self.ranges.forget_through(through);
        let settled = self.frames.partition_point(|kept| kept.number <= through);
        self.bytes -= self.frames.drain(..settled).map(|kept| kept.bytes).sum::<usize>();
        self.acked += settled as u64;
        settled
    }

    /// Returns all numbers that are not acknowledged, those of frames and those of drops, as few ranges.
    pub fn unsettled(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        let mut items = self.from(0).map(|item| match item {
            Unacked::Frame { number, .. } => (number, number),
            Unacked::Dropped { first, last } => (first, last),
        });
        let mut next = items.next();
        std::iter::from_fn(move || {
            let (first, mut last) = next.take()?;
            next = items.next();
            while let Some((_, end)) = next.filter(|&(begin, _)| last.checked_add(1) == Some(begin)) {
                last = end;
                next = items.next();
            }
            Some(first..=last)
        })
    }

    /// Drops everything that is kept: the other side takes no more. Returns all numbers that were not acknowledged, those
    /// dropped before included.
    pub fn give_up(&mut self) -> Vec<RangeInclusive<u64>> {
        let unsettled = self.unsettled().collect();
        self.dropped += self.frames.len() as u64;
        self.frames.clear();
        self.ranges = DroppedRanges::default();
        self.bytes = 0;
        unsettled
    }

    /// Starts a new numbering: everything kept counts as acknowledged, and the next frame may have any number. For frames that
    /// nobody will acknowledge, such as those of a stream that is not recorded.
    pub fn restart(&mut self) {
        self.acked += self.frames.len() as u64;
        self.frames.clear();
        self.ranges = DroppedRanges::default();
        self.bytes = 0;
        self.acked_through = None;
        self.newest = None;
    }

    /// Returns what is not settled from a number on, in the order of the numbers: what a new connection is sent.
    pub fn from(&self, number: u64) -> impl Iterator<Item = Unacked<'_, T>> {
        let first = self.frames.partition_point(|kept| kept.number < number);
        let mut frames = self.frames.range(first..).peekable();
        let mut ranges = self.ranges.from(number).peekable();
        std::iter::from_fn(move || {
            let frame_is_next = match (frames.peek(), ranges.peek()) {
                (Some(kept), Some(range)) => kept.number < range.0,
                (Some(_), None) => true,
                (None, _) => false,
            };
            if frame_is_next {
                return frames.next().map(|kept| Unacked::Frame { number: kept.number, frame: &kept.frame });
            }
            ranges.next().map(|(first, last)| Unacked::Dropped { first, last })
        })
    }

    /// Returns how many frames are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns whether no frame is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns whether nothing is left to be settled: neither a frame nor a dropped range.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.frames.is_empty() && self.ranges.is_empty()
    }

    /// Returns how many bytes the kept frames have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how long the oldest frame has been waiting; zero if there is none.
    #[must_use]
    pub fn age(&self, now: Duration) -> Duration {
        self.frames.front().map_or(Duration::ZERO, |kept| now.saturating_sub(kept.pushed_at))
    }

    /// Returns the number up to which everything is settled.
    #[must_use]
    pub fn acked_through(&self) -> Option<u64> {
        self.acked_through
    }

    /// Returns the highest number that was pushed.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Returns how many frames were acknowledged.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Returns how many frames were dropped. Those that had been sent before may be stored all the same.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl<T> fmt::Debug for UnackedFrames<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnackedFrames")
            .field("frames", &self.frames.len())
            .field("bytes", &self.bytes)
            .field("acked_through", &self.acked_through)
            .field("newest", &self.newest)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// Why a frame is not kept. It comes back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError<T> {
    /// There is no room for it, and nothing may give way.
    #[error(
        "{kept} frames of {bytes} bytes wait to be acknowledged: wait for some, or let frames be dropped"
    )]
    Full {
        /// The frame.
        frame: T,
        /// How many frames are kept.
        kept: usize,
        /// How many bytes they have.
        bytes: usize,
    },
    /// Its number is not above the earlier ones.
    #[error("frame {number} comes after frame {highest}: numbers rise")]
    NotRising {
        /// The frame.
        frame: T,
        /// Its number.
        number: u64,
        /// The highest number that was pushed or acknowledged.
        highest: u64,
    },
}

impl<T> PushError<T> {
    /// Returns the frame.
    #[must_use]
    pub fn into_frame(self) -> T {
        match self {
            Self::Full { frame, .. } | Self::NotRising { frame, .. } => frame,
        }
    }
}
