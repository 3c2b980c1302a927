//! What the server says: answers to commands, acknowledgements, and how the recording goes.

use std::time::Duration;

use posesession_core::{SessionId, SessionStatus};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Driver;
use crate::caller::{ClientError, Incoming, read};
use crate::protocol::{Ack, ErrorCode, ProtocolError, RecordingStatus};
use crate::record::client::Finalized;
use crate::record::streamer::command::{Answer, Command, Stopped, What};
use crate::record::streamer::connect::Connect;
use crate::record::streamer::end::{StreamEnd, StreamerError, is_passing, refused};
use crate::record::streamer::events::StreamerEvent;
use crate::record::streamer::shared::State;

/// How long a command that the store couldn't do waits before it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
struct OfSession {
    session_id: SessionId,
}

impl<C: Connect> Driver<C> {
    /// Takes a message. Returns why all is over, if it is.
    pub(super) fn receive(&mut self, incoming: Incoming) -> Option<StreamEnd> {
        let Incoming::Json(message) = incoming else { return None };
        if !message["id"].is_null() {
            if self.restoring.is_some_and(|id| message["id"] == json!(id)) {
                self.restoring = None;
                // It may stand so already.
                if message["type"] == "error" && message["code"] != json!(ErrorCode::BadState) {
                    let error = read(message).map(StreamerEvent::Error);
                    error.into_iter().for_each(|error| self.shared.tell(error));
                }
                return None;
            }
            let asked = |command: &Command| command.asked_as.is_some_and(|id| message["id"] == json!(id));
            let at = self.queue.iter().position(asked)?;
            let command = self.queue.remove(at)?;
            self.alive_at = self.shared.clock.now();
            self.back_off.reset();
            self.take_answer(command, message);
            return None;
        }
        let taken = self.take_event(message);
        taken.unwrap_or_else(|error| {
            tracing::warn!(%error, "a message of the server's can't be read");
            None
        })
    }

    fn take_event(&mut self, message: Value) -> Result<Option<StreamEnd>, ClientError> {
        match message["type"].as_str() {
            Some("ack") => self.take_ack(&read(message)?),
            Some("recording_status") => self.take_status(read(message)?),
            Some("recording_started") => {
                let OfSession { session_id } = read(message)?;
                let is_own = self.queue.iter().any(|command| command.starts(session_id));
                self.shared.state().enter(session_id, is_own);
            }
            Some("recording_stopped") => self.take_stopped(read::<OfSession>(message)?.session_id),
            Some("error") => {
                let error: ProtocolError = read(message)?;
                // Put out by another publisher: frames of this one are no longer heard.
                if error.code == ErrorCode::NotPublisher {
                    self.shared.state().leave_all(None);
                    return Ok(Some(StreamEnd::Superseded(error)));
                }
                let mut state = self.shared.state();
                if error.frame_number.is_some() {
                    state.figures.refused += 1;
                } else if error.facts.get("kind").is_some_and(|kind| kind == "video") {
                    self.take_video_refusal(&mut state, &error);
                }
                state.events.tell(StreamerEvent::Error(error));
            }
            _ => {}
        }
        self.shared.told.notify_one();
        Ok(None)
    }

    /// A piece of video that was refused is sent again, unless the recording takes none.
    fn take_video_refusal(&self, state: &mut State, error: &ProtocolError) {
        let wanted = error.facts.get("expected").and_then(Value::as_u64);
        state.video.ack(wanted.unwrap_or(0));
        let takes_none = error.code == ErrorCode::BadState;
        if takes_none && let Some(session) = &mut state.session {
            session.takes_video = false;
        }
        if takes_none || wanted.is_some_and(|wanted| state.video.has_hole_at(wanted)) {
            state.give_video_up();
        } else {
            state.video.put_off(self.shared.clock.now());
        }
        self.shared.settled.notify_waiters();
    }

    fn take_ack(&mut self, ack: &Ack) {
        {
            let mut state = self.shared.state();
            let is_mine = Some(&ack.publisher) == self.options.publish.publisher.as_ref()
                && state.session.is_some_and(|session| session.id == ack.session_id);
            if !is_mine {
                return;
            }
            self.alive_at = self.shared.clock.now();
            if ack.stored_through > state.frames.acked_through() {
                self.back_off.reset();
            }
            state.ack(ack.stored_through);
        }
        self.shared.settled.notify_waiters();
    }

    fn take_status(&mut self, status: RecordingStatus) {
        {
            let mut state = self.shared.state();
            let is_changing = self.is_changing(&state);
            let was_paused = state.timeline.is_paused_at(None);
            let Some(session) = state.session.as_mut().filter(|session| session.id == status.session_id)
            else {
                return;
            };
            session.status = status.status;
            let is_paused = status.status == SessionStatus::Paused;
            if was_paused == is_paused {
                session.is_agreed = true;
            } else if session.is_agreed && !is_changing && status.status.is_live() {
                state.timeline.change(self.cursor.checked_sub(1), is_paused);
                self.is_paused = is_paused;
            }
            // A server that says why it stores nothing is there; another connection would not help.
            if status.trouble.is_some() {
                self.alive_at = self.shared.clock.now();
            }
            state.trouble.clone_from(&status.trouble);
            state.video.ack(status.video_stored_bytes);
            state.events.tell(StreamerEvent::Status(status));
        }
        self.shared.settled.notify_waiters();
    }

    /// The recording has ended: by this streamer, whose answer is still to come, or by somebody else.
    fn take_stopped(&mut self, session: SessionId) {
        let is_asked_for =
            self.queue.iter().any(|command| command.ends_recording() && command.asked_as.is_some());
        if is_asked_for {
            return;
        }
        {
            let mut state = self.shared.state();
            if let Some(left) = state.session.filter(|left| left.id == session) {
                let last = self.last_recorded(&state);
                state.leave(Some(left.status), last);
            }
        }
        self.is_paused = false;
        self.shared.settled.notify_waiters();
    }

    fn take_answer(&mut self, mut command: Command, message: Value) {
        if message["type"] == "error" {
            match read::<ProtocolError>(message) {
                Ok(error) => self.take_refusal(command, error),
                Err(error) => command.answer(Err(StreamerError::Client(error))),
            }
            return;
        }
        let answer = match &mut command.what {
            What::Publish(publish) => {
                // It is what the next connection publishes, too.
                self.options.publish.clone_from(publish);
                Ok(Answer::Done)
            }
            What::Pause(_) | What::Mark { .. } => Ok(Answer::Done),
            What::Start(_) => read::<OfSession>(message).map(|started| {
                let mut state = self.shared.state();
                state.enter_own(started.session_id);
                Answer::Started(started.session_id)
            }),
            What::Stop { .. } => self.take_finalized(message, command.after),
            What::Discard { .. } => {
                let mut state = self.shared.state();
                // What was not acknowledged was to be erased all the same.
                state.ack(command.after);
                state.video.reset();
                state.leave(None, command.after);
                Ok(Answer::Done)
            }
        };
        self.shared.settled.notify_waiters();
        self.shared.told.notify_one();
        command.answer(answer.map_err(StreamerError::Client));
    }

    fn take_finalized(&mut self, message: Value, last: Option<u64>) -> Result<Answer, ClientError> {
        let finalized: Finalized = read(message)?;
        let (session_id, status) = (finalized.session.id, Some(finalized.session.status));
        let not_stored = {
            let mut state = self.shared.state();
            state.video.ack(finalized.video_stored_bytes());
            state.leave(status, last)
        };
        self.is_paused = false;
        let finalized = Some(finalized);
        Ok(Answer::Stopped(Box::new(Stopped { session_id, status, not_stored, finalized })))
    }

    fn take_refusal(&mut self, mut command: Command, error: ProtocolError) {
        match &command.what {
            // The store is away: the server goes on trying, and so does this.
            What::Stop { .. } | What::Discard { .. } if is_passing(error.code) => {
                self.shared.tell(StreamerEvent::Error(error));
                command.asked_as = None;
                command.not_before = self.shared.clock.now() + ASK_AGAIN_AFTER;
                self.queue.push_front(command);
                return;
            }
            // It was done before, and only the answer got lost, or the server that had paused is gone.
            What::Pause(_) if command.was_asked && error.code == ErrorCode::BadState => {
                command.answer(Ok(Answer::Done));
                return;
            }
            // It stands as it was to stand already; after any other refusal it stands as before.
            What::Pause(is_pause) if error.code != ErrorCode::BadState => {
                self.is_paused = !is_pause;
                self.shared.state().timeline.undo(command.after, *is_pause);
            }
            What::Stop { .. } if error.code == ErrorCode::NoRecording => {
                self.shared.state().leave(None, command.after);
            }
            What::Start(start) => {
                let mut state = self.shared.state();
                state.starting.pop_front();
                if let Some(id) = start.session_id.filter(|_| !state.takes_video()) {
                    state.lose_video(id);
                    self.shared.told.notify_one();
                }
                if let Some(next) = state.next_start().filter(|_| state.session.is_none()) {
                    state.let_go_through(next);
                }
            }
            _ => {}
        }
        self.shared.settled.notify_waiters();
        command.answer(Err(refused(error)));
    }
}
