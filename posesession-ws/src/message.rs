//! What travels on a transport: text, bytes, and the goodbye.

use bytes::Bytes;

pub use tokio_tungstenite::tungstenite::Utf8Bytes;

/// One message of a protocol, on whatever transport.
///
/// Both kinds are cheap to clone, so that one encoded frame serves all viewers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A JSON object.
    Text(Utf8Bytes),
    /// A frame or a piece of video.
    Binary(Bytes),
    /// The other side ends the connection, or this side does.
    Close(Option<CloseReason>),
}

impl Message {
    /// Makes a text message.
    #[must_use]
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// The code of RFC 6455, section 7.4.
    pub code: u16,
    /// For people.
    pub reason: String,
}

impl CloseReason {
    /// 1001: the server shuts down.
    pub const GOING_AWAY: u16 = 1001;
    /// 1002: what came is not what RFC 6455 allows.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// 1007: a text message was not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// 1008: the client doesn't keep to a limit, such as the time that a message may take.
    pub const LIMIT_EXCEEDED: u16 = 1008;
    /// 1009: a message was larger than 16 MiB.
    pub const TOO_LARGE: u16 = 1009;
    /// 1013: the client doesn't read what it is sent; it may try again.
    pub const TRY_AGAIN: u16 = 1013;
    /// 4404: there is no such session, or no longer.
    pub const NO_SESSION: u16 = 4404;

    /// Makes a reason.
    #[must_use]
    pub fn new(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.to_owned() }
    }
}
