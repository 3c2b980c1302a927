//! Poses as JSON, of both shapes.

use posesession_core::{Landmarks, PoseData, PoseJson, SentPose, Skeleton};

use crate::heap::bounded;

/// Reads pose data, lays it out, writes it and reads it again.
pub fn pose_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(sent) = bounded(text.len(), 600, || serde_json::from_str::<SentPose>(text)) {
        check(sent, text.len());
    }
    if let Ok(landmarks) = bounded(text.len(), 600, || serde_json::from_str::<Landmarks>(text)) {
        check(SentPose::from_landmarks(landmarks), text.len());
    }
    // As a skeleton is declared.
    if let Ok(skeleton) = bounded(text.len(), 200, || serde_json::from_str::<Skeleton>(text))
        && skeleton.validate().is_ok()
    {
        let written = serde_json::to_string(&skeleton).expect("a valid skeleton can be written");
        assert_eq!(serde_json::from_str::<Skeleton>(&written).expect("what was written is read"), skeleton);
    }
}

/// Checks that what can be laid out comes back the same.
pub(crate) fn check(sent: SentPose, input: usize) {
    for name in Skeleton::preset_names() {
        let preset = Skeleton::preset(name).expect("it is a preset");
        if let Ok(pose) = sent.clone().resolve(&preset) {
            check_written(&pose, &preset);
        }
    }
    let Ok(Some(skeleton)) = sent.infer_skeleton() else { return };
    skeleton.validate().expect("what is inferred is valid");
    let width = skeleton.values_per_person();
    // A person of a few bytes has as many values as the others.
    let most = input + 65 * 4 * width;
    if let Ok(pose) = bounded(most, 16, || sent.resolve(&skeleton)) {
        check_written(&pose, &skeleton);
    }
}

fn check_written(pose: &PoseData, skeleton: &Skeleton) {
    assert_eq!(pose.values.len(), pose.person_count() * skeleton.values_per_person());
    assert!(pose.values.iter().all(|value| !value.is_infinite()));
    let written = serde_json::to_string(&PoseJson::new(pose, skeleton)).expect("poses can be written");
    let sent: SentPose = serde_json::from_str(&written).expect("what was written is read");
    let again = sent.resolve(skeleton).expect("what was written fits");
    assert_eq!(again, *pose, "{written}");
}
