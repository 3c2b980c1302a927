//! What fails half-way: a stop, a return, a take-over.

use futures::SinkExt;
use posesession_core::SessionStatus;
use posesession_store::SessionStore;
use serde_json::json;

use crate::harness::{House, session_id, video};
use crate::resuming::{SECOND, publish};

#[tokio::test(start_paused = true)]
async fn a_stop_that_waits_for_the_store_is_done_by_a_server_that_stops() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let start = json!({ "type": "start_recording", "name": "filmed", "video": { "mime": "video/mp4" } });
    let session = session_id(&camera.ask(start).await);
    camera.frame(0).await;
    camera.transport.send(video(0, b"one ")).await.unwrap();
    tokio::time::sleep(SECOND).await;
    house.take_media_away();
    camera.frame_with_image(1, 100).await;
    let stopped = camera.ask(json!({ "type": "stop_recording" })).await;
    assert_eq!(stopped["code"], "storage", "{stopped}");
    house.bring_media_back();
    house.records.shutdown().await;
    let stored = house.store.read_session(session).await.unwrap();
    assert_eq!((stored.status, stored.frame_count), (SessionStatus::Completed, 2));
    let path = stored.video_file_path.expect("a video that is one file");
    assert_eq!(std::fs::read(house.media.path().join(path)).unwrap(), b"one ");
    let finalized = camera.expect("recording_finalized").await;
    assert_eq!(session_id(&finalized), session, "{finalized}");
    assert_eq!(session_id(&camera.expect("recording_stopped").await), session);
}
