//! The accept loop: connections in, until told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerConfig;
use crate::connection::{self, Connection};
use crate::housekeeping;
use crate::routes;
use crate::state::AppState;
use crate::storage::Storage;

/// Serves `listener` until `shutdown` is ready, then finishes what is open and returns.
///
/// At the end, recordings are interrupted first, all of them stored, so that their senders hear of it and can go on with the
/// next server; then open requests and WebSockets get
/// [`ServerConfig::shutdown_grace`]; the storage is closed last.
///
/// # Errors
///
/// [`io::Error`] if the listener has no address.
///
/// # Cancel safety
///
/// A server that is dropped stops as by `kill -9`: acknowledged frames are kept, recordings are interrupted.
pub async fn run(
    listener: TcpListener,
    storage: Storage,
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if let Some(because) = storage.durability().because() {
        tracing::warn!("a power loss may take what was acknowledged: {because}");
    }
    let state = Arc::new(AppState::new(storage, config, address));
    if state.config.resume_window.is_zero() {
        housekeeping::join_left_videos(Arc::clone(&state)).await;
    }
    let mut keepers = JoinSet::new();
    keepers.spawn(housekeeping::erase_deleted(Arc::clone(&state)));
    if !state.config.resume_window.is_zero() {
        keepers.spawn(housekeeping::join_left_videos(Arc::clone(&state)));
    }
    let router = routes::router(Arc::clone(&state));
    let slots = Arc::new(Semaphore::new(state.config.max_connections));
    let tracker = TaskTracker::new();
    let draining = CancellationToken::new();

    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let Some((stream, _peer)) = settle(accepted).await else { continue };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            state.metrics.connection_refused();
            tracker.spawn(connection::refuse(stream));
            continue;
        };
        let connection = Connection {
            stream,
            slot: Arc::new(slot),
            router: router.clone(),
            state: Arc::clone(&state),
            draining: draining.clone(),
        };
        tracker.spawn(state.cut_off.clone().run_until_cancelled_owned(connection.serve()));
    }

    drop(listener);
    tracing::info!("stopping: finishing recordings and open requests");
    state.record.shutdown().await;
    state.replay.shutdown();
    draining.cancel();
    state.sockets.close();
    tracker.close();
    let drained = async {
        tracker.wait().await;
        state.sockets.wait().await;
    };
    if tokio::time::timeout(state.config.shutdown_grace, drained).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut off");
        state.cut_off.cancel();
        tracker.wait().await;
        state.sockets.wait().await;
    }
    keepers.shutdown().await;
    state.storage.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Returns an accepted connection; a failure to accept is logged and waited out, as it is rarely the last word (out of
/// file descriptors, a connection reset in the queue).
async fn settle(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok(connection) => Some(connection),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            None
        }
    }
}
