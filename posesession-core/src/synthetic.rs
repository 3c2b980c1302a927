//! A moving synthetic body, for documentation, tests, benches and demos. Frame numbers in, frames out.

use std::f64::consts::TAU;

use crate::pose::PoseData;
use crate::skeleton::{Component, Skeleton, Unit};
use crate::time::Timestamp;

/// A body that squats and sways, with noise like that of a pose model, on any skeleton.
///
/// Everything is a function of the frame number, so that frames can be asked for in any order and again. Values have
/// the full precision of `f32`, as a model's do; confidence is close to 1. Keypoints are placed by their names, those
/// without a known name are spread over the body. Until told otherwise there is one person, seen in every frame.
///
/// # Examples
///
/// ```
/// use posesession_core::{Skeleton, SyntheticPose};
///
/// let skeleton = Skeleton::preset("mediapipe_33")?;
/// let source = SyntheticPose::new(&skeleton, 30.0);
/// let (timestamp, pose) = source.frame(3);
/// assert_eq!(timestamp.as_secs_f64(), 0.1);
/// assert_eq!(pose.values.len(), 33 * 4);
/// # Ok::<(), posesession_core::SkeletonError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SyntheticPose {
    keypoints: Vec<Keypoint>,
    fps: f64,
    persons: u16,
    missing_every: Option<u64>,
}

/// A keypoint's two extremes, between which the squat moves it, and what its numbers mean.
#[derive(Debug, Clone)]
struct Keypoint {
    standing: [f64; 3],
    squatting: [f64; 3],
    channels: Vec<(Meaning, Unit)>,
}

#[derive(Debug, Clone, Copy)]
enum Meaning {
    X,
    Y,
    Z,
    Confidence,
    Other,
}

/// The picture that pixels are counted in.
const WIDTH_PX: f64 = 640.0;
const HEIGHT_PX: f64 = 480.0;
/// How many metres the height of the picture is, where the body stands.
const METRES_PER_HEIGHT: f64 = 2.2;
const FLOOR: f64 = 0.93;
const SQUAT_SECS: f64 = 3.2;
const SWAY_SECS: f64 = 7.3;

impl SyntheticPose {
    /// Starts a source of one person on `skeleton` at `fps` frames a second.
    ///
    /// `fps` is clamped to 0.001..=10,000; NaN counts as 30.
    #[must_use]
    pub fn new(skeleton: &Skeleton, fps: f64) -> Self {
        let fps = if fps.is_nan() { 30.0 } else { fps.clamp(1e-3, 1e4) };
        let keypoints = skeleton.components.iter().flat_map(keypoints_of).collect();
        Self { keypoints, fps, persons: 1, missing_every: None }
    }

    /// Shows `persons` persons side by side, with track ids from 0; at most [`PoseData::MAX_PERSONS`].
    #[must_use]
    pub fn with_persons(mut self, persons: u16) -> Self {
        self.persons = persons.min(64);
        self
    }

    /// Ends every run of `frames` frames with a spell of a tenth of them (at least one) in which nobody is seen; in a
    /// spell of the same length before it, every second keypoint is missing (NaN). 0 means never.
    #[must_use]
    pub fn with_missing_every(mut self, frames: u64) -> Self {
        self.missing_every = (frames > 0).then_some(frames);
        self
    }

    /// Returns the frame `n`: its timestamp, `n / fps` rounded to the microsecond, and who is seen.
    #[must_use]
    pub fn frame(&self, n: u64) -> (Timestamp, PoseData) {
        let secs = n as f64 / self.fps;
        let timestamp = Timestamp::from_secs_f64(secs).unwrap_or(Timestamp::MAX);
        let (nobody, partly) = self.missing_every.map_or((false, false), |every| {
            let (spell, left) = ((every / 10).max(1), every - n % every);
            (left <= spell, left <= 2 * spell)
        });
        if nobody {
            return (timestamp, PoseData::nobody());
        }
        let mut values = Vec::new();
        for person in 0..self.persons {
            let body = Body::at(secs, person, self.persons);
            for (index, keypoint) in self.keypoints.iter().enumerate() {
                let missing = partly && index % 2 == 1;
                body.write(keypoint, missing, seed(n, person, index), &mut values);
            }
        }
        (timestamp, PoseData { track_ids: (0..u32::from(self.persons)).collect(), values })
    }
}

/// How one person stands at one moment.
struct Body {
    /// 0 upright, 1 at the deepest point.
    depth: f64,
    centre: f64,
    scale: f64,
}

impl Body {
    fn at(secs: f64, person: u16, persons: u16) -> Self {
        let phase = f64::from(person) * 0.37;
        let squat = (secs / SQUAT_SECS + phase) * TAU;
        let sway = ((secs / SWAY_SECS + phase) * TAU).sin();
        let scale = 1.0 / f64::from(persons.max(1)).sqrt();
        let centre = (f64::from(person) + 1.0) / (f64::from(persons) + 1.0) + 0.015 * sway * scale;
        Self { depth: (1.0 - squat.cos()) / 2.0, centre, scale }
    }

    fn write(&self, keypoint: &Keypoint, missing: bool, seed: u64, values: &mut Vec<f32>) {
        let [x, y, z] = std::array::from_fn(|axis| {
            keypoint.standing[axis] + (keypoint.squatting[axis] - keypoint.standing[axis]) * self.depth
        });
        for (channel, &(meaning, unit)) in keypoint.channels.iter().enumerate() {
            let noise = noise(seed, channel as u64);
            let value = match meaning {
                Meaning::X if matches!(unit, Unit::Metres) => {
                    x * METRES_PER_HEIGHT * WIDTH_PX / HEIGHT_PX + 0.002 * noise
                }
                Meaning::Y if matches!(unit, Unit::Metres) => {
                    (y - hip_height(self.depth)) * METRES_PER_HEIGHT + 0.002 * noise
                }
                Meaning::Z if matches!(unit, Unit::Metres) => z * METRES_PER_HEIGHT + 0.006 * noise,
                Meaning::X => (self.centre + x * self.scale + 0.0008 * noise) * width(unit),
                Meaning::Y => (FLOOR - (FLOOR - y) * self.scale + 0.0008 * noise) * height(unit),
                Meaning::Z => (z * self.scale + 0.004 * noise) * width(unit),
                Meaning::Confidence => 0.9985 + 0.001 * noise - 0.01 * self.depth,
                Meaning::Other => 0.5 + 0.4 * (self.depth - 0.5) + 0.001 * noise,
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the values are near 1; f32 is what poses hold"
            )]
            values.push(if missing { f32::NAN } else { value as f32 });
        }
    }
}

fn width(unit: Unit) -> f64 {
    if matches!(unit, Unit::Pixels) { WIDTH_PX } else { 1.0 }
}

fn height(unit: Unit) -> f64 {
    if matches!(unit, Unit::Pixels) { HEIGHT_PX } else { 1.0 }
}

fn hip_height(depth: f64) -> f64 {
    0.55 + 0.15 * depth
}

fn keypoints_of(component: &Component) -> impl Iterator<Item = Keypoint> + '_ {
    let count = component.keypoints.len();
    let channels: Vec<_> = component.channels.iter().map(|c| (meaning(&c.name), c.unit)).collect();
    component.keypoints.iter().enumerate().map(move |(index, name)| {
        let [standing, squatting] =
            place(&component.name, name).unwrap_or_else(|| spread(&component.name, index, count));
        Keypoint { standing, squatting, channels: channels.clone() }
    })
}

fn meaning(channel: &str) -> Meaning {
    match channel {
        "x" => Meaning::X,
        "y" => Meaning::Y,
        "z" => Meaning::Z,
        "confidence" => Meaning::Confidence,
        _ => Meaning::Other,
    }
}

/// The body's points by name, standing and squatting: x to the body's left, y down, z away from the camera, as parts
/// of the picture. Where a name has both (`foot_index`, `index`), the longer stands first.
const BODY: &[(&str, [f64; 3], [f64; 3])] = &[
    ("nose", [0.0, 0.200, -0.12], [0.0, 0.385, -0.22]),
    ("eye_inner", [0.010, 0.185, -0.11], [0.010, 0.370, -0.21]),
    ("eye_outer", [0.026, 0.185, -0.10], [0.026, 0.370, -0.20]),
    ("eye", [0.018, 0.184, -0.11], [0.018, 0.369, -0.21]),
    ("ear", [0.038, 0.195, -0.02], [0.038, 0.375, -0.12]),
    ("mouth", [0.013, 0.222, -0.10], [0.013, 0.407, -0.20]),
    ("shoulder", [0.085, 0.310, -0.03], [0.088, 0.480, -0.12]),
    ("elbow", [0.115, 0.430, 0.00], [0.120, 0.500, -0.30]),
    ("wrist", [0.125, 0.540, -0.05], [0.110, 0.470, -0.50]),
    ("foot_index", [0.068, 0.935, -0.04], [0.070, 0.935, -0.04]),
    ("big_toe", [0.068, 0.935, -0.04], [0.070, 0.935, -0.04]),
    ("small_toe", [0.080, 0.930, -0.03], [0.082, 0.930, -0.03]),
    ("hip", [0.050, 0.550, 0.00], [0.055, 0.700, 0.10]),
    ("knee", [0.055, 0.720, -0.02], [0.095, 0.730, -0.28]),
    ("ankle", [0.055, 0.890, 0.08], [0.060, 0.890, 0.05]),
    ("heel", [0.052, 0.910, 0.09], [0.055, 0.910, 0.06]),
    ("head", [0.0, 0.130, -0.05], [0.0, 0.315, -0.15]),
    ("neck", [0.0, 0.295, -0.04], [0.0, 0.465, -0.13]),
];

const FINGERS: &[&str] = &["thumb", "index", "middle", "ring", "pinky"];
const FINGER_JOINTS: &[&str] = &["cmc", "mcp", "pip", "dip", "tip"];

/// Returns where a keypoint of a known name is, standing and squatting.
fn place(component: &str, name: &str) -> Option<[[f64; 3]; 2]> {
    let hand = component.contains("hand") || name.contains("hand");
    let side = match (component, name) {
        (c, n) if c.contains("right") || n.contains("right") => -1.0,
        (c, n) if c.contains("left") || n.contains("left") || hand => 1.0,
        _ => 0.0,
    };
    let on_side = |[x, y, z]: [f64; 3]| [x * side, y, z];
    let body = BODY.iter().find(|(part, ..)| name.contains(part));
    if let Some(&(_, standing, squatting)) = body {
        return Some([on_side(standing), on_side(squatting)]);
    }
    let finger = FINGERS.iter().position(|finger| name.contains(finger))?;
    let joint = FINGER_JOINTS.iter().position(|joint| name.ends_with(joint)).unwrap_or(2);
    let (_, standing, squatting) = BODY.iter().find(|(part, ..)| *part == "wrist")?;
    let (across, along) = (finger as f64 - 2.0, (joint as f64 + 1.0) * 0.012);
    let down = [standing[0] + across * 0.005, standing[1] + along, standing[2] - 0.03];
    let forward = [squatting[0] + across * 0.005, squatting[1] - along, squatting[2] - 0.06];
    Some([on_side(down), on_side(forward)])
}

/// Spreads keypoints without a known name evenly over an ellipse: the face's over the face, others over the trunk.
fn spread(component: &str, index: usize, count: usize) -> [[f64; 3]; 2] {
    let radius = ((index as f64 + 0.5) / count.max(1) as f64).sqrt();
    let (sin, cos) = (index as f64 * 2.399_963).sin_cos();
    let ([x, y], [width, height], drop) = if component.contains("face") {
        ([0.0, 0.20], [0.04, 0.06], 0.185)
    } else {
        ([0.0, 0.43], [0.08, 0.14], 0.16)
    };
    let standing = [x + width * radius * cos, y + height * radius * sin, -0.1 * (1.0 - radius)];
    [standing, [standing[0], standing[1] + drop, standing[2] - 0.1]]
}

fn seed(n: u64, person: u16, keypoint: usize) -> u64 {
    mix(n ^ mix(u64::from(person) << 32 | keypoint as u64))
}

/// Returns noise from -1 to 1, most of it near 0.
fn noise(seed: u64, channel: u64) -> f64 {
    let bits = mix(seed ^ mix(channel.wrapping_add(0x9e37_79b9)));
    let (a, b) = (bits >> 32, bits & 0xffff_ffff);
    (a as f64 + b as f64) / f64::from(u32::MAX) - 1.0
}

/// Mixes the bits of `x` (the finaliser of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_gets_poses_that_are_accepted_as_they_are() {
        for name in Skeleton::preset_names() {
            let skeleton = Skeleton::preset(name).unwrap();
            let source = SyntheticPose::new(&skeleton, 30.0).with_persons(3);
            for n in 0..50 {
                let (_, pose) = source.frame(n);
                let mut canonical = pose.clone();
                canonical.canonicalise(&skeleton).unwrap();
                assert_eq!(pose, canonical, "{name}");
                assert_eq!(pose, source.frame(n).1, "the same number gives the same frame");
            }
        }
    }

    #[test]
    fn the_body_looks_like_one_and_stays_in_the_picture() {
        let skeleton = Skeleton::preset("mediapipe_33").unwrap();
        let names = &skeleton.components[0].keypoints;
        let source = SyntheticPose::new(&skeleton, 30.0);
        for n in 0..300 {
            let (_, pose) = source.frame(n);
            let y = |name| pose.values[names.iter().position(|k| k == name).unwrap() * 4 + 1];
            let x = |name| pose.values[names.iter().position(|k| k == name).unwrap() * 4];
            assert!(y("nose") < y("left_shoulder") && y("left_shoulder") < y("left_hip"));
            assert!(y("left_hip") < y("left_knee") && y("left_knee") < y("left_ankle"));
            assert!(x("right_shoulder") < x("nose") && x("nose") < x("left_shoulder"));
            for keypoint in pose.values.chunks(4) {
                assert!((0.0..=1.0).contains(&keypoint[0]) && (0.0..=1.0).contains(&keypoint[1]));
                assert!(keypoint[3] > 0.98 && keypoint[3] <= 1.0);
            }
        }
    }

    #[test]
    fn timestamps_increase_and_do_not_drift() {
        let skeleton = Skeleton::preset("coco_17").unwrap();
        let source = SyntheticPose::new(&skeleton, 30.0);
        assert!((0..1000).all(|n| source.frame(n).0 < source.frame(n + 1).0));
        assert_eq!(source.frame(30 * 3600).0, Timestamp::from_micros(3_600_000_000));
    }

    #[test]
    fn spells_without_anybody_come_as_asked() {
        let skeleton = Skeleton::preset("coco_17").unwrap();
        let source = SyntheticPose::new(&skeleton, 30.0).with_missing_every(20);
        let persons: Vec<usize> = (0..40).map(|n| source.frame(n).1.person_count()).collect();
        assert_eq!(persons.iter().filter(|&&p| p == 0).count(), 4);
        assert_eq!(persons[18..20], [0, 0]);
        let missing = |n| source.frame(n).1.values.iter().filter(|v| v.is_nan()).count();
        assert_eq!((missing(15), missing(16)), (0, 8 * 3));
    }
}
