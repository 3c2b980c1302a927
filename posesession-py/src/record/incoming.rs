//! One frame's arrays in, its pose data out; and a skeleton, where none was declared.

use numpy::{PyReadonlyArray1, PyReadonlyArrayDyn, PyUntypedArrayMethods as _};
use posesession_core::{FrameRefusal, PoseData, Skeleton};
use pyo3::prelude::*;

use crate::errors::{bad_argument, refused_frame};

/// Reads a frame's arrays. Without a skeleton it is inferred, unless nobody is seen.
pub(super) fn pose(
    values: &PyReadonlyArrayDyn<'_, f32>,
    track_ids: Option<&PyReadonlyArray1<'_, i64>>,
    skeleton: Option<&Skeleton>,
) -> PyResult<(PoseData, Option<Skeleton>)> {
    let shape = values.shape();
    let ([persons, _] | [persons, _, _]) = *shape else {
        return Err(bad_argument("a frame's values have the shape (P, K, C) or (P, V)"));
    };
    let values = values.as_slice().map_err(|_strided| bad_argument("a frame's values are C-contiguous"))?;
    let track_ids = match track_ids {
        Some(given) => given.as_array().iter().map(|&id| track_id(id)).collect::<PyResult<Vec<u32>>>()?,
        None => (0..).take(persons).collect(),
    };
    if track_ids.len() != persons {
        let message = format!("there are {persons} persons and {} track ids", track_ids.len());
        return Err(refused_frame("bad_message", message));
    }
    let mut pose = PoseData { track_ids, values: values.to_vec() };
    let refused = |error| {
        let refusal = FrameRefusal::Pose(error);
        refused_frame(refusal.code(), &refusal)
    };
    if let Some(skeleton) = skeleton {
        pose.canonicalise(skeleton).map_err(refused)?;
        return Ok((pose, None));
    }
    if values.iter().all(|value| value.is_nan()) {
        return Ok((PoseData::nobody(), None));
    }
    let [_, keypoints, channels] = *shape else {
        return Err(bad_argument("without a skeleton, a frame's values have the shape (P, K, C)"));
    };
    let inferred = Skeleton::infer(keypoints, channels).map_err(bad_argument)?;
    pose.canonicalise(&inferred).map_err(refused)?;
    Ok((pose, Some(inferred)))
}

fn track_id(id: i64) -> PyResult<u32> {
    u32::try_from(id).map_err(|_out_of_range| {
        refused_frame("bad_message", format!("{id} is no track id: use 0 to 2^32 - 1"))
    })
}
