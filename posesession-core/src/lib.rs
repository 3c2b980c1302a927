//! The words, the recorder, the chunk codec, the replay cursor and the joint angles of posesession.
//!
//! This crate is sans-IO: it has no async, reads no clock and does no I/O. Time and bytes come in as arguments and go
//! out as values; the shells around it (`posesession-store`, `posesession-ws`) move them.
//!
//! The modules stand in the order in which data flows.

// Whatever comes in: an answer, not a panic.
#![deny(clippy::expect_used, clippy::panic, clippy::unreachable)]

mod time;
mod skeleton;
mod pose;
mod pose_json;
mod frame;
mod max_error;
mod encoding;
mod quality_report;
mod session;
mod chunk;
mod codec;
mod chunk_index;
mod unacked;
mod batch;
mod recorder;
mod playback_clock;
mod cursor;
mod angle;
mod synthetic;

pub use angle::{AngleEnvelope, AngleRange, JointAngle};
pub use batch::{Batch, ImageObject};
pub use chunk::{Chunk, ChunkColumns, ChunkError, ChunkImage};
pub use chunk_index::{ChunkExtent, ChunkIndex, ChunkQuery};
pub use codec::{
    ChunkHeader, Codec, CodecError, EncodedChunk, decode, encode, encode_at_rest, encode_bounded,
    encode_with_level, peek, verify,
};
pub use cursor::{
    CursorError, CursorOutput, LoopMode, PlaybackRange, PlaybackState, PlaybackStatus, ReplayCursor,
    ReplayFrame, SeekMode, SeekTarget, SessionExtent,
};
pub use encoding::{BadEncoding, Encoding, Lossless};
pub use frame::{Frame, FrameView, ImageRef};
pub use max_error::{BadMaxError, ChannelBounds, MaxError};
pub use playback_clock::PlaybackClock;
pub use pose::{PoseData, PoseError, PoseView};
pub use pose_json::{Landmarks, PoseJson, SentPose};
pub use quality_report::QualityReport;
pub use recorder::{
    Accepted, ClockStretch, CommandError, Earlier, FrameRefusal, IncomingFrame, PreRoll, Recorder,
    RecorderConfig, ResumePoint,
};
pub use session::{
    Marker, MarkerKind, SessionId, SessionRecording, SessionStatus, UnknownStatus, User, UserId,
};
pub use skeleton::{Channel, Component, Layout, LayoutPart, Skeleton, SkeletonError, Unit};
pub use synthetic::SyntheticPose;
pub use time::{TimeError, Timestamp};
pub use unacked::{Overflow, PushError, Unacked, UnackedFrames, UnackedLimits};
