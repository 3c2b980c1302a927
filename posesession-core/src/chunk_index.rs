//! Which chunk covers a frame or a moment. Extents in, the covering one out.

use crate::chunk::{Chunk, ChunkError};
use crate::time::Timestamp;

/// What a chunk covers, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkExtent {
    /// The number of the first frame.
    pub first_frame: u64,
    /// How many frames.
    pub frame_count: u32,
    /// When the first frame is.
    pub first_timestamp: Timestamp,
    /// When the last frame is.
    pub last_timestamp: Timestamp,
}

impl ChunkExtent {
    /// Returns the extent of a chunk, or nothing if it is empty.
    #[must_use]
    pub fn of(chunk: &Chunk) -> Option<Self> {
        Some(Self {
            first_frame: chunk.first_frame(),
            frame_count: u32::try_from(chunk.frame_count()).ok()?,
            first_timestamp: *chunk.timestamps().first()?,
            last_timestamp: *chunk.timestamps().last()?,
        })
    }

    /// Returns the number of the frame after the last.
    #[must_use]
    pub fn end_frame(&self) -> u64 {
        self.first_frame + u64::from(self.frame_count)
    }
}

/// Which place of a session is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkQuery {
    /// The frame of this number.
    Frame(u64),
    /// The last frame at or before this moment; the session's first frame if all are later.
    Time(Timestamp),
}

/// The extents of a session's chunks, in order and without holes.
///
/// # Examples
///
/// ```
/// use posesession_core::{ChunkExtent, ChunkIndex, ChunkQuery, Timestamp};
///
/// let extent = |first_frame, start, end| ChunkExtent {
///     first_frame,
///     frame_count: 10,
///     first_timestamp: Timestamp::from_micros(start),
///     last_timestamp: Timestamp::from_micros(end),
/// };
/// let index = ChunkIndex::from_extents(vec![extent(0, 0, 900), extent(10, 1000, 1900)])?;
/// assert_eq!(index.covering(ChunkQuery::Frame(12)), Some(1));
/// assert_eq!(index.covering(ChunkQuery::Time(Timestamp::from_micros(950))), Some(0));
/// assert_eq!(index.covering(ChunkQuery::Frame(20)), None);
/// # Ok::<(), posesession_core::ChunkError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkIndex {
    extents: Vec<ChunkExtent>,
}

impl ChunkIndex {
    /// Makes an index of extents in order.
    ///
    /// # Errors
    ///
    /// [`ChunkError::NotConsecutive`] or [`ChunkError::TimeNotIncreasing`] where two don't meet.
    pub fn from_extents(extents: Vec<ChunkExtent>) -> Result<Self, ChunkError> {
        let mut index = Self::default();
        extents.into_iter().try_for_each(|extent| index.push(extent))?;
        Ok(index)
    }

    /// Appends the next chunk's extent.
    ///
    /// # Errors
    ///
    /// [`ChunkError::NotConsecutive`] or [`ChunkError::TimeNotIncreasing`] if it doesn't follow the last one.
    pub fn push(&mut self, extent: ChunkExtent) -> Result<(), ChunkError> {
        if extent.first_frame != self.frame_count() {
            return Err(ChunkError::NotConsecutive { expected: self.frame_count(), got: extent.first_frame });
        }
        if let Some(last) = self.extents.last()
            && extent.first_timestamp <= last.last_timestamp
        {
            return Err(ChunkError::TimeNotIncreasing {
                last: last.last_timestamp,
                got: extent.first_timestamp,
            });
        }
        self.extents.push(extent);
        Ok(())
    }

    /// Returns the place of the chunk that covers what is asked for, or nothing if there is none.
    #[must_use]
    pub fn covering(&self, query: ChunkQuery) -> Option<usize> {
        match query {
            ChunkQuery::Frame(n) if n >= self.frame_count() => None,
            ChunkQuery::Frame(n) => self.extents.partition_point(|e| e.first_frame <= n).checked_sub(1),
            ChunkQuery::Time(_) if self.extents.is_empty() => None,
            ChunkQuery::Time(t) => {
                Some(self.extents.partition_point(|e| e.first_timestamp <= t).saturating_sub(1))
            }
        }
    }

    /// Returns all extents, in order.
    #[must_use]
    pub fn extents(&self) -> &[ChunkExtent] {
        &self.extents
    }

    /// Returns how many frames all chunks cover.
    #[must_use]
    pub fn frame_count(&self) -> u64 {
        self.extents.last().map_or(0, ChunkExtent::end_frame)
    }

    /// Returns the timestamp of the last frame, zero if there is none.
    #[must_use]
    pub fn duration(&self) -> Timestamp {
        self.extents.last().map_or(Timestamp::ZERO, |e| e.last_timestamp)
    }
}
