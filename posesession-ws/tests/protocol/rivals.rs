//! Publishers and servers that take what another one still holds for theirs.

use std::sync::Arc;

use posesession_core::{ChunkQuery, SessionId, SessionStatus};
use posesession_store::{MediaStore, MemoryStore, SessionStore};
use posesession_ws::{RecordOptions, RecordService};
use serde_json::{Value, json};
use watched_store::WatchedStore;

use crate::harness::{House, frame, pose};
use crate::resuming::{SECOND, connect, next_server, over, publish, resume};

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

#[tokio::test(start_paused = true)]
async fn a_server_that_is_cut_off_changes_nothing_of_a_session_that_went_on_elsewhere() {
    let house = House::with(RecordOptions { publisher_patience: 30 * SECOND, ..RecordOptions::default() });
    let mut old = house.connect().await;
    publish(&mut old, "run-1").await;
    let session = old.start("moved").await;
    old.frame(0).await;
    tokio::time::sleep(SECOND).await;
    let mut control = house.connect().await;
    let mut paused = house.connect().await;
    paused.ask(json!({ "type": "publish", "stream": "paused", "publisher": "run-2" })).await;
    let start = json!({ "type": "start_recording", "name": "paused", "stream": "paused" });
    let told = paused.ask(start).await;
    let second: SessionId = told["session_id"].as_str().unwrap().parse().unwrap();
    let old_server = house.records.clone();
    let house = next_server(house);
    let mut whole = Vec::new();
    for (session, publisher, stream) in [(session, "run-1", "default"), (second, "run-2", "paused")] {
        let mut camera = house.connect().await;
        let mut resume = resume(session, publisher);
        resume["stream"] = json!(stream);
        assert_eq!(camera.ask(resume).await["type"], "session_resumed");
        for n in 1..50 {
            let mut frame = frame(n);
            frame["stream"] = json!(stream);
            camera.send(frame).await;
        }
        camera.ask(json!({ "type": "stop_recording", "session_id": session })).await;
        whole.push(house.store.read_session(session).await.unwrap());
        assert_eq!(whole.last().unwrap().status, SessionStatus::Completed);
    }
    let refused = control.ask(json!({ "type": "pause_recording", "session_id": second })).await;
    assert_eq!(refused["code"], "storage", "{refused}");
    drop((old, paused, control));
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(old_server.live_recordings(), 0, "the resume window is over");
    for before in whole {
        assert_eq!(house.store.read_session(before.id).await.unwrap(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_take_over_whose_answer_the_store_lost_mixes_no_numbers_up() {
    for (comes_back, is_undone_at_once) in
        [("run-1", true), ("run-1", false), ("run-2", true), ("run-2", false)]
    {
        let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
        let (service, mut camera) = over(&store).await;
        publish(&mut camera, "run-1").await;
        let session = camera.start("not taken over").await;
        for n in 0..10 {
            camera.frame(n).await;
        }
        camera.ask(json!({ "type": "mark", "label": "all frames are in" })).await;
        let mut other = connect(&service).await;
        store.lose_next_answer("set_publisher");
        if !is_undone_at_once {
            store.fail_after_lost_answer("set_publisher");
        }
        let take_over = json!({ "type": "publish", "publisher": "run-2", "take_over": true });
        assert_eq!(other.ask(take_over.clone()).await["code"], "storage");
        if comes_back == "run-2" {
            assert_eq!(other.ask(take_over).await["stored_through"], Value::Null);
        } else {
            for n in 10..20 {
                camera.frame(n).await;
            }
            tokio::time::sleep(SECOND).await;
        }
        // The server is killed. What it had to tell is told by the next one.
        let (_next, mut next) = over(&store).await;
        let expected = if comes_back == "run-1" { json!(19) } else { Value::Null };
        let resumed = next.ask(resume(session, comes_back)).await;
        assert_eq!(
            (&resumed["type"], &resumed["stored_through"]),
            (&json!("session_resumed"), &expected),
            "{comes_back}: {resumed}"
        );
        for n in 20..30 {
            next.send(json!({ "type": "frame", "frame_number": n, "timestamp": 200.0 + n as f64, "pose_data": pose(n as f32) }))
                .await;
        }
        let stored = if comes_back == "run-1" { 30 } else { 20 };
        assert_eq!(next.stop().await["session"]["frame_count"], stored, "{comes_back}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_is_itself_again_at_once_after_a_take_over_whose_answer_the_store_lost() {
    let store = Arc::new(WatchedStore::new(Arc::new(MemoryStore::new())));
    let (service, mut camera) = over(&store).await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("idle").await;
    camera.frame(0).await;
    camera.ask(json!({ "type": "mark", "label": "the frame is in" })).await;
    let mut other = connect(&service).await;
    store.lose_next_answer("set_publisher");
    let taken = other.ask(json!({ "type": "publish", "publisher": "run-2", "take_over": true })).await;
    assert_eq!(taken["code"], "storage", "{taken}");
    // It sends nothing more to a server that is killed.
    let (_next, mut next) = over(&store).await;
    let resumed = next.ask(resume(session, "run-1")).await;
    assert_eq!((&resumed["type"], &resumed["stored_through"]), (&json!("session_resumed"), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_erases_nothing_that_another_server_records() {
    let memory = Arc::new(MemoryStore::new());
    let hanging = Arc::new(WatchedStore::new(memory.clone()));
    let (first, mut camera) = over(&hanging).await;
    publish(&mut camera, "run-1").await;
    hanging.hold_up_next("set_publisher", 30 * SECOND);
    let session: SessionId = "0190a5e4-7c3a-7000-8000-3f2b1c9d4e5f".parse().unwrap();
    camera.send(json!({ "type": "start_recording", "name": "mine", "session_id": session })).await;
    tokio::time::sleep(10 * SECOND).await;
    // The client has waited enough, and asks at another server whether the recording was started.
    drop(camera);
    let (_second, mut camera) = over(&Arc::new(WatchedStore::new(memory.clone()))).await;
    publish(&mut camera, "run-1").await;
    assert_eq!(camera.ask(resume(session, "run-1")).await["type"], "session_resumed");
    for n in 0..50 {
        camera.frame(n).await;
    }
    tokio::time::sleep(SECOND).await;
    while camera.expect("ack").await["stored_through"] != 49 {}
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(first.live_recordings(), 0, "the first server has heard of it");
    assert_eq!(memory.read_session(session).await.map(|session| session.frame_count).ok(), Some(50));
    assert_eq!(camera.stop().await["session"]["frame_count"], 50);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_cut_off_erases_nothing_that_another_server_records() {
    let house = House::new();
    let mut old = house.connect().await;
    publish(&mut old, "run-1").await;
    let session = old.start("moved").await;
    old.frame(0).await;
    tokio::time::sleep(SECOND).await;
    let old_server = house.records.clone();
    let house = next_server(house);
    let mut new = house.connect().await;
    assert_eq!(new.ask(resume(session, "run-1")).await["stored_through"], 0);
    let discarded = old.ask(json!({ "type": "discard_recording" })).await;
    assert_eq!(discarded["code"], "storage", "{discarded}");
    assert_eq!(old_server.live_recordings(), 0, "the old server knows now that it has lost the session");
    new.frame(1).await;
    assert_eq!(new.stop().await["session"]["frame_count"], 2);
}
