//! The record and replay protocols: their messages, the server's loops, the clients.
//!
//! The loops take any [`Transport`]: a `Sink` and `Stream` of [`Message`]s. WebSockets over tokio-tungstenite ship
//! ([`from_websocket`], and [`accepted_websocket`] for servers), and so does a connection within the process ([`in_process`]).

#[macro_use]
mod fail_points;
mod clock;
mod message;
mod transport;
pub mod protocol;
mod record;
mod replay;
mod caller;

pub use caller::{ClientError, ClientTransport};
pub use message::{CloseReason, Message, Utf8Bytes};
pub use record::{
    Connect, Finalized, HeldSession, NotStored, RecordClient, RecordEvent, RecordOptions, RecordService,
    ServerUrl, Stopped, StreamEnd, Streamer, StreamerError, StreamerEvent, StreamerFigures, StreamerOptions,
};
pub use replay::{
    ReplayClient, ReplayEvent, ReplayOptions, ReplayRequest, ReplayService, ReplayedFrame, ReplayedSession,
};
pub use transport::{
    GuardedTransport, InProcessTransport, MAX_MESSAGE_BYTES, SocketLimits, Transport, TransportError,
    WebSocketTransport, accepted_websocket, from_websocket, in_process, websocket_config,
};
