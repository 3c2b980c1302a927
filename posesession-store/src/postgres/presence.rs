//! That a server runs: it holds a shared lock, so that another one that starts leaves its sessions alone.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::AbortHandle;

use super::failure::Failure;

/// The first half of the lock's number, `pose`; the other is of the schema's name.
const LOCK: &str = "1886352229, hashtext(current_schema())";
/// How often it is looked whether the lock is held yet: a database that restarted has forgotten it.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long the database may take for an answer before its connection counts as dead: one whose other side vanished without a
/// word would keep the lock from being taken anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// The connection that holds the lock, of nothing else. None before the first server's start, and while the database is away.
#[derive(Debug)]
pub(super) struct Presence {
    pool: PgPool,
    connection: Arc<Mutex<Option<PgConnection>>>,
    watching: std::sync::Mutex<Option<AbortHandle>>,
}

/// The right to take others' sessions for abandoned, until it is given back.
pub(super) struct Alone<'a> {
    connection: MutexGuard<'a, Option<PgConnection>>,
    db: PgConnection,
}

impl Presence {
    pub(super) fn new(pool: &PgPool) -> Self {
        Self { pool: pool.clone(), connection: Arc::default(), watching: std::sync::Mutex::default() }
    }

    /// Says that a server runs from now on, and returns whether no other one does.
    pub(super) async fn announce(&self) -> Result<Option<Alone<'_>>, Failure> {
        let mut connection = self.connection.lock().await;
        let mut db = match connection.take() {
            Some(db) => db,
            None => PgConnection::connect_with(&self.pool.connect_options()).await?,
        };
        let is_alone = is_locked(&mut db, "pg_try_advisory_lock").await?;
        // Who starts at this moment has it alone for as long as one statement takes.
        hold(&mut db, "pg_advisory_lock_shared").await?;
        self.watch();
        if is_alone {
            return Ok(Some(Alone { connection, db }));
        }
        *connection = Some(db);
        Ok(None)
    }

    /// Ends the announcement.
    pub(super) async fn end(&self) {
        if let Some(watching) = held(&self.watching).take() {
            watching.abort();
        }
        let Some(db) = self.connection.lock().await.take() else { return };
        match tokio::time::timeout(PATIENCE, db.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection that says that a server runs was lost"),
            Err(_elapsed) => tracing::debug!("the connection that says that a server runs is dead"),
        }
    }

    fn watch(&self) {
        let (pool, connection) = (self.pool.clone(), Arc::clone(&self.connection));
        held(&self.watching).get_or_insert_with(|| {
            let watch = async move {
                loop {
                    tokio::time::sleep(LOOK_EVERY).await;
                    let mut connection = connection.lock().await;
                    if let Some(db) = &mut *connection
                        && matches!(tokio::time::timeout(PATIENCE, db.ping()).await, Ok(Ok(())))
                    {
                        continue;
                    }
                    *connection = None;
                    let again = async {
                        let mut db = PgConnection::connect_with(&pool.connect_options()).await?;
                        hold(&mut db, "pg_advisory_lock_shared").await?;
                        Ok::<_, Failure>(db)
                    };
                    // While the database is away there is nobody to be told.
                    *connection = tokio::time::timeout(PATIENCE, again).await.ok().and_then(Result::ok);
                }
            };
            tokio::spawn(watch).abort_handle()
        });
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(watching) = held(&self.watching).take() {
            watching.abort();
        }
    }
}

impl Alone<'_> {
    /// Lets other servers start. Without this, the connection is closed and the lock gone with it.
    pub(super) async fn done(mut self) -> Result<(), Failure> {
        is_locked(&mut self.db, "pg_advisory_unlock").await?;
        *self.connection = Some(self.db);
        Ok(())
    }
}

async fn is_locked(db: &mut PgConnection, function: &'static str) -> Result<bool, Failure> {
    let call = sqlx::AssertSqlSafe(format!("SELECT {function}({LOCK})"));
    Ok(sqlx::query_scalar(call).fetch_one(db).await?)
}

async fn hold(db: &mut PgConnection, function: &'static str) -> Result<(), Failure> {
    sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {function}({LOCK})"))).execute(db).await?;
    Ok(())
}

fn held<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
