//! The replay cursor. Chunks in, due frames out.

mod advance;
mod commands;
mod range;
mod seek;
mod state;
mod window;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

pub use range::{LoopMode, PlaybackRange};
pub use seek::{SeekMode, SeekTarget};
pub use state::{CursorOutput, PlaybackState, PlaybackStatus, ReplayFrame, SessionExtent};

use crate::chunk::Chunk;
use crate::chunk_index::ChunkQuery;
use crate::playback_clock::PlaybackClock;
use crate::time::Timestamp;
use advance::{Barrier, Stall};
use seek::{At, Plan, Seek};
use window::ChunkWindow;

/// Replays a session: says which chunk to fetch, which frame to show when, and follows play, pause, seeks, rates, steps,
/// ranges and loops.
///
/// It reads no clock and does no I/O: each call brings the host's time `now`, a [`Duration`] since an origin of the
/// host's choice. The host calls [`ReplayCursor::poll`] until it says to wait, does what it says, and polls again when
/// the wait is over, after a chunk came or failed, and after a command.
///
/// # Guarantees
///
/// - A frame is due when the position reaches its timestamp, forwards and backwards. It is handed out by the first poll
///   at or after that moment; when several are due, only the newest is. The position is computed, not added up: play
///   time equals recorded time at every rate, without drift.
/// - The clock never runs away from the chunks at hand: a missing one stops it (`buffering`) half a frame interval, at
///   most 50 ms, after the last frame before it, and it goes on when the chunk comes. A failed one pauses with its
///   cause; `play` or a seek tries again.
/// - At the end of what has been recorded so far the clock stands, too, until more is recorded.
/// - A seek lands on a frame: the position is that frame's timestamp. It begins a new epoch, in which no frame from
///   before is handed out; its frame comes once, even while paused. Starting again after the end, each turn of a loop,
///   and a step are seeks, too.
/// - Every order of calls is legal, and nothing panics. A `now` that goes back counts as standing still.
/// - At most three chunks are held, whatever the session's length, and it asks for chunks by frame or time only, so
///   that stores can compact meanwhile.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use posesession_core::{
///     Chunk, CursorOutput, ReplayCursor, SessionExtent, Skeleton, SyntheticPose, Timestamp,
/// };
///
/// let skeleton = Skeleton::preset("coco_17")?;
/// let source = SyntheticPose::new(&skeleton, 25.0);
/// let mut chunk = Chunk::new(0, skeleton.layout());
/// for n in 0..50 {
///     let (timestamp, pose) = source.frame(n);
///     chunk.push(timestamp, &pose)?;
/// }
/// let chunk = Arc::new(chunk);
///
/// let extent = SessionExtent { frame_count: 50, duration: source.frame(49).0, live: false };
/// let mut cursor = ReplayCursor::new(extent);
/// let mut now = Duration::ZERO;
/// let mut shown = Vec::new();
/// cursor.play(now, Some(2.0))?;
/// loop {
///     match cursor.poll(now) {
///         CursorOutput::NeedChunk(query) => cursor.push_chunk(now, query, Arc::clone(&chunk))?,
///         CursorOutput::Frame(replayed) => shown.push(replayed.frame().frame_number),
///         CursorOutput::WaitUntil(later) => now = later,
///         CursorOutput::Ended => break,
///         _ => {}
///     }
/// }
/// assert_eq!(shown, (0..50).collect::<Vec<_>>());
/// assert_eq!(now, Duration::from_millis(49 * 40 / 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReplayCursor {
    extent: SessionExtent,
    range: Option<PlaybackRange>,
    loop_mode: LoopMode,
    mode: Mode,
    clock: PlaybackClock,
    epoch: u32,
    window: ChunkWindow,
    /// The frame at the position: the newest due one, handed out unless `is_frame_unsent`.
    at: Option<At>,
    is_frame_unsent: bool,
    /// The seek that has not landed yet. Meanwhile the clock stands.
    seek: Option<Seek>,
    /// Why the clock stands although it should run.
    stall: Option<Stall>,
    /// How long the clock may run on after the last frame at hand, because the next one can't be due yet.
    grace_micros: i64,
    /// Why the needed chunk can't be had; no other try before a command.
    cause: Option<String>,
    /// A read-ahead that failed: left out until it is needed.
    unavailable: Option<ChunkQuery>,
    announced: Option<PlaybackState>,
    /// Whether the position changed otherwise than by the clock's running.
    is_moved: bool,
    refusal: Option<CursorError>,
    /// The latest host time heard of.
    now: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Paused,
    Playing,
    Ended,
}

impl ReplayCursor {
    /// Starts a replay, paused at the first frame.
    #[must_use]
    pub fn new(extent: SessionExtent) -> Self {
        Self {
            extent,
            range: None,
            loop_mode: LoopMode::None,
            mode: Mode::Paused,
            clock: PlaybackClock::new(Timestamp::ZERO, 1.0),
            epoch: 0,
            window: ChunkWindow::default(),
            at: None,
            is_frame_unsent: false,
            seek: Some(Seek::new(Plan::Frame(0))),
            stall: None,
            grace_micros: 0,
            cause: None,
            unavailable: None,
            announced: None,
            is_moved: false,
            refusal: None,
            now: Duration::ZERO,
        }
    }

    /// Returns what to do at `now`. Polled again at the same time, it goes on to the next thing and ends with a wait, a
    /// needed chunk, `Paused` or `Ended`, which it then repeats.
    pub fn poll(&mut self, now: Duration) -> CursorOutput {
        self.tick(now);
        self.advance();
        if let Some(refusal) = self.refusal.take() {
            return CursorOutput::SeekFailed(refusal);
        }
        if let Some(state) = self.unannounced_state() {
            self.announced = Some(state.clone());
            return CursorOutput::StateChanged(state);
        }
        if let Some(frame) = self.unsent_frame() {
            return CursorOutput::Frame(frame);
        }
        if self.cause.is_none()
            && let Some(query) = self.needed()
        {
            return CursorOutput::NeedChunk(query);
        }
        match self.status() {
            PlaybackStatus::Paused => CursorOutput::Paused,
            PlaybackStatus::Ended => CursorOutput::Ended,
            PlaybackStatus::Buffering => CursorOutput::WaitForMore,
            PlaybackStatus::Playing => self.next_wait(),
        }
    }

    /// Takes a chunk that covers `query`, asked for by [`CursorOutput::NeedChunk`] or [`ReplayCursor::wanted`]. A chunk
    /// that has become pointless since is dropped. A chunk with frames beyond the known extent extends it.
    ///
    /// # Errors
    ///
    /// [`CursorError::ChunkDoesNotCover`]; the chunk is dropped, and a needed one is still needed.
    pub fn push_chunk(
        &mut self,
        now: Duration,
        query: ChunkQuery,
        chunk: Arc<Chunk>,
    ) -> Result<(), CursorError> {
        self.tick(now);
        self.advance();
        let Some(answer) = answer_to(query, &chunk) else {
            return Err(CursorError::ChunkDoesNotCover {
                query,
                first_frame: chunk.first_frame(),
                frame_count: chunk.frame_count() as u64,
            });
        };
        let is_asked_for =
            self.needed() == Some(query) || self.unavailable == Some(query) || self.wanted() == Some(query);
        if is_asked_for {
            self.unavailable = self.unavailable.filter(|&failed| failed != query);
            if let Some(seek) = &mut self.seek {
                seek.answer(query, answer);
            }
            self.learn_extent(&chunk);
            self.learn_grace(&chunk);
            let focus = self.seek.and_then(|seek| seek.focus());
            let focus = focus.or_else(|| self.at.map(|at| at.frame));
            self.window.insert(chunk, focus.unwrap_or(answer), self.is_forwards());
            self.advance();
        }
        Ok(())
    }

    /// Says that the chunk for `query` can't be had. If it is needed, the playback pauses with `cause` in its state, and
    /// [`ReplayCursor::play`] or a seek tries again; a failed read-ahead is tried again when it is needed.
    pub fn fail_chunk(&mut self, now: Duration, query: ChunkQuery, cause: impl Into<String>) {
        self.tick(now);
        self.advance();
        self.unavailable = Some(query);
        if self.needed() == Some(query) {
            self.cause = Some(cause.into());
            self.stop_playing();
        }
    }

    /// Returns the chunk to be fetched ahead, without waiting for it: the next one in the direction of play, or that of the
    /// next turn of a loop. Repeated until pushed or failed.
    #[must_use]
    pub fn wanted(&self) -> Option<ChunkQuery> {
        let wanted = self.read_ahead();
        wanted.filter(|&q| self.unavailable != Some(q) && self.needed() != Some(q))
    }

    /// Takes note of how far the session reaches by now. It never shrinks: an extent older than what is known only
    /// changes `live`.
    pub fn extend(&mut self, now: Duration, extent: SessionExtent) {
        self.tick(now);
        self.advance();
        self.extent = SessionExtent {
            frame_count: self.extent.frame_count.max(extent.frame_count),
            duration: self.extent.duration.max(extent.duration),
            live: extent.live,
        };
        self.advance();
    }

    /// Returns how far the session reaches, as far as is known.
    #[must_use]
    pub fn extent(&self) -> SessionExtent {
        self.extent
    }

    /// Returns whether a seek waits for its chunk. The first [`CursorOutput::StateChanged`] after which this is false
    /// says where the seek landed, or with which cause its chunk failed.
    #[must_use]
    pub fn is_seeking(&self) -> bool {
        self.seek.is_some() && self.cause.is_none() && self.extent.frame_count > 0
    }

    /// Returns where the replay stands at `now`.
    #[must_use]
    pub fn state(&self, now: Duration) -> PlaybackState {
        let position = self.position(now.max(self.now));
        let frame_number = match (self.seek, self.at) {
            _ if self.extent.frame_count == 0 => None,
            (Some(Seek { plan: Plan::Frame(n), offset: 0, .. }), _) => Some(n),
            (Some(_), _) => None,
            (None, at) if !self.clock.is_running() => at.map(|at| at.frame),
            (None, at) => at.map(|at| self.window.newest_due(at.frame, position, self.is_forwards())),
        };
        let is_at_live_end = self.status() == PlaybackStatus::Buffering
            && !self.is_seeking()
            && self.stall.is_some_and(|stall| stall.barrier == Barrier::LiveEnd);
        PlaybackState {
            status: self.status(),
            timestamp: position,
            frame_number,
            rate: self.clock.rate(),
            epoch: self.epoch,
            cause: self.cause.clone().or_else(|| is_at_live_end.then(|| PlaybackState::LIVE_END.to_owned())),
        }
    }

    fn status(&self) -> PlaybackStatus {
        match self.mode {
            Mode::Paused => PlaybackStatus::Paused,
            Mode::Ended => PlaybackStatus::Ended,
            Mode::Playing if self.seek.is_some() || self.stall.is_some() => PlaybackStatus::Buffering,
            Mode::Playing => PlaybackStatus::Playing,
        }
    }

    /// Returns the state if the viewer has to hear of it. A seek under way is told of when it has landed.
    fn unannounced_state(&mut self) -> Option<PlaybackState> {
        let state = self.state(self.now);
        let is_new = self.announced.as_ref().is_none_or(|old| {
            let is_elsewhere = state.epoch != old.epoch || self.is_moved && state != *old;
            state.status != old.status
                || state.rate != old.rate
                || state.cause != old.cause
                || !self.is_seeking() && is_elsewhere
        });
        self.is_moved &= self.is_seeking();
        is_new.then_some(state)
    }

    fn unsent_frame(&mut self) -> Option<ReplayFrame> {
        let at = self.at.filter(|_| self.is_frame_unsent && self.seek.is_none())?;
        let chunk = self.window.covering(at.frame)?;
        let frame = ReplayFrame::new(self.epoch, chunk, at.frame)?;
        self.is_frame_unsent = false;
        Some(frame)
    }

    fn read_ahead(&self) -> Option<ChunkQuery> {
        let at = self.at.filter(|_| self.seek.is_none() && self.mode != Mode::Ended)?;
        let is_forwards = self.is_forwards();
        let mut frame = at.frame;
        for is_next in [false, true] {
            let chunk = self.window.covering(frame)?;
            let edge = if is_forwards { chunk.last_frame() } else { chunk.first_frame() };
            let beyond = if is_forwards { Some(edge + 1) } else { edge.checked_sub(1) };
            let beyond = beyond.filter(|&n| n < self.extent.frame_count);
            let is_end_here = self.play_end().is_some_and(|end| {
                beyond.is_none() || self.window.timestamp(edge).is_some_and(|t| self.is_reached(t, end))
            });
            if is_end_here {
                let start = self.play_start();
                let is_missing = self.window.frame_at(start, self.extent.frame_count).is_none();
                return (self.loop_mode == LoopMode::Loop && is_missing).then_some(ChunkQuery::Time(start));
            }
            frame = beyond?;
            if !is_next && self.window.covering(frame).is_none() {
                return Some(ChunkQuery::Frame(frame));
            }
        }
        None
    }

    fn learn_extent(&mut self, chunk: &Chunk) {
        if chunk.end_frame() >= self.extent.frame_count
            && let Some(&last) = chunk.timestamps().last()
        {
            self.extent.frame_count = chunk.end_frame();
            self.extent.duration = last;
        }
    }
}

/// Returns the frame that `query` asks for if `chunk` covers it.
fn answer_to(query: ChunkQuery, chunk: &Chunk) -> Option<u64> {
    // A chunk from beyond the last possible number has no end to compute with.
    let end = chunk.first_frame().checked_add(chunk.frame_count() as u64)?;
    match query {
        _ if chunk.is_empty() => None,
        ChunkQuery::Frame(n) => (chunk.first_frame() <= n && n < end).then_some(n),
        ChunkQuery::Time(t) => chunk.frame_at(t).or((chunk.first_frame() == 0).then_some(0)),
    }
}

/// Why a cursor refuses what it was told. It stays as it was.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The session has no frame to go to.
    #[error("the session has no frames yet: it can be played, but there is nowhere to go")]
    NoFrames,
    /// There is no such frame in the session.
    #[error("frame {frame_number} is beyond the session's {frame_count} frames: use 0 to {}", frame_count.saturating_sub(1))]
    FrameOutOfRange {
        /// The frame asked for.
        frame_number: u64,
        /// How many there are, at least 1.
        frame_count: u64,
    },
    /// A fraction is no part of the session.
    #[error("{fraction} is no part of the session: use 0 to 1")]
    FractionOutOfRange {
        /// The fraction asked for.
        fraction: f64,
    },
    /// An exact seek hit no frame.
    #[error("there is no frame at exactly {timestamp}: use `before` or `nearest`")]
    FrameNotFound {
        /// The moment asked for.
        timestamp: Timestamp,
    },
    /// A rate can't be played.
    #[error("the rate {rate} can't be played: use -16 to 16, but not 0")]
    BadRate {
        /// The rate asked for.
        rate: f64,
    },
    /// A range is no part of the session.
    #[error("{start} to {end} is no part of the session of {duration}: the end must be after the start")]
    BadRange {
        /// The first moment.
        start: Timestamp,
        /// The last moment.
        end: Timestamp,
        /// The session's duration.
        duration: Timestamp,
    },
    /// A chunk doesn't have what was asked for.
    #[error("the chunk of {frame_count} frames from {first_frame} on doesn't cover {query:?}")]
    ChunkDoesNotCover {
        /// What was asked for.
        query: ChunkQuery,
        /// The chunk's first frame.
        first_frame: u64,
        /// How many frames it has.
        frame_count: u64,
    },
}
