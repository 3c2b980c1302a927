//! What became of the frames. Events in, the quality report out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::timeline::Step;

/// What became of every frame of a recording, and how regularly they came.
///
/// Once a recording has ended, `received` is the sum of `stored`, `late`, `duplicate`, `conflict`, `paused` and all of
/// `refused`; before, frames that wait for their turn are in none of these. In a session that an earlier recorder began,
/// the report is about the frames since it was resumed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QualityReport {
    /// Frames that came, readable or not.
    pub received: u64,
    /// Frames that became part of the session.
    pub stored: u64,
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
}

/// Counts, and accumulates intervals.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) received: u64,
    pub(super) stored: u64,
    pub(super) late: u64,
    pub(super) duplicate: u64,
    pub(super) conflict: u64,
    refused: BTreeMap<&'static str, u64>,
    pub(super) paused: u64,
    pub(super) missing: u64,
    pub(super) missing_in_pauses: u64,
    pub(super) reordered: u64,
    pub(super) clock_jumps: u64,
    pub(super) gaps: u64,
    span_micros: u64,
    spans: u64,
    largest_micros: u64,
    intervals: Spread,
}

impl Stats {
    pub(super) fn count_refused(&mut self, code: &'static str) {
        *self.refused.entry(code).or_default() += 1;
    }

    /// Counts a stored frame that stands `micros` after the one before.
    pub(super) fn count_stored(&mut self, step: Step, micros: u64) {
        self.stored += 1;
        if step != Step::First {
            self.spans += 1;
            self.span_micros = self.span_micros.saturating_add(micros);
            self.largest_micros = self.largest_micros.max(micros);
        }
        match step {
            Step::Regular { micros, consecutive: true } => self.intervals.push(micros as f64),
            Step::Jumped => self.clock_jumps += 1,
            Step::First | Step::Rejoined | Step::Regular { .. } => {}
        }
    }

    pub(super) fn report(&self) -> QualityReport {
        let span_secs = self.span_micros as f64 / 1e6;
        QualityReport {
            received: self.received,
            stored: self.stored,
            late: self.late,
            duplicate: self.duplicate,
            conflict: self.conflict,
            refused: self.refused.iter().map(|(&code, &count)| (code.to_owned(), count)).collect(),
            paused: self.paused,
            missing: self.missing,
            missing_in_pauses: self.missing_in_pauses,
            reordered: self.reordered,
            clock_jumps: self.clock_jumps,
            frame_rate: if self.spans > 0 { self.spans as f64 / span_secs } else { 0.0 },
            jitter_ms: self.intervals.standard_deviation() / 1e3,
            largest_gap: self.largest_micros as f64 / 1e6,
            video_stored_bytes: 0,
        }
    }
}

/// Mean and standard deviation in one pass (Welford, "Note on a method for calculating corrected sums of squares and
/// products", Technometrics 4(3), 1962).
#[derive(Debug, Default)]
struct Spread {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn push(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    fn standard_deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.squares / self.count as f64).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_how_regularly_frames_came() {
        let mut stats = Stats::default();
        stats.count_stored(Step::First, 0);
        for micros in [90_000, 110_000, 90_000, 110_000] {
            stats.count_stored(Step::Regular { micros, consecutive: true }, micros.unsigned_abs());
        }
        let report = stats.report();
        assert_eq!(report.stored, 5);
        assert!((report.frame_rate - 10.0).abs() < 1e-9);
        assert!((report.jitter_ms - 10.0).abs() < 1e-9);
        stats.count_stored(Step::Regular { micros: 600_000, consecutive: false }, 600_000);
        stats.count_stored(Step::Jumped, 100_000);
        let report = stats.report();
        assert!((report.jitter_ms - 10.0).abs() < 1e-9, "holes and jumps are no jitter");
        assert_eq!((report.largest_gap, report.clock_jumps), (0.6, 1));
    }

    #[test]
    fn a_report_without_frames_has_no_nan() {
        let json = serde_json::to_value(Stats::default().report()).unwrap();
        assert_eq!(json["frame_rate"], 0.0);
        assert_eq!(json["jitter_ms"], 0.0);
        let back: QualityReport = serde_json::from_value(json).unwrap();
        assert_eq!(back, QualityReport::default());
    }

    #[test]
    fn the_report_has_the_protocols_names() {
        let mut stats = Stats { received: 3, missing: 2, ..Stats::default() };
        stats.count_refused("non_finite");
        stats.count_refused("non_finite");
        let json = serde_json::to_value(stats.report()).unwrap();
        assert_eq!(json["refused"]["non_finite"], 2);
        for name in [
            "received",
            "stored",
            "late",
            "duplicate",
            "conflict",
            "refused",
            "paused",
            "missing",
            "reordered",
            "clock_jumps",
            "frame_rate",
            "jitter_ms",
            "largest_gap",
            "video_stored_bytes",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
    }
}
