//! One recording: the recorder's batches in, durable chunks and acknowledgements out.

mod ending;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use posesession_core::{
    Batch, CommandError, QualityReport, Recorder, RecorderConfig, ResumePoint, SessionId, SessionRecording,
    SessionStatus, SkeletonError,
};
use posesession_store::{
    Appended, COMPACT_FRAMES, MediaError, MediaStore, RecordedVideo, SessionStore, StoreError, Term,
};
use thiserror::Error;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::RecordService;
use super::durable_times::DurableTimes;
use super::video::{self, VideoUpload};
use crate::clock::Clock;
use crate::protocol::{BinaryVideo, ErrorCode, ProtocolError, RecordingStatus, VideoFormat};

/// How long to wait before a failed append is tried again: doubled each time, up to the second figure.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(5);
/// How often the last frames are tried before a recording that ends is given up.
const RETRIES_AT_END: u32 = 6;

type AppendFuture = BoxFuture<'static, (Batch, Option<RecordedVideo>, Result<Appended, KeepError>)>;

/// A session that is being recorded.
pub(super) struct Recording {
    pub(super) id: SessionId,
    pub(super) recorder: Recorder,
    /// When it was started, to end it if no publisher ever comes.
    pub(super) begun_at: Duration,
    /// The publisher's number up to which everything is durable or settled.
    pub(super) stored_through: Option<u64>,
    /// Why the store takes no frames at the moment.
    pub(super) trouble: Option<String>,
    term: Term,
    store: Arc<dyn SessionStore>,
    media: Option<Arc<MediaStore>>,
    clock: Clock,
    /// The one append under way; the recorder holds what comes meanwhile, and says when that is enough.
    append: Option<AppendFuture>,
    retries: u32,
    /// Whether the session takes no more frames: a batch is lost, so none may follow it.
    pub(super) is_lost: bool,
    /// The last status that it is to get, once it is being stopped.
    pub(super) ending: Option<SessionStatus>,
    /// Whether it was tried before to give it that status.
    closes_again: bool,
    /// What the store knows of its status.
    noted_status: SessionStatus,
    stored_bytes: u64,
    short_frames: u64,
    compaction: Option<JoinHandle<()>>,
    video: Option<VideoUpload>,
    /// Whose numbers they are.
    publisher: Option<String>,
    /// Whether the store may think that they are another one's: the answer to a take-over was lost.
    is_publisher_unsure: bool,
    /// How often the publisher came back.
    pub(super) reconnects: u64,
    /// Whether it was taken up from the store, which may not know of a pause, and nobody has paused it or let it go on since.
    pub(super) is_as_reopened: bool,
    durable_times: DurableTimes,
}

/// What became of an append.
pub(super) enum Outcome {
    /// Everything up to this number of the publisher's is durable or settled.
    Stored { stored_through: Option<u64> },
    /// It will be tried again; told once per trouble.
    Retrying(ProtocolError),
    /// It still fails, as told before.
    StillRetrying,
    /// The session takes no more frames.
    Lost(ProtocolError),
}

impl Recording {
    /// Begins recording a session that the store has just created: as its first writer, so that whoever goes on with it
    /// elsewhere, as a client may that waits for no answer any more, shuts this recording out, and never the other way round.
    pub(super) fn begin(
        service: &RecordService,
        session: &SessionRecording,
        fps: Option<f64>,
        video: Option<VideoFormat>,
    ) -> Result<Self, ProtocolError> {
        let point = ResumePoint { skeleton: session.skeleton.clone(), ..ResumePoint::default() };
        let video = video.as_ref().and_then(VideoUpload::new);
        Self::over(service, session, Term::FIRST, fps, point, video)
    }

    /// Goes on recording a session that another process, or an earlier one, has left: its writer is fenced off.
    pub(super) async fn reopen(
        service: &RecordService,
        id: SessionId,
        publisher: &str,
        fps: Option<f64>,
    ) -> Result<Self, ProtocolError> {
        let begun = service.inner.store.begin_term(id).await;
        let term = begun.map_err(|error| storage_error(&error))?;
        let reopened = Self::reopen_in(service, id, term, publisher, fps).await;
        if reopened.is_err() {
            ending::leave(service, id, term);
        }
        reopened
    }

    async fn reopen_in(
        service: &RecordService,
        id: SessionId,
        term: Term,
        publisher: &str,
        fps: Option<f64>,
    ) -> Result<Self, ProtocolError> {
        let store = &service.inner.store;
        let told = |error: StoreError| storage_error(&error);
        // Only now nobody else changes it any more.
        let progress = store.progress(id).await.map_err(told)?;
        let is_same = progress.publisher.as_deref() == Some(publisher);
        let settled_through = progress.settled_through.filter(|_| is_same);
        store.set_publisher(id, term, publisher, settled_through).await.map_err(told)?;
        let session = store.read_session(id).await.map_err(told)?;
        let point = ResumePoint {
            skeleton: session.skeleton.clone(),
            frame_count: session.frame_count,
            duration: session.duration,
            settled_through,
        };
        let video = match (RecordedVideo::from_metadata(&session.metadata), &service.inner.media) {
            // One that was joined takes no more pieces.
            (Some(facts), Some(media)) if session.video_file_path.is_none() => {
                let stored = media.video_upload_len(id).await;
                Some(VideoUpload::reopen(facts, stored.map_err(|error| KeepError::from(error).told())?))
            }
            _ => None,
        };
        let mut recording = Self::over(service, &session, term, fps, point, video)?;
        recording.stored_through = settled_through;
        recording.stored_bytes = session.stored_bytes;
        recording.publisher = Some(publisher.to_owned());
        recording.reconnects = 1;
        recording.is_as_reopened = true;
        if session.status == SessionStatus::Paused {
            let paused = recording.recorder.pause(service.inner.clock.now());
            paused.map_err(|error| ProtocolError::new(ErrorCode::BadState, error.to_string()))?;
        }
        Ok(recording)
    }

    fn over(
        service: &RecordService,
        session: &SessionRecording,
        term: Term,
        fps: Option<f64>,
        point: ResumePoint,
        video: Option<VideoUpload>,
    ) -> Result<Self, ProtocolError> {
        let inner = &service.inner;
        let config = RecorderConfig {
            reorder_window: inner.options.reorder_window,
            flush_after: inner.options.flush_after,
            nominal_fps: fps,
            ..RecorderConfig::default()
        };
        let bad = |error: SkeletonError| ProtocolError::new(ErrorCode::BadMessage, error.to_string());
        let recorder = Recorder::reopen(point, config).map_err(bad)?;
        Ok(Self {
            id: session.id,
            recorder,
            begun_at: inner.clock.now(),
            stored_through: None,
            trouble: None,
            term,
            store: Arc::clone(&inner.store),
            media: inner.media.clone(),
            clock: inner.clock,
            append: None,
            retries: 0,
            is_lost: false,
            ending: None,
            closes_again: false,
            noted_status: session.status,
            stored_bytes: 0,
            short_frames: 0,
            compaction: None,
            video,
            publisher: None,
            is_publisher_unsure: false,
            reconnects: 0,
            is_as_reopened: false,
            durable_times: DurableTimes::default(),
        })
    }

    /// Notes whose numbers come from now on. Everything under another one's must be stored before.
    pub(super) async fn set_publisher(&mut self, name: &str) -> Result<(), ProtocolError> {
        if self.publisher.as_deref() == Some(name) {
            return Ok(());
        }
        if let Err(error) = self.store.set_publisher(self.id, self.term, name, None).await {
            let error = KeepError::from(error);
            self.is_lost |= error.is_final();
            if !self.is_lost {
                self.undo_set_publisher().await;
            }
            return Err(error.told());
        }
        self.publisher = Some(name.to_owned());
        self.is_publisher_unsure = false;
        Ok(())
    }

    /// Says again whose numbers they are, after the store said nothing of another one's: it may have noted that one, under whose name
    /// the next acknowledgement would then stand. If it doesn't listen, it is told with the next append.
    async fn undo_set_publisher(&mut self) {
        self.is_publisher_unsure = match &self.publisher {
            Some(name) => {
                self.store.set_publisher(self.id, self.term, name, self.stored_through).await.is_err()
            }
            None => true,
        };
        // Numbers that were nobody's so far are not to be that one's either.
        self.publisher.get_or_insert_with(no_name);
    }

    /// Stores everything under the publisher's numbers, then lets another one's start. Returns what the old one's
    /// acknowledgement is.
    pub(super) async fn hand_over(
        &mut self,
        now: Duration,
        name: &str,
    ) -> Result<Option<u64>, ProtocolError> {
        let wrong = |error: CommandError| ProtocolError::new(ErrorCode::BadState, error.to_string());
        self.recorder.give_up_holes(now).map_err(wrong)?;
        self.store_rest().await?;
        self.set_publisher(name).await?;
        self.recorder.new_numbering(now).map_err(wrong)?;
        Ok(self.stored_through.take())
    }

    /// Starts storing the next batch that is due, if none is under way.
    pub(super) fn pump(&mut self, now: Duration) {
        if self.append.is_none()
            && let Some(batch) = self.recorder.poll_batch(now)
        {
            self.append = Some(self.store_batch(batch, Duration::ZERO));
        }
    }

    fn store_batch(&mut self, batch: Batch, delay: Duration) -> AppendFuture {
        let (id, term) = (self.id, self.term);
        let video = self.video.as_mut().and_then(|video| {
            video.follow(&self.recorder);
            video.news()
        });
        let (store, media) = (Arc::clone(&self.store), self.media.clone());
        let unsure = self.publisher.clone().filter(|_| self.is_publisher_unsure);
        let stored_through = self.stored_through;
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let result = async {
                // The order is the promise: an acknowledged frame's image is durable, too, and so is a pause before it, by
                // which the video of a session that breaks off would else be late.
                if let (Some(images), Some(media)) = (&batch.images, &media) {
                    media.put_images(id, images).await?;
                }
                if let Some(video) = &video {
                    video::note(&*store, id, term, video).await?;
                }
                // What the batch settles is settled under this name, and no other.
                if let Some(publisher) = &unsure {
                    store.set_publisher(id, term, publisher, stored_through).await?;
                }
                Ok(store.append(id, term, &batch).await?)
            };
            let result = result.await;
            (batch, video, result)
        })
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Waits for the append under way, for ever if there is none. Dropping the future loses nothing.
    pub(super) async fn appended(&mut self) -> Outcome {
        let Some(append) = &mut self.append else { return pending().await };
        let (batch, noted, result) = append.await;
        self.append = None;
        match result {
            Ok(appended) => {
                self.retries = 0;
                self.trouble = None;
                self.is_publisher_unsure = false;
                if let (Some(video), Some(noted)) = (&mut self.video, noted) {
                    video.set_noted(noted);
                }
                self.stored_bytes = appended.stored_bytes;
                self.short_frames += batch.chunk.as_ref().map_or(0, |chunk| chunk.frame_count() as u64);
                self.stored_through = batch.settled_through.or(self.stored_through);
                self.durable_times.count(&batch, self.clock.now());
                self.compact_if_worth_it();
                Outcome::Stored { stored_through: self.stored_through }
            }
            Err(error) if error.is_final() => {
                self.is_lost = true;
                Outcome::Lost(error.told())
            }
            Err(error) => {
                let told_before = self.trouble.replace(error.told().message).is_some();
                let delay = RETRY_MOST.min(RETRY_FIRST * 2_u32.saturating_pow(self.retries));
                self.retries += 1;
                self.append = Some(self.store_batch(batch, delay));
                if told_before {
                    return Outcome::StillRetrying;
                }
                tracing::warn!(session = %self.id, %error, "the store takes no frames; trying again");
                Outcome::Retrying(error.told())
            }
        }
    }

    /// Rolling compaction, beside the appends: at most one at a time per session.
    fn compact_if_worth_it(&mut self) {
        let busy = self.compaction.as_ref().is_some_and(|task| !task.is_finished());
        if busy || self.short_frames < COMPACT_FRAMES {
            return;
        }
        self.short_frames = 0;
        let (id, store) = (self.id, Arc::clone(&self.store));
        self.compaction = Some(tokio::spawn(async move {
            // A compaction that fails costs space, not frames; the next one takes the same chunks.
            if let Err(error) = store.compact(id, false).await {
                tracing::warn!(session = %id, %error, "compaction failed");
            }
        }));
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        match self.append {
            Some(_) => None,
            None => self.recorder.next_deadline(),
        }
    }

    /// Takes a piece of video and returns when it is durable.
    pub(super) async fn store_video(&mut self, piece: BinaryVideo) -> Result<(), ProtocolError> {
        let (Some(video), Some(media)) = (&mut self.video, &self.media) else {
            let message = "this recording was started without `video`, or went on after it was put together";
            return Err(ProtocolError::new(ErrorCode::BadState, message));
        };
        if !video.wants(&piece)? {
            return Ok(());
        }
        let (end, first_picture) = (video::end_of(&piece), piece.timestamp);
        media
            .put_video_segment(self.id, piece.offset, piece.data)
            .await
            .map_err(|error| KeepError::from(error).told())?;
        video.count(end, first_picture);
        Ok(())
    }

    fn video_stored_bytes(&self) -> u64 {
        self.video.as_ref().map_or(0, VideoUpload::stored_bytes)
    }

    pub(super) fn status_message(&self, stream: &str) -> RecordingStatus {
        let report = self.report();
        RecordingStatus {
            session_id: self.id,
            stream: stream.to_owned(),
            status: self.recorder.status(),
            frame_count: self.recorder.frame_count(),
            duration: self.recorder.duration(),
            fps: if self.recorder.frame_count() > 1 { self.recorder.frame_rate() } else { 0.0 },
            gaps: report.missing,
            bytes: self.stored_bytes,
            stored_through: self.stored_through,
            video_stored_bytes: self.video_stored_bytes(),
            trouble: self.trouble.clone(),
        }
    }

    /// Stores everything that the recorder still has, trying a few times.
    pub(super) async fn store_rest(&mut self) -> Result<(), ProtocolError> {
        loop {
            self.pump(self.clock.now());
            if self.append.is_none() {
                return Ok(());
            }
            match self.appended().await {
                Outcome::Stored { .. } => {}
                Outcome::Lost(error) => return Err(error),
                Outcome::Retrying(error) if self.retries > RETRIES_AT_END => return Err(error),
                Outcome::StillRetrying if self.retries > RETRIES_AT_END => {
                    let trouble = self.trouble.clone().unwrap_or_default();
                    return Err(ProtocolError::new(ErrorCode::Storage, trouble));
                }
                Outcome::Retrying(_) | Outcome::StillRetrying => {}
            }
        }
    }

    fn report(&self) -> QualityReport {
        let mut report = self.recorder.report();
        report.video_stored_bytes = self.video_stored_bytes();
        report.reconnects = self.reconnects;
        (report.time_to_durable_p50_ms, report.time_to_durable_p99_ms) = self.durable_times.p50_and_p99_ms();
        report
    }

    /// Returns whether a batch is on its way into the store, or waits to be tried again.
    pub(super) fn is_storing(&self) -> bool {
        self.append.is_some()
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("id", &self.id).field("term", &self.term).finish_non_exhaustive()
    }
}

/// Makes a name for a publisher that chose none: of one that it doesn't choose itself, nobody can say later that it is his.
pub(super) fn no_name() -> String {
    format!("connection-{}", Uuid::now_v7().hyphenated())
}

/// Why a batch is not kept: one of the two stores failed.
#[derive(Debug, Error)]
enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl KeepError {
    /// Tells failures that trying again can't mend from those that it can.
    fn is_final(&self) -> bool {
        match self {
            Self::Store(StoreError::Backend { retryable, .. }) => !retryable,
            Self::Media(MediaError::Backend { .. }) => false,
            Self::Store(_) | Self::Media(_) => true,
        }
    }

    fn told(&self) -> ProtocolError {
        match self {
            Self::Store(error) => storage_error(error),
            Self::Media(error) => ProtocolError::new(ErrorCode::Storage, with_cause(error)),
        }
    }
}

/// Says what a store's failure is in the protocol's words.
pub(crate) fn storage_error(error: &StoreError) -> ProtocolError {
    let code = match error {
        StoreError::SessionNotFound { .. } => ErrorCode::SessionNotFound,
        StoreError::SessionExists { .. } => ErrorCode::SessionExists,
        StoreError::BadArgument { .. } => ErrorCode::BadMessage,
        StoreError::NotLive { .. } => ErrorCode::BadState,
        StoreError::NoSuchFrame { .. } => ErrorCode::OutOfRange,
        _ => ErrorCode::Storage,
    };
    ProtocolError::new(code, with_cause(error))
}

pub(crate) fn with_cause(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{cause}")
}
