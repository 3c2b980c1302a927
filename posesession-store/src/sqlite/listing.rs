//! A page of sessions in SQL, and how many there are. A query in, sessions or totals out.

use std::collections::HashMap;

use posesession_core::SessionStatus;
use rusqlite::types::Value;
use rusqlite::{Connection, ParamsFromIter, params_from_iter};

use super::failure::Failure;
use super::rows::{self, id_text};
use crate::listing::Place;
use crate::query::{SessionPage, SessionQuery, SessionTotals};
use crate::sql::{Parameter, Skeletons, Statement, unsigned};

/// SQLite's function that finds a text in another.
pub(super) const FIND: &str = "instr";

pub(super) fn list(db: &Connection, query: &SessionQuery) -> Result<SessionPage, Failure> {
    let Statement { sql, parameters, .. } = Statement::page(query, FIND)?;
    let mut skeletons = Skeletons::new();
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_map(values(parameters), |row| rows::session(row, &mut skeletons))?;
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
    let Statement { sql, parameters, .. } = Statement::totals(query, FIND);
    let mut statement = db.prepare_cached(&sql)?;
    let counted = statement.query_map(values(parameters), |row| {
        let totals = SessionTotals {
            sessions: unsigned(row.get("sessions")?),
            frames: unsigned(row.get("frames")?),
            stored_bytes: unsigned(row.get("stored_bytes")?),
        };
        Ok((rows::parsed(row, "status")?, totals))
    })?;
    Ok(counted.collect::<Result<_, _>>()?)
}

fn values(parameters: Vec<Parameter>) -> ParamsFromIter<impl Iterator<Item = Value>> {
    params_from_iter(parameters.into_iter().map(|parameter| match parameter {
        Parameter::Integer(number) => Value::Integer(number),
        Parameter::Text(text) => Value::Text(text),
        Parameter::Id(id) => Value::Text(id_text(id)),
    }))
}
