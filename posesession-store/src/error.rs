//! What can go wrong in a store, as its caller sees it.

use std::path::PathBuf;

use posesession_core::{SessionId, SessionStatus, UserId};
use thiserror::Error;

/// Why a store didn't do what was asked. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No session has this id, or it was deleted.
    #[error("there is no session {id}")]
    SessionNotFound {
        /// The id asked for.
        id: SessionId,
    },
    /// A session of this id exists already.
    #[error("the session {id} exists already")]
    SessionExists {
        /// The id.
        id: SessionId,
    },
    /// No user has this id.
    #[error("there is no user {}", id.0)]
    UserNotFound {
        /// The id asked for.
        id: UserId,
    },
    /// Another user has this name.
    #[error("the username `{username}` is taken")]
    UsernameTaken {
        /// The name.
        username: String,
    },
    /// The user still owns sessions.
    #[error("the user {} still owns sessions: delete or move them first", id.0)]
    UserOwnsSessions {
        /// The user.
        id: UserId,
    },
    /// No chunk covers what was asked for.
    #[error("the session {id} has {frame_count} frames, none where asked")]
    NoSuchFrame {
        /// The session.
        id: SessionId,
        /// How many frames it has.
        frame_count: u64,
    },
    /// The frames don't follow the last stored one.
    #[error("the session {id} goes on at frame {expected}, not at {got}")]
    OutOfOrder {
        /// The session.
        id: SessionId,
        /// The number that the next frame must have.
        expected: u64,
        /// The number it has.
        got: u64,
    },
    /// Frames of these numbers are stored already, with another content.
    #[error("the session {id} has other frames than these from frame {first_frame}")]
    Conflict {
        /// The session.
        id: SessionId,
        /// Where the frames start.
        first_frame: u64,
    },
    /// Another writer has taken the session over.
    #[error("another writer has taken the session {id} over")]
    Fenced {
        /// The session.
        id: SessionId,
    },
    /// The session takes no more frames.
    #[error("the session {id} is {status} and takes no more frames")]
    NotLive {
        /// The session.
        id: SessionId,
        /// Its status.
        status: SessionStatus,
    },
    /// An argument is beyond its limit or malformed.
    #[error("{what}")]
    BadArgument {
        /// What is wrong, and what would be right.
        what: String,
    },
    /// Stored data are damaged. They are left as they are.
    #[error("the session {id} is damaged: {what}")]
    Corrupt {
        /// The session.
        id: SessionId,
        /// Which chunk, and how.
        what: String,
    },
    /// The file is no database, or that of another program. It is left as it is.
    #[error("`{}` is no posesession database: move it away or give another path", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database was made by a newer version of the program.
    #[error(
        "the database has schema version {found}, this program knows up to {known}: use a newer posesession"
    )]
    NewerSchema {
        /// The version of the database.
        found: i64,
        /// The latest version that the program knows.
        known: i64,
    },
    /// The back end failed.
    #[error("{backend} failed to {operation}{}", if *retryable { ": try again" } else { "" })]
    Backend {
        /// Which one: `sqlite`, `media`...
        backend: &'static str,
        /// What it was to do.
        operation: &'static str,
        /// Whether the same call may succeed later (busy, disk full).
        retryable: bool,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
