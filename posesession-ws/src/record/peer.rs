//! A connection as a stream sees it: someone to tell things to, without ever waiting for them.

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::message::Message;
use crate::protocol::ProtocolError;

/// How many unread events a connection may have before it is put out. Acks and statuses come about six times a second,
/// errors at most as fast as the connection itself sends.
const EVENT_QUEUE: usize = 1024;

/// The number of a connection, unique within the process; later ones have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ConnectionId(pub(super) u64);

/// The sending half of a connection's event queue.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) id: ConnectionId,
    events: mpsc::Sender<Message>,
    /// Cancelled when the connection doesn't read its events: it is closed rather than left without some of them.
    overrun: CancellationToken,
}

/// The receiving half: the connection's own.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) events: mpsc::Receiver<Message>,
    pub(super) overrun: CancellationToken,
}

impl Peer {
    pub(super) fn new(id: ConnectionId) -> (Self, Inbox) {
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let overrun = CancellationToken::new();
        (Self { id, events: sender, overrun: overrun.clone() }, Inbox { events, overrun })
    }

    /// Tells an event; a connection whose queue is full is put out, one that is gone is no longer told anything.
    pub(super) fn tell(&self, event: &impl Serialize) {
        self.tell_message(json_message(event));
    }

    pub(super) fn tell_message(&self, message: Message) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(message) {
            self.overrun.cancel();
        }
    }

    /// Returns whether the connection has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.events.is_closed()
    }

    pub(super) fn tell_error(&self, error: &ProtocolError) {
        self.tell(error);
    }
}

/// Writes a message of the protocol as JSON text.
pub(crate) fn json_message(event: &impl Serialize) -> Message {
    Message::text(json_text(event))
}

/// Writes a message of the protocol as JSON.
pub(super) fn json_text(event: &impl Serialize) -> String {
    serde_json::to_string(event).expect("the protocol's messages have string keys only, so JSON holds them")
}
