//! A publisher that comes back to its session: to one that is recorded here, or to one that another server has left.

use posesession_core::{CommandError, SessionId, SessionStatus};
use posesession_store::StoreError;
use serde_json::json;

use super::StreamActor;
use crate::protocol::{ErrorCode, ProtocolError, ResumeSession};
use crate::record::peer::Peer;
use crate::record::recording::{Recording, storage_error};
use crate::record::stream::Answer;

impl StreamActor {
    pub(super) async fn resume_session(&mut self, peer: Peer, resume: ResumeSession) -> Answer {
        self.check_not_left(&peer)?;
        let ResumeSession { session_id, publisher: name, take_over, .. } = resume;
        if !take_over {
            self.check_newest(&peer, &name)?;
        }
        let same = self.publisher.as_ref().is_some_and(|publisher| publisher.name == name);
        if !(same || take_over) {
            self.check_free_for(&peer)?;
        }
        match self.recording.as_ref().map(|recording| recording.id) {
            Some(recorded) if recorded == session_id => {
                self.recording.as_ref().map_or(Ok(()), Recording::expect_not_ending)?;
                self.hand_numbers_over(&name, same).await?;
            }
            Some(recorded) => {
                let message = format!("the stream `{}` is being recorded as another session", self.name);
                let error = ProtocolError::new(ErrorCode::AlreadyRecording, message);
                return Err(error.with("session_id", recorded.to_string()));
            }
            None => self.reopen(session_id, &name, take_over).await?,
        }
        self.install(peer, name, true);
        let Some(recording) = &self.recording else {
            return Err(ProtocolError::new(ErrorCode::NoRecording, "the recording has ended meanwhile"));
        };
        let (status, reopened) = (recording.status_message(&self.name), recording.is_as_reopened);
        self.tell_status();
        Ok(json!({
            "type": "session_resumed",
            "session_id": session_id,
            "stream": &*self.name,
            "stored_through": status.stored_through,
            "status": status.status,
            "video_stored_bytes": status.video_stored_bytes,
            "reopened": reopened,
        }))
    }

    /// Goes on with a session that this process doesn't record.
    async fn reopen(&mut self, id: SessionId, publisher: &str, take_over: bool) -> Result<(), ProtocolError> {
        let told = |error: StoreError| storage_error(&error);
        let store = &self.service.inner.store;
        let session = store.read_session(id).await.map_err(told)?;
        let progress = store.progress(id).await.map_err(told)?;
        if !(session.status.is_live() || session.status == SessionStatus::Interrupted) {
            let message = format!("the session is {} and takes no more frames", session.status);
            let mut error =
                ProtocolError::new(ErrorCode::NotResumable, message).with("status", session.status.as_str());
            if progress.publisher.as_deref() == Some(publisher) {
                // What it says counts as an acknowledgement.
                error = error.with("stored_through", progress.settled_through);
            }
            return Err(error);
        }
        let is_anothers = progress.publisher.is_some_and(|its| its != publisher);
        if is_anothers && !take_over {
            let message = "another publisher may come back to this session; `take_over` shuts it out";
            return Err(ProtocolError::new(ErrorCode::StreamBusy, message));
        }
        if let (Some(own), Some(its)) = (self.skeleton.as_deref(), &session.skeleton)
            && own != its
        {
            let message = format!("the session's skeleton is `{}`, not that of the stream", its.name);
            return Err(ProtocolError::new(ErrorCode::KeypointMismatch, message));
        }
        // From here on nobody else of this process may go on with it, nor put its video together.
        self.service.reserve(id, &self.name)?;
        let taken_up = self.take_up(id, publisher).await;
        if taken_up.is_err() {
            self.service.release(id, &self.name);
        }
        taken_up
    }

    async fn take_up(&mut self, id: SessionId, publisher: &str) -> Result<(), ProtocolError> {
        let mut recording = Recording::reopen(&self.service, id, publisher, self.fps).await?;
        if let Err(error) = self.agree_on_skeleton(&mut recording) {
            recording.leave(&self.service);
            return Err(error);
        }
        tracing::info!(session = %id, "the recording goes on");
        self.before.belong_to(publisher);
        self.before.clear();
        self.recording = Some(recording);
        self.tell_started(id);
        Ok(())
    }
    fn agree_on_skeleton(&mut self, recording: &mut Recording) -> Result<(), ProtocolError> {
        let mismatch =
            |error: CommandError| ProtocolError::new(ErrorCode::KeypointMismatch, error.to_string());
        match (recording.recorder.skeleton().cloned(), self.skeleton.as_deref().cloned()) {
            (None, Some(own)) => recording.recorder.set_skeleton(own).map_err(mismatch),
            (Some(its), None) => self.declare(its),
            _ => Ok(()),
        }
    }
}
