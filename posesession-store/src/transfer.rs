//! Sessions from one store to another, whole: facts, frames bit for bit, markers, images, video.

mod copying;
#[cfg(feature = "sqlite")]
mod session_file;

use posesession_core::{SessionId, SessionRecording, SessionStatus};
use thiserror::Error;

use crate::error::StoreError;
use crate::media::{MediaError, MediaStore};
use crate::store::SessionStore;

#[cfg(feature = "sqlite")]
pub(crate) use copying::ObjectFailure;
pub use copying::copy_session;
#[cfg(feature = "sqlite")]
pub use session_file::{
    SessionFileError, export_session_file, import_session_file, import_session_file_until,
};

/// Where sessions are: a store, and where their media are, if anywhere.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The sessions.
    pub sessions: &'a dyn SessionStore,
    /// Their images and videos.
    pub media: Option<&'a MediaStore>,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes are there, of chunks and media.
    pub done_bytes: u64,
    /// How many there will be.
    pub total_bytes: u64,
}

/// Is told how far a transfer is: often, and at its end.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send + Sync);

/// What a copy did.
#[derive(Debug, Clone, PartialEq)]
pub enum Copied {
    /// The session is there now.
    New(SessionRecording),
    /// The same session, whole, was there before.
    AlreadyThere(SessionRecording),
}

impl Copied {
    /// Returns the session as it is at the destination.
    #[must_use]
    pub fn session(&self) -> &SessionRecording {
        match self {
            Self::New(session) | Self::AlreadyThere(session) => session,
        }
    }
}

/// Why a session was not copied. What is at the destination by then stays, and copying again goes on from there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The source couldn't be read.
    #[error("the session can't be read from where it is")]
    Read(#[source] StoreError),
    /// The destination couldn't be written, or read to verify it.
    #[error("the session can't be put where it is to go")]
    Write(#[source] StoreError),
    /// The source's media couldn't be read.
    #[error("the session's media can't be read from where they are")]
    ReadMedia(#[source] MediaError),
    /// The destination's media couldn't be written, or read to verify them.
    #[error("the session's media can't be put where they are to go")]
    WriteMedia(#[source] MediaError),
    /// The session changes yet.
    #[error("the session {id} is {status}: copy it when it is finished")]
    NotFinished {
        /// The session.
        id: SessionId,
        /// Its status at the source.
        status: SessionStatus,
    },
    /// The session has media, and the source or the destination is without a media store.
    #[error("the session {id} has images or video, and the {place} has no place for media: name one")]
    NoMediaStore {
        /// The session.
        id: SessionId,
        /// `source` or `destination`.
        place: &'static str,
    },
    /// Another session of this id is at the destination, or another state of it.
    #[error("the destination has another session {id}: its {what} differ; erase it there to copy this one")]
    Differs {
        /// The session.
        id: SessionId,
        /// What isn't the same.
        what: String,
    },
    /// The session is at the destination, but deleted.
    #[error("the session {id} was deleted at the destination: restore or erase it there first")]
    Deleted {
        /// The session.
        id: SessionId,
    },
}
