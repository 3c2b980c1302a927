//! What a Postgres store can be told beside where its database is.

use std::time::Duration;

/// The limits of a [`PostgresStore`](super::PostgresStore).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// How many connections may be open at once, at least 4; a few of them are kept for appends.
    pub max_connections: u32,
    /// How long a call waits for a connection, and with it for a database that can't be reached.
    pub acquire_timeout: Duration,
    /// How long one statement may take. Upgrading the schema is not bound by it.
    pub statement_timeout: Duration,
    /// How long one statement may wait for another one's lock.
    pub lock_timeout: Duration,
}

impl Default for PostgresOptions {
    /// 10 connections, 2 s for one of them, 5 s for a statement, 2 s for a lock.
    fn default() -> Self {
        Self {
            max_connections: 10,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(2),
        }
    }
}
