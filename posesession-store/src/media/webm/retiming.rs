//! When pictures were taken in, when they are shown out: the cuts taken out of a video's time.

use posesession_core::Timestamp;

use crate::media::recorded_video::RecordedVideo;

/// Maps the time since the first picture, as recorded, to the time in the rewritten video; both in ticks.
///
/// Never falls: what was recorded later is shown later or at the same time.
#[derive(Debug)]
pub(super) struct Retiming {
    stretches: Vec<Stretch>,
    nanos_per_tick: i128,
}

/// From a cut's end to the next one.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// Where it begins as recorded, in nanoseconds.
    recorded: i128,
    /// By how much it is shown earlier than it was recorded, in nanoseconds.
    shift: i128,
    /// When the next one begins to be shown, in nanoseconds: what was recorded within the cut between is shown then.
    end: i128,
}

impl Retiming {
    pub(super) fn new(video: &RecordedVideo, nanos_per_tick: u64) -> Self {
        let start = video.start.unwrap_or(Timestamp::ZERO);
        let mut stretches = vec![Stretch { recorded: i128::MIN, shift: 0, end: i128::MAX }];
        let (mut last, mut shift) = (0, 0);
        for cut in video.cuts.iter().filter(|cut| cut.at > start) {
            shift += i128::from(cut.length.as_micros()) * 1_000;
            // Cuts in another order than that of time would let the time fall.
            let shown = (i128::from(cut.at.micros_since(start)) * 1_000).max(last);
            let recorded =
                stretches.last().map_or(shown + shift, |before| before.recorded.max(shown + shift));
            if let Some(before) = stretches.last_mut() {
                before.end = shown;
            }
            stretches.push(Stretch { recorded, shift, end: i128::MAX });
            last = shown;
        }
        Self { stretches, nanos_per_tick: i128::from(nanos_per_tick.max(1)) }
    }

    /// Returns when a picture is shown that was recorded this many ticks after the first, never before 0.
    pub(super) fn shown(&self, recorded_ticks: i64) -> u64 {
        let recorded = i128::from(recorded_ticks) * self.nanos_per_tick;
        let begun = self.stretches.partition_point(|stretch| stretch.recorded <= recorded);
        let shown = match begun.checked_sub(1).and_then(|place| self.stretches.get(place)) {
            Some(stretch) => (recorded - stretch.shift).min(stretch.end),
            None => recorded,
        };
        let ticks = (shown.max(0) + self.nanos_per_tick / 2) / self.nanos_per_tick;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::recorded_video::VideoCut;
    use proptest::prelude::*;

    fn secs(secs: f64) -> Timestamp {
        Timestamp::from_secs_f64(secs).unwrap()
    }

    fn video(start: f64, cuts: &[(f64, f64)]) -> RecordedVideo {
        RecordedVideo {
            start: Some(secs(start)),
            cuts: cuts.iter().map(|&(at, length)| VideoCut { at: secs(at), length: secs(length) }).collect(),
            ..RecordedVideo::of_type("video/webm")
        }
    }

    fn millis(start: f64, cuts: &[(f64, f64)]) -> Retiming {
        Retiming::new(&video(start, cuts), 1_000_000)
    }

    #[test]
    fn without_cuts_time_is_as_recorded() {
        let retiming = millis(1.5, &[]);
        for ticks in [0, 1, 33, 1 << 40] {
            assert_eq!(retiming.shown(ticks), ticks.unsigned_abs());
        }
        assert_eq!(retiming.shown(-5), 0);
    }

    #[test]
    fn session_time_is_start_plus_video_time_after_each_cut() {
        // The first picture at 2 s of session time; at 5 s a pause of 10 s, at 6 s one of 1 s.
        let retiming = millis(2.0, &[(5.0, 10.0), (6.0, 1.0)]);
        for (recorded, shown) in
            [(2_999, 2_999), (3_000, 3_000), (13_000, 3_000), (13_500, 3_500), (15_000, 4_000)]
        {
            assert_eq!(retiming.shown(recorded), shown, "recorded at {recorded} ms");
        }
        assert_eq!(retiming.shown(16_234), 5_234);
    }

    #[test]
    fn what_was_recorded_within_a_cut_is_shown_at_its_end() {
        let retiming = millis(0.0, &[(3.0, 10.0)]);
        for recorded in [3_001, 7_000, 12_999] {
            assert_eq!(retiming.shown(recorded), 3_000);
        }
    }

    #[test]
    fn a_cut_before_the_first_picture_changes_nothing() {
        assert_eq!(millis(5.0, &[(4.0, 10.0), (5.0, 10.0)]).shown(60_000), 60_000);
    }

    #[test]
    fn session_time_that_went_ahead_of_the_video_delays_it() {
        let retiming = millis(0.0, &[(3.0, -0.033)]);
        assert_eq!(
            (retiming.shown(2_966), retiming.shown(2_967), retiming.shown(3_000)),
            (2_966, 3_000, 3_033)
        );
    }

    #[test]
    fn a_first_picture_before_the_first_pose_counts_from_itself() {
        let retiming = millis(-0.5, &[(2.0, 1.0)]);
        assert_eq!((retiming.shown(2_500), retiming.shown(3_600)), (2_500, 2_600));
    }

    proptest! {
        #[test]
        fn time_never_falls(
            start in -1e3..1e3,
            cuts in prop::collection::vec((-1e4..1e4, -1e4..1e4), 0..8),
            mut recorded in prop::collection::vec(-100_000_000_i64..100_000_000, 1..40),
            nanos_per_tick in 0_u64..2_000_000,
        ) {
            let retiming = Retiming::new(&video(start, &cuts), nanos_per_tick);
            recorded.sort_unstable();
            let shown: Vec<_> = recorded.iter().map(|&ticks| retiming.shown(ticks)).collect();
            prop_assert!(shown.is_sorted(), "{shown:?}");
        }
    }
}
