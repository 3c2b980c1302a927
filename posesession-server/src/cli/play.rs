//! `posesession play`: a session's frames to stdout, when they are due.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use posesession_core::{
    CursorError, CursorOutput, Frame, LoopMode, PlaybackRange, ReplayCursor, SeekMode, SeekTarget,
    SessionExtent, SessionRecording, Timestamp,
};
use posesession_store::{FrameWalk, SessionStore};
use tokio::time::Instant;

use super::failure::{FAILED, WRONG_USAGE};
use super::{Failure, place_args::PlaceArgs, session_choice};
use crate::Access;

const EXAMPLES: &str = "\
Examples:
  posesession play Squat
      one JSON object a frame, in real time
  posesession play Squat --rate 0.5 --loop
      at half speed, again and again
  posesession play Squat --from 2 --to 4.5
      a part of it
  posesession play Squat --no-pace > squat.jsonl
      all frames as fast as they can be read

The lines are those of `export --format jsonl` without its first one. A session that is being recorded is followed \
until its end.";

/// How often a session that is being recorded is looked at for more.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Prints a session's frames as JSON lines, paced in real time
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Play {
    /// The session: its id, a beginning of its id, or its name
    session: String,
    /// How fast: 1 is as recorded, negative is backwards, up to 16
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true, conflicts_with = "no_pace")]
    rate: f64,
    /// Where to start, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    from: Option<Timestamp>,
    /// Where to end, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    to: Option<Timestamp>,
    /// Start again at the end
    #[arg(long = "loop", conflicts_with = "no_pace")]
    is_looped: bool,
    /// Don't wait between frames
    #[arg(long)]
    no_pace: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Play {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let storage = self.place.open(Access::Read).await?;
        let store = storage.store();
        let session = session_choice::find(store.as_ref(), &self.session).await?;
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(Failure::new(WRONG_USAGE, "--to has to be later than --from"));
        }
        let walk = FrameWalk::start(Arc::clone(store), &session, 0, u64::MAX).await?;
        if self.no_pace { self.dump(walk).await } else { self.replay(store.as_ref(), &session, walk).await }
    }

    /// Prints the frames as fast as they come.
    async fn dump(&self, mut walk: FrameWalk) -> Result<(), Failure> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        while let Some(frame) = walk.next().await? {
            if self.to.is_some_and(|to| frame.timestamp > to) {
                break;
            }
            if self.is_asked_for(frame.timestamp) {
                super::write_json_line(&mut out, &walk.json(&frame))?;
            }
        }
        Ok(out.flush()?)
    }

    /// Prints each frame when the cursor says that it is due.
    async fn replay(
        &self,
        store: &dyn SessionStore,
        session: &SessionRecording,
        walk: FrameWalk,
    ) -> Result<(), Failure> {
        let origin = Instant::now();
        let mut cursor = ReplayCursor::new(extent(session));
        self.prepare(&mut cursor, session).map_err(|error| Failure::of(WRONG_USAGE, &error))?;
        loop {
            let now = origin.elapsed();
            match cursor.poll(now) {
                CursorOutput::NeedChunk(query) => {
                    let chunk = store.covering_chunk(session.id, query).await?.chunk;
                    let pushed = cursor.push_chunk(origin.elapsed(), query, Arc::new(chunk));
                    pushed.map_err(|error| Failure::of(FAILED, &error))?;
                }
                // The frame on which a seek lands may stand a little before the moment.
                CursorOutput::Frame(shown) if !self.is_asked_for(shown.frame().timestamp) => {}
                CursorOutput::Frame(shown) => print(&walk, &shown.frame().to_frame())?,
                CursorOutput::WaitUntil(then) => tokio::time::sleep_until(origin + then).await,
                CursorOutput::WaitForMore => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    let session = store.read_session(session.id).await?;
                    cursor.extend(origin.elapsed(), extent(&session));
                }
                CursorOutput::SeekFailed(error) => return Err(Failure::of(FAILED, &error)),
                CursorOutput::Ended | CursorOutput::Paused => return Ok(()),
                CursorOutput::StateChanged(_) => {}
            }
        }
    }

    fn is_asked_for(&self, timestamp: Timestamp) -> bool {
        let is_early = self.from.is_some_and(|from| timestamp < from);
        !is_early && self.to.is_none_or(|to| timestamp <= to)
    }

    fn prepare(&self, cursor: &mut ReplayCursor, session: &SessionRecording) -> Result<(), CursorError> {
        let now = Duration::ZERO;
        let end = if session.status.is_live() { Timestamp::MAX } else { session.duration };
        let range = (self.from.is_some() || self.to.is_some()).then(|| PlaybackRange {
            start: self.from.unwrap_or(Timestamp::ZERO),
            end: self.to.unwrap_or(end),
        });
        let loop_mode = if self.is_looped { LoopMode::Loop } else { LoopMode::None };
        cursor.set_range(now, range, loop_mode)?;
        // A cursor that holds no frame yet doesn't jump into its range by itself.
        let start = if self.rate < 0.0 { Some(self.to.unwrap_or(session.duration)) } else { self.from };
        if let Some(start) = start.filter(|_| session.frame_count > 0) {
            cursor.seek(now, SeekTarget::Timestamp(start), SeekMode::Before)?;
        }
        cursor.play(now, Some(self.rate))
    }
}

fn extent(session: &SessionRecording) -> SessionExtent {
    let SessionRecording { frame_count, duration, status, .. } = *session;
    SessionExtent { frame_count, duration, live: status.is_live() }
}

/// Prints one frame at once, whoever reads.
fn print(walk: &FrameWalk, frame: &Frame) -> io::Result<()> {
    let mut out = io::stdout().lock();
    super::write_json_line(&mut out, &walk.json(frame))?;
    out.flush()
}
