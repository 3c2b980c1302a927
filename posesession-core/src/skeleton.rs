//! The skeleton: which keypoints a session's poses have, and what each of their numbers means.

mod presets;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which components, keypoints and channels every pose of a session has. Declared once a session.
///
/// A pose's values are stored as one `f32` row: the components in order, each `[keypoint, channel]` row-major.
///
/// # Examples
///
/// ```
/// use posesession_core::Skeleton;
///
/// let skeleton = Skeleton::preset("mediapipe_33").expect("a preset");
/// assert_eq!(skeleton.values_per_person(), 33 * 4);
/// assert_eq!(skeleton.components[0].keypoints[11], "left_shoulder");
/// ```
#[doc(alias = "topology")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skeleton {
    /// The preset's name, or a name of the publisher's own.
    pub name: String,
    /// The parts, in the order in which a pose's values stand.
    pub components: Vec<Component>,
}

/// One part of a skeleton: keypoints that share the same channels (`pose`, `left_hand`, `face`...).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The part's name: the key of its keypoints in `pose_data`.
    pub name: String,
    /// The keypoints' names, in order.
    #[doc(alias = "landmarks")]
    pub keypoints: Vec<String>,
    /// Pairs of keypoints that a line joins.
    #[serde(default)]
    pub edges: Vec<(u16, u16)>,
    /// Pairs of keypoints that change places when the picture is mirrored.
    #[serde(default)]
    pub mirrored: Vec<(u16, u16)>,
    /// What each number of a keypoint means, in order.
    pub channels: Vec<Channel>,
}

/// One number of a keypoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// `x`, `y`, `z`, `confidence`, or a name of the publisher's own.
    pub name: String,
    /// What the number is measured in.
    pub unit: Unit,
}

/// What a channel's numbers are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Normalised image coordinates: x by the image's width, y by its height, z by its width.
    Image,
    /// Pixels of the image.
    Pixels,
    /// Metres.
    Metres,
    /// A ratio from 0 to 1.
    Ratio,
}

impl Skeleton {
    /// The most components a skeleton may have.
    pub const MAX_COMPONENTS: usize = 16;
    /// The most keypoints a skeleton may have, all components together.
    pub const MAX_KEYPOINTS: usize = 4096;
    /// The most channels a component may have.
    pub const MAX_CHANNELS: usize = 16;
    /// The longest name of a skeleton, component, keypoint or channel, in bytes.
    pub const MAX_NAME_BYTES: usize = 100;

    /// Returns how many `f32` values one person's pose has.
    #[must_use]
    pub fn values_per_person(&self) -> usize {
        self.components.iter().map(Component::values).sum()
    }

    /// Returns where the component `index` stands within one person's values.
    #[must_use]
    pub fn component_range(&self, index: usize) -> Option<std::ops::Range<usize>> {
        let start = self.components.get(..index)?.iter().map(Component::values).sum();
        Some(start..start + self.components.get(index)?.values())
    }

    /// Returns the shape of a pose's values, which is all that the codec needs to know.
    #[must_use]
    pub fn layout(&self) -> Layout {
        #[expect(clippy::cast_possible_truncation, reason = "validate() bounds both counts")]
        let part = |c: &Component| LayoutPart {
            keypoints: c.keypoints.len() as u16,
            channels: c.channels.len() as u8,
        };
        Layout { parts: self.components.iter().map(part).collect() }
    }

    /// Makes the skeleton for poses of an unknown model: `keypoints` unnamed points without edges.
    ///
    /// # Errors
    ///
    /// [`SkeletonError`] if the counts are beyond the limits.
    pub fn custom(keypoints: usize, channels: &[(&str, Unit)]) -> Result<Self, SkeletonError> {
        if keypoints > Self::MAX_KEYPOINTS {
            return Err(SkeletonError::TooManyKeypoints { count: keypoints });
        }
        let component = Component {
            name: "pose".to_owned(),
            keypoints: (0..keypoints).map(|k| format!("keypoint_{k}")).collect(),
            edges: Vec::new(),
            mirrored: Vec::new(),
            channels: channels.iter().map(|&(name, unit)| Channel { name: name.to_owned(), unit }).collect(),
        };
        let skeleton = Self { name: format!("custom_{keypoints}"), components: vec![component] };
        skeleton.validate()?;
        Ok(skeleton)
    }

    /// Checks counts, names and indices.
    ///
    /// # Errors
    ///
    /// [`SkeletonError`] names the first thing that is wrong.
    pub fn validate(&self) -> Result<(), SkeletonError> {
        check_name(&self.name)?;
        if self.components.is_empty() {
            return Err(SkeletonError::NoComponents);
        }
        if self.components.len() > Self::MAX_COMPONENTS {
            return Err(SkeletonError::TooManyComponents { count: self.components.len() });
        }
        let keypoints: usize = self.components.iter().map(|c| c.keypoints.len()).sum();
        if keypoints > Self::MAX_KEYPOINTS {
            return Err(SkeletonError::TooManyKeypoints { count: keypoints });
        }
        for (index, component) in self.components.iter().enumerate() {
            component.validate()?;
            let twice = self.components[..index].iter().any(|c| c.name == component.name);
            if twice || component.name == "id" {
                return Err(SkeletonError::BadName { name: component.name.clone() });
            }
        }
        Ok(())
    }
}

impl Component {
    /// Returns how many `f32` values this part of a pose has.
    #[must_use]
    pub fn values(&self) -> usize {
        self.keypoints.len() * self.channels.len()
    }

    fn validate(&self) -> Result<(), SkeletonError> {
        check_name(&self.name)?;
        self.keypoints.iter().try_for_each(|name| check_name(name))?;
        self.channels.iter().try_for_each(|channel| check_name(&channel.name))?;
        if self.keypoints.is_empty() || self.channels.is_empty() {
            return Err(SkeletonError::EmptyComponent { component: self.name.clone() });
        }
        if self.channels.len() > Skeleton::MAX_CHANNELS {
            return Err(SkeletonError::TooManyChannels { count: self.channels.len() });
        }
        let pairs = self.edges.iter().chain(&self.mirrored);
        for &(a, b) in pairs {
            let keypoint = a.max(b);
            if usize::from(keypoint) >= self.keypoints.len() {
                return Err(SkeletonError::NoSuchKeypoint { component: self.name.clone(), keypoint });
            }
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), SkeletonError> {
    if name.is_empty() || name.len() > Skeleton::MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(SkeletonError::BadName { name: name.chars().take(Skeleton::MAX_NAME_BYTES).collect() });
    }
    Ok(())
}

/// The shape of one person's values: for each component, how many keypoints of how many channels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Layout {
    /// The components' shapes, in the skeleton's order.
    pub parts: Vec<LayoutPart>,
}

/// The shape of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayoutPart {
    /// How many keypoints.
    pub keypoints: u16,
    /// How many `f32` channels each keypoint has.
    pub channels: u8,
}

impl Layout {
    /// Returns how many `f32` values one person's pose has.
    #[must_use]
    pub fn values_per_person(&self) -> usize {
        self.parts.iter().map(|p| usize::from(p.keypoints) * usize::from(p.channels)).sum()
    }
}

/// Why a skeleton is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SkeletonError {
    /// There is no component at all.
    #[error("a skeleton needs at least one component")]
    NoComponents,
    /// More than [`Skeleton::MAX_COMPONENTS`].
    #[error("the skeleton has {count} components, at most {} are allowed", Skeleton::MAX_COMPONENTS)]
    TooManyComponents {
        /// How many there are.
        count: usize,
    },
    /// More than [`Skeleton::MAX_KEYPOINTS`].
    #[error("the skeleton has {count} keypoints, at most {} are allowed", Skeleton::MAX_KEYPOINTS)]
    TooManyKeypoints {
        /// How many there are.
        count: usize,
    },
    /// More than [`Skeleton::MAX_CHANNELS`].
    #[error("a component has {count} channels, at most {} are allowed", Skeleton::MAX_CHANNELS)]
    TooManyChannels {
        /// How many there are.
        count: usize,
    },
    /// A component without keypoints or without channels.
    #[error("the component `{component}` needs at least one keypoint and one channel")]
    EmptyComponent {
        /// The component's name.
        component: String,
    },
    /// A name that is empty, too long, has control characters, stands twice, or is the reserved `id`.
    #[error(
        "`{name}` can't be a name here: 1 to 100 bytes, no control characters, no component twice or called `id`"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// An edge or mirrored pair names a keypoint that is not there.
    #[error("an edge or pair of component `{component}` names keypoint {keypoint}, which it doesn't have")]
    NoSuchKeypoint {
        /// The component's name.
        component: String,
        /// The index that is too high.
        keypoint: u16,
    },
    /// No preset has this name.
    #[error("there is no skeleton preset `{name}`; the presets are {}", Skeleton::preset_names().join(", "))]
    UnknownPreset {
        /// The name asked for.
        name: String,
    },
}
