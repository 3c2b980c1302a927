//! The sessions' facts in SQL: create, read, change, delete, restore.

use chrono::{DateTime, Utc};
use posesession_core::{SessionId, SessionRecording, SessionStatus, Skeleton};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::failure::{Failure, corrupt};
use super::rows::{self, Id};
use crate::checks;
use crate::error::StoreError;
use crate::listing::{search_text, sort_name};
use crate::query::{NewSession, PublisherProgress, SessionChange, Term};
use crate::sql::{
    SESSION_COLUMNS, SESSION_TABLES, Skeletons, layout_text, max_error_json, report_json, signed, unsigned,
};

pub(super) async fn create(db: &mut PgConnection, new: &NewSession) -> Result<SessionRecording, Failure> {
    let recording = checks::recording_of(new.clone());
    let (id, user_id) = (recording.id, recording.user_id);
    let user = sqlx::query("SELECT 1 FROM account WHERE id = $1 FOR KEY SHARE").bind(user_id.0);
    if user.fetch_optional(&mut *db).await?.is_none() {
        return Err(StoreError::UserNotFound { id: user_id }.into());
    }
    let skeleton_id = match &recording.skeleton {
        Some(skeleton) => Some(keep_skeleton(db, skeleton).await?),
        None => None,
    };
    let key: Option<i64> = sqlx::query_scalar(
        "INSERT INTO session_recording
             (id, name, description, created_at_micros, user_id, status, metadata, skeleton_id, sort_name, codec, max_error,
              term)
         VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10, $11::text::json, $12) ON CONFLICT (id) DO NOTHING RETURNING key",
    )
    .bind(Id(id))
    .bind(&recording.name)
    .bind(&recording.description)
    .bind(recording.created_at.timestamp_micros())
    .bind(user_id.0)
    .bind(recording.status.as_str())
    .bind(checks::metadata_json(&recording.metadata)?)
    .bind(skeleton_id)
    .bind(sort_name(&recording.name))
    .bind(recording.encoding.name())
    .bind(max_error_json(&recording.encoding))
    .bind(signed(Term::FIRST.0))
    .fetch_optional(&mut *db)
    .await?;
    let key = key.ok_or(StoreError::SessionExists { id })?;
    sqlx::query("INSERT INTO session_search (session_key, text) VALUES ($1, $2)")
        .bind(key)
        .bind(searched(&recording))
        .execute(db)
        .await?;
    Ok(recording)
}

pub(super) async fn read(db: &mut PgConnection, id: SessionId) -> Result<SessionRecording, Failure> {
    read_locked(db, id, "").await
}

async fn read_locked(db: &mut PgConnection, id: SessionId, lock: &str) -> Result<SessionRecording, Failure> {
    let sql = format!(
        "SELECT {SESSION_COLUMNS} FROM {SESSION_TABLES} WHERE s.id = $1 AND s.deleted_at_micros IS NULL{lock}"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(Id(id)).fetch_optional(db).await?;
    let row = row.ok_or(StoreError::SessionNotFound { id })?;
    rows::session(&row, &mut Skeletons::new()).map_err(|error| match error {
        sqlx::Error::ColumnDecode { index, source } => {
            corrupt(id, format!("the column `{index}`: {source}")).into()
        }
        error => error.into(),
    })
}

/// Returns the key of a session that is there.
pub(super) async fn key(db: &mut PgConnection, id: SessionId) -> Result<i64, Failure> {
    let key =
        sqlx::query_scalar("SELECT key FROM session_recording WHERE id = $1 AND deleted_at_micros IS NULL")
            .bind(Id(id))
            .fetch_optional(db)
            .await?;
    key.ok_or_else(|| StoreError::SessionNotFound { id }.into())
}

pub(super) async fn update(
    db: &mut PgConnection,
    id: SessionId,
    change: &SessionChange,
) -> Result<SessionRecording, Failure> {
    let mut session = read_locked(db, id, " FOR NO KEY UPDATE OF s").await?;
    let change = change.clone();
    if let Some(term) = change.term {
        checks::term(id, writer_state(db, id).await?.term, term)?;
    }
    session.metadata = checks::changed_metadata(session.metadata, &change)?;
    session.name = change.name.unwrap_or(session.name);
    session.description = change.description.unwrap_or(session.description);
    session.status = change.status.unwrap_or(session.status);
    session.video_file_path = change.video_file_path.unwrap_or(session.video_file_path);
    session.report = change.report.or(session.report);
    let key: i64 = sqlx::query_scalar(
        "UPDATE session_recording
         SET name = $2, description = $3, metadata = $4::text::json, status = $5, video_file_path = $6, sort_name = $7,
             report = $8::text::json
         WHERE id = $1 RETURNING key",
    )
    .bind(Id(id))
    .bind(&session.name)
    .bind(&session.description)
    .bind(checks::metadata_json(&session.metadata)?)
    .bind(session.status.as_str())
    .bind(&session.video_file_path)
    .bind(sort_name(&session.name))
    .bind(report_json(session.report.as_ref()))
    .fetch_one(&mut *db)
    .await?;
    sqlx::query("UPDATE session_search SET text = $2 WHERE session_key = $1 AND text <> $2")
        .bind(key)
        .bind(searched(&session))
        .execute(db)
        .await?;
    Ok(session)
}

/// The text in which words are searched. A text of Postgres has no NUL; nobody searches for one.
fn searched(session: &SessionRecording) -> String {
    search_text(&session.name, &session.description, &session.metadata).replace('\0', "\n")
}

pub(super) async fn delete(db: &mut PgConnection, id: SessionId, at: DateTime<Utc>) -> Result<(), Failure> {
    let deleted = sqlx::query(
        "UPDATE session_recording SET deleted_at_micros = $2 WHERE id = $1 AND deleted_at_micros IS NULL",
    )
    .bind(Id(id))
    .bind(at.timestamp_micros())
    .execute(db)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(StoreError::SessionNotFound { id }.into());
    }
    Ok(())
}

pub(super) async fn restore(db: &mut PgConnection, id: SessionId) -> Result<SessionRecording, Failure> {
    sqlx::query("UPDATE session_recording SET deleted_at_micros = NULL WHERE id = $1 AND NOT is_erased")
        .bind(Id(id))
        .execute(&mut *db)
        .await?;
    read(db, id).await
}

pub(super) async fn deleted(db: &mut PgConnection, before: DateTime<Utc>) -> Result<Vec<SessionId>, Failure> {
    let ids: Vec<Id> = sqlx::query_scalar(
        "SELECT id FROM session_recording WHERE deleted_at_micros < $1 AND NOT is_erased
         ORDER BY deleted_at_micros, key LIMIT 1000",
    )
    .bind(before.timestamp_micros())
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(|id| id.0).collect())
}

/// What decides whether a writer may go on.
pub(super) struct WriterState {
    pub(super) key: i64,
    pub(super) status: SessionStatus,
    pub(super) term: Term,
}

/// Reads what decides, and keeps others from changing it until the transaction ends.
async fn writer_state(db: &mut PgConnection, id: SessionId) -> Result<WriterState, Failure> {
    let row = sqlx::query(
        "SELECT key, status, term FROM session_recording WHERE id = $1 AND deleted_at_micros IS NULL
         FOR NO KEY UPDATE",
    )
    .bind(Id(id))
    .fetch_optional(db)
    .await?;
    let row = row.ok_or(StoreError::SessionNotFound { id })?;
    let term = Term(unsigned(row.try_get("term")?));
    Ok(WriterState { key: row.try_get("key")?, status: rows::parsed(&row, "status")?, term })
}

pub(super) async fn begin_term(db: &mut PgConnection, id: SessionId) -> Result<Term, Failure> {
    let state = writer_state(db, id).await?;
    let status = checks::begin(id, state.status)?;
    let term = Term(state.term.0 + 1);
    sqlx::query("UPDATE session_recording SET term = $2, status = $3 WHERE key = $1")
        .bind(state.key)
        .bind(signed(term.0))
        .bind(status.as_str())
        .execute(db)
        .await?;
    Ok(term)
}

/// Checks that the writer may finish the session, and does it. With `again`, a session that this writer has given this
/// status before is fine: the answer got lost.
pub(super) async fn finish(
    db: &mut PgConnection,
    id: SessionId,
    term: Term,
    status: SessionStatus,
    again: bool,
) -> Result<SessionRecording, Failure> {
    let state = writer_state(db, id).await?;
    if !(again && state.term == term && state.status == status) {
        checks::writer(id, state.term, term, state.status)?;
        sqlx::query("UPDATE session_recording SET status = $2 WHERE key = $1")
            .bind(state.key)
            .bind(status.as_str())
            .execute(&mut *db)
            .await?;
    }
    read(db, id).await
}

pub(super) async fn set_publisher(
    db: &mut PgConnection,
    id: SessionId,
    term: Term,
    publisher: &str,
    settled_through: Option<u64>,
) -> Result<(), Failure> {
    let state = writer_state(db, id).await?;
    checks::writer(id, state.term, term, state.status)?;
    sqlx::query("UPDATE session_recording SET publisher = $2, settled_through = $3 WHERE key = $1")
        .bind(state.key)
        .bind(publisher)
        .bind(settled_through.map(u64::cast_signed))
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn progress(db: &mut PgConnection, id: SessionId) -> Result<PublisherProgress, Failure> {
    let row = sqlx::query(
        "SELECT publisher, settled_through FROM session_recording WHERE id = $1 AND deleted_at_micros IS NULL",
    )
    .bind(Id(id))
    .fetch_optional(db)
    .await?;
    let row = row.ok_or(StoreError::SessionNotFound { id })?;
    let settled_through = row.try_get::<Option<i64>, _>("settled_through")?.map(i64::cast_unsigned);
    Ok(PublisherProgress { publisher: row.try_get("publisher")?, settled_through })
}

pub(super) async fn interrupt_live(db: &mut PgConnection) -> Result<Vec<SessionId>, Failure> {
    let interrupted = sqlx::query(
        "UPDATE session_recording SET status = 'interrupted' WHERE status IN ('recording', 'paused')
         RETURNING id, deleted_at_micros IS NULL AS is_there",
    )
    .fetch_all(db)
    .await?;
    let there = |row: &PgRow| Ok((row.try_get::<Id, _>("id")?.0, row.try_get::<bool, _>("is_there")?));
    let interrupted = interrupted.iter().map(there).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let mut ids: Vec<_> =
        interrupted.into_iter().filter(|(_, is_there)| *is_there).map(|(id, _)| id).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Returns the row of a skeleton, which is made unless a session had the same one before. It stays until the transaction
/// ends.
pub(super) async fn keep_skeleton(db: &mut PgConnection, skeleton: &Skeleton) -> Result<i64, Failure> {
    if let Some(known) = known_skeleton(db, skeleton).await? {
        return Ok(known);
    }
    let made: Option<i64> = sqlx::query_scalar(
        "INSERT INTO skeleton (skeleton, layout) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(skeleton_json(skeleton)?)
    .bind(layout_text(&skeleton.layout()))
    .fetch_optional(&mut *db)
    .await?;
    match made {
        Some(id) => Ok(id),
        // Another session has just made it.
        None => known_skeleton(db, skeleton).await?.ok_or_else(|| Failure::Sql(sqlx::Error::RowNotFound)),
    }
}

pub(super) async fn known_skeleton(
    db: &mut PgConnection,
    skeleton: &Skeleton,
) -> Result<Option<i64>, Failure> {
    Ok(sqlx::query_scalar("SELECT id FROM skeleton WHERE skeleton = $1 FOR KEY SHARE")
        .bind(skeleton_json(skeleton)?)
        .fetch_optional(db)
        .await?)
}

fn skeleton_json(skeleton: &Skeleton) -> Result<String, StoreError> {
    serde_json::to_string(skeleton).map_err(|error| checks::bad(format!("the skeleton is no JSON: {error}")))
}
