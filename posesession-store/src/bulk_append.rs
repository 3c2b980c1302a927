//! Appending many frames fast. Chunks in, encoded by all processors, several in a commit.

use std::collections::VecDeque;
use std::sync::Arc;

use posesession_core::{Chunk, Encoding, SessionId, Skeleton};
use tokio::task::JoinHandle;

use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::query::Term;
use crate::store::SessionStore;

/// About how many encoded bytes one append has: its sync is shared by so many.
const APPEND_BYTES: usize = 4 << 20;
/// How many bytes of frames may wait to be encoded: as many as keep the processors at work during an append.
const WAITING_BYTES: usize = 16 << 20;
/// How many chunks may wait to be encoded.
const WAITING_CHUNKS: usize = 128;

/// Appends long runs of frames to a session fast: those of a file, or of a motion that is computed.
///
/// Chunks are encoded as they are to rest, by several threads at once, and appended several together. What was pushed is
/// durable when [`Self::finish`] returns; until then the session holds a beginning of it.
///
/// # Examples
///
/// ```
/// use posesession_core::{Chunk, Encoding, SessionStatus, Skeleton, SyntheticPose};
/// use posesession_store::{BulkAppend, MemoryStore, NewSession, SessionStore};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let skeleton = Skeleton::preset("mediapipe_33")?;
/// let source = SyntheticPose::new(&skeleton, 30.0);
/// let store = MemoryStore::new();
/// let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("A minute's walk") };
/// let id = store.create_session(new).await?.id;
/// let term = store.begin_term(id).await?;
///
/// let mut frames = BulkAppend::new(&store, id, term, Encoding::Columnar, Some(skeleton.clone()));
/// for first in (0..1_800).step_by(200) {
///     let mut chunk = Chunk::new(first, skeleton.layout());
///     for n in first..first + 200 {
///         let (timestamp, pose) = source.frame(n);
///         chunk.push(timestamp, &pose)?;
///     }
///     frames.push(chunk).await?;
/// }
/// frames.finish().await?;
/// assert_eq!(store.finish(id, term, SessionStatus::Completed).await?.frame_count, 1_800);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct BulkAppend<'a> {
    store: &'a dyn SessionStore,
    id: SessionId,
    term: Term,
    encoding: Arc<(Encoding, Option<Skeleton>)>,
    /// Each with about how many bytes its frames have, in order.
    waiting: VecDeque<(JoinHandle<Result<EncodedRun, StoreError>>, usize)>,
    waiting_bytes: usize,
    ready: Option<EncodedRun>,
}

impl<'a> BulkAppend<'a> {
    /// Starts to append behind what the session has. `encoding` and `skeleton` are the session's.
    #[must_use]
    pub fn new(
        store: &'a dyn SessionStore,
        id: SessionId,
        term: Term,
        encoding: Encoding,
        skeleton: Option<Skeleton>,
    ) -> Self {
        let encoding = Arc::new((encoding, skeleton));
        Self { store, id, term, encoding, waiting: VecDeque::new(), waiting_bytes: 0, ready: None }
    }

    /// Takes the next frames: [`COMPACT_FRAMES`](crate::COMPACT_FRAMES) of them make a good chunk. Waits while much is under
    /// way.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of this chunk or of one before, as [`SessionStore::append_encoded`] and [`EncodedRun`] have it. Nothing
    /// more can be appended then.
    pub async fn push(&mut self, chunk: Chunk) -> Result<(), StoreError> {
        let bytes = chunk.memory_bytes();
        while self.waiting.len() >= WAITING_CHUNKS
            || !self.waiting.is_empty() && self.waiting_bytes + bytes > WAITING_BYTES
        {
            self.take_one().await?;
        }
        let encoding = Arc::clone(&self.encoding);
        let work = move || EncodedRun::encode(&chunk, &encoding.0, encoding.1.as_ref());
        self.waiting.push_back((tokio::task::spawn_blocking(work), bytes));
        self.waiting_bytes += bytes;
        Ok(())
    }

    /// Appends what is under way; durable on return.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub async fn finish(mut self) -> Result<(), StoreError> {
        while !self.waiting.is_empty() {
            self.take_one().await?;
        }
        self.append().await
    }

    /// Waits for the oldest chunk, and appends what is ready if it is enough.
    async fn take_one(&mut self) -> Result<(), StoreError> {
        let Some((encoding, bytes)) = self.waiting.pop_front() else { return Ok(()) };
        self.waiting_bytes -= bytes;
        let next = encoding.await.map_err(|broken| StoreError::Backend {
            backend: "codec",
            operation: "encode frames",
            retryable: false,
            source: Box::new(broken),
        })??;
        match &mut self.ready {
            Some(ready) => ready.join(next)?,
            None => self.ready = Some(next),
        }
        if self.ready.as_ref().is_some_and(|ready| ready.bytes() >= APPEND_BYTES) {
            self.append().await?;
        }
        Ok(())
    }

    async fn append(&mut self) -> Result<(), StoreError> {
        if let Some(ready) = self.ready.take() {
            self.store.append_encoded(self.id, self.term, ready).await?;
        }
        Ok(())
    }
}

impl Drop for BulkAppend<'_> {
    fn drop(&mut self) {
        self.waiting.iter().for_each(|(encoding, _)| encoding.abort());
    }
}
