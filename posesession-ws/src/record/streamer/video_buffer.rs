//! The pieces of a video file that the server has not stored yet. Pieces in, the same in order out, again after each break.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

#[derive(Debug, Default)]
pub(super) struct VideoBuffer {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// How many of the pieces the present connection has been sent.
    sent: usize,
    stored_bytes: u64,
    /// When the next piece may be sent: one was refused for a reason that passes.
    not_before: Option<Duration>,
    /// How often it was refused since anything was stored.
    refusals: u32,
}

/// How long a refused piece waits; each time twice as long, up to the other.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
const TRY_AGAIN_AT_LEAST: Duration = Duration::from_secs(10);
/// How often a refused piece is tried before the end of the recording no longer waits for it.
const TRIES_BEFORE_END: u32 = 3;

#[derive(Debug)]
struct Piece {
    offset: u64,
    end: u64,
    message: Bytes,
}

impl VideoBuffer {
    pub(super) fn push(&mut self, offset: u64, end: u64, message: Bytes) {
        self.bytes += message.len();
        self.pieces.push_back(Piece { offset, end, message });
    }

    /// Returns whether the file goes on behind a place where the other side wants it to.
    pub(super) fn has_hole_at(&self, wanted: u64) -> bool {
        self.pieces.front().is_some_and(|first| first.offset > wanted)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the pieces that are stored whole.
    pub(super) fn ack(&mut self, stored_bytes: u64) {
        if stored_bytes > self.stored_bytes {
            self.stored_bytes = stored_bytes;
            self.refusals = 0;
        }
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.end <= stored_bytes) {
            self.bytes -= piece.message.len();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// Returns whether the end of the recording waits for a piece to be sent.
    pub(super) fn holds_end(&self) -> bool {
        self.sent < self.pieces.len() && self.refusals < TRIES_BEFORE_END
    }

    /// Returns the next piece for the present connection.
    pub(super) fn next(&mut self, now: Duration) -> Option<Bytes> {
        let piece = self.pieces.get(self.sent).filter(|_| self.not_before <= Some(now))?;
        self.sent += 1;
        Some(piece.message.clone())
    }

    /// Begins anew: there is a new connection.
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
        self.not_before = None;
    }

    /// Begins anew, after a while: a piece was refused.
    pub(super) fn put_off(&mut self, now: Duration) {
        // Those that were under way behind it are refused with it.
        if self.sent == 0 {
            return;
        }
        self.sent = 0;
        self.not_before = Some(now + (TRY_AGAIN_AFTER * (1 << self.refusals.min(8))).min(TRY_AGAIN_AT_LEAST));
        self.refusals += 1;
    }

    /// Returns when pieces may be sent, if they were put off.
    pub(super) fn put_off_until(&self) -> Option<Duration> {
        self.not_before.filter(|_| self.sent < self.pieces.len())
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Returns how many bytes of the file are not known to be stored.
    pub(super) fn unstored_bytes(&self) -> u64 {
        self.pieces.back().map_or(0, |last| last.end.saturating_sub(self.stored_bytes))
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_pieces() -> VideoBuffer {
        let mut video = VideoBuffer::default();
        for (offset, text) in [(0, "abc"), (3, "de"), (5, "f")] {
            video.push(offset, offset + text.len() as u64, Bytes::from_static(text.as_bytes()));
        }
        video
    }

    #[test]
    fn pieces_stay_until_they_are_stored_whole() {
        let (mut video, now) = (three_pieces(), Duration::ZERO);
        assert_eq!(video.next(now), Some(Bytes::from_static(b"abc")));
        assert_eq!(video.next(now), Some(Bytes::from_static(b"de")));
        video.ack(4);
        assert_eq!((video.bytes(), video.holds_end()), (3, true));
        video.rewind();
        assert_eq!(video.next(now), Some(Bytes::from_static(b"de")));
        assert_eq!(video.next(now), Some(Bytes::from_static(b"f")));
        video.ack(6);
        assert_eq!((video.bytes(), video.holds_end(), video.stored_bytes()), (0, false, 6));
    }

    #[test]
    fn refused_pieces_are_put_off_and_hold_the_end_for_a_few_tries() {
        let (mut video, mut now) = (three_pieces(), Duration::ZERO);
        for tries in 0..TRIES_BEFORE_END {
            assert!(video.holds_end(), "after {tries} tries");
            assert!(video.next(now).is_some() && video.next(now).is_some());
            video.put_off(now);
            video.put_off(now + TRY_AGAIN_AFTER);
            let later = now + TRY_AGAIN_AFTER * (1 << tries);
            assert_eq!((video.next(now), video.put_off_until()), (None, Some(later)), "put off once");
            now = later;
        }
        assert!(!video.holds_end() && !video.has_hole_at(0));
        video.ack(3);
        assert!(video.holds_end(), "it goes on");
        assert!(!video.has_hole_at(3) && video.has_hole_at(2));
        assert_eq!(video.unstored_bytes(), 3);
    }
}
