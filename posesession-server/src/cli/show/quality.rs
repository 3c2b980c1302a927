//! How good a recording is. A session's frames and markers in, figures out.

use std::io::{self, Write};

use posesession_core::{ChunkQuery, Marker, MarkerKind, SessionRecording, Timestamp};
use posesession_store::{SessionStore, StoreError};
use serde::Serialize;

/// What the stored frames and markers say of a recording.
#[derive(Debug, Default, Serialize)]
pub(super) struct Quality {
    /// Stored frames per second of session time; 0 before the second frame.
    frame_rate: f64,
    /// The standard deviation of the intervals between frames, in milliseconds.
    jitter_ms: f64,
    /// The longest time between two frames, in seconds.
    largest_gap: f64,
    /// Frames that the streamer numbered and that never came.
    missing_frames: u64,
    pauses: u64,
    clock_jumps: u64,
    /// Frames in which nobody is seen.
    frames_without_person: u64,
    /// The most persons in one frame.
    most_persons: usize,
    /// Which part of the keypoints of the persons seen is missing, 0 to 1.
    missing_keypoints: f64,
    /// The first frame in which somebody is seen.
    pub(super) first_seen: Option<u64>,
}

impl Quality {
    /// Looks at all frames, a chunk at a time.
    pub(super) async fn of(
        store: &dyn SessionStore,
        session: &SessionRecording,
        markers: &[Marker],
    ) -> Result<Self, StoreError> {
        let count = |kind| markers.iter().filter(|marker| marker.kind == kind).count() as u64;
        let mut quality = Self {
            missing_frames: markers.iter().filter_map(|marker| marker.count).sum(),
            pauses: count(MarkerKind::Paused),
            clock_jumps: count(MarkerKind::ClockJump),
            ..Self::default()
        };
        let mut intervals = Intervals::default();
        let (mut keypoints, mut missing) = (0_u64, 0_u64);
        // A keypoint is missing if its first channel is: NaN stands in all of them.
        let firsts: Vec<usize> = session.skeleton.iter().flat_map(first_channels).collect();
        let mut next = 0;
        while next < session.frame_count {
            let chunk = store.covering_chunk(session.id, ChunkQuery::Frame(next)).await?.chunk;
            for (frame_number, (&timestamp, &persons)) in
                (chunk.first_frame()..).zip(chunk.timestamps().iter().zip(chunk.person_counts()))
            {
                intervals.push(timestamp);
                quality.frames_without_person += u64::from(persons == 0);
                quality.most_persons = quality.most_persons.max(usize::from(persons));
                if persons > 0 {
                    quality.first_seen.get_or_insert(frame_number);
                }
            }
            let width = chunk.layout().values_per_person();
            if width > 0 {
                for person in chunk.values().chunks_exact(width) {
                    keypoints += firsts.len() as u64;
                    let is_missing = |&&first: &&usize| person.get(first).is_some_and(|value| value.is_nan());
                    missing += firsts.iter().filter(is_missing).count() as u64;
                }
            }
            next = chunk.end_frame().max(next + 1);
        }
        quality.frame_rate = intervals.rate();
        quality.jitter_ms = intervals.deviation() * 1e3;
        quality.largest_gap = intervals.largest;
        quality.missing_keypoints = ratio(missing, keypoints);
        Ok(quality)
    }

    /// Writes it for people.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let percent = self.missing_keypoints * 100.0;
        writeln!(
            out,
            "{:<14}{:.1} frames/s, jitter {:.1} ms, largest gap {:.3} s",
            "rate", self.frame_rate, self.jitter_ms, self.largest_gap
        )?;
        writeln!(
            out,
            "{:<14}{} frames lost, {} pauses, {} clock jumps",
            "breaks", self.missing_frames, self.pauses, self.clock_jumps
        )?;
        writeln!(
            out,
            "{:<14}up to {} at once; nobody in {} frames; {percent:.1} % of the keypoints missing",
            "persons", self.most_persons, self.frames_without_person
        )
    }
}

/// Returns where each keypoint's first channel stands within a person's values.
fn first_channels(skeleton: &posesession_core::Skeleton) -> Vec<usize> {
    let ranges = skeleton.components.iter().enumerate();
    ranges
        .filter_map(|(index, part)| {
            Some(skeleton.component_range(index)?.step_by(part.channels.len().max(1)))
        })
        .flatten()
        .collect()
}

/// The intervals between frames, without keeping them (Welford's method).
#[derive(Debug, Default)]
struct Intervals {
    last: Option<Timestamp>,
    count: u32,
    mean: f64,
    squares: f64,
    largest: f64,
}

impl Intervals {
    fn push(&mut self, timestamp: Timestamp) {
        if let Some(last) = self.last {
            let interval = timestamp.as_secs_f64() - last.as_secs_f64();
            self.count += 1;
            let delta = interval - self.mean;
            self.mean += delta / f64::from(self.count);
            self.squares += delta * (interval - self.mean);
            self.largest = self.largest.max(interval);
        }
        self.last = Some(timestamp);
    }

    fn rate(&self) -> f64 {
        if self.mean > 0.0 { self.mean.recip() } else { 0.0 }
    }

    fn deviation(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.squares / f64::from(self.count)).sqrt() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
