//! Rolling compaction and erasing, in steps that are each too small to delay other sessions.

use posesession_core::{Codec, EncodedChunk, SessionId};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::chunks::insert;
use super::failure::Failure;
use super::rows::id_text;
use super::sessions;
use crate::compaction::{Joined, Short, Size, groups};
use crate::error::StoreError;
use crate::sql::{signed, unsigned};

/// How many chunks one step of erasing takes.
const ERASE_CHUNKS: i64 = 64;
/// How many free pages one step gives back.
const VACUUM_PAGES: i64 = 512;
/// How many free pages are kept while something is recorded: 4 MiB.
const SPARE_PAGES: i64 = 1_024;

/// Reads the next group of short chunks, if there is one.
pub(super) fn next_group(db: &Connection, id: SessionId, remainder: bool) -> Result<Option<Short>, Failure> {
    let key = sessions::key(db, id)?;
    let mut statement = db.prepare_cached(
        "SELECT c.frame_count, length(c.header) + length(c.payload), c.codec = ?2 FROM frame_chunk c
         JOIN session_recording s ON s.key = c.session_key
         WHERE c.session_key = ?1 AND c.first_frame >= s.compacted_frames ORDER BY c.first_frame",
    )?;
    let sizes = statement.query_map(params![key, Codec::Bounded as i64], |row| {
        Ok(Size { frames: unsigned(row.get(0)?), bytes: unsigned(row.get(1)?), is_bounded: row.get(2)? })
    })?;
    let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
    let Some(&count) = groups(&sizes, remainder).first() else {
        return Ok(None);
    };
    let mut statement = db.prepare_cached(
        "SELECT c.first_frame, c.header, c.payload FROM frame_chunk c
         JOIN session_recording s ON s.key = c.session_key
         WHERE c.session_key = ?1 AND c.first_frame >= s.compacted_frames ORDER BY c.first_frame LIMIT ?2",
    )?;
    let chunks = statement.query_map(params![key, signed(count as u64)], |row| {
        Ok((unsigned(row.get(0)?), EncodedChunk { header: row.get(1)?, payload: row.get(2)? }))
    })?;
    Ok(Some(Short { session: sessions::read(db, id)?, key, chunks: chunks.collect::<Result<_, _>>()? }))
}

/// Puts the long chunk in the place of the short ones; returns how many there were, or nothing if they are no longer
/// there: another compaction was faster, or the session is erased.
pub(super) fn replace(db: &Connection, long: &Joined) -> Result<Option<u64>, Failure> {
    let range =
        params![long.key, signed(long.encoded.extent.first_frame), signed(long.encoded.extent.end_frame())];
    let mut statement = db.prepare_cached(
        "SELECT header FROM frame_chunk
         WHERE session_key = ?1 AND first_frame >= ?2 AND first_frame < ?3 ORDER BY first_frame",
    )?;
    let headers = statement.query_map(range, |row| row.get(0))?.collect::<Result<Vec<Vec<u8>>, _>>()?;
    if headers != long.headers {
        return Ok(None);
    }
    db.prepare_cached(
        "DELETE FROM frame_chunk WHERE session_key = ?1 AND first_frame >= ?2 AND first_frame < ?3",
    )?
    .execute(range)?;
    insert(db, long.key, &long.encoded)?;
    db.prepare_cached(
        "UPDATE session_recording SET stored_bytes = stored_bytes - ?2 + ?3, compacted_frames = ?4 WHERE key = ?1",
    )?
    .execute(params![
        long.key,
        signed(long.short_bytes),
        signed(long.bytes()),
        signed(long.encoded.extent.end_frame())
    ])?;
    Ok(Some(headers.len() as u64))
}

/// Hides a session for good; the rest of erasing it is [`erase_step`].
pub(super) fn begin_erase(db: &Connection, id: SessionId) -> Result<i64, Failure> {
    let key = db
        .prepare_cached(
            "UPDATE session_recording SET is_erased = 1, deleted_at_micros = coalesce(deleted_at_micros, 0)
             WHERE id = ?1 AND is_erased = 0 RETURNING key",
        )?
        .query_row([id_text(id)], |row| row.get(0))
        .optional()?;
    key.ok_or_else(|| StoreError::SessionNotFound { id }.into())
}

/// Returns the sessions that are hidden for good, but not erased yet.
pub(super) fn erasing(db: &Connection) -> Result<Vec<i64>, Failure> {
    let mut statement = db.prepare_cached("SELECT key FROM session_recording WHERE is_erased = 1")?;
    let keys = statement.query_map([], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Erases some of a hidden session's chunks, or if there are none left, all the rest; returns whether that was all.
pub(super) fn erase_step(db: &Connection, key: i64) -> Result<bool, Failure> {
    let chunks = db
        .prepare_cached(
            "DELETE FROM frame_chunk WHERE session_key = ?1 AND first_frame IN (
                 SELECT first_frame FROM frame_chunk WHERE session_key = ?1 ORDER BY first_frame LIMIT ?2)",
        )?
        .execute([key, ERASE_CHUNKS])?;
    if chunks > 0 {
        return Ok(false);
    }
    db.prepare_cached("DELETE FROM marker WHERE session_key = ?1")?.execute([key])?;
    db.prepare_cached("DELETE FROM session_search WHERE session_key = ?1")?.execute([key])?;
    let skeleton: Option<Option<i64>> = db
        .prepare_cached("DELETE FROM session_recording WHERE key = ?1 RETURNING skeleton_id")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    db.prepare_cached(
        "DELETE FROM skeleton WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM session_recording WHERE skeleton_id = ?1)",
    )?
    .execute([skeleton.flatten()])?;
    Ok(true)
}

/// Gives some free pages back to the file system, beyond those that recordings under way will need; returns whether there is
/// nothing more to give.
pub(super) fn vacuum_step(db: &Connection) -> Result<bool, Failure> {
    let free: i64 = db.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free == 0 {
        return Ok(true);
    }
    let is_recording = db
        .prepare_cached("SELECT 1 FROM session_recording WHERE status IN ('recording', 'paused') LIMIT 1")?
        .exists([])?;
    let spare = if is_recording { SPARE_PAGES } else { 0 };
    let surplus = (free - spare).min(VACUUM_PAGES);
    if surplus <= 0 {
        return Ok(true);
    }
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({surplus})"))?;
    // Each row is one page given back; a small session file, which is no store by birth, gives none.
    let mut pages = statement.query([])?;
    let mut given = 0;
    while pages.next()?.is_some() {
        given += 1;
    }
    Ok(given == 0)
}
