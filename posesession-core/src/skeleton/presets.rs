//! The skeletons of the common pose models, by name.
//!
//! Keypoint names and orders are those that the models' own documentation gives: MediaPipe Pose, Hands and Face Mesh,
//! the COCO keypoint task, OpenPose BODY_25, Halpe and COCO-WholeBody.

use super::{Channel, Component, Skeleton, SkeletonError, Unit};

const IMAGE_XYZC: &[(&str, Unit)] =
    &[("x", Unit::Image), ("y", Unit::Image), ("z", Unit::Image), ("confidence", Unit::Ratio)];
const WORLD_XYZC: &[(&str, Unit)] =
    &[("x", Unit::Metres), ("y", Unit::Metres), ("z", Unit::Metres), ("confidence", Unit::Ratio)];
const PIXEL_XYC: &[(&str, Unit)] = &[("x", Unit::Pixels), ("y", Unit::Pixels), ("confidence", Unit::Ratio)];

const MEDIAPIPE_33: &str = "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer \
    left_ear right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist \
    right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee \
    right_knee left_ankle right_ankle left_heel right_heel left_foot_index right_foot_index";
const MEDIAPIPE_33_EDGES: &[(u16, u16)] = &[
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 7),
    (0, 4),
    (4, 5),
    (5, 6),
    (6, 8),
    (9, 10),
    (11, 12),
    (11, 13),
    (13, 15),
    (15, 17),
    (15, 19),
    (15, 21),
    (17, 19),
    (12, 14),
    (14, 16),
    (16, 18),
    (16, 20),
    (16, 22),
    (18, 20),
    (11, 23),
    (12, 24),
    (23, 24),
    (23, 25),
    (24, 26),
    (25, 27),
    (26, 28),
    (27, 29),
    (28, 30),
    (29, 31),
    (30, 32),
    (27, 31),
    (28, 32),
];

const HAND_21: &str = "wrist thumb_cmc thumb_mcp thumb_ip thumb_tip index_mcp index_pip index_dip index_tip \
    middle_mcp middle_pip middle_dip middle_tip ring_mcp ring_pip ring_dip ring_tip pinky_mcp pinky_pip pinky_dip \
    pinky_tip";
const HAND_21_EDGES: &[(u16, u16)] = &[
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 4),
    (0, 5),
    (5, 6),
    (6, 7),
    (7, 8),
    (5, 9),
    (9, 10),
    (10, 11),
    (11, 12),
    (9, 13),
    (13, 14),
    (14, 15),
    (15, 16),
    (13, 17),
    (0, 17),
    (17, 18),
    (18, 19),
    (19, 20),
];

const COCO_17: &str = "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow \
    left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle";
const COCO_17_EDGES: &[(u16, u16)] = &[
    (15, 13),
    (13, 11),
    (16, 14),
    (14, 12),
    (11, 12),
    (5, 11),
    (6, 12),
    (5, 6),
    (5, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (1, 2),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
];

const BODY_25: &str = "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip \
    right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe \
    left_small_toe left_heel right_big_toe right_small_toe right_heel";
const BODY_25_EDGES: &[(u16, u16)] = &[
    (1, 8),
    (1, 2),
    (1, 5),
    (2, 3),
    (3, 4),
    (5, 6),
    (6, 7),
    (8, 9),
    (9, 10),
    (10, 11),
    (8, 12),
    (12, 13),
    (13, 14),
    (1, 0),
    (0, 15),
    (15, 17),
    (0, 16),
    (16, 18),
    (14, 19),
    (19, 20),
    (14, 21),
    (11, 22),
    (22, 23),
    (11, 24),
];

const HALPE_26_MORE: &str = " head neck hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel \
    right_heel";
const HALPE_26_EDGES: &[(u16, u16)] = &[
    (17, 18),
    (0, 17),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (18, 5),
    (18, 6),
    (5, 7),
    (7, 9),
    (6, 8),
    (8, 10),
    (18, 19),
    (19, 11),
    (19, 12),
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
    (15, 20),
    (15, 22),
    (15, 24),
    (16, 21),
    (16, 23),
    (16, 25),
];

const WHOLEBODY_FEET: &str =
    " left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel";

const NAMES: &[&str] = &[
    "mediapipe_33",
    "mediapipe_33_world",
    "mediapipe_holistic_543",
    "coco_17",
    "body_25",
    "halpe_26",
    "coco_wholebody_133",
    "hand_21",
    "face_478",
];

impl Skeleton {
    /// Returns the names of all presets.
    #[must_use]
    pub fn preset_names() -> &'static [&'static str] {
        NAMES
    }

    /// Returns the preset called `name`.
    ///
    /// `mediapipe_33`, `mediapipe_33_world`, `mediapipe_holistic_543`, `hand_21` and `face_478` have x, y, z,
    /// confidence in normalised image coordinates (`world`: metres); the others x, y, confidence in pixels.
    ///
    /// # Errors
    ///
    /// [`SkeletonError::UnknownPreset`] lists the names there are.
    pub fn preset(name: &str) -> Result<Self, SkeletonError> {
        let components = match name {
            "mediapipe_33" => vec![mediapipe_pose("pose", IMAGE_XYZC)],
            "mediapipe_33_world" => {
                vec![mediapipe_pose("pose", IMAGE_XYZC), mediapipe_pose("world", WORLD_XYZC)]
            }
            "mediapipe_holistic_543" => {
                vec![mediapipe_pose("pose", IMAGE_XYZC), hand("left_hand"), hand("right_hand"), face(468)]
            }
            "coco_17" => vec![component("pose", words(COCO_17), COCO_17_EDGES, PIXEL_XYC)],
            "body_25" => vec![component("pose", words(BODY_25), BODY_25_EDGES, PIXEL_XYC)],
            "halpe_26" => {
                let names = words(&[COCO_17, HALPE_26_MORE].concat());
                vec![component("pose", names, HALPE_26_EDGES, PIXEL_XYC)]
            }
            "coco_wholebody_133" => vec![coco_wholebody()],
            "hand_21" => vec![hand("hand")],
            "face_478" => vec![face(478)],
            _ => return Err(SkeletonError::UnknownPreset { name: name.to_owned() }),
        };
        Ok(Self { name: name.to_owned(), components })
    }

    /// Infers the skeleton from a first pose: the preset whose single `pose` component has this many keypoints of
    /// these channels (3: x, y, confidence in pixels; 4: x, y, z, confidence), else a custom one without edges.
    ///
    /// # Errors
    ///
    /// [`SkeletonError`] if the counts are beyond the limits.
    pub fn infer(keypoints: usize, channels: usize) -> Result<Self, SkeletonError> {
        let preset = match (keypoints, channels) {
            (33, 4) => Some("mediapipe_33"),
            (21, 4) => Some("hand_21"),
            (478, 4) => Some("face_478"),
            (17, 3) => Some("coco_17"),
            (25, 3) => Some("body_25"),
            (26, 3) => Some("halpe_26"),
            (133, 3) => Some("coco_wholebody_133"),
            _ => None,
        };
        if let Some(name) = preset {
            return Self::preset(name);
        }
        match channels {
            2 => Self::custom(keypoints, &PIXEL_XYC[..2]),
            3 => Self::custom(keypoints, PIXEL_XYC),
            4 => Self::custom(keypoints, IMAGE_XYZC),
            _ => {
                if channels > Self::MAX_CHANNELS {
                    return Err(SkeletonError::TooManyChannels { count: channels });
                }
                let names: Vec<String> = (0..channels).map(|c| format!("channel_{c}")).collect();
                let channels: Vec<_> = names.iter().map(|n| (n.as_str(), Unit::Ratio)).collect();
                Self::custom(keypoints, &channels)
            }
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Builds a component; its mirrored pairs follow from the names, `left` against `right`.
fn component(
    name: &str,
    keypoints: Vec<String>,
    edges: &[(u16, u16)],
    channels: &[(&str, Unit)],
) -> Component {
    let mirrored = mirrored_by_name(&keypoints);
    Component {
        name: name.to_owned(),
        keypoints,
        edges: edges.to_vec(),
        mirrored,
        channels: channels.iter().map(|&(name, unit)| Channel { name: name.to_owned(), unit }).collect(),
    }
}

fn mirrored_by_name(keypoints: &[String]) -> Vec<(u16, u16)> {
    let index_of = |name: &str| keypoints.iter().position(|k| k == name);
    let left = keypoints.iter().enumerate().filter(|(_, name)| name.contains("left"));
    left.filter_map(|(index, name)| {
        let other = index_of(&name.replace("left", "right"))?;
        Some((u16::try_from(index).ok()?, u16::try_from(other).ok()?))
    })
    .collect()
}

fn mediapipe_pose(name: &str, channels: &[(&str, Unit)]) -> Component {
    component(name, words(MEDIAPIPE_33), MEDIAPIPE_33_EDGES, channels)
}

fn hand(name: &str) -> Component {
    component(name, words(HAND_21), HAND_21_EDGES, IMAGE_XYZC)
}

fn face(keypoints: usize) -> Component {
    component("face", (0..keypoints).map(|k| format!("face_{k}")).collect(), &[], IMAGE_XYZC)
}

/// COCO-WholeBody: body 17, feet 6, face 68, left hand 21, right hand 21.
fn coco_wholebody() -> Component {
    let mut names = words(&[COCO_17, WHOLEBODY_FEET].concat());
    names.extend((0..68).map(|k| format!("face_{k}")));
    let mut edges = COCO_17_EDGES.to_vec();
    edges.extend([(15, 17), (15, 18), (15, 19), (16, 20), (16, 21), (16, 22)]);
    for (side, first) in [("left", 91), ("right", 112)] {
        names.extend(words(HAND_21).iter().map(|finger| format!("{side}_hand_{finger}")));
        edges.extend(HAND_21_EDGES.iter().map(|&(a, b)| (first + a, first + b)));
    }
    component("pose", names, &edges, PIXEL_XYC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_has_the_keypoints_of_its_name() {
        for name in Skeleton::preset_names() {
            let skeleton = Skeleton::preset(name).unwrap();
            skeleton.validate().unwrap();
            let count: usize = skeleton.components.iter().map(|c| c.keypoints.len()).sum();
            let digits: String = name.chars().filter(char::is_ascii_digit).collect();
            let expected = if *name == "mediapipe_33_world" { 66 } else { digits.parse().unwrap() };
            assert_eq!(count, expected, "{name}");
        }
    }

    #[test]
    fn left_and_right_are_mirrored() {
        let skeleton = Skeleton::preset("mediapipe_33").unwrap();
        let pose = &skeleton.components[0];
        assert!(pose.mirrored.contains(&(11, 12)) && pose.mirrored.contains(&(9, 10)));
        assert_eq!(pose.mirrored.len(), 16);
    }

    #[test]
    fn an_unknown_count_makes_a_custom_skeleton_without_edges() {
        let skeleton = Skeleton::infer(7, 4).unwrap();
        assert_eq!(skeleton.name, "custom_7");
        assert!(skeleton.components[0].edges.is_empty());
        assert_eq!(Skeleton::infer(33, 4).unwrap().name, "mediapipe_33");
    }
}
