//! What every store checks before it writes. Requests in, named refusals out.

use chrono::{DateTime, SubsecRound, Utc};
use posesession_core::{Batch, Chunk, SessionId, SessionRecording, SessionStatus, Skeleton, Timestamp};

use crate::error::StoreError;
use crate::query::{NewSession, NewUser, SessionChange, SessionQuery, Term};

/// The facts that decide whether a session takes a batch.
pub(crate) struct AppendState<'a> {
    pub(crate) id: SessionId,
    pub(crate) status: SessionStatus,
    pub(crate) term: Term,
    pub(crate) frame_count: u64,
    pub(crate) last_timestamp: Timestamp,
    pub(crate) skeleton: Option<&'a Skeleton>,
}

/// What is to be done with a batch that a session takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AppendPlan {
    /// There is no frame in it; its other parts are to be written.
    NoFrames,
    /// Its frames come next.
    Next,
    /// Its frames are stored already: they are to be compared where they are not compacted yet.
    Again,
}

pub(crate) fn new_session(new: &NewSession) -> Result<(), StoreError> {
    text("name", &new.name)?;
    text("description", &new.description)?;
    metadata(&new.metadata)?;
    new.skeleton.as_ref().map_or(Ok(()), skeleton)
}

pub(crate) fn change(change: &SessionChange) -> Result<(), StoreError> {
    change.name.as_deref().map_or(Ok(()), |name| text("name", name))?;
    change.description.as_deref().map_or(Ok(()), |description| text("description", description))?;
    change.metadata.as_ref().map_or(Ok(()), metadata)
}

/// Makes the recording that a store keeps of a new session.
pub(crate) fn recording_of(new: NewSession) -> SessionRecording {
    SessionRecording {
        id: new.id,
        name: new.name,
        description: new.description,
        created_at: kept_time(new.created_at),
        duration: Timestamp::ZERO,
        frame_count: 0,
        user_id: new.user_id,
        video_file_path: None,
        status: SessionStatus::Recording,
        metadata: new.metadata,
        skeleton: new.skeleton,
        stored_bytes: 0,
    }
}

/// Returns a moment as it is kept: to the microsecond.
pub(crate) fn kept_time(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}

pub(crate) fn user(username: &str, email: &str, password: &str) -> Result<(), StoreError> {
    if username.is_empty() || username.len() > NewUser::MAX_NAME_BYTES || username.contains('\0') {
        return Err(bad(format!(
            "a username has 1 to {} bytes, and no NUL character",
            NewUser::MAX_NAME_BYTES
        )));
    }
    for (what, value) in [("email address", email), ("password hash", password)] {
        if value.len() > NewUser::MAX_FIELD_BYTES || value.contains('\0') {
            let most = NewUser::MAX_FIELD_BYTES;
            return Err(bad(format!("the {what} may have at most {most} bytes, and no NUL character")));
        }
    }
    Ok(())
}

pub(crate) fn limit(query: &SessionQuery) -> Result<(), StoreError> {
    if !(1..=SessionQuery::MAX_LIMIT).contains(&query.limit) {
        let most = SessionQuery::MAX_LIMIT;
        return Err(bad(format!("a page has 1 to {most} sessions, not {}", query.limit)));
    }
    Ok(())
}

/// Decides what is to be done with a batch.
pub(crate) fn append(state: &AppendState<'_>, term: Term, batch: &Batch) -> Result<AppendPlan, StoreError> {
    writer(state.id, state.term, term, state.status)?;
    if let Some(declared) = &batch.skeleton {
        skeleton(declared)?;
        if state.skeleton.is_some_and(|known| known != declared) {
            return Err(bad(format!("the session {} has another skeleton already", state.id)));
        }
    }
    let Some(chunk) = batch.chunk.as_ref().filter(|chunk| !chunk.is_empty()) else {
        return Ok(AppendPlan::NoFrames);
    };
    let out_of_order =
        StoreError::OutOfOrder { id: state.id, expected: state.frame_count, got: chunk.first_frame() };
    if chunk.first_frame() > state.frame_count {
        return Err(out_of_order);
    }
    fits(chunk, batch.skeleton.as_ref().or(state.skeleton))?;
    if chunk.end_frame() <= state.frame_count {
        return Ok(AppendPlan::Again);
    }
    if chunk.first_frame() < state.frame_count {
        return Err(out_of_order);
    }
    if chunk.end_frame() > NewSession::MAX_FRAMES {
        return Err(bad(format!("a session has at most {} frames", NewSession::MAX_FRAMES)));
    }
    let first = chunk.timestamps().first().copied().unwrap_or_default();
    if state.frame_count > 0 && first <= state.last_timestamp {
        let last = state.last_timestamp;
        return Err(bad(format!("a frame at {first} can't follow one at {last}: timestamps must increase")));
    }
    Ok(AppendPlan::Next)
}

/// Checks that the writer of `term` is still the session's writer, and that the session takes frames.
pub(crate) fn writer(
    id: SessionId,
    current: Term,
    term: Term,
    status: SessionStatus,
) -> Result<(), StoreError> {
    if term < current {
        return Err(StoreError::Fenced { id });
    }
    if term > current {
        return Err(bad(format!("the session {id} never gave the term {}: begin one first", term.0)));
    }
    if !status.is_live() {
        return Err(StoreError::NotLive { id, status });
    }
    Ok(())
}

/// Checks that a session of this status may get another writer, and returns its status from then on.
pub(crate) fn begin(id: SessionId, status: SessionStatus) -> Result<SessionStatus, StoreError> {
    match status {
        SessionStatus::Interrupted => Ok(SessionStatus::Recording),
        live if live.is_live() => Ok(live),
        status => Err(StoreError::NotLive { id, status }),
    }
}

pub(crate) fn last_status(status: SessionStatus) -> Result<(), StoreError> {
    if status.is_live() {
        return Err(bad(format!("a session can't be finished as `{status}`, which takes more frames")));
    }
    Ok(())
}

/// Returns whether two chunks agree on the frames that both cover.
pub(crate) fn agree(stored: &Chunk, sent: &Chunk) -> bool {
    let first = stored.first_frame().max(sent.first_frame());
    let end = stored.end_frame().min(sent.end_frame());
    (first..end).all(|n| stored.frame(n) == sent.frame(n))
}

pub(crate) fn bad(what: String) -> StoreError {
    StoreError::BadArgument { what }
}

fn fits(chunk: &Chunk, skeleton: Option<&Skeleton>) -> Result<(), StoreError> {
    // Frames in which nobody is seen may come before the skeleton is known.
    if chunk.track_ids().is_empty() {
        return Ok(());
    }
    let expected = skeleton.map(Skeleton::layout);
    if expected.as_ref() == Some(chunk.layout()) {
        return Ok(());
    }
    let got = chunk.layout().values_per_person();
    Err(bad(match expected {
        Some(layout) => format!(
            "the chunk's persons have {got} values in another layout than the skeleton's {}",
            layout.values_per_person()
        ),
        None => "frames with persons need a skeleton: it comes with the first such batch".to_owned(),
    }))
}

fn skeleton(skeleton: &Skeleton) -> Result<(), StoreError> {
    skeleton.validate().map_err(|error| bad(error.to_string()))
}

fn text(what: &str, text: &str) -> Result<(), StoreError> {
    if text.len() > NewSession::MAX_TEXT_BYTES {
        let most = NewSession::MAX_TEXT_BYTES;
        return Err(bad(format!("the {what} has {} bytes, at most {most} are allowed", text.len())));
    }
    if text.contains('\0') {
        return Err(bad(format!("the {what} has a NUL character, which no text may have")));
    }
    Ok(())
}

fn metadata(metadata: &serde_json::Map<String, serde_json::Value>) -> Result<(), StoreError> {
    let json = metadata_json(metadata)?;
    if json.len() > NewSession::MAX_TEXT_BYTES {
        let most = NewSession::MAX_TEXT_BYTES;
        return Err(bad(format!(
            "the metadata has {} bytes as JSON, at most {most} are allowed",
            json.len()
        )));
    }
    Ok(())
}

pub(crate) fn metadata_json(
    metadata: &serde_json::Map<String, serde_json::Value>,
) -> Result<String, StoreError> {
    serde_json::to_string(metadata).map_err(|error| bad(format!("the metadata is no JSON: {error}")))
}
