//! What became of the frames. Events in, the quality report out.

use std::collections::BTreeMap;

use super::timeline::Step;
use crate::quality_report::QualityReport;

/// How many causes of dropped frames are told apart: they are a publisher's words.
const MAX_CAUSES: usize = 16;
/// The cause of all further ones.
const OTHER: &str = "other";

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
    stored_before: u64,
    dropped: BTreeMap<Box<str>, u64>,
    pub(super) reordered: u64,
    pub(super) clock_jumps: u64,
    pub(super) gaps: u64,
    span_micros: u64,
    spans: u64,
    largest_micros: u64,
    intervals: Spread,
}

impl Stats {
    /// Starts to count behind the frames that an earlier recorder stored.
    pub(super) fn after(stored_before: u64) -> Self {
        Self { stored_before, ..Self::default() }
    }

    pub(super) fn count_refused(&mut self, code: &'static str) {
        *self.refused.entry(code).or_default() += 1;
    }

    /// Counts numbers that the publisher said won't come. Returns the cause under which they are counted: beyond
    /// [`MAX_CAUSES`], `other`.
    pub(super) fn count_dropped(&mut self, cause: &str, count: u64) -> Box<str> {
        let is_known = self.dropped.contains_key(cause) || self.dropped.len() < MAX_CAUSES;
        let cause: Box<str> = if is_known { cause } else { OTHER }.into();
        let counted = self.dropped.entry(cause.clone()).or_default();
        *counted = counted.saturating_add(count);
        cause
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
        let lost = self.refused.values().chain(self.dropped.values());
        let others = [self.paused, self.missing, self.missing_in_pauses];
        QualityReport {
            sent: lost.chain(&others).fold(self.stored, |sum, &count| sum.saturating_add(count)),
            received: self.received,
            stored: self.stored,
            stored_before: self.stored_before,
            late: self.late,
            duplicate: self.duplicate,
            conflict: self.conflict,
            refused: self.refused.iter().map(|(&code, &count)| (code.to_owned(), count)).collect(),
            paused: self.paused,
            missing: self.missing,
            missing_in_pauses: self.missing_in_pauses,
            dropped: self.dropped.iter().map(|(cause, &count)| (cause.to_string(), count)).collect(),
            reordered: self.reordered,
            clock_jumps: self.clock_jumps,
            frame_rate: if self.spans > 0 { self.spans as f64 / span_secs } else { 0.0 },
            jitter_ms: self.intervals.standard_deviation() / 1e3,
            largest_gap: self.largest_micros as f64 / 1e6,
            video_stored_bytes: 0,
            reconnects: 0,
            time_to_durable_p50_ms: 0.0,
            time_to_durable_p99_ms: 0.0,
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
            "sent",
            "stored_before",
            "dropped",
            "reconnects",
            "time_to_durable_p50_ms",
            "time_to_durable_p99_ms",
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
