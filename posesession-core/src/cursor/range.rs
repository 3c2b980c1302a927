//! The range that is played, and what follows its end. The end's moment in; the end, or the next turn of a loop, out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cursor::seek::{Landing, Plan, Seek};
use crate::cursor::{CursorError, Mode, ReplayCursor, SessionExtent};
use crate::time::Timestamp;

/// A part of a session, both moments included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlaybackRange {
    /// The first moment.
    pub start: Timestamp,
    /// The last moment, later than `start`. It may be beyond what has been recorded so far.
    pub end: Timestamp,
}

/// What follows the end of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopMode {
    /// The playback ends.
    #[default]
    None,
    /// It goes on at the range's other end.
    Loop,
    /// It turns round: the rate changes its sign.
    PingPong,
}

/// A turn that takes less host time than this is not repeated: the viewer would be told of nothing but turns.
const MIN_TURN_MICROS: f64 = 10_000.0;

impl ReplayCursor {
    /// Sets the part of the session to be played, `None` for all of it, and what follows its end.
    ///
    /// A position outside the new range jumps into it, to where playing it starts; such a jump counts as a seek. Later
    /// seeks may leave the range: beyond its end the next `play` starts the range again. A turn that would take less
    /// than 10 ms ends the playback instead of being repeated.
    ///
    /// # Errors
    ///
    /// [`CursorError::BadRange`] if the end is not after the start, or the start is beyond the end of a session that is
    /// not live; nothing changes.
    pub fn set_range(
        &mut self,
        now: Duration,
        range: Option<PlaybackRange>,
        loop_mode: LoopMode,
    ) -> Result<(), CursorError> {
        if let Some(PlaybackRange { start, end }) = range
            && (end <= start || end < Timestamp::ZERO || start > self.extent.duration && !self.extent.live)
        {
            return Err(CursorError::BadRange { start, end, duration: self.extent.duration });
        }
        self.tick(now);
        self.advance();
        (self.range, self.loop_mode) = (range, loop_mode);
        let position = self.position(self.now);
        let is_outside = range.is_some_and(|r| position < r.start || position > r.end);
        if is_outside && self.at.is_some() && self.seek.is_none() {
            if self.mode == Mode::Ended {
                self.mode = Mode::Paused;
            }
            self.begin_seek(self.to_range_start());
        }
        self.advance();
        Ok(())
    }

    /// Returns the part of the session to be played, if not all of it.
    #[must_use]
    pub fn range(&self) -> Option<PlaybackRange> {
        self.range
    }

    /// Returns what follows the end of the range.
    #[must_use]
    pub fn loop_mode(&self) -> LoopMode {
        self.loop_mode
    }

    /// Returns where playing ends in the direction of play; nothing at the open end of a live session.
    pub(super) fn play_end(&self) -> Option<Timestamp> {
        let SessionExtent { duration, live, .. } = self.extent;
        if !self.is_forwards() {
            return Some(self.range.map_or(Timestamp::ZERO, |r| r.start.max(Timestamp::ZERO)));
        }
        match self.range.map(|r| r.end) {
            Some(end) if end <= duration => Some(end),
            _ => (!live).then_some(duration),
        }
    }

    /// Returns where playing starts in the direction of play, as far as it is recorded.
    pub(super) fn play_start(&self) -> Timestamp {
        let duration = self.extent.duration.max(Timestamp::ZERO);
        if self.is_forwards() {
            self.range.map_or(Timestamp::ZERO, |r| r.start.clamp(Timestamp::ZERO, duration))
        } else {
            self.range.map_or(duration, |r| r.end.min(duration))
        }
    }

    /// Makes the seek to where playing starts.
    pub(super) fn to_range_start(&self) -> Seek {
        match self.range {
            None if self.is_forwards() => Seek::new(Plan::Frame(0)),
            None => Seek::new(Plan::Frame(self.extent.frame_count.saturating_sub(1))),
            Some(range) if self.is_forwards() => {
                Seek::to_time(self.play_start(), Landing::FirstUntil(range.end))
            }
            Some(_) => Seek::to_time(self.play_start(), Landing::Before),
        }
    }

    /// Ends the playback, or begins the next turn, `end` having been reached. Returns whether a change may follow.
    pub(super) fn reach_end(&mut self, end: Timestamp) -> bool {
        let position = self.position(self.now);
        // After a stall the end comes now, not when the clock would have got there.
        let reached_at = match self.stall.take() {
            Some(_) => self.now,
            None => self.clock.time_at(end).unwrap_or(self.now),
        };
        let goes_on = match self.loop_mode {
            LoopMode::None => false,
            LoopMode::PingPong => self.turn_round(end, reached_at),
            LoopMode::Loop => {
                let seek = Seek { is_turn: true, turned_at: Some(reached_at), ..self.to_range_start() };
                self.begin_seek(seek);
                true
            }
        };
        if !goes_on {
            self.clock.stop(self.now);
            self.clock.set_position(self.now, position);
            self.mode = Mode::Ended;
        }
        goes_on
    }

    /// Goes on in the other direction; returns false if there is nowhere to go.
    fn turn_round(&mut self, end: Timestamp, reached_at: Duration) -> bool {
        self.clock.stop(self.now);
        self.clock.set_position(self.now, end);
        self.clock.set_rate(self.now, -self.clock.rate());
        let Some(turn) = self.turn_micros() else {
            self.clock.set_rate(self.now, -self.clock.rate());
            return false;
        };
        self.start_turn(reached_at, turn.saturating_mul(2));
        self.is_moved = true;
        true
    }

    /// Starts the clock as if at `began_at`, leaving out as many whole turns as have gone by since.
    pub(super) fn start_turn(&mut self, began_at: Duration, turn_micros: u64) {
        let late = self.now.saturating_sub(began_at).as_micros() % u128::from(turn_micros.max(1));
        let late = Duration::from_micros(u64::try_from(late).unwrap_or(0));
        self.clock.start(self.now.saturating_sub(late));
    }

    /// Returns how much host time it takes from the clock's position to the end; nothing if too little for a turn.
    pub(super) fn turn_micros(&self) -> Option<u64> {
        let position = self.clock.position(self.now);
        let end = self.play_end().unwrap_or(self.extent.duration);
        let ahead = end.micros_since(position);
        let distance = if self.is_forwards() { ahead } else { -ahead };
        let turn = distance as f64 / self.clock.rate().abs();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive and saturates"
        )]
        (turn >= MIN_TURN_MICROS).then_some(turn.ceil() as u64)
    }
}
