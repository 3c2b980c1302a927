//! What both clients share: commands out, their answers matched by id, everything else kept as events in order.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use futures::SinkExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::{MaybeTlsStream, connect_async_with_config};

use crate::message::{CloseReason, Message};
use crate::protocol::{BinaryError, CommandId, ProtocolError, SUBPROTOCOL};
use crate::transport::{Transport, TransportError, WebSocketTransport, from_websocket, websocket_config};

/// A WebSocket connection made by a client.
pub type ClientTransport = WebSocketTransport<MaybeTlsStream<TcpStream>>;

/// How many events may wait unread; beyond, the oldest give way and are counted.
const MAX_WAITING_EVENTS: usize = 4096;

/// A connection, the ids of its commands, and the events that came in between.
#[derive(Debug)]
pub(crate) struct Caller<T> {
    transport: T,
    next_id: i64,
    events: VecDeque<Incoming>,
    missed: u64,
}

/// One message that is no answer.
#[derive(Debug)]
pub(crate) enum Incoming {
    Json(Value),
    Binary(Bytes),
    /// So many events gave way because nobody read them.
    Missed(u64),
    Closed(Option<CloseReason>),
}

/// Opens a WebSocket that speaks posesession's subprotocol.
pub(crate) async fn connect(url: &str) -> Result<ClientTransport, ClientError> {
    let uri: Uri = url.parse().map_err(|_invalid| ClientError::BadUrl { url: url.to_owned() })?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
    let connected = connect_async_with_config(request, Some(websocket_config()), true).await;
    let (socket, _response) = connected
        .map_err(|source| ClientError::Unreachable { url: url.to_owned(), source: Box::new(source) })?;
    Ok(from_websocket(socket))
}

impl<T: Transport> Caller<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self { transport, next_id: 1, events: VecDeque::new(), missed: 0 }
    }

    /// Sends a command and waits for its answer; events that come before it are kept.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &mut self,
        kind: &str,
        fields: Value,
    ) -> Result<A, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        let mut command = fields;
        command["type"] = json!(kind);
        command["id"] = json!(id);
        self.send(Message::text(command.to_string())).await?;
        let id = json!(CommandId::Number(id));
        let answer = match self.take_kept(&id) {
            Some(answer) => answer,
            None => self.receive_answer(&id).await?,
        };
        match answer["type"].as_str() {
            Some("error") => Err(ClientError::Refused(read(answer)?)),
            _ => read(answer),
        }
    }

    /// Takes the answer that came while its command was still being flushed.
    fn take_kept(&mut self, id: &Value) -> Option<Value> {
        let is_answer =
            |event: &Incoming| matches!(event, Incoming::Json(json) if json.get("id") == Some(id));
        match self.events.remove(self.events.iter().position(is_answer)?)? {
            Incoming::Json(answer) => Some(answer),
            _ => None,
        }
    }

    async fn receive_answer(&mut self, id: &Value) -> Result<Value, ClientError> {
        loop {
            match self.receive().await? {
                Incoming::Json(answer) if answer.get("id") == Some(id) => return Ok(answer),
                Incoming::Closed(reason) => return Err(ClientError::Closed { reason }),
                event => self.keep(event),
            }
        }
    }

    /// Sends a message, reading what comes meanwhile, so that two full pipes can't wait for each other.
    pub(crate) async fn send(&mut self, message: Message) -> Result<(), ClientError> {
        let mut message = Some(message);
        let mut received = Vec::new();
        let result = poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(incoming))) = Pin::new(&mut self.transport).poll_next(cx) {
                received.push(incoming);
            }
            if message.is_some() {
                match Pin::new(&mut self.transport).poll_ready(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) => {}
                }
            }
            if let Some(message) = message.take() {
                Pin::new(&mut self.transport).start_send(message)?;
            }
            Pin::new(&mut self.transport).poll_flush(cx)
        })
        .await;
        for incoming in received {
            let event = parse(incoming)?;
            self.keep(event);
        }
        Ok(result?)
    }

    /// Returns the next event, waiting for it.
    pub(crate) async fn next_event(&mut self) -> Result<Incoming, ClientError> {
        if self.missed > 0 {
            return Ok(Incoming::Missed(std::mem::take(&mut self.missed)));
        }
        match self.events.pop_front() {
            Some(event) => Ok(event),
            None => self.receive().await,
        }
    }

    /// Gives up the connection, and the events that nobody has read.
    pub(crate) fn into_parts(self) -> (T, VecDeque<Incoming>) {
        (self.transport, self.events)
    }

    pub(crate) async fn close(&mut self) -> Result<(), ClientError> {
        match self.transport.send(Message::Close(None)).await {
            Ok(()) | Err(TransportError::Closed) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn keep(&mut self, event: Incoming) {
        if self.events.len() == MAX_WAITING_EVENTS {
            self.events.pop_front();
            self.missed += 1;
        }
        self.events.push_back(event);
    }

    async fn receive(&mut self) -> Result<Incoming, ClientError> {
        match poll_fn(|cx| Pin::new(&mut self.transport).poll_next(cx)).await {
            Some(Ok(message)) => parse(message),
            Some(Err(TransportError::Closed)) | None => Ok(Incoming::Closed(None)),
            Some(Err(error)) => Err(error.into()),
        }
    }
}

pub(crate) fn parse(message: Message) -> Result<Incoming, ClientError> {
    match message {
        Message::Text(text) => {
            let value =
                serde_json::from_str(text.as_str()).map_err(|source| ClientError::BadAnswer { source })?;
            Ok(Incoming::Json(value))
        }
        Message::Binary(bytes) => Ok(Incoming::Binary(bytes)),
        Message::Close(reason) => Ok(Incoming::Closed(reason)),
    }
}

/// Reads a message of the server's.
pub(crate) fn read<A: DeserializeOwned>(message: Value) -> Result<A, ClientError> {
    serde_json::from_value(message).map_err(|source| ClientError::BadAnswer { source })
}

/// Why a client can't go on, or was told no.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is no URL.
    #[error("`{url}` is no WebSocket address: use ws://host:port/path")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// No connection came about.
    #[error("no connection to {url}: is the server running there?")]
    Unreachable {
        /// Where to.
        url: String,
        /// Why.
        #[source]
        source: Box<tokio_tungstenite::tungstenite::Error>,
    },
    /// The server answered with an error.
    #[error("the server refused: {0}")]
    Refused(ProtocolError),
    /// The server closed the connection.
    #[error("the server closed the connection{}", reason.as_ref().map(|r| format!(": {}", r.reason)).unwrap_or_default())]
    Closed {
        /// What it said about it.
        reason: Option<CloseReason>,
    },
    /// The server doesn't answer in time.
    #[error("the server doesn't answer")]
    Silent,
    /// The connection failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The server's message is not of this protocol.
    #[error("the server sent what this client can't read")]
    BadAnswer {
        /// Where it breaks.
        #[source]
        source: serde_json::Error,
    },
    /// The server's binary message is not of this protocol.
    #[error(transparent)]
    BadBinary(#[from] BinaryError),
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use futures::{Sink, Stream};

    use super::*;

    /// Answers each command at once, but only then says that it is flushed.
    #[derive(Default)]
    struct Hasty {
        answer: Option<Message>,
        was_read: bool,
    }

    impl Stream for Hasty {
        type Item = Result<Message, TransportError>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            cx.waker().wake_by_ref();
            let Some(answer) = self.answer.take() else { return Poll::Pending };
            self.was_read = true;
            Poll::Ready(Some(Ok(answer)))
        }
    }

    impl Sink<Message> for Hasty {
        type Error = TransportError;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
            Poll::Ready(Ok(()))
        }

        fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), TransportError> {
            let Message::Text(text) = message else { return Ok(()) };
            let id = serde_json::from_str::<Value>(text.as_str()).unwrap()["id"].clone();
            self.answer = Some(Message::text(json!({ "type": "ok", "id": id }).to_string()));
            Ok(())
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
            cx.waker().wake_by_ref();
            if self.was_read { Poll::Ready(Ok(())) } else { Poll::Pending }
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_answer_that_comes_before_its_command_is_flushed_is_not_missed() {
        let mut caller = Caller::new(Hasty::default());
        let asked = caller.ask::<Value>("mark", json!({ "label": "x" }));
        let answer = tokio::time::timeout(std::time::Duration::from_secs(10), asked).await;
        assert_eq!(answer.expect("an answer").unwrap()["id"], 1);
    }
}
