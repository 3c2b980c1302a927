//! A named stream: one publisher, any number of controllers and viewers, at most one recording.

mod actor;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posesession_core::{SessionId, Skeleton, Timestamp};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use self::actor::StreamActor;
use super::RecordService;
use super::live::{Live, Viewer};
use super::peer::{ConnectionId, Peer};
use super::sent::SentFrame;
use crate::protocol::{
    BinaryVideo, ErrorCode, FramesDropped, ProtocolError, ResumeSession, StartRecording, WireFormat,
};

/// How many commands may wait for a stream; beyond, connections wait, and with them their senders.
const COMMAND_QUEUE: usize = 64;
/// How many KiB they may have together.
const COMMAND_QUEUE_KIB: u32 = 32 << 10;

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

impl StreamCommand {
    /// Returns whether it is to be done although its sender is gone before there was room for it: frames are, and what is done to a
    /// recording.
    pub(super) fn outlives_its_sender(&self) -> bool {
        matches!(
            self,
            Self::Frame { .. }
                | Self::Dropped { .. }
                | Self::Refused { .. }
                | Self::Video { .. }
                | Self::Control { .. }
        )
    }

    /// Returns whether its sender sends frames, or is about to.
    pub(super) fn is_about_frames(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::ResumeSession { .. } | Self::Dropped { .. })
    }

    /// Returns about how many KiB it has, as far as they are the sender's to choose.
    fn kib(&self) -> u32 {
        let bytes = match self {
            Self::Frame { frame, .. } => frame.bytes(),
            Self::Video { video, .. } => video.data.len(),
            _ => 0,
        };
        u32::try_from(bytes >> 10).unwrap_or(u32::MAX).min(COMMAND_QUEUE_KIB)
    }
}

/// A command on its way, and the room that it takes until it has been dealt with.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) command: StreamCommand,
    _bytes: OwnedSemaphorePermit,
}

/// A place in a stream's queue.
#[derive(Debug)]
pub(super) struct Room {
    place: mpsc::OwnedPermit<Queued>,
    bytes: OwnedSemaphorePermit,
}

impl Room {
    pub(super) fn send(self, command: StreamCommand) {
        self.place.send(Queued { command, _bytes: self.bytes });
    }
}

/// The way to a stream's actor.
#[derive(Debug, Clone)]
pub(super) struct StreamHandle {
    name: Arc<str>,
    commands: mpsc::Sender<Queued>,
    /// For those who send no frames, and so have no order to keep: it is read also while the recorder is full.
    aside: mpsc::Sender<StreamCommand>,
    /// The bytes for which there is room in the queue, in KiB.
    bytes: Arc<Semaphore>,
    live: Arc<Live>,
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

    pub(super) fn watch(&self, format: WireFormat) -> Viewer {
        self.live.watch(&self.name, format)
    }

    /// Hands a command over if there is room for it, else gives it back. A stream that has ended takes none.
    pub(super) fn try_send(&self, command: StreamCommand) -> Option<StreamCommand> {
        let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(command.kib()) else {
            return Some(command);
        };
        match self.commands.try_send(Queued { command, _bytes: bytes }) {
            Err(mpsc::error::TrySendError::Full(queued)) => Some(queued.command),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                tracing::debug!(stream = %self.name, "the stream has ended");
                None
            }
            Ok(()) => None,
        }
    }

    /// Hands a command over beside the queue if there is room for it, else gives it back.
    pub(super) fn try_send_aside(&self, command: StreamCommand) -> Option<StreamCommand> {
        self.aside.try_send(command).err().map(|refused| match refused {
            mpsc::error::TrySendError::Full(command) | mpsc::error::TrySendError::Closed(command) => command,
        })
    }

    /// Waits for room in the queue for so many KiB; there is none in a stream that has ended.
    async fn room(&self, kib: u32) -> Option<Room> {
        let place = self.commands.clone().reserve_owned().await.ok()?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(kib).await.ok()?;
        Some(Room { place, bytes })
    }

    /// Waits for room in the queue for a command; there is none in a stream that has ended.
    pub(super) async fn room_for(&self, command: &StreamCommand) -> Option<Room> {
        self.room(command.kib()).await
    }
}

/// Starts a stream's actor.
pub(super) fn spawn(service: RecordService, name: String) -> StreamHandle {
    let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
    let (aside, aside_receiver) = mpsc::channel(COMMAND_QUEUE);
    let live = Arc::new(Live::new());
    let bytes = Arc::new(Semaphore::new(COMMAND_QUEUE_KIB as usize));
    let handle =
        StreamHandle { name: name.into(), commands, aside, bytes, live, is_published: Arc::default() };
    let tasks = service.inner.tasks.clone();
    tasks.spawn(StreamActor::new(service, &handle, receiver, aside_receiver).run());
    handle
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use posesession_core::Timestamp;

    use super::*;

    fn video(bytes: usize) -> StreamCommand {
        let data = Bytes::from(vec![0; bytes]);
        let video = BinaryVideo { stream: String::new(), offset: 0, timestamp: Timestamp::ZERO, data };
        StreamCommand::Video { from: ConnectionId(1), video }
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_bytes_and_takes_what_is_larger_alone() {
        let (commands, mut receiver) = mpsc::channel(COMMAND_QUEUE);
        let bytes = Arc::new(Semaphore::new(COMMAND_QUEUE_KIB as usize));
        let live = Arc::new(Live::new());
        let (aside, _aside) = mpsc::channel(1);
        let is_published = Arc::default();
        let stream = StreamHandle { name: "s".into(), commands, aside, bytes, live, is_published };
        assert!(stream.try_send(video(20 << 20)).is_none());
        let waiting = stream.try_send(video(20 << 20)).expect("no room");
        assert!(stream.try_send(StreamCommand::Unsubscribe { connection: ConnectionId(1) }).is_none());
        let first = receiver.recv().await.unwrap();
        assert!(stream.try_send(video(20 << 20)).is_some(), "it takes its room until it has been dealt with");
        drop(first);
        stream.room_for(&waiting).await.unwrap().send(waiting);
        drop(receiver.recv().await);
        drop(receiver.recv().await);
        assert!(stream.try_send(video(40 << 20)).is_none(), "what is larger than all the room goes alone");
        assert!(stream.try_send(video(1 << 20)).is_some());
    }
}
