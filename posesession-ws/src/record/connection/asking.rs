//! Questions to streams. A connection waits for the answer no longer than its client does: a stream whose recorder is full takes
//! nothing until the store is back, and who gave up meanwhile must not cost a connection.

use futures::StreamExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::{Connection, Read};
use crate::message::Message;
use crate::protocol::{ErrorCode, ProtocolError};
use crate::record::stream::{Answer, StreamCommand, StreamHandle};
use crate::transport::{GOODBYE_PATIENCE, Transport};

impl<T: Transport> Connection<T> {
    /// Asks a stream, telling the client what happens meanwhile. A client that is gone is not answered for long.
    pub(super) async fn ask(
        &mut self,
        stream: &StreamHandle,
        command: impl FnOnce(oneshot::Sender<Answer>) -> StreamCommand,
    ) -> Answer {
        let (reply, mut answer) = oneshot::channel();
        self.hand_over_aside(stream, command(reply));
        // Of a client that has said its last word, what came before still counts: a frame, say, by which it publishes.
        let mut until = None;
        let soon = || Instant::now() + GOODBYE_PATIENCE;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.unwrap_or_else(|_ended| {
                    Err(ProtocolError::new(ErrorCode::ShuttingDown, "the server is shutting down"))
                }),
                () = hand_over_waiting(&mut self.waiting), if self.waiting.is_some() => {}
                Some(event) = self.inbox.events.recv() => {
                    // A broken connection shows again when the answer is sent.
                    if self.tell(event).await.is_err() {
                        until.get_or_insert_with(soon);
                    }
                }
                read = self.transport.next(), if self.ahead.is_none() => {
                    self.ahead = Some(read);
                    if self.has_ended() {
                        until.get_or_insert_with(soon);
                    }
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    return Err(ProtocolError::new(ErrorCode::ShuttingDown, "the client is gone"));
                }
            }
        }
    }

    /// Hands a command over beside the queue of frames, where they wait while a recorder is full. One who sends frames
    /// himself has to keep the order, and one who is about to would only wait with the first of them.
    pub(super) fn hand_over_aside(&mut self, stream: &StreamHandle, command: StreamCommand) {
        let keeps_order = self.has_sent || command.is_about_frames();
        let left = if keeps_order { Some(command) } else { stream.try_send_aside(command) };
        if let Some(command) = left {
            self.queue(stream, command);
        }
    }

    /// Hands a frame, or what keeps its order, over as soon as there is room for it.
    pub(super) fn hand_over(&mut self, stream: &StreamHandle, command: StreamCommand) {
        self.has_sent = true;
        self.queue(stream, command);
    }

    fn queue(&mut self, stream: &StreamHandle, command: StreamCommand) {
        if let Some(command) = stream.try_send(command) {
            self.waiting = Some((stream.clone(), command));
        }
    }

    /// Returns whether the client's end was read.
    pub(super) fn has_ended(&self) -> bool {
        matches!(&self.ahead, Some(None | Some(Err(_) | Ok(Message::Close(_)))))
    }

    /// Says goodbye to all streams, without waiting for those that take nothing at the moment: they see by themselves who is gone.
    pub(super) fn leave(&mut self) {
        let streams = self.published.iter().map(|(_, stream)| stream).chain(self.controlled.values());
        let streams: Vec<StreamHandle> = streams.chain(self.watched.values()).cloned().collect();
        let connection = self.peer.id;
        let goodbye = move || {
            for stream in &streams {
                let _seen_later = stream.try_send(StreamCommand::Disconnect { connection });
            }
        };
        let mut waiting = self.waiting.take_if(|(_, command)| command.outlives_its_sender());
        if waiting.is_none() {
            return goodbye();
        }
        self.service.inner.tasks.spawn(async move {
            hand_over_waiting(&mut waiting).await;
            goodbye();
        });
    }
}

/// Returns what was read before, else what comes next.
pub(super) async fn next_of<T: Transport>(ahead: &mut Option<Read>, transport: &mut T) -> Read {
    match ahead.take() {
        Some(read) => read,
        None => transport.next().await,
    }
}

/// Hands over what waits. Dropping the future loses nothing.
pub(super) async fn hand_over_waiting(waiting: &mut Option<(StreamHandle, StreamCommand)>) {
    let Some((stream, command)) = waiting else { return };
    let room = stream.room_for(command).await;
    if let (Some(room), Some((_, command))) = (room, waiting.take()) {
        room.send(command);
    }
}
