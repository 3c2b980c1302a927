//! Which recordings of a place are under way, so that they are stopped when it is closed.

use std::sync::{Mutex, PoisonError};

use posesession_core::SessionId;
use posesession_ws::ClientError;
use tokio::sync::{mpsc, oneshot};

use super::connection::Command;
use super::frame_stream::FrameStream;

/// The recordings of a store that are under way.
#[derive(Debug, Default)]
pub(crate) struct LiveRecordings(Mutex<Vec<(SessionId, mpsc::WeakSender<Command>)>>);

impl LiveRecordings {
    pub(super) fn add(&self, session: SessionId, frames: &FrameStream) {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|(_session, commands)| commands.strong_count() > 0);
        live.extend(frames.weak_commands().map(|commands| (session, commands)));
    }

    /// Stops all of them: what was pushed is durable then. Returns the first failure.
    pub(crate) async fn stop(&self) -> Result<(), ClientError> {
        let live = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut stopped = Ok(());
        let live = live.iter().filter_map(|(session, commands)| Some((*session, commands.upgrade()?)));
        for (session, commands) in live {
            let (reply, answer) = oneshot::channel();
            if commands.send(Command::Stop { session, reply }).await.is_ok()
                && let Ok(Err(error)) = answer.await
            {
                stopped = stopped.and(Err(error));
            }
        }
        stopped
    }
}
