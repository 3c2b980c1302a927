//! What goes out next: commands in their place among the frames, frames in order, video when there is nothing else.

use posesession_core::Unacked;
use serde_json::json;

use super::Driver;
use crate::message::Message;
use crate::record::streamer::command::{Command, What};
use crate::record::streamer::connect::Connect;
use crate::record::streamer::shared::State;

/// What the next number is.
enum Next {
    Frame(u64, bytes::Bytes),
    Dropped(u64, u64),
    Nothing,
}

impl Next {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Frame(number, _) | Self::Dropped(number, _) => Some(*number),
            Self::Nothing => None,
        }
    }
}

impl<C: Connect> Driver<C> {
    /// Returns the next message, if there is anything to say.
    pub(super) fn next_message(&mut self) -> Option<Message> {
        let shared = std::sync::Arc::clone(&self.shared);
        let mut state = shared.state();
        let asked = std::mem::take(&mut state.asked);
        self.queue.extend(asked);
        let was_waiting = state.frames.is_settled() || !state.is_recorded();
        loop {
            let next = match state.frames.from(self.cursor).next() {
                Some(Unacked::Frame { number, frame }) => Next::Frame(number, frame.clone()),
                Some(Unacked::Dropped { first, last }) => Next::Dropped(first, last),
                None => Next::Nothing,
            };
            if let Some(command) = self.due_command(&next, &mut state) {
                return Some(command);
            }
            if let Some(sync) = self.due_pause(&next, &mut state) {
                return Some(sync);
            }
            match next {
                Next::Frame(number, message) => {
                    self.cursor = number.saturating_add(1);
                    if self.highest_sent < Some(number) {
                        self.highest_sent = Some(number);
                        state.figures.sent += 1;
                    } else {
                        state.figures.resent += 1;
                    }
                    if !state.keeps(number) {
                        state.let_go_through(number);
                        shared.settled.notify_waiters();
                    } else if was_waiting {
                        self.alive_at = shared.clock.now();
                    }
                    return Some(Message::Binary(message));
                }
                Next::Dropped(first, last) => {
                    self.cursor = last.saturating_add(1);
                    if state.keeps(last) {
                        let told = json!({
                            "type": "frames_dropped", "first": first, "last": last, "cause": "overflow",
                        });
                        return Some(Message::text(told.to_string()));
                    }
                    state.let_go_through(last);
                    shared.settled.notify_waiters();
                }
                Next::Nothing => return state.video.next(shared.clock.now()).map(Message::Binary),
            }
        }
    }

    /// Returns the next command whose turn it is.
    fn due_command(&mut self, next: &Next, state: &mut State) -> Option<Message> {
        let now = self.shared.clock.now();
        let was_waiting = self.queue.iter().any(|command| command.asked_as.is_some());
        let command = self.queue.iter_mut().find(|command| command.asked_as.is_none())?;
        let is_next = next.number().is_none_or(|number| command.after < Some(number));
        if !is_next || command.not_before > now || (command.ends_recording() && state.video.holds_end()) {
            return None;
        }
        if let What::Pause(is_pause) = command.what {
            self.is_paused = is_pause;
            state.disagree();
            // What is asked for may be so already, without having been done.
            command.was_asked |= std::mem::take(&mut self.is_found_again);
        }
        let id = take_id(&mut self.next_id);
        command.asked_as = Some(id);
        if !was_waiting {
            self.alive_at = now;
        }
        Some(Message::text(command.what.message(id).to_string()))
    }

    /// Returns what brings the recording to where it stood when the next frame was pushed, after a connection that broke.
    fn due_pause(&mut self, next: &Next, state: &mut State) -> Option<Message> {
        state.session?;
        let is_pausing =
            |command: &Command| matches!(command.what, What::Pause(_)) && command.asked_as.is_none();
        if next.number().is_none() && self.queue.iter().any(is_pausing) {
            return None;
        }
        let wanted = state.timeline.is_paused_at(next.number());
        if wanted == self.is_paused {
            return None;
        }
        self.is_paused = wanted;
        state.disagree();
        let kind = if wanted { "pause_recording" } else { "resume_recording" };
        let id = take_id(&mut self.next_id);
        self.restoring = Some(id);
        Some(Message::text(json!({ "type": kind, "id": id }).to_string()))
    }
}

fn take_id(next: &mut i64) -> i64 {
    let id = *next;
    *next += 1;
    id
}
