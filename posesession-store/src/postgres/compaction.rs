//! Rolling compaction and erasing, in steps that are each too small to delay other sessions.

use posesession_core::{Codec, SessionId};
use sqlx::{PgConnection, Row as _};

use super::failure::{FOREIGN_KEY, Failure, is_code};
use super::rows::Id;
use super::{append, chunks, sessions};
use crate::compaction::{Joined, Short, Size, groups};
use crate::error::StoreError;
use crate::sql::{signed, unsigned};

/// How many chunks one step of erasing takes.
const ERASE_CHUNKS: i64 = 256;

/// Reads the next group of short chunks, if there is one.
pub(super) async fn next_group(
    db: &mut PgConnection,
    id: SessionId,
    remainder: bool,
) -> Result<Option<Short>, Failure> {
    let key = sessions::key(db, id).await?;
    let sizes = sqlx::query(
        "SELECT c.frame_count, (octet_length(c.header) + octet_length(c.payload))::bigint AS bytes, c.codec = $2 AS is_bounded
         FROM frame_chunk c
         JOIN session_recording s ON s.key = c.session_key
         WHERE c.session_key = $1 AND c.first_frame >= s.compacted_frames ORDER BY c.first_frame",
    )
    .bind(key)
    .bind(Codec::Bounded as i16)
    .fetch_all(&mut *db)
    .await?;
    let size = |row: &sqlx::postgres::PgRow| {
        Ok(Size {
            frames: unsigned(row.try_get("frame_count")?),
            bytes: unsigned(row.try_get("bytes")?),
            is_bounded: row.try_get("is_bounded")?,
        })
    };
    let sizes = sizes.iter().map(size).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let Some(&count) = groups(&sizes, remainder).first() else {
        return Ok(None);
    };
    let rows = sqlx::query(
        "SELECT c.first_frame, c.header, c.payload FROM frame_chunk c
         JOIN session_recording s ON s.key = c.session_key
         WHERE c.session_key = $1 AND c.first_frame >= s.compacted_frames ORDER BY c.first_frame LIMIT $2",
    )
    .bind(key)
    .bind(signed(count as u64))
    .fetch_all(&mut *db)
    .await?;
    let session = sessions::read(db, id).await?;
    let short = rows.iter().map(|row| Ok((unsigned(row.try_get("first_frame")?), chunks::encoded(row)?)));
    Ok(Some(Short { session, key, chunks: short.collect::<Result<_, sqlx::Error>>()? }))
}

/// Puts the long chunk in the place of the short ones; returns how many there were, or nothing if they are no longer
/// there: another compaction was faster, or the session is erased.
pub(super) async fn replace(db: &mut PgConnection, long: &Joined) -> Result<Option<u64>, Failure> {
    // Before the chunks, as everyone else does: so no two transactions wait for each other.
    sqlx::query("SELECT 1 FROM session_recording WHERE key = $1 FOR NO KEY UPDATE")
        .bind(long.key)
        .execute(&mut *db)
        .await?;
    let (first, end) = (signed(long.encoded.extent.first_frame), signed(long.encoded.extent.end_frame()));
    let headers: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT header FROM frame_chunk
         WHERE session_key = $1 AND first_frame >= $2 AND first_frame < $3 ORDER BY first_frame",
    )
    .bind(long.key)
    .bind(first)
    .bind(end)
    .fetch_all(&mut *db)
    .await?;
    if headers != long.headers {
        return Ok(None);
    }
    sqlx::query("DELETE FROM frame_chunk WHERE session_key = $1 AND first_frame >= $2 AND first_frame < $3")
        .bind(long.key)
        .bind(first)
        .bind(end)
        .execute(&mut *db)
        .await?;
    append::insert(db, &[(long.key, &long.encoded)]).await?;
    sqlx::query(
        "UPDATE session_recording SET stored_bytes = stored_bytes - $2 + $3, compacted_frames = $4 WHERE key = $1",
    )
    .bind(long.key)
    .bind(signed(long.short_bytes))
    .bind(signed(long.bytes()))
    .bind(end)
    .execute(db)
    .await?;
    Ok(Some(headers.len() as u64))
}

/// Hides a session for good; the rest of erasing it is [`erase_step`].
pub(super) async fn begin_erase(db: &mut PgConnection, id: SessionId) -> Result<i64, Failure> {
    let key = sqlx::query_scalar(
        "UPDATE session_recording SET is_erased = true, deleted_at_micros = coalesce(deleted_at_micros, 0)
         WHERE id = $1 AND NOT is_erased RETURNING key",
    )
    .bind(Id(id))
    .fetch_optional(db)
    .await?;
    key.ok_or_else(|| StoreError::SessionNotFound { id }.into())
}

/// Returns the sessions that are hidden for good, but not erased yet.
pub(super) async fn erasing(db: &mut PgConnection) -> Result<Vec<i64>, Failure> {
    Ok(sqlx::query_scalar("SELECT key FROM session_recording WHERE is_erased").fetch_all(db).await?)
}

/// Erases some of a hidden session's chunks, or if there are none left, all the rest; returns whether that was all.
pub(super) async fn erase_step(db: &mut PgConnection, key: i64) -> Result<bool, Failure> {
    let chunks = sqlx::query(
        "DELETE FROM frame_chunk WHERE session_key = $1 AND first_frame IN (
             SELECT first_frame FROM frame_chunk WHERE session_key = $1 ORDER BY first_frame LIMIT $2)",
    )
    .bind(key)
    .bind(ERASE_CHUNKS)
    .execute(&mut *db)
    .await?;
    if chunks.rows_affected() > 0 {
        return Ok(false);
    }
    for rest in [
        "DELETE FROM marker WHERE session_key = $1",
        "DELETE FROM session_search WHERE session_key = $1",
        "DELETE FROM session_recording WHERE key = $1",
    ] {
        sqlx::query(rest).bind(key).execute(&mut *db).await?;
    }
    Ok(true)
}

/// Deletes the skeletons that no session has.
pub(super) async fn forget_skeletons(db: &mut PgConnection) -> Result<(), Failure> {
    let unused = "DELETE FROM skeleton k WHERE NOT EXISTS (
                      SELECT 1 FROM session_recording s WHERE s.skeleton_id = k.id)";
    match sqlx::query(unused).execute(db).await {
        // A session took one up meanwhile; the next one that is erased takes the others along.
        Err(error) if is_code(&error, FOREIGN_KEY) => Ok(()),
        done => Ok(done.map(drop)?),
    }
}
