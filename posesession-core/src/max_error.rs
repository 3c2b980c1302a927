//! How far stored values may be from those that were sent: declared by channel names, used by place in the layout.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::skeleton::{Channel, Component, Layout, Skeleton};

/// How far stored values may be from those that were sent, for each channel by name.
///
/// A bound is absolute and in the channel's unit: |stored - sent| never exceeds it. It is for all components that have the
/// channel, or under `component.channel` for that one alone, which then counts. Channels without a bound are lossless.
/// In JSON an object: `{"x": 5e-5, "world.x": 0.001}`.
///
/// # Examples
///
/// ```
/// use posesession_core::{MaxError, Skeleton};
///
/// let max_error = MaxError::new([("x", 5e-5), ("y", 5e-5), ("confidence", 1.0 / 512.0)])?;
/// let bounds = max_error.bounds(&Skeleton::preset("mediapipe_33")?)?;
/// assert_eq!(bounds.of(0, 0), Some(5e-5));
/// assert_eq!(bounds.of(0, 2), None, "z is lossless");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "tolerance")]
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, f64>", into = "BTreeMap<String, f64>")]
pub struct MaxError {
    channels: BTreeMap<String, f64>,
}

impl MaxError {
    /// The smallest bound: about the smallest distance of normal `f32`s.
    pub const SMALLEST: f64 = f32::MIN_POSITIVE as f64;
    /// The largest bound.
    pub const LARGEST: f64 = f32::MAX as f64;
    /// The most channels that may be named.
    pub const MAX_CHANNELS: usize = Skeleton::MAX_COMPONENTS * (Skeleton::MAX_CHANNELS + 1);

    /// Declares bounds of channels.
    ///
    /// # Errors
    ///
    /// [`BadMaxError::OutOfRange`], [`BadMaxError::TooMany`].
    pub fn new<N: Into<String>>(channels: impl IntoIterator<Item = (N, f64)>) -> Result<Self, BadMaxError> {
        let channels = channels.into_iter().map(|(name, bound)| (name.into(), bound));
        Self::try_from(channels.collect::<BTreeMap<String, f64>>())
    }

    /// Returns whether no channel has a bound, so that all are lossless.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Returns the bounds by the names under which they were declared.
    pub fn channels(&self) -> impl Iterator<Item = (&str, f64)> {
        self.channels.iter().map(|(name, &bound)| (name.as_str(), bound))
    }

    /// Returns the bounds of values that were off by these first, and then by `other` more.
    ///
    /// # Errors
    ///
    /// [`BadMaxError::OutOfRange`], [`BadMaxError::TooMany`].
    pub fn plus(&self, other: &Self) -> Result<Self, BadMaxError> {
        let names: BTreeSet<&String> = self.channels.keys().chain(other.channels.keys()).collect();
        // A component's channel that only one of them names may have a bound by the channel's name in the other.
        let of = |bounds: &Self, name: &str| {
            // Names may have dots: any part behind one may be the channel's. The largest is right for all of them.
            let channels =
                name.match_indices('.').filter_map(|(dot, _)| bounds.channels.get(&name[dot + 1..]));
            let general = || channels.copied().fold(0.0, f64::max);
            bounds.channels.get(name).copied().unwrap_or_else(general)
        };
        Self::new(names.into_iter().map(|name| (name.clone(), sum(of(self, name), of(other, name)))))
    }

    /// Finds each channel of a skeleton its bound.
    ///
    /// # Errors
    ///
    /// [`BadMaxError::NoSuchChannel`] for a name that is none of the skeleton's.
    pub fn bounds(&self, skeleton: &Skeleton) -> Result<ChannelBounds, BadMaxError> {
        let in_full =
            |component: &Component, channel: &Channel| format!("{}.{}", component.name, channel.name);
        for name in self.channels.keys() {
            let is_meant = |component: &Component| {
                component.channels.iter().any(|c| c.name == *name || in_full(component, c) == *name)
            };
            if !skeleton.components.iter().any(is_meant) {
                return Err(BadMaxError::NoSuchChannel {
                    name: name.clone(),
                    known: channel_names(skeleton),
                });
            }
        }
        let bounds = skeleton.components.iter().map(|component| {
            let bound = |channel: &Channel| {
                let own = self.channels.get(&in_full(component, channel));
                own.or_else(|| self.channels.get(&channel.name)).copied()
            };
            component.channels.iter().map(bound).collect()
        });
        Ok(ChannelBounds { parts: bounds.collect() })
    }
}

impl TryFrom<BTreeMap<String, f64>> for MaxError {
    type Error = BadMaxError;

    fn try_from(channels: BTreeMap<String, f64>) -> Result<Self, BadMaxError> {
        if channels.len() > Self::MAX_CHANNELS {
            return Err(BadMaxError::TooMany { count: channels.len() });
        }
        match channels.iter().find(|(_, bound)| !is_bound(**bound)) {
            Some((name, &bound)) => Err(BadMaxError::OutOfRange { name: name.clone(), bound }),
            None => Ok(Self { channels }),
        }
    }
}

impl From<MaxError> for BTreeMap<String, f64> {
    fn from(max_error: MaxError) -> Self {
        max_error.channels
    }
}

/// Adds two bounds so that the sum is never rounded down.
fn sum(a: f64, b: f64) -> f64 {
    let sum = a + b;
    let is_less = sum - a < b || sum - b < a;
    if is_less { sum.next_up() } else { sum }
}

fn is_bound(bound: f64) -> bool {
    (MaxError::SMALLEST..=MaxError::LARGEST).contains(&bound)
}

fn channel_names(skeleton: &Skeleton) -> String {
    let mut names: Vec<&str> = Vec::new();
    for channel in skeleton.components.iter().flat_map(|component| &component.channels) {
        if !names.contains(&channel.name.as_str()) {
            names.push(&channel.name);
        }
    }
    names.join(", ")
}

/// The bounds of a layout's channels, by place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChannelBounds {
    /// `[component, channel]`
    parts: Vec<Vec<Option<f64>>>,
}

impl ChannelBounds {
    /// Makes bounds of their places: `[component, channel]`.
    ///
    /// # Errors
    ///
    /// [`BadMaxError::OutOfRange`].
    pub fn new(parts: Vec<Vec<Option<f64>>>) -> Result<Self, BadMaxError> {
        match parts.iter().flatten().flatten().find(|bound| !is_bound(**bound)) {
            Some(&bound) => Err(BadMaxError::OutOfRange { name: String::new(), bound }),
            None => Ok(Self { parts }),
        }
    }

    /// Makes bounds of which no channel has one.
    #[must_use]
    pub fn lossless(layout: &Layout) -> Self {
        Self { parts: layout.parts.iter().map(|part| vec![None; usize::from(part.channels)]).collect() }
    }

    /// Returns the bound of a channel of a component; `None`: it is lossless.
    #[must_use]
    pub fn of(&self, component: usize, channel: usize) -> Option<f64> {
        *self.parts.get(component)?.get(channel)?
    }

    /// Returns whether there is a bound, or none, for each channel of the layout and for no other.
    #[must_use]
    pub fn fit(&self, layout: &Layout) -> bool {
        let channels = layout.parts.iter().map(|part| usize::from(part.channels));
        self.parts.iter().map(Vec::len).eq(channels)
    }
}

// A bound is never NaN.
impl Eq for ChannelBounds {}

/// Why bounds are refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BadMaxError {
    /// A bound that is not a positive number, or too small or too large for `f32` values.
    #[error(
        "`max_error` of `{name}` is {bound}; it must be a number from {:e} to {:e}",
        MaxError::SMALLEST,
        MaxError::LARGEST
    )]
    OutOfRange {
        /// The channel's name, empty if it has none.
        name: String,
        /// The bound.
        bound: f64,
    },
    /// More than [`MaxError::MAX_CHANNELS`].
    #[error("`max_error` names {count} channels, at most {} are allowed", MaxError::MAX_CHANNELS)]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A name that is no channel of the skeleton.
    #[error("`max_error` names `{name}`, which is no channel of the session's skeleton; it has {known}")]
    NoSuchChannel {
        /// The name.
        name: String,
        /// The channels that there are.
        known: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skeleton::Unit;

    fn two_components() -> Skeleton {
        let mut skeleton = Skeleton::custom(2, &[("x", Unit::Image), ("confidence", Unit::Ratio)]).unwrap();
        let world = Component {
            name: "world".to_owned(),
            channels: vec![Channel { name: "x".to_owned(), unit: Unit::Metres }],
            ..skeleton.components[0].clone()
        };
        skeleton.components.push(world);
        skeleton
    }

    #[test]
    fn a_component_of_its_own_bound_goes_before_the_channels() {
        let max_error = MaxError::new([("x", 0.5), ("world.x", 0.25)]).unwrap();
        let bounds = max_error.bounds(&two_components()).unwrap();
        assert_eq!([bounds.of(0, 0), bounds.of(0, 1), bounds.of(1, 0)], [Some(0.5), None, Some(0.25)]);
        assert_eq!((bounds.of(1, 1), bounds.of(2, 0)), (None, None));
        assert!(bounds.fit(&two_components().layout()));
    }

    #[test]
    fn bounds_add_up_channel_by_channel() {
        let first = MaxError::new([("x", 0.5), ("world.y", 0.25)]).unwrap();
        let second = MaxError::new([("world.x", 1.0), ("y", 2.0)]).unwrap();
        let both = MaxError::new([("x", 0.5), ("world.x", 1.5), ("y", 2.0), ("world.y", 2.25)]).unwrap();
        assert_eq!(first.plus(&second).unwrap(), both);
        assert_eq!(second.plus(&first).unwrap(), both);
        let [channel, component] =
            [[("a.b", 1.0)], [("body.a.b", 2.0)]].map(|bounds| MaxError::new(bounds).unwrap());
        let both = MaxError::new([("a.b", 1.0), ("body.a.b", 3.0)]).unwrap();
        assert_eq!(channel.plus(&component).unwrap(), both, "a channel's name may have a dot");
        assert_eq!(first.plus(&MaxError::default()).unwrap(), first);
        let largest = MaxError::new([("x", MaxError::LARGEST)]).unwrap();
        assert!(matches!(largest.plus(&largest), Err(BadMaxError::OutOfRange { .. })));
    }

    #[test]
    fn a_sum_of_bounds_is_never_less_than_both() {
        for (a, b) in [(0.1, 0.2), (5e-5, 1e-3), (1.0, 1e-17), (1e30, 1e-30), (0.7, 0.1)] {
            let sum = sum(a, b);
            assert!(sum - a >= b && sum - b >= a && sum <= (a + b).next_up(), "{a} + {b} = {sum}");
        }
    }

    #[test]
    fn what_is_no_bound_is_refused_by_name() {
        for bound in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-40] {
            let refused = MaxError::new([("x", bound)]).unwrap_err();
            assert!(matches!(refused, BadMaxError::OutOfRange { ref name, .. } if name == "x"), "{refused}");
        }
        let refused = MaxError::new([("q", 1.0)]).unwrap().bounds(&two_components()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`max_error` names `q`, which is no channel of the session's skeleton; it has x, confidence"
        );
        assert!(serde_json::from_str::<MaxError>(r#"{"x": 0}"#).is_err());
    }
}
