//! Why a streamer refuses something, or has come to an end.

use std::fmt;
use std::ops::RangeInclusive;

use posesession_core::{SessionId, SessionStatus};
use thiserror::Error;

use crate::caller::ClientError;
use crate::protocol::{ErrorCode, ProtocolError};
use crate::transport::MAX_MESSAGE_BYTES;

/// Why a streamer takes nothing any more.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StreamEnd {
    /// Its owner let go of it.
    #[error("it was closed")]
    Closed,
    /// Another publisher has the stream.
    #[error("another publisher has taken the stream over: {0}")]
    Superseded(ProtocolError),
    /// The server found again doesn't let it publish.
    #[error("the server doesn't take the stream any more: {0}")]
    Refused(ProtocolError),
    /// The recording can't be gone on with.
    #[error("the session {session_id} can't go on: {reason}; not stored: {}", Numbers(not_stored))]
    NotResumable {
        /// The session.
        session_id: SessionId,
        /// How it stands, if the server knows.
        status: Option<SessionStatus>,
        /// The number up to which everything is stored, or settled otherwise.
        stored_through: Option<u64>,
        /// Which of the numbers that were taken are not stored.
        not_stored: Vec<RangeInclusive<u64>>,
        /// What the server said.
        reason: String,
    },
    /// The recording was to be stopped, and no server answered in time. It may go on there until it misses its streamer.
    #[error("the recording could not be stopped in time; not known to be stored: {}", Numbers(not_stored))]
    TimedOut {
        /// The session.
        session_id: Option<SessionId>,
        /// Which of the numbers that were taken were never acknowledged.
        not_stored: Vec<RangeInclusive<u64>>,
    },
}

/// Why a streamer doesn't do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamerError {
    /// The server refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The buffer is full, and nothing may be dropped.
    #[error("{kept} frames of {bytes} bytes wait for the server to come back, and there is room for no more")]
    Full {
        /// How many frames wait.
        kept: usize,
        /// How many bytes they have.
        bytes: usize,
    },
    /// A message that no server takes.
    #[error(
        "a message of {bytes} bytes is too large: a frame with its image, a piece of video, or a command has at most {MAX_MESSAGE_BYTES}"
    )]
    TooLarge {
        /// How many bytes it would have.
        bytes: usize,
    },
    /// Nobody stores the video.
    #[error("no recording takes video: start one with `video`")]
    NoVideo,
    /// The persons of a frame have the same number of values.
    #[error("{values} values can't belong to {persons} persons: each has as many as the others")]
    Ragged {
        /// How many values.
        values: usize,
        /// How many persons.
        persons: usize,
    },
    /// Numbers rise.
    #[error("frame {number} comes after frame {highest}: numbers rise")]
    NotRising {
        /// The number given.
        number: u64,
        /// The highest before.
        highest: u64,
    },
    /// A recording ended before all of it was stored: somebody else stopped it, or discarded it.
    #[error("{0}")]
    NotStored(NotStored),
    /// It takes nothing any more.
    #[error("the streamer has ended: {0}")]
    Ended(StreamEnd),
}

/// Numbers that a recording doesn't have, although nothing refused them.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("the session {session_id} ended before all of it was stored; not stored: {}", Numbers(numbers))]
pub struct NotStored {
    /// The session.
    pub session_id: SessionId,
    /// The numbers.
    pub numbers: Vec<RangeInclusive<u64>>,
}

/// Numbers for people: `3-17, 20`, or `none`.
struct Numbers<'a>(&'a [RangeInclusive<u64>]);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST_SHOWN: usize = 8;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, range) in self.0.iter().take(MOST_SHOWN).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        let more = self.0.len().saturating_sub(MOST_SHOWN);
        if more > 0 { write!(f, " and {more} ranges more") } else { Ok(()) }
    }
}

/// Refuses what the server would end the connection for, each time anew.
pub(super) fn check_size(message: &[u8]) -> Result<(), StreamerError> {
    let bytes = message.len();
    if bytes > MAX_MESSAGE_BYTES { Err(StreamerError::TooLarge { bytes }) } else { Ok(()) }
}

/// Says that the server refused.
pub(super) fn refused(error: ProtocolError) -> StreamerError {
    StreamerError::Client(ClientError::Refused(error))
}

/// Returns whether trying again can help.
pub(super) fn is_passing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Storage | ErrorCode::ShuttingDown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_says_which_numbers_are_not_stored() {
        let end = StreamEnd::TimedOut { session_id: None, not_stored: vec![3..=17, 20..=20] };
        assert!(end.to_string().ends_with("not known to be stored: 3-17, 20"), "{end}");
    }
}
