//! Pose data out, as JSON text.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use crate::pose::PoseView;
use crate::skeleton::Skeleton;

/// Writes pose data as JSON: `{"persons":[{"id":0,"pose":[[x,y,z,confidence],...],...}]}`.
///
/// Numbers are the shortest that read back as the same `f32`; a missing value is `null`.
#[derive(Debug, Clone, Copy)]
pub struct PoseJson<'a> {
    pose: PoseView<'a>,
    skeleton: &'a Skeleton,
}

impl<'a> PoseJson<'a> {
    /// Borrows what is to be written.
    #[must_use]
    pub fn new(pose: impl Into<PoseView<'a>>, skeleton: &'a Skeleton) -> Self {
        Self { pose: pose.into(), skeleton }
    }
}

impl Serialize for PoseJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("persons", &PersonsJson(*self))?;
        map.end()
    }
}

struct PersonsJson<'a>(PoseJson<'a>);

impl Serialize for PersonsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PoseJson { pose, skeleton } = self.0;
        let width = skeleton.values_per_person();
        let mut seq = serializer.serialize_seq(Some(pose.person_count()))?;
        for (&id, values) in pose.track_ids.iter().zip(pose.values.chunks(width.max(1))) {
            seq.serialize_element(&PersonJson { id, values, skeleton })?;
        }
        seq.end()
    }
}

struct PersonJson<'a> {
    id: u32,
    values: &'a [f32],
    skeleton: &'a Skeleton,
}

impl Serialize for PersonJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.skeleton.components.len()))?;
        map.serialize_entry("id", &self.id)?;
        let mut rest = self.values;
        for component in &self.skeleton.components {
            let (values, after) = rest.split_at(component.values().min(rest.len()));
            rest = after;
            map.serialize_entry(
                &component.name,
                &KeypointsJson { values, channels: component.channels.len() },
            )?;
        }
        map.end()
    }
}

struct KeypointsJson<'a> {
    values: &'a [f32],
    channels: usize,
}

impl Serialize for KeypointsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values.chunks(self.channels.max(1)))
    }
}
