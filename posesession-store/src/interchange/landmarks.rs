//! Landmarks as other programs write them. JSON in, `[person][keypoint][x, y, z, confidence]` out.

use std::fmt;

use posesession_core::{PoseData, Skeleton};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// x, y, z, confidence; NaN where missing.
type Point = [f32; 4];

/// The persons of one frame, each a list of landmarks: objects `{x, y, z, visibility}` or lists of 2 to 4 numbers, in a
/// list or in `{"landmark": [...]}`; of one person or in a list of persons; `null` for nobody.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Persons(pub(super) Vec<Vec<Point>>);

/// What a list may hold.
enum Item {
    Number(f32),
    Point(Point),
    List(Vec<Item>),
}

impl<'de> Deserialize<'de> for Persons {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let persons = match Item::deserialize(deserializer)? {
            Item::Number(missing) if missing.is_nan() => Ok(Vec::new()),
            Item::List(items) => persons(items),
            Item::Number(_) | Item::Point(_) => Err("this is no list of landmarks"),
        };
        persons.map(Persons).map_err(de::Error::custom)
    }
}

fn persons(items: Vec<Item>) -> Result<Vec<Vec<Point>>, &'static str> {
    let is_person = |item: &Item| match item {
        Item::List(items) => !items.iter().any(|item| matches!(item, Item::Number(_))),
        _ => false,
    };
    let mut persons = if items.iter().all(is_person) {
        items.into_iter().map(points).collect::<Result<Vec<_>, _>>()?
    } else {
        vec![points(Item::List(items))?]
    };
    persons.retain(|person| !person.is_empty());
    Ok(persons)
}

fn points(person: Item) -> Result<Vec<Point>, &'static str> {
    let Item::List(items) = person else { return Err("a person is a list of landmarks") };
    let point = |item| match item {
        Item::Point(point) => Ok(point),
        Item::List(numbers) => {
            let mut point = [f32::NAN; 4];
            if !(2..=4).contains(&numbers.len()) {
                return Err("a landmark as a list has 2 to 4 numbers: x, y, z, visibility");
            }
            for (to, number) in point.iter_mut().zip(numbers) {
                let Item::Number(number) = number else {
                    return Err("a landmark's numbers are numbers or null");
                };
                *to = number;
            }
            Ok(point)
        }
        Item::Number(_) => Err("a landmark is {x, y, z, visibility} or a list of 2 to 4 numbers"),
    };
    items.into_iter().map(point).collect()
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("landmarks: objects {x, y, z, visibility} or lists of numbers, for one person or in a list of persons")
    }

    #[expect(clippy::cast_possible_truncation, reason = "values are kept as f32")]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Item, E> {
        Ok(Item::Number(value as f32))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Item, E> {
        Ok(Item::Number(value as f32))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Item, E> {
        Ok(Item::Number(value as f32))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Item, E> {
        Ok(Item::Number(f32::NAN))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Item, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Item::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let (mut point, mut has_x) = ([f32::NAN; 4], false);
        let mut list = None;
        while let Some(key) = map.next_key::<String>()? {
            let place = match key.as_str() {
                "x" => 0,
                "y" => 1,
                "z" => 2,
                "visibility" | "confidence" => 3,
                "landmark" | "landmarks" => {
                    list = Some(map.next_value()?);
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            has_x |= place == 0;
            point[place] = map.next_value::<Option<f32>>()?.unwrap_or(f32::NAN);
        }
        match list {
            Some(list) => Ok(list),
            None if has_x => Ok(Item::Point(point)),
            None => Err(de::Error::custom("a landmark has at least `x` and `y`")),
        }
    }
}

/// Returns the skeleton that landmarks fit, or nothing if nobody is seen.
pub(super) fn infer(pose: &Persons, world: &Persons) -> Result<Option<Skeleton>, String> {
    let name = |error: posesession_core::SkeletonError| error.to_string();
    if world.0.is_empty() {
        return pose.0.first().map(|person| Skeleton::infer(person.len(), 4)).transpose().map_err(name);
    }
    Skeleton::preset("mediapipe_33_world").map(Some).map_err(name)
}

/// Lays landmarks out by the skeleton: the pose's in its first component, those in metres in the component `world`.
pub(super) fn lay_out(pose: &Persons, world: &Persons, skeleton: &Skeleton) -> Result<PoseData, String> {
    let persons = pose.0.len().max(world.0.len());
    let world_place = skeleton.components.iter().position(|component| component.name == "world");
    if !world.0.is_empty() && world_place.is_none() {
        return Err(format!("the skeleton `{}` has no component `world`", skeleton.name));
    }
    let mut data = PoseData::nobody();
    for person in 0..persons {
        data.track_ids.push(u32::try_from(person).unwrap_or(u32::MAX));
        for (place, component) in skeleton.components.iter().enumerate() {
            let points = match place {
                _ if Some(place) == world_place => world.0.get(person),
                0 => pose.0.get(person),
                _ => None,
            };
            let Some(points) = points else {
                data.values.resize(data.values.len() + component.values(), f32::NAN);
                continue;
            };
            if points.len() != component.keypoints.len() {
                return Err(format!(
                    "the person has {} landmarks where the component `{}` has {}",
                    points.len(),
                    component.name,
                    component.keypoints.len()
                ));
            }
            for point in points {
                data.values.extend(component.channels.iter().map(|channel| match channel.name.as_str() {
                    "x" => point[0],
                    "y" => point[1],
                    "z" => point[2],
                    "confidence" => point[3],
                    _ => f32::NAN,
                }));
            }
        }
    }
    data.canonicalise(skeleton).map_err(|error| error.to_string())?;
    Ok(data)
}
