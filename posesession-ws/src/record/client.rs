//! The record protocol's client: a streamer, a remote control, a viewer, in any mix.

use bytes::Bytes;
use posesession_core::{PoseData, SessionId, SessionRecording, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::caller::{Caller, ClientError, ClientTransport, Incoming, connect, read};
use crate::message::{CloseReason, Message};
use crate::protocol::{
    Ack, BinaryFrame, BinaryFrameHeader, BinaryMessage, BinaryVideo, ProtocolError, Publish, RecordingStatus,
    StartRecording, Subscribe, Welcome,
};
use crate::transport::Transport;

/// A client of `/ws/pose`.
///
/// Commands wait for their answers; what comes in between waits in a bounded queue for
/// [`RecordClient::next_event`].
///
/// # Examples
///
/// See `examples/record.rs`.
#[derive(Debug)]
pub struct RecordClient<T = ClientTransport> {
    caller: Caller<T>,
    welcome: Welcome,
}

/// What a server says without being asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RecordEvent {
    /// Frames are durable.
    Ack(Ack),
    /// How a recording goes.
    Status(RecordingStatus),
    /// A live frame of a stream that is watched.
    Frame(Box<BinaryFrame>),
    /// A recording of the published stream started.
    Started {
        /// The session.
        session_id: SessionId,
    },
    /// A recording of the published stream ended.
    Stopped {
        /// The session.
        session_id: SessionId,
    },
    /// A frame was refused, or the store is in trouble.
    Error(ProtocolError),
    /// So many events were not read in time and are lost to this client.
    Missed(u64),
    /// Something this version doesn't know.
    Other(Value),
    /// The server ended the connection.
    Closed(Option<CloseReason>),
}

/// What is left of a recording when it is stopped.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Finalized {
    /// The session's facts.
    pub session: SessionRecording,
    /// How well it went.
    pub report: Map<String, Value>,
}

impl Finalized {
    pub(super) fn video_stored_bytes(&self) -> u64 {
        self.report.get("video_stored_bytes").and_then(Value::as_u64).unwrap_or(0)
    }
}

impl RecordClient<ClientTransport> {
    /// Connects to a server: `ws://127.0.0.1:8787/ws/pose`.
    ///
    /// # Errors
    ///
    /// [`ClientError::BadUrl`], [`ClientError::Unreachable`], or what [`RecordClient::over`] returns.
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        Self::over(connect(url).await?).await
    }
}

impl<T: Transport> RecordClient<T> {
    /// Greets a server over any transport.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if no `welcome` comes.
    pub async fn over(transport: T) -> Result<Self, ClientError> {
        let mut caller = Caller::new(transport);
        let welcome = match caller.next_event().await? {
            Incoming::Json(message) => read(message)?,
            Incoming::Closed(reason) => return Err(ClientError::Closed { reason }),
            Incoming::Binary(_) | Incoming::Missed(_) => return Err(ClientError::Closed { reason: None }),
        };
        Ok(Self { caller, welcome })
    }

    /// Returns what the server said first.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Becomes a stream's publisher.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `stream_busy` if another one publishes, or a lost connection.
    pub async fn publish(&mut self, publish: &Publish) -> Result<Map<String, Value>, ClientError> {
        self.caller.ask("publish", json!(publish)).await
    }

    /// Watches a stream: its live frames come as events.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn subscribe(&mut self, subscribe: &Subscribe) -> Result<Map<String, Value>, ClientError> {
        self.caller.ask("subscribe", json!(subscribe)).await
    }

    /// Starts a recording.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `already_recording`, `unsupported` or `storage`, or a lost connection.
    pub async fn start_recording(&mut self, start: &StartRecording) -> Result<SessionId, ClientError> {
        #[derive(Deserialize)]
        struct Created {
            session_id: SessionId,
        }
        let created: Created = self.caller.ask("start_recording", json!(start)).await?;
        Ok(created.session_id)
    }

    /// Lets the recording stand still.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `no_recording` or `bad_state`, or a lost connection.
    pub async fn pause_recording(&mut self) -> Result<(), ClientError> {
        self.caller.ask::<Value>("pause_recording", json!({})).await.map(drop)
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `no_recording` or `bad_state`, or a lost connection.
    pub async fn resume_recording(&mut self) -> Result<(), ClientError> {
        self.caller.ask::<Value>("resume_recording", json!({})).await.map(drop)
    }

    /// Marks a moment: by the streamer's clock, or now.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `no_recording` or `bad_message`, or a lost connection.
    pub async fn mark(&mut self, label: &str, timestamp: Option<Timestamp>) -> Result<(), ClientError> {
        let mut fields = json!({ "label": label });
        if let Some(timestamp) = timestamp {
            fields["timestamp"] = json!(timestamp);
        }
        self.caller.ask::<Value>("mark", fields).await.map(drop)
    }

    /// Ends the recording: of `session`, or the one started here, or the stream's.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `no_recording` or `storage`, or a lost connection.
    pub async fn stop_recording(&mut self, session: Option<SessionId>) -> Result<Finalized, ClientError> {
        self.caller.ask("stop_recording", session_fields(session)).await
    }

    /// Ends the recording and erases it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `no_recording` or `storage`, or a lost connection.
    pub async fn discard_recording(&mut self, session: Option<SessionId>) -> Result<(), ClientError> {
        self.caller.ask::<Value>("discard_recording", session_fields(session)).await.map(drop)
    }

    /// Goes on publishing to a session after a lost connection. Returns the own number up to which everything is stored.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `not_resumable`, `stream_busy` or `session_not_found`, or a lost connection.
    pub async fn resume_session(
        &mut self,
        session: SessionId,
        publisher: &str,
        take_over: bool,
    ) -> Result<Option<u64>, ClientError> {
        #[derive(Deserialize)]
        struct Resumed {
            stored_through: Option<u64>,
        }
        let fields = json!({ "session_id": session, "publisher": publisher, "take_over": take_over });
        let resumed: Resumed = self.caller.ask("resume_session", fields).await?;
        Ok(resumed.stored_through)
    }

    /// Sends a frame to the stream published last. A refusal comes as [`RecordEvent::Error`].
    ///
    /// `timestamp` is of the streamer's clock; `image` is a JPEG or WebP, or empty.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for a lost connection.
    pub async fn send_frame(
        &mut self,
        frame_number: Option<u64>,
        timestamp: Timestamp,
        pose: &PoseData,
        image: &[u8],
    ) -> Result<(), ClientError> {
        let width = pose.values.len().checked_div(pose.person_count()).unwrap_or(0);
        let header = BinaryFrameHeader {
            timestamp,
            frame_number,
            values_per_person: u32::try_from(width).unwrap_or(u32::MAX),
            ..BinaryFrameHeader::default()
        };
        self.caller.send(Message::Binary(BinaryFrame::encode(&header, pose, image))).await
    }

    /// Sends a piece of the video file, as an encoder yields it.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for a lost connection.
    pub async fn send_video(
        &mut self,
        offset: u64,
        timestamp: Timestamp,
        data: Bytes,
    ) -> Result<(), ClientError> {
        let video = BinaryVideo { stream: String::new(), offset, timestamp, data };
        self.caller.send(Message::Binary(video.encode())).await
    }

    /// Sends any text message, as a client of one's own would.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for a lost connection.
    pub async fn send_text(&mut self, text: &str) -> Result<(), ClientError> {
        self.caller.send(Message::text(text)).await
    }

    /// Returns the next thing that the server says unasked, waiting for it.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for what is not of the protocol, or a failed connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_event(&mut self) -> Result<RecordEvent, ClientError> {
        let message = match self.caller.next_event().await? {
            Incoming::Json(message) => message,
            Incoming::Binary(bytes) => {
                return Ok(match BinaryMessage::decode(&bytes)? {
                    BinaryMessage::Frame(frame) => RecordEvent::Frame(Box::new(frame)),
                    BinaryMessage::Video(_) => RecordEvent::Other(json!({ "type": "video" })),
                });
            }
            Incoming::Missed(count) => return Ok(RecordEvent::Missed(count)),
            Incoming::Closed(reason) => return Ok(RecordEvent::Closed(reason)),
        };
        #[derive(Deserialize)]
        struct Session {
            session_id: SessionId,
        }
        Ok(match message["type"].as_str() {
            Some("ack") => RecordEvent::Ack(read(message)?),
            Some("recording_status") => RecordEvent::Status(read(message)?),
            Some("error") => RecordEvent::Error(read(message)?),
            Some("recording_started") => {
                RecordEvent::Started { session_id: read::<Session>(message)?.session_id }
            }
            Some("recording_stopped") => {
                RecordEvent::Stopped { session_id: read::<Session>(message)?.session_id }
            }
            _ => RecordEvent::Other(message),
        })
    }

    /// Says goodbye. A recording goes on without its controller.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for a failed connection.
    pub async fn close(mut self) -> Result<(), ClientError> {
        self.caller.close().await
    }
}

fn session_fields(session: Option<SessionId>) -> Value {
    session.map_or_else(|| json!({}), |id| json!({ "session_id": id }))
}
