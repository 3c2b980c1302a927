//! One `/ws/pose` connection: its loop, and what it has published, watched and started.

mod asking;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use posesession_core::{PreRoll, SessionId, Skeleton};
use serde_json::{Map, Value, json};
use tokio_stream::StreamMap;

use self::asking::{hand_over_waiting, next_of};
use super::RecordService;
use super::live::Viewer;
use super::peer::{Inbox, Peer, json_message};
use super::sent::{SentFrame, too_large};
use super::stream::{Answer, Control, StreamCommand, StreamHandle};
use crate::message::{CloseReason, Message};
use crate::protocol::{
    CommandId, ErrorCode, FrameMessage, FramesDropped, Mark, PackedMessage, ProtocolError, Publish,
    RecordCommand, ResumeSession, SessionRef, StartRecording, Subscribe,
};
use crate::transport::{GOODBYE_PATIENCE, Transport, TransportError, answer_goodbye};

/// How many streams one connection may publish to or watch.
const MAX_STREAMS: usize = 64;
const DEFAULT_STREAM: &str = "default";

#[derive(Debug)]
pub(super) struct Connection<T> {
    service: RecordService,
    transport: T,
    peer: Peer,
    inbox: Inbox,
    /// The streams this connection publishes to; the last one is meant where a frame names none.
    published: Vec<(String, StreamHandle)>,
    watched: HashMap<String, StreamHandle>,
    /// What is told of these. It is read when it can be sent: one message at a time is the connection's own.
    live: StreamMap<Arc<str>, Viewer>,
    /// The streams it controls: kept so that they outlive their last frame as long as the connection.
    controlled: HashMap<String, StreamHandle>,
    started: Option<SessionId>,
    /// What waits for room in a stream's queue. Until then nothing is read from the client, but it is told everything.
    waiting: Option<(StreamHandle, StreamCommand)>,
    /// Whether frames, or video, came over it.
    has_sent: bool,
    /// What was read of the client while it waited for an answer: one message, or its end.
    ahead: Option<Read>,
}

/// What is read of a client; none at the end.
type Read = Option<Result<Message, TransportError>>;

impl<T: Transport> Connection<T> {
    pub(super) fn new(service: RecordService, transport: T, peer: Peer, inbox: Inbox) -> Self {
        Self {
            service,
            transport,
            peer,
            inbox,
            published: Vec::new(),
            watched: HashMap::new(),
            live: StreamMap::new(),
            controlled: HashMap::new(),
            started: None,
            waiting: None,
            has_sent: false,
            ahead: None,
        }
    }

    pub(super) async fn run(&mut self) -> Result<(), TransportError> {
        let result = self.serve().await;
        self.live.clear();
        self.leave();
        result
    }

    async fn serve(&mut self) -> Result<(), TransportError> {
        let welcome = json_message(&self.service.welcome());
        self.tell(welcome).await?;
        let shutdown = self.service.inner.shutdown.clone();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => {
                    // Recordings are being finished; what is still to be told is told first.
                    self.service.inner.tasks.wait().await;
                    self.tell_events().await?;
                    return self.close(CloseReason::GOING_AWAY, "the server is shutting down").await;
                }
                () = self.inbox.overrun.cancelled() => {
                    return self.close(CloseReason::TRY_AGAIN, "this client doesn't read its messages").await;
                }
                Some(event) = self.inbox.events.recv() => self.tell(event).await?,
                Some((_, message)) = self.live.next() => self.tell(message).await?,
                () = hand_over_waiting(&mut self.waiting), if self.waiting.is_some() => {}
                read = next_of(&mut self.ahead, &mut self.transport), if self.waiting.is_none() || self.has_ended() => match read {
                    None | Some(Err(TransportError::Closed)) => return Ok(()),
                    Some(Ok(Message::Close(_))) => {
                        answer_goodbye(&mut self.transport).await;
                        return Ok(());
                    }
                    Some(Err(error)) => {
                        let Some(CloseReason { code, reason }) = error.close_reason() else { return Err(error) };
                        return self.close(code, &reason).await;
                    }
                    Some(Ok(message)) => self.handle_message(message).await?,
                },
            }
        }
    }

    /// Says goodbye, to those who read it.
    async fn close(&mut self, code: u16, reason: &str) -> Result<(), TransportError> {
        let transport = &mut self.transport;
        let goodbye = async {
            transport.send(Message::Close(Some(CloseReason::new(code, reason)))).await?;
            transport.close().await
        };
        tokio::time::timeout(GOODBYE_PATIENCE, goodbye).await.unwrap_or(Err(TransportError::Closed))
    }

    /// Sends a message. While the client doesn't read, nothing else happens here: so this is where it is put out once too
    /// much waits for it, and where a shutdown loses patience.
    async fn tell(&mut self, message: Message) -> Result<(), TransportError> {
        if self.has_ended() {
            return Ok(());
        }
        let shutdown = self.service.inner.shutdown.clone();
        let patience = async {
            shutdown.cancelled().await;
            tokio::time::sleep(GOODBYE_PATIENCE).await;
        };
        tokio::select! {
            biased;
            sent = self.transport.send(message) => return sent,
            () = patience => {}
            () = self.inbox.overrun.cancelled() => {
                self.close(CloseReason::TRY_AGAIN, "this client doesn't read its messages").await?;
            }
        }
        Err(TransportError::Closed)
    }

    async fn tell_events(&mut self) -> Result<(), TransportError> {
        while let Ok(event) = self.inbox.events.try_recv() {
            self.tell(event).await?;
        }
        Ok(())
    }

    async fn handle_message(&mut self, message: Message) -> Result<(), TransportError> {
        let handled = match &message {
            Message::Text(text) => match RecordCommand::parse(text.as_str()) {
                Ok((_, RecordCommand::Frame(frame))) => {
                    let size = text.as_str().len();
                    self.handle_json_frame(*frame, size).await
                }
                // On the heap: commands are rare, and what they take on their way would be part of every connection.
                Ok((id, command)) => return Box::pin(self.handle_command(id, command)).await,
                Err(error) => {
                    // A frame that could not be read still settles its number, so that no ack waits for it.
                    let named = error.facts.get("stream").and_then(Value::as_str).unwrap_or_default();
                    let stream = self.published_stream(named).cloned();
                    if let Some(stream) = stream.filter(|_| error.frame_number.is_some()) {
                        self.settle_refused(&stream, &error);
                    }
                    Err(error)
                }
            },
            Message::Binary(bytes) => self.handle_binary(bytes).await,
            Message::Close(_) => Ok(()),
        };
        match handled {
            Ok(()) => Ok(()),
            Err(error) => self.tell(json_message(&error)).await,
        }
    }

    async fn handle_json_frame(&mut self, frame: FrameMessage, size: usize) -> Result<(), ProtocolError> {
        let stream =
            self.frame_stream(frame.stream.as_deref().unwrap_or_default(), frame.frame_number).await?;
        let image_size = frame.image.as_ref().map_or(0, String::len);
        let sent = if size - image_size > RecordService::MAX_FRAME_BYTES {
            Err(too_large("frame", RecordService::MAX_FRAME_BYTES).of_frame(frame.frame_number))
        } else {
            SentFrame::from_json(frame)
        };
        self.send_frame(&stream, sent)
    }

    async fn handle_binary(&mut self, message: &bytes::Bytes) -> Result<(), ProtocolError> {
        let decoded = PackedMessage::decode(message)
            .map_err(|error| ProtocolError::new(ErrorCode::BadBinary, error.to_string()))?;
        match decoded {
            PackedMessage::Frame(frame) => {
                let stream = self.frame_stream(&frame.header.stream, frame.header.frame_number).await?;
                self.send_frame(&stream, SentFrame::from_binary(frame))
            }
            PackedMessage::Video(video) => {
                let stream = self.frame_stream(&video.stream, None).await?;
                self.hand_over(&stream, StreamCommand::Video { from: self.peer.id, video });
                Ok(())
            }
        }
    }

    /// Without a name, the stream published last is meant.
    fn published_stream(&self, name: &str) -> Option<&StreamHandle> {
        let found = match name {
            "" => self.published.last(),
            name => self.published.iter().find(|(published, _)| published == name),
        };
        found.map(|(_, stream)| stream)
    }

    fn send_frame(
        &mut self,
        stream: &StreamHandle,
        sent: Result<SentFrame, ProtocolError>,
    ) -> Result<(), ProtocolError> {
        match sent {
            Ok(frame) => {
                self.hand_over(stream, StreamCommand::Frame { from: self.peer.id, frame });
                Ok(())
            }
            Err(error) => {
                self.settle_refused(stream, &error);
                Err(error)
            }
        }
    }

    fn settle_refused(&mut self, stream: &StreamHandle, error: &ProtocolError) {
        let (frame_number, code) = (error.frame_number, error.code);
        self.hand_over(stream, StreamCommand::Refused { from: self.peer.id, frame_number, code });
    }

    /// The stream a frame or video belongs to. A connection that hasn't published yet publishes to `default` by this.
    async fn frame_stream(
        &mut self,
        name: &str,
        frame_number: Option<u64>,
    ) -> Result<StreamHandle, ProtocolError> {
        if let Some(stream) = self.published_stream(name) {
            return Ok(stream.clone());
        }
        if !self.published.is_empty() || !(name.is_empty() || name == DEFAULT_STREAM) {
            let message =
                format!("this connection doesn't publish to the stream `{name}`: send `publish` first");
            return Err(ProtocolError::new(ErrorCode::NotPublisher, message).of_frame(frame_number));
        }
        Box::pin(self.publish(Publish::default())).await.map_err(|error| error.of_frame(frame_number))?;
        self.service.stream(DEFAULT_STREAM)
    }

    async fn handle_command(
        &mut self,
        id: Option<CommandId>,
        command: RecordCommand,
    ) -> Result<(), TransportError> {
        let answer = match command {
            RecordCommand::Publish(publish) => self.publish(publish).await,
            RecordCommand::Subscribe(subscribe) => self.subscribe(subscribe).await,
            RecordCommand::Unsubscribe(unsubscribe) => self.unsubscribe(unsubscribe.stream).await,
            RecordCommand::StartRecording(start) => self.start(start).await,
            RecordCommand::PauseRecording(session) => self.control(&session, Control::Pause).await,
            RecordCommand::ResumeRecording(session) => self.control(&session, Control::Resume).await,
            RecordCommand::Mark(Mark { session, label, timestamp }) => {
                self.control(&session, Control::Mark { label, timestamp }).await
            }
            RecordCommand::StopRecording(session) => {
                let stopped = self.control(&session, Control::Stop).await;
                self.service.or_stopped_before(&session, stopped).await
            }
            RecordCommand::DiscardRecording(session) => self.control(&session, Control::Discard).await,
            RecordCommand::ResumeSession(resume) => self.resume_session(resume).await,
            RecordCommand::FramesDropped(dropped) => match self.drop_frames(dropped).await {
                // Like a frame, it is answered only if it is refused, or if an answer is asked for.
                Ok(_) if id.is_none() => return Ok(()),
                answer => answer,
            },
            RecordCommand::Frame(_) => Ok(ok_answer(Map::new())),
        };
        // What happened before the answer is told before the answer.
        self.tell_events().await?;
        let message = match answer {
            Ok(mut answer) => {
                if let Some(id) = id {
                    answer["id"] = json!(id);
                }
                json_message(&answer)
            }
            Err(error) => json_message(&error.answering(id)),
        };
        self.tell(message).await
    }

    async fn publish(&mut self, publish: Publish) -> Answer {
        let pre_roll_max = pre_roll("pre_roll_max", publish.pre_roll_max)?;
        if publish.fps.is_some_and(|fps| !(fps.is_finite() && fps > 0.0)) {
            return Err(ProtocolError::new(ErrorCode::BadMessage, "`fps` is a number above 0"));
        }
        if publish.publisher.as_ref().is_some_and(|name| name.is_empty() || name.len() > 200) {
            return Err(ProtocolError::new(ErrorCode::BadMessage, "`publisher` has 1 to 200 bytes"));
        }
        let skeleton = publish.skeleton.as_ref().map(|skeleton| skeleton.resolve()).transpose();
        let skeleton: Option<Skeleton> =
            skeleton.map_err(|error| ProtocolError::new(ErrorCode::BadMessage, error.to_string()))?;
        let name = publish.stream.unwrap_or_else(|| DEFAULT_STREAM.to_owned());
        let stream = self.service.stream(&name)?;
        self.check_stream_count(&name)?;
        let (peer, publisher, take_over, fps) =
            (self.peer.clone(), publish.publisher, publish.take_over, publish.fps);
        let answer = self
            .ask(&stream, |reply| StreamCommand::Publish {
                peer,
                publisher,
                take_over,
                skeleton,
                fps,
                pre_roll_max,
                reply,
            })
            .await?;
        self.now_publishes(name, stream);
        Ok(answer)
    }

    fn now_publishes(&mut self, name: String, stream: StreamHandle) {
        self.published.retain(|(published, _)| *published != name);
        self.published.push((name, stream));
    }

    fn check_stream_count(&self, name: &str) -> Result<(), ProtocolError> {
        let names = self
            .published
            .iter()
            .map(|(name, _)| name)
            .chain(self.watched.keys())
            .chain(self.controlled.keys());
        let others = names.filter(|other| *other != name).count();
        if others >= MAX_STREAMS {
            let message = format!("a connection may use {MAX_STREAMS} streams");
            return Err(ProtocolError::new(ErrorCode::TooLarge, message));
        }
        Ok(())
    }

    async fn subscribe(&mut self, subscribe: Subscribe) -> Answer {
        let name = subscribe.stream.unwrap_or_else(|| DEFAULT_STREAM.to_owned());
        let stream = self.service.stream(&name)?;
        self.check_stream_count(&name)?;
        self.unwatch(&name);
        // Watching starts before the answer is asked for, so that no change falls between the two.
        let viewer = stream.watch(subscribe.format);
        let peer = self.peer.clone();
        let answer = self.ask(&stream, |reply| StreamCommand::Subscribe { peer, reply }).await?;
        self.live.insert(name.as_str().into(), viewer);
        self.watched.insert(name, stream);
        Ok(answer)
    }

    async fn unsubscribe(&mut self, name: Option<String>) -> Answer {
        let name = name.unwrap_or_else(|| DEFAULT_STREAM.to_owned());
        if let Some(stream) = self.watched.get(&name).cloned() {
            self.hand_over_aside(&stream, StreamCommand::Unsubscribe { connection: self.peer.id });
        }
        self.unwatch(&name);
        Ok(ok_answer(Map::new()))
    }

    fn unwatch(&mut self, name: &str) {
        self.live.remove(name);
        self.watched.remove(name);
    }

    async fn start(&mut self, start: StartRecording) -> Answer {
        pre_roll("pre_roll", start.pre_roll)?;
        let name = self.own_stream(start.stream.clone());
        let stream = self.service.stream(&name)?;
        self.check_stream_count(&name)?;
        let peer = self.peer.clone();
        let answer =
            self.ask(&stream, |reply| StreamCommand::Start { peer, start: Box::new(start), reply }).await?;
        self.started = answer["session_id"].as_str().and_then(|id| id.parse().ok());
        self.controlled.insert(name, stream);
        Ok(answer)
    }

    fn own_stream(&self, named: Option<String>) -> String {
        let published = self.published.last().map(|(name, _)| name.clone());
        named.or(published).unwrap_or_else(|| DEFAULT_STREAM.to_owned())
    }

    /// Hands a command to the stream whose recording it means.
    async fn control(&mut self, session: &SessionRef, control: Control) -> Answer {
        let (session, stream) = self.recording_meant(session)?;
        self.check_stream_count(stream.name())?;
        let peer = self.peer.clone();
        let answer =
            self.ask(&stream, |reply| StreamCommand::Control { peer, session, control, reply }).await?;
        self.controlled.insert(stream.name().to_owned(), stream);
        Ok(answer)
    }

    /// Finds the recording that a command means: the named one, else the one started here, else the stream's.
    fn recording_meant(
        &self,
        session: &SessionRef,
    ) -> Result<(Option<SessionId>, StreamHandle), ProtocolError> {
        if let Some(id) = session.session_id {
            let message = format!("the session {id} is not being recorded");
            let stream = self.service.stream_of(id);
            let missing = || ProtocolError::new(ErrorCode::NoRecording, message);
            return stream.map(|stream| (Some(id), stream)).ok_or_else(missing);
        }
        let started = self.started.and_then(|id| Some((Some(id), self.service.stream_of(id)?)));
        if let Some(started) = started {
            return Ok(started);
        }
        let watched = self.watched.keys().next().cloned().filter(|_| self.published.is_empty());
        Ok((None, self.service.stream(&self.own_stream(watched))?))
    }

    async fn drop_frames(&mut self, dropped: FramesDropped) -> Answer {
        let stream = self.frame_stream(dropped.stream.as_deref().unwrap_or_default(), None).await?;
        let from = self.peer.id;
        self.ask(&stream, |reply| StreamCommand::Dropped { from, dropped, reply }).await
    }

    async fn resume_session(&mut self, resume: ResumeSession) -> Answer {
        let stream = match self.service.stream_of(resume.session_id) {
            Some(stream) => stream,
            None => self.service.stream(&self.own_stream(resume.stream.clone()))?,
        };
        self.check_stream_count(stream.name())?;
        let (peer, name) = (self.peer.clone(), stream.name().to_owned());
        let answer = self.ask(&stream, |reply| StreamCommand::ResumeSession { peer, resume, reply }).await?;
        self.now_publishes(name, stream);
        Ok(answer)
    }
}

/// Reads a time before a recording, in seconds.
fn pre_roll(field: &str, seconds: Option<f64>) -> Result<Option<Duration>, ProtocolError> {
    let most = PreRoll::MAX_AGE.as_secs_f64();
    match seconds {
        None => Ok(None),
        Some(seconds) if (0.0..=most).contains(&seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
        Some(_) => {
            let message = format!("`{field}` is a number of seconds from 0 to {most}");
            Err(ProtocolError::new(ErrorCode::BadMessage, message))
        }
    }
}

/// Makes an `ok` answer with some facts.
pub(super) fn ok_answer(mut facts: Map<String, Value>) -> Value {
    facts.insert("type".to_owned(), json!("ok"));
    Value::Object(facts)
}
