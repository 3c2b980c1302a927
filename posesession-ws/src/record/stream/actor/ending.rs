//! How a recording ends: stopped, discarded, abandoned; also while the store is down.

use std::time::Duration;

use posesession_core::SessionStatus;
use serde_json::{Value, json};

use super::StreamActor;
use crate::protocol::{ErrorCode, ProtocolError};
use crate::record::live::{Fact, LiveEvent};
use crate::record::peer::json_message;
use crate::record::stream::Answer;

impl StreamActor {
    /// Ends the recording and stores all of it before the answer. One that `may_go_on` keeps the pieces of its video.
    ///
    /// If the store is down, the recording takes no more frames, but is there until it is stored: [`Self::end_at_last`].
    pub(super) async fn stop(&mut self, status: SessionStatus, may_go_on: bool) -> Answer {
        let now = self.service.inner.clock.now();
        let Some(recording) = &mut self.recording else {
            return Err(ProtocolError::new(ErrorCode::NoRecording, "nothing is being recorded"));
        };
        // One that is asked to stop for a second time ends as it was first meant to, and only what is interrupted goes on.
        let status = *recording.ending.get_or_insert(status);
        let may_go_on = may_go_on && status == SessionStatus::Interrupted;
        if recording.recorder.status().is_live() {
            let ended = match status {
                SessionStatus::Interrupted => recording.recorder.interrupt(now),
                _ => recording.recorder.finish(now),
            };
            if let Err(error) = ended {
                tracing::warn!(session = %recording.id, %error, "the recorder had ended before");
            }
        }
        let finished = recording.finish(status, may_go_on).await;
        let (id, stored_through, is_lost) = (recording.id, recording.stored_through, recording.is_lost);
        self.acknowledge(stored_through);
        match finished {
            Ok((session, report)) => {
                let last_status = self.last_status();
                self.recording = None;
                if may_go_on {
                    // To its publisher nothing has ended: it keeps what is not acknowledged for the next server.
                    last_status
                        .into_iter()
                        .for_each(|status| self.live.tell(LiveEvent::Fact(Fact::Recording, status)));
                    self.forget_recording(id);
                } else {
                    self.recording_ended(id);
                    last_status.into_iter().for_each(|status| self.tell_all(status));
                }
                Ok(json!({
                    "type": "recording_finalized",
                    "session_id": id,
                    "session": session,
                    "report": report,
                }))
            }
            Err(error) if is_lost => {
                self.lose(&error).await;
                Err(error)
            }
            Err(error) => {
                tracing::warn!(session = %id, %error, "the recording can't be finished yet; trying again");
                self.tell_status();
                Err(error)
            }
        }
    }

    fn last_status(&self) -> Option<crate::Message> {
        self.recording.as_ref().map(|recording| json_message(&recording.status_message(&self.name)))
    }

    /// Finishes a recording that could not be finished when it was stopped, once the store takes what is left.
    pub(super) async fn end_at_last(&mut self) {
        let Some(recording) = &self.recording else { return };
        let (Some(status), false) = (recording.ending, recording.is_storing()) else { return };
        match self.stop(status, false).await {
            Ok(finalized) => self.tell_all(json_message(&finalized)),
            Err(error) => {
                tracing::debug!(stream = %self.name, %error, "the recording still can't be finished");
            }
        }
    }

    /// Erases the recording. If the store doesn't, it goes on.
    pub(super) async fn discard(&mut self) -> Result<(), ProtocolError> {
        let Some(recording) = &mut self.recording else { return Ok(()) };
        let (discarded, id) = (recording.discard().await, recording.id);
        if let Err(error) = &discarded
            && recording.is_lost
        {
            self.lose(error).await;
        }
        let left = discarded?;
        self.recording = None;
        // There is no last status to tell by: everybody hears that the recording is gone.
        let stream = &*self.name;
        let gone: Value =
            json!({ "type": "recording_stopped", "session_id": id, "stream": stream, "discarded": true });
        self.tell_all(json_message(&gone));
        self.forget_recording(id);
        left.map_or(Ok(()), Err)
    }

    /// A recording whose publisher doesn't come back ends as `interrupted`.
    pub(super) async fn interrupt_if_abandoned(&mut self, now: Duration) {
        if self.recording.as_ref().is_some_and(|recording| recording.ending.is_some()) {
            return;
        }
        let alone_since = match &self.publisher {
            Some(publisher) => publisher.lost_at,
            None => self.recording.as_ref().map(|recording| recording.begun_at),
        };
        let patience = self.service.inner.options.publisher_patience;
        if alone_since.is_some_and(|since: Duration| now.saturating_sub(since) >= patience)
            && let Err(error) = self.stop(SessionStatus::Interrupted, false).await
        {
            tracing::error!(stream = %self.name, %error, "the abandoned recording could not be finished yet");
        }
    }
}
