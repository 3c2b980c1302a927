//! The controllers' side of a stream: start, pause, mark, stop, watch, leave.

use std::time::Duration;

use posesession_core::{CommandError, Encoding, SessionId, SessionRecording, SessionStatus};
use posesession_store::{NewSession, SessionStore, StoreError, Term, VideoType};
use serde_json::{Map, json};

use super::{Attached, Control, Publisher, StreamActor};
use crate::protocol::{ErrorCode, ProtocolError, StartRecording, VideoFormat};
use crate::record::connection::ok_answer;
use crate::record::peer::{ConnectionId, Peer};
use crate::record::recording::{Recording, storage_error};
use crate::record::stream::Answer;

impl StreamActor {
    pub(super) fn subscribe(&mut self, peer: Peer) -> Answer {
        self.attach(&peer).watching = true;
        let mut facts = Map::new();
        facts.insert("stream".to_owned(), json!(&*self.name));
        facts.insert("skeleton".to_owned(), json!(self.skeleton.as_deref()));
        facts.insert("session_id".to_owned(), json!(self.recording.as_ref().map(|recording| recording.id)));
        self.tell_status();
        Ok(ok_answer(facts))
    }

    pub(super) fn unsubscribe(&mut self, connection: ConnectionId) {
        if let Some(attached) = self.attached.get_mut(&connection) {
            attached.watching = false;
        }
        // Who only watched is nobody to the stream any more, and does not say goodbye to it either.
        self.attached.retain(|_, attached| attached.watching || attached.controlling);
    }

    pub(super) fn disconnect(&mut self, connection: ConnectionId) {
        self.attached.remove(&connection);
        self.left.retain(|left| left.id != connection && !left.is_gone());
        if let Some(publisher) = self.publisher.take_if(|publisher| publisher.peer.id == connection) {
            let lost_at = Some(self.service.inner.clock.now());
            self.set_publisher(self.recording.is_some().then_some(Publisher { lost_at, ..publisher }));
        }
    }

    /// A connection whose serving was broken off (its future dropped) has told no stream.
    pub(super) fn disconnect_those_gone(&mut self) {
        let publisher = self.publisher.as_ref().filter(|publisher| publisher.lost_at.is_none());
        let attached = self.attached.values().map(|attached| &attached.peer);
        let peers = attached.chain(publisher.map(|publisher| &publisher.peer));
        let gone: Vec<ConnectionId> = peers.filter(|peer| peer.is_gone()).map(|peer| peer.id).collect();
        for connection in gone {
            self.disconnect(connection);
        }
    }

    fn attach(&mut self, peer: &Peer) -> &mut Attached {
        let newcomer = || Attached { peer: peer.clone(), watching: false, controlling: false };
        self.attached.entry(peer.id).or_insert_with(newcomer)
    }

    pub(super) async fn start(&mut self, peer: Peer, start: StartRecording) -> Answer {
        self.check_not_left(&peer)?;
        if let Some(recording) = &self.recording {
            let message = format!("the stream `{}` is being recorded already", self.name);
            let error = ProtocolError::new(ErrorCode::AlreadyRecording, message);
            return Err(error.with("session_id", recording.id.to_string()));
        }
        if let Some(video) = &start.video {
            if VideoType::of(&video.mime).is_none() {
                let message =
                    format!("video of type `{}` is not supported: use video/webm or video/mp4", video.mime);
                return Err(ProtocolError::new(ErrorCode::Unsupported, message));
            }
            if self.service.inner.media.is_none() {
                return Err(ProtocolError::new(ErrorCode::Unsupported, "this server keeps no video"));
            }
        }
        let declared = Encoding::declared(start.codec.as_deref(), start.max_error);
        let declared =
            declared.map_err(|error| ProtocolError::new(ErrorCode::BadMessage, error.to_string()))?;
        let mut metadata = start.metadata;
        if let Some(video) = &start.video {
            metadata.insert("video".to_owned(), json!({ "mime": video.mime }));
        }
        let unnamed = NewSession::named(&start.name);
        let new = NewSession {
            id: start.session_id.unwrap_or(unnamed.id),
            description: start.description,
            created_at: self.service.inner.clock.wall(),
            metadata,
            skeleton: self.skeleton.as_deref().cloned(),
            encoding: declared.unwrap_or_else(|| self.service.inner.options.encoding.clone()),
            ..unnamed
        };
        let (id, store) = (new.id, &*self.service.inner.store);
        let session = match store.create_session(new).await {
            Ok(session) => session,
            Err(error) => {
                // Perhaps only the answer was lost. An id that the client chose may be of a session that goes on elsewhere.
                if matches!(error, StoreError::Backend { .. }) && start.session_id.is_none() {
                    undo_start(store, id).await;
                }
                return Err(storage_error(&error));
            }
        };
        let begun = self.begin(&session, start.video, start.pre_roll).await;
        let pre_roll = match begun {
            Ok(pre_roll) => pre_roll,
            Err(error) => {
                undo_start(&*self.service.inner.store, session.id).await;
                self.service.release(session.id, &self.name);
                return Err(error);
            }
        };
        self.attach(&peer).controlling = true;
        self.tell_started(session.id);
        self.tell_status();
        let mut answer = json!({
            "type": "session_created", "session_id": session.id, "stream": &*self.name, "session": session,
        });
        if start.pre_roll.is_some() {
            answer["pre_roll"] = json!(pre_roll);
        }
        Ok(answer)
    }

    async fn begin(
        &mut self,
        session: &SessionRecording,
        video: Option<VideoFormat>,
        pre_roll: Option<f64>,
    ) -> Result<f64, ProtocolError> {
        self.service.reserve(session.id, &self.name)?;
        let mut recording = Recording::begin(&self.service, session, self.fps, video)?;
        if let Some(publisher) = &self.publisher {
            recording.set_publisher(&publisher.name).await?;
        }
        let age = pre_roll.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let pre_roll = self.before.move_into(&mut recording, age).await?;
        self.recording = Some(recording);
        Ok(pre_roll)
    }

    pub(super) async fn control(
        &mut self,
        peer: &Peer,
        session: Option<SessionId>,
        control: Control,
    ) -> Answer {
        self.check_not_left(peer)?;
        let now = self.service.inner.clock.now();
        let Some(recording) = self.recording.as_mut().filter(|r| session.is_none_or(|id| id == r.id)) else {
            let message = format!("nothing is being recorded on the stream `{}`", self.name);
            return Err(ProtocolError::new(ErrorCode::NoRecording, message));
        };
        let id = recording.id;
        let mut facts = Map::new();
        facts.insert("session_id".to_owned(), json!(id));
        match control {
            Control::Pause | Control::Resume => {
                let changed = match control {
                    Control::Pause => recording.recorder.pause(now),
                    _ => recording.recorder.resume(now),
                };
                changed.map_err(|error| refused(&error))?;
                recording.is_as_reopened = false;
            }
            Control::Mark { label, timestamp } => {
                let marker =
                    recording.recorder.mark(now, &label, timestamp).map_err(|error| refused(&error))?;
                facts.insert("marker".to_owned(), json!(marker));
            }
            Control::Stop => {
                let stopped = self.stop(SessionStatus::Completed, false).await;
                if self.recording.is_some() {
                    // It waits for the store, and whoever stopped it for word of that.
                    self.attach(peer).controlling = true;
                }
                return stopped;
            }
            Control::Discard => {
                self.discard().await?;
                return Ok(ok_answer(facts));
            }
        }
        if let Err(error) = recording.note_status().await {
            self.lose(&error).await;
            return Err(error);
        }
        self.attach(peer).controlling = true;
        self.tell_status();
        Ok(ok_answer(facts))
    }
}

/// Erases a session that could not begin: nobody was told of it, so nobody is to find it.
async fn undo_start(store: &dyn SessionStore, id: SessionId) {
    // Its client may have gone on with it elsewhere. Where that is so, the store refuses this; else nobody can from here on.
    let undone = match store.finish(id, Term::FIRST, SessionStatus::Failed).await {
        Ok(_) => store.erase_session(id).await,
        Err(error) => Err(error),
    };
    match undone {
        Ok(()) | Err(StoreError::SessionNotFound { .. }) => {}
        Err(StoreError::Fenced { .. }) => {
            tracing::info!(session = %id, "a session that could not begin here went on elsewhere");
        }
        Err(error) => {
            tracing::warn!(session = %id, %error, "a session that could not begin is left empty");
        }
    }
}

pub(super) fn refused(error: &CommandError) -> ProtocolError {
    let code = match error {
        CommandError::WrongStatus { .. } => ErrorCode::BadState,
        CommandError::NotPolled { .. } => ErrorCode::Storage,
        CommandError::TooManyMarkers { .. } => ErrorCode::TooLarge,
        CommandError::BadRange { .. } => ErrorCode::OutOfRange,
        CommandError::SkeletonIsSet { .. } => ErrorCode::KeypointMismatch,
        _ => ErrorCode::BadMessage,
    };
    let message: String = error.to_string();
    ProtocolError::new(code, message)
}
