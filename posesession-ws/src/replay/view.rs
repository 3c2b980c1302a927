//! One viewer's replay: a cursor, the chunks it asks for, and the commands that move it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, SinkExt, StreamExt};
use posesession_core::{
    Chunk, ChunkQuery, CursorOutput, FrameView, Marker, MarkerKind, PlaybackState, PoseJson, ReplayCursor,
    ReplayFrame, SessionId, SessionRecording, Skeleton, Timestamp,
};
use posesession_store::StoreError;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::time::sleep_until;

use super::cursor_words::{cursor_error, extent, range, seek_target, state_message};
use super::{ReplayOptions, ReplayRequest, ReplayService};
use crate::message::{CloseReason, Message};
use crate::protocol::{
    BinaryFrame, BinaryFrameHeader, CommandId, ErrorCode, ProtocolError, ReplayCommand, WireFormat,
};
use crate::record::{json_message, storage_error, with_cause};
use crate::transport::{GOODBYE_PATIENCE, Transport, TransportError, answer_goodbye};

/// How many commands are taken in a row before the cursor is looked at again.
const COMMANDS_AT_ONCE: usize = 64;
/// How many commands may wait for their answers; beyond, nothing is read.
const MAX_UNANSWERED: usize = 256;
/// How many chunks are fetched at once: what a cursor holds, and one that a seek has made pointless.
const MAX_FETCHES: usize = 4;

type Fetch = BoxFuture<'static, (ChunkQuery, Result<Arc<Chunk>, StoreError>)>;
type Look = BoxFuture<'static, Result<SessionRecording, StoreError>>;

pub(super) struct View {
    service: ReplayService,
    request: ReplayRequest,
    session: SessionRecording,
    changed: broadcast::Receiver<SessionId>,
    skeleton: Skeleton,
    markers: Vec<Marker>,
    cursor: ReplayCursor,
    fetches: FuturesUnordered<Fetch>,
    fetching: Vec<ChunkQuery>,
    /// At most one look at the session, beside the frames: a slow store delays none.
    looks: FuturesUnordered<Look>,
    /// Whether the session was changed since the look began.
    must_look_again: bool,
    /// Commands that were taken and are answered once it is known where they led.
    unanswered: Vec<Unanswered>,
}

struct Unanswered {
    id: Option<CommandId>,
    is_seek: bool,
}

#[derive(Serialize)]
struct SessionMessage<'a> {
    r#type: &'static str,
    session: &'a SessionRecording,
    skeleton: Option<&'a Skeleton>,
    duration: Timestamp,
    frame_count: u64,
    gaps: Vec<&'a Marker>,
    markers: &'a [Marker],
    live: bool,
}

#[derive(Serialize)]
struct FrameMessage<'a> {
    r#type: &'static str,
    epoch: u32,
    frame_number: u64,
    timestamp: Timestamp,
    pose_data: PoseJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<String>,
}

enum Event {
    Message(Option<Result<Message, TransportError>>),
    Fetched(ChunkQuery, Result<Arc<Chunk>, StoreError>),
    Looked(Box<Result<SessionRecording, StoreError>>),
    MustLook,
    Wake,
    Shutdown,
}

impl View {
    pub(super) async fn open(
        service: ReplayService,
        id: SessionId,
        request: ReplayRequest,
    ) -> Result<Self, StoreError> {
        // Before the session is read: what happens to it from now on is heard.
        let changed = service.changed.subscribe();
        let session = service.store().read_session(id).await?;
        let markers = service.store().markers(id).await?;
        let mut cursor = ReplayCursor::new(extent(&session));
        if request.autoplay {
            let _plays_at_its_present_rate = cursor.play(service.clock.now(), None);
        }
        Ok(Self {
            skeleton: session.skeleton.clone().unwrap_or_else(no_skeleton),
            service,
            request,
            session,
            changed,
            markers,
            cursor,
            fetches: FuturesUnordered::new(),
            fetching: Vec::new(),
            looks: FuturesUnordered::new(),
            must_look_again: false,
            unanswered: Vec::new(),
        })
    }

    pub(super) async fn run<T: Transport>(mut self, mut transport: T) -> Result<(), TransportError> {
        transport.send(self.session_message()).await?;
        let shutdown = self.service.shutdown.clone();
        let clock = self.service.clock;
        let mut next_look = clock.now() + self.look_interval();
        loop {
            // The commands that are there already, before any frame: while a client scrubs, only its latest seek counts.
            for _ in 0..COMMANDS_AT_ONCE {
                if self.unanswered.len() >= MAX_UNANSWERED {
                    break;
                }
                match transport.next().now_or_never() {
                    None => break,
                    Some(message) => {
                        if !self.take(message, &mut transport).await? {
                            return Ok(());
                        }
                    }
                }
            }
            let wake = self.advance(&mut transport).await?;
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => Event::Shutdown,
                message = transport.next(), if self.unanswered.len() < MAX_UNANSWERED => Event::Message(message),
                Some((query, fetched)) = self.fetches.next(), if !self.fetches.is_empty() => {
                    Event::Fetched(query, fetched)
                }
                () = sleep_until(clock.instant(wake.unwrap_or_default())), if wake.is_some() => Event::Wake,
                Some(looked) = self.looks.next(), if !self.looks.is_empty() => Event::Looked(Box::new(looked)),
                () = sleep_until(clock.instant(next_look)), if self.looks.is_empty() => Event::MustLook,
                () = change_of(self.session.id, &mut self.changed) => Event::MustLook,
            };
            match event {
                Event::Message(message) => {
                    if !self.take(message, &mut transport).await? {
                        return Ok(());
                    }
                }
                Event::Fetched(query, fetched) => {
                    self.fetching.retain(|&fetching| fetching != query);
                    self.take_chunk(query, fetched);
                }
                Event::Wake => {}
                Event::MustLook => self.look(),
                Event::Looked(looked) => {
                    if !self.refresh(*looked, &mut transport).await? {
                        return close(&mut transport, CloseReason::NO_SESSION, "the session is gone").await;
                    }
                    next_look = clock.now() + self.look_interval();
                    if std::mem::take(&mut self.must_look_again) {
                        self.look();
                    }
                }
                Event::Shutdown => {
                    let reason = "the server is shutting down";
                    return close(&mut transport, CloseReason::GOING_AWAY, reason).await;
                }
            }
        }
    }

    /// Takes what came; returns whether the connection goes on.
    async fn take<T: Transport>(
        &mut self,
        message: Option<Result<Message, TransportError>>,
        transport: &mut T,
    ) -> Result<bool, TransportError> {
        let text = match message {
            None | Some(Err(TransportError::Closed)) => return Ok(false),
            Some(Ok(Message::Close(_))) => {
                answer_goodbye(transport).await;
                return Ok(false);
            }
            Some(Err(error)) => {
                let Some(CloseReason { code, reason }) = error.close_reason() else { return Err(error) };
                close(transport, code, &reason).await?;
                return Ok(false);
            }
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => {
                let error = ProtocolError::new(ErrorCode::BadBinary, "a replay takes text messages only");
                transport.send(json_message(&error)).await?;
                return Ok(true);
            }
        };
        let refused = match ReplayCommand::parse(text.as_str()) {
            Ok((id, command)) => {
                let is_seek = matches!(command, ReplayCommand::Seek(_));
                match self.apply(command).await {
                    Ok(()) => {
                        self.unanswered.push(Unanswered { id, is_seek });
                        return Ok(true);
                    }
                    Err(error) => error.answering(id),
                }
            }
            Err(error) => error,
        };
        transport.send(json_message(&refused)).await?;
        Ok(true)
    }

    async fn apply(&mut self, command: ReplayCommand) -> Result<(), ProtocolError> {
        let now = self.service.clock.now();
        let done = match command {
            ReplayCommand::Play { rate } => self.cursor.play(now, rate),
            ReplayCommand::Pause => {
                self.cursor.pause(now);
                Ok(())
            }
            ReplayCommand::Seek(seek) => {
                if self.session.status.is_live() && seek.marker.is_some() {
                    let markers = self.service.store().markers(self.session.id).await;
                    self.markers = markers.map_err(|error| storage_error(&error))?;
                }
                let (target, mode) = seek_target(&seek, &self.markers)?;
                self.cursor.seek(now, target, mode)
            }
            ReplayCommand::SetRate { rate } => self.cursor.set_rate(now, rate),
            ReplayCommand::Step { frames } => self.cursor.step(now, frames),
            ReplayCommand::SetRange(set) => {
                let (range, loop_mode) = range(&set, &self.cursor)?;
                self.cursor.set_range(now, range, loop_mode)
            }
        };
        done.map_err(|error| cursor_error(&error))
    }

    /// Does what the cursor says until it waits; returns until when.
    async fn advance<T: Transport>(&mut self, transport: &mut T) -> Result<Option<Duration>, TransportError> {
        let mut taken = None;
        let wake = loop {
            let now = self.service.clock.now();
            match self.cursor.poll(now) {
                CursorOutput::StateChanged(state) => self.tell_state(state, now, transport).await?,
                CursorOutput::Frame(frame) => transport.send(self.frame_message(&frame)).await?,
                CursorOutput::SeekFailed(error) => {
                    let latest = self.unanswered.iter().rposition(|command| command.is_seek);
                    let seek = latest.and_then(|place| self.unanswered.remove(place).id);
                    transport.send(json_message(&cursor_error(&error).answering(seek))).await?;
                }
                CursorOutput::NeedChunk(query) => {
                    // It may have come with a chunk that was fetched for another query, by this replay or another one.
                    let kept = self.service.chunks.kept_chunk(self.session.id, query);
                    let Some(chunk) = kept.filter(|_| taken != Some(query)) else {
                        self.fetch(query);
                        break None;
                    };
                    taken = Some(query);
                    self.take_chunk(query, Ok(chunk));
                }
                CursorOutput::WaitUntil(time) => break Some(time),
                CursorOutput::WaitForMore | CursorOutput::Paused | CursorOutput::Ended => break None,
            }
        };
        // Commands that changed nothing are answered all the same.
        let now = self.service.clock.now();
        if !self.unanswered.is_empty() && !self.cursor.is_seeking() {
            let state = self.cursor.state(now);
            self.tell_state(state, now, transport).await?;
        }
        if let Some(query) = self.cursor.wanted() {
            self.fetch(query);
        }
        Ok(wake)
    }

    async fn tell_state<T: Transport>(
        &mut self,
        state: PlaybackState,
        now: Duration,
        transport: &mut T,
    ) -> Result<(), TransportError> {
        let server_time = self.service.clock.wall_secs_at(now);
        if self.unanswered.is_empty() || self.cursor.is_seeking() {
            return transport.send(json_message(&state_message(state, None, server_time))).await;
        }
        for Unanswered { id, .. } in std::mem::take(&mut self.unanswered) {
            transport.send(json_message(&state_message(state.clone(), id, server_time))).await?;
        }
        Ok(())
    }

    fn fetch(&mut self, query: ChunkQuery) {
        // A needed chunk that is not fetched now is asked for again when another one has come.
        if self.fetching.contains(&query) || self.fetching.len() >= MAX_FETCHES {
            return;
        }
        self.fetching.push(query);
        let (chunks, id) = (self.service.chunks.clone(), self.session.id);
        let fetch = async move { (query, chunks.covering_chunk(id, query).await) };
        self.fetches.push(fetch.boxed());
    }

    fn take_chunk(&mut self, query: ChunkQuery, fetched: Result<Arc<Chunk>, StoreError>) {
        let now = self.service.clock.now();
        let cause = match fetched {
            Ok(chunk) => match self.cursor.push_chunk(now, query, chunk) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            Err(error) => with_cause(&error),
        };
        tracing::warn!(session = %self.session.id, %cause, "a replay can't go on");
        self.cursor.fail_chunk(now, query, cause);
    }

    fn look_interval(&self) -> Duration {
        let ReplayOptions { live_poll, poll, .. } = self.service.options;
        if self.cursor.extent().live { live_poll } else { poll }
    }

    fn look(&mut self) {
        if !self.looks.is_empty() {
            self.must_look_again = true;
            return;
        }
        let (store, id) = (Arc::clone(self.service.chunks.store()), self.session.id);
        self.looks.push(async move { store.read_session(id).await }.boxed());
    }

    /// Takes note how far a live session has come, or what became of any other; returns whether it is still there.
    async fn refresh<T: Transport>(
        &mut self,
        looked: Result<SessionRecording, StoreError>,
        transport: &mut T,
    ) -> Result<bool, TransportError> {
        let session = match looked {
            Ok(session) => session,
            Err(StoreError::SessionNotFound { .. }) => {
                // Nobody may have said so: another process deleted it.
                self.service.chunks.forget(self.session.id);
                return Ok(false);
            }
            Err(error) => {
                tracing::warn!(session = %self.session.id, %error, "a session can't be looked at for now");
                return Ok(true);
            }
        };
        self.cursor.extend(self.service.clock.now(), extent(&session));
        let changed = session.status != self.session.status || session.skeleton != self.session.skeleton;
        self.session = session;
        if changed {
            self.skeleton = self.session.skeleton.clone().unwrap_or_else(no_skeleton);
            match self.service.store().markers(self.session.id).await {
                Ok(markers) => self.markers = markers,
                Err(error) => {
                    tracing::warn!(session = %self.session.id, %error, "a live session's markers are not up to date");
                }
            }
            transport.send(self.session_message()).await?;
        }
        Ok(true)
    }

    fn session_message(&self) -> Message {
        json_message(&SessionMessage {
            r#type: "session",
            session: &self.session,
            skeleton: self.session.skeleton.as_ref(),
            duration: self.session.duration,
            frame_count: self.session.frame_count,
            gaps: self.markers.iter().filter(|marker| marker.kind == MarkerKind::Gap).collect(),
            markers: &self.markers,
            live: self.session.status.is_live(),
        })
    }

    fn frame_message(&self, replayed: &ReplayFrame) -> Message {
        let epoch = replayed.epoch;
        let FrameView { frame_number, timestamp, pose, image } = replayed.frame();
        match self.request.format {
            WireFormat::Json => json_message(&FrameMessage {
                r#type: "frame",
                epoch,
                frame_number,
                timestamp,
                pose_data: PoseJson::new(pose, &self.skeleton),
                image_url: image
                    .map(|_| format!("/api/sessions/{}/frames/{frame_number}/image", self.session.id)),
            }),
            WireFormat::Binary => {
                let width = pose.values.len().checked_div(pose.person_count());
                let width = width.unwrap_or_else(|| self.skeleton.values_per_person());
                let header = BinaryFrameHeader {
                    epoch,
                    timestamp,
                    session_timestamp: Some(timestamp),
                    frame_number: Some(frame_number),
                    values_per_person: u32::try_from(width).unwrap_or(u32::MAX),
                    stream: String::new(),
                };
                Message::Binary(BinaryFrame::encode(&header, pose, &[]))
            }
        }
    }
}

/// Waits until a session is said to have changed, or so much was said that it may have been among it.
async fn change_of(session: SessionId, changed: &mut broadcast::Receiver<SessionId>) {
    loop {
        match changed.recv().await {
            Ok(other) if other != session => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// The skeleton of a session in which nobody has been seen.
fn no_skeleton() -> Skeleton {
    Skeleton { name: "unknown".to_owned(), components: Vec::new() }
}

async fn close<T: Transport>(transport: &mut T, code: u16, reason: &str) -> Result<(), TransportError> {
    let goodbye = async {
        transport.send(Message::Close(Some(CloseReason::new(code, reason)))).await?;
        transport.close().await
    };
    tokio::time::timeout(GOODBYE_PATIENCE, goodbye).await.unwrap_or(Err(TransportError::Closed))
}
