//! What a recovery could not bring back.

use std::ops::Range;

use posesession_core::SessionId;
use serde::Serialize;

/// Something that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostPart {
    /// Of which session, by the id that it has now, or had if it is lost as a whole and no other one has it.
    pub session: Option<SessionId>,
    /// Its name.
    pub name: Option<String>,
    /// Which frames, by the numbers that they had: from the first, up to before the second. None: it is no frame that is lost, or
    /// none that is known.
    pub frames: Option<Range<u64>>,
    /// What, or why.
    pub what: String,
}
