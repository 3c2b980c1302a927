//! What came before a recording was asked for: frames of the publisher in, and what it told of others; the beginning of a recording out.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use posesession_core::{Earlier, IncomingFrame, PreRoll, Skeleton};

use crate::protocol::{ErrorCode, FramesDropped, ProtocolError};
use crate::record::RecordService;
use crate::record::recording::Recording;

/// How many bytes one stream keeps, and all streams of a process together.
const STREAM_BYTES: usize = 16 << 20;
const PROCESS_BYTES: usize = 256 << 20;

/// A stream's latest frames while nothing is recorded, if its publisher asked for that.
#[derive(Debug)]
pub(super) struct Before {
    kept: PreRoll,
    /// Whose frames they are; whoever has no name of its own gets another one each time.
    publisher: Option<String>,
    /// What was last declared, or suggested by a frame, since they are this publisher's.
    skeleton: Option<Arc<Skeleton>>,
    /// When the latest came.
    latest: Duration,
    /// What all streams keep.
    process_bytes: Arc<AtomicUsize>,
    /// This stream's part of it.
    counted: usize,
}

impl Before {
    pub(super) fn new(service: &RecordService) -> Self {
        let process_bytes = Arc::clone(&service.inner.pre_roll_bytes);
        Self {
            kept: PreRoll::default(),
            publisher: None,
            skeleton: None,
            latest: Duration::ZERO,
            process_bytes,
            counted: 0,
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        !self.kept.max_age().is_zero()
    }

    /// Returns whether there are frames for a publisher that comes back soon.
    pub(super) fn is_waiting(&self, now: Duration) -> bool {
        self.counted > 0 && now.saturating_sub(self.latest) <= self.kept.max_age()
    }

    /// Says whose frames come from now on. Those of another one are forgotten, and how long they were to be kept.
    pub(super) fn belong_to(&mut self, publisher: &str) {
        if self.publisher.as_deref() != Some(publisher) {
            self.kept = PreRoll::default();
            self.count();
            self.publisher = Some(publisher.to_owned());
            self.skeleton = None;
        }
    }

    /// Says which skeleton the frames have from now on. Those of another one can't be part of the same session; those in which nobody
    /// was seen before it was known can.
    pub(super) fn have_skeleton(&mut self, skeleton: &Arc<Skeleton>) {
        let known = self.skeleton.replace(Arc::clone(skeleton));
        if known.is_some_and(|known| known != *skeleton) {
            self.clear();
        }
    }

    /// Keeps frames for so long from now on; without a time, as before.
    pub(super) fn keep_for(&mut self, age: Option<Duration>) {
        if let Some(age) = age.filter(|age| *age != self.kept.max_age()) {
            self.kept = PreRoll::new(age, STREAM_BYTES);
            self.count();
        }
    }

    /// Keeps a frame, if frames are kept: it is taken out of `frame` then.
    pub(super) fn take(&mut self, now: Duration, frame: &mut IncomingFrame) {
        if !self.is_kept() {
            return;
        }
        let pose_data = std::mem::take(&mut frame.pose_data);
        let kept = IncomingFrame { pose_data, image: frame.image.take(), ..*frame };
        self.push(now, Earlier::Frame(kept));
    }

    /// Notes numbers that won't come, if frames are kept.
    pub(super) fn drop_frames(&mut self, now: Duration, dropped: &FramesDropped) {
        let FramesDropped { first, last, cause, .. } = dropped;
        self.push(now, Earlier::Dropped { first: *first, last: *last, cause: cause.as_str().into() });
    }

    /// Notes a frame that was refused, if frames are kept.
    pub(super) fn refuse(&mut self, now: Duration, number: Option<u64>, code: ErrorCode) {
        self.push(now, Earlier::Refused { number, code: code.as_str() });
    }

    fn push(&mut self, now: Duration, came: Earlier) {
        if !self.is_kept() {
            return;
        }
        self.latest = now;
        self.kept.push(now, came);
        let of_all = self.count();
        if of_all > PROCESS_BYTES {
            self.kept.give_way(self.kept.bytes().saturating_sub(of_all - PROCESS_BYTES));
            self.count();
        }
    }

    /// Lets a recording start with the frames of the last `age`. Returns how many seconds that are.
    pub(super) async fn move_into(
        &mut self,
        recording: &mut Recording,
        age: Option<Duration>,
    ) -> Result<f64, ProtocolError> {
        let now = recording.now();
        let Some(age) = age else {
            // What comes before this recording is of none that follows.
            self.clear();
            return Ok(0.0);
        };
        let kept = self.kept.take(now, age);
        self.count();
        if kept.is_empty() {
            return Ok(0.0);
        }
        let mut times = kept.iter().filter_map(|came| match came {
            Earlier::Frame(frame) => Some(frame.timestamp.as_secs_f64()),
            _ => None,
        });
        let seconds = times.next().map_or(0.0, |first| (times.last().unwrap_or(first) - first).max(0.0));
        for came in kept {
            if recording.recorder.is_full() {
                recording.store_rest().await?;
            }
            let recorder = &mut recording.recorder;
            // What is refused is counted; its sender was told of what is wrong with it when it came.
            let taken: Result<(), Box<dyn Error>> = match came {
                Earlier::Frame(mut frame) => {
                    recorder.handle_frame(now, &mut frame).map(drop).map_err(Into::into)
                }
                Earlier::Dropped { first, last, cause } => {
                    recorder.drop_numbers(now, first, last, &cause).map_err(Into::into)
                }
                Earlier::Refused { number, code } => recorder.refuse(now, number, code).map_err(Into::into),
            };
            if let Err(refusal) = taken {
                tracing::debug!(session = %recording.id, %refusal, "something of the pre-roll is not taken");
            }
        }
        if let Err(error) = recording.recorder.mark_started(now) {
            tracing::warn!(session = %recording.id, %error, "the start is not marked");
        }
        Ok(seconds)
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.count();
    }

    /// Brings the count of all streams up to date and returns it.
    fn count(&mut self) -> usize {
        let (before, bytes) = (self.counted, self.kept.bytes());
        self.counted = bytes;
        if bytes >= before {
            self.process_bytes.fetch_add(bytes - before, Ordering::Relaxed) + (bytes - before)
        } else {
            self.process_bytes.fetch_sub(before - bytes, Ordering::Relaxed) - (before - bytes)
        }
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        self.clear();
    }
}
