//! What SQLite can tell of its file, and what rows say of each other. A database in, findings out.

use posesession_core::SessionId;
use rusqlite::{Connection, Row, params};

use super::connection;
use super::failure::{Failure, is_damage};
use super::rows;
use crate::finding::Finding;
use crate::sql::{SESSION_COLUMNS, SESSION_TABLES, Skeletons};
use crate::verify::{ChunkRow, ChunkRows, SessionRow, session_facts};

/// How many complaints of SQLite are told; one lost page can make thousands.
const MOST_COMPLAINTS: usize = 100;

/// Checks all of the database, or what belongs to some sessions. What can't be read is a finding.
pub(super) fn check(db: &Connection, only: &[SessionId]) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    if only.is_empty() {
        part(&mut findings, "database", |findings| pages(db, findings))?;
        part(&mut findings, "database", |findings| references(db, findings))?;
        part(&mut findings, "media", |findings| media(db, findings))?;
    }
    part(&mut findings, "sessions", |findings| sessions(db, only, findings))?;
    Ok(findings)
}

/// Makes damage that a check stumbles on a finding.
fn part(
    findings: &mut Vec<Finding>,
    place: &str,
    check: impl FnOnce(&mut Vec<Finding>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match check(findings) {
        Err(Failure::Sqlite(error)) if is_damage(&error) => {
            findings.push(Finding::damage(None, place, error.to_string()));
            Ok(())
        }
        checked => checked,
    }
}

/// Lets SQLite check its pages, its indices against their tables, and the tables' own conditions.
fn pages(db: &Connection, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let mut statement = db.prepare(&format!("PRAGMA integrity_check({MOST_COMPLAINTS})"))?;
    let mut complaints = statement.query([])?;
    while let Some(complaint) = complaints.next()? {
        let complaint: String = complaint.get(0)?;
        if complaint != "ok" {
            findings.push(Finding::damage(None, "database", complaint));
        }
    }
    Ok(())
}

/// Looks for rows that belong to rows that are not there.
fn references(db: &Connection, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let mut statement = db.prepare("PRAGMA main.foreign_key_check")?;
    let mut orphans = statement.query([])?;
    while let Some(orphan) = orphans.next()? {
        let (table, row, parent): (String, Option<i64>, String) =
            (orphan.get(0)?, orphan.get(1)?, orphan.get(2)?);
        let row = row.map_or(String::new(), |row| format!(" {row}"));
        let what = format!("the row{row} of `{table}` belongs to a row of `{parent}` that is not there");
        findings.push(Finding::damage(None, "database", what));
        if findings.len() >= MOST_COMPLAINTS {
            break;
        }
    }
    Ok(())
}

/// Checks that media in the database have all their parts.
fn media(db: &Connection, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    if !connection::has_media(db)? {
        return Ok(());
    }
    let mut statement = db.prepare(
        "SELECT path, size, (SELECT total(length(bytes)) FROM media_part WHERE object_id = media_object.id)
         FROM media_object",
    )?;
    let mut objects = statement.query([])?;
    while let Some(object) = objects.next()? {
        let (path, size, held): (Option<String>, i64, f64) = (object.get(0)?, object.get(1)?, object.get(2)?);
        let Some(path) = path else {
            findings.push(Finding::note(None, "media", "an object was never finished"));
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53 bytes")]
        if size as f64 != held {
            let what = format!("`{path}` has {held} bytes and should have {size}");
            findings.push(Finding::damage(session_of(&path), "media", what));
        }
    }
    Ok(())
}

fn session_of(path: &str) -> Option<SessionId> {
    path.split('/').next()?.parse().ok()
}

fn sessions(db: &Connection, only: &[SessionId], findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let sql = format!(
        "SELECT s.key, s.deleted_at_micros, s.is_erased, s.compacted_frames, s.sort_name, k.layout, f.text AS searched,
                {SESSION_COLUMNS}
         FROM {SESSION_TABLES} LEFT JOIN session_search f ON f.session_key = s.key ORDER BY s.key"
    );
    let mut statement = db.prepare(&sql)?;
    let mut found = statement.query([])?;
    let mut skeletons = Skeletons::new();
    while let Some(row) = found.next()? {
        match session(db, row, only, &mut skeletons) {
            Ok(of_session) => findings.extend(of_session),
            Err(Failure::Sqlite(error)) if is_damage(&error) => {
                let id: Option<SessionId> = row.get::<_, String>("id").ok().and_then(|id| id.parse().ok());
                if only.is_empty() || id.is_some_and(|id| only.contains(&id)) {
                    findings.push(Finding::damage(id, "session", error.to_string()));
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Checks one session's row and those that belong to it.
fn session(
    db: &Connection,
    row: &Row<'_>,
    only: &[SessionId],
    skeletons: &mut Skeletons,
) -> Result<Vec<Finding>, Failure> {
    let session = rows::session(row, skeletons)?;
    let is_erased = row.get::<_, i64>("is_erased")? != 0;
    if is_erased || !(only.is_empty() || only.contains(&session.id)) {
        return Ok(Vec::new());
    }
    let [searched, layout]: [Option<String>; 2] = [row.get("searched")?, row.get("layout")?];
    let sorted_by: String = row.get("sort_name")?;
    let mut findings = session_facts(&session, searched.as_deref(), &sorted_by, layout.as_deref());
    let mut chunks = ChunkRows::new(SessionRow {
        id: session.id,
        frame_count: row.get("frame_count")?,
        duration_micros: row.get("duration_micros")?,
        stored_bytes: row.get("stored_bytes")?,
        compacted_frames: row.get("compacted_frames")?,
        is_erased,
    });
    let mut statement = db.prepare_cached(
        "SELECT first_frame, frame_count, first_timestamp_micros, last_timestamp_micros, codec, header,
                length(payload), CASE WHEN ?2 THEN payload END
         FROM frame_chunk WHERE session_key = ?1 ORDER BY first_frame",
    )?;
    let is_deleted = row.get::<_, Option<i64>>("deleted_at_micros")?.is_some();
    let mut found = statement.query(params![row.get::<_, i64>("key")?, is_deleted])?;
    while let Some(row) = found.next()? {
        chunks.push(&ChunkRow {
            first_frame: row.get(0)?,
            frame_count: row.get(1)?,
            first_timestamp_micros: row.get(2)?,
            last_timestamp_micros: row.get(3)?,
            codec: row.get(4)?,
            header: row.get(5)?,
            payload_bytes: row.get(6)?,
            payload: row.get(7)?,
        });
    }
    findings.extend(chunks.finish());
    Ok(findings)
}
