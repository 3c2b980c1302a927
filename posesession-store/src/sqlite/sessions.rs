//! The sessions' facts in SQL: create, read, change, delete, restore.

use chrono::{DateTime, Utc};
use posesession_core::{SessionId, SessionRecording, SessionStatus, Skeleton};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, named_params, params};

use super::failure::Failure;
use super::rows::{self, id_text};
use crate::checks;
use crate::error::StoreError;
use crate::listing::{search_text, sort_name};
use crate::query::{NewSession, PublisherProgress, SessionChange, Term};
use crate::sql::{
    SESSION_COLUMNS, SESSION_TABLES, Skeletons, layout_text, max_error_json, report_json, signed, unsigned,
};

pub(super) fn create(db: &Connection, new: NewSession) -> Result<SessionRecording, Failure> {
    let recording = checks::recording_of(new);
    let (id, user_id) = (recording.id, recording.user_id);
    let user = db.prepare_cached("SELECT 1 FROM account WHERE id = ?1")?.exists([user_id.0])?;
    if !user {
        return Err(StoreError::UserNotFound { id: user_id }.into());
    }
    let skeleton_id = recording.skeleton.as_ref().map(|skeleton| keep_skeleton(db, skeleton)).transpose()?;
    let inserted = db
        .prepare_cached(
            "INSERT INTO session_recording
                 (id, name, description, created_at_micros, user_id, status, metadata, skeleton_id, sort_name, codec,
                  max_error, term)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            id_text(id),
            recording.name,
            recording.description,
            recording.created_at.timestamp_micros(),
            user_id.0,
            recording.status.as_str(),
            checks::metadata_json(&recording.metadata)?,
            skeleton_id,
            sort_name(&recording.name),
            recording.encoding.name(),
            max_error_json(&recording.encoding),
            signed(Term::FIRST.0),
        ]);
    match inserted {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            return Err(StoreError::SessionExists { id }.into());
        }
        inserted => inserted?,
    };
    let text = search_text(&recording.name, &recording.description, &recording.metadata);
    db.prepare_cached("INSERT INTO session_search (session_key, text) VALUES (?1, ?2)")?
        .execute(params![db.last_insert_rowid(), text])?;
    Ok(recording)
}

pub(super) fn read(db: &Connection, id: SessionId) -> Result<SessionRecording, Failure> {
    let sql = format!(
        "SELECT {SESSION_COLUMNS} FROM {SESSION_TABLES} WHERE s.id = ?1 AND s.deleted_at_micros IS NULL"
    );
    let read = || {
        let mut statement = db.prepare_cached(&sql)?;
        statement.query_row([id_text(id)], |row| rows::session(row, &mut Skeletons::new())).optional()
    };
    match read() {
        Ok(session) => session.ok_or_else(|| StoreError::SessionNotFound { id }.into()),
        Err(error) => Err(super::failure::damaged_at(id, "its facts", error.into())),
    }
}

/// Returns the key of a session that is there.
pub(super) fn key(db: &Connection, id: SessionId) -> Result<i64, Failure> {
    let key = db
        .prepare_cached("SELECT key FROM session_recording WHERE id = ?1 AND deleted_at_micros IS NULL")?
        .query_row([id_text(id)], |row| row.get(0))
        .optional()?;
    key.ok_or_else(|| StoreError::SessionNotFound { id }.into())
}

pub(super) fn update(
    db: &Connection,
    id: SessionId,
    change: SessionChange,
) -> Result<SessionRecording, Failure> {
    let mut session = read(db, id)?;
    if let Some(term) = change.term {
        checks::term(id, writer_state(db, id)?.term, term)?;
    }
    session.metadata = checks::changed_metadata(session.metadata, &change)?;
    session.name = change.name.unwrap_or(session.name);
    session.description = change.description.unwrap_or(session.description);
    session.status = change.status.unwrap_or(session.status);
    session.video_file_path = change.video_file_path.unwrap_or(session.video_file_path);
    session.report = change.report.or(session.report);
    let key: i64 = db
        .prepare_cached(
            "UPDATE session_recording
             SET name = :name, description = :description, metadata = :metadata, status = :status,
                 video_file_path = :video_file_path, sort_name = :sort_name, report = :report
             WHERE id = :id RETURNING key",
        )?
        .query_row(
            named_params! {
                ":name": session.name,
                ":description": session.description,
                ":metadata": checks::metadata_json(&session.metadata)?,
                ":status": session.status.as_str(),
                ":video_file_path": session.video_file_path,
                ":sort_name": sort_name(&session.name),
                ":report": report_json(session.report.as_ref()),
                ":id": id_text(id),
            },
            |row| row.get(0),
        )?;
    let text = search_text(&session.name, &session.description, &session.metadata);
    db.prepare_cached("UPDATE session_search SET text = ?2 WHERE session_key = ?1 AND text <> ?2")?
        .execute(params![key, text])?;
    Ok(session)
}

pub(super) fn delete(db: &Connection, id: SessionId, at: DateTime<Utc>) -> Result<(), Failure> {
    let deleted = db
        .prepare_cached(
            "UPDATE session_recording SET deleted_at_micros = ?2 WHERE id = ?1 AND deleted_at_micros IS NULL",
        )?
        .execute(params![id_text(id), at.timestamp_micros()])?;
    if deleted == 0 {
        return Err(StoreError::SessionNotFound { id }.into());
    }
    Ok(())
}

pub(super) fn restore(db: &Connection, id: SessionId) -> Result<SessionRecording, Failure> {
    db.prepare_cached(
        "UPDATE session_recording SET deleted_at_micros = NULL WHERE id = ?1 AND is_erased = 0",
    )?
    .execute([id_text(id)])?;
    read(db, id)
}

pub(super) fn deleted(db: &Connection, before: DateTime<Utc>) -> Result<Vec<SessionId>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT id FROM session_recording WHERE deleted_at_micros < ?1 AND is_erased = 0
         ORDER BY deleted_at_micros, key LIMIT 1000",
    )?;
    let ids = statement.query_map([before.timestamp_micros()], |row| rows::parsed(row, "id"))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What decides whether a writer may go on.
pub(super) struct WriterState {
    pub(super) key: i64,
    pub(super) status: SessionStatus,
    pub(super) term: Term,
}

pub(super) fn writer_state(db: &Connection, id: SessionId) -> Result<WriterState, Failure> {
    let state = db
        .prepare_cached(
            "SELECT key, status, term FROM session_recording WHERE id = ?1 AND deleted_at_micros IS NULL",
        )?
        .query_row([id_text(id)], |row| {
            let term = Term(unsigned(row.get("term")?));
            Ok(WriterState { key: row.get("key")?, status: rows::parsed(row, "status")?, term })
        })
        .optional()?;
    state.ok_or_else(|| StoreError::SessionNotFound { id }.into())
}

pub(super) fn begin_term(db: &Connection, id: SessionId) -> Result<Term, Failure> {
    let state = writer_state(db, id)?;
    let status = checks::begin(id, state.status)?;
    let term = Term(state.term.0 + 1);
    db.prepare_cached("UPDATE session_recording SET term = ?2, status = ?3 WHERE key = ?1")?
        .execute(params![state.key, signed(term.0), status.as_str()])?;
    Ok(term)
}

/// Checks that the writer may finish the session, and with `status`, does it.
pub(super) fn finish(
    db: &Connection,
    id: SessionId,
    term: Term,
    status: SessionStatus,
) -> Result<SessionRecording, Failure> {
    let state = writer_state(db, id)?;
    checks::writer(id, state.term, term, state.status)?;
    db.prepare_cached("UPDATE session_recording SET status = ?2 WHERE key = ?1")?
        .execute(params![state.key, status.as_str()])?;
    read(db, id)
}

pub(super) fn set_publisher(
    db: &Connection,
    id: SessionId,
    term: Term,
    publisher: &str,
    settled_through: Option<u64>,
) -> Result<(), Failure> {
    let state = writer_state(db, id)?;
    checks::writer(id, state.term, term, state.status)?;
    db.prepare_cached("UPDATE session_recording SET publisher = ?2, settled_through = ?3 WHERE key = ?1")?
        .execute(params![state.key, publisher, settled_through.map(u64::cast_signed)])?;
    Ok(())
}

pub(super) fn progress(db: &Connection, id: SessionId) -> Result<PublisherProgress, Failure> {
    let progress = db
        .prepare_cached(
            "SELECT publisher, settled_through FROM session_recording WHERE id = ?1 AND deleted_at_micros IS NULL",
        )?
        .query_row([id_text(id)], |row| {
            let settled_through = row.get::<_, Option<i64>>("settled_through")?.map(i64::cast_unsigned);
            Ok(PublisherProgress { publisher: row.get("publisher")?, settled_through })
        })
        .optional()?;
    progress.ok_or_else(|| StoreError::SessionNotFound { id }.into())
}

pub(super) fn interrupt_live(db: &Connection) -> Result<Vec<SessionId>, Failure> {
    let mut statement = db.prepare_cached(
        "UPDATE session_recording SET status = 'interrupted' WHERE status IN ('recording', 'paused')
         RETURNING id, deleted_at_micros IS NULL AS is_there",
    )?;
    let interrupted = statement
        .query_map([], |row| Ok((rows::parsed::<SessionId>(row, "id")?, row.get::<_, bool>("is_there")?)))?;
    let mut ids = Vec::new();
    for session in interrupted {
        if let (id, true) = session? {
            ids.push(id);
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Returns the row of a skeleton, which is made unless a session had the same one before.
pub(super) fn keep_skeleton(db: &Connection, skeleton: &Skeleton) -> Result<i64, Failure> {
    let json = skeleton_json(skeleton)?;
    let known = db
        .prepare_cached("SELECT id FROM skeleton WHERE skeleton = ?1")?
        .query_row([&json], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    db.prepare_cached("INSERT INTO skeleton (skeleton, layout) VALUES (?1, ?2)")?
        .execute(params![json, layout_text(&skeleton.layout())])?;
    Ok(db.last_insert_rowid())
}

pub(super) fn skeleton_json(skeleton: &Skeleton) -> Result<String, StoreError> {
    serde_json::to_string(skeleton).map_err(|error| checks::bad(format!("the skeleton is no JSON: {error}")))
}
