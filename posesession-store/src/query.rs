//! What callers ask of a store: new sessions, changes, searches and pages.

use chrono::{DateTime, Utc};
use posesession_core::{
    Chunk, ChunkExtent, EncodedChunk, Encoding, QualityReport, SessionId, SessionRecording, SessionStatus,
    Skeleton, UserId,
};

use crate::media::RecordedVideo;

/// A session to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// The id: a fresh UUIDv7.
    pub id: SessionId,
    /// The name, at most [`NewSession::MAX_TEXT_BYTES`], without NUL characters.
    pub name: String,
    /// Free text, at most [`NewSession::MAX_TEXT_BYTES`], without NUL characters.
    pub description: String,
    /// When recording starts; kept to the microsecond.
    pub created_at: DateTime<Utc>,
    /// Whose it is.
    pub user_id: UserId,
    /// The user's own facts, at most [`NewSession::MAX_TEXT_BYTES`] as JSON, nested at most about 120 levels deep.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// The keypoints, if declared.
    pub skeleton: Option<Skeleton>,
    /// How chunks are encoded at rest, and so how far values may be off. Its bounds are of channels of the skeleton; if that
    /// isn't known yet, of those that one inferred from poses can have: `x`, `y`, `z`, `confidence`.
    pub encoding: Encoding,
}

impl NewSession {
    /// The longest name, description or metadata, in bytes.
    pub const MAX_TEXT_BYTES: usize = 65_536;
    /// The most frames a session may have: a frame's number is the lower half of its id.
    pub const MAX_FRAMES: u64 = 1 << 32;

    /// Makes a new session of the local user, created now.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            id: SessionId(uuid::Uuid::now_v7()),
            name: name.to_owned(),
            description: String::new(),
            created_at: Utc::now(),
            user_id: UserId::LOCAL,
            metadata: serde_json::Map::new(),
            skeleton: None,
            encoding: Encoding::default(),
        }
    }
}

/// A change of a session's facts; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionChange {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// New metadata, replacing all of the old but the facts of the session's video ([`RecordedVideo`]): who changes the rest
    /// may have read it before they were noted.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// The facts of the session's video, noted in its metadata without touching the rest of it.
    pub video: Option<RecordedVideo>,
    /// A new status.
    pub status: Option<SessionStatus>,
    /// Where the video is; `Some(None)` for nowhere.
    pub video_file_path: Option<Option<String>>,
    /// How well the recording went.
    pub report: Option<QualityReport>,
    /// Whose change it is: refused with [`StoreError::Fenced`](crate::StoreError::Fenced) if the session has another writer since.
    /// None: anybody's.
    pub term: Option<Term>,
}

/// How far a session's publisher has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublisherProgress {
    /// The publisher's own name for itself; none if nobody has published under a name yet.
    pub publisher: Option<String>,
    /// The publisher's own number up to which every frame is stored or won't be; none before the first.
    pub settled_through: Option<u64>,
}

impl PublisherProgress {
    /// The longest name of a publisher, in bytes.
    pub const MAX_NAME_BYTES: usize = 200;
}

/// Which sessions to list, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionQuery {
    /// Whose sessions.
    pub user_id: UserId,
    /// Words that all must occur in the name, the description, or the metadata's keys and values, upper and lower case
    /// (ASCII) alike, at most [`SessionQuery::MAX_WORDS`]; none: all sessions.
    pub search: Option<String>,
    /// Only sessions of this status.
    pub status: Option<SessionStatus>,
    /// What to sort by; equal ones by id, in the same direction.
    pub sort: SessionSort,
    /// Largest, latest or last in the alphabet first.
    pub descending: bool,
    /// How many at most, 1 to [`SessionQuery::MAX_LIMIT`].
    pub limit: usize,
    /// Where the page before ended: [`SessionPage::next`].
    pub cursor: Option<String>,
}

impl SessionQuery {
    /// The most sessions one page may have.
    pub const MAX_LIMIT: usize = 1_000;
    /// The most words one search may have.
    pub const MAX_WORDS: usize = 64;
}

impl Default for SessionQuery {
    /// The local user's sessions, newest first, 50 a page.
    fn default() -> Self {
        Self {
            user_id: UserId::LOCAL,
            search: None,
            status: None,
            sort: SessionSort::CreatedAt,
            descending: true,
            limit: 50,
            cursor: None,
        }
    }
}

/// What sessions are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionSort {
    /// When recording started.
    CreatedAt,
    /// The name, byte by byte; names alike in their first [`SessionSort::MAX_NAME_BYTES`] are equal.
    Name,
    /// How long it is.
    Duration,
    /// How many frames it has.
    FrameCount,
}

impl SessionSort {
    /// How many bytes of a name count for its order.
    pub const MAX_NAME_BYTES: usize = 256;
}

/// One page of a list of sessions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionPage {
    /// The sessions, in order.
    pub sessions: Vec<SessionRecording>,
    /// The sessions that belong on this page and can't be read: what is stored of them is damaged.
    pub damaged: Vec<DamagedSession>,
    /// Where the next page starts; `None` on the last one. Its text is the store's own.
    pub next: Option<String>,
}

/// A session whose facts can't be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DamagedSession {
    /// Its id, as far as that can be read.
    pub id: String,
    /// What is the matter with it.
    pub what: String,
}

/// How many sessions there are of one kind, and how much they hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionTotals {
    /// How many sessions.
    pub sessions: u64,
    /// How many frames they have.
    pub frames: u64,
    /// How many bytes their chunks have.
    pub stored_bytes: u64,
}

/// A number that rises with each writer of a session: appends of an older one are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

impl Term {
    /// The term of who creates a session: its first writer, until another one begins a term.
    pub const FIRST: Self = Self(1);
}

/// What an append left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// How many frames the session has now.
    pub frame_count: u64,
    /// How many bytes its chunks have now.
    pub stored_bytes: u64,
    /// Whether the same frames had been stored before, so that nothing was written.
    pub already_stored: bool,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// How many chunks were replaced.
    pub chunks_before: u64,
    /// By how many.
    pub chunks_after: u64,
}

/// A chunk as read back, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChunk {
    /// The frames.
    pub chunk: Chunk,
    /// What it covers.
    pub extent: ChunkExtent,
}

/// A chunk as it is stored, not decoded. Its checksum was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedStoredChunk {
    /// The bytes.
    pub chunk: EncodedChunk,
    /// What they cover.
    pub extent: ChunkExtent,
}

/// A user to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The name, unique within the store, 1 to [`NewUser::MAX_NAME_BYTES`].
    pub username: String,
    /// The address, or empty, at most [`NewUser::MAX_FIELD_BYTES`].
    pub email: String,
    /// The Argon2id hash of the password in PHC form, or empty, at most [`NewUser::MAX_FIELD_BYTES`].
    pub password: String,
}

impl NewUser {
    /// The longest username, in bytes.
    pub const MAX_NAME_BYTES: usize = 256;
    /// The longest email address or password hash, in bytes.
    pub const MAX_FIELD_BYTES: usize = 1_024;
}
