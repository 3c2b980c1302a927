//! The words of both protocols, as `docs/record-protocol.md` and `docs/replay-protocol.md` specify them.

mod error;
mod binary;
mod record;
mod replay;

pub use binary::{BinaryError, BinaryFrame, BinaryFrameHeader, BinaryMessage, BinaryVideo};
pub(crate) use binary::{PackedFrame, PackedMessage, PackedPoses};
pub use error::{ErrorCode, ProtocolError};
pub use record::{
    Ack, CommandId, Discard, FrameMessage, FramesDropped, Limits, Mark, Publish, RecordCommand,
    RecordingStatus, ResumeSession, SessionRef, SkeletonRef, StartRecording, Subscribe, Unsubscribe,
    VideoFormat, Welcome, WireFormat,
};
pub use replay::{ReplayCommand, SeekCommand, SetRange, StateMessage};

/// The subprotocol that both WebSockets speak.
pub const SUBPROTOCOL: &str = "posesession.v1";
