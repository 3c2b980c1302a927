//! Angles thinned for a plot, without losing a peak. Chunks in, the least and greatest angle of each bucket out.

use std::ops::Range;

use super::JointAngle;
use crate::chunk::{Chunk, ChunkError};
use crate::time::Timestamp;

/// The least and the greatest angle of one bucket of frames, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AngleRange {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// The angles of a run of frames, in at most so many buckets of equally many frames (to within one).
///
/// Memory is bounded by the number of buckets, not of frames: chunks are pushed one after the other and not kept.
///
/// # Examples
///
/// ```
/// use posesession_core::{AngleEnvelope, Chunk, JointAngle, Skeleton, SyntheticPose};
///
/// let skeleton = Skeleton::preset("mediapipe_33")?;
/// let source = SyntheticPose::new(&skeleton, 30.0);
/// let mut chunk = Chunk::new(0, skeleton.layout());
/// for n in 0..90 {
///     let (timestamp, pose) = source.frame(n);
///     chunk.push(timestamp, &pose).expect("it fits");
/// }
/// let mut envelope = AngleEnvelope::new(JointAngle::all_of(&skeleton), 0..90, 30);
/// assert_eq!(envelope.wanted(), Some(0));
/// envelope.push_chunk(&chunk).expect("it has frame 0");
/// assert_eq!(envelope.wanted(), None);
/// assert_eq!(envelope.timestamps().len(), 30);
/// # Ok::<(), posesession_core::SkeletonError>(())
/// ```
#[derive(Debug, Clone)]
pub struct AngleEnvelope {
    joints: Vec<JointAngle>,
    frames: Range<u64>,
    buckets: u64,
    person: Option<u32>,
    aspect: f64,
    next: u64,
    timestamps: Vec<Timestamp>,
    /// `[joint][bucket]`, as many buckets as timestamps.
    ranges: Vec<Vec<Option<AngleRange>>>,
}

impl AngleEnvelope {
    /// Starts an envelope of `frames` in at most `buckets` buckets: fewer where there are fewer frames, at least one where
    /// there is any.
    ///
    /// In each frame, the person of the lowest track id counts, and the picture is as wide as high, until told otherwise.
    #[must_use]
    pub fn new(joints: Vec<JointAngle>, frames: Range<u64>, buckets: usize) -> Self {
        let count = frames.end.saturating_sub(frames.start);
        let buckets = u64::try_from(buckets).unwrap_or(u64::MAX).clamp(1, count.max(1));
        Self {
            ranges: vec![Vec::new(); joints.len()],
            joints,
            buckets,
            person: None,
            aspect: 1.0,
            next: frames.start,
            frames,
            timestamps: Vec::new(),
        }
    }

    /// Lets only the person of this track id count.
    #[must_use]
    pub fn of_person(mut self, track_id: u32) -> Self {
        self.person = Some(track_id);
        self
    }

    /// Says how wide the picture is in parts of its height.
    #[must_use]
    pub fn in_picture(mut self, aspect: f64) -> Self {
        self.aspect = aspect;
        self
    }

    /// Returns the number of the frame that comes next, or nothing once all are in.
    #[must_use]
    pub fn wanted(&self) -> Option<u64> {
        (self.next < self.frames.end).then_some(self.next)
    }

    /// Takes the frames of a chunk from the wanted one on; frames before it and beyond the range are passed over.
    ///
    /// # Errors
    ///
    /// [`ChunkError::NotConsecutive`] if a frame is wanted and the chunk doesn't have it.
    pub fn push_chunk(&mut self, chunk: &Chunk) -> Result<(), ChunkError> {
        let Some(wanted) = self.wanted() else { return Ok(()) };
        if !(chunk.first_frame()..chunk.end_frame()).contains(&wanted) {
            return Err(ChunkError::NotConsecutive { expected: wanted, got: chunk.first_frame() });
        }
        let skipped = usize::try_from(wanted - chunk.first_frame()).unwrap_or(usize::MAX);
        let ending = chunk.end_frame().min(self.frames.end);
        for (number, &timestamp) in (wanted..ending).zip(&chunk.timestamps()[skipped..]) {
            if number == self.bucket_start(self.timestamps.len() as u64) {
                self.timestamps.push(timestamp);
                self.ranges.iter_mut().for_each(|ranges| ranges.push(None));
            }
            let mut persons = chunk.persons(number);
            let person = match self.person {
                Some(wanted) => persons.find(|&(id, _)| id == wanted),
                None => persons.min_by_key(|&(id, _)| id),
            };
            if let Some((_, values)) = person {
                self.add(values);
            }
        }
        self.next = ending;
        Ok(())
    }

    fn add(&mut self, values: &[f32]) {
        for (joint, ranges) in self.joints.iter().zip(&mut self.ranges) {
            let (Some(range), Some(angle)) = (ranges.last_mut(), joint.degrees(values, self.aspect)) else {
                continue;
            };
            *range = Some(match *range {
                Some(AngleRange { min, max }) => AngleRange { min: min.min(angle), max: max.max(angle) },
                None => AngleRange { min: angle, max: angle },
            });
        }
    }

    /// Returns the number of a bucket's first frame.
    fn bucket_start(&self, bucket: u64) -> u64 {
        let count = u128::from(self.frames.end - self.frames.start);
        let offset = u128::from(bucket) * count / u128::from(self.buckets);
        self.frames.start.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// Returns the timestamp of each bucket's first frame; of the buckets that have begun.
    #[must_use]
    pub fn timestamps(&self) -> &[Timestamp] {
        &self.timestamps
    }

    /// Returns each joint with its angles, one entry a bucket that has begun: nothing where no frame of it has the angle.
    pub fn series(&self) -> impl Iterator<Item = (&JointAngle, &[Option<AngleRange>])> {
        self.joints.iter().zip(self.ranges.iter().map(Vec::as_slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::PoseData;
    use crate::skeleton::Skeleton;
    use crate::synthetic::SyntheticPose;
    use proptest::prelude::*;

    fn skeleton() -> Skeleton {
        Skeleton::preset("coco_17").unwrap()
    }

    /// Chunks of a synthetic pose of `persons` with spells in which somebody is missing, cut at `cuts`.
    fn chunks(persons: u16, cuts: &[u64]) -> Vec<Chunk> {
        let source = SyntheticPose::new(&skeleton(), 30.0).with_persons(persons).with_missing_every(20);
        let mut chunks = Vec::new();
        for pair in cuts.windows(2) {
            let mut chunk = Chunk::new(pair[0], skeleton().layout());
            for n in pair[0]..pair[1] {
                let (timestamp, mut pose) = source.frame(n);
                // The order of the persons within a frame says nothing.
                if n % 2 == 1 && persons == 2 && pose.person_count() == 2 {
                    let width = skeleton().values_per_person();
                    pose.track_ids.swap(0, 1);
                    pose.values.rotate_left(width);
                }
                chunk.push(timestamp, &pose).unwrap();
            }
            chunks.push(chunk);
        }
        chunks
    }

    fn pushed(mut envelope: AngleEnvelope, chunks: &[Chunk]) -> AngleEnvelope {
        while let Some(wanted) = envelope.wanted() {
            let covering = chunks.iter().find(|chunk| chunk.end_frame() > wanted).unwrap();
            envelope.push_chunk(covering).unwrap();
        }
        envelope
    }

    fn joints() -> Vec<JointAngle> {
        JointAngle::all_of(&skeleton())
    }

    /// Every angle of every frame, from the frames themselves.
    fn angles(chunks: &[Chunk], joint: &JointAngle, person: u32) -> Vec<Option<f64>> {
        let of = |pose: PoseData| {
            let index = pose.track_ids.iter().position(|&id| id == person)?;
            joint.degrees(pose.person(index, &skeleton().layout()), 1.0)
        };
        chunks.iter().flat_map(Chunk::frames).map(|frame| of(frame.pose_data)).collect()
    }

    proptest! {
        #[test]
        fn no_peak_is_lost_however_chunks_are_cut(
            mut cuts in prop::collection::vec(1_u64..200, 0..5), a in 0_u64..=200, b in 0_u64..=200,
            buckets in 1_usize..220, persons in 1_u16..3, person in prop::option::of(0_u32..3),
        ) {
            cuts.extend([0, 200]);
            cuts.sort_unstable();
            cuts.dedup();
            let chunks = chunks(persons, &cuts);
            let frames = a.min(b)..a.max(b);
            let count = usize::try_from(frames.end - frames.start).unwrap();
            let envelope = AngleEnvelope::new(joints(), frames.clone(), buckets);
            let envelope = pushed(person.iter().fold(envelope, |e, &id| e.of_person(id)), &chunks);

            let timestamps = envelope.timestamps().to_vec();
            prop_assert_eq!(timestamps.len(), buckets.min(count));
            let all: Vec<_> = chunks.iter().flat_map(Chunk::frames).map(|frame| frame.timestamp).collect();
            let starts: Vec<_> = timestamps.iter().map(|t| all.iter().position(|a| a == t).unwrap()).collect();
            for (joint, ranges) in envelope.series() {
                let angles = angles(&chunks, joint, person.unwrap_or(0));
                for (bucket, range) in ranges.iter().enumerate() {
                    let end = usize::try_from(frames.end).unwrap();
                    let end = starts.get(bucket + 1).copied().unwrap_or(end);
                    prop_assert!((count / buckets.min(count)..=count / buckets.min(count) + 1).contains(&(end - starts[bucket])));
                    let seen = || angles[starts[bucket]..end].iter().flatten().copied();
                    let expected = seen().reduce(f64::min).zip(seen().reduce(f64::max));
                    prop_assert_eq!(range.map(|range| (range.min, range.max)), expected);
                }
            }
        }
    }

    #[test]
    fn a_chunk_without_the_wanted_frame_is_refused() {
        let chunks = chunks(1, &[0, 10, 20, 30]);
        let mut envelope = AngleEnvelope::new(joints(), 12..25, 5);
        let missing = |got| Err(ChunkError::NotConsecutive { expected: 12, got });
        assert_eq!(envelope.push_chunk(&chunks[0]), missing(0));
        assert_eq!(envelope.push_chunk(&chunks[2]), missing(20));
        assert_eq!((envelope.wanted(), envelope.timestamps()), (Some(12), [].as_slice()));
        envelope.push_chunk(&chunks[1]).unwrap();
        envelope.push_chunk(&chunks[2]).unwrap();
        assert_eq!((envelope.wanted(), envelope.timestamps().len()), (None, 5));
        assert_eq!(envelope.push_chunk(&chunks[0]), Ok(()), "nothing is wanted any more");
    }

    #[test]
    fn no_frames_make_no_buckets() {
        #[expect(clippy::reversed_empty_ranges, reason = "a caller may have one")]
        for frames in [0..0, 7..7, 9..3] {
            let envelope = AngleEnvelope::new(joints(), frames, 0);
            assert_eq!(envelope.wanted(), None);
            assert!(
                envelope.timestamps().is_empty() && envelope.series().all(|(_, ranges)| ranges.is_empty())
            );
        }
    }

    #[test]
    fn frames_from_before_the_skeleton_was_known_have_no_angle() {
        let mut chunk = Chunk::new(0, Skeleton::custom(1, &[("x", crate::Unit::Image)]).unwrap().layout());
        chunk.push(Timestamp::ZERO, &PoseData::nobody()).unwrap();
        chunk.push(Timestamp::from_micros(1), &PoseData::one_person(vec![0.5])).unwrap();
        let envelope = pushed(AngleEnvelope::new(joints(), 0..2, 2), &[chunk]);
        assert!(envelope.series().all(|(_, ranges)| ranges == [None, None]));
    }
}
