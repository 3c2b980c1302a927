//! What a streamer's owner and its task both know.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use posesession_core::{SessionId, SessionStatus, UnackedFrames, UnackedLimits};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::command::{COMMAND_QUEUE, Command, Reply, What};
use super::end::{NotStored, StreamEnd, StreamerError};
use super::events::{Events, StreamerEvent};
use super::timeline::PauseTimeline;
use super::video_buffer::VideoBuffer;
use crate::clock::Clock;

/// How a streamer fares, in frames unless it says otherwise. Of a stream that was recorded from its first frame to its last,
/// `pushed` = `acked` + `unacked` + `dropped` + `unrecorded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StreamerFigures {
    /// Handed in and taken.
    pub pushed: u64,
    /// Handed to a connection, each counted once.
    pub sent: u64,
    /// Handed to a connection again, after the one before broke.
    pub resent: u64,
    /// Acknowledged: durable, or settled otherwise (refused, late, sent in a pause).
    pub acked: u64,
    /// Not acknowledged yet.
    pub unacked: u64,
    /// How many bytes these have.
    pub unacked_bytes: u64,
    /// Given up because the buffer was full.
    pub dropped: u64,
    /// Came while nobody recorded the stream, or after its recording had ended.
    pub unrecorded: u64,
    /// Refused by the server, and counted in the recording's report.
    pub refused: u64,
    /// How often a new connection followed one that broke; not in frames.
    pub reconnects: u64,
}

/// The session that the frames go into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    pub(super) id: SessionId,
    /// Whether this streamer started it.
    pub(super) is_own: bool,
    /// Whether it takes video, as far as is known.
    pub(super) takes_video: bool,
    pub(super) acked_through: Option<u64>,
    pub(super) status: SessionStatus,
    /// Whether the server was heard to pause and go on as this streamer says, since it last said so on the present connection: what
    /// differs then is somebody else's doing. So it is in a session that it has said nothing about yet.
    pub(super) is_agreed: bool,
}

/// A recording that has been asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starting {
    /// The highest number before it: frames behind it are kept.
    pub(super) after: Option<u64>,
    pub(super) takes_video: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) clock: Clock,
    /// How many commands may still be given.
    pub(super) slots: Arc<Semaphore>,
    /// Told to the task: there is something to send.
    pub(super) work: Notify,
    /// Told to whoever waits: something was settled, or has ended.
    pub(super) settled: Notify,
    /// Told to whoever waits for an event.
    pub(super) told: Notify,
    /// Cancelled when the owner has had enough.
    pub(super) let_go: CancellationToken,
    /// Cancelled when all is over.
    pub(super) over: CancellationToken,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) frames: UnackedFrames<Bytes>,
    /// The commands that the task has not seen yet.
    pub(super) asked: VecDeque<Command>,
    pub(super) video: VideoBuffer,
    pub(super) timeline: PauseTimeline,
    pub(super) session: Option<Recorded>,
    /// The recordings that have been asked for and are not answered yet, in order.
    pub(super) starting: VecDeque<Starting>,
    /// What was left of the last recording that ended before all of it was stored.
    pub(super) left: Option<NotStored>,
    pub(super) is_connected: bool,
    /// Why the server's store takes no frames at the moment.
    pub(super) trouble: Option<String>,
    pub(super) figures: StreamerFigures,
    pub(super) events: Events,
    pub(super) end: Option<StreamEnd>,
}

impl Shared {
    pub(super) fn new(clock: Clock, limits: UnackedLimits) -> Self {
        let state = State {
            frames: UnackedFrames::new(limits),
            asked: VecDeque::new(),
            video: VideoBuffer::default(),
            timeline: PauseTimeline::default(),
            session: None,
            starting: VecDeque::new(),
            left: None,
            is_connected: true,
            trouble: None,
            figures: StreamerFigures::default(),
            events: Events::default(),
            end: None,
        };
        Self {
            state: Mutex::new(state),
            clock,
            slots: Arc::new(Semaphore::new(COMMAND_QUEUE)),
            work: Notify::new(),
            settled: Notify::new(),
            told: Notify::new(),
            let_go: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    /// Locks the state. It is whole between any two statements, so a panic elsewhere leaves it usable.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: StreamerEvent) {
        self.state().events.tell(event);
        self.told.notify_one();
    }

    /// Says why nothing is taken any more.
    pub(super) fn ended(&self) -> StreamerError {
        StreamerError::Ended(self.state().end.clone().unwrap_or(StreamEnd::Closed))
    }

    /// Ends it all; the first word about why counts.
    pub(super) fn end(&self, end: StreamEnd) {
        {
            let mut state = self.state();
            state.is_connected = false;
            state.end.get_or_insert(end);
        }
        self.over.cancel();
        self.settled.notify_waiters();
        self.told.notify_one();
    }
}

impl State {
    /// Returns whether frames are kept until they are acknowledged.
    pub(super) fn is_recorded(&self) -> bool {
        self.session.is_some() || !self.starting.is_empty()
    }

    /// Returns whether a recording takes pieces of video, or one that has been asked for will.
    pub(super) fn takes_video(&self) -> bool {
        self.session.is_some_and(|session| session.takes_video)
            || self.starting.iter().any(|start| start.takes_video)
    }

    /// Returns whether a frame is kept until it is acknowledged.
    pub(super) fn keeps(&self, number: u64) -> bool {
        self.session.is_some() || self.starting.front().is_some_and(|start| start.after < Some(number))
    }

    /// Returns the highest number before the next recording that is asked for: frames up to it are in none.
    pub(super) fn next_start(&self) -> Option<u64> {
        self.starting.front().map_or(self.frames.newest(), |start| start.after)
    }

    /// Begins the recording that was asked for first.
    pub(super) fn enter_own(&mut self, id: SessionId) {
        self.enter(id, true);
        let start = self.starting.pop_front();
        if let Some((session, start)) = self.session.as_mut().zip(start) {
            session.takes_video = start.takes_video;
        }
    }

    /// Begins a recording: its numbers are acknowledged from here on.
    pub(super) fn enter(&mut self, id: SessionId, is_own: bool) {
        match &mut self.session {
            Some(session) if session.id == id => session.is_own |= is_own,
            _ => {
                self.session = Some(Recorded {
                    id,
                    is_own,
                    takes_video: true,
                    acked_through: None,
                    status: SessionStatus::Recording,
                    is_agreed: true,
                });
                self.events.tell(StreamerEvent::Started { session_id: id });
            }
        }
    }

    /// Ends a recording whose last number is `last`, and lets go of what came since, up to where the next recording was asked for.
    /// Returns the recording's numbers that were not settled: they are not in it.
    pub(super) fn leave(
        &mut self,
        status: Option<SessionStatus>,
        last: Option<u64>,
    ) -> Vec<RangeInclusive<u64>> {
        let Some(session) = self.session.take() else { return Vec::new() };
        self.trouble = None;
        self.timeline.end(last);
        self.lose_video(session.id);
        let not_stored: Vec<_> = self
            .frames
            .unsettled()
            .filter(|range| Some(*range.start()) <= last)
            .map(|range| *range.start()..=last.map_or(*range.end(), |last| last.min(*range.end())))
            .collect();
        let next = self.next_start();
        self.figures.unrecorded += self.frames.ack(next.max(last)) as u64;
        for range in &not_stored {
            let (first, last) = (*range.start(), *range.end());
            self.events.tell(StreamerEvent::NotStored { session_id: session.id, first, last });
        }
        if !not_stored.is_empty() {
            self.left = Some(NotStored { session_id: session.id, numbers: not_stored.clone() });
        }
        self.events.tell(StreamerEvent::Ended { session_id: session.id, status });
        not_stored
    }

    /// Notes that the server is told to pause or to go on: what it says meanwhile may be older.
    pub(super) fn disagree(&mut self) {
        if let Some(session) = &mut self.session {
            session.is_agreed = false;
        }
    }

    /// Lets go of video that nobody takes.
    pub(super) fn give_video_up(&mut self) {
        if let Some(session) = &self.session {
            self.lose_video(session.id);
        }
    }

    pub(super) fn lose_video(&mut self, session_id: SessionId) {
        let (stored_bytes, bytes) = (self.video.stored_bytes(), self.video.unstored_bytes());
        self.video.reset();
        if bytes > 0 {
            self.events.tell(StreamerEvent::VideoNotStored { session_id, stored_bytes, bytes });
        }
    }

    /// Ends a recording with everything that was pushed and asked for: nobody takes any more of it.
    pub(super) fn leave_all(&mut self, status: Option<SessionStatus>) -> Vec<RangeInclusive<u64>> {
        self.starting.clear();
        let newest = self.frames.newest();
        self.leave(status, newest)
    }

    /// Notes that everything up to a number is durable, or settled otherwise.
    pub(super) fn ack(&mut self, through: Option<u64>) {
        let Some(through) = through else { return };
        self.figures.acked += self.frames.ack(Some(through)) as u64;
        self.timeline.settle(through);
        if let Some(session) = &mut self.session {
            session.acked_through = session.acked_through.max(Some(through));
        }
    }

    /// Notes what a server that was found again has. It counts as an acknowledgement, since the last one may have been lost with
    /// the connection.
    pub(super) fn resumed_at(&mut self, through: Option<u64>) {
        if let Some(session) = &self.session
            && let Some(acknowledged) = session.acked_through
            && through < Some(acknowledged)
        {
            let lost =
                StreamerEvent::AcknowledgedLost { session_id: session.id, after: through, acknowledged };
            self.events.tell(lost);
        }
        self.ack(through);
    }

    /// Gives a command its place among the frames, in one step with what follows from it.
    pub(super) fn place(
        &mut self,
        what: What,
        reply: Reply,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<(), StreamerError> {
        if let Some(end) = &self.end {
            return Err(StreamerError::Ended(end.clone()));
        }
        let after = self.frames.newest();
        match &what {
            What::Start(start) => {
                let takes_video = start.video.is_some();
                self.starting.push_back(Starting { after, takes_video });
            }
            What::Pause(is_pause) => self.timeline.change(after, *is_pause),
            _ => {}
        }
        self.asked.push_back(Command::new(what, after, reply, slot));
        Ok(())
    }

    /// Lets a frame go that nobody records.
    pub(super) fn let_go_through(&mut self, number: u64) {
        self.figures.unrecorded += self.frames.ack(Some(number)) as u64;
    }

    pub(super) fn next_number(&self) -> u64 {
        let highest = self.frames.newest().max(self.frames.acked_through());
        highest.map_or(0, |highest| highest.saturating_add(1))
    }

    pub(super) fn figures(&self) -> StreamerFigures {
        StreamerFigures {
            unacked: self.frames.len() as u64,
            unacked_bytes: self.frames.bytes() as u64,
            dropped: self.frames.dropped(),
            ..self.figures
        }
    }
}
