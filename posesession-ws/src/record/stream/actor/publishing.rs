//! The publisher's side of a stream: who may send, and what becomes of a frame.

use std::sync::Arc;

use bytes::Bytes;
use posesession_core::{Accepted, FrameRefusal, IncomingFrame, PoseData, Recorder, Skeleton};
use serde_json::{Map, json};

use super::controlling::refused as refused_command;
use super::{Publisher, StreamActor};
use crate::protocol::{BinaryVideo, ErrorCode, FramesDropped, ProtocolError};
use crate::record::connection::ok_answer;
use crate::record::live::{Encoded, Fact, LiveEvent, LiveFrame};
use crate::record::peer::{ConnectionId, Peer, json_message};
use crate::record::recording::no_name;
use crate::record::sent::{SentFrame, SentPoses, pose_error_code};
use crate::record::stream::Answer;

impl StreamActor {
    pub(super) async fn publish(
        &mut self,
        peer: Peer,
        name: Option<String>,
        take_over: bool,
        skeleton: Option<Skeleton>,
        fps: Option<f64>,
    ) -> Answer {
        self.check_not_left(&peer)?;
        if let Some(name) = name.as_deref().filter(|_| !take_over) {
            self.check_newest(&peer, name)?;
        }
        let mine = self.publisher.as_ref().is_some_and(|p| p.peer.id == peer.id);
        let same = match (&self.publisher, &name) {
            (Some(publisher), Some(name)) => publisher.name == *name,
            (Some(_), None) => mine,
            (None, _) => false,
        };
        if !(same || take_over) {
            self.check_free_for(&peer)?;
        }
        if let Some(skeleton) = &skeleton {
            self.check_skeleton(skeleton)?;
        }
        let is_named = name.is_some() || (same && self.publisher.as_ref().is_some_and(|its| its.is_named));
        let name = name.unwrap_or_else(|| match &self.publisher {
            Some(publisher) if same => publisher.name.clone(),
            _ => no_name(),
        });
        self.hand_numbers_over(&name, same).await?;
        // Not before: a take-over that fails leaves the old publisher its skeleton.
        if let Some(skeleton) = skeleton {
            self.declare(skeleton)?;
        } else if !same && self.recording.is_none() {
            self.skeleton = None;
        }
        self.fps = fps.or(self.fps);
        self.install(peer, name.clone(), is_named);
        let mut facts = Map::new();
        facts.insert("stream".to_owned(), json!(&*self.name));
        facts.insert("publisher".to_owned(), json!(name));
        if let Some(recording) = &self.recording {
            facts.insert("session_id".to_owned(), json!(recording.id));
            facts.insert("stored_through".to_owned(), json!(recording.stored_through));
        }
        Ok(ok_answer(facts))
    }

    /// Checks that no other connection publishes, and that no publisher is waited for: what it sends again under its name would
    /// be taken for new once another one has published. One without a name of its own can't come back, so nobody waits for it.
    pub(super) fn check_free_for(&self, peer: &Peer) -> Result<(), ProtocolError> {
        let message = match &self.publisher {
            Some(publisher) if publisher.peer.id == peer.id => return Ok(()),
            Some(Publisher { lost_at: None, .. }) => {
                "another publisher sends poses to this stream; `take_over` puts it out"
            }
            Some(Publisher { is_named: true, .. }) if self.recording.is_some() => {
                "the recording waits for another publisher to come back; `take_over` shuts it out"
            }
            _ => return Ok(()),
        };
        Err(ProtocolError::new(ErrorCode::StreamBusy, message))
    }

    /// Lets the recording, if there is one, go on with the numbers of a publisher: the same as before, or another one.
    ///
    /// Everything under the old numbers is stored before the store is told of the new publisher, and only then the new numbers
    /// start: no acknowledgement mixes them up, and where this fails, the old publisher goes on as before.
    pub(super) async fn hand_numbers_over(&mut self, name: &str, same: bool) -> Result<(), ProtocolError> {
        if self.recording.is_none() {
            self.before.belong_to(name);
        }
        let now = self.service.inner.clock.now();
        let Some(recording) = &mut self.recording else { return Ok(()) };
        if same {
            return Ok(());
        }
        recording.expect_not_ending()?;
        let was_in_trouble = recording.trouble.is_some();
        let stored = recording.hand_over(now, name).await;
        match stored {
            Ok(settled) => {
                // The old publisher hears of it before it is put out.
                self.acknowledge(settled);
                Ok(())
            }
            Err(error) => {
                if recording.is_lost {
                    self.lose(&error).await;
                } else {
                    // What was stored by the way is owed to the old publisher, and so is word of what wasn't.
                    let stored_through = recording.stored_through;
                    let is_news = recording.trouble.is_some() && !was_in_trouble;
                    self.acknowledge(stored_through);
                    if is_news {
                        self.tell_all_error(&error);
                    }
                    self.tell_status();
                }
                Err(error)
            }
        }
    }

    pub(super) fn install(&mut self, peer: Peer, name: String, is_named: bool) {
        let comes_back = |old: &&Publisher| old.name == name && old.peer.id != peer.id;
        if let Some(old) = self.publisher.as_ref().filter(comes_back) {
            self.left.retain(|left| !left.is_gone());
            self.left.push(old.peer.clone());
            if let Some(recording) = &mut self.recording {
                recording.reconnects += 1;
            }
        }
        if let Some(old) = &self.publisher
            && old.peer.id != peer.id
        {
            let message = "another publisher has taken this stream over";
            old.peer.tell_error(
                &ProtocolError::new(ErrorCode::NotPublisher, message).with("stream", &*self.name),
            );
        }
        self.before.belong_to(&name);
        self.set_publisher(Some(Publisher { peer, name, is_named, lost_at: None }));
    }

    /// Refuses what comes over a connection that its publisher has left for another one.
    pub(super) fn check_not_left(&self, peer: &Peer) -> Result<(), ProtocolError> {
        if self.left.iter().any(|left| left.id == peer.id) { Err(self.goes_on_elsewhere()) } else { Ok(()) }
    }

    /// Refuses a publisher that is here already over a later connection: it gave this one up before what it sent arrived.
    pub(super) fn check_newest(&self, peer: &Peer, name: &str) -> Result<(), ProtocolError> {
        let is_here = |its: &Publisher| its.name == name && its.lost_at.is_none() && its.peer.id > peer.id;
        if self.publisher.as_ref().is_some_and(is_here) { Err(self.goes_on_elsewhere()) } else { Ok(()) }
    }

    fn goes_on_elsewhere(&self) -> ProtocolError {
        let message = "the publisher goes on over another connection; this one is not heard any more";
        ProtocolError::new(ErrorCode::NotPublisher, message).with("stream", &*self.name)
    }

    /// Checks that the recording, if there is one, can have this skeleton.
    fn check_skeleton(&self, skeleton: &Skeleton) -> Result<(), ProtocolError> {
        let Some(recording) = &self.recording else { return Ok(()) };
        let checked = recording.recorder.check_skeleton(skeleton);
        checked.map_err(|error| ProtocolError::new(ErrorCode::KeypointMismatch, error.to_string()))
    }

    pub(super) fn declare(&mut self, skeleton: Skeleton) -> Result<(), ProtocolError> {
        if self.skeleton.as_deref() == Some(&skeleton) {
            return Ok(());
        }
        if let Some(recording) = &mut self.recording {
            let set = recording.recorder.set_skeleton(skeleton.clone());
            set.map_err(|error| ProtocolError::new(ErrorCode::KeypointMismatch, error.to_string()))?;
        }
        let skeleton = Arc::new(skeleton);
        self.before.have_skeleton(&skeleton);
        self.skeleton = Some(Arc::clone(&skeleton));
        let message = json!({ "type": "skeleton", "stream": &*self.name, "skeleton": &*skeleton });
        self.live.tell(LiveEvent::Fact(Fact::Skeleton, json_message(&message)));
        Ok(())
    }

    /// Returns the publisher if the connection is it, else tells the connection nothing: it was told when it was put out.
    fn is_publisher(&self, connection: ConnectionId) -> bool {
        self.publisher.as_ref().is_some_and(|publisher| publisher.peer.id == connection)
    }

    fn tell_sender(&self, error: &ProtocolError) {
        if let Some(publisher) = &self.publisher {
            publisher.peer.tell_error(error);
        }
    }

    pub(super) fn handle_refused(&mut self, from: ConnectionId, frame_number: Option<u64>, code: ErrorCode) {
        if !self.is_publisher(from) {
            return;
        }
        let now = self.service.inner.clock.now();
        let Some(recording) = &mut self.recording else {
            self.before.refuse(now, frame_number, code);
            return;
        };
        if let Err(error) = recording.recorder.refuse(now, frame_number, code.as_str()) {
            tracing::warn!(session = %recording.id, %error, "a refused frame is not counted");
        }
    }

    /// Settles numbers that won't come. While nothing is recorded they matter only to a recording that begins earlier.
    pub(super) fn drop_frames(&mut self, from: ConnectionId, dropped: &FramesDropped) -> Answer {
        if !self.is_publisher(from) {
            let message = "this connection doesn't publish to the stream";
            return Err(ProtocolError::new(ErrorCode::NotPublisher, message));
        }
        let now = self.service.inner.clock.now();
        if let Some(recording) = &mut self.recording {
            let settled = recording.recorder.drop_numbers(now, dropped.first, dropped.last, &dropped.cause);
            settled.map_err(|error| refused_command(&error))?;
        } else {
            let checked = Recorder::check_dropped(dropped.first, dropped.last, &dropped.cause);
            checked.map_err(|error| refused_command(&error))?;
            self.before.drop_frames(now, dropped);
        }
        Ok(ok_answer(Map::new()))
    }

    pub(super) fn handle_frame(&mut self, from: ConnectionId, frame: SentFrame) {
        if !self.is_publisher(from) {
            return;
        }
        let number = frame.frame_number;
        if let Err(error) = self.take_frame(frame) {
            self.tell_sender(&error.of_frame(number));
        }
    }

    fn take_frame(&mut self, frame: SentFrame) -> Result<(), ProtocolError> {
        let SentFrame { frame_number, timestamp, poses, image } = frame;
        let now = self.service.inner.clock.now();
        let mut pose_data = std::mem::take(&mut self.spare);
        pose_data.track_ids.clear();
        pose_data.values.clear();
        let from_poses = self.know_skeleton(&poses).and_then(|skeleton| {
            if let Some(known) = &skeleton {
                poses.resolve_into(&mut pose_data, known)?;
            }
            Ok(skeleton)
        });
        let is_kept = self.recording.is_some() || self.before.is_kept();
        let image_kept = self.service.inner.media.is_some() || image.is_empty() || !is_kept;
        let checked = if image_kept {
            from_poses
        } else {
            Err(ProtocolError::new(ErrorCode::Unsupported, "this server keeps no images: send poses only"))
        };
        let skeleton = match checked {
            Ok(resolved) => resolved,
            Err(error) => {
                if let Some(publisher) = &self.publisher {
                    self.handle_refused(publisher.peer.id, frame_number, error.code);
                }
                return Err(error);
            }
        };
        // A copy of its own: the slice would keep the whole message's memory while the image waits for its chunk.
        let image = Bytes::copy_from_slice(&image);
        let mut session_timestamp = None;
        let viewers = self.live.has_viewers();
        let shown = viewers.then(|| (pose_data.clone(), image.clone()));
        let recorded = match &mut self.recording {
            None => {
                let image = (!image.is_empty()).then_some(image);
                let mut frame = IncomingFrame { number: frame_number, timestamp, pose_data, image };
                self.before.take(now, &mut frame);
                self.spare = unless_huge(frame.pose_data);
                Ok(())
            }
            Some(recording) => {
                let image = (!image.is_empty()).then_some(image);
                let mut frame = IncomingFrame { number: frame_number, timestamp, pose_data, image };
                let accepted = recording.recorder.handle_frame(now, &mut frame);
                self.spare = unless_huge(frame.pose_data);
                if let Ok(Accepted::Stored { timestamp, .. }) = &accepted {
                    session_timestamp = Some(*timestamp);
                }
                accepted.map(drop).map_err(|refusal| refused(&refusal))
            }
        };
        if let Some((pose_data, image)) = shown {
            let nobody_yet = || Arc::new(Skeleton { name: String::new(), components: Vec::new() });
            let skeleton = skeleton.unwrap_or_else(nobody_yet);
            self.live.tell(LiveEvent::Frame(Box::new(LiveFrame {
                stream: self.name.to_string(),
                skeleton,
                frame_number,
                timestamp,
                session_timestamp,
                pose_data,
                image,
                encoded: Encoded::default(),
            })));
        }
        recorded
    }

    /// Returns the stream's skeleton, inferring it from the first frame with a person.
    fn know_skeleton(&mut self, poses: &SentPoses) -> Result<Option<Arc<Skeleton>>, ProtocolError> {
        if self.skeleton.is_none()
            && let Some(inferred) = poses.infer_skeleton()?
        {
            self.declare(inferred)?;
        }
        Ok(self.skeleton.clone())
    }

    pub(super) async fn handle_video(&mut self, from: ConnectionId, video: BinaryVideo) {
        if !self.is_publisher(from) {
            return;
        }
        let stored = match &mut self.recording {
            Some(recording) => recording.store_video(video).await,
            None => Err(ProtocolError::new(ErrorCode::NoRecording, "video is only taken while recording")),
        };
        if let Err(error) = stored {
            self.tell_sender(&error.with("kind", "video"));
        }
    }
}

fn refused(refusal: &FrameRefusal) -> ProtocolError {
    let code = match refusal {
        FrameRefusal::NotRecording { .. } => ErrorCode::NoRecording,
        FrameRefusal::NotPolled { .. } => ErrorCode::Storage,
        FrameRefusal::Late { .. } => ErrorCode::Late,
        FrameRefusal::Conflict { .. } => ErrorCode::Conflict,
        FrameRefusal::NumberTooHigh { .. } | FrameRefusal::SessionFull { .. } => ErrorCode::OutOfRange,
        FrameRefusal::TooLarge { .. } => ErrorCode::TooLarge,
        FrameRefusal::UnknownSkeleton => ErrorCode::KeypointMismatch,
        FrameRefusal::Pose(error) => pose_error_code(error),
        _ => ErrorCode::BadMessage,
    };
    ProtocolError::new(code, refusal.to_string())
}

/// Returns a frame's memory for the next one; of a huge frame, none: a stream may stay for long, and most frames are small.
fn unless_huge(pose_data: PoseData) -> PoseData {
    const MOST_VALUES: usize = 1 << 17;
    if pose_data.values.capacity() > MOST_VALUES { PoseData::nobody() } else { pose_data }
}
