//! The contract between those who keep sessions and those who use them.

use std::collections::HashMap;
use std::fmt::Debug;
use std::ops::Range;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use posesession_core::{
    Batch, ChunkIndex, ChunkQuery, EncodedChunk, Encoding, Marker, SessionId, SessionRecording,
    SessionStatus, User, UserId,
};

use crate::durability::Durability;
use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::finding::Finding;
use crate::query::{
    Appended, Compacted, EncodedStoredChunk, NewSession, NewUser, PublisherProgress, SessionChange,
    SessionPage, SessionQuery, SessionTotals, StoredChunk, Term,
};

/// Keeps sessions: their facts, their chunks, their markers, and the users who own them.
///
/// # Guarantees that every implementor gives
///
/// - **Durable on return.** When a writing method returns `Ok`, what it wrote survives the death of the process and a
///   power loss (as far as the medium can: [`SessionStore::is_durable`]).
/// - **All or nothing.** A writing method that returns an error has changed nothing that a reader can see.
/// - **In order.** The frames of a session are 0, 1, 2... without holes; a reader sees a prefix of what was appended.
/// - **Idempotent appends.** The same frames appended again change nothing.
/// - **Fenced writers.** Once [`SessionStore::begin_term`] returned, no append of an older term succeeds.
/// - **Concurrent.** All methods may be called at once from many tasks, by reference.
///
/// `session_store_conformance!` (feature `conformance`) tests these promises on any implementation.
///
/// # Cancel safety
///
/// A writing method whose future is dropped has either happened wholly or not at all.
#[async_trait]
pub trait SessionStore: Debug + Send + Sync + 'static {
    /// Returns whether what was appended survives a power loss: false for stores in memory or with unsafe settings.
    fn is_durable(&self) -> bool;

    /// Returns whether what was appended survives a power loss, and if not, why: [`SessionStore::is_durable`] with a reason.
    fn durability(&self) -> Durability {
        if self.is_durable() { Durability::Durable } else { Durability::not("the store doesn't promise it") }
    }

    /// Creates a session with status `recording` and without frames. The caller is its first writer: [`Term::FIRST`].
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionExists`], [`StoreError::UserNotFound`], [`StoreError::BadArgument`] for texts beyond
    /// [`NewSession::MAX_TEXT_BYTES`], an invalid skeleton, or bounds of channels that the skeleton doesn't have.
    async fn create_session(&self, new: NewSession) -> Result<SessionRecording, StoreError>;

    /// Returns a session's facts.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], also once it is deleted.
    async fn read_session(&self, id: SessionId) -> Result<SessionRecording, StoreError>;

    /// Lists sessions, a page at a time. Pages are keyset pages: a session that is there during the whole listing and
    /// doesn't change is listed exactly once, whatever comes and goes meanwhile. One whose facts are damaged doesn't keep the
    /// others from being listed: it is in [`SessionPage::damaged`].
    ///
    /// # Errors
    ///
    /// [`StoreError::BadArgument`] for a limit out of range or a cursor that is not this store's or not this order's.
    async fn list_sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError>;

    /// Counts all sessions that the pages of a list have together, by status; a status without sessions is left out.
    /// The query's sort, order, limit and cursor don't matter.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadArgument`] for a search of too many words.
    async fn count_sessions(
        &self,
        query: &SessionQuery,
    ) -> Result<HashMap<SessionStatus, SessionTotals>, StoreError>;

    /// Changes a session's facts and returns them all. Changes of several callers at once don't undo each other: what is known
    /// of a session's video outlives other changes of its metadata, and these outlive it.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::BadArgument`] for texts or metadata that are too long;
    /// [`StoreError::Fenced`] if the change has a term and another writer began since.
    async fn update_session(
        &self,
        id: SessionId,
        change: SessionChange,
    ) -> Result<SessionRecording, StoreError>;

    /// Hides a session at once; it can be restored until it is erased. A live session takes no more frames.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], also if it is deleted already.
    async fn delete_session(&self, id: SessionId, at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Brings a deleted session back that was not erased yet; a session that is there is left as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`] if there never was one, or it is erased.
    async fn restore_session(&self, id: SessionId) -> Result<SessionRecording, StoreError>;

    /// Lists the sessions that were deleted before `deleted_before`, oldest first, at most 1,000: the caller erases their
    /// media, then calls [`SessionStore::erase_session`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Backend`].
    async fn deleted_sessions(&self, deleted_before: DateTime<Utc>) -> Result<Vec<SessionId>, StoreError>;

    /// Erases a session for good, deleted before or not: facts, chunks and markers.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`].
    async fn erase_session(&self, id: SessionId) -> Result<(), StoreError>;

    /// Creates a user.
    ///
    /// # Errors
    ///
    /// [`StoreError::UsernameTaken`], [`StoreError::BadArgument`] for an empty or too long name.
    async fn create_user(&self, new: NewUser) -> Result<User, StoreError>;

    /// Returns a user; [`UserId::LOCAL`] is always there.
    ///
    /// # Errors
    ///
    /// [`StoreError::UserNotFound`].
    async fn read_user(&self, id: UserId) -> Result<User, StoreError>;

    /// Lists all users by id.
    ///
    /// # Errors
    ///
    /// [`StoreError::Backend`].
    async fn list_users(&self) -> Result<Vec<User>, StoreError>;

    /// Replaces the user of `user.id`.
    ///
    /// # Errors
    ///
    /// [`StoreError::UserNotFound`], [`StoreError::UsernameTaken`], [`StoreError::BadArgument`].
    async fn update_user(&self, user: User) -> Result<User, StoreError>;

    /// Deletes a user who owns no sessions.
    ///
    /// # Errors
    ///
    /// [`StoreError::UserNotFound`], [`StoreError::UserOwnsSessions`], [`StoreError::BadArgument`] for [`UserId::LOCAL`].
    async fn delete_user(&self, id: UserId) -> Result<(), StoreError>;

    /// Makes the caller the session's one writer and returns its term: all earlier writers are fenced off. The session's
    /// status becomes `recording` if it was `interrupted`.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::NotLive`] if it is being processed, completed or failed.
    async fn begin_term(&self, id: SessionId) -> Result<Term, StoreError>;

    /// Appends a batch's chunk, markers, skeleton and publisher's progress. Its image object, if any, must be durable in
    /// the media store before.
    ///
    /// A chunk whose frames are all stored already with the same content changes nothing (`already_stored`), nor do the
    /// other parts of its batch; whether its frames were cut into the same chunks doesn't matter. So it is with frames
    /// that have been compacted since, without comparing. A marker equal to a stored one is stored once. A batch without
    /// frames adds its other parts. Chunks may have any number of frames; they are kept as they come, uncompressed,
    /// until compacted.
    ///
    /// A session takes its skeleton from the first batch that has one; frames in which nobody is seen may come before. Each
    /// bound of the session must be of one of its channels.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::Fenced`], [`StoreError::NotLive`], [`StoreError::OutOfOrder`] for
    /// frames that leave a hole or are only partly stored, [`StoreError::Conflict`], [`StoreError::BadArgument`] for
    /// a chunk that doesn't fit the skeleton, starts no later than the last frame, or goes beyond
    /// [`NewSession::MAX_FRAMES`], for another skeleton than the session's or one without a channel that it bounds, and for
    /// a term that was never given.
    async fn append(&self, id: SessionId, term: Term, batch: &Batch) -> Result<Appended, StoreError>;

    /// Appends encoded chunks as they are: they are read back byte by byte, unless they stand behind short chunks and are
    /// compacted with them. This is how a session is copied without decoding and encoding it anew, and how many frames are
    /// appended fast.
    ///
    /// Like [`SessionStore::append`] in all else: frames that are stored already change nothing, and are compared as far as
    /// they are not compacted. A compressed chunk counts as compacted if all chunks before it are.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::append`].
    async fn append_encoded(
        &self,
        id: SessionId,
        term: Term,
        run: EncodedRun,
    ) -> Result<Appended, StoreError>;

    /// Says whose numbers [`Batch::settled_through`] of later appends are, and up to which number everything of this
    /// publisher's is settled already: none at the start of a numbering, else what [`SessionStore::progress`] told before. Who
    /// published before is forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::Fenced`], [`StoreError::NotLive`], [`StoreError::BadArgument`] for a
    /// name that is empty, longer than [`PublisherProgress::MAX_NAME_BYTES`] or has a NUL character, and for a term that was
    /// never given.
    async fn set_publisher(
        &self,
        id: SessionId,
        term: Term,
        publisher: &str,
        settled_through: Option<u64>,
    ) -> Result<(), StoreError>;

    /// Returns who published last, and how far that one has come: [`Batch::settled_through`] of the last append that had
    /// one.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`].
    async fn progress(&self, id: SessionId) -> Result<PublisherProgress, StoreError>;

    /// Replaces short chunks by long ones, encoded as the session declared, as far as at least [`COMPACT_FRAMES`] frames
    /// stand in short chunks; with `remainder`, all of them. Readers see the same frames before, during and after; the
    /// values of a bounded session are exact before, and within its bounds from then on. What JSON doesn't hold is kept as
    /// columns.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::Corrupt`].
    async fn compact(&self, id: SessionId, remainder: bool) -> Result<Compacted, StoreError>;

    /// Returns what each chunk covers, in order. Extents are those of the moment: compaction changes them.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`].
    async fn chunk_index(&self, id: SessionId) -> Result<ChunkIndex, StoreError>;

    /// Returns the chunk that covers what is asked for.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::NoSuchFrame`], [`StoreError::Corrupt`].
    async fn covering_chunk(&self, id: SessionId, query: ChunkQuery) -> Result<StoredChunk, StoreError>;

    /// Returns the chunk that covers what is asked for as it is stored, with its checksum checked, but not decoded.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::covering_chunk`].
    async fn encoded_chunk(&self, id: SessionId, query: ChunkQuery)
    -> Result<EncodedStoredChunk, StoreError>;

    /// Returns the chunks that cover `frames`, in order, as they are stored: for those who read much at once. The first and
    /// the last may reach beyond; a range that ends behind the session is cut. Their checksums are left to those who decode
    /// them. All of them are in memory together, so the caller asks for no more than it has room for.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::encoded_chunk`], but a range without any frame gives no chunks.
    async fn encoded_chunks(
        &self,
        id: SessionId,
        frames: Range<u64>,
    ) -> Result<Vec<EncodedStoredChunk>, StoreError> {
        let end = frames.end.min(self.read_session(id).await?.frame_count);
        let (mut chunks, mut next) = (Vec::new(), frames.start);
        while next < end {
            let chunk = self.encoded_chunk(id, ChunkQuery::Frame(next)).await?;
            next = chunk.extent.end_frame();
            chunks.push(chunk);
        }
        Ok(chunks)
    }

    /// Returns the session's markers by timestamp, equal ones as they came.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`].
    async fn markers(&self, id: SessionId) -> Result<Vec<Marker>, StoreError>;

    /// Compacts the remainder and gives a live session its last status. Chunks that are damaged stay as they are.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::Fenced`], [`StoreError::NotLive`] if it was finished before,
    /// [`StoreError::BadArgument`] for a status that is live.
    async fn finish(
        &self,
        id: SessionId,
        term: Term,
        status: SessionStatus,
    ) -> Result<SessionRecording, StoreError>;

    /// Returns the integer key of a session, stable for ever: the upper half of its frames' ids.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`].
    async fn session_key(&self, id: SessionId) -> Result<u32, StoreError>;

    /// Declares that a session that is not live is being recoded. From then on it tells the new codec, and bounds that hold
    /// for all its chunks, recoded or not: those it had, and if the new encoding is bounded, its bounds on top. The same
    /// again, until [`SessionStore::end_recode`], adds nothing more. [`recode_session`](crate::recode_session) does all of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::BadArgument`] if the session is live, for bounds of channels that it
    /// doesn't have, and for [`Encoding::Recoded`], which says where a session comes from.
    async fn begin_recode(&self, id: SessionId, to: &Encoding) -> Result<SessionRecording, StoreError>;

    /// Puts a chunk in the place of another one that covers the same frames, and returns whether that was still there as it
    /// is given. Readers see one or the other.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::BadArgument`] for bytes that are no chunk, are damaged, or cover other
    /// frames than those they replace.
    async fn replace_chunk(
        &self,
        id: SessionId,
        replaced: &EncodedChunk,
        by: &EncodedChunk,
    ) -> Result<bool, StoreError>;

    /// Declares that a session has been recoded.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`].
    async fn end_recode(&self, id: SessionId) -> Result<SessionRecording, StoreError>;

    /// Marks every session that is still live as `interrupted` and returns their ids: what a starting server does with
    /// the sessions of its predecessor. Deleted ones are marked too, but not returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Backend`].
    async fn interrupt_live_sessions(&self) -> Result<Vec<SessionId>, StoreError>;

    /// Checks what the back end keeps beside the contract, such as the order of its pages and what rows say of each other; of
    /// all sessions, or of those that are named. Nothing is changed. A part of [`verify`](crate::verify), which reads all the
    /// rest through the contract; a store that has nothing to add leaves it as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Backend`] if it can't be checked at all. What is damaged is a finding.
    async fn self_check(&self, only: &[SessionId]) -> Result<Vec<Finding>, StoreError> {
        let _nothing_to_add = only;
        Ok(Vec::new())
    }
}

/// How many frames in short chunks are worth one long chunk.
pub const COMPACT_FRAMES: u64 = 256;
