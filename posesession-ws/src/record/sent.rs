//! A frame as it came: JSON or binary in, one shape out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use posesession_core::{PoseData, PoseError, SentPose, Skeleton, Timestamp};

use super::RecordService;
use crate::protocol::{ErrorCode, FrameMessage, PackedFrame, PackedPoses, ProtocolError};

/// A frame that was read but not yet held against the stream's skeleton.
#[derive(Debug)]
pub(super) struct SentFrame {
    pub(super) frame_number: Option<u64>,
    pub(super) timestamp: Timestamp,
    pub(super) poses: SentPoses,
    /// It may share the memory of its message.
    pub(super) image: Bytes,
}

#[derive(Debug)]
pub(super) enum SentPoses {
    Json(SentPose),
    Binary { poses: PackedPoses, values_per_person: usize },
}

impl SentFrame {
    pub(super) fn from_json(message: FrameMessage) -> Result<Self, ProtocolError> {
        let frame_number = message.frame_number;
        let refuse = |code, text: String| Err(ProtocolError::new(code, text).of_frame(frame_number));
        let timestamp = match Timestamp::from_secs_f64(message.timestamp) {
            Ok(timestamp) => timestamp,
            Err(error) => return refuse(ErrorCode::BadTimestamp, error.to_string()),
        };
        let sent = match (message.pose_data, message.landmarks) {
            (Some(pose_data), None) => pose_data,
            (None, Some(landmarks)) => SentPose::from_landmarks(landmarks),
            (Some(_), Some(_)) => {
                return refuse(
                    ErrorCode::BadMessage,
                    "a frame has `pose_data` or `landmarks`, not both".to_owned(),
                );
            }
            (None, None) => {
                return refuse(ErrorCode::BadMessage, "a frame needs `pose_data` or `landmarks`".to_owned());
            }
        };
        let image = match message.image.map(|text| STANDARD.decode(text)).transpose() {
            Ok(image) => Bytes::from(image.unwrap_or_default()),
            Err(error) => return refuse(ErrorCode::BadImage, format!("the image is not base64: {error}")),
        };
        check_image(&image).map_err(|error| error.of_frame(frame_number))?;
        Ok(Self { frame_number, timestamp, poses: SentPoses::Json(sent), image })
    }

    pub(super) fn from_binary(frame: PackedFrame) -> Result<Self, ProtocolError> {
        let frame_number = frame.header.frame_number;
        let values_per_person = frame.header.values_per_person as usize;
        if frame.poses.value_bytes() > RecordService::MAX_FRAME_BYTES {
            return Err(too_large("frame", RecordService::MAX_FRAME_BYTES).of_frame(frame_number));
        }
        check_image(&frame.image).map_err(|error| error.of_frame(frame_number))?;
        let poses = SentPoses::Binary { poses: frame.poses, values_per_person };
        Ok(Self { frame_number, timestamp: frame.header.timestamp, poses, image: frame.image })
    }
}

impl SentFrame {
    /// Returns about how many bytes it keeps from being used otherwise.
    pub(super) fn bytes(&self) -> usize {
        let poses = match &self.poses {
            SentPoses::Json(sent) => sent.value_count() * size_of::<f32>(),
            SentPoses::Binary { poses, .. } => poses.value_bytes(),
        };
        poses + self.image.len()
    }
}

impl SentPoses {
    /// Returns the skeleton that these poses suggest, or nothing while nobody is seen.
    pub(super) fn infer_skeleton(&self) -> Result<Option<Skeleton>, ProtocolError> {
        match self {
            Self::Json(sent) => sent
                .infer_skeleton()
                .map_err(|error| ProtocolError::new(ErrorCode::KeypointMismatch, error.to_string())),
            Self::Binary { poses, .. } if poses.person_count() == 0 => Ok(None),
            Self::Binary { values_per_person, .. } => {
                let presets = Skeleton::preset_names().iter().filter_map(|name| Skeleton::preset(name).ok());
                let fit = presets.into_iter().find(|preset| preset.values_per_person() == *values_per_person);
                fit.map(Some).ok_or_else(|| {
                    let message = format!(
                        "no preset has {values_per_person} values a person: declare the skeleton with `publish`"
                    );
                    ProtocolError::new(ErrorCode::KeypointMismatch, message)
                })
            }
        }
    }

    /// Lays the poses out by the skeleton, in memory that may be there already.
    pub(super) fn resolve_into(
        self,
        pose_data: &mut PoseData,
        skeleton: &Skeleton,
    ) -> Result<(), ProtocolError> {
        let resolved = match self {
            Self::Json(sent) => sent.resolve(skeleton).map(|resolved| *pose_data = resolved),
            Self::Binary { poses, .. } => {
                poses.unpack_into(pose_data);
                pose_data.canonicalise(skeleton)
            }
        };
        resolved.map_err(|error| ProtocolError::new(pose_error_code(&error), error.to_string()))
    }
}

pub(super) fn pose_error_code(error: &PoseError) -> ErrorCode {
    match error {
        PoseError::NonFinite => ErrorCode::NonFinite,
        PoseError::KeypointMismatch { .. } | PoseError::UnknownComponent { .. } => {
            ErrorCode::KeypointMismatch
        }
        PoseError::TooManyPersons { .. } => ErrorCode::TooManyPersons,
        _ => ErrorCode::BadMessage,
    }
}

pub(super) fn too_large(kind: &str, limit: usize) -> ProtocolError {
    ProtocolError::new(ErrorCode::TooLarge, format!("a {kind} may have {limit} bytes"))
}

/// Refuses what is no JPEG or WebP by its first bytes; pictures are stored as they come and never decoded.
fn check_image(image: &[u8]) -> Result<(), ProtocolError> {
    if image.len() > RecordService::MAX_IMAGE_BYTES {
        return Err(too_large("image", RecordService::MAX_IMAGE_BYTES));
    }
    let jpeg = image.starts_with(&[0xff, 0xd8, 0xff]);
    let webp = image.starts_with(b"RIFF") && image.get(8..12) == Some(b"WEBP");
    if image.is_empty() || jpeg || webp {
        return Ok(());
    }
    Err(ProtocolError::new(ErrorCode::BadImage, "the image is neither JPEG nor WebP"))
}
