//! Is all there that was promised? An image opened with the real store in, what is wrong out.

use std::path::Path;

use posesession_core::{ChunkQuery, SessionId, SessionStatus, decode};
use posesession_store::{SessionStore, SqliteStore, StoreError};

use crate::frames;
use crate::workload::{DATABASE, Event};

/// What a session must be like after the power went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// It must be there.
    pub is_created: bool,
    /// At least so many frames.
    pub acknowledged: u64,
    /// At most so many.
    pub sent: u64,
    /// It may be completed, and must be.
    pub may_be_finished: bool,
    /// It must be completed.
    pub is_finished: bool,
    /// It may be gone.
    pub may_be_gone: bool,
    /// It must be.
    pub is_gone: bool,
}

impl Expected {
    /// Takes in what happened before.
    pub fn add(expected: &mut [Self], event: Event) {
        match event {
            Event::Created(place) => expected[place].is_created = true,
            Event::Sent(place, end) => expected[place].sent = end,
            Event::Acknowledged(place, end) => expected[place].acknowledged = end,
            Event::Finishing(place) => expected[place].may_be_finished = true,
            Event::Finished(place) => expected[place].is_finished = true,
            Event::Erasing(place) => expected[place].may_be_gone = true,
            Event::Erased(place) => expected[place].is_gone = true,
        }
    }
}

/// Opens the store in a folder and checks all sessions; returns how many acknowledged frames were there.
///
/// # Errors
///
/// What is wrong, in words.
pub async fn check(
    folder: &Path,
    sessions: &[SessionId],
    expected: &[Expected],
    thorough: bool,
) -> Result<u64, String> {
    let store = SqliteStore::open(folder.join(DATABASE))
        .await
        .map_err(|error| format!("not opened: {}", told(&error)))?;
    let mut found = 0;
    for (place, (&id, expected)) in sessions.iter().zip(expected).enumerate() {
        let checked = check_session(&store, place, id, expected, thorough).await;
        checked.map_err(|wrong| format!("session {place}: {wrong}"))?;
        found += if expected.may_be_gone { 0 } else { expected.acknowledged };
    }
    drop(store);
    if thorough {
        check_integrity(folder)?;
    }
    Ok(found)
}

/// Opens the store in a folder and takes what it tells for promised. Returns the store, open.
///
/// # Errors
///
/// What is wrong, in words.
pub async fn tell(
    folder: &Path,
    sessions: &[SessionId],
    expected: &mut [Expected],
) -> Result<SqliteStore, String> {
    let store = SqliteStore::open(folder.join(DATABASE)).await.map_err(|error| told(&error))?;
    for (&id, expected) in sessions.iter().zip(expected) {
        match store.read_session(id).await {
            Ok(session) => {
                expected.is_created = true;
                expected.acknowledged = session.frame_count;
                expected.is_finished = session.status == SessionStatus::Completed;
            }
            Err(StoreError::SessionNotFound { .. }) => expected.is_gone = expected.may_be_gone,
            Err(error) => return Err(told(&error)),
        }
    }
    Ok(store)
}

async fn check_session(
    store: &SqliteStore,
    place: usize,
    id: SessionId,
    expected: &Expected,
    thorough: bool,
) -> Result<(), String> {
    let session = match store.read_session(id).await {
        Ok(_) if expected.is_gone => return Err("it is back after it was erased".to_owned()),
        Ok(session) => session,
        Err(StoreError::SessionNotFound { .. }) if expected.may_be_gone || !expected.is_created => {
            return Ok(());
        }
        Err(error) => return Err(told(&error)),
    };
    let count = session.frame_count;
    if count < expected.acknowledged || count > expected.sent {
        let Expected { acknowledged, sent, .. } = expected;
        return Err(format!("{count} frames are there, {acknowledged} were acknowledged, {sent} were sent"));
    }
    let allowed = match session.status {
        SessionStatus::Recording => !expected.is_finished,
        SessionStatus::Completed => expected.may_be_finished,
        _ => false,
    };
    if !allowed {
        return Err(format!("it is {}", session.status));
    }
    check_frames(store, place, id, count).await?;
    let index = store.chunk_index(id).await.map_err(|error| told(&error))?;
    if index.frame_count() != count {
        return Err(format!("the chunks have {} frames, the session {count}", index.frame_count()));
    }
    let markers = store.markers(id).await.map_err(|error| told(&error))?;
    let in_frames = |label: &str| {
        label.strip_prefix("frame ").and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n < count)
    };
    if !markers.iter().all(|marker| in_frames(&marker.label)) || markers.is_empty() != (count == 0) {
        return Err("markers and frames are not those of the same batches".to_owned());
    }
    if thorough && session.status == SessionStatus::Recording && !expected.may_be_gone {
        go_on(store, place, id, count).await?;
    }
    Ok(())
}

/// Every frame is there once, in order, and is what was sent.
async fn check_frames(store: &SqliteStore, place: usize, id: SessionId, count: u64) -> Result<(), String> {
    let chunks = store.encoded_chunks(id, 0..count).await.map_err(|error| told(&error))?;
    let mut next = 0;
    for stored in chunks {
        let chunk = decode(&stored.chunk.header, &stored.chunk.payload)
            .map_err(|error| format!("frame {next}: {error}"))?;
        for frame in chunk.frames() {
            let is_sent =
                frame.pose_data == frames::pose(place, next) && frame.timestamp == frames::timestamp(next);
            if frame.frame_number != next || !is_sent {
                return Err(format!(
                    "frame {} stands where {next} was sent, or is not what was sent",
                    frame.frame_number
                ));
            }
            next += 1;
        }
    }
    if next != count {
        return Err(format!("{next} frames can be read of {count}"));
    }
    Ok(())
}

/// The session can be taken over, and its next append is stored.
async fn go_on(store: &SqliteStore, place: usize, id: SessionId, count: u64) -> Result<(), String> {
    let term = store.begin_term(id).await.map_err(|error| told(&error))?;
    let appended = store
        .append(id, term, &frames::batch(place, count, count + 3))
        .await
        .map_err(|error| told(&error))?;
    if appended.frame_count != count + 3 {
        return Err(format!("an append after {count} frames made it {}", appended.frame_count));
    }
    let last = store.covering_chunk(id, ChunkQuery::Time(frames::timestamp(count + 2))).await;
    let last = last.map_err(|error| told(&error))?.chunk;
    let pose = last.frame(count + 2).map(|frame| frame.pose_data);
    if pose != Some(frames::pose(place, count + 2)) {
        return Err("the next frames are not what was sent".to_owned());
    }
    Ok(())
}

/// SQLite itself finds nothing wrong.
fn check_integrity(folder: &Path) -> Result<(), String> {
    let db = rusqlite::Connection::open(folder.join(DATABASE)).map_err(|error| error.to_string())?;
    let said: String =
        db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|error| error.to_string())?;
    if said == "ok" { Ok(()) } else { Err(format!("SQLite says: {said}")) }
}

/// Returns an error with its causes.
#[must_use]
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
