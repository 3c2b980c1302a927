//! What can be the matter with a video.

use thiserror::Error;

/// Why a video is left as it came.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in crate::media) enum Odd {
    #[error("it doesn't begin as a WebM does")]
    NoEbml,
    #[error("it is EBML, but neither WebM nor Matroska as they are today")]
    NoWebm,
    #[error("it is malformed at byte {position}")]
    Malformed { position: u64 },
    #[error("the element {id:#x} at byte {position} is unknown there")]
    UnknownElement { id: u32, position: u64 },
    #[error("the element {id:#x} at byte {position} is of unknown size")]
    UnknownSize { id: u32, position: u64 },
    #[error("the element {id:#x} at byte {position} claims {bytes} bytes, at most {limit} make sense")]
    TooLarge { id: u32, position: u64, bytes: u64, limit: u64 },
    #[error("the element {id:#x} comes twice, with different contents")]
    Repeated { id: u32 },
    #[error("it has {count} tracks")]
    TooManyTracks { count: usize },
    #[error("pictures come before the tracks that they belong to")]
    NoTracks,
    #[error("the time at byte {position} makes no sense")]
    OutOfTime { position: u64 },
    #[error("it has no whole key frame")]
    NoPicture,
}
