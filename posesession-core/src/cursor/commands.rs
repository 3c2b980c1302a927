//! Play, pause, rate and step. Commands in, what the clock shall do out.

use std::time::Duration;

use crate::cursor::seek::{Plan, Seek};
use crate::cursor::{CursorError, Mode, ReplayCursor};

impl ReplayCursor {
    /// The fastest rate, forwards and backwards.
    pub const MAX_RATE: f64 = 16.0;

    /// Plays on from the position, at `rate` if given. After the end, or at it, playing starts again at the range's
    /// start, backwards at its end. What plays already plays on.
    ///
    /// # Errors
    ///
    /// [`CursorError::BadRate`]; nothing changes.
    pub fn play(&mut self, now: Duration, rate: Option<f64>) -> Result<(), CursorError> {
        rate.map_or(Ok(()), check_rate)?;
        self.tick(now);
        self.advance();
        if let Some(rate) = rate {
            self.change_rate(rate);
        }
        (self.cause, self.unavailable) = (None, None);
        let position = self.position(self.now);
        let is_at_end = match self.mode {
            Mode::Playing => false,
            Mode::Paused => {
                self.seek.is_none() && self.play_end().is_some_and(|end| self.is_reached(position, end))
            }
            Mode::Ended => true,
        };
        self.mode = Mode::Playing;
        if is_at_end && self.extent.frame_count > 0 {
            self.begin_seek(self.to_range_start());
        }
        self.advance();
        Ok(())
    }

    /// Stops at the position. What has ended stays so.
    pub fn pause(&mut self, now: Duration) {
        self.tick(now);
        self.advance();
        self.stop_playing();
    }

    /// Plays at another rate, or will; the position stays. Negative plays backwards.
    ///
    /// # Errors
    ///
    /// [`CursorError::BadRate`]; nothing changes.
    pub fn set_rate(&mut self, now: Duration, rate: f64) -> Result<(), CursorError> {
        check_rate(rate)?;
        self.tick(now);
        self.advance();
        self.change_rate(rate);
        self.advance();
        Ok(())
    }

    /// Pauses `frames` frames further, or back if negative, at the first or last frame if there are fewer. While a seek
    /// is under way, it counts from where the seek lands.
    ///
    /// # Errors
    ///
    /// [`CursorError::NoFrames`]; nothing changes.
    pub fn step(&mut self, now: Duration, frames: i64) -> Result<(), CursorError> {
        if self.extent.frame_count == 0 {
            return Err(CursorError::NoFrames);
        }
        self.tick(now);
        self.advance();
        self.mode = Mode::Paused;
        let from = match (self.seek, self.at) {
            (Some(seek), _) => Seek { position: None, is_turn: false, ..seek },
            (None, at) => Seek::new(Plan::Frame(at.map_or(0, |at| at.frame))),
        };
        self.begin_seek(Seek { offset: from.offset.saturating_add(frames), ..from });
        self.advance();
        Ok(())
    }

    pub(super) fn stop_playing(&mut self) {
        if self.mode == Mode::Playing {
            let position = self.position(self.now);
            self.clock.stop(self.now);
            self.clock.set_position(self.now, position);
            (self.mode, self.stall) = (Mode::Paused, None);
        }
    }

    fn change_rate(&mut self, rate: f64) {
        if rate != self.clock.rate() {
            let position = self.position(self.now);
            self.clock.set_position(self.now, position);
            self.clock.set_rate(self.now, rate);
            self.stall = None;
        }
    }
}

fn check_rate(rate: f64) -> Result<(), CursorError> {
    let is_playable = rate.abs() <= ReplayCursor::MAX_RATE && rate != 0.0;
    if is_playable { Ok(()) } else { Err(CursorError::BadRate { rate }) }
}
