//! The frames of the proof: any of them can be computed at any time, so that what is read is compared with what was sent.

use posesession_core::{Batch, Chunk, Marker, MarkerKind, PoseData, Skeleton, Timestamp, Unit};

/// The keypoints of each pose.
const KEYPOINTS: usize = 4;

/// Returns the skeleton of all sessions.
///
/// # Panics
///
/// Never: it is valid.
#[must_use]
pub fn skeleton() -> Skeleton {
    Skeleton::custom(KEYPOINTS, &[("x", Unit::Image), ("y", Unit::Image)]).expect("it is valid")
}

/// Returns when frame `number` was.
#[must_use]
pub fn timestamp(number: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(number).unwrap_or(i64::MAX) * 16_667)
}

/// Returns the pose of frame `number` of the session of this place.
#[must_use]
pub fn pose(session: usize, number: u64) -> PoseData {
    let start = u16::try_from(session).unwrap_or(0) * 1_000;
    let number = u16::try_from(number % 60_000).unwrap_or(0);
    let values = (0..u8::try_from(2 * KEYPOINTS).unwrap_or(0))
        .map(|n| (f32::from(start) + f32::from(n)) / 7.0 + f32::from(number) / 3.0);
    PoseData::one_person(values.collect())
}

/// Returns the batch of frames `first..end`, with a marker at its first frame.
///
/// # Panics
///
/// Never: the frames are as their skeleton says.
#[must_use]
pub fn batch(session: usize, first: u64, end: u64) -> Batch {
    let mut chunk = Chunk::new(first, skeleton().layout());
    for number in first..end {
        chunk.push(timestamp(number), &pose(session, number)).expect("the pose has the skeleton's keypoints");
    }
    let marker = Marker {
        kind: MarkerKind::User,
        timestamp: timestamp(first),
        label: format!("frame {first}"),
        duration: None,
        count: None,
        cause: None,
    };
    Batch { chunk: Some(chunk), markers: vec![marker], settled_through: Some(end - 1), ..Batch::default() }
}
