//! A page of sessions in SQL, and how many there are. A query in, sessions or totals out.

use std::collections::HashMap;
use std::fmt::Write as _;

use posesession_core::SessionStatus;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::failure::Failure;
use super::rows::{self, SESSION_COLUMNS, SESSION_TABLES, Skeletons, id_text, unsigned};
use crate::listing::{Place, SortKey, search_words};
use crate::query::{SessionPage, SessionQuery, SessionSort, SessionTotals};

pub(super) fn list(db: &Connection, query: &SessionQuery) -> Result<SessionPage, Failure> {
    let (sql, parameters) = statement(query)?;
    let mut skeletons = Skeletons::new();
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement
        .query_map(rusqlite::params_from_iter(parameters), |row| rows::session(row, &mut skeletons))?;
    let mut sessions = found.collect::<Result<Vec<_>, _>>()?;
    let more = sessions.len() > query.limit;
    sessions.truncate(query.limit);
    let last = sessions.last().filter(|_| more);
    let next = last.map(|session| Place::of(session, query.sort).to_cursor(query));
    Ok(SessionPage { sessions, next })
}

pub(super) fn count(
    db: &Connection,
    query: &SessionQuery,
) -> Result<HashMap<SessionStatus, SessionTotals>, Failure> {
    let (condition, parameters) = condition(query);
    let mut statement = db.prepare_cached(&format!(
        "SELECT s.status, count(*) AS sessions, sum(s.frame_count) AS frames, sum(s.stored_bytes) AS stored_bytes
         FROM session_recording s WHERE {condition} GROUP BY s.status"
    ))?;
    let counted = statement.query_map(rusqlite::params_from_iter(parameters), |row| {
        let totals = SessionTotals {
            sessions: unsigned(row.get("sessions")?),
            frames: unsigned(row.get("frames")?),
            stored_bytes: unsigned(row.get("stored_bytes")?),
        };
        Ok((rows::parsed(row, "status")?, totals))
    })?;
    Ok(counted.collect::<Result<_, _>>()?)
}

/// Writes the statement of one page. Only words of this program go into its text; what users wrote are parameters.
pub(super) fn statement(query: &SessionQuery) -> Result<(String, Vec<Value>), Failure> {
    let column = match query.sort {
        SessionSort::CreatedAt => "s.created_at_micros",
        SessionSort::Name => "s.sort_name",
        SessionSort::Duration => "s.duration_micros",
        SessionSort::FrameCount => "s.frame_count",
    };
    let (direction, beyond) = if query.descending { ("DESC", "<") } else { ("ASC", ">") };
    let (condition, mut parameters) = condition(query);
    let mut sql = format!("SELECT {SESSION_COLUMNS} FROM {SESSION_TABLES} WHERE {condition}");
    if let Some(Place { key, id }) = Place::from_cursor(query)? {
        // Writing to a String can't fail.
        let _written = write!(sql, " AND ({column}, s.id) {beyond} (?, ?)");
        parameters.push(match key {
            SortKey::Number(number) => Value::Integer(number),
            SortKey::Text(text) => Value::Text(text),
        });
        parameters.push(Value::Text(id_text(id)));
    }
    let _written = write!(sql, " ORDER BY {column} {direction}, s.id {direction} LIMIT ?");
    parameters.push(Value::Integer(i64::try_from(query.limit).unwrap_or(i64::MAX - 1) + 1));
    Ok((sql, parameters))
}

/// Writes which sessions the pages of a list have together.
fn condition(query: &SessionQuery) -> (String, Vec<Value>) {
    let mut sql = "s.user_id = ? AND s.deleted_at_micros IS NULL".to_owned();
    let mut parameters = vec![Value::Integer(query.user_id.0)];
    if let Some(status) = query.status {
        sql.push_str(" AND s.status = ?");
        parameters.push(Value::Text(status.as_str().to_owned()));
    }
    for word in search_words(query) {
        // instr, not LIKE: no character is special to it.
        sql.push_str(
            " AND EXISTS (SELECT 1 FROM session_search f WHERE f.session_key = s.key AND instr(f.text, ?) > 0)",
        );
        parameters.push(Value::Text(word));
    }
    (sql, parameters)
}
