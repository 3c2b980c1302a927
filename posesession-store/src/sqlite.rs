//! The SQLite store: one file, one writer that commits for all sessions at once, readers that never wait for it.

pub(crate) mod connection;
pub(crate) mod failure;
mod rows;
mod sessions;
mod listing;
mod users;
mod chunks;
mod compaction;
mod recoding;
mod self_check;
mod writer;
mod reader;
pub(crate) mod snapshot;
pub(crate) mod salvage;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use posesession_core::{
    Batch, ChunkIndex, ChunkQuery, EncodedChunk, Encoding, Marker, SessionId, SessionRecording,
    SessionStatus, User, UserId,
};

use self::connection::Access;
use self::failure::{BACKEND, unreached};
use self::reader::Readers;
use self::writer::Writer;
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

/// Keeps sessions in an SQLite database.
///
/// - An append is durable on return: the log (WAL) is synced at each commit. Appends of all sessions that come in while
///   the disk syncs share the next commit, so that many recordings cost as many syncs as one.
/// - The database can be read by any SQLite client while it is in use, under the names of the logical schema.
/// - A database of a newer schema and a file of another program are refused and left as they are.
///
/// Dropping the store does what is queued, empties the log into the database, and waits for that; [`Self::close`] does
/// it without blocking the thread.
///
/// # Examples
///
/// ```
/// use posesession_store::{NewSession, SessionStore, SqliteStore};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let folder = tempfile::tempdir()?;
/// let store = SqliteStore::open(folder.path().join("posesession.db")).await?;
/// let session = store.create_session(NewSession::named("Squat")).await?;
/// assert_eq!(store.read_session(session.id).await?.name, "Squat");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    // Readers come first: the connection that is closed last takes the log away.
    readers: Readers,
    writer: Writer,
    durability: Durability,
}

impl SqliteStore {
    /// Opens a database, making it if it isn't there. The folder must be there.
    ///
    /// What SQLite set of the wanted settings is read back: [`SessionStore::durability`] tells, also whether the folder lies in memory.
    ///
    /// # Errors
    ///
    /// [`StoreError::NewerSchema`], [`StoreError::NotADatabase`], [`StoreError::Backend`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path.as_ref(), Access::Write).await
    }

    /// Opens a database to be read only: the file stays as it is, to the byte. Methods that write are refused.
    ///
    /// Meant for files from elsewhere: one whose tables are not exactly those of a version up to this one is refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::NewerSchema`], [`StoreError::NotADatabase`], [`StoreError::Backend`], also if there is no such file.
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path.as_ref(), Access::ReadOnly).await
    }

    /// Opens a database to be read only, as [`Self::open_read_only`] does, where its user added tables, indices or views of his
    /// own.
    ///
    /// # Errors
    ///
    /// As [`Self::open_read_only`].
    pub async fn open_read_only_extended(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path.as_ref(), Access::ReadOnlyExtended).await
    }

    pub(crate) async fn open_with(path: &Path, access: Access) -> Result<Self, StoreError> {
        let path = path.to_owned();
        blocking(BACKEND, "open the database", move || Self::open_blocking(path, access)).await
    }

    fn open_blocking(path: PathBuf, access: Access) -> Result<Self, StoreError> {
        let failed = |failure: failure::Failure| failure.during("open the database");
        let db = connection::open(&path, access).map_err(failed)?;
        let durability = connection::durability(&db, &path).map_err(failed)?;
        if access.only_reads() {
            let readers = Readers::new(path, access, Some(db));
            return Ok(Self { readers, writer: Writer::none(), durability });
        }
        let readers = Readers::new(path.clone(), access, None);
        // What a store that died was erasing is erased now.
        for key in compaction::erasing(&db).map_err(failed)? {
            while !compaction::erase_step(&db, key).map_err(failed)? {}
        }
        Ok(Self { readers, writer: Writer::start(db, path, access)?, durability })
    }

    /// Returns whether the database holds media beside its sessions, to be opened with
    /// [`MediaStore::open_sqlite_file`](crate::MediaStore::open_sqlite_file).
    ///
    /// # Errors
    ///
    /// [`StoreError::Backend`].
    pub async fn has_media(&self) -> Result<bool, StoreError> {
        self.readers.read("look for media", connection::has_media).await
    }

    /// Writes the database as it is at this moment into a new file, compact, whoever uses it meanwhile: recordings go on, and
    /// what was acknowledged before is in it. The file appears when it is complete and on the disk. Media that lie in the
    /// database are in it, too; those that don't are to be copied afterwards, with
    /// [`MediaStore::back_up`](crate::MediaStore::back_up): what a frame names is put before the frame is.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadArgument`] if the file is there already, [`StoreError::Backend`].
    pub async fn back_up(&self, path: impl AsRef<Path>) -> Result<(), StoreError> {
        let (database, path) = (self.readers.path().to_owned(), path.as_ref().to_owned());
        blocking(BACKEND, "back the database up", move || snapshot::back_up(&database, &path)).await
    }

    /// Does what is queued, empties the log into the database and closes it. Later calls are refused.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Returns how many transactions were committed since the store was opened: for measuring how well appends share
    /// their commits.
    #[must_use]
    pub fn commit_count(&self) -> u64 {
        self.writer.commits()
    }

    /// Makes the file smaller by its free pages, in steps that are each too small to delay a recording.
    async fn give_back_pages(&self, operation: &'static str) -> Result<(), StoreError> {
        while !self.writer.write(operation, 1 << 20, compaction::vacuum_step).await? {}
        Ok(())
    }

    /// Compacts group by group, each in a transaction of its own.
    async fn compact_groups(&self, id: SessionId, remainder: bool) -> Result<Compacted, StoreError> {
        const OPERATION: &str = "compact a session";
        let mut compacted = Compacted::default();
        loop {
            let group = self.readers.read(OPERATION, move |db| compaction::next_group(db, id, remainder));
            let Some(short) = group.await? else {
                return Ok(compacted);
            };
            let long = blocking(BACKEND, OPERATION, move || short.join()).await?;
            // If another compaction was faster, the next round sees what is left.
            let bytes = long.encoded.chunk.payload.len();
            let replace = move |db: &_| compaction::replace(db, &long);
            if let Some(before) = self.writer.write(OPERATION, bytes, replace).await? {
                compacted.chunks_before += before;
                compacted.chunks_after += 1;
            }
        }
    }
}

#[async_trait]
impl SessionStore for SqliteStore {
    fn is_durable(&self) -> bool {
        self.durability.is_durable()
    }

    fn durability(&self) -> Durability {
        self.durability.clone()
    }

    async fn create_session(&self, new: NewSession) -> Result<SessionRecording, StoreError> {
        checks::new_session(&new)?;
        self.writer.write("create a session", 1_000, move |db| sessions::create(db, new)).await
    }

    async fn read_session(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        self.readers.read("read a session", move |db| sessions::read(db, id)).await
    }

    async fn list_sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        checks::query(query)?;
        let query = query.clone();
        self.readers.read("list sessions", move |db| listing::list(db, &query)).await
    }

    async fn count_sessions(
        &self,
        query: &SessionQuery,
    ) -> Result<HashMap<SessionStatus, SessionTotals>, StoreError> {
        checks::search(query)?;
        let query = query.clone();
        self.readers.read("count sessions", move |db| listing::count(db, &query)).await
    }

    async fn update_session(
        &self,
        id: SessionId,
        change: SessionChange,
    ) -> Result<SessionRecording, StoreError> {
        checks::change(&change)?;
        self.writer.write("change a session", 1_000, move |db| sessions::update(db, id, change)).await
    }

    async fn delete_session(&self, id: SessionId, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.writer.write("delete a session", 100, move |db| sessions::delete(db, id, at)).await
    }

    async fn restore_session(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        self.writer.write("restore a session", 100, move |db| sessions::restore(db, id)).await
    }

    async fn deleted_sessions(&self, deleted_before: DateTime<Utc>) -> Result<Vec<SessionId>, StoreError> {
        self.readers.read("list deleted sessions", move |db| sessions::deleted(db, deleted_before)).await
    }

    /// The session is gone with the first of several steps, none of which delays a recording for long. A store that
    /// dies before the last one goes on when it is opened.
    async fn erase_session(&self, id: SessionId) -> Result<(), StoreError> {
        const OPERATION: &str = "erase a session";
        let key = self.writer.write(OPERATION, 100, move |db| compaction::begin_erase(db, id)).await?;
        while !self.writer.write(OPERATION, 1 << 20, move |db| compaction::erase_step(db, key)).await? {}
        self.give_back_pages(OPERATION).await?;
        // Erased content must not stay readable in the log.
        self.writer.checkpoint().await;
        Ok(())
    }

    async fn create_user(&self, new: NewUser) -> Result<User, StoreError> {
        checks::user(&new.username, &new.email, &new.password)?;
        self.writer.write("create a user", 100, move |db| users::create(db, new)).await
    }

    async fn read_user(&self, id: UserId) -> Result<User, StoreError> {
        self.readers.read("read a user", move |db| users::read(db, id)).await
    }

    async fn list_users(&self) -> Result<Vec<User>, StoreError> {
        self.readers.read("list users", users::list).await
    }

    async fn update_user(&self, user: User) -> Result<User, StoreError> {
        checks::user(&user.username, &user.email, &user.password)?;
        self.writer.write("change a user", 100, move |db| users::update(db, user)).await
    }

    async fn delete_user(&self, id: UserId) -> Result<(), StoreError> {
        self.writer.write("delete a user", 100, move |db| users::delete(db, id)).await
    }

    async fn begin_term(&self, id: SessionId) -> Result<Term, StoreError> {
        self.writer.write("begin a term", 100, move |db| sessions::begin_term(db, id)).await
    }

    async fn append(&self, id: SessionId, term: Term, batch: &Batch) -> Result<Appended, StoreError> {
        const OPERATION: &str = "append frames";
        let values = batch.chunk.as_ref().map_or(0, |chunk| chunk.values().len());
        let batch = if values < LARGE_CHUNK_VALUES {
            EncodedBatch::of(batch)?
        } else {
            let batch = Batch { images: None, ..batch.clone() };
            blocking(BACKEND, OPERATION, move || EncodedBatch::of(&batch)).await?
        };
        self.writer.write(OPERATION, batch.bytes(), move |db| chunks::append(db, id, term, &batch)).await
    }

    async fn append_encoded(
        &self,
        id: SessionId,
        term: Term,
        run: EncodedRun,
    ) -> Result<Appended, StoreError> {
        let bytes = run.bytes();
        let batch = EncodedBatch::of_encoded(run);
        let append = move |db: &_| chunks::append(db, id, term, &batch);
        self.writer.write("append encoded chunks", bytes, append).await
    }

    async fn set_publisher(
        &self,
        id: SessionId,
        term: Term,
        publisher: &str,
        settled_through: Option<u64>,
    ) -> Result<(), StoreError> {
        checks::publisher(publisher)?;
        let publisher = publisher.to_owned();
        let set = move |db: &_| sessions::set_publisher(db, id, term, &publisher, settled_through);
        self.writer.write("set a session's publisher", 300, set).await
    }

    async fn progress(&self, id: SessionId) -> Result<PublisherProgress, StoreError> {
        self.readers.read("read a session's progress", move |db| sessions::progress(db, id)).await
    }

    async fn compact(&self, id: SessionId, remainder: bool) -> Result<Compacted, StoreError> {
        self.compact_groups(id, remainder).await
    }

    async fn chunk_index(&self, id: SessionId) -> Result<ChunkIndex, StoreError> {
        self.readers.read("read a session's index", move |db| chunks::index(db, id)).await
    }

    async fn covering_chunk(&self, id: SessionId, query: ChunkQuery) -> Result<StoredChunk, StoreError> {
        let read = move |db: &_| Ok(chunks::covering(db, id, query)?.decode()?);
        self.readers.read("read frames", read).await
    }

    async fn encoded_chunk(
        &self,
        id: SessionId,
        query: ChunkQuery,
    ) -> Result<EncodedStoredChunk, StoreError> {
        let read = move |db: &_| Ok(chunks::covering(db, id, query)?.verify()?);
        self.readers.read("read an encoded chunk", read).await
    }

    async fn encoded_chunks(
        &self,
        id: SessionId,
        frames: Range<u64>,
    ) -> Result<Vec<EncodedStoredChunk>, StoreError> {
        self.readers.read("read encoded chunks", move |db| chunks::covering_all(db, id, frames)).await
    }

    async fn markers(&self, id: SessionId) -> Result<Vec<Marker>, StoreError> {
        self.readers.read("read markers", move |db| chunks::markers(db, id)).await
    }

    async fn finish(
        &self,
        id: SessionId,
        term: Term,
        status: SessionStatus,
    ) -> Result<SessionRecording, StoreError> {
        const OPERATION: &str = "finish a session";
        checks::last_status(status)?;
        let finish = self.writer.write(OPERATION, 100, move |db| sessions::finish(db, id, term, status));
        let finished = finish.await?;
        // Frames come no more: what is compacted now is the remainder. The session is finished whatever becomes of it.
        if let Err(error) = self.compact_groups(id, true).await {
            tracing::warn!(%id, "the finished session could not be compacted: {error}");
        }
        // Short chunks left their pages behind.
        if let Err(error) = self.give_back_pages(OPERATION).await {
            tracing::warn!(%id, "free pages could not be given back: {error}");
        }
        Ok(self.read_session(id).await.unwrap_or(finished))
    }

    async fn session_key(&self, id: SessionId) -> Result<u32, StoreError> {
        let key = self.readers.read("read a session's key", move |db| sessions::key(db, id)).await?;
        u32::try_from(key).map_err(|_too_large| unreached("read a session's key", "the keys are used up"))
    }

    async fn begin_recode(&self, id: SessionId, to: &Encoding) -> Result<SessionRecording, StoreError> {
        let to = to.clone();
        self.writer.write("begin to recode a session", 100, move |db| recoding::begin(db, id, &to)).await
    }

    async fn replace_chunk(
        &self,
        id: SessionId,
        replaced: &EncodedChunk,
        by: &EncodedChunk,
    ) -> Result<bool, StoreError> {
        let header = checks::replacement(replaced, by)?;
        let (old, new, bytes) = (replaced.header.clone(), by.clone(), by.payload.len());
        let replace = move |db: &_| recoding::replace(db, id, &old, &header, &new);
        self.writer.write("replace a chunk", bytes, replace).await
    }

    async fn end_recode(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        self.writer.write("end recoding a session", 100, move |db| recoding::end(db, id)).await
    }

    async fn interrupt_live_sessions(&self) -> Result<Vec<SessionId>, StoreError> {
        self.writer.write("interrupt live sessions", 100, sessions::interrupt_live).await
    }

    async fn self_check(&self, only: &[SessionId]) -> Result<Vec<Finding>, StoreError> {
        let only = only.to_vec();
        self.readers.read("check the database", move |db| self_check::check(db, &only)).await
    }
}
