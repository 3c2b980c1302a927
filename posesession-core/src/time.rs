//! Time within a session: seconds in JSON, whole microseconds everywhere else.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A moment on a timeline, in whole microseconds since that timeline's zero.
///
/// Within a session, zero is the first stored frame. The same type holds a streamer's own clock, whose zero is the
/// streamer's choice (often the Unix epoch). The range, [`Timestamp::MIN`]`..=`[`Timestamp::MAX`], is where a float of
/// seconds is exact to the microsecond, so that no client loses one.
///
/// In JSON a timestamp is a float of seconds; the conversion there and back is exact.
///
/// # Examples
///
/// ```
/// use posesession_core::Timestamp;
///
/// let t = Timestamp::from_secs_f64(0.033_333)?;
/// assert_eq!(t.as_micros(), 33_333);
/// assert_eq!(t.as_secs_f64(), 0.033_333);
/// # Ok::<(), posesession_core::TimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The start of the timeline.
    pub const ZERO: Self = Self(0);
    /// The latest moment, 2^32 seconds (136 years; as Unix time, the year 2106).
    pub const MAX: Self = Self((1 << 32) * 1_000_000);
    /// The earliest moment, -2^32 seconds.
    pub const MIN: Self = Self(-(1 << 32) * 1_000_000);

    /// Makes a timestamp from microseconds; values out of range are clamped to [`Self::MIN`]`..=`[`Self::MAX`].
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros > Self::MAX.0 {
            Self::MAX
        } else if micros < Self::MIN.0 {
            Self::MIN
        } else {
            Self(micros)
        }
    }

    /// Makes a timestamp from seconds, rounded to the nearest microsecond.
    ///
    /// # Errors
    ///
    /// [`TimeError::NotFinite`] for NaN and infinities, [`TimeError::OutOfRange`] beyond ±2^32 seconds.
    pub fn from_secs_f64(secs: f64) -> Result<Self, TimeError> {
        if !secs.is_finite() {
            return Err(TimeError::NotFinite);
        }
        let micros = (secs * 1e6).round();
        if micros.abs() > Self::MAX.0 as f64 {
            return Err(TimeError::OutOfRange { secs });
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked just above")]
        Ok(Self(micros as i64))
    }

    /// Returns the microseconds since zero.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the seconds since zero, exact to the microsecond.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Returns the microseconds from `earlier` to `self`; negative if `earlier` is the later one.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Returns the moment `micros` later (earlier, if negative), clamped to the range.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// Returns the moment `duration` later, clamped to the range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        self.plus_micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.as_secs_f64())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Why a number of seconds is no [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum TimeError {
    /// The number is NaN or infinite.
    #[error("the timestamp is not a finite number of seconds")]
    NotFinite,
    /// The number is beyond what a float of seconds holds exactly to the microsecond.
    #[error("the timestamp {secs} s is beyond 2^32 s")]
    OutOfRange {
        /// The number that was given, in seconds.
        secs: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn seconds_round_trip_exactly(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let t = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::from_secs_f64(t.as_secs_f64()), Ok(t));
            let json = serde_json::to_string(&t).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), t);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert_eq!(Timestamp::from_secs_f64(f64::NAN), Err(TimeError::NotFinite));
        assert_eq!(Timestamp::from_secs_f64(f64::INFINITY), Err(TimeError::NotFinite));
        assert_eq!(Timestamp::from_secs_f64(1e12), Err(TimeError::OutOfRange { secs: 1e12 }));
    }
}
