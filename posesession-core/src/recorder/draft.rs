//! The batch in the making. Ordered and stamped frames in, one batch out.

use std::time::Duration;

use bytes::Bytes;

use super::config::IncomingFrame;
use crate::batch::{Batch, ImageObject};
use crate::chunk::{Chunk, ChunkError};
use crate::frame::ImageRef;
use crate::session::Marker;
use crate::skeleton::{Layout, Skeleton};
use crate::time::Timestamp;

/// Collects what the next batch will hold.
#[derive(Debug, Default)]
pub(super) struct Draft {
    chunk: Option<Chunk>,
    image_bytes: Vec<u8>,
    markers: Vec<Marker>,
    skeleton: Option<Skeleton>,
    settled_through: Option<u64>,
    /// Whether `settled_through` is further than in the batch before.
    moved: bool,
    bytes: usize,
    due: Option<Duration>,
    arrived: Option<Duration>,
    /// How many frames and rows the next chunk gets memory for.
    expected: (usize, usize),
}

impl Draft {
    /// Starts the first batch after one that settled everything up to `settled_through`.
    pub(super) fn after(settled_through: Option<u64>) -> Self {
        Self { settled_through, ..Self::default() }
    }

    /// Appends a frame to the chunk, which it starts if there is none.
    ///
    /// # Errors
    ///
    /// [`ChunkError`]; the draft stays as it was.
    pub(super) fn push(
        &mut self,
        frame_number: u64,
        layout: &Layout,
        timestamp: Timestamp,
        arrived: Duration,
        frame: &IncomingFrame,
    ) -> Result<(), ChunkError> {
        let (frames, rows) = self.expected;
        let start = || Chunk::with_capacity(frame_number, layout.clone(), frames, rows);
        let chunk = self.chunk.get_or_insert_with(start);
        chunk.push(timestamp, &frame.pose_data)?;
        self.bytes += frame.weight();
        self.arrived = Some(self.arrived.map_or(arrived, |earlier| earlier.min(arrived)));
        if let Some(image) = &frame.image
            && let Ok(length) = u32::try_from(image.len())
            && length > 0
        {
            let offset = self.image_bytes.len() as u64;
            // The object's name is given when all of its bytes are there.
            chunk.set_last_image(ImageRef { object: String::new(), offset, length });
            self.image_bytes.extend_from_slice(image);
        }
        Ok(())
    }

    pub(super) fn push_marker(&mut self, marker: Marker) {
        self.markers.push(marker);
    }

    pub(super) fn set_skeleton(&mut self, skeleton: Skeleton) {
        self.skeleton = Some(skeleton);
    }

    /// Notes that every number up to `number` is settled with this batch.
    pub(super) fn settle(&mut self, number: u64) {
        self.settled_through = Some(number);
        self.moved = true;
    }

    /// Forgets how far numbers are settled: another numbering begins with the batch after a closed one.
    pub(super) fn start_numbering(&mut self) {
        self.settled_through = None;
    }

    /// Asks for the batch to be closed at `due` or before.
    pub(super) fn due_by(&mut self, due: Duration) {
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    pub(super) fn settled_through(&self) -> Option<u64> {
        self.settled_through
    }

    /// Returns how many bytes the frames have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn frame_count(&self) -> usize {
        self.chunk.as_ref().map_or(0, Chunk::frame_count)
    }

    /// Returns the batch and starts the next one; none if nothing is in it.
    pub(super) fn close(&mut self) -> Option<Batch> {
        self.due = None;
        self.bytes = 0;
        let moved = std::mem::take(&mut self.moved);
        let arrived = self.arrived.take();
        let mut chunk = self.chunk.take().filter(|chunk| !chunk.is_empty());
        if chunk.is_none() && self.markers.is_empty() && self.skeleton.is_none() && !moved {
            return None;
        }
        let images = chunk.as_mut().and_then(|chunk| self.close_images(chunk));
        if let Some(chunk) = &chunk {
            // Chunks are as long as the one before, give or take a frame or two of a flush that comes a little later.
            let (frames, rows) = (chunk.frame_count(), chunk.track_ids().len());
            self.expected = (frames + frames / 8 + 2, rows + rows / 8 + 2);
        }
        Some(Batch {
            chunk,
            images,
            markers: std::mem::take(&mut self.markers),
            skeleton: self.skeleton.take(),
            settled_through: self.settled_through,
            arrived,
        })
    }

    /// Makes one object of the images in a chunk, and names it there.
    fn close_images(&mut self, chunk: &mut Chunk) -> Option<ImageObject> {
        if self.image_bytes.is_empty() {
            return None;
        }
        let expected = self.image_bytes.len();
        let bytes = Bytes::from(std::mem::take(&mut self.image_bytes));
        self.image_bytes.reserve(expected);
        let object = ImageObject::of_chunk(chunk.first_frame(), bytes);
        chunk.set_image_object(&object.name);
        Some(object)
    }
}
