//! `posesession record`: JSON lines from stdin in, a session out.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use indicatif::ProgressBar;
use posesession_core::{
    Batch, Encoding, IncomingFrame, QualityReport, Recorder, RecorderConfig, SessionId, SessionRecording,
    SessionStatus, Skeleton,
};
use posesession_store::{
    FrameFormat, NewSession, ReadError, ReadFrame, ReadOptions, SessionStore, StoreError, Term, read_frames,
};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::encoding_args::EncodingArgs;
use super::failure::{FAILED, INPUT_BROKEN};
use super::running::{self, StopSignals};
use super::{Failure, place_args::PlaceArgs, progress, words};
use crate::Access;

const EXAMPLES: &str = "\
Examples:
  pose_program | posesession record --name Squat
      record what the program prints until it ends
  pose_program | posesession record --skeleton coco_17
      say what the keypoints are
  pose_program | posesession record --max-error x=5e-5,y=5e-5,z=5e-5
      a third of the size, each value off by at most so much
  posesession play Squat | posesession record --name Again
      a copy, in real time

A line is a frame: {\"timestamp\": SECONDS, \"landmarks\": [{\"x\":..,\"y\":..,\"z\":..,\"visibility\":..},...]} or \
another shape of docs/file-formats.md. Frames are stored as they come. Ctrl-C finishes the session, as the end of \
the input does; so does a broken line, which is told.";

/// How many frames are read ahead of the store.
const FRAMES_AHEAD: usize = 256;
/// How long a database that is away is left alone.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Records JSON lines from stdin as they come
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Record {
    /// The session's name
    #[arg(long)]
    name: Option<String>,
    /// Free text about it
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// The keypoints, if the lines don't tell: a preset such as mediapipe_33 or coco_17
    #[arg(long, value_parser = super::preset)]
    skeleton: Option<Skeleton>,
    /// Frames a second, for lines without a time
    #[arg(long, value_parser = super::frame_rate)]
    fps: Option<f64>,
    #[command(flatten)]
    encoding: EncodingArgs,
    /// Print session and report as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What the reading thread hands over: a frame and, with the first one of which it is known, the skeleton.
type Read = Result<(ReadFrame, Option<Skeleton>), ReadError>;

#[derive(Serialize)]
struct Recorded<'a> {
    session: &'a SessionRecording,
    report: &'a QualityReport,
}

impl Record {
    pub(super) fn run(self) -> Result<(), Failure> {
        running::run_gracefully(async |stop| self.record(stop).await)
    }

    async fn record(&self, mut stop: StopSignals) -> Result<(), Failure> {
        let encoding = self.encoding.encoding()?.unwrap_or_default();
        let storage = self.place.open(Access::Record).await?;
        let mut frames = read_stdin(ReadOptions { fps: self.fps, skeleton: self.skeleton.clone() });
        // A program that says nothing, or nothing but nonsense, leaves no session.
        let first = tokio::select! {
            first = frames.recv() => first,
            () = stop.next() => None,
        };
        let first = match first {
            Some(Ok(first)) => first,
            Some(Err(error)) => return Err(Failure::of(INPUT_BROKEN, &error).about("stdin")),
            None => return Err(Failure::new(INPUT_BROKEN, "stdin: there was no frame; nothing is recorded")),
        };
        let store = Arc::clone(storage.store());
        let session = store.create_session(self.new_session(encoding, first.1.clone())).await?;
        let mut recording = Recording {
            id: session.id,
            term: store.begin_term(session.id).await?,
            store,
            recorder: self.recorder()?,
            origin: Instant::now(),
            bar: progress::frames_spinner(&session.name),
        };
        let ended = recording.run(first, &mut frames, &mut stop).await;
        recording.bar.finish_and_clear();
        let done = match ended {
            Ok((session, broken)) => {
                self.tell(&session, &recording.recorder.report())?;
                broken.map_or(Ok(()), |error| Err(Failure::of(INPUT_BROKEN, &error).about("stdin")))
            }
            Err(failure) => {
                recording.give_up().await;
                Err(failure)
            }
        };
        storage.close().await;
        done
    }

    fn new_session(&self, encoding: Encoding, skeleton: Option<Skeleton>) -> NewSession {
        let name = self.name.clone().unwrap_or_else(|| format!("Recording of {}", words::moment(Utc::now())));
        NewSession { description: self.description.clone(), encoding, skeleton, ..NewSession::named(&name) }
    }

    fn recorder(&self) -> Result<Recorder, Failure> {
        let config = RecorderConfig { nominal_fps: self.fps, ..RecorderConfig::default() };
        Recorder::new(self.skeleton.clone(), config).map_err(|error| Failure::of(FAILED, &error))
    }

    fn tell(&self, session: &SessionRecording, report: &QualityReport) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            return super::write_json_line(&mut out, &Recorded { session, report });
        }
        let name = words::line(&session.name);
        let length = words::length(session.duration);
        writeln!(out, "{}  {name}, {}, {length}", session.id, words::frames(session.frame_count))?;
        let refused: u64 = report.refused.values().sum();
        writeln!(
            out,
            "{} came, {} stored, {refused} refused; {:.1} frames/s, {} clock jumps",
            words::frames(report.received),
            report.stored,
            report.frame_rate,
            report.clock_jumps
        )
    }
}

/// A session that is being recorded.
struct Recording {
    id: SessionId,
    term: Term,
    store: Arc<dyn SessionStore>,
    recorder: Recorder,
    origin: Instant,
    bar: ProgressBar,
}

impl Recording {
    /// Takes all frames and finishes the session; returns it with what couldn't be read.
    async fn run(
        &mut self,
        first: (ReadFrame, Option<Skeleton>),
        frames: &mut mpsc::Receiver<Read>,
        stop: &mut StopSignals,
    ) -> Result<(SessionRecording, Option<ReadError>), Failure> {
        let broken = self.take_all(first, frames, stop).await?;
        Ok((self.finish().await?, broken))
    }

    /// Takes frames until they end, one can't be read, or the user has enough; returns what couldn't be read.
    async fn take_all(
        &mut self,
        first: (ReadFrame, Option<Skeleton>),
        frames: &mut mpsc::Receiver<Read>,
        stop: &mut StopSignals,
    ) -> Result<Option<ReadError>, Failure> {
        self.take(first).await?;
        loop {
            let deadline = self.recorder.next_deadline().map(|deadline| self.origin + deadline);
            let due = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                frame = frames.recv() => match frame {
                    Some(Ok(frame)) => self.take(frame).await?,
                    Some(Err(error)) => return Ok(Some(error)),
                    None => return Ok(None),
                },
                () = due => self.store_batches().await?,
                () = stop.next() => return Ok(None),
            }
        }
    }

    async fn take(&mut self, (frame, skeleton): (ReadFrame, Option<Skeleton>)) -> Result<(), Failure> {
        if let Some(skeleton) = skeleton {
            self.recorder.set_skeleton(skeleton).map_err(|error| Failure::of(FAILED, &error))?;
        }
        let ReadFrame { line, timestamp, pose_data } = frame;
        let mut frame = IncomingFrame { number: None, timestamp, pose_data, image: None };
        if let Err(refusal) = self.recorder.handle_frame(self.origin.elapsed(), &mut frame) {
            // It is counted in the report; the recording goes on.
            tracing::warn!(line, "the frame is not stored: {refusal}");
        }
        self.bar.inc(1);
        self.store_batches().await?;
        Ok(())
    }

    async fn store_batches(&mut self) -> Result<(), StoreError> {
        while let Some(batch) = self.recorder.poll_batch(self.origin.elapsed()) {
            self.append(&batch).await?;
        }
        Ok(())
    }

    /// Appends a batch, again and again while the database is away: the sender waits meanwhile, and nothing is lost.
    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut is_told = false;
        loop {
            match self.store.append(self.id, self.term, batch).await {
                Err(error @ StoreError::Backend { retryable: true, .. }) => {
                    if !is_told {
                        tracing::warn!("frames can't be stored, and are tried again: {error}");
                    }
                    is_told = true;
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
                appended => return appended.map(drop),
            }
        }
    }

    async fn finish(&mut self) -> Result<SessionRecording, Failure> {
        self.recorder.finish(self.origin.elapsed()).map_err(|error| Failure::of(FAILED, &error))?;
        self.store_batches().await?;
        Ok(self.store.finish(self.id, self.term, SessionStatus::Completed).await?)
    }

    /// Leaves what is stored as a session that broke off.
    async fn give_up(&self) {
        if let Err(error) = self.store.finish(self.id, self.term, SessionStatus::Interrupted).await {
            tracing::warn!(session = %self.id, %error, "the session is left as one that is being recorded");
        }
    }
}

/// Reads stdin on a thread of its own, which is left to itself when nobody listens any more: a read can't be broken off.
fn read_stdin(options: ReadOptions) -> mpsc::Receiver<Read> {
    let (sender, receiver) = mpsc::channel(FRAMES_AHEAD);
    std::thread::spawn(move || {
        let mut is_told = options.skeleton.is_some();
        let mut frames = match read_frames(io::stdin(), FrameFormat::JsonLines, options) {
            Ok(frames) => frames,
            Err(error) => {
                let _gone = sender.blocking_send(Err(error));
                return;
            }
        };
        while let Some(read) = frames.next_frame().transpose() {
            let is_last = read.is_err();
            let skeleton = if is_told { None } else { frames.skeleton().cloned() };
            is_told |= skeleton.is_some();
            if sender.blocking_send(read.map(|frame| (frame, skeleton))).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}
