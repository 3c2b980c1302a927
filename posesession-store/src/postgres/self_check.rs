//! What rows say of each other. A database in, findings out. Its pages are Postgres' own matter (`data_checksums`, `pg_amcheck`).

use futures::TryStreamExt as _;
use posesession_core::SessionId;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::failure::Failure;
use super::rows::{self, Id};
use crate::finding::Finding;
use crate::sql::{SESSION_COLUMNS, SESSION_TABLES, Skeletons};
use crate::verify::{ChunkRow, ChunkRows, SessionRow, session_facts};

/// Checks all sessions, or some. To be called at the start of a transaction.
pub(super) async fn check(db: &mut PgConnection, only: &[SessionId]) -> Result<Vec<Finding>, Failure> {
    let sql = format!(
        "SELECT s.key, s.is_erased, s.deleted_at_micros IS NOT NULL AS is_deleted, s.compacted_frames, s.sort_name, k.layout, f.text AS searched, {SESSION_COLUMNS}
         FROM {SESSION_TABLES} LEFT JOIN session_search f ON f.session_key = s.key ORDER BY s.key"
    );
    // One moment for all rows: what is recorded meanwhile doesn't contradict itself.
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *db).await?;
    // Safe: the text is made of words of this program.
    let sessions = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *db).await?;
    let (mut findings, mut skeletons) = (Vec::new(), Skeletons::new());
    for row in &sessions {
        let id = row.try_get::<Id, _>("id")?.0;
        if !(only.is_empty() || only.contains(&id)) {
            continue;
        }
        match facts(row, &mut skeletons) {
            Ok(Some((session, of_session))) => {
                findings.extend(of_session);
                findings.extend(chunks(db, row, session).await?);
            }
            Ok(None) => {}
            Err(error @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))) => {
                findings.push(Finding::damage(id, "session", error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(findings)
}

/// Reads a session's row; nothing of one that is being erased.
fn facts(row: &PgRow, skeletons: &mut Skeletons) -> sqlx::Result<Option<(SessionRow, Vec<Finding>)>> {
    if row.try_get::<bool, _>("is_erased")? {
        return Ok(None);
    }
    let session = rows::session(row, skeletons)?;
    let of_session =
        session_facts(&session, row.try_get("searched")?, row.try_get("sort_name")?, row.try_get("layout")?);
    let row = SessionRow {
        id: session.id,
        frame_count: row.try_get("frame_count")?,
        duration_micros: row.try_get("duration_micros")?,
        stored_bytes: row.try_get("stored_bytes")?,
        compacted_frames: row.try_get("compacted_frames")?,
        is_erased: false,
    };
    Ok(Some((row, of_session)))
}

async fn chunks(db: &mut PgConnection, row: &PgRow, session: SessionRow) -> Result<Vec<Finding>, Failure> {
    let mut chunks = ChunkRows::new(session);
    let mut found = sqlx::query(
        "SELECT first_frame, frame_count, first_timestamp_micros, last_timestamp_micros, codec, header,
                length(payload) AS payload_bytes, CASE WHEN $2 THEN payload END AS payload
         FROM frame_chunk WHERE session_key = $1 ORDER BY first_frame",
    )
    .bind(row.try_get::<i64, _>("key")?)
    .bind(row.try_get::<bool, _>("is_deleted")?)
    .fetch(db);
    while let Some(row) = found.try_next().await? {
        chunks.push(&ChunkRow {
            first_frame: row.try_get("first_frame")?,
            frame_count: row.try_get("frame_count")?,
            first_timestamp_micros: row.try_get("first_timestamp_micros")?,
            last_timestamp_micros: row.try_get("last_timestamp_micros")?,
            codec: row.try_get::<i16, _>("codec")?.into(),
            header: row.try_get("header")?,
            payload_bytes: row.try_get::<i32, _>("payload_bytes")?.into(),
            payload: row.try_get("payload")?,
        });
    }
    Ok(chunks.finish())
}
