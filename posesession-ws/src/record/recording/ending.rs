//! How a recording comes to its end: its last frames, its last status, its video; or nothing of it.

use std::sync::Arc;

use posesession_core::{QualityReport, SessionId, SessionRecording, SessionStatus};
use posesession_store::{SessionChange, SessionStore, StoreError, Term};

use super::{KeepError, RETRY_MOST, Recording, storage_error};
use crate::protocol::{ErrorCode, ProtocolError};
use crate::record::{RecordService, video};

impl Recording {
    /// Refuses to go on with a recording that only waits for the store to end: what it doesn't take any more the publisher still has.
    pub(in crate::record) fn expect_not_ending(&self) -> Result<(), ProtocolError> {
        if self.ending.is_none() {
            return Ok(());
        }
        let message =
            format!("the session {} ends as soon as the store takes the rest of it: try again", self.id);
        Err(ProtocolError::new(ErrorCode::Storage, message))
    }

    /// Closes the session: the rest of the frames, the last status, the video as one file, unless `may_go_on`: its pieces are
    /// left for a publisher that comes back.
    pub(in crate::record) async fn finish(
        &mut self,
        status: SessionStatus,
        may_go_on: bool,
    ) -> Result<(SessionRecording, QualityReport), ProtocolError> {
        self.store_rest().await?;
        self.await_compaction().await;
        let closed = self.close(status, may_go_on).await;
        closed.map_err(|error| {
            self.is_lost |= error.is_final();
            error.told()
        })
    }

    async fn close(
        &mut self,
        status: SessionStatus,
        may_go_on: bool,
    ) -> Result<(SessionRecording, QualityReport), KeepError> {
        let report = self.report();
        if self.closes_again {
            // The answer may be all that was lost; the facts of a video that is one file by now are not to be noted over.
            let session = self.store.read_session(self.id).await?;
            if session.status == status {
                return Ok((session, report));
            }
        }
        self.closes_again = true;
        // Before the last status: a session that tells it is whole.
        let change = SessionChange { report: Some(report.clone()), ..self.change() };
        self.store.update_session(self.id, change).await?;
        let session = match (&mut self.video, &self.media) {
            (Some(video), Some(_)) if may_go_on => {
                let facts = video.conclude(&self.recorder).clone();
                video::note(&*self.store, self.id, self.term, &facts).await?;
                set_last_status(&*self.store, self.id, self.term, status).await?
            }
            (Some(video), Some(media)) => {
                let mut facts = video.conclude(&self.recorder).clone();
                video::note(&*self.store, self.id, self.term, &facts).await?;
                // A server that dies before the video is one file finds by this status that it is left to do.
                let processing = SessionStatus::Processing;
                set_last_status(&*self.store, self.id, self.term, processing).await?;
                let joined = media.join_video(self.id, &facts).await?;
                if joined.as_ref().is_some_and(|joined| joined.is_rewritten) {
                    facts.cuts.clear();
                    video::note(&*self.store, self.id, self.term, &facts).await?;
                }
                let change = SessionChange {
                    status: Some(status),
                    video_file_path: Some(joined.map(|joined| joined.path)),
                    ..self.change()
                };
                self.store.update_session(self.id, change).await?
            }
            _ => set_last_status(&*self.store, self.id, self.term, status).await?,
        };
        Ok((session, report))
    }

    /// Gives a session whose frames can't be stored its last status; what is stored can be replayed.
    pub(in crate::record) async fn give_up(&mut self) {
        self.await_compaction().await;
        let change = SessionChange { report: Some(self.report()), ..self.change() };
        if let Err(error) = self.store.update_session(self.id, change).await {
            tracing::warn!(session = %self.id, %error, "the store can't keep the report of a recording that failed");
        }
        if let Err(error) = self.store.finish(self.id, self.term, SessionStatus::Failed).await {
            tracing::warn!(session = %self.id, %error, "the store can't note that the recording failed");
        }
    }

    /// Leaves a session that could not be gone on with after all.
    pub(in crate::record) fn leave(self, service: &RecordService) {
        leave(service, self.id, self.term);
    }

    async fn await_compaction(&mut self) {
        if let Some(compaction) = self.compaction.take()
            && let Err(error) = compaction.await
        {
            tracing::error!(session = %self.id, %error, "compaction broke off");
        }
    }

    /// Notes with the session whether it is paused, so that lists show it. A store that doesn't take it is asked again later;
    /// only that the session is gone, or another server's, is an error: the recording is lost.
    pub(in crate::record) async fn note_status(&mut self) -> Result<(), ProtocolError> {
        let status = self.recorder.status();
        if status == self.noted_status || !status.is_live() || self.trouble.is_some() {
            return Ok(());
        }
        let change = SessionChange { status: Some(status), ..self.change() };
        match self.store.update_session(self.id, change).await {
            Ok(_) => self.noted_status = status,
            Err(error) => {
                tracing::warn!(session = %self.id, %error, "the store doesn't note that the recording is {status}");
                if matches!(error, StoreError::Fenced { .. } | StoreError::SessionNotFound { .. }) {
                    self.is_lost = true;
                    return Err(storage_error(&error));
                }
            }
        }
        Ok(())
    }

    /// An empty change, which the store refuses once another server records the session: all that a recording writes carries
    /// its term.
    fn change(&self) -> SessionChange {
        SessionChange { term: Some(self.term), ..SessionChange::default() }
    }

    /// Erases the session with all that belongs to it. Returns why its media are left, if so: there is nothing then to which
    /// they belong.
    pub(in crate::record) async fn discard(&mut self) -> Result<Option<ProtocolError>, ProtocolError> {
        self.await_compaction().await;
        // What another server records by now is not this one's to erase.
        match self.store.update_session(self.id, self.change()).await {
            Ok(_) | Err(StoreError::SessionNotFound { .. }) => {}
            Err(error) => {
                self.is_lost = matches!(error, StoreError::Fenced { .. });
                return Err(storage_error(&error));
            }
        }
        // An append under way finds nothing to append to, or is erased with the rest.
        self.store.erase_session(self.id).await.map_err(|error| storage_error(&error))?;
        self.append = None;
        let Some(media) = &self.media else { return Ok(None) };
        let left = media.delete_session(self.id).await.err();
        Ok(left.map(|error| KeepError::from(error).told()))
    }
}

/// Lets a session that this process could not go on with be `interrupted` again, in its own time: `term` made it live, though
/// nobody records it. Whoever goes on with it meanwhile has a later term.
pub(super) fn leave(service: &RecordService, id: SessionId, term: Term) {
    let (store, shutdown) = (Arc::clone(&service.inner.store), service.inner.shutdown.clone());
    service.inner.tasks.spawn(async move {
        loop {
            let Err(error) =
                store.finish(id, term, SessionStatus::Interrupted).await.map_err(KeepError::from)
            else {
                return;
            };
            if error.is_final() {
                tracing::debug!(session = %id, %error, "the session is not left as interrupted");
                return;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY_MOST) => {}
            }
        }
    });
}

/// Gives a session its last status; one that has it already got it by an earlier try whose answer was lost.
async fn set_last_status(
    store: &dyn SessionStore,
    id: SessionId,
    term: Term,
    status: SessionStatus,
) -> Result<SessionRecording, StoreError> {
    match store.finish(id, term, status).await {
        Err(StoreError::NotLive { status: its, .. }) if its == status => store.read_session(id).await,
        finished => finished,
    }
}
