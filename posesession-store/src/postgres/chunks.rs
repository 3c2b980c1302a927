//! Chunks and markers in SQL: find, index.

use std::ops::Range;

use posesession_core::{ChunkIndex, ChunkQuery, EncodedChunk, Marker, SessionId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::failure::{Failure, corrupt};
use super::rows::{self, Id};
use super::sessions;
use crate::encoding::Found;
use crate::error::StoreError;
use crate::query::EncodedStoredChunk;
use crate::sql::unsigned;

pub(super) async fn markers(db: &mut PgConnection, id: SessionId) -> Result<Vec<Marker>, Failure> {
    let key = sessions::key(db, id).await?;
    let markers = sqlx::query(
        "SELECT kind, timestamp_micros, label, duration_micros, count, cause FROM marker
         WHERE session_key = $1 ORDER BY timestamp_micros, id",
    )
    .bind(key)
    .fetch_all(db)
    .await?;
    Ok(markers.iter().map(rows::marker).collect::<Result<_, _>>()?)
}

pub(super) async fn index(db: &mut PgConnection, id: SessionId) -> Result<ChunkIndex, Failure> {
    let key = sessions::key(db, id).await?;
    let extents = sqlx::query(
        "SELECT first_frame, frame_count, first_timestamp_micros, last_timestamp_micros FROM frame_chunk
         WHERE session_key = $1 ORDER BY first_frame",
    )
    .bind(key)
    .fetch_all(db)
    .await?;
    let index = ChunkIndex::from_extents(extents.iter().map(rows::extent).collect::<Result<_, _>>()?);
    index.map_err(|error| corrupt(id, format!("its chunks don't meet: {error}")).into())
}

/// The session and the chunk in one round trip: this is what a viewer waits for. Without a chunk, its columns are null.
const BY_FRAME: &str =
    "SELECT s.frame_count AS frames, c.first_frame, c.frame_count, c.first_timestamp_micros,
         c.last_timestamp_micros, c.header, c.payload
     FROM session_recording s LEFT JOIN LATERAL (
         SELECT * FROM frame_chunk WHERE session_key = s.key AND first_frame <= $2
         ORDER BY first_frame DESC LIMIT 1) c ON true
     WHERE s.id = $1 AND s.deleted_at_micros IS NULL";
const BY_TIME: &str =
    "SELECT s.frame_count AS frames, c.first_frame, c.frame_count, c.first_timestamp_micros,
         c.last_timestamp_micros, c.header, c.payload
     FROM session_recording s LEFT JOIN LATERAL (
         SELECT * FROM frame_chunk WHERE session_key = s.key AND first_timestamp_micros <= $2
         ORDER BY first_timestamp_micros DESC LIMIT 1) c ON true
     WHERE s.id = $1 AND s.deleted_at_micros IS NULL";

pub(super) async fn covering(
    db: &mut PgConnection,
    id: SessionId,
    query: ChunkQuery,
) -> Result<Found, Failure> {
    let (frame_count, found) = match query {
        ChunkQuery::Frame(frame) => {
            let place = i64::try_from(frame).unwrap_or(i64::MAX);
            let (frame_count, found) = find(db, BY_FRAME, id, place).await?;
            (frame_count, found.filter(|found| frame < found.extent.end_frame()))
        }
        ChunkQuery::Time(timestamp) => match find(db, BY_TIME, id, timestamp.as_micros()).await? {
            (_, None) => find(db, BY_FRAME, id, 0).await?,
            found => found,
        },
    };
    found.ok_or_else(|| StoreError::NoSuchFrame { id, frame_count }.into())
}

async fn find(
    db: &mut PgConnection,
    sql: &'static str,
    id: SessionId,
    place: i64,
) -> Result<(u64, Option<Found>), Failure> {
    let row = sqlx::query(sql).bind(Id(id)).bind(place).fetch_optional(db).await?;
    let row = row.ok_or(StoreError::SessionNotFound { id })?;
    let frame_count = unsigned(row.try_get("frames")?);
    if row.try_get::<Option<i64>, _>("first_frame")?.is_none() {
        return Ok((frame_count, None));
    }
    let EncodedChunk { header, payload } = encoded(&row)?;
    Ok((frame_count, Some(Found { id, extent: rows::extent(&row)?, header, payload })))
}

/// Finds the chunks that cover a range of frames, in order.
pub(super) async fn covering_all(
    db: &mut PgConnection,
    id: SessionId,
    frames: Range<u64>,
) -> Result<Vec<EncodedStoredChunk>, Failure> {
    let key = sessions::key(db, id).await?;
    let [first, end] = [frames.start, frames.end].map(|frame| i64::try_from(frame).unwrap_or(i64::MAX));
    if first >= end {
        return Ok(Vec::new());
    }
    let chunks = sqlx::query(
        "SELECT first_frame, frame_count, first_timestamp_micros, last_timestamp_micros, header, payload
         FROM frame_chunk WHERE session_key = $1 AND first_frame < $3 AND first_frame >= coalesce((
             SELECT max(first_frame) FROM frame_chunk WHERE session_key = $1 AND first_frame <= $2), $2)
         ORDER BY first_frame",
    )
    .bind(key)
    .bind(first)
    .bind(end)
    .fetch_all(db)
    .await?;
    let stored = |row: &PgRow| Ok(EncodedStoredChunk { chunk: encoded(row)?, extent: rows::extent(row)? });
    let mut chunks = chunks.iter().map(stored).collect::<Result<Vec<_>, sqlx::Error>>()?;
    // The chunk before the range is found for a range behind the session's end, too.
    chunks.retain(|chunk| chunk.extent.end_frame() > frames.start);
    Ok(chunks)
}

pub(super) fn encoded(row: &PgRow) -> sqlx::Result<EncodedChunk> {
    Ok(EncodedChunk { header: row.try_get("header")?, payload: row.try_get("payload")? })
}
