//! Connections to the database: their limits, the schema's version, and the proof that commits are durable.

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::failure::Failure;
use super::options::PostgresOptions;
use crate::checks::bad;
use crate::durability::Durability;
use crate::error::StoreError;

/// The steps from each schema version to the next.
const MIGRATIONS: &[&str] =
    &[include_str!("schema.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

/// The lock that one server holds while it changes the schema: `posesess`.
const MIGRATION_LOCK: i64 = 0x706f_7365_7365_7373;

/// Opens connections that all have the limits, and makes sure that the database is there and of this version.
pub(super) async fn open(url: &str, options: &PostgresOptions) -> Result<PgPool, Failure> {
    let not_an_address = |why: &str| {
        bad(format!("the address of the database is not as it should be, postgres://USER@HOST/NAME: {why}"))
    };
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(not_an_address("it starts otherwise").into());
    }
    let target: PgConnectOptions =
        url.parse().map_err(|error: sqlx::Error| not_an_address(&error.to_string()))?;
    // The first connection is made without the pool, which would hide why it can't be made.
    let first = async {
        let mut db = PgConnection::connect_with(&target).await?;
        migrate(&mut db).await?;
        Ok::<_, Failure>(db.close().await?)
    };
    first.await?;
    let limits = format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}",
        options.statement_timeout.as_millis(),
        options.lock_timeout.as_millis(),
        2 * options.statement_timeout.as_millis(),
    );
    let patience = options.acquire_timeout;
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections.max(4))
        .acquire_timeout(patience)
        // The pool asks what it gets back whether it still works, and waits for ever for the answer: one whose other side
        // vanished would keep its place. It gets none of those.
        .after_release(move |db, _meta| {
            Box::pin(async move {
                match tokio::time::timeout(patience, db.ping()).await {
                    Ok(answer) => answer.map(|()| true),
                    Err(_elapsed) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
                }
            })
        })
        .after_connect(move |db, _meta| {
            let limits = limits.clone();
            Box::pin(async move { db.execute(AssertSqlSafe(limits)).await.map(drop) })
        });
    Ok(pool.connect_with(target.application_name("posesession")).await?)
}

/// Returns whether the settings that the server really has make a commit durable.
pub(super) async fn durability(db: &PgPool) -> Result<Durability, Failure> {
    let unsafe_settings =
        "SELECT name FROM unnest(ARRAY['fsync', 'full_page_writes', 'synchronous_commit']) name
                           WHERE current_setting(name) = 'off'";
    let names: Vec<String> = sqlx::query_scalar(unsafe_settings).fetch_all(db).await?;
    let reasons = names.iter().map(|name| Durability::not(format!("the database has `{name} = off`")));
    Ok(reasons.fold(Durability::Durable, Durability::and))
}

/// Brings the schema to this version, in one transaction. Of several servers at once, one does it and the others wait.
async fn migrate(db: &mut PgConnection) -> Result<(), Failure> {
    let mut transaction = db.begin().await?;
    // An upgrade may take longer than the server's own limits allow; so may the wait for it.
    transaction.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK).execute(&mut *transaction).await?;
    let version = version(&mut transaction).await?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute(sqlx::raw_sql(*step)).await?;
        fail_point!("during_migration");
    }
    if version < latest_version() {
        let write = "INSERT INTO posesession_schema (version) VALUES ($1)
                     ON CONFLICT (is_only) DO UPDATE SET version = excluded.version";
        sqlx::query(write).bind(latest_version()).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Returns the schema's version, zero for a new database; refuses the tables of others.
async fn version(db: &mut PgConnection) -> Result<i64, Failure> {
    let ours: bool = sqlx::query_scalar("SELECT to_regclass('posesession_schema') IS NOT NULL")
        .fetch_one(&mut *db)
        .await?;
    if !ours {
        let foreign: Option<String> = sqlx::query_scalar(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables
             WHERE table_schema = current_schema() AND table_name IN
                 ('account', 'skeleton', 'session_recording', 'session_search', 'frame_chunk', 'marker') LIMIT 1",
        )
        .fetch_optional(&mut *db)
        .await?;
        if let Some(table) = foreign {
            return Err(bad(format!(
                "the database has a table `{table}` that is not posesession's: give another database, or a schema of its own \
                 (`?options=-csearch_path%3DNAME`)"
            ))
            .into());
        }
        db.execute(
            "CREATE TABLE posesession_schema (
                 is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
                 version bigint NOT NULL
             )",
        )
        .await?;
        return Ok(0);
    }
    let found: i64 = sqlx::query_scalar("SELECT version FROM posesession_schema").fetch_one(&mut *db).await?;
    let known = latest_version();
    if found > known {
        return Err(StoreError::NewerSchema { found, known }.into());
    }
    Ok(found)
}

fn latest_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
