//! A recording at 60 frames a second that goes on while others misbehave, and must be complete in the end.

use std::time::Duration;

use posesession_core::{SessionId, Skeleton, SyntheticPose};
use posesession_ws::protocol::{Publish, StartRecording};
use posesession_ws::{RecordClient, RecordEvent};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::server_process::{SOON, ServerProcess};

/// A recording that goes on.
pub(crate) struct Steady {
    stop: oneshot::Sender<()>,
    task: JoinHandle<(SessionId, u64)>,
}

impl Steady {
    /// Starts it: of the stream `steady`, each frame with an image of so many bytes.
    pub(crate) async fn start(server: &ServerProcess, image_bytes: usize) -> Self {
        let mut client = RecordClient::connect(&server.ws("/ws/pose")).await.unwrap();
        let publish = Publish {
            stream: Some("steady".to_owned()),
            publisher: Some("steady-publisher".to_owned()),
            ..Publish::default()
        };
        client.publish(&publish).await.unwrap();
        let start: StartRecording = serde_json::from_value(json!({ "name": "steady" })).unwrap();
        let id = client.start_recording(&start).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move { (id, record(client, stopped, image_bytes).await) });
        Self { stop, task }
    }

    /// Stops it, checks that every frame was acknowledged and is stored, once and in order, and returns how many there are.
    pub(crate) async fn finish(self, server: &ServerProcess) -> u64 {
        self.stop.send(()).ok();
        let (id, sent) = tokio::time::timeout(SOON, self.task).await.expect("all is acknowledged").unwrap();
        let mut stored = 0;
        while stored < sent {
            let url = format!(
                "http://{}/api/sessions/{id}/frames?from={stored}&to={}&limit=500",
                server.address,
                stored + 500
            );
            let page: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
            let frames = page["frames"].as_array().unwrap();
            assert!(!frames.is_empty(), "frame {stored} of {sent} is not stored");
            for frame in frames {
                assert_eq!(frame["frame_number"], stored);
                stored += 1;
            }
        }
        assert_eq!(stored, sent);
        let session: Value = reqwest::get(format!("http://{}/api/sessions/{id}", server.address))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!((&session["frame_count"], &session["status"]), (&json!(sent), &json!("completed")));
        sent
    }
}

async fn record(mut client: RecordClient, mut stopped: oneshot::Receiver<()>, image_bytes: usize) -> u64 {
    let source = SyntheticPose::new(&Skeleton::preset("mediapipe_33").unwrap(), 60.0);
    let mut image = b"\xff\xd8\xff\xe0".to_vec();
    image.resize(image_bytes, 7);
    let image = if image_bytes == 0 { &[][..] } else { &image[..] };
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / 60);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sent, mut acknowledged, mut is_stopping) = (0, 0, false);
    while !is_stopping || acknowledged < sent {
        tokio::select! {
            _tick = ticks.tick(), if !is_stopping => {
                let (timestamp, pose) = source.frame(sent);
                client.send_frame(Some(sent), timestamp, &pose, image).await.unwrap();
                sent += 1;
            }
            _asked = &mut stopped, if !is_stopping => is_stopping = true,
            event = client.next_event() => match event.unwrap() {
                RecordEvent::Ack(ack) => {
                    let through = ack.stored_through.map_or(0, |number| number + 1);
                    assert!(acknowledged <= through && through <= sent, "{acknowledged}, {through}, {sent}");
                    acknowledged = through;
                }
                RecordEvent::Error(error) => panic!("a good recording is refused: {error:?}"),
                RecordEvent::Closed(reason) => panic!("a good recording is cut off: {reason:?}"),
                _ => {}
            },
        }
    }
    let finalized = client.stop_recording(None).await.unwrap();
    assert_eq!(finalized.session.frame_count, sent);
    sent
}
