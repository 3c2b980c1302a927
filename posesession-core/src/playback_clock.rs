//! The playback clock. Host time in, session time out.

use std::time::Duration;

use crate::time::Timestamp;

/// Maps the host's time to a session's time at a rate, and back.
///
/// The position is always computed from one anchor (a session time and the host time at which it was there), never
/// added up, so that it doesn't drift however often it is asked for. Positions are truncated towards the anchor: a
/// moment is reached when it is reached, never before.
///
/// # Units
///
/// Host times are [`Duration`]s since an origin of the caller's choice, read to the microsecond. `rate` is session time
/// per host time: 1 as recorded, 2 twice as fast, negative backwards.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use posesession_core::{PlaybackClock, Timestamp};
///
/// let mut clock = PlaybackClock::new(Timestamp::ZERO, 2.0);
/// clock.start(Duration::from_secs(10));
/// assert_eq!(clock.position(Duration::from_secs(13)), Timestamp::from_micros(6_000_000));
/// assert_eq!(clock.time_at(Timestamp::from_micros(8_000_000)), Some(Duration::from_secs(14)));
/// clock.stop(Duration::from_secs(13));
/// assert_eq!(clock.position(Duration::from_secs(99)), Timestamp::from_micros(6_000_000));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlaybackClock {
    anchor: Timestamp,
    /// The host time, in microseconds, at which the position was the anchor; none while the clock stands.
    started_micros: Option<u64>,
    rate: f64,
}

/// From here on, `f64` no longer holds every microsecond (285 years): such a moment is never reached.
const NEVER_MICROS: f64 = 9_007_199_254_740_992.0;

impl PlaybackClock {
    /// Makes a clock that stands at `position`. A `rate` of NaN counts as 1.
    #[must_use]
    pub fn new(position: Timestamp, rate: f64) -> Self {
        Self { anchor: position, started_micros: None, rate: if rate.is_nan() { 1.0 } else { rate } }
    }

    /// Returns the session time at `now`. Before the clock's start it is where the clock started.
    #[must_use]
    pub fn position(&self, now: Duration) -> Timestamp {
        match self.started_micros {
            Some(started) => self.anchor.plus_micros(self.travelled(micros(now).saturating_sub(started))),
            None => self.anchor,
        }
    }

    /// Returns the first host microsecond at which the position has reached `position`: the clock's start for what it
    /// has passed before; nothing if the clock stands or gets there in more than 285 years.
    #[must_use]
    pub fn time_at(&self, position: Timestamp) -> Option<Duration> {
        let started = self.started_micros?;
        let ahead = position.micros_since(self.anchor);
        let distance = if self.rate < 0.0 { -ahead } else { ahead };
        if distance <= 0 {
            return Some(Duration::from_micros(started));
        }
        let elapsed = (distance as f64 / self.rate.abs()).ceil();
        if elapsed.is_nan() || elapsed >= NEVER_MICROS {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 2^53")]
        let mut elapsed = elapsed as u64;
        // The quotient is rounded: step to the first microsecond that counts.
        while elapsed > 1 && self.travelled(elapsed - 1).saturating_abs() >= distance {
            elapsed -= 1;
        }
        while self.travelled(elapsed).saturating_abs() < distance {
            elapsed += 1;
        }
        Some(Duration::from_micros(started.saturating_add(elapsed)))
    }

    /// Lets the clock run from where it stands. A running clock runs on.
    pub fn start(&mut self, now: Duration) {
        self.started_micros.get_or_insert(micros(now));
    }

    /// Stops the clock where it is.
    pub fn stop(&mut self, now: Duration) {
        self.anchor = self.position(now);
        self.started_micros = None;
    }

    /// Puts the clock to `position`, where it goes on running or standing.
    pub fn set_position(&mut self, now: Duration, position: Timestamp) {
        self.anchor = position;
        self.started_micros = self.started_micros.map(|_running| micros(now));
    }

    /// Changes the rate and keeps the position. NaN changes nothing.
    pub fn set_rate(&mut self, now: Duration, rate: f64) {
        if rate != self.rate && !rate.is_nan() {
            self.set_position(now, self.position(now));
            self.rate = rate;
        }
    }

    /// Returns the session time per host time.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns whether the clock runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.started_micros.is_some()
    }

    /// Returns where the clock stands or started.
    pub(crate) fn anchor(&self) -> Timestamp {
        self.anchor
    }

    #[expect(clippy::cast_possible_truncation, reason = "truncation towards zero is meant, and it saturates")]
    fn travelled(&self, elapsed_micros: u64) -> i64 {
        (elapsed_micros as f64 * self.rate) as i64
    }
}

fn micros(now: Duration) -> u64 {
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: u64 = 3_600_000_000;

    fn rates() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(1.0),
            Just(-1.0),
            Just(1.0 / 3.0),
            Just(0.1),
            Just(16.0),
            -16.0..16.0_f64,
            1e-5..1e-3_f64
        ]
        .prop_filter("the moments here are reached within 285 years", |r| r.abs() >= 1e-5)
    }

    proptest! {
        #[test]
        fn a_moment_is_reached_at_its_time_and_not_before(
            rate in rates(), anchor in 0..10 * HOUR, start in 0..10 * HOUR, distance in 1..10 * HOUR,
        ) {
            let mut clock = PlaybackClock::new(Timestamp::from_micros(anchor as i64), rate);
            clock.start(Duration::from_micros(start));
            let direction = if rate < 0.0 { -1 } else { 1 };
            let target = Timestamp::from_micros(anchor as i64 + distance as i64 * direction);
            let due = clock.time_at(target).unwrap();
            let missing = |now| target.micros_since(clock.position(now)) * direction;
            prop_assert!(missing(due) <= 0);
            prop_assert!(missing(due - Duration::from_micros(1)) > 0);
            let exact = start as f64 + distance as f64 / rate.abs();
            prop_assert!((due.as_micros() as f64 - exact).abs() <= 1.0 + exact * 1e-15, "{due:?} {exact}");
        }

        #[test]
        fn the_position_does_not_depend_on_how_often_it_was_asked(rate in rates(), polls in 1..1000_u32) {
            let mut clock = PlaybackClock::new(Timestamp::ZERO, rate);
            clock.start(Duration::ZERO);
            let end = Duration::from_micros(HOUR);
            for n in 0..polls {
                clock.start(end / polls * n);
                let _ = clock.position(end / polls * n);
            }
            let exact = HOUR as f64 * rate;
            prop_assert!((clock.position(end).as_micros() as f64 - exact).abs() <= 1.0);
        }

        #[test]
        fn no_time_and_no_rate_makes_it_panic(
            rate in any::<f64>(), now in any::<u64>(), position in any::<i64>(), later in any::<u64>(),
        ) {
            let mut clock = PlaybackClock::new(Timestamp::from_micros(position), rate);
            clock.start(Duration::from_micros(now));
            let _ = clock.position(Duration::from_micros(later));
            let _ = clock.time_at(Timestamp::from_micros(position.wrapping_mul(7)));
            clock.set_rate(Duration::MAX, -rate);
            clock.stop(Duration::from_micros(later));
        }
    }

    #[test]
    fn a_change_of_rate_keeps_the_position() {
        let mut clock = PlaybackClock::new(Timestamp::ZERO, 1.0);
        clock.start(Duration::ZERO);
        clock.set_rate(Duration::from_secs(3), -0.5);
        assert_eq!(clock.position(Duration::from_secs(3)), Timestamp::from_micros(3_000_000));
        assert_eq!(clock.position(Duration::from_secs(5)), Timestamp::from_micros(2_000_000));
    }
}
