//! The actor that owns a stream: everything about it happens here, one thing after the other.

mod publishing;
mod resuming;
mod ending;
mod before;
mod controlling;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posesession_core::{PoseData, SessionId, SessionStatus, Skeleton};
use serde_json::json;
use tokio::sync::mpsc;

use self::before::Before;
use super::{COMMAND_QUEUE, Control, Queued, StreamCommand, StreamHandle};
use crate::protocol::{Ack, ProtocolError};
use crate::record::live::{Fact, Live, LiveEvent};
use crate::record::peer::{ConnectionId, Peer, json_message};
use crate::record::recording::{Outcome, Recording};
use crate::record::{RecordService, lock};

#[derive(Debug)]
pub(super) struct StreamActor {
    service: RecordService,
    name: Arc<str>,
    live: Arc<Live>,
    commands: mpsc::Receiver<Queued>,
    aside: mpsc::Receiver<StreamCommand>,
    /// How often in a row something waited aside while the queue was read.
    passed_over: usize,
    publisher: Option<Publisher>,
    /// The connections that the publisher has left for another one. What still comes over them was overtaken by what came over
    /// that: a stop would end the recording before the frames that were sent again.
    left: Vec<Peer>,
    /// Whether `publisher` is there and not lost, for those who list the streams.
    is_published: Arc<AtomicBool>,
    skeleton: Option<Arc<Skeleton>>,
    fps: Option<f64>,
    /// What came while nothing was recorded.
    before: Before,
    /// Controllers and viewers.
    attached: HashMap<ConnectionId, Attached>,
    recording: Option<Recording>,
    next_status: Duration,
    /// Memory for the poses of the next frame.
    spare: PoseData,
}

/// Who sends the stream's poses.
#[derive(Debug)]
struct Publisher {
    /// The connection; it may be gone while its recording waits for it.
    peer: Peer,
    name: String,
    /// Whether it chose its name, by which it can come back.
    is_named: bool,
    /// When its connection was lost.
    lost_at: Option<Duration>,
}

#[derive(Debug)]
struct Attached {
    peer: Peer,
    /// Viewers are told statuses by the live queue, in order with the frames.
    watching: bool,
    controlling: bool,
}

enum Event {
    Command(Option<Queued>),
    Aside(StreamCommand),
    Appended(Outcome),
    Deadline,
    Shutdown,
}

impl StreamActor {
    pub(super) fn new(
        service: RecordService,
        handle: &StreamHandle,
        commands: mpsc::Receiver<Queued>,
        aside: mpsc::Receiver<StreamCommand>,
    ) -> Self {
        let next_status = service.inner.clock.now() + service.inner.options.status_every;
        Self {
            before: Before::new(&service),
            service,
            name: Arc::clone(&handle.name),
            live: Arc::clone(&handle.live),
            commands,
            aside,
            passed_over: 0,
            publisher: None,
            left: Vec::new(),
            is_published: Arc::clone(&handle.is_published),
            skeleton: None,
            fps: None,
            attached: HashMap::new(),
            recording: None,
            next_status,
            spare: PoseData::nobody(),
        }
    }

    pub(super) async fn run(mut self) {
        let shutdown = self.service.inner.shutdown.clone();
        loop {
            let wake = self.service.inner.clock.instant(self.next_deadline());
            // While the recorder is full, the queue is not read: it fills, and with it the sender's socket.
            let full = self.recording.as_ref().is_some_and(|recording| recording.recorder.is_full());
            self.passed_over = if self.aside.is_empty() { 0 } else { self.passed_over + 1 };
            // All frames that were in the queue before what waits aside come first, but no endless stream of them.
            let is_aside_due = self.passed_over > COMMAND_QUEUE;
            let appended = async {
                match &mut self.recording {
                    Some(recording) => recording.appended().await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                outcome = appended => Event::Appended(outcome),
                () = shutdown.cancelled() => Event::Shutdown,
                () = tokio::time::sleep_until(wake) => Event::Deadline,
                event = next_command(&mut self.commands, &mut self.aside, full, is_aside_due) => event,
            };
            match event {
                Event::Appended(outcome) => self.handle_outcome(outcome).await,
                Event::Command(Some(queued)) => self.handle(queued.command).await,
                Event::Aside(command) => self.handle(command).await,
                Event::Deadline => {
                    if self.handle_deadline().await {
                        return;
                    }
                }
                Event::Command(None) => return self.end().await,
                Event::Shutdown => {
                    self.take_what_waits().await;
                    return self.end().await;
                }
            }
            let now = self.service.inner.clock.now();
            if let Some(recording) = &mut self.recording {
                recording.pump(now);
                if planted!("planted::ack_before_commit") {
                    let settled = recording.recorder.settled_through();
                    self.acknowledge(settled);
                }
            }
        }
    }

    fn set_publisher(&mut self, publisher: Option<Publisher>) {
        let is_published = publisher.as_ref().is_some_and(|publisher| publisher.lost_at.is_none());
        self.is_published.store(is_published, Ordering::Relaxed);
        self.publisher = publisher;
    }

    fn next_deadline(&self) -> Duration {
        let recorder = self.recording.as_ref().and_then(Recording::next_deadline);
        recorder.map_or(self.next_status, |deadline| deadline.min(self.next_status))
    }

    async fn handle(&mut self, command: StreamCommand) {
        match command {
            StreamCommand::Frame { from, frame } => self.handle_frame(from, frame),
            StreamCommand::Refused { from, frame_number, code } => {
                self.handle_refused(from, frame_number, code);
            }
            StreamCommand::Dropped { from, dropped, reply } => {
                let _gone = reply.send(self.drop_frames(from, &dropped));
            }
            StreamCommand::Video { from, video } => self.handle_video(from, video).await,
            // Who is gone must not put out who has come since.
            StreamCommand::Publish { peer, .. } | StreamCommand::ResumeSession { peer, .. }
                if peer.is_gone() => {}
            StreamCommand::Publish { peer, publisher, take_over, skeleton, fps, pre_roll_max, reply } => {
                let answer = self.publish(peer, publisher, take_over, skeleton, fps).await;
                if answer.is_ok() {
                    self.before.keep_for(pre_roll_max);
                }
                // A connection that is gone doesn't need its answer.
                let _gone = reply.send(answer);
            }
            StreamCommand::ResumeSession { peer, resume, reply } => {
                let answer = self.resume_session(peer, resume).await;
                let _gone = reply.send(answer);
            }
            StreamCommand::Subscribe { peer, reply } => {
                let answer = self.subscribe(peer);
                let _gone = reply.send(answer);
            }
            StreamCommand::Unsubscribe { connection } => self.unsubscribe(connection),
            StreamCommand::Start { peer, start, reply } => {
                let answer = self.start(peer, *start).await;
                let _gone = reply.send(answer);
            }
            StreamCommand::Control { peer, session, control, reply } => {
                let answer = self.control(&peer, session, control).await;
                let _gone = reply.send(answer);
            }
            StreamCommand::Disconnect { connection } => self.disconnect(connection),
        }
    }

    async fn handle_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Stored { stored_through } => self.acknowledge(stored_through),
            Outcome::Retrying(error) => {
                self.tell_all_error(&error);
                self.tell_status();
            }
            Outcome::StillRetrying => {}
            Outcome::Lost(error) => self.lose(&error).await,
        }
    }

    fn acknowledge(&self, stored_through: Option<u64>) {
        if let (Some(publisher), Some(recording)) = (&self.publisher, &self.recording) {
            publisher.peer.tell(&Ack {
                session_id: recording.id,
                publisher: publisher.name.clone(),
                stored_through,
            });
        }
    }

    /// The session takes no more frames, or is gone: the recording ends here.
    async fn lose(&mut self, error: &ProtocolError) {
        let Some(mut recording) = self.recording.take() else { return };
        tracing::error!(session = %recording.id, %error, "the recording can't go on");
        recording.give_up().await;
        self.tell_all_error(error);
        self.recording_ended(recording.id);
        let mut status = recording.status_message(&self.name);
        status.status = SessionStatus::Failed;
        self.tell_all(json_message(&status));
    }

    /// Returns whether the stream has ended: nobody uses it.
    async fn handle_deadline(&mut self) -> bool {
        let now = self.service.inner.clock.now();
        if now < self.next_status {
            return false;
        }
        self.next_status = now + self.service.inner.options.status_every;
        self.disconnect_those_gone();
        if self.recording.is_some() {
            self.tell_status();
            self.end_at_last().await;
            self.interrupt_if_abandoned(now).await;
            if let Some(recording) = &mut self.recording
                && let Err(error) = recording.note_status().await
            {
                self.lose(&error).await;
            }
            return false;
        }
        if self.publisher.is_some() || !self.attached.is_empty() || self.before.is_waiting(now) {
            return false;
        }
        let mut streams = lock(&self.service.inner.streams);
        let unused = streams.get(&*self.name).is_some_and(super::StreamHandle::is_last)
            && self.commands.is_empty()
            && self.aside.is_empty();
        if unused {
            streams.remove(&*self.name);
        }
        unused
    }

    fn tell_status(&self) {
        if let Some(recording) = &self.recording {
            self.tell_all(json_message(&recording.status_message(&self.name)));
        }
    }

    /// Viewers hear it in order with the frames, controllers and the publisher at once.
    fn tell_all(&self, message: crate::Message) {
        self.live.tell(LiveEvent::Fact(Fact::Recording, message.clone()));
        for attached in self.attached.values().filter(|attached| !attached.watching) {
            attached.peer.tell_message(message.clone());
        }
        if let Some(publisher) = &self.publisher
            && !self.attached.contains_key(&publisher.peer.id)
        {
            publisher.peer.tell_message(message);
        }
    }

    fn tell_all_error(&self, error: &ProtocolError) {
        for attached in self.attached.values() {
            attached.peer.tell_error(error);
        }
        if let Some(publisher) = &self.publisher
            && !self.attached.contains_key(&publisher.peer.id)
        {
            publisher.peer.tell_error(error);
        }
    }

    fn tell_started(&self, session: SessionId) {
        self.tell_publisher_of("recording_started", session);
    }

    fn tell_stopped(&self, session: SessionId) {
        self.tell_publisher_of("recording_stopped", session);
    }

    fn tell_publisher_of(&self, kind: &str, session: SessionId) {
        if let Some(publisher) = &self.publisher {
            publisher.peer.tell(&json!({ "type": kind, "session_id": session, "stream": &*self.name }));
        }
    }

    /// Tidies up after a recording, however it ended. A lost publisher was waited for only as long as it was recorded.
    fn recording_ended(&mut self, session: SessionId) {
        self.tell_stopped(session);
        self.forget_recording(session);
    }

    fn forget_recording(&mut self, session: SessionId) {
        self.service.release(session, &self.name);
        self.publisher.take_if(|publisher| publisher.lost_at.is_some());
    }

    /// Takes the frames and commands that had been handed over when the shutdown began.
    async fn take_what_waits(&mut self) {
        self.commands.close();
        self.aside.close();
        let mut is_storing = true;
        while let Some(queued) = self.commands.recv().await {
            self.handle(queued.command).await;
            if let Some(recording) = &mut self.recording
                && is_storing
                && recording.recorder.is_full()
                && let Err(error) = recording.store_rest().await
            {
                // Once is enough: with every frame that waits the tries would add up to minutes.
                is_storing = false;
                if recording.is_lost {
                    self.lose(&error).await;
                } else {
                    self.tell_all_error(&error);
                }
            }
        }
        while let Some(command) = self.aside.recv().await {
            self.handle(command).await;
        }
    }

    /// Finishes the recording, if there is one, as interrupted: its publisher may go on with the next server.
    async fn end(mut self) {
        if let Some(recording) = &self.recording {
            let was_stopped = recording.ending.is_some_and(|status| status != SessionStatus::Interrupted);
            match self.stop(SessionStatus::Interrupted, true).await {
                // Whoever stopped it was told of a failure, and waits for this.
                Ok(finalized) if was_stopped => self.tell_all(json_message(&finalized)),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(stream = %self.name, %error, "the recording could not be finished");
                }
            }
        }
        lock(&self.service.inner.streams).remove(&*self.name);
    }
}

/// Waits for what comes next: from the queue, unless the recorder is `full`, or aside, which comes last unless it is due.
async fn next_command(
    commands: &mut mpsc::Receiver<Queued>,
    aside: &mut mpsc::Receiver<StreamCommand>,
    full: bool,
    is_aside_due: bool,
) -> Event {
    if is_aside_due && let Ok(command) = aside.try_recv() {
        return Event::Aside(command);
    }
    tokio::select! {
        biased;
        queued = commands.recv(), if !full => Event::Command(queued),
        Some(command) = aside.recv() => Event::Aside(command),
        else => std::future::pending().await,
    }
}
