//! What every store checks before it writes. Requests in, named refusals out.

use chrono::{DateTime, SubsecRound, Utc};
use posesession_core::{
    Chunk, ChunkExtent, ChunkHeader, EncodedChunk, Encoding, Layout, Lossless, MaxError, SessionId,
    SessionRecording, SessionStatus, Skeleton, Timestamp, peek, verify,
};
use serde_json::{Map, Value};

use crate::error::StoreError;
use crate::media::RecordedVideo;
use crate::query::{NewSession, NewUser, PublisherProgress, SessionChange, SessionQuery, Term};

/// The facts that decide whether a session takes a batch.
pub(crate) struct AppendState {
    pub(crate) id: SessionId,
    pub(crate) status: SessionStatus,
    pub(crate) term: Term,
    pub(crate) frame_count: u64,
    pub(crate) last_timestamp: Timestamp,
    /// The layout of the session's skeleton, if it has one.
    pub(crate) layout: Option<Layout>,
    /// Whether the batch declares another skeleton than the session's.
    pub(crate) has_another_skeleton: bool,
    /// The session's bounds, if it has some.
    pub(crate) max_error: Option<MaxError>,
}

/// What a store needs to know of a chunk, encoded or not, to take it.
pub(crate) struct Frames<'a> {
    pub(crate) extent: ChunkExtent,
    pub(crate) has_persons: bool,
    pub(crate) layout: &'a Layout,
}

impl<'a> Frames<'a> {
    /// Returns nothing for a chunk without frames.
    pub(crate) fn of(chunk: &'a Chunk) -> Option<Self> {
        let extent = ChunkExtent::of(chunk)?;
        Some(Self { extent, has_persons: !chunk.track_ids().is_empty(), layout: chunk.layout() })
    }
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
    new.skeleton.as_ref().map_or(Ok(()), skeleton)?;
    encoding(&new.encoding, new.skeleton.as_ref())
}

pub(crate) fn change(change: &SessionChange) -> Result<(), StoreError> {
    change.name.as_deref().map_or(Ok(()), |name| text("name", name))?;
    change.description.as_deref().map_or(Ok(()), |description| text("description", description))?;
    change.metadata.as_ref().map_or(Ok(()), metadata)
}

/// Returns the metadata that a session has after a change. To be called where nothing can come between reading the old one and
/// writing this one.
pub(crate) fn changed_metadata(
    old: Map<String, Value>,
    change: &SessionChange,
) -> Result<Map<String, Value>, StoreError> {
    let noted = change.metadata.as_ref().and_then(|_| RecordedVideo::from_metadata(&old));
    let mut changed = change.metadata.clone().unwrap_or(old);
    let facts = [noted.as_ref(), change.video.as_ref()];
    for video in facts.into_iter().flatten() {
        video.note_in(&mut changed);
    }
    if facts != [None; 2] {
        metadata(&changed)?;
    }
    Ok(changed)
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
        encoding: new.encoding,
        report: None,
    }
}

pub(crate) fn publisher(name: &str) -> Result<(), StoreError> {
    let most = PublisherProgress::MAX_NAME_BYTES;
    if name.is_empty() || name.len() > most || name.contains('\0') {
        return Err(bad(format!("a publisher's name has 1 to {most} bytes, and no NUL character")));
    }
    Ok(())
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

pub(crate) fn query(query: &SessionQuery) -> Result<(), StoreError> {
    if !(1..=SessionQuery::MAX_LIMIT).contains(&query.limit) {
        let most = SessionQuery::MAX_LIMIT;
        return Err(bad(format!("a page has 1 to {most} sessions, not {}", query.limit)));
    }
    search(query)
}

/// Checks what a query searches for.
pub(crate) fn search(query: &SessionQuery) -> Result<(), StoreError> {
    let words = query.search.as_deref().unwrap_or_default().split_whitespace().count();
    if words > SessionQuery::MAX_WORDS {
        let most = SessionQuery::MAX_WORDS;
        return Err(bad(format!("a search has at most {most} words, not {words}")));
    }
    Ok(())
}

/// Decides what is to be done with a batch of these frames and this declared skeleton.
pub(crate) fn append(
    state: &AppendState,
    term: Term,
    frames: Option<&Frames<'_>>,
    declared: Option<&Skeleton>,
) -> Result<AppendPlan, StoreError> {
    writer(state.id, state.term, term, state.status)?;
    declared.map_or(Ok(()), skeleton)?;
    if state.has_another_skeleton {
        return Err(bad(format!("the session {} has another skeleton already", state.id)));
    }
    if let (Some(max_error), Some(skeleton)) = (&state.max_error, declared) {
        bounds(max_error, skeleton)?;
    }
    let Some(frames) = frames else {
        return Ok(AppendPlan::NoFrames);
    };
    let extent = frames.extent;
    let out_of_order =
        StoreError::OutOfOrder { id: state.id, expected: state.frame_count, got: extent.first_frame };
    if extent.first_frame > state.frame_count {
        return Err(out_of_order);
    }
    let declared_layout = declared.map(Skeleton::layout);
    fits(frames, declared_layout.as_ref().or(state.layout.as_ref()))?;
    if extent.end_frame() <= state.frame_count {
        return Ok(AppendPlan::Again);
    }
    if extent.first_frame < state.frame_count {
        return Err(out_of_order);
    }
    if extent.end_frame() > NewSession::MAX_FRAMES {
        return Err(bad(format!("a session has at most {} frames", NewSession::MAX_FRAMES)));
    }
    let (first, last) = (extent.first_timestamp, state.last_timestamp);
    if state.frame_count > 0 && first <= last {
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
    self::term(id, current, term)?;
    if !status.is_live() {
        return Err(StoreError::NotLive { id, status });
    }
    Ok(())
}

/// Checks that no other writer began since.
pub(crate) fn term(id: SessionId, current: Term, term: Term) -> Result<(), StoreError> {
    if term < current {
        return Err(StoreError::Fenced { id });
    }
    if term > current {
        return Err(bad(format!("the session {id} never gave the term {}: begin one first", term.0)));
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

/// Checks that a chunk may stand in the place of another, and returns its header.
pub(crate) fn replacement(replaced: &EncodedChunk, by: &EncodedChunk) -> Result<ChunkHeader, StoreError> {
    let unfit = |error| bad(format!("the chunk can't be replaced: {error}"));
    let header = verify(&by.header, &by.payload).map_err(unfit)?;
    if header.extent().is_none() || header.extent() != peek(&replaced.header).map_err(unfit)?.extent() {
        return Err(bad("the chunk can't be replaced by one that covers other frames".to_owned()));
    }
    Ok(header)
}

/// Returns the encoding that a session has from the moment on when it is being recoded. `recoding` is what it was being
/// recoded to before.
pub(crate) fn recoded(
    session: &SessionRecording,
    recoding: Option<&Encoding>,
    to: &Encoding,
) -> Result<Encoding, StoreError> {
    if session.status.is_live() {
        return Err(bad(format!(
            "the session {} is {}: finish it before recoding it",
            session.id, session.status
        )));
    }
    encoding(to, session.skeleton.as_ref())?;
    match to {
        Encoding::Columnar => Ok(session.encoding.recoded(Lossless::Columnar)),
        Encoding::Json => Ok(session.encoding.recoded(Lossless::Json)),
        Encoding::Bounded { .. } if recoding == Some(to) => Ok(session.encoding.clone()),
        Encoding::Bounded { max_error } => {
            let before = session.encoding.max_error().cloned().unwrap_or_default();
            let max_error = before.plus(max_error).map_err(|error| bad(error.to_string()))?;
            Ok(Encoding::Bounded { max_error })
        }
        Encoding::Recoded { .. } => {
            Err(bad("a session is recoded to a codec, not to where it comes from".to_owned()))
        }
    }
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

fn fits(frames: &Frames<'_>, expected: Option<&Layout>) -> Result<(), StoreError> {
    // Frames in which nobody is seen may come before the skeleton is known.
    if !frames.has_persons || expected == Some(frames.layout) {
        return Ok(());
    }
    let got = frames.layout.values_per_person();
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

/// Checks a session's bounds, as far as its skeleton is known.
fn encoding(encoding: &Encoding, skeleton: Option<&Skeleton>) -> Result<(), StoreError> {
    const INFERRED: [&str; 4] = ["x", "y", "z", "confidence"];
    let Some(max_error) = encoding.max_error() else {
        return Ok(());
    };
    if max_error.is_empty() {
        return Err(bad("`max_error` names no channel: name one, or choose a lossless codec".to_owned()));
    }
    if let Some(skeleton) = skeleton {
        return bounds(max_error, skeleton);
    }
    let channel = |name: &str| name.rsplit('.').next().is_some_and(|channel| INFERRED.contains(&channel));
    match max_error.channels().find(|(name, _)| !channel(name)) {
        Some((name, _)) => Err(bad(format!(
            "`max_error` names `{name}`, which no channel of a skeleton that isn't declared can be called: use {}, or declare \
             the skeleton",
            INFERRED.join(", ")
        ))),
        None => Ok(()),
    }
}

fn bounds(max_error: &MaxError, skeleton: &Skeleton) -> Result<(), StoreError> {
    max_error.bounds(skeleton).map(drop).map_err(|error| bad(error.to_string()))
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

fn metadata(metadata: &Map<String, Value>) -> Result<(), StoreError> {
    let json = metadata_json(metadata)?;
    if json.len() > NewSession::MAX_TEXT_BYTES {
        let most = NewSession::MAX_TEXT_BYTES;
        return Err(bad(format!(
            "the metadata has {} bytes as JSON, at most {most} are allowed",
            json.len()
        )));
    }
    match serde_json::from_str::<serde_json::Map<_, _>>(&json) {
        Ok(read) if read == *metadata => Ok(()),
        Ok(_) => Err(bad("the metadata has a number that JSON doesn't keep".to_owned())),
        Err(error) => Err(bad(format!("the metadata can't be read back from JSON: {error}"))),
    }
}

pub(crate) fn metadata_json(metadata: &Map<String, Value>) -> Result<String, StoreError> {
    serde_json::to_string(metadata).map_err(|error| bad(format!("the metadata is no JSON: {error}")))
}
