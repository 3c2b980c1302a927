//! Joint angles. A skeleton in, the joints that it has out; one person's values in, degrees out.

mod envelope;

use crate::skeleton::{Component, Skeleton, Unit};

pub use envelope::{AngleEnvelope, AngleRange};

/// The joints, each with the keypoints whose angle at the middle one is meant. Models call the tip of the foot by
/// different names.
const JOINTS: [(&str, [&[&str]; 3]); 5] = [
    ("elbow", [&["shoulder"], &["elbow"], &["wrist"]]),
    ("shoulder", [&["elbow"], &["shoulder"], &["hip"]]),
    ("hip", [&["shoulder"], &["hip"], &["knee"]]),
    ("knee", [&["hip"], &["knee"], &["ankle"]]),
    ("ankle", [&["knee"], &["ankle"], &["foot_index", "big_toe"]]),
];

/// The angle of one joint of a skeleton.
///
/// It is the interior angle at a joint's keypoint between the keypoints of its two limbs: a straight knee has 180°, a
/// bent one less. It is measured in space where a component of the skeleton has the three keypoints in metres (x, y and
/// z), else in the picture: there, a limb that points at the camera looks shorter, and its angles are those of its image.
/// Confidence is not considered.
///
/// # Units
///
/// Degrees, 0 to 180.
///
/// # Examples
///
/// ```
/// use posesession_core::{JointAngle, Skeleton, SyntheticPose};
///
/// let skeleton = Skeleton::preset("mediapipe_33")?;
/// let knee = JointAngle::find("left_knee", &skeleton).expect("it has knees");
/// let (_, standing) = SyntheticPose::new(&skeleton, 30.0).frame(0);
/// let degrees = knee.degrees(standing.person(0, &skeleton.layout()), 4.0 / 3.0).expect("it is seen");
/// assert!((170.0..=180.0).contains(&degrees));
/// # Ok::<(), posesession_core::SkeletonError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JointAngle {
    name: String,
    /// Where the three keypoints start among a person's values, the joint in the middle.
    keypoints: [usize; 3],
    axes: Axes,
}

/// Which channels of a keypoint say where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axes {
    x: usize,
    y: usize,
    z: Option<usize>,
    /// Whether x counts in widths of the picture and y in its heights.
    is_normalised: bool,
}

impl JointAngle {
    /// Returns every joint that a skeleton has the keypoints of: elbows, shoulders, hips, knees and ankles, the left one
    /// of each before the right one.
    #[must_use]
    pub fn all_of(skeleton: &Skeleton) -> Vec<Self> {
        let sided = JOINTS.iter().flat_map(|joint| ["left_", "right_"].map(|side| (side, joint)));
        sided.filter_map(|(side, (name, corners))| Self::in_skeleton(side, name, corners, skeleton)).collect()
    }

    /// Returns the joint called `name`, such as `left_knee`, if the skeleton has its keypoints.
    #[must_use]
    pub fn find(name: &str, skeleton: &Skeleton) -> Option<Self> {
        Self::all_of(skeleton).into_iter().find(|joint| joint.name == name)
    }

    fn in_skeleton(side: &str, name: &str, corners: &[&[&str]; 3], skeleton: &Skeleton) -> Option<Self> {
        let found = skeleton.components.iter().enumerate().filter_map(|(index, component)| {
            let axes = Axes::of(component)?;
            let start = skeleton.component_range(index)?.start;
            let place = |names: &&[&str]| {
                let of_side =
                    |keypoint: &String| keypoint.strip_prefix(side).is_some_and(|k| names.contains(&k));
                let keypoint = component.keypoints.iter().position(of_side)?;
                Some(start + keypoint * component.channels.len())
            };
            let [a, b, c] = corners.each_ref().map(place);
            Some(Self { name: format!("{side}{name}"), keypoints: [a?, b?, c?], axes })
        });
        // Of several equally good ones, the first.
        found.min_by_key(|joint| joint.axes.z.is_none())
    }

    /// Returns the joint's name: its side and what it is, such as `left_knee`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the angle is measured in space, not in the picture.
    #[must_use]
    pub fn is_spatial(&self) -> bool {
        self.axes.z.is_some()
    }

    /// Returns the angle of one person, whose values stand as the skeleton says, or nothing where one of the keypoints is
    /// missing or two of them are at one place.
    ///
    /// `aspect` is the picture's width divided by its height; it counts only where coordinates are parts of the picture.
    #[must_use]
    pub fn degrees(&self, values: &[f32], aspect: f64) -> Option<f64> {
        let width = if self.axes.is_normalised { aspect } else { 1.0 };
        let at = |keypoint: usize, channel: usize| values.get(keypoint + channel).copied().map(f64::from);
        let point = |keypoint| {
            let z = self.axes.z.map_or(Some(0.0), |channel| at(keypoint, channel))?;
            Some([at(keypoint, self.axes.x)? * width, at(keypoint, self.axes.y)?, z])
        };
        let [a, b, c] = self.keypoints.map(point);
        angle(a?, b?, c?)
    }
}

impl Axes {
    /// Finds the axes of a component: x and y in one unit, and z where all three are in metres. A model's z in the picture
    /// is a guess on a scale of its own.
    fn of(component: &Component) -> Option<Self> {
        let channel = |name| {
            let place = component.channels.iter().position(|channel| channel.name == name)?;
            Some((place, component.channels[place].unit))
        };
        let (x, unit) = channel("x")?;
        let (y, _) = channel("y").filter(|&(_, of_y)| of_y == unit)?;
        let z = channel("z").filter(|&(_, of_z)| of_z == unit && unit == Unit::Metres);
        Some(Self { x, y, z: z.map(|(place, _)| place), is_normalised: unit == Unit::Image })
    }
}

/// Returns the angle at `b` between `a` and `c`, in degrees. By its tangent: the cosine says little of angles near 0° and
/// 180°, where a straight limb has them.
fn angle(a: [f64; 3], b: [f64; 3], c: [f64; 3]) -> Option<f64> {
    let [u, v] = [a, c].map(|end| [end[0] - b[0], end[1] - b[1], end[2] - b[2]]);
    let cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    let dot = |u: [f64; 3], v: [f64; 3]| u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    let has_limbs = dot(u, u) > 0.0 && dot(v, v) > 0.0;
    let degrees = dot(cross, cross).sqrt().atan2(dot(u, v)).to_degrees();
    (has_limbs && degrees.is_finite()).then_some(degrees)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skeleton::Channel;
    use proptest::prelude::*;

    fn names(preset: &str) -> Vec<String> {
        let joints = JointAngle::all_of(&Skeleton::preset(preset).unwrap());
        joints.iter().map(|joint| joint.name().to_owned()).collect()
    }

    /// A skeleton of one left leg, in each of the given channel sets.
    fn legs(components: &[&[(&str, Unit)]]) -> Skeleton {
        let component = |(index, channels): (usize, &&[(&str, Unit)])| Component {
            name: format!("leg_{index}"),
            keypoints: ["left_hip", "left_knee", "left_ankle"].map(str::to_owned).to_vec(),
            edges: Vec::new(),
            mirrored: Vec::new(),
            channels: channels.iter().map(|&(name, unit)| Channel { name: name.to_owned(), unit }).collect(),
        };
        let components = components.iter().enumerate().map(component).collect();
        Skeleton { name: "legs".to_owned(), components }
    }

    const PIXELS: &[(&str, Unit)] = &[("x", Unit::Pixels), ("y", Unit::Pixels)];
    const IMAGE: &[(&str, Unit)] =
        &[("x", Unit::Image), ("y", Unit::Image), ("z", Unit::Image), ("confidence", Unit::Ratio)];
    const METRES: &[(&str, Unit)] =
        &[("confidence", Unit::Ratio), ("z", Unit::Metres), ("y", Unit::Metres), ("x", Unit::Metres)];

    fn knee(components: &[&[(&str, Unit)]]) -> JointAngle {
        JointAngle::find("left_knee", &legs(components)).unwrap()
    }

    fn assert_degrees(got: Option<f64>, expected: f64) {
        assert!(got.is_some_and(|got| (got - expected).abs() < 1e-4), "{got:?}, not {expected}");
    }

    #[test]
    fn joints_are_found_by_the_names_of_their_keypoints() {
        let all = [
            "left_elbow",
            "right_elbow",
            "left_shoulder",
            "right_shoulder",
            "left_hip",
            "right_hip",
            "left_knee",
            "right_knee",
            "left_ankle",
            "right_ankle",
        ];
        let with_feet =
            ["mediapipe_33", "mediapipe_33_world", "mediapipe_holistic_543", "body_25", "halpe_26"];
        for preset in with_feet.into_iter().chain(["coco_wholebody_133"]) {
            assert_eq!(names(preset), all, "{preset}");
        }
        assert_eq!(names("coco_17"), all[..8]);
        for without in ["hand_21", "face_478"] {
            assert_eq!(names(without), Vec::<String>::new());
        }
        let custom = Skeleton::custom(33, &[("x", Unit::Image), ("y", Unit::Image)]).unwrap();
        assert_eq!(JointAngle::all_of(&custom), []);
        assert_eq!(JointAngle::find("knee", &Skeleton::preset("coco_17").unwrap()), None);
    }

    #[test]
    fn space_is_preferred_to_the_picture() {
        assert!(!knee(&[IMAGE]).is_spatial());
        assert!(knee(&[IMAGE, METRES]).is_spatial());
        assert!(knee(&[METRES, IMAGE]).is_spatial());
        let flat = [("x", Unit::Metres), ("y", Unit::Metres)];
        assert!(!knee(&[flat.as_slice()]).is_spatial());
        assert!(
            JointAngle::find("left_knee", &Skeleton::preset("mediapipe_33_world").unwrap())
                .unwrap()
                .is_spatial()
        );
        for unusable in [[("x", Unit::Image), ("y", Unit::Pixels)], [("u", Unit::Image), ("v", Unit::Image)]]
        {
            assert_eq!(JointAngle::all_of(&legs(&[unusable.as_slice()])), []);
        }
    }

    #[test]
    fn known_triangles_have_their_angles() {
        let joint = knee(&[PIXELS]);
        let at = |ankle: [f32; 2]| joint.degrees(&[[0.0, 0.0], [0.0, 100.0], ankle].concat(), 16.0 / 9.0);
        for (ankle, degrees) in [
            ([0.0, 200.0], 180.0),
            ([100.0, 100.0], 90.0),
            ([-100.0, 100.0], 90.0),
            ([100.0, 200.0], 135.0),
            ([50.0, 50.0], 45.0),
            ([0.0, 50.0], 0.0),
            ([86.602_54, 50.0], 60.0),
        ] {
            assert_degrees(at(ankle), degrees);
        }
    }

    #[test]
    fn angles_in_the_picture_are_those_of_its_shape() {
        let joint = knee(&[IMAGE]);
        let values = [[0.5, 0.2, 9.0, 1.0], [0.5, 0.5, -9.0, 1.0], [0.65, 0.7, 0.5, 1.0]].concat();
        assert_degrees(joint.degrees(&values, 4.0 / 3.0), 135.0);
        assert_degrees(joint.degrees(&values, 1.0), 180.0 - f64::atan(0.15 / 0.2).to_degrees());
    }

    #[test]
    fn angles_in_space_count_depth_and_no_aspect() {
        let joint = knee(&[IMAGE, METRES]);
        let picture = [0.3; 12];
        let space = [[1.0, 0.0, -0.4, 0.1], [1.0, 0.0, 0.0, 0.1], [1.0, 0.4, 0.0, 0.1]].concat();
        let values = [picture.as_slice(), &space].concat();
        for aspect in [1.0, 16.0 / 9.0, f64::NAN] {
            assert_degrees(joint.degrees(&values, aspect), 90.0);
        }
    }

    #[test]
    fn what_is_missing_has_no_angle() {
        let joint = knee(&[PIXELS]);
        let whole = [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]].concat();
        assert_degrees(joint.degrees(&whole, 1.0), 90.0);
        for index in 0..whole.len() {
            let mut values = whole.clone();
            values[index] = f32::NAN;
            assert_eq!(joint.degrees(&values, 1.0), None, "{index}");
            assert_eq!(joint.degrees(&whole[..index], 1.0), None, "{index}");
        }
        assert_eq!(joint.degrees(&[[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]].concat(), 1.0), None, "no thigh");
        assert_eq!(joint.degrees(&[f32::INFINITY; 6], 1.0), None);
        assert_eq!(knee(&[IMAGE]).degrees(&[0.1; 12], f64::NAN), None);
    }

    /// Points whose limbs are long enough that rounding to `f32` doesn't turn them.
    fn leg() -> impl Strategy<Value = [[f64; 3]; 3]> {
        let far =
            |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum::<f64>() > 0.01;
        let point = || prop::array::uniform3(-1.0..1.0);
        prop::array::uniform3(point()).prop_filter("limbs", move |[a, b, c]| far(a, b) && far(c, b))
    }

    /// One person's values in [`METRES`].
    fn in_metres(leg: [[f64; 3]; 3]) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "the points are near 0; f32 is what poses hold")]
        leg.iter().flat_map(|[x, y, z]| [1.0, *z as f32, *y as f32, *x as f32]).collect()
    }

    fn by_the_law_of_cosines([a, b, c]: [[f64; 3]; 3]) -> f64 {
        let square = |p: [f64; 3], q: [f64; 3]| (0..3).map(|axis| (p[axis] - q[axis]).powi(2)).sum::<f64>();
        let (ab, cb, ac) = (square(a, b), square(c, b), square(a, c));
        ((ab + cb - ac) / (2.0 * ab.sqrt() * cb.sqrt())).clamp(-1.0, 1.0).acos().to_degrees()
    }

    proptest! {
        #[test]
        fn an_angle_is_that_of_the_law_of_cosines(leg in leg()) {
            let degrees = knee(&[METRES]).degrees(&in_metres(leg), 1.0).unwrap();
            prop_assert!((0.0..=180.0).contains(&degrees));
            prop_assert!((degrees - by_the_law_of_cosines(leg)).abs() < 0.01);
        }

        #[test]
        fn an_angle_stays_when_the_body_moves_turns_or_grows(
            leg in leg(), shift in prop::array::uniform3(-3.0..3.0), turn in 0.0..6.3, scale in 0.5..3.0,
        ) {
            let joint = knee(&[METRES]);
            let (sin, cos) = f64::sin_cos(turn);
            let moved = leg.map(|[x, y, z]| {
                let [x, z] = [x * cos - z * sin, x * sin + z * cos];
                [x * scale + shift[0], y * scale + shift[1], z * scale + shift[2]]
            });
            let mirrored = leg.map(|[x, y, z]| [-x, y, z]);
            let [a, b, c] = leg;
            let before = joint.degrees(&in_metres(leg), 1.0).unwrap();
            for after in [moved, mirrored, [c, b, a]] {
                let after = joint.degrees(&in_metres(after), 1.0).unwrap();
                prop_assert!((before - after).abs() < 0.01, "{before}, {after}");
            }
        }

        #[test]
        fn any_values_have_an_angle_or_none(values in prop::collection::vec(any::<f32>(), 0..9), aspect: f64) {
            if let Some(degrees) = knee(&[PIXELS]).degrees(&values, aspect) {
                prop_assert!((0.0..=180.0).contains(&degrees));
            }
        }
    }
}
