//! The streamer's clock to session time. Timestamps of any kind in, strictly increasing ones out.

use std::collections::VecDeque;

use super::clock::ClockStretch;
use crate::time::Timestamp;

/// The longest step of the streamer's clock from one number to the next that is taken for real.
const MAX_STEP_MICROS: i64 = 5_000_000;

/// One frame interval as long as nothing better is known: 1/30 s.
const DEFAULT_INTERVAL_MICROS: i64 = 33_333;

/// How many intervals the running median looks back on.
const MEDIAN_WINDOW: usize = 64;

/// How many stretches of an unbroken clock are remembered, for marks that name a moment of the past.
const MAX_SEGMENTS: usize = 32;

/// Maps one session's frames from the streamer's clock to session time.
///
/// - The first frame stands at 0.
/// - A frame stands as much later than the one before as the streamer's clock says. A step <= 0, or > 5 s for each number
///   that it passes (so > 5 s between consecutive numbers), or one that leads out of [`Timestamp`]'s range, is a clock jump:
///   the frame stands one interval after the one before.
/// - So does the first frame after a pause, and the first one of a resumed session, whatever the clock says.
/// - One interval is the median of the last 64 steps; before there is any, what the publisher declared, else 1/30 s.
#[derive(Debug)]
pub(super) struct Timeline {
    last: Option<Last>,
    /// The next frame doesn't continue the clock: it is the first after a pause or of a resumed session.
    rejoin: bool,
    nominal_micros: i64,
    steps: VecDeque<i64>,
    segments: VecDeque<Segment>,
    /// How many segments there have been, and the drift of the last one.
    begun: u64,
    drift_micros: i64,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    /// None after a new numbering or in a resumed session.
    number: Option<u64>,
    streamer: Timestamp,
    session: Timestamp,
}

/// A stretch in which the streamer's clock and session time run alike.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: (Timestamp, Timestamp),
    end: (Timestamp, Timestamp),
    number: u64,
    drift_micros: i64,
}

/// Where a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) timestamp: Timestamp,
    pub(super) step: Step,
}

/// How a frame stands to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is none before it.
    First,
    /// The streamer's clock went on by `micros`; `consecutive` if no number lies between the two.
    Regular { micros: i64, consecutive: bool },
    /// One interval later, after a pause or in a resumed session.
    Rejoined,
    /// One interval later, because the streamer's clock jumped.
    Jumped,
}

impl Timeline {
    pub(super) fn new(nominal_fps: Option<f64>) -> Self {
        Self {
            last: None,
            rejoin: false,
            nominal_micros: nominal_fps.and_then(interval_of).unwrap_or(DEFAULT_INTERVAL_MICROS),
            steps: VecDeque::new(),
            segments: VecDeque::new(),
            begun: 0,
            drift_micros: 0,
        }
    }

    /// Goes on after a last frame that an earlier recorder put at `session`.
    pub(super) fn resume(nominal_fps: Option<f64>, session: Timestamp) -> Self {
        let last = Some(Last { number: None, streamer: Timestamp::ZERO, session });
        Self { last, rejoin: true, ..Self::new(nominal_fps) }
    }

    /// Puts the next frame on the timeline; none if no later moment is left.
    pub(super) fn push(&mut self, number: u64, streamer: Timestamp) -> Option<Stamp> {
        let stamp = self.stamp(number, streamer)?;
        let here = (streamer, stamp.timestamp);
        let before = self.last.filter(|_| !self.segments.is_empty());
        self.last = Some(Last { number: Some(number), streamer, session: stamp.timestamp });
        self.rejoin = false;
        if let Step::Regular { micros, .. } = stamp.step {
            if self.steps.len() >= MEDIAN_WINDOW {
                self.steps.pop_front();
            }
            self.steps.push_back(micros);
            if let Some(segment) = self.segments.back_mut() {
                segment.end = here;
            }
        } else {
            if self.segments.len() >= MAX_SEGMENTS {
                self.segments.pop_front();
            }
            if let Some(before) = before {
                let session_micros = stamp.timestamp.micros_since(before.session);
                let drift = streamer.micros_since(before.streamer) - session_micros;
                // Less than one step back is jitter; more is a clock that was set back.
                if drift >= -2 * session_micros {
                    self.drift_micros = self.drift_micros.saturating_add(drift);
                }
            }
            let (number, drift_micros) = (self.begun, self.drift_micros);
            self.begun += 1;
            self.segments.push_back(Segment { start: here, end: here, number, drift_micros });
        }
        Some(stamp)
    }

    fn stamp(&self, number: u64, streamer: Timestamp) -> Option<Stamp> {
        let Some(last) = self.last else {
            return Some(Stamp { timestamp: Timestamp::ZERO, step: Step::First });
        };
        let passed = last.number.map_or(1, |n| number.saturating_sub(n).max(1));
        let micros = streamer.micros_since(last.streamer);
        let longest = MAX_STEP_MICROS.saturating_mul(i64::try_from(passed).unwrap_or(i64::MAX));
        let fits = last.session.as_micros().saturating_add(micros) <= Timestamp::MAX.as_micros();
        if !self.rejoin && micros > 0 && micros <= longest && fits {
            let step = Step::Regular { micros, consecutive: passed == 1 && last.number.is_some() };
            return Some(Stamp { timestamp: last.session.plus_micros(micros), step });
        }
        let timestamp = last.session.plus_micros(self.interval_micros());
        let step = if self.rejoin { Step::Rejoined } else { Step::Jumped };
        (timestamp > last.session).then_some(Stamp { timestamp, step })
    }

    /// Lets session time stand still until the next frame.
    pub(super) fn stand_still(&mut self) {
        self.rejoin = self.last.is_some();
    }

    /// Forgets the number of the last frame: the next one counts as its successor.
    pub(super) fn start_numbering(&mut self) {
        if let Some(last) = &mut self.last {
            last.number = None;
        }
    }

    /// Returns one frame interval in microseconds, at least 1: the measured one, or the declared one before there is any.
    fn interval_micros(&self) -> i64 {
        self.median_micros().unwrap_or(self.nominal_micros)
    }

    /// Returns the median of the last steps in microseconds, at least 1; none before the first.
    pub(super) fn median_micros(&self) -> Option<i64> {
        let mut steps = [0; MEDIAN_WINDOW];
        let count = self.steps.len();
        if count == 0 {
            return None;
        }
        for (sorted, step) in steps.iter_mut().zip(&self.steps) {
            *sorted = *step;
        }
        let (_, median, _) = steps[..count].select_nth_unstable(count / 2);
        Some((*median).clamp(1, MAX_STEP_MICROS))
    }

    /// Returns when the last frame stands; none before the first.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.last.map(|last| last.session)
    }

    /// Returns whether no later moment is left.
    pub(super) fn is_full(&self) -> bool {
        self.last().is_some_and(|last| last >= Timestamp::MAX)
    }

    /// Returns the latest stretches, in their order.
    pub(super) fn stretches(&self) -> impl Iterator<Item = ClockStretch> {
        self.segments.iter().map(Segment::stretch)
    }

    /// Returns the stretch that a moment of the streamer's clock belongs to: the latest one that begins before it, or if that
    /// ends before it, the one after; the first one for a moment before all. None as long as no frame stands at the moment or
    /// after it.
    pub(super) fn stretch_of(&self, streamer: Timestamp) -> Option<ClockStretch> {
        let mut later = None;
        for segment in self.segments.iter().rev() {
            if segment.start.0 <= streamer {
                return if streamer <= segment.end.0 { Some(segment.stretch()) } else { later };
            }
            later = Some(segment.stretch());
        }
        later
    }

    /// Maps a moment of the streamer's clock to session time: by the latest stretch of frames that it falls into or that
    /// still goes on, up to 5 s ahead of it; else to the end of the latest stretch that began before.
    pub(super) fn session_time_of(&self, streamer: Timestamp) -> Timestamp {
        let ahead = if self.rejoin { 0 } else { MAX_STEP_MICROS };
        for (age, segment) in self.segments.iter().rev().enumerate() {
            let end = if age == 0 { segment.end.0.plus_micros(ahead) } else { segment.end.0 };
            if (segment.start.0..=end).contains(&streamer) {
                return segment.start.1.plus_micros(streamer.micros_since(segment.start.0));
            }
        }
        let begun = self.segments.iter().rev().find(|segment| segment.start.0 <= streamer);
        let oldest = self.segments.front().map(|segment| segment.start.1);
        begun.map(|segment| segment.end.1).or(oldest).or(self.last()).unwrap_or(Timestamp::ZERO)
    }
}

impl Segment {
    fn stretch(&self) -> ClockStretch {
        let Self { start: (streamer, session), number, drift_micros, .. } = *self;
        ClockStretch { number, streamer, session, drift_micros }
    }
}

fn interval_of(fps: f64) -> Option<i64> {
    if !fps.is_finite() || fps <= 0.0 {
        return None;
    }
    let micros = (1e6 / fps).round().clamp(1.0, MAX_STEP_MICROS as f64);
    #[expect(clippy::cast_possible_truncation, reason = "it is clamped just above")]
    Some(micros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: f64) -> Timestamp {
        Timestamp::from_secs_f64(secs).unwrap()
    }

    /// A timeline with `frames` frames at 10 fps, numbers from 0, the streamer's clock from 100 s.
    fn ten_fps(frames: u64) -> Timeline {
        let mut timeline = Timeline::new(None);
        for n in 0..frames {
            let stamp = timeline.push(n, at(100.0 + n as f64 / 10.0)).unwrap();
            assert_eq!(stamp.timestamp, at(n as f64 / 10.0));
        }
        timeline
    }

    #[test]
    fn the_first_frame_stands_at_zero_wherever_the_clock_is() {
        let mut timeline = Timeline::new(None);
        let first = timeline.push(17, at(1.7e9)).unwrap();
        assert_eq!(first, Stamp { timestamp: Timestamp::ZERO, step: Step::First });
    }

    #[test]
    fn a_step_back_or_none_is_a_jump_of_one_median_interval() {
        for streamer in [0.0, 100.4] {
            let stamp = ten_fps(5).push(5, at(streamer)).unwrap();
            assert_eq!(stamp, Stamp { timestamp: at(0.5), step: Step::Jumped });
        }
    }

    #[test]
    fn a_step_of_more_than_five_seconds_to_the_next_number_is_a_jump() {
        let stamp = ten_fps(5).push(5, at(105.4)).unwrap();
        assert_eq!(stamp.timestamp, at(5.4), "exactly 5 s are real");
        let stamp = ten_fps(5).push(5, at(105.41)).unwrap();
        assert_eq!(stamp, Stamp { timestamp: at(0.5), step: Step::Jumped });
    }

    #[test]
    fn a_long_step_over_a_hole_is_real_up_to_five_seconds_a_number() {
        let stamp = ten_fps(5).push(7, at(115.4)).unwrap();
        assert_eq!(stamp.timestamp, at(15.4));
        let stamp = ten_fps(5).push(7, at(115.41)).unwrap();
        assert_eq!(stamp, Stamp { timestamp: at(0.5), step: Step::Jumped });
    }

    #[test]
    fn the_clock_goes_on_from_where_it_jumped_to() {
        let mut timeline = ten_fps(5);
        timeline.push(5, at(3.0)).unwrap();
        assert_eq!(timeline.push(6, at(3.25)).unwrap().timestamp, at(0.75));
    }

    #[test]
    fn the_first_frame_after_a_pause_stands_one_interval_later() {
        let mut timeline = ten_fps(5);
        timeline.stand_still();
        let stamp = timeline.push(90, at(101.0)).unwrap();
        assert_eq!(stamp, Stamp { timestamp: at(0.5), step: Step::Rejoined });
        assert_eq!(timeline.push(91, at(101.2)).unwrap().timestamp, at(0.7));
    }

    #[test]
    fn a_pause_before_the_first_frame_changes_nothing() {
        let mut timeline = Timeline::new(None);
        timeline.stand_still();
        assert_eq!(timeline.push(0, at(4.0)).unwrap().step, Step::First);
    }

    #[test]
    fn an_interval_is_declared_then_measured() {
        let jump = |fps| {
            let mut timeline = Timeline::new(fps);
            timeline.push(0, at(9.0)).unwrap();
            timeline.push(1, at(9.0)).unwrap().timestamp
        };
        assert_eq!(jump(Some(50.0)), at(0.02));
        assert_eq!(jump(None), at(0.033_333));
        assert_eq!(jump(Some(f64::NAN)), at(0.033_333));
        assert_eq!(jump(Some(0.0)), at(0.033_333));
        assert_eq!(jump(Some(1e300)), Timestamp::from_micros(1));
        assert_eq!(ten_fps(2).interval_micros(), 100_000);
        assert_eq!(ten_fps(300).steps.len(), MEDIAN_WINDOW);
    }

    #[test]
    fn another_numbering_on_the_same_clock_keeps_the_time_between() {
        let mut timeline = ten_fps(5);
        timeline.start_numbering();
        assert_eq!(timeline.push(0, at(103.4)).unwrap().timestamp, at(3.4));
    }

    #[test]
    fn a_resumed_session_goes_on_one_interval_later() {
        let mut timeline = Timeline::resume(Some(20.0), at(60.0));
        let stamp = timeline.push(7, at(0.0)).unwrap();
        assert_eq!(stamp, Stamp { timestamp: at(60.05), step: Step::Rejoined });
    }

    #[test]
    fn the_end_of_time_is_an_answer_not_an_overflow() {
        let mut timeline = Timeline::new(None);
        timeline.push(0, Timestamp::MIN).unwrap();
        let far = timeline.push(1 << 40, Timestamp::ZERO).unwrap();
        assert_eq!(far.timestamp, Timestamp::MAX);
        assert!(timeline.is_full());
        assert_eq!(timeline.push((1 << 40) + 1, Timestamp::MAX), None);
        assert_eq!(timeline.push(u64::MAX, Timestamp::MIN), None);
    }

    #[test]
    fn a_moment_is_mapped_by_the_stretch_it_falls_into() {
        let mut timeline = ten_fps(11);
        assert_eq!(timeline.session_time_of(at(100.25)), at(0.25));
        assert_eq!(timeline.session_time_of(at(102.0)), at(2.0), "a little ahead of the frames");
        assert_eq!(timeline.session_time_of(at(110.0)), at(1.0), "far ahead");
        assert_eq!(timeline.session_time_of(at(1.0)), Timestamp::ZERO, "before the first");
        timeline.stand_still();
        assert_eq!(timeline.session_time_of(at(102.0)), at(1.0), "time stands still");
        timeline.push(50, at(104.0)).unwrap();
        timeline.push(51, at(104.1)).unwrap();
        assert_eq!(timeline.session_time_of(at(100.25)), at(0.25));
        assert_eq!(timeline.session_time_of(at(103.0)), at(1.0));
        assert_eq!(timeline.session_time_of(at(104.05)), at(1.15));
    }

    #[test]
    fn a_stretch_knows_how_far_the_clocks_are_apart() {
        let mut timeline = ten_fps(11);
        timeline.stand_still();
        timeline.push(50, at(121.0)).unwrap();
        timeline.push(51, at(121.1)).unwrap();
        timeline.push(52, at(171.1)).unwrap();
        let stretches: Vec<_> = timeline.stretches().collect();
        let stretch = |number, streamer, session, drift_micros| ClockStretch {
            number,
            streamer: at(streamer),
            session: at(session),
            drift_micros,
        };
        assert_eq!(
            stretches,
            [
                stretch(0, 100.0, 0.0, 0),
                stretch(1, 121.0, 1.1, 19_900_000),
                stretch(2, 171.1, 1.3, 69_800_000),
            ]
        );
    }

    #[test]
    fn jitter_counts_exactly_and_a_clock_set_back_as_no_time() {
        let drift_after = |streamer| {
            let mut timeline = ten_fps(5);
            timeline.push(5, at(streamer)).unwrap();
            timeline.stretches().last().unwrap().drift_micros
        };
        assert_eq!(drift_after(100.4), -100_000, "the same time again");
        assert_eq!(drift_after(100.35), -150_000, "half an interval back");
        assert_eq!(drift_after(3.0), 0, "another clock");
    }

    #[test]
    fn a_moment_between_two_stretches_belongs_to_the_later_one() {
        let mut timeline = ten_fps(11);
        let number_of =
            |timeline: &Timeline, secs| timeline.stretch_of(at(secs)).map(|stretch| stretch.number);
        assert_eq!(number_of(&timeline, 99.0), Some(0));
        assert_eq!(number_of(&timeline, 100.95), Some(0));
        assert_eq!(number_of(&timeline, 101.2), None, "nobody knows yet");
        timeline.stand_still();
        timeline.push(50, at(121.0)).unwrap();
        assert_eq!(number_of(&timeline, 101.0), Some(0));
        assert_eq!(number_of(&timeline, 120.9), Some(1));
        assert_eq!(number_of(&timeline, 121.1), None);
        assert_eq!(Timeline::new(None).stretch_of(at(1.0)), None);
    }

    proptest! {
        #[test]
        fn session_time_is_the_streamers_clock_less_the_drift(
            steps in prop::collection::vec((1_i64..20_000_000, any::<bool>()), 1..60),
        ) {
            let mut timeline = Timeline::new(None);
            let mut streamer = at(1_000.0);
            for (number, (micros, paused)) in (0..).zip(steps) {
                streamer = streamer.plus_micros(micros);
                if paused {
                    timeline.stand_still();
                }
                let session = timeline.push(number, streamer).unwrap().timestamp;
                let stretch = timeline.stretches().last().unwrap();
                let first = timeline.stretches().find(|stretch| stretch.number == 0);
                if let Some(first) = first {
                    let passed = streamer.micros_since(first.streamer) - stretch.drift_micros;
                    prop_assert_eq!(session.as_micros(), passed);
                }
                prop_assert_eq!(session, stretch.session.plus_micros(streamer.micros_since(stretch.streamer)));
                prop_assert_eq!(timeline.stretch_of(streamer), Some(stretch));
            }
        }
    }
}
