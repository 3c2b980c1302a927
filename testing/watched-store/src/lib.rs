//! A session store for tests: another one, of which each chunk that is read and decoded is noted, and which is as slow or as broken
//! as a test wants it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use posesession_core::{
    Batch, ChunkIndex, ChunkQuery, EncodedChunk, Encoding, Marker, SessionId, SessionRecording,
    SessionStatus, User, UserId,
};
use posesession_store::{
    Appended, Compacted, EncodedRun, EncodedStoredChunk, Finding, NewSession, NewUser, PublisherProgress,
    SessionChange, SessionPage, SessionQuery, SessionStore, SessionTotals, StoreError, StoredChunk, Term,
};
use tokio::time::Instant;

/// Another store, watched while its chunks are read.
#[derive(Debug)]
pub struct WatchedStore {
    store: Arc<dyn SessionStore>,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    reads: Vec<ChunkRead>,
    read_time: Duration,
    look_time: Duration,
    is_broken: bool,
    /// Which method fails when it is called next.
    fails: Option<&'static str>,
    /// Whose next answer is lost.
    loses: Option<&'static str>,
    /// A method, and whose next answer is lost from when it was called.
    loses_after: Option<(&'static str, &'static str)>,
    /// Which method fails when it is called next after an answer was lost.
    fails_after_loss: Option<&'static str>,
    /// Which method's next call waits before it begins, and how long.
    holds_up: Option<(&'static str, Duration)>,
}

/// A chunk that was read and decoded, or is just being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRead {
    /// Of which session.
    pub session: SessionId,
    /// What was asked for.
    pub query: ChunkQuery,
    /// When, on tokio's clock.
    pub begun: Instant,
    /// The first frame of the chunk found; none while it is being read, or if the read failed.
    pub first_frame: Option<u64>,
}

impl WatchedStore {
    /// Watches a store.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        Self { store, watched: Mutex::default() }
    }

    /// Lets each read of a chunk take so long on tokio's clock.
    pub fn set_read_time(&self, read_time: Duration) {
        self.watched().read_time = read_time;
    }

    /// Lets each look at a session's facts take so long on tokio's clock, from when it found them.
    pub fn set_look_time(&self, look_time: Duration) {
        self.watched().look_time = look_time;
    }

    /// Refuses all reads of chunks, or takes them again.
    pub fn set_broken(&self, is_broken: bool) {
        self.watched().is_broken = is_broken;
    }

    /// Lets the next call of a method fail, as when a database is gone for a moment.
    pub fn fail_next(&self, method: &'static str) {
        self.watched().fails = Some(method);
    }

    /// Lets the next call of a method do its work and fail all the same, as when a database dies right after a commit.
    pub fn lose_next_answer(&self, method: &'static str) {
        self.watched().loses = Some(method);
    }

    /// As [`WatchedStore::lose_next_answer`], of the first call that begins after one of another method.
    pub fn lose_next_answer_after(&self, other: &'static str, method: &'static str) {
        self.watched().loses_after = Some((other, method));
    }

    /// Lets the next call of a method fail after an answer was lost, as when a database stays away.
    pub fn fail_after_lost_answer(&self, method: &'static str) {
        self.watched().fails_after_loss = Some(method);
    }

    /// Lets the next call of a method reach the store only after so long on tokio's clock, as on a network that hangs.
    pub fn hold_up_next(&self, method: &'static str, time: Duration) {
        self.watched().holds_up = Some((method, time));
    }

    /// Notes that a method was called.
    fn note_call(&self, method: &'static str) {
        let mut watched = self.watched();
        if let Some((_, loses)) = watched.loses_after.take_if(|(after, _)| *after == method) {
            watched.loses = Some(loses);
        }
    }

    fn fail(
        &self,
        which: fn(&mut Watched) -> &mut Option<&'static str>,
        method: &'static str,
    ) -> Result<(), StoreError> {
        if which(&mut self.watched()).take_if(|fails| *fails == method).is_none() {
            return Ok(());
        }
        Err(StoreError::Backend {
            backend: "watched",
            operation: method,
            retryable: true,
            source: "it fails once".into(),
        })
    }

    /// Returns the chunks read since this was last asked, in the order in which their reads began.
    pub fn take_reads(&self) -> Vec<ChunkRead> {
        std::mem::take(&mut self.watched().reads)
    }

    /// Returns the first frames of the chunks read since this or [`WatchedStore::take_reads`] was last asked, in order.
    pub fn take_chunks_read(&self) -> Vec<u64> {
        self.take_reads().iter().filter_map(|read| read.first_frame).collect()
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn watch(&self, session: SessionId, query: ChunkQuery) -> Result<StoredChunk, StoreError> {
        let begun = ChunkRead { session, query, begun: Instant::now(), first_frame: None };
        let (place, read_time) = {
            let mut watched = self.watched();
            watched.reads.push(begun);
            (watched.reads.len() - 1, watched.read_time)
        };
        if read_time > Duration::ZERO {
            tokio::time::sleep(read_time).await;
        }
        if self.watched().is_broken {
            return Err(StoreError::Backend {
                backend: "watched",
                operation: "read frames",
                retryable: true,
                source: "it is broken".into(),
            });
        }
        let stored = self.store.covering_chunk(session, query).await?;
        // The notes may have been taken meanwhile.
        if let Some(read) = self.watched().reads.get_mut(place).filter(|read| **read == begun) {
            read.first_frame = Some(stored.extent.first_frame);
        }
        Ok(stored)
    }
}

/// Writes the methods that are those of the store behind.
macro_rules! forwarded {
    ($($method:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl SessionStore for WatchedStore {
            fn is_durable(&self) -> bool {
                self.store.is_durable()
            }

            fn durability(&self) -> posesession_store::Durability {
                self.store.durability()
            }

            async fn covering_chunk(&self, id: SessionId, query: ChunkQuery) -> Result<StoredChunk, StoreError> {
                self.watch(id, query).await
            }

            async fn read_session(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
                let session = self.store.read_session(id).await;
                let look_time = self.watched().look_time;
                if look_time > Duration::ZERO {
                    tokio::time::sleep(look_time).await;
                }
                session
            }

            $(
                async fn $method(&self, $($name: $kind),*) -> Result<$answer, StoreError> {
                    self.note_call(stringify!($method));
                    let held_up = self.watched().holds_up.take_if(|(which, _)| *which == stringify!($method));
                    if let Some((_, time)) = held_up {
                        tokio::time::sleep(time).await;
                    }
                    self.fail(|watched| &mut watched.fails, stringify!($method))?;
                    let answer = self.store.$method($($name),*).await;
                    let lost = self.fail(|watched| &mut watched.loses, stringify!($method));
                    if lost.is_err() {
                        let mut watched = self.watched();
                        watched.fails = watched.fails_after_loss.take();
                    }
                    lost.and(answer)
                }
            )*
        }
    };
}

forwarded! {
    create_session(new: NewSession) -> SessionRecording;
    list_sessions(query: &SessionQuery) -> SessionPage;
    count_sessions(query: &SessionQuery) -> HashMap<SessionStatus, SessionTotals>;
    update_session(id: SessionId, change: SessionChange) -> SessionRecording;
    delete_session(id: SessionId, at: DateTime<Utc>) -> ();
    restore_session(id: SessionId) -> SessionRecording;
    deleted_sessions(deleted_before: DateTime<Utc>) -> Vec<SessionId>;
    erase_session(id: SessionId) -> ();
    create_user(new: NewUser) -> User;
    read_user(id: UserId) -> User;
    list_users() -> Vec<User>;
    update_user(user: User) -> User;
    delete_user(id: UserId) -> ();
    begin_term(id: SessionId) -> Term;
    append(id: SessionId, term: Term, batch: &Batch) -> Appended;
    append_encoded(id: SessionId, term: Term, run: EncodedRun) -> Appended;
    set_publisher(id: SessionId, term: Term, publisher: &str, settled_through: Option<u64>) -> ();
    progress(id: SessionId) -> PublisherProgress;
    compact(id: SessionId, remainder: bool) -> Compacted;
    chunk_index(id: SessionId) -> ChunkIndex;
    encoded_chunk(id: SessionId, query: ChunkQuery) -> EncodedStoredChunk;
    encoded_chunks(id: SessionId, frames: Range<u64>) -> Vec<EncodedStoredChunk>;
    markers(id: SessionId) -> Vec<Marker>;
    finish(id: SessionId, term: Term, status: SessionStatus) -> SessionRecording;
    session_key(id: SessionId) -> u32;
    begin_recode(id: SessionId, to: &Encoding) -> SessionRecording;
    replace_chunk(id: SessionId, replaced: &EncodedChunk, by: &EncodedChunk) -> bool;
    end_recode(id: SessionId) -> SessionRecording;
    interrupt_live_sessions() -> Vec<SessionId>;
    self_check(only: &[SessionId]) -> Vec<Finding>;
}
