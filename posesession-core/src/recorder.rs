//! The recorder. Frames in, batches of chunks out.

mod config;
mod numbering;
mod timeline;
mod draft;
mod stats;
mod refusal;

use std::collections::VecDeque;
use std::time::Duration;

pub use config::{IncomingFrame, RecorderConfig, ResumePoint};
pub use refusal::{CommandError, FrameRefusal};
pub use stats::QualityReport;

use crate::batch::Batch;
use crate::pose::PoseData;
use crate::session::{Marker, MarkerKind, SessionStatus};
use crate::skeleton::{Layout, Skeleton, SkeletonError};
use crate::time::Timestamp;
use draft::Draft;
use numbering::{Held, Known, MAX_NUMBER, Numbering, Released, ReorderLimits};
use stats::Stats;
use timeline::{Step, Timeline};

/// Turns the frames of one session, as they come, into the batches that a store keeps.
///
/// It is a state machine without clock and I/O: `now`, the time since any origin of the caller's own monotonic clock, is an
/// argument (one that runs backwards stands still), and the shell around it moves frames in and batches out:
///
/// 1. hand in frames with [`Self::handle_frame`] and commands as they come; no more frames while [`Self::is_full`];
/// 2. call [`Self::poll_batch`] until it returns nothing, after each of them and at [`Self::next_deadline`];
/// 3. put each batch into the stores, in order, then acknowledge its [`Batch::settled_through`].
///
/// # Guarantees
///
/// - Every call order is legal. What makes no sense returns an error that names the status, and changes nothing.
/// - **Numbers.** The frames of all batches are numbered 0, 1, 2... without holes. They are in the order of the publisher's
///   own numbers; a frame waits for lower numbers for [`RecorderConfig::reorder_window`]. Each number is stored at most
///   once. A batch's `settled_through` is the number up to which every frame is in this or an earlier batch, or won't be
///   stored and is counted in [`Self::report`]. A frame without number gets the highest number so far + 1; one that is
///   refused gets none. The first number that comes starts the numbering.
/// - **Time.** Timestamps start at 0 and strictly increase. A step of the streamer's clock that is not above 0, or above 5 s
///   for each number it passes, is replaced by one frame interval (the median of the last 64) and marked `clock_jump`. Time
///   stands still while paused.
/// - **Memory** is bounded whatever comes; see [`RecorderConfig`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use posesession_core::{IncomingFrame, PoseData, Recorder, RecorderConfig, Skeleton, Timestamp};
///
/// let skeleton = Skeleton::preset("mediapipe_33")?;
/// let mut recorder = Recorder::new(Some(skeleton), RecorderConfig::default())?;
/// for n in 0..10 {
///     let now = Duration::from_millis(33 * n);
///     recorder.handle_frame(now, IncomingFrame {
///         number: Some(n),
///         timestamp: Timestamp::from_micros(1_700_000_000_000_000 + 33_333 * n as i64),
///         pose_data: PoseData::one_person(vec![0.5; 33 * 4]),
///         image: None,
///     })?;
/// }
/// recorder.finish(Duration::from_secs(1))?;
/// let batch = recorder.poll_batch(Duration::from_secs(1)).expect("everything, as it is finished");
/// assert_eq!(batch.settled_through, Some(9));
/// assert_eq!(batch.chunk.map(|chunk| chunk.frame_count()), Some(10));
/// assert_eq!(recorder.report().stored, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recorder {
    config: RecorderConfig,
    status: SessionStatus,
    now: Duration,
    skeleton: Option<Skeleton>,
    layout: Layout,
    numbering: Numbering<Option<IncomingFrame>>,
    timeline: Timeline,
    stats: Stats,
    draft: Draft,
    closed: VecDeque<(Batch, usize)>,
    closed_bytes: usize,
    frame_count: u64,
    paused_at: Option<Duration>,
    /// Whether a pause lies between the last stored frame and the next.
    pause_between: bool,
    /// Whether the session broke off between the last stored frame and the next.
    break_between: bool,
    /// How many numbers are missing between the last stored frame and the next.
    missing_between: u64,
    own_markers: usize,
    commanded_markers: usize,
}

/// What became of a frame that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accepted {
    /// It will be in the next batches as frame `frame_number`.
    Stored {
        /// The publisher's number.
        number: u64,
        /// The frame's number within the session.
        frame_number: u64,
        /// When it stands, in session time.
        timestamp: Timestamp,
    },
    /// It waits for frames of lower numbers; its session time is not known yet.
    Waiting {
        /// The publisher's number.
        number: u64,
    },
    /// The same frame is stored already.
    Duplicate {
        /// The publisher's number.
        number: u64,
    },
    /// The recording is paused: the frame is not stored.
    Paused {
        /// The publisher's number.
        number: u64,
    },
}

impl Recorder {
    /// The highest number a publisher may give a frame, 2^53 - 1: every client can hold it exactly.
    pub const MAX_NUMBER: u64 = MAX_NUMBER;
    /// The most frames a session may have: their numbers are one half of [`Frame`](crate::Frame) ids in SQL.
    pub const MAX_FRAMES: u64 = u32::MAX as u64;
    /// The longest label of a mark, in bytes.
    pub const MAX_LABEL_BYTES: usize = 200;

    /// Starts recording a new session. The first batch carries the skeleton, if it is given here.
    ///
    /// # Errors
    ///
    /// [`SkeletonError`] if the skeleton is not valid.
    pub fn new(skeleton: Option<Skeleton>, config: RecorderConfig) -> Result<Self, SkeletonError> {
        let mut recorder = Self::reopen(ResumePoint::default(), config)?;
        if let Some(skeleton) = skeleton {
            skeleton.validate()?;
            recorder.adopt(skeleton);
        }
        Ok(recorder)
    }

    /// Goes on recording a session that an earlier recorder left: the next frame gets number `point.frame_count`, stands one
    /// interval after the last one, and has a `gap` marker of cause `interrupted` before it. Frames up to
    /// `point.settled_through` are duplicates.
    ///
    /// # Errors
    ///
    /// [`SkeletonError`] if the skeleton is not valid.
    pub fn reopen(point: ResumePoint, config: RecorderConfig) -> Result<Self, SkeletonError> {
        let config = config.clamped();
        let ResumePoint { skeleton, frame_count, duration, settled_through } = point;
        if let Some(skeleton) = &skeleton {
            skeleton.validate()?;
        }
        let limits = reorder_limits(&config);
        let begun = frame_count > 0;
        let mut draft = Draft::default();
        if let Some(number) = settled_through {
            draft.resume_at(number);
        }
        Ok(Self {
            status: SessionStatus::Recording,
            now: Duration::ZERO,
            layout: skeleton.as_ref().map(Skeleton::layout).unwrap_or_default(),
            skeleton,
            numbering: match settled_through {
                Some(number) => Numbering::resume(limits, number),
                None => Numbering::new(limits),
            },
            timeline: if begun {
                Timeline::resume(config.nominal_fps, duration)
            } else {
                Timeline::new(config.nominal_fps)
            },
            stats: Stats::default(),
            draft,
            closed: VecDeque::new(),
            closed_bytes: 0,
            frame_count,
            paused_at: None,
            pause_between: false,
            break_between: begun,
            missing_between: 0,
            own_markers: 0,
            commanded_markers: 0,
            config,
        })
    }

    /// Says which skeleton the frames have from now on. To be called once, before the first frame with a person; frames
    /// without persons may come before.
    ///
    /// # Errors
    ///
    /// [`CommandError::SkeletonIsSet`] if another one is set (the same again is fine), [`CommandError::BadSkeleton`],
    /// [`CommandError::WrongStatus`].
    pub fn set_skeleton(&mut self, skeleton: Skeleton) -> Result<(), CommandError> {
        self.expect_live("set the skeleton")?;
        match &self.skeleton {
            Some(set) if *set == skeleton => Ok(()),
            Some(set) => Err(CommandError::SkeletonIsSet { skeleton: set.name.clone() }),
            None => {
                skeleton.validate().map_err(CommandError::BadSkeleton)?;
                // A chunk has one layout; the empty frames so far have the empty one.
                self.close_draft();
                self.adopt(skeleton);
                Ok(())
            }
        }
    }

    fn adopt(&mut self, skeleton: Skeleton) {
        self.layout = skeleton.layout();
        self.draft.set_skeleton(skeleton.clone());
        self.skeleton = Some(skeleton);
    }

    /// Takes a frame. It is stored at once if its number is next, waits for lower numbers if not, and is settled without
    /// being stored if it is a duplicate or the recording is paused.
    ///
    /// # Errors
    ///
    /// [`FrameRefusal`] says why the frame is not stored and, by [`FrameRefusal::code`], what its sender is told. The
    /// recording goes on. After [`FrameRefusal::NotPolled`] and [`FrameRefusal::NotRecording`] nothing has changed, nothing
    /// is counted, and the same frame can be handed in again.
    pub fn handle_frame(
        &mut self,
        now: Duration,
        mut frame: IncomingFrame,
    ) -> Result<Accepted, FrameRefusal> {
        self.advance(now);
        if !self.status.is_live() {
            return Err(FrameRefusal::NotRecording { status: self.status });
        }
        if self.is_full() {
            return Err(FrameRefusal::NotPolled { bytes: self.closed_bytes });
        }
        self.stats.received += 1;
        let Some(number) = self.numbering.assign(frame.number) else {
            return Err(self.count(FrameRefusal::NumberTooHigh { number: frame.number }));
        };
        if self.status == SessionStatus::Paused {
            self.stats.paused += 1;
            self.settle(number);
            return Ok(Accepted::Paused { number });
        }
        if let Err(refusal) = self.check(&mut frame) {
            if frame.number.is_some() {
                self.settle(number);
            }
            return Err(self.count(refusal));
        }
        let content = frame.content_crc();
        match self.numbering.look_up(number, content) {
            Known::New => self.accept(number, content, frame),
            Known::Duplicate => {
                self.stats.duplicate += 1;
                Ok(Accepted::Duplicate { number })
            }
            Known::Conflict => {
                self.stats.conflict += 1;
                Err(FrameRefusal::Conflict { number })
            }
            Known::Late => {
                self.stats.late += 1;
                Err(FrameRefusal::Late { number })
            }
        }
    }

    /// Settles a frame that the shell had to refuse before it could be handed in (unreadable, too large...), and counts it
    /// under `code`. Without a number it is only counted.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended.
    pub fn refuse(
        &mut self,
        now: Duration,
        number: Option<u64>,
        code: &'static str,
    ) -> Result<(), CommandError> {
        self.advance(now);
        self.expect_live("refuse a frame")?;
        self.stats.received += 1;
        self.stats.count_refused(code);
        if let Some(number) = number.filter(|&n| n <= MAX_NUMBER) {
            self.settle(number);
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
        self.timeline.stand_still();
        self.paused_at = Some(self.now);
        self.pause_between = true;
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
        if self.commanded_markers < self.config.max_markers {
            let marker = Marker {
                duration: Some(Timestamp::ZERO.plus(self.now.saturating_sub(paused_at))),
                ..marker(MarkerKind::Paused, self.duration())
            };
            self.commanded_markers += 1;
            self.push_marker(marker);
        }
        Ok(())
    }

    /// Marks a moment, `at` the streamer's clock says so, else the last frame's, and returns the marker in session time. A
    /// moment up to 5 s ahead of the last frame is taken as it is; further ahead, in a pause or before the first frame, the
    /// nearest frame's before (or after) it is taken.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended; [`CommandError::BadLabel`] for a label that is empty or
    /// longer than [`Self::MAX_LABEL_BYTES`]; [`CommandError::TooManyMarkers`].
    pub fn mark(
        &mut self,
        now: Duration,
        label: &str,
        at: Option<Timestamp>,
    ) -> Result<Marker, CommandError> {
        self.advance(now);
        self.expect_live("mark")?;
        if label.is_empty() || label.len() > Self::MAX_LABEL_BYTES {
            return Err(CommandError::BadLabel { bytes: label.len() });
        }
        if self.commanded_markers >= self.config.max_markers {
            return Err(CommandError::TooManyMarkers { limit: self.config.max_markers });
        }
        let timestamp = at.map_or(self.duration(), |at| self.timeline.session_time_of(at));
        let marker = Marker { label: label.to_owned(), ..marker(MarkerKind::User, timestamp) };
        self.commanded_markers += 1;
        self.push_marker(marker.clone());
        Ok(marker)
    }

    /// Starts a new numbering: the publisher restarted, or another one took over. What waits for lower numbers is stored
    /// first, and everything so far goes into batches of its own: those that [`Self::poll_batch`] returns before the next
    /// frame is handed in carry numbers of the old numbering, all later ones of the new. Session time goes on by the new
    /// publisher's clock, if its first frame is less than 5 s later than the last one; else as after a clock jump.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongStatus`] once the recording has ended, [`CommandError::NotPolled`] while [`Self::is_full`].
    pub fn new_numbering(&mut self, now: Duration) -> Result<(), CommandError> {
        self.advance(now);
        self.expect_live("start a new numbering")?;
        if self.is_full() {
            return Err(CommandError::NotPolled { bytes: self.closed_bytes });
        }
        self.flush();
        self.close_draft();
        self.numbering = Numbering::new(reorder_limits(&self.config));
        self.draft.start_numbering();
        self.timeline.start_numbering();
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

    /// Returns the next batch to be stored, if one is due: its flush deadline is over, its chunk is full, or the recording
    /// paused or ended. A batch without chunk says that numbers were settled, or has markers.
    pub fn poll_batch(&mut self, now: Duration) -> Option<Batch> {
        self.advance(now);
        if self.closed.is_empty() && self.draft.due().is_some_and(|due| due <= self.now) {
            self.close_draft();
        }
        let (batch, bytes) = self.closed.pop_front()?;
        self.closed_bytes -= bytes;
        Some(batch)
    }

    /// Returns when [`Self::poll_batch`] should be called next; none if only a frame or a command can change anything. A
    /// moment that is over means now.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if !self.closed.is_empty() {
            return Some(self.now);
        }
        [self.draft.due(), self.numbering.deadline()].into_iter().flatten().min()
    }

    /// Returns whether no frame is taken until batches are polled: the shell should stop reading from its publisher.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.closed_bytes >= self.config.max_pending_bytes
    }

    /// Returns where the recording stands.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        self.status
    }

    /// Returns the session's skeleton, if it is known.
    #[must_use]
    pub fn skeleton(&self) -> Option<&Skeleton> {
        self.skeleton.as_ref()
    }

    /// Returns how many frames the session has, including those in batches still to come.
    #[must_use]
    pub fn frame_count(&self) -> u64 {
        self.frame_count
    }

    /// Returns when the last frame stands in session time, zero before the first.
    #[must_use]
    pub fn duration(&self) -> Timestamp {
        self.timeline.last().unwrap_or(Timestamp::ZERO)
    }

    /// Maps a moment of the streamer's clock to session time, as [`Self::mark`] does.
    #[must_use]
    pub fn session_time_of(&self, at: Timestamp) -> Timestamp {
        self.timeline.session_time_of(at)
    }

    /// Returns the frame rate of late, in frames per second: by the median of the last 64 intervals.
    #[must_use]
    pub fn frame_rate(&self) -> f64 {
        1e6 / self.timeline.interval_micros() as f64
    }

    /// Returns how many holes between frames there are, whatever their length.
    #[must_use]
    pub fn gap_count(&self) -> u64 {
        self.stats.gaps
    }

    /// Returns the publisher's number up to which every frame is stored or settled with the batches so far and those still
    /// to be polled. To be acknowledged is a stored batch's own [`Batch::settled_through`].
    #[must_use]
    pub fn settled_through(&self) -> Option<u64> {
        self.draft.settled_through()
    }

    /// Returns how many bytes of frames wait: for lower numbers, for their chunk's end, to be polled.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.numbering.waiting_bytes() + self.draft.bytes() + self.closed_bytes
    }

    /// Returns what became of the frames so far.
    #[must_use]
    pub fn report(&self) -> QualityReport {
        self.stats.report()
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

    fn expect_live(&self, command: &'static str) -> Result<(), CommandError> {
        if self.status.is_live() {
            Ok(())
        } else {
            Err(CommandError::WrongStatus { command, status: self.status })
        }
    }

    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        while let Some(released) = self.numbering.poll_ready(self.now) {
            self.release(released);
        }
    }

    /// Lets everything that waits go ahead, for the batch to be polled at once.
    fn flush(&mut self) {
        while let Some(released) = self.numbering.pop_first() {
            self.release(released);
        }
        self.mark_gap(self.duration(), None);
        self.draft.due_by(self.now);
    }

    fn close_draft(&mut self) {
        let bytes = self.draft.bytes() + EMPTY_BATCH_BYTES;
        if let Some(batch) = self.draft.close() {
            self.closed_bytes += bytes;
            self.closed.push_back((batch, bytes));
        }
    }

    fn count(&mut self, refusal: FrameRefusal) -> FrameRefusal {
        self.stats.count_refused(refusal.code());
        refusal
    }

    /// Makes the frame canonical and checks all that doesn't depend on its number.
    fn check(&self, frame: &mut IncomingFrame) -> Result<(), FrameRefusal> {
        let bytes = frame.weight();
        if bytes > self.config.max_frame_bytes {
            return Err(FrameRefusal::TooLarge { bytes, limit: self.config.max_frame_bytes });
        }
        if self.timeline.is_full() || self.frame_count >= Self::MAX_FRAMES {
            return Err(FrameRefusal::SessionFull { frame_count: self.frame_count });
        }
        match &self.skeleton {
            Some(skeleton) => frame.pose_data.canonicalise(skeleton)?,
            None if frame.pose_data == PoseData::nobody() => {}
            None => return Err(FrameRefusal::UnknownSkeleton),
        }
        Ok(())
    }

    fn accept(&mut self, number: u64, content: u32, frame: IncomingFrame) -> Result<Accepted, FrameRefusal> {
        if self.numbering.is_behind(number) {
            self.stats.reordered += 1;
        }
        let held = Held {
            number,
            arrived: self.now,
            content: Some(content),
            bytes: frame.weight(),
            item: Some(frame),
        };
        let Some(released) = self.numbering.push(held) else {
            self.advance(self.now);
            return Ok(Accepted::Waiting { number });
        };
        let stored = self.release(released);
        self.advance(self.now);
        match stored {
            Some((frame_number, timestamp)) => Ok(Accepted::Stored { number, frame_number, timestamp }),
            None => Err(FrameRefusal::SessionFull { frame_count: self.frame_count }),
        }
    }

    /// Settles a number without a frame, if it isn't settled yet.
    fn settle(&mut self, number: u64) {
        let held = Held { number, arrived: self.now, content: None, bytes: 0, item: None };
        if let Some(released) = self.numbering.push(held) {
            self.release(released);
        }
        self.advance(self.now);
    }

    /// Stores a frame whose turn it is; returns its number in the session and its time.
    fn release(&mut self, released: Released<Option<IncomingFrame>>) -> Option<(u64, Timestamp)> {
        let Released { held, missing_before } = released;
        if self.pause_between {
            self.stats.missing_in_pauses = self.stats.missing_in_pauses.saturating_add(missing_before);
        } else {
            self.stats.missing = self.stats.missing.saturating_add(missing_before);
            self.missing_between = self.missing_between.saturating_add(missing_before);
        }
        let stored = held.item.and_then(|frame| self.store(held.number, &frame));
        self.draft.settle(held.number);
        self.draft.due_by(held.arrived.saturating_add(self.config.flush_after));
        if self.draft.frame_count() >= self.config.max_chunk_frames {
            self.close_draft();
        }
        stored
    }

    fn store(&mut self, number: u64, frame: &IncomingFrame) -> Option<(u64, Timestamp)> {
        let bytes = self.draft.bytes();
        if bytes > 0 && bytes.saturating_add(frame.weight()) > self.config.max_chunk_bytes {
            self.close_draft();
        }
        let before = self.duration();
        let frame_number = self.frame_count;
        let stamp = self.timeline.push(number, frame.timestamp).filter(|_| frame_number < Self::MAX_FRAMES);
        let pushed =
            stamp.filter(|s| self.draft.push(frame_number, &self.layout, s.timestamp, frame).is_ok());
        let Some(stamp) = pushed else {
            // Only the end of time or of frame numbers comes here, and only for frames that waited.
            self.count(FrameRefusal::SessionFull { frame_count: self.frame_count });
            return None;
        };
        self.frame_count += 1;
        let micros = stamp.timestamp.micros_since(before).unsigned_abs();
        self.stats.count_stored(stamp.step, micros);
        self.mark_gap(before, Some(Timestamp::ZERO.plus_micros(stamp.timestamp.micros_since(before))));
        if std::mem::take(&mut self.break_between) {
            self.push_own_marker(Marker {
                cause: Some("interrupted".to_owned()),
                ..marker(MarkerKind::Gap, before)
            });
        }
        if stamp.step == Step::Jumped {
            self.push_own_marker(marker(MarkerKind::ClockJump, stamp.timestamp));
        }
        self.pause_between = false;
        Some((frame_number, stamp.timestamp))
    }

    /// Marks the hole between the last stored frame, at `before`, and the next one, if there is one.
    fn mark_gap(&mut self, before: Timestamp, duration: Option<Timestamp>) {
        let count = std::mem::take(&mut self.missing_between);
        if count > 0 {
            self.stats.gaps += 1;
            self.push_own_marker(Marker {
                duration,
                count: Some(count),
                cause: Some("missing".to_owned()),
                ..marker(MarkerKind::Gap, before)
            });
        }
    }

    fn push_own_marker(&mut self, marker: Marker) {
        if self.own_markers < self.config.max_markers {
            self.own_markers += 1;
            self.push_marker(marker);
        }
    }

    fn push_marker(&mut self, marker: Marker) {
        self.draft.push_marker(marker);
        self.draft.due_by(self.now.saturating_add(self.config.flush_after));
    }
}

/// What a closed batch takes beside its frames.
const EMPTY_BATCH_BYTES: usize = 512;

fn marker(kind: MarkerKind, timestamp: Timestamp) -> Marker {
    Marker { kind, timestamp, label: String::new(), duration: None, count: None, cause: None }
}

fn reorder_limits(config: &RecorderConfig) -> ReorderLimits {
    ReorderLimits {
        window: config.reorder_window,
        frames: config.max_reorder_frames,
        bytes: config.max_reorder_bytes,
    }
}
