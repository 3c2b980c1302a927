//! Single messages of both protocols.

use bytes::Bytes;
use posesession_core::SentPose;
use posesession_ws::protocol::{BinaryFrame, BinaryMessage, RecordCommand, ReplayCommand, SkeletonRef};

use crate::heap::bounded;
use crate::poses;

/// Reads a text message of the record protocol; the poses of a frame are laid out, too.
pub fn record_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match bounded(text.len(), 1_000, || RecordCommand::parse(text)) {
        Ok((_, RecordCommand::Frame(frame))) => {
            if let Some(sent) = frame.pose_data {
                poses::check(sent, text.len());
            }
            if let Some(landmarks) = frame.landmarks {
                poses::check(SentPose::from_landmarks(landmarks), text.len());
            }
        }
        Ok((_, RecordCommand::Publish(publish))) => {
            if let Some(Ok(skeleton)) = publish.skeleton.as_ref().map(SkeletonRef::resolve) {
                skeleton.validate().expect("what is resolved is valid");
            }
        }
        Ok(_) => {}
        Err(error) => {
            let told = serde_json::to_string(&error).expect("an error can be told");
            assert!(told.len() < 64 * 1024 + 8 * text.len());
        }
    }
}

/// Reads a binary message, writes it and reads it again.
pub fn binary_message(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    let Ok(decoded) = bounded(data.len(), 4, || BinaryMessage::decode(&message)) else { return };
    let encoded = match &decoded {
        BinaryMessage::Frame(frame) => BinaryFrame::encode(&frame.header, &frame.pose_data, &frame.image),
        BinaryMessage::Video(video) => video.encode(),
    };
    assert_eq!(BinaryMessage::decode(&encoded).as_ref(), Ok(&decoded));
}

/// Reads a command of the replay protocol.
pub fn replay_command(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = bounded(text.len(), 1_000, || ReplayCommand::parse(text)) {
        let told = serde_json::to_string(&error).expect("an error can be told");
        assert!(told.len() < 64 * 1024 + 8 * text.len());
    }
}
