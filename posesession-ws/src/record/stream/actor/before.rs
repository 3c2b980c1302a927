//! What came before a recording was asked for: frames of the publisher in, the first frames of a recording out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use posesession_core::{IncomingFrame, PreRoll};

use crate::protocol::ProtocolError;
use crate::record::RecordService;
use crate::record::recording::Recording;

/// How many bytes one stream keeps, and all streams of a process together.
const STREAM_BYTES: usize = 16 << 20;
const PROCESS_BYTES: usize = 256 << 20;

/// A stream's latest frames while nothing is recorded, if its publisher asked for that.
#[derive(Debug)]
pub(super) struct Before {
    kept: PreRoll,
    /// What all streams keep.
    process_bytes: Arc<AtomicUsize>,
    /// This stream's part of it.
    counted: usize,
}

impl Before {
    pub(super) fn new(service: &RecordService) -> Self {
        let process_bytes = Arc::clone(&service.inner.pre_roll_bytes);
        Self { kept: PreRoll::default(), process_bytes, counted: 0 }
    }

    pub(super) fn is_kept(&self) -> bool {
        !self.kept.max_age().is_zero()
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
        self.kept.push(now, kept);
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
        let frames = self.kept.take(now, age);
        self.count();
        let span = |first: &IncomingFrame, last: &IncomingFrame| {
            last.timestamp.as_secs_f64() - first.timestamp.as_secs_f64()
        };
        let seconds =
            frames.first().zip(frames.last()).map_or(0.0, |(first, last)| span(first, last).max(0.0));
        if frames.is_empty() {
            return Ok(0.0);
        }
        for mut frame in frames {
            if recording.recorder.is_full() {
                recording.store_rest().await?;
            }
            // One that is refused is counted; its sender was told of what is wrong with it when it came.
            if let Err(refusal) = recording.recorder.handle_frame(now, &mut frame) {
                tracing::debug!(session = %recording.id, %refusal, "a frame of the pre-roll is not stored");
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
