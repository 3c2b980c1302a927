//! Chunks decoded once for all who replay. Queries in, shared chunks out.

mod held;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::Shared;
use posesession_core::{Chunk, ChunkQuery, SessionId};
use tokio::sync::Semaphore;

use self::held::HeldChunks;
use crate::error::StoreError;
use crate::store::SessionStore;

/// How many chunks are read at once. Those who wait for their turn may find that another one's read brought their chunk, and
/// what is decoded but not kept yet stays little.
const READS_AT_ONCE: usize = 8;

/// The decoded chunks of a store that were used last, shared by all who read them, within a bound of bytes. Cheap to
/// clone; all clones are one cache.
///
/// # Guarantees
///
/// - **One read.** Who asks for the frame or moment that is just being read for another one waits for that read and shares its
///   chunk. The read goes on when they lose interest, and a slow one among them holds up nobody. Which chunk a frame is in is
///   known only once that was read: a crowd that at the same moment asks for different frames of a chunk that isn't kept yet
///   reads it 8 times at most.
/// - **Bounded.** The chunks kept take at most [`ChunkCacheStats::max_bytes`] together, counted by
///   [`Chunk::memory_bytes`] and 1 KiB for each; those used longest ago go. A chunk larger than the bound is handed out and not
///   kept. Chunks that somebody holds on to live on, uncounted.
/// - **Right.** What is answered from memory is what the store would answer, see below.
/// - **No errors are kept.** Who shares a read that fails asks the store once more, by himself.
///
/// # Which queries are answered from memory
///
/// Frames of a session never change once they are stored, only how they are cut into chunks. So a chunk that was read before a
/// compaction is as good as the one that took its place, and whoever asks for a *frame* gets any chunk that has it. A
/// *moment* asks for the last frame at or before it: a chunk here that begins before it has that frame only if the moment isn't
/// behind the chunk's last frame, or if the frame after that is here too. Otherwise that frame may be in a chunk that isn't here,
/// or is just being recorded. A moment before all chunks here is answered by the session's first chunk alone.
///
/// Short chunks of a session that is being recorded go when a chunk with all their frames comes, or when they weren't used
/// for long.
///
/// # Sessions that are deleted, recoded or replaced
///
/// The cache doesn't know of them: whoever deletes a session, or writes it anew, calls [`ChunkCache::forget`] afterwards.
/// Whoever answers requests from a cache asks the store before whether the session is there, which costs a look at one row.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::sync::Arc;
/// use posesession_core::{Batch, Chunk, ChunkQuery, Skeleton, SyntheticPose};
/// use posesession_store::{ChunkCache, MemoryStore, NewSession, SessionStore};
///
/// let store: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
/// let skeleton = Skeleton::preset("coco_17")?;
/// let session = store.create_session(NewSession::named("squats")).await?;
/// let term = store.begin_term(session.id).await?;
/// let (timestamp, pose) = SyntheticPose::new(&skeleton, 25.0).frame(0);
/// let mut chunk = Chunk::new(0, skeleton.layout());
/// chunk.push(timestamp, &pose)?;
/// let batch = Batch { chunk: Some(chunk), skeleton: Some(skeleton), ..Batch::default() };
/// store.append(session.id, term, &batch).await?;
///
/// let cache = ChunkCache::new(store, ChunkCache::DEFAULT_BYTES);
/// let first = cache.covering_chunk(session.id, ChunkQuery::Frame(0)).await?;
/// let again = cache.covering_chunk(session.id, ChunkQuery::Time(timestamp)).await?;
/// assert!(Arc::ptr_eq(&first, &again));
/// assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ChunkCache {
    shared: Arc<SharedCache>,
}

#[derive(Debug)]
struct SharedCache {
    store: Arc<dyn SessionStore>,
    state: Mutex<State>,
    turns: Semaphore,
}

#[derive(Debug)]
struct State {
    held: HeldChunks,
    reads: HashMap<(SessionId, ChunkQuery), Read>,
    next_read: u64,
    hits: u64,
    misses: u64,
}

/// A read under way.
#[derive(Debug)]
struct Read {
    /// Tells it from a later one of the same place.
    number: u64,
    answer: Answer,
}

/// What a read will bring; nothing if it broke off.
type Answer = Shared<oneshot::Receiver<Result<Arc<Chunk>, Arc<StoreError>>>>;

/// What a cache did so far, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkCacheStats {
    /// How many queries were answered without a read of their own.
    pub hits: u64,
    /// How many queries made the cache read the store.
    pub misses: u64,
    /// How many chunks are kept.
    pub chunks: usize,
    /// How many bytes they take.
    pub bytes: usize,
    /// How many bytes they may take.
    pub max_bytes: usize,
}

impl ChunkCache {
    /// The bound that fits most: 64 MiB, an hour of one person's 33 keypoints at 30 frames/s.
    pub const DEFAULT_BYTES: usize = 64 << 20;

    /// Makes an empty cache of a store's chunks. With a bound of 0 it keeps none, and still lets those who ask for the same
    /// at once share one read.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>, max_bytes: usize) -> Self {
        let held = HeldChunks::new(max_bytes);
        let state = State { held, reads: HashMap::new(), next_read: 0, hits: 0, misses: 0 };
        let turns = Semaphore::new(READS_AT_ONCE);
        Self { shared: Arc::new(SharedCache { store, state: Mutex::new(state), turns }) }
    }

    /// Returns the store behind it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        &self.shared.store
    }

    /// Returns the chunk that covers what is asked for, read and decoded at most once while it is kept.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::covering_chunk`]. A session that was deleted may still be answered from memory until
    /// [`ChunkCache::forget`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; a read that has begun goes on, and its chunk is kept.
    pub async fn covering_chunk(&self, id: SessionId, query: ChunkQuery) -> Result<Arc<Chunk>, StoreError> {
        let answer = match self.find(id, query) {
            Found::Kept(chunk) => return Ok(chunk),
            Found::BeingRead(answer) => answer,
            Found::ToBeRead(answer, reading) => {
                tokio::spawn(reading.run());
                answer
            }
        };
        match answer.await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => match Arc::try_unwrap(error) {
                Ok(error) => Err(error),
                Err(_shared) => self.read_alone(id, query).await,
            },
            Err(oneshot::Canceled) => self.read_alone(id, query).await,
        }
    }

    /// Returns the chunk that covers what is asked for if it is kept, at once.
    #[must_use]
    pub fn kept_chunk(&self, id: SessionId, query: ChunkQuery) -> Option<Arc<Chunk>> {
        let mut state = self.state();
        let chunk = state.held.touch(id, query)?;
        state.hits += 1;
        Some(chunk)
    }

    /// Returns the chunk that covers what is asked for, for those who go through a session once: takes what is kept, and
    /// keeps nothing, so that an export doesn't drive out what replays need.
    ///
    /// # Errors
    ///
    /// As [`ChunkCache::covering_chunk`].
    pub async fn covering_chunk_once(
        &self,
        id: SessionId,
        query: ChunkQuery,
    ) -> Result<Arc<Chunk>, StoreError> {
        let kept = self.state().held.peek(id, query);
        match kept {
            Some(chunk) => Ok(chunk),
            None => self.read_alone(id, query).await,
        }
    }

    /// Forgets a session: what is asked for from now on is read from the store, and of reads under way nothing is kept.
    pub fn forget(&self, id: SessionId) {
        let mut state = self.state();
        state.held.forget(id);
        state.reads.retain(|&(session, _), _| session != id);
    }

    /// Returns what it did so far, and what it holds now.
    #[must_use]
    pub fn stats(&self) -> ChunkCacheStats {
        let state = self.state();
        ChunkCacheStats {
            hits: state.hits,
            misses: state.misses,
            chunks: state.held.len(),
            bytes: state.held.bytes(),
            max_bytes: state.held.max_bytes(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    fn find(&self, id: SessionId, query: ChunkQuery) -> Found {
        let mut state = self.state();
        if let Some(chunk) = state.held.touch(id, query) {
            state.hits += 1;
            return Found::Kept(chunk);
        }
        if let Some(Read { answer, .. }) = state.reads.get(&(id, query)) {
            let answer = answer.clone();
            state.hits += 1;
            return Found::BeingRead(answer);
        }
        state.misses += 1;
        let (tell, told) = oneshot::channel();
        let (number, answer) = (state.next_read, told.shared());
        state.next_read += 1;
        state.reads.insert((id, query), Read { number, answer: answer.clone() });
        let place = Place { cache: Arc::clone(&self.shared), id, query, number };
        Found::ToBeRead(answer, Reading { place, tell })
    }

    async fn read_alone(&self, id: SessionId, query: ChunkQuery) -> Result<Arc<Chunk>, StoreError> {
        self.shared.store.covering_chunk(id, query).await.map(|stored| Arc::new(stored.chunk))
    }
}

impl SharedCache {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that panics runs while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Found {
    Kept(Arc<Chunk>),
    BeingRead(Answer),
    ToBeRead(Answer, Reading),
}

/// A read that somebody has to make. It is a task of its own, so that nobody waits for whoever asked first.
struct Reading {
    place: Place,
    tell: oneshot::Sender<Result<Arc<Chunk>, Arc<StoreError>>>,
}

impl Reading {
    async fn run(self) {
        let Self { place, tell } = self;
        let cache = Arc::clone(&place.cache);
        // Until the chunk is kept, so that whose turn comes next finds it. Nobody closes the semaphore.
        let _turn = cache.turns.acquire().await;
        let read = match place.kept_meanwhile() {
            Some(chunk) => Ok(chunk),
            None => cache.store.covering_chunk(place.id, place.query).await.map(|read| Arc::new(read.chunk)),
        };
        let read = read.map_err(Arc::new);
        place.leave(read.as_ref().ok());
        // Nobody may be left to be told.
        let _nobody = tell.send(read);
    }
}

/// A read's place among those under way, free again when dropped.
struct Place {
    cache: Arc<SharedCache>,
    id: SessionId,
    query: ChunkQuery,
    number: u64,
}

impl Place {
    /// Returns the chunk if another read brought it while this one waited for its turn.
    fn kept_meanwhile(&self) -> Option<Arc<Chunk>> {
        let mut state = self.cache.state();
        let chunk = state.held.touch(self.id, self.query)?;
        (state.hits, state.misses) = (state.hits + 1, state.misses - 1);
        Some(chunk)
    }

    /// Ends the read, and keeps what came of it unless the session was forgotten meanwhile.
    fn leave(self, chunk: Option<&Arc<Chunk>>) {
        let mut state = self.cache.state();
        if self.is_in(&state)
            && let Some(chunk) = chunk
        {
            state.held.insert(self.id, Arc::clone(chunk));
        }
    }

    fn is_in(&self, state: &State) -> bool {
        state.reads.get(&(self.id, self.query)).is_some_and(|read| read.number == self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.cache.state();
        if self.is_in(&state) {
            state.reads.remove(&(self.id, self.query));
        }
    }
}
