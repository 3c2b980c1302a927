//! The replay protocol's server: a stored session in, its frames on time out.

mod cursor_words;
mod view;
mod client;

use std::sync::Arc;
use std::time::Duration;

use futures::SinkExt;
use posesession_core::SessionId;
use posesession_store::{ChunkCache, SessionStore};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub use self::client::{ReplayClient, ReplayEvent, ReplayedFrame, ReplayedSession};
use self::view::View;
use crate::clock::Clock;
use crate::message::{CloseReason, Message};
use crate::protocol::WireFormat;
use crate::record::{json_message, storage_error};
use crate::transport::{GOODBYE_PATIENCE, Transport, TransportError};

/// How many changes a replay may be behind; beyond, it looks at its session whichever was changed.
const CHANGES_QUEUE: usize = 64;

/// The settings of a [`ReplayService`].
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// How often a session that is still being recorded is looked at for new frames.
    pub live_poll: Duration,
    /// How often any other session is looked at: another process may have deleted it.
    pub poll: Duration,
    /// How many bytes of decoded chunks all replays together keep, beside the three at most that each one is at.
    pub chunk_cache_bytes: usize,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            live_poll: Duration::from_millis(200),
            poll: Duration::from_secs(5),
            chunk_cache_bytes: ChunkCache::DEFAULT_BYTES,
        }
    }
}

/// What the client asked for in its address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// Whether to play at once.
    pub autoplay: bool,
    /// How frames are sent.
    pub format: WireFormat,
}

/// Replays sessions: the back end of every `/ws/replay/{session_id}` connection of a process. Cheap to clone.
///
/// # Guarantees
///
/// - **Decoded once.** All replays share a [`ChunkCache`]: a chunk that several of them need is read and decoded once, as
///   long as it is kept.
/// - **One chunk for a seek.** Nothing but the chunk with its frame is read before a seek lands; what comes next is read
///   after the frame was sent. Only a seek to the `nearest` frame reads two, if the moment lies between two chunks.
/// - **Ahead.** Forwards, backwards and around a loop, the next chunk is read when the one before it begins to play, so that
///   a replay never waits for a chunk that can be read and decoded while the one before it plays.
/// - **Gone is gone.** A deleted session is not replayed from memory: no replay of it begins, and those that are open end
///   at once after [`ReplayService::session_changed`], or within [`ReplayOptions::poll`] if another process deleted it.
///
/// # Examples
///
/// See `examples/replay.rs` and `examples/custom_transport.rs`.
#[derive(Debug, Clone)]
pub struct ReplayService {
    chunks: ChunkCache,
    options: ReplayOptions,
    clock: Clock,
    shutdown: CancellationToken,
    changed: broadcast::Sender<SessionId>,
}

impl ReplayService {
    /// Makes a service over a store.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>, options: ReplayOptions) -> Self {
        let (changed, _) = broadcast::channel(CHANGES_QUEUE);
        let chunks = ChunkCache::new(store, options.chunk_cache_bytes);
        Self { chunks, options, clock: Clock::start(), shutdown: CancellationToken::new(), changed }
    }

    /// Returns the decoded chunks that all replays share, for others in the process who read frames.
    #[must_use]
    pub fn chunks(&self) -> &ChunkCache {
        &self.chunks
    }

    fn store(&self) -> &dyn SessionStore {
        &**self.chunks.store()
    }

    /// Serves one connection until it ends. Its memory doesn't depend on the session's length: at most three decoded
    /// chunks beside those that all replays share.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if the connection broke off; a client that says goodbye, a session that isn't there, or the
    /// service's shutdown, is `Ok`.
    pub async fn serve<T: Transport>(
        &self,
        session: SessionId,
        request: ReplayRequest,
        mut transport: T,
    ) -> Result<(), TransportError> {
        match View::open(self.clone(), session, request).await {
            Ok(view) => {
                // A client that doesn't read can't be told goodbye.
                let patience = async {
                    self.shutdown.cancelled().await;
                    tokio::time::sleep(GOODBYE_PATIENCE).await;
                };
                tokio::select! {
                    result = view.run(transport) => result,
                    () = patience => Err(TransportError::Closed),
                }
            }
            Err(error) => {
                transport.send(json_message(&storage_error(&error))).await?;
                let reason = CloseReason::new(CloseReason::NO_SESSION, &error.to_string());
                transport.send(Message::Close(Some(reason))).await?;
                transport.close().await
            }
        }
    }

    /// Makes the replays of a session look at it again, and forgets its chunks: to be called once a session was deleted,
    /// erased, recoded or replaced. Replays of one that was deleted end, and their viewers are told so.
    pub fn session_changed(&self, session: SessionId) {
        self.chunks.forget(session);
        // Without replays there is nobody to hear it.
        let _unheard = self.changed.send(session);
    }

    /// Ends all connections.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }
}
