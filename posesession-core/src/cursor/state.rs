//! The words of a replay: what it knows of its session, what it hands out, and where it stands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chunk::Chunk;
use crate::chunk_index::ChunkQuery;
use crate::cursor::CursorError;
use crate::frame::FrameView;
use crate::time::Timestamp;

/// How far a session reaches, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionExtent {
    /// How many frames there are.
    pub frame_count: u64,
    /// The timestamp of the last frame.
    pub duration: Timestamp,
    /// Whether frames may still come.
    pub live: bool,
}

/// What a [`ReplayCursor`](crate::ReplayCursor) wants its host to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum CursorOutput {
    /// Fetch the chunk that covers this and push it, or say that it can't be had. Nothing goes on before that;
    /// repeated by each poll until then.
    NeedChunk(ChunkQuery),
    /// Show this frame now.
    Frame(ReplayFrame),
    /// Tell the viewer: the playback changed. Comes before the first frame after the change, and once.
    StateChanged(PlaybackState),
    /// Tell the viewer: a seek that had been accepted found no frame. The position is what it was before the seek; its
    /// frame is shown again, in the seek's epoch.
    SeekFailed(CursorError),
    /// Nothing to do before this host time: poll then. Never more than [`CursorOutput::MAX_WAIT`] ahead.
    WaitUntil(Duration),
    /// The end of what has been recorded so far is reached: poll after
    /// [`ReplayCursor::extend`](crate::ReplayCursor::extend).
    WaitForMore,
    /// Nothing to do before the next command.
    Paused,
    /// The end is reached. Nothing to do before the next command.
    Ended,
}

impl CursorOutput {
    /// The longest wait, so that hosts can add it to their clock.
    pub const MAX_WAIT: Duration = Duration::from_secs(3600);
}

/// A frame to be shown now: its place in its chunk, so that no frame is copied on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayFrame {
    /// How many seeks came before it; viewers drop frames of an older epoch than they have heard of.
    pub epoch: u32,
    chunk: Arc<Chunk>,
    /// The frame's place within the chunk, which covers it.
    index: usize,
}

impl ReplayFrame {
    /// Takes a frame that the chunk covers; none if it doesn't.
    pub(super) fn new(epoch: u32, chunk: &Arc<Chunk>, frame_number: u64) -> Option<Self> {
        let index = usize::try_from(frame_number.checked_sub(chunk.first_frame())?).ok()?;
        (index < chunk.frame_count()).then(|| Self { epoch, chunk: Arc::clone(chunk), index })
    }

    /// Returns the frame.
    #[must_use]
    pub fn frame(&self) -> FrameView<'_> {
        self.chunk.view_at(self.index)
    }
}

/// Where a replay stands.
///
/// While `status` is `playing`, the position goes on from `timestamp` at `rate`: no more is needed to extrapolate.
/// Otherwise it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaybackState {
    /// What it does.
    pub status: PlaybackStatus,
    /// The position within the session; seconds in JSON.
    pub timestamp: Timestamp,
    /// The frame at the position; none in a session without frames, or until a seek by time has landed.
    pub frame_number: Option<u64>,
    /// Session time per host time: 1 as recorded, negative backwards. Kept while the playback stands.
    pub rate: f64,
    /// How many seeks there have been, turns of a loop included.
    pub epoch: u32,
    /// Why it stands: the cause given to [`ReplayCursor::fail_chunk`](crate::ReplayCursor::fail_chunk), or
    /// [`PlaybackState::LIVE_END`].
    pub cause: Option<String>,
}

impl PlaybackState {
    /// The cause of `buffering` at the end of what has been recorded so far.
    pub const LIVE_END: &'static str = "live_end";
}

/// What a replay does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaybackStatus {
    /// It stands until `play`.
    Paused,
    /// The clock runs.
    Playing,
    /// It would play, but waits for a chunk, or for the recording to go on.
    Buffering,
    /// It played to the end, or backwards to the start. `play` starts again, seeks work.
    Ended,
}

impl PlaybackStatus {
    /// Returns the status' name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Playing => "playing",
            Self::Buffering => "buffering",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for PlaybackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
