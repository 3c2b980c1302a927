//! A page of sessions in SQL, and how many there are. A query in, sessions or totals out.

use std::collections::HashMap;

use posesession_core::SessionStatus;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _};

use super::failure::Failure;
use super::rows::{self, Id};
use crate::listing::{Listed, Place, SortKey, page, sort_name};
use crate::query::{DamagedSession, SessionPage, SessionQuery, SessionSort, SessionTotals};
use crate::sql::{Parameter, Skeletons, Statement, unsigned};

/// Postgres' function that finds a text in another.
const FIND: &str = "strpos";

pub(super) async fn list(db: &mut PgConnection, query: &SessionQuery) -> Result<SessionPage, Failure> {
    let found = prepared(Statement::page(query, FIND)?).fetch_all(db).await?;
    let mut skeletons = Skeletons::new();
    let mut rows = Vec::new();
    for row in found.iter().take(query.limit) {
        rows.push(listed(row, query.sort, &mut skeletons)?);
    }
    // Ids and what is sorted by are of types that the database keeps: each row has a place.
    Ok(page(query, rows, found.len() > query.limit).unwrap_or_default())
}

/// Reads a row; one that can't be read says what it can of itself.
fn listed(row: &PgRow, sort: SessionSort, skeletons: &mut Skeletons) -> sqlx::Result<Listed> {
    match rows::session(row, skeletons) {
        Ok(session) => Ok((Some(Place::of(&session, sort)), Ok(session))),
        Err(error @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))) => {
            let id = row.try_get::<Id, _>("id")?.0;
            let key = match sort {
                SessionSort::CreatedAt => SortKey::Number(row.try_get("created_at_micros")?),
                SessionSort::Duration => SortKey::Number(row.try_get("duration_micros")?),
                SessionSort::FrameCount => SortKey::Number(row.try_get("frame_count")?),
                SessionSort::Name => SortKey::Text(sort_name(row.try_get("name")?).to_owned()),
            };
            let damaged = DamagedSession { id: id.to_string(), what: error.to_string() };
            Ok((Some(Place { key, id }), Err(damaged)))
        }
        Err(error) => Err(error),
    }
}

pub(super) async fn count(
    db: &mut PgConnection,
    query: &SessionQuery,
) -> Result<HashMap<SessionStatus, SessionTotals>, Failure> {
    let counted = prepared(Statement::totals(query, FIND)).fetch_all(db).await?;
    let totals = counted.iter().map(|row| {
        let totals = SessionTotals {
            sessions: unsigned(row.try_get("sessions")?),
            frames: unsigned(row.try_get("frames")?),
            stored_bytes: unsigned(row.try_get("stored_bytes")?),
        };
        Ok::<_, sqlx::Error>((rows::parsed(row, "status")?, totals))
    });
    Ok(totals.collect::<Result<_, _>>()?)
}

fn prepared(statement: Statement) -> Query<'static, Postgres, PgArguments> {
    let Statement { sql, parameters, .. } = statement;
    // Safe: the text is made of words of this program.
    parameters.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, parameter| match parameter {
        Parameter::Integer(number) => query.bind(number),
        Parameter::Text(text) => query.bind(text),
        Parameter::Id(id) => query.bind(Id(id)),
    })
}
