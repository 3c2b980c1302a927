//! What is asked of a recorder beside its frames: pause, mark, drop, end.

use std::time::Duration;

use super::numbering::{Held, MAX_NUMBER, Numbering};
use super::outcome::CommandError;
use super::{Item, Recorder};
use crate::session::{Marker, SessionStatus};
use crate::time::Timestamp;

impl Recorder {
    /// Settles a run of numbers that the publisher says won't come: it had no room to keep them, for one. They are counted
    /// under its `cause`, a word of [`Self::MAX_CAUSE_BYTES`] letters and underscores at most, and marked as a gap; those that
    /// are settled or wait already stay what they are.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended, [`CommandError::BadRange`] for an empty run, one beyond
    /// [`Self::MAX_NUMBER`] or a cause that is no such word, [`CommandError::NotPolled`] if [`Self::is_full`].
    pub fn drop_numbers(
        &mut self,
        now: Duration,
        first: u64,
        last: u64,
        cause: &str,
    ) -> Result<(), CommandError> {
        // Who asked whether it is full before is not turned away for what goes ahead just now.
        let was_full = self.is_full();
        self.advance(now);
        self.expect_live("drop frames")?;
        Self::check_dropped(first, last, cause)?;
        if was_full {
            return Err(CommandError::NotPolled { bytes: self.assembly.closed_bytes() });
        }
        for (first, number) in self.numbering.unknown_in(first, last) {
            let item = Item::Dropped { cause: cause.into() };
            let held = Held { first, number, arrived: self.now, content: None, bytes: 0, item };
            if let Some(released) = self.numbering.push(held) {
                self.release(released);
            }
            self.advance(self.now);
        }
        Ok(())
    }

    /// Checks what is told of numbers that won't come, also where nothing is recorded yet.
    ///
    /// # Errors
    ///
    /// [`CommandError::BadRange`] as for [`Self::drop_numbers`].
    pub fn check_dropped(first: u64, last: u64, cause: &str) -> Result<(), CommandError> {
        let is_word = cause.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_long_enough = (1..=Self::MAX_CAUSE_BYTES).contains(&cause.len());
        if first > last || last > MAX_NUMBER || !is_word || !is_long_enough {
            return Err(CommandError::BadRange { first, last });
        }
        Ok(())
    }

    /// Stops storing frames and session time, until [`Self::resume`]. What waits for lower numbers is stored first; holes
    /// before it are given up.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] unless the status is `recording`.
    pub fn pause(&mut self, now: Duration) -> Result<(), CommandError> {
        self.advance(now);
        if self.status != SessionStatus::Recording {
            return Err(CommandError::WrongStatus { command: "pause", status: self.status });
        }
        self.flush();
        self.assembly.pause();
        self.paused_at = Some(self.now);
        self.status = SessionStatus::Paused;
        Ok(())
    }

    /// Goes on storing frames. A `paused` marker at the last frame's time says how long the pause was by the wall clock.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] unless the status is `paused`.
    pub fn resume(&mut self, now: Duration) -> Result<(), CommandError> {
        self.advance(now);
        if self.status != SessionStatus::Paused {
            return Err(CommandError::WrongStatus { command: "resume", status: self.status });
        }
        let paused_at = self.paused_at.take().unwrap_or(self.now);
        self.status = SessionStatus::Recording;
        self.assembly.resume(self.now, self.now.saturating_sub(paused_at));
        Ok(())
    }

    /// Marks a moment, `at` the streamer's clock says so, else the last frame's, and returns the marker in session time. A
    /// moment up to 5 s ahead of the last frame is taken as it is; further ahead, in a pause or before the first frame, the
    /// nearest frame's before (or after) it is taken.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended; [`CommandError::BadLabel`] for a label that is empty,
    /// longer than [`Self::MAX_LABEL_BYTES`] or has a NUL character; [`CommandError::TooManyMarkers`].
    pub fn mark(
        &mut self,
        now: Duration,
        label: &str,
        at: Option<Timestamp>,
    ) -> Result<Marker, CommandError> {
        self.advance(now);
        self.expect_live("mark")?;
        if label.is_empty() || label.len() > Self::MAX_LABEL_BYTES || label.contains('\0') {
            return Err(CommandError::BadLabel { bytes: label.len() });
        }
        self.assembly.mark(self.now, label, at)
    }

    /// Marks that the recording was asked for here: the frames so far came before, from a [`PreRoll`](super::PreRoll).
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended.
    pub fn mark_started(&mut self, now: Duration) -> Result<(), CommandError> {
        self.advance(now);
        self.expect_live("mark its start")?;
        self.assembly.mark_started(self.now);
        Ok(())
    }

    /// Lets the frames that wait for lower numbers go ahead, and everything be polled at once.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended.
    pub fn give_up_holes(&mut self, now: Duration) -> Result<(), CommandError> {
        self.advance(now);
        self.expect_live("give up holes")?;
        self.flush();
        Ok(())
    }

    /// Starts a new numbering: the publisher restarted, or another one took over. What waits for lower numbers is stored
    /// first, and everything so far goes into batches of its own: those that [`Self::poll_batch`] returns before the next
    /// frame is handed in carry numbers of the old numbering, all later ones of the new. Session time goes on by the new
    /// publisher's clock, if its first frame is less than 5 s later than the last one; else as after a clock jump.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended, [`CommandError::NotPolled`] if [`Self::is_full`].
    pub fn new_numbering(&mut self, now: Duration) -> Result<(), CommandError> {
        self.expect_live("start a new numbering")?;
        if self.is_full() {
            return Err(CommandError::NotPolled { bytes: self.assembly.closed_bytes() });
        }
        self.advance(now);
        self.flush();
        self.numbering = Numbering::new(self.config.reorder_limits());
        self.assembly.start_numbering();
        Ok(())
    }

    /// Ends the recording as `completed`. [`Self::poll_batch`] has the rest.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended.
    pub fn finish(&mut self, now: Duration) -> Result<(), CommandError> {
        self.end(now, "finish", SessionStatus::Completed)
    }

    /// Ends the recording as `interrupted`: the streamer is gone or the server stops. [`Self::poll_batch`] has the rest.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended.
    pub fn interrupt(&mut self, now: Duration) -> Result<(), CommandError> {
        self.end(now, "interrupt", SessionStatus::Interrupted)
    }

    /// Ends the recording as `failed`: the shell can't keep it. [`Self::poll_batch`] has the rest, for what it is worth.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended.
    pub fn fail(&mut self, now: Duration) -> Result<(), CommandError> {
        self.end(now, "fail", SessionStatus::Failed)
    }

    fn end(
        &mut self,
        now: Duration,
        command: &'static str,
        status: SessionStatus,
    ) -> Result<(), CommandError> {
        self.advance(now);
        self.expect_live(command)?;
        self.flush();
        self.status = status;
        Ok(())
    }
}
