//! What a recorder is told: how it works, where it goes on, and the frames.

use std::time::Duration;

use bytes::Bytes;

use super::numbering::ReorderLimits;
use super::outcome::FrameRefusal;
use crate::chunk::Chunk;
use crate::pose::PoseData;
use crate::skeleton::Skeleton;
use crate::time::Timestamp;

/// How a recorder orders frames, cuts chunks and bounds its memory.
///
/// All limits hold for any input, whenever batches are polled. A recorder never has more bytes of frames in memory than
/// `max_reorder_bytes` + `max_pending_bytes` + `max_chunk_bytes` + 2 `max_frame_bytes`, and less than 1 MiB of memory that
/// earlier frames left for later ones.
#[derive(Debug, Clone, PartialEq)]
pub struct RecorderConfig {
    /// How long a frame waits for frames of lower numbers, in the caller's monotonic time. 250 ms.
    pub reorder_window: Duration,
    /// How many frames may wait so; beyond, the earliest goes ahead. 1024.
    pub max_reorder_frames: usize,
    /// How many bytes of frames may wait so, images included. 8 MiB.
    pub max_reorder_bytes: usize,
    /// How long after its first frame's arrival a batch closes. 250 ms.
    pub flush_after: Duration,
    /// How many frames a chunk has at most. 256.
    pub max_chunk_frames: usize,
    /// How many bytes of values and images a chunk has at most, unless a single frame has more. 4 MiB.
    pub max_chunk_bytes: usize,
    /// How many bytes a single frame may have, its image included. 16 MiB.
    pub max_frame_bytes: usize,
    /// How many bytes of closed batches may wait to be polled before frames are turned away. 16 MiB.
    pub max_pending_bytes: usize,
    /// How many markers a session may get by command (pauses and marks), and again how many by themselves (gaps and clock
    /// jumps); what is beyond is only counted. 10,000.
    pub max_markers: usize,
    /// The frame rate that the publisher declared, in frames per second: how long one interval is before the first one is
    /// measured. None: 30.
    pub nominal_fps: Option<f64>,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            reorder_window: Duration::from_millis(250),
            max_reorder_frames: 1024,
            max_reorder_bytes: 8 << 20,
            flush_after: Duration::from_millis(250),
            max_chunk_frames: 256,
            max_chunk_bytes: 4 << 20,
            max_frame_bytes: 16 << 20,
            max_pending_bytes: 16 << 20,
            max_markers: 10_000,
            nominal_fps: None,
        }
    }
}

impl RecorderConfig {
    /// Brings every limit into the range in which a chunk can hold what it allows.
    pub(super) fn clamped(mut self) -> Self {
        let most_bytes = Chunk::MAX_VALUES * size_of::<f32>();
        self.max_chunk_frames = self.max_chunk_frames.clamp(1, Chunk::MAX_FRAMES);
        self.max_chunk_bytes = self.max_chunk_bytes.clamp(1, most_bytes);
        self.max_frame_bytes = self.max_frame_bytes.clamp(1, most_bytes);
        self
    }

    pub(super) fn reorder_limits(&self) -> ReorderLimits {
        ReorderLimits {
            window: self.reorder_window,
            frames: self.max_reorder_frames,
            bytes: self.max_reorder_bytes,
        }
    }
}

/// A frame as its publisher sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingFrame {
    /// The publisher's own number, rising; without one, the frame gets the highest so far + 1.
    pub number: Option<u64>,
    /// When the frame was taken, by the streamer's own clock.
    pub timestamp: Timestamp,
    /// Who was seen, with the values of the recorder's skeleton.
    pub pose_data: PoseData,
    /// The camera's image, JPEG or WebP; the recorder doesn't look into it.
    pub image: Option<Bytes>,
}

impl IncomingFrame {
    /// Returns how much of a chunk's or buffer's bytes the frame takes.
    pub(super) fn weight(&self) -> usize {
        let PoseData { track_ids, values } = &self.pose_data;
        // What a frame takes beside its values: its own fields while it waits, its columns and its image's path in a chunk.
        const FIXED: usize = 160;
        FIXED
            + (track_ids.len() + values.len()) * size_of::<f32>()
            + self.image.as_ref().map_or(0, Bytes::len)
    }

    /// Takes the frame's content out, leaving `spare` for the next one's.
    pub(super) fn take(&mut self, spare: PoseData) -> Self {
        let pose_data = std::mem::replace(&mut self.pose_data, spare);
        Self { number: self.number, timestamp: self.timestamp, pose_data, image: self.image.take() }
    }

    /// Makes the pose data canonical by the skeleton; without one, nobody may be seen.
    pub(super) fn canonicalise(&mut self, skeleton: Option<&Skeleton>) -> Result<(), FrameRefusal> {
        match skeleton {
            Some(skeleton) => Ok(self.pose_data.canonicalise(skeleton)?),
            None if self.pose_data == PoseData::nobody() => Ok(()),
            None => Err(FrameRefusal::UnknownSkeleton),
        }
    }

    /// Returns a checksum of everything but the number.
    pub(super) fn content_crc(&self) -> u32 {
        let pose = self.pose_data.content_crc();
        let crc = crc32c::crc32c_append(pose, &self.timestamp.as_micros().to_le_bytes());
        self.image.as_ref().map_or(crc, |image| crc32c::crc32c_append(crc, image))
    }
}

/// Where an earlier recorder of the same session left off: what the store knows of an interrupted session.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResumePoint {
    /// The session's skeleton, if it was known.
    pub skeleton: Option<Skeleton>,
    /// How many frames are stored.
    pub frame_count: u64,
    /// When the last stored frame stands, in session time.
    pub duration: Timestamp,
    /// The publisher's own number up to which everything is settled; none if another publisher goes on.
    pub settled_through: Option<u64>,
}
