//! The Postgres store: one database for many servers' sessions, appends of all of them in shared transactions.

mod options;
mod failure;
mod connection;
mod presence;
mod rows;
mod sessions;
mod listing;
mod users;
mod chunks;
mod append;
mod compaction;
mod recoding;
mod self_check;
mod writer;

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use posesession_core::{
    Batch, ChunkIndex, ChunkQuery, EncodedChunk, Encoding, Marker, SessionId, SessionRecording,
    SessionStatus, User, UserId,
};
use sqlx::postgres::PgPool;

use self::failure::{BACKEND, Failure, unreached};
pub use self::options::PostgresOptions;
use self::presence::Presence;
use self::writer::Writers;
use crate::blocking::blocking;
use crate::checks;
use crate::durability::Durability;
use crate::encoded_run::EncodedRun;
use crate::encoding::{EncodedBatch, LARGE_CHUNK_VALUES};
use crate::error::StoreError;
use crate::finding::Finding;
use crate::query::{
    Appended, Compacted, EncodedStoredChunk, NewSession, NewUser, PublisherProgress, SessionChange,
    SessionPage, SessionQuery, SessionTotals, StoredChunk, Term,
};
use crate::store::SessionStore;

/// Keeps sessions in a Postgres database, version 13 or later.
///
/// - An append is durable on return, if the server's settings are as they are by default: [`SessionStore::durability`]
///   tells. Appends of all sessions that come in meanwhile share the next transaction.
/// - The schema is made and upgraded at [`PostgresStore::connect`], by one of several programs that start at once. It
///   lives in the first schema of the connection's `search_path`, under the names of the logical schema.
/// - A database that is away for a while (restarted, failed over) makes calls fail with
///   [`StoreError::Backend`]`{ retryable: true, .. }` after [`PostgresOptions::acquire_timeout`]; once it is back, calls
///   find new connections. No append that was answered is lost, and one that was not may be sent again.
///
/// To be used within the tokio runtime in which it was connected.
///
/// # Examples
///
/// ```no_run
/// use posesession_store::{NewSession, PostgresOptions, PostgresStore, SessionStore};
///
/// # async fn example() -> Result<(), posesession_store::StoreError> {
/// let store = PostgresStore::connect("postgres://ada@localhost/poses", PostgresOptions::default()).await?;
/// assert!(store.is_durable());
/// let session = store.create_session(NewSession::named("Squat")).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    writers: Writers,
    presence: Presence,
    durability: Durability,
    /// How long a call may take in all; longer than the database allows any statement, so only a connection that is
    /// silently dead takes so long.
    time_limit: Duration,
}

/// Does something to a connection, and again with another one if that was dead.
macro_rules! read {
    ($store:ident, $operation:expr, |$db:ident| $work:expr) => {
        $store
            .attempt($operation, || async {
                let mut connection = $store.pool.acquire().await?;
                let $db = &mut *connection;
                $work.await
            })
            .await
    };
}

/// Does something within a transaction, and again if nothing came of it.
macro_rules! write {
    ($store:ident, $operation:expr, |$db:ident| $work:expr) => {
        $store
            .attempt($operation, || async {
                let mut transaction = $store.pool.begin().await?;
                let $db = &mut *transaction;
                let done = $work.await?;
                transaction.commit().await.map_err(Failure::Unknown)?;
                Ok(done)
            })
            .await
    };
}

impl PostgresStore {
    /// Connects to a database, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, and makes or upgrades its schema.
    ///
    /// What the address leaves out comes from the variables that `psql` knows (`PGUSER`, `PGPASSWORD`...) and from
    /// `.pgpass`. Of the address' options, among others `sslmode`, `sslrootcert` and `options=-csearch_path%3Dposes` are
    /// understood.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadArgument`] for an address that is none, or a database with tables of others under our names;
    /// [`StoreError::NewerSchema`]; [`StoreError::Backend`].
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let failed = |failure: Failure| failure.during("open the database");
        let pool = connection::open(url, &options).await.map_err(failed)?;
        let durability = connection::durability(&pool).await.map_err(failed)?;
        let time_limit = options.acquire_timeout + options.lock_timeout + 2 * options.statement_timeout;
        let writers = Writers::start(&pool, time_limit);
        let presence = Presence::new(&pool);
        let store = Self { pool, writers, presence, durability, time_limit };
        // What a store that died was erasing is erased now.
        for key in read!(store, "open the database", |db| compaction::erasing(db))? {
            store.erase_rest(key).await?;
        }
        Ok(store)
    }

    /// Does what is queued and closes all connections, waiting no longer for dead ones than for a call. Later calls are
    /// refused.
    pub async fn close(&self) {
        self.writers.close().await;
        self.presence.end().await;
        if tokio::time::timeout(self.time_limit, self.pool.close()).await.is_err() {
            tracing::debug!("a connection to the database was dead when it was to be closed");
        }
    }

    /// Returns how many transactions of appends were committed since the store was opened: for measuring how well appends
    /// share them.
    #[must_use]
    pub fn commit_count(&self) -> u64 {
        self.writers.commits()
    }

    async fn attempt<T, W: Future<Output = Result<T, Failure>>>(
        &self,
        operation: &'static str,
        work: impl Fn() -> W,
    ) -> Result<T, StoreError> {
        self.attempt_once_or_twice(work).await.map_err(|failure| failure.during(operation))
    }

    async fn attempt_once_or_twice<T, W: Future<Output = Result<T, Failure>>>(
        &self,
        work: impl Fn() -> W,
    ) -> Result<T, Failure> {
        let once =
            || async { tokio::time::timeout(self.time_limit, work()).await.unwrap_or(Err(Failure::Late)) };
        match once().await {
            Err(failure) if failure.may_be_tried_at_once(false) => once().await,
            done => done,
        }
    }

    /// Compacts group by group, each in a transaction of its own.
    async fn compact_groups(&self, id: SessionId, remainder: bool) -> Result<Compacted, StoreError> {
        const OPERATION: &str = "compact a session";
        let mut compacted = Compacted::default();
        while let Some(short) = read!(self, OPERATION, |db| compaction::next_group(db, id, remainder))? {
            let long = blocking(BACKEND, OPERATION, move || short.join()).await?;
            // If another compaction was faster, the next round sees what is left.
            if let Some(before) = write!(self, OPERATION, |db| compaction::replace(db, &long))? {
                compacted.chunks_before += before;
                compacted.chunks_after += 1;
            }
        }
        Ok(compacted)
    }

    async fn erase_rest(&self, key: i64) -> Result<(), StoreError> {
        const OPERATION: &str = "erase a session";
        while !write!(self, OPERATION, |db| compaction::erase_step(db, key))? {}
        write!(self, OPERATION, |db| compaction::forget_skeletons(db))
    }
}

#[async_trait]
impl SessionStore for PostgresStore {
    fn is_durable(&self) -> bool {
        self.durability.is_durable()
    }

    fn durability(&self) -> Durability {
        self.durability.clone()
    }

    async fn create_session(&self, new: NewSession) -> Result<SessionRecording, StoreError> {
        checks::new_session(&new)?;
        let created = write!(self, "create a session", |db| sessions::create(db, &new));
        match created {
            // The answer may have got lost, and the session been created all the same.
            Err(lost @ StoreError::Backend { retryable: true, .. }) => {
                match self.read_session(new.id).await {
                    Ok(session) if session == checks::recording_of(new) => Ok(session),
                    _ => Err(lost),
                }
            }
            created => created,
        }
    }

    async fn read_session(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        read!(self, "read a session", |db| sessions::read(db, id))
    }

    async fn list_sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        checks::query(query)?;
        read!(self, "list sessions", |db| listing::list(db, query))
    }

    async fn count_sessions(
        &self,
        query: &SessionQuery,
    ) -> Result<HashMap<SessionStatus, SessionTotals>, StoreError> {
        checks::search(query)?;
        read!(self, "count sessions", |db| listing::count(db, query))
    }

    async fn update_session(
        &self,
        id: SessionId,
        change: SessionChange,
    ) -> Result<SessionRecording, StoreError> {
        checks::change(&change)?;
        write!(self, "change a session", |db| sessions::update(db, id, &change))
    }

    async fn delete_session(&self, id: SessionId, at: DateTime<Utc>) -> Result<(), StoreError> {
        write!(self, "delete a session", |db| sessions::delete(db, id, at))
    }

    async fn restore_session(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        write!(self, "restore a session", |db| sessions::restore(db, id))
    }

    async fn deleted_sessions(&self, deleted_before: DateTime<Utc>) -> Result<Vec<SessionId>, StoreError> {
        read!(self, "list deleted sessions", |db| sessions::deleted(db, deleted_before))
    }

    /// The session is gone with the first of several steps. A store that dies before the last one goes on when it is
    /// connected the next time. What is erased stays on the server's disk until Postgres vacuums it.
    async fn erase_session(&self, id: SessionId) -> Result<(), StoreError> {
        let key = write!(self, "erase a session", |db| compaction::begin_erase(db, id))?;
        self.erase_rest(key).await
    }

    async fn create_user(&self, new: NewUser) -> Result<User, StoreError> {
        checks::user(&new.username, &new.email, &new.password)?;
        write!(self, "create a user", |db| users::create(db, &new))
    }

    async fn read_user(&self, id: UserId) -> Result<User, StoreError> {
        read!(self, "read a user", |db| users::read(db, id))
    }

    async fn list_users(&self) -> Result<Vec<User>, StoreError> {
        read!(self, "list users", |db| users::list(db))
    }

    async fn update_user(&self, user: User) -> Result<User, StoreError> {
        checks::user(&user.username, &user.email, &user.password)?;
        write!(self, "change a user", |db| users::update(db, &user))
    }

    async fn delete_user(&self, id: UserId) -> Result<(), StoreError> {
        write!(self, "delete a user", |db| users::delete(db, id))
    }

    async fn begin_term(&self, id: SessionId) -> Result<Term, StoreError> {
        write!(self, "begin a term", |db| sessions::begin_term(db, id))
    }

    async fn append(&self, id: SessionId, term: Term, batch: &Batch) -> Result<Appended, StoreError> {
        let values = batch.chunk.as_ref().map_or(0, |chunk| chunk.values().len());
        let batch = if values < LARGE_CHUNK_VALUES {
            EncodedBatch::of(batch)?
        } else {
            let batch = Batch { images: None, ..batch.clone() };
            blocking(BACKEND, "append frames", move || EncodedBatch::of(&batch)).await?
        };
        self.writers.append(id, term, batch).await
    }

    async fn append_encoded(
        &self,
        id: SessionId,
        term: Term,
        run: EncodedRun,
    ) -> Result<Appended, StoreError> {
        self.writers.append(id, term, EncodedBatch::of_encoded(run)).await
    }

    async fn set_publisher(
        &self,
        id: SessionId,
        term: Term,
        publisher: &str,
        settled_through: Option<u64>,
    ) -> Result<(), StoreError> {
        checks::publisher(publisher)?;
        write!(self, "set a session's publisher", |db| sessions::set_publisher(
            db,
            id,
            term,
            publisher,
            settled_through
        ))
    }

    async fn progress(&self, id: SessionId) -> Result<PublisherProgress, StoreError> {
        read!(self, "read a session's progress", |db| sessions::progress(db, id))
    }

    async fn compact(&self, id: SessionId, remainder: bool) -> Result<Compacted, StoreError> {
        self.compact_groups(id, remainder).await
    }

    async fn chunk_index(&self, id: SessionId) -> Result<ChunkIndex, StoreError> {
        read!(self, "read a session's index", |db| chunks::index(db, id))
    }

    async fn covering_chunk(&self, id: SessionId, query: ChunkQuery) -> Result<StoredChunk, StoreError> {
        const OPERATION: &str = "read frames";
        let found = read!(self, OPERATION, |db| chunks::covering(db, id, query))?;
        blocking(BACKEND, OPERATION, move || found.decode()).await
    }

    async fn encoded_chunk(
        &self,
        id: SessionId,
        query: ChunkQuery,
    ) -> Result<EncodedStoredChunk, StoreError> {
        read!(self, "read an encoded chunk", |db| chunks::covering(db, id, query))?.verify()
    }

    async fn encoded_chunks(
        &self,
        id: SessionId,
        frames: Range<u64>,
    ) -> Result<Vec<EncodedStoredChunk>, StoreError> {
        read!(self, "read encoded chunks", |db| chunks::covering_all(db, id, frames.clone()))
    }

    async fn markers(&self, id: SessionId) -> Result<Vec<Marker>, StoreError> {
        read!(self, "read markers", |db| chunks::markers(db, id))
    }

    async fn finish(
        &self,
        id: SessionId,
        term: Term,
        status: SessionStatus,
    ) -> Result<SessionRecording, StoreError> {
        const OPERATION: &str = "finish a session";
        checks::last_status(status)?;
        let finished = match write!(self, OPERATION, |db| sessions::finish(db, id, term, status, false)) {
            // The answer may have got lost, and the session been finished all the same.
            Err(StoreError::Backend { retryable: true, .. }) => {
                write!(self, OPERATION, |db| sessions::finish(db, id, term, status, true))?
            }
            finished => finished?,
        };
        // Frames come no more: what is compacted now is the remainder. The session is finished whatever becomes of it.
        if let Err(error) = self.compact_groups(id, true).await {
            tracing::warn!(%id, "the finished session could not be compacted: {error}");
        }
        Ok(self.read_session(id).await.unwrap_or(finished))
    }

    async fn session_key(&self, id: SessionId) -> Result<u32, StoreError> {
        let key = read!(self, "read a session's key", |db| sessions::key(db, id))?;
        u32::try_from(key).map_err(|_too_large| unreached("read a session's key", "the keys are used up"))
    }

    async fn begin_recode(&self, id: SessionId, to: &Encoding) -> Result<SessionRecording, StoreError> {
        write!(self, "begin to recode a session", |db| recoding::begin(db, id, to))
    }

    async fn replace_chunk(
        &self,
        id: SessionId,
        replaced: &EncodedChunk,
        by: &EncodedChunk,
    ) -> Result<bool, StoreError> {
        let header = checks::replacement(replaced, by)?;
        write!(self, "replace a chunk", |db| recoding::replace(db, id, &replaced.header, &header, by))
    }

    async fn end_recode(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        write!(self, "end recoding a session", |db| recoding::end(db, id))
    }

    /// Leaves all sessions as they are while another store that did this runs on the database: they may be its own. Until
    /// this store is closed, others do the same for it.
    async fn interrupt_live_sessions(&self) -> Result<Vec<SessionId>, StoreError> {
        const OPERATION: &str = "interrupt live sessions";
        let announced = tokio::time::timeout(self.time_limit, self.presence.announce()).await;
        let announced = announced.unwrap_or(Err(Failure::Late));
        let Some(alone) = announced.map_err(|failure| failure.during(OPERATION))? else {
            tracing::info!(
                "another server runs on this database: sessions that are being recorded are left to it"
            );
            return Ok(Vec::new());
        };
        let interrupted = write!(self, OPERATION, |db| sessions::interrupt_live(db))?;
        alone.done().await.map_err(|failure| failure.during(OPERATION))?;
        Ok(interrupted)
    }

    async fn self_check(&self, only: &[SessionId]) -> Result<Vec<Finding>, StoreError> {
        write!(self, "check the database", |db| self_check::check(db, only))
    }
}
