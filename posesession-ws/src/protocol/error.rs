//! What a server answers when it can't do what was asked.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::CommandId;

/// The stable code of an `error` message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The text is no JSON object.
    BadJson,
    /// A field is missing or has the wrong type.
    BadMessage,
    /// There is no message of this type.
    UnknownType,
    /// The feature is not there yet.
    Unsupported,
    /// The message is larger than its kind may be.
    TooLarge,
    /// A value is infinite.
    NonFinite,
    /// The keypoints don't fit the stream's skeleton.
    KeypointMismatch,
    /// A frame has more than 64 persons.
    TooManyPersons,
    /// The timestamp is no number of seconds within range.
    BadTimestamp,
    /// The frame came after its number had been given up.
    Late,
    /// Another frame of this number is stored.
    Conflict,
    /// The stream is being recorded already.
    AlreadyRecording,
    /// Nothing is being recorded where the command points.
    NoRecording,
    /// Another publisher sends poses to the stream.
    StreamBusy,
    /// This connection doesn't publish to the stream.
    NotPublisher,
    /// There is no such session.
    SessionNotFound,
    /// Another session has the id that was asked for.
    SessionExists,
    /// The session can't be resumed.
    NotResumable,
    /// The binary message doesn't have the specified layout.
    BadBinary,
    /// The image is neither JPEG nor WebP.
    BadImage,
    /// The store failed; what was acknowledged is safe.
    Storage,
    /// A number is outside of what is there.
    OutOfRange,
    /// No frame is exactly there.
    FrameNotFound,
    /// The session has no such marker.
    MarkerNotFound,
    /// The command doesn't fit the recording's state.
    BadState,
    /// The server is shutting down.
    ShuttingDown,
}

impl ErrorCode {
    /// Returns the code as it stands in a message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadMessage => "bad_message",
            Self::UnknownType => "unknown_type",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
            Self::NonFinite => "non_finite",
            Self::KeypointMismatch => "keypoint_mismatch",
            Self::TooManyPersons => "too_many_persons",
            Self::BadTimestamp => "bad_timestamp",
            Self::Late => "late",
            Self::Conflict => "conflict",
            Self::AlreadyRecording => "already_recording",
            Self::NoRecording => "no_recording",
            Self::StreamBusy => "stream_busy",
            Self::NotPublisher => "not_publisher",
            Self::SessionNotFound => "session_not_found",
            Self::SessionExists => "session_exists",
            Self::NotResumable => "not_resumable",
            Self::BadBinary => "bad_binary",
            Self::BadImage => "bad_image",
            Self::Storage => "storage",
            Self::OutOfRange => "out_of_range",
            Self::FrameNotFound => "frame_not_found",
            Self::MarkerNotFound => "marker_not_found",
            Self::BadState => "bad_state",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An `error` message: `{"type":"error","id"?,"code","message",...}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Error)]
#[serde(tag = "type", rename = "error")]
#[error("{code}: {message}")]
pub struct ProtocolError {
    /// The id of the command that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<CommandId>,
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong and what to do, for people.
    pub message: String,
    /// The publisher's number of the refused frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_number: Option<u64>,
    /// Facts that belong to the code, such as `session_id`.
    #[serde(flatten)]
    pub facts: serde_json::Map<String, Value>,
}

impl ProtocolError {
    /// Makes an error.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { id: None, code, message: message.into(), frame_number: None, facts: serde_json::Map::new() }
    }

    /// Says which command it answers.
    #[must_use]
    pub fn answering(mut self, id: Option<CommandId>) -> Self {
        self.id = id;
        self
    }

    /// Says which frame it refuses.
    #[must_use]
    pub fn of_frame(mut self, frame_number: Option<u64>) -> Self {
        self.frame_number = frame_number;
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}
