//! A page of sessions in SQL, and how many there are. A query in, sessions or totals out.

use std::collections::HashMap;

use posesession_core::SessionStatus;
use rusqlite::types::Value;
use rusqlite::{Connection, ParamsFromIter, Row, params_from_iter};

use super::failure::{Failure, is_damage};
use super::rows::{self, id_text};
use crate::listing::{Listed, Place, SortKey, page, sort_name};
use crate::query::{DamagedSession, SessionPage, SessionQuery, SessionSort, SessionTotals};
use crate::sql::{Parameter, Skeletons, Statement, unsigned};

/// SQLite's function that finds a text in another.
pub(super) const FIND: &str = "instr";

pub(super) fn list(db: &Connection, query: &SessionQuery) -> Result<SessionPage, Failure> {
    let mut limit = query.limit;
    loop {
        let Statement { sql, parameters, .. } =
            Statement::page(&SessionQuery { limit, ..query.clone() }, FIND)?;
        let mut skeletons = Skeletons::new();
        let mut statement = db.prepare_cached(&sql)?;
        let mut found = statement.query(values(parameters))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(listed(row, query.sort, &mut skeletons)?);
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        match page(query, rows, more) {
            Some(page) => return Ok(page),
            None => limit = limit.saturating_mul(2),
        }
    }
}

/// Reads a row; one that can't be read says what it can of itself.
fn listed(row: &Row<'_>, sort: SessionSort, skeletons: &mut Skeletons) -> rusqlite::Result<Listed> {
    match rows::session(row, skeletons) {
        Ok(session) => Ok((Some(Place::of(&session, sort)), Ok(session))),
        Err(error) if is_damage(&error) => {
            let id: String = row.get("id").unwrap_or_default();
            let key = match sort {
                SessionSort::CreatedAt => row.get("created_at_micros").ok().map(SortKey::Number),
                SessionSort::Duration => row.get("duration_micros").ok().map(SortKey::Number),
                SessionSort::FrameCount => row.get("frame_count").ok().map(SortKey::Number),
                SessionSort::Name => {
                    let name: Option<String> = row.get("name").ok();
                    name.map(|name| SortKey::Text(sort_name(&name).to_owned()))
                }
            };
            let place = key.and_then(|key| Some(Place { key, id: id.parse().ok()? }));
            Ok((place, Err(DamagedSession { id, what: error.to_string() })))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn count(
    db: &Connection,
    query: &SessionQuery,
) -> Result<HashMap<SessionStatus, SessionTotals>, Failure> {
    let Statement { sql, parameters, .. } = Statement::totals(query, FIND);
    let mut statement = db.prepare_cached(&sql)?;
    let counted = statement.query_map(values(parameters), |row| {
        let totals = SessionTotals {
            sessions: unsigned(row.get("sessions")?),
            frames: unsigned(row.get("frames")?),
            stored_bytes: unsigned(row.get("stored_bytes")?),
        };
        Ok((rows::parsed(row, "status"), totals))
    })?;
    // A session whose status is damaged is none of any status; the list names it.
    let counted = counted.map(|row| row.map(|(status, totals)| Some((status.ok()?, totals))));
    Ok(counted.filter_map(Result::transpose).collect::<Result<_, _>>()?)
}

fn values(parameters: Vec<Parameter>) -> ParamsFromIter<impl Iterator<Item = Value>> {
    params_from_iter(parameters.into_iter().map(|parameter| match parameter {
        Parameter::Integer(number) => Value::Integer(number),
        Parameter::Text(text) => Value::Text(text),
        Parameter::Id(id) => Value::Text(id_text(id)),
    }))
}
