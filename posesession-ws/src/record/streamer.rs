//! A streamer that outlives its connection. Frames in, each of them acknowledged, or counted and told.

mod connect;
mod options;
mod back_off;
mod link;
mod timeline;
mod video_buffer;
mod events;
mod command;
mod shared;
mod end;
mod driver;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use posesession_core::{PoseData, PushError, SessionId, SessionStatus, Timestamp};
use tokio::sync::oneshot;

pub use self::command::Stopped;
use self::command::{Answer, What};
pub use self::connect::{Connect, ServerUrl};
use self::driver::Driver;
use self::end::check_size;
pub use self::end::{NotStored, StreamEnd, StreamerError};
pub use self::events::StreamerEvent;
pub use self::options::StreamerOptions;
use self::shared::Shared;
pub use self::shared::StreamerFigures;
use crate::caller::ClientError;
use crate::clock::Clock;
use crate::protocol::{BinaryFrame, BinaryFrameHeader, BinaryVideo, Publish, SkeletonRef, StartRecording};

/// What a kept frame takes beside its message.
const FRAME_OVERHEAD: usize = 64;

/// Publishes a stream, and sees to it that what is recorded of it gets there: it reconnects by itself, finds out what the
/// server has, sends the rest again, and keeps every frame until it is acknowledged.
///
/// A task of its own serves the connection. Dropping the streamer ends that task once what was pushed is sent; a recording goes
/// on at the server and waits for its streamer.
///
/// # Guarantees
///
/// - A frame that was taken is acknowledged, or counted in [`Self::figures`] and told as an event: dropped because the buffer was
///   full, or not recorded because the recording had ended. Sending again stores nothing twice.
/// - While the server is there and takes frames, a full buffer slows the sender. While it is away, or can't store,
///   [`StreamerOptions::buffer`] says what gives way.
/// - Commands keep their place among the frames, over broken connections, too: what was pushed before a pause is recorded.
///   A command whose answer got lost is asked again, unless it is found to have been done. So a mark can come twice.
/// - Memory is bounded by the options.
///
/// # Cancel safety
///
/// A command that has its place among the frames is carried out, also where its future is dropped before the answer, unless the
/// streamer ends first. One that still waits for a place, behind 64 others, is not; nor is one whose future was never polled. A
/// frame or piece of video whose future is dropped before it returns is not taken. [`Self::flush`], [`Self::next_event`] and
/// [`Self::closed`] only wait: dropping their futures changes nothing.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use posesession_core::{PoseData, Timestamp};
/// use posesession_store::MemoryStore;
/// use posesession_ws::{RecordOptions, RecordService, Streamer, StreamerOptions, in_process};
/// use posesession_ws::protocol::StartRecording;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = RecordService::new(Arc::new(MemoryStore::new()), None, RecordOptions::default());
/// // Over the network: `ServerUrl("ws://127.0.0.1:8787/ws/pose".to_owned())`.
/// let connect = move || {
///     let (server_end, client_end) = in_process(64);
///     let service = service.clone();
///     tokio::spawn(async move { service.serve(server_end).await });
///     async move { Ok(client_end) }
/// };
/// let streamer = Streamer::connect(connect, StreamerOptions::default()).await?;
/// streamer.start_recording(StartRecording { name: "Squat".to_owned(), ..StartRecording::default() }).await?;
/// for n in 0..30 {
///     let pose = PoseData::one_person(vec![0.5; 33 * 4]);
///     streamer.send_frame(None, Timestamp::from_micros(33_333 * n), &pose, &[]).await?;
/// }
/// let stopped = streamer.stop_recording().await?;
/// assert_eq!(stopped.finalized.map(|finalized| finalized.session.frame_count), Some(30));
/// assert_eq!(streamer.figures().acked, 30);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Streamer {
    shared: Arc<Shared>,
    /// What every connection but the first publishes.
    publish: Publish,
    max_video_bytes: usize,
    stop_within: Duration,
}

impl Streamer {
    /// Connects, publishes the stream, and starts the task that goes on from there. The first connection is tried once.
    ///
    /// # Errors
    ///
    /// What the connection returns; [`ClientError::Refused`] with `stream_busy` and others if the server doesn't let it publish.
    pub async fn connect<C: Connect>(connect: C, options: StreamerOptions) -> Result<Self, ClientError> {
        let mut options = options;
        options.publish.publisher.get_or_insert_with(|| uuid::Uuid::now_v7().to_string());
        let publish = Publish { take_over: false, ..options.publish.clone() };
        let shared = Arc::new(Shared::new(Clock::start(), options.buffer));
        let (max_video_bytes, stop_within) = (options.max_video_bytes, options.stop_within);
        let mut driver = Driver::new(connect, options, Arc::clone(&shared));
        let link = driver.connect_first().await?;
        tokio::spawn(driver.run(link));
        Ok(Self { shared, publish, max_video_bytes, stop_within })
    }

    /// Starts recording the stream: the frames from here on.
    ///
    /// If the answer gets lost with its connection, the recording that was asked for is found again rather than a second one
    /// started. A recording whose start nobody waits for begins all the same: [Cancel safety](Self#cancel-safety).
    ///
    /// # Errors
    ///
    /// [`StreamerError::Client`] with `already_recording`, `unsupported` or `storage`; [`StreamerError::TooLarge`];
    /// [`StreamerError::Ended`].
    pub async fn start_recording(&self, start: StartRecording) -> Result<SessionId, StreamerError> {
        let mut start = Box::new(start);
        // By which it is found again.
        start.session_id.get_or_insert_with(|| SessionId(uuid::Uuid::now_v7()));
        match self.ask(What::Start(start)).await? {
            Answer::Started(id) => Ok(id),
            Answer::Done | Answer::Stopped(_) => Err(self.shared.ended()),
        }
    }

    /// Lets the recording stand still: frames from here on are not stored, also if nobody waits for the answer.
    ///
    /// # Errors
    ///
    /// [`StreamerError::Client`] with `no_recording` or `bad_state`; [`StreamerError::Ended`].
    pub async fn pause_recording(&self) -> Result<(), StreamerError> {
        self.ask(What::Pause(true)).await.map(drop)
    }

    /// Lets it go on, also if nobody waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::pause_recording`].
    pub async fn resume_recording(&self) -> Result<(), StreamerError> {
        self.ask(What::Pause(false)).await.map(drop)
    }

    /// Marks a moment: by the streamer's clock, or after the last frame that was pushed; also if nobody waits for the answer.
    ///
    /// # Errors
    ///
    /// [`StreamerError::Client`] with `no_recording` or `bad_message`; [`StreamerError::TooLarge`]; [`StreamerError::Ended`].
    pub async fn mark(&self, label: &str, timestamp: Option<Timestamp>) -> Result<(), StreamerError> {
        self.ask(What::Mark { label: label.to_owned(), timestamp }).await.map(drop)
    }

    /// Ends the recording once everything that was pushed is stored, over as many connections as it takes.
    ///
    /// # Errors
    ///
    /// [`StreamerError::Client`] with `no_recording` or `storage`, or with what a server says that doesn't know of its end, as
    /// `session_not_found`. [`StreamerError::Ended`] with [`StreamEnd::TimedOut`] if it takes longer than
    /// [`StreamerOptions::stop_within`], with [`StreamEnd::NotResumable`] if the server takes no more of it: both name what is
    /// not known to be stored, and end the streamer.
    ///
    /// # Cancel safety
    ///
    /// As of [all commands](Self#cancel-safety): the recording is stopped all the same, but however long that takes.
    pub async fn stop_recording(&self) -> Result<Stopped, StreamerError> {
        let session = self.session();
        let asked = self.ask(What::Stop { session });
        match tokio::time::timeout(self.stop_within, asked).await {
            Ok(Ok(Answer::Stopped(stopped))) => Ok(*stopped),
            Ok(Ok(Answer::Done | Answer::Started(_))) => Err(self.shared.ended()),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => {
                let not_stored = self.shared.state().frames.give_up();
                self.shared.end(StreamEnd::TimedOut { session_id: session, not_stored });
                Err(self.shared.ended())
            }
        }
    }

    /// Ends the recording and erases it, also if nobody waits for the answer.
    ///
    /// # Errors
    ///
    /// [`StreamerError::Client`] with `no_recording`, `storage`, or what a server says that has it still; [`StreamerError::Ended`].
    pub async fn discard_recording(&self) -> Result<(), StreamerError> {
        self.ask(What::Discard { session: self.session() }).await.map(drop)
    }

    /// Says what the keypoints are, if that wasn't known when the stream was published; also if nobody waits for the answer.
    ///
    /// # Errors
    ///
    /// [`StreamerError::Client`] with `keypoint_mismatch`; [`StreamerError::TooLarge`]; [`StreamerError::Ended`].
    pub async fn declare_skeleton(&self, skeleton: SkeletonRef) -> Result<(), StreamerError> {
        let publish = Publish { skeleton: Some(skeleton), ..self.publish.clone() };
        self.ask(What::Publish(Box::new(publish))).await.map(drop)
    }

    /// Takes a frame and returns its number: the one given, which rises, or the last one + 1. A refusal by the server comes as
    /// [`StreamerEvent::Error`].
    ///
    /// It returns at once, unless the buffer is full while the server takes frames. `timestamp` is of the streamer's clock; `image`
    /// is a JPEG or WebP, or empty.
    ///
    /// # Errors
    ///
    /// [`StreamerError::Full`] if the buffer is full, the server is away, and nothing may be dropped; [`StreamerError::NotRising`];
    /// [`StreamerError::TooLarge`]; [`StreamerError::Ragged`]; [`StreamerError::Ended`].
    ///
    /// # Cancel safety
    ///
    /// A frame whose future is dropped before it returns is not taken.
    pub async fn send_frame(
        &self,
        number: Option<u64>,
        timestamp: Timestamp,
        pose: &PoseData,
        image: &[u8],
    ) -> Result<u64, StreamerError> {
        let width = pose.values.len().checked_div(pose.person_count()).unwrap_or(0);
        if width * pose.person_count() != pose.values.len() {
            return Err(StreamerError::Ragged { values: pose.values.len(), persons: pose.person_count() });
        }
        let mut header = BinaryFrameHeader {
            timestamp,
            frame_number: number,
            values_per_person: u32::try_from(width).unwrap_or(u32::MAX),
            ..BinaryFrameHeader::default()
        };
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            // From here on a change is heard, also one before the next line.
            settled.as_mut().enable();
            if let Some(taken) = self.take_frame(&mut header, number, pose, image)? {
                self.shared.work.notify_one();
                return Ok(taken);
            }
            settled.await;
        }
    }

    /// Takes a frame, unless it has to wait for room.
    fn take_frame(
        &self,
        header: &mut BinaryFrameHeader,
        number: Option<u64>,
        pose: &PoseData,
        image: &[u8],
    ) -> Result<Option<u64>, StreamerError> {
        let now = self.shared.clock.now();
        let mut state = self.shared.state();
        if let Some(end) = &state.end {
            return Err(StreamerError::Ended(end.clone()));
        }
        if self.shared.let_go.is_cancelled() {
            return Err(StreamerError::Ended(StreamEnd::Closed));
        }
        let number = number.unwrap_or_else(|| state.next_number());
        header.frame_number = Some(number);
        let message = BinaryFrame::encode(header, pose, image);
        check_size(&message)?;
        let size = message.len() + FRAME_OVERHEAD;
        let takes_frames = state.is_connected && state.trouble.is_none();
        if takes_frames && !state.frames.is_empty() && !state.frames.has_room(now, size) {
            return Ok(None);
        }
        let unrecorded = !state.is_recorded() && !state.is_connected;
        let dropped = state.frames.push(now, number, size, message).map_err(|refused| match refused {
            PushError::NotRising { number, highest, .. } => StreamerError::NotRising { number, highest },
            PushError::Full { kept, bytes, .. } => StreamerError::Full { kept, bytes },
            _ => StreamerError::Full { kept: 0, bytes: size },
        })?;
        state.figures.pushed += 1;
        if unrecorded {
            // Nobody sees it and nobody records it: when the stream is back, it is of no interest any more.
            state.let_go_through(number);
            return Ok(Some(number));
        }
        for range in dropped {
            state.events.tell(StreamerEvent::Dropped { first: *range.start(), last: *range.end() });
            self.shared.told.notify_one();
        }
        Ok(Some(number))
    }

    /// Takes a piece of the video file, as an encoder yields it, and keeps it until it is stored. It waits while the pieces have
    /// more than [`StreamerOptions::max_video_bytes`], since a file with a hole is none. What can't be stored, because there is a
    /// hole, or the recording ends, comes as [`StreamerEvent::VideoNotStored`].
    ///
    /// # Errors
    ///
    /// [`StreamerError::NoVideo`]; [`StreamerError::TooLarge`]; [`StreamerError::Ended`].
    pub async fn send_video(
        &self,
        offset: u64,
        timestamp: Timestamp,
        data: Bytes,
    ) -> Result<(), StreamerError> {
        let end = offset.saturating_add(data.len() as u64);
        let message = BinaryVideo { stream: String::new(), offset, timestamp, data }.encode();
        check_size(&message)?;
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            {
                let mut state = self.shared.state();
                if let Some(end) = &state.end {
                    return Err(StreamerError::Ended(end.clone()));
                }
                if !state.takes_video() {
                    return Err(StreamerError::NoVideo);
                }
                let kept = state.video.bytes();
                if kept == 0 || kept + message.len() <= self.max_video_bytes {
                    state.video.push(offset, end, message);
                    drop(state);
                    self.shared.work.notify_one();
                    return Ok(());
                }
            }
            settled.await;
        }
    }

    /// Waits until everything that was pushed is durable, or settled otherwise; of a stream that nobody records, sent.
    ///
    /// # Errors
    ///
    /// [`StreamerError::NotStored`] if the recording ends meanwhile without some of it; [`StreamerError::Ended`] if the streamer has
    /// come to an end, unless it was closed when everything was stored.
    pub async fn flush(&self) -> Result<(), StreamerError> {
        let (newest, left_before) = {
            let state = self.shared.state();
            (state.frames.newest(), state.left.clone())
        };
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            {
                let state = self.shared.state();
                let is_settled = state.frames.acked_through() >= newest
                    || state.frames.is_settled()
                    || planted!("planted::flushed_early");
                match (&state.end, &state.left) {
                    (Some(StreamEnd::Closed), _) if is_settled => return Ok(()),
                    (Some(end), _) => return Err(StreamerError::Ended(end.clone())),
                    (None, Some(left)) if is_settled && state.left != left_before => {
                        return Err(StreamerError::NotStored(left.clone()));
                    }
                    (None, _) if is_settled => return Ok(()),
                    (None, _) => {}
                }
            }
            settled.await;
        }
    }

    /// Returns the next event, waiting for it; none once the streamer has ended and all were read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_event(&self) -> Option<StreamerEvent> {
        loop {
            // Before the events: the last ones are told before it is over.
            let is_over = self.shared.over.is_cancelled();
            if let Some(event) = self.try_event() {
                return Some(event);
            }
            if is_over {
                return None;
            }
            self.shared.told.notified().await;
        }
    }

    /// Returns the next event, if there is one.
    #[must_use]
    pub fn try_event(&self) -> Option<StreamerEvent> {
        self.shared.state().events.take()
    }

    /// Returns the number that a frame without one would get.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.shared.state().next_number()
    }

    /// Returns how the frames fared so far.
    #[must_use]
    pub fn figures(&self) -> StreamerFigures {
        self.shared.state().figures()
    }

    /// Returns the session that the stream is recorded into, if it is.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.shared.state().session.map(|session| session.id)
    }

    /// Returns where that recording stands.
    #[must_use]
    pub fn status(&self) -> Option<SessionStatus> {
        self.shared.state().session.map(|session| session.status)
    }

    /// Returns the number up to which everything is durable, or settled otherwise, in the present recording.
    #[must_use]
    pub fn stored_through(&self) -> Option<u64> {
        self.shared.state().session.and_then(|session| session.acked_through)
    }

    /// Returns how many bytes of the video are durable.
    #[must_use]
    pub fn video_stored_bytes(&self) -> u64 {
        self.shared.state().video.stored_bytes()
    }

    /// Returns whether a connection stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.state().is_connected
    }

    /// Returns the name under which it publishes.
    #[must_use]
    pub fn publisher(&self) -> &str {
        self.publish.publisher.as_deref().unwrap_or_default()
    }

    /// Returns why it takes nothing any more, if so.
    #[must_use]
    pub fn end(&self) -> Option<StreamEnd> {
        self.shared.state().end.clone()
    }

    /// Takes nothing more: what was pushed is sent, if a connection stands, and then it ends. A recording goes on and waits for
    /// its streamer.
    pub fn let_go(&self) {
        self.shared.let_go.cancel();
    }

    /// Lets go, and waits until what was pushed is sent.
    pub async fn close(self) {
        self.let_go();
        self.closed().await;
    }

    /// Waits until it takes nothing any more and its connection is gone.
    pub async fn closed(&self) {
        self.shared.over.cancelled().await;
    }

    async fn ask(&self, what: What) -> Result<Answer, StreamerError> {
        let (reply, answer) = oneshot::channel();
        // No id is longer than this one, and nothing else comes to the message later.
        check_size(what.message(i64::MAX).to_string().as_bytes())?;
        let slot = tokio::select! {
            biased;
            () = self.shared.over.cancelled() => return Err(self.shared.ended()),
            slot = Arc::clone(&self.shared.slots).acquire_owned() => slot,
        };
        self.shared.state().place(what, reply, slot.ok())?;
        self.shared.work.notify_one();
        tokio::select! {
            biased;
            answer = answer => answer.unwrap_or_else(|_gone| Err(self.shared.ended())),
            () = self.shared.over.cancelled() => Err(self.shared.ended()),
        }
    }
}

impl Drop for Streamer {
    fn drop(&mut self) {
        self.let_go();
    }
}
