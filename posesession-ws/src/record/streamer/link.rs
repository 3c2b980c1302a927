//! One connection of a streamer's. One message out at a time, and whatever comes in meanwhile.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::caller::{ClientError, Incoming, parse};
use crate::message::Message;
use crate::transport::{Transport, TransportError, answer_goodbye};

#[derive(Debug)]
pub(super) struct Link<T> {
    transport: T,
    outbox: Option<Message>,
    is_flushing: bool,
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Step {
    Received(Incoming),
    /// What was put out is on its way: there is room for the next message.
    Sent,
}

impl<T: Transport> Link<T> {
    pub(super) fn new(transport: T) -> Self {
        Self { transport, outbox: None, is_flushing: false }
    }

    /// Returns whether the last message is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.outbox.is_none() && !self.is_flushing
    }

    /// Takes the next message; only while it is idle.
    pub(super) fn put(&mut self, message: Message) {
        debug_assert!(self.is_idle(), "a message would be lost");
        self.outbox = Some(message);
    }

    /// Waits until something happens, writing and reading at once, so that two full pipes can't wait for each other.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn step(&mut self) -> Result<Step, ClientError> {
        poll_fn(|cx| {
            if let Poll::Ready(read) = Pin::new(&mut self.transport).poll_next(cx) {
                return Poll::Ready(match read {
                    Some(Ok(message)) => parse(message).map(Step::Received),
                    Some(Err(TransportError::Closed)) | None => Ok(Step::Received(Incoming::Closed(None))),
                    Some(Err(error)) => Err(error.into()),
                });
            }
            if self.outbox.is_some() {
                match Pin::new(&mut self.transport).poll_ready(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                    Poll::Ready(Ok(())) => {}
                }
            }
            if let Some(message) = self.outbox.take() {
                if let Err(error) = Pin::new(&mut self.transport).start_send(message) {
                    return Poll::Ready(Err(error.into()));
                }
                self.is_flushing = true;
            }
            if !self.is_flushing {
                return Poll::Pending;
            }
            match Pin::new(&mut self.transport).poll_flush(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) => {
                    self.is_flushing = false;
                    Poll::Ready(Ok(Step::Sent))
                }
            }
        })
        .await
    }

    /// Says goodbye, to those who still listen.
    pub(super) async fn close(mut self) {
        answer_goodbye(&mut self.transport).await;
    }
}
