//! The record protocol's JSON messages: `/ws/pose`.

use posesession_core::{
    Landmarks, MaxError, SentPose, SessionId, SessionStatus, Skeleton, SkeletonError, Timestamp,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ErrorCode, ProtocolError};

/// The client's own id of a command; its answer carries the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommandId {
    /// A whole number.
    Number(i64),
    /// A string.
    Text(String),
}

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RecordCommand {
    /// Becomes a stream's publisher.
    Publish(Publish),
    /// Watches a stream.
    Subscribe(Subscribe),
    /// Stops watching.
    Unsubscribe(Unsubscribe),
    /// Starts recording a stream.
    StartRecording(StartRecording),
    /// Sends one frame.
    Frame(Box<FrameMessage>),
    /// Lets the recording stand still.
    PauseRecording(SessionRef),
    /// Lets it go on.
    ResumeRecording(SessionRef),
    /// Marks a moment.
    Mark(Mark),
    /// Ends the recording.
    StopRecording(SessionRef),
    /// Ends the recording and erases it.
    DiscardRecording(Discard),
    /// Goes on publishing to a session after a lost connection.
    ResumeSession(ResumeSession),
    /// Says that frames won't come.
    FramesDropped(FramesDropped),
}

/// `publish`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Publish {
    /// The stream's name; `default` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The keypoints of its poses; inferred from the first person if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skeleton: Option<SkeletonRef>,
    /// How many frames a second the streamer means to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// A random name of this run of the streamer; without one it can't come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Whether to put another publisher out, or to shut out the one that a recording waits for.
    #[serde(default)]
    pub take_over: bool,
    /// For how many seconds frames are kept while nothing is recorded, so that a recording can start before it is asked for: 0
    /// to 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_roll_max: Option<f64>,
}

/// A skeleton by its preset's name or in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SkeletonRef {
    /// The name of a preset.
    Preset(String),
    /// All of it.
    Full(Skeleton),
}

impl SkeletonRef {
    /// Looks the preset up, or checks the full skeleton.
    ///
    /// # Errors
    ///
    /// [`SkeletonError`].
    pub fn resolve(&self) -> Result<Skeleton, SkeletonError> {
        match self {
            Self::Preset(name) => Skeleton::preset(name),
            Self::Full(skeleton) => skeleton.validate().map(|()| skeleton.clone()),
        }
    }
}

/// How a connection is sent frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireFormat {
    /// As JSON text.
    #[default]
    Json,
    /// As binary messages.
    Binary,
}

/// `subscribe`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Subscribe {
    /// The stream's name; `default` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// JSON if absent.
    #[serde(default)]
    pub format: WireFormat,
}

/// `unsubscribe`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Unsubscribe {
    /// The stream's name; `default` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
}

/// `start_recording`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StartRecording {
    /// The session's name.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The user's own facts, which searches find.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The id of the session that comes about: a UUID of the client's own, so that asking again after a lost answer starts no
    /// second one. Absent: the server makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The stream; absent: the one this connection publishes to, else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Whether and how video comes along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoFormat>,
    /// How many seconds before this command the recording starts; as many as the publisher's `pre_roll_max` has kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_roll: Option<f64>,
    /// How far stored values may be from those that are sent, by channel; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_error: Option<MaxError>,
    /// How the session is kept: `columnar`, `bounded` or `json`; absent: as `max_error` or the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
}

/// What the pieces of video are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoFormat {
    /// `video/webm` or `video/mp4`, codecs and all.
    pub mime: String,
}

/// `frame`, as a client sends it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct FrameMessage {
    /// When, by the streamer's clock, in seconds.
    pub timestamp: f64,
    /// The publisher's own number; absent: the one before + 1.
    #[serde(default)]
    pub frame_number: Option<u64>,
    /// The poses.
    #[serde(default)]
    pub pose_data: Option<SentPose>,
    /// The poses as MediaPipe has them.
    #[serde(default)]
    pub landmarks: Option<Landmarks>,
    /// A JPEG or WebP, base64.
    #[serde(default)]
    pub image: Option<String>,
    /// The stream, if this connection publishes to several.
    #[serde(default)]
    pub stream: Option<String>,
}

/// Which recording a command means; absent: the one started here, else the stream's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionRef {
    /// The session's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
}

/// `discard_recording`.
pub type Discard = SessionRef;

/// `mark`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Which recording.
    #[serde(flatten)]
    pub session: SessionRef,
    /// The user's words.
    pub label: String,
    /// When, by the streamer's clock; absent: now, at the last frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
}

/// `resume_session`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeSession {
    /// Which session.
    pub session_id: SessionId,
    /// The name under which this streamer published.
    pub publisher: String,
    /// The stream on which it goes on, if the server doesn't record the session at the moment; absent: the one this connection
    /// publishes to, else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Whether to put another publisher out, or to shut out the one that a recording waits for.
    #[serde(default)]
    pub take_over: bool,
}

/// `frames_dropped`: the publisher's numbers `first` to `last` will never come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FramesDropped {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// Why: a word of up to 32 small letters and underscores. `overflow`: the streamer had no room to keep them.
    pub cause: String,
    /// The stream; absent: the one published last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
}

/// The first thing a server says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "welcome")]
pub struct Welcome {
    /// The protocol and its version.
    pub protocol: String,
    /// The server's name and version.
    pub server: String,
    /// Whether an acknowledged frame survives a power loss.
    pub durable: bool,
    /// Why it doesn't, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_durable_because: Option<String>,
    /// What the server takes.
    pub limits: Limits,
}

/// What a server takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Above this the connection is closed with 1009.
    pub max_message_bytes: usize,
    /// The largest frame without its image.
    pub max_frame_bytes: usize,
    /// The largest image.
    pub max_image_bytes: usize,
    /// The most persons a frame may have.
    pub max_persons: usize,
    /// The most keypoints a skeleton may have.
    pub max_keypoints: usize,
    /// How long a missing number is waited for.
    pub reorder_window_ms: u64,
    /// How long a message may take from its first byte to its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_idle_message_ms: Option<u64>,
}

/// `ack`: what is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ack")]
pub struct Ack {
    /// The session.
    pub session_id: SessionId,
    /// Whose numbers they are.
    pub publisher: String,
    /// Every number up to this one is durable or settled; null before the first.
    pub stored_through: Option<u64>,
}

/// `recording_status`: how a recording goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "recording_status")]
pub struct RecordingStatus {
    /// The session.
    pub session_id: SessionId,
    /// The stream.
    pub stream: String,
    /// Where it stands.
    pub status: SessionStatus,
    /// How many frames are recorded; those not yet durable included.
    pub frame_count: u64,
    /// Session time of the last frame.
    pub duration: Timestamp,
    /// Frames a second of late: by the median of the last 64 intervals; 0 before the second frame.
    pub fps: f64,
    /// How many numbered frames never came.
    pub gaps: u64,
    /// How many bytes of poses are stored.
    pub bytes: u64,
    /// The publisher's number up to which everything is durable or settled.
    pub stored_through: Option<u64>,
    /// How many bytes of video are stored.
    pub video_stored_bytes: u64,
    /// Why the store doesn't take frames at the moment, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A frame message in one go. Frames are most of what comes; anything else, and what is wrong with a frame, is found out in steps.
#[derive(Deserialize)]
struct WholeFrame {
    #[serde(rename = "type")]
    _kind: FrameKind,
    #[serde(default)]
    id: Option<CommandId>,
    timestamp: f64,
    #[serde(default)]
    frame_number: Option<u64>,
    #[serde(default)]
    pose_data: Option<SentPose>,
    #[serde(default)]
    landmarks: Option<Landmarks>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    stream: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FrameKind {
    Frame,
}

impl WholeFrame {
    fn into_command(self) -> (Option<CommandId>, RecordCommand) {
        let Self {
            _kind: FrameKind::Frame,
            id,
            timestamp,
            frame_number,
            pose_data,
            landmarks,
            image,
            stream,
        } = self;
        let frame = FrameMessage { timestamp, frame_number, pose_data, landmarks, image, stream };
        (id, RecordCommand::Frame(Box::new(frame)))
    }
}

/// The fields that every command has.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<CommandId>,
    frame_number: Option<u64>,
    #[serde(default)]
    stream: Value,
}

#[derive(Deserialize)]
struct AnyObject {
    #[serde(flatten)]
    _fields: Map<String, Value>,
}

impl RecordCommand {
    /// Reads a text message.
    ///
    /// # Errors
    ///
    /// A [`ProtocolError`] ready to be sent: `bad_json`, `bad_message`, `unknown_type`, with the command's id and the
    /// frame's number as far as they could be read.
    pub fn parse(text: &str) -> Result<(Option<CommandId>, Self), ProtocolError> {
        if let Ok(frame) = serde_json::from_str::<WholeFrame>(text) {
            return Ok(frame.into_command());
        }
        let envelope: Envelope = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => return Err(unreadable(text, &error)),
        };
        let Envelope { kind, id, frame_number, stream } = envelope;
        let bad = |error: serde_json::Error| {
            let message =
                format!("the message `{}` is not as specified: {error}", kind.as_deref().unwrap_or("?"));
            let bad = ProtocolError::new(ErrorCode::BadMessage, message).answering(id.clone());
            match (kind.as_deref(), stream.as_str()) {
                (Some("frame"), None) => bad.of_frame(frame_number),
                (Some("frame"), Some(stream)) => bad.of_frame(frame_number).with("stream", stream),
                _ => bad,
            }
        };
        let command = match kind.as_deref() {
            Some("frame") => Self::Frame(serde_json::from_str(text).map_err(bad)?),
            Some("publish") => Self::Publish(serde_json::from_str(text).map_err(bad)?),
            Some("subscribe") => Self::Subscribe(serde_json::from_str(text).map_err(bad)?),
            Some("unsubscribe") => Self::Unsubscribe(serde_json::from_str(text).map_err(bad)?),
            Some("start_recording") => Self::StartRecording(serde_json::from_str(text).map_err(bad)?),
            Some("pause_recording") => Self::PauseRecording(serde_json::from_str(text).map_err(bad)?),
            Some("resume_recording") => Self::ResumeRecording(serde_json::from_str(text).map_err(bad)?),
            Some("mark") => Self::Mark(serde_json::from_str(text).map_err(bad)?),
            Some("stop_recording") => Self::StopRecording(serde_json::from_str(text).map_err(bad)?),
            Some("discard_recording") => Self::DiscardRecording(serde_json::from_str(text).map_err(bad)?),
            Some("resume_session") => Self::ResumeSession(serde_json::from_str(text).map_err(bad)?),
            Some("frames_dropped") => Self::FramesDropped(serde_json::from_str(text).map_err(bad)?),
            Some(unknown) => {
                let shown: String = unknown.chars().take(100).collect();
                let message = format!("there is no message type `{shown}`");
                return Err(ProtocolError::new(ErrorCode::UnknownType, message).answering(id));
            }
            None => {
                return Err(
                    ProtocolError::new(ErrorCode::BadMessage, "the message has no `type`").answering(id)
                );
            }
        };
        Ok((id, command))
    }
}

/// Tells broken JSON from JSON whose common fields have wrong types.
fn unreadable(text: &str, error: &serde_json::Error) -> ProtocolError {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        let hint = if text.contains("NaN") || text.contains("Infinity") { "; send null for NaN" } else { "" };
        return ProtocolError::new(ErrorCode::BadJson, format!("not JSON: {error}{hint}"));
    }
    if serde_json::from_str::<AnyObject>(text).is_err() {
        return ProtocolError::new(ErrorCode::BadJson, "a message is a JSON object with a `type`");
    }
    ProtocolError::new(
        ErrorCode::BadMessage,
        format!("`type`, `id` or `frame_number` has a wrong type: {error}"),
    )
}
