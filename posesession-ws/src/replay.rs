//! The replay protocol's server: a stored session in, its frames on time out.

mod cursor_words;
mod view;
mod client;

use std::sync::Arc;
use std::time::Duration;

use futures::SinkExt;
use posesession_core::SessionId;
use posesession_store::SessionStore;
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
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { live_poll: Duration::from_millis(200) }
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
/// # Examples
///
/// See `examples/replay.rs` and `examples/custom_transport.rs`.
#[derive(Debug, Clone)]
pub struct ReplayService {
    store: Arc<dyn SessionStore>,
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
        Self { store, options, clock: Clock::start(), shutdown: CancellationToken::new(), changed }
    }

    /// Serves one connection until it ends. Its memory doesn't depend on the session's length: at most three decoded
    /// chunks.
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

    /// Makes the replays of a session look at it again. One that was deleted ends, and its viewers are told so.
    pub fn session_changed(&self, session: SessionId) {
        // Without replays there is nobody to hear it.
        let _unheard = self.changed.send(session);
    }

    /// Ends all connections.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }
}
