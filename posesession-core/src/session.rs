//! A session: one recording, its owner, its metadata and its markers.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::encoding::Encoding;
use crate::quality_report::QualityReport;
use crate::skeleton::Skeleton;
use crate::time::Timestamp;

/// The id of a session: a UUIDv7, so that ids sort by creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// The id of a user. Until there are accounts, [`UserId::LOCAL`] owns everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub i64);

impl UserId {
    /// The user `local`, which every store has.
    pub const LOCAL: Self = Self(1);
}

/// One recorded session, as listed and described; its frames are in chunks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecording {
    /// The session's id.
    pub id: SessionId,
    /// Its name, as the user typed it.
    pub name: String,
    /// Free text.
    pub description: String,
    /// When recording started, by the server's clock.
    pub created_at: DateTime<Utc>,
    /// The timestamp of the last stored frame; seconds in JSON.
    pub duration: Timestamp,
    /// How many frames are stored.
    pub frame_count: u64,
    /// Whose it is.
    pub user_id: UserId,
    /// Where the recorded video is within the media store, if there is one.
    pub video_file_path: Option<String>,
    /// Where the recording stands.
    pub status: SessionStatus,
    /// The user's own facts: a JSON object.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// The keypoints; none until a first frame with a person or a declaration.
    pub skeleton: Option<Skeleton>,
    /// How many bytes the session's chunks have.
    pub stored_bytes: u64,
    /// How they are encoded at rest, and how far its values may be from those that were sent: `codec` and `max_error` in JSON.
    #[serde(flatten)]
    pub encoding: Encoding,
    /// How well the recording went, once it has ended: not in JSON if nobody noted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<QualityReport>,
}

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Frames are coming in.
    Recording,
    /// The recording stands still until it is resumed.
    Paused,
    /// All frames are stored; the media are still being put in order.
    Processing,
    /// It was stopped, and everything is stored.
    Completed,
    /// It broke off: the server or the streamer went away. What was acknowledged is there.
    Interrupted,
    /// It can't go on, for a cause in the log and in the sender's error. What was acknowledged is there.
    Failed,
}

impl SessionStatus {
    /// All statuses.
    pub const ALL: [Self; 6] =
        [Self::Recording, Self::Paused, Self::Processing, Self::Completed, Self::Interrupted, Self::Failed];

    /// Returns the status' name in SQL, JSON and URLs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Paused => "paused",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }

    /// Returns whether frames may still come.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Recording | Self::Paused)
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SessionStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let status = Self::ALL.into_iter().find(|s| s.as_str() == text);
        status.ok_or_else(|| UnknownStatus { status: text.to_owned() })
    }
}

/// A word that is no [`SessionStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{status}` is no status: use recording, paused, processing, completed, interrupted or failed")]
pub struct UnknownStatus {
    /// The word.
    pub status: String,
}

/// Something that happened at a moment of a session, drawn on the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marker {
    /// What it is.
    pub kind: MarkerKind,
    /// When, within the session.
    pub timestamp: Timestamp,
    /// The user's words, or empty.
    #[serde(default)]
    pub label: String,
    /// How long it lasted by the wall clock (pauses) or the streamer's clock (gaps), in seconds in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Timestamp>,
    /// How many frames are missing (gaps).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why frames are missing (gaps).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// What a marker marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkerKind {
    /// A moment that the user marked.
    User,
    /// The recording stood still; session time did, too.
    Paused,
    /// Frames that the streamer numbered never came.
    Gap,
    /// The streamer's clock stepped back or more than 5 s ahead; session time went on by one frame interval.
    ClockJump,
    /// The recording was asked for here; the frames before were kept in case.
    Started,
}

impl MarkerKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::User, Self::Paused, Self::Gap, Self::ClockJump, Self::Started];

    /// Returns the kind's name in SQL and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Paused => "paused",
            Self::Gap => "gap",
            Self::ClockJump => "clock_jump",
            Self::Started => "started",
        }
    }
}

/// A person who owns sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The name, unique within a store.
    pub username: String,
    /// The address, or empty.
    pub email: String,
    /// The Argon2id hash of the password in PHC form, or empty: nobody can log in as this user.
    #[serde(skip)]
    pub password: String,
}
