//! The recorder. Frames in, batches of chunks out.

mod config;
mod numbering;
mod timeline;
mod clock;
mod spares;
mod assembly;
mod draft;
mod stats;
mod outcome;
mod facts;
mod commands;
mod pre_roll;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use clock::ClockStretch;
pub use config::{IncomingFrame, RecorderConfig, ResumePoint};
pub use outcome::{Accepted, CommandError, FrameRefusal};
pub use pre_roll::{Earlier, PreRoll};

use crate::batch::Batch;
use crate::session::SessionStatus;
use crate::skeleton::{Skeleton, SkeletonError};
use crate::time::Timestamp;
use assembly::{Assembly, Item};
use numbering::{Held, Known, MAX_NUMBER, Numbering, Released};
use spares::Spares;

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
///     recorder.handle_frame(now, &mut IncomingFrame {
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
    numbering: Numbering<Item>,
    spares: Spares,
    assembly: Assembly,
    paused_at: Option<Duration>,
}

impl Recorder {
    /// The highest number a publisher may give a frame, 2^53 - 1: every client can hold it exactly.
    pub const MAX_NUMBER: u64 = MAX_NUMBER;
    /// The most frames a session may have: their numbers are one half of [`Frame`](crate::Frame) ids in SQL.
    pub const MAX_FRAMES: u64 = u32::MAX as u64;
    /// The longest label of a mark, in bytes.
    pub const MAX_LABEL_BYTES: usize = 200;
    /// The longest word for why frames were dropped, in bytes.
    pub const MAX_CAUSE_BYTES: usize = 32;

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
        if let Some(skeleton) = &point.skeleton {
            skeleton.validate()?;
        }
        let limits = config.reorder_limits();
        Ok(Self {
            assembly: Assembly::new(&config, &point),
            numbering: match point.settled_through {
                Some(number) => Numbering::resume(limits, number),
                None => Numbering::new(limits),
            },
            spares: Spares::default(),
            config,
            status: SessionStatus::Recording,
            now: Duration::ZERO,
            skeleton: point.skeleton,
            paused_at: None,
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
        self.check_skeleton(&skeleton)?;
        if self.skeleton.is_none() {
            // A chunk has one layout; the empty frames so far have the empty one.
            self.assembly.close();
            self.adopt(skeleton);
        }
        Ok(())
    }

    /// Checks that [`Self::set_skeleton`] would take it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn check_skeleton(&self, skeleton: &Skeleton) -> Result<(), CommandError> {
        self.expect_live("set the skeleton")?;
        match &self.skeleton {
            Some(set) if set == skeleton => Ok(()),
            Some(set) => Err(CommandError::SkeletonIsSet { skeleton: set.name.clone() }),
            None => skeleton.validate().map_err(CommandError::BadSkeleton),
        }
    }

    fn adopt(&mut self, skeleton: Skeleton) {
        self.assembly.adopt(&skeleton);
        self.skeleton = Some(skeleton);
    }

    /// Takes a frame. It is stored at once if its number is next, waits for lower numbers if not, and is settled without
    /// being stored if it is a duplicate or the recording is paused.
    ///
    /// A frame that is stored or waits is taken out of `frame`: what is left has no persons and no image, but the memory of an
    /// earlier frame. Who fills the same `frame` again and again needs no memory for each.
    ///
    /// # Errors
    ///
    /// [`FrameRefusal`] says why the frame is not stored and, by [`FrameRefusal::code`], what its sender is told. The
    /// recording goes on. After [`FrameRefusal::NotPolled`] (only if [`Self::is_full`]) and [`FrameRefusal::NotRecording`]
    /// nothing has changed, nothing is counted, and the same frame can be handed in again.
    pub fn handle_frame(
        &mut self,
        now: Duration,
        frame: &mut IncomingFrame,
    ) -> Result<Accepted, FrameRefusal> {
        if !self.status.is_live() {
            return Err(FrameRefusal::NotRecording { status: self.status });
        }
        if self.is_full() {
            return Err(FrameRefusal::NotPolled { bytes: self.assembly.closed_bytes() });
        }
        self.advance(now);
        self.assembly.stats.received += 1;
        let Some(number) = self.numbering.assign(frame.number) else {
            return Err(self.count(FrameRefusal::NumberTooHigh { number: frame.number }));
        };
        // What is sent again became what it is when it came first, and isn't counted as sent once more.
        let is_known = self.numbering.is_known(number);
        if self.status == SessionStatus::Paused {
            if self.numbering.is_given_up(number) {
                self.assembly.stats.late += 1;
                return Err(FrameRefusal::Late { number });
            }
            if is_known {
                self.assembly.stats.duplicate += 1;
                return Ok(Accepted::Duplicate { number });
            }
            self.assembly.stats.paused += 1;
            self.settle(number);
            return Ok(Accepted::Paused { number });
        }
        if let Err(refusal) = self.check(frame) {
            if is_known {
                self.assembly.stats.late += 1;
                return Err(refusal);
            }
            if frame.number.is_some() {
                self.settle(number);
            }
            return Err(self.count(refusal));
        }
        let content = frame.content_crc();
        match self.numbering.look_up(number, content) {
            Known::New => self.accept(number, content, frame),
            Known::Duplicate => {
                self.assembly.stats.duplicate += 1;
                Ok(Accepted::Duplicate { number })
            }
            Known::Conflict => {
                self.assembly.stats.conflict += 1;
                Err(FrameRefusal::Conflict { number })
            }
            Known::Late => {
                self.assembly.stats.late += 1;
                Err(FrameRefusal::Late { number })
            }
        }
    }

    /// Settles a frame that the shell had to refuse before it could be handed in (unreadable, too large...), and counts it
    /// under `code`. Without a number it is only counted; with one that is settled already, it is late.
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
        self.assembly.stats.received += 1;
        let number = number.filter(|&n| n <= MAX_NUMBER);
        if number.is_some_and(|number| self.numbering.is_known(number)) {
            self.assembly.stats.late += 1;
            return Ok(());
        }
        self.assembly.stats.count_refused(code);
        if let Some(number) = number {
            self.settle(number);
        }
        Ok(())
    }

    /// Returns the next batch to be stored, if one is due: its flush deadline is over, its chunk is full, or the recording
    /// paused or ended. A batch without chunk says that numbers were settled, or has markers.
    pub fn poll_batch(&mut self, now: Duration) -> Option<Batch> {
        self.advance(now);
        self.assembly.poll(self.now)
    }

    /// Returns when [`Self::poll_batch`] should be called next; none if only a frame or a command can change anything. A
    /// moment that is over means now.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        [self.assembly.deadline(), self.numbering.deadline()].into_iter().flatten().min()
    }

    /// Returns whether no frame is taken until batches are polled: the shell should stop reading from its publisher.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.assembly.closed_bytes() >= self.config.max_pending_bytes
    }

    fn expect_live(&self, command: &'static str) -> Result<(), CommandError> {
        let wrong = || CommandError::WrongStatus { command, status: self.status };
        self.status.is_live().then_some(()).ok_or_else(wrong)
    }

    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        while let Some(released) = self.numbering.poll_ready(self.now) {
            self.release(released);
        }
    }

    /// Lets a frame go on whose turn it is. Returns its number in the session and its time, if it is stored.
    fn release(&mut self, released: Released<Item>) -> Option<(u64, Timestamp)> {
        let stored = self.assembly.release(&released);
        if let Item::Frame(frame) = released.held.item {
            self.spares.put(frame.pose_data);
        }
        stored
    }

    /// Lets everything that waits go ahead, for the batch to be polled at once.
    fn flush(&mut self) {
        while let Some(released) = self.numbering.pop_first() {
            self.release(released);
        }
        self.assembly.flush(self.now);
    }

    fn count(&mut self, refusal: FrameRefusal) -> FrameRefusal {
        self.assembly.stats.count_refused(refusal.code());
        refusal
    }

    /// Makes the frame canonical and checks all that doesn't depend on its number.
    fn check(&self, frame: &mut IncomingFrame) -> Result<(), FrameRefusal> {
        let (bytes, limit) = (frame.weight(), self.config.max_frame_bytes);
        if bytes > limit {
            return Err(FrameRefusal::TooLarge { bytes, limit });
        }
        if self.assembly.is_at_end() {
            return Err(FrameRefusal::SessionFull { frame_count: self.frame_count() });
        }
        frame.canonicalise(self.skeleton.as_ref())
    }

    fn accept(
        &mut self,
        number: u64,
        content: u32,
        frame: &mut IncomingFrame,
    ) -> Result<Accepted, FrameRefusal> {
        if self.numbering.is_behind(number) {
            self.assembly.stats.reordered += 1;
        }
        let held = Held {
            first: number,
            number,
            arrived: self.now,
            content: Some(content),
            bytes: frame.weight(),
            item: Item::Frame(frame.take(self.spares.take())),
        };
        let stored = self.numbering.push(held).map(|released| self.release(released));
        self.advance(self.now);
        match stored {
            Some(Some((frame_number, timestamp))) => Ok(Accepted::Stored { number, frame_number, timestamp }),
            Some(None) => Err(FrameRefusal::SessionFull { frame_count: self.frame_count() }),
            None => Ok(Accepted::Waiting { number }),
        }
    }

    /// Settles a number without a frame, if it isn't settled yet.
    fn settle(&mut self, number: u64) {
        let held =
            Held { first: number, number, arrived: self.now, content: None, bytes: 0, item: Item::Settled };
        if let Some(released) = self.numbering.push(held) {
            self.release(released);
        }
        self.advance(self.now);
    }
}
