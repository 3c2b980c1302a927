//! What all requests of one server share.

use std::net::SocketAddr;
use std::sync::Arc;

use posesession_ws::{RecordOptions, RecordService, ReplayOptions, ReplayService};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::own_names::OwnNames;
use crate::storage::Storage;

/// What all requests of one server share.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) storage: Storage,
    pub(crate) config: ServerConfig,
    pub(crate) own_names: OwnNames,
    pub(crate) metrics: Metrics,
    /// The WebSockets, which live on after their HTTP connections.
    pub(crate) sockets: TaskTracker,
    /// Cancelled when connections that don't end by themselves are no longer waited for.
    pub(crate) cut_off: CancellationToken,
    pub(crate) record: RecordService,
    pub(crate) replay: ReplayService,
}

impl AppState {
    pub(crate) fn new(storage: Storage, config: ServerConfig, address: SocketAddr) -> Self {
        let store = Arc::clone(storage.store());
        let options =
            ReplayOptions { chunk_cache_bytes: config.chunk_cache_bytes, ..ReplayOptions::default() };
        let recording = RecordOptions {
            encoding: config.encoding.clone(),
            message_timeout: Some(config.message_timeout),
            publisher_patience: config.resume_window,
            ..RecordOptions::default()
        };
        let record = RecordService::new(Arc::clone(&store), storage.media().cloned(), recording);
        Self {
            storage,
            own_names: OwnNames::of(address, config.allowed_origins.clone()),
            config,
            metrics: Metrics::default(),
            sockets: TaskTracker::new(),
            cut_off: CancellationToken::new(),
            record,
            replay: ReplayService::new(store, options),
        }
    }
}
