//! How messages get from one side to the other: anything that is a `Sink` and a `Stream` of [`Message`]s.

mod meter;
mod guarded;

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Sink, SinkExt, Stream};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};
use tokio_util::sync::PollSender;

pub use self::guarded::{GuardedTransport, SocketLimits, accepted_websocket};
use self::meter::Misuse;
use crate::message::{CloseReason, Message};

/// The largest message that is read, in bytes: 16 MiB. A larger one ends the connection with code 1009.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// How long a client that doesn't read may hold up the end of its connection.
pub(crate) const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);

/// A connection of either protocol. Every matching `Sink` + `Stream` is one; [`from_websocket`] and [`in_process`] make
/// the two that ship.
///
/// The stream ends (`None`) when the connection does. After an error nothing more is read, but
/// the other side can still be told the [`TransportError::close_reason`].
pub trait Transport:
    Stream<Item = Result<Message, TransportError>> + Sink<Message, Error = TransportError> + Send + Unpin
{
}

impl<T> Transport for T where
    T: Stream<Item = Result<Message, TransportError>> + Sink<Message, Error = TransportError> + Send + Unpin
{
}

/// Why a transport can't go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The other side is gone.
    #[error("the connection is closed")]
    Closed,
    /// A message was larger than [`MAX_MESSAGE_BYTES`].
    #[error("a message of {size} bytes came, at most {MAX_MESSAGE_BYTES} are read")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
    },
    /// What came is not what RFC 6455 allows.
    #[error("what came is no WebSocket's traffic: {what}")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// A text message was not UTF-8.
    #[error("a text message must be UTF-8")]
    NotUtf8,
    /// The other side doesn't keep to a limit: see [`SocketLimits`].
    #[error("{rule}")]
    LimitExceeded {
        /// Which limit.
        rule: String,
    },
    /// The transport failed.
    #[error("the connection failed")]
    Failed {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TransportError {
    /// Returns what the other side is to be told at the end; none if there is nothing to be told, or nobody.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        let code = match self {
            Self::TooLarge { .. } => CloseReason::TOO_LARGE,
            Self::Malformed { .. } => CloseReason::PROTOCOL_ERROR,
            Self::NotUtf8 => CloseReason::NOT_UTF8,
            Self::LimitExceeded { .. } => CloseReason::LIMIT_EXCEEDED,
            Self::Closed | Self::Failed { .. } => return None,
        };
        Some(CloseReason::new(code, &self.to_string()))
    }
}

/// Answers a client's goodbye: a WebSocket that ends without the answer counts as broken.
pub(crate) async fn answer_goodbye<T: Transport>(transport: &mut T) {
    // The connection ends either way.
    let _answered = tokio::time::timeout(GOODBYE_PATIENCE, transport.close()).await;
}

/// Returns the settings for a tungstenite connection: small buffers, and the size limits of the protocols.
///
/// The defaults would allocate 128 KiB a connection up front and buffer writes without a bound.
#[must_use]
pub fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(4 << 10)
        .max_write_buffer_size(MAX_MESSAGE_BYTES + (64 << 10))
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// Makes a transport of a tokio-tungstenite connection, server or client side.
pub fn from_websocket<S>(socket: WebSocketStream<S>) -> WebSocketTransport<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    WebSocketTransport { socket }
}

/// The transport that ships: RFC 6455 over tokio-tungstenite. Pings are answered by the way.
#[derive(Debug)]
pub struct WebSocketTransport<S> {
    socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocketTransport<S> {
    type Item = Result<Message, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let message = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed)) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(transport_error(error)))),
                Some(Ok(message)) => message,
            };
            let message = match message {
                WsMessage::Text(text) => Message::Text(text),
                WsMessage::Binary(bytes) => Message::Binary(bytes),
                WsMessage::Close(frame) => Message::Close(frame.map(|frame| CloseReason {
                    code: frame.code.into(),
                    reason: frame.reason.as_str().to_owned(),
                })),
                WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_) => continue,
            };
            return Poll::Ready(Some(Ok(message)));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocketTransport<S> {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.socket).poll_ready(cx).map_err(transport_error)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), TransportError> {
        let message = match message {
            Message::Text(text) => WsMessage::Text(text),
            Message::Binary(bytes) => WsMessage::Binary(bytes),
            Message::Close(reason) => WsMessage::Close(reason.map(|reason| CloseFrame {
                code: CloseCode::from(reason.code),
                reason: reason.reason.into(),
            })),
        };
        Pin::new(&mut self.socket).start_send(message).map_err(transport_error)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(transport_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.socket).poll_close(cx).map_err(transport_error)
    }
}

fn transport_error(error: WsError) -> TransportError {
    match error {
        WsError::ConnectionClosed
        | WsError::AlreadyClosed
        | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
            TransportError::Closed
        }
        WsError::Capacity(CapacityError::MessageTooLong { size, .. }) => TransportError::TooLarge { size },
        WsError::Protocol(error) => TransportError::Malformed { what: error.to_string() },
        WsError::Utf8(_) => TransportError::NotUtf8,
        WsError::Io(error) => match error.get_ref().and_then(|cause| cause.downcast_ref()) {
            Some(misuse @ Misuse::LongControlFrame) => TransportError::Malformed { what: misuse.to_string() },
            Some(misuse) => TransportError::LimitExceeded { rule: misuse.to_string() },
            None => TransportError::Failed { source: Box::new(error) },
        },
        other => TransportError::Failed { source: Box::new(other) },
    }
}

/// Makes the two ends of a connection within the process; each end holds at most `capacity` unread messages.
#[must_use]
pub fn in_process(capacity: usize) -> (InProcessTransport, InProcessTransport) {
    let (left_sender, right_receiver) = mpsc::channel(capacity.max(1));
    let (right_sender, left_receiver) = mpsc::channel(capacity.max(1));
    let end = |sender, receiver| InProcessTransport { sender: PollSender::new(sender), receiver };
    (end(left_sender, left_receiver), end(right_sender, right_receiver))
}

/// One end of a connection within the process.
#[derive(Debug)]
pub struct InProcessTransport {
    sender: PollSender<Message>,
    receiver: mpsc::Receiver<Message>,
}

impl Stream for InProcessTransport {
    type Item = Result<Message, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for InProcessTransport {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.sender.poll_reserve(cx).map_err(|_closed| TransportError::Closed)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), TransportError> {
        self.sender.send_item(message).map_err(|_closed| TransportError::Closed)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.sender.close();
        Poll::Ready(Ok(()))
    }
}
