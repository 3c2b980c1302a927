//! The replay protocol's JSON messages: `/ws/replay/{session_id}`.

use posesession_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CommandId, ErrorCode, ProtocolError};

/// What a viewer says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReplayCommand {
    /// Starts or goes on; after the end, from the range's start.
    Play {
        /// A new rate; absent: as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<f64>,
    },
    /// Stands still.
    Pause,
    /// Goes somewhere.
    Seek(SeekCommand),
    /// Changes the rate.
    SetRate {
        /// Within -16..16, not 0; 1 is as recorded.
        rate: f64,
    },
    /// Goes some frames on or back, and pauses.
    Step {
        /// How many; negative: back.
        frames: i64,
    },
    /// Plays only a part.
    SetRange(SetRange),
}

/// `seek`: exactly one of the first four.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SeekCommand {
    /// Session time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The frame of this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_number: Option<u64>,
    /// A part of the duration, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// The label of a marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// `before` (default), `nearest`, `exact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// `set_range`: without fields, the whole session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SetRange {
    /// Where it starts; absent: at the session's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Where it ends; absent: at the session's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// `none` (default), `loop`, `ping_pong`.
    #[serde(default, rename = "loop", skip_serializing_if = "Option::is_none")]
    pub loop_mode: Option<String>,
}

/// `state`: the replay's clock and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "state")]
pub struct StateMessage {
    /// The command that it answers, if it answers one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<CommandId>,
    /// `paused`, `playing`, `buffering`, `ended`.
    pub status: String,
    /// Session time at `server_time`.
    pub timestamp: Timestamp,
    /// The frame shown; null in a session without frames.
    pub frame_number: Option<u64>,
    /// 1 is as recorded; negative: backwards.
    pub rate: f64,
    /// Rises with each seek.
    pub epoch: u32,
    /// The server's clock, seconds since the Unix epoch.
    pub server_time: f64,
    /// Why it stands still, where it wasn't asked to.
    pub cause: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<CommandId>,
}

impl ReplayCommand {
    const TYPES: [&str; 6] = ["play", "pause", "seek", "set_rate", "step", "set_range"];

    /// Reads a text message.
    ///
    /// # Errors
    ///
    /// A [`ProtocolError`] ready to be sent: `bad_json`, `bad_message` or `unknown_type`.
    pub fn parse(text: &str) -> Result<(Option<CommandId>, Self), ProtocolError> {
        let envelope: Envelope = serde_json::from_str(text).map_err(|error| {
            let code = if error.is_data() { ErrorCode::BadMessage } else { ErrorCode::BadJson };
            ProtocolError::new(code, format!("not a command: {error}"))
        })?;
        let Some(kind) = envelope.kind else {
            return Err(
                ProtocolError::new(ErrorCode::BadMessage, "the message has no `type`").answering(envelope.id)
            );
        };
        if !Self::TYPES.contains(&kind.as_str()) {
            let shown: String = kind.chars().take(100).collect();
            let message = format!("there is no message type `{shown}`");
            return Err(ProtocolError::new(ErrorCode::UnknownType, message).answering(envelope.id));
        }
        let command = serde_json::from_str(text).map_err(|error| {
            let message = format!("the message `{kind}` is not as specified: {error}");
            ProtocolError::new(ErrorCode::BadMessage, message).answering(envelope.id.clone())
        })?;
        Ok((envelope.id, command))
    }
}
