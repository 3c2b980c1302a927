//! Something stored that is not as it should be: how bad, where, what.

use posesession_core::SessionId;
use serde::Serialize;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which session it is about; none if it is about the whole place, or the session's id can't be read.
    pub session: Option<SessionId>,
    /// What it is about: `session`, `frames 100 to 199`, `chunk from frame 100`, `markers`, `video`, `database`, `media`...
    #[serde(rename = "where")]
    pub place: String,
    /// What is the matter.
    pub what: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something that was stored is gone or wrong.
    Damage,
    /// Nothing is lost, but somebody may want to know: media that no session names.
    Note,
}

impl Severity {
    /// Returns the word for it: `damage` or `note`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Note => "note",
        }
    }
}

impl Finding {
    pub(crate) fn damage(
        session: impl Into<Option<SessionId>>,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        let session = session.into();
        Self { severity: Severity::Damage, session, place: place.into(), what: what.into() }
    }

    pub(crate) fn note(
        session: impl Into<Option<SessionId>>,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Note, ..Self::damage(session, place, what) }
    }
}
