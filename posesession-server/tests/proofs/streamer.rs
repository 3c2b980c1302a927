//! Streamers that send as fast as they may, and remember what they were promised.

use std::sync::Arc;

use futures::FutureExt;
use posesession_core::{PoseData, SessionId, Skeleton, SyntheticPose, Timestamp, decode};
use posesession_server::{Access, Storage, StoragePlace};
use posesession_ws::protocol::{ErrorCode, Publish, SkeletonRef, StartRecording};
use posesession_ws::{ClientError, RecordClient, RecordEvent};
use tokio::sync::watch;

pub(crate) const SKELETON: &str = "mediapipe_33";
/// How many frames may be under way.
const WINDOW: u64 = 400;

/// How many frames were acknowledged to all streamers together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Total(Arc<watch::Sender<u64>>);

impl Total {
    pub(crate) fn add(&self, frames: u64) {
        self.0.send_modify(|total| *total += frames);
    }

    /// Waits until there are so many, and returns how many there are.
    pub(crate) async fn reach(&self, enough: u64) -> u64 {
        *self.0.subscribe().wait_for(|total| *total >= enough).await.unwrap()
    }
}

/// What a streamer sends: each frame can be computed at any time.
pub(crate) struct Source {
    poses: SyntheticPose,
    place: u64,
    image_bytes: usize,
}

impl Source {
    /// Makes the source of the streamer of this place; with 0 bytes its frames have no images.
    pub(crate) fn new(place: u64, image_bytes: usize) -> Self {
        let poses = SyntheticPose::new(&Skeleton::preset(SKELETON).unwrap(), 60.0);
        Self { poses, place, image_bytes }
    }

    pub(crate) fn frame(&self, number: u64) -> (Timestamp, PoseData, Vec<u8>) {
        let (timestamp, _) = self.poses.frame(number);
        let (_, pose) = self.poses.frame(number + 1_000 * self.place);
        let mut image = Vec::new();
        if self.image_bytes > 0 {
            image.extend([0xff, 0xd8, 0xff]);
            image.extend((number + 1_000_000 * self.place).to_le_bytes());
            image.resize(self.image_bytes, 7);
        }
        (timestamp, pose, image)
    }
}

/// What a streamer was told, to be looked for later.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    pub(crate) session: SessionId,
    pub(crate) acknowledged: Option<u64>,
    pub(crate) sent: u64,
    place: u64,
    image_bytes: usize,
}

/// A streamer at work.
pub(crate) struct Streamer {
    pub(crate) client: RecordClient,
    pub(crate) promise: Promise,
    /// The messages of the errors `storage` that it got.
    pub(crate) storage_errors: Vec<String>,
    source: Source,
    total: Total,
}

impl Streamer {
    /// Connects and starts a recording. Acknowledged frames are added to `total`.
    pub(crate) async fn start(address: &str, source: Source, total: &Total) -> Result<Self, ClientError> {
        let mut client = RecordClient::connect(&format!("ws://{address}/ws/pose")).await?;
        let publish = Publish {
            stream: Some(format!("stream-{}", source.place)),
            skeleton: Some(SkeletonRef::Preset(SKELETON.to_owned())),
            publisher: Some(format!("publisher-{}", source.place)),
            ..Publish::default()
        };
        client.publish(&publish).await?;
        let name = format!("Streamer {}", source.place);
        let session = client.start_recording(&StartRecording { name, ..StartRecording::default() }).await?;
        let (place, image_bytes) = (source.place, source.image_bytes);
        let promise = Promise { session, acknowledged: None, sent: 0, place, image_bytes };
        Ok(Self { client, promise, storage_errors: Vec::new(), source, total: total.clone() })
    }

    /// Sends frames and listens meanwhile; waits when too many are under way. Returns whether the server is still there.
    pub(crate) async fn send(&mut self, frames: u64) -> bool {
        for _ in 0..frames {
            let (timestamp, pose, image) = self.source.frame(self.promise.sent);
            if self.client.send_frame(Some(self.promise.sent), timestamp, &pose, &image).await.is_err() {
                return false;
            }
            self.promise.sent += 1;
            while let Some(event) = self.client.next_event().now_or_never() {
                if !self.take(event) {
                    return false;
                }
            }
            while self.under_way() > WINDOW {
                if !self.hear().await {
                    return false;
                }
            }
        }
        true
    }

    /// Waits for the next thing that the server says.
    pub(crate) async fn hear(&mut self) -> bool {
        let event = self.client.next_event().await;
        self.take(event)
    }

    /// Listens until all that was sent is acknowledged.
    pub(crate) async fn hear_all(&mut self) -> bool {
        while self.under_way() > 0 {
            if !self.hear().await {
                return false;
            }
        }
        true
    }

    /// Returns whether nothing that was sent waits for its acknowledgement.
    pub(crate) fn is_all_acknowledged(&self) -> bool {
        self.under_way() == 0
    }

    fn under_way(&self) -> u64 {
        self.promise.sent - self.promise.acknowledged.map_or(0, |number| number + 1)
    }

    fn take(&mut self, event: Result<RecordEvent, ClientError>) -> bool {
        match event {
            Ok(RecordEvent::Ack(ack)) => {
                let before = self.promise.acknowledged;
                assert!(ack.stored_through >= before, "{ack:?} after {before:?}");
                let next = |number: Option<u64>| number.map_or(0, |number| number + 1);
                self.total.add(next(ack.stored_through) - next(before));
                self.promise.acknowledged = ack.stored_through;
                true
            }
            Ok(RecordEvent::Error(error)) => {
                assert_eq!(error.code, ErrorCode::Storage, "{error:?}");
                self.storage_errors.push(error.message);
                true
            }
            Ok(RecordEvent::Closed(_)) | Err(_) => false,
            Ok(_) => true,
        }
    }
}

/// Looks into a data folder, beside a server or without one.
pub(crate) async fn look_into(data: &std::path::Path) -> Storage {
    StoragePlace::folder(data).open(Access::Read).await.unwrap()
}

impl Promise {
    /// Makes the promise of a session whose frames were all acknowledged.
    pub(crate) fn whole(session: SessionId, source: &Source, frames: u64) -> Self {
        let (place, image_bytes) = (source.place, source.image_bytes);
        Self { session, acknowledged: frames.checked_sub(1), sent: frames, place, image_bytes }
    }

    /// Checks that every acknowledged frame is there, once, in order, as it was sent, with its image; returns how many.
    pub(crate) async fn check(&self, storage: &Storage) -> u64 {
        let (store, id) = (storage.store(), self.session);
        let stored = store.read_session(id).await.unwrap().frame_count;
        let acknowledged = self.acknowledged.map_or(0, |number| number + 1);
        assert!(
            (acknowledged..=self.sent).contains(&stored),
            "{stored} frames are stored of {id}, {acknowledged} were acknowledged, {} were sent",
            self.sent
        );
        let source = Source::new(self.place, self.image_bytes);
        let mut next = 0;
        for chunk in store.encoded_chunks(id, 0..stored).await.unwrap() {
            for frame in decode(&chunk.chunk.header, &chunk.chunk.payload).unwrap().frames() {
                let (_, pose, image) = source.frame(next);
                assert_eq!(frame.frame_number, next, "{id}");
                assert_eq!(frame.pose_data, pose, "frame {next} of {id}");
                assert_eq!(frame.image.is_some(), !image.is_empty(), "frame {next} of {id}");
                if let Some(place) = &frame.image {
                    let media = storage.media().expect("there are media");
                    assert_eq!(media.read_image(id, place).await.unwrap(), image, "frame {next} of {id}");
                }
                next += 1;
            }
        }
        assert_eq!(next, stored, "{id}");
        acknowledged
    }
}
