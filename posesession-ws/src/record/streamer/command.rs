//! What a streamer is told to do, and what it is answered.

use std::ops::RangeInclusive;
use std::time::Duration;

use posesession_core::{SessionId, SessionStatus, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::end::StreamerError;
use crate::protocol::{Publish, StartRecording};
use crate::record::client::Finalized;

/// How many commands may wait for their turn.
pub(super) const COMMAND_QUEUE: usize = 64;

pub(super) type Reply = oneshot::Sender<Result<Answer, StreamerError>>;

/// Something to be asked of the server, in its place among the frames.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) what: What,
    /// It comes after the frame of this number.
    pub(super) after: Option<u64>,
    /// The id under which the present connection was asked.
    pub(super) asked_as: Option<i64>,
    /// Whether any connection was asked: then it may have been done, and only the answer got lost.
    pub(super) was_asked: bool,
    /// When it may be asked.
    pub(super) not_before: Duration,
    reply: Reply,
    /// Its room among the commands that may wait.
    _slot: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub(super) enum What {
    Publish(Box<Publish>),
    Start(Box<StartRecording>),
    Pause(bool),
    Mark { label: String, timestamp: Option<Timestamp> },
    Stop { session: Option<SessionId> },
    Discard { session: Option<SessionId> },
}

#[derive(Debug)]
pub(super) enum Answer {
    Done,
    Started(SessionId),
    Stopped(Box<Stopped>),
}

/// What is known of a recording that was stopped.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stopped {
    /// The session.
    pub session_id: SessionId,
    /// How it ended, as far as the server says.
    pub status: Option<SessionStatus>,
    /// Which numbers are not in it although nothing refused them: none, unless the recording was ended by somebody else before
    /// they came.
    pub not_stored: Vec<RangeInclusive<u64>>,
    /// The session and its report. None if the answer got lost, and nobody could tell it again: the session has not ended as
    /// `completed`, or was erased since.
    pub finalized: Option<Finalized>,
}

impl What {
    /// Returns what the server is asked.
    pub(super) fn message(&self, id: i64) -> Value {
        let session = |session: &Option<SessionId>| match session {
            Some(session) => json!({ "session_id": session }),
            None => json!({}),
        };
        let (kind, mut fields) = match self {
            Self::Publish(publish) => ("publish", json!(publish)),
            Self::Start(start) => ("start_recording", json!(start)),
            Self::Pause(true) => ("pause_recording", json!({})),
            Self::Pause(false) => ("resume_recording", json!({})),
            Self::Mark { label, timestamp: None } => ("mark", json!({ "label": label })),
            Self::Mark { label, timestamp: Some(at) } => ("mark", json!({ "label": label, "timestamp": at })),
            Self::Stop { session: of } => ("stop_recording", session(of)),
            Self::Discard { session: of } => ("discard_recording", session(of)),
        };
        fields["type"] = json!(kind);
        fields["id"] = json!(id);
        fields
    }
}

impl Command {
    pub(super) fn new(
        what: What,
        after: Option<u64>,
        reply: Reply,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let not_before = Duration::ZERO;
        Self { what, after, asked_as: None, was_asked: false, not_before, reply, _slot: slot }
    }

    /// Returns whether it ends the recording, and so comes after all of it.
    pub(super) fn ends_recording(&self) -> bool {
        matches!(self.what, What::Stop { .. } | What::Discard { .. })
    }

    /// Returns whether it asks for the recording of this id.
    pub(super) fn starts(&self, id: SessionId) -> bool {
        matches!(&self.what, What::Start(start) if start.session_id == Some(id))
    }

    pub(super) fn answer(self, answer: Result<Answer, StreamerError>) {
        // Who doesn't wait for the answer any more doesn't need it.
        let _gone = self.reply.send(answer);
    }
}
