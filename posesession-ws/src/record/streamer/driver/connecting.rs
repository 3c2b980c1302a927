//! A connection in, one that publishes and has found its session again out.

use posesession_core::{SessionId, SessionStatus};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Driver, Exit};
use crate::caller::{Caller, ClientError, Incoming};
use crate::protocol::{ErrorCode, ProtocolError, Publish};
use crate::record::client::Finalized;
use crate::record::streamer::command::{Answer, Command, Stopped, What};
use crate::record::streamer::connect::Connect;
use crate::record::streamer::end::{StreamEnd, is_passing, refused};
use crate::record::streamer::events::StreamerEvent;
use crate::record::streamer::link::Link;
use crate::transport::Transport;

/// What a server says about a session that is gone on with.
#[derive(Debug, Deserialize)]
struct Resumed {
    #[serde(default)]
    stored_through: Option<u64>,
    #[serde(default)]
    status: Option<SessionStatus>,
    #[serde(default)]
    video_stored_bytes: Option<u64>,
    /// Whether the server had let go of it meanwhile, and with it of who paused it, and has not been told since; none from one that
    /// doesn't say.
    #[serde(default)]
    reopened: Option<bool>,
}

/// Why it is not gone on with, and what became of it.
#[derive(Debug)]
struct Gone {
    error: ProtocolError,
    status: Option<SessionStatus>,
    stored_through: Option<u64>,
}

impl<C: Connect> Driver<C> {
    /// Makes the first connection, once.
    pub(in super::super) async fn connect_first(&mut self) -> Result<Link<C::Transport>, ClientError> {
        let within = self.options.connect_within;
        let first = async {
            let mut caller = Caller::new(self.connect.connect().await?);
            greet(&mut caller).await?;
            let published: Map<String, Value> = caller.ask("publish", json!(self.options.publish)).await?;
            Ok((caller, session_of(&published)))
        };
        let (caller, session) =
            tokio::time::timeout(within, first).await.unwrap_or(Err(ClientError::Silent))?;
        self.options.publish.take_over = false;
        if let Some(session) = session {
            // Somebody records the stream already.
            self.shared.state().enter(session, false);
        }
        Ok(self.take_over_from(caller))
    }

    /// Makes another connection after one that broke.
    pub(super) async fn try_again(&mut self) -> Result<Link<C::Transport>, Exit> {
        let within = self.options.connect_within;
        let tried = tokio::time::timeout(within, self.meet_again()).await;
        tried.unwrap_or(Err(Exit::Broken(ClientError::Silent)))
    }

    async fn meet_again(&mut self) -> Result<Link<C::Transport>, Exit> {
        let connected = self.connect.connect().await.map_err(Exit::Broken)?;
        let mut caller = Caller::new(connected);
        greet(&mut caller).await.map_err(Exit::Broken)?;
        let published: Result<Map<String, Value>, ClientError> =
            caller.ask("publish", json!(self.options.publish)).await;
        let published = published.map_err(|error| match error {
            ClientError::Refused(error) if error.code == ErrorCode::StreamBusy => {
                Exit::Over(StreamEnd::Superseded(error))
            }
            ClientError::Refused(error) if !is_passing(error.code) => Exit::Over(StreamEnd::Refused(error)),
            error => Exit::Broken(error),
        })?;
        let recorded = session_of(&published);
        self.find_started(&mut caller, recorded).await?;
        let session = self.shared.state().session;
        match session {
            Some(session) => match resume(&mut caller, &self.options.publish, session.id).await? {
                Ok(resumed) => self.go_on(&resumed),
                Err(gone) => self.take_leave(&mut caller, session.id, session.is_own, gone, recorded).await?,
            },
            None => {
                if let Some(session) = recorded {
                    self.shared.state().enter(session, false);
                }
                self.go_on_anew();
            }
        }
        self.tell_reconnected();
        Ok(self.take_over_from(caller))
    }

    /// Finds out whether the recording that was asked for when the last connection broke has come about.
    async fn find_started(
        &mut self,
        caller: &mut Caller<C::Transport>,
        recorded: Option<SessionId>,
    ) -> Result<(), Exit> {
        let start = self.queue.iter().position(|c| c.was_asked && matches!(c.what, What::Start(_)));
        let Some(at) = start else { return Ok(()) };
        let asked_for = match &self.queue[at].what {
            What::Start(start) => start.session_id,
            _ => None,
        };
        let started = match asked_for {
            Some(id) if recorded == Some(id) => Some(id),
            Some(id) => resume(caller, &self.options.publish, id).await?.is_ok().then_some(id),
            None => None,
        };
        if let Some(id) = started
            && let Some(command) = self.queue.remove(at)
        {
            self.shared.state().enter_own(id);
            command.answer(Ok(Answer::Started(id)));
        }
        Ok(())
    }

    /// Goes on with a session where the server says it stands.
    fn go_on(&mut self, resumed: &Resumed) {
        let mut state = self.shared.state();
        if !planted!("planted::lost_last_ack") {
            state.resumed_at(resumed.stored_through);
        }
        state.video.rewind();
        state.video.ack(resumed.video_stored_bytes.unwrap_or(0));
        let settled = state.frames.acked_through();
        let next = settled.map_or(0, |number| number.saturating_add(1));
        self.is_found_again = true;
        let is_paused = resumed.status.map(|status| status == SessionStatus::Paused);
        // A server that doesn't say is as it was left.
        self.is_paused = is_paused.unwrap_or_else(|| state.timeline.is_paused_at(Some(next)));
        // What the new connection says from here on may be of a server that forgot.
        let was_agreed = state.session.as_mut().is_some_and(|session| std::mem::take(&mut session.is_agreed));
        if let Some(is_paused) = is_paused
            && is_paused != state.timeline.is_paused_at(None)
            && resumed.reopened == Some(false)
            && was_agreed
            && !self.is_changing(&state)
        {
            // Somebody else asked for it meanwhile. What was pushed before this streamer learnt of it belongs to the time before.
            let newest = state.frames.newest();
            state.timeline.change(newest, is_paused);
        }
        let error = u64::from(planted!("planted::resume_off_by_one"));
        self.cursor = next.saturating_add(error);
    }

    fn go_on_anew(&mut self) {
        self.is_paused = false;
        let mut state = self.shared.state();
        state.video.rewind();
        self.cursor = state.frames.acked_through().map_or(0, |number| number.saturating_add(1));
    }

    /// Takes leave of a session that the server doesn't record any more.
    async fn take_leave(
        &mut self,
        caller: &mut Caller<C::Transport>,
        session: SessionId,
        is_own: bool,
        gone: Gone,
        recorded: Option<SessionId>,
    ) -> Result<(), Exit> {
        let Gone { error, status, stored_through } = gone;
        // What was acknowledged, and what was stopped, is not forgotten by a server that kept it.
        let is_unknown = error.code == ErrorCode::SessionNotFound;
        let asked_to_end = |command: &Command| {
            command.was_asked && matches!(command.what, What::Stop { .. } | What::Discard { .. })
        };
        let end = self.queue.iter().position(asked_to_end);
        let discarded = end.is_some_and(|at| matches!(self.queue[at].what, What::Discard { .. }));
        let (is_settled, last) = {
            let mut state = self.shared.state();
            if stored_through.is_some() || is_unknown && !discarded {
                state.resumed_at(stored_through);
            }
            let last = self.last_recorded(&state);
            (state.frames.unsettled().all(|range| Some(*range.start()) > last), last)
        };
        let reason = error.to_string();
        if is_own && !discarded && (end.is_none() || is_unknown || !is_settled) {
            let not_stored = self.shared.state().leave_all(status);
            let end =
                StreamEnd::NotResumable { session_id: session, status, stored_through, not_stored, reason };
            return Err(Exit::Over(end));
        }
        let stopped = match end {
            Some(_) if !discarded => {
                let fields = json!({ "session_id": session });
                // What it says is worth having, also where it is known without it that the session has ended.
                match caller.ask::<Finalized>("stop_recording", fields).await {
                    Ok(finalized) => Some(finalized),
                    Err(ClientError::Refused(error)) if is_passing(error.code) => {
                        return Err(Exit::Broken(ClientError::Refused(error)));
                    }
                    Err(ClientError::Refused(_)) => None,
                    Err(error) => return Err(Exit::Broken(error)),
                }
            }
            _ => None,
        };
        let status = status.or_else(|| stopped.as_ref().map(|finalized| finalized.session.status));
        let not_stored = {
            let mut state = self.shared.state();
            if discarded {
                state.video.reset();
            }
            state.video.ack(stopped.as_ref().map_or(0, Finalized::video_stored_bytes));
            let not_stored = state.leave(status, last);
            if let Some(session) = recorded {
                state.enter(session, false);
            }
            not_stored
        };
        self.go_on_anew();
        // Not before: this try may be given up while it waits, and the next one has to answer the command.
        if let Some(command) = end.and_then(|at| self.queue.remove(at)) {
            let stopped = Stopped { session_id: session, status, not_stored, finalized: stopped };
            let answer = match discarded {
                true if is_unknown => Ok(Answer::Done),
                // It is not recorded any more, and not erased either.
                true => Err(refused(error)),
                // Nobody knows that it has ended.
                false if status.is_none() => Err(refused(error)),
                false => Ok(Answer::Stopped(Box::new(stopped))),
            };
            command.answer(answer);
        }
        Ok(())
    }

    fn tell_reconnected(&self) {
        {
            let mut state = self.shared.state();
            state.is_connected = true;
            state.figures.reconnects += 1;
            let (reconnects, unacked) = (state.figures.reconnects, state.frames.len());
            state.events.tell(StreamerEvent::Reconnected { reconnects, unacked });
        }
        self.shared.told.notify_one();
        self.shared.settled.notify_waiters();
    }

    /// Takes the connection over, and what came before its answers.
    fn take_over_from(&mut self, caller: Caller<C::Transport>) -> Link<C::Transport> {
        let (transport, early) = caller.into_parts();
        for incoming in early {
            // What came is about the session that has just been found; an end would be told again.
            let _told_again = self.receive(incoming);
        }
        Link::new(transport)
    }
}

/// Asks for a session; a refusal that no other try would change is an answer, too.
async fn resume<T: Transport>(
    caller: &mut Caller<T>,
    publish: &Publish,
    session: SessionId,
) -> Result<Result<Resumed, Gone>, Exit> {
    let fields = json!({ "session_id": session, "publisher": publish.publisher, "stream": publish.stream });
    match caller.ask::<Resumed>("resume_session", fields).await {
        Ok(resumed) => Ok(Ok(resumed)),
        Err(ClientError::Refused(error)) if error.code == ErrorCode::StreamBusy => {
            Err(Exit::Over(StreamEnd::Superseded(error)))
        }
        Err(ClientError::Refused(error)) if !is_passing(error.code) => {
            let fact = |name: &str| error.facts.get(name).cloned().unwrap_or_default();
            let status = serde_json::from_value(fact("status")).ok();
            let stored_through = fact("stored_through").as_u64();
            Ok(Err(Gone { error, status, stored_through }))
        }
        Err(error) => Err(Exit::Broken(error)),
    }
}

async fn greet<T: Transport>(caller: &mut Caller<T>) -> Result<(), ClientError> {
    match caller.next_event().await? {
        Incoming::Json(message) if message["type"] == "welcome" => Ok(()),
        Incoming::Json(message) => {
            Err(crate::caller::read::<ProtocolError>(message)
                .map_or_else(|error| error, ClientError::Refused))
        }
        Incoming::Closed(reason) => Err(ClientError::Closed { reason }),
        Incoming::Binary(_) | Incoming::Missed(_) => Err(ClientError::Closed { reason: None }),
    }
}

fn session_of(published: &Map<String, Value>) -> Option<SessionId> {
    published.get("session_id")?.as_str()?.parse().ok()
}
