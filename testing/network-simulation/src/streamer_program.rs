//! A streamer's program: one session after the other, each held against the disk when it has ended.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use posesession_core::{Overflow, Timestamp, UnackedLimits};
use posesession_store::{MemoryStore, SessionStore};
use posesession_ws::protocol::{ErrorCode, Publish, SkeletonRef, StartRecording};
use posesession_ws::{ClientError, StreamEnd, Streamer, StreamerError, StreamerEvent, StreamerOptions};

use crate::connecting::connect;
use crate::controller::Control;
use crate::log::{Log, pose};
use crate::rng::Rng;
use crate::totals::Totals;

/// One frame every so often.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long stopping may take: some outages one after the other, each with time to resend in between.
const STOP_WITHIN: Duration = Duration::from_secs(600);

pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) disk: Arc<MemoryStore>,
    pub(crate) totals: Totals,
    pub(crate) rng: Rng,
    pub(crate) control: Control,
    pub(crate) until: Duration,
}

/// How a session went on from a push or a command.
enum Course {
    On,
    Over,
}

impl Program {
    /// Records sessions until it is time.
    ///
    /// # Errors
    ///
    /// The first broken promise.
    pub(crate) async fn run(mut self) -> Result<(), String> {
        let mut streams = 0;
        while turmoil::sim_elapsed().unwrap_or_default() < self.until {
            streams += 1;
            let Ok(streamer) = self.connect(streams).await else {
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            };
            // A streamer records several sessions, as long as it lives.
            for _ in 0..self.rng.between(1, 5) {
                if streamer.end().is_some() {
                    break;
                }
                self.record(&streamer).await?;
            }
            self.totals.add_figures(&streamer.figures());
            if self.rng.once_in(2) {
                streamer.close().await;
            }
        }
        Ok(())
    }

    async fn connect(&mut self, streams: u64) -> Result<Streamer, ClientError> {
        let frames = if self.rng.once_in(4) { self.rng.between(20, 200) } else { 100_000 };
        let overflow = if self.rng.once_in(2) { Overflow::DropOldest } else { Overflow::DropNewest };
        let max_bytes = usize::try_from(frames * 350).unwrap_or(usize::MAX);
        let name = format!("{}-{streams}", self.name);
        self.control.offer(&name);
        let publish = Publish {
            stream: Some(name.clone()),
            publisher: Some(name),
            skeleton: Some(SkeletonRef::Preset("coco_17".to_owned())),
            ..Publish::default()
        };
        let options = StreamerOptions {
            publish,
            buffer: UnackedLimits { max_bytes, overflow, ..UnackedLimits::default() },
            stop_within: STOP_WITHIN,
            seed: Some(self.rng.next()),
            ..StreamerOptions::default()
        };
        Streamer::connect(connect, options).await
    }

    async fn record(&mut self, streamer: &Streamer) -> Result<(), String> {
        let named = StartRecording { name: self.name.clone(), ..StartRecording::default() };
        let session = match streamer.start_recording(named).await {
            Ok(session) => session,
            Err(StreamerError::Client(ClientError::Refused(_)) | StreamerError::Ended(_)) => return Ok(()),
            Err(error) => return Err(format!("a recording can't be started: {error}")),
        };
        let mut log = Log::of(session);
        let frames = self.rng.between(20, 600);
        let mut is_paused = false;
        for _ in 0..frames {
            tokio::time::sleep(INTERVAL).await;
            if self.rng.once_in(100) {
                let told = match is_paused {
                    true => streamer.resume_recording().await,
                    false => streamer.pause_recording().await,
                };
                match told {
                    Ok(()) => is_paused = !is_paused,
                    Err(StreamerError::Client(ClientError::Refused(error)))
                        if error.code == ErrorCode::BadState && self.control.is_controlled() =>
                    {
                        is_paused = !is_paused;
                    }
                    Err(error) => {
                        self.go_on(&error)?;
                        break;
                    }
                }
            }
            if let Course::Over = self.push(streamer, &mut log, is_paused).await? {
                break;
            }
            self.listen(streamer, &mut log)?;
            if self.rng.once_in(150) {
                let flushed = streamer.flush().await;
                self.listen(streamer, &mut log)?;
                // If it ended meanwhile, that is seen with the next frame.
                if flushed.is_ok() {
                    // Of a recording that ended, what was acknowledged is no longer to be had.
                    if streamer.session() == Some(session) {
                        log.check_flushed()?;
                    }
                    log.check(&self.disk, &[], true)
                        .await
                        .map_err(|broken| format!("flushed, but {broken}"))?;
                    self.totals.change(|figures| figures.flushes += 1);
                }
            }
        }
        let stopped = streamer.stop_recording().await;
        self.listen(streamer, &mut log)?;
        let not_stored: Vec<RangeInclusive<u64>> = match stopped {
            Ok(stopped) => stopped.not_stored,
            Err(StreamerError::Ended(StreamEnd::NotResumable { not_stored, stored_through, .. })) => {
                // The last word about it counts as an acknowledgement.
                if stored_through.is_some() {
                    log.note_acked(stored_through)?;
                }
                self.totals.count_ended();
                not_stored
            }
            Err(StreamerError::Ended(StreamEnd::TimedOut { .. })) => {
                return Err(format!("I5: {} was not stopped within {STOP_WITHIN:?}", log.session));
            }
            Err(error) => return Err(format!("a recording can't be stopped: {error}")),
        };
        let found = log.check(&self.disk, &not_stored, true).await?;
        self.totals.add_session(found);
        self.totals.change(|figures| figures.controlled += u64::from(self.control.is_controlled()));
        self.disk.erase_session(session).await.map_err(|error| error.to_string())
    }

    async fn push(&mut self, streamer: &Streamer, log: &mut Log, is_paused: bool) -> Result<Course, String> {
        // Now and then numbers are left out: they were never pushed.
        let next = streamer.next_number() + if self.rng.once_in(100) { self.rng.between(1, 4) } else { 0 };
        let now = turmoil::sim_elapsed().unwrap_or_default();
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        match streamer.send_frame(Some(next), Timestamp::from_micros(micros), &pose(next), &[]).await {
            Ok(number) => {
                log.note_sent(number, (!self.control.is_controlled()).then_some(is_paused));
                Ok(Course::On)
            }
            Err(error) => self.go_on(&error).map(|()| Course::Over),
        }
    }

    /// An end that says what is missing is looked at when the recording is stopped.
    fn go_on(&self, error: &StreamerError) -> Result<(), String> {
        match error {
            StreamerError::Ended(StreamEnd::NotResumable { .. }) => Ok(()),
            error => Err(format!("{}: {error}", self.name)),
        }
    }

    fn listen(&self, streamer: &Streamer, log: &mut Log) -> Result<(), String> {
        if self.control.is_controlled() {
            log.note_controlled();
        }
        if let Some(through) = streamer.stored_through() {
            log.note_acked(Some(through))?;
        }
        while let Some(event) = streamer.try_event() {
            match event {
                StreamerEvent::Dropped { first, last } => log.note_dropped(first..=last),
                StreamerEvent::AcknowledgedLost { after, acknowledged, .. } => {
                    return Err(format!("I4: {acknowledged} was acknowledged, and then only {after:?}"));
                }
                // It came in a pause that this streamer did not ask for, and again after that.
                StreamerEvent::Error(error)
                    if error.code == ErrorCode::Late && self.control.is_controlled() => {}
                StreamerEvent::Error(error) if error.frame_number.is_some() => {
                    return Err(format!("a frame was refused: {error}"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
