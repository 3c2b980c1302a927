//! What becomes of a frame, and why a recorder doesn't take it or follow a command.

use thiserror::Error;

use super::Recorder;
use crate::pose::PoseError;
use crate::session::SessionStatus;
use crate::skeleton::SkeletonError;
use crate::time::Timestamp;

/// What became of a frame that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accepted {
    /// It will be in the next batches as frame `frame_number`.
    Stored {
        /// The publisher's number.
        number: u64,
        /// The frame's number within the session.
        frame_number: u64,
        /// When it stands, in session time.
        timestamp: Timestamp,
    },
    /// It waits for frames of lower numbers; its session time is not known yet.
    Waiting {
        /// The publisher's number.
        number: u64,
    },
    /// The same frame is stored already.
    Duplicate {
        /// The publisher's number.
        number: u64,
    },
    /// The recording is paused: the frame is not stored.
    Paused {
        /// The publisher's number.
        number: u64,
    },
}

/// Why a frame is not stored. The recording goes on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameRefusal {
    /// The recording has ended. The frame is not counted.
    #[error("the recording is {status} and takes no more frames")]
    NotRecording {
        /// How it ended.
        status: SessionStatus,
    },
    /// Batches wait to be polled. The frame is not counted; hand it in again once there is room.
    #[error("{bytes} bytes of batches wait to be stored: poll them, then hand the frame in again")]
    NotPolled {
        /// How many bytes wait.
        bytes: usize,
    },
    /// The number was given up, refused or sent while paused before, or lies before the first one.
    #[error("frame {number} comes too late: its number is settled already, or lies before the first one")]
    Late {
        /// The publisher's number.
        number: u64,
    },
    /// Another frame has this number.
    #[error("frame {number} was sent before with another content; numbers must rise")]
    Conflict {
        /// The publisher's number.
        number: u64,
    },
    /// The number is beyond [`Recorder::MAX_NUMBER`], or there is no number left for a frame without one.
    #[error("frame numbers end at {}", Recorder::MAX_NUMBER)]
    NumberTooHigh {
        /// The publisher's number, if it gave one.
        number: Option<u64>,
    },
    /// The frame has persons, and no skeleton is set.
    #[error("the frame has persons, but the skeleton is not known yet")]
    UnknownSkeleton,
    /// The pose data is malformed or doesn't fit the skeleton.
    #[error(transparent)]
    Pose(#[from] PoseError),
    /// The frame is larger than [`RecorderConfig::max_frame_bytes`](super::RecorderConfig::max_frame_bytes).
    #[error("the frame has {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// How many bytes it takes.
        bytes: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The session has [`Recorder::MAX_FRAMES`] frames or reaches to the end of time.
    #[error("the session is full at {frame_count} frames; start another one")]
    SessionFull {
        /// How many frames it has.
        frame_count: u64,
    },
}

impl FrameRefusal {
    /// Returns the stable code that the frame's sender is told, and that the report counts under.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRecording { .. } => "no_recording",
            Self::NotPolled { .. } => "storage",
            Self::Late { .. } => "late",
            Self::Conflict { .. } => "conflict",
            Self::NumberTooHigh { .. } | Self::SessionFull { .. } => "out_of_range",
            Self::TooLarge { .. } => "too_large",
            Self::Pose(PoseError::NonFinite) => "non_finite",
            Self::Pose(PoseError::TooManyPersons { .. }) => "too_many_persons",
            Self::Pose(PoseError::SameTrackId { .. }) => "bad_message",
            Self::UnknownSkeleton
            | Self::Pose(PoseError::KeypointMismatch { .. } | PoseError::UnknownComponent { .. }) => {
                "keypoint_mismatch"
            }
        }
    }
}

/// Why a recorder doesn't do what it is told. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The command makes no sense now.
    #[error("can't {command}: the recording is {status}")]
    WrongStatus {
        /// What was to be done.
        command: &'static str,
        /// Where the recording stands.
        status: SessionStatus,
    },
    /// Batches wait to be polled.
    #[error("{bytes} bytes of batches wait to be stored: poll them first")]
    NotPolled {
        /// How many bytes wait.
        bytes: usize,
    },
    /// The label is empty, longer than [`Recorder::MAX_LABEL_BYTES`] or has a NUL character, which not all stores can keep.
    #[error(
        "a label has 1 to {} bytes and no NUL character, this one has {bytes}",
        Recorder::MAX_LABEL_BYTES
    )]
    BadLabel {
        /// How many bytes it has.
        bytes: usize,
    },
    /// A run of numbers to be dropped is empty or too high, or its cause is no word.
    #[error(
        "numbers {first} to {last} can't be dropped: give the first and the last, up to {}, and a cause of 1 to {} small \
         letters and underscores",
        Recorder::MAX_NUMBER,
        Recorder::MAX_CAUSE_BYTES
    )]
    BadRange {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// The session has as many markers as it may.
    #[error("the session has {limit} marks and pauses, and takes no more")]
    TooManyMarkers {
        /// How many it may have.
        limit: usize,
    },
    /// The session has another skeleton.
    #[error("the session's skeleton is `{skeleton}` and can't change; start another session")]
    SkeletonIsSet {
        /// The skeleton's name.
        skeleton: String,
    },
    /// The skeleton is not valid.
    #[error(transparent)]
    BadSkeleton(SkeletonError),
}
