//! A recording of `testdata` in, frames out: as they are for sizes, made long for speeds.

use std::path::Path;

use posesession::core::{MaxError, Skeleton};
use posesession::{ChunkQuery, SessionQuery, SessionStore, SqliteStore};
use tempfile::TempDir;

use crate::Outcome;

/// Far below what MediaPipe's own keypoints tremble by, and enough to make each repetition's bits its own.
const TREMBLE: f64 = 1e-5;
/// 30 frames a second.
pub const INTERVAL_MICROS: i64 = 33_333;

/// The bounds of the bounded row: 5e-5 of the picture, and 1/512 of the confidence.
pub fn max_error() -> MaxError {
    let bounds = [("x", 5e-5), ("y", 5e-5), ("z", 5e-5), ("confidence", 1.0 / 512.0)];
    MaxError::new(bounds).expect("the bounds are in range")
}

/// A session of one person, as plain arrays.
#[derive(Debug, Clone)]
pub struct Frames {
    pub skeleton: Skeleton,
    /// Whole microseconds, rising.
    pub timestamps: Vec<i64>,
    /// `[frame, value]`.
    pub values: Vec<f32>,
}

impl Frames {
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// How many values a frame has.
    pub fn width(&self) -> usize {
        self.skeleton.values_per_person()
    }

    pub fn frame(&self, n: usize) -> &[f32] {
        &self.values[n * self.width()..(n + 1) * self.width()]
    }

    /// Says how `self` differs from what was written, if it does: in a bit, or by more than the bounds.
    pub fn compare(&self, written: &Self, bounds: Option<&MaxError>) -> Result<(), String> {
        if self.timestamps != written.timestamps || self.values.len() != written.values.len() {
            return Err("the times or the number of frames differ".to_owned());
        }
        let bounds = match bounds {
            Some(bounds) => bounds.per_value(&self.skeleton),
            None => vec![None; self.width()],
        };
        let pairs = self.values.iter().zip(&written.values).zip(bounds.iter().cycle());
        for (place, ((read, sent), bound)) in pairs.enumerate() {
            let same = read.to_bits() == sent.to_bits() || (read.is_nan() && sent.is_nan());
            let close = bound.is_some_and(|bound| (f64::from(*read) - f64::from(*sent)).abs() <= bound);
            if !same && !close {
                return Err(format!("value {place} is {read}, written was {sent}"));
            }
        }
        Ok(())
    }
}

/// The bound of each value of a frame.
trait PerValue {
    fn per_value(&self, skeleton: &Skeleton) -> Vec<Option<f64>>;
}

impl PerValue for MaxError {
    fn per_value(&self, skeleton: &Skeleton) -> Vec<Option<f64>> {
        let bounds = self.bounds(skeleton).expect("the channels are there");
        let components = skeleton.components.iter().enumerate();
        let values = components.flat_map(|(index, component)| {
            let channels = component.channels.len();
            (0..component.keypoints.len() * channels).map(move |value| (index, value % channels))
        });
        values.map(|(component, channel)| bounds.of(component, channel)).collect()
    }
}

/// Reads a recording of `testdata`.
pub async fn recording(name: &str) -> Outcome<Frames> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/recordings").join(name);
    // Opening may change a database; this one stays as it is.
    let folder = TempDir::new()?;
    let copy = folder.path().join(name);
    std::fs::copy(&file, &copy).map_err(|error| format!("{}: {error}", file.display()))?;
    let store = SqliteStore::open(&copy).await?;
    let session = store.list_sessions(&SessionQuery::default()).await?.sessions.remove(0);
    let skeleton = session.skeleton.ok_or("the recording has no skeleton")?;
    let mut frames = Frames { skeleton, timestamps: Vec::new(), values: Vec::new() };
    while (frames.len() as u64) < session.frame_count {
        let query = ChunkQuery::Frame(frames.len() as u64);
        let chunk = store.covering_chunk(session.id, query).await?.chunk;
        frames.timestamps.extend(chunk.timestamps().iter().map(|time| time.as_micros()));
        frames.values.extend(chunk.values());
    }
    store.close().await;
    Ok(frames)
}

/// Plays a recording there and back until there are `count` frames, each value with a tremble of its own.
///
/// `from` is the number of the first frame: parts of one long session made one by one are the same as made at once.
pub fn long(recording: &Frames, from: usize, count: usize) -> Frames {
    let (length, width) = (recording.len(), recording.width());
    let mut values = Vec::with_capacity(count * width);
    for n in from..from + count {
        let place = n % (2 * length - 2);
        let place = if place < length { place } else { 2 * length - 2 - place };
        let mut state = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 33;
        let frame = recording.frame(place).iter();
        values.extend(frame.map(|&value| (f64::from(value) + TREMBLE * normal(&mut state)) as f32));
    }
    let timestamps = (from..from + count).map(|n| n as i64 * INTERVAL_MICROS).collect();
    Frames { skeleton: recording.skeleton.clone(), timestamps, values }
}

/// A number that is about normally distributed, with mean 0 and deviation 1: the sum of four even ones.
fn normal(state: &mut u64) -> f64 {
    const DEVIATION: f64 = 37_837.2;
    let bits = next_random(state);
    let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
    (sum as f64 - 131_070.0) / DEVIATION
}

/// SplitMix64.
pub fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
