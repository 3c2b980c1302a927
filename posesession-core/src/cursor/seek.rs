//! Seeks. A target and the chunks at hand in, the frame to land on or the chunk that is missing out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chunk_index::ChunkQuery;
use crate::cursor::window::ChunkWindow;
use crate::cursor::{CursorError, Mode, ReplayCursor, SessionExtent};
use crate::time::Timestamp;

/// Where to seek to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SeekTarget {
    /// To a moment of the session.
    Timestamp(Timestamp),
    /// To the frame of this number.
    Frame(u64),
    /// To a part of the session's duration, 0 to 1; as the moment it is.
    Fraction(f64),
}

/// On which frame a seek to a moment lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeekMode {
    /// On the last one at or before the moment, the first frame if all are later.
    #[default]
    Before,
    /// On the nearest one, of two the earlier.
    Nearest,
    /// On the one at exactly this moment.
    Exact,
}

impl ReplayCursor {
    /// Seeks to a frame, or to a moment; `mode` says which frame that is. The position will be that frame's timestamp.
    ///
    /// A playing replay plays on from there once the chunk is at hand, one that has ended is paused there. Moments
    /// before the start and after the end are clamped, except by an exact seek. A seek that comes before the last one
    /// has landed takes its place.
    ///
    /// Whether an exact seek hits a frame may only be known when its chunk has come: then
    /// [`CursorOutput::SeekFailed`](crate::CursorOutput::SeekFailed) tells, and the position is as before.
    ///
    /// # Errors
    ///
    /// [`CursorError::NoFrames`] in a session without frames, [`CursorError::FrameOutOfRange`],
    /// [`CursorError::FractionOutOfRange`], [`CursorError::FrameNotFound`] for an exact seek beyond the session's ends;
    /// nothing changes.
    pub fn seek(&mut self, now: Duration, target: SeekTarget, mode: SeekMode) -> Result<(), CursorError> {
        let SessionExtent { frame_count, duration, .. } = self.extent;
        if frame_count == 0 {
            return Err(CursorError::NoFrames);
        }
        let seek = match target {
            SeekTarget::Frame(frame_number) if frame_number >= frame_count => {
                return Err(CursorError::FrameOutOfRange { frame_number, frame_count });
            }
            SeekTarget::Frame(frame_number) => Seek::new(Plan::Frame(frame_number)),
            SeekTarget::Timestamp(timestamp) => self.to_moment(timestamp, mode)?,
            SeekTarget::Fraction(fraction) if !(0.0..=1.0).contains(&fraction) => {
                return Err(CursorError::FractionOutOfRange { fraction });
            }
            SeekTarget::Fraction(fraction) => {
                let moment = Timestamp::from_secs_f64(duration.as_secs_f64() * fraction);
                self.to_moment(moment.unwrap_or(duration), mode)?
            }
        };
        self.tick(now);
        self.advance();
        if self.mode == Mode::Ended {
            self.mode = Mode::Paused;
        }
        self.begin_seek(seek);
        self.advance();
        Ok(())
    }

    fn to_moment(&self, timestamp: Timestamp, mode: SeekMode) -> Result<Seek, CursorError> {
        let clamped = timestamp.clamp(Timestamp::ZERO, self.extent.duration.max(Timestamp::ZERO));
        let landing = match mode {
            SeekMode::Exact if timestamp != clamped => return Err(CursorError::FrameNotFound { timestamp }),
            SeekMode::Exact => Landing::Exact,
            SeekMode::Nearest => Landing::Nearest,
            SeekMode::Before => Landing::Before,
        };
        Ok(Seek::to_time(clamped, landing))
    }

    /// Begins a seek and its epoch.
    pub(super) fn begin_seek(&mut self, seek: Seek) {
        let position = self.position(self.now);
        let origin = match self.seek {
            Some(pending) => pending.origin,
            None => self.at.map(|at| (at, position)),
        };
        self.epoch = self.epoch.wrapping_add(1);
        self.clock.stop(self.now);
        self.clock.set_position(self.now, seek.estimate().unwrap_or(position));
        (self.cause, self.unavailable, self.stall) = (None, None, None);
        self.is_frame_unsent = false;
        self.seek = Some(Seek { origin, ..seek });
    }
}

/// The frame at the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) frame: u64,
    pub(super) timestamp: Timestamp,
}

/// A seek under way. Each chunk that comes in makes its plan plainer, so that it lands after a few chunks at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seek {
    pub(super) plan: Plan,
    /// How many frames to step from where the plan lands.
    pub(super) offset: i64,
    /// Where the clock lands, if not on the frame's timestamp.
    pub(super) position: Option<Timestamp>,
    /// Where to go back to if the plan finds no frame.
    pub(super) origin: Option<(At, Timestamp)>,
    /// Whether it starts the next turn of a loop.
    pub(super) is_turn: bool,
    /// When a loop's end was reached, if it was reached just now.
    pub(super) turned_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plan {
    Frame(u64),
    Time {
        timestamp: Timestamp,
        landing: Landing,
        /// The last frame at or before `timestamp`, once known.
        base: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Landing {
    Before,
    Nearest,
    Exact,
    /// On the first frame at or after the moment, unless it is after `until`.
    FirstUntil(Timestamp),
}

pub(super) enum Progress {
    Need(ChunkQuery),
    Landed(At),
    NotFound(Timestamp),
}

impl Seek {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, offset: 0, position: None, origin: None, is_turn: false, turned_at: None }
    }

    pub(super) fn to_time(timestamp: Timestamp, landing: Landing) -> Self {
        Self::new(Plan::Time { timestamp, landing, base: None })
    }

    /// Goes on as far as the chunks at hand allow. `frame_count` is not 0.
    pub(super) fn advance(&mut self, window: &ChunkWindow, frame_count: u64) -> Progress {
        let last = frame_count.saturating_sub(1);
        let lands_on = match self.plan {
            Plan::Frame(n) => n,
            Plan::Time { timestamp, landing, base } => {
                let Some(base) = base.or_else(|| window.frame_at(timestamp, frame_count)) else {
                    return Progress::Need(ChunkQuery::Time(timestamp));
                };
                let base = base.min(last);
                self.plan = Plan::Time { timestamp, landing, base: Some(base) };
                match choose(window, timestamp, landing, base, last) {
                    Ok(lands_on) => lands_on,
                    Err(progress) => return progress,
                }
            }
        };
        let frame = lands_on.saturating_add_signed(self.offset).min(last);
        (self.plan, self.offset) = (Plan::Frame(frame), 0);
        match window.timestamp(frame) {
            Some(timestamp) => Progress::Landed(At { frame, timestamp }),
            None => Progress::Need(ChunkQuery::Frame(frame)),
        }
    }

    /// Takes note of the answer to a query by time.
    pub(super) fn answer(&mut self, query: ChunkQuery, last_at_or_before: u64) {
        if let Plan::Time { timestamp, base: base @ None, .. } = &mut self.plan
            && query == ChunkQuery::Time(*timestamp)
        {
            *base = Some(last_at_or_before);
        }
    }

    /// Returns the position while the seek is under way, if it is known.
    fn estimate(&self) -> Option<Timestamp> {
        match self.plan {
            Plan::Frame(_) => self.position,
            Plan::Time { timestamp, .. } => Some(timestamp),
        }
    }

    /// Returns the frame around which chunks are needed, if it is known.
    pub(super) fn focus(&self) -> Option<u64> {
        match self.plan {
            Plan::Frame(n) => Some(n),
            Plan::Time { base, .. } => base,
        }
    }
}

/// Chooses between `base`, the last frame at or before `timestamp`, and the one after it.
fn choose(
    window: &ChunkWindow,
    timestamp: Timestamp,
    landing: Landing,
    base: u64,
    last: u64,
) -> Result<u64, Progress> {
    let base_at = window.timestamp(base).ok_or(Progress::Need(ChunkQuery::Frame(base)))?;
    match landing {
        Landing::Before => return Ok(base),
        Landing::Exact if base_at != timestamp => return Err(Progress::NotFound(timestamp)),
        _ if base_at >= timestamp || base >= last => return Ok(base),
        _ => {}
    }
    let next_at = window.timestamp(base + 1).ok_or(Progress::Need(ChunkQuery::Frame(base + 1)))?;
    let lands_on_next = match landing {
        Landing::FirstUntil(until) => next_at <= until,
        _ => next_at.micros_since(timestamp) < timestamp.micros_since(base_at),
    };
    Ok(if lands_on_next { base + 1 } else { base })
}
