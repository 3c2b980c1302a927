//! The readers: a few connections, each used by one caller at a time, none waiting for the writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection::{self, Access};
use super::failure::{BACKEND, Failure, unreached};
use crate::blocking::blocking;
use crate::error::StoreError;

/// How many callers read at once; more would only wait for the processors.
const CONNECTIONS: usize = 4;

/// A pool of connections that only read. A read sees the database as it was at one moment.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    access: Access,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Makes a pool; `idle` is a connection that is open already, if there is one that only reads.
    pub(super) fn new(path: PathBuf, access: Access, idle: Option<Connection>) -> Self {
        let idle = Arc::new(Mutex::new(Vec::from_iter(idle)));
        Self { path, access, idle, permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Reads on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_closed| unreached(operation, "the store is closed"))?;
        let (path, access, idle) = (self.path.clone(), self.access, Arc::clone(&self.idle));
        blocking(BACKEND, operation, move || {
            let db = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let open = || match access {
                Access::ReadOnly | Access::ReadOnlyExtended => connection::open(&path, access),
                Access::Write | Access::WriteUnsynced => connection::open_reader(&path),
            };
            let read = match db.map_or_else(open, Ok) {
                Ok(db) => snapshot(db, &idle, work),
                Err(failure) => Err(failure),
            };
            drop(permit);
            read.map_err(|failure| failure.during(operation))
        })
        .await
    }

    /// Closes all connections; later reads are refused.
    pub(super) async fn close(&self) {
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        // Whoever reads finishes first. If another caller has closed the pool before, there is nothing to wait for.
        let _all_permits = self.permits.acquire_many(all).await;
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Reads within one transaction, so that all statements see the same moment, and gives the connection back.
fn snapshot<T>(
    db: Connection,
    idle: &Mutex<Vec<Connection>>,
    work: impl FnOnce(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    db.execute_batch("BEGIN")?;
    let read = work(&db);
    // A connection that SQLite complains about is closed, not given back. What was read before is no worse for it.
    if !matches!(read, Err(Failure::Sqlite(_))) && db.execute_batch("COMMIT").is_ok() {
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
    }
    read
}
