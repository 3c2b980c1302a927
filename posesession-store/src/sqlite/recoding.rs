//! A session's chunks replaced by the same frames in another encoding, one by one.

use posesession_core::{ChunkHeader, EncodedChunk, Encoding, SessionId, SessionRecording};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::failure::Failure;
use super::sessions;
use crate::checks;
use crate::sql::{encoding_json, max_error_json, recoding_of, signed};

pub(super) fn begin(db: &Connection, id: SessionId, to: &Encoding) -> Result<SessionRecording, Failure> {
    let mut session = sessions::read(db, id)?;
    let key = sessions::key(db, id)?;
    let recoding: Option<String> = db
        .prepare_cached("SELECT recoding FROM session_recording WHERE key = ?1")?
        .query_row([key], |row| row.get(0))?;
    session.encoding = checks::recoded(&session, recoding_of(recoding.as_deref()).as_ref(), to)?;
    db.prepare_cached(
        "UPDATE session_recording SET codec = ?2, max_error = ?3, recoding = ?4 WHERE key = ?1",
    )?
    .execute(params![
        key,
        session.encoding.name(),
        max_error_json(&session.encoding),
        encoding_json(to)
    ])?;
    Ok(session)
}

/// Replaces a chunk if it still has this header, which has its checksum; returns whether it had.
pub(super) fn replace(
    db: &Connection,
    id: SessionId,
    replaced: &[u8],
    header: &ChunkHeader,
    by: &EncodedChunk,
) -> Result<bool, Failure> {
    let (key, first_frame) = (sessions::key(db, id)?, signed(header.first_frame));
    let found: Option<(Vec<u8>, i64)> = db
        .prepare_cached(
            "SELECT header, length(header) + length(payload) FROM frame_chunk
             WHERE session_key = ?1 AND first_frame = ?2",
        )?
        .query_row([key, first_frame], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((_, bytes)) = found.filter(|(found, _)| found == replaced) else {
        return Ok(false);
    };
    db.prepare_cached(
        "UPDATE frame_chunk SET codec = ?3, header = ?4, payload = ?5 WHERE session_key = ?1 AND first_frame = ?2",
    )?
    .execute(params![key, first_frame, header.codec as u8, by.header, by.payload])?;
    let more = signed((by.header.len() + by.payload.len()) as u64) - bytes;
    db.prepare_cached("UPDATE session_recording SET stored_bytes = stored_bytes + ?2 WHERE key = ?1")?
        .execute([key, more])?;
    Ok(true)
}

pub(super) fn end(db: &Connection, id: SessionId) -> Result<SessionRecording, Failure> {
    let key = sessions::key(db, id)?;
    db.prepare_cached("UPDATE session_recording SET recoding = NULL WHERE key = ?1")?.execute([key])?;
    sessions::read(db, id)
}
