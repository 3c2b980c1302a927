//! Live frames: one publisher in, any number of viewers out, each frame encoded once.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use posesession_core::{PoseData, PoseJson, Skeleton, Timestamp};
use serde::Serialize;
use tokio::sync::{broadcast, mpsc};

use super::peer::json_message;
use crate::message::Message;
use crate::protocol::{BinaryFrame, BinaryFrameHeader, WireFormat};

/// What a stream tells its viewers.
#[derive(Debug, Clone)]
pub(super) enum LiveEvent {
    Frame(Arc<LiveFrame>),
    /// A status or a skeleton, as JSON.
    Text(Message),
}

/// One frame, encoded at most once per format, when the first viewer of that format asks.
#[derive(Debug)]
pub(super) struct LiveFrame {
    pub(super) stream: String,
    pub(super) skeleton: Arc<Skeleton>,
    pub(super) frame_number: Option<u64>,
    pub(super) timestamp: Timestamp,
    pub(super) session_timestamp: Option<Timestamp>,
    pub(super) pose_data: PoseData,
    pub(super) image: Bytes,
    pub(super) json: OnceLock<Message>,
    pub(super) binary: OnceLock<Message>,
}

#[derive(Serialize)]
struct FrameJson<'a> {
    r#type: &'static str,
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_number: Option<u64>,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_timestamp: Option<Timestamp>,
    pose_data: PoseJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
}

#[derive(Serialize)]
struct GapJson<'a> {
    r#type: &'static str,
    stream: &'a str,
    count: u64,
}

impl LiveFrame {
    fn message(&self, format: WireFormat) -> Message {
        match format {
            WireFormat::Json => self.json.get_or_init(|| self.to_json()).clone(),
            WireFormat::Binary => self.binary.get_or_init(|| self.to_binary()).clone(),
        }
    }

    fn to_json(&self) -> Message {
        json_message(&FrameJson {
            r#type: "frame",
            stream: &self.stream,
            frame_number: self.frame_number,
            timestamp: self.timestamp,
            session_timestamp: self.session_timestamp,
            pose_data: PoseJson::new(&self.pose_data, &self.skeleton),
            image: (!self.image.is_empty()).then(|| STANDARD.encode(&self.image)),
        })
    }

    fn to_binary(&self) -> Message {
        let header = BinaryFrameHeader {
            epoch: 0,
            timestamp: self.timestamp,
            session_timestamp: self.session_timestamp,
            frame_number: self.frame_number,
            values_per_person: u32::try_from(self.skeleton.values_per_person()).unwrap_or(u32::MAX),
            stream: self.stream.clone(),
        };
        Message::Binary(BinaryFrame::encode(&header, &self.pose_data, &self.image))
    }
}

/// Moves a stream's events into one viewer's queue until either end is gone. A viewer that is too slow loses the oldest
/// events, is told how many, and slows nobody.
pub(super) async fn forward(
    stream: String,
    format: WireFormat,
    mut events: broadcast::Receiver<LiveEvent>,
    viewer: mpsc::Sender<Message>,
) {
    loop {
        let message = match events.recv().await {
            Ok(LiveEvent::Frame(frame)) => frame.message(format),
            Ok(LiveEvent::Text(message)) => message,
            Err(broadcast::error::RecvError::Lagged(count)) => {
                json_message(&GapJson { r#type: "gap", stream: &stream, count })
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if viewer.send(message).await.is_err() {
            return;
        }
    }
}
