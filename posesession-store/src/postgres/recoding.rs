//! A session's chunks replaced by the same frames in another encoding, one by one.

use posesession_core::{ChunkHeader, EncodedChunk, Encoding, SessionId, SessionRecording};
use sqlx::{PgConnection, Row as _};

use super::failure::Failure;
use super::sessions;
use crate::checks;
use crate::sql::{encoding_json, max_error_json, recoding_of, signed};

pub(super) async fn begin(
    db: &mut PgConnection,
    id: SessionId,
    to: &Encoding,
) -> Result<SessionRecording, Failure> {
    let key = lock(db, id).await?;
    let mut session = sessions::read(db, id).await?;
    let recoding: Option<String> =
        sqlx::query_scalar("SELECT recoding::text FROM session_recording WHERE key = $1")
            .bind(key)
            .fetch_one(&mut *db)
            .await?;
    session.encoding = checks::recoded(&session, recoding_of(recoding.as_deref()).as_ref(), to)?;
    sqlx::query(
        "UPDATE session_recording SET codec = $2, max_error = $3::text::json, recoding = $4::text::json WHERE key = $1",
    )
    .bind(key)
    .bind(session.encoding.name())
    .bind(max_error_json(&session.encoding))
    .bind(encoding_json(to))
    .execute(db)
    .await?;
    Ok(session)
}

/// Replaces a chunk if it still has this header, which has its checksum; returns whether it had.
pub(super) async fn replace(
    db: &mut PgConnection,
    id: SessionId,
    replaced: &[u8],
    header: &ChunkHeader,
    by: &EncodedChunk,
) -> Result<bool, Failure> {
    let (key, first_frame) = (lock(db, id).await?, signed(header.first_frame));
    let found = sqlx::query(
        "SELECT header, (octet_length(header) + octet_length(payload))::bigint AS bytes FROM frame_chunk
         WHERE session_key = $1 AND first_frame = $2",
    )
    .bind(key)
    .bind(first_frame)
    .fetch_optional(&mut *db)
    .await?;
    let Some(found) = found else { return Ok(false) };
    if found.try_get::<&[u8], _>("header")? != replaced {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE frame_chunk SET codec = $3, header = $4, payload = $5 WHERE session_key = $1 AND first_frame = $2",
    )
    .bind(key)
    .bind(first_frame)
    .bind(i16::from(header.codec as u8))
    .bind(&by.header)
    .bind(&by.payload)
    .execute(&mut *db)
    .await?;
    let more = signed((by.header.len() + by.payload.len()) as u64) - found.try_get::<i64, _>("bytes")?;
    sqlx::query("UPDATE session_recording SET stored_bytes = stored_bytes + $2 WHERE key = $1")
        .bind(key)
        .bind(more)
        .execute(db)
        .await?;
    Ok(true)
}

pub(super) async fn end(db: &mut PgConnection, id: SessionId) -> Result<SessionRecording, Failure> {
    let key = lock(db, id).await?;
    sqlx::query("UPDATE session_recording SET recoding = NULL WHERE key = $1")
        .bind(key)
        .execute(&mut *db)
        .await?;
    sessions::read(db, id).await
}

/// Keeps others from changing a session that is there until the transaction ends, and returns its key: before its chunks, as
/// everyone else does.
async fn lock(db: &mut PgConnection, id: SessionId) -> Result<i64, Failure> {
    let key = sessions::key(db, id).await?;
    sqlx::query("SELECT 1 FROM session_recording WHERE key = $1 FOR NO KEY UPDATE")
        .bind(key)
        .execute(&mut *db)
        .await?;
    Ok(key)
}
