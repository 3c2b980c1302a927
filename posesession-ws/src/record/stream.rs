//! A named stream: one publisher, any number of controllers and viewers, at most one recording.

mod actor;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posesession_core::{SessionId, Skeleton, Timestamp};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot};

use self::actor::StreamActor;
use super::RecordService;
use super::live::LiveEvent;
use super::peer::{ConnectionId, Peer};
use super::sent::SentFrame;
use crate::protocol::{BinaryVideo, ErrorCode, FramesDropped, ProtocolError, ResumeSession, StartRecording};

/// How many commands may wait for a stream; beyond, connections wait, and with them their senders.
const COMMAND_QUEUE: usize = 64;
/// How many live events a slow viewer may be behind.
const LIVE_QUEUE: usize = 64;

/// What a command is answered: a message without its `id`.
pub(super) type Answer = Result<Value, ProtocolError>;

/// What a connection tells a stream.
#[derive(Debug)]
pub(super) enum StreamCommand {
    Publish {
        peer: Peer,
        publisher: Option<String>,
        take_over: bool,
        skeleton: Option<Skeleton>,
        fps: Option<f64>,
        pre_roll_max: Option<Duration>,
        reply: oneshot::Sender<Answer>,
    },
    Subscribe {
        peer: Peer,
        reply: oneshot::Sender<Answer>,
    },
    Unsubscribe {
        connection: ConnectionId,
    },
    Start {
        peer: Peer,
        start: Box<StartRecording>,
        reply: oneshot::Sender<Answer>,
    },
    Control {
        peer: Peer,
        session: Option<SessionId>,
        control: Control,
        reply: oneshot::Sender<Answer>,
    },
    ResumeSession {
        peer: Peer,
        resume: ResumeSession,
        reply: oneshot::Sender<Answer>,
    },
    Frame {
        from: ConnectionId,
        frame: SentFrame,
    },
    /// Numbers that won't come.
    Dropped {
        from: ConnectionId,
        dropped: FramesDropped,
        reply: oneshot::Sender<Answer>,
    },
    /// A frame that the connection itself refused.
    Refused {
        from: ConnectionId,
        frame_number: Option<u64>,
        code: ErrorCode,
    },
    Video {
        from: ConnectionId,
        video: BinaryVideo,
    },
    Disconnect {
        connection: ConnectionId,
    },
}

/// What is done to a recording.
#[derive(Debug)]
pub(super) enum Control {
    Pause,
    Resume,
    Mark { label: String, timestamp: Option<Timestamp> },
    Stop,
    Discard,
}

/// The way to a stream's actor.
#[derive(Debug, Clone)]
pub(super) struct StreamHandle {
    name: Arc<str>,
    commands: mpsc::Sender<StreamCommand>,
    live: broadcast::Sender<LiveEvent>,
    /// Written by the actor alone.
    is_published: Arc<AtomicBool>,
}

impl StreamHandle {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Returns whether somebody sends poses to the stream at this moment.
    pub(super) fn is_published(&self) -> bool {
        self.is_published.load(Ordering::Relaxed)
    }

    /// Returns whether this handle is the only one left.
    pub(super) fn is_last(&self) -> bool {
        self.commands.strong_count() == 1
    }

    pub(super) fn watch(&self) -> broadcast::Receiver<LiveEvent> {
        self.live.subscribe()
    }

    /// Hands a command over, waiting while the queue is full. Only a service that shuts down no longer takes any.
    pub(super) async fn send(&self, command: StreamCommand) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!(stream = %self.name, "the stream has ended");
        }
    }

    /// Hands a command over if there is room for it, else gives it back. A stream that has ended takes none.
    pub(super) fn try_send(&self, command: StreamCommand) -> Option<StreamCommand> {
        match self.commands.try_send(command) {
            Err(mpsc::error::TrySendError::Full(command)) => Some(command),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                tracing::debug!(stream = %self.name, "the stream has ended");
                None
            }
            Ok(()) => None,
        }
    }

    /// Waits for room in the queue; there is none in a stream that has ended.
    pub(super) async fn room(&self) -> Option<mpsc::OwnedPermit<StreamCommand>> {
        self.commands.clone().reserve_owned().await.ok()
    }

    /// Hands a command over and waits for its answer.
    pub(super) async fn ask(&self, command: impl FnOnce(oneshot::Sender<Answer>) -> StreamCommand) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await;
        answer.await.unwrap_or_else(|_ended| {
            Err(ProtocolError::new(ErrorCode::ShuttingDown, "the server is shutting down"))
        })
    }
}

/// Starts a stream's actor.
pub(super) fn spawn(service: RecordService, name: String) -> StreamHandle {
    let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
    let (live, _) = broadcast::channel(LIVE_QUEUE);
    let handle = StreamHandle { name: name.into(), commands, live, is_published: Arc::default() };
    let tasks = service.inner.tasks.clone();
    tasks.spawn(StreamActor::new(service, &handle, receiver).run());
    handle
}
