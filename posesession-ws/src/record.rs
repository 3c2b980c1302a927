//! The record protocol's server: poses in, sessions and live frames out.
//!
//! Each connection has a loop of its own, each stream an actor that owns the recorder; they talk through bounded queues,
//! so that a slow store slows the streamer and a slow viewer slows nobody.

mod peer;
mod live;
mod sent;
mod video;
mod recording;
mod durable_times;
mod stream;
mod stopped_before;
mod connection;
mod client;
mod streamer;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use posesession_core::{Encoding, PoseData, SessionId, Skeleton};
use posesession_store::{Durability, MediaStore, SessionStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::client::{Finalized, RecordClient, RecordEvent};
use self::connection::Connection;
pub(crate) use self::peer::json_message;
use self::peer::{ConnectionId, Peer};
pub(crate) use self::recording::{storage_error, with_cause};
use self::stream::StreamHandle;
pub use self::streamer::{
    Connect, NotStored, ServerUrl, Stopped, StreamEnd, Streamer, StreamerError, StreamerEvent,
    StreamerFigures, StreamerOptions,
};
use crate::clock::Clock;
use crate::protocol::{ErrorCode, Limits, ProtocolError, SUBPROTOCOL, Welcome};
use crate::transport::{MAX_MESSAGE_BYTES, Transport, TransportError};

/// The settings of a [`RecordService`].
#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// What `welcome` says the server is.
    pub server: String,
    /// How long a missing frame number is waited for.
    pub reorder_window: Duration,
    /// How long a frame waits, at most, until it goes to the store together with its neighbours.
    pub flush_after: Duration,
    /// How often `recording_status` is sent.
    pub status_every: Duration,
    /// How long a recording without a publisher waits for one before it ends as `interrupted`.
    pub publisher_patience: Duration,
    /// How many streams may exist at once.
    pub max_streams: usize,
    /// How sessions are kept whose starter doesn't say.
    pub encoding: Encoding,
    /// How long the transport lets a message take, for `welcome` to say: see [`crate::SocketLimits`].
    pub message_timeout: Option<Duration>,
}

impl Default for RecordOptions {
    fn default() -> Self {
        Self {
            server: concat!("posesession/", env!("CARGO_PKG_VERSION")).to_owned(),
            reorder_window: Duration::from_millis(250),
            flush_after: Duration::from_millis(250),
            status_every: Duration::from_millis(500),
            publisher_patience: Duration::from_secs(600),
            max_streams: 1024,
            encoding: Encoding::default(),
            message_timeout: None,
        }
    }
}

/// Records and fans out streams: the back end of every `/ws/pose` connection of a process. Cheap to clone.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use futures::{SinkExt, StreamExt};
/// use posesession_store::MemoryStore;
/// use posesession_ws::{Message, RecordOptions, RecordService, in_process};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = RecordService::new(Arc::new(MemoryStore::new()), None, RecordOptions::default());
/// let (server_end, mut client) = in_process(16);
/// tokio::spawn({
///     let service = service.clone();
///     async move { service.serve(server_end).await }
/// });
/// client.send(Message::text(r#"{"type":"start_recording","name":"Squat"}"#)).await?;
/// let Some(Ok(Message::Text(welcome))) = client.next().await else { panic!("no welcome") };
/// assert!(welcome.as_str().contains(r#""type":"welcome""#));
/// let Some(Ok(Message::Text(answer))) = client.next().await else { panic!("no answer") };
/// assert!(answer.as_str().contains("session_id"));
/// service.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RecordService {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn SessionStore>,
    media: Option<Arc<MediaStore>>,
    options: RecordOptions,
    clock: Clock,
    next_connection: AtomicU64,
    streams: Mutex<HashMap<String, StreamHandle>>,
    /// The sessions that are recorded here, or that nobody may go on with at the moment.
    recordings: Mutex<HashMap<SessionId, Recorded>>,
    /// How many bytes all streams keep while nothing is recorded.
    pre_roll_bytes: Arc<AtomicUsize>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl RecordService {
    /// The largest frame that is taken, without its image, in bytes.
    pub const MAX_FRAME_BYTES: usize = 4 << 20;
    /// The largest image that is taken, in bytes.
    pub const MAX_IMAGE_BYTES: usize = 2 << 20;
    /// The longest name of a stream, in bytes.
    pub const MAX_STREAM_NAME_BYTES: usize = 200;

    /// Makes a service over a store. Without a media store, images and video are refused.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>, media: Option<Arc<MediaStore>>, options: RecordOptions) -> Self {
        let inner = Inner {
            store,
            media,
            options,
            clock: Clock::start(),
            next_connection: AtomicU64::new(1),
            streams: Mutex::default(),
            recordings: Mutex::default(),
            pre_roll_bytes: Arc::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Serves one connection until it ends. Recordings go on without their controller.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if the connection broke off; a client that says goodbye, or the service's shutdown, is `Ok`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the connection as if the client had vanished.
    pub async fn serve<T: Transport>(&self, transport: T) -> Result<(), TransportError> {
        let id = ConnectionId(self.inner.next_connection.fetch_add(1, Ordering::Relaxed));
        let (peer, inbox) = Peer::new(id);
        let mut connection = Connection::new(self.clone(), transport, peer, inbox);
        connection.run().await
    }

    /// Finishes all recordings as interrupted, so that their publishers can go on with the next server, and ends all connections. Returns when everything is stored.
    pub async fn shutdown(&self) {
        self.inner.shutdown.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Returns how many sessions are being recorded.
    #[must_use]
    pub fn live_recordings(&self) -> usize {
        let recordings = lock(&self.inner.recordings);
        recordings.values().filter(|recorded| matches!(recorded, Recorded::Stream(_))).count()
    }

    /// Returns the names of the streams that somebody publishes at this moment, in alphabetical order.
    #[must_use]
    pub fn published_streams(&self) -> Vec<String> {
        let streams = lock(&self.inner.streams);
        let published = streams.values().filter(|stream| stream.is_published() && !stream.is_closed());
        let mut names: Vec<String> = published.map(|stream| stream.name().to_owned()).collect();
        names.sort();
        names
    }

    fn welcome(&self) -> Welcome {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let RecordOptions { reorder_window, message_timeout, .. } = self.inner.options;
        let media = self.inner.media.as_ref().map_or(Durability::Durable, |media| media.durability());
        let durability = self.inner.store.durability().and(media);
        Welcome {
            protocol: SUBPROTOCOL.to_owned(),
            server: self.inner.options.server.clone(),
            durable: durability.is_durable(),
            not_durable_because: durability.because().map(str::to_owned),
            limits: Limits {
                max_message_bytes: MAX_MESSAGE_BYTES,
                max_frame_bytes: Self::MAX_FRAME_BYTES,
                max_image_bytes: Self::MAX_IMAGE_BYTES,
                max_persons: PoseData::MAX_PERSONS,
                max_keypoints: Skeleton::MAX_KEYPOINTS,
                reorder_window_ms: millis(reorder_window),
                max_idle_message_ms: message_timeout.map(millis),
            },
        }
    }

    /// Returns the stream of this name, made if it is not there.
    fn stream(&self, name: &str) -> Result<StreamHandle, ProtocolError> {
        if name.is_empty() || name.len() > Self::MAX_STREAM_NAME_BYTES || name.chars().any(char::is_control) {
            let message = "a stream's name has 1 to 200 bytes and no control characters";
            return Err(ProtocolError::new(ErrorCode::BadMessage, message));
        }
        let mut streams = lock(&self.inner.streams);
        if let Some(handle) = streams.get(name)
            && !handle.is_closed()
        {
            return Ok(handle.clone());
        }
        if self.inner.shutdown.is_cancelled() {
            return Err(ProtocolError::new(ErrorCode::ShuttingDown, "the server is shutting down"));
        }
        if streams.len() >= self.inner.options.max_streams {
            let message = format!("there are {} streams already", self.inner.options.max_streams);
            return Err(ProtocolError::new(ErrorCode::TooLarge, message));
        }
        let handle = stream::spawn(self.clone(), name.to_owned());
        streams.insert(name.to_owned(), handle.clone());
        Ok(handle)
    }

    /// Returns the stream whose session this is, if it is being recorded by this process.
    fn stream_of(&self, session: SessionId) -> Option<StreamHandle> {
        match lock(&self.inner.recordings).get(&session) {
            Some(Recorded::Stream(stream)) => Some(stream.clone()),
            Some(Recorded::Held) | None => None,
        }
    }

    /// Notes that a stream records a session. Of two streams, one does.
    fn reserve(&self, session: SessionId, stream: &str) -> Result<(), ProtocolError> {
        let handle = lock(&self.inner.streams).get(stream).cloned();
        match (lock(&self.inner.recordings).entry(session), handle) {
            (Entry::Vacant(entry), Some(handle)) => {
                entry.insert(Recorded::Stream(handle));
                Ok(())
            }
            (Entry::Vacant(_), None) => {
                Err(ProtocolError::new(ErrorCode::ShuttingDown, "the server is shutting down"))
            }
            (Entry::Occupied(_), _) => {
                let message = format!("the session {session} is in use at the moment: try again");
                Err(ProtocolError::new(ErrorCode::Storage, message))
            }
        }
    }

    /// Notes that a stream doesn't record a session any more.
    fn release(&self, session: SessionId, stream: &str) {
        if let Entry::Occupied(entry) = lock(&self.inner.recordings).entry(session)
            && matches!(entry.get(), Recorded::Stream(handle) if handle.name() == stream)
        {
            entry.remove();
        }
    }

    /// Keeps everybody from going on with a session until the guard is dropped: for those who put its video together.
    /// Returns nothing if it is being recorded.
    #[must_use]
    pub fn hold(&self, session: SessionId) -> Option<HeldSession> {
        match lock(&self.inner.recordings).entry(session) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(Recorded::Held);
                Some(HeldSession { service: self.clone(), session })
            }
        }
    }
}

/// Who has a session to itself.
#[derive(Debug)]
enum Recorded {
    Stream(StreamHandle),
    Held,
}

/// A session with which nobody goes on as long as this is there: see [`RecordService::hold`].
#[derive(Debug)]
pub struct HeldSession {
    service: RecordService,
    session: SessionId,
}

impl Drop for HeldSession {
    fn drop(&mut self) {
        lock(&self.service.inner.recordings).remove(&self.session);
    }
}

/// Locks a mutex. What it guards is a plain map, whole between any two statements, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
