//! A chunk: a run of consecutive frames, stored column by column. What is appended, acknowledged, cached and exported.

use thiserror::Error;

use crate::frame::{Frame, FrameView, ImageRef};
use crate::pose::{PoseData, PoseView};
use crate::skeleton::Layout;
use crate::time::Timestamp;

/// A run of consecutive frames of one session, in columns.
///
/// Invariants, kept by every constructor: timestamps strictly increase; `person_counts` has one entry a frame and sums
/// to the number of rows; `track_ids` has one entry and `values` one row of `layout.values_per_person()` a person;
/// image entries are in frame order, at most one a frame.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    first_frame: u64,
    layout: Layout,
    timestamps: Vec<Timestamp>,
    person_counts: Vec<u16>,
    track_ids: Vec<u32>,
    /// `[row, value]`, rows in frame order, then in the order of the frame's persons.
    values: Vec<f32>,
    /// Where each frame's rows start; one entry more than frames.
    row_starts: Vec<u32>,
    images: Vec<ChunkImage>,
}

/// Where the image of one frame of a chunk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkImage {
    /// The frame's place within the chunk.
    pub frame: u32,
    /// Where the image is.
    pub image: ImageRef,
}

impl Chunk {
    /// The most frames a chunk may have.
    pub const MAX_FRAMES: usize = 65_536;
    /// The most `f32` values a chunk may have (64 MiB of them).
    pub const MAX_VALUES: usize = 1 << 24;

    /// Starts an empty chunk whose first frame will be number `first_frame`.
    #[must_use]
    pub fn new(first_frame: u64, layout: Layout) -> Self {
        Self::with_capacity(first_frame, layout, 0, 0)
    }

    /// Starts an empty chunk as [`Self::new`], with memory for so many frames and rows (a row is one person in one frame).
    #[must_use]
    pub fn with_capacity(first_frame: u64, layout: Layout, frames: usize, rows: usize) -> Self {
        let (frames, values) =
            (frames.min(Self::MAX_FRAMES), rows.saturating_mul(layout.values_per_person()));
        let mut row_starts = Vec::with_capacity(frames + 1);
        row_starts.push(0);
        Self {
            first_frame,
            layout,
            timestamps: Vec::with_capacity(frames),
            person_counts: Vec::with_capacity(frames),
            track_ids: Vec::with_capacity(rows.min(Self::MAX_VALUES)),
            values: Vec::with_capacity(values.min(Self::MAX_VALUES)),
            row_starts,
            images: Vec::new(),
        }
    }

    /// Appends a frame and returns its number.
    ///
    /// # Errors
    ///
    /// [`ChunkError::TimeNotIncreasing`], [`ChunkError::WrongShape`], or [`ChunkError::Full`]; the chunk stays as it was.
    pub fn push(&mut self, timestamp: Timestamp, pose: &PoseData) -> Result<u64, ChunkError> {
        let width = self.layout.values_per_person();
        if let Some(&last) = self.timestamps.last()
            && timestamp <= last
        {
            return Err(ChunkError::TimeNotIncreasing { last, got: timestamp });
        }
        if pose.values.len() != pose.person_count() * width {
            return Err(ChunkError::WrongShape {
                expected: width * pose.person_count(),
                got: pose.values.len(),
            });
        }
        if self.frame_count() >= Self::MAX_FRAMES || self.values.len() + pose.values.len() > Self::MAX_VALUES
        {
            return Err(ChunkError::Full { frames: self.frame_count(), values: self.values.len() });
        }
        let persons = u16::try_from(pose.person_count()).map_err(|_too_many| ChunkError::Full {
            frames: self.frame_count(),
            values: self.values.len(),
        })?;
        self.timestamps.push(timestamp);
        self.person_counts.push(persons);
        self.track_ids.extend_from_slice(&pose.track_ids);
        self.values.extend_from_slice(&pose.values);
        self.row_starts.push(self.row_starts.last().copied().unwrap_or(0) + u32::from(persons));
        Ok(self.last_frame())
    }

    /// Says where the image of the frame pushed last is.
    pub fn set_last_image(&mut self, image: ImageRef) {
        let frame = u32::try_from(self.frame_count().saturating_sub(1)).unwrap_or(u32::MAX);
        self.images.retain(|i| i.frame != frame);
        self.images.push(ChunkImage { frame, image });
    }

    /// Says in which object all of the chunk's images are.
    pub(crate) fn set_image_object(&mut self, name: &str) {
        for ChunkImage { image, .. } in &mut self.images {
            name.clone_into(&mut image.object);
        }
    }

    /// Builds a chunk from its columns, as a decoder has them.
    ///
    /// # Errors
    ///
    /// [`ChunkError`] if the columns break an invariant.
    pub fn from_columns(columns: ChunkColumns) -> Result<Self, ChunkError> {
        let ChunkColumns { first_frame, layout, timestamps, person_counts, track_ids, values, images } =
            columns;
        let frames = timestamps.len();
        if frames > Self::MAX_FRAMES || values.len() > Self::MAX_VALUES {
            return Err(ChunkError::Full { frames, values: values.len() });
        }
        if person_counts.len() != frames {
            return Err(ChunkError::WrongShape { expected: frames, got: person_counts.len() });
        }
        if let Some(pair) = timestamps.windows(2).find(|pair| pair[1] <= pair[0]) {
            return Err(ChunkError::TimeNotIncreasing { last: pair[0], got: pair[1] });
        }
        let mut row_starts = Vec::with_capacity(frames + 1);
        let mut rows = 0_u32;
        row_starts.push(0);
        for &count in &person_counts {
            rows += u32::from(count);
            row_starts.push(rows);
        }
        let rows = rows as usize;
        if track_ids.len() != rows {
            return Err(ChunkError::WrongShape { expected: rows, got: track_ids.len() });
        }
        if Some(values.len()) != rows.checked_mul(layout.values_per_person()) {
            return Err(ChunkError::WrongShape {
                expected: rows * layout.values_per_person(),
                got: values.len(),
            });
        }
        let in_order = images.windows(2).all(|pair| pair[0].frame < pair[1].frame);
        if !in_order || images.last().is_some_and(|last| last.frame as usize >= frames) {
            return Err(ChunkError::WrongShape { expected: frames, got: images.len() });
        }
        Ok(Self { first_frame, layout, timestamps, person_counts, track_ids, values, row_starts, images })
    }

    /// Joins consecutive chunks into one, in order.
    ///
    /// # Errors
    ///
    /// [`ChunkError::NotConsecutive`] if a frame is missing or doubled between two, [`ChunkError::WrongShape`] if their
    /// layouts differ, [`ChunkError::TimeNotIncreasing`], [`ChunkError::Full`]; also if there is none.
    pub fn concat(chunks: &[Self]) -> Result<Self, ChunkError> {
        let Some((first, rest)) = chunks.split_first() else {
            return Err(ChunkError::WrongShape { expected: 1, got: 0 });
        };
        let mut joined = first.clone();
        for next in rest {
            if next.first_frame != joined.end_frame() {
                return Err(ChunkError::NotConsecutive {
                    expected: joined.end_frame(),
                    got: next.first_frame,
                });
            }
            joined.absorb(next)?;
        }
        Ok(joined)
    }

    fn absorb(&mut self, next: &Self) -> Result<(), ChunkError> {
        // A chunk in which nobody is seen may come from before the skeleton was known.
        if self.values.is_empty() {
            self.layout = next.layout.clone();
        } else if self.layout != next.layout && !next.values.is_empty() {
            return Err(ChunkError::WrongShape {
                expected: self.layout.values_per_person(),
                got: next.layout.values_per_person(),
            });
        }
        if let (Some(&last), Some(&got)) = (self.timestamps.last(), next.timestamps.first())
            && got <= last
        {
            return Err(ChunkError::TimeNotIncreasing { last, got });
        }
        let frames = self.frame_count() + next.frame_count();
        let values = self.values.len() + next.values.len();
        if frames > Self::MAX_FRAMES || values > Self::MAX_VALUES {
            return Err(ChunkError::Full { frames, values });
        }
        let frames_before = u32::try_from(self.frame_count()).unwrap_or(u32::MAX);
        let rows_before = self.row_starts.last().copied().unwrap_or(0);
        self.timestamps.extend_from_slice(&next.timestamps);
        self.person_counts.extend_from_slice(&next.person_counts);
        self.track_ids.extend_from_slice(&next.track_ids);
        self.values.extend_from_slice(&next.values);
        self.row_starts.extend(next.row_starts.iter().skip(1).map(|start| rows_before + start));
        self.images.extend(
            next.images.iter().map(|i| ChunkImage { frame: frames_before + i.frame, image: i.image.clone() }),
        );
        Ok(())
    }

    /// Returns the number of the first frame.
    #[must_use]
    pub fn first_frame(&self) -> u64 {
        self.first_frame
    }

    /// Returns the number of the last frame; of an empty chunk, the number before its first.
    #[must_use]
    pub fn last_frame(&self) -> u64 {
        self.end_frame().saturating_sub(1)
    }

    /// Returns the number of the frame after the last.
    #[must_use]
    pub fn end_frame(&self) -> u64 {
        self.first_frame + self.frame_count() as u64
    }

    /// Returns how many frames there are.
    #[must_use]
    pub fn frame_count(&self) -> usize {
        self.timestamps.len()
    }

    /// Returns whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Returns the shape of one person's values.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns each frame's timestamp.
    #[must_use]
    pub fn timestamps(&self) -> &[Timestamp] {
        &self.timestamps
    }

    /// Returns how many persons each frame has.
    #[must_use]
    pub fn person_counts(&self) -> &[u16] {
        &self.person_counts
    }

    /// Returns the track id of each row.
    #[must_use]
    pub fn track_ids(&self) -> &[u32] {
        &self.track_ids
    }

    /// Returns all values, shape `[row, value]`: rows in frame order, then in the order of the frame's persons.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns where the frames' images are, in frame order.
    #[must_use]
    pub fn images(&self) -> &[ChunkImage] {
        &self.images
    }

    /// Returns a copy of the frame `frame_number`, or nothing if the chunk doesn't cover it.
    #[must_use]
    pub fn frame(&self, frame_number: u64) -> Option<Frame> {
        self.view(frame_number).map(|view| view.to_frame())
    }

    /// Returns the frame `frame_number` where it lies, or nothing if the chunk doesn't cover it.
    #[must_use]
    pub fn view(&self, frame_number: u64) -> Option<FrameView<'_>> {
        let index = usize::try_from(frame_number.checked_sub(self.first_frame)?).ok()?;
        (index < self.frame_count()).then(|| self.view_at(index))
    }

    /// Returns the frame at a place, which must be less than [`Self::frame_count`].
    pub(crate) fn view_at(&self, index: usize) -> FrameView<'_> {
        let rows = self.row_starts[index] as usize..self.row_starts[index + 1] as usize;
        let width = self.layout.values_per_person();
        let image = self.images.binary_search_by_key(&index, |i| i.frame as usize).ok();
        FrameView {
            frame_number: self.first_frame + index as u64,
            timestamp: self.timestamps[index],
            pose: PoseView {
                track_ids: &self.track_ids[rows.clone()],
                values: &self.values[rows.start * width..rows.end * width],
            },
            image: image.map(|i| &self.images[i].image),
        }
    }

    /// Returns each person of the frame `frame_number`, with its track id and values, without copying them; none if the
    /// chunk doesn't cover the frame.
    pub fn persons(&self, frame_number: u64) -> impl Iterator<Item = (u32, &[f32])> {
        let index = frame_number.checked_sub(self.first_frame).and_then(|index| usize::try_from(index).ok());
        let rows = index.and_then(|index| Some(index..index.checked_add(2)?));
        let rows = match rows.and_then(|pair| self.row_starts.get(pair)) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        };
        let width = self.layout.values_per_person();
        rows.map(move |row| (self.track_ids[row], &self.values[row * width..(row + 1) * width]))
    }

    /// Returns copies of all frames in order.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        (self.first_frame..self.end_frame()).filter_map(|n| self.frame(n))
    }

    /// Returns the number of the last frame at or before `timestamp`, or nothing if all frames are later.
    #[must_use]
    pub fn frame_at(&self, timestamp: Timestamp) -> Option<u64> {
        let after = self.timestamps.partition_point(|&t| t <= timestamp);
        Some(self.first_frame + after.checked_sub(1)? as u64)
    }

    /// Returns how many bytes the chunk takes in memory, about.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.frame_count() * 16 + self.track_ids.len() * 4 + self.values.len() * 4 + self.images.len() * 80
    }
}

/// Equal bit for bit, so that a missing value equals a missing value and `-0` differs from `0`.
impl PartialEq for Chunk {
    fn eq(&self, other: &Self) -> bool {
        self.first_frame == other.first_frame
            && self.layout == other.layout
            && self.timestamps == other.timestamps
            && self.person_counts == other.person_counts
            && self.track_ids == other.track_ids
            && self.images == other.images
            && self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl Eq for Chunk {}

/// The columns of a chunk, for [`Chunk::from_columns`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChunkColumns {
    /// The number of the first frame.
    pub first_frame: u64,
    /// The shape of one person's values.
    pub layout: Layout,
    /// `[frame]`, strictly increasing.
    pub timestamps: Vec<Timestamp>,
    /// `[frame]`.
    pub person_counts: Vec<u16>,
    /// `[row]`: one row a person and frame.
    pub track_ids: Vec<u32>,
    /// `[row, value]`.
    pub values: Vec<f32>,
    /// In frame order, at most one a frame.
    pub images: Vec<ChunkImage>,
}

/// Why frames don't make a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A frame is not later than the one before it.
    #[error("a frame at {got} can't follow one at {last}: timestamps must increase")]
    TimeNotIncreasing {
        /// The frame before.
        last: Timestamp,
        /// The frame that is not later.
        got: Timestamp,
    },
    /// A column's length doesn't fit the others.
    #[error("a column has {got} entries where {expected} belong")]
    WrongShape {
        /// How many belong there.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The chunk holds [`Chunk::MAX_FRAMES`] frames or [`Chunk::MAX_VALUES`] values.
    #[error("the chunk is full at {frames} frames and {values} values; start the next one")]
    Full {
        /// How many frames there are or would be.
        frames: usize,
        /// How many values there are or would be.
        values: usize,
    },
    /// Two chunks to be joined don't meet.
    #[error("the next chunk should start at frame {expected} and starts at {got}")]
    NotConsecutive {
        /// The frame number that should be next.
        expected: u64,
        /// The frame number that is.
        got: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skeleton::Skeleton;

    fn layout() -> Layout {
        Skeleton::infer(2, 3).unwrap().layout()
    }

    fn chunk(first: u64, frames: u64) -> Chunk {
        let mut chunk = Chunk::new(first, layout());
        for n in first..first + frames {
            let pose = if n % 3 == 0 { PoseData::nobody() } else { PoseData::one_person(vec![n as f32; 6]) };
            chunk.push(Timestamp::from_micros(n as i64 * 1000), &pose).unwrap();
        }
        chunk
    }

    #[test]
    fn joined_chunks_have_the_frames_of_their_parts() {
        let joined = Chunk::concat(&[chunk(5, 4), chunk(9, 1), chunk(10, 6)]).unwrap();
        assert_eq!(joined, chunk(5, 11));
        assert_eq!(joined.frame(11).unwrap().pose_data.values, vec![11.0; 6]);
        assert_eq!(joined.frame(16), None);
    }

    #[test]
    fn the_persons_of_a_frame_are_those_of_its_pose() {
        let mut chunk = Chunk::new(5, layout());
        let two = PoseData { track_ids: vec![7, 3], values: (0..12_u8).map(f32::from).collect() };
        let poses = [PoseData::nobody(), two, PoseData::one_person(vec![9.0; 6]), PoseData::nobody()];
        for (micros, pose) in (0..).zip(&poses) {
            chunk.push(Timestamp::from_micros(micros), pose).unwrap();
        }
        for (number, pose) in (5..).zip(&poses) {
            let (track_ids, values): (Vec<_>, Vec<_>) = chunk.persons(number).unzip();
            assert_eq!(PoseData { track_ids, values: values.concat() }, *pose, "{number}");
        }
        for outside in [0, 4, 9, u64::MAX] {
            assert_eq!(chunk.persons(outside).count(), 0, "{outside}");
        }
        assert_eq!(Chunk::default().persons(0).count(), 0);
    }

    #[test]
    fn chunks_that_do_not_meet_are_not_joined() {
        let gap = Chunk::concat(&[chunk(0, 4), chunk(5, 1)]);
        assert_eq!(gap, Err(ChunkError::NotConsecutive { expected: 4, got: 5 }));
    }

    #[test]
    fn the_frame_at_a_time_is_the_last_one_not_later() {
        let chunk = chunk(10, 5);
        assert_eq!(chunk.frame_at(Timestamp::from_micros(9_999)), None);
        assert_eq!(chunk.frame_at(Timestamp::from_micros(10_000)), Some(10));
        assert_eq!(chunk.frame_at(Timestamp::from_micros(12_999)), Some(12));
        assert_eq!(chunk.frame_at(Timestamp::MAX), Some(14));
    }

    #[test]
    fn a_frame_that_is_not_later_is_refused() {
        let mut chunk = chunk(0, 2);
        let refused = chunk.push(Timestamp::from_micros(1000), &PoseData::nobody());
        assert!(matches!(refused, Err(ChunkError::TimeNotIncreasing { .. })));
        assert_eq!(chunk.frame_count(), 2);
    }
}
