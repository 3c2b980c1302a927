//! What a server does by itself, now and then: erases what was deleted, puts together what was left.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use posesession_core::SessionId;
use posesession_store::{MediaError, StoreError};
use thiserror::Error;
use tokio::time::MissedTickBehavior;

use crate::state::AppState;

/// Erases sessions that were deleted longer ago than [`crate::ServerConfig::erase_after`], now and then, for ever.
pub(crate) async fn erase_deleted(state: Arc<AppState>) {
    let mut ticks = tokio::time::interval(state.config.erase_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = erase_once(&state).await {
            tracing::warn!(%error, "deleted sessions could not be erased; trying again later");
        }
    }
}

/// Puts the videos together that a predecessor left in pieces, once nobody can be expected to go on with their sessions.
pub(crate) async fn join_left_videos(state: Arc<AppState>) {
    tokio::time::sleep(state.config.resume_window).await;
    if let Err(error) = state.storage.join_left_videos(|id| state.record.hold(id)).await {
        tracing::warn!(%error, "videos that were left in pieces could not be put together; the next start tries again");
    }
}

async fn erase_once(state: &AppState) -> Result<(), EraseError> {
    let restorable = TimeDelta::from_std(state.config.erase_after).unwrap_or(TimeDelta::MAX);
    let Some(deleted_before) = Utc::now().checked_sub_signed(restorable) else { return Ok(()) };
    for id in state.storage.store().deleted_sessions(deleted_before).await? {
        erase(state, id).await?;
    }
    Ok(())
}

/// Erases the media first: what they belong to is still known if that breaks off.
async fn erase(state: &AppState, id: SessionId) -> Result<(), EraseError> {
    if let Some(media) = state.storage.media() {
        media.delete_session(id).await?;
    }
    match state.storage.store().erase_session(id).await {
        Ok(()) => {
            state.replay.session_changed(id);
            tracing::info!(session = %id, "erased a deleted session");
            Ok(())
        }
        Err(StoreError::SessionNotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Why a deleted session is still there.
#[derive(Debug, Error)]
enum EraseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Media(#[from] MediaError),
}
