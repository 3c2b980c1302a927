//! Pose data: all persons of one frame, as plain `f32`s.

use thiserror::Error;

use crate::skeleton::{Layout, Skeleton};

/// The persons seen in one frame.
///
/// `values` is one plain `f32` array of shape `[person, value]`, person-major; a person's values are the skeleton's
/// components in order, each `[keypoint, channel]` row-major. A missing value is NaN, always the one canonical NaN,
/// so that equal poses have equal bits. A frame in which nobody is seen has no persons.
///
/// # Examples
///
/// ```
/// use posesession_core::{PoseData, Skeleton};
///
/// let skeleton = Skeleton::preset("mediapipe_33")?;
/// let pose = PoseData::one_person(vec![0.5; 33 * 4]);
/// assert_eq!(pose.person_count(), 1);
/// assert_eq!(pose.person(0, &skeleton.layout()).len(), 132);
/// # Ok::<(), posesession_core::SkeletonError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct PoseData {
    /// One track id a person: the same person keeps its id from frame to frame.
    pub track_ids: Vec<u32>,
    /// `[person, value]`; the unit of each value is its channel's.
    pub values: Vec<f32>,
}

impl PoseData {
    /// The most persons one frame may have.
    pub const MAX_PERSONS: usize = 64;

    /// Makes the pose data of a frame in which nobody is seen.
    #[must_use]
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Makes the pose data of one person, with track id 0.
    #[must_use]
    pub fn one_person(values: Vec<f32>) -> Self {
        Self { track_ids: vec![0], values }
    }

    /// Returns how many persons there are.
    #[must_use]
    pub fn person_count(&self) -> usize {
        self.track_ids.len()
    }

    /// Returns the values of one person, empty if there is no such person.
    #[must_use]
    pub fn person(&self, index: usize, layout: &Layout) -> &[f32] {
        let width = layout.values_per_person();
        self.values.get(index * width..(index + 1) * width).unwrap_or_default()
    }

    /// Checks the pose data against a skeleton and makes it canonical: every NaN the same NaN, persons whose every
    /// value is missing left out.
    ///
    /// # Errors
    ///
    /// [`PoseError::NonFinite`] for an infinity, [`PoseError::KeypointMismatch`] where the number of values doesn't fit,
    /// [`PoseError::TooManyPersons`], [`PoseError::SameTrackId`].
    pub fn canonicalise(&mut self, skeleton: &Skeleton) -> Result<(), PoseError> {
        let width = skeleton.values_per_person();
        let persons = self.person_count();
        if persons > Self::MAX_PERSONS {
            return Err(PoseError::TooManyPersons { count: persons });
        }
        if self.values.len() != persons * width {
            return Err(PoseError::KeypointMismatch {
                skeleton: skeleton.name.clone(),
                expected: width,
                got: self.values.len().checked_div(persons).unwrap_or(self.values.len()),
            });
        }
        // Without a way out in the middle, many values are looked at at once.
        if self.values.iter().fold(false, |found, value| found | value.is_infinite()) {
            return Err(PoseError::NonFinite);
        }
        for value in &mut self.values {
            *value = if value.is_nan() { f32::NAN } else { *value };
        }
        for (index, id) in self.track_ids.iter().enumerate() {
            if self.track_ids[..index].contains(id) {
                return Err(PoseError::SameTrackId { id: *id });
            }
        }
        self.drop_missing_persons(width);
        Ok(())
    }

    fn drop_missing_persons(&mut self, width: usize) {
        let mut kept = 0;
        for person in 0..self.track_ids.len() {
            let range = person * width..(person + 1) * width;
            if self.values[range.clone()].iter().all(|v| v.is_nan()) {
                continue;
            }
            self.values.copy_within(range, kept * width);
            self.track_ids[kept] = self.track_ids[person];
            kept += 1;
        }
        self.track_ids.truncate(kept);
        self.values.truncate(kept * width);
    }

    /// Returns a checksum of the content: equal for bit-equal pose data.
    #[must_use]
    pub fn content_crc(&self) -> u32 {
        let ids = crc_of_words(0, &self.track_ids, |id| id.to_le_bytes());
        crc_of_words(ids, &self.values, |value| value.to_bits().to_le_bytes())
    }
}

/// The persons seen in one frame, where they lie: the same as [`PoseData`], borrowed.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoseView<'a> {
    /// One track id a person.
    pub track_ids: &'a [u32],
    /// `[person, value]`; the unit of each value is its channel's.
    pub values: &'a [f32],
}

impl PoseView<'_> {
    /// Returns how many persons there are.
    #[must_use]
    pub fn person_count(&self) -> usize {
        self.track_ids.len()
    }

    /// Copies the pose data.
    #[must_use]
    pub fn to_pose_data(&self) -> PoseData {
        PoseData { track_ids: self.track_ids.to_vec(), values: self.values.to_vec() }
    }
}

impl<'a> From<&'a PoseData> for PoseView<'a> {
    fn from(pose_data: &'a PoseData) -> Self {
        Self { track_ids: &pose_data.track_ids, values: &pose_data.values }
    }
}

/// Checksums words a block at a time: word by word, the checksum takes many times as long.
fn crc_of_words<T: Copy>(crc: u32, words: &[T], bytes: impl Fn(T) -> [u8; 4]) -> u32 {
    let mut block = [[0; 4]; 128];
    words.chunks(block.len()).fold(crc, |crc, words| {
        for (to, &word) in block.iter_mut().zip(words) {
            *to = bytes(word);
        }
        crc32c::crc32c_append(crc, block[..words.len()].as_flattened())
    })
}

/// Equal bit for bit, so that a missing value equals a missing value and `-0` differs from `0`.
impl PartialEq for PoseData {
    fn eq(&self, other: &Self) -> bool {
        self.track_ids == other.track_ids
            && self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl Eq for PoseData {}

/// Why pose data is refused. Each is the fault of one frame; the recording goes on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PoseError {
    /// A value is infinite.
    #[error("the pose has an infinite value; send null or NaN for what is missing")]
    NonFinite,
    /// The number of values per person is not the skeleton's.
    #[error("a person of skeleton `{skeleton}` has {expected} values, this one has {got}")]
    KeypointMismatch {
        /// The skeleton's name.
        skeleton: String,
        /// How many values a person has by the skeleton.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// The pose data names a component that the skeleton doesn't have.
    #[error("the skeleton `{skeleton}` has no component `{component}`")]
    UnknownComponent {
        /// The skeleton's name.
        skeleton: String,
        /// The component's name.
        component: String,
    },
    /// More than [`PoseData::MAX_PERSONS`].
    #[error("the frame has {count} persons, at most {} are allowed", PoseData::MAX_PERSONS)]
    TooManyPersons {
        /// How many there are.
        count: usize,
    },
    /// Two persons of one frame have the same track id.
    #[error("two persons of the frame have the id {id}")]
    SameTrackId {
        /// The id.
        id: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skeleton() -> Skeleton {
        Skeleton::infer(2, 3).unwrap()
    }

    #[test]
    fn a_person_whose_every_value_is_missing_is_nobody() {
        let mut pose = PoseData { track_ids: vec![4, 7], values: [[f32::NAN; 6], [1.0; 6]].concat() };
        pose.canonicalise(&skeleton()).unwrap();
        assert_eq!(pose, PoseData { track_ids: vec![7], values: vec![1.0; 6] });
    }

    #[test]
    fn every_nan_becomes_the_canonical_one() {
        let odd = f32::from_bits(0xffc0_1234);
        let mut pose = PoseData::one_person(vec![odd, 0.0, 1.0, 2.0, 3.0, 4.0]);
        pose.canonicalise(&skeleton()).unwrap();
        assert_eq!(pose.values[0].to_bits(), f32::NAN.to_bits());
    }

    #[test]
    fn the_content_checksum_is_that_of_ids_and_values_in_order() {
        let pose = PoseData { track_ids: vec![3, 9], values: (0..600_u16).map(f32::from).collect() };
        let ids = pose.track_ids.iter().flat_map(|id| id.to_le_bytes());
        let bytes: Vec<u8> = ids.chain(pose.values.iter().flat_map(|value| value.to_le_bytes())).collect();
        assert_eq!(pose.content_crc(), crc32c::crc32c(&bytes));
        assert_eq!(PoseData::nobody().content_crc(), 0);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let mut short = PoseData::one_person(vec![1.0; 5]);
        assert!(matches!(
            short.canonicalise(&skeleton()),
            Err(PoseError::KeypointMismatch { expected: 6, got: 5, .. })
        ));
        let mut infinite = PoseData::one_person(vec![f32::INFINITY; 6]);
        assert_eq!(infinite.canonicalise(&skeleton()), Err(PoseError::NonFinite));
        let mut twins = PoseData { track_ids: vec![3, 3], values: vec![1.0; 12] };
        assert_eq!(twins.canonicalise(&skeleton()), Err(PoseError::SameTrackId { id: 3 }));
        let mut crowd = PoseData { track_ids: (0..65).collect(), values: vec![1.0; 65 * 6] };
        assert_eq!(crowd.canonicalise(&skeleton()), Err(PoseError::TooManyPersons { count: 65 }));
    }
}
