//! The replay protocol's client: commands out, frames in, each at its time.

use posesession_core::{Marker, PoseData, SessionRecording, Skeleton, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::caller::{Caller, ClientError, ClientTransport, Incoming, connect, read};
use crate::message::CloseReason;
use crate::protocol::{BinaryMessage, ProtocolError, SeekCommand, SetRange, StateMessage};
use crate::transport::Transport;

/// A client of `/ws/replay/{session_id}?format=binary`.
///
/// # Examples
///
/// See `examples/replay.rs`.
#[derive(Debug)]
pub struct ReplayClient<T = ClientTransport> {
    caller: Caller<T>,
    session: ReplayedSession,
    epoch: u32,
}

/// What the server says about a session before its first frame.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReplayedSession {
    /// The session's facts.
    pub session: SessionRecording,
    /// The keypoints; none while nobody has been seen.
    pub skeleton: Option<Skeleton>,
    /// Session time of the last frame.
    pub duration: Timestamp,
    /// How many frames there are.
    pub frame_count: u64,
    /// Where frames are missing.
    pub gaps: Vec<Marker>,
    /// What happened when: marks, pauses, gaps, clock jumps.
    pub markers: Vec<Marker>,
    /// Whether the session is still being recorded.
    pub live: bool,
}

/// What a replay says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReplayEvent {
    /// A frame to be shown now.
    Frame(ReplayedFrame),
    /// The replay's state changed.
    State(StateMessage),
    /// A live session has grown or ended, or its skeleton became known.
    Session(Box<ReplayedSession>),
    /// Something went wrong.
    Error(ProtocolError),
    /// So many events were not read in time and are lost to this client.
    Missed(u64),
    /// Something this version doesn't know.
    Other(Value),
    /// The server ended the connection.
    Closed(Option<CloseReason>),
}

/// One frame of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedFrame {
    /// The seek epoch it belongs to.
    pub epoch: u32,
    /// Its number within the session.
    pub frame_number: u64,
    /// Its session time.
    pub timestamp: Timestamp,
    /// The poses.
    pub pose_data: PoseData,
}

impl ReplayClient<ClientTransport> {
    /// Connects to a replay: `ws://127.0.0.1:8787/ws/replay/{session_id}`. Frames come as binary messages.
    ///
    /// # Errors
    ///
    /// [`ClientError::BadUrl`], [`ClientError::Unreachable`], or what [`ReplayClient::over`] returns.
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        let separator = if url.contains('?') { '&' } else { '?' };
        Self::over(connect(&format!("{url}{separator}format=binary")).await?).await
    }
}

impl<T: Transport> ReplayClient<T> {
    /// Begins a replay over any transport; the server's end must send binary frames.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `session_not_found`, or a lost connection.
    pub async fn over(transport: T) -> Result<Self, ClientError> {
        let mut caller = Caller::new(transport);
        let session = match caller.next_event().await? {
            Incoming::Json(message) if message["type"] == "error" => {
                return Err(ClientError::Refused(read(message)?));
            }
            Incoming::Json(message) => read(message)?,
            Incoming::Closed(reason) => return Err(ClientError::Closed { reason }),
            Incoming::Binary(_) | Incoming::Missed(_) => return Err(ClientError::Closed { reason: None }),
        };
        Ok(Self { caller, session, epoch: 0 })
    }

    /// Returns what the server said about the session.
    #[must_use]
    pub fn session(&self) -> &ReplayedSession {
        &self.session
    }

    /// Starts or goes on, at a new rate if one is given.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn play(&mut self, rate: Option<f64>) -> Result<StateMessage, ClientError> {
        self.command("play", rate.map_or_else(|| json!({}), |rate| json!({ "rate": rate }))).await
    }

    /// Stands still.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn pause(&mut self) -> Result<StateMessage, ClientError> {
        self.command("pause", json!({})).await
    }

    /// Goes somewhere; the answer says where it landed. Frames from before are dropped.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `out_of_range`, `frame_not_found` or `marker_not_found`, or a lost connection.
    pub async fn seek(&mut self, seek: &SeekCommand) -> Result<StateMessage, ClientError> {
        self.command("seek", json!(seek)).await
    }

    /// Changes the rate.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `out_of_range`, or a lost connection.
    pub async fn set_rate(&mut self, rate: f64) -> Result<StateMessage, ClientError> {
        self.command("set_rate", json!({ "rate": rate })).await
    }

    /// Goes some frames on or back, and pauses.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn step(&mut self, frames: i64) -> Result<StateMessage, ClientError> {
        self.command("step", json!({ "frames": frames })).await
    }

    /// Plays only a part.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `out_of_range` or `unsupported`, or a lost connection.
    pub async fn set_range(&mut self, range: &SetRange) -> Result<StateMessage, ClientError> {
        self.command("set_range", json!(range)).await
    }

    async fn command(&mut self, kind: &str, fields: Value) -> Result<StateMessage, ClientError> {
        let state: StateMessage = self.caller.ask(kind, fields).await?;
        self.epoch = state.epoch;
        Ok(state)
    }

    /// Returns the next frame or change, waiting for it. Frames of an epoch before the last seek's are dropped.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for what is not of the protocol, or a failed connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_event(&mut self) -> Result<ReplayEvent, ClientError> {
        loop {
            let message = match self.caller.next_event().await? {
                Incoming::Json(message) => message,
                Incoming::Binary(bytes) => {
                    let BinaryMessage::Frame(frame) = BinaryMessage::decode(&bytes)? else {
                        return Ok(ReplayEvent::Other(json!({ "type": "video" })));
                    };
                    if frame.header.epoch < self.epoch {
                        continue;
                    }
                    return Ok(ReplayEvent::Frame(ReplayedFrame {
                        epoch: frame.header.epoch,
                        frame_number: frame.header.frame_number.unwrap_or_default(),
                        timestamp: frame.header.timestamp,
                        pose_data: frame.pose_data,
                    }));
                }
                Incoming::Missed(count) => return Ok(ReplayEvent::Missed(count)),
                Incoming::Closed(reason) => return Ok(ReplayEvent::Closed(reason)),
            };
            return Ok(match message["type"].as_str() {
                Some("state") => ReplayEvent::State(read(message)?),
                Some("error") => ReplayEvent::Error(read(message)?),
                Some("session") => {
                    let session: ReplayedSession = read(message)?;
                    self.session = session.clone();
                    ReplayEvent::Session(Box::new(session))
                }
                _ => ReplayEvent::Other(message),
            });
        }
    }

    /// Says goodbye.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for a failed connection.
    pub async fn close(mut self) -> Result<(), ClientError> {
        self.caller.close().await
    }
}
