//! A store as it behaves around a crash: what is committed stays, what is on its way to the disk is gone, and whether the one
//! became the other is not always known.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use posesession_core::{
    Batch, ChunkIndex, ChunkQuery, EncodedChunk, Encoding, Marker, SessionId, SessionRecording,
    SessionStatus, User, UserId,
};
use posesession_store::{
    Appended, Compacted, EncodedRun, EncodedStoredChunk, MemoryStore, NewSession, NewUser, PublisherProgress,
    SessionChange, SessionPage, SessionQuery, SessionStore, SessionTotals, StoreError, StoredChunk, Term,
};

use crate::rng::Rng;

/// One server's way to the disk. It dies with the server; `disk` does not.
#[derive(Debug)]
pub(crate) struct ModelStore {
    disk: Arc<MemoryStore>,
    rng: Mutex<Rng>,
    counts: Arc<Mutex<Counts>>,
    acks_before_commit: bool,
}

/// What became of commits.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) commits: u64,
    /// Committed, and answered with a failure all the same.
    pub(crate) unknown: u64,
    /// Not committed, and answered so.
    pub(crate) failed: u64,
}

impl ModelStore {
    pub(crate) fn new(
        disk: Arc<MemoryStore>,
        rng: Rng,
        counts: Arc<Mutex<Counts>>,
        acks_before_commit: bool,
    ) -> Self {
        Self { disk, rng: Mutex::new(rng), counts, acks_before_commit }
    }

    /// Draws how long a commit takes, and how it ends.
    fn draw(&self) -> Drawn {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let slow = rng.once_in(200);
        let most = if slow { 2_000 } else { 20 };
        Drawn {
            before: rng.millis(0, most),
            after: rng.millis(0, 10),
            fails: rng.once_in(400),
            is_unknown: rng.once_in(2),
        }
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn commit(&self, id: SessionId, term: Term, batch: &Batch) -> Result<Appended, StoreError> {
        let drawn = self.draw();
        tokio::time::sleep(drawn.before).await;
        if drawn.fails && !drawn.is_unknown {
            self.count(|counts| counts.failed += 1);
            return Err(away());
        }
        let appended = self.disk.append(id, term, batch).await?;
        self.count(|counts| counts.commits += 1);
        tokio::time::sleep(drawn.after).await;
        if drawn.fails {
            self.count(|counts| counts.unknown += 1);
            return Err(away());
        }
        Ok(appended)
    }
}

struct Drawn {
    before: Duration,
    after: Duration,
    fails: bool,
    is_unknown: bool,
}

fn away() -> StoreError {
    StoreError::Backend {
        backend: "model",
        operation: "append frames",
        retryable: true,
        source: "the disk is away".into(),
    }
}

/// Writes the methods that are those of the disk.
macro_rules! forwarded {
    ($($method:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl SessionStore for ModelStore {
            fn is_durable(&self) -> bool {
                true
            }

            async fn append(&self, id: SessionId, term: Term, batch: &Batch) -> Result<Appended, StoreError> {
                if !self.acks_before_commit {
                    return self.commit(id, term, batch).await;
                }
                // The planted fault: the server hears of a success that is still to come.
                let session = self.disk.read_session(id).await?;
                let (frame_count, stored_bytes) = (session.frame_count, session.stored_bytes);
                let (disk, batch, before) = (Arc::clone(&self.disk), batch.clone(), self.draw().before);
                tokio::spawn(async move {
                    tokio::time::sleep(before).await;
                    // Whoever could be told of a failure has been told of a success.
                    let _untold = disk.append(id, term, &batch).await;
                });
                Ok(Appended { frame_count, stored_bytes, already_stored: false })
            }

            $(
                async fn $method(&self, $($name: $kind),*) -> Result<$answer, StoreError> {
                    self.disk.$method($($name),*).await
                }
            )*
        }
    };
}

forwarded! {
    create_session(new: NewSession) -> SessionRecording;
    read_session(id: SessionId) -> SessionRecording;
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
    append_encoded(id: SessionId, term: Term, run: EncodedRun) -> Appended;
    set_publisher(id: SessionId, term: Term, publisher: &str, settled_through: Option<u64>) -> ();
    progress(id: SessionId) -> PublisherProgress;
    compact(id: SessionId, remainder: bool) -> Compacted;
    chunk_index(id: SessionId) -> ChunkIndex;
    covering_chunk(id: SessionId, query: ChunkQuery) -> StoredChunk;
    encoded_chunk(id: SessionId, query: ChunkQuery) -> EncodedStoredChunk;
    encoded_chunks(id: SessionId, frames: Range<u64>) -> Vec<EncodedStoredChunk>;
    markers(id: SessionId) -> Vec<Marker>;
    finish(id: SessionId, term: Term, status: SessionStatus) -> SessionRecording;
    session_key(id: SessionId) -> u32;
    begin_recode(id: SessionId, to: &Encoding) -> SessionRecording;
    replace_chunk(id: SessionId, replaced: &EncodedChunk, by: &EncodedChunk) -> bool;
    end_recode(id: SessionId) -> SessionRecording;
    interrupt_live_sessions() -> Vec<SessionId>;
}
