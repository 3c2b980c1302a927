//! A stop that is asked for once more, as its answer got lost: the session out of the store in, the same answer out.

use posesession_core::SessionStatus;
use posesession_store::StoreError;
use serde_json::json;

use super::RecordService;
use super::recording::storage_error;
use super::stream::Answer;
use crate::protocol::{ErrorCode, SessionRef};

impl RecordService {
    /// Returns the answer, unless it is that the named session isn't recorded and that session is complete: then what it was
    /// answered when it was stopped.
    pub(super) async fn or_stopped_before(&self, asked: &SessionRef, answer: Answer) -> Answer {
        let is_missing = matches!(&answer, Err(error) if error.code == ErrorCode::NoRecording);
        let Some(id) = asked.session_id.filter(|_| is_missing) else { return answer };
        match self.inner.store.read_session(id).await {
            Ok(session) if session.status == SessionStatus::Completed && session.report.is_some() => {
                let report = session.report.clone();
                Ok(json!({
                    "type": "recording_finalized", "session_id": id, "session": session, "report": report,
                }))
            }
            Ok(_) | Err(StoreError::SessionNotFound { .. }) => answer,
            Err(error) => Err(storage_error(&error)),
        }
    }
}
