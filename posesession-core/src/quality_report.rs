//! How well a recording went: what became of its frames, in figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What became of every frame of a recording, and how regularly they came.
///
/// Once a recording has ended, `received` is the sum of `stored`, `late`, `duplicate`, `conflict`, `paused` and all of
/// `refused`; before, frames that wait for their turn are in none of these. In a session that an earlier recorder began,
/// the report is about the frames since it was resumed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QualityReport {
    /// Frames that the publisher made for this recording, as far as can be known: `stored`, `paused`, all of `refused`,
    /// `missing`, `missing_in_pauses` and all of `dropped` together.
    pub sent: u64,
    /// Frames that came, readable or not.
    pub received: u64,
    /// Frames that became part of the session.
    pub stored: u64,
    /// Frames that were part of the session when this recorder, or the publisher after a restart, went on with it: the other
    /// figures are of those that came later.
    pub stored_before: u64,
    /// Frames that came after their number was given up, or before the first number.
    pub late: u64,
    /// Frames that came again with the same content.
    pub duplicate: u64,
    /// Frames that came again with another content.
    pub conflict: u64,
    /// Frames refused for what they hold, by error code.
    pub refused: BTreeMap<String, u64>,
    /// Frames that came while the recording was paused.
    pub paused: u64,
    /// Numbers that never came.
    pub missing: u64,
    /// Numbers that never came, in a hole that a pause lies in: the streamer may have rested, too.
    pub missing_in_pauses: u64,
    /// Numbers that the publisher said won't come, by its word for why: `overflow` if it had no room to keep them.
    pub dropped: BTreeMap<String, u64>,
    /// Stored frames that came after a frame of a higher number.
    pub reordered: u64,
    /// How often the streamer's clock stepped back or too far ahead.
    pub clock_jumps: u64,
    /// Stored frames per second of session time; 0 before the second.
    pub frame_rate: f64,
    /// The standard deviation of the intervals between frames of consecutive numbers, clock jumps and pauses aside, in
    /// milliseconds.
    pub jitter_ms: f64,
    /// The longest time between two stored frames that follow each other, in seconds of session time.
    pub largest_gap: f64,
    /// Bytes of video that are stored. The recorder sees no video: the shell fills it in.
    pub video_stored_bytes: u64,
    /// How often the publisher came back after it was gone. The shell fills it in.
    pub reconnects: u64,
    /// The time from a frame's arrival until it was durable, in milliseconds: half of the frames took no longer. The shell
    /// fills it in.
    pub time_to_durable_p50_ms: f64,
    /// The same for 99 of 100 frames.
    pub time_to_durable_p99_ms: f64,
}
