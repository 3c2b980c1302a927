//! A page of sessions in SQL, and how many there are. A query in, sessions or totals out.

use std::collections::HashMap;

use posesession_core::SessionStatus;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _};

use super::failure::Failure;
use super::rows::{self, Id};
use crate::listing::Place;
use crate::query::{SessionPage, SessionQuery, SessionTotals};
use crate::sql::{Parameter, Skeletons, Statement, unsigned};

/// Postgres' function that finds a text in another.
const FIND: &str = "strpos";

pub(super) async fn list(db: &mut PgConnection, query: &SessionQuery) -> Result<SessionPage, Failure> {
    let found = prepared(Statement::page(query, FIND)?).fetch_all(db).await?;
    let mut skeletons = Skeletons::new();
    let sessions = found.iter().take(query.limit).map(|row| rows::session(row, &mut skeletons));
    let sessions = sessions.collect::<Result<Vec<_>, _>>()?;
    let last = sessions.last().filter(|_| found.len() > query.limit);
    let next = last.map(|session| Place::of(session, query.sort).to_cursor(query));
    Ok(SessionPage { sessions, next })
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
