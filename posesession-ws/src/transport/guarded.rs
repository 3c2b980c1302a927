//! A server's WebSocket: the messages of a peer that keeps to limits, and the reason why one that doesn't is left.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::meter::Meter;
use super::{MAX_MESSAGE_BYTES, TransportError, WebSocketTransport, from_websocket, websocket_config};
use crate::message::Message;

/// How many pings in a row may stay unanswered.
const MAX_UNANSWERED: u32 = 2;
/// In how many steps a message's time is counted: a pause in which nothing is read from the peer costs it one at most.
const STEPS: u32 = 4;
/// How long a peer that was told goodbye may take to end the connection, and how much it may still send.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 2 * MAX_MESSAGE_BYTES;

/// What a server asks of its WebSockets' peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketLimits {
    /// How long a message may take from its first byte to its last. Time in which the server itself doesn't read doesn't count.
    pub message_timeout: Duration,
    /// How often a peer is pinged. One from which nothing comes for two pings in a row is gone.
    pub ping_every: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self { message_timeout: Duration::from_secs(30), ping_every: Duration::from_secs(20) }
    }
}

/// Makes a server's transport of a connection on which the opening handshake is done. `early` is what was read of it beyond that.
///
/// # Guarantees
///
/// - A message that has begun is whole within [`SocketLimits::message_timeout`], or the stream yields
///   [`TransportError::LimitExceeded`]; so it does for floods of control frames, and of fragments that bring next to nothing.
/// - A peer that has vanished is noticed: see [`SocketLimits::ping_every`].
/// - What is told at the end arrives: closing waits a moment for the peer to end the connection, as a connection that is dropped
///   while the peer is still sending is reset, and what it was told with it.
/// - Beside the message that is being read or written, a connection keeps 8 KiB. Messages of more than 256 KiB that are not whole
///   yet have 256 MiB together in a process: beyond that, their connections are read again when others are done.
pub async fn accepted_websocket<S>(stream: S, early: Bytes, limits: SocketLimits) -> GuardedTransport<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let meter = Meter::new(stream, early);
    let socket = WebSocketStream::from_raw_socket(meter, Role::Server, Some(websocket_config())).await;
    let mut pings = interval_at(Instant::now() + limits.ping_every, limits.ping_every);
    // After a time in which nothing was read there is one ping, not one for each that was missed.
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    GuardedTransport {
        inner: from_websocket(socket),
        limits,
        pings,
        unanswered: 0,
        begun: None,
        farewell: Farewell::Goodbye,
        linger: None,
    }
}

/// A WebSocket that a server accepted: see [`accepted_websocket`].
pub struct GuardedTransport<S> {
    inner: WebSocketTransport<Meter<S>>,
    limits: SocketLimits,
    pings: Interval,
    unanswered: u32,
    begun: Option<BegunMessage>,
    farewell: Farewell,
    linger: Option<Pin<Box<Sleep>>>,
}

struct BegunMessage {
    number: u64,
    steps_left: u32,
    step: Pin<Box<Sleep>>,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy)]
enum Farewell {
    Goodbye,
    Shutdown,
    Drain { left: usize },
    Done,
}

impl<S> fmt::Debug for GuardedTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedTransport")
            .field("limits", &self.limits)
            .field("unanswered", &self.unanswered)
            .field("farewell", &self.farewell)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> GuardedTransport<S> {
    fn meter(&mut self) -> &mut Meter<S> {
        self.inner.socket.get_mut()
    }

    /// Waits until the message that has begun is overdue.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<TransportError> {
        let timeout = self.limits.message_timeout;
        let Some(number) = self.meter().begun_message() else {
            self.begun = None;
            return Poll::Pending;
        };
        if self.begun.as_ref().is_none_or(|begun| begun.number != number) {
            let step = Box::pin(tokio::time::sleep(timeout / STEPS));
            self.begun = Some(BegunMessage { number, steps_left: STEPS, step });
        }
        while let Some(begun) = &mut self.begun {
            ready!(begun.step.as_mut().poll(cx));
            begun.steps_left -= 1;
            if begun.steps_left == 0 {
                break;
            }
            begun.step.as_mut().reset(Instant::now() + timeout / STEPS);
        }
        let rule = format!("a message was not whole within {} s", timeout.as_secs_f64());
        Poll::Ready(TransportError::LimitExceeded { rule })
    }

    /// Pings in time, until the peer has answered too few.
    fn poll_pings(&mut self, cx: &mut Context<'_>) -> Poll<TransportError> {
        loop {
            ready!(self.pings.poll_tick(cx));
            if self.meter().take_heard() {
                self.unanswered = 0;
            }
            if self.unanswered == MAX_UNANSWERED {
                let rule = format!("{MAX_UNANSWERED} pings were not answered");
                return Poll::Ready(TransportError::LimitExceeded { rule });
            }
            self.unanswered += 1;
            let mut socket = Pin::new(&mut self.inner.socket);
            // A peer that takes nothing gets no ping either; it is as silent as one that answers none. What fails here fails
            // again with the next message.
            if let Poll::Ready(Ok(())) = socket.as_mut().poll_ready(cx)
                && socket.as_mut().start_send(WsMessage::Ping(Bytes::new())).is_ok()
            {
                let _flushed_later = socket.poll_flush(cx);
            }
        }
    }

    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        loop {
            self.farewell = match self.farewell {
                Farewell::Goodbye => match ready!(Pin::new(&mut self.inner).poll_close(cx)) {
                    Ok(()) => Farewell::Shutdown,
                    Err(error) => {
                        self.farewell = Farewell::Done;
                        return Poll::Ready(Err(error));
                    }
                },
                Farewell::Shutdown => {
                    // One that can't be shut down is gone: the next read says so.
                    let _gone = ready!(Pin::new(self.meter().stream_mut()).poll_shutdown(cx));
                    Farewell::Drain { left: LINGER_BYTES }
                }
                Farewell::Drain { left } => {
                    let mut bytes = [0; 4 << 10];
                    let mut buf = ReadBuf::new(&mut bytes);
                    let read = ready!(Pin::new(self.meter().stream_mut()).poll_read(cx, &mut buf));
                    match (read, buf.filled().len()) {
                        (Ok(()), count @ 1..) if count <= left => Farewell::Drain { left: left - count },
                        _ => Farewell::Done,
                    }
                }
                Farewell::Done => return Poll::Ready(Ok(())),
            };
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for GuardedTransport<S> {
    type Item = Result<Message, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // What has come counts before the time it took: the server may have been busy elsewhere.
        if let Poll::Ready(message) = Pin::new(&mut self.inner).poll_next(cx) {
            return Poll::Ready(message);
        }
        if let Poll::Ready(error) = self.poll_overdue(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        self.poll_pings(cx).map(|error| Some(Err(error)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for GuardedTransport<S> {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.inner).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), TransportError> {
        Pin::new(&mut self.inner).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if let Poll::Ready(ended) = self.poll_farewell(cx) {
            return Poll::Ready(ended);
        }
        let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        ready!(linger.as_mut().poll(cx));
        self.farewell = Farewell::Done;
        Poll::Ready(Ok(()))
    }
}
