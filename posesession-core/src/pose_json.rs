//! `pose_data` as JSON: text in, plain `f32`s out, and back without loss.

mod writing;

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub use self::writing::PoseJson;
use crate::pose::{PoseData, PoseError};
use crate::skeleton::{Component, Skeleton, SkeletonError};

/// Pose data as a client sent it, before the skeleton is consulted.
///
/// Two shapes are read:
///
/// - posesession's own, `{"persons":[{"id":0,"pose":[[x,y,z,confidence],...],"left_hand":[...]}]}`, `null` for a missing
///   value, a missing `id` being the person's place;
/// - MediaPipe's, `{"landmarks":[{"x":..,"y":..,"z":..,"visibility":..},...]}` for one person, a list of such lists for
///   several.
///
/// # Examples
///
/// ```
/// use posesession_core::{PoseJson, SentPose, Skeleton};
///
/// let sent: SentPose = serde_json::from_str(r#"{"persons":[{"pose":[[0.25,0.5],[null,1]]}]}"#)?;
/// let skeleton = sent.infer_skeleton()?.expect("a person is seen");
/// let pose = sent.resolve(&skeleton)?;
/// assert_eq!(pose.values[..2], [0.25, 0.5]);
/// assert!(pose.values[2].is_nan());
///
/// let written = serde_json::to_string(&PoseJson::new(&pose, &skeleton))?;
/// assert_eq!(written, r#"{"persons":[{"id":0,"pose":[[0.25,0.5],[null,1.0]]}]}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SentPose {
    persons: Vec<SentPerson>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct SentPerson {
    id: Option<u32>,
    components: Vec<(String, Keypoints)>,
}

/// The keypoints of one component, `[keypoint, channel]` row-major.
#[derive(Debug, Clone, PartialEq, Default)]
struct Keypoints {
    count: usize,
    channels: usize,
    values: Vec<f32>,
    /// Whether the channels came by MediaPipe's names, so that they can be matched with the skeleton's by name.
    by_name: bool,
}

impl SentPose {
    /// Returns how many values it has, of all persons together.
    #[must_use]
    pub fn value_count(&self) -> usize {
        let components = self.persons.iter().flat_map(|person| &person.components);
        components.map(|(_, keypoints)| keypoints.values.len()).sum()
    }

    /// Makes the sent pose of MediaPipe's `landmarks`.
    #[must_use]
    pub fn from_landmarks(landmarks: Landmarks) -> Self {
        let person = |keypoints| SentPerson { id: None, components: vec![("pose".to_owned(), keypoints)] };
        Self { persons: landmarks.0.into_iter().filter(|k| k.count > 0).map(person).collect() }
    }

    /// Returns the skeleton that the first person's values fit, or nothing if nobody is seen.
    ///
    /// # Errors
    ///
    /// [`SkeletonError`] if the counts or names are beyond a skeleton's limits.
    pub fn infer_skeleton(&self) -> Result<Option<Skeleton>, SkeletonError> {
        let seen = self.persons.iter().find(|p| p.components.iter().any(|(_, k)| k.count > 0));
        let Some(person) = seen else { return Ok(None) };
        let parts: Vec<_> = person.components.iter().filter(|(_, k)| k.count > 0).collect();
        let fits = |preset: &Skeleton| {
            preset.components.len() == parts.len()
                && parts.iter().all(|(name, keypoints)| {
                    let same = |c: &Component| c.name == *name && c.channels.len() == keypoints.channels;
                    preset.components.iter().any(|c| same(c) && keypoints.fit(c))
                })
        };
        for name in Skeleton::preset_names() {
            let preset = Skeleton::preset(name)?;
            if fits(&preset) {
                return Ok(Some(preset));
            }
        }
        let mut components = Vec::with_capacity(parts.len());
        for (name, keypoints) in &parts {
            let inferred = Skeleton::infer(keypoints.count, keypoints.channels)?;
            components.extend(inferred.components.into_iter().map(|c| Component { name: name.clone(), ..c }));
        }
        let count: usize = parts.iter().map(|(_, keypoints)| keypoints.count).sum();
        let skeleton = Skeleton { name: format!("custom_{count}"), components };
        skeleton.validate()?;
        Ok(Some(skeleton))
    }

    /// Lays the values out by the skeleton and makes them canonical.
    ///
    /// # Errors
    ///
    /// [`PoseError`] where the pose doesn't fit the skeleton or a value is infinite.
    pub fn resolve(mut self, skeleton: &Skeleton) -> Result<PoseData, PoseError> {
        if self.persons.len() > PoseData::MAX_PERSONS {
            return Err(PoseError::TooManyPersons { count: self.persons.len() });
        }
        let width = skeleton.values_per_person();
        let mut pose = PoseData { track_ids: Vec::with_capacity(self.persons.len()), values: Vec::new() };
        let persons = self.persons.len();
        for (place, person) in self.persons.iter_mut().enumerate() {
            pose.track_ids.push(person.id.unwrap_or(u32::try_from(place).unwrap_or(u32::MAX)));
            for component in &skeleton.components {
                let mut sent = person.components.iter_mut();
                match sent.find(|(name, k)| *name == component.name && k.count > 0) {
                    // What comes first stays in the memory into which it was read: mostly it is all there is.
                    Some((_, keypoints)) if pose.values.is_empty() && keypoints.is_laid_out(component) => {
                        pose.values = std::mem::take(&mut keypoints.values);
                        pose.values.reserve_exact((persons * width).saturating_sub(pose.values.len()));
                    }
                    Some((_, keypoints)) => keypoints.lay_out(component, skeleton, &mut pose.values)?,
                    None => pose.values.resize(pose.values.len() + component.values(), f32::NAN),
                }
            }
            let unknown = person.components.iter().find(|(name, k)| {
                k.count > 0 && !skeleton.components.iter().any(|component| component.name == *name)
            });
            if let Some((name, _)) = unknown {
                return Err(PoseError::UnknownComponent {
                    skeleton: skeleton.name.clone(),
                    component: name.clone(),
                });
            }
        }
        pose.canonicalise(skeleton)?;
        Ok(pose)
    }
}

impl Keypoints {
    fn fit(&self, component: &Component) -> bool {
        self.count == component.keypoints.len() && (self.by_name || self.channels == component.channels.len())
    }

    /// Returns whether the values are those of the component as they stand.
    fn is_laid_out(&self, component: &Component) -> bool {
        let names = || component.channels.iter().map(|channel| channel.name.as_str());
        self.fit(component) && (!self.by_name || names().eq(LANDMARK_CHANNELS))
    }

    fn lay_out(
        &self,
        component: &Component,
        skeleton: &Skeleton,
        values: &mut Vec<f32>,
    ) -> Result<(), PoseError> {
        if !self.fit(component) {
            return Err(PoseError::KeypointMismatch {
                skeleton: skeleton.name.clone(),
                expected: component.values(),
                got: self.values.len(),
            });
        }
        if !self.by_name {
            values.extend_from_slice(&self.values);
            return Ok(());
        }
        let places: Vec<Option<usize>> = component
            .channels
            .iter()
            .map(|channel| LANDMARK_CHANNELS.iter().position(|name| *name == channel.name))
            .collect();
        for keypoint in self.values.chunks_exact(LANDMARK_CHANNELS.len()) {
            values.extend(places.iter().map(|place| place.map_or(f32::NAN, |p| keypoint[p])));
        }
        Ok(())
    }

    fn push(&mut self, keypoint: &[f32]) -> Result<(), &'static str> {
        self.values.extend_from_slice(keypoint);
        self.count_one(keypoint.len())
    }

    /// Counts a keypoint of so many values, which stand at the end.
    fn count_one(&mut self, channels: usize) -> Result<(), &'static str> {
        if self.count == Skeleton::MAX_KEYPOINTS {
            return Err("more than 4096 keypoints");
        }
        if self.count > 0 && channels != self.channels {
            return Err("keypoints of one component have different numbers of values");
        }
        self.channels = channels;
        self.count += 1;
        Ok(())
    }
}

const LANDMARK_CHANNELS: [&str; 4] = ["x", "y", "z", "confidence"];

/// MediaPipe's `landmarks`: one list of landmarks for one person, a list of lists for several, an empty list for nobody.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Landmarks(Vec<Keypoints>);

impl<'de> Deserialize<'de> for SentPose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SentPoseVisitor)
    }
}

struct SentPoseVisitor;

impl<'de> Visitor<'de> for SentPoseVisitor {
    type Value = SentPose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `persons` or `landmarks`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SentPose, A::Error> {
        let mut sent = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "persons" => sent = Some(SentPose { persons: map.next_value_seed(PersonsSeed)? }),
                "landmarks" => sent = Some(SentPose::from_landmarks(map.next_value()?)),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        sent.ok_or_else(|| de::Error::custom("pose_data needs `persons` or `landmarks`"))
    }
}

/// Reads the persons, of too many only as many as show that they are: a few bytes can be a person who takes many.
struct PersonsSeed;

impl<'de> DeserializeSeed<'de> for PersonsSeed {
    type Value = Vec<SentPerson>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<SentPerson>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for PersonsSeed {
    type Value = Vec<SentPerson>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of persons")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<SentPerson>, A::Error> {
        let mut persons = Vec::new();
        while persons.len() <= PoseData::MAX_PERSONS {
            match seq.next_element()? {
                Some(person) => persons.push(person),
                None => return Ok(persons),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(persons)
    }
}

impl<'de> Deserialize<'de> for SentPerson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PersonVisitor;
        impl<'de> Visitor<'de> for PersonVisitor {
            type Value = SentPerson;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a person: an object with `id` and a list of keypoints per component")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SentPerson, A::Error> {
                let mut person = SentPerson::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "id" {
                        person.id = map.next_value()?;
                        continue;
                    }
                    if person.components.len() == Skeleton::MAX_COMPONENTS {
                        return Err(de::Error::custom("a person has more than 16 components"));
                    }
                    let keypoints = map.next_value_seed(KeypointsSeed)?;
                    person.components.push((key, keypoints));
                }
                Ok(person)
            }
        }
        deserializer.deserialize_map(PersonVisitor)
    }
}

/// Reads `[[x, y, ...], ...]` into one flat array.
struct KeypointsSeed;

impl<'de> DeserializeSeed<'de> for KeypointsSeed {
    type Value = Keypoints;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Keypoints, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for KeypointsSeed {
    type Value = Keypoints;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of keypoints, each a list of numbers or null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Keypoints, A::Error> {
        // Enough for a body's keypoints without growing.
        let mut keypoints = Keypoints { values: Vec::with_capacity(33 * 4), ..Keypoints::default() };
        while let Some(channels) = seq.next_element_seed(RowSeed(&mut keypoints.values))? {
            keypoints.count_one(channels).map_err(de::Error::custom)?;
        }
        Ok(keypoints)
    }
}

/// Reads one keypoint's numbers behind those before, and says how many there are.
struct RowSeed<'a>(&'a mut Vec<f32>);

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a keypoint: a list of numbers or null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut channels = 0;
        while let Some(value) = seq.next_element::<Option<f32>>()? {
            if channels == Skeleton::MAX_CHANNELS {
                return Err(de::Error::custom("a keypoint has more than 16 values"));
            }
            self.0.push(value.unwrap_or(f32::NAN));
            channels += 1;
        }
        Ok(channels)
    }
}

impl<'de> Deserialize<'de> for Landmarks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LandmarksVisitor;
        impl<'de> Visitor<'de> for LandmarksVisitor {
            type Value = Landmarks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of landmarks {x, y, z, visibility}, or a list of such lists")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Landmarks, A::Error> {
                let mut persons = Vec::new();
                let mut single = Keypoints { by_name: true, ..Keypoints::default() };
                while let Some(entry) = seq.next_element::<LandmarkEntry>()? {
                    match entry {
                        LandmarkEntry::Landmark(values) => single.push(&values).map_err(de::Error::custom)?,
                        LandmarkEntry::Person(person) if persons.len() <= PoseData::MAX_PERSONS => {
                            persons.push(person);
                        }
                        LandmarkEntry::Person(_) => return Err(de::Error::custom("more than 64 persons")),
                    }
                }
                if single.count > 0 && !persons.is_empty() {
                    return Err(de::Error::custom("landmarks mix points and persons"));
                }
                if single.count > 0 {
                    persons.push(single);
                }
                Ok(Landmarks(persons))
            }
        }
        deserializer.deserialize_seq(LandmarksVisitor)
    }
}

enum LandmarkEntry {
    Landmark([f32; 4]),
    Person(Keypoints),
}

#[derive(Deserialize)]
struct Landmark {
    x: Option<f32>,
    y: Option<f32>,
    z: Option<f32>,
    #[serde(alias = "confidence")]
    visibility: Option<f32>,
}

impl<'de> Deserialize<'de> for LandmarkEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = LandmarkEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a landmark {x, y, z, visibility}, or a list of landmarks")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LandmarkEntry, A::Error> {
                let point = Landmark::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let values = [point.x, point.y, point.z, point.visibility];
                Ok(LandmarkEntry::Landmark(values.map(|v| v.unwrap_or(f32::NAN))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LandmarkEntry, A::Error> {
                let mut person = Keypoints { by_name: true, ..Keypoints::default() };
                while let Some(point) = seq.next_element::<Landmark>()? {
                    let values = [point.x, point.y, point.z, point.visibility];
                    person.push(&values.map(|v| v.unwrap_or(f32::NAN))).map_err(de::Error::custom)?;
                }
                Ok(LandmarkEntry::Person(person))
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> SentPose {
        serde_json::from_str(json).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_is_read_back_is_the_same_f32(bits in proptest::collection::vec(any::<u32>(), 12)) {
            let skeleton = Skeleton::infer(3, 4).unwrap();
            let mut pose = PoseData::one_person(bits.into_iter().map(f32::from_bits).collect());
            prop_assume!(pose.canonicalise(&skeleton).is_ok());
            let json = serde_json::to_string(&PoseJson::new(&pose, &skeleton)).unwrap();
            prop_assert_eq!(read(&json).resolve(&skeleton).unwrap(), pose);
        }
    }

    #[test]
    fn mediapipe_landmarks_are_read_in_both_shapes() {
        let point = r#"{"x":0.5,"y":0.25,"z":-0.125,"visibility":0.75,"presence":1.0}"#;
        let one = format!("[{}]", vec![point; 33].join(","));
        let skeleton = Skeleton::preset("mediapipe_33").unwrap();
        for json in [format!(r#"{{"landmarks":{one}}}"#), format!(r#"{{"landmarks":[{one}]}}"#)] {
            let sent = read(&json);
            assert_eq!(sent.infer_skeleton().unwrap().unwrap(), skeleton);
            assert_eq!(sent.resolve(&skeleton).unwrap().values[..4], [0.5, 0.25, -0.125, 0.75]);
        }
        let two = read(&format!(r#"{{"landmarks":[{one},{one}]}}"#)).resolve(&skeleton).unwrap();
        assert_eq!(two.track_ids, [0, 1]);
        assert_eq!(read(r#"{"landmarks":[]}"#).resolve(&skeleton).unwrap(), PoseData::nobody());
    }

    #[test]
    fn landmarks_fill_the_channels_that_the_skeleton_has() {
        let sent = read(r#"{"landmarks":[{"x":1,"y":2,"z":3,"visibility":4}]}"#);
        let skeleton = Skeleton::infer(1, 3).unwrap();
        assert_eq!(sent.resolve(&skeleton).unwrap().values, [1.0, 2.0, 4.0]);
    }

    #[test]
    fn of_too_many_persons_few_are_kept() {
        let sent = read(&format!(r#"{{"persons": [{}{{}}]}}"#, r#"{"pose": []},"#.repeat(100_000)));
        assert_eq!(sent.persons.len(), PoseData::MAX_PERSONS + 1);
        let refused = sent.resolve(&Skeleton::preset("coco_17").unwrap()).unwrap_err();
        assert!(matches!(refused, PoseError::TooManyPersons { .. }), "{refused}");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let skeleton = Skeleton::infer(1, 2).unwrap();
        let refuse = |json: &str| read(json).resolve(&skeleton).unwrap_err();
        assert!(matches!(
            refuse(r#"{"persons":[{"pose":[[1,2],[3,4]]}]}"#),
            PoseError::KeypointMismatch { expected: 2, got: 4, .. }
        ));
        assert!(matches!(refuse(r#"{"persons":[{"tail":[[1,2]]}]}"#), PoseError::UnknownComponent { .. }));
        let ragged = serde_json::from_str::<SentPose>(r#"{"persons":[{"pose":[[1,2],[3]]}]}"#);
        assert!(ragged.unwrap_err().to_string().contains("different numbers of values"));
    }

    #[test]
    fn a_number_beyond_f32_is_never_stored_as_infinity() {
        let skeleton = Skeleton::infer(1, 2).unwrap();
        for json in [r#"{"persons":[{"pose":[[1e39,2]]}]}"#, r#"{"persons":[{"pose":[[1e999,2]]}]}"#] {
            let refused = serde_json::from_str::<SentPose>(json).map(|sent| sent.resolve(&skeleton));
            assert!(matches!(refused, Err(_) | Ok(Err(PoseError::NonFinite))), "{refused:?}");
        }
    }

    #[test]
    fn components_that_are_not_there_are_missing_values() {
        let skeleton = Skeleton::preset("mediapipe_holistic_543").unwrap();
        let hand = vec!["[0.5,0.5,0.5,1]"; 21].join(",");
        let pose = read(&format!(r#"{{"persons":[{{"id":7,"left_hand":[{hand}]}}]}}"#));
        let pose = pose.resolve(&skeleton).unwrap();
        assert_eq!(pose.track_ids, [7]);
        assert!(pose.values[..132].iter().all(|v| v.is_nan()));
        assert_eq!(pose.values[132], 0.5);
    }
}
