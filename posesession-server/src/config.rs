//! What a server can be told, beside where it listens and what it keeps.

use std::path::PathBuf;
use std::time::Duration;

use posesession_core::Encoding;
use posesession_store::ChunkCache;

use crate::origin::Origin;

/// The settings of one server. The defaults are those of the program.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The folder with the browser's pose model and library, served at `/vision/`; it need not exist.
    pub vision: PathBuf,
    /// Other sites whose pages may use the scripts, the HTTP API and both WebSockets; by default none.
    pub allowed_origins: Vec<Origin>,
    /// How many connections may be open at once, WebSockets included; further ones are answered 503.
    pub max_connections: usize,
    /// How long a new connection may stay silent.
    pub first_byte_timeout: Duration,
    /// How long a request's header may take from its first byte, and how long a connection may idle between requests.
    pub header_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The largest file that may be imported, in bytes. It may take as long as it likes, but no piece of it longer than
    /// [`Self::body_timeout`].
    pub max_import_bytes: u64,
    /// How long a response may wait for its reader to take anything.
    pub write_timeout: Duration,
    /// How long a WebSocket's message may take from its first byte to its last.
    pub message_timeout: Duration,
    /// How often a WebSocket's client is pinged; one from which nothing comes for two pings in a row is gone.
    pub ping_every: Duration,
    /// How many bytes of decoded frames are kept for replays, images and looks at single frames; 0 keeps none.
    pub chunk_cache_bytes: usize,
    /// How sessions are kept whose starter doesn't say.
    pub encoding: Encoding,
    /// How long a recording whose publisher is gone waits for it, before it ends as interrupted and its video is put together.
    pub resume_window: Duration,
    /// How long a deleted session can be restored.
    pub erase_after: Duration,
    /// How often sessions that were deleted longer ago than that are looked for.
    pub erase_every: Duration,
    /// How long open requests and connections may go on once the server is told to stop.
    pub shutdown_grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            vision: PathBuf::from("./vision"),
            allowed_origins: Vec::new(),
            max_connections: 1_024,
            first_byte_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            max_body_bytes: 1 << 20,
            max_import_bytes: 8 << 30,
            write_timeout: Duration::from_secs(60),
            message_timeout: Duration::from_secs(30),
            ping_every: Duration::from_secs(20),
            chunk_cache_bytes: ChunkCache::DEFAULT_BYTES,
            encoding: Encoding::default(),
            resume_window: Duration::from_secs(600),
            erase_after: Duration::from_secs(60),
            erase_every: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(5),
        }
    }
}
