//! The passing of time. Host time in; the newest due frame, stalls and the end out.

use std::time::Duration;

use crate::chunk::Chunk;
use crate::chunk_index::ChunkQuery;
use crate::cursor::seek::{At, Plan, Progress, Seek};
use crate::cursor::{CursorError, CursorOutput, LoopMode, Mode, ReplayCursor};
use crate::time::Timestamp;

/// Why the clock can't go beyond a moment for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barrier {
    /// The end of the session or of the range.
    End,
    /// What follows is in a chunk that is not here.
    MissingChunk,
    /// What follows is not recorded yet.
    LiveEnd,
}

/// A stop at a barrier: the position stands, whatever the clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stall {
    pub(super) barrier: Barrier,
    /// When the barrier was reached.
    pub(super) since: Duration,
}

/// More changes than this never follow from one another at one moment; the next poll would take up the rest.
const MAX_CHANGES: usize = 8;

/// The longest time that the clock runs on after the last frame at hand.
const MAX_GRACE_MICROS: i64 = 50_000;

impl ReplayCursor {
    /// Takes note of the host's time, which never goes back in here.
    pub(super) fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Makes every change that is due by now.
    pub(super) fn advance(&mut self) {
        for _ in 0..MAX_CHANGES {
            if !self.change() {
                break;
            }
        }
    }

    /// Makes one change and returns whether another may follow from it.
    fn change(&mut self) -> bool {
        if self.extent.frame_count == 0 {
            self.wait_for_a_first_frame();
            return false;
        }
        if self.seek.is_some() {
            return self.go_on_seeking();
        }
        if self.mode != Mode::Playing {
            self.clock.stop(self.now);
            return false;
        }
        let Some(at) = self.at else {
            self.seek = Some(Seek::new(Plan::Frame(0)));
            return true;
        };
        let position = self.position(self.now);
        let due = self.window.newest_due(at.frame, position, self.is_forwards());
        if due != at.frame
            && let Some(timestamp) = self.window.timestamp(due)
        {
            self.at = Some(At { frame: due, timestamp });
            self.is_frame_unsent = true;
        }
        let (limit, barrier) = self.limit(at);
        if !self.is_reached(position, limit) {
            self.run();
            return false;
        }
        if barrier == Barrier::End {
            // The last frame is shown before the end is announced.
            return !self.is_frame_unsent && self.reach_end(limit);
        }
        // Who waited at the live end still does while what was recorded since is fetched.
        if self.stall.is_none() {
            let since = self.clock.time_at(limit).unwrap_or(self.now);
            self.stall = Some(Stall { barrier, since });
        }
        false
    }

    /// Lets the clock run, after a stall from where it was then. A stall that took no time costs none: the clock was
    /// only held back by [`Self::position`], and goes on from its old anchor.
    fn run(&mut self) {
        if let Some(stall) = self.stall.take().filter(|stall| stall.since < self.now) {
            let position = self.clock.position(stall.since);
            self.clock.stop(self.now);
            self.clock.set_position(self.now, position);
            self.is_moved = true;
        }
        self.clock.start(self.now);
    }

    fn wait_for_a_first_frame(&mut self) {
        if self.mode == Mode::Playing {
            if self.extent.live {
                self.stall = Some(Stall { barrier: Barrier::LiveEnd, since: self.now });
            } else {
                (self.mode, self.stall) = (Mode::Ended, None);
            }
        }
    }

    fn go_on_seeking(&mut self) -> bool {
        let Some(mut seek) = self.seek else { return false };
        self.clock.stop(self.now);
        match seek.advance(&self.window, self.extent.frame_count) {
            Progress::Need(_) => {
                // A turn that has to wait for its chunk starts when the chunk comes.
                seek.turned_at = None;
                self.seek = Some(seek);
                false
            }
            Progress::NotFound(timestamp) => {
                self.refusal = Some(CursorError::FrameNotFound { timestamp });
                self.seek = Some(match seek.origin {
                    Some((at, position)) => {
                        Seek { position: Some(position), ..Seek::new(Plan::Frame(at.frame)) }
                    }
                    None => Seek::new(Plan::Frame(0)),
                });
                true
            }
            Progress::Landed(at) => {
                self.land(seek, at);
                true
            }
        }
    }

    fn land(&mut self, seek: Seek, at: At) {
        self.at = Some(at);
        (self.seek, self.stall, self.cause) = (None, None, None);
        (self.is_frame_unsent, self.is_moved) = (true, true);
        self.clock.set_position(self.now, seek.position.unwrap_or(at.timestamp));
        if self.mode == Mode::Playing {
            let is_turn = seek.is_turn && self.loop_mode == LoopMode::Loop;
            match self.turn_micros() {
                None if is_turn => self.mode = Mode::Ended,
                Some(turn) if is_turn => self.start_turn(seek.turned_at.unwrap_or(self.now), turn),
                _ => self.clock.start(self.now),
            }
        }
    }

    /// Returns the position at `now`: the clock's, but never beyond what may be shown.
    pub(super) fn position(&self, now: Duration) -> Timestamp {
        let position = self.clock.position(self.stall.map_or(now, |stall| stall.since.min(now)));
        let Some(at) = self.at.filter(|_| self.clock.is_running()) else { return position };
        // What is beyond the limit already, by a seek, stays where it is.
        let (limit, anchor) = (self.limit(at).0, self.clock.anchor());
        if self.is_forwards() { position.min(limit.max(anchor)) } else { position.max(limit.min(anchor)) }
    }

    /// Returns how far the clock may go, when it has shown frame `at`, and why no farther.
    pub(super) fn limit(&self, at: At) -> (Timestamp, Barrier) {
        let is_forwards = self.is_forwards();
        let edge = self.window.reach(at.frame, is_forwards);
        let edge_at = self.window.timestamp(edge).unwrap_or(at.timestamp);
        let has_more = if is_forwards { edge + 1 < self.extent.frame_count } else { edge > 0 };
        match self.play_end() {
            Some(end) if !has_more || self.is_reached(edge_at, end) => (end, Barrier::End),
            _ if !has_more => (edge_at, Barrier::LiveEnd),
            end => {
                let grace = if is_forwards { self.grace_micros } else { -self.grace_micros };
                let (limit, end) = (edge_at.plus_micros(grace), end.unwrap_or(self.extent.duration));
                (if self.is_reached(limit, end) { end } else { limit }, Barrier::MissingChunk)
            }
        }
    }

    /// Takes note of how long after a frame the next one is not due yet: half the shortest interval of `chunk`.
    pub(super) fn learn_grace(&mut self, chunk: &Chunk) {
        let intervals = chunk.timestamps().windows(2).map(|pair| pair[1].micros_since(pair[0]));
        if let Some(shortest) = intervals.min() {
            self.grace_micros = (shortest / 2).min(MAX_GRACE_MICROS);
        }
    }

    /// Returns the chunk without which nothing goes on.
    pub(super) fn needed(&self) -> Option<ChunkQuery> {
        if self.extent.frame_count == 0 {
            return None;
        }
        if let Some(mut seek) = self.seek {
            return match seek.advance(&self.window, self.extent.frame_count) {
                Progress::Need(query) => Some(query),
                Progress::Landed(_) | Progress::NotFound(_) => None,
            };
        }
        let at = self.at.filter(|_| self.stall.is_some())?;
        (self.limit(at).1 == Barrier::MissingChunk).then(|| {
            let edge = self.window.reach(at.frame, self.is_forwards());
            ChunkQuery::Frame(if self.is_forwards() { edge + 1 } else { edge.saturating_sub(1) })
        })
    }

    /// Returns when there is something to do next, while the clock runs.
    pub(super) fn next_wait(&self) -> CursorOutput {
        let soon = self.now.saturating_add(Duration::from_micros(1));
        let latest = self.now.saturating_add(CursorOutput::MAX_WAIT);
        let wait = self.at.and_then(|at| {
            let limit = self.limit(at).0;
            let next = if self.is_forwards() { Some(at.frame + 1) } else { at.frame.checked_sub(1) };
            let next = next.and_then(|n| self.window.timestamp(n));
            let moment = next.filter(|&next| !self.is_reached(next, limit)).unwrap_or(limit);
            self.clock.time_at(moment)
        });
        CursorOutput::WaitUntil(wait.unwrap_or(latest).clamp(soon, latest))
    }

    pub(super) fn is_forwards(&self) -> bool {
        self.clock.rate() > 0.0
    }

    /// Returns whether `position` is at `moment` or beyond, in the direction of play.
    pub(super) fn is_reached(&self, position: Timestamp, moment: Timestamp) -> bool {
        if self.is_forwards() { position >= moment } else { position <= moment }
    }
}
