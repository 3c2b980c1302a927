//! A frame as JSON and back, as MediaPipe's users keep it: an object a keypoint, numbers as Python and JavaScript write them.

use std::io::Write as _;

use posesession::core::Skeleton;
use serde::Deserialize;

use crate::Outcome;

#[derive(Deserialize)]
struct Landmark {
    x: f32,
    y: f32,
    z: f32,
    visibility: Option<f32>,
}

#[derive(Deserialize)]
struct Pose {
    #[serde(alias = "pose")]
    landmarks: Option<Vec<Landmark>>,
    left_hand: Option<Vec<Landmark>>,
    right_hand: Option<Vec<Landmark>>,
    face: Option<Vec<Landmark>>,
}

/// Writes `pose_data`: `{"landmarks": [{"x", "y", "z", "visibility"}, ...]}`, or for a holistic one a list for each component,
/// `null` where nothing was found. The numbers are the shortest that read back as the same `f64`: Python and JavaScript have no
/// `f32`.
pub fn to_json(skeleton: &Skeleton, values: &[f32]) -> String {
    let mut text = Vec::with_capacity(values.len() * 32);
    let single = skeleton.components.len() == 1;
    let mut start = 0;
    for (index, component) in skeleton.components.iter().enumerate() {
        let name = if single { "landmarks" } else { component.name.as_str() };
        text.push(if index == 0 { b'{' } else { b',' });
        write!(text, "\"{name}\":").expect("memory takes it");
        let end = start + component.keypoints.len() * component.channels.len();
        let keypoints = &values[start..end];
        start = end;
        if keypoints.iter().all(|value| value.is_nan()) {
            text.extend(b"null");
            continue;
        }
        for (place, keypoint) in keypoints.as_chunks::<4>().0.iter().enumerate() {
            text.extend(if place == 0 { b"[{" } else { b",{" });
            for (field, value) in ["\"x\":", ",\"y\":", ",\"z\":", ",\"visibility\":"].iter().zip(keypoint) {
                text.extend(field.as_bytes());
                serde_json::to_writer(&mut text, &f64::from(*value)).expect("memory takes it");
            }
            text.push(b'}');
        }
        text.push(b']');
    }
    text.push(b'}');
    String::from_utf8(text).expect("it was written as text")
}

/// Reads what [`to_json`] wrote.
pub fn from_json(text: &[u8], values: &mut [f32]) -> Outcome<()> {
    let pose: Pose = serde_json::from_slice(text)?;
    let counts = if values.len() == 33 * 4 { vec![33] } else { vec![33, 21, 21, 468] };
    let mut rest = values;
    let components = [pose.landmarks, pose.left_hand, pose.right_hand, pose.face];
    for (component, count) in components.into_iter().zip(counts) {
        let (into, behind) = rest.split_at_mut(count * 4);
        rest = behind;
        let Some(landmarks) = component else {
            into.fill(f32::NAN);
            continue;
        };
        for (into, landmark) in into.as_chunks_mut::<4>().0.iter_mut().zip(landmarks) {
            *into = [landmark.x, landmark.y, landmark.z, landmark.visibility.unwrap_or(f32::NAN)];
        }
    }
    Ok(())
}
