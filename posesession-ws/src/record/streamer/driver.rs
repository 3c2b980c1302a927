//! The task that serves a streamer's connections, one after the other.

mod connecting;
mod receiving;
mod sending;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::back_off::BackOff;
use super::command::{Command, What};
use super::connect::Connect;
use super::end::StreamEnd;
use super::events::StreamerEvent;
use super::link::{Link, Step};
use super::options::StreamerOptions;
use super::shared::{Shared, State};
use crate::caller::{ClientError, Incoming};

/// How old a connection is that broke by chance, not by what it was used for.
const STEADY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Driver<C> {
    connect: C,
    options: StreamerOptions,
    shared: Arc<Shared>,
    /// What was asked for and is not answered yet, in order.
    queue: VecDeque<Command>,
    next_id: i64,
    /// The next number for the present connection.
    cursor: u64,
    /// The highest number that any connection was sent.
    highest_sent: Option<u64>,
    /// Whether the recording stands still at the server, as far as is known.
    is_paused: bool,
    /// The id of the last pause or resumption that brings the server to where it stood, until it is answered.
    restoring: Option<i64>,
    /// Whether nobody was asked to pause or go on since the session was found again: the server may be another one, which
    /// doesn't know of a pause.
    is_found_again: bool,
    /// Begins anew with what a connection achieves; one that only comes about is not enough.
    back_off: BackOff,
    /// Whether a message is on its way out that the connection has not taken yet.
    is_sending: bool,
    /// When the present connection came about.
    connected_at: Duration,
    /// When the server was last heard of, or first had something to say.
    alive_at: Duration,
    /// Whether the owner has let go: what is left is sent, then it ends.
    is_let_go: bool,
}

/// How a connection came to its end.
enum Exit {
    Broken(ClientError),
    Over(StreamEnd),
}

impl<C: Connect> Driver<C> {
    pub(super) fn new(connect: C, options: StreamerOptions, shared: Arc<Shared>) -> Self {
        let seed = options.seed.unwrap_or_else(|| uuid::Uuid::now_v7().as_u64_pair().1);
        Self {
            connect,
            options,
            shared,
            queue: VecDeque::new(),
            next_id: 1,
            cursor: 0,
            highest_sent: None,
            is_paused: false,
            restoring: None,
            is_found_again: false,
            back_off: BackOff::new(seed),
            is_sending: false,
            connected_at: Duration::ZERO,
            alive_at: Duration::ZERO,
            is_let_go: false,
        }
    }

    /// Serves connections until there is no more to do.
    pub(super) async fn run(mut self, first: Link<C::Transport>) {
        let mut link = first;
        let end = loop {
            let error = match self.serve(&mut link).await {
                Exit::Over(end) => {
                    link.close().await;
                    break end;
                }
                Exit::Broken(error) => error,
            };
            drop(link);
            self.lose_connection(&error);
            link = match self.reconnect().await {
                Ok(link) => link,
                Err(end) => break end,
            };
        };
        if !matches!(end, StreamEnd::Closed | StreamEnd::TimedOut { .. }) {
            self.shared.state().leave_all(None);
        }
        self.shared.end(end);
        let asked = std::mem::take(&mut self.shared.state().asked);
        for command in self.queue.into_iter().chain(asked) {
            command.answer(Err(self.shared.ended()));
        }
    }

    async fn serve(&mut self, link: &mut Link<C::Transport>) -> Exit {
        self.alive_at = self.shared.clock.now();
        self.connected_at = self.alive_at;
        let shared = Arc::clone(&self.shared);
        loop {
            if link.is_idle()
                && let Some(message) = self.next_message()
            {
                if self.is_waiting_for_nothing() {
                    self.alive_at = shared.clock.now();
                }
                link.put(message);
            }
            self.is_sending = !link.is_idle();
            if self.is_let_go && link.is_idle() {
                return Exit::Over(StreamEnd::Closed);
            }
            let deadline = self.shared.clock.instant(self.deadline());
            tokio::select! {
                biased;
                () = shared.over.cancelled() => return Exit::Over(StreamEnd::Closed),
                step = link.step() => match step {
                    Ok(Step::Sent) => self.is_sending = false,
                    Ok(Step::Received(Incoming::Closed(reason))) => {
                        return Exit::Broken(ClientError::Closed { reason });
                    }
                    Ok(Step::Received(incoming)) => {
                        if let Some(end) = self.receive(incoming) {
                            return Exit::Over(end);
                        }
                    }
                    Err(error) => return Exit::Broken(error),
                },
                () = shared.let_go.cancelled(), if !self.is_let_go => self.is_let_go = true,
                () = shared.work.notified(), if link.is_idle() => {}
                () = tokio::time::sleep_until(deadline) => {
                    if self.is_silent() {
                        return Exit::Broken(ClientError::Silent);
                    }
                }
            }
        }
    }

    /// Returns the last number of the present recording: the one before its stop, if one was asked for, else the newest.
    fn last_recorded(&self, state: &State) -> Option<u64> {
        let mut asked = self.queue.iter().chain(&state.asked);
        // What stands behind a start is the next one's.
        let is_bound =
            |command: &&Command| command.ends_recording() || matches!(command.what, What::Start(_));
        asked.find(is_bound).map_or(state.frames.newest(), |bound| bound.after)
    }

    /// Returns whether this streamer has asked for a pause or its end, or will, and has no answer yet.
    fn is_changing(&self, state: &State) -> bool {
        let mut asked = self.queue.iter().chain(&state.asked);
        self.restoring.is_some() || asked.any(|command| matches!(command.what, What::Pause(_)))
    }

    /// Returns whether the server has nothing to say: nothing of the present connection's waits for an answer, or to be taken.
    fn is_waiting_for_nothing(&self) -> bool {
        let state = self.shared.state();
        let unacked = state.is_recorded() && state.frames.from(0).next().is_some();
        !unacked && !self.is_sending && self.queue.iter().all(|command| command.asked_as.is_none())
    }

    /// Returns whether the connection is given up. Also while a stop waits for a slow store: the server goes on with it whatever
    /// becomes of the connection, and tells the next one how it ended.
    fn is_silent(&self) -> bool {
        let silence = self.shared.clock.now().saturating_sub(self.alive_at);
        !self.is_waiting_for_nothing() && silence >= self.options.silence
    }

    /// Returns when to look again: at silence, and at commands that were put off.
    fn deadline(&self) -> Duration {
        let now = self.shared.clock.now();
        let put_off = self.queue.iter().map(|command| command.not_before).filter(|&at| at > now).min();
        let silent = if self.is_waiting_for_nothing() {
            now + self.options.silence
        } else {
            self.alive_at + self.options.silence
        };
        let video = self.shared.state().video.put_off_until();
        put_off.into_iter().chain(video.filter(|&at| at > now)).fold(silent, Duration::min)
    }

    fn lose_connection(&mut self, error: &ClientError) {
        if self.shared.clock.now().saturating_sub(self.connected_at) >= STEADY {
            self.back_off.reset();
        }
        self.restoring = None;
        {
            let mut state = self.shared.state();
            state.is_connected = false;
            state.trouble = None;
            state.events.tell(StreamerEvent::Disconnected { reason: error.to_string() });
        }
        self.shared.told.notify_one();
        // Those who wait for room find that the policy counts now.
        self.shared.settled.notify_waiters();
        for command in &mut self.queue {
            command.was_asked |= command.asked_as.take().is_some();
        }
    }

    /// Tries again and again; ends if there is nobody left who wants it, or nothing left that the server would take.
    async fn reconnect(&mut self) -> Result<Link<C::Transport>, StreamEnd> {
        let shared = Arc::clone(&self.shared);
        loop {
            let wake = self.shared.clock.instant(self.shared.clock.now() + self.back_off.next());
            tokio::select! {
                biased;
                () = shared.over.cancelled() => return Err(StreamEnd::Closed),
                () = shared.let_go.cancelled() => return Err(StreamEnd::Closed),
                () = tokio::time::sleep_until(wake) => {}
            }
            let tried = tokio::select! {
                biased;
                () = shared.over.cancelled() => return Err(StreamEnd::Closed),
                tried = self.try_again() => tried,
            };
            match tried {
                Ok(link) => return Ok(link),
                Err(Exit::Over(end)) => return Err(end),
                Err(Exit::Broken(error)) => tracing::debug!(%error, "the server is still away"),
            }
        }
    }
}
