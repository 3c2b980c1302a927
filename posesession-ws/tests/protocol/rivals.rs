//! Publishers and servers that take what another one still holds for theirs.

use std::sync::Arc;

use posesession_core::{ChunkQuery, SessionId};
use posesession_store::{MediaStore, MemoryStore, SessionStore};
use posesession_ws::{RecordOptions, RecordService};
use serde_json::{Value, json};
use watched_store::WatchedStore;

use crate::harness::House;
use crate::resuming::{SECOND, connect, publish, resume};

/// The first coordinate of each stored frame: by it the tests know which frame it was.
async fn stored(house: &House, session: SessionId) -> Vec<f32> {
    house.frames(session).await.iter().map(|frame| frame.pose_data.values[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_the_recording_of_a_publisher_that_is_away_without_taking_it_over() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("waits").await;
    for n in 0..10 {
        camera.frame(n).await;
    }
    tokio::time::sleep(SECOND).await;
    // Its last acknowledgement is lost with the connection.
    drop(camera);
    tokio::time::sleep(SECOND).await;
    let mut other = house.connect().await;
    other.frame(0).await;
    assert_eq!(other.expect("error").await["code"], "stream_busy", "by a frame");
    assert_eq!(publish(&mut other, "run-2").await["code"], "stream_busy", "by a command");
    assert_eq!(other.ask(resume(session, "run-2")).await["code"], "stream_busy", "by the session");
    drop(other);
    let mut camera = house.connect().await;
    assert_eq!(publish(&mut camera, "run-1").await["stored_through"], 9);
    for n in 5..15 {
        camera.frame(n).await;
    }
    let finalized = camera.stop().await;
    assert_eq!(finalized["report"]["duplicate"], 5, "{finalized}");
    let expected: Vec<f32> = (0_u8..15).map(f32::from).collect();
    assert_eq!(stored(&house, session).await, expected);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_publisher_without_a_name() {
    let house = House::new();
    let mut camera = house.connect().await;
    let session = camera.start("nameless").await;
    camera.frame(0).await;
    tokio::time::sleep(SECOND).await;
    drop(camera);
    tokio::time::sleep(SECOND).await;
    let mut camera = house.connect().await;
    camera.frame(1).await;
    let stopped = camera.ask(json!({ "type": "stop_recording", "session_id": session })).await;
    assert_eq!(stopped["session"]["frame_count"], 2, "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_cut_off_writes_over_no_image() {
    let memory = Arc::new(MemoryStore::new());
    let first_store = Arc::new(WatchedStore::new(memory.clone()));
    let folder = tempfile::tempdir().unwrap();
    let media = Arc::new(MediaStore::open_folder(folder.path()).unwrap());
    let first = RecordService::new(first_store.clone(), Some(media.clone()), RecordOptions::default());
    let second = RecordService::new(memory.clone(), Some(media.clone()), RecordOptions::default());
    let mut old = connect(&first).await;
    publish(&mut old, "run-1").await;
    let session = old.start("images").await;
    // The image of frame 0 is there, its chunk is not: the server will try again.
    first_store.fail_next("append");
    old.frame_with_image(0, 100).await;
    old.expect("error").await;
    let mut new = connect(&second).await;
    publish(&mut new, "run-1").await;
    assert_eq!(new.ask(resume(session, "run-1")).await["stored_through"], Value::Null);
    // The chunk begins with the same frame, and has other images.
    for n in 0..3 {
        new.frame_with_image(n, 200).await;
    }
    new.stop().await;
    assert_eq!(old.expect("recording_status").await["status"], "recording");
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(first.live_recordings(), 0, "it has tried again, and heard that the session is another's");
    let chunk = memory.covering_chunk(session, ChunkQuery::Frame(0)).await.unwrap().chunk;
    for frame in chunk.frames() {
        let image = media.read_image(session, frame.image.as_ref().unwrap()).await;
        assert_eq!(image.map(|image| image.len()).ok(), Some(200), "frame {}", frame.frame_number);
    }
}
